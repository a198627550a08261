//! Writes: what is understood, what is refused, what is stored.

use super::*;

/// A time for plans.
const LATER: &str = "2031-01-01T06:00:00Z";
const REPEATING: &str =
    r#"[{"weekdays":[1,5],"time":"07:00","tz":"Europe/Berlin","soc":80,"active":true}]"#;

/// Values of fields that take more than a number or a word.
fn composed(field: &Field) -> Option<Vec<(String, Value)>> {
    Some(match (field.kind, field.key) {
        (Kind::Float, "planEnergy") => {
            vec![(format!(r#"{{"time":"{LATER}","value":12.5}}"#), Value::float(12.5))]
        }
        (Kind::Int, "planSoc") => {
            vec![(format!(r#"{{"soc":80,"time":"{LATER}"}}"#), Value::Int(80))]
        }
        (Kind::Object, "planStrategy") => vec![(
            r#"{"continuous":true,"precondition":1800}"#.into(),
            Value::Object(vec![
                ("continuous".into(), Value::Bool(true)),
                ("precondition".into(), Value::Duration(std::time::Duration::from_secs(1800))),
            ]),
        )],
        (Kind::List, "repeatingPlans") => vec![(
            REPEATING.into(),
            Value::List(vec![Value::Object(vec![
                ("weekdays".into(), Value::List(vec![Value::Int(1), Value::Int(5)])),
                ("time".into(), Value::word("07:00")),
                ("tz".into(), Value::word("Europe/Berlin")),
                ("soc".into(), Value::Int(80)),
                ("active".into(), Value::Bool(true)),
            ])]),
        )],
        (Kind::Json, "home") => {
            let home =
                serde_json::json!({ "latitude": 52.5, "longitude": 13.4, "geofence": "Home" });
            vec![(home.to_string(), Value::Json(home))]
        }
        (Kind::Json, "chargeShares") => {
            let shares = serde_json::json!({ "1": 0.95 });
            vec![(shares.to_string(), Value::Json(shares))]
        }
        (Kind::Json, "chargeTaper") => {
            let taper = serde_json::json!({ "80": 1.0, "95": 0.4 });
            vec![(taper.to_string(), Value::Json(taper))]
        }
        (Kind::Float, "chargeEfficiency") => vec![("0.91".into(), Value::float(0.91))],
        (Kind::Text, "vehicleName") => vec![("zoe".into(), Value::word("zoe"))],
        (Kind::Text, "remoteDemand") => vec![
            ("soft/hems".into(), Value::word("soft/hems")),
            ("Hard".into(), Value::word("hard")),
        ],
        (Kind::Time, "targetTime") => {
            let time = chrono::DateTime::parse_from_rfc3339(LATER).unwrap();
            vec![(LATER.into(), Value::time(time.to_utc()))]
        }
        (Kind::List, "deviceColors") => vec![(
            r##"{"title":"Dach","color":"#ffcc00"}"##.into(),
            Value::List(vec![Value::Object(vec![
                ("title".into(), Value::word("Dach")),
                ("color".into(), Value::word("#ffcc00")),
            ])]),
        )],
        _ => return None,
    })
}

/// Some values of a writable field, and what its getter then says.
fn samples(field: &Field) -> Vec<(String, Value)> {
    if let Some(samples) = composed(field) {
        return samples;
    }
    let write = field.write.unwrap();
    match (field.kind, field.key) {
        (Kind::Enum(words), _) => {
            words.iter().map(|word| ((*word).to_owned(), Value::word(word))).collect()
        }
        (Kind::Int, "phasesConfigured") => {
            vec![("1".into(), Value::Int(1)), ("3".into(), Value::Int(3))]
        }
        (Kind::Int, "targetSoc") => {
            vec![("70".into(), Value::Int(70)), ("100".into(), Value::Int(0))]
        }
        (Kind::Bool, _) => {
            vec![("on".into(), Value::Bool(true)), ("0".into(), Value::Bool(false))]
        }
        (Kind::Int, _) => vec![("7".into(), Value::Int(7))],
        (Kind::Float, "minCurrent" | "maxCurrent") => vec![("10.5".into(), Value::float(10.5))],
        (Kind::Price, _) => {
            vec![("0.29146".into(), Value::price(0.29146)), ("-0.05".into(), Value::price(-0.05))]
        }
        (Kind::Float, _) => vec![("12.345".into(), Value::float(12.345))],
        (Kind::Duration, _) => {
            vec![("90".into(), Value::Duration(std::time::Duration::from_secs(90)))]
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
            let mut control = house::fed();
            let topic = format!("{}/{}/set", place(field.scope), write.name);
            let answer = set(&mut control, &topic, &text);
            assert!(answer.ok(), "{topic} {text}: {}", answer.message);
            assert_eq!(answer.applied, value, "{topic}");
            let spread = matches!(value, Value::Object(_) | Value::List(_));
            let spelled = match spread {
                true => [value.json(), value.stored_text()],
                false => [value.mqtt_text(), value.path_text()],
            };
            for spelled in spelled {
                let again = set(&mut control, &topic, &spelled);
                assert_eq!((again.ok(), &again.applied), (true, &value), "{topic} {spelled}");
            }
            if let (Told::Everywhere, Some(told), false) = (field.told, field.topic(), spread) {
                let topic = format!("{}/{told}", place(field.scope));
                assert_eq!(payload_of(&control, &topic), Some(value.mqtt_text()), "{topic}");
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
        for (number, inside) in [(min, true), (max, true), (min - 1.0, false), (max + 1.0, false)] {
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
        ("loadpoints/1/limitEnergy", r#"{"value": 12.5, "id": 7}"#, "12.5"),
        ("loadpoints/1/limitEnergy", r#"{"value": "12.5"}"#, "12.5"),
    ];
    for (topic, payload, told) in cases {
        let mut control = house::control();
        let answer = set(&mut control, &format!("{topic}/set"), payload);
        assert!(answer.ok(), "{topic} {payload}: {}", answer.message);
        assert_eq!(payload_of(&control, topic).as_deref(), Some(told), "{topic} {payload}");
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
        ("loadpoints/1/limitSoc", r#"{"valeu": 5}"#, Code::InvalidType),
        ("loadpoints/1/limitSoc", "{", Code::InvalidType),
        ("loadpoints/1/enableDelay", "10m", Code::InvalidType),
        ("loadpoints/1/enableDelay", "-1", Code::OutOfRange),
        ("site/residualPower", "NaN", Code::InvalidType),
        ("site/residualPower", "inf", Code::InvalidType),
        ("site/residualPower", "1e999", Code::InvalidType),
        ("site/gridPower", "1", Code::ReadOnly),
        ("site/smartCostLimit", "cheap", Code::InvalidType),
        ("loadpoints/1/targetTime", "tomorrow", Code::InvalidType),
        ("loadpoints/1/targetTime", "2026-08-08T11:59:59Z", Code::Refused),
        ("loadpoints/2/targetTime", LATER, Code::Refused),
        ("loadpoints/1/alwaysCharge", "twice", Code::InvalidType),
        ("site/deviceColors", r##"{"color":"#ffcc00"}"##, Code::InvalidType),
        ("site/deviceColors", r#"{"title":"Dach","color":"red"}"#, Code::InvalidType),
        ("site/deviceColors", r#"{"title":7}"#, Code::InvalidType),
        ("site/optimizerChargingStrategy", "all", Code::InvalidType),
        ("loadpoints/0/mode", "pv", Code::UnknownTopic),
        ("loadpoints/3/mode", "pv", Code::UnknownTopic),
        ("loadpoints/x/mode", "pv", Code::UnknownTopic),
        ("loadpoints/-1/mode", "pv", Code::UnknownTopic),
        ("loadpoints/1/vehicle", "bmw", Code::Refused),
        ("vehicles/bmw/minSoc", "20", Code::UnknownTopic),
        ("site/nosuch", "1", Code::UnknownTopic),
        ("nosuch", "1", Code::UnknownTopic),
    ];
    all_refused(&cases);
    let mut control = house::control();
    let system = house::system();
    let long = vec![b'1'; api::MAX_PAYLOAD + 1];
    let answer =
        api::write_topic(&mut control, &system, house::noon(), "site/bufferSoc/set", &long);
    assert_eq!(answer.unwrap().code, Code::TooLarge);
    assert!(
        api::write_topic(&mut control, &system, house::noon(), "site/bufferSoc/set", b"").is_none()
    );
}

#[test]
fn a_lease_has_a_time_and_other_fields_have_none() {
    let lease = "site/batteryMode/set";
    let mode = "loadpoints/1/mode/set";
    let cases = [
        (lease, r#"{"value":"hold","ttl":3600,"id":1}"#, Code::Ok),
        (lease, r#"{"value":null,"ttl":1}"#, Code::Ok),
        (lease, r#"{"value":"hold","ttl":0}"#, Code::InvalidType),
        (lease, r#"{"value":"hold","ttl":86401}"#, Code::InvalidType),
        (lease, r#"{"value":"hold","ttl":"1h"}"#, Code::InvalidType),
        (mode, r#"{"value":"now","ttl":60}"#, Code::InvalidType),
    ];
    for (topic, payload, code) in cases {
        let answer = set(&mut house::control(), topic, payload);
        assert_eq!(answer.code, code, "{payload}: {}", answer.message);
    }
    let mut control = house::control();
    assert_eq!(payload_of(&control, "site/batteryModeExternal"), None);
    assert_eq!(set(&mut control, lease, "holdcharge").reply, Value::Int(4));
    assert_eq!(set(&mut control, lease, "null").reply, Value::Int(0));
    assert_eq!(payload_of(&control, "site/batteryModeExternal").as_deref(), Some("unknown"));
}

#[test]
fn boost_and_battery_control_need_something_to_work_with() {
    let boost = "loadpoints/1/batteryboost/set";
    let mut control = house::control();
    assert!(set(&mut control, boost, "1").ok());
    assert_eq!(payload_of(&control, "loadpoints/1/batteryBoost").as_deref(), Some("true"));
    assert!(set(&mut control, "loadpoints/1/mode/set", "now").ok());
    assert_eq!(payload_of(&control, "loadpoints/1/batteryBoost").as_deref(), Some("false"));
    let answer = set(&mut control, boost, "1");
    assert_eq!(answer.message, "battery boost is only available in PV modes");

    let mut setup = house::setup();
    setup.meters.retain(|meter| !meter.controllable);
    let mut control = Control::new(setup, house::noon());
    assert_eq!(set(&mut control, boost, "1").message, "battery not configured");
    for (key, value) in [
        ("batteryDischargeControl", "1"),
        ("batteryGridDischarge", "1"),
        ("batteryGridChargeLimit", "0.2"),
        ("batteryMode", "hold"),
    ] {
        let answer = set(&mut control, &format!("site/{key}/set"), value);
        assert_eq!(
            (answer.code, &*answer.message),
            (Code::Refused, "battery control not available"),
            "{key}"
        );
    }
    assert!(set(&mut control, "site/gridExportLimit/set", "5000").ok());
}

#[test]
fn plans_that_mean_nothing_are_refused_with_a_code() {
    all_refused(&[
        ("loadpoints/1/planEnergy", "12", Code::InvalidType),
        ("loadpoints/1/planEnergy", r#"{"value":12}"#, Code::InvalidType),
        ("loadpoints/1/planEnergy", r#"{"time":"tomorrow","value":12}"#, Code::InvalidType),
        (
            "loadpoints/1/planEnergy",
            r#"{"time":"2031-01-01T06:00:00Z","value":"x"}"#,
            Code::InvalidType,
        ),
        (
            "loadpoints/1/planEnergy",
            r#"{"time":"2031-01-01T06:00:00Z","value":-1}"#,
            Code::OutOfRange,
        ),
        ("loadpoints/1/planEnergy", r#"{"time":"2026-08-08T11:59:59Z","value":1}"#, Code::Refused),
        ("loadpoints/1/planStrategy", "null", Code::InvalidType),
        ("loadpoints/1/planStrategy", r#"{"precondition":-1}"#, Code::InvalidType),
        ("loadpoints/1/planActive", "true", Code::ReadOnly),
        (
            "vehicles/tesla/planSoc",
            r#"{"time":"2031-01-01T06:00:00Z","value":101}"#,
            Code::OutOfRange,
        ),
        ("vehicles/tesla/planSoc", r#"{"time":"2026-08-08T11:59:59Z","value":1}"#, Code::Refused),
        ("vehicles/tesla/repeatingPlans", "{}", Code::InvalidType),
        (
            "vehicles/tesla/repeatingPlans",
            r#"[{"weekdays":[7],"time":"07:00","tz":"UTC","soc":80,"active":true}]"#,
            Code::Refused,
        ),
        (
            "vehicles/tesla/repeatingPlans",
            r#"[{"weekdays":[1],"time":"07:00","tz":"Mars","soc":80,"active":true}]"#,
            Code::Refused,
        ),
        (
            "vehicles/tesla/repeatingPlans",
            r#"[{"weekdays":[1],"time":"25:00","tz":"UTC","soc":80,"active":true}]"#,
            Code::Refused,
        ),
    ]);
}

fn all_refused(cases: &[(&str, &str, Code)]) {
    for &(topic, payload, code) in cases {
        let mut control = house::control();
        let before = full_state(&control).topics();
        let answer = set(&mut control, &format!("{topic}/set"), payload);
        assert_eq!(answer.code, code, "{topic} {payload}: {}", answer.message);
        assert!(!answer.message.is_empty());
        assert_eq!(full_state(&control).topics(), before, "{topic} {payload}");
    }
}

#[test]
fn a_misspelt_topic_is_answered_with_the_nearest_one() {
    let cases = [
        ("loadpoints/1/Mode/set", "loadpoints/1/mode"),
        ("loadpoint/2/mode/set", "loadpoints/2/mode"),
        ("loadpoints/1/limitsoc/set", "loadpoints/1/limitSoc"),
        ("loadpoints/1/effectiveLimitSoc/set", "loadpoints/1/limitSoc"),
        ("site/prioritySOC/set", "site/prioritySoc"),
        ("vehicles/tesla/minsoc/set", "vehicles/tesla/minSoc"),
    ];
    for (topic, near) in cases {
        let answer = set(&mut house::control(), topic, "1");
        assert!(answer.message.contains(&format!("did you mean {near}?")), "{}", answer.message);
    }
    let answer = set(&mut house::control(), "vehicles/telsa/minSoc/set", "1");
    assert!(answer.message.contains("did you mean tesla?"), "{}", answer.message);
}

#[test]
fn old_names_and_positions_still_work() {
    let mut control = house::control();
    assert!(set(&mut control, "loadpoints/1/phases/set", "3").ok());
    assert_eq!(payload_of(&control, "loadpoints/1/phasesConfigured").as_deref(), Some("3"));
    assert!(set(&mut control, "loadpoints/1/targetSoc/set", "70").ok());
    assert_eq!(payload_of(&control, "loadpoints/1/limitSoc").as_deref(), Some("70"));
    assert!(set(&mut control, "loadpoints/1/targetSoc/set", "100").ok());
    assert_eq!(payload_of(&control, "loadpoints/1/limitSoc").as_deref(), Some("0"));
    for (payload, name) in [("2", "zoe"), ("0", ""), ("tesla", "tesla"), ("-", "")] {
        assert!(set(&mut control, "loadpoints/2/vehicle/set", payload).ok(), "{payload}");
        assert_eq!(payload_of(&control, "loadpoints/2/vehicleName").as_deref(), Some(name));
    }
    assert_eq!(set(&mut control, "loadpoints/2/vehicle/set", "3").code, Code::Refused);
}

#[test]
fn an_answer_tells_everything_a_writer_needs() {
    let mut control = house::control();
    let answer = set(&mut control, "loadpoints/1/limitSoc/set", r#"{"value":80,"id":"a\"1"}"#);
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
    assert_eq!((lost.ok(), lost.code, lost.applied), (false, Code::NotStored, Value::Int(70)));
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
        ("lp1.smartCostLimit", "0.29146"),
        ("lp2.smartCostLimit", ""),
        ("lp1.planEnergy", "12.5"),
        ("lp1.planTime", "1925013600"),
        ("lp1.planStrategy", r#"{"continuous":true,"precondition":900}"#),
        ("lp2.planEnergy", "0"),
        ("lp2.planTime", ""),
        ("prioritySoc", "50"),
        ("vehicle.tesla.planSoc", "80"),
        ("vehicle.tesla.planTime", LATER),
        ("vehicle.tesla.repeatingPlans", REPEATING),
        ("vehicle.tesla.minSoc", "20"),
        ("vehicle.tesla.limitSoc", ""),
    ])
    .into_iter()
    .map(|(key, text)| (key.to_owned(), text.to_owned()))
    .collect();
    let mut control = house::control();
    let problems = api::restore(&mut control, &house::system(), house::noon(), &stored);
    let keys: Vec<_> = problems.iter().map(|problem| problem.key.as_str()).collect();
    assert_eq!(keys, ["lp9.mode"]);
    let site = &control.site().settings;
    assert_eq!(
        (site.priority_soc.0, site.buffer_soc.0, site.buffer_start_soc.0),
        (50.0, 80.0, 90.0)
    );
    let [one, two] = control.loadpoints() else { panic!() };
    assert_eq!(
        (one.settings.smart_cost_limit, two.settings.smart_cost_limit),
        (Some(0.29146), None)
    );
    assert_eq!((one.settings.min_current.0, one.settings.max_current.0), (20.0, 32.0));
    // What the user changed wins over the configuration, which says pv for the first load point.
    assert_eq!((one.settings.mode, two.settings.mode), (Mode::Off, Mode::MinPv));
    assert_eq!(two.settings.min_current.0, 6.0);
    assert_eq!(two.settings.thresholds.enable.0, -500.0);
    assert_eq!(two.settings.thresholds.disable_delay.as_secs(), 120);
    let plan = one.settings.plan.unwrap();
    assert_eq!((plan.energy.0, plan.time.timestamp()), (12.5, 1_925_013_600));
    assert_eq!(one.settings.plan_strategy.precondition.as_secs(), 900);
    assert_eq!(two.settings.plan, None);
    let tesla = &control.vehicles()[0].settings;
    assert_eq!(tesla.min_soc.0, 20.0);
    assert_eq!(
        tesla.plan.map(|plan| (plan.soc.0, plan.time.timestamp())),
        Some((80.0, 1_925_013_600))
    );
    assert_eq!(tesla.repeating.len(), 1);
}

/// What goes into the store is what comes back after a restart.
#[test]
fn stored_plans_come_back() {
    let writes = [
        ("loadpoints/2/planEnergy", format!(r#"{{"time":"{LATER}","value":12.5,"id":3}}"#)),
        ("loadpoints/2/planStrategy", r#"{"precondition":600}"#.to_owned()),
        ("vehicles/zoe/planSoc", format!(r#"{{"value":{{"time":"{LATER}","soc":70}},"id":3}}"#)),
        ("vehicles/zoe/planStrategy", r#"{"continuous":true}"#.to_owned()),
        ("vehicles/zoe/repeatingPlans", REPEATING.to_owned()),
    ];
    let mut control = house::control();
    let before = full_state(&control);
    for (topic, payload) in &writes {
        let answer = set(&mut control, &format!("{topic}/set"), payload);
        assert!(answer.ok(), "{topic}: {}", answer.message);
    }
    let system = house::system();
    let view = View { control: &control, system: &system, now: house::noon() };
    let stored: BTreeMap<_, _> = before.next(&view).changes(&before).stored.into_iter().collect();
    assert_eq!(stored.len(), 7, "{stored:?}");
    let mut again = house::control();
    assert_eq!(api::restore(&mut again, &system, house::noon(), &stored), []);
    assert_eq!(full_state(&again).topics(), full_state(&control).topics());

    for (topic, payload) in [
        ("loadpoints/2/plan/energy", "null"),
        ("vehicles/zoe/planSoc", "{}"),
        ("vehicles/zoe/repeatingPlans", "-"),
    ] {
        let answer = set(&mut control, &format!("{topic}/set"), payload);
        assert!(answer.ok(), "{topic}: {}", answer.message);
    }
    assert_eq!(control.loadpoints()[1].settings.plan, None);
    assert_eq!(control.vehicles()[1].settings.plan, None);
    assert!(control.vehicles()[1].settings.repeating.is_empty());
}
