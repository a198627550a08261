//! Devices that fall silent and come back, as people hear of them (users.md row 35).

use std::collections::BTreeSet;

use super::*;

const GRID: Device = Device::Meter(MeterIx(0));
const BOX: Device = Device::Charger(LoadPointIx(0));
const CAR: Device = Device::Vehicle(VehicleIx(0));

impl Bench {
    /// The grid meter speaks every second.
    fn metered(&mut self, seconds: u64) {
        for _ in 0..seconds {
            self.grid(0.0);
            self.seconds(1);
        }
    }

    /// What has been told of a device since this was asked last.
    fn told_of(&mut self, device: Device) -> Vec<EventKind> {
        let events = std::mem::take(&mut self.events).into_iter();
        events.filter(|kind| kind.device().is_some_and(|(of, _)| of == device)).collect()
    }

    fn names(&mut self, device: Device) -> Vec<&'static str> {
        self.told_of(device).into_iter().map(EventKind::as_str).collect()
    }
}

#[test]
fn a_silent_meter_is_told_once_and_so_is_its_return() {
    let mut bench = Bench::new(setup(vec![loadpoint("a")]));
    bench.metered(30);
    assert_eq!(bench.told_of(GRID), []);
    let last = bench.now.utc - chrono::TimeDelta::seconds(1);
    bench.seconds(25);
    assert_eq!(bench.told_of(GRID), [EventKind::DeviceFailed(GRID, last)]);
    bench.seconds(3600);
    assert_eq!(bench.told_of(GRID), []);
    let back = bench.now.utc;
    bench.metered(29);
    assert_eq!(bench.told_of(GRID), [], "a few words are no return");
    bench.metered(5);
    let told = bench.told_of(GRID);
    let [EventKind::DeviceRecovered(GRID, since)] = told[..] else { panic!("{told:?}") };
    assert!(since - back < chrono::TimeDelta::seconds(2), "{since}, {back}");
}

#[test]
fn a_device_that_flaps_is_told_of_six_times_an_hour_and_how_it_ends() {
    let mut bench = Bench::new(setup(vec![loadpoint("a")]));
    for _ in 0..55 {
        bench.metered(40);
        bench.seconds(25);
    }
    let told = bench.names(GRID);
    assert_eq!(told, ["devicefailed", "devicerecovered"].repeat(3));
    // It ends well, and that was told last.
    bench.metered(3600);
    assert_eq!(bench.names(GRID), [""; 0]);
    // It ends badly, and that is told when there is room again.
    for _ in 0..10 {
        bench.seconds(25);
        bench.metered(40);
    }
    assert_eq!(bench.told_of(GRID).len(), 6);
    bench.seconds(3700);
    assert_eq!(bench.names(GRID), ["devicefailed"]);
}

#[test]
fn a_charger_is_missed_when_it_never_speaks_or_no_more() {
    let mut bench = Bench::new(setup(vec![loadpoint("a")]));
    bench.seconds(55);
    assert_eq!(bench.names(BOX), [""; 0]);
    bench.seconds(20);
    assert_eq!(bench.names(BOX), ["devicefailed"]);
    bench.charger(0, ChargerValue::Status(ChargeStatus::Connected));
    bench.seconds(45);
    assert_eq!(bench.names(BOX), ["devicerecovered"]);
    // It may say nothing for long while nothing happens, but not while it charges.
    bench.charger(0, ChargerValue::Power(Watts(0.0)));
    bench.seconds(600);
    assert_eq!(bench.names(BOX), [""; 0]);
    bench.charger(0, ChargerValue::Status(ChargeStatus::Charging));
    for _ in 0..30 {
        bench.charger(0, ChargerValue::Power(Watts(7000.0)));
        bench.seconds(1);
    }
    assert_eq!(bench.names(BOX), [""; 0]);
    bench.seconds(300);
    assert_eq!(bench.names(BOX), ["devicefailed"]);
    bench.charger(0, ChargerValue::Status(ChargeStatus::Connected));
    bench.seconds(60);
    assert_eq!(bench.names(BOX), ["devicerecovered"]);
    // What its own timeout says counts always.
    bench.charger(0, ChargerValue::Lost(ChargerAttribute::Status));
    bench.seconds(20);
    assert_eq!(bench.names(BOX), ["devicefailed"]);
}

#[test]
fn a_car_is_missed_when_its_source_is_gone() {
    let mut setup = setup(vec![loadpoint("a")]);
    setup.vehicles = vec![VehicleSetup { name: "ev".into(), ..VehicleSetup::default() }];
    let mut bench = Bench::new(setup);
    let trust = |bench: &mut Bench, trust| {
        let (vehicle, value) = (VehicleIx(0), VehicleValue::Trust(trust));
        bench.fact(Fact::Vehicle { vehicle, value, origin: Origin::Live });
        bench.seconds(60);
        bench.names(CAR)
    };
    assert_eq!(trust(&mut bench, Trust::Live), [""; 0]);
    assert_eq!(trust(&mut bench, Trust::Asleep), [""; 0]);
    assert_eq!(trust(&mut bench, Trust::Stale), ["devicefailed"]);
    assert_eq!(trust(&mut bench, Trust::Live), ["devicerecovered"]);
}

#[test]
fn a_device_that_answers_with_errors_is_missed() {
    let mut setup = setup(vec![loadpoint("a")]);
    setup.loadpoints[0].charger.name = "wallbox".into();
    let mut bench = Bench::new(setup);
    bench.charger(0, ChargerValue::Status(ChargeStatus::Connected));
    bench.control.set_faulty(BTreeSet::from(["wallbox".to_owned()]));
    bench.seconds(50);
    assert_eq!(bench.names(BOX), [""; 0], "it is given time after the start");
    bench.seconds(30);
    assert_eq!(bench.names(BOX), ["devicefailed"]);
    bench.control.set_faulty(BTreeSet::new());
    bench.seconds(60);
    assert_eq!(bench.names(BOX), ["devicerecovered"]);
}
