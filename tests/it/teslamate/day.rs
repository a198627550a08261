//! The recorded day of the specification (plans-vehicles-devices.md §6.7).

use chargebus::model::{ChargeStatus, Trust, VehicleValue};
use chargebus::teslamate::Heard;
use serde_json::Value as Json;

use super::Bench;

const DAY: &str = include_str!("../../data/teslamate-day.jsonl");

fn replay() -> Bench {
    let mut bench = Bench::new();
    for line in DAY.lines() {
        let line: Json = serde_json::from_str(line).unwrap();
        let text = |member: &str| line[member].as_str().unwrap();
        bench.until(line["t"].as_f64().unwrap());
        let (topic, payload) = (text("topic"), text("payload").as_bytes());
        assert_eq!(
            bench.mirror.handle(bench.now, topic, payload, false),
            Some(Heard::Recorded),
            "{topic}"
        );
    }
    bench.until(17_300.0);
    bench
}

#[test]
fn the_recorded_day_gives_the_status_times_of_the_specification() {
    let bench = replay();
    let statuses: Vec<_> = bench
        .told
        .iter()
        .filter_map(|(t, _, value, _)| match value {
            VehicleValue::Status(status) => Some((t.round(), *status)),
            _ => None,
        })
        .collect();
    use ChargeStatus::{Charging, Connected, Disconnected};
    let expected = [
        (1210.0, Some(Disconnected)),
        (3970.0, Some(Connected)),
        (4215.0, Some(Charging)),
        (15015.0, Some(Connected)),
    ];
    assert_eq!(statuses, expected);
}

#[test]
fn the_recorded_day_gives_the_soc_sequence_of_the_specification() {
    let bench = replay();
    let socs: Vec<_> = bench
        .told
        .iter()
        .filter_map(|(_, _, value, _)| match value {
            VehicleValue::Soc(Some(soc)) => Some(soc.0),
            _ => None,
        })
        .collect();
    let expected = [
        52.0, 51.0, 50.0, 49.0, 48.0, 46.0, 45.0, 44.0, 43.0, 42.0, 41.0, 43.0, 46.0, 48.0, 50.0,
        52.0, 55.0, 57.0, 59.0, 61.0, 64.0, 66.0, 68.0, 71.0, 73.0, 75.0, 77.0, 80.0,
    ];
    assert_eq!(socs, expected);
    let trusts: Vec<_> = bench
        .told
        .iter()
        .filter_map(|(_, _, value, _)| match value {
            VehicleValue::Trust(trust) => Some(*trust),
            _ => None,
        })
        .collect();
    assert!(!trusts.contains(&Trust::Conflicting));
    assert_eq!(trusts.first(), Some(&Trust::Asleep));
    assert_eq!(trusts.last(), Some(&Trust::Asleep));
    assert_eq!(bench.telemetry("active_route_destination"), None);
    assert_eq!(bench.telemetry("speed"), None, "the car is parked");
    assert_eq!(bench.telemetry("charger_phases"), None, "deleted when charging ended");
    let info: Vec<_> = bench.mirror.cars(bench.now).collect();
    assert_eq!(info[0].display_name, Some("Synthetic Model 3"));
    assert_eq!((info.len(), info[0].malformed), (1, 0));
}

#[test]
fn every_key_of_the_specification_is_known() {
    // §6.4, in the order of the specification.
    let keys = "healthy state since display_name model trim_badging exterior_color wheel_type \
        spoiler_type version update_available update_version download_perc install_perc \
        software_update latitude longitude location geofence heading elevation speed power \
        shift_state odometer battery_level usable_battery_level rated_battery_range_km \
        ideal_battery_range_km est_battery_range_km plugged_in charging_state \
        charge_energy_added charge_limit_soc charge_port_door_open charger_actual_current \
        charger_phases charger_power charger_voltage charge_current_request \
        charge_current_request_max scheduled_charging_start_time time_to_full_charge \
        is_climate_on is_preconditioning climate_keeper_mode inside_temp outside_temp locked \
        sentry_mode is_user_present service_mode windows_open doors_open \
        driver_front_window_open driver_front_door_open driver_rear_window_open \
        driver_rear_door_open passenger_front_window_open passenger_front_door_open \
        passenger_rear_window_open passenger_rear_door_open trunk_open frunk_open \
        sun_roof_state sun_roof_installed sun_roof_percent_open center_display_state \
        tpms_pressure_fl tpms_pressure_fr tpms_pressure_rl tpms_pressure_rr \
        tpms_soft_warning_fl tpms_soft_warning_fr tpms_soft_warning_rl tpms_soft_warning_rr \
        active_route active_route_destination active_route_latitude active_route_longitude";
    let mut bench = Bench::new();
    for key in keys.split_whitespace() {
        assert_eq!(bench.hear(key, ""), Some(Heard::Recorded), "{key}");
    }
    assert_eq!(bench.hear("brand_new_key", "1"), Some(Heard::UnknownKey));
    assert_eq!(bench.mirror.cars(bench.now).count(), 0, "nothing said, no car");
}
