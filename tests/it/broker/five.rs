//! What only MQTT 5 knows; on mosquitto with the same code where it does the same.

use std::time::Duration;

use bytes::Bytes;
use rumqttc::mqttbytes as old;
use rumqttc::v5::mqttbytes::QoS::{AtLeastOnce, AtMostOnce, ExactlyOnce};
use rumqttc::v5::mqttbytes::v5::{
    ConnectProperties, ConnectReturnCode, Disconnect, DisconnectProperties,
    DisconnectReasonCode as Reason, Filter, LastWill, LastWillProperties, Packet, PubAckReason,
    PublishProperties, RetainForwardRule, SubscribeReasonCode,
};

use super::client::{Broker, Client, SOON};
use super::client5::{connect5, kept5, publish5};
use super::targets::{OPEN, Ours, Target, each5};

fn plain(id: &str) -> rumqttc::v5::mqttbytes::v5::Connect {
    connect5(id, ConnectProperties::new())
}

fn none() -> PublishProperties {
    PublishProperties::default()
}

fn expiring(seconds: u32) -> PublishProperties {
    PublishProperties { message_expiry_interval: Some(seconds), ..none() }
}

fn five(ours: &Ours) -> Broker {
    Broker { addr: ours.addr(), version: 5 }
}

#[tokio::test]
async fn the_welcome_says_what_there_is() {
    let ours = Ours::start(OPEN).await;
    let (mut client, ack) = Client::ask5(five(&ours), plain(""), None).await;
    let told = ack.properties.unwrap();
    assert_eq!((told.receive_max, told.topic_alias_max), (Some(1000), Some(16)));
    assert_eq!(
        (told.max_packet_size, told.shared_subscription_available),
        (Some(1 << 20), Some(0))
    );
    assert!(told.assigned_client_identifier.is_some_and(|id| id.starts_with("auto-")));
    let shared = client.subscribe5(Filter::new("$share/g/a", AtMostOnce), None).await;
    assert_eq!(shared, SubscribeReasonCode::SharedSubscriptionsNotSupported);
    let wrong = client.subscribe5(Filter::new("a#", AtMostOnce), None).await;
    assert_eq!(wrong, SubscribeReasonCode::TopicFilterInvalid);
    let mut properties = ConnectProperties::new();
    properties.authentication_method = Some("SCRAM-SHA-1".to_owned());
    let (_, ack) = Client::ask5(five(&ours), connect5("x", properties), None).await;
    assert_eq!(ack.code, ConnectReturnCode::BadAuthenticationMethod);
    // AUTH outside of such an exchange.
    client.raw(&[0xf0, 2, 0x18, 0]).await;
    client.expect_end(Reason::ProtocolError).await;
}

#[tokio::test]
async fn properties_reach_those_who_understand_them() {
    each5(async |_, broker| {
        let said = PublishProperties {
            payload_format_indicator: Some(1),
            content_type: Some("application/json".to_owned()),
            response_topic: Some("answers/here".to_owned()),
            correlation_data: Some(Bytes::from_static(&[0, 1, 0xff])),
            user_properties: vec![
                ("b".to_owned(), "1".to_owned()),
                ("a".to_owned(), "2".to_owned()),
                ("b".to_owned(), "3".to_owned()),
            ],
            ..none()
        };
        let mut reader = Client::new5(broker, plain("reader")).await;
        reader.subscribe5(Filter::new("p/#", ExactlyOnce), None).await;
        let mut older = Client::new(broker.addr, "older").await;
        older.subscribe("p/#", old::QoS::ExactlyOnce).await;
        let mut writer = Client::new5(broker, plain("writer")).await;
        for qos in [AtMostOnce, AtLeastOnce, ExactlyOnce] {
            let publish = publish5("p/x", qos, "{}", said.clone());
            writer.say5(rumqttc::v5::mqttbytes::v5::Publish { retain: true, ..publish }).await;
            let heard = reader.hear5().await;
            assert_eq!((heard.properties.as_ref(), heard.retain), (Some(&said), false));
            older.expect_message("p/x", "{}").await;
        }
        let mut late = Client::new5(broker, plain("late")).await;
        late.subscribe5(Filter::new("p/#", AtMostOnce), None).await;
        let heard = late.hear5().await;
        assert_eq!((heard.properties, heard.retain), (Some(said), true));
        // And the other way round.
        let mut older = Client::new(broker.addr, "older").await;
        older.publish("p/y", "plain", old::QoS::AtLeastOnce, false).await;
        assert_eq!(reader.hear5().await.properties, None);
    })
    .await;
}

#[tokio::test]
async fn messages_expire_where_they_wait() {
    each5(async |_, broker| {
        let mut away = Client::new5(broker, kept5("away", 1000)).await;
        away.subscribe5(Filter::new("e/#", AtLeastOnce), None).await;
        away.leave5(Reason::NormalDisconnection).await;
        let mut writer = Client::new5(broker, plain("writer")).await;
        writer.say5(publish5("e/short", AtLeastOnce, "gone", expiring(1))).await;
        writer.say5(publish5("e/long", AtLeastOnce, "kept", expiring(1000))).await;
        let mut retained = publish5("e/retained", AtLeastOnce, "gone", expiring(1));
        retained.retain = true;
        writer.say5(retained).await;
        // Whoever comes late enough does not get the retained one any more.
        let gone = async {
            let mut tick = tokio::time::interval(Duration::from_millis(1100));
            loop {
                tick.tick().await;
                let mut late = Client::new5(broker, plain("late")).await;
                late.subscribe5(Filter::new("e/retained", AtMostOnce), None).await;
                late.send(rumqttc::mqttbytes::v4::Packet::PingReq).await;
                if matches!(late.recv5().await, Some(Packet::PingResp(_))) {
                    // mosquitto counts whole seconds.
                    tick.tick().await;
                    return;
                }
            }
        };
        tokio::time::timeout(SOON, gone).await.unwrap();
        let (mut away, ack) = Client::ask5(broker, kept5("away", 1000), None).await;
        assert!(ack.session_present);
        let heard = away.hear5().await;
        assert_eq!(&heard.payload[..], b"kept");
        let left = heard.properties.unwrap().message_expiry_interval.unwrap();
        assert!((900..1000).contains(&left), "{left}");
        away.ping().await;
    })
    .await;
}

#[tokio::test]
async fn a_subscription_is_served_as_it_wishes() {
    each5(async |target, broker| {
        let mut writer = Client::new5(broker, plain("writer")).await;
        let mut retained = publish5("r/x", AtLeastOnce, "old", none());
        retained.retain = true;
        writer.say5(retained.clone()).await;
        let mut reader = Client::new5(broker, plain("reader")).await;
        let rule = |retain_forward_rule| Filter {
            retain_forward_rule,
            preserve_retain: true,
            ..Filter::new("r/#", AtLeastOnce)
        };
        reader.subscribe5(rule(RetainForwardRule::Never), None).await;
        reader.ping().await;
        reader.subscribe5(rule(RetainForwardRule::OnNewSubscribe), None).await;
        reader.ping().await;
        reader.subscribe5(rule(RetainForwardRule::OnEverySubscribe), None).await;
        assert_eq!(reader.payload5().await, "old");
        reader.unsubscribe(&["r/#"]).await;
        reader.subscribe5(rule(RetainForwardRule::OnNewSubscribe), Some(77)).await;
        let heard = reader.hear5().await;
        assert_eq!(heard.properties.unwrap().subscription_identifiers, [77]);
        // Retain as published.
        for retain in [true, false] {
            writer.say5(rumqttc::v5::mqttbytes::v5::Publish { retain, ..retained.clone() }).await;
            let heard = reader.hear5().await;
            assert_eq!(heard.retain, retain);
            assert_eq!(heard.properties.unwrap().subscription_identifiers, [77]);
        }
        // Not what one has said oneself.
        let deaf = Filter { nolocal: true, ..Filter::new("l/#", AtLeastOnce) };
        reader.subscribe5(deaf, None).await;
        reader.say5(publish5("l/x", AtLeastOnce, "mine", none())).await;
        writer.say5(publish5("l/x", AtLeastOnce, "yours", none())).await;
        assert_eq!(reader.payload5().await, "yours");
        if target == Target::Ours {
            // One copy that names every subscription; mosquitto sends several.
            reader.subscribe5(Filter::new("r/+", AtMostOnce), Some(268_435_455)).await;
            assert_eq!(reader.payload5().await, "old");
            writer.say5(publish5("r/x", AtLeastOnce, "once", none())).await;
            let mut ids = reader.hear5().await.properties.unwrap().subscription_identifiers;
            ids.sort_unstable();
            assert_eq!(ids, [77, 268_435_455]);
        }
        reader.ping().await;
    })
    .await;
}

#[tokio::test]
async fn a_session_ends_when_its_client_said_it_would() {
    each5(async |_, broker| {
        let present = async |expiry: u32| {
            let (client, ack) = Client::ask5(broker, kept5("s", expiry), None).await;
            (client, ack.session_present)
        };
        let (client, there) = present(1000).await;
        assert!(!there);
        client.leave5(Reason::NormalDisconnection).await;
        // Taken up without a wish to keep it, it ends with the connection.
        let (client, there) = present(0).await;
        assert!(there);
        client.leave5(Reason::NormalDisconnection).await;
        let (mut client, there) = present(1000).await;
        assert!(!there);
        // DISCONNECT may change what was wished.
        let mut disconnect = Disconnect::new(Reason::NormalDisconnection);
        disconnect.properties = Some(DisconnectProperties {
            session_expiry_interval: Some(0),
            reason_string: None,
            user_properties: Vec::new(),
            server_reference: None,
        });
        client.send5(Packet::Disconnect(disconnect.clone())).await;
        while client.recv5().await.is_some() {}
        let (mut client, there) = present(0).await;
        assert!(!there);
        if let Some(properties) = &mut disconnect.properties {
            properties.session_expiry_interval = Some(5);
        }
        client.send5(Packet::Disconnect(disconnect)).await;
        client.expect_end(Reason::ProtocolError).await;
    })
    .await;
}

fn will(payload: &str, delay: u32) -> Option<LastWill> {
    let properties = LastWillProperties {
        delay_interval: Some(delay),
        payload_format_indicator: None,
        message_expiry_interval: None,
        content_type: Some("text/plain".to_owned()),
        response_topic: None,
        correlation_data: None,
        user_properties: Vec::new(),
    };
    Some(LastWill::new("w/x", payload, AtLeastOnce, false, Some(properties)))
}

#[tokio::test]
async fn a_will_waits_for_the_clients_return() {
    each5(async |_, broker| {
        let mut witness = Client::new5(broker, plain("witness")).await;
        witness.subscribe5(Filter::new("w/#", AtLeastOnce), None).await;
        let (client, _) = Client::ask5(broker, kept5("back", 1000), will("back", 1000)).await;
        drop(client);
        let (client, ack) = Client::ask5(broker, kept5("back", 1000), None).await;
        assert!(ack.session_present);
        client.leave5(Reason::NormalDisconnection).await;
        // The end of the session is the latest moment for its will.
        let (client, _) = Client::ask5(broker, kept5("over", 1), will("over", 1000)).await;
        drop(client);
        let heard = witness.hear5().await;
        assert_eq!(&heard.payload[..], b"over");
        assert_eq!(heard.properties.unwrap().content_type.as_deref(), Some("text/plain"));
        let (_, ack) = Client::ask5(broker, kept5("over", 1), None).await;
        assert!(!ack.session_present, "the session ended with its will");
        let (client, _) = Client::ask5(broker, kept5("late", 1000), will("late", 1)).await;
        drop(client);
        assert_eq!(witness.payload5().await, "late");
        // Whoever wants it gets it with a goodbye.
        let (client, _) = Client::ask5(broker, plain("told"), will("told", 0)).await;
        client.leave5(Reason::DisconnectWithWillMessage).await;
        assert_eq!(witness.payload5().await, "told");
        witness.ping().await;
    })
    .await;
}

#[tokio::test]
async fn a_client_gets_no_more_than_it_takes() {
    each5(async |target, broker| {
        let mut properties = ConnectProperties::new();
        properties.receive_maximum = Some(2);
        properties.max_packet_size = Some(200);
        let mut reader = Client::new5(broker, connect5("reader", properties)).await;
        reader.subscribe5(Filter::new("m/#", AtLeastOnce), None).await;
        let mut writer = Client::new5(broker, plain("writer")).await;
        let large = "x".repeat(300);
        for payload in ["1", &large, "2", "3", "4"] {
            if target == Target::Mosquitto && payload == large {
                // It counts the message that is not sent as unacknowledged for ever.
                continue;
            }
            writer.say5(publish5("m/x", AtLeastOnce, payload, none())).await;
        }
        let mut open = Vec::new();
        for expected in [&b"1"[..], b"2"] {
            let heard = reader.take5().await;
            assert_eq!(&heard.payload[..], expected);
            open.push(heard.pkid);
        }
        // Nothing more until it is acknowledged.
        reader.ping().await;
        reader.acknowledge_ids(open).await;
        assert_eq!(reader.payload5().await, "3");
        assert_eq!(reader.payload5().await, "4");
        reader.ping().await;
    })
    .await;
}

#[tokio::test]
async fn an_alias_stands_for_a_topic_on_its_connection() {
    each5(async |_, broker| {
        let mut reader = Client::new5(broker, plain("reader")).await;
        reader.subscribe5(Filter::new("a/#", AtMostOnce), None).await;
        let alias = |topic_alias| PublishProperties { topic_alias: Some(topic_alias), ..none() };
        let mut writer = Client::new5(broker, plain("writer")).await;
        for (topic, number, expected) in [
            ("a/1", 1, "a/1"),
            ("a/2", 2, "a/2"),
            ("", 1, "a/1"),
            ("a/3", 1, "a/3"),
            ("", 1, "a/3"),
        ] {
            writer.say5(publish5(topic, AtLeastOnce, "x", alias(number))).await;
            let heard = reader.hear5().await;
            assert_eq!(&heard.topic[..], expected.as_bytes());
            assert_eq!(heard.properties, None);
        }
        writer.send5(Packet::Publish(publish5("a/x", AtMostOnce, "x", alias(1000)))).await;
        writer.expect_end(Reason::TopicAliasInvalid).await;
        // The next connection knows nothing of them.
        let mut writer = Client::new5(broker, plain("writer")).await;
        writer.send5(Packet::Publish(publish5("", AtMostOnce, "x", alias(1)))).await;
        writer.expect_end(Reason::ProtocolError).await;
        reader.ping().await;
    })
    .await;
}

#[tokio::test]
async fn a_connection_ends_with_its_reason() {
    let ours = Ours::start(OPEN).await;
    let broker = five(&ours);
    let mut first = Client::new5(broker, plain("same")).await;
    let mut second = Client::new5(broker, plain("same")).await;
    first.expect_end(Reason::SessionTakenOver).await;
    let silent = rumqttc::v5::mqttbytes::v5::Connect { keep_alive: 1, ..plain("silent") };
    let mut silent = Client::new5(broker, silent).await;
    silent.expect_end(Reason::KeepAliveTimeout).await;
    let mut large = Client::new5(broker, plain("large")).await;
    large.raw(&[0x30, 0xff, 0xff, 0x7f]).await;
    large.expect_end(Reason::PacketTooLarge).await;
    let mut wild = Client::new5(broker, plain("wild")).await;
    wild.send5(Packet::Publish(publish5("a/#", AtMostOnce, "x", none()))).await;
    wild.expect_end(Reason::TopicNameInvalid).await;
    let mut odd = Client::new5(broker, plain("odd")).await;
    odd.raw(&[0x30, 5, 0, 1, b'a', 1, 99]).await;
    odd.expect_end(Reason::MalformedPacket).await;
    let mut greedy = Client::new5(broker, plain("greedy")).await;
    for pkid in 1..=1001 {
        let publish = publish5("q/x", ExactlyOnce, "x", none());
        let publish = rumqttc::v5::mqttbytes::v5::Publish { pkid, ..publish };
        greedy.send5(Packet::Publish(publish)).await;
        if pkid <= 1000 {
            assert!(matches!(greedy.recv5().await, Some(Packet::PubRec(_))));
        }
    }
    greedy.expect_end(Reason::ReceiveMaximumExceeded).await;
    // The broker's own topics are nobody's to write, and the client is told.
    second.send5(Packet::Publish(publish5("$SYS/x", AtLeastOnce, "x", none()))).await;
    match second.recv5().await {
        Some(Packet::PubAck(ack)) => assert_eq!(ack.reason, PubAckReason::NotAuthorized),
        other => panic!("{other:?}"),
    }
    ours.stop().await;
    second.expect_end(Reason::ServerShuttingDown).await;
}

#[tokio::test]
async fn what_is_retained_survives_with_its_properties_and_its_end() {
    let ours = Ours::start(OPEN).await;
    let mut writer = Client::new5(five(&ours), plain("writer")).await;
    let said = PublishProperties { content_type: Some("x".to_owned()), ..expiring(1000) };
    let mut retained = publish5("r/x", AtLeastOnce, "1", said);
    retained.retain = true;
    writer.say5(retained).await;
    let mut disk = ours.stop().await;
    assert_eq!(disk.len(), 1);
    disk.push(chargebus::edges::broker::Retained {
        topic: "r/over".to_owned(),
        expires: 1,
        ..disk[0].clone()
    });
    let ours = Ours::start_with(OPEN, disk).await;
    let mut reader = Client::new5(five(&ours), plain("reader")).await;
    reader.subscribe5(Filter::new("#", AtMostOnce), None).await;
    let heard = reader.hear5().await;
    assert_eq!(&heard.topic[..], b"r/x");
    let properties = heard.properties.unwrap();
    assert_eq!(properties.content_type.as_deref(), Some("x"));
    assert!(properties.message_expiry_interval.is_some_and(|left| left <= 1000));
    reader.ping().await;
    drop(reader);
    let saved = ours.stop().await;
    assert!(saved.iter().all(|saved| saved.topic == "r/over" && saved.payload.is_empty()));
    assert_eq!(saved.len(), 1, "what is over is erased on disk");
}
