//! The mirror of TeslaMate's cars: the recorded day, the traps of §6, and anything the bus can throw at it.

use std::time::Duration;

use chargebus::model::{
    ChargeStatus, Mono, Now, Origin, Percent, Telemetry, TeslaMateCar, Trust, VehicleValue,
};
use chargebus::sim::TeslaMateDay;
use chargebus::teslamate::{CARS_MAX, FILTERS, Heard, Malformed, Mirror};
use chrono::DateTime;
use proptest::prelude::*;

const DAY: &str = include_str!("../data/teslamate-day.jsonl");

/// A mirror with a clock; remembers all that it told.
struct Bench {
    mirror: Mirror,
    start: Now,
    now: Now,
    told: Vec<(f64, TeslaMateCar, VehicleValue, Origin)>,
}

impl Bench {
    fn new() -> Self {
        let start = Now {
            mono: Mono(1_000_000),
            utc: DateTime::from_timestamp(1_773_759_600, 0).unwrap(),
        };
        Self {
            mirror: Mirror::new(),
            start,
            now: start,
            told: Vec::new(),
        }
    }

    /// Lets time pass, waking the mirror exactly when it asks for it.
    fn until(&mut self, seconds: f64) {
        let end = self.start.later(Duration::from_secs_f64(seconds));
        for _ in 0..100_000 {
            let due = self.mirror.deadline().filter(|due| *due <= end.mono);
            let Some(due) = due else { break };
            assert!(
                due >= self.now.mono,
                "a deadline in the past spins the loop"
            );
            self.now = self.now.later(due.since(self.now.mono));
            self.look();
            assert!(self.mirror.deadline() > Some(due) || self.mirror.deadline().is_none());
        }
        self.now = end;
    }

    fn look(&mut self) {
        self.mirror.handle_timeout(self.now);
        let t = self.now.mono.since(self.start.mono).as_secs_f64();
        while let Some((car, value, origin)) = self.mirror.poll() {
            self.told.push((t, car, value, origin));
        }
    }

    fn elapsed(&self) -> f64 {
        self.now.mono.since(self.start.mono).as_secs_f64()
    }

    fn pass(&mut self, seconds: f64) {
        self.until(self.elapsed() + seconds);
    }

    fn hear(&mut self, key: &str, payload: &str) -> Option<Heard> {
        let topic = format!("teslamate/cars/1/{key}");
        self.mirror
            .handle(self.now, &topic, payload.as_bytes(), false)
    }

    /// One poll of TeslaMate: values in one burst, then it is looked at.
    fn summary(&mut self, values: &[(&str, &str)]) {
        for (key, payload) in values {
            assert_eq!(self.hear(key, payload), Some(Heard::Recorded), "{key}");
        }
        assert_eq!(self.hear("healthy", "true"), Some(Heard::Recorded));
        self.pass(1.0);
    }

    fn last<T>(&self, pick: impl Fn(&VehicleValue) -> Option<T>) -> Option<T> {
        self.told
            .iter()
            .rev()
            .find_map(|(_, _, value, _)| pick(value))
    }

    fn soc(&self) -> Option<f64> {
        self.last(|value| match value {
            VehicleValue::Soc(soc) => Some(soc.map(|soc| soc.0)),
            _ => None,
        })
        .flatten()
    }

    fn status(&self) -> Option<ChargeStatus> {
        self.last(|value| match value {
            VehicleValue::Status(status) => Some(*status),
            _ => None,
        })
        .flatten()
    }

    fn range(&self) -> Option<f64> {
        self.last(|value| match value {
            VehicleValue::RangeKm(range) => Some(*range),
            _ => None,
        })
        .flatten()
    }

    fn trust(&self) -> Option<Trust> {
        self.last(|value| match value {
            VehicleValue::Trust(trust) => Some(*trust),
            _ => None,
        })
    }

    fn telemetry(&self, wanted: &str) -> Option<Telemetry> {
        self.last(|value| match value {
            VehicleValue::Telemetry(key, value) if *key == wanted => Some(value.clone()),
            _ => None,
        })
        .flatten()
    }
}

fn car(namespace: &str, id: u32) -> TeslaMateCar {
    TeslaMateCar {
        namespace: namespace.to_owned(),
        id,
    }
}

fn number(value: f64) -> Option<Telemetry> {
    Some(Telemetry::Number(value))
}

/// An online, parked car that has been polled twice.
fn parked(soc: &str) -> Bench {
    let mut bench = Bench::new();
    bench.summary(&[
        ("state", "online"),
        ("usable_battery_level", soc),
        ("rated_battery_range_km", "300.5"),
        ("odometer", "1000.0"),
        ("charging_state", "Disconnected"),
    ]);
    bench.summary(&[]);
    assert_eq!(bench.trust(), Some(Trust::Live));
    bench
}

fn replay(bench: &mut Bench, day: TeslaMateDay) {
    let mut day = day;
    let end = bench.start.mono + Duration::from_secs(17_300);
    for _ in 0..10_000 {
        let Some(due) = day.deadline().filter(|due| *due <= end) else {
            break;
        };
        bench.until(due.since(bench.start.mono).as_secs_f64());
        while let Some(message) = day.poll(bench.now) {
            let heard =
                bench
                    .mirror
                    .handle(bench.now, &message.topic, message.payload.as_bytes(), false);
            assert_eq!(heard, Some(Heard::Recorded), "{}", message.topic);
        }
    }
    bench.until(17_300.0);
}

#[test]
fn the_recorded_day_gives_the_status_times_of_the_specification() {
    let mut bench = Bench::new();
    let day = TeslaMateDay::new(DAY, bench.start, 1.0).unwrap();
    replay(&mut bench, day);
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
    let mut bench = Bench::new();
    let day = TeslaMateDay::new(DAY, bench.start, 1.0).unwrap();
    replay(&mut bench, day);
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
    assert_eq!(
        bench.telemetry("charger_phases"),
        None,
        "deleted when charging ended"
    );
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
    assert_eq!(
        bench.mirror.cars(bench.now).count(),
        0,
        "nothing said, no car"
    );
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
        let heard = bench
            .mirror
            .handle(bench.now, topic, payload.as_bytes(), true);
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
        assert_eq!(
            bench.mirror.handle(bench.now, topic, b"online", false),
            None,
            "{topic}"
        );
    }
    assert_eq!(bench.mirror.cars(bench.now).count(), 0);
}

#[test]
fn a_full_mirror_refuses_further_cars_and_says_so_once() {
    let mut bench = Bench::new();
    for id in 1..=CARS_MAX {
        let topic = format!("teslamate/cars/{id}/state");
        assert_eq!(
            bench.mirror.handle(bench.now, &topic, b"online", false),
            Some(Heard::Recorded)
        );
    }
    let mut more = || {
        bench
            .mirror
            .handle(bench.now, "teslamate/x/cars/1/state", b"online", false)
    };
    assert_eq!(more(), Some(Heard::TooManyCars { first: true }));
    assert_eq!(more(), Some(Heard::TooManyCars { first: false }));
    assert_eq!(bench.mirror.cars(bench.now).count(), CARS_MAX);
}

#[test]
fn garbage_changes_nothing_and_is_reported_once_per_topic() {
    let mut bench = parked("62");
    let huge = "9".repeat(300 * 1024);
    let bad = [
        "NaN",
        "inf",
        "1e309",
        "-1",
        "101",
        "{\"soc\":1}",
        "abc",
        "0x10",
        huge.as_str(),
    ];
    for (nth, payload) in bad.iter().enumerate() {
        match bench.hear("usable_battery_level", payload) {
            Some(Heard::Malformed { first, .. }) => assert_eq!(first, nth == 0, "{payload:.20}"),
            other => panic!("{payload:.20}: {other:?}"),
        }
    }
    let topic = "teslamate/cars/1/geofence";
    let heard = bench.mirror.handle(bench.now, topic, &[0xff, 0xfe], false);
    let reason = Malformed::NotUtf8;
    assert_eq!(
        heard,
        Some(Heard::Malformed {
            reason,
            first: true
        })
    );
    for (key, payload) in [
        ("since", "yesterday"),
        ("location", "[1]"),
        ("plugged_in", "1"),
    ] {
        let heard = bench.hear(key, payload);
        assert!(
            matches!(heard, Some(Heard::Malformed { first: true, .. })),
            "{key}"
        );
    }
    bench.pass(1.0);
    assert_eq!(
        (bench.soc(), bench.trust()),
        (Some(62.0), Some(Trust::Live))
    );
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
    assert_eq!(
        bench.telemetry("active_route"),
        Some(Telemetry::Text(route.to_owned()))
    );
    assert_eq!(bench.telemetry("active_route_latitude"), number(52.5));
    bench.told.clear();
    bench.summary(&[
        ("geofence", ""),
        ("charger_phases", ""),
        ("active_route_destination", "nil"),
        ("active_route_latitude", "nil"),
        ("usable_battery_level", ""),
    ]);
    let told: Vec<_> = bench
        .told
        .iter()
        .map(|(_, _, value, _)| value.clone())
        .collect();
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
    assert_eq!(
        bench.status(),
        Some(ChargeStatus::Disconnected),
        "a driving car is not plugged in"
    );
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
    bench.summary(&[
        ("location", ""),
        ("latitude", "48.0"),
        ("longitude", "11.0"),
    ]);
    assert_eq!(
        told(&bench),
        Some(Some((48.0, 11.0))),
        "the deprecated topics are the fallback"
    );
}

#[test]
fn an_old_soc_at_falling_asleep_is_not_believed() {
    let mut bench = parked("62");
    bench.pass(900.0);
    bench.summary(&[("state", "suspended")]);
    bench.pass(600.0);
    // The values go back before the state does: the order within a burst is undefined.
    bench.summary(&[
        ("battery_level", "49"),
        ("usable_battery_level", "49"),
        ("rated_battery_range_km", "240.1"),
        ("state", "asleep"),
    ]);
    assert_eq!((bench.soc(), bench.range()), (Some(62.0), Some(300.5)));
    assert_eq!(bench.trust(), Some(Trust::Conflicting));
    for _ in 0..20 {
        bench.pass(29.0);
        bench.summary(&[]);
    }
    assert_eq!(
        bench.soc(),
        Some(62.0),
        "polls of a sleeping car confirm nothing"
    );
    bench.summary(&[
        ("state", "online"),
        ("usable_battery_level", "61"),
        ("rated_battery_range_km", "298.0"),
    ]);
    assert_eq!((bench.soc(), bench.range()), (Some(61.0), Some(298.0)));
    assert_eq!(bench.trust(), Some(Trust::Live));
}

#[test]
fn an_old_higher_soc_at_falling_asleep_is_not_believed_either() {
    let mut bench = parked("49");
    bench.summary(&[("usable_battery_level", "62"), ("state", "asleep")]);
    assert_eq!(
        (bench.soc(), bench.trust()),
        (Some(49.0), Some(Trust::Conflicting))
    );
    bench.summary(&[("usable_battery_level", "49")]);
    assert_eq!(
        (bench.soc(), bench.trust()),
        (Some(49.0), Some(Trust::Asleep))
    );
}

#[test]
fn a_doubted_soc_is_believed_after_two_polls_of_the_awake_car() {
    let mut bench = parked("62");
    bench.summary(&[("state", "asleep"), ("usable_battery_level", "49")]);
    bench.summary(&[("state", "online")]);
    assert_eq!(
        (bench.soc(), bench.trust()),
        (Some(62.0), Some(Trust::Conflicting))
    );
    bench.summary(&[]);
    assert_eq!(
        (bench.soc(), bench.trust()),
        (Some(49.0), Some(Trust::Live))
    );
    // Awake from the start: the drop itself does not count as its confirmation.
    let mut bench = parked("62");
    bench.summary(&[("usable_battery_level", "49")]);
    assert_eq!(bench.trust(), Some(Trust::Conflicting));
    bench.summary(&[]);
    assert_eq!(bench.soc(), Some(62.0));
    bench.summary(&[]);
    assert_eq!(
        (bench.soc(), bench.trust()),
        (Some(49.0), Some(Trust::Live))
    );
}

#[test]
fn a_drive_explains_a_lower_soc_even_if_nobody_saw_it() {
    let mut bench = parked("62");
    bench.summary(&[("state", "driving"), ("shift_state", "D")]);
    bench.summary(&[("state", "offline")]);
    bench.summary(&[
        ("state", "online"),
        ("shift_state", "P"),
        ("usable_battery_level", "40"),
    ]);
    assert_eq!(
        (bench.soc(), bench.trust()),
        (Some(40.0), Some(Trust::Live))
    );
    bench.summary(&[("usable_battery_level", "20"), ("odometer", "1087.5")]);
    assert_eq!(
        (bench.soc(), bench.trust()),
        (Some(20.0), Some(Trust::Live))
    );
    // The drive is over and confirmed: it does not excuse the next jump.
    bench.summary(&[]);
    bench.summary(&[("state", "asleep"), ("usable_battery_level", "9")]);
    assert_eq!(
        (bench.soc(), bench.trust()),
        (Some(20.0), Some(Trust::Conflicting))
    );
}

#[test]
fn a_retained_soc_gives_way_to_the_first_live_one() {
    let mut bench = Bench::new();
    let topic = "teslamate/cars/1/usable_battery_level";
    bench.mirror.handle(bench.now, topic, b"90", true);
    bench
        .mirror
        .handle(bench.now, "teslamate/cars/1/state", b"asleep", true);
    bench.pass(1.0);
    assert_eq!(
        (bench.soc(), bench.trust()),
        (Some(90.0), Some(Trust::Unknown))
    );
    bench.summary(&[("usable_battery_level", "52")]);
    assert_eq!(
        (bench.soc(), bench.trust()),
        (Some(52.0), Some(Trust::Asleep))
    );
}

#[test]
fn retained_values_are_of_unknown_age_until_the_source_lives() {
    let mut bench = Bench::new();
    for (key, payload) in [
        ("state", "asleep"),
        ("usable_battery_level", "52"),
        ("healthy", "true"),
    ] {
        let topic = format!("teslamate/cars/1/{key}");
        bench
            .mirror
            .handle(bench.now, &topic, payload.as_bytes(), true);
    }
    bench.pass(12.0 * 3600.0);
    assert_eq!(
        bench.trust(),
        Some(Trust::Unknown),
        "a retained healthy lies"
    );
    assert!(
        bench
            .told
            .iter()
            .all(|(_, _, value, _)| !matches!(value, VehicleValue::Healthy(_)))
    );
    bench.summary(&[]);
    assert_eq!(bench.trust(), Some(Trust::Asleep));
    // A reconnect replays what is known already: nothing becomes older by that.
    bench.summary(&[("usable_battery_level", "53")]);
    bench.told.clear();
    let topic = "teslamate/cars/1/usable_battery_level";
    bench.mirror.handle(bench.now, topic, b"53", true);
    bench.pass(1.0);
    assert!(bench.told.is_empty(), "{:?}", bench.told);
}

#[test]
fn silence_of_an_awake_cars_source_is_stale() {
    let mut bench = parked("62");
    bench.summary(&[("state", "charging"), ("charging_state", "Charging")]);
    bench.pass(297.0);
    assert_eq!(bench.trust(), Some(Trust::Live));
    bench.pass(5.0);
    assert_eq!(
        bench.trust(),
        Some(Trust::Stale),
        "TeslaMate has stopped while charging"
    );
    assert_eq!(
        (bench.soc(), bench.status()),
        (Some(62.0), Some(ChargeStatus::Charging))
    );
    bench.summary(&[]);
    assert_eq!(bench.trust(), Some(Trust::Live));
}

#[test]
fn a_slow_poller_is_given_the_time_it_has_shown_to_need() {
    let mut bench = parked("62");
    bench.summary(&[("state", "charging")]);
    bench.pass(600.0);
    bench.summary(&[]);
    bench.pass(1700.0);
    assert_eq!(bench.trust(), Some(Trust::Live));
    bench.pass(200.0);
    assert_eq!(
        bench.trust(),
        Some(Trust::Stale),
        "but never more than half an hour"
    );
}

#[test]
fn a_sleeping_car_is_valid_and_its_silence_means_something_only_after_a_rhythm() {
    let mut bench = parked("62");
    bench.summary(&[("state", "asleep")]);
    bench.pass(12.0 * 3600.0);
    assert_eq!(
        (bench.soc(), bench.trust()),
        (Some(62.0), Some(Trust::Asleep))
    );
    for _ in 0..4 {
        bench.pass(29.0);
        bench.summary(&[]);
    }
    bench.pass(40_000.0);
    assert_eq!(bench.trust(), Some(Trust::Stale));
}

#[test]
fn the_rhythm_of_the_sleeping_car_ends_with_the_source() {
    let mut bench = parked("62");
    bench.summary(&[("state", "asleep")]);
    for _ in 0..4 {
        bench.pass(29.0);
        bench.summary(&[]);
    }
    bench.pass(280.0);
    assert_eq!(bench.trust(), Some(Trust::Asleep));
    bench.pass(30.0);
    assert_eq!(bench.trust(), Some(Trust::Stale));
    let mut bench = parked("62");
    bench.summary(&[("state", "suspended")]);
    bench.pass(1300.0);
    assert_eq!(
        bench.trust(),
        Some(Trust::Asleep),
        "a suspended car is polled every 21 min"
    );
    bench.pass(2400.0);
    assert_eq!(bench.trust(), Some(Trust::Stale));
}

#[test]
fn an_unhealthy_source_is_stale_until_it_recovers() {
    let mut bench = parked("62");
    for _ in 0..10 {
        bench.hear("healthy", "false");
        bench.pass(30.0);
    }
    assert_eq!(
        (bench.soc(), bench.trust()),
        (Some(62.0), Some(Trust::Stale))
    );
    let changes = bench
        .told
        .iter()
        .filter(|told| matches!(told.2, VehicleValue::Trust(_)))
        .count();
    assert_eq!(changes, 2, "live, then stale once");
    bench.summary(&[]);
    assert_eq!(bench.trust(), Some(Trust::Live));
}

#[test]
fn a_car_without_contact_is_unknown() {
    let mut bench = Bench::new();
    bench.summary(&[("state", "unavailable")]);
    assert_eq!(bench.trust(), Some(Trust::Unknown));
}

#[test]
fn a_car_that_drives_and_charges_contradicts_itself() {
    let mut bench = parked("62");
    bench.summary(&[("state", "driving"), ("charging_state", "Charging")]);
    assert_eq!(bench.trust(), Some(Trust::Conflicting));
    bench.summary(&[("charging_state", "Disconnected")]);
    assert_eq!(bench.trust(), Some(Trust::Live));
}

#[test]
fn speed_counts_only_while_driving() {
    let mut bench = parked("62");
    bench.summary(&[("state", "driving"), ("shift_state", "D"), ("speed", "87")]);
    assert_eq!(bench.telemetry("speed"), number(87.0));
    bench.summary(&[("state", "online"), ("shift_state", "P")]);
    assert_eq!(
        bench.telemetry("speed"),
        None,
        "TeslaMate leaves the old speed behind"
    );
}

#[test]
fn a_quiet_source_is_told_as_a_sign_of_life_and_nothing_else() {
    let mut bench = parked("62");
    bench.told.clear();
    bench.summary(&[("usable_battery_level", "62"), ("state", "online")]);
    let told: Vec<_> = bench
        .told
        .iter()
        .map(|(_, _, value, origin)| (value.clone(), *origin))
        .collect();
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
    let prefixes = vec![
        "teslamate/cars/1/",
        "teslamate/a/cars/1/",
        "teslamate/cars/99999999999/",
        "x/",
    ];
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
