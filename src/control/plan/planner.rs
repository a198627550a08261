//! Which slots to charge in (plans-vehicles-devices.md §1.7).

use chrono::{DateTime, TimeDelta, Utc};

use crate::model::Rate;

const BILLION: f64 = 1e9;

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
        (true, false) => cheapest(early, rest, &late),
        (true, true) => match cheapest_window(&early, rest, split) {
            Some(window) => window,
            None => return Some(simple),
        },
    };
    plan.extend(late);
    Some(plan)
}

/// The mean value of a plan, weighted by time and exact to a billionth; 0 for an empty one.
pub fn mean_value(plan: &[Rate]) -> f64 {
    let milliseconds = length(plan).num_milliseconds();
    let total: i128 = plan.iter().map(cost).sum();
    if milliseconds <= 0 { 0.0 } else { total as f64 / milliseconds as f64 / BILLION }
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

/// The cheapest slots. Among equals those that touch what is charged in anyway count first, because
/// every block is a start of its own (W-02), then later ones. The last one taken is shortened, so
/// that it stays next to the others or, alone, starts at once.
fn cheapest(mut slots: Vec<Rate>, mut required: TimeDelta, late: &[Rate]) -> Vec<Rate> {
    slots.sort_by(|a, b| a.value.total_cmp(&b.value).then(b.start.cmp(&a.start)));
    let mut plan: Vec<Rate> = Vec::new();
    while required > TimeDelta::zero()
        && let Some(cheapest) = slots.first().copied()
    {
        let taken = |touches: fn(&Rate, &Rate) -> bool, slot: &Rate| {
            plan.iter().chain(late).any(|other| touches(slot, other))
        };
        let follows = |slot: &Rate| taken(|slot, other| other.end == slot.start, slot);
        let precedes = |slot: &Rate| taken(|slot, other| slot.end == other.start, slot);
        let mut equals = slots.iter().take_while(|slot| slot.value == cheapest.value);
        let next = equals.position(|slot| follows(slot) || precedes(slot)).unwrap_or(0);
        let mut slot = slots[next];
        let excess = slot.length() - required;
        required -= slot.length();
        if excess > TimeDelta::zero() {
            let first = !plan.is_empty() && plan.iter().all(|taken| slot.start < taken.start);
            if (first || precedes(&slot)) && !follows(&slot) {
                slot.start += excess;
            } else {
                slot.end -= excess;
            }
        }
        plan.push(slot);
        slots.remove(next);
    }
    plan.sort_by_key(|slot| slot.start);
    plan
}

/// The cheapest window without a gap that begins or ends with a slot (W-05) and ends by `target`.
/// Among equals the latest one that begins with a slot.
fn cheapest_window(
    slots: &[Rate],
    required: TimeDelta,
    target: DateTime<Utc>,
) -> Option<Vec<Rate>> {
    let sums = RunningSums::new(slots);
    let starts = slots.iter().rev().map(|slot| slot.start);
    let ends = slots.iter().rev().map(|slot| slot.end - required);
    let mut best: Option<(i128, DateTime<Utc>)> = None;
    for start in starts.chain(ends).filter(|start| *start + required <= target) {
        let (length_before, cost_before) = sums.until(start);
        let (length, cost) = sums.until(start + required);
        let cost = cost - cost_before;
        let cheaper = best.is_none_or(|(least, _)| cost < least);
        if length - length_before == required && cheaper {
            best = Some((cost, start));
        }
    }
    best.map(|(_, start)| clamp(slots, start, start + required))
}

/// Length and cost of sorted slots up to any instant, so that a window is a difference of two.
struct RunningSums<'a> {
    slots: &'a [Rate],
    /// Of all slots before the one at the same place.
    before: Vec<(TimeDelta, i128)>,
}

impl<'a> RunningSums<'a> {
    fn new(slots: &'a [Rate]) -> Self {
        let sums = slots.iter().scan((TimeDelta::zero(), 0), |(length, total), slot| {
            let before = (*length, *total);
            *length += slot.length();
            *total += cost(slot);
            Some(before)
        });
        Self { slots, before: sums.collect() }
    }

    /// The length and the cost of what lies before an instant.
    fn until(&self, end: DateTime<Utc>) -> (TimeDelta, i128) {
        let begun = self.slots.partition_point(|slot| slot.start < end);
        let Some(last) = begun.checked_sub(1) else {
            return (TimeDelta::zero(), 0);
        };
        let slot = Rate { end: end.min(self.slots[last].end), ..self.slots[last] };
        let (length, total) = self.before[last];
        (length + slot.length(), total + cost(&slot))
    }
}

/// Value times time, in billionths of the value's unit times milliseconds: whole numbers, so that
/// equal prices cost exactly the same, however they are added up.
fn cost(slot: &Rate) -> i128 {
    let billionths = (slot.value * BILLION).round() as i64;
    i128::from(billionths) * i128::from(slot.length().num_milliseconds())
}

/// The parts of sorted rates within a time; looks only at those that can have one.
fn clamp(rates: &[Rate], from: DateTime<Utc>, until: DateTime<Utc>) -> Vec<Rate> {
    let rest = &rates[rates.partition_point(|rate| rate.end <= from)..];
    let near = rest.iter().take_while(|rate| rate.start < until);
    near.filter_map(|rate| rate.within(from, until)).collect()
}

fn length(slots: &[Rate]) -> TimeDelta {
    slots.iter().map(Rate::length).sum()
}
