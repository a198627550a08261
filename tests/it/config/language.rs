//! YAML as evcc users write it.

use std::time::Duration;

use chargebus::config::{MqttVersion, Takeover};
use chargebus::model::Mode;

use super::{SMALL, errors, good, notices, publish};

#[test]
fn keys_ignore_case_and_scalars_are_weakly_typed() {
    let text = "
NETWORK: {Port: '8080', host: ::1}
interval: 10000000000
MQTT: {Broker: 'tls://[::1]', TOPIC: /home/evcc/, clientid: 7, insecure: 'yes'}
database: {dsn: ':memory:'}
";
    let config = good(text);
    assert_eq!((config.network.host.as_str(), config.network.port), ("::1", 8080));
    assert_eq!(config.interval, Duration::from_secs(10));
    assert_eq!(config.database.as_deref(), Some(":memory:"));
    assert_eq!(config.root, "home/evcc");
    let mqtt = config.mqtt.unwrap();
    assert_eq!((mqtt.host.as_str(), mqtt.port, mqtt.tls), ("::1", 8883, true));
    assert_eq!(mqtt.client_id.as_deref(), Some("7"));
    assert!(mqtt.insecure);
}

#[test]
fn the_version_of_mqtt_is_3_1_1_unless_it_is_said() {
    let mqtt = |keys: &str| good(&format!("mqtt: {{broker: localhost{keys}}}")).mqtt.unwrap();
    for (written, version) in [
        ("", MqttVersion::V3),
        (", version: 3.1.1", MqttVersion::V3),
        (", version: 5", MqttVersion::V5),
    ] {
        assert_eq!(mqtt(written).version, version, "{written}");
    }
    assert_eq!(mqtt("").takeover, Takeover::Never);
    assert_eq!(mqtt(", takeover: true").takeover, Takeover::Once);
    let wrong = errors("mqtt: {broker: localhost, version: 6}");
    assert_eq!(wrong, ["1:27 mqtt.version: must be 3.1.1 or 5"]);
}

#[test]
fn modes_survive_yaml_1_1() {
    for (written, mode) in [
        ("off", Some(Mode::Off)),
        ("'off'", Some(Mode::Off)),
        ("false", Some(Mode::Off)),
        ("Now", Some(Mode::Now)),
        ("minpv", Some(Mode::MinPv)),
        ("''", None),
        ("", None),
    ] {
        let text = format!("{SMALL}loadpoints:\n  - charger: wallbox\n    mode: {written}\n");
        assert_eq!(good(&text).setup.loadpoints[0].default_mode, mode, "{written}");
    }
}

#[test]
fn anchors_aliases_and_merge_keys_are_expanded() {
    let text = "
x-box: &box
  type: custom
  status: {source: mqtt, topic: wb/status}
  enabled: {source: mqtt, topic: wb/enabled}
  enable: {source: mqtt, topic: wb/enable}
  maxcurrent: &amps {source: mqtt, topic: wb/amps}
mqtt: {broker: localhost}
chargers:
  - {<<: *box, name: one}
  - <<: [*box, {icon: van}]
    name: two
    maxcurrent: {<<: *amps, topic: wb/2/amps}
loadpoints: [{charger: one}, {charger: two}]
";
    let config = good(text);
    assert_eq!(notices(text).len(), 0);
    let chargers = config.devices.chargers;
    assert_eq!(chargers[0].max_current, Some(publish("wb/amps")));
    assert_eq!(chargers[1].max_current, Some(publish("wb/2/amps")));
    assert_eq!(config.setup.loadpoints[1].charger.icon.as_deref(), Some("van"));
}

#[test]
fn plain_words_list_and_comma_mean_the_same() {
    let site = |pv: &str| {
        let meters: String = ["a", "b"]
            .map(|name| {
                format!("  - {{name: {name}, type: default, power: {{type: const, value: 1}}}}\n")
            })
            .concat();
        good(&format!("meters:\n{meters}site: {{meters: {{pv: {pv}}}}}\n")).setup.meters
    };
    assert_eq!(site("[a, b]"), site("'a, b'"));
    assert_eq!(site("a").len(), 1);
}
