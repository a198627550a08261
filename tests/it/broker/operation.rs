//! Starting, stopping, restarting, TLS, and what is not accepted in `broker.toml`.

use std::path::Path;
use std::sync::Arc;

use chargebus::edges::broker::{self, BrokerConfig, Retained};
use rumqttc::mqttbytes::QoS::{AtLeastOnce, AtMostOnce, ExactlyOnce};
use rumqttc::mqttbytes::v4::Packet;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_util::sync::CancellationToken;

use super::client::{Client, SOON, connect, text, with_will};
use super::targets::{OPEN, Ours};

fn stored(topic: &str, payload: &str, qos: u8) -> Retained {
    let (topic, payload) = (topic.to_owned(), payload.into());
    Retained { topic, payload, qos, ..Retained::default() }
}

#[tokio::test]
async fn retained_values_survive_a_restart() {
    let ours =
        Ours::start_with(OPEN, vec![stored("old/kept", "1", 1), stored("old/gone", "1", 0)]).await;
    let mut car = Client::connect(
        ours.addr(),
        with_will("car", "teslamate/healthy", "false", AtLeastOnce, true),
    )
    .await;
    car.publish("teslamate/cars/1/battery_level", "50", AtLeastOnce, true).await;
    car.publish("teslamate/cars/1/battery_level", "51", ExactlyOnce, true).await;
    car.publish("teslamate/cars/1/state", "asleep", AtMostOnce, true).await;
    car.publish("old/gone", "", AtLeastOnce, true).await;
    car.publish("not/retained", "x", AtLeastOnce, false).await;
    car.publish("short/lived", "x", AtLeastOnce, true).await;
    car.publish("short/lived", "", AtLeastOnce, true).await;
    // Only what changed is to be saved, and wills on stopping belong to it, as with mosquitto.
    let changes = ours.stop().await;
    let expected = [
        stored("old/gone", "", 0),
        stored("teslamate/cars/1/battery_level", "51", 2),
        stored("teslamate/cars/1/state", "asleep", 0),
        stored("teslamate/healthy", "false", 1),
    ];
    assert_eq!(changes, expected);

    let mut disk = changes;
    disk.retain(|retained| !retained.payload.is_empty());
    disk.push(stored("old/kept", "1", 1));
    let ours = Ours::start_with(OPEN, disk).await;
    let mut reader = Client::new(ours.addr(), "reader").await;
    reader.subscribe("#", ExactlyOnce).await;
    let mut got = Vec::new();
    for _ in 0..4 {
        let publish = reader.next().await;
        assert!(publish.retain);
        got.push((text(&publish).0.to_owned(), text(&publish).1.to_owned(), publish.qos as u8));
    }
    let expected = [
        ("old/kept", "1", 1),
        ("teslamate/cars/1/battery_level", "51", 2),
        ("teslamate/cars/1/state", "asleep", 0),
        ("teslamate/healthy", "false", 1),
    ];
    assert_eq!(
        got,
        expected.map(|(topic, payload, qos)| (topic.to_owned(), payload.to_owned(), qos))
    );
    reader.ping().await;
    assert!(ours.stop().await.is_empty(), "nothing has changed");
}

#[tokio::test]
async fn changes_are_told_while_running_newest_first_per_topic() {
    let ours = Ours::start(OPEN).await;
    let mut changes = ours.running.changes();
    let mut writer = Client::new(ours.addr(), "writer").await;
    for n in 0..100 {
        writer.publish("a", &n.to_string(), AtLeastOnce, true).await;
    }
    let batch = timeout(SOON, changes.next()).await.unwrap().unwrap();
    assert_eq!(batch, [stored("a", "99", 1)]);
    writer.publish("a", "", AtLeastOnce, true).await;
    let batch = timeout(SOON, changes.next()).await.unwrap().unwrap();
    assert_eq!(batch, [stored("a", "", 0)]);
    ours.stop().await;
    assert_eq!(timeout(SOON, changes.next()).await.unwrap(), None);
}

#[tokio::test]
async fn stored_nonsense_is_left_out() {
    let nonsense = vec![stored("a/#", "1", 0), stored("", "1", 0), stored("good", "1", 7)];
    let ours = Ours::start_with(OPEN, nonsense).await;
    let mut reader = Client::new(ours.addr(), "reader").await;
    reader.subscribe("#", ExactlyOnce).await;
    assert_eq!(reader.expect_message("good", "1").await.qos, ExactlyOnce);
    reader.ping().await;
}

#[tokio::test]
async fn a_stop_ends_every_client_and_frees_the_port() {
    let ours = Ours::start(OPEN).await;
    let addr = ours.addr();
    let mut connected = Client::new(addr, "connected").await;
    let mut silent = Client::dial(addr).await;
    let kept = Client::connect(addr, super::client::persistent("kept")).await;
    kept.goodbye().await;
    ours.stop().await;
    connected.expect_closed("stopped").await;
    silent.expect_closed("stopped").await;
    let again = format!("listeners = [{{ address = \"{addr}\" }}]");
    let ours = Ours::start(&again).await;
    assert_eq!(ours.addr(), addr);
    // The port is taken now, which is told at once.
    let config = BrokerConfig::parse(&again, Path::new("")).unwrap();
    let error = broker::start(config, Vec::new(), CancellationToken::new()).await.err().unwrap();
    assert!(format!("{error:#}").starts_with(&format!("cannot listen on {addr}: ")), "{error:#}");
}

#[tokio::test]
async fn rumqttc_is_served_at_the_internal_listener() {
    let ours = Ours::start(OPEN).await;
    let internal = ours.running.internal().clone();
    let (host, port) = (internal.address.ip().to_string(), internal.address.port());
    let mut options = rumqttc::MqttOptions::new("chargebus", host, port);
    options.set_credentials(internal.user, internal.password);
    let (client, mut events) = rumqttc::AsyncClient::new(options, 10);
    client.subscribe("own/#", ExactlyOnce).await.unwrap();
    client.publish("own/state", ExactlyOnce, true, "on").await.unwrap();
    let got = timeout(SOON, async {
        loop {
            let event = events.poll().await.unwrap();
            if let rumqttc::Event::Incoming(Packet::Publish(publish)) = event {
                return publish;
            }
        }
    });
    let got = got.await.unwrap();
    assert_eq!((text(&got), got.qos), (("own/state", "on"), ExactlyOnce));
}

#[tokio::test]
async fn two_brokers_live_side_by_side() {
    let (one, two) = (Ours::start(OPEN).await, Ours::start(OPEN).await);
    assert_ne!(one.addr(), two.addr());
    let mut reader = Client::new(two.addr(), "reader").await;
    reader.subscribe("#", AtMostOnce).await;
    Client::new(one.addr(), "writer").await.publish("a", "one", AtLeastOnce, true).await;
    Client::new(two.addr(), "writer").await.publish("a", "two", AtLeastOnce, true).await;
    reader.expect_message("a", "two").await;
}

fn write_certificate(dir: &Path) -> rustls::RootCertStore {
    let rcgen::CertifiedKey { cert, signing_key } =
        rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    std::fs::write(dir.join("broker.crt"), cert.pem()).unwrap();
    std::fs::write(dir.join("broker.key"), signing_key.serialize_pem()).unwrap();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(cert.der().clone()).unwrap();
    roots
}

#[tokio::test]
async fn tls_clients_are_served_beside_silent_ones() {
    let dir = tempfile::tempdir().unwrap();
    let roots = write_certificate(dir.path());
    let text = r##"
        listeners = [
            { address = "127.0.0.1:0", tls = { certificate = "broker.crt", key = "broker.key" } },
            { address = "127.0.0.1:0" },
        ]
        anonymous = { read = ["#"], write = ["#"] }
        limits = { connect_timeout_s = 1 }
    "##;
    let config = BrokerConfig::parse(text, dir.path()).unwrap();
    let stop = CancellationToken::new();
    let running = broker::start(config, Vec::new(), stop.clone()).await.unwrap();
    let [secure, plain] = *running.addrs() else { panic!("two listeners") };

    // Neither a silent TLS client nor a silent MQTT client holds up the others.
    let mut silent = [Client::dial(secure).await, Client::dial(plain).await];
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let connector = TlsConnector::from(Arc::new(tls));
    let socket = TcpStream::connect(secure).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let stream = timeout(SOON, connector.connect(name, socket)).await.unwrap().unwrap();
    let mut client = Client::over(Box::new(stream));
    client.send(Packet::Connect(connect("tls"))).await;
    assert!(matches!(client.recv().await, Some(Packet::ConnAck(_))));
    client.subscribe("tls/#", ExactlyOnce).await;
    let large = "x".repeat(300_000);
    Client::new(plain, "writer").await.publish("tls/x", &large, ExactlyOnce, false).await;
    client.expect_message("tls/x", &large).await;
    client.ping().await;
    for silent in &mut silent {
        silent.expect_closed("no connect in time").await;
    }
    stop.cancel();
    timeout(SOON, running.stopped()).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_bad_certificate_is_named() {
    let dir = tempfile::tempdir().unwrap();
    write_certificate(dir.path());
    for (certificate, key, expected) in [
        ("missing.crt", "broker.key", "missing.crt"),
        ("broker.key", "broker.key", "contains no certificate"),
        ("broker.crt", "broker.crt", "broker.crt: not usable as PEM"),
    ] {
        let text = format!(
            "listeners = [{{ address = '127.0.0.1:0', \
             tls = {{ certificate = '{certificate}', key = '{key}' }} }}]"
        );
        let config = BrokerConfig::parse(&text, dir.path()).unwrap();
        let started = broker::start(config, Vec::new(), CancellationToken::new()).await;
        let error = format!("{:#}", started.err().unwrap());
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn the_checked_in_configuration_is_accepted() {
    BrokerConfig::built_in().unwrap();
    // Every key may stand alone; the rest keeps its default.
    BrokerConfig::parse("limits = { filters = 5 }", Path::new("")).unwrap();
    BrokerConfig::parse("router = { max_segment_size = 4096 }", Path::new("")).unwrap();
    BrokerConfig::parse("", Path::new("")).unwrap();
}

#[test]
fn a_configuration_error_names_place_and_remedy() {
    let wrong = [
        ("listeners = []", "at least one [[listeners]] section"),
        ("listeners = [{ address = 'here' }]", "address"),
        ("listeners = [{ address = '0.0.0.0:1883' }]", "write `insecure = true`"),
        (
            "listeners = [{ address = '[::]:1883' }]",
            "listeners[0].address: [::]:1883 can be reached",
        ),
        ("listener = []", "unknown field `listener`"),
        ("limits = { filters = 0 }", "limits.filters: must be at least 1"),
        ("limits = { filter = 1 }", "unknown field `filter`"),
        ("limits = { packet_bytes = 10 }", "limits.packet_bytes: must be at least 1024"),
        ("limits = { inflight = 65536 }", "limits.inflight: must be at most"),
        ("limits = { connections = 9223372036854775807 }", "limits.connections: must be at most"),
        ("limits = { write_timeout_s = 9223372036854775807 }", "must be at most 86400"),
        ("limits = { connections = -1 }", "connections"),
        ("anonymous = { read = ['a#'] }", "anonymous.read[0]: \"a#\" is not a topic filter"),
        ("users = [{ name = 'x', hash = 'secret' }]", "users[0].hash: not a password hash"),
        ("users = [{ hash = 'secret' }]", "missing field `name`"),
        ("router = { max_segment_count = 1 }", "router.max_segment_count: must be at least 3"),
        ("router = { max_segment_size = 10 }", "router.max_segment_size: must be at least 1024"),
        ("router = { initialized_filters = [] }", "router.initialized_filters: has no effect"),
        ("router = { max_segment_size = 'big' }", "max_segment_size"),
        ("limits = [", "line 1"),
    ];
    for (text, expected) in wrong {
        let error = format!("{:#}", BrokerConfig::parse(text, Path::new("")).unwrap_err());
        assert!(error.contains(expected), "{text}: {error}");
    }
    let error = BrokerConfig::load(Path::new("no/such/broker.toml")).unwrap_err();
    assert!(format!("{error:#}").starts_with("no/such/broker.toml: cannot be read"));
}

#[test]
fn the_network_is_let_in_with_users_or_by_explicit_wish() {
    let hash = "$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHRzb21lc2FsdA$\
                kX3zqSG4zXNnXPLEcLC/wAvJY6f0P6eVOhWzQBBdGVs";
    for text in [
        "listeners = [{ address = '0.0.0.0:1883' }]\ninsecure = true".to_owned(),
        format!(
            "listeners = [{{ address = '0.0.0.0:1883' }}]\nusers = [{{ name = 'x', hash = '{hash}' }}]"
        ),
    ] {
        BrokerConfig::parse(&text, Path::new("")).unwrap();
    }
}
