//! The words of other releases: targets of evcc up to 0.122 and `alwaysCharge` from 0.316 on.

use chargebus::model::{ChargeStatus, ChargerValue, Fact, LoadPointIx, Origin};

use super::*;

const LATER: &str = "2031-01-01T06:00:00Z";
const LATER_UNIX: &str = "1925013600";

fn ok(control: &mut Control, topic: &str, payload: &str) -> Value {
    let answer = set(control, &format!("{topic}/set"), payload);
    assert!(answer.ok(), "{topic} {payload}: {}", answer.message);
    answer.reply
}

fn told(control: &Control, topic: &str) -> String {
    payload_of(control, topic).unwrap_or_default()
}

fn unplug(control: &mut Control, lp: usize) {
    let value = ChargerValue::Status(ChargeStatus::Disconnected);
    let fact = Fact::Charger { lp: LoadPointIx(lp), value, origin: Origin::Live };
    control.handle(house::noon().later(std::time::Duration::from_secs(60)), fact);
}

#[test]
fn without_a_time_targets_are_limits() {
    let mut control = house::fed();
    ok(&mut control, "loadpoints/1/targetSoc", "70");
    ok(&mut control, "loadpoints/1/targetEnergy", "12.5");
    assert_eq!(told(&control, "loadpoints/1/limitSoc"), "70");
    assert_eq!(told(&control, "loadpoints/1/limitEnergy"), "12.5");
    for none in ["100", "0"] {
        ok(&mut control, "loadpoints/1/targetSoc", none);
        assert_eq!(told(&control, "loadpoints/1/limitSoc"), "0");
    }
    // Nothing is to be removed.
    ok(&mut control, "loadpoints/1/targetTime", "null");
}

/// The SoC of the vehicle at the first load point is known: a plan in SoC (api.md §5.2).
#[test]
fn a_time_makes_a_plan_in_soc_where_it_is_known() {
    let mut control = house::fed();
    let reply = ok(&mut control, "loadpoints/1/targetTime", LATER);
    assert_eq!(reply.json(), format!(r#"{{"soc":100,"energy":0,"time":"{LATER}"}}"#));
    assert_eq!(told(&control, "vehicles/tesla/plan/soc"), "100");
    ok(&mut control, "loadpoints/1/targetTime", "null");
    assert_eq!(told(&control, "vehicles/tesla/plan/soc"), "");

    // What was asked for last is the goal; the limit stays as it is.
    ok(&mut control, "loadpoints/1/targetSoc", "70");
    ok(&mut control, "loadpoints/1/targetTime", LATER);
    assert_eq!(told(&control, "vehicles/tesla/plan/soc"), "70");
    assert_eq!(told(&control, "vehicles/tesla/plan/time"), LATER_UNIX);
    // From now on the target is that of the plan, and another time moves it.
    ok(&mut control, "loadpoints/1/targetSoc", "90");
    ok(&mut control, "loadpoints/1/targetTime", "2031-01-02T08:00:00+01:00");
    assert_eq!(told(&control, "vehicles/tesla/plan/soc"), "90");
    assert_eq!(told(&control, "vehicles/tesla/plan/time"), "1925103600");
    assert_eq!(told(&control, "loadpoints/1/limitSoc"), "70");
    let answer = set(&mut control, "loadpoints/1/targetTime/set", "2020-01-01T00:00:00Z");
    assert_eq!(answer.message, "timestamp is in the past");
    assert_eq!(told(&control, "vehicles/tesla/plan/time"), "1925103600");
    let reply = ok(&mut control, "loadpoints/1/targetTime", "none");
    assert_eq!(reply.json(), r#"{"soc":70,"energy":0,"time":"0001-01-01T00:00:00Z"}"#);
    assert_eq!(told(&control, "loadpoints/1/limitSoc"), "70");
}

#[test]
fn elsewhere_a_time_makes_a_plan_in_energy() {
    let mut control = house::fed();
    let answer = set(&mut control, "loadpoints/2/targetTime/set", LATER);
    assert_eq!(answer.message, "no target for this time: write targetEnergy first");
    ok(&mut control, "loadpoints/2/limitEnergy", "8");
    ok(&mut control, "loadpoints/2/targetTime", LATER);
    assert_eq!(told(&control, "loadpoints/2/planEnergy"), "8");
    assert_eq!(told(&control, "loadpoints/2/planTime"), LATER_UNIX);
    ok(&mut control, "loadpoints/2/targetEnergy", "20");
    assert_eq!(told(&control, "loadpoints/2/planEnergy"), "20");
    assert_eq!(told(&control, "loadpoints/2/limitEnergy"), "8");
    ok(&mut control, "loadpoints/2/targetEnergy", "0");
    assert_eq!(told(&control, "loadpoints/2/planEnergy"), "0");
}

#[test]
fn unplugging_forgets_what_was_asked_for() {
    let mut control = house::fed();
    ok(&mut control, "loadpoints/1/targetSoc", "70");
    unplug(&mut control, 0);
    assert_eq!(told(&control, "loadpoints/1/limitSoc"), "0");
    ok(&mut control, "loadpoints/1/targetTime", LATER);
    assert_eq!(told(&control, "vehicles/tesla/plan/soc"), "100");
}

#[test]
fn always_charge_is_a_mode() {
    let mut control = house::fed();
    let mode = |control: &Control, lp: usize| control.loadpoints()[lp].settings.mode;
    let always = "loadpoints/2/alwaysCharge";
    for (word, expected) in [
        ("off", Mode::Off),
        ("on", Mode::MinPv),
        ("off", Mode::Pv),
        ("ON", Mode::MinPv),
        ("once", Mode::MinPv),
    ] {
        let reply = ok(&mut control, always, word);
        assert_eq!(reply.json(), format!("{:?}", word.to_lowercase()));
        assert_eq!(mode(&control, 1), expected, "{word}");
        // Whoever finds this key takes us for a later release (api.md §0.2).
        assert_eq!(payload_of(&control, always), None);
        assert!(!full_state(&control).json().contains("alwaysCharge"));
    }

    // It ends when the vehicle goes, unless somebody has chosen another mode since.
    let plug = |control: &mut Control| {
        let value = ChargerValue::Status(ChargeStatus::Connected);
        let fact = Fact::Charger { lp: LoadPointIx(1), value, origin: Origin::Live };
        control.handle(house::noon(), fact);
    };
    plug(&mut control);
    unplug(&mut control, 1);
    assert_eq!(mode(&control, 1), Mode::Pv);
    for (after, expected) in [("now", Mode::Now), ("minpv", Mode::MinPv)] {
        plug(&mut control);
        ok(&mut control, always, "once");
        ok(&mut control, "loadpoints/2/mode", "now");
        ok(&mut control, "loadpoints/2/mode", after);
        unplug(&mut control, 1);
        assert_eq!(mode(&control, 1), expected);
    }
}

#[test]
fn always_charge_of_a_vehicle_is_its_mode() {
    let mut control = house::fed();
    let always = "vehicles/tesla/alwaysCharge";
    for (mode, word, reply, expected) in [
        ("none", "off", "off", None),
        ("none", "on", "on", Some(Mode::MinPv)),
        ("minpv", "off", "off", Some(Mode::Pv)),
        ("now", "off", "off", Some(Mode::Now)),
        ("minpv", "none", "off", None),
        ("now", "none", "off", Some(Mode::Now)),
    ] {
        ok(&mut control, "vehicles/tesla/mode", mode);
        let told = ok(&mut control, always, word);
        assert_eq!(told.json(), format!("{{\"alwaysCharge\":\"{reply}\"}}"), "{mode} {word}");
        assert_eq!(control.vehicles()[0].settings.mode, expected, "{mode} {word}");
    }
    assert!(!full_state(&control).json().contains("alwaysCharge"));
}

/// `once` is stored: a restart does not make `on` of it.
#[test]
fn once_survives_a_restart() {
    let mut control = house::fed();
    let before = full_state(&control);
    ok(&mut control, "loadpoints/2/alwaysCharge", "once");
    let stored = full_state(&control).changes(&before).stored.into_iter().collect();
    let mut again = house::fed();
    assert_eq!(api::restore(&mut again, &house::system(), house::noon(), &stored), []);
    assert_eq!(again.always_charge(LoadPointIx(1)), control.always_charge(LoadPointIx(1)));
}

#[test]
fn old_names_are_told_if_somebody_wants_them() {
    let mut control = house::fed();
    ok(&mut control, "loadpoints/1/targetTime", LATER);
    let mut system = house::system();
    let tell = |system: &chargebus::api::System| -> BTreeMap<String, String> {
        let view = View { control: &control, system, now: house::noon() };
        State::default().next(&view).topics().into_iter().collect()
    };
    let old = [
        ("loadpoints/1/targetSoc", "100"),
        ("loadpoints/1/targetEnergy", "0"),
        ("loadpoints/1/targetTime", LATER_UNIX),
        ("loadpoints/1/phases", "0"),
        ("loadpoints/2/phases", "3"),
        ("site/maxGridSupplyWhileBatteryCharging", "0"),
    ];
    let topics = tell(&system);
    assert!(old.iter().all(|(topic, _)| !topics.contains_key(*topic)));
    system.about.vintage = true;
    let topics = tell(&system);
    for (topic, payload) in old {
        assert_eq!(topics.get(topic).map(String::as_str), Some(payload), "{topic}");
    }
    // From 0.124 to 0.131.8 plans were a list.
    assert_eq!(topics["vehicles/tesla/plans"], "1");
    assert_eq!(topics["vehicles/tesla/plans/1/soc"], "100");
    assert_eq!(topics["vehicles/zoe/plans"], "0");
}

#[test]
fn the_configuration_is_told_on_mqtt_if_somebody_wants_it() {
    let control = house::fed();
    let mut system = house::system();
    system.about.config = "/etc/evcc.yaml".to_owned();
    let broker = Value::Object(vec![("broker".into(), Value::word("mosquitto:1883"))]);
    system.about.sections = vec![("mqtt", broker)];
    for wanted in [false, true] {
        system.about.publish_config = wanted;
        let view = View { control: &control, system: &system, now: house::noon() };
        let state = State::default().next(&view);
        let topics: BTreeMap<_, _> = state.topics().into_iter().collect();
        assert_eq!(topics.contains_key("site/config"), wanted);
        assert_eq!(topics.contains_key("site/mqtt/broker"), wanted);
        let json: Json = serde_json::from_str(&state.json()).unwrap();
        assert_eq!(json["config"], "/etc/evcc.yaml");
        assert_eq!(json["mqtt"]["broker"], "mosquitto:1883");
    }
}

/// Releases 0.203.4 to 0.300 wrote the strategy with the goal (api.md §2.5).
#[test]
fn a_goal_may_carry_its_strategy() {
    let mut control = house::fed();
    let goal = |more: &str| format!(r#"{{"time":"{LATER}","value":10{more}}}"#);
    for (topic, strategy) in [
        ("loadpoints/1/planEnergy", "loadpoints/1/planStrategy"),
        ("vehicles/tesla/planSoc", "vehicles/tesla/planStrategy"),
    ] {
        ok(&mut control, strategy, r#"{"continuous":true}"#);
        for more in [r#","precondition":900"#, ""] {
            ok(&mut control, topic, &goal(more));
            assert_eq!(told(&control, &format!("{strategy}/precondition")), "900", "{more}");
            assert_eq!(told(&control, &format!("{strategy}/continuous")), "true", "it stays");
        }
        let answer = set(&mut control, &format!("{topic}/set"), &goal(r#","precondition":"soon""#));
        assert_eq!(answer.code, Code::InvalidType);
        assert_eq!(told(&control, &format!("{strategy}/precondition")), "900");
    }
}
