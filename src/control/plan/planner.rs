//! Which slots to charge in (plans-vehicles-devices.md §1.7).

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};

use crate::model::Rate;

use super::chain::{Later, Step, blocks, steps};

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

/// The slots to charge in for one goal, sorted by start; `None` if there is nothing to do yet. `rates`
/// are sorted and do not overlap. Without any, charging is one block that ends at the target; too late
/// for the target, it begins at once.
pub fn plan(request: &Request, rates: &[Rate]) -> Option<Vec<Rate>> {
    plan_chain(request, &[], rates)
}

/// The slots to charge in for a goal and the `later` ones of the same vehicle together (W-38), sorted by
/// start; what is said of [`plan`] holds for the first of them. Its latest start is the earliest of all,
/// unless it is pursued already, and the later ones are in the order of their targets.
pub fn plan_chain(request: &Request, later: &[Later], rates: &[Rate]) -> Option<Vec<Rate>> {
    let Request { now, required, precondition, mut target, continuous } = *request;
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
    let first = Step { required, precondition, target }.until(horizon)?;
    if length(&clamp(rates, now, first.target)) < first.required {
        return Some(simple);
    }
    if continuous && let Some(blocks) = blocks(now, first, later, rates) {
        return Some(blocks);
    }
    let steps = if continuous { vec![first] } else { steps(now, first, later, rates) };
    let (mut early, mut late, mut needs) = (Vec::new(), Vec::new(), Vec::new());
    let (mut from, mut before) = (now, TimeDelta::zero());
    for step in steps {
        let own = step.precondition.clamp(TimeDelta::zero(), step.required - before);
        let split = from.max(step.target - own);
        early.extend(clamp(rates, from, split));
        late.extend(clamp(rates, split, step.target));
        needs.push(Need { until: step.target, required: step.required - length(&late) });
        (from, before) = (step.target, step.required);
    }
    let rest = needs.last().map_or(TimeDelta::zero(), |need| need.required);
    let mut plan = match (rest > TimeDelta::zero(), continuous) {
        (false, _) => Vec::new(),
        (true, false) => cheapest(early, &needs, &late),
        (true, true) => match cheapest_window(&early, rest, from) {
            Some(window) => window,
            None => return Some(simple),
        },
    };
    plan.extend(late);
    plan.sort_by_key(|slot| slot.start);
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

/// So much is charged in cheap slots until then, all before included.
struct Need {
    until: DateTime<Utc>,
    required: TimeDelta,
}

/// The cheapest slots that give every need its time. Among equals those that touch what is charged in
/// anyway count first, because every block is a start of its own (W-02), then later ones. The last one
/// taken is shortened, so that it stays next to the others or, alone, starts at once.
///
/// Taking the cheapest that is allowed is exact, also for prices below zero: all plans are equally long,
/// and that enough is charged before each deadline means that no more than the rest is charged after it.
/// These are upper limits on sets of which each contains the next, so the plans are the bases of a
/// laminar matroid (of its fractional kind, a polymatroid), for which the greedy choice is the best one:
/// a plan without the cheapest allowed slot could exchange any dearer one of the smallest full set for
/// it, and would cost less. No slot of `slots` lies on both sides of a deadline.
fn cheapest(mut slots: Vec<Rate>, needs: &[Need], late: &[Rate]) -> Vec<Rate> {
    let mut required = needs.last().map_or(TimeDelta::zero(), |need| need.required);
    let rest = |need: &Need| (need.until, required - need.required);
    let mut after: Vec<(DateTime<Utc>, TimeDelta)> = needs.iter().map(rest).collect();
    let mut starts: BTreeSet<_> = late.iter().map(|slot| slot.start).collect();
    let mut ends: BTreeSet<_> = late.iter().map(|slot| slot.end).collect();
    slots.sort_by(|a, b| a.value.total_cmp(&b.value).then(b.start.cmp(&a.start)));
    let mut plan: Vec<Rate> = Vec::new();
    while required > TimeDelta::zero()
        && let Some(cheapest) = slots.first().copied()
    {
        let follows = |slot: &Rate| ends.contains(&slot.start);
        let precedes = |slot: &Rate| starts.contains(&slot.end);
        let mut equals = slots.iter().take_while(|slot| slot.value == cheapest.value);
        let next = equals.position(|slot| follows(slot) || precedes(slot)).unwrap_or(0);
        let mut slot = slots.remove(next);
        let within = after.iter().filter(|(deadline, _)| *deadline <= slot.start);
        let allowed = within.map(|(_, rest)| *rest).fold(required, TimeDelta::min);
        if allowed <= TimeDelta::zero() {
            continue;
        }
        let excess = slot.length() - allowed;
        if excess > TimeDelta::zero() {
            let first = !plan.is_empty() && plan.iter().all(|taken| slot.start < taken.start);
            if (first || precedes(&slot)) && !follows(&slot) {
                slot.start += excess;
            } else {
                slot.end -= excess;
            }
        }
        required -= slot.length();
        let within = after.iter_mut().filter(|(deadline, _)| *deadline <= slot.start);
        within.for_each(|(_, rest)| *rest -= slot.length());
        starts.insert(slot.start);
        ends.insert(slot.end);
        plan.push(slot);
    }
    plan
}

/// The cheapest window without a gap that begins or ends with a slot (W-05) and ends by `target`.
/// Among equals the latest one that begins with a slot.
pub(super) fn cheapest_window(
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
pub(super) fn cost(slot: &Rate) -> i128 {
    let billionths = (slot.value * BILLION).round() as i64;
    i128::from(billionths) * i128::from(slot.length().num_milliseconds())
}

/// The parts of sorted rates within a time; looks only at those that can have one.
pub(super) fn clamp(rates: &[Rate], from: DateTime<Utc>, until: DateTime<Utc>) -> Vec<Rate> {
    let rest = &rates[rates.partition_point(|rate| rate.end <= from)..];
    let near = rest.iter().take_while(|rate| rate.start < until);
    near.filter_map(|rate| rate.within(from, until)).collect()
}

pub(super) fn length(slots: &[Rate]) -> TimeDelta {
    slots.iter().map(Rate::length).sum()
}
