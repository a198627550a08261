//! The goals of one vehicle as steps of one plan (W-38).
//!
//! evcc plans for the goal that has to be started first and for no other before that is reached, so cheap
//! slots in the meantime are not used for both. Here the slots are chosen so that every goal is reached in
//! time at the least cost of all together. How plans are carried out is set for a vehicle, not for a
//! goal: `precondition` lies before the target of each, and a chain without pauses is one block for every
//! goal, or one for several in a row where that is cheaper.

use std::ops::Range;

use chrono::{DateTime, TimeDelta, Utc};

use crate::model::Rate;

use super::planner::{cheapest_window, clamp, cost, length};

/// A goal after the one that is planned for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Later {
    /// How long charging takes from now on, that for the goals before it included.
    pub required: TimeDelta,
    /// When charging has to be done.
    pub target: DateTime<Utc>,
}

/// A goal as far as prices are known.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    /// How long charging takes until then, all before included.
    pub(super) required: TimeDelta,
    /// How much of it lies right before the target.
    pub(super) precondition: TimeDelta,
    /// When it has to be done.
    pub(super) target: DateTime<Utc>,
}

impl Step {
    /// What has to be done by the horizon: prices after it are not known, and what fits there can wait
    /// for them. `None` if that is all of it.
    pub(super) fn until(self, horizon: DateTime<Utc>) -> Option<Self> {
        let after = (self.target - horizon).max(TimeDelta::zero());
        (after < self.required).then(|| Self {
            required: self.required - after,
            precondition: self.precondition - after,
            target: self.target - after,
        })
    }
}

/// The first step and those after it that ask for more than all before them. What known prices do not
/// cover is planned for when its turn comes.
pub(super) fn steps(now: DateTime<Utc>, first: Step, later: &[Later], rates: &[Rate]) -> Vec<Step> {
    let mut steps = vec![first];
    let mut before = first;
    for Later { required, target } in later.iter().copied() {
        let step = Step { required, target: target.max(now + required), ..first };
        let Some(step) = rates.last().and_then(|last| step.until(last.end)) else { continue };
        let more = step.required > before.required && step.target >= before.target;
        if more && length(&clamp(rates, now, step.target)) >= step.required {
            steps.push(step);
            before = step;
        }
    }
    steps
}

/// One block for each goal, or for several in a row, whichever is cheapest; `None` if one plan for all is
/// not possible or not wanted. A block for several ends before the first of them needs more time than is
/// left; that for the next ones begins after the last of them.
pub(super) fn blocks(
    now: DateTime<Utc>,
    first: Step,
    later: &[Later],
    rates: &[Rate],
) -> Option<Vec<Rate>> {
    let horizon = rates.last()?.end;
    // What is to lie right before its goal does not lie in the block of another one.
    if first.precondition > TimeDelta::zero() {
        return None;
    }
    let mut goals = vec![Later { required: first.required, target: first.target }];
    for goal in later.iter().filter(|goal| goal.target <= horizon) {
        if goals.last().is_some_and(|before| goal.required > before.required) {
            goals.push(*goal);
        }
    }
    if goals.len() == 1 {
        return None;
    }
    let block = |group: Range<usize>| {
        let before = group.start.checked_sub(1).map(|ix| goals[ix]);
        let (from, done) =
            before.map_or((now, TimeDelta::zero()), |goal| (goal.target, goal.required));
        let required = goals[group.end - 1].required - done;
        let latest = goals[group].iter().map(|goal| goal.target - (goal.required - done)).min()?;
        let end = latest + required;
        cheapest_window(&clamp(rates, from, end), required, end)
    };
    // The best plans for the last goals, for one more each time.
    let mut best: Vec<Option<(i128, Vec<Rate>)>> = vec![None; goals.len()];
    best.push(Some((0, Vec::new())));
    for start in (0..goals.len()).rev() {
        let plans = (start + 1..=goals.len()).filter_map(|end| {
            let (rest, after) = best[end].as_ref()?;
            let mut slots = block(start..end)?;
            slots.extend(after);
            let total = rest + slots[..slots.len() - after.len()].iter().map(cost).sum::<i128>();
            Some((total, slots))
        });
        best[start] = plans.min_by_key(|(total, _)| *total);
    }
    best.swap_remove(0).map(|(_, slots)| slots)
}
