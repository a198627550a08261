//! From message to fact (plans-vehicles-devices.md §7.3, §7.6, §7.7).

use chargebus::config::{
    ChargerDevice, Composite, MeterDevice, MqttSource, Pipeline, Source, VehicleDevice,
};
use chargebus::edges::devices::{Counts, Decoder, MAX_TEXT};
use chargebus::model::{
    Amps, ChargeStatus, ChargerValue, Fact, KilowattHours, LoadPointIx, MeterIx, MeterValue, Mono,
    Origin, Percent, Phase, VehicleIx, VehicleValue, Volts, Watts,
};

use super::{mqtt, site, with_pipeline};

fn decoder(config: &chargebus::config::Config) -> Decoder {
    let (decoder, broken) = Decoder::new(config);
    assert_eq!(broken, []);
    decoder
}

fn facts(decoder: &mut Decoder, topic: &str, payload: &str) -> Vec<Fact> {
    let decoded = decoder.decode(Mono(0), topic, payload.as_bytes(), Origin::Live);
    assert_eq!(decoded.problems, [], "{topic} {payload}");
    decoded.facts
}

fn meter(ix: usize, value: MeterValue) -> Fact {
    Fact::Meter { meter: MeterIx(ix), value, origin: Origin::Live }
}

fn charger(ix: usize, value: ChargerValue) -> Fact {
    Fact::Charger { lp: LoadPointIx(ix), value, origin: Origin::Live }
}

fn vehicle(ix: usize, value: VehicleValue) -> Fact {
    Fact::Vehicle { vehicle: VehicleIx(ix), value, origin: Origin::Live }
}

fn phases(prefix: &str) -> Option<Box<[Source; 3]>> {
    Some(Box::new([1, 2, 3].map(|n| mqtt(&format!("{prefix}{n}")))))
}

/// Every row is a topic, a payload and the one fact that follows.
fn assert_rows<const N: usize>(decoder: &mut Decoder, rows: [(&str, &str, Fact); N]) {
    for (topic, payload, expected) in rows {
        assert_eq!(facts(decoder, topic, payload), [expected], "{topic}");
    }
    assert_eq!(facts(decoder, "unknown/topic", "1"), []);
}

#[test]
fn every_attribute_of_a_meter_becomes_its_fact() {
    let grid = MeterDevice {
        power: Some(mqtt("m/power")),
        energy: Some(mqtt("m/energy")),
        return_energy: Some(mqtt("m/return")),
        currents: phases("m/i"),
        voltages: phases("m/u"),
        powers: phases("m/p"),
        soc: Some(mqtt("m/soc")),
        battery_mode: None,
        curtail: None,
    };
    let mut decoder = decoder(&site(vec![MeterDevice::default(), grid], vec![], vec![]));
    assert_eq!(decoder.topics().count(), 13);
    let rows = [
        ("m/power", "-3000.5", meter(1, MeterValue::Power(Watts(-3000.5)))),
        ("m/energy", "12.5", meter(1, MeterValue::Energy(KilowattHours(12.5)))),
        ("m/return", "1e3", meter(1, MeterValue::ReturnEnergy(KilowattHours(1000.0)))),
        ("m/i1", "1", meter(1, MeterValue::Current(Phase::L1, Amps(1.0)))),
        ("m/i3", " 3 \n", meter(1, MeterValue::Current(Phase::L3, Amps(3.0)))),
        ("m/u2", "231", meter(1, MeterValue::Voltage(Phase::L2, Volts(231.0)))),
        ("m/p2", "-7", meter(1, MeterValue::PhasePower(Phase::L2, Watts(-7.0)))),
        ("m/soc", "55", meter(1, MeterValue::Soc(Percent(55.0)))),
    ];
    assert_rows(&mut decoder, rows);
    assert_eq!(facts(&mut decoder, "m/energy", "0"), [], "a counter at 0 says nothing (§7.6)");
}

#[test]
fn every_attribute_of_a_charger_becomes_its_fact() {
    let wallbox = ChargerDevice {
        status: Some(mqtt("c/status")),
        enabled: Some(mqtt("c/enabled")),
        power: Some(mqtt("c/power")),
        energy: Some(mqtt("c/energy")),
        currents: phases("c/i"),
        voltages: phases("c/u"),
        soc: Some(mqtt("c/soc")),
        limit_soc: Some(mqtt("c/limit")),
        identify: Some(mqtt("c/tag")),
        ..ChargerDevice::default()
    };
    let mut decoder = decoder(&site(vec![], vec![wallbox], vec![]));
    assert_eq!(decoder.topics().count(), 13);
    let charging = ChargeStatus::Charging;
    let rows = [
        ("c/status", "c", charger(0, ChargerValue::Status(charging))),
        ("c/enabled", "ON", charger(0, ChargerValue::Enabled(true))),
        ("c/power", "0", charger(0, ChargerValue::Power(Watts(0.0)))),
        ("c/energy", "0.1", charger(0, ChargerValue::Energy(KilowattHours(0.1)))),
        ("c/i2", "16", charger(0, ChargerValue::Current(Phase::L2, Amps(16.0)))),
        ("c/u1", "230", charger(0, ChargerValue::Voltage(Phase::L1, Volts(230.0)))),
        ("c/soc", "44", charger(0, ChargerValue::Soc(Percent(44.0)))),
        ("c/limit", "80", charger(0, ChargerValue::LimitSoc(Percent(80.0)))),
        ("c/tag", " 04AB\0", charger(0, ChargerValue::Identity("04AB".to_owned()))),
    ];
    assert_rows(&mut decoder, rows);
}

#[test]
fn every_attribute_of_a_vehicle_becomes_its_fact() {
    let car = VehicleDevice {
        soc: Some(mqtt("v/soc")),
        range: Some(mqtt("v/range")),
        odometer: Some(mqtt("v/odometer")),
        limit_soc: Some(mqtt("v/limit")),
        status: Some(mqtt("v/status")),
        climater: Some(mqtt("v/climater")),
        ..VehicleDevice::default()
    };
    let mut decoder = decoder(&site(vec![], vec![], vec![VehicleDevice::default(), car]));
    assert_eq!(decoder.topics().count(), 6);
    let charging = ChargeStatus::Charging;
    let rows = [
        ("v/soc", "41", vehicle(1, VehicleValue::Soc(Some(Percent(41.0))))),
        ("v/range", "210.5", vehicle(1, VehicleValue::RangeKm(Some(210.5)))),
        ("v/odometer", "45678.9", vehicle(1, VehicleValue::OdometerKm(Some(45678.9)))),
        ("v/limit", "80", vehicle(1, VehicleValue::LimitSoc(Some(Percent(80.0))))),
        ("v/status", "C", vehicle(1, VehicleValue::Status(Some(charging)))),
        ("v/climater", "no", vehicle(1, VehicleValue::Climater(Some(false)))),
    ];
    assert_rows(&mut decoder, rows);
}

#[test]
fn one_topic_feeds_many_attributes() {
    let jq = |program: &str| Pipeline { jq: Some(program.to_owned()), ..Pipeline::default() };
    let grid = MeterDevice {
        power: Some(with_pipeline("tele", jq(".power"))),
        currents: Some(Box::new([0, 1, 2].map(|n| with_pipeline("tele", jq(&format!(".i[{n}]")))))),
        ..MeterDevice::default()
    };
    let pv = MeterDevice {
        power: Some(Source::Mqtt(MqttSource {
            topic: "tele".to_owned(),
            timeout: None,
            scale: -1000.0,
            pipeline: jq(".pv // empty"),
        })),
        ..MeterDevice::default()
    };
    let mut decoder = decoder(&site(vec![grid, pv], vec![], vec![]));
    assert_eq!(decoder.topics().collect::<Vec<_>>(), ["tele"]);
    let decoded =
        decoder.decode(Mono(0), "tele", br#"{"power":5,"i":[1,2,null],"pv":2}"#, Origin::Retained);
    let retained = |ix, value| Fact::Meter { meter: MeterIx(ix), value, origin: Origin::Retained };
    assert_eq!(decoded.problems, []);
    assert_eq!(
        decoded.facts,
        [
            retained(0, MeterValue::Power(Watts(5.0))),
            retained(0, MeterValue::Current(Phase::L1, Amps(1.0))),
            retained(0, MeterValue::Current(Phase::L2, Amps(2.0))),
            retained(1, MeterValue::Power(Watts(-2000.0))),
        ]
    );
    // One attribute that fails does not take the others with it.
    let decoded = decoder.decode(Mono(0), "tele", br#"{"power":6,"i":[1,2,3]}"#, Origin::Live);
    assert_eq!(decoded.facts.len(), 4);
    assert_eq!(decoded.problems.len(), 1);
    let problem = &decoded.problems[0];
    assert_eq!((problem.device.as_str(), problem.attribute.as_str()), ("meter2", "power"));
}

#[test]
fn malformed_payloads_change_nothing_and_are_reported_once() {
    let device = MeterDevice { power: Some(mqtt("p")), ..MeterDevice::default() };
    let mut decoder = decoder(&site(vec![device], vec![], vec![]));
    let long = "1".repeat(300_000);
    let nested = "[".repeat(MAX_TEXT);
    let table: [&[u8]; 22] = [
        b"\xFF\xFE",
        b"NaN",
        b"nan",
        b"inf",
        b"-Infinity",
        b"1e309",
        b"-1e309",
        long.as_bytes(),
        nested.as_bytes(),
        br#"{"power": 5}"#,
        b"[5]",
        b"true",
        b"unavailable",
        b"unknown",
        b"nil",
        b"12 W",
        b"1,5",
        b"0x10",
        b" ",
        b"ErrNotAvailable",
        b"1.2.3",
        b"--5",
    ];
    for (n, payload) in (1..).zip(table) {
        let name = String::from_utf8_lossy(&payload[..payload.len().min(40)]).into_owned();
        let first = decoder.decode(Mono(0), "p", payload, Origin::Live);
        assert_eq!((first.facts.len(), first.problems.len()), (0, 1), "{name}");
        let text = first.problems[0].to_string();
        assert!(text.starts_with("meter1.power (p): ") && text.len() < 200, "{text}");
        let second = decoder.decode(Mono(0), "p", payload, Origin::Live);
        assert_eq!((second.facts.len(), second.problems.len()), (0, 0), "{name}");
        assert_eq!(facts(&mut decoder, "p", "5"), [meter(0, MeterValue::Power(Watts(5.0)))]);
        assert_eq!(decoder.counts(), Counts { good: n, empty: 0, malformed: 2 * n });
    }
}

#[test]
fn an_empty_payload_withdraws() {
    let device = MeterDevice { power: Some(mqtt("p")), ..MeterDevice::default() };
    let car = VehicleDevice { soc: Some(mqtt("soc")), ..VehicleDevice::default() };
    let mut decoder = decoder(&site(vec![device], vec![], vec![car]));
    assert_eq!(facts(&mut decoder, "p", ""), []);
    assert_eq!(facts(&mut decoder, "soc", ""), [vehicle(0, VehicleValue::Soc(None))]);
    assert_eq!(decoder.counts(), Counts { good: 0, empty: 2, malformed: 0 });
}

#[test]
fn a_combined_status_needs_both_inputs() {
    let combined = |plugged, charging| {
        Some(Source::Composite(Box::new(Composite::Combined { plugged, charging })))
    };
    let car = VehicleDevice {
        status: combined(mqtt("plugged"), mqtt("charging")),
        ..VehicleDevice::default()
    };
    let fixed = VehicleDevice {
        status: combined(Source::Const("true".to_owned()), mqtt("charging")),
        ..VehicleDevice::default()
    };
    let mut decoder = decoder(&site(vec![], vec![], vec![car, fixed]));
    let status = |ix, status| vehicle(ix, VehicleValue::Status(status));
    use ChargeStatus::{Charging, Connected, Disconnected};
    assert_eq!(facts(&mut decoder, "plugged", "true"), []);
    let both = |first, second| vec![status(0, Some(first)), status(1, Some(second))];
    assert_eq!(facts(&mut decoder, "charging", "false"), both(Connected, Connected));
    assert_eq!(facts(&mut decoder, "charging", "true"), both(Charging, Charging));
    assert_eq!(facts(&mut decoder, "plugged", "false"), [status(0, Some(Charging))]);
    assert_eq!(facts(&mut decoder, "charging", "0"), both(Disconnected, Connected));
    assert_eq!(facts(&mut decoder, "plugged", ""), [status(0, None)]);
    assert_eq!(facts(&mut decoder, "charging", "1"), [status(1, Some(Charging))]);
    // As old as the older input.
    let decoded = decoder.decode(Mono(0), "plugged", b"1", Origin::Retained);
    let value = VehicleValue::Status(Some(Charging));
    let origin = Origin::Retained;
    assert_eq!(decoded.facts, [Fact::Vehicle { vehicle: VehicleIx(0), value, origin }]);
}

#[test]
fn constants_are_facts_of_their_own() {
    let constant = |text: &str| Some(Source::Const(text.to_owned()));
    let device = MeterDevice { power: constant("42"), soc: constant(""), ..MeterDevice::default() };
    let wallbox = ChargerDevice { status: constant("B"), ..ChargerDevice::default() };
    let decoder = decoder(&site(vec![device], vec![wallbox], vec![]));
    assert_eq!(decoder.topics().count(), 0);
    assert_eq!(
        decoder.constants(),
        [
            meter(0, MeterValue::Power(Watts(42.0))),
            meter(0, MeterValue::Soc(Percent(0.0))),
            charger(0, ChargerValue::Status(ChargeStatus::Connected)),
        ]
    );
}

#[test]
fn what_does_not_compile_is_named_and_the_rest_runs() {
    let bad = |regex: Option<&str>, jq: Option<&str>| {
        let [regex, jq] = [regex, jq].map(|text| text.map(str::to_owned));
        Some(with_pipeline("x", Pipeline { regex, jq, ..Pipeline::default() }))
    };
    let device = MeterDevice {
        power: Some(mqtt("p")),
        energy: bad(Some("("), None),
        soc: bad(None, Some(".a |")),
        ..MeterDevice::default()
    };
    let wallbox =
        ChargerDevice { status: Some(Source::Const("X".to_owned())), ..ChargerDevice::default() };
    let (mut decoder, broken) = Decoder::new(&site(vec![device], vec![wallbox], vec![]));
    let names: Vec<_> = broken.iter().map(|b| format!("{}.{}", b.device, b.attribute)).collect();
    assert_eq!(names, ["meter1.energy", "meter1.soc", "charger1.status"]);
    assert!(broken[0].error.starts_with("regex: "), "{}", broken[0]);
    assert!(broken[1].error.starts_with("jq: "), "{}", broken[1]);
    assert_eq!(decoder.topics().collect::<Vec<_>>(), ["p"]);
    assert_eq!(facts(&mut decoder, "p", "1").len(), 1);
}
