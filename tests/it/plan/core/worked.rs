//! Worked examples of plans-vehicles-devices.md §10.3 that need a living core.

use chargebus::control::{Refusal, Wanted};

use super::*;

#[test]
fn who_knows_the_soc_decides_how_is_planned() {
    // E-31: what the charger says, a car that cannot speak, what the car says; the SoC that results.
    let rows = [
        (None, true, None, None),
        (None, false, Some(70.0), Some(70.0)),
        (Some(80.0), true, None, Some(80.0)),
        (Some(80.0), false, Some(70.0), Some(80.0)),
    ];
    for (charger, offline, car, soc) in rows {
        let mut bench = Bench::silent(|setup| {
            setup.vehicles[0].capacity = Some(KilowattHours(8.5));
            setup.vehicles[0].features =
                offline.then_some(VehicleFeature::Offline).into_iter().collect();
        });
        bench.vehicle(VehicleValue::Soc(car.map(Percent)));
        bench.charger(ChargerValue::Status(ChargeStatus::Disconnected));
        bench.charger(ChargerValue::Status(ChargeStatus::Charging));
        if let Some(soc) = charger {
            bench.charger(ChargerValue::Soc(Percent(soc)));
        }
        bench.wakes(bench.now.later(Duration::from_secs(1)));
        assert_eq!(bench.control.soc(LP), soc.map(Percent), "{charger:?} {offline} {car:?}");
        let by_soc = Wanted::Soc(Percent(90.0), at(600.0));
        let planned = bench.control.preview(bench.now, LP, &by_soc, None);
        match soc {
            Some(_) => assert!(planned.is_ok(), "{planned:?}"),
            None => assert_eq!(planned, Err(Refusal::PlanByEnergy)),
        }
    }
}

#[test]
fn a_goal_that_is_pursued_is_kept_after_its_time() {
    // E-43: 80 %, id 2, an hour after its time.
    let mut bench = Bench::new(Mode::Pv);
    bench.share = 0.5;
    let due = at(120.0).format("%H:%M").to_string();
    let daily =
        RepeatingPlan::new(&[0, 1, 2, 3, 4, 5, 6], &due, "UTC", Percent(80.0), true).unwrap();
    bench.control.set_repeating_plans(bench.now, CAR, vec![daily]).unwrap();
    let pursued = |bench: &Bench| bench.lp().plan.goal.map(|goal| (goal.id, goal.time));
    for minutes in [60.0, 120.0] {
        bench.minutes(minutes);
        assert_eq!(pursued(&bench), Some((2, at(120.0))), "at {}", bench.offset());
        assert!(bench.lp().plan.active);
    }
    bench.control.set_repeating_plans(bench.now, CAR, vec![]).unwrap();
    bench.minutes(1.0);
    assert_eq!((pursued(&bench), bench.lp().plan.active), (None, false));
}

#[test]
fn without_a_soc_the_energy_of_the_session_stands_for_the_minimum() {
    // E-44: half of 10 kWh are 5882 Wh from the grid.
    let mut bench = Bench::silent(|setup| {
        setup.vehicles[0].capacity = Some(KilowattHours(10.0));
    });
    bench.vehicle(VehicleValue::Soc(None));
    bench.charger(ChargerValue::Status(ChargeStatus::Disconnected));
    bench.charger(ChargerValue::Status(ChargeStatus::Connected));
    bench.control.set_mode(bench.now, LP, Mode::Pv).unwrap();
    bench.control.set_min_soc(bench.now, LP, Percent(50.0)).unwrap();
    bench.minutes(1.0);
    assert_eq!((bench.control.soc(LP), bench.lp().decision.why), (None, Why::MinSoc));
    let mut last = 0.0;
    while bench.lp().min_soc_not_reached {
        last = bench.lp().session().energy.0;
        assert!(last < 7000.0, "never enough: {:?}", bench.control.soc(LP));
        bench.minutes(1.0 / 12.0);
    }
    assert!((5840.0..5882.4).contains(&last), "{last}");
    assert!(bench.lp().session().energy.0 >= 5882.35);
}
