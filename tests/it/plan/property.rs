//! No plan is cheaper, and every plan is long enough and in time.

use chargebus::control::{Request, plan};
use proptest::prelude::*;

use super::*;

fn cost(slots: &[Rate]) -> f64 {
    slots.iter().map(|slot| slot.value * slot.length().as_seconds_f64() / 60.0).sum()
}

/// The cheapest choice of whole slots of which the most expensive one is cut: all are tried.
fn cheapest(rates: &[Rate], required: TimeDelta) -> f64 {
    let choices = 1_u32..1 << rates.len();
    choices
        .filter_map(|choice| {
            let taken: Vec<Rate> = rates
                .iter()
                .enumerate()
                .filter(|(n, _)| choice & (1 << n) != 0)
                .map(|(_, rate)| *rate)
                .collect();
            let total: TimeDelta = taken.iter().map(Rate::length).sum();
            let dearest = taken.iter().max_by(|a, b| a.value.total_cmp(&b.value))?;
            let excess = total - required;
            let fits = excess >= TimeDelta::zero() && excess <= dearest.length();
            fits.then(|| cost(&taken) - excess.as_seconds_f64() / 60.0 * dearest.value)
        })
        .fold(f64::MAX, f64::min)
}

/// The cheapest of all blocks: one that starts or ends at the edge of a slot (W-05).
fn cheapest_block(rates: &[Rate], required: TimeDelta, target: DateTime<Utc>) -> f64 {
    let starts = rates.iter().flat_map(|rate| [rate.start, rate.end - required]);
    let within = |start: &DateTime<Utc>| *start >= origin() && *start + required <= target;
    let blocks = starts.filter(within).map(|start| {
        let parts: Vec<Rate> =
            rates.iter().filter_map(|rate| rate.within(start, start + required)).collect();
        cost(&parts)
    });
    blocks.fold(f64::MAX, f64::min)
}

proptest! {
    #[test]
    fn a_plan_is_cheapest_complete_and_in_time(
        prices in proptest::collection::vec(0_u8..6, 1..=8),
        required in 1_i64..200,
        slack in 1_i64..200,
        precondition in 0_i64..60,
        continuous: bool,
    ) {
        let rates: Vec<Rate> = prices
            .iter()
            .enumerate()
            .map(|(n, price)| rate(n as f64 * 15.0, (n + 1) as f64 * 15.0, f64::from(*price)))
            .collect();
        let known = TimeDelta::minutes(prices.len() as i64 * 15);
        let required = TimeDelta::minutes(required);
        let target = origin() + required + TimeDelta::minutes(slack);
        let request = Request {
            now: origin(),
            required,
            precondition: TimeDelta::minutes(precondition),
            target,
            continuous,
        };
        let beyond = target - (origin() + known);
        let slots = plan(&request, &rates);
        if beyond >= required {
            prop_assert_eq!(slots, None);
            return Ok(());
        }
        let slots = slots.unwrap();
        prop_assert!(slots.is_sorted_by(|a, b| a.end <= b.start));
        prop_assert!(slots.iter().all(|slot| slot.start < slot.end));
        prop_assert!(slots[0].start >= origin() && slots[slots.len() - 1].end <= target);
        let within = required - beyond.max(TimeDelta::zero());
        let total: TimeDelta = slots.iter().map(Rate::length).sum();
        prop_assert_eq!(total, within);
        if precondition == 0 {
            let end = target.min(origin() + known);
            let clipped: Vec<Rate> =
                rates.iter().filter_map(|rate| rate.within(origin(), end)).collect();
            let least = match continuous {
                false => cheapest(&clipped, within),
                true => cheapest_block(&clipped, within, end),
            };
            prop_assert!((cost(&slots) - least).abs() < 1e-6, "{} > {least}", cost(&slots));
        }
    }

    #[test]
    fn whatever_is_asked_is_answered(
        rates in proptest::collection::vec((-300_i64..300, 1_i64..100, -1.0..1.0_f64), 0..12),
        now in -400_i64..400,
        required in -50_i64..600,
        target in -600_i64..900,
        precondition in -10_i64..700,
        continuous: bool,
    ) {
        let mut end = i64::MIN;
        let mut known: Vec<Rate> = rates
            .iter()
            .map(|(start, length, value)| rate(*start as f64, (start + length) as f64, *value))
            .collect();
        known.sort_by_key(|rate| rate.start);
        known.retain(|rate| {
            let free = rate.start.timestamp() >= end;
            if free {
                end = rate.end.timestamp();
            }
            free
        });
        let request = Request {
            now: at(now as f64),
            required: TimeDelta::minutes(required),
            precondition: TimeDelta::minutes(precondition),
            target: at(target as f64),
            continuous,
        };
        let slots = plan(&request, &known).unwrap_or_default();
        prop_assert!(slots.is_sorted_by(|a, b| a.end <= b.start));
        prop_assert!(slots.iter().all(|slot| slot.start < slot.end && slot.start >= request.now));
        let total: TimeDelta = slots.iter().map(Rate::length).sum();
        prop_assert!(total <= request.required.max(TimeDelta::zero()));
    }
}
