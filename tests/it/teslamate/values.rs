//! What becomes of topics and payloads.

use chargebus::model::{
    ChargeStatus, Origin, Percent, Telemetry, TeslaMateCar, Trust, VehicleValue,
};
use chargebus::teslamate::{CARS_MAX, FILTERS, Heard, Malformed};

use super::{Bench, parked};

fn car(namespace: &str, id: u32) -> TeslaMateCar {
    TeslaMateCar { namespace: namespace.to_owned(), id }
}

fn number(value: f64) -> Option<Telemetry> {
    Some(Telemetry::Number(value))
}

#[test]
fn two_cars_and_two_namespaces_stay_apart() {
    let mut bench = Bench::new();
    let sent = [
        ("teslamate/cars/1/battery_level", "11"),
        ("teslamate/cars/2/battery_level", "22"),
        ("teslamate/home/cars/1/battery_level", "33"),
        ("teslamate/work/cars/1/battery_level", "44"),
        ("teslamate/home/cars/1/display_name", "Blitz"),
    ];
    for (topic, payload) in sent {
        let heard = bench.mirror.handle(bench.now, topic, payload.as_bytes(), true);
        assert_eq!(heard, Some(Heard::Recorded));
    }
    bench.pass(1.0);
    let socs: Vec<_> = bench
        .told
        .iter()
        .filter_map(|(_, car, value, origin)| match value {
            VehicleValue::Soc(Some(soc)) => Some((car.clone(), soc.0, *origin)),
            _ => None,
        })
        .collect();
    let retained = |namespace, id, soc| (car(namespace, id), soc, Origin::Retained);
    let expected = [
        retained("", 1, 11.0),
        retained("", 2, 22.0),
        retained("home", 1, 33.0),
        retained("work", 1, 44.0),
    ];
    assert_eq!(socs, expected);
    let ready = |bench: &Bench| -> Vec<bool> {
        bench.mirror.cars(bench.now).map(|car| car.ready).collect()
    };
    assert_eq!(ready(&bench), [false, false, true, false]);
    bench.pass(5.0);
    assert_eq!(ready(&bench), [true; 4], "nobody waits for a name for ever");
    assert_eq!(FILTERS, ["teslamate/cars/+/+", "teslamate/+/cars/+/+"]);
}

#[test]
fn nobody_asks_for_a_moment_that_has_passed() {
    let mut bench = Bench::new();
    bench.hear("state", "online");
    // The wait for a name ends within a burst; `pass` refuses a mirror that spins.
    bench.pass(4.9);
    bench.hear("state", "asleep");
    bench.pass(1.0);
    assert!(bench.mirror.cars(bench.now).all(|car| car.ready));
}

#[test]
fn foreign_topics_are_not_ours() {
    let mut bench = Bench::new();
    let foreign = [
        "",
        "teslamate",
        "teslamate/cars",
        "teslamate/cars/1",
        "teslamate/cars/x/state",
        "teslamate/cars/01/state",
        "teslamate/cars/+1/state",
        "teslamate/cars/-1/state",
        "teslamate/cars//state",
        "teslamate/cars/4294967296/state",
        "teslamate//cars/1/state",
        "teslamate/a/b/cars/1/state",
        "teslamate/cars/1/state/set",
        "evcc/cars/1/state",
    ];
    for topic in foreign {
        assert_eq!(bench.mirror.handle(bench.now, topic, b"online", false), None, "{topic}");
    }
    assert_eq!(bench.mirror.cars(bench.now).count(), 0);
}

#[test]
fn a_full_mirror_refuses_further_cars_and_says_so_once() {
    let mut bench = Bench::new();
    for id in 1..=CARS_MAX {
        let topic = format!("teslamate/cars/{id}/state");
        assert_eq!(bench.mirror.handle(bench.now, &topic, b"online", false), Some(Heard::Recorded));
    }
    let mut more = || bench.mirror.handle(bench.now, "teslamate/x/cars/1/state", b"online", false);
    assert_eq!(more(), Some(Heard::TooManyCars { first: true }));
    assert_eq!(more(), Some(Heard::TooManyCars { first: false }));
    assert_eq!(bench.mirror.cars(bench.now).count(), CARS_MAX);
}

#[test]
fn garbage_changes_nothing_and_is_reported_once_per_topic() {
    let mut bench = parked("62");
    let huge = "9".repeat(300 * 1024);
    let bad = ["NaN", "inf", "1e309", "-1", "101", "{\"soc\":1}", "abc", "0x10", huge.as_str()];
    for (nth, payload) in bad.iter().enumerate() {
        match bench.hear("usable_battery_level", payload) {
            Some(Heard::Malformed { first, .. }) => assert_eq!(first, nth == 0, "{payload:.20}"),
            other => panic!("{payload:.20}: {other:?}"),
        }
    }
    let topic = "teslamate/cars/1/geofence";
    let heard = bench.mirror.handle(bench.now, topic, &[0xff, 0xfe], false);
    let reason = Malformed::NotUtf8;
    assert_eq!(heard, Some(Heard::Malformed { reason, first: true }));
    for (key, payload) in [("since", "yesterday"), ("location", "[1]"), ("plugged_in", "1")] {
        let heard = bench.hear(key, payload);
        assert!(matches!(heard, Some(Heard::Malformed { first: true, .. })), "{key}");
    }
    bench.pass(1.0);
    assert_eq!((bench.soc(), bench.trust()), (Some(62.0), Some(Trust::Live)));
    assert_eq!(bench.mirror.cars(bench.now).next().unwrap().malformed, 13);
}

#[test]
fn empty_payloads_and_nil_mean_gone() {
    let mut bench = parked("62");
    let route = "{\"destination\":\"Home\"}";
    bench.summary(&[
        ("geofence", "Home"),
        ("charger_phases", "3"),
        ("active_route", route),
        ("active_route_destination", "Home"),
        ("active_route_latitude", "52.5"),
    ]);
    assert_eq!(bench.telemetry("charger_phases"), number(3.0));
    assert_eq!(bench.telemetry("active_route"), Some(Telemetry::Text(route.to_owned())));
    assert_eq!(bench.telemetry("active_route_latitude"), number(52.5));
    bench.told.clear();
    bench.summary(&[
        ("geofence", ""),
        ("charger_phases", ""),
        ("active_route_destination", "nil"),
        ("active_route_latitude", "nil"),
        ("usable_battery_level", ""),
    ]);
    let told: Vec<_> = bench.told.iter().map(|(_, _, value, _)| value.clone()).collect();
    let gone = [
        VehicleValue::Geofence(None),
        VehicleValue::Telemetry("charger_phases", None),
        VehicleValue::Telemetry("active_route_destination", None),
        VehicleValue::Telemetry("active_route_latitude", None),
        VehicleValue::Soc(None),
    ];
    for value in gone {
        assert!(told.contains(&value), "{value:?}");
    }
}

#[test]
fn usable_soc_is_preferred_and_shown_soc_is_the_fallback() {
    let mut bench = Bench::new();
    bench.summary(&[("state", "online"), ("battery_level", "53")]);
    assert_eq!(bench.soc(), Some(53.0));
    bench.summary(&[("usable_battery_level", "52")]);
    assert_eq!(bench.soc(), Some(52.0));
    assert_eq!(bench.telemetry("battery_level"), number(53.0));
}

#[test]
fn status_follows_the_cars_own_word_and_falls_back_to_the_plug() {
    let mut bench = Bench::new();
    bench.summary(&[("plugged_in", "true")]);
    assert_eq!(bench.status(), Some(ChargeStatus::Connected));
    bench.summary(&[("charger_actual_current", "16")]);
    assert_eq!(bench.status(), Some(ChargeStatus::Charging));
    bench.summary(&[("charger_actual_current", ""), ("plugged_in", "false")]);
    assert_eq!(bench.status(), Some(ChargeStatus::Disconnected));
    let words = [
        ("NoPower", ChargeStatus::Connected),
        ("Starting", ChargeStatus::Connected),
        ("Charging", ChargeStatus::Charging),
        ("Stopped", ChargeStatus::Connected),
        ("Complete", ChargeStatus::Connected),
        ("Calibrating", ChargeStatus::Connected),
        ("Disconnected", ChargeStatus::Disconnected),
    ];
    for (word, status) in words {
        bench.summary(&[("charging_state", word)]);
        assert_eq!(bench.status(), Some(status), "{word}");
    }
    bench.summary(&[("charging_state", "Complete"), ("shift_state", "D")]);
    assert_eq!(bench.status(), Some(ChargeStatus::Disconnected), "a driving car is not plugged in");
    bench.summary(&[("shift_state", ""), ("state", "driving")]);
    assert_eq!(bench.status(), Some(ChargeStatus::Disconnected));
    bench.summary(&[("state", "online")]);
    assert_eq!(bench.status(), Some(ChargeStatus::Connected));
}

#[test]
fn a_car_plugged_in_elsewhere_is_told_with_its_place() {
    let mut bench = Bench::new();
    bench.summary(&[
        ("state", "charging"),
        ("charging_state", "Charging"),
        ("geofence", "Supercharger"),
        ("location", "{\"latitude\":52.5,\"longitude\":10.25}"),
    ]);
    assert_eq!(bench.status(), Some(ChargeStatus::Charging));
    let place = bench.last(|value| match value {
        VehicleValue::Geofence(place) => place.clone(),
        _ => None,
    });
    assert_eq!(place.as_deref(), Some("Supercharger"));
    let told = |bench: &Bench| {
        bench.last(|value| match value {
            VehicleValue::Position(position) => Some(*position),
            _ => None,
        })
    };
    assert_eq!(told(&bench), Some(Some((52.5, 10.25))));
    bench.summary(&[("location", ""), ("latitude", "48.0"), ("longitude", "11.0")]);
    assert_eq!(told(&bench), Some(Some((48.0, 11.0))), "the deprecated topics are the fallback");
}

#[test]
fn speed_counts_only_while_driving() {
    let mut bench = parked("62");
    bench.summary(&[("state", "driving"), ("shift_state", "D"), ("speed", "87")]);
    assert_eq!(bench.telemetry("speed"), number(87.0));
    bench.summary(&[("state", "online"), ("shift_state", "P")]);
    assert_eq!(bench.telemetry("speed"), None, "TeslaMate leaves the old speed behind");
}

#[test]
fn a_quiet_source_is_told_as_a_sign_of_life_and_nothing_else() {
    let mut bench = parked("62");
    bench.told.clear();
    bench.summary(&[("usable_battery_level", "62"), ("state", "online")]);
    let told: Vec<_> =
        bench.told.iter().map(|(_, _, value, origin)| (value.clone(), *origin)).collect();
    assert_eq!(told, [(VehicleValue::Healthy(Some(true)), Origin::Live)]);
}

#[test]
fn a_pushed_soc_arrives_within_a_second() {
    let mut bench = parked("55");
    bench.told.clear();
    bench.hear("usable_battery_level", "56");
    bench.pass(1.0);
    let expected = (VehicleValue::Soc(Some(Percent(56.0))), Origin::Live);
    let (_, _, value, origin) = &bench.told[0];
    assert_eq!((value.clone(), *origin), expected);
}

#[test]
fn what_is_not_finite_is_no_number() {
    let mut bench = parked("62");
    for (nth, payload) in ["NaN", "-inf", "1e309"].into_iter().enumerate() {
        let reason = Malformed::NotNumber;
        let first = nth == 0;
        assert_eq!(bench.hear("odometer", payload), Some(Heard::Malformed { reason, first }));
    }
}

#[test]
fn an_idle_car_has_no_time_to_full() {
    let mut bench = parked("62");
    let told = |bench: &Bench| {
        bench.last(|value| match value {
            VehicleValue::TimeToFullH(hours) => Some(*hours),
            _ => None,
        })
    };
    bench.summary(&[("time_to_full_charge", "0.0")]);
    assert_eq!(told(&bench), None);
    bench.summary(&[("time_to_full_charge", "2.42")]);
    assert_eq!(told(&bench), Some(Some(2.42)));
    bench.summary(&[("time_to_full_charge", "0.0")]);
    assert_eq!(told(&bench), Some(None));
}
