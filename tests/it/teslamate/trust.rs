//! What is believed, and how far.

use chargebus::model::{ChargeStatus, Trust, VehicleValue};

use super::{Bench, parked};

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
    assert_eq!(bench.soc(), Some(62.0), "polls of a sleeping car confirm nothing");
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
    assert_eq!((bench.soc(), bench.trust()), (Some(49.0), Some(Trust::Conflicting)));
    bench.summary(&[("usable_battery_level", "49")]);
    assert_eq!((bench.soc(), bench.trust()), (Some(49.0), Some(Trust::Asleep)));
}

#[test]
fn a_doubted_soc_is_believed_after_two_polls_of_the_awake_car() {
    let mut bench = parked("62");
    bench.summary(&[("state", "asleep"), ("usable_battery_level", "49")]);
    bench.summary(&[("state", "online")]);
    assert_eq!((bench.soc(), bench.trust()), (Some(62.0), Some(Trust::Conflicting)));
    bench.summary(&[]);
    assert_eq!((bench.soc(), bench.trust()), (Some(49.0), Some(Trust::Live)));
    // Awake from the start: the drop itself does not count as its confirmation.
    let mut bench = parked("62");
    bench.summary(&[("usable_battery_level", "49")]);
    assert_eq!(bench.trust(), Some(Trust::Conflicting));
    bench.summary(&[]);
    assert_eq!(bench.soc(), Some(62.0));
    bench.summary(&[]);
    assert_eq!((bench.soc(), bench.trust()), (Some(49.0), Some(Trust::Live)));
}

#[test]
fn a_drive_explains_a_lower_soc_even_if_nobody_saw_it() {
    let mut bench = parked("62");
    bench.summary(&[("state", "driving"), ("shift_state", "D")]);
    bench.summary(&[("state", "offline")]);
    bench.summary(&[("state", "online"), ("shift_state", "P"), ("usable_battery_level", "40")]);
    assert_eq!((bench.soc(), bench.trust()), (Some(40.0), Some(Trust::Live)));
    bench.summary(&[("usable_battery_level", "20"), ("odometer", "1087.5")]);
    assert_eq!((bench.soc(), bench.trust()), (Some(20.0), Some(Trust::Live)));
    // The drive is over and confirmed: it does not excuse the next jump.
    bench.summary(&[]);
    bench.summary(&[("state", "asleep"), ("usable_battery_level", "9")]);
    assert_eq!((bench.soc(), bench.trust()), (Some(20.0), Some(Trust::Conflicting)));
}

#[test]
fn a_retained_soc_gives_way_to_the_first_live_one() {
    let mut bench = Bench::new();
    let topic = "teslamate/cars/1/usable_battery_level";
    bench.mirror.handle(bench.now, topic, b"90", true);
    bench.mirror.handle(bench.now, "teslamate/cars/1/state", b"asleep", true);
    bench.pass(1.0);
    assert_eq!((bench.soc(), bench.trust()), (Some(90.0), Some(Trust::Unknown)));
    bench.summary(&[("usable_battery_level", "52")]);
    assert_eq!((bench.soc(), bench.trust()), (Some(52.0), Some(Trust::Asleep)));
}

#[test]
fn retained_values_are_of_unknown_age_until_the_source_lives() {
    let mut bench = Bench::new();
    for (key, payload) in [("state", "asleep"), ("usable_battery_level", "52"), ("healthy", "true")]
    {
        let topic = format!("teslamate/cars/1/{key}");
        bench.mirror.handle(bench.now, &topic, payload.as_bytes(), true);
    }
    bench.pass(12.0 * 3600.0);
    assert_eq!(bench.trust(), Some(Trust::Unknown), "a retained healthy lies");
    assert!(bench.told.iter().all(|(_, _, value, _)| !matches!(value, VehicleValue::Healthy(_))));
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
    assert_eq!(bench.trust(), Some(Trust::Stale), "TeslaMate has stopped while charging");
    assert_eq!((bench.soc(), bench.status()), (Some(62.0), Some(ChargeStatus::Charging)));
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
    assert_eq!(bench.trust(), Some(Trust::Stale), "but never more than half an hour");
}

#[test]
fn a_sleeping_car_is_valid_and_its_silence_means_something_only_after_a_rhythm() {
    let mut bench = parked("62");
    bench.summary(&[("state", "asleep")]);
    bench.pass(12.0 * 3600.0);
    assert_eq!((bench.soc(), bench.trust()), (Some(62.0), Some(Trust::Asleep)));
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
    assert_eq!(bench.trust(), Some(Trust::Asleep), "a suspended car is polled every 21 min");
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
    assert_eq!((bench.soc(), bench.trust()), (Some(62.0), Some(Trust::Stale)));
    let changes = bench.told.iter().filter(|told| matches!(told.2, VehicleValue::Trust(_))).count();
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
fn every_state_has_its_own_rhythm() {
    let mut bench = parked("62");
    bench.summary(&[("state", "charging")]);
    bench.pass(600.0);
    bench.summary(&[]);
    bench.summary(&[("state", "online")]);
    bench.pass(310.0);
    assert_eq!(bench.trust(), Some(Trust::Stale), "the slow polls were another state's");
}
