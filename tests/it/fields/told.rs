//! What is told after a change.

use std::time::Duration;

use chargebus::model::{
    Amps, CircuitIx, CircuitSetup, Fact, ForecastForm, MeterIx, MeterValue, OperatorSetup,
    OperatorSignal, Origin, Phase, Watts,
};

use super::*;

#[test]
fn a_change_is_stored_and_told_once() {
    let mut control = house::control();
    let before = full_state(&control);
    assert!(set(&mut control, "loadpoints/2/mode/set", "now").ok());
    assert!(set(&mut control, "vehicles/tesla/limitSoc/set", "80").ok());
    let system = house::system();
    let view = View { control: &control, system: &system, now: house::noon() };
    let after = before.next(&view);
    let changes = after.changes(&before);
    let pairs = |list: &[(&str, &str)]| -> Vec<(String, String)> {
        list.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect()
    };
    assert_eq!(changes.stored, pairs(&[("lp2.mode", "now"), ("vehicle.tesla.limitSoc", "80")]));
    let told = pairs(&[("loadpoints/2/mode", "now"), ("vehicles/tesla/limitSoc", "80")]);
    assert_eq!(changes.published, told);
    assert!(changes.removed.is_empty());
    assert!(after.next(&view).changes(&after).is_empty());
    let frame: Json = serde_json::from_str(&after.frames(&before)[0]).unwrap();
    assert_eq!(frame["loadpoints.1.mode"], "now");
    assert_eq!(frame["vehicles"]["tesla"]["limitSoc"], 80);
    assert_eq!(frame["vehicles"]["zoe"]["title"], "Zoe");
    assert!(after.frames(&after.next(&view)).is_empty());
}

#[test]
fn a_field_that_vanishes_is_removed_and_told_as_null() {
    let mut control = house::control();
    assert!(set(&mut control, "vehicles/tesla/limitSoc/set", "80").ok());
    let before = full_state(&control);
    assert!(set(&mut control, "vehicles/tesla/limitSoc/set", "0").ok());
    let system = house::system();
    let after = before.next(&View { control: &control, system: &system, now: house::noon() });
    let changes = after.changes(&before);
    assert_eq!(changes.published, [("vehicles/tesla/limitSoc".to_owned(), String::new())]);
    let frame: Json = serde_json::from_str(&after.frames(&before)[0]).unwrap();
    assert!(frame["vehicles"]["tesla"].as_object().unwrap().contains_key("limitSoc"));
    assert_eq!(frame["vehicles"]["tesla"]["limitSoc"], Json::Null);
    let state: Json = serde_json::from_str(&after.json()).unwrap();
    assert!(!state["vehicles"]["tesla"].as_object().unwrap().contains_key("limitSoc"));
}

/// Clients of releases up to 0.313 know forecasts as objects only (api.md §4.7).
#[test]
fn forecasts_are_told_as_objects_on_wish() {
    let control = house::fed();
    let mut system = house::system();
    let state = |system: &chargebus::api::System| {
        State::default().next(&View { control: &control, system, now: house::noon() })
    };
    let compact = state(&system);
    system.about.forecast = ForecastForm::Objects;
    let objects = state(&system);
    let slot = serde_json::json!({
        "start": "2026-08-08T12:00:00Z", "end": "2026-08-08T12:15:00Z", "value": 0.3,
    });
    let json: Json = serde_json::from_str(&objects.json()).unwrap();
    assert_eq!(json["forecast"]["grid"][0], slot);
    let frames = objects.frames(&State::default());
    let frames: Vec<Json> =
        frames.iter().map(|frame| serde_json::from_str(frame).unwrap()).collect();
    let grid = frames.iter().find_map(|frame| frame.get("forecast.grid")).unwrap();
    assert_eq!(grid[0], slot);
    assert_eq!(objects.topics(), compact.topics(), "MQTT has one spelling");
}

#[test]
fn before_the_first_state_there_is_no_frame() {
    assert!(State::default().frames(&State::default()).is_empty());
}

#[test]
fn the_frame_that_completes_the_start_is_whole() {
    let control = house::control();
    let mut system = house::system();
    system.started = false;
    let starting =
        State::default().next(&View { control: &control, system: &system, now: house::noon() });
    system.started = true;
    let started = starting.next(&View { control: &control, system: &system, now: house::noon() });
    let frame: Json = serde_json::from_str(&started.frames(&starting)[0]).unwrap();
    assert_eq!(frame["startupCompleted"], true);
    assert_eq!(frame["loadpoints.0.title"], "Carport");
    assert_eq!(started.heartbeat(), r#"{"interval":30}"#);
}

#[test]
fn mirrors_can_be_switched_off() {
    let control = house::control();
    let mut system = house::system();
    system.mirrors = false;
    let state =
        State::default().next(&View { control: &control, system: &system, now: house::noon() });
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
    let after = before.next(&View { control: &control, system: &system, now: house::noon() });
    let told = after.changes(&before).published;
    assert!(told.contains(&("vehicles".to_owned(), "3".to_owned())));
    assert!(told.contains(&("vehicles/new/title".to_owned(), "New".to_owned())));
}

#[test]
fn a_writer_is_told_the_value_even_if_nothing_changed() {
    let control = house::control();
    let state = full_state(&control);
    let address = Address::of_topic("loadpoints/1/mode/set").unwrap();
    assert_eq!(state.topics_of(&address), [("loadpoints/1/mode".to_owned(), "pv".to_owned())]);
}

#[test]
fn a_silent_meter_keeps_its_last_word_and_is_not_fresh() {
    let control = house::fed();
    let system = house::system();
    let seen = |seconds| {
        let now = house::noon().later(std::time::Duration::from_secs(seconds));
        State::default().next(&View { control: &control, system: &system, now }).topics()
    };
    let payload = |topics: &[(String, String)], topic: &str| {
        topics.iter().find(|(t, _)| t == topic).map(|(_, payload)| payload.clone()).unwrap()
    };
    for (seconds, fresh) in [(1, "true"), (3600, "false")] {
        let topics = seen(seconds);
        assert_eq!(payload(&topics, "site/grid/fresh"), fresh);
        assert_eq!(payload(&topics, "site/grid/power"), "-3000");
        assert_eq!(payload(&topics, "site/gridCurrents/l3"), "-5");
        assert_eq!(payload(&topics, "site/pv/2/power"), "1500");
    }
}

/// A hybrid inverter charges its battery from what it cannot turn into AC (api.md §4.5).
#[test]
fn power_beyond_the_limit_of_an_inverter_is_told_under_both_names() {
    let mut setup = house::setup();
    setup.meters[1].max_ac_power = Some(Watts(2000.0));
    let mut control = Control::new(setup, house::noon());
    for (power, told) in [(2500.0, Some("500")), (1500.0, None)] {
        let value = MeterValue::Power(Watts(power));
        let fact = Fact::Meter { meter: MeterIx(1), value, origin: Origin::Live };
        control.handle(house::noon(), fact);
        for name in ["excessdcpower", "excessDCPower"] {
            let found = payload_of(&control, &format!("site/pv/1/{name}"));
            assert_eq!(found.as_deref().filter(|text| !text.is_empty()), told, "{name}");
        }
    }
}

#[test]
fn a_list_that_shrinks_and_an_object_that_goes_leave_nothing_behind() {
    let control = house::fed();
    let mut system = house::system();
    let now = house::noon();
    let before = State::default().next(&View { control: &control, system: &system, now });
    system.mirrors = false;
    let after = before.next(&View { control: &control, system: &system, now });
    let removed = after.changes(&before).removed;
    for topic in
        ["site/battery/1/power", "site/gridCurrents/l1", "site/gridCurrents", "site/gridPower"]
    {
        assert!(removed.contains(&topic.to_owned()), "{topic}");
    }
    assert!(!removed.contains(&"site/battery/power".to_owned()));
    let frame: Json = serde_json::from_str(&after.frames(&before)[0]).unwrap();
    assert_eq!(frame["gridPower"], Json::Null);
    assert!(frame.get("grid").is_none());
}

#[test]
fn a_decision_tells_why_and_since_when() {
    let control = house::fed();
    let topics: std::collections::BTreeMap<_, _> =
        full_state(&control).topics().into_iter().collect();
    let decision = control.loadpoints()[0].decision;
    assert_eq!(topics["loadpoints/1/decision/code"], decision.why.code());
    assert_eq!(topics["loadpoints/1/decision/text"], decision.why.sentence());
    let since = decision.since.since(house::noon().mono).as_secs();
    let told: u64 = topics["loadpoints/1/decision/since"].parse().unwrap();
    assert_eq!(told, house::noon().utc.timestamp() as u64 + since);
    assert_eq!(topics["loadpoints/2/decision/code"], "mode_off");
}

#[test]
fn circuits_and_the_grid_operator_are_told() {
    let mut setup = house::setup();
    assert_eq!(payload_of(&Control::new(setup.clone(), house::noon()), "site/circuits"), None);
    setup.limits.circuits = vec![
        CircuitSetup {
            name: "main".to_owned(),
            title: "Main".to_owned(),
            meter: Some(MeterIx(0)),
            max_current: Some(Amps(35.0)),
            ..CircuitSetup::default()
        },
        CircuitSetup {
            name: "garage".to_owned(),
            parent: Some(CircuitIx(0)),
            max_power: Some(Watts(11000.0)),
            ..CircuitSetup::default()
        },
    ];
    let (max_power, fail_safe) = (Watts(4200.0), Watts(4200.0));
    setup.limits.operator = Some(OperatorSetup { max_power, fail_safe, timeout: None });
    let mut control = Control::new(setup, house::noon());
    let (meter, origin) = (MeterIx(0), Origin::Live);
    let fact = |value| Fact::Meter { meter, value, origin };
    control.handle(house::noon(), fact(MeterValue::Power(Watts(4200.0))));
    for phase in Phase::ALL {
        control.handle(house::noon(), fact(MeterValue::Current(phase, Amps(6.1))));
    }
    let signal = OperatorSignal::Closed(true);
    control.handle(house::noon(), Fact::Operator { signal, origin });
    control.handle_timeout(house::noon().later(Duration::from_secs(1)));
    for (topic, payload) in [
        ("site/circuits/main/title", "Main"),
        ("site/circuits/main/parent", ""),
        ("site/circuits/main/power", "4200"),
        ("site/circuits/main/current", "6.1"),
        ("site/circuits/main/maxCurrent", "35"),
        ("site/circuits/main/maxPower", ""),
        ("site/circuits/main/fresh", "true"),
        ("site/circuits/garage/parent", "main"),
        ("site/circuits/garage/power", "0"),
        ("site/circuits/garage/maxPower", "11000"),
        ("site/hems/status/dimmed", "true"),
        ("site/hems/status/maxConsumptionPower", "4200"),
        ("loadpoints/1/dimmed", "true"),
    ] {
        assert_eq!(payload_of(&control, topic).as_deref(), Some(payload), "{topic}");
    }
}
