//! Several goals of one car on real control: what is charged when, and what is told of it (W-38).

use super::*;

/// Hours after the origin: 08:00 on a Friday; 07:00 of Saturday and Sunday are the goals.
const GOALS: [f64; 2] = [23.0, 47.0];

/// Night prices before the first and before the second goal, from 22:00 to 06:00; 0.40 by day.
fn nights(first: f64, second: f64) -> Tariffs {
    let price = |hour: u8| match hour {
        14..22 => first,
        38..46 => second,
        _ => 0.4,
    };
    let hours = (0..60_u8).map(|hour| {
        let start = f64::from(hour) * 60.0;
        rate(start, start + 60.0, price(hour))
    });
    let kind = TariffKind::PriceForecast;
    let planner = Tariff { kind, rates: hours.collect(), status: TariffStatus::Fresh };
    Tariffs { planner: Some(planner), ..Tariffs::default() }
}

/// 60 % by Saturday once, and 90 % on every Sunday.
fn weekend(first: f64, second: f64) -> Bench {
    let mut bench = Bench::new(Mode::Pv);
    bench.every = 20.0;
    let sunday = RepeatingPlan::new(&[0], "07:00", "UTC", Percent(90.0), true).unwrap();
    assert_eq!(sunday.next(origin()), Some(at(GOALS[1] * 60.0)));
    bench.control.set_repeating_plans(bench.now, CAR, vec![sunday]).unwrap();
    bench.plan(GOALS[0] * 60.0, 60.0);
    bench.control.set_tariffs(bench.now, nights(first, second));
    bench
}

/// Hours at which charging starts and stops, rounded to quarters.
fn hours(legs: &[(bool, f64)]) -> Vec<(bool, f64)> {
    legs.iter().map(|(on, at)| (*on, (at / 15.0).round() / 4.0)).collect()
}

fn soc(bench: &Bench) -> f64 {
    bench.control.soc(LP).unwrap().0
}

#[test]
fn the_cheap_night_before_saturday_is_used_for_sunday_too() {
    let mut bench = weekend(0.1, 0.3);
    bench.minutes(60.0);
    let lp = bench.lp();
    assert_eq!(lp.plan.goal.map(|goal| (goal.id, goal.time)), Some((1, at(GOALS[0] * 60.0))));
    let planned: TimeDelta = lp.plan.slots.iter().map(Rate::length).sum();
    assert!(planned > minutes(200.0), "{:?}", lp.plan.slots);
    assert!(lp.plan.projected.unwrap().1 <= at(22.0 * 60.0), "nothing after the cheap hours");
    // 16.8 kWh to 60 % take 91 min, 43.2 kWh to 90 % take 235.
    let legs = bench.legs(1.0 * 60.0 + 17.5 * 60.0);
    assert_eq!(legs.iter().map(|(on, _)| *on).collect::<Vec<_>>(), [true], "{legs:?}");
    assert_eq!(bench.lp().decision.why, Why::PlanAhead, "for Sunday: Saturday could still wait");
    assert_eq!(bench.lp().plan.goal.map(|goal| goal.id), Some(1));
    let legs = bench.legs(GOALS[0] * 60.0);
    assert_eq!(legs.iter().map(|(on, _)| *on).collect::<Vec<_>>(), [false], "{legs:?}");
    assert!(legs[0].1 <= 22.1 * 60.0, "{legs:?}");
    assert!(soc(&bench) >= 89.9, "{}", soc(&bench));
    assert_eq!(bench.control.vehicles()[0].settings.plan, None, "reached");
    assert_eq!(bench.legs(GOALS[1] * 60.0 + 30.0), []);
    assert!(bench.events.iter().all(|kind| *kind != EventKind::PlanOverrun));
}

#[test]
fn a_cheaper_night_before_sunday_is_waited_for() {
    let mut bench = weekend(0.3, 0.1);
    let legs = hours(&bench.legs(GOALS[0] * 60.0));
    assert!(matches!(legs[..], [(true, _), (false, end)] if end <= 22.0), "{legs:?}");
    assert!((59.9..62.0).contains(&soc(&bench)), "{}", soc(&bench));
    let goal = bench.lp().plan.goal.unwrap();
    assert_eq!((goal.id, goal.time), (2, at(GOALS[1] * 60.0)));
    let legs = hours(&bench.legs(GOALS[1] * 60.0 + 30.0));
    assert!(matches!(legs[..], [(true, start), (false, end)] if start >= 38.0 && end <= 46.0));
    assert!(soc(&bench) >= 89.9, "{}", soc(&bench));
}

#[test]
fn between_two_goals_of_one_night_the_charger_stays_on() {
    let mut bench = weekend(0.1, 0.3);
    let saturdays = RepeatingPlan::new(&[6], "07:00", "UTC", Percent(60.0), true).unwrap();
    let mut plans = bench.control.vehicles()[0].settings.repeating.clone();
    plans.push(saturdays);
    bench.control.set_plan_soc(bench.now, CAR, None).unwrap();
    bench.control.set_repeating_plans(bench.now, CAR, plans).unwrap();
    bench.minutes(1.0);
    assert_eq!(bench.lp().plan.goal.map(|goal| goal.id), Some(3));
    let legs = bench.legs(GOALS[0] * 60.0);
    assert_eq!(legs.iter().map(|(on, _)| *on).collect::<Vec<_>>(), [true, false], "{legs:?}");
    assert!(soc(&bench) >= 89.9, "{}", soc(&bench));
}

#[test]
fn the_same_weekend_is_charged_the_same() {
    let story = || {
        let mut bench = weekend(0.1, 0.3);
        let mut told = Vec::new();
        for _ in 0..22 * 4 {
            bench.minutes(15.0);
            let lp = bench.lp();
            told.push((lp.plan.slots.clone(), lp.decision.why, lp.plan.projected));
        }
        told
    };
    assert_eq!(story(), story());
}

#[test]
fn a_later_goal_that_must_begin_first_is_told_of_in_time() {
    let mut bench = Bench::new(Mode::Pv);
    let full = RepeatingPlan::new(&[5], "12:00", "UTC", Percent(100.0), true).unwrap();
    bench.control.set_repeating_plans(bench.now, CAR, vec![full]).unwrap();
    bench.plan(180.0, 50.0);
    bench.control.set_tariffs(bench.now, nights(0.1, 0.3));
    bench.minutes(1.0);
    // 5:24 are needed for 100 %, and there are four hours.
    let goal = bench.lp().plan.goal.unwrap();
    assert_eq!((goal.id, goal.time), (2, at(240.0)));
    assert!(bench.lp().enabled && bench.lp().plan.overrun > Duration::from_secs(80 * 60));
    assert_eq!(bench.events.iter().filter(|kind| **kind == EventKind::PlanOverrun).count(), 1);
    bench.minutes(240.0);
    assert_eq!(bench.lp().decision.why, Why::PlanLate);
    assert_eq!(bench.events.iter().filter(|kind| **kind == EventKind::PlanOverrun).count(), 1);
}

#[test]
fn of_many_goals_those_that_are_due_first_are_planned_for() {
    let mut bench = weekend(0.1, 0.3);
    let hourly = |n: i64| {
        let soc = Percent(62.0 + 2.0 * n as f64);
        RepeatingPlan::new(&[0], &format!("{n:02}:00"), "UTC", soc, true).unwrap()
    };
    bench.control.set_repeating_plans(bench.now, CAR, (0..12).map(hourly).collect()).unwrap();
    bench.minutes(1.0);
    let planned: TimeDelta = bench.lp().plan.slots.iter().map(Rate::length).sum();
    // To 60 % and to the first seven of the others, 74 %: 29.1 kWh; those after them wait.
    assert!((157..160).contains(&planned.num_minutes()), "{:?}", bench.lp().plan.slots);
}
