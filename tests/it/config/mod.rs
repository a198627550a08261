//! evcc.yaml: what a file becomes, and what is said about wrong ones.

// Clippy knows only functions with #[test] as tests, not their helpers.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use chargebus::config::{
    Checked, Config, Errors, MqttSource, Pipeline, Sink, Source, TeslaMateCar,
};

mod api;
mod broken;
mod circuits;
mod devices;
mod hostile;
mod language;
mod noticed;
mod plugins;
mod reference;
mod templates;
mod variables;

const REFERENCE: &str = include_str!("../../data/reference-site.yaml");

/// The smallest site: one load point whose charger is MQTT topics.
const SMALL: &str = "\
mqtt: {broker: localhost}
chargers:
  - name: wallbox
    type: custom
    status: {source: mqtt, topic: wb/status}
    enabled: {source: mqtt, topic: wb/enabled}
    enable: {source: mqtt, topic: wb/enable}
    maxcurrent: {source: mqtt, topic: wb/amps}
";

fn parse(text: &str) -> Result<Checked, Errors> {
    Config::parse(text, &|_| None)
}

fn parse_with(text: &str, env: &[(&str, &str)]) -> Result<Checked, Errors> {
    let env: BTreeMap<&str, &str> = env.iter().copied().collect();
    Config::parse(text, &|name| env.get(name).map(|value| (*value).to_owned()))
}

fn good(text: &str) -> Config {
    parse(text).unwrap().config
}

fn notices(text: &str) -> Vec<String> {
    let checked = parse(text).unwrap();
    checked.notices.iter().map(ToString::to_string).collect()
}

fn errors(text: &str) -> Vec<String> {
    let errors = parse(text).unwrap_err();
    assert!(!errors.errors.is_empty());
    errors.errors.iter().map(ToString::to_string).collect()
}

/// The small site with one load point that has these keys, each in a line from 10 on.
fn loadpoint(keys: &[&str]) -> String {
    let keys = keys.join("\n    ");
    format!("{SMALL}loadpoints:\n  - charger: wallbox\n    {keys}\n")
}

/// A site whose grid meter has this power.
fn grid(power: &str) -> String {
    format!(
        "broker: true\nmeters:\n- name: m\n  type: custom\n  power: {power}\n\
         site: {{meters: {{grid: m}}}}\n"
    )
}

fn mqtt(topic: &str) -> Source {
    Source::Mqtt(MqttSource {
        topic: topic.to_owned(),
        timeout: None,
        scale: 1.0,
        pipeline: Pipeline::default(),
    })
}

fn publish(topic: &str) -> Sink {
    Sink::Mqtt { topic: topic.to_owned(), payload: None, retained: false }
}

fn three(prefix: &str) -> Box<[Source; 3]> {
    Box::new([1, 2, 3].map(|n| mqtt(&format!("{prefix}/l{n}"))))
}

#[test]
fn the_example_parses_without_notices() {
    let checked = parse(Config::example()).unwrap();
    assert_eq!(checked.notices, []);
    let config = checked.config;
    assert_eq!(config.mqtt.unwrap().host, "mosquitto");
    assert_eq!(
        config.devices.vehicles[0].teslamate,
        Some(TeslaMateCar { namespace: String::new(), id: 1 })
    );
    assert_eq!(config.setup.vehicles[0].title, "", "TeslaMate knows the car's name");
    assert_eq!(config.setup.meters.len(), 3);
    assert_eq!(config.setup.loadpoints.len(), 1);
}

#[test]
fn nothing_is_a_configuration_without_load_points() {
    for text in ["", "\n# comment\n", "---\n", "~", "\u{feff}", "{}"] {
        let checked = parse(text).unwrap();
        assert!(checked.config.setup.loadpoints.is_empty(), "{text:?}");
        assert_eq!(checked.config.mqtt, None);
        assert_eq!(
            checked.notices[0].to_string(),
            "1:1 loadpoints: none are configured: nothing will be charged"
        );
    }
}
