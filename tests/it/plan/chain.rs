//! Several goals of one vehicle in one plan (W-38): never dearer than any other way to reach them all.

use chargebus::control::{Later, Request, plan, plan_chain};
use proptest::prelude::*;

use super::*;

/// Half a slot of a quarter of an hour.
const UNIT: i64 = 450;

fn units(units: i64) -> TimeDelta {
    TimeDelta::seconds(units * UNIT)
}

fn quarters(prices: &[i8]) -> Vec<Rate> {
    let slot =
        |(n, price): (usize, &i8)| rate(n as f64 * 15.0, (n + 1) as f64 * 15.0, f64::from(*price));
    prices.iter().enumerate().map(slot).collect()
}

/// Price times units.
fn cost(slots: &[Rate]) -> f64 {
    slots.iter().map(|slot| slot.value * slot.length().as_seconds_f64() / UNIT as f64).sum()
}

fn charged_by(slots: &[Rate], end: DateTime<Utc>) -> TimeDelta {
    slots.iter().filter_map(|slot| slot.within(slot.start, end)).map(|slot| slot.length()).sum()
}

/// A goal of `required` units by `target` units.
type Wish = (i64, i64);

/// Goals that can be reached by `last`, from any numbers.
fn wishes(numbers: &[(i64, i64)], last: i64) -> Vec<Wish> {
    let wish = |(required, target): &(i64, i64)| {
        let target = 2 + target % (last - 1);
        (1 + required % (target - 1), target)
    };
    numbers.iter().map(wish).collect()
}

/// The least cost of nothing, half or all of every slot that reaches all goals: all ways are tried.
fn cheapest(prices: &[i8], goals: &[Wish]) -> Option<i64> {
    let total = goals.iter().map(|(required, _)| *required).max()?;
    let (mut way, mut least) = (vec![0_i64; prices.len()], None);
    loop {
        let kept = |(required, target): &Wish| {
            let by = way.iter().zip(0..).map(|(part, n)| (*part).min((target - n * 2).max(0)));
            by.sum::<i64>() >= *required
        };
        if way.iter().sum::<i64>() == total && goals.iter().all(kept) {
            let spent = way.iter().zip(prices).map(|(part, price)| part * i64::from(*price)).sum();
            least = Some(least.map_or(spent, |least: i64| least.min(spent)));
        }
        // The next way, counted in threes.
        let Some(up) = way.iter().position(|part| *part < 2) else { return least };
        way[..up].fill(0);
        way[up] += 1;
    }
}

/// The request for the goal that has to be started first, and those after it.
fn asked(goals: &[Wish], precondition: i64, continuous: bool) -> (Request, Vec<Later>) {
    let first = *goals.iter().min_by_key(|(required, target)| target - required).unwrap();
    let mut after: Vec<_> = goals.iter().filter(|(_, target)| *target > first.1).collect();
    after.sort_by_key(|(_, target)| *target);
    let request = Request {
        now: origin(),
        required: units(first.0),
        precondition: units(precondition),
        target: origin() + units(first.1),
        continuous,
    };
    let later = |(required, target): &Wish| Later {
        required: units(*required),
        target: origin() + units(*target),
    };
    (request, after.into_iter().map(later).collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn no_way_to_reach_all_goals_is_cheaper(
        prices in proptest::collection::vec(-2_i8..6, 2..=8),
        numbers in proptest::collection::vec((0_i64..16, 0_i64..16), 1..=3),
    ) {
        let goals = wishes(&numbers, prices.len() as i64 * 2);
        let (request, later) = asked(&goals, 0, false);
        let slots = plan_chain(&request, &later, &quarters(&prices)).unwrap();
        prop_assert!(slots.is_sorted_by(|a, b| a.end <= b.start));
        prop_assert!(slots[0].start >= origin());
        for (required, target) in &goals {
            let charged = charged_by(&slots, origin() + units(*target));
            prop_assert!(charged >= units(*required), "{charged} of {required} by {target}");
        }
        let least = cheapest(&prices, &goals).unwrap() as f64;
        prop_assert!((cost(&slots) - least).abs() < 1e-9, "{} > {least}: {slots:?}", cost(&slots));
        prop_assert_eq!(plan_chain(&request, &later, &quarters(&prices)), Some(slots));
    }

    #[test]
    fn every_goal_is_kept_however_plans_are_carried_out(
        prices in proptest::collection::vec(-2_i8..6, 2..=24),
        numbers in proptest::collection::vec((0_i64..60, 0_i64..60), 1..=5),
        precondition in 0_i64..8,
        continuous: bool,
    ) {
        let horizon = prices.len() as i64 * 2;
        let goals = wishes(&numbers, horizon + 12);
        let (request, later) = asked(&goals, precondition, continuous);
        let rates = quarters(&prices);
        let slots = plan_chain(&request, &later, &rates);
        let alone = plan(&request, &rates);
        prop_assert_eq!(slots.is_some(), alone.is_some(), "whether to wait is the first goal's");
        let Some(slots) = slots else { return Ok(()) };
        prop_assert!(slots.is_sorted_by(|a, b| a.end <= b.start));
        let first = (request.required, request.target);
        let after = later.iter().map(|goal| (goal.required, goal.target));
        for (required, target) in std::iter::once(first).chain(after) {
            // What fits after the horizon may wait for its prices; blocks plan for what is known.
            let beyond = (target - origin() - units(horizon)).max(TimeDelta::zero());
            let joint = !continuous || (precondition == 0 && beyond.is_zero());
            if joint || (required, target) == first {
                prop_assert!(charged_by(&slots, target) >= required - beyond);
            }
        }
        if continuous {
            let until_first: Vec<Rate> =
                slots.iter().filter_map(|slot| slot.within(origin(), request.target)).collect();
            let gaps = until_first.windows(2).filter(|two| two[0].end < two[1].start).count();
            prop_assert!(precondition > 0 || gaps == 0, "one block before the first goal");
        }
    }
}

#[test]
fn a_cheap_night_is_used_for_the_days_after_it() {
    // Two nights of four hours, the first one cheap.
    let rates = [rate(0.0, 240.0, 0.1), rate(240.0, 1440.0, 0.4), rate(1440.0, 1680.0, 0.3)];
    let request = Request {
        now: origin(),
        required: minutes(60.0),
        precondition: TimeDelta::zero(),
        target: at(300.0),
        continuous: false,
    };
    let later = [Later { required: minutes(180.0), target: at(1680.0) }];
    let joint = |continuous| plan_chain(&Request { continuous, ..request }, &later, &rates);
    let all = Some(vec![rate(0.0, 180.0, 0.1)]);
    assert_eq!([joint(false), joint(true)], [all.clone(), all]);
    let lengths = |plan: Option<Vec<Rate>>| {
        plan.unwrap().iter().map(|slot| (slot.start, slot.end)).collect::<Vec<_>>()
    };
    // Dear now, cheap later: only what the first goal needs.
    let rates = rates.map(|slot| Rate { value: 0.5 - slot.value, ..slot });
    let now = plan_chain(&request, &later, &rates).unwrap();
    assert_eq!(charged_by(&now, at(300.0)), minutes(60.0));
    assert_eq!(charged_by(&now, at(1680.0)), minutes(180.0));
    // What is to lie right before its goal does so before each.
    let late = Request { precondition: minutes(30.0), ..request };
    let slots = lengths(plan_chain(&late, &later, &rates));
    assert!(slots.contains(&(at(270.0), at(300.0))), "{slots:?}");
    let everything = Request { precondition: minutes(10_080.0), ..request };
    let slots = lengths(plan_chain(&everything, &later, &rates));
    assert_eq!(slots[0], (at(240.0), at(300.0)));
    assert_eq!(slots[1..], [(at(1560.0), at(1680.0))]);
}
