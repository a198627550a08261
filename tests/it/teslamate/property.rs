//! Anything the bus can throw at the mirror.

use chargebus::model::{Telemetry, VehicleValue};
use proptest::prelude::*;

use super::Bench;

fn any_topic() -> impl Strategy<Value = String> {
    let keys: Vec<&str> = vec![
        "state",
        "healthy",
        "usable_battery_level",
        "battery_level",
        "charge_limit_soc",
        "odometer",
        "location",
        "latitude",
        "longitude",
        "shift_state",
        "charging_state",
        "since",
        "active_route",
        "display_name",
        "nonsense",
        "",
    ];
    let prefixes =
        vec!["teslamate/cars/1/", "teslamate/a/cars/1/", "teslamate/cars/99999999999/", "x/"];
    let known = (prop::sample::select(prefixes), prop::sample::select(keys))
        .prop_map(|(prefix, key)| format!("{prefix}{key}"));
    prop_oneof![9 => known, 1 => ".*"]
}

fn any_payload() -> impl Strategy<Value = Vec<u8>> {
    let texts = vec![
        "",
        "nil",
        "true",
        "false",
        "NaN",
        "-inf",
        "1e309",
        "-1",
        "0",
        "49",
        "62",
        "100",
        "100.1",
        "D",
        "asleep",
        "online",
        "driving",
        "charging",
        "suspended",
        "Charging",
        "Disconnected",
        "{\"latitude\":91,\"longitude\":0}",
        "{\"latitude\":52.0,\"longitude\":1e400}",
        "2026-03-17T15:20:08.712000Z",
        "9999999-01-01T00:00:00Z",
    ];
    prop_oneof![
        8 => prop::sample::select(texts).prop_map(|text| text.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..300),
        1 => (-1.0e6..1.0e6).prop_map(|number: f64| number.to_string().into_bytes()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever the bus carries: no panic, no impossible value, no spinning, and time only helps.
    #[test]
    fn anything_on_the_bus_leaves_possible_values(
        messages in prop::collection::vec((any_topic(), any_payload(), any::<bool>(), 0.0..4000.0_f64), 0..60),
    ) {
        let mut bench = Bench::new();
        for (topic, payload, retained, pause) in messages {
            bench.mirror.handle(bench.now, &topic, &payload, retained);
            bench.pass(pause);
        }
        bench.pass(100_000.0);
        for (_, _, value, _) in &bench.told {
            match value {
                VehicleValue::Soc(Some(soc)) | VehicleValue::LimitSoc(Some(soc)) => {
                    prop_assert!((0.0..=100.0).contains(&soc.0));
                }
                VehicleValue::OdometerKm(Some(km)) => prop_assert!(km.is_finite() && *km >= 0.0),
                VehicleValue::Position(Some((lat, lon))) => {
                    prop_assert!(lat.abs() <= 90.0 && lon.abs() <= 180.0);
                }
                VehicleValue::Telemetry(_, Some(Telemetry::Number(number))) => prop_assert!(number.is_finite()),
                _ => {}
            }
        }
    }
}
