//! What arrives, how often, in which order and at which QoS.

use std::collections::BTreeSet;

use rumqttc::mqttbytes::QoS::{self, AtLeastOnce, AtMostOnce, ExactlyOnce};
use rumqttc::mqttbytes::v4::{Packet, PubComp, PubRec, PubRel, Publish, SubscribeReasonCode};

use super::client::{Client, text};
use super::targets::{Target, each};

const QOS: [QoS; 3] = [AtMostOnce, AtLeastOnce, ExactlyOnce];

#[tokio::test]
async fn the_lower_of_both_qos_counts() {
    each(async |_, broker| {
        for subscribed in QOS {
            let mut reader = Client::new(broker, "reader").await;
            reader.subscribe("a/b", subscribed).await;
            let mut writer = Client::new(broker, "writer").await;
            for published in QOS {
                writer.publish("a/b", "x", published, false).await;
                let got = reader.next().await;
                assert_eq!(got.qos as u8, (subscribed as u8).min(published as u8));
                assert!(!got.retain && !got.dup);
            }
        }
    })
    .await;
}

#[tokio::test]
async fn overlapping_filters_deliver_once_at_the_highest_qos() {
    each(async |target, broker| {
        if target == Target::Mosquitto && broker.version == 5 {
            // It sends one copy per subscription, which version 5 allows.
            return;
        }
        let mut reader = Client::new(broker, "reader").await;
        let filters = [("o/#", AtMostOnce), ("o/+", ExactlyOnce), ("#", AtLeastOnce)];
        let (codes, _) = reader.subscribe_early(&filters).await;
        assert_eq!(codes, filters.map(|(_, qos)| SubscribeReasonCode::Success(qos)));
        let mut writer = Client::new(broker, "writer").await;
        writer.publish("o/x", "1", ExactlyOnce, false).await;
        writer.publish("o/x/y", "2", AtMostOnce, false).await;
        writer.publish("o/end", "3", AtMostOnce, false).await;
        assert_eq!(reader.expect_message("o/x", "1").await.qos, ExactlyOnce);
        reader.expect_message("o/x/y", "2").await;
        reader.expect_message("o/end", "3").await;
        reader.ping().await;
    })
    .await;
}

#[tokio::test]
async fn all_retained_messages_arrive_at_every_qos() {
    const TOPICS: usize = 10_000;
    each(async |_, broker| {
        let mut writer = Client::new(broker, "writer").await;
        for topic in 0..TOPICS {
            let topic = format!("site/{}/power/{topic}", topic % 7);
            writer.publish(&topic, "42", AtMostOnce, true).await;
        }
        writer.ping().await;
        for qos in QOS {
            let mut reader = Client::new(broker, "reader").await;
            let (_, early) = reader.subscribe_early(&[("#", qos)]).await;
            let mut topics = BTreeSet::from_iter(early.into_iter().map(|publish| publish.topic));
            while topics.len() < TOPICS {
                let publish = reader.next().await;
                assert!(publish.retain);
                assert!(topics.insert(publish.topic), "a second copy");
            }
            reader.ping().await;
        }
    })
    .await;
}

#[tokio::test]
async fn retained_values_follow_mqtt() {
    each(async |_, broker| {
        let mut writer = Client::new(broker, "writer").await;
        for qos in QOS {
            writer.publish(&format!("r/{}", qos as u8), "old", qos, true).await;
            writer.publish(&format!("r/{}", qos as u8), "new", qos, true).await;
        }
        writer.publish("r/gone", "x", AtLeastOnce, true).await;
        writer.publish("r/gone", "", AtLeastOnce, true).await;
        writer.publish("r/kept", "x", AtLeastOnce, true).await;
        writer.publish("r/kept", "", AtLeastOnce, false).await;
        let mut reader = Client::new(broker, "reader").await;
        // Subscribing again sends them again, at the new QoS.
        for subscribed in [ExactlyOnce, AtMostOnce] {
            let (_, mut got) = reader.subscribe_early(&[("r/#", subscribed)]).await;
            while got.len() < 4 {
                got.push(reader.next().await);
            }
            got.sort_by(|a, b| a.topic.cmp(&b.topic));
            let texts: Vec<_> = got.iter().map(text).collect();
            let expected = [("r/0", "new"), ("r/1", "new"), ("r/2", "new"), ("r/kept", "x")];
            assert_eq!(texts, expected);
            for (publish, published) in got.iter().zip([0, 1, 2, 1]) {
                assert!(publish.retain);
                assert_eq!(publish.qos as u8, (subscribed as u8).min(published));
            }
        }
        // A live message has no retain flag, whatever the publisher said.
        writer.publish("r/0", "live", AtMostOnce, true).await;
        assert!(!reader.expect_message("r/0", "live").await.retain);
        // An empty message reaches those who listen.
        writer.publish("r/0", "", AtMostOnce, true).await;
        reader.expect_message("r/0", "").await;
    })
    .await;
}

#[tokio::test]
async fn messages_of_qos_2_are_taken_exactly_once() {
    each(async |_, broker| {
        let mut reader = Client::new(broker, "reader").await;
        reader.subscribe("q/#", ExactlyOnce).await;
        let mut writer = Client::new(broker, "writer").await;
        let mut publish = Publish::new("q/1", ExactlyOnce, "once");
        publish.pkid = 9;
        for dup in [false, true] {
            publish.dup = dup;
            writer.send(Packet::Publish(publish.clone())).await;
            writer.expect(Packet::PubRec(PubRec { pkid: 9 })).await;
        }
        for _ in 0..2 {
            writer.send(Packet::PubRel(PubRel { pkid: 9 })).await;
            writer.expect(Packet::PubComp(PubComp { pkid: 9 })).await;
        }
        // After the release the id means a new message.
        publish.dup = false;
        publish.payload = "twice".into();
        writer.send(Packet::Publish(publish)).await;
        writer.expect(Packet::PubRec(PubRec { pkid: 9 })).await;
        writer.send(Packet::PubRel(PubRel { pkid: 9 })).await;
        writer.expect(Packet::PubComp(PubComp { pkid: 9 })).await;
        reader.expect_message("q/1", "once").await;
        reader.expect_message("q/1", "twice").await;
        reader.ping().await;
    })
    .await;
}

#[tokio::test]
async fn order_is_kept_per_publisher_and_topic() {
    const COUNT: usize = 3000;
    each(async |_, broker| {
        let mut reader = Client::new(broker, "reader").await;
        reader.subscribe("flow/#", AtLeastOnce).await;
        let mut writer = Client::new(broker, "writer").await;
        let (mut sent, mut got) = (0, 0);
        // No more on its way than the queue of any broker holds.
        while got < COUNT {
            while sent < COUNT.min(got + 500) {
                let mut publish = Publish::new("flow/x", AtLeastOnce, sent.to_string());
                publish.pkid = u16::try_from(sent).unwrap() + 1;
                writer.send(Packet::Publish(publish)).await;
                assert!(matches!(writer.recv().await, Some(Packet::PubAck(_))));
                sent += 1;
            }
            reader.expect_message("flow/x", &got.to_string()).await;
            got += 1;
        }
    })
    .await;
}

#[tokio::test]
async fn an_unsubscribed_filter_is_silent_and_acknowledged_once() {
    each(async |_, broker| {
        let mut client = Client::new(broker, "client").await;
        client.subscribe("u/#", AtMostOnce).await;
        client.subscribe("u/+", AtMostOnce).await;
        client.subscribe("u/x", AtMostOnce).await;
        client.unsubscribe(&["u/#", "u/x", "never/subscribed"]).await;
        client.publish("u/x/y", "nobody", AtMostOnce, false).await;
        client.publish("u/x", "once", AtMostOnce, false).await;
        client.expect_message("u/x", "once").await;
        client.unsubscribe(&["u/+"]).await;
        client.publish("u/x", "nobody", AtMostOnce, false).await;
        client.subscribe("u/end", AtMostOnce).await;
        client.publish("u/end", "end", AtMostOnce, false).await;
        client.expect_message("u/end", "end").await;
    })
    .await;
}
