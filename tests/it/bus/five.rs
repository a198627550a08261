//! The client in MQTT 5, on mosquitto and on peers that misbehave.

use std::time::Duration;

use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{Packet, Publish, PublishProperties};
use rumqttc::v5::{AsyncClient, Event, MqttOptions};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;

use super::faults::packet;
use super::*;
use crate::support::peer;

const CONNACK: &[u8] = &[0x20, 3, 0, 0, 0];

fn five(port: u16) -> Mqtt {
    Mqtt { version: MqttVersion::V5, ..server(port) }
}

/// Somebody else who speaks MQTT 5; hears what is below `answers/`.
async fn asker(port: u16) -> (AsyncClient, mpsc::Receiver<Publish>) {
    let options = MqttOptions::new("asker", "127.0.0.1", port);
    let (client, mut events) = AsyncClient::new(options, 10);
    client.subscribe("answers/#", QoS::AtLeastOnce).await.unwrap();
    let (tell, heard) = mpsc::channel(10);
    let (ready, mut subscribed) = mpsc::channel(1);
    tokio::spawn(async move {
        while let Ok(event) = events.poll().await {
            if let Event::Incoming(Packet::SubAck(_)) = event {
                ready.send(()).await.unwrap();
            } else if let Event::Incoming(Packet::Publish(message)) = event
                && tell.send(message).await.is_err()
            {
                return;
            }
        }
    });
    soon("a subscription", subscribed.recv()).await.unwrap();
    (client, heard)
}

#[tokio::test]
async fn state_and_readings_pass_and_survive_a_restart() {
    let Some(mut broker) = Mosquitto::start("max_inflight_messages 1").await else {
        return;
    };
    let (bus, mut inbox) = start(five(broker.port), &["in/#"]);
    for round in 1..=2 {
        assert_eq!(up(&mut inbox).await, round as u64);
        let mut expected = state(round);
        publish_all(&bus, &expected);
        expected.insert("evcc/status".into(), "online".into());
        let mut observer = Observer::subscribe(broker.port, "evcc/#").await;
        observer.publish("in/meter", format!("{round}"), false).await;
        assert_eq!(message(&mut inbox).await.payload, format!("{round}"));
        observer.until_newest(&expected).await;
        if round < 2 {
            broker.kill().await;
            down(&mut inbox).await;
            broker.restart().await;
        }
    }
    let mut observer = Observer::subscribe(broker.port, "evcc/status").await;
    assert_eq!(observer.next().await.1, "online");
    bus.close().await;
    assert_eq!(observer.next().await.1, "offline");
}

#[tokio::test]
async fn a_question_is_answered_where_it_wants() {
    let Some(broker) = Mosquitto::start("").await else {
        return;
    };
    let (bus, mut inbox) = start(five(broker.port), &["evcc/+/set"]);
    up(&mut inbox).await;
    let (client, mut heard) = asker(broker.port).await;
    let said = PublishProperties {
        response_topic: Some("answers/1".into()),
        correlation_data: Some("c1".into()),
        ..PublishProperties::default()
    };
    let asked =
        client.publish_with_properties("evcc/x/set", QoS::AtLeastOnce, false, "1", said.clone());
    soon("room", asked).await.unwrap();
    let reply = message(&mut inbox).await.reply.unwrap();
    assert_eq!(
        (reply.topic.as_str(), reply.correlation.as_deref()),
        ("answers/1", Some(&b"c1"[..]))
    );
    bus.answer(reply, b"done".to_vec(), false);
    drain(inbox);
    let answer = soon("an answer", heard.recv()).await.unwrap();
    let properties = answer.properties.unwrap();
    assert_eq!((&answer.payload[..], answer.retain), (&b"done"[..], false));
    assert_eq!(properties.correlation_data, said.correlation_data);
    // So that it fills no queue of somebody who is away.
    assert!(properties.message_expiry_interval.is_some_and(|left| left <= 60));
    bus.close().await;
}

#[tokio::test]
async fn what_the_broker_does_not_take_costs_no_session() {
    let Some(broker) = Mosquitto::start("max_packet_size 500").await else {
        return;
    };
    let (bus, mut inbox) = start(five(broker.port), &[]);
    up(&mut inbox).await;
    drain(inbox);
    let mut observer = Observer::subscribe(broker.port, "evcc/x/#").await;
    bus.publish("evcc/x/large".into(), vec![b'x'; 600], true);
    bus.publish("evcc/x/small".into(), b"1".to_vec(), true);
    assert_eq!(observer.next().await.0, "evcc/x/small");
    let counters = bus.counters();
    assert_eq!((counters.dropped, counters.reconnects), (1, 0));
    bus.close().await;
}

/// The reason why there is no session, however long that takes in virtual time.
async fn reason(inbox: &mut Inbox) -> String {
    loop {
        let event = tokio::time::timeout(Duration::from_secs(120), inbox.next()).await;
        if let Incoming::Down { reason } = event.unwrap().unwrap() {
            return reason;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_broker_that_stops_reading_is_left() {
    let port = peer(|mut stream| async move {
        packet(&mut stream).await;
        let _ = stream.write_all(CONNACK).await;
        std::future::pending::<()>().await;
    })
    .await;
    let (bus, mut inbox) = start(five(port), &[]);
    up(&mut inbox).await;
    for n in 0..30 {
        bus.publish(format!("evcc/{n}"), vec![b'x'; 1 << 20], true);
    }
    let reason = reason(&mut inbox).await;
    assert!(reason.contains("does not take what we send"), "{reason}");
    bus.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_never_answers_is_left() {
    let port = peer(|mut stream| async move { while packet(&mut stream).await.is_some() {} }).await;
    let (bus, mut inbox) = start(five(port), &[]);
    let reason = reason(&mut inbox).await;
    assert!(reason.contains("no answer within 5 s"), "{reason}");
    bus.close().await;
}

/// A welcome or a refusal, and what is said about it.
#[tokio::test]
async fn a_broker_that_does_not_fit_is_told_about() {
    let cases: [(&[u8], &str); 7] = [
        (&[0x20, 5, 0, 0, 2, 37, 0], "keeps no retained messages"),
        (&[0x20, 5, 0, 0, 2, 36, 0], "QoS 1 is needed"),
        (&[0x20, 3, 0, 0x84, 0], "does not speak MQTT 5: remove mqtt.version"),
        (&[0x20, 3, 0, 0x87, 0], "wants a user"),
        (&[0x20, 3, 0, 0x85, 0], "refuses the client id"),
        (&[0x20, 3, 0, 0x8a, 0], "refuses with Banned"),
        // A broker of 3.1.1 that is asked for 5.
        (&[0x20, 2, 0, 1], "remove mqtt.version if it speaks 3.1.1 only"),
    ];
    for (welcome, expected) in cases {
        let port = peer(move |mut stream| async move {
            packet(&mut stream).await;
            let _ = stream.write_all(welcome).await;
            // Closed when the client has, or at once after a refusal.
            if welcome[2..4] == [0, 0] {
                while stream.read_u8().await.is_ok() {}
            }
        })
        .await;
        let (bus, mut inbox) = start(five(port), &[]);
        let reason = down(&mut inbox).await;
        assert!(reason.contains(expected), "{reason}");
        bus.close().await;
    }
}

#[tokio::test]
async fn garbage_is_survived() {
    let mut random = fastrand::Rng::with_seed(5);
    for round in 0..60 {
        let noise: Vec<u8> = (0..random.usize(1..200)).map(|_| random.u8(..)).collect();
        let greeting = if round % 2 == 0 { [CONNACK, &noise].concat() } else { noise };
        let port = peer(move |mut stream| {
            let greeting = greeting.clone();
            async move {
                let _ = packet(&mut stream).await;
                let _ = stream.write_all(&greeting).await;
            }
        })
        .await;
        let (bus, mut inbox) = start(five(port), &["a/#"]);
        assert!(!down(&mut inbox).await.is_empty());
        bus.close().await;
    }
}
