//! Environment variables win over the file.

use chargebus::config::Place;

use super::{REFERENCE, parse_with};

#[test]
fn variables_win_over_the_file_and_are_named() {
    let env = [
        ("EVCC_NETWORK_PORT", "8080"),
        ("EVCC_MQTT_BROKER", "tls://broker"),
        ("EVCC_MQTT_TOPIC", "home"),
        ("EVCC_MQTT_USER", "me"),
        ("EVCC_MQTT_PASSWORD", "secret"),
        ("EVCC_DATABASE_DSN", "/data/db"),
        ("EVCC_INTERVAL", "10s"),
        ("EVCC_LOG", ""),
        ("EVCC_BROKER_LISTEN", "127.0.0.1"),
    ];
    let config = parse_with(&format!("BROKER: true\n{REFERENCE}"), &env).unwrap().config;
    assert_eq!(config.network.port, 8080);
    assert_eq!(config.root, "home");
    assert_eq!(config.database.as_deref(), Some("/data/db"));
    assert_eq!(config.interval.as_secs(), 10);
    assert_eq!(config.log.as_deref(), Some("info"), "an empty variable is not set");
    assert_eq!(config.broker.unwrap().listen.as_deref(), Some("127.0.0.1:1883"));
    let mqtt = config.mqtt.unwrap();
    assert_eq!((mqtt.host.as_str(), mqtt.port, mqtt.tls), ("broker", 8883, true));
    assert_eq!((mqtt.user.as_str(), mqtt.password.as_str()), ("me", "secret"));
    assert!(!format!("{mqtt:?}").contains("secret"));

    let wrong = parse_with("", &[("EVCC_NETWORK_PORT", "x"), ("EVCC_MQTT_BROKER", ":1")]);
    let wrong = wrong.unwrap_err();
    assert_eq!(
        wrong.to_string(),
        "EVCC_MQTT_BROKER mqtt.broker: must be host or host:port, found \":1\"\n\
         EVCC_NETWORK_PORT network.port: must be a whole number, found \"x\""
    );
    assert_eq!(wrong.errors[0].place, Place::Variable("EVCC_MQTT_BROKER"));
    assert!(wrong.errors[0].located("evcc.yaml").starts_with("EVCC_MQTT_BROKER "));
}
