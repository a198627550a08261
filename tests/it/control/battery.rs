//! Home batteries, boost, welcome charge and wake-up on virtual time.

use chargebus::control::EXTERNAL_TTL;

use chargebus::control::tariff::{Tariff, TariffStatus, Tariffs};

use super::*;

const BATTERY: usize = 2;

fn with_battery(mode: Mode, edit: impl FnOnce(&mut Setup)) -> Bench {
    let mut setup = setup(vec![loadpoint("a")]);
    setup
        .meters
        .push(MeterSetup { controllable: true, ..MeterSetup::new("bat", MeterRole::Battery) });
    edit(&mut setup);
    let mut bench = Bench::new(setup);
    bench.charger(0, ChargerValue::Status(ChargeStatus::Disconnected));
    bench.charger(0, ChargerValue::Enabled(false));
    bench.seconds(1);
    bench.set_mode(0, mode);
    bench
}

impl Bench {
    fn meter(&mut self, meter: usize, value: MeterValue) {
        self.fact(Fact::Meter { meter: MeterIx(meter), value, origin: Origin::Live });
    }

    fn feed(&mut self, watts: f64, soc: f64) {
        self.meter(BATTERY, MeterValue::Power(Watts(watts)));
        self.meter(BATTERY, MeterValue::Soc(Percent(soc)));
    }

    fn status(&mut self, status: ChargeStatus) {
        self.charger(0, ChargerValue::Status(status));
        self.seconds(1);
    }

    fn take_over(&mut self, mode: BatteryMode, ttl: Option<u64>) {
        let ttl = ttl.map(Duration::from_secs);
        self.control.set_battery_mode(self.now, mode, ttl).unwrap();
        self.pass(Duration::from_millis(1));
    }

    fn boost(&mut self, on: bool) -> Result<(), Refusal> {
        self.control.set_battery_boost(self.now, LoadPointIx(0), on)
    }

    /// The charger says that it did what it was told.
    fn obey(&mut self) {
        let on = self.control.loadpoints()[0].enabled;
        self.charger(0, ChargerValue::Enabled(on));
    }

    fn switch(&mut self, mode: Mode) {
        self.set_mode(0, mode);
        self.seconds(5);
        self.obey();
    }

    fn wakes(&self) -> Vec<u64> {
        let wakes =
            self.commands.iter().filter(|(_, _, command)| *command == ChargerCommand::WakeUp);
        wakes.map(|(at, _, _)| *at / 1000).collect()
    }

    fn count(&self, kind: EventKind) -> usize {
        self.events.iter().filter(|event| **event == kind).count()
    }

    /// A second of a house in which the battery covers the import, up to its power.
    fn balanced(&mut self, battery_max: f64, soc: f64) {
        let lp = &self.control.loadpoints()[0];
        let draws = lp.enabled && lp.connected();
        let power = if draws { lp.offered.power(Volts(230.0), 3).0 } else { 0.0 };
        let status = if draws { ChargeStatus::Charging } else { ChargeStatus::Connected };
        self.charger(0, ChargerValue::Power(Watts(power)));
        self.charger(0, ChargerValue::Status(status));
        self.feed(power.min(battery_max), soc);
        self.grid(power - power.min(battery_max));
        self.seconds(1);
    }
}

#[test]
fn an_external_mode_ends_unless_it_is_renewed() {
    let mut bench = with_battery(Mode::Off, |_| {});
    bench.take_over(BatteryMode::Hold, None);
    assert_eq!(bench.batteries, [BatteryMode::Hold]);
    bench.pass(EXTERNAL_TTL - Duration::from_secs(1));
    bench.take_over(BatteryMode::Hold, None);
    bench.pass(EXTERNAL_TTL - Duration::from_secs(1));
    assert_eq!(bench.control.battery().external, Some(BatteryMode::Hold));
    assert_eq!(bench.batteries, [BatteryMode::Hold], "renewing writes nothing");
    bench.seconds(2);
    assert_eq!(bench.control.battery().external, Some(BatteryMode::Unknown));
    assert_eq!(bench.batteries, [BatteryMode::Hold, BatteryMode::Normal]);
    bench.seconds(600);
    assert_eq!(bench.batteries.len(), 2, "nothing is written any more");
}

#[test]
fn an_external_mode_lasts_as_long_as_its_writer_says_and_can_be_given_back() {
    let mut bench = with_battery(Mode::Off, |_| {});
    bench.take_over(BatteryMode::Charge, Some(3600));
    bench.seconds(3598);
    assert_eq!(bench.control.battery().mode, BatteryMode::Charge);
    bench.take_over(BatteryMode::Unknown, None);
    assert_eq!(bench.control.battery().mode, BatteryMode::Normal);
    bench.take_over(BatteryMode::HoldCharge, Some(5));
    bench.seconds(6);
    use BatteryMode::{Charge, HoldCharge, Normal};
    assert_eq!(bench.batteries, [Charge, Normal, HoldCharge, Normal]);
}

#[test]
fn the_battery_is_held_while_a_car_charges_fast() {
    let mut bench = with_battery(Mode::Now, |_| {});
    bench.control.set_battery_discharge_control(bench.now, true).unwrap();
    bench.status(ChargeStatus::Connected);
    assert!(bench.batteries.is_empty());
    bench.status(ChargeStatus::Charging);
    assert_eq!(bench.batteries, [BatteryMode::Hold]);
    bench.take_over(BatteryMode::Normal, None);
    assert_eq!(bench.control.battery().mode, BatteryMode::Normal, "others come first");
    bench.take_over(BatteryMode::Unknown, None);
    assert_eq!(bench.control.battery().mode, BatteryMode::Hold, "and it still charges");
    bench.set_mode(0, Mode::Pv);
    bench.seconds(1);
    assert_eq!(bench.control.battery().mode, BatteryMode::Normal);
    bench.set_mode(0, Mode::Now);
    bench.seconds(1);
    bench.status(ChargeStatus::Connected);
    use BatteryMode::{Hold, Normal};
    assert_eq!(bench.batteries, [Hold, Normal, Hold, Normal, Hold, Normal]);
}

#[test]
fn a_battery_that_feeds_although_it_is_held_is_told_again_and_reported_once() {
    let mut bench = with_battery(Mode::Off, |_| {});
    bench.feed(1500.0, 50.0);
    bench.take_over(BatteryMode::Hold, Some(3600));
    for _ in 0..29 {
        bench.feed(1500.0, 50.0);
        bench.seconds(1);
    }
    assert_eq!((bench.batteries.len(), bench.count(EventKind::BatteryNotHeld)), (1, 0));
    for _ in 0..40 {
        bench.feed(1500.0, 50.0);
        bench.seconds(1);
    }
    assert_eq!(bench.batteries, [BatteryMode::Hold; 3]);
    assert_eq!(bench.count(EventKind::BatteryNotHeld), 1);
    for _ in 0..60 {
        bench.feed(150.0, 50.0);
        bench.seconds(1);
    }
    assert_eq!(bench.batteries.len(), 3, "it obeys");
}

/// The grid price of the coming hour.
fn set_price(bench: &mut Bench, value: f64) {
    let (start, end) = (bench.now.utc, bench.now.utc + chrono::TimeDelta::hours(1));
    let rates = vec![Rate { start, end, value }];
    let (kind, status) = (TariffKind::PriceForecast, TariffStatus::Fresh);
    let grid = Some(Tariff { kind, rates: rates.into(), status });
    bench.control.set_tariffs(bench.now, Tariffs { grid, ..Tariffs::default() });
}

#[test]
fn grid_charge_follows_the_price_and_each_battery_its_own_limit() {
    use BatteryMode::{Charge, Hold, Normal};

    let mut bench = with_battery(Mode::Off, |setup| {
        setup.meters[BATTERY].max_soc = Some(Percent(80.0));
        let other = MeterSetup::new("bat2", MeterRole::Battery);
        setup.meters.push(MeterSetup { controllable: true, ..other });
    });
    bench.control.set_battery_grid_charge_limit(bench.now, Some(0.2)).unwrap();
    bench.feed(0.0, 79.0);
    bench.seconds(1);
    assert!(bench.batteries.is_empty(), "no price, no charge");
    set_price(&mut bench, 0.2);
    bench.seconds(1);
    assert!(bench.control.battery().grid_charge_active);
    assert_eq!(bench.batteries, [Charge, Charge]);
    for (soc, written) in [(80.0, 3), (78.5, 3), (77.0, 4), (79.0, 4)] {
        bench.feed(-1000.0, soc);
        bench.seconds(1);
        assert_eq!(bench.batteries.len(), written, "{soc} %");
    }
    assert_eq!(bench.batteries[2..], [Hold, Charge], "the other one goes on");
    set_price(&mut bench, 0.3);
    bench.seconds(1);
    assert_eq!(bench.batteries[4..], [Normal, Normal]);
}

#[test]
fn boost_draws_from_the_battery_until_its_limit() {
    let mut bench = with_battery(Mode::Pv, |_| {});
    bench.status(ChargeStatus::Connected);
    for _ in 0..10 {
        bench.balanced(12_000.0, 60.0);
    }
    assert_eq!(bench.offered(0), 0.0, "no surplus");
    bench.control.set_battery_boost_limit(bench.now, LoadPointIx(0), Percent(50.0)).unwrap();
    bench.boost(true).unwrap();
    for _ in 0..5 {
        bench.balanced(12_000.0, 60.0);
    }
    assert_eq!((bench.offered(0), bench.why(0)), (16.0, Why::Boost));
    for _ in 0..60 {
        bench.balanced(12_000.0, 50.0);
    }
    assert_eq!((bench.offered(0), bench.why(0)), (16.0, Why::Boost), "exactly at the limit");
    for _ in 0..200 {
        bench.balanced(12_000.0, 49.0);
    }
    assert_eq!(bench.offered(0), 0.0, "below the limit the disable delay runs");
    for _ in 0..120 {
        bench.balanced(12_000.0, 60.0);
    }
    assert_eq!(bench.offered(0), 0.0, "until it is asked for again");
    assert!(bench.control.loadpoints()[0].boost_requested());
    bench.status(ChargeStatus::Disconnected);
    assert!(!bench.control.loadpoints()[0].boost_requested());
}

#[test]
fn boost_settles_at_what_the_battery_can_give() {
    let mut bench = with_battery(Mode::Pv, |_| {});
    bench.status(ChargeStatus::Connected);
    bench.boost(true).unwrap();
    for _ in 0..10 {
        bench.balanced(5000.0, 60.0);
    }
    assert_eq!(bench.offered(0), 16.0, "the battery has its time to come up");
    for _ in 0..120 {
        bench.balanced(5000.0, 60.0);
    }
    let power = bench.offered(0) * 690.0;
    assert!((5000.0..=5000.0 + 100.0 + 690.0).contains(&power), "{power} W");
}

#[test]
fn boost_without_a_battery_that_speaks_draws_nothing() {
    let mut bench = with_battery(Mode::Pv, |_| {});
    bench.status(ChargeStatus::Connected);
    bench.boost(true).unwrap();
    bench.live(30, 0.0);
    assert_eq!(bench.offered(0), 0.0);
}

#[test]
fn a_vehicle_is_welcomed_for_the_disable_delay_even_in_mode_off() {
    let mut bench = with_battery(Mode::Off, |setup| {
        setup.loadpoints[0].charger.features = vec![ChargerFeature::WelcomeCharge];
    });
    bench.status(ChargeStatus::Connected);
    assert_eq!((bench.offered(0), bench.why(0)), (6.0, Why::Welcome));
    assert!(bench.control.loadpoints()[0].welcoming());
    bench.seconds(178);
    assert_eq!(bench.offered(0), 6.0);
    bench.seconds(2);
    assert_eq!((bench.offered(0), bench.why(0)), (0.0, Why::ModeOff));
    assert!(!bench.control.loadpoints()[0].welcoming());
    bench.status(ChargeStatus::Disconnected);
    bench.status(ChargeStatus::Connected);
    assert_eq!(bench.offered(0), 6.0);
    bench.set_mode(0, Mode::Off);
    bench.seconds(1);
    assert_eq!(bench.offered(0), 0.0, "a user who says off means it");
}

#[test]
fn a_vehicle_that_was_there_at_the_start_is_not_welcomed() {
    let mut setup = setup(vec![loadpoint("a")]);
    setup.loadpoints[0].charger.features = vec![ChargerFeature::WelcomeCharge];
    let mut bench = Bench::new(setup);
    bench.charger(0, ChargerValue::Status(ChargeStatus::Connected));
    bench.seconds(5);
    assert_eq!(bench.offered(0), 0.0);
}

fn sleeping(edit: impl FnOnce(&mut Setup)) -> Bench {
    let mut bench = with_battery(Mode::Now, |setup| {
        setup.loadpoints[0].charger.can_wake = true;
        setup.loadpoints[0].vehicle = Some(VehicleIx(0));
        setup.vehicles = vec![VehicleSetup { name: "car".into(), ..VehicleSetup::default() }];
        edit(setup);
    });
    bench.status(ChargeStatus::Connected);
    bench.obey();
    bench
}

#[test]
fn a_sleeping_vehicle_is_woken_three_times_and_then_reported() {
    let mut bench = sleeping(|_| {});
    bench.seconds(3600);
    assert_eq!(bench.wakes(), [31, 91, 151]);
    assert_eq!(bench.count(EventKind::Asleep), 1);
    for _ in 0..9 {
        bench.switch(Mode::Off);
        bench.switch(Mode::Now);
        bench.seconds(400);
    }
    assert_eq!(bench.wakes().len(), 9, "the budget of a day");
    bench.seconds(24 * 3600);
    bench.switch(Mode::Off);
    bench.switch(Mode::Now);
    bench.seconds(400);
    assert_eq!(bench.wakes().len(), 12);
}

#[test]
fn a_vehicle_that_charges_or_is_full_or_must_not_be_woken_is_left_alone() {
    let mut bench = sleeping(|_| {});
    bench.seconds(40);
    bench.status(ChargeStatus::Charging);
    bench.seconds(60);
    bench.status(ChargeStatus::Connected);
    bench.seconds(3600);
    assert_eq!(bench.wakes(), [31], "it charged and has stopped by itself");

    let mut bench = sleeping(|setup| {
        setup.vehicles[0].features = vec![VehicleFeature::WakeUpDisabled];
    });
    bench.seconds(3600);
    assert!(bench.wakes().is_empty());

    let mut bench = sleeping(|_| {});
    for value in
        [VehicleValue::Soc(Some(Percent(80.0))), VehicleValue::LimitSoc(Some(Percent(80.0)))]
    {
        bench.fact(Fact::Vehicle { vehicle: VehicleIx(0), value, origin: Origin::Live });
    }
    bench.seconds(12 * 3600);
    assert!(bench.wakes().is_empty(), "full by its own limit");
    assert_eq!(bench.count(EventKind::Asleep), 0);
}

#[test]
fn a_vehicle_that_wants_a_welcome_gets_it_without_surplus() {
    let welcome = |feature: Option<VehicleFeature>| {
        let mut bench = with_battery(Mode::Pv, |setup| {
            setup.vehicles = vec![VehicleSetup {
                name: "car".into(),
                features: feature.into_iter().collect(),
                ..VehicleSetup::default()
            }];
        });
        bench.grid(300.0);
        bench.seconds(1);
        bench.status(ChargeStatus::Connected);
        (bench.offered(0), bench.why(0))
    };
    assert_eq!(welcome(Some(VehicleFeature::WelcomeCharge)), (6.0, Why::Welcome));
    assert_eq!(welcome(None), (0.0, Why::NoSurplus));
}
