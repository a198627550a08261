//! The table against the recorded tables and topics of evcc.

use super::*;

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
    let mut listed = BTreeSet::new();
    for group in api::NOT_TOLD {
        assert!(group.keys.is_sorted() && group.why.ends_with('.'), "{group:?}");
        for key in group.keys {
            assert!(listed.insert((group.scope, *key)), "{key} is listed twice");
        }
    }
    let keys = spec("api-state-keys.json");
    for row in &keys {
        let key = row["key"].as_str().unwrap();
        let scope = scope_of(row["scope"].as_str().unwrap());
        let prefix = key.strip_suffix('*');
        let known = api::rows(scope).iter().any(|field| match prefix {
            Some(prefix) => field.key.starts_with(prefix),
            None => field.key == key,
        });
        assert_ne!(known, listed.remove(&(scope, key)), "{key}");
    }
    assert!(listed.is_empty(), "listed but unknown to evcc: {listed:?}");
}

#[test]
fn every_writable_field_of_evcc_can_be_written() {
    for row in spec("api-fields.json") {
        let id = row["id"].as_str().unwrap();
        let scope = scope_of(row["scope"].as_str().unwrap());
        let name = row["name"].as_str().unwrap();
        let writes = api::rows(scope).iter().filter_map(|field| field.write);
        let write = writes.into_iter().find(|write| write.name == name).expect(id);
        assert_eq!(write.clears, row["nullable"] == true, "{id}");
        // The car keeps its place over a restart, in which it may sleep (F13).
        let persisted = row["persisted"] == true || id == "loadpoint.vehicle";
        assert_eq!(write.stored, persisted, "{id}");
        let paths: Vec<_> = write.rest.set.to_vec();
        let verb = write.rest.method.as_str();
        assert_eq!(paths[0], row["rest"]["set"]["path"], "{id}");
        assert_eq!(verb, row["rest"]["set"]["method"], "{id}");
        let aliases = row["rest"]["aliases"].as_array().unwrap();
        // What can be read of a single field stands in the table of operations.
        for alias in aliases.iter().filter(|alias| alias["method"] != "GET") {
            let path = alias["path"].as_str().unwrap().replace("{index}", "{value}");
            assert_eq!(verb, alias["method"], "{id}");
            assert!(paths.contains(&&*path), "{id}: {path}");
        }
        assert_eq!(Json::from(write.rest.unset), row["rest"]["unset"]["path"], "{id}");
        let topics = [&row["mqtt"]["set"]].into_iter();
        let aliases = row["mqtt"]["setAliases"].as_array().into_iter().flatten();
        for topic in topics.chain(aliases).filter_map(Json::as_str) {
            let known = write.names().any(|word| topic.ends_with(&format!("/{word}/set")));
            assert!(known, "{id}: {topic}");
        }
        if let (Some((min, _)), Some(spec)) = (write.range, row["min"].as_f64()) {
            assert_eq!(min, spec, "{id}");
        }
        if let (Some((_, max)), Some(spec)) = (write.range, row["max"].as_f64()) {
            assert_eq!(max, spec, "{id}");
        }
    }
}

/// Payloads that differ from the recording, and why.
const DIFFERENT: &[(&str, &[&str])] = &[
    ("our own", &["version"]),
    (
        "evcc had run for minutes when it was recorded",
        &["offeredCurrent", "enabled", "interval", "phasesActive", "pvAction", "pvRemaining"],
    ),
    ("running, instead of the age of the universe", &["connectedDuration"]),
    ("the limit of the car stays known (W-33), and steps are of 10 Wh", &["chargeRemainingEnergy"]),
];

#[test]
fn our_topics_are_those_of_evcc() {
    let path = format!("{}/tests/data/evcc-0.313-tree.json", env!("CARGO_MANIFEST_DIR"));
    let tree: BTreeMap<String, String> =
        serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let ours: BTreeMap<String, String> = full_state(&house::fed()).topics().into_iter().collect();
    let quiet = api::all().filter(|field| field.told == Told::Config).map(|field| field.key);
    let mut not_told: BTreeSet<&str> = quiet.collect();
    not_told.extend(api::NOT_TOLD.iter().flat_map(|group| group.keys));
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
