//! Devices that are templates of ours: messages in, commands out (plans-vehicles-devices.md §8.7–§8.9).

use chargebus::config::{Config, SetComposite, Sink, Source};
use chargebus::edges::devices::{Decoder, Scalar, Silence, Template};
use chargebus::model::{Mono, Origin};

use super::{errors, parse};

fn charger(keys: &str) -> Config {
    let text = format!(
        "broker: true\nchargers:\n- {{name: wb, type: template, {keys}}}\nloadpoints: [{{charger: wb}}]\n"
    );
    let checked = parse(&text).unwrap();
    assert_eq!(checked.notices, []);
    checked.config
}

/// The facts of messages, each as its value's text.
fn facts(config: &Config, messages: &[(&str, &str)]) -> Vec<String> {
    let (mut decoder, broken) = Decoder::new(config);
    assert_eq!(broken, []);
    let mut facts = Vec::new();
    for (topic, payload) in messages {
        let decoded = decoder.decode(Mono(0), topic, payload.as_bytes(), Origin::Live);
        assert_eq!(decoded.problems, [], "{topic} {payload}");
        for fact in decoded.facts {
            let text = format!("{fact:?}");
            let value = text.split_once("value: ").unwrap().1;
            facts.push(value.split_once(", origin").unwrap().0.to_owned());
        }
    }
    facts
}

/// Topic and payload of a plain sink.
fn payload(sink: &Sink, name: &str, value: Scalar) -> String {
    let Sink::Mqtt { topic, payload, retained: false } = sink else { panic!("{sink:?}") };
    let text = match payload {
        Some(payload) => Template::compile(payload, name).unwrap().render(value),
        None => value.to_string(),
    };
    format!("{topic} {text}")
}

#[test]
fn go_e_speaks_json_under_its_serial() {
    let config = charger("template: go-e-mqtt, topic: go-eCharger/012345");
    let root = "go-eCharger/012345";
    let topic = |key: &str| format!("{root}/{key}");
    let nrg = "[230,231,232,1,6,7,8,1380,1617,1856,0,4853,0,0,0,0]";
    let seen = facts(
        &config,
        &[
            (&topic("car"), "1"),
            (&topic("car"), "2"),
            (&topic("car"), "3"),
            (&topic("car"), "4"),
            (&topic("frc"), "0"),
            (&topic("frc"), "1"),
            (&topic("amp"), "16"),
            (&topic("psm"), "2"),
            (&topic("psm"), "1"),
            (&topic("eto"), "1234567"),
            (&topic("nrg"), nrg),
        ],
    );
    let expected = [
        "Status(Disconnected)",
        "Status(Charging)",
        "Status(Connected)",
        "Status(Connected)",
        "Enabled(true)",
        "Enabled(false)",
        "OfferedCurrent(Amps(16.0))",
        "Phases(3)",
        "Phases(1)",
        "Energy(KilowattHours(1234.567))",
        "Power(Watts(4853.0))",
        "Current(L1, Amps(6.0))",
        "Current(L2, Amps(7.0))",
        "Current(L3, Amps(8.0))",
        "Voltage(L1, Volts(230.0))",
        "Voltage(L2, Volts(231.0))",
        "Voltage(L3, Volts(232.0))",
    ];
    assert_eq!(seen, expected);
    let device = &config.devices.chargers[0];
    let enable = device.enable.as_ref().unwrap();
    assert_eq!(payload(enable, "enable", Scalar::Bool(true)), "go-eCharger/012345/frc/set 2");
    assert_eq!(payload(enable, "enable", Scalar::Bool(false)), "go-eCharger/012345/frc/set 1");
    let amps = device.max_current.as_ref().unwrap();
    assert_eq!(payload(amps, "maxcurrent", Scalar::Int(16)), "go-eCharger/012345/amp/set 16");
    let Some(Sink::Composite(phases)) = &device.phases else { panic!("phases") };
    let SetComposite::Map(values, sink) = &**phases else { panic!("a map") };
    assert_eq!((values[&1], values[&3]), (1, 2));
    assert_eq!(payload(sink, "phases", Scalar::Int(2)), "go-eCharger/012345/psm/set 2");
    assert!(config.setup.loadpoints[0].charger.phase_switching);
    // Unknown and error are no statement.
    let (mut decoder, _) = Decoder::new(&config);
    for payload in ["0", "5", "null"] {
        let decoded = decoder.decode(Mono(0), &topic("car"), payload.as_bytes(), Origin::Live);
        assert_eq!(decoded.facts, [], "{payload}");
    }
}

#[test]
fn a_warp_charger_is_released_by_its_current() {
    let config = charger("template: warp2");
    let all = "[230,231,232,6,7,8,0]";
    let mut seen = facts(
        &config,
        &[
            ("warp/evse/low_level_state", r#"{"uptime":1}"#),
            ("warp/evse/state", r#"{"iec61851_state":0}"#),
            ("warp/evse/state", r#"{"iec61851_state":1}"#),
            ("warp/evse/state", r#"{"iec61851_state":2}"#),
            ("warp/evse/external_current", r#"{"current":5999}"#),
            ("warp/evse/external_current", r#"{"current":6000}"#),
            ("warp/meter/values", r#"{"power":1380.5,"energy_abs":12.5}"#),
            ("warp/meter/all_values", all),
            ("warp/charge_tracker/current_charge", r#"{"authorization_info":{"tag_id":"04:AB"}}"#),
            ("warp/charge_tracker/current_charge", r#"{"authorization_info":null}"#),
        ],
    );
    assert!(seen.contains(&"OfferedCurrent(Amps(6.0))".to_owned()), "{seen:?}");
    seen.retain(|fact| !fact.starts_with("OfferedCurrent"));
    assert_eq!(
        &seen[..5],
        [
            "Status(Disconnected)",
            "Status(Connected)",
            "Status(Charging)",
            "Enabled(false)",
            "Enabled(true)",
        ]
    );
    assert_eq!(&seen[5..7], ["Power(Watts(1380.5))", "Energy(KilowattHours(12.5))"]);
    assert_eq!(seen[7], "Current(L1, Amps(6.0))");
    assert_eq!(&seen[13..], ["Identity(\"04:AB\")", "Identity(\"\")"]);
    let device = &config.devices.chargers[0];
    assert_eq!(
        payload(
            device.max_current_millis.as_ref().unwrap(),
            "maxcurrentmillis",
            Scalar::Float(6.5)
        ),
        r#"warp/evse/external_current_update {"current":6500}"#
    );
    let Some(Sink::Composite(enable)) = &device.enable else { panic!("enable") };
    let SetComposite::IfElse(_, off) = &**enable else { panic!("ifelse") };
    assert_eq!(
        payload(off, "enable", Scalar::Bool(false)),
        r#"warp/evse/external_current_update {"current":0}"#
    );
}

#[test]
fn a_warp_energy_manager_switches_phases_while_it_is_free() {
    assert!(!charger("template: warp2").setup.loadpoints[0].charger.phase_switching);
    let config = charger("template: warp2, energymanager: wem");
    let Some(Sink::Composite(phases)) = &config.devices.chargers[0].phases else {
        panic!("phases")
    };
    let SetComposite::Valid(free, sink) = &**phases else { panic!("valid") };
    assert_eq!(
        payload(sink, "phases", Scalar::Int(1)),
        r#"wem/power_manager/external_control_update {"phases_wanted":1}"#
    );
    let Source::Mqtt(free) = free else { panic!("{free:?}") };
    assert_eq!(free.topic, "wem/power_manager/state");
    assert_eq!(free.pipeline.jq.as_deref(), Some(".external_control == 0"));
}

#[test]
fn a_box_that_only_tells_changes_lives_by_its_sign() {
    let config = charger("template: warp2");
    let (mut decoder, _) = Decoder::new(&config);
    let mut silence = Silence::new(&config);
    let mut say = |seconds: u64, topic: &str, payload: &str| {
        let now = Mono(seconds * 1000);
        silence.hear(now, topic);
        let lost = silence.lost(now).len();
        (decoder.decode(now, topic, payload.as_bytes(), Origin::Live).facts.len(), lost)
    };
    let (state, life) = ("warp/evse/state", "warp/evse/low_level_state");
    assert_eq!(say(0, state, r#"{"iec61851_state":2}"#), (0, 0), "who knows how old it is");
    assert_eq!(say(1, life, "{}"), (1, 0), "the status");
    assert_eq!(say(25, life, "{}"), (1, 0));
    assert_eq!(say(54, "other", ""), (0, 0));
    assert_eq!(say(55, "other", ""), (0, 2), "status and release are lost");
    assert_eq!(
        say(56, state, r#"{"iec61851_state":1}"#),
        (0, 0),
        "a message without a sign of life"
    );
    assert_eq!(say(57, life, "{}"), (1, 0));
}

#[test]
fn keys_of_the_openwb_choose_what_it_has() {
    let config = charger("template: openwb, connector: 2, phases1p3p: yes, dc: true");
    let device = &config.devices.chargers[0];
    assert!(device.soc.is_some() && device.enabled.is_none());
    let Some(Sink::Mqtt { topic, retained: true, .. }) = &device.phases else { panic!("phases") };
    assert_eq!(topic, "openWB/set/isss/U1p3pLp2");
    let plain = charger("template: openwb, topic: box");
    let device = &plain.devices.chargers[0];
    assert!(device.soc.is_none() && device.phases.is_none());
    let Some(Sink::Mqtt { topic, .. }) = &device.max_current else { panic!("current") };
    assert_eq!(topic, "box/set/isss/Current");
    for (keys, said) in [
        ("openwb, connector: 3", "connector: must be one of 1, 2, found \"3\""),
        ("openwb, phases1p3p: 2", "phases1p3p: must be one of true, false, found \"2\""),
        ("openwb-2.0", "host: is missing"),
        (
            "openwb-2.0, host: a, connector: 10",
            "connector: must be a number from 1 to 9, found \"10\"",
        ),
        ("openwb-2.0, host: a, id: x", "must be a whole number, found \"x\""),
        ("openwb-pro", "host: is missing"),
    ] {
        let text = format!(
            "broker: true\nchargers:\n- {{name: wb, type: template, template: {keys}}}\n\
             loadpoints: [{{charger: wb}}]\n"
        );
        let found = errors(&text);
        assert!(found.iter().all(|error| error.contains(said)), "{keys}: {found:?}");
    }
}

#[test]
fn an_openwb_measures_grid_sun_and_battery() {
    let meters = ["grid", "pv", "battery"].map(|usage| {
        format!("- {{name: {usage}, type: template, template: openwb, usage: {usage}}}")
    });
    let text = format!(
        "broker: true\nmeters:\n{}\nsite: {{meters: {{grid: grid, pv: pv, battery: battery}}}}\n",
        meters.join("\n")
    );
    let config = parse(&text).unwrap().config;
    let seen = facts(
        &config,
        &[
            ("openWB/system/Timestamp", "1"),
            ("openWB/evu/W", "500"),
            ("openWB/evu/APhase2", "2.5"),
            ("openWB/pv/1/boolPVConfigured", "1"),
            ("openWB/pv/W", "-3000"),
            ("openWB/housebattery/boolHouseBatteryConfigured", "1"),
            ("openWB/housebattery/W", "800"),
            ("openWB/housebattery/%Soc", "55"),
        ],
    );
    let expected = [
        "Power(Watts(500.0))",
        "Current(L2, Amps(2.5))",
        "Power(Watts(3000.0))",
        "Power(Watts(-800.0))",
        "Soc(Percent(55.0))",
    ];
    assert_eq!(seen, expected);
    let timeouts = config.setup.meters.iter().map(|meter| meter.timeout.unwrap().as_secs());
    assert_eq!(timeouts.collect::<Vec<_>>(), [15, 15, 15]);
}

#[test]
fn solaranzeige_has_two_uses() {
    let text = |usage: &str| {
        format!(
            "broker: true\nmeters:\n- {{name: m, type: template, template: solaranzeige, topic: sol, \
             usage: {usage}}}\nsite: {{meters: {{{usage}: m}}}}\n"
        )
    };
    let grid = parse(&text("grid")).unwrap().config;
    assert_eq!(facts(&grid, &[("sol/einspeisung_bezug", "500")]), ["Power(Watts(-500.0))"]);
    let pv = parse(&text("pv")).unwrap().config;
    assert_eq!(facts(&pv, &[("sol/pv_leistung", "500")]), ["Power(Watts(500.0))"]);
}

#[test]
fn wrong_keys_of_a_template_stand_where_the_device_stands() {
    let site = "site: {meters: {grid: m}}\n";
    for (keys, said) in [
        ("usage: grid", "2:3 meters[0].topic: is missing"),
        ("topic: x", "2:3 meters[0].usage: is missing"),
        (
            "topic: x, usage: battery",
            "2:58 meters[0].usage: must be one of grid, pv, found \"battery\"",
        ),
        (
            "topic: 'x/#', usage: pv",
            "2:3 meters[0].power.topic: must not contain the wildcards + and #, found \"x/#/pv_leistung\"",
        ),
    ] {
        let text = format!(
            "meters:\n- {{name: m, type: template, template: solaranzeige, {keys}}}\n{site}broker: 1\n"
        );
        let found = errors(&text);
        let cut = |line: &str| line.split_once(' ').unwrap().1.to_owned();
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].starts_with("2:"), "{}", found[0]);
        assert_eq!(cut(&found[0]), cut(said));
    }
}
