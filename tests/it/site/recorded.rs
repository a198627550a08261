//! What evcc told on the reference site, and how we differ from it, each difference with its reason.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::{Map, Value as Json};

/// Elements of a longer list are not compared: evcc's recorded state stops there, too.
const ELEMENTS: usize = 3;

/// One recording: values by topic or path.
pub(super) struct Recording {
    /// `0.313 tree`.
    pub(super) name: &'static str,
    pub(super) values: BTreeMap<String, String>,
}

/// Why values are not as recorded. A pattern may end with `*`.
#[derive(Deserialize)]
struct Known {
    why: String,
    /// The recordings to which this applies, if not to all.
    #[serde(default)]
    only: Vec<String>,
    /// Not told.
    #[serde(default)]
    absent: Vec<String>,
    /// Told with another value.
    #[serde(default)]
    other: Vec<String>,
    /// Told, with a value that depends on the clock.
    #[serde(default)]
    moves: Vec<String>,
}

/// How a value is not as recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Difference {
    Absent,
    Other,
}

/// The retained topics below the root.
pub(super) fn trees() -> [Recording; 2] {
    let tree = |text: &str| -> BTreeMap<String, String> {
        let tree: BTreeMap<String, String> = serde_json::from_str(text).unwrap();
        // An empty payload is no value: on a broker there is nothing.
        let tree = tree.into_iter().filter(|(_, payload)| !payload.is_empty());
        tree.map(|(topic, payload)| (topic.replacen("evcc/", "", 1), payload)).collect()
    };
    [
        Recording {
            name: "0.313 tree",
            values: tree(include_str!("../../data/evcc-0.313-tree.json")),
        },
        Recording {
            name: "0.130 tree",
            values: tree(include_str!("../../data/evcc-0.130-tree.json")),
        },
    ]
}

/// `/api/state`, and all that the first messages of a WebSocket told.
pub(super) fn states() -> [Recording; 4] {
    let state = |text: &str| {
        let json: Json = serde_json::from_str(text).unwrap();
        flat(json.get("result").unwrap_or(&json))
    };
    let frames = |text: &str| {
        let frames: Vec<String> = serde_json::from_str(text).unwrap();
        flat(&merged(frames.iter().filter_map(|frame| readable(frame))))
    };
    [
        Recording {
            name: "0.313 state",
            values: state(include_str!("../../data/evcc-0.313-state.json")),
        },
        Recording {
            name: "0.313 frames",
            values: frames(include_str!("../../data/evcc-0.313-ws.json")),
        },
        Recording {
            name: "0.130 state",
            values: state(include_str!("../../data/evcc-0.130-state.json")),
        },
        Recording {
            name: "0.130 frames",
            values: frames(include_str!("../../data/evcc-0.130-ws.json")),
        },
    ]
}

/// A recorded frame; long ones were cut off, and count as far as they go.
fn readable(frame: &str) -> Option<Json> {
    let ends = [("}", ",\""), ("]}", ",[")];
    let cut = |(end, between): &(&str, &str)| {
        let mut places = frame.rmatch_indices(between);
        places.find_map(|(at, _)| serde_json::from_str(&format!("{}{end}", &frame[..at])).ok())
    };
    serde_json::from_str(frame).ok().or_else(|| ends.iter().find_map(cut))
}

/// What a client knows after some frames: the newest value of each key.
pub(super) fn merged(frames: impl Iterator<Item = Json>) -> Json {
    let mut known = Map::new();
    for frame in frames {
        known.extend(frame.as_object().unwrap().clone());
    }
    Json::Object(known)
}

/// Values by path: `loadpoints.0.mode`. Null is no value.
pub(super) fn flat(json: &Json) -> BTreeMap<String, String> {
    let mut paths = BTreeMap::new();
    flatten("", json, &mut paths);
    paths
}

fn flatten(path: &str, json: &Json, paths: &mut BTreeMap<String, String>) {
    let below = |key: &str| match path {
        "" => key.to_owned(),
        path => format!("{path}.{key}"),
    };
    match json {
        Json::Null => {}
        Json::Object(members) if !members.is_empty() => {
            members.iter().for_each(|(key, member)| flatten(&below(key), member, paths));
        }
        Json::Array(items) if !items.is_empty() => {
            let items = items.iter().take(ELEMENTS).enumerate();
            items.for_each(|(n, item)| flatten(&below(&n.to_string()), item, paths));
        }
        Json::Number(number) => {
            paths.insert(path.to_owned(), number.as_f64().unwrap().to_string());
        }
        Json::Object(_) | Json::Array(_) | Json::Bool(_) | Json::String(_) => {
            paths.insert(path.to_owned(), json.to_string());
        }
    }
}

/// What is not known of the differences, and what is known and is no difference. `known` is the
/// text of a list of differences.
pub(super) fn surprises(
    recording: &Recording,
    known: &str,
    ours: &BTreeMap<String, String>,
) -> Vec<String> {
    let Recording { name, values } = recording;
    let mut known: Vec<Known> = serde_json::from_str(known).unwrap();
    assert!(known.iter().all(|known| !known.why.is_empty()));
    known.retain(|known| known.only.is_empty() || known.only.iter().any(|only| only == name));
    let compare = |(path, value): (&String, &String)| match ours.get(path) {
        None => Some((path.clone(), Difference::Absent)),
        Some(told) if told != value => Some((path.clone(), Difference::Other)),
        Some(_) => None,
    };
    let mut found: BTreeMap<_, _> = values.iter().filter_map(compare).collect();
    let mut surprises = Vec::new();
    for pattern in known.iter().flat_map(|known| &known.moves) {
        if !values.keys().any(|path| matches(pattern, path)) {
            surprises.push(format!("{name}: {pattern} is listed as moving and is not recorded"));
        }
        found.retain(|path, how| *how == Difference::Absent || !matches(pattern, path));
    }
    let listed = known.iter().flat_map(|known| {
        let absent = known.absent.iter().map(|pattern| (pattern, Difference::Absent));
        absent.chain(known.other.iter().map(|pattern| (pattern, Difference::Other)))
    });
    for (pattern, difference) in listed {
        let before = found.len();
        found.retain(|path, how| !matches(pattern, path) || *how != difference);
        if before == found.len() {
            surprises.push(format!("{name}: {pattern} is listed as {difference:?} and is not"));
        }
    }
    surprises.extend(found.iter().map(|(path, how)| {
        let told = ours.get(path);
        format!("{name}: {path} {how:?}: recorded {:?}, told {told:?}", values[path])
    }));
    surprises
}

fn matches(pattern: &str, path: &str) -> bool {
    pattern.strip_suffix('*').map_or(path == pattern, |prefix| path.starts_with(prefix))
}

#[test]
fn a_surprise_is_told_and_a_stale_reason_too() {
    let values = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
        pairs.iter().map(|(path, value)| ((*path).to_owned(), (*value).to_owned())).collect()
    };
    let recording = Recording {
        name: "0.313 tree",
        values: values(&[("a", "1"), ("b", "1"), ("c/1", "1"), ("d", "1")]),
    };
    let ours = values(&[("a", "1"), ("b", "2"), ("d", "7"), ("e", "1")]);
    let known = r#"[{"why":"x","absent":["c/*"],"moves":["d"]},{"why":"y","only":["0.130"],"other":["z"]}]"#;
    let found = surprises(&recording, known, &ours);
    assert_eq!(found, [r#"0.313 tree: b Other: recorded "1", told Some("2")"#]);
    let stale = r#"[{"why":"x","absent":["a","c/*"],"moves":["d","f"],"other":["b"]}]"#;
    let found: BTreeSet<_> = surprises(&recording, stale, &ours).into_iter().collect();
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found.contains("0.313 tree: a is listed as Absent and is not"));
    assert_eq!(flat(&serde_json::json!({"a": [1, 2, 3, 4], "b": {}, "c": null})).len(), 4);
}
