//! Peers that are not brokers, or not good ones.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::*;
use crate::support::peer;

const CONNACK: &[u8] = &[0x20, 2, 0, 0];

/// The next packet: its first byte and what follows its length; `None` at the end.
pub(super) async fn packet(stream: &mut TcpStream) -> Option<(u8, Vec<u8>)> {
    let first = stream.read_u8().await.ok()?;
    let (mut length, mut shift) = (0_usize, 0);
    loop {
        let byte = stream.read_u8().await.ok()?;
        length |= usize::from(byte & 0x7f) << shift;
        shift += 7;
        if byte < 0x80 {
            break;
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    Some((first, body))
}

/// Takes CONNECT, accepts it, answers pings, and says what `answer` says to other packets.
async fn broker(mut stream: TcpStream, answer: impl Fn(u8, &[u8]) -> Vec<u8>) {
    while let Some((first, body)) = packet(&mut stream).await {
        let reply = match first >> 4 {
            1 => CONNACK.to_vec(),
            12 => vec![0xd0, 0],
            _ => answer(first, &body),
        };
        if stream.write_all(&reply).await.is_err() {
            return;
        }
    }
}

#[tokio::test]
async fn a_refused_subscription_is_seen() {
    let port = peer(|stream| {
        broker(stream, |first, body| match first >> 4 {
            // The second of three filters is refused.
            8 => vec![0x90, 5, body[0], body[1], 1, 0x80, 0],
            3 => vec![0x40, 2, 0, 1],
            _ => Vec::new(),
        })
    })
    .await;
    let (bus, mut inbox) = start(server(port), &["a/#", "b/#", "c/#"]);
    up(&mut inbox).await;
    assert_eq!(next(&mut inbox).await, Incoming::Refused { filter: "b/#".into() });
    bus.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_never_answers_is_left() {
    let port = peer(|mut stream| async move { while packet(&mut stream).await.is_some() {} }).await;
    let (bus, mut inbox) = start(server(port), &[]);
    let reason = down(&mut inbox).await;
    assert!(reason.contains("no answer within 5 s"), "{reason}");
    bus.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_broker_that_never_acknowledges_is_left() {
    let port = peer(|stream| broker(stream, |_, _| Vec::new())).await;
    let (bus, mut inbox) = start(server(port), &[]);
    assert_eq!(up(&mut inbox).await, 1);
    let reason = loop {
        bus.publish("evcc/x".into(), b"1".to_vec(), true);
        let event = tokio::time::timeout(std::time::Duration::from_secs(120), inbox.next()).await;
        if let Incoming::Down { reason } = event.unwrap().unwrap() {
            break reason;
        }
    };
    assert!(reason.contains("does not acknowledge"), "{reason}");
    bus.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_broker_that_stops_reading_is_left() {
    let port = peer(|mut stream| async move {
        packet(&mut stream).await;
        let _ = stream.write_all(CONNACK).await;
        std::future::pending::<()>().await;
    })
    .await;
    let (bus, mut inbox) = start(server(port), &[]);
    up(&mut inbox).await;
    for n in 0..30 {
        bus.publish(format!("evcc/{n}"), vec![b'x'; 1 << 20], true);
    }
    let reason = down(&mut inbox).await;
    assert!(reason.contains("does not take what we send"), "{reason}");
    bus.close().await;
}

#[tokio::test]
async fn two_clients_of_one_id_are_recognised() {
    let Some(broker) = Mosquitto::start("").await else {
        return;
    };
    let twin = Mqtt { client_id: Some("twin".into()), ..server(broker.port) };
    let (first, mut inbox) = start(twin.clone(), &[]);
    let (second, other) = start(twin, &[]);
    drain(other);
    while !down(&mut inbox).await.contains("is `twin` the id of another client") {}
    // They do not fight as fast as they can.
    let sessions = first.counters().reconnects + second.counters().reconnects;
    assert!(sessions < 20, "{sessions}");
    first.close().await;
    second.close().await;
}

#[tokio::test]
async fn garbage_is_survived() {
    let suback_nobody_asked_for = [0x90, 3, 0, 77, 0x80];
    let huge = [0x30, 0xff, 0xff, 0xff, 0x7f, 1, 2, 3];
    let after_connack: [&[u8]; 14] = [
        b"",
        b"\0",
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        &[0xff; 64],
        &[0x40, 0],
        &[0x40, 1, 0],
        &[0x40, 2, 0xff, 0xff],
        &[0x50, 2, 0, 9],
        &[0x62, 2, 0, 9],
        &[0x70, 2, 0xff, 0xff],
        &[0x30, 3, 0, 9, b'a'],
        &[0x30, 4, 0, 2, 0xff, 0xfe],
        &suback_nobody_asked_for,
        &huge,
    ];
    let mut greetings: Vec<Vec<u8>> =
        after_connack.iter().map(|odd| [CONNACK, odd].concat()).collect();
    greetings.extend(after_connack.iter().map(|odd| odd.to_vec()));
    let mut random = fastrand::Rng::with_seed(7);
    for _ in 0..40 {
        let noise: Vec<u8> = (0..random.usize(1..200)).map(|_| random.u8(..)).collect();
        greetings.push([CONNACK, &noise].concat());
    }
    for greeting in greetings {
        let told = greeting.clone();
        let port = peer(move |mut stream| {
            let greeting = greeting.clone();
            async move {
                let _ = packet(&mut stream).await;
                let _ = stream.write_all(&greeting).await;
            }
        })
        .await;
        let (bus, mut inbox) = start(server(port), &["a/#"]);
        let reason = down(&mut inbox).await;
        assert!(!reason.is_empty(), "{told:x?}");
        bus.close().await;
        while let Some(event) = inbox.next().await {
            assert!(!matches!(event, Incoming::Refused { .. }), "{told:x?}");
        }
    }
}

#[tokio::test]
async fn a_peer_that_hangs_up_does_not_stop_the_trying() {
    let (told, mut attempts) = tokio::sync::mpsc::channel(10);
    let port = peer(move |stream| {
        let told = told.clone();
        async move {
            drop(stream);
            let _ = told.try_send(());
        }
    })
    .await;
    let (bus, mut inbox) = start(server(port), &[]);
    for _ in 0..3 {
        soon("an attempt", attempts.recv()).await;
    }
    // The reason is told once, however many attempts there are.
    down(&mut inbox).await;
    bus.close().await;
    assert_eq!(inbox.next().await, None);
}
