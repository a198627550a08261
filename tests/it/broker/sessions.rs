//! Wills, takeover, keep-alive, and sessions that wait for their client.

use rumqttc::mqttbytes::QoS::{AtLeastOnce, AtMostOnce, ExactlyOnce};
use rumqttc::mqttbytes::v4::{
    Connect, ConnectReturnCode as Code, Packet, PubAck, PubComp, PubRec, PubRel,
};

use super::client::{Client, connect, persistent, with_will};
use super::targets::{OPEN, Ours, each};

#[tokio::test]
async fn a_will_is_published_unless_the_client_says_goodbye() {
    each(async |_, broker| {
        let mut witness = Client::new(broker, "witness").await;
        witness.subscribe("will/#", ExactlyOnce).await;

        let polite = with_will("polite", "will/polite", "gone", AtLeastOnce, false);
        Client::connect(broker, polite).await.goodbye().await;
        let abrupt = with_will("abrupt", "will/abrupt", "gone", AtLeastOnce, true);
        drop(Client::connect(broker, abrupt).await);
        let will = witness.expect_message("will/abrupt", "gone").await;
        assert_eq!((will.qos, will.retain), (AtLeastOnce, false));

        let mut rude =
            Client::connect(broker, with_will("rude", "will/rude", "", ExactlyOnce, false)).await;
        rude.raw(&[0, 0]).await;
        rude.expect_closed("protocol error").await;
        assert_eq!(witness.expect_message("will/rude", "").await.qos, ExactlyOnce);

        // A retained will is there for those who come later.
        let mut late = Client::new(broker, "late").await;
        let (_, mut got) = late.subscribe_early(&[("will/+", AtMostOnce)]).await;
        if got.is_empty() {
            got.push(late.next().await);
        }
        assert!(got[0].retain && got[0].topic == "will/abrupt");
    })
    .await;
}

#[tokio::test]
async fn a_takeover_publishes_the_old_will_and_keeps_the_new_one() {
    each(async |_, broker| {
        let mut witness = Client::new(broker, "witness").await;
        witness.subscribe("will", AtLeastOnce).await;
        let with = |payload| with_will("same", "will", payload, AtLeastOnce, false);
        let mut first = Client::connect(broker, with("first")).await;
        let mut second = Client::connect(broker, with("second")).await;
        first.expect_closed("taken over").await;
        witness.expect_message("will", "first").await;
        second.ping().await;
        drop(second);
        witness.expect_message("will", "second").await;
    })
    .await;
}

#[tokio::test]
async fn many_takeovers_at_once_leave_one_client() {
    let ours = Ours::start(OPEN).await;
    let broker = ours.addr();
    for clean_session in [true, false] {
        let racers = (0..20).map(|_| {
            tokio::spawn(async move {
                let mut client = Client::dial(broker).await;
                let same = Connect { clean_session, ..connect("same") };
                client.send(Packet::Connect(same)).await;
                client.recv().await;
                client.recv().await
            })
        });
        let racers: Vec<_> = racers.collect();
        // The last one to come ends all of them.
        for racer in racers {
            while !racer.is_finished() {
                Client::connect(broker, connect("same")).await;
            }
            assert_eq!(racer.await.unwrap(), None);
        }
    }
    ours.stop().await;
}

#[tokio::test]
async fn silence_ends_a_connection_after_its_keep_alive() {
    each(async |_, broker| {
        let mut witness = Client::new(broker, "witness").await;
        witness.subscribe("will", AtLeastOnce).await;
        let will = with_will("silent", "will", "silent", AtLeastOnce, false);
        let mut silent = Client::connect(broker, Connect { keep_alive: 1, ..will }).await;
        // No keep-alive at all is allowed.
        let mut patient = Client::connect(broker, Connect { keep_alive: 0, ..connect("p") }).await;
        silent.expect_closed("silent for too long").await;
        witness.expect_message("will", "silent").await;
        patient.ping().await;
    })
    .await;
}

#[tokio::test]
async fn a_kept_session_gets_what_it_missed() {
    each(async |_, broker| {
        let (mut away, _, present) = Client::ask(broker, persistent("away")).await;
        assert!(!present);
        away.subscribe("p/#", ExactlyOnce).await;
        away.goodbye().await;
        let mut writer = Client::new(broker, "writer").await;
        for n in 0..150 {
            let qos = if n % 2 == 0 { AtLeastOnce } else { ExactlyOnce };
            writer.publish("p/x", &n.to_string(), qos, false).await;
        }
        writer.publish("p/last", "end", AtLeastOnce, false).await;
        let (mut back, code, present) = Client::ask(broker, persistent("away")).await;
        assert_eq!((code, present), (Code::Success, true));
        for n in 0..150 {
            back.expect_message("p/x", &n.to_string()).await;
        }
        back.expect_message("p/last", "end").await;
        back.ping().await;
        drop(back);
        // A clean session forgets.
        let (mut clean, _, present) = Client::ask(broker, connect("away")).await;
        assert!(!present);
        writer.publish("p/x", "nobody", AtLeastOnce, false).await;
        clean.ping().await;
        clean.goodbye().await;
        let (_, _, present) = Client::ask(broker, persistent("away")).await;
        assert!(!present);
    })
    .await;
}

#[tokio::test]
async fn what_was_not_acknowledged_is_sent_again() {
    each(async |_, broker| {
        let mut reader = Client::connect(broker, persistent("reader")).await;
        reader.subscribe("again/#", ExactlyOnce).await;
        let mut writer = Client::new(broker, "writer").await;
        writer.publish("again/1", "one", AtLeastOnce, false).await;
        writer.publish("again/2", "two", ExactlyOnce, false).await;
        writer.publish("again/3", "three", ExactlyOnce, false).await;
        let mut ids = Vec::new();
        for _ in 0..3 {
            match reader.recv().await {
                Some(Packet::Publish(publish)) => ids.push(publish.pkid),
                other => panic!("{other:?}"),
            }
        }
        // The third is taken but not released when the connection breaks.
        reader.send(Packet::PubRec(PubRec { pkid: ids[2] })).await;
        reader.expect(Packet::PubRel(PubRel { pkid: ids[2] })).await;
        drop(reader);
        let (mut reader, _, present) = Client::ask(broker, persistent("reader")).await;
        assert!(present);
        for id in &ids[..2] {
            match reader.recv().await {
                Some(Packet::Publish(publish)) => {
                    assert!(publish.dup);
                    assert_eq!(publish.pkid, *id);
                }
                other => panic!("{other:?}"),
            }
        }
        reader.expect(Packet::PubRel(PubRel { pkid: ids[2] })).await;
        reader.send(Packet::PubAck(PubAck { pkid: ids[0] })).await;
        reader.send(Packet::PubRec(PubRec { pkid: ids[1] })).await;
        reader.expect(Packet::PubRel(PubRel { pkid: ids[1] })).await;
        reader.send(Packet::PubComp(PubComp { pkid: ids[1] })).await;
        reader.send(Packet::PubComp(PubComp { pkid: ids[2] })).await;
        reader.ping().await;
        drop(reader);
        let (mut reader, ..) = Client::ask(broker, persistent("reader")).await;
        reader.ping().await;
    })
    .await;
}

#[tokio::test]
async fn a_second_subscribe_after_return_is_not_needed() {
    each(async |_, broker| {
        let mut reader = Client::connect(broker, persistent("reader")).await;
        reader.subscribe("s/1", AtLeastOnce).await;
        reader.subscribe("s/2", AtLeastOnce).await;
        reader.unsubscribe(&["s/2"]).await;
        drop(reader);
        let (mut reader, _, present) = Client::ask(broker, persistent("reader")).await;
        assert!(present);
        let mut writer = Client::new(broker, "writer").await;
        writer.publish("s/2", "x", AtLeastOnce, false).await;
        writer.publish("s/1", "live", AtMostOnce, false).await;
        reader.expect_message("s/1", "live").await;
    })
    .await;
}

#[tokio::test]
async fn the_session_that_waited_longest_makes_room() {
    let ours = Ours::start(&(OPEN.to_owned() + "[limits]\noffline_sessions = 2")).await;
    let broker = ours.addr();
    for id in ["one", "two", "three"] {
        Client::connect(broker, persistent(id)).await.goodbye().await;
    }
    // Asking for a session brings it back, so the oldest is asked for last.
    for (id, expected) in [("three", true), ("two", true), ("one", false)] {
        let (client, _, present) = Client::ask(broker, persistent(id)).await;
        assert_eq!(present, expected, "{id}");
        client.goodbye().await;
    }
    ours.stop().await;
}

#[tokio::test]
async fn sessions_without_a_client_take_no_place_of_a_connection() {
    let ours = Ours::start(&(OPEN.to_owned() + "[limits]\nconnections = 1")).await;
    for n in 0..60 {
        Client::connect_patiently(ours.addr(), persistent(&n.to_string())).await.goodbye().await;
    }
    ours.stop().await;
}
