//! The MQTT client against a real mosquitto and against peers that misbehave.

mod faults;
mod five;
mod guard;
mod messages;
mod secrets;

use std::collections::BTreeMap;

use chargebus::config::{Mqtt, MqttVersion, Takeover};
use chargebus::edges::bus::{Bus, Inbox, Incoming, Message, Options, Reply, Urgent};
use tokio_util::sync::CancellationToken;

use crate::support::{Mosquitto, Observer, free_port, soon, until};

fn server(port: u16) -> Mqtt {
    Mqtt { host: "127.0.0.1".into(), port, ..Mqtt::default() }
}

fn start(server: Mqtt, filters: &[&str]) -> (Bus, Inbox) {
    let filters = filters.iter().map(|&filter| filter.to_owned()).collect();
    let options = Options { server, root: "evcc".into(), filters, urgent: None };
    Bus::start(options, CancellationToken::new())
}

async fn next(inbox: &mut Inbox) -> Incoming {
    soon("the inbox", inbox.next()).await.expect("the bus ended")
}

/// Reads on until connected; the session's number.
async fn up(inbox: &mut Inbox) -> u64 {
    loop {
        if let Incoming::Up { session } = next(inbox).await {
            return session;
        }
    }
}

/// Reads on until the reason of a lost or missing connection.
async fn down(inbox: &mut Inbox) -> String {
    loop {
        if let Incoming::Down { reason } = next(inbox).await {
            return reason;
        }
    }
}

/// Reads on until a message.
async fn message(inbox: &mut Inbox) -> Message {
    loop {
        if let Incoming::Message(message) = next(inbox).await {
            return message;
        }
    }
}

/// Keeps the inbox empty for the rest of the test, as an owner with nothing to say.
fn drain(mut inbox: Inbox) {
    tokio::spawn(async move { while inbox.next().await.is_some() {} });
}

fn state(round: usize) -> BTreeMap<String, String> {
    (0..50).map(|n| (format!("evcc/state/{n:02}"), format!("{round}.{n}"))).collect()
}

fn publish_all(bus: &Bus, state: &BTreeMap<String, String>) {
    for (topic, payload) in state {
        bus.publish(topic.clone(), payload.clone().into(), true);
    }
}

#[tokio::test]
async fn a_broker_that_appears_later_is_found() {
    let port = free_port();
    let (bus, mut inbox) = start(server(port), &["in/#"]);
    let reason = down(&mut inbox).await;
    assert!(reason.contains("refused"), "{reason}");
    assert!(!bus.connected());
    let Some(_broker) = Mosquitto::start_on(port, "").await else {
        return;
    };
    assert_eq!(up(&mut inbox).await, 1);
    assert!(bus.connected());
    let observer = Observer::subscribe(port, "evcc/#").await;
    observer.publish("in/meter", "7", false).await;
    assert_eq!(message(&mut inbox).await.topic, "in/meter");
}

#[tokio::test]
async fn restarts_of_the_broker_lose_neither_subscriptions_nor_state() {
    let Some(mut broker) = Mosquitto::start("max_inflight_messages 1").await else {
        return;
    };
    let (bus, mut inbox) = start(server(broker.port), &["in/#", "other/+/set"]);
    for round in 1..=4 {
        assert_eq!(up(&mut inbox).await, round as u64);
        let mut expected = state(round);
        publish_all(&bus, &expected);
        expected.insert("evcc/status".into(), "online".into());

        let mut observer = Observer::subscribe(broker.port, "evcc/#").await;
        observer.publish("in/meter", format!("{round}"), false).await;
        let reading = message(&mut inbox).await;
        assert_eq!((reading.topic.as_str(), reading.retain), ("in/meter", false));
        assert_eq!(reading.payload, format!("{round}"));
        observer.until_newest(&expected).await;

        let mut late = Observer::subscribe(broker.port, "evcc/#").await;
        let mut retained = BTreeMap::new();
        while retained.len() < expected.len() {
            let (topic, payload, retain) = late.next().await;
            assert!(retain, "{topic}");
            retained.insert(topic, payload);
        }
        assert_eq!(retained, expected);

        if round < 4 {
            broker.kill().await;
            down(&mut inbox).await;
            broker.restart().await;
        }
    }
    assert_eq!(bus.counters().reconnects, 3);
    bus.close().await;
}

#[tokio::test]
async fn a_snapshot_replaces_what_waits_and_goes_out_once_in_its_order() {
    let Some(mut broker) = Mosquitto::start("").await else {
        return;
    };
    let (bus, mut inbox) = start(server(broker.port), &[]);
    up(&mut inbox).await;
    broker.kill().await;
    down(&mut inbox).await;
    bus.publish("evcc/gone".into(), Vec::new(), true);
    for value in 0..100 {
        bus.publish("evcc/b".into(), format!("{value}").into(), true);
        bus.publish("evcc/a".into(), format!("{value}").into(), true);
    }
    bus.publish("evcc/kept".into(), b"k".to_vec(), true);

    broker.restart().await;
    up(&mut inbox).await;
    // Nothing but the status goes out before the inbox is asked again.
    let mut observer = Observer::subscribe(broker.port, "evcc/#").await;
    bus.publish("evcc/a".into(), b"a".to_vec(), true);
    bus.publish("evcc/b".into(), b"b".to_vec(), true);
    bus.publish("evcc/event".into(), b"e".to_vec(), false);
    drain(inbox);
    let mut seen = Vec::new();
    while seen.last().is_none_or(|topic| topic != "evcc/event") {
        let (topic, payload, _) = observer.next().await;
        if topic != "evcc/status" {
            assert_eq!(payload, if topic == "evcc/gone" { "" } else { &topic[5..6] });
            seen.push(topic);
        }
    }
    assert_eq!(seen, ["evcc/gone", "evcc/kept", "evcc/a", "evcc/b", "evcc/event"]);
    bus.close().await;
}

#[tokio::test]
async fn an_event_of_an_outage_is_not_sent_when_it_is_old() {
    let Some(broker) = Mosquitto::prepare(free_port(), "") else {
        return;
    };
    let mut broker = broker;
    let (bus, inbox) = start(server(broker.port), &[]);
    tokio::time::pause();
    bus.publish("evcc/events".into(), b"old".to_vec(), false);
    tokio::time::advance(std::time::Duration::from_secs(11)).await;
    tokio::time::resume();
    broker.restart().await;
    let mut observer = Observer::subscribe(broker.port, "evcc/events").await;
    bus.publish("evcc/events".into(), b"new".to_vec(), false);
    drain(inbox);
    assert_eq!(observer.next().await.1, "new");
    assert_eq!(bus.counters().dropped, 1);
    bus.close().await;
}

#[tokio::test]
async fn the_status_follows_the_connection() {
    let Some(broker) = Mosquitto::start("").await else {
        return;
    };
    let mut observer = Observer::subscribe(broker.port, "evcc/status").await;
    let status = async |observer: &mut Observer| observer.next().await.1;

    let (bus, mut inbox) = start(server(broker.port), &["in/#"]);
    assert_eq!(status(&mut observer).await, "online");
    up(&mut inbox).await;
    bus.publish("evcc/last".into(), b"words".to_vec(), true);
    bus.clone().close().await;
    assert_eq!(status(&mut observer).await, "offline");
    bus.publish("evcc/late".into(), b"x".to_vec(), true);
    bus.close().await;
    while inbox.next().await.is_some() {}

    let (bus, inbox) = start(server(broker.port), &[]);
    assert_eq!(status(&mut observer).await, "online");
    drop(inbox);
    assert_eq!(status(&mut observer).await, "offline");
    bus.close().await;

    let stop = CancellationToken::new();
    let options =
        Options { server: server(broker.port), root: "evcc".into(), filters: vec![], urgent: None };
    let (bus, mut inbox) = Bus::start(options, stop.clone());
    assert_eq!(status(&mut observer).await, "online");
    stop.cancel();
    assert_eq!(status(&mut observer).await, "offline");
    while inbox.next().await.is_some() {}
    assert!(!bus.connected());
}

#[tokio::test]
async fn a_farewell_sends_what_waits() {
    let Some(broker) = Mosquitto::start("").await else {
        return;
    };
    let (bus, mut inbox) = start(server(broker.port), &[]);
    up(&mut inbox).await;
    // Also what waits for the inbox's owner, who may say no more.
    publish_all(&bus, &state(7));
    bus.close().await;
    let mut expected = state(7);
    expected.insert("evcc/status".into(), "offline".into());
    Observer::subscribe(broker.port, "evcc/#").await.until_newest(&expected).await;
}

#[tokio::test]
async fn a_root_that_is_no_topic_costs_only_the_status() {
    let Some(broker) = Mosquitto::start("").await else {
        return;
    };
    let options = Options {
        server: server(broker.port),
        root: "evcc/#".into(),
        filters: vec![],
        urgent: None,
    };
    let (bus, mut inbox) = Bus::start(options, CancellationToken::new());
    assert_eq!(up(&mut inbox).await, 1);
    bus.close().await;
}

#[tokio::test]
async fn without_a_broker_a_farewell_is_short() {
    let (bus, mut inbox) = start(server(free_port()), &[]);
    down(&mut inbox).await;
    bus.publish("evcc/x".into(), b"1".to_vec(), true);
    soon("the farewell", bus.close()).await;
    assert_eq!(inbox.next().await, None);
}

#[tokio::test]
async fn without_a_root_there_is_no_status() {
    let Some(broker) = Mosquitto::start("").await else {
        return;
    };
    let mut observer = Observer::subscribe(broker.port, "#").await;
    let options =
        Options { server: server(broker.port), root: String::new(), filters: vec![], urgent: None };
    let (bus, mut inbox) = Bus::start(options, CancellationToken::new());
    up(&mut inbox).await;
    drain(inbox);
    bus.publish("device/first".into(), b"1".to_vec(), false);
    assert_eq!(observer.next().await.0, "device/first");
    bus.close().await;
    observer.publish("last", "", false).await;
    assert_eq!(observer.next().await.0, "last");
}

#[tokio::test]
async fn subscriptions_come_and_go_while_connected() {
    let Some(mut broker) = Mosquitto::start("").await else {
        return;
    };
    let (bus, mut inbox) = start(server(broker.port), &["a/#"]);
    up(&mut inbox).await;
    bus.subscribe("b/#".into());
    bus.subscribe("b/#".into());
    bus.unsubscribe("a/#");
    bus.unsubscribe("never/subscribed");
    for _ in 0..2 {
        let observer = Observer::subscribe(broker.port, "none").await;
        observer.publish("b/retained", "old", true).await;
        assert_eq!(message(&mut inbox).await.payload, "old");
        observer.publish("a/1", "x", false).await;
        observer.publish("b/1", "y", false).await;
        assert_eq!(message(&mut inbox).await.topic, "b/1");
        broker.restart().await;
        up(&mut inbox).await;
    }
    until("the end of the session", || bus.connected()).await;
    bus.close().await;
}
