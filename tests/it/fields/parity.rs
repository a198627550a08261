//! The table against the recorded tables and topics of evcc.

use super::*;

/// Keys of evcc that we do not tell, and why (api-state-keys.json).
const NOT_TOLD: &[(&str, &[&str])] = &[
    (
        "no optimizer",
        &["evopt", "evopt-batteries", "optimizerChargingStrategies", "optimizerChargingStrategy"],
    ),
    (
        "absent while healthy or while there is none",
        &[
            "authDisabled",
            "authProviders",
            "availableVersion",
            "demoMode",
            "fatal",
            "hasUpdater",
            "log",
            "releaseNotes",
        ],
    ),
    (
        "configuration, which is nobody else's business",
        &[
            "config",
            "database",
            "deviceColors",
            "eebus",
            "modbusproxy",
            "mqtt",
            "network",
            "ocpp",
            "ocppforwarder",
            "remote",
            "shm",
            "sponsor",
            "tariffs",
            "ui",
        ],
    ),
    ("written by the state itself", &["vehicles"]),
];

/// Writable fields of evcc that we do not write, and why (api-fields.json).
const NOT_WRITTEN: &[(&str, &[&str])] = &[
    ("no old words for plans yet", &["loadpoint.targetTime"]),
    ("no optimizer", &["site.optimizerChargingStrategy"]),
    ("`once` needs an end at disconnect", &["loadpoint.alwaysCharge"]),
    ("no detection yet", &["loadpoint.vehicleDetect"]),
    ("we send no telemetry and keep no colours", &["site.telemetry", "site.deviceColors"]),
    (
        "would answer ok without an effect",
        &["site.maxGridSupplyWhileBatteryCharging", "loadpoint.remoteDemand"],
    ),
];

fn spec(name: &str) -> Vec<Json> {
    let path = format!("{}/tests/data/{name}", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn listed(lists: &[(&str, &'static [&'static str])]) -> BTreeSet<&'static str> {
    lists.iter().flat_map(|(_, keys)| keys.iter().copied()).collect()
}

fn scope_of(name: &str) -> Scope {
    match name {
        "site" | "system" => Scope::Site,
        "loadpoint" => Scope::LoadPoint,
        "vehicle" => Scope::Vehicle,
        other => panic!("scope {other}"),
    }
}

#[test]
fn every_key_of_evcc_is_told_or_listed() {
    let not_told = listed(NOT_TOLD);
    let mut unused = not_told.clone();
    for row in spec("api-state-keys.json") {
        let key = row["key"].as_str().unwrap();
        let scope = scope_of(row["scope"].as_str().unwrap());
        let prefix = key.strip_suffix('*');
        let known = api::rows(scope).iter().any(|field| match prefix {
            Some(prefix) => field.key.starts_with(prefix),
            None => field.key == key,
        });
        assert_ne!(known, not_told.contains(key), "{key}");
        unused.remove(key);
    }
    assert!(unused.is_empty(), "listed but unknown to evcc: {unused:?}");
}

#[test]
fn every_writable_field_of_evcc_is_written_or_listed() {
    let not_written = listed(NOT_WRITTEN);
    let mut unused = not_written.clone();
    for row in spec("api-fields.json") {
        let id = row["id"].as_str().unwrap();
        unused.remove(id);
        let scope = scope_of(row["scope"].as_str().unwrap());
        let name = row["name"].as_str().unwrap();
        let field = api::rows(scope)
            .iter()
            .find(|field| field.write.is_some_and(|write| write.name == name));
        assert_ne!(field.is_some(), not_written.contains(id), "{id}");
        let Some(field) = field else { continue };
        let write = field.write.unwrap();
        assert_eq!(write.clears, row["nullable"] == true, "{id}");
        // The car keeps its place over a restart, in which it may sleep (F13).
        let persisted = row["persisted"] == true || id == "loadpoint.vehicle";
        assert_eq!(write.stored, persisted, "{id}");
        let paths: Vec<_> = write.rest.set.to_vec();
        assert_eq!(paths[0], row["rest"]["set"]["path"], "{id}");
        for alias in row["rest"]["aliases"].as_array().unwrap() {
            let path = alias["path"].as_str().unwrap().replace("{index}", "{value}");
            assert!(paths.contains(&&*path), "{id}: {path}");
        }
        assert_eq!(Json::from(write.rest.unset), row["rest"]["unset"]["path"], "{id}");
        for alias in row["mqtt"]["setAliases"].as_array().unwrap() {
            let topic = alias.as_str().unwrap();
            let known = write.was.iter().any(|word| topic.ends_with(&format!("/{word}/set")));
            assert!(known, "{id}: {topic}");
        }
        if let (Some((min, _)), Some(spec)) = (write.range, row["min"].as_f64()) {
            assert_eq!(min, spec, "{id}");
        }
        if let (Some((_, max)), Some(spec)) = (write.range, row["max"].as_f64()) {
            assert_eq!(max, spec, "{id}");
        }
    }
    assert!(unused.is_empty(), "listed but unknown to evcc: {unused:?}");
}

/// Payloads that differ from the recording, and why.
const DIFFERENT: &[(&str, &[&str])] = &[
    ("our own", &["version"]),
    (
        "evcc had run for minutes when it was recorded",
        &["offeredCurrent", "enabled", "interval", "phasesActive", "pvAction", "pvRemaining"],
    ),
    ("in JSON only", &["influx"]),
    ("running, instead of the age of the universe", &["connectedDuration"]),
    ("empty instead of 0 when there are none", &["features"]),
    ("the limit of the car stays known (W-33), and steps are of 10 Wh", &["chargeRemainingEnergy"]),
];

#[test]
fn our_topics_are_those_of_evcc() {
    let path = format!("{}/tests/data/evcc-0.313-tree.json", env!("CARGO_MANIFEST_DIR"));
    let tree: BTreeMap<String, String> =
        serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let ours: BTreeMap<String, String> = full_state(&house::fed()).topics().into_iter().collect();
    let not_told = listed(NOT_TOLD);
    let different = listed(DIFFERENT);
    let mut differences = Vec::new();
    for (topic, payload) in &tree {
        let topic = topic.strip_prefix("evcc/").unwrap();
        let parts: Vec<_> = topic.split('/').collect();
        let key = match parts[..] {
            ["site", key, ..] | ["loadpoints" | "vehicles", _, key, ..] => key,
            _ => continue,
        };
        // What is empty there is nothing; forecasts are one text here (api.md §1.5.4).
        if payload.is_empty() || not_told.contains(key) || key == "forecast" {
            continue;
        }
        if ours.get(topic) != Some(payload) && !different.contains(key) {
            differences.push(format!("{topic}: {payload}, ours {:?}", ours.get(topic)));
        }
    }
    assert!(differences.is_empty(), "{differences:#?}");
}
