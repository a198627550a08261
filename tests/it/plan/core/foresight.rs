//! Plans that hold: what is told in time, what is learned, and what a restart does not lose.

use chargebus::control::{Preview, Refusal, Wanted};

use super::*;

impl Bench {
    fn count(&self, kind: EventKind) -> usize {
        self.events.iter().filter(|event| **event == kind).count()
    }

    fn minutes_until(&mut self, offset: f64) {
        self.minutes(offset - self.offset());
    }

    fn status(&mut self, status: ChargeStatus) {
        self.charger(ChargerValue::Status(status));
    }

    fn preview(&self, wanted: &Wanted) -> Result<Preview, Refusal> {
        self.control.preview(self.now, LP, wanted, None)
    }
}

#[test]
fn a_car_that_is_slower_than_its_wallbox_is_told_of_hours_ahead() {
    let mut bench = Bench::new(Mode::Pv);
    bench.share = 0.85;
    bench.plan(600.0, 80.0);
    bench.minutes_until(412.0);
    assert_eq!(bench.count(EventKind::PlanOverrun), 0);
    // It starts at 413 for three hours and needs 33 min more.
    bench.minutes_until(420.0);
    assert_eq!(bench.count(EventKind::PlanOverrun), 1, "more than an hour ahead");
    let late = bench.lp().plan.overrun.as_secs() / 60;
    assert!((28..36).contains(&late), "{late} min");
    bench.minutes_until(660.0);
    assert_eq!(bench.count(EventKind::PlanOverrun), 1);
    assert_eq!(bench.control.vehicles()[0].settings.plan, None, "reached all the same");
}

#[test]
fn what_was_learned_of_a_car_lets_the_next_plan_hold() {
    let mut bench = Bench::new(Mode::Now);
    bench.share = 0.85;
    bench.minutes(30.0);
    let share = bench.control.vehicles()[0].learned.shares[&LP];
    assert!((0.849..0.851).contains(&share), "{share}");
    bench.status(ChargeStatus::Disconnected);
    bench.control.set_mode(bench.now, LP, Mode::Pv).unwrap();
    bench.minutes(1.0);
    bench.vehicle(VehicleValue::Soc(Some(Percent(41.0))));
    bench.status(ChargeStatus::Connected);
    bench.plan(600.0, 80.0);
    let legs = bench.legs(620.0);
    // 187 min at full power are 220 min at 85 %; of the reserve of 5 % nothing is needed.
    let [(true, start), (false, end)] = legs[..] else { panic!("{legs:?}") };
    assert!((368.0..371.0).contains(&start), "{legs:?}");
    assert!((588.0..593.0).contains(&end), "{legs:?}");
    assert_eq!(bench.count(EventKind::PlanOverrun), 0);
}

#[test]
fn a_car_near_its_end_or_held_back_teaches_nothing() {
    let mut bench = Bench::new(Mode::Now);
    bench.share = 0.4;
    bench.vehicle(VehicleValue::Soc(Some(Percent(85.0))));
    bench.minutes(10.0);
    let learned = bench.control.vehicles()[0].learned.clone();
    assert_eq!(learned, Default::default(), "it may taper, and nobody knows its usual power");
    bench.vehicle(VehicleValue::Soc(Some(Percent(50.0))));
    bench.control.set_max_current(bench.now, LP, Amps(16.0)).unwrap();
    bench.minutes(10.0);
    assert_eq!(bench.control.vehicles()[0].learned.shares.len(), 1);
}

#[test]
fn how_a_car_tapers_is_learned_step_by_step_and_planned_with() {
    let mut bench = Bench::new(Mode::Now);
    bench.share = 0.9;
    bench.minutes(10.0);
    for (soc, share) in [(81.0, 0.9), (86.0, 0.72), (91.0, 0.45), (96.0, 0.18)] {
        bench.vehicle(VehicleValue::Soc(Some(Percent(soc))));
        bench.share = share;
        bench.minutes(6.0);
    }
    let learned = bench.control.vehicles()[0].learned.clone();
    for (step, expected) in learned.taper.into_iter().zip([1.0, 0.8, 0.5, 0.2]) {
        let share = step.unwrap();
        assert!((share - expected).abs() < 0.03, "{:?}", learned.taper);
    }
    let usual = learned.shares[&LP];
    assert!((0.899..0.901).contains(&usual), "{usual}");
    bench.vehicle(VehicleValue::Soc(Some(Percent(80.0))));
    bench.share = 0.9;
    bench.minutes(0.5);
    let to = |soc: f64| hours_to(&bench, soc);
    // 5 % are 3.75 kWh: what it gained in this session was more than it was given.
    let step = 75.0 * 0.05 / (16.0 * 0.69 * usual);
    assert!((to(85.0) - step).abs() < 0.02, "{} {step}", to(85.0));
    let whole = step * (1.0 + 1.0 / 0.8 + 1.0 / 0.5 + 1.0 / 0.2);
    assert!((to(100.0) - whole).abs() < 0.25, "{} {whole}", to(100.0));
    bench.control.set_taper(bench.now, CAR, [None; 4]).unwrap();
    assert!(hours_to(&bench, 100.0) < whole / 1.5, "the line of all cars again");
}

fn hours_to(bench: &Bench, soc: f64) -> f64 {
    let preview = bench.preview(&Wanted::Soc(Percent(soc), at(3000.0))).unwrap();
    preview.required.unwrap().as_secs_f64() / 3600.0
}

#[test]
fn the_efficiency_of_a_car_is_learned_within_bounds() {
    let mut bench = Bench::new(Mode::Now);
    let session = |bench: &mut Bench, gain: f64| {
        bench.vehicle(VehicleValue::Soc(Some(Percent(41.0))));
        bench.status(ChargeStatus::Connected);
        bench.minutes(60.0);
        bench.vehicle(VehicleValue::Soc(Some(Percent(41.0 + gain))));
        bench.minutes(0.5);
        bench.status(ChargeStatus::Disconnected);
        bench.minutes(0.5);
        bench.control.vehicles()[0].learned.efficiency
    };
    // 11.04 kWh are 14.72 % of 75 kWh: 13.542 % arrive at 92 %.
    let learned = session(&mut bench, 13.542).unwrap();
    assert!((0.91..0.925).contains(&learned), "{learned}");
    let before = learned;
    // A car that was charged elsewhere in between is no miracle.
    let learned = session(&mut bench, 40.0).unwrap();
    assert!(learned > before && learned <= 0.95, "{learned}");
    bench.control.set_efficiency(bench.now, CAR, None).unwrap();
    assert_eq!(session(&mut bench, 5.0), None, "too little to tell");
    bench.control.set_efficiency(bench.now, CAR, Some(0.9)).unwrap();
    bench.status(ChargeStatus::Connected);
    bench.plan(3000.0, 100.0);
    bench.minutes(0.5);
    let remaining = bench.control.remaining(LP).energy.unwrap().0;
    let soc = bench.control.soc(LP).unwrap().0;
    assert!((remaining - 750.0 / 0.9 * (100.0 - soc)).abs() < 1.0, "{remaining}");
}

#[test]
fn who_is_not_plugged_in_is_told_once_before_the_latest_start() {
    let mut bench = Bench::new(Mode::Pv);
    bench.status(ChargeStatus::Disconnected);
    bench.plan(600.0, 80.0);
    // Charging has to begin at 413.
    bench.minutes_until(352.0);
    assert_eq!(bench.count(EventKind::PlanUnplugged), 0);
    bench.minutes_until(354.0);
    assert_eq!(bench.count(EventKind::PlanUnplugged), 1, "W-37");
    bench.minutes_until(500.0);
    assert_eq!(bench.count(EventKind::PlanUnplugged), 1);
    bench.minutes_until(610.0);
    assert_eq!(bench.control.vehicles()[0].settings.plan, None, "missed");

    // A car of no load point is nobody's default and is missed all the same.
    let mut bench = Bench::new(Mode::Pv);
    bench.status(ChargeStatus::Disconnected);
    bench.charger_two(ChargerValue::Status(ChargeStatus::Disconnected));
    bench.control.set_vehicle(bench.now, LP, None).unwrap();
    bench.plan(600.0, 80.0);
    bench.minutes_until(352.0);
    assert_eq!(bench.count(EventKind::PlanUnplugged), 0);
    bench.minutes_until(380.0);
    assert_eq!(bench.count(EventKind::PlanUnplugged), 1);
}

#[test]
fn a_plan_that_passed_while_we_were_down_goes_on_if_the_car_still_stands_there() {
    let restarted = |status, hours: i64| {
        let mut bench = Bench::after_restart(|control, now| {
            let time = now.utc - TimeDelta::hours(hours);
            let plan = SocPlan { time, soc: Percent(60.0) };
            control.restore(|control| control.set_plan_soc(now, CAR, Some(plan))).unwrap();
        });
        bench.minutes(1.0);
        assert!(bench.control.vehicles()[0].settings.plan.is_some(), "the charger is awaited");
        bench.status(status);
        bench.minutes(2.0);
        bench
    };
    let mut bench = restarted(ChargeStatus::Connected, 2);
    assert_eq!((bench.lp().enabled, bench.lp().decision.why), (true, Why::PlanLate));
    bench.minutes(120.0);
    assert!(bench.control.soc(LP).unwrap().0 >= 59.9);
    assert_eq!((bench.lp().enabled, bench.control.vehicles()[0].settings.plan), (false, None));
    let bench = restarted(ChargeStatus::Disconnected, 2);
    assert_eq!(bench.control.vehicles()[0].settings.plan, None, "whoever left has left");
    let bench = restarted(ChargeStatus::Connected, 30);
    assert_eq!((bench.lp().enabled, bench.control.vehicles()[0].settings.plan), (false, None));
}

#[test]
fn a_plan_knows_its_circuits() {
    let mut bench = Bench::with(Mode::Pv, |setup| {
        let circuit = |name: &str, parent, amps: f64| CircuitSetup {
            name: name.into(),
            parent,
            max_current: Some(Amps(amps)),
            ..CircuitSetup::default()
        };
        let circuits = vec![circuit("main", None, 63.0), circuit("car", Some(CircuitIx(0)), 10.0)];
        setup.limits.circuits = circuits;
        setup.loadpoints[0].wiring.circuit = Some(CircuitIx(1));
    });
    bench.plan(600.0, 80.0);
    bench.minutes(1.0);
    assert_eq!(bench.lp().plan.power, Amps(10.0).power(Volts(230.0), 3));
    let legs = bench.legs(620.0);
    // 34.41 kWh at 6.9 kW take 299 min.
    let [(true, start), (false, _)] = legs[..] else { panic!("{legs:?}") };
    assert!((300.0..302.0).contains(&start), "{legs:?}");
    assert_eq!(bench.count(EventKind::PlanOverrun), 0);
}

#[test]
fn a_preview_is_the_plan_that_would_be_made() {
    let mut bench = Bench::new(Mode::Pv);
    let preview = bench.preview(&Wanted::Soc(Percent(80.0), at(600.0))).unwrap();
    assert_eq!(preview.required, Some(Duration::from_secs(11_221)));
    let start = at(600.0) - TimeDelta::seconds(11_221);
    assert_eq!(preview.slots, [Rate { start, end: at(600.0), value: 0.0 }]);
    assert_eq!((preview.time, preview.power), (at(600.0), Watts(11_040.0)));
    assert_eq!(bench.lp().plan.goal, None, "nothing was made");
    bench.plan(600.0, 80.0);
    bench.minutes(1.0);
    assert_eq!(bench.lp().plan.slots, preview.slots);

    let reached = bench.preview(&Wanted::Soc(Percent(40.0), at(600.0))).unwrap();
    assert_eq!((reached.required, reached.slots.len()), (Some(Duration::ZERO), 0));
    let energy = Wanted::Energy(KilowattHours(11.04), at(600.0));
    assert_eq!(bench.preview(&energy), Err(Refusal::PlanBySoc));
    bench.control.set_vehicle(bench.now, LP, None).unwrap();
    let soc = Wanted::Soc(Percent(80.0), at(600.0));
    assert_eq!(bench.preview(&soc), Err(Refusal::PlanByEnergy));
    assert_eq!(bench.preview(&energy).unwrap().required, Some(Duration::from_secs(3600)));
    let nowhere = bench.control.preview(bench.now, LoadPointIx(7), &energy, None);
    assert!(matches!(nowhere, Err(Refusal::NotFound(_))));
}

#[test]
fn a_preview_of_a_repeating_plan_is_its_next_occurrence() {
    let bench = Bench::new(Mode::Pv);
    let due = at(240.0).format("%H:%M").to_string();
    let plan = |days: &[i64]| RepeatingPlan::new(days, &due, "UTC", Percent(80.0), false).unwrap();
    let preview = bench.preview(&Wanted::Repeating(plan(&[0, 1, 2, 3, 4, 5, 6]))).unwrap();
    assert_eq!(preview.time, at(240.0));
    assert_eq!(bench.preview(&Wanted::Repeating(plan(&[]))), Err(Refusal::NoWeekday));
}
