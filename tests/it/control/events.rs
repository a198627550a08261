//! What people hear of: each event once, and only what is news (plans-vehicles-devices.md §9.1).

use super::*;

/// A site with one load point and these vehicles, at which nobody is plugged in.
fn empty(vehicles: &[&str], default: Option<VehicleIx>) -> Bench {
    let mut setup = setup(vec![LoadPointSetup { vehicle: default, ..loadpoint("a") }]);
    let vehicle = |name: &&str| VehicleSetup { name: (*name).into(), ..VehicleSetup::default() };
    setup.vehicles = vehicles.iter().map(vehicle).collect();
    let mut bench = Bench::new(setup);
    bench.charger(0, ChargerValue::Status(ChargeStatus::Disconnected));
    bench.seconds(1);
    bench
}

impl Bench {
    fn plug(&mut self, status: ChargeStatus) {
        self.charger(0, ChargerValue::Status(status));
        self.seconds(1);
    }

    fn car(&mut self, vehicle: usize, value: VehicleValue) {
        let vehicle = VehicleIx(vehicle);
        self.fact(Fact::Vehicle { vehicle, value, origin: Origin::Live });
        self.seconds(1);
    }

    fn soc(&mut self, soc: Option<f64>) {
        self.car(0, VehicleValue::Soc(soc.map(Percent)));
    }

    /// What has been told since this was asked last.
    fn heard(&mut self) -> Vec<&'static str> {
        let events = std::mem::take(&mut self.events).into_iter().map(EventKind::as_str);
        // The meters of this site say nothing.
        events.filter(|event| !["metersilent", "devicefailed"].contains(event)).collect()
    }
}

#[test]
fn every_change_is_told_once() {
    let mut bench = empty(&[], None);
    assert_eq!(bench.heard(), [""; 0], "what is found at start is no news");
    bench.plug(ChargeStatus::Charging);
    assert_eq!(bench.heard(), ["connect", "start"]);
    // After a reconnect everything is heard again.
    bench.plug(ChargeStatus::Charging);
    assert_eq!(bench.heard(), [""; 0]);
    bench.plug(ChargeStatus::Disconnected);
    assert_eq!(bench.heard(), ["stop", "disconnect"]);
    bench.plug(ChargeStatus::Disconnected);
    assert_eq!(bench.heard(), [""; 0]);
}

#[test]
fn whoever_is_plugged_in_at_start_is_not_announced() {
    let mut bench = Bench::new(setup(vec![loadpoint("a")]));
    bench.plug(ChargeStatus::Charging);
    assert_eq!(bench.heard(), ["start"], "a charge that runs is news, as in evcc");
    bench.plug(ChargeStatus::Disconnected);
    assert_eq!(bench.heard(), ["stop", "disconnect"]);
}

#[test]
fn a_vehicle_is_announced_when_it_is_known() {
    let mut bench = empty(&["ev1", "ev2"], None);
    bench.plug(ChargeStatus::Connected);
    assert_eq!(bench.heard(), [""; 0], "nobody knows who it is");
    bench.car(1, VehicleValue::Status(Some(ChargeStatus::Connected)));
    assert_eq!(bench.heard(), ["connect"]);
    assert_eq!(bench.control.loadpoints()[0].vehicle, Some(VehicleIx(1)));
    bench.seconds(700);
    assert_eq!(bench.heard(), [""; 0]);
}

#[test]
fn a_stranger_is_a_guest_after_ten_minutes() {
    let mut bench = empty(&["ev1", "ev2"], None);
    bench.plug(ChargeStatus::Connected);
    bench.seconds(590);
    assert_eq!(bench.heard(), [""; 0]);
    bench.seconds(20);
    assert_eq!(bench.heard(), ["connect", "guest"]);
    bench.seconds(1200);
    assert_eq!(bench.heard(), [""; 0], "told once");
    bench.plug(ChargeStatus::Disconnected);
    assert_eq!(bench.heard(), ["disconnect"]);
}

#[test]
fn who_leaves_unknown_was_never_there() {
    let mut bench = empty(&["ev1", "ev2"], None);
    bench.plug(ChargeStatus::Connected);
    bench.seconds(60);
    bench.plug(ChargeStatus::Disconnected);
    bench.seconds(700);
    assert_eq!(bench.heard(), [""; 0]);
}

#[test]
fn the_charge_is_told_in_steps_of_ten_per_cent() {
    let mut bench = empty(&["ev1"], Some(VehicleIx(0)));
    bench.soc(Some(58.0));
    assert_eq!(bench.heard(), [""; 0], "it does not stand here");
    bench.plug(ChargeStatus::Connected);
    assert_eq!(bench.heard(), ["connect"], "the first value is no news (W-29)");
    for (soc, told) in [
        (Some(59.0), [].as_slice()),
        (None, &[]),
        (Some(60.0), &["soc"]),
        (Some(60.0), &[]),
        (Some(69.9), &[]),
        (Some(85.0), &["soc"]),
        (Some(79.0), &[]),
        (Some(86.0), &[]),
        (Some(90.0), &["soc"]),
    ] {
        bench.soc(soc);
        assert_eq!(bench.heard(), told, "{soc:?}");
    }
    bench.plug(ChargeStatus::Disconnected);
    bench.soc(Some(31.0));
    bench.heard();
    bench.plug(ChargeStatus::Connected);
    bench.soc(Some(39.0));
    assert_eq!(bench.heard(), ["connect"]);
    bench.soc(Some(40.5));
    assert_eq!(bench.events, [EventKind::Soc(41)]);
}

#[test]
fn another_vehicle_starts_anew() {
    let mut bench = empty(&["ev1", "ev2"], Some(VehicleIx(0)));
    bench.car(1, VehicleValue::Soc(Some(Percent(20.0))));
    bench.soc(Some(55.0));
    bench.plug(ChargeStatus::Connected);
    bench.heard();
    bench.control.set_vehicle(bench.now, LoadPointIx(0), Some(VehicleIx(1))).unwrap();
    bench.seconds(1);
    assert_eq!(bench.heard(), [""; 0]);
    bench.car(1, VehicleValue::Soc(Some(Percent(31.0))));
    assert_eq!(bench.heard(), ["soc"]);
}
