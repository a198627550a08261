//! The field table holds its own rules, and what is derived from it does what the specification says.

use std::collections::{BTreeMap, BTreeSet};

use chargebus::api::{
    self, Address, Answer, Code, Field, Kind, Scope, Set, State, Told, Value, View,
};
use chargebus::control::Control;
use chargebus::model::{Mode, VehicleSetup};
use proptest::prelude::*;
use serde_json::Value as Json;

use crate::house;

/// Keys of evcc that we do not tell, and why (api-state-keys.json).
const NOT_TOLD: &[(&str, &[&str])] = &[
    (
        "no tariff yet",
        &[
            "tariffCo2",
            "tariffCo2Home",
            "tariffCo2Loadpoints",
            "tariffFeedIn",
            "tariffGrid",
            "tariffPriceHome",
            "tariffPriceLoadpoints",
            "tariffSolar",
            "tariffTemperature",
        ],
    ),
    (
        "absent until first used",
        &["batteryGridChargeLimit", "batteryModeExternal", "dimmed"],
    ),
    (
        "no sessions yet",
        &[
            "statistics",
            "historyUpdated",
            "todayEnergy",
            "last24hEnergy",
            "last7dEnergy",
        ],
    ),
    (
        "no estimator yet: unknown is not zero",
        &["chargeRemainingDuration", "chargeRemainingEnergy"],
    ),
    ("no circuits yet", &["circuits"]),
    (
        "no optimizer",
        &[
            "evopt",
            "evopt-batteries",
            "optimizerChargingStrategies",
            "optimizerChargingStrategy",
        ],
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
            "hems",
            "influx",
            "messaging",
            "messagingEvents",
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
    (
        "no battery control yet",
        &[
            "site.batteryDischargeControl",
            "site.batteryGridChargeLimit",
            "site.batteryGridDischarge",
            "site.batteryMode",
            "loadpoint.batteryBoost",
            "loadpoint.batteryBoostLimit",
        ],
    ),
    (
        "no tariff yet",
        &[
            "site.smartCostLimit",
            "site.smartFeedInPriorityLimit",
            "loadpoint.smartCostLimit",
            "loadpoint.smartFeedInPriorityLimit",
        ],
    ),
    (
        "no plan yet",
        &[
            "loadpoint.planEnergy",
            "loadpoint.planStrategy",
            "loadpoint.targetTime",
            "vehicle.planSoc",
            "vehicle.planStrategy",
            "vehicle.repeatingPlans",
        ],
    ),
    (
        "no optimizer",
        &[
            "site.gridExportLimit",
            "site.optimizerChargingStrategy",
            "site.solarAdjusted",
        ],
    ),
    (
        "`once` needs an end at disconnect",
        &["loadpoint.alwaysCharge"],
    ),
    ("no detection yet", &["loadpoint.vehicleDetect"]),
    (
        "we send no telemetry and keep no colours",
        &["site.telemetry", "site.deviceColors"],
    ),
    (
        "would answer ok without an effect",
        &[
            "site.maxGridSupplyWhileBatteryCharging",
            "loadpoint.remoteDemand",
        ],
    ),
];

fn spec(name: &str) -> Vec<Json> {
    let path = format!("{}/tests/data/{name}", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn listed(lists: &[(&str, &'static [&'static str])]) -> BTreeSet<&'static str> {
    lists
        .iter()
        .flat_map(|(_, keys)| keys.iter().copied())
        .collect()
}

fn scope_of(name: &str) -> Scope {
    match name {
        "site" | "system" => Scope::Site,
        "loadpoint" => Scope::LoadPoint,
        "vehicle" => Scope::Vehicle,
        other => panic!("scope {other}"),
    }
}

fn full_state(control: &Control) -> State {
    let system = house::system();
    State::default().next(&View {
        control,
        system: &system,
        now: house::noon(),
    })
}

fn set(control: &mut Control, topic: &str, payload: &str) -> Box<Answer> {
    let system = house::system();
    api::write_topic(control, &system, house::noon(), topic, payload.as_bytes()).unwrap()
}

fn payload_of(control: &Control, topic: &str) -> Option<String> {
    full_state(control)
        .topics()
        .into_iter()
        .find(|(t, _)| t == topic)
        .map(|(_, payload)| payload)
}

#[test]
fn keys_are_unique_and_lower_camel() {
    for scope in [Scope::Site, Scope::LoadPoint, Scope::Vehicle] {
        let mut keys = BTreeSet::new();
        let mut words = BTreeSet::new();
        for field in api::rows(scope) {
            assert!(keys.insert(field.key), "{} stands twice", field.key);
            assert!(
                field.key.starts_with(|c: char| c.is_ascii_lowercase()),
                "{}",
                field.key
            );
            assert!(
                field.key.chars().all(|c| c.is_ascii_alphanumeric()),
                "{}",
                field.key
            );
            for word in field.write.iter().flat_map(|write| write.names()) {
                assert!(words.insert(word), "{word}/set stands twice");
            }
        }
        let topics: Vec<_> = api::rows(scope)
            .iter()
            .filter_map(|field| field.topic())
            .collect();
        let unique: BTreeSet<_> = topics.iter().filter(|topic| **topic != "battery").collect();
        let shared = if scope == Scope::Site { 2 } else { 0 };
        assert_eq!(unique.len() + shared, topics.len(), "two rows at one topic");
    }
}

#[test]
fn tables_are_sorted() {
    for table in api::TABLES {
        assert!(table.is_sorted_by_key(|field| field.key));
    }
}

#[test]
fn routes_are_unique_and_fit_their_scope() {
    let mut routes = BTreeSet::new();
    for field in api::all() {
        let Some(write) = field.write else { continue };
        for path in write.rest.set {
            assert!(routes.insert(("POST", *path)), "{path}");
            assert!(path.ends_with("/{value}"), "{path}");
        }
        for path in write.rest.unset {
            assert!(routes.insert(("DELETE", path)), "{path}");
            assert!(write.clears, "{path}");
        }
        for path in write.rest.set.iter().chain(&write.rest.unset) {
            let prefix = match field.scope {
                Scope::Site => "/",
                Scope::LoadPoint => "/loadpoints/{id}/",
                Scope::Vehicle => "/vehicles/{name}/",
            };
            assert!(path.starts_with(prefix), "{path}");
        }
    }
}

#[test]
fn writable_numbers_have_unit_and_range_and_fitting_setters() {
    for field in api::all() {
        let Some(write) = field.write else { continue };
        let numeric = matches!(field.kind, Kind::Int | Kind::Float | Kind::Duration);
        assert_eq!(write.range.is_some(), numeric, "{}", field.key);
        assert!(!numeric || !field.unit.is_empty(), "{}", field.key);
        let fits = match write.set {
            Set::Float(_) => matches!(field.kind, Kind::Int | Kind::Float),
            Set::Int(_) => field.kind == Kind::Int,
            Set::Duration(_) => field.kind == Kind::Duration,
            Set::Word(_) => matches!(field.kind, Kind::Enum(_) | Kind::Text),
        };
        assert!(fits, "{}", field.key);
    }
}

#[test]
fn docs_are_short_sentences() {
    for field in api::all() {
        let doc = field.doc;
        assert!(doc.chars().count() <= 100, "{doc}");
        assert!(doc.ends_with('.') && !doc.ends_with(".."), "{doc}");
        assert!(doc.starts_with(|c: char| !c.is_lowercase()), "{doc}");
    }
}

#[test]
fn values_are_of_their_kind() {
    let control = house::control();
    let system = house::system();
    let view = View {
        control: &control,
        system: &system,
        now: house::noon(),
    };
    for field in api::all() {
        let value = (field.get)(&view, 0);
        let fits = match (&value, field.kind) {
            (Value::Absent | Value::Null, _) => true,
            (Value::Bool(_), kind) => kind == Kind::Bool,
            // A number without decimals is a number; whole seconds are a duration.
            (Value::Int(_), kind) => matches!(kind, Kind::Int | Kind::Float | Kind::Duration),
            (Value::Float(_), kind) => kind == Kind::Float,
            (Value::Duration(_), kind) => kind == Kind::Duration,
            (Value::Time(_), kind) => kind == Kind::Time,
            (Value::Text(word), Kind::Enum(words)) => words.contains(&&**word),
            (Value::Text(_), kind) => kind == Kind::Text,
            (Value::Phases(_), kind) => kind == Kind::Phases,
            (Value::List(_), kind) => kind == Kind::List,
            (Value::Object(_), kind) => kind == Kind::Object,
            (Value::Json(_), kind) => kind == Kind::Json,
        };
        assert!(fits, "{}: {value:?}", field.key);
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
        let persisted = row["persisted"] == true;
        assert_eq!(write.stored, persisted, "{id}");
        let paths: Vec<_> = write.rest.set.to_vec();
        assert_eq!(paths[0], row["rest"]["set"]["path"], "{id}");
        for alias in row["rest"]["aliases"].as_array().unwrap() {
            let path = alias["path"]
                .as_str()
                .unwrap()
                .replace("{index}", "{value}");
            assert!(paths.contains(&&*path), "{id}: {path}");
        }
        assert_eq!(
            Json::from(write.rest.unset),
            row["rest"]["unset"]["path"],
            "{id}"
        );
        for alias in row["mqtt"]["setAliases"].as_array().unwrap() {
            let word = alias.as_str().unwrap().rsplit('/').nth(1).unwrap();
            assert!(write.was.contains(&word), "{id}: {word}");
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

/// Some values of a writable field, and what its getter then says.
fn samples(field: &Field) -> Vec<(String, Value)> {
    let write = field.write.unwrap();
    match (field.kind, field.key) {
        (Kind::Text, "vehicleName") => vec![("zoe".into(), Value::word("zoe"))],
        (Kind::Enum(words), _) => words
            .iter()
            .map(|word| ((*word).to_owned(), Value::word(word)))
            .collect(),
        (Kind::Int, "phasesConfigured") => {
            vec![("1".into(), Value::Int(1)), ("3".into(), Value::Int(3))]
        }
        (Kind::Int, "targetSoc") => {
            vec![("70".into(), Value::Int(70)), ("100".into(), Value::Int(0))]
        }
        (Kind::Int, _) => vec![("7".into(), Value::Int(7))],
        (Kind::Float, "minCurrent" | "maxCurrent") => vec![("10.5".into(), Value::float(10.5))],
        (Kind::Float, _) => vec![("12.345".into(), Value::float(12.345))],
        (Kind::Duration, _) => {
            vec![(
                "90".into(),
                Value::Duration(std::time::Duration::from_secs(90)),
            )]
        }
        (kind, key) => panic!("{key}: no sample for {kind:?} {:?}", write.name),
    }
}

fn place(scope: Scope) -> &'static str {
    match scope {
        Scope::Site => "site",
        Scope::LoadPoint => "loadpoints/1",
        Scope::Vehicle => "vehicles/tesla",
    }
}

#[test]
fn what_was_set_is_read_and_both_texts_of_it_parse_back() {
    for field in api::all().filter(|field| field.write.is_some()) {
        let write = field.write.unwrap();
        for (text, value) in samples(field) {
            let mut control = house::control();
            let topic = format!("{}/{}/set", place(field.scope), write.name);
            let answer = set(&mut control, &topic, &text);
            assert!(answer.ok(), "{topic} {text}: {}", answer.message);
            assert_eq!(answer.applied, value, "{topic}");
            for spelled in [value.mqtt_text(), value.path_text()] {
                let again = set(&mut control, &topic, &spelled);
                assert_eq!(
                    (again.ok(), &again.applied),
                    (true, &value),
                    "{topic} {spelled}"
                );
            }
            if let (Told::Everywhere, Some(told)) = (field.told, field.topic()) {
                let topic = format!("{}/{told}", place(field.scope));
                assert_eq!(
                    payload_of(&control, &topic),
                    Some(value.mqtt_text()),
                    "{topic}"
                );
            }
        }
    }
}

#[test]
fn both_ends_of_every_range_are_in_and_what_lies_beyond_is_out() {
    for field in api::all() {
        let Some((min, max)) = field.write.and_then(|write| write.range) else {
            continue;
        };
        let topic = format!("{}/{}/set", place(field.scope), field.write.unwrap().name);
        for (number, inside) in [
            (min, true),
            (max, true),
            (min - 1.0, false),
            (max + 1.0, false),
        ] {
            let answer = set(&mut house::control(), &topic, &number.to_string());
            let outside = answer.code == Code::OutOfRange;
            assert_eq!(!outside, inside, "{topic} {number}: {}", answer.message);
        }
    }
}

#[test]
fn payloads_are_read_leniently() {
    let cases = [
        ("loadpoints/1/mode", "PV", "pv"),
        ("loadpoints/1/mode", " off ", "off"),
        ("loadpoints/1/mode", "smart", "pv"),
        ("loadpoints/1/limitSoc", "80.0", "80"),
        ("loadpoints/1/limitSoc", "8e1", "80"),
        ("loadpoints/1/enableDelay", " 30", "30"),
        ("site/prioritySoc", "1e1", "10"),
        ("site/residualPower", "-0", "0"),
        ("vehicles/zoe/minSoc", "20", "20"),
        ("vehicles/zoe/minSoc", "0", ""),
        ("vehicles/zoe/mode", "NONE", ""),
        (
            "loadpoints/1/limitEnergy",
            r#"{"value": 12.5, "id": 7}"#,
            "12.5",
        ),
        ("loadpoints/1/limitEnergy", r#"{"value": "12.5"}"#, "12.5"),
    ];
    for (topic, payload, told) in cases {
        let mut control = house::control();
        let answer = set(&mut control, &format!("{topic}/set"), payload);
        assert!(answer.ok(), "{topic} {payload}: {}", answer.message);
        assert_eq!(
            payload_of(&control, topic).as_deref(),
            Some(told),
            "{topic} {payload}"
        );
    }
}

#[test]
fn payloads_that_mean_nothing_are_refused_with_a_code() {
    let cases = [
        ("loadpoints/1/mode", "turbo", Code::InvalidType),
        ("loadpoints/1/mode", "null", Code::InvalidType),
        ("loadpoints/1/limitSoc", "50.5", Code::InvalidType),
        ("loadpoints/1/limitSoc", "101", Code::OutOfRange),
        ("loadpoints/1/limitSoc", "0x10", Code::InvalidType),
        ("loadpoints/1/limitSoc", "1,5", Code::InvalidType),
        (
            "loadpoints/1/limitSoc",
            r#"{"valeu": 5}"#,
            Code::InvalidType,
        ),
        ("loadpoints/1/limitSoc", "{", Code::InvalidType),
        ("loadpoints/1/enableDelay", "10m", Code::InvalidType),
        ("loadpoints/1/enableDelay", "-1", Code::OutOfRange),
        ("site/residualPower", "NaN", Code::InvalidType),
        ("site/residualPower", "inf", Code::InvalidType),
        ("site/residualPower", "1e999", Code::InvalidType),
        ("site/gridPower", "1", Code::ReadOnly),
        ("site/smartCostLimit", "1", Code::Unsupported),
        ("loadpoints/1/planEnergy", "{}", Code::Unsupported),
        ("loadpoints/0/mode", "pv", Code::UnknownTopic),
        ("loadpoints/3/mode", "pv", Code::UnknownTopic),
        ("loadpoints/x/mode", "pv", Code::UnknownTopic),
        ("loadpoints/-1/mode", "pv", Code::UnknownTopic),
        ("loadpoints/1/vehicle", "bmw", Code::Refused),
        ("vehicles/bmw/minSoc", "20", Code::UnknownTopic),
        ("site/nosuch", "1", Code::UnknownTopic),
        ("nosuch", "1", Code::UnknownTopic),
    ];
    for (topic, payload, code) in cases {
        let mut control = house::control();
        let before = full_state(&control).topics();
        let answer = set(&mut control, &format!("{topic}/set"), payload);
        assert_eq!(answer.code, code, "{topic} {payload}: {}", answer.message);
        assert!(!answer.message.is_empty());
        assert_eq!(full_state(&control).topics(), before, "{topic} {payload}");
    }
    let mut control = house::control();
    let system = house::system();
    let long = vec![b'1'; api::MAX_PAYLOAD + 1];
    let answer = api::write_topic(
        &mut control,
        &system,
        house::noon(),
        "site/bufferSoc/set",
        &long,
    );
    assert_eq!(answer.unwrap().code, Code::TooLarge);
    assert!(
        api::write_topic(
            &mut control,
            &system,
            house::noon(),
            "site/bufferSoc/set",
            b""
        )
        .is_none()
    );
}

#[test]
fn a_misspelt_topic_is_answered_with_the_nearest_one() {
    let cases = [
        ("loadpoints/1/Mode/set", "loadpoints/1/mode"),
        ("loadpoint/2/mode/set", "loadpoints/2/mode"),
        ("loadpoints/1/limitsoc/set", "loadpoints/1/limitSoc"),
        (
            "loadpoints/1/effectiveLimitSoc/set",
            "loadpoints/1/limitSoc",
        ),
        ("site/prioritySOC/set", "site/prioritySoc"),
        ("vehicles/tesla/minsoc/set", "vehicles/tesla/minSoc"),
    ];
    for (topic, near) in cases {
        let answer = set(&mut house::control(), topic, "1");
        assert!(
            answer.message.contains(&format!("did you mean {near}?")),
            "{}",
            answer.message
        );
    }
    let answer = set(&mut house::control(), "vehicles/telsa/minSoc/set", "1");
    assert!(
        answer.message.contains("did you mean tesla?"),
        "{}",
        answer.message
    );
}

#[test]
fn old_names_and_positions_still_work() {
    let mut control = house::control();
    assert!(set(&mut control, "loadpoints/1/phases/set", "3").ok());
    assert_eq!(
        payload_of(&control, "loadpoints/1/phasesConfigured").as_deref(),
        Some("3")
    );
    assert!(set(&mut control, "loadpoints/1/targetSoc/set", "70").ok());
    assert_eq!(
        payload_of(&control, "loadpoints/1/limitSoc").as_deref(),
        Some("70")
    );
    assert!(set(&mut control, "loadpoints/1/targetSoc/set", "100").ok());
    assert_eq!(
        payload_of(&control, "loadpoints/1/limitSoc").as_deref(),
        Some("0")
    );
    for (payload, name) in [("2", "zoe"), ("0", ""), ("tesla", "tesla"), ("-", "")] {
        assert!(
            set(&mut control, "loadpoints/2/vehicle/set", payload).ok(),
            "{payload}"
        );
        assert_eq!(
            payload_of(&control, "loadpoints/2/vehicleName").as_deref(),
            Some(name)
        );
    }
    assert_eq!(
        set(&mut control, "loadpoints/2/vehicle/set", "3").code,
        Code::Refused
    );
}

#[test]
fn an_answer_tells_everything_a_writer_needs() {
    let mut control = house::control();
    let answer = set(
        &mut control,
        "loadpoints/1/limitSoc/set",
        r#"{"value":80,"id":"a\"1"}"#,
    );
    assert_eq!(
        answer.json(),
        r#"{"ok":true,"code":"ok","message":"","requested":"80","applied":80,"id":"a\"1"}"#
    );
    let answer = set(&mut control, "loadpoints/1/limitSoc/set", "120");
    assert_eq!(
        answer.json(),
        r#"{"ok":false,"code":"out_of_range","message":"120 is not between 0 and 100 %","requested":"120","applied":80,"id":null}"#
    );
    let lost = set(&mut control, "loadpoints/1/limitSoc/set", "70").not_stored("disk full");
    assert_eq!(
        (lost.ok(), lost.code, lost.applied),
        (false, Code::NotStored, Value::Int(70))
    );
}

#[test]
fn a_change_is_stored_and_told_once() {
    let mut control = house::control();
    let before = full_state(&control);
    assert!(set(&mut control, "loadpoints/2/mode/set", "now").ok());
    assert!(set(&mut control, "vehicles/tesla/limitSoc/set", "80").ok());
    let system = house::system();
    let view = View {
        control: &control,
        system: &system,
        now: house::noon(),
    };
    let after = before.next(&view);
    let changes = after.changes(&before);
    let pairs = |list: &[(&str, &str)]| -> Vec<(String, String)> {
        list.iter()
            .map(|(a, b)| ((*a).to_owned(), (*b).to_owned()))
            .collect()
    };
    assert_eq!(
        changes.stored,
        pairs(&[("lp2.mode", "now"), ("vehicle.tesla.limitSoc", "80")])
    );
    let told = pairs(&[
        ("loadpoints/2/mode", "now"),
        ("vehicles/tesla/limitSoc", "80"),
    ]);
    assert_eq!(changes.published, told);
    assert!(changes.removed.is_empty());
    assert!(after.next(&view).changes(&after).is_empty());
    let frame: Json = serde_json::from_str(&after.frame(&before).unwrap()).unwrap();
    assert_eq!(frame["loadpoints.1.mode"], "now");
    assert_eq!(frame["vehicles"]["tesla"]["limitSoc"], 80);
    assert_eq!(frame["vehicles"]["zoe"]["title"], "Zoe");
    assert_eq!(after.frame(&after.next(&view)), None);
}

#[test]
fn a_field_that_vanishes_is_removed_and_told_as_null() {
    let mut control = house::control();
    assert!(set(&mut control, "vehicles/tesla/limitSoc/set", "80").ok());
    let before = full_state(&control);
    assert!(set(&mut control, "vehicles/tesla/limitSoc/set", "0").ok());
    let system = house::system();
    let after = before.next(&View {
        control: &control,
        system: &system,
        now: house::noon(),
    });
    let changes = after.changes(&before);
    assert_eq!(
        changes.published,
        [("vehicles/tesla/limitSoc".to_owned(), String::new())]
    );
    let frame: Json = serde_json::from_str(&after.frame(&before).unwrap()).unwrap();
    assert!(
        frame["vehicles"]["tesla"]
            .as_object()
            .unwrap()
            .contains_key("limitSoc")
    );
    assert_eq!(frame["vehicles"]["tesla"]["limitSoc"], Json::Null);
    let state: Json = serde_json::from_str(&after.json()).unwrap();
    assert!(
        !state["vehicles"]["tesla"]
            .as_object()
            .unwrap()
            .contains_key("limitSoc")
    );
}

#[test]
fn the_frame_that_completes_the_start_is_whole() {
    let control = house::control();
    let mut system = house::system();
    system.started = false;
    let starting = State::default().next(&View {
        control: &control,
        system: &system,
        now: house::noon(),
    });
    system.started = true;
    let started = starting.next(&View {
        control: &control,
        system: &system,
        now: house::noon(),
    });
    let frame: Json = serde_json::from_str(&started.frame(&starting).unwrap()).unwrap();
    assert_eq!(frame["startupCompleted"], true);
    assert_eq!(frame["loadpoints.0.title"], "Carport");
    assert_eq!(started.heartbeat(), r#"{"interval":30}"#);
}

#[test]
fn mirrors_can_be_switched_off() {
    let control = house::control();
    let mut system = house::system();
    system.mirrors = false;
    let state = State::default().next(&View {
        control: &control,
        system: &system,
        now: house::noon(),
    });
    let topics: Vec<_> = state.topics().into_iter().map(|(topic, _)| topic).collect();
    assert!(topics.contains(&"loadpoints/1/offeredCurrent".to_owned()));
    assert!(!topics.contains(&"loadpoints/1/chargeCurrent".to_owned()));
}

#[test]
fn counts_are_told_when_a_vehicle_appears() {
    let mut control = house::control();
    let before = full_state(&control);
    assert_eq!(payload_of(&control, "loadpoints").as_deref(), Some("2"));
    control.add_vehicle(VehicleSetup {
        name: "new".into(),
        title: "New".into(),
        ..VehicleSetup::default()
    });
    let system = house::system();
    let after = before.next(&View {
        control: &control,
        system: &system,
        now: house::noon(),
    });
    let told = after.changes(&before).published;
    assert!(told.contains(&("vehicles".to_owned(), "3".to_owned())));
    assert!(told.contains(&("vehicles/new/title".to_owned(), "New".to_owned())));
}

#[test]
fn a_writer_is_told_the_value_even_if_nothing_changed() {
    let control = house::control();
    let state = full_state(&control);
    let address = Address::of_topic("loadpoints/1/mode/set").unwrap();
    assert_eq!(
        state.topics_of(&address),
        [("loadpoints/1/mode".to_owned(), "pv".to_owned())]
    );
}

#[test]
fn stored_settings_come_back_whatever_their_order() {
    let stored = BTreeMap::from([
        ("bufferSoc", "80"),
        ("bufferStartSoc", "90"),
        ("lp1.limitSoc", "70"),
        ("lp1.maxCurrent", "32"),
        ("lp1.minCurrent", "20"),
        ("lp1.mode", "off"),
        ("lp2.minCurrent", "0"),
        ("lp2.mode", "minpv"),
        ("lp2.thresholds", r#"{"enable":{"delay":30000000000,"threshold":-500},"disable":{"delay":120000000000,"threshold":200}}"#),
        ("lp9.mode", "pv"),
        ("lp1.smartCostLimit", "0.2"),
        ("prioritySoc", "50"),
        ("vehicle.tesla.minSoc", "20"),
        ("vehicle.tesla.limitSoc", ""),
    ])
    .into_iter()
    .map(|(key, text)| (key.to_owned(), text.to_owned()))
    .collect();
    let mut control = house::control();
    let problems = api::restore(&mut control, &house::system(), house::noon(), &stored);
    let keys: Vec<_> = problems
        .iter()
        .map(|problem| problem.key.as_str())
        .collect();
    assert_eq!(keys, ["lp1.smartCostLimit", "lp9.mode"]);
    let site = &control.site().settings;
    assert_eq!(
        (
            site.priority_soc.0,
            site.buffer_soc.0,
            site.buffer_start_soc.0
        ),
        (50.0, 80.0, 90.0)
    );
    let [one, two] = control.loadpoints() else {
        panic!()
    };
    assert_eq!(
        (one.settings.min_current.0, one.settings.max_current.0),
        (20.0, 32.0)
    );
    // The configuration says pv for the first load point and nothing for the second.
    assert_eq!(
        (one.settings.mode, two.settings.mode),
        (Mode::Pv, Mode::MinPv)
    );
    assert_eq!(two.settings.min_current.0, 6.0);
    assert_eq!(two.settings.thresholds.enable.0, -500.0);
    assert_eq!(two.settings.thresholds.disable_delay.as_secs(), 120);
    assert_eq!(control.vehicles()[0].settings.min_soc.0, 20.0);
}

#[test]
fn our_topics_are_those_of_evcc() {
    let path = format!(
        "{}/tests/data/evcc-0.313-tree.json",
        env!("CARGO_MANIFEST_DIR")
    );
    let tree: BTreeMap<String, String> =
        serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let ours: BTreeSet<String> = full_state(&house::control())
        .topics()
        .into_iter()
        .map(|(topic, _)| topic)
        .collect();
    let not_told = listed(NOT_TOLD);
    for (topic, payload) in &tree {
        let topic = topic.strip_prefix("evcc/").unwrap();
        let mut parts = topic.split('/');
        let key = match parts.next() {
            Some("site") => parts.next(),
            Some("loadpoints" | "vehicles") => parts.nth(1),
            _ => None,
        };
        // Evcc empties leftovers of older versions; measured values are not there yet.
        if payload.is_empty()
            || key.is_none_or(|key| not_told.contains(key))
            || topic.contains("/power")
            || topic.contains("urrents")
            || topic.ends_with("/soc")
            || topic.starts_with("site/forecast")
        {
            continue;
        }
        let late = ["homePower", "pvPower", "chargeTotalImport", "features"];
        if key.is_some_and(|key| late.contains(&key)) {
            continue;
        }
        assert!(ours.contains(topic), "{topic}");
    }
}

proptest! {
    /// One answer to everything; nothing changes unless it is ok.
    #[test]
    fn any_topic_and_payload_is_answered(
        topic in prop_oneof![
            "[a-zA-Z0-9/]{0,40}",
            "(site|loadpoints/[0-3]|vehicles/(tesla|zoe|x))/[a-zA-Z/]{1,20}(/set)?",
            "(site/(prioritySoc|bufferSoc|bufferStartSoc|residualPower)|loadpoints/[12]/(mode|limitSoc|minCurrent|maxCurrent|phases|vehicle|enableDelay)|vehicles/tesla/(mode|minSoc))/set",
        ],
        payload in prop_oneof![
            proptest::collection::vec(any::<u8>(), 1..60),
            "-?[0-9]{1,6}(\\.[0-9]{1,4})?(e[0-9]{1,3})?".prop_map(String::into_bytes),
            "(off|pv|minpv|now|null|-|tesla|zoe)".prop_map(String::into_bytes),
            "\\{\"value\":(-?[0-9]{1,3}|\"[a-z]{1,4}\"|null|\\[\\]),\"id\":[0-9]\\}".prop_map(String::into_bytes),
        ],
    ) {
        let mut control = house::control();
        let before = full_state(&control);
        let system = house::system();
        let answer = api::write_topic(&mut control, &system, house::noon(), &topic, &payload).unwrap();
        let json: Json = serde_json::from_str(&answer.json()).unwrap();
        prop_assert_eq!(&json["ok"], &Json::Bool(answer.code == Code::Ok));
        if !answer.ok() {
            let view = View { control: &control, system: &system, now: house::noon() };
            prop_assert!(before.next(&view).changes(&before).is_empty());
            prop_assert!(!answer.message.is_empty());
        }
    }

    /// A float that was told reads back as what was told.
    #[test]
    fn floats_print_and_parse(number in any::<f64>()) {
        let value = Value::float(number);
        if let Value::Float(told) = value {
            let again: f64 = value.mqtt_text().parse().unwrap();
            prop_assert_eq!(Value::float(again).mqtt_text(), value.mqtt_text());
            prop_assert!((again - told).abs() <= told.abs() * 1e-15);
        } else {
            prop_assert!(!number.is_finite());
        }
    }
}
