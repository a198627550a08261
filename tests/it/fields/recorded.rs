//! Writes that were recorded from evcc, made again in the same order.

use super::*;

/// What is played; the other fields have their own recordings or no engine yet.
const KEYS: &[&str] = &[
    "batteryBoost",
    "batteryBoostLimit",
    "batteryDischargeControl",
    "batteryGridChargeLimit",
    "batteryGridDischarge",
    "batteryMode",
    "gridExportLimit",
    "solarAdjusted",
];

/// Payloads that we understand and evcc does not (api.md §2.1 "Our service").
const LENIENT: &[&str] = &["on", "off", "yes", "no"];

#[test]
fn recorded_writes_have_the_recorded_effect() {
    let path = format!("{}/tests/data/evcc-0.313-set.jsonl", env!("CARGO_MANIFEST_DIR"));
    let recorded = std::fs::read_to_string(path).unwrap();
    let mut control = house::fed();
    let mut now = house::noon().later(std::time::Duration::from_secs(2));
    let mut played = BTreeSet::new();
    for line in recorded.lines() {
        let row: Json = serde_json::from_str(line).unwrap();
        let (topic, payload) = (row["set"].as_str().unwrap(), row["payload"].as_str().unwrap());
        let key = topic.rsplit('/').next().unwrap();
        if !KEYS.contains(&key) || LENIENT.contains(&payload) || payload != payload.trim() {
            continue;
        }
        played.insert(key.to_owned());
        let system = house::system();
        let topic_set = format!("{topic}/set");
        // What was in force there is in force here, whatever was left out before.
        if payload_of(&control, topic).as_deref() != row["was"].as_str()
            && let Some(was) = row["was"].as_str().filter(|_| key != "batteryMode")
        {
            set(&mut control, &topic_set, was);
        }
        now = now.later(std::time::Duration::from_millis(500));
        api::write_topic(&mut control, &system, now, &topic_set, payload.as_bytes());
        control.handle_timeout(now);
        let is = payload_of(&control, topic);
        assert_eq!(is.as_deref(), row["is"].as_str(), "{line}");
    }
    assert_eq!(played.len(), 6, "{played:?}");
}
