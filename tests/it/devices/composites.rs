//! Values made of others, in virtual time (plans-vehicles-devices.md §7.1, E-77).

use std::time::Duration;

use chargebus::config::Config;
use chargebus::control::Reading;
use chargebus::edges::devices::Decoder;
use chargebus::model::{Fact, MeterValue, Mono, Now, Origin};
use chrono::DateTime;
use proptest::prelude::*;

use super::{charger_site, meter_site};

const MINUTE: u64 = 60_000;

fn heard(decoder: &mut Decoder, minute: u64, topic: &str, payload: &str) -> Vec<(f64, Origin)> {
    let now = Mono(minute * MINUTE);
    let decoded = decoder.decode(now, topic, payload.as_bytes(), Origin::Live);
    let values = decoded.facts.into_iter().map(|fact| match fact {
        Fact::Meter { value: MeterValue::Power(power), origin, .. } => (power.0, origin),
        other => panic!("{other:?}"),
    });
    values.collect()
}

fn decoder(config: &Config) -> Decoder {
    let (decoder, broken) = Decoder::new(config);
    assert_eq!(broken, []);
    decoder
}

#[test]
fn numbers_are_made_of_numbers() {
    let [a, b] = ["{source: mqtt, topic: a}", "{source: mqtt, topic: b, scale: 10}"];
    for (calc, expected) in [
        (format!("add: [{a}, {b}, {{source: const, value: 5}}]"), 32.0),
        (format!("mul: [{a}, {b}]"), 140.0),
        (format!("div: [{b}, {a}]"), 20.0 / 7.0),
        (format!("div: [{b}, {{source: const, value: 0}}]"), 0.0),
        (format!("div: [{{source: const}}, {a}, {b}]").replace("const", "const, value: 0"), 0.0),
        (format!("min: [{a}, {b}]"), 7.0),
        (format!("max: [{a}, {b}]"), 20.0),
        ("abs: {source: calc, mul: [A, B, {source: const, value: -1}]}".to_owned(), 140.0),
        ("sign: {source: calc, add: [A, B, {source: const, value: -50}]}".to_owned(), -1.0),
        ("sign: {source: calc, add: [A, B, {source: const, value: -27}]}".to_owned(), 1.0),
    ] {
        let calc = calc.replace('A', a).replace('B', b);
        let mut decoder = decoder(&meter_site(&format!("power: {{source: calc, {calc}}}")));
        let mut last = Vec::new();
        for (topic, payload) in [("a", "7"), ("b", "2")] {
            last.extend(heard(&mut decoder, 0, topic, payload));
        }
        assert_eq!(last.last(), Some(&(expected, Origin::Live)), "{calc}");
    }
}

#[test]
fn constants_that_are_computed_are_constants() {
    let constant = "{source: calc, add: [{source: const, value: 40}, {source: const, value: 2}]}";
    let decoder = decoder(&meter_site(&format!("power: {constant}")));
    let facts = decoder.constants();
    assert!(matches!(&facts[..], [Fact::Meter { value: MeterValue::Power(p), .. }] if p.0 == 42.0));
}

#[test]
fn a_number_becomes_a_letter() {
    // §7.1: as a text, calc yields the character with that code.
    let config =
        charger_site("enable: {source: mqtt, topic: x}\nmaxcurrent: {source: mqtt, topic: y}");
    let mut config = config;
    let text = meter_site(
        "power: {source: calc, add: [{source: const, value: 65}, {source: mqtt, topic: state}]}",
    );
    config.devices.chargers[0].status = text.devices.meters[0].power.clone();
    let mut decoder = decoder(&config);
    let decoded = decoder.decode(Mono(0), "state", b"2", Origin::Live);
    assert!(format!("{:?}", decoded.facts).contains("Status(Charging)"), "{decoded:?}");
    let decoded = decoder.decode(Mono(0), "state", b"1e9", Origin::Live);
    assert_eq!((decoded.facts.len(), decoded.problems.len()), (0, 1), "{decoded:?}");
}

#[test]
fn maps_translate_and_refuse() {
    let map = "power: {source: map, values: {1: 3, 2: -4}, get: {source: mqtt, topic: a}}";
    let mut decoder = decoder(&meter_site(map));
    assert_eq!(heard(&mut decoder, 0, "a", "2"), [(-4.0, Origin::Live)]);
    let decoded = decoder.decode(Mono(0), "a", b"7", Origin::Live);
    assert_eq!(decoded.problems[0].error, "map has no value for 7");
}

#[test]
fn what_is_not_valid_is_not_told() {
    let valid = "power: {source: valid, valid: {source: mqtt, topic: ok}, \
                 value: {source: mqtt, topic: a}}";
    let mut decoder = decoder(&meter_site(valid));
    assert_eq!(heard(&mut decoder, 0, "a", "5"), []);
    assert_eq!(heard(&mut decoder, 0, "ok", "true"), [(5.0, Origin::Live)]);
    assert_eq!(heard(&mut decoder, 0, "ok", "off"), []);
    assert_eq!(heard(&mut decoder, 0, "a", "6"), []);
    assert_eq!(heard(&mut decoder, 0, "ok", "on"), [(6.0, Origin::Live)]);
}

#[test]
fn an_error_is_never_a_value() {
    let (decoder, broken) = Decoder::new(&meter_site(
        "power: {source: mqtt, topic: a}\nsoc: {source: error, error: ErrNotAvailable}",
    ));
    assert_eq!(broken[0].to_string(), "m.soc: not available");
    assert_eq!(decoder.topics().collect::<Vec<_>>(), ["a"]);
}

#[test]
fn a_cached_value_stays_for_its_time() {
    // E-77: 1 h; at 59 min the old value, at 61 min a new one; failures are not cached.
    let cached = "power: {source: cached, cache: 1h, value: {source: map, \
                  values: {1: 10, 2: 20, 3: 30}, get: {source: mqtt, topic: a}}}";
    let mut decoder = decoder(&meter_site(cached));
    let value = |decoder: &mut Decoder, minute, payload| {
        heard(decoder, minute, "a", payload).first().map(|(value, _)| *value)
    };
    assert_eq!(value(&mut decoder, 0, "9"), None);
    assert_eq!(value(&mut decoder, 1, "1"), Some(10.0), "the failure was not cached");
    assert_eq!(value(&mut decoder, 60, "2"), Some(10.0));
    assert_eq!(value(&mut decoder, 62, "3"), Some(30.0));
}

#[test]
fn a_composite_is_as_old_as_its_oldest_input() {
    let sum = "power: {source: calc, add: [{source: mqtt, topic: a}, {source: mqtt, topic: b}]}";
    let mut decoder = decoder(&meter_site(sum));
    let aged = |minutes: u64| Origin::Aged(Duration::from_secs(60 * minutes));
    assert_eq!(heard(&mut decoder, 0, "a", "1"), []);
    assert_eq!(heard(&mut decoder, 1, "b", "1"), [(2.0, aged(1))]);
    assert_eq!(heard(&mut decoder, 3, "b", "2"), [(3.0, aged(3))]);
    assert_eq!(heard(&mut decoder, 4, "a", "2"), [(4.0, aged(1))]);
    // What the broker kept is of unknown age, and so is what is made of it.
    let decoded = decoder.decode(Mono(5 * MINUTE), "a", b"9", Origin::Retained);
    assert!(format!("{:?}", decoded.facts).contains("Retained"), "{decoded:?}");
}

#[test]
fn a_dead_input_makes_the_whole_stale() {
    // A reading every second, its oldest input every ten: fresh for three periods of the oldest.
    let at = |second: u64| Now { mono: Mono(second * 1000), utc: DateTime::UNIX_EPOCH };
    let mut reading: Option<Reading<f64>> = None;
    for second in 0..100 {
        // The slow input speaks at 0, 10 … 60 and then no more.
        let spoke = (second / 10 * 10).min(60);
        let origin = match second - spoke {
            0 => Origin::Live,
            age => Origin::Aged(Duration::from_secs(age)),
        };
        let next = Reading::next(reading.as_ref(), 1.0, at(second), origin);
        // Within a minute nothing is known of its rhythm.
        assert_eq!(next.is_fresh(at(second), None), second < 90, "{second}");
        reading = Some(next);
    }
}

proptest! {
    #[test]
    fn no_message_harms(
        messages in prop::collection::vec((0_usize..3, prop::collection::vec(any::<u8>(), 0..12)), 0..40)
    ) {
        let tree = "power: {source: valid, valid: {source: mqtt, topic: t0}, value: {source: calc, \
                    div: [{source: mqtt, topic: t1}, {source: cached, cache: 1s, value: \
                    {source: mqtt, topic: t2}}, {source: map, values: {1: 2}, get: \
                    {source: mqtt, topic: t1}}]}}\nsoc: {source: mqtt, topic: t1}";
        let mut decoder = decoder(&meter_site(tree));
        for (n, (topic, payload)) in messages.into_iter().enumerate() {
            let topic = format!("t{topic}");
            let decoded = decoder.decode(Mono(n as u64 * 300), &topic, &payload, Origin::Live);
            for fact in decoded.facts {
                if let Fact::Meter { value: MeterValue::Power(power), .. } = fact {
                    prop_assert!(power.0.is_finite());
                }
            }
        }
    }
}
