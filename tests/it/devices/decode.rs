//! From message to fact (plans-vehicles-devices.md §7.1 to §7.3, §7.6, §8.1, E-78 to E-80).

use chargebus::config::{ChargerDevice, MeterDevice, MqttSource, Pipeline, Source, VehicleDevice};
use chargebus::edges::devices::{Counts, Decoder, Getter, Kind, MAX_TEXT, Value, convert};
use chargebus::model::{
    Amps, ChargeStatus, ChargerValue, Fact, KilowattHours, LoadPointIx, MeterIx, MeterValue,
    Origin, Percent, Phase, VehicleIx, VehicleValue, Volts, Watts,
};
use proptest::prelude::*;

use super::{mqtt, site, with_pipeline};

fn decoder(config: &chargebus::config::Config) -> Decoder {
    let (decoder, broken) = Decoder::new(config);
    assert_eq!(broken, []);
    decoder
}

fn facts(decoder: &mut Decoder, topic: &str, payload: &str) -> Vec<Fact> {
    let decoded = decoder.decode(topic, payload.as_bytes(), Origin::Live);
    assert_eq!(decoded.problems, [], "{topic} {payload}");
    decoded.facts
}

fn meter(ix: usize, value: MeterValue) -> Fact {
    Fact::Meter {
        meter: MeterIx(ix),
        value,
        origin: Origin::Live,
    }
}

fn charger(ix: usize, value: ChargerValue) -> Fact {
    Fact::Charger {
        lp: LoadPointIx(ix),
        value,
        origin: Origin::Live,
    }
}

fn vehicle(ix: usize, value: VehicleValue) -> Fact {
    Fact::Vehicle {
        vehicle: VehicleIx(ix),
        value,
        origin: Origin::Live,
    }
}

fn phases(prefix: &str) -> Option<Box<[Source; 3]>> {
    Some(Box::new([1, 2, 3].map(|n| mqtt(&format!("{prefix}{n}")))))
}

#[test]
fn every_attribute_becomes_its_fact() {
    let grid = MeterDevice {
        power: Some(mqtt("m/power")),
        energy: Some(mqtt("m/energy")),
        return_energy: Some(mqtt("m/return")),
        currents: phases("m/i"),
        voltages: phases("m/u"),
        powers: phases("m/p"),
        soc: Some(mqtt("m/soc")),
        battery_mode: None,
    };
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
    let car = VehicleDevice {
        soc: Some(mqtt("v/soc")),
        range: Some(mqtt("v/range")),
        odometer: Some(mqtt("v/odometer")),
        limit_soc: Some(mqtt("v/limit")),
        status: Some(mqtt("v/status")),
        climater: Some(mqtt("v/climater")),
        ..VehicleDevice::default()
    };
    let config = site(vec![MeterDevice::default(), grid], vec![wallbox], vec![car]);
    let mut decoder = decoder(&config);
    let charging = ChargeStatus::Charging;
    let table = [
        (
            "m/power",
            "-3000.5",
            meter(1, MeterValue::Power(Watts(-3000.5))),
        ),
        (
            "m/energy",
            "12.5",
            meter(1, MeterValue::Energy(KilowattHours(12.5))),
        ),
        (
            "m/return",
            "1e3",
            meter(1, MeterValue::ReturnEnergy(KilowattHours(1000.0))),
        ),
        (
            "m/i1",
            "1",
            meter(1, MeterValue::Current(Phase::L1, Amps(1.0))),
        ),
        (
            "m/i3",
            " 3 \n",
            meter(1, MeterValue::Current(Phase::L3, Amps(3.0))),
        ),
        (
            "m/u2",
            "231",
            meter(1, MeterValue::Voltage(Phase::L2, Volts(231.0))),
        ),
        (
            "m/p2",
            "-7",
            meter(1, MeterValue::PhasePower(Phase::L2, Watts(-7.0))),
        ),
        ("m/soc", "55", meter(1, MeterValue::Soc(Percent(55.0)))),
        ("c/status", "c", charger(0, ChargerValue::Status(charging))),
        ("c/enabled", "ON", charger(0, ChargerValue::Enabled(true))),
        ("c/power", "0", charger(0, ChargerValue::Power(Watts(0.0)))),
        (
            "c/energy",
            "0.1",
            charger(0, ChargerValue::Energy(KilowattHours(0.1))),
        ),
        (
            "c/i2",
            "16",
            charger(0, ChargerValue::Current(Phase::L2, Amps(16.0))),
        ),
        (
            "c/u1",
            "230",
            charger(0, ChargerValue::Voltage(Phase::L1, Volts(230.0))),
        ),
        ("c/soc", "44", charger(0, ChargerValue::Soc(Percent(44.0)))),
        (
            "c/limit",
            "80",
            charger(0, ChargerValue::LimitSoc(Percent(80.0))),
        ),
        (
            "c/tag",
            " 04AB\0",
            charger(0, ChargerValue::Identity("04AB".to_owned())),
        ),
        (
            "v/soc",
            "41",
            vehicle(0, VehicleValue::Soc(Some(Percent(41.0)))),
        ),
        (
            "v/range",
            "210.5",
            vehicle(0, VehicleValue::RangeKm(Some(210.5))),
        ),
        (
            "v/odometer",
            "45678.9",
            vehicle(0, VehicleValue::OdometerKm(Some(45678.9))),
        ),
        (
            "v/limit",
            "80",
            vehicle(0, VehicleValue::LimitSoc(Some(Percent(80.0)))),
        ),
        (
            "v/status",
            "C",
            vehicle(0, VehicleValue::Status(Some(charging))),
        ),
        (
            "v/climater",
            "no",
            vehicle(0, VehicleValue::Climater(Some(false))),
        ),
    ];
    for (topic, payload, expected) in table {
        assert_eq!(facts(&mut decoder, topic, payload), [expected], "{topic}");
    }
    assert_eq!(decoder.topics().count(), 32);
    assert_eq!(facts(&mut decoder, "unknown/topic", "1"), []);
    // A counter at exactly 0 says nothing (§7.6).
    assert_eq!(facts(&mut decoder, "c/energy", "0"), []);
}

#[test]
fn one_topic_feeds_many_attributes() {
    let jq = |program: &str| Pipeline {
        jq: Some(program.to_owned()),
        ..Pipeline::default()
    };
    let grid = MeterDevice {
        power: Some(with_pipeline("tele", jq(".power"))),
        currents: Some(Box::new(
            [0, 1, 2].map(|n| with_pipeline("tele", jq(&format!(".i[{n}]")))),
        )),
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
    let decoded = decoder.decode(
        "tele",
        br#"{"power":5,"i":[1,2,null],"pv":2}"#,
        Origin::Retained,
    );
    let retained = |ix, value| Fact::Meter {
        meter: MeterIx(ix),
        value,
        origin: Origin::Retained,
    };
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
    let decoded = decoder.decode("tele", br#"{"power":6,"i":[1,2,3]}"#, Origin::Live);
    assert_eq!(decoded.facts.len(), 4);
    assert_eq!(decoded.problems.len(), 1);
    let problem = &decoded.problems[0];
    assert_eq!(
        (problem.device.as_str(), problem.attribute.as_str()),
        ("meter2", "power")
    );
}

#[test]
fn malformed_payloads_change_nothing_and_are_reported_once() {
    let device = MeterDevice {
        power: Some(mqtt("p")),
        ..MeterDevice::default()
    };
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
        let first = decoder.decode("p", payload, Origin::Live);
        assert_eq!((first.facts.len(), first.problems.len()), (0, 1), "{name}");
        let text = first.problems[0].to_string();
        assert!(
            text.starts_with("meter1.power (p): ") && text.len() < 200,
            "{text}"
        );
        let second = decoder.decode("p", payload, Origin::Live);
        assert_eq!(
            (second.facts.len(), second.problems.len()),
            (0, 0),
            "{name}"
        );
        assert_eq!(
            facts(&mut decoder, "p", "5"),
            [meter(0, MeterValue::Power(Watts(5.0)))]
        );
        assert_eq!(
            decoder.counts(),
            Counts {
                good: n,
                empty: 0,
                malformed: 2 * n
            }
        );
    }
}

#[test]
fn an_empty_payload_withdraws() {
    let device = MeterDevice {
        power: Some(mqtt("p")),
        ..MeterDevice::default()
    };
    let car = VehicleDevice {
        soc: Some(mqtt("soc")),
        ..VehicleDevice::default()
    };
    let mut decoder = decoder(&site(vec![device], vec![], vec![car]));
    assert_eq!(facts(&mut decoder, "p", ""), []);
    assert_eq!(
        facts(&mut decoder, "soc", ""),
        [vehicle(0, VehicleValue::Soc(None))]
    );
    assert_eq!(
        decoder.counts(),
        Counts {
            good: 0,
            empty: 2,
            malformed: 0
        }
    );
}

#[test]
fn a_combined_status_needs_both_inputs() {
    let combined = |plugged, charging| {
        Some(Source::Combined {
            plugged: Box::new(plugged),
            charging: Box::new(charging),
        })
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
    assert_eq!(
        facts(&mut decoder, "charging", "false"),
        both(Connected, Connected)
    );
    assert_eq!(
        facts(&mut decoder, "charging", "true"),
        both(Charging, Charging)
    );
    assert_eq!(
        facts(&mut decoder, "plugged", "false"),
        [status(0, Some(Charging))]
    );
    assert_eq!(
        facts(&mut decoder, "charging", "0"),
        both(Disconnected, Connected)
    );
    assert_eq!(facts(&mut decoder, "plugged", ""), [status(0, None)]);
    assert_eq!(
        facts(&mut decoder, "charging", "1"),
        [status(1, Some(Charging))]
    );
    // As old as the older input.
    let decoded = decoder.decode("plugged", b"1", Origin::Retained);
    let value = VehicleValue::Status(Some(Charging));
    let origin = Origin::Retained;
    assert_eq!(
        decoded.facts,
        [Fact::Vehicle {
            vehicle: VehicleIx(0),
            value,
            origin
        }]
    );
}

#[test]
fn constants_are_facts_of_their_own() {
    let constant = |text: &str| Some(Source::Const(text.to_owned()));
    let device = MeterDevice {
        power: constant("42"),
        soc: constant(""),
        ..MeterDevice::default()
    };
    let wallbox = ChargerDevice {
        status: constant("B"),
        ..ChargerDevice::default()
    };
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
        Some(with_pipeline(
            "x",
            Pipeline {
                regex,
                jq,
                ..Pipeline::default()
            },
        ))
    };
    let device = MeterDevice {
        power: Some(mqtt("p")),
        energy: bad(Some("("), None),
        soc: bad(None, Some(".a |")),
        ..MeterDevice::default()
    };
    let wallbox = ChargerDevice {
        status: Some(Source::Const("X".to_owned())),
        ..ChargerDevice::default()
    };
    let (mut decoder, broken) = Decoder::new(&site(vec![device], vec![wallbox], vec![]));
    let names: Vec<_> = broken
        .iter()
        .map(|b| format!("{}.{}", b.device, b.attribute))
        .collect();
    assert_eq!(names, ["meter1.energy", "meter1.soc", "charger1.status"]);
    assert!(broken[0].error.starts_with("regex: "), "{}", broken[0]);
    assert!(broken[1].error.starts_with("jq: "), "{}", broken[1]);
    assert_eq!(decoder.topics().collect::<Vec<_>>(), ["p"]);
    assert_eq!(facts(&mut decoder, "p", "1").len(), 1);
}

#[test]
fn pipelines() {
    let some = |text: &str| Some(text.to_owned());
    let table = [
        // E-78, E-79
        (
            Pipeline {
                regex: some("([0-9.]+)"),
                ..Pipeline::default()
            },
            "12.3W",
            Ok(12.3),
        ),
        (
            Pipeline {
                regex: some(r"\d+"),
                default: some("123"),
                ..Pipeline::default()
            },
            "xxx",
            Ok(123.0),
        ),
        (
            Pipeline {
                regex: some(r"(\d+) W"),
                ..Pipeline::default()
            },
            "17",
            Ok(17.0),
        ),
        (
            Pipeline {
                regex: some(r"(\d+) W"),
                ..Pipeline::default()
            },
            "on",
            Err("the regex does not match, and \"on\" is not a number"),
        ),
        // E-80
        (
            Pipeline {
                jq: some(".[0][1]"),
                ..Pipeline::default()
            },
            r#"[["1","2"],[]]"#,
            Ok(2.0),
        ),
        (
            Pipeline {
                jq: some(r#"if . == "on" then 1 else 0 end"#),
                quote: true,
                ..Pipeline::default()
            },
            "on",
            Ok(1.0),
        ),
        (
            Pipeline {
                regex: some("=(.*)"),
                jq: some(".a"),
                ..Pipeline::default()
            },
            r#"x={"a":7}"#,
            Ok(7.0),
        ),
    ];
    for (pipeline, payload, expected) in table {
        let getter = Getter::compile(Kind::Number, 1.0, &pipeline).expect("compiles");
        let value = getter.read(payload.as_bytes());
        let expected = expected
            .map(|n| Some(Value::Number(n)))
            .map_err(str::to_owned);
        assert_eq!(value, expected, "{pipeline:?} {payload}");
    }
    // W-48: null is unknown.
    let pipeline = Pipeline {
        jq: some(".a"),
        ..Pipeline::default()
    };
    let getter = Getter::compile(Kind::Number, 1.0, &pipeline).expect("compiles");
    assert_eq!(getter.read(b"{}"), Ok(None));
}

#[test]
fn statuses_and_bools() {
    use ChargeStatus::{Charging, Connected, Disconnected};
    for (text, expected) in [
        ("A", Some(Disconnected)),
        (" a1 ", Some(Disconnected)),
        ("B", Some(Connected)),
        ("b2\0", Some(Connected)),
        ("C", Some(Charging)),
        ("C2", Some(Charging)),
        ("D", Some(Charging)),
        ("c1", Some(Connected)),
        ("D1", Some(Connected)),
        ("C12", Some(Charging)),
        ("E", None),
        ("F", None),
        ("", None),
        ("1", None),
    ] {
        let status = convert(Kind::Status, text, 1.0).ok();
        assert_eq!(status, expected.map(Value::Status), "{text:?}");
    }
    for (words, expected) in [
        ("1 t T TRUE true True on ON On yes Yes", Some(true)),
        ("0 f F FALSE false False off OFF no No", Some(false)),
        ("2 tRUE fAlse open closed -1 1.0 null", None),
    ] {
        for word in words.split(' ') {
            let truth = convert(Kind::Bool, word, 1.0).ok();
            assert_eq!(truth, expected.map(Value::Bool), "{word}");
        }
    }
}

proptest! {
    #[test]
    fn no_payload_harms(payload in prop::collection::vec(any::<u8>(), 0..200), jq: bool) {
        let program = jq.then(|| "[.. | numbers] | add".to_owned());
        let pipeline = Pipeline { regex: Some("[^x]+".to_owned()), jq: program, ..Pipeline::default() };
        for kind in [Kind::Number, Kind::Bool, Kind::Status, Kind::Text] {
            let getter = Getter::compile(kind, 1.0, &pipeline).expect("compiles");
            if let Ok(Some(Value::Number(number))) = getter.read(&payload) {
                prop_assert!(number.is_finite());
            }
        }
    }
}
