//! The worked examples of plugins and encodings (plans-vehicles-devices.md §10.6), from
//! `tests/data/examples/plugins.json`; E-77 is in `composites`, E-84 and E-94
//! on in `exports`, E-87 in `config`.

use chargebus::config::{Config, MeterDevice, Source};
use chargebus::edges::devices::register::{read, width};
use chargebus::edges::devices::{Getter, Kind, Scalar, Template, Value};
use serde_json::Value as Json;

use super::meter_site;
use super::setters::{story, watchdog};

fn examples(section: &str) -> Vec<Json> {
    let all: Json = serde_json::from_str(include_str!("../../data/examples/plugins.json")).unwrap();
    let rows = all[section].as_array().unwrap().clone();
    assert!(!rows.is_empty(), "{section}");
    rows
}

fn meter(config: &Config) -> &MeterDevice {
    &config.devices.meters[0]
}

/// What an example reads: the text, or the bytes that are written in hexadecimal digits.
fn payload(row: &Json) -> Vec<u8> {
    let Some(digits) = row["bytes"].as_str() else {
        return row["payload"].as_str().unwrap().as_bytes().to_vec();
    };
    let byte = |at: usize| u8::from_str_radix(&digits[at..at + 2], 16).unwrap();
    (0..digits.len()).step_by(2).map(byte).collect()
}

/// The keys of an example beside those of the source, as YAML.
fn keys(row: &Json) -> String {
    let keys = row["keys"].to_string();
    keys.trim_start_matches('{').trim_end_matches('}').to_owned()
}

/// What the keys of an example make of its payload.
fn got(row: &Json) -> Result<Option<Value>, String> {
    let kind = if row["text"].is_string() { Kind::Text } else { Kind::Number };
    let config = meter_site(&format!("power: {{source: mqtt, topic: x, {}}}", keys(row)));
    let Some(Source::Mqtt(mqtt)) = &meter(&config).power else { panic!("{row}") };
    Getter::compile(kind, mqtt.scale, &mqtt.pipeline).unwrap().read(&payload(row))
}

#[test]
fn pipelines() {
    for row in examples("pipelines") {
        let text = row["text"].as_str().map(|text| Value::Text(text.to_owned()));
        let expected = text.or(row["value"].as_f64().map(Value::Number));
        assert_eq!(got(&row), Ok(expected), "{row}");
    }
    for row in examples("failures") {
        let error = got(&row).unwrap_err();
        assert!(error.starts_with(row["error"].as_str().unwrap()), "{row}: {error}");
    }
}

#[test]
fn templates() {
    for row in examples("templates") {
        let text = |key: &str| row[key].as_str().unwrap().to_owned();
        let value = match &row["value"] {
            Json::Bool(truth) => Scalar::Bool(*truth),
            number => Scalar::Float(number.as_f64().unwrap()),
        };
        let template = Template::compile(&text("template"), &text("name"));
        let got = template.ok().map(|template| template.render(value));
        assert_eq!(got.as_deref(), row["text"].as_str(), "{row}");
    }
}

#[test]
fn watchdogs() {
    for row in examples("watchdogs") {
        let wishes: Vec<(u64, i64)> = serde_json::from_value(row["wishes"].clone()).unwrap();
        let watchdog = watchdog(row["defer"].as_bool().unwrap());
        let written = story(watchdog, &wishes, row["end"].as_u64().unwrap());
        assert_eq!(Json::from(written), row["written"], "{row}");
    }
}

#[test]
fn registers() {
    for row in examples("registers") {
        let mask = row["bitmask"].as_u64().map(|mask| format!(", bitmask: {mask}"));
        let encoding = row["encoding"].as_str().unwrap();
        let config = meter_site(&format!(
            "power: {{source: modbus, uri: a, register: {{address: 0, type: holding, encoding: \
             {encoding}{}}}}}",
            mask.unwrap_or_default()
        ));
        let Some(Source::Modbus(source)) = &meter(&config).power else { panic!("{row}") };
        let bytes = payload(&row);
        let words: Vec<u16> =
            bytes.chunks(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect();
        assert_eq!(usize::from(width(source.register.encoding.number)), words.len(), "{row}");
        let value = read(Kind::Number, &source.register, &words, source.scale).unwrap();
        assert_eq!(value, row["value"].as_f64().map(Value::Number), "{row}");
    }
}
