//! Plans in a living core, on virtual time.

mod chain;
mod foresight;
mod worked;

use std::time::Duration;

use chargebus::control::tariff::{Tariff, TariffStatus, Tariffs};
use chargebus::control::{Control, EnergyPlan, LoadPoint, RepeatingPlan, SocPlan, Strategy, Why};
use chargebus::model::*;

use super::*;
use crate::house;
use crate::rhythm::Rhythm;

const CAR: VehicleIx = VehicleIx(0);
const LP: LoadPointIx = LoadPointIx(0);

/// The reference house at `origin`: a car of 75 kWh with 41 % is plugged in, no surplus.
struct Bench {
    control: Control,
    now: Now,
    /// What the car draws of what it is offered.
    share: f64,
    /// Seconds after which meters speak again.
    every: f64,
    energy: f64,
    events: Vec<EventKind>,
}

impl Rhythm for Bench {
    fn core(&mut self) -> &mut Control {
        &mut self.control
    }

    fn clock(&mut self) -> &mut Now {
        &mut self.now
    }

    fn note(&mut self, effect: Effect) {
        if let Effect::Event(event) = effect {
            self.events.push(event.kind);
        }
    }
}

impl Bench {
    fn new(mode: Mode) -> Self {
        Self::with(mode, |_| {})
    }

    fn with(mode: Mode, edit: impl FnOnce(&mut Setup)) -> Self {
        let mut bench = Self::silent(edit);
        bench.charger(ChargerValue::Status(ChargeStatus::Disconnected));
        bench.charger(ChargerValue::Status(ChargeStatus::Connected));
        bench.control.set_mode(bench.now, LP, mode).unwrap();
        bench.minutes(0.5);
        bench
    }

    /// Settings are restored; the charger has not spoken yet.
    fn after_restart(restore: impl FnOnce(&mut Control, Now)) -> Self {
        let mut bench = Self::silent(|_| {});
        restore(&mut bench.control, bench.now);
        bench.control.set_mode(bench.now, LP, Mode::Pv).unwrap();
        bench
    }

    fn silent(edit: impl FnOnce(&mut Setup)) -> Self {
        let now = Now { mono: Mono(1_000_000), utc: origin() };
        let mut setup = house::setup();
        setup.loadpoints[0].charger.phase_switching = false;
        setup.loadpoints[0].phases_configured = 3;
        setup.loadpoints[0].default_mode = None;
        edit(&mut setup);
        let control = Control::new(setup, now);
        let mut bench =
            Self { control, now, share: 1.0, every: 5.0, energy: 100.0, events: vec![] };
        bench.vehicle(VehicleValue::Soc(Some(Percent(41.0))));
        bench.charger(ChargerValue::Energy(KilowattHours(bench.energy)));
        bench
    }

    /// The same of the second load point.
    fn charger_two(&mut self, value: ChargerValue) {
        let fact = Fact::Charger { lp: LoadPointIx(1), value, origin: Origin::Live };
        self.control.handle(self.now, fact);
    }

    fn charger(&mut self, value: ChargerValue) {
        let fact = Fact::Charger { lp: LP, value, origin: Origin::Live };
        self.control.handle(self.now, fact);
    }

    fn vehicle(&mut self, value: VehicleValue) {
        let fact = Fact::Vehicle { vehicle: CAR, value, origin: Origin::Live };
        self.control.handle(self.now, fact);
    }

    fn lp(&self) -> &LoadPoint {
        &self.control.loadpoints()[0]
    }

    fn offset(&self) -> f64 {
        (self.now.utc - origin()).as_seconds_f64() / 60.0
    }

    fn plan(&mut self, target: f64, soc: f64) {
        let plan = SocPlan { time: at(target), soc: Percent(soc) };
        self.control.set_plan_soc(self.now, CAR, Some(plan)).unwrap();
    }

    /// The core is woken exactly when it asks to be, until `end`.
    fn wakes(&mut self, end: Now) {
        self.pass_until(end, 1000);
    }

    /// Time passes; meters speak, the car draws.
    fn minutes(&mut self, minutes: f64) {
        for _ in 0..(minutes * 60.0 / self.every).round() as usize {
            let lp = self.lp();
            let connected = lp.connected();
            let draws = lp.enabled && connected && self.share > 0.0;
            let power = if draws { lp.offered.0 * 690.0 * self.share } else { 0.0 };
            self.energy += power * self.every / 3_600_000.0;
            let grid = MeterValue::Power(Watts(500.0 + power));
            let fact = Fact::Meter { meter: MeterIx(0), value: grid, origin: Origin::Live };
            self.control.handle(self.now, fact);
            self.charger(ChargerValue::Power(Watts(power)));
            self.charger(ChargerValue::Energy(KilowattHours(self.energy)));
            if connected {
                let status = if draws { ChargeStatus::Charging } else { ChargeStatus::Connected };
                self.charger(ChargerValue::Status(status));
            }
            self.wakes(self.now.later(Duration::from_secs_f64(self.every)));
        }
    }

    /// Minutes at which charging starts and stops until `end`, to when meters speak.
    fn legs(&mut self, end: f64) -> Vec<(bool, f64)> {
        let mut legs = Vec::new();
        let mut on = self.lp().enabled;
        while self.offset() < end {
            self.minutes(self.every / 60.0);
            if self.lp().enabled != on {
                on = !on;
                legs.push((on, self.offset()));
            }
        }
        legs
    }
}

#[test]
fn a_plan_starts_at_the_right_second_and_ends_with_its_goal() {
    let mut bench = Bench::new(Mode::Pv);
    bench.plan(600.0, 80.0);
    bench.minutes(1.0);
    // 34.41 kWh at 11.04 kW, as in D-02: 3:07:01.
    let start = at(600.0) - TimeDelta::seconds(11_221);
    assert_eq!(bench.lp().plan.projected, Some((start, at(600.0))));
    assert_eq!(bench.lp().decision.why, Why::NoSurplus);
    let mut before = bench.now;
    while !bench.lp().plan.active {
        assert!(bench.now.utc < at(600.0), "never started");
        before = bench.now;
        let due = bench.control.deadline().0;
        let grid = MeterValue::Power(Watts(500.0));
        let fact = Fact::Meter { meter: MeterIx(0), value: grid, origin: Origin::Live };
        bench.control.handle(bench.now, fact);
        bench.now = bench.now.later(due.since(bench.now.mono));
        bench.control.handle_timeout(bench.now);
        bench.drain();
    }
    assert_eq!(bench.now.utc, start);
    assert!(before.utc < start);
    assert_eq!(bench.lp().offered, Amps(16.0));
    let legs = bench.legs(620.0);
    assert_eq!(legs.len(), 1, "{legs:?}");
    assert!(!legs[0].0 && (595.0..602.0).contains(&legs[0].1), "{legs:?}");
    assert_eq!(bench.control.vehicles()[0].settings.plan, None);
    assert_eq!(bench.lp().plan.goal, None);
    assert!(bench.control.soc(LP).unwrap().0 >= 79.9);
}

#[test]
fn a_plan_that_is_late_goes_on_after_its_time_and_says_so_once() {
    let mut bench = Bench::new(Mode::Pv);
    bench.share = 0.7;
    bench.plan(200.0, 80.0);
    let legs = bench.legs(240.0);
    assert!(matches!(legs[..], [(true, _)]), "{legs:?}");
    assert_eq!(bench.lp().decision.why, Why::PlanLate);
    assert!(bench.lp().plan.overrun > Duration::from_secs(600));
    assert_eq!(bench.lp().plan.goal.map(|goal| goal.id), Some(1));
    let overruns = bench.events.iter().filter(|kind| **kind == EventKind::PlanOverrun);
    assert_eq!(overruns.count(), 1);
    let legs = bench.legs(320.0);
    assert!(matches!(legs[..], [(false, _)]), "{legs:?}");
    assert_eq!(bench.control.vehicles()[0].settings.plan, None);
}

#[test]
fn the_cheap_hours_are_used_and_no_others() {
    let mut bench = Bench::new(Mode::Pv);
    let prices = [0.30, 0.30, 0.10, 0.30, 0.10, 0.30, 0.30, 0.30];
    let planner = (0..8_u8).map(|hour| {
        let start = f64::from(hour) * 60.0;
        rate(start, start + 60.0, prices[usize::from(hour)])
    });
    let planner = Tariff {
        kind: TariffKind::PriceForecast,
        rates: planner.collect(),
        status: TariffStatus::Fresh,
    };
    let tariffs = Tariffs { planner: Some(planner), ..Tariffs::default() };
    bench.control.set_tariffs(bench.now, tariffs);
    // Two hours' worth.
    bench.plan(480.0, 66.0);
    let legs = bench.legs(480.0);
    let on: Vec<_> = legs.iter().map(|(on, at)| (*on, at.round())).collect();
    assert_eq!(on.len(), 4, "{legs:?}");
    assert_eq!((on[0], on[1], on[2]), ((true, 120.0), (false, 180.0), (true, 240.0)));
    assert!(!on[3].0 && on[3].1 <= 301.0, "{legs:?}");
}

#[test]
fn off_beats_a_plan_and_the_plan_comes_back() {
    let mut bench = Bench::new(Mode::Off);
    bench.plan(120.0, 80.0);
    bench.minutes(5.0);
    assert!(!bench.lp().enabled);
    assert_eq!(bench.lp().decision.why, Why::ModeOff);
    bench.control.set_mode(bench.now, LP, Mode::Pv).unwrap();
    bench.minutes(1.0);
    assert_eq!((bench.lp().enabled, bench.lp().decision.why), (true, Why::Plan));
    bench.charger(ChargerValue::Status(ChargeStatus::Connected));
    bench.charger(ChargerValue::Status(ChargeStatus::Disconnected));
    bench.minutes(1.0);
    assert!(!bench.lp().plan.active);
    assert_eq!(bench.lp().decision.why, Why::Disconnected);
}

#[test]
fn a_car_that_is_to_be_full_keeps_its_power_until_it_leaves() {
    let mut bench = Bench::new(Mode::Pv);
    bench.plan(30.0, 100.0);
    bench.minutes(20.0);
    assert!(bench.lp().plan.active);
    bench.vehicle(VehicleValue::Soc(Some(Percent(100.0))));
    bench.share = 0.0;
    bench.minutes(60.0);
    assert!(bench.lp().plan.active && bench.lp().enabled);
    bench.charger(ChargerValue::Status(ChargeStatus::Disconnected));
    bench.minutes(1.0);
    assert!(!bench.lp().plan.active && !bench.lp().enabled);
    assert_eq!(bench.control.vehicles()[0].settings.plan, None);
}

#[test]
fn an_edit_lets_go_of_what_was_pursued() {
    let mut bench = Bench::new(Mode::Pv);
    bench.plan(60.0, 80.0);
    bench.minutes(5.0);
    assert!(bench.lp().plan.active);
    bench.plan(900.0, 80.0);
    bench.minutes(1.0);
    assert_eq!(bench.lp().plan.goal.map(|goal| goal.time), Some(at(900.0)));
    assert!(!bench.lp().plan.active);
    assert_eq!(bench.lp().plan.overrun, Duration::ZERO);
    let past = SocPlan { time: at(1.0), soc: Percent(80.0) };
    assert!(bench.control.set_plan_soc(bench.now, CAR, Some(past)).is_err());
    bench.control.set_plan_soc(bench.now, CAR, None).unwrap();
    bench.minutes(1.0);
    assert_eq!(bench.lp().plan.goal, None);
}

#[test]
fn energy_plans_count_from_when_they_were_set() {
    let mut bench = Bench::new(Mode::Now);
    bench.control.set_vehicle(bench.now, LP, None).unwrap();
    bench.minutes(60.0);
    bench.control.set_mode(bench.now, LP, Mode::Pv).unwrap();
    let set_at = bench.lp().session().energy.0;
    let plan = EnergyPlan { time: at(400.0), energy: KilowattHours(11.04) };
    bench.control.set_plan_energy(bench.now, LP, Some(plan)).unwrap();
    bench.minutes(10.0);
    assert_eq!(bench.lp().plan.goal.map(|goal| goal.time), Some(at(400.0)));
    let strategy = Strategy { continuous: true, ..Strategy::default() };
    bench.control.set_plan_strategy(bench.now, LP, strategy).unwrap();
    let legs = bench.legs(420.0);
    let starts: Vec<_> = legs.iter().filter(|(on, _)| *on).map(|(_, at)| at.round()).collect();
    // The minutes of the disable delay counted already.
    assert_eq!(starts, [341.0], "{legs:?}");
    assert_eq!(bench.lp().settings.plan, None);
    assert!(bench.lp().plan.strategy.continuous);
    let charged = bench.lp().session().energy.0 - set_at;
    assert!((10_900.0..11_400.0).contains(&charged), "{charged}");
}

#[test]
fn repeating_plans_wait_for_their_turn_and_stay() {
    let mut bench = Bench::new(Mode::Pv);
    let all = [0, 1, 2, 3, 4, 5, 6];
    let due = at(240.0).format("%H:%M").to_string();
    let daily = RepeatingPlan::new(&all, &due, "UTC", Percent(80.0), true).unwrap();
    let full = RepeatingPlan::new(&all, &due, "UTC", Percent(30.0), true).unwrap();
    bench.control.set_repeating_plans(bench.now, CAR, vec![full, daily]).unwrap();
    bench.minutes(1.0);
    let goal = bench.lp().plan.goal.unwrap();
    assert_eq!((goal.id, goal.time), (3, at(240.0)));
    let legs = bench.legs(300.0);
    assert_eq!(legs.iter().map(|(on, _)| *on).collect::<Vec<_>>(), [true, false], "{legs:?}");
    assert_eq!(bench.control.vehicles()[0].settings.repeating.len(), 2);
}

#[test]
fn the_estimate_moves_between_the_car_s_words_and_yields_to_them() {
    let mut bench = Bench::new(Mode::Now);
    bench.minutes(30.0);
    // 5.52 kWh into 75 kWh at 85 %.
    let estimate = bench.control.soc(LP).unwrap().0;
    assert!((47.0..47.4).contains(&estimate), "{estimate}");
    let remaining = bench.control.remaining(LP);
    let energy = remaining.energy.unwrap().0;
    assert!((energy - (100.0 - estimate) * 882.35).abs() < 10.0, "{energy}");
    let duration = remaining.duration.unwrap();
    assert!((4.0..5.5).contains(&(duration.as_secs_f64() / 3600.0)), "{duration:?}");
    bench.vehicle(VehicleValue::Soc(Some(Percent(45.0))));
    assert_eq!(bench.control.soc(LP), Some(Percent(45.0)));
    bench.vehicle(VehicleValue::LimitSoc(Some(Percent(60.0))));
    let energy = bench.control.remaining(LP).energy.unwrap().0;
    assert!((energy - 15.0 * 882.35).abs() < 10.0, "{energy}");
    bench.share = 0.0;
    bench.minutes(1.0);
    assert_eq!(bench.control.remaining(LP).duration, None);
    bench.charger(ChargerValue::Status(ChargeStatus::Disconnected));
    assert_eq!(bench.control.soc(LP), Some(Percent(45.0)));
}
