//! Who is let in, with which answer, and what ends a connection.

use std::net::SocketAddr;

use rumqttc::mqttbytes::QoS::{AtLeastOnce, AtMostOnce, ExactlyOnce};
use rumqttc::mqttbytes::v4::{
    Connect, ConnectReturnCode as Code, Login, Packet, PubComp, PubRel, Publish,
    SubscribeReasonCode,
};

use super::client::{Broker, Client, SOON, connect, persistent, with_will};
use super::targets::{OPEN, Ours, Target, each, each4};

fn text(text: &[u8]) -> Vec<u8> {
    let mut bytes = u16::try_from(text.len()).unwrap().to_be_bytes().to_vec();
    bytes.extend(text);
    bytes
}

fn frame(first: u8, body: &[u8]) -> Vec<u8> {
    assert!(body.len() < 128);
    [&[first, body.len() as u8], body].concat()
}

fn raw_connect(name: &[u8], level: u8, flags: u8, rest: &[u8]) -> Vec<u8> {
    frame(0x10, &[&text(name)[..], &[level, flags, 0, 60], rest].concat())
}

/// What a broker answers to the first bytes of a connection: its code, or `None` for a close.
async fn answer(broker: SocketAddr, bytes: &[u8]) -> Option<Code> {
    let mut client = Client::dial(broker).await;
    client.raw(bytes).await;
    match client.recv().await {
        Some(Packet::ConnAck(ack)) => Some(ack.code),
        None => None,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_first_packet_is_answered_as_the_standard_says() {
    each4(async |target, broker| {
        let id = text(b"x");
        let will = |topic: &[u8]| [text(b"x"), text(topic), text(b"gone")].concat();
        let closed: [(&str, Vec<u8>); 12] = [
            ("not a protocol", raw_connect(b"MQXX", 4, 2, &id)),
            ("reserved flag", raw_connect(b"MQTT", 4, 3, &id)),
            (
                "password without user",
                raw_connect(b"MQTT", 4, 0x42, &[text(b"x"), text(b"p")].concat()),
            ),
            ("will of qos 3", raw_connect(b"MQTT", 4, 0x1e, &will(b"w"))),
            ("retained will without will", raw_connect(b"MQTT", 4, 0x22, &id)),
            ("will to a wildcard", raw_connect(b"MQTT", 4, 0x06, &will(b"w/#"))),
            ("will to nothing", raw_connect(b"MQTT", 4, 0x06, &will(b""))),
            ("NUL in the client id", raw_connect(b"MQTT", 4, 2, &text(b"a\0b"))),
            ("control character in the client id", raw_connect(b"MQTT", 4, 2, &text(b"a\x01b"))),
            ("client id that is not UTF-8", raw_connect(b"MQTT", 4, 2, &text(b"a\xffb"))),
            ("subscribe first", frame(0x82, &[&[0, 1][..], &text(b"a"), &[0]].concat())),
            ("cut short", raw_connect(b"MQTT", 4, 2, &[0, 9, b'x'])),
        ];
        for (what, bytes) in closed {
            assert_eq!(answer(broker, &bytes).await, None, "{what}");
        }
        let version = Some(Code::RefusedProtocolVersion);
        assert_eq!(answer(broker, &raw_connect(b"MQTT", 6, 2, &id)).await, version);
        assert_eq!(answer(broker, &raw_connect(b"MQTT", 3, 2, &id)).await, version);
        if target == Target::Ours {
            // mosquitto speaks it.
            assert_eq!(answer(broker, &raw_connect(b"MQIsdp", 3, 2, &id)).await, version);
        }
        let good = raw_connect(b"MQTT", 4, 2, &id);
        assert_eq!(answer(broker, &good).await, Some(Code::Success));
    })
    .await;
}

#[tokio::test]
async fn any_text_is_a_client_id() {
    each4(async |_, broker| {
        let long = "x".repeat(1000);
        for id in ["a/b", "a+b", "#", "$SYS", "ä", "a b", "lane/0", "1", &long] {
            // Twice, because the second connection takes the first one's place.
            let mut first = Client::new(broker, id).await;
            let mut second = Client::new(broker, id).await;
            first.expect_closed(id).await;
            second.ping().await;
        }
        let (mut one, mut two) = (Client::new(broker, "").await, Client::new(broker, "").await);
        one.ping().await;
        two.ping().await;
        let (mut refused, code, _) = Client::ask(broker, persistent("")).await;
        assert_eq!(code, Code::BadClientId);
        refused.expect_closed("no id for a session to keep").await;
    })
    .await;
}

#[tokio::test]
async fn broken_packets_end_the_connection_and_nothing_else() {
    each4(async |_, broker| {
        let mut witness = Client::new(broker, "witness").await;
        let sub = |first: u8, id: u8, filter: &[u8], qos: u8| {
            frame(first, &[&[0, id][..], &text(filter), &[qos]].concat())
        };
        let publish = |topic: &[u8]| frame(0x32, &[&text(topic)[..], &[0, 1], b"x"].concat());
        let broken: [(&str, Vec<u8>); 22] = [
            ("second connect", raw_connect(b"MQTT", 4, 2, &text(b"x"))),
            ("connack", vec![0x20, 2, 0, 0]),
            ("type 0", vec![0, 0]),
            ("type 15", vec![0xf0, 0]),
            ("length of five bytes", vec![0x30, 0xff, 0xff, 0xff, 0xff, 1]),
            ("subscribe with flags 0", sub(0x80, 1, b"a", 0)),
            ("subscribe with qos 3", sub(0x82, 1, b"a", 3)),
            ("subscribe with id 0", sub(0x82, 0, b"a", 0)),
            ("subscribe to nothing", frame(0x82, &[0, 1])),
            ("filter with NUL", sub(0x82, 1, b"a\0", 0)),
            ("filter not UTF-8", sub(0x82, 1, b"\xff", 0)),
            ("unsubscribe from nothing", frame(0xa2, &[0, 1])),
            (
                "unsubscribe from a bad filter",
                frame(0xa2, &[&[0, 1][..], &text(b"a/#/b")].concat()),
            ),
            ("pubrel with flags 0", vec![0x60, 2, 0, 5]),
            ("publish of qos 3", frame(0x36, &[&text(b"a")[..], &[0, 1]].concat())),
            ("publish with id 0", frame(0x32, &[&text(b"a")[..], &[0, 0]].concat())),
            ("publish to a/#", publish(b"a/#")),
            ("publish to a/+", publish(b"a/+")),
            ("publish to nothing", publish(b"")),
            ("topic with NUL", publish(b"a\0b")),
            ("topic not UTF-8", publish(b"\xffx")),
            ("topic longer than its packet", frame(0x30, &[0xff, 0xff, b'x'])),
        ];
        for (what, bytes) in broken {
            let mut client = Client::new(broker, "clumsy").await;
            client.raw(&bytes).await;
            client.expect_closed(what).await;
        }
        witness.ping().await;
    })
    .await;
}

#[tokio::test]
async fn unexpected_acknowledgements_do_no_harm() {
    each4(async |_, broker| {
        let mut client = Client::new(broker, "client").await;
        client.raw(&[0x40, 2, 0, 5]).await;
        client.raw(&[0x70, 2, 0, 5]).await;
        client.raw(&[0x50, 2, 0, 5]).await;
        client.expect(Packet::PubRel(PubRel { pkid: 5 })).await;
        client.raw(&[0x62, 2, 0, 6]).await;
        client.expect(Packet::PubComp(PubComp { pkid: 6 })).await;
        client.ping().await;
    })
    .await;
}

#[tokio::test]
async fn malformed_filters_are_refused() {
    each(async |target, broker| {
        for bad in ["a#", "a/#/b", "+a", "a/b+", ""] {
            let mut client = Client::new(broker, "client").await;
            if target == Target::Mosquitto {
                client.send_subscribe(&[("ok", AtLeastOnce), (bad, AtMostOnce)]).await;
                client.expect_closed(bad).await;
                continue;
            }
            // Ours keeps the client and its good filters, and says which one is bad.
            let wanted = [("ok", AtLeastOnce), (bad, AtMostOnce)];
            let (codes, _) = client.subscribe_early(&wanted).await;
            let good = SubscribeReasonCode::Success(AtLeastOnce);
            assert_eq!(codes, [good, SubscribeReasonCode::Failure], "{bad:?}");
            client.publish("ok", "x", AtMostOnce, false).await;
            client.expect_message("ok", "x").await;
        }
    })
    .await;
}

#[tokio::test]
async fn odd_topics_travel() {
    each(async |_, broker| {
        let mut client = Client::new(broker, "client").await;
        for topic in ["ä/x", "Öl/Stand", "/", "//", "a b/c", "$foo/x", "lane/0", "€", "$"] {
            client.subscribe(topic, AtMostOnce).await;
            client.publish(topic, topic, AtMostOnce, false).await;
            client.expect_message(topic, topic).await;
        }
        let topic = "x/".repeat(100);
        client.subscribe(&topic, AtMostOnce).await;
        client.publish(&topic, "deep", AtMostOnce, false).await;
        client.expect_message(&topic, "deep").await;
    })
    .await;
}

#[tokio::test]
async fn dollar_topics_stay_out_of_wildcards() {
    each(async |target, broker| {
        let mut client = Client::new(broker, "client").await;
        client.subscribe("#", AtMostOnce).await;
        if target == Target::Ours || broker.version == 4 {
            // In version 5 mosquitto would send a copy per subscription.
            client.subscribe("+/x", AtMostOnce).await;
        }
        // The broker's own topics cannot be written, but asking is no crime.
        client.publish("$SYS/x", "x", AtLeastOnce, false).await;
        client.publish("$foo/x", "x", AtLeastOnce, false).await;
        client.publish("foo/x", "x", AtMostOnce, false).await;
        client.expect_message("foo/x", "x").await;
        let (_, mut got) = client.subscribe_early(&[("$SYS/broker/version", AtMostOnce)]).await;
        if got.is_empty() {
            got.push(client.next().await);
        }
        assert!(got[0].retain);
        assert!(String::from_utf8_lossy(&got[0].payload).contains(" version "));
    })
    .await;
}

#[tokio::test]
async fn sys_tells_about_the_broker() {
    let ours = Ours::start(OPEN).await;
    let mut client = Client::new(ours.addr(), "explorer").await;
    client.subscribe("$SYS/#", AtMostOnce).await;
    let mut names = Vec::new();
    for _ in 0..9 {
        names.push(client.next().await.topic);
    }
    for name in ["version", "uptime", "clients/connected", "retained messages/count"] {
        assert!(names.contains(&format!("$SYS/broker/{name}")), "{name} not in {names:?}");
    }
    let saved = ours.stop().await;
    assert!(saved.is_empty(), "$SYS is not saved: {saved:?}");
}

/// Bytes from a generator that is the same in every run.
fn noise(seed: u64) -> Vec<u8> {
    let mut random = fastrand(seed);
    (0..random() % 300).map(|_| (random() >> 16) as u8).collect()
}

fn fastrand(seed: u64) -> impl FnMut() -> u64 {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    }
}

#[tokio::test]
async fn noise_does_no_harm() {
    let ours = Ours::start(OPEN).await;
    let broker = ours.addr();
    let mut witness = Client::new(broker, "witness").await;
    witness.subscribe("#", ExactlyOnce).await;
    for seed in 0..300 {
        let version = 4 + (seed % 4 / 2) as u8;
        let mut stranger = Client::dial(Broker { addr: broker, version }).await;
        if seed % 2 == 0 {
            stranger.send(Packet::Connect(connect("noisy"))).await;
        }
        stranger.raw(&noise(seed)).await;
        // Half frames are left behind, too.
        drop(stranger);
    }
    // A good connect and publish, cut off at every byte.
    let mut whole = bytes::BytesMut::new();
    Packet::Connect(connect("cut")).write(&mut whole, 1000).unwrap();
    Packet::Publish(Publish::new("cut/off", AtMostOnce, "x")).write(&mut whole, 1000).unwrap();
    for cut in 1..whole.len() {
        Client::dial(broker).await.raw(&whole[..cut]).await;
    }
    let mut writer = Client::new(broker, "writer").await;
    writer.publish("the/end", "x", ExactlyOnce, false).await;
    while witness.next().await.topic != "the/end" {}
    ours.stop().await;
}

const GUARDED: &str = r##"
    listeners = [{ address = "127.0.0.1:0" }]
    [[users]]
    name = "teslamate"
    hash = "HASH"
    write = ["teslamate/#"]
    [[users]]
    name = "dashboard"
    hash = "HASH"
    read = ["evcc/#"]
    write = ["evcc/+/set"]
"##;

fn login(id: &str, user: &str, password: &str) -> Connect {
    Connect { login: Some(Login::new(user, password)), ..connect(id) }
}

/// Everybody's password is "secret", hashed with the cheapest parameters: debug builds are slow.
async fn guarded(anonymous: &str) -> Ours {
    use argon2::password_hash::PasswordHasher;
    let params = argon2::Params::new(8, 1, 1, None).unwrap();
    let argon2 = argon2::Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, params);
    let hash: argon2::password_hash::phc::PasswordHash = argon2.hash_password(b"secret").unwrap();
    Ours::start(&(GUARDED.replace("HASH", &hash.to_string()) + anonymous)).await
}

#[tokio::test]
async fn only_users_with_the_right_password_get_in() {
    let ours = guarded("").await;
    for (user, password) in [("teslamate", "wrong"), ("nobody", "secret"), ("teslamate", "")] {
        let (mut client, code, _) = Client::ask(ours.addr(), login("x", user, password)).await;
        assert_eq!(code, Code::NotAuthorized, "{user} {password}");
        client.expect_closed("refused").await;
    }
    let (_, code, _) = Client::ask(ours.addr(), connect("x")).await;
    assert_eq!(code, Code::NotAuthorized);
    let mut good = Client::connect(ours.addr(), login("x", "teslamate", "secret")).await;
    good.ping().await;
}

#[tokio::test]
async fn users_read_and_write_only_what_they_may() {
    let ours = guarded("").await;
    let broker = ours.addr();
    let internal = ours.running.internal();
    let own = login("own", &internal.user, &internal.password);
    let mut own = Client::connect(internal.address, own).await;
    own.subscribe("#", AtMostOnce).await;
    let mut dashboard = Client::connect(broker, login("d", "dashboard", "secret")).await;
    dashboard.subscribe("#", AtMostOnce).await;
    let will = with_will("t", "evcc/site/set", "x", AtMostOnce, true).last_will;
    let teslamate = Connect { last_will: will, ..login("t", "teslamate", "secret") };
    let mut teslamate = Client::connect(broker, teslamate).await;
    // What may not be written is acknowledged and lost, as with mosquitto.
    teslamate.publish("evcc/site/set", "x", ExactlyOnce, true).await;
    teslamate.publish("teslamate/cars/1/soc", "50", AtLeastOnce, true).await;
    own.expect_message("teslamate/cars/1/soc", "50").await;
    drop(teslamate);
    dashboard.publish("evcc/site/power", "x", AtLeastOnce, false).await;
    dashboard.publish("evcc/site/set", "1", AtLeastOnce, false).await;
    own.expect_message("evcc/site/set", "1").await;
    // What may not be read does not arrive, neither live nor retained.
    dashboard.expect_message("evcc/site/set", "1").await;
    own.publish("evcc/end", "x", AtMostOnce, true).await;
    dashboard.expect_message("evcc/end", "x").await;
    own.expect_message("evcc/end", "x").await;
    let (_, early) = dashboard.subscribe_early(&[("#", AtMostOnce)]).await;
    assert!(early.is_empty());
    assert!(dashboard.expect_message("evcc/end", "x").await.retain);
    dashboard.ping().await;
}

#[tokio::test]
async fn the_internal_listener_admits_only_our_own_client() {
    let ours = Ours::start(OPEN).await;
    let internal = ours.running.internal().clone();
    let wrong = login("x", &internal.user, "wrong");
    for stranger in [connect("x"), wrong, login("x", "other", &internal.password)] {
        let (_, code, _) = Client::ask(internal.address, stranger).await;
        assert_eq!(code, Code::NotAuthorized);
    }
    let own = login("chargebus", &internal.user, &internal.password);
    let mut own = Client::connect(internal.address, own).await;
    // A client with the same id at the public door does not take our place.
    let mut namesake = Client::new(ours.addr(), "chargebus").await;
    namesake.ping().await;
    own.ping().await;
}

#[tokio::test]
async fn anonymous_clients_have_their_own_rights() {
    let ours = guarded("\n[anonymous]\nread = ['evcc/#']").await;
    let mut guest = Client::new(ours.addr(), "guest").await;
    guest.subscribe("#", AtMostOnce).await;
    guest.publish("evcc/x", "lost", AtLeastOnce, false).await;
    let mut dashboard = Client::connect(ours.addr(), login("d", "dashboard", "secret")).await;
    dashboard.publish("evcc/site/set", "1", AtLeastOnce, false).await;
    guest.expect_message("evcc/site/set", "1").await;
}

#[tokio::test]
async fn a_hash_fits_its_password() {
    // The public function and its cost, once: this is what `chargebus hash` prints.
    let hash = chargebus::edges::password::hash("geheim").unwrap();
    assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
    let config = GUARDED.replace("HASH", &hash);
    let ours = Ours::start(&config).await;
    let (_, code, _) = Client::ask(ours.addr(), login("x", "dashboard", "geheim")).await;
    assert_eq!(code, Code::Success);
    tokio::time::timeout(SOON, ours.stop()).await.unwrap();
}
