//! Two services on one root (api.md §1.4, users' pain F10): never both at a time.

use std::time::{SystemTime, UNIX_EPOCH};

use super::*;

fn seconds(ago: u64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    (now - ago).to_string()
}

/// Reads on until it is said that another service is there.
async fn taken(inbox: &mut Inbox) -> String {
    loop {
        match next(inbox).await {
            Incoming::Taken { reason } => return reason,
            Incoming::Up { .. } => panic!("a session beside another service"),
            Incoming::Down { .. }
            | Incoming::Message(_)
            | Incoming::Refused { .. }
            | Incoming::Busy { .. } => {}
        }
    }
}

/// Says that it is alive, as a site does.
fn live(bus: &Bus) {
    bus.publish("evcc/updated".into(), seconds(0).into(), true);
}

#[tokio::test]
async fn the_second_service_waits_until_the_first_one_ends() {
    let Some(broker) = Mosquitto::start("").await else {
        return;
    };
    for version in [MqttVersion::V3, MqttVersion::V5] {
        let server = Mqtt { version, ..server(broker.port) };
        let (first, mut inbox) = start(server.clone(), &[]);
        up(&mut inbox).await;
        live(&first);
        drain(inbox);
        let mut observer = Observer::subscribe(broker.port, "evcc/#").await;
        let sign = "evcc/updated".to_owned();
        while observer.next().await.0 != sign {}

        let (second, mut waiting) = start(server, &[]);
        second.publish("evcc/second".into(), b"1".to_vec(), true);
        let reason = taken(&mut waiting).await;
        assert!(reason.contains("below `evcc`") && reason.contains("mqtt.takeover"), "{reason}");
        assert!(!second.connected());
        first.close().await;
        up(&mut waiting).await;
        drain(waiting);
        // Nothing of the second one was heard before the first one's goodbye.
        let mut said = Vec::new();
        while said.last().is_none_or(|(topic, _)| topic != "evcc/second") {
            let (topic, payload, _) = observer.next().await;
            said.push((topic, payload));
        }
        let said: Vec<_> = said.iter().map(|(topic, payload)| (&topic[..], &payload[..])).collect();
        let expected =
            [("evcc/status", "offline"), ("evcc/status", "online"), ("evcc/second", "1")];
        assert_eq!(said, expected);
        observer.publish("evcc/second", "", true).await;
        second.close().await;
    }
}

#[tokio::test]
async fn whoever_takes_over_ends_the_other_and_stays_online() {
    let Some(broker) = Mosquitto::start("").await else {
        return;
    };
    let (first, mut inbox) = start(server(broker.port), &[]);
    up(&mut inbox).await;
    live(&first);
    let told = tokio::spawn(async move {
        taken(&mut inbox).await;
        inbox
    });
    let mut observer = Observer::subscribe(broker.port, "evcc/#").await;
    while observer.next().await.0 != "evcc/updated" {}
    let usurper = Mqtt { takeover: Takeover::Once, ..server(broker.port) };
    let (second, mut inbox) = start(usurper, &[]);
    up(&mut inbox).await;
    drain(inbox);
    // A time that the first one cannot have said.
    second.publish("evcc/updated".into(), seconds(1000).into(), true);
    let mut waiting = soon("the first to leave", told).await.unwrap();
    assert!(!first.connected() && second.connected());
    second.publish("evcc/mark".into(), b"1".to_vec(), true);
    loop {
        let (topic, payload, _) = observer.next().await;
        assert_ne!((&topic[..], &payload[..]), ("evcc/status", "offline"));
        if topic == "evcc/mark" {
            break;
        }
    }
    // It comes back when the other one goes.
    live(&second);
    second.close().await;
    up(&mut waiting).await;
    first.close().await;
}

#[tokio::test]
async fn what_was_left_behind_does_not_count() {
    let Some(broker) = Mosquitto::start("").await else {
        return;
    };
    let observer = Observer::subscribe(broker.port, "none").await;
    for (status, updated) in [
        ("online", seconds(1000)),
        ("online", String::new()),
        ("online", "yesterday".to_owned()),
        ("offline", seconds(0)),
    ] {
        observer.publish("evcc/status", status, true).await;
        observer.publish("evcc/updated", updated.clone(), true).await;
        let (bus, mut inbox) = start(server(broker.port), &[]);
        loop {
            let event = next(&mut inbox).await;
            assert!(!matches!(event, Incoming::Taken { .. }), "{status} {updated}");
            if matches!(event, Incoming::Up { .. }) {
                break;
            }
        }
        bus.close().await;
    }
}

#[tokio::test]
async fn somebody_elses_goodbye_is_corrected() {
    let Some(broker) = Mosquitto::start("").await else {
        return;
    };
    let (bus, mut inbox) = start(server(broker.port), &[]);
    up(&mut inbox).await;
    drain(inbox);
    let mut observer = Observer::subscribe(broker.port, "evcc/status").await;
    assert_eq!(observer.next().await.1, "online");
    observer.publish("evcc/status", "offline", true).await;
    assert_eq!(observer.next().await.1, "offline");
    assert_eq!(observer.next().await.1, "online");
    bus.close().await;
}
