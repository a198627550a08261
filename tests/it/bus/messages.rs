//! What arrives and what leaves when it is much, large or odd.

use std::collections::BTreeMap;

use rumqttc::QoS;

use super::*;

const STORM: usize = 20_000;
const TOPICS: usize = 50;

#[tokio::test]
async fn in_a_storm_of_readings_the_newest_of_each_topic_arrives() {
    let Some(broker) = Mosquitto::start("").await else {
        return;
    };
    let (bus, mut inbox) = start(server(broker.port), &["in/#"]);
    up(&mut inbox).await;
    let observer = Observer::subscribe(broker.port, "none").await;
    tokio::spawn(async move {
        for n in 0..STORM {
            let topic = format!("in/{}", n % TOPICS);
            observer.client.publish(topic, QoS::AtLeastOnce, false, n.to_string()).await.unwrap();
        }
        observer
    });
    let mut newest = BTreeMap::new();
    while newest.values().filter(|&&n| n >= STORM - TOPICS).count() < TOPICS {
        let reading = message(&mut inbox).await;
        let n: usize = std::str::from_utf8(&reading.payload).unwrap().parse().unwrap();
        let older = newest.insert(reading.topic, n);
        assert!(older.is_none_or(|older| older < n), "{older:?} came before {n}");
    }
    assert_eq!(bus.counters().dropped, 0);
    bus.close().await;
}

#[tokio::test]
async fn in_a_storm_of_state_the_newest_of_each_topic_leaves() {
    let Some(broker) = Mosquitto::start("").await else {
        return;
    };
    let (bus, mut inbox) = start(server(broker.port), &[]);
    up(&mut inbox).await;
    drain(inbox);
    let mut observer = Observer::subscribe(broker.port, "evcc/storm/#").await;
    for n in 0..STORM {
        bus.publish(format!("evcc/storm/{}", n % TOPICS), n.to_string().into(), true);
        if n % 100 == 0 {
            tokio::task::yield_now().await;
        }
    }
    let mut newest = BTreeMap::new();
    while newest.values().filter(|&&n| n >= STORM - TOPICS).count() < TOPICS {
        let (topic, payload, _) = observer.next().await;
        let n: usize = payload.parse().unwrap();
        let older = newest.insert(topic, n);
        assert!(older.is_none_or(|older| older < n), "{older:?} came before {n}");
    }
    assert_eq!(bus.counters().dropped, 0);
    bus.close().await;
}

/// More set-points than events may wait, behind a whole site's state: none is late, none is lost.
#[tokio::test]
async fn set_points_leave_before_state_and_events() {
    const SET_POINTS: usize = 2_000;
    let Some(broker) = Mosquitto::start("").await else {
        return;
    };
    let (bus, mut inbox) = start(server(broker.port), &[]);
    up(&mut inbox).await;
    drain(inbox);
    let mut observer = Observer::subscribe(broker.port, "all/#").await;
    // Nothing is sent in between: this test does not wait here.
    for n in 0..SET_POINTS {
        bus.publish(format!("all/state/{n}"), "state".into(), true);
        bus.publish("all/events".to_owned(), "event".into(), false);
        bus.command(format!("all/wallbox/{n}"), n.to_string().into(), false);
    }
    for n in 0..SET_POINTS {
        let (topic, payload, _) = observer.next().await;
        assert_eq!((topic, payload), (format!("all/wallbox/{n}"), n.to_string()));
    }
    bus.close().await;
}

#[tokio::test]
async fn commands_keep_their_order_and_are_refused_when_too_many_wait() {
    let Some(broker) = Mosquitto::start("").await else {
        return;
    };
    let (bus, mut inbox) = start(server(broker.port), &["in/#"]);
    up(&mut inbox).await;
    let observer = Observer::subscribe(broker.port, "none").await;
    for n in 0..300 {
        observer.publish("in/mode/set", n.to_string(), false).await;
        observer.publish("in/meter", n.to_string(), false).await;
    }
    until("all to arrive", || bus.counters().received == 600).await;
    // The reading stands where its oldest value stood, with the newest value.
    assert_eq!(message(&mut inbox).await.payload, "0");
    assert_eq!(message(&mut inbox).await.payload, "299");
    for n in 1..256 {
        let command = message(&mut inbox).await;
        assert_eq!(
            (command.topic.as_str(), command.payload),
            ("in/mode/set", n.to_string().into())
        );
    }
    let busy = Incoming::Busy { topic: "in/mode/set".into(), refused: 44 };
    assert_eq!(next(&mut inbox).await, busy);
    assert_eq!(bus.counters().busy, 44);
    observer.publish("in/mode/set", "again", false).await;
    assert_eq!(message(&mut inbox).await.payload, "again");
    bus.close().await;
}

/// Two load points, of which `off` is urgent.
const URGENT: Urgent = Urgent {
    place: |topic, payload| {
        let place = topic.strip_suffix("/mode/set")?.parse().ok();
        place.filter(|_| payload.starts_with(b"off"))
    },
    places: 2,
};

#[tokio::test]
async fn an_urgent_command_has_room_of_its_own_and_keeps_the_order() {
    let Some(broker) = Mosquitto::start("").await else {
        return;
    };
    let filters = vec!["evcc/#".to_owned()];
    let options =
        Options { server: server(broker.port), root: "evcc".into(), filters, urgent: Some(URGENT) };
    let (bus, mut inbox) = Bus::start(options, CancellationToken::new());
    up(&mut inbox).await;
    let observer = Observer::subscribe(broker.port, "none").await;
    let mut sent = bus.counters().received;
    for n in 0..256 {
        observer.publish("evcc/0/mode/set", n.to_string(), false).await;
    }
    let more = [
        ("evcc/0/mode/set", "now"),
        ("evcc/0/mode/set", "off, the older one"),
        ("evcc/0/mode/set", "now"),
        ("evcc/1/mode/set", "off"),
        ("evcc/0/mode/set", "off"),
        // There is no such place, and this is not our root.
        ("evcc/2/mode/set", "off"),
        ("other/0/mode/set", "off"),
    ];
    for (topic, payload) in more {
        observer.publish(topic, payload, false).await;
    }
    sent += 256 + 6;
    until("all to arrive", || bus.counters().received == sent).await;
    assert_eq!(message(&mut inbox).await.payload, "0");
    // There is room again, so that a later wish comes after the one that it takes back.
    observer.publish("evcc/0/mode/set", "now, later", false).await;
    until("the last", || bus.counters().received == sent + 1).await;
    for n in 1..256 {
        assert_eq!(message(&mut inbox).await.payload, n.to_string());
    }
    let busy = |topic: &str, refused| Incoming::Busy { topic: topic.to_owned(), refused };
    assert_eq!(next(&mut inbox).await, busy("evcc/0/mode/set", 3));
    for (topic, payload) in [("evcc/1/mode/set", "off"), ("evcc/0/mode/set", "off")] {
        let command = message(&mut inbox).await;
        assert_eq!((command.topic.as_str(), &command.payload[..]), (topic, payload.as_bytes()));
    }
    assert_eq!(next(&mut inbox).await, busy("evcc/2/mode/set", 1));
    assert_eq!(message(&mut inbox).await.payload, "now, later");
    assert_eq!(bus.counters().busy, 4);
    bus.close().await;
}

/// An answer that must arrive does, though newer ones displace what waits before it.
#[tokio::test]
async fn a_firm_answer_is_not_displaced() {
    let Some(broker) = Mosquitto::start("").await else {
        return;
    };
    let (bus, mut inbox) = start(server(broker.port), &[]);
    up(&mut inbox).await;
    drain(inbox);
    let mut observer = Observer::subscribe(broker.port, "all/#").await;
    // Nothing is sent in between: this test does not wait here.
    let to = Reply { topic: "all/firm".to_owned(), correlation: None };
    bus.publish("all/loose".to_owned(), "lost".into(), false);
    bus.answer(to, "firm".into(), true);
    for n in 0..1_024 {
        bus.publish("all/loose".to_owned(), n.to_string().into(), false);
    }
    assert_eq!(bus.counters().dropped, 1);
    assert_eq!(observer.next().await.1, "firm");
    assert_eq!(observer.next().await.1, "0");
    bus.close().await;
}

#[tokio::test]
async fn a_retained_reading_is_told_from_a_live_one() {
    let Some(broker) = Mosquitto::start("").await else {
        return;
    };
    let observer = Observer::subscribe(broker.port, "none").await;
    observer.publish("in/old", "retained", true).await;
    observer.publish("in/mode/set", "now", true).await;
    observer.publish("in/soc", "1", true).await;
    let (bus, mut inbox) = start(server(broker.port), &[]);
    up(&mut inbox).await;
    bus.subscribe("in/#".into());
    until("the retained messages", || bus.counters().received == 3).await;
    observer.publish("in/soc", "2", true).await;
    until("the live message", || bus.counters().received == 4).await;
    let mut seen = BTreeMap::new();
    for _ in 0..3 {
        let message = message(&mut inbox).await;
        seen.insert(message.topic, (message.payload, message.retain));
    }
    assert_eq!(seen["in/old"], ("retained".into(), true));
    assert_eq!(seen["in/mode/set"], ("now".into(), true));
    assert_eq!(seen["in/soc"], ("2".into(), false));
    bus.close().await;
}

#[tokio::test]
async fn large_payloads_pass_and_too_large_ones_harm_nobody() {
    let Some(broker) = Mosquitto::start("").await else {
        return;
    };
    let (bus, mut inbox) = start(server(broker.port), &["in/#"]);
    let session = up(&mut inbox).await;
    let mut observer = Observer::subscribe(broker.port, "evcc/forecast/#").await;

    let large = "x".repeat(300_000);
    observer.publish("in/huge", vec![b'y'; 2 << 20], true).await;
    observer.publish("in/large", large.clone(), false).await;
    let reading = message(&mut inbox).await;
    assert_eq!((reading.topic.as_str(), reading.payload.len()), ("in/large", 300_000));

    bus.publish("evcc/forecast/huge".into(), vec![b'z'; (1 << 20) + 1], true);
    bus.publish("evcc/forecast/limit".into(), vec![b'z'; 1 << 20], true);
    bus.publish("evcc/forecast/large".into(), large.clone().into(), true);
    drain(inbox);
    assert_eq!(observer.next().await.1.len(), 1 << 20);
    assert_eq!(observer.next().await.1, large);
    assert_eq!((bus.counters().dropped, bus.counters().reconnects, session), (2, 0, 1));
    bus.close().await;
}

#[tokio::test]
async fn what_is_not_a_topic_or_filter_is_refused_without_harm() {
    let Some(broker) = Mosquitto::start("").await else {
        return;
    };
    let (bus, mut inbox) = start(server(broker.port), &["in/#/x", "in/ok"]);
    let refused = Incoming::Refused { filter: "in/#/x".into() };
    assert_eq!(next(&mut inbox).await, refused);
    up(&mut inbox).await;
    for filter in ["", "a+", "a\0b"] {
        bus.subscribe(filter.to_owned());
        assert_eq!(next(&mut inbox).await, Incoming::Refused { filter: filter.to_owned() });
    }
    let mut observer = Observer::subscribe(broker.port, "evcc/ok").await;
    for topic in ["", "a/#", "a/+/b", "a\0b", &"t".repeat(70_000)] {
        bus.publish(topic.to_owned(), b"1".to_vec(), true);
    }
    bus.publish("evcc/ok".into(), b"1".to_vec(), true);
    drain(inbox);
    assert_eq!(observer.next().await.1, "1");
    assert_eq!((bus.counters().dropped, bus.counters().reconnects), (5, 0));
    bus.close().await;
}

#[tokio::test]
async fn queues_of_a_long_outage_are_bounded() {
    let (bus, mut inbox) = start(server(free_port()), &[]);
    down(&mut inbox).await;
    for n in 0..2_000 {
        bus.publish("evcc/events".into(), n.to_string().into(), false);
    }
    assert_eq!(bus.counters().dropped, 2_000 - 1_024);
    for n in 0..140_000 {
        bus.publish(format!("evcc/{n}"), b"1".to_vec(), true);
    }
    assert_eq!(bus.counters().dropped, 2_000 - 1_024 + 140_000 - 131_072);
    bus.close().await;
}
