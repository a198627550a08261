//! Slow clients, large packets, full queues and full houses.

use rumqttc::mqttbytes::QoS::{AtLeastOnce, AtMostOnce, ExactlyOnce};
use rumqttc::mqttbytes::v4::{ConnectReturnCode as Code, Packet, Publish, SubscribeReasonCode};

use super::client::{Client, connect, text};
use super::targets::{OPEN, Ours, each};

async fn limited(limits: &str) -> Ours {
    Ours::start(&format!("{OPEN}\n[limits]\n{limits}")).await
}

#[tokio::test]
async fn a_large_payload_passes() {
    each(async |_, broker| {
        let payload = "x".repeat(300_000);
        let mut client = Client::new(broker, "client").await;
        for qos in [AtMostOnce, AtLeastOnce, ExactlyOnce] {
            client.subscribe("large", qos).await;
            let mut writer = Client::new(broker, "writer").await;
            writer.publish("large", &payload, qos, false).await;
            client.expect_message("large", &payload).await;
        }
        client.ping().await;
    })
    .await;
}

#[tokio::test]
async fn a_packet_beyond_the_limit_is_not_even_read() {
    let ours = limited("packet_bytes = 2048").await;
    let mut witness = Client::new(ours.addr(), "witness").await;
    witness.subscribe("size/#", AtMostOnce).await;
    let mut writer = Client::new(ours.addr(), "writer").await;
    writer.publish("size/fits", &"x".repeat(2048 - 11), AtMostOnce, false).await;
    assert_eq!(witness.next().await.payload.len(), 2048 - 11);
    // The header alone is enough to be refused.
    writer.raw(&[0x30, 0x81, 0x10]).await;
    writer.expect_closed("one byte too many").await;
    let mut greedy = Client::dial(ours.addr()).await;
    greedy.raw(&[0x10, 0xff, 0xff, 0xff, 0x7f]).await;
    greedy.expect_closed("a connect of 256 MiB").await;
    witness.ping().await;
}

#[tokio::test]
async fn a_full_window_does_not_hold_up_answers() {
    each(async |_, broker| {
        let mut lazy = Client::new(broker, "lazy").await;
        lazy.subscribe("w/#", AtLeastOnce).await;
        let mut writer = Client::new(broker, "writer").await;
        for n in 0..200 {
            writer.publish("w/x", &n.to_string(), AtLeastOnce, false).await;
        }
        lazy.send(Packet::PingReq).await;
        let mut got = 0;
        // What is in the window comes, unacknowledged; then the answer, then nothing more.
        loop {
            match lazy.recv().await {
                Some(Packet::Publish(_)) => got += 1,
                Some(Packet::PingResp) => break,
                other => panic!("{other:?}"),
            }
        }
        assert!(got < 200, "the window is bounded");
        lazy.send_subscribe(&[("other", AtMostOnce)]).await;
        while !matches!(lazy.recv().await, Some(Packet::SubAck(_))) {}
    })
    .await;
}

#[tokio::test]
async fn a_client_that_does_not_read_holds_up_nobody() {
    each(async |_, broker| {
        let mut sleeper = Client::new(broker, "sleeper").await;
        sleeper.subscribe("#", AtLeastOnce).await;
        let mut reader = Client::new(broker, "reader").await;
        reader.subscribe("bulk/#", AtLeastOnce).await;
        let mut writer = Client::new(broker, "writer").await;
        let payload = "x".repeat(64 * 1024);
        // 32 MiB, far more than the sleeper's socket and queue hold.
        for n in 0..512 {
            let topic = format!("bulk/{n}");
            writer.publish(&topic, &payload, AtLeastOnce, false).await;
            assert_eq!(text(&reader.next().await).0, topic);
        }
    })
    .await;
}

#[tokio::test]
async fn a_full_queue_drops_the_newest() {
    let ours = limited("queue_messages = 10\ninflight = 5").await;
    let mut lazy = Client::new(ours.addr(), "lazy").await;
    lazy.subscribe("q/#", AtLeastOnce).await;
    let mut writer = Client::new(ours.addr(), "writer").await;
    // The router lets no session fall behind by more than some 100 KiB, so that at the end of this
    // megabyte the lazy client's session has seen nearly all of it.
    for n in 0..100 {
        writer.publish("q/x", &format!("{n:010240}"), AtLeastOnce, false).await;
    }
    lazy.ping_after(5).await;
    lazy.acknowledge_ids(1..=5).await;
    let number = |publish: &Publish| text(publish).1.parse::<usize>().unwrap();
    for n in 5..15 {
        assert_eq!(number(&lazy.next().await), n);
    }
    writer.publish("q/end", "100", AtLeastOnce, false).await;
    let mut later = lazy.next().await;
    assert!(number(&later) > 85, "{} should have been dropped", number(&later));
    while later.topic != "q/end" {
        later = lazy.next().await;
    }
}

#[tokio::test]
async fn a_client_that_takes_no_data_is_disconnected() {
    let ours = limited("write_timeout_s = 1").await;
    let mut witness = Client::new(ours.addr(), "witness").await;
    witness.subscribe("will", AtMostOnce).await;
    let will = super::client::with_will("stuck", "will", "stuck", AtMostOnce, false);
    let mut stuck = Client::connect(ours.addr(), will).await;
    stuck.subscribe("bulk", AtMostOnce).await;
    let mut writer = Client::new(ours.addr(), "writer").await;
    let payload = "x".repeat(1 << 19);
    for _ in 0..40 {
        writer.publish("bulk", &payload, AtLeastOnce, false).await;
    }
    witness.expect_message("will", "stuck").await;
}

#[tokio::test]
async fn a_full_house_says_so() {
    let ours = limited("connections = 2").await;
    let broker = ours.addr();
    let (mut one, mut two) = (Client::new(broker, "1").await, Client::new(broker, "2").await);
    for _ in 0..5 {
        let (mut refused, code, _) = Client::ask(broker, connect("3")).await;
        assert_eq!(code, Code::ServiceUnavailable);
        refused.expect_closed("no place").await;
    }
    // Who is known may take his own place, and a free place is free again.
    let mut again = Client::new(broker, "1").await;
    one.expect_closed("taken over").await;
    again.ping().await;
    two.ping().await;
    two.goodbye().await;
    let internal = ours.running.internal().clone();
    let mut three = Client::connect_patiently(broker, connect("3")).await;
    three.ping().await;
    let login = rumqttc::mqttbytes::v4::Login::new(internal.user, internal.password);
    let own = rumqttc::mqttbytes::v4::Connect { login: Some(login), ..connect("own") };
    Client::connect(internal.address, own).await.ping().await;
}

#[tokio::test]
async fn filters_beyond_the_limit_are_refused() {
    let ours = limited("filters = 3").await;
    let mut client = Client::new(ours.addr(), "client").await;
    let granted = SubscribeReasonCode::Success(AtMostOnce);
    let filters = ["a", "b", "a", "c", "d"].map(|filter| (filter, AtMostOnce));
    let (codes, _) = client.subscribe_early(&filters).await;
    let refused = SubscribeReasonCode::Failure;
    assert_eq!(codes, [granted, granted, granted, granted, refused]);
    client.unsubscribe(&["b"]).await;
    client.subscribe("d", AtMostOnce).await;
}

#[tokio::test]
async fn the_retained_store_is_bounded() {
    let ours = limited("retained_topics = 20\nretained_bytes = 100000").await;
    let mut client = Client::new(ours.addr(), "client").await;
    for n in 0..30 {
        client.publish(&format!("r/{n:02}"), "x", AtLeastOnce, true).await;
    }
    client.publish("r/00", &"x".repeat(100_000), AtLeastOnce, true).await;
    client.subscribe("r/#", AtMostOnce).await;
    client.publish("r/end", "live", AtMostOnce, true).await;
    let mut kept = Vec::new();
    loop {
        let publish = client.next().await;
        if publish.topic == "r/end" {
            assert_eq!(text(&publish).1, "live", "what is not kept is still delivered");
            break;
        }
        assert_eq!(text(&publish).1, "x");
        kept.push(publish.topic);
    }
    // $SYS takes nine of the twenty places, and the newest value of r/00 did not fit.
    assert_eq!(kept.len(), 10, "{kept:?}");
}

#[tokio::test]
async fn a_flood_is_delivered_in_full_to_those_who_read() {
    const COUNT: usize = 20_000;
    let ours = limited("queue_messages = 20000").await;
    let broker = ours.addr();
    let reader = |id: &'static str| async move {
        let mut reader = Client::new(broker, id).await;
        reader.subscribe("flood/#", AtLeastOnce).await;
        reader
    };
    let readers = [reader("1").await, reader("2").await, reader("3").await];
    let readers = readers.map(|mut reader| {
        tokio::spawn(async move {
            for n in 0..COUNT {
                reader.expect_message("flood/x", &n.to_string()).await;
            }
        })
    });
    let mut writer = Client::new(broker, "writer").await;
    for n in 0..COUNT {
        let publish = Publish::new("flood/x", AtMostOnce, n.to_string());
        writer.send(Packet::Publish(publish)).await;
    }
    for reader in readers {
        reader.await.unwrap();
    }
}
