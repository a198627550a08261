//! The lines of a whole site.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chargebus::api::influx::{Recorder, STRUCTURES};
use chargebus::api::{self, Scope};
use chargebus::model::{
    ChargeStatus, ChargerValue, Fact, LoadPointIx, MeterIx, MeterValue, Now, Origin, Percent,
    VehicleIx, VehicleValue, Watts,
};
use serde_json::Value as Json;

use super::state;
use crate::house;

/// Series and fields of a text whose lines must all be of this second.
fn parsed(text: &str, now: Now) -> BTreeMap<String, String> {
    let mut lines = BTreeMap::new();
    for line in text.lines() {
        let (rest, time) = line.rsplit_once(' ').unwrap();
        assert_eq!(time, now.utc.timestamp().to_string(), "{line}");
        let fields = rest.rmatch_indices(' ').find(|(at, _)| !rest[..*at].ends_with('\\'));
        let (series, fields) = rest.split_at(fields.unwrap().0);
        let unique = lines.insert(series.to_owned(), fields[1..].to_owned());
        assert_eq!(unique, None, "two values of a series at one time: {line}");
    }
    lines
}

#[test]
fn a_site_has_the_measurements_of_evcc() {
    let lines = Recorder::default().lines(&state(&house::fed(), house::noon()), house::noon());
    let lines = parsed(&lines, house::noon());
    for (series, fields) in [
        ("gridPower", "value=-3000"),
        ("gridCurrents", "l1=-4,l2=-4,l3=-5"),
        ("pvPower", "value=4000"),
        ("pvPower,id=1", "value=2500"),
        ("pvPower,id=2", "value=1500"),
        ("batteryPower", "value=-200"),
        ("batteryPower,id=1", "value=-200"),
        ("batterySoc", "value=55"),
        ("batteryCapacity,id=1", "value=10"),
        ("homePower", "value=800"),
        ("tariffGrid", "value=0.3"),
        ("prioritySoc", "value=0"),
        (r"chargePower,loadpoint=Carport,vehicle=Blauer\ Tesla", "value=0"),
        (r"vehicleSoc,loadpoint=Carport,vehicle=Blauer\ Tesla", "value=41"),
        (r"vehicleRange,loadpoint=Carport,vehicle=Blauer\ Tesla", "value=210i"),
        (r"vehicleOdometer,loadpoint=Carport,vehicle=Blauer\ Tesla", "value=45678.9"),
        (r"chargeTotalImport,loadpoint=Carport,vehicle=Blauer\ Tesla", "value=123.4"),
        (r"phasesConfigured,loadpoint=Carport,vehicle=Blauer\ Tesla", "value=0i"),
        ("maxCurrent,loadpoint=Garage", "value=16"),
        // Ours (W-41): states as numbers.
        (r"mode,loadpoint=Carport,vehicle=Blauer\ Tesla", "value=1i,text=\"pv\""),
        (r"connected,loadpoint=Carport,vehicle=Blauer\ Tesla", "value=1i"),
        ("charging,loadpoint=Garage", "value=0i"),
        ("chargeDuration,loadpoint=Garage", "value=0i"),
    ] {
        assert_eq!(lines.get(series).map(String::as_str), Some(fields), "{series}: {lines:#?}");
    }
    for series in [
        // Unknown is left out (W-30), also where the API says 0.
        "vehicleSoc,loadpoint=Garage",
        "batteryEnergy",
        "sessionPrice,loadpoint=Garage",
        // Old names would be written twice, vehicles are told by their load points.
        "chargeCurrent,loadpoint=Garage",
        "soc",
        "title,loadpoint=Garage",
        "forecast",
    ] {
        assert_eq!(lines.get(series), None, "{series}");
    }
}

#[test]
fn what_seldom_changes_is_written_when_it_does_or_after_half_an_hour() {
    let mut control = house::fed();
    let mut recorder = Recorder::default();
    let mut now = house::noon();
    let mut write = |control: &_, seconds: u64| {
        now = now.later(Duration::from_secs(seconds));
        parsed(&recorder.lines(&state(control, now), now), now)
    };
    let soc = r"vehicleSoc,loadpoint=Carport,vehicle=Blauer\ Tesla";
    let first = write(&control, 0);
    assert!(first.contains_key(soc) && first.contains_key("tariffGrid"));
    let second = write(&control, 30);
    assert!(!second.contains_key(soc) && !second.contains_key("tariffGrid"));
    assert!(second.contains_key("gridPower"), "everything else is written every time");
    let value = VehicleValue::Soc(Some(Percent(42.0)));
    let fact = Fact::Vehicle { vehicle: VehicleIx(0), value, origin: Origin::Live };
    control.handle(house::noon().later(Duration::from_secs(40)), fact);
    control.handle_timeout(house::noon().later(Duration::from_secs(45)));
    let third = write(&control, 30);
    assert!(third.contains_key(soc) && !third.contains_key("tariffGrid"));
    assert!(!write(&control, 1739).contains_key("tariffGrid"), "29:59 after the first");
    assert!(write(&control, 1).contains_key("tariffGrid"));
}

#[test]
fn a_measurement_keeps_its_type() {
    // As the recorded table of evcc has it: dashboards and older data rely on it.
    let path = format!("{}/tests/data/api-state-keys.json", env!("CARGO_MANIFEST_DIR"));
    let rows: Vec<Json> = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let kind = |row: &Json| row["type"].as_str().unwrap().split(' ').next().unwrap().to_owned();
    let types: BTreeMap<_, _> =
        rows.iter().map(|row| (row["key"].as_str().unwrap().to_owned(), kind(row))).collect();
    let now = house::noon();
    let mut compared = BTreeSet::new();
    let mut control = house::fed();
    let mut recorder = Recorder::default();
    for power in [0.0, 0.5, 7.0] {
        for (meter, power) in [(0, power), (3, -power)] {
            let value = MeterValue::Power(Watts(power));
            control.handle(now, Fact::Meter { meter: MeterIx(meter), value, origin: Origin::Live });
        }
        let value = ChargerValue::Status(ChargeStatus::Connected);
        control.handle(now, Fact::Charger { lp: LoadPointIx(1), value, origin: Origin::Live });
        for (series, fields) in parsed(&recorder.lines(&state(&control, now), now), now) {
            let key = series.split(',').next().unwrap();
            let whole = fields.strip_prefix("value=").is_some_and(|value| value.ends_with('i'));
            match types.get(key).map(String::as_str) {
                Some("float") => assert!(!whole, "{series} {fields}"),
                Some("int") => assert!(whole, "{series} {fields}"),
                Some(_) | None => continue,
            }
            compared.insert(key.to_owned());
        }
    }
    assert!(compared.len() > 40, "{compared:?}");
}

#[test]
fn structures_are_rows() {
    for key in STRUCTURES {
        let scopes = [Scope::Site, Scope::LoadPoint];
        let known = scopes.into_iter().flat_map(api::rows).any(|field| field.key == *key);
        assert!(known, "{key}");
    }
}
