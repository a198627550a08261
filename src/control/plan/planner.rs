//! Which slots to charge in (plans-vehicles-devices.md §1.7).

use chrono::{DateTime, TimeDelta, Utc};

use crate::model::Rate;

/// What is to be planned.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Request {
    /// The instant of planning, in whole seconds.
    pub now: DateTime<Utc>,
    /// How long charging takes.
    pub required: TimeDelta,
    /// How much of it lies right before the target, whatever it costs.
    pub precondition: TimeDelta,
    /// When charging has to be done.
    pub target: DateTime<Utc>,
    /// One block instead of the cheapest slots.
    pub continuous: bool,
}

/// The slots to charge in, sorted by start; `None` if there is nothing to do yet. `rates` are
/// sorted and do not overlap. Without any, charging is one block that ends at the target; too late
/// for the target, it begins at once.
pub fn plan(request: &Request, rates: &[Rate]) -> Option<Vec<Rate>> {
    let Request { now, mut required, mut precondition, mut target, continuous } = *request;
    if required <= TimeDelta::zero() {
        return None;
    }
    let mut latest_start = target - required;
    if latest_start < now {
        latest_start = now;
        target = now + required;
    }
    let simple = vec![Rate { start: latest_start, end: target, value: 0.0 }];
    let Some(horizon) = rates.last().map(|rate| rate.end) else {
        return Some(simple);
    };
    if target - now <= required {
        return Some(without_slack(clamp(rates, latest_start, target), simple));
    }
    if target > horizon {
        // Prices after the horizon are not known: what fits there can wait for them.
        let after = target - horizon;
        if after >= required {
            return None;
        }
        target = horizon;
        required -= after;
        precondition -= after;
    }
    let slots = clamp(rates, now, target);
    if length(&slots) < required {
        return Some(simple);
    }
    let split = target - precondition.clamp(TimeDelta::zero(), required);
    let late = clamp(&slots, split, target);
    let early = clamp(&slots, now, split);
    let rest = required - length(&late);
    let mut plan = match (rest > TimeDelta::zero(), continuous) {
        (false, _) => Vec::new(),
        (true, false) => cheapest(early, rest),
        (true, true) => match cheapest_window(&early, rest, split) {
            Some(window) => window,
            None => return Some(simple),
        },
    };
    plan.extend(late);
    Some(plan)
}

/// The mean value of a plan, weighted by time; 0 for an empty one.
pub fn mean_value(plan: &[Rate]) -> f64 {
    let total = length(plan);
    if total <= TimeDelta::zero() { 0.0 } else { cost(plan) / seconds(total) }
}

/// All of it from now on, with the prices that are known.
fn without_slack(known: Vec<Rate>, simple: Vec<Rate>) -> Vec<Rate> {
    let (Some(first), Some(last), Some(whole)) = (known.first(), known.last(), simple.first())
    else {
        return simple;
    };
    let before = Rate { end: first.start, ..*whole };
    let after = Rate { start: last.end, ..*whole };
    let ends = |slot: Rate| Some(slot).filter(|slot| slot.start < slot.end);
    ends(before).into_iter().chain(known.iter().copied()).chain(ends(after)).collect()
}

/// The cheapest slots, later ones first among equals. The last one taken is shortened, so that it
/// stays next to the others or, alone, starts at once.
fn cheapest(mut slots: Vec<Rate>, mut required: TimeDelta) -> Vec<Rate> {
    slots.sort_by(|a, b| a.value.total_cmp(&b.value).then(b.start.cmp(&a.start)));
    let mut plan: Vec<Rate> = Vec::new();
    for mut slot in slots {
        if required <= TimeDelta::zero() {
            break;
        }
        let excess = slot.length() - required;
        required -= slot.length();
        if excess > TimeDelta::zero() {
            let first = !plan.is_empty() && plan.iter().all(|taken| slot.start < taken.start);
            if first {
                slot.start += excess;
            } else {
                slot.end -= excess;
            }
        }
        plan.push(slot);
    }
    plan.sort_by_key(|slot| slot.start);
    plan
}

/// The cheapest window without a gap that begins with a slot and ends by `target`, the latest one
/// among equals.
fn cheapest_window(
    slots: &[Rate],
    required: TimeDelta,
    target: DateTime<Utc>,
) -> Option<Vec<Rate>> {
    let mut best: Option<(f64, Vec<Rate>)> = None;
    for (n, first) in slots.iter().enumerate() {
        let end = first.start + required;
        if end > target {
            break;
        }
        let window: Vec<Rate> = slots[n..]
            .iter()
            .take_while(|slot| slot.start < end)
            .filter_map(|slot| slot.within(first.start, end))
            .collect();
        let cost = cost(&window);
        let cheapest = best.as_ref().is_none_or(|(least, _)| cost <= *least);
        if length(&window) == required && cheapest {
            best = Some((cost, window));
        }
    }
    best.map(|(_, window)| window)
}

/// The sum of value times seconds, price by price, so that equal prices cost exactly the same.
fn cost(slots: &[Rate]) -> f64 {
    let mut by_price: Vec<(f64, TimeDelta)> =
        slots.iter().map(|slot| (slot.value, slot.length())).collect();
    by_price.sort_by(|a, b| a.0.total_cmp(&b.0));
    by_price.dedup_by(|next, kept| {
        let same = next.0 == kept.0;
        if same {
            kept.1 += next.1;
        }
        same
    });
    by_price.iter().map(|(price, time)| price * seconds(*time)).sum()
}

fn clamp(rates: &[Rate], from: DateTime<Utc>, until: DateTime<Utc>) -> Vec<Rate> {
    rates.iter().filter_map(|rate| rate.within(from, until)).collect()
}

fn length(slots: &[Rate]) -> TimeDelta {
    slots.iter().map(Rate::length).sum()
}

fn seconds(time: TimeDelta) -> f64 {
    time.as_seconds_f64()
}
