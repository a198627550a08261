//! Which of several plans counts (plans-vehicles-devices.md §1.4).

use chrono::{DateTime, Utc};

use std::time::Duration;

use crate::model::{KilowattHours, Percent};

/// So many goals of one vehicle are planned for together; those that are due last have to wait.
const CHAIN_MAX: usize = 8;

/// What a plan is to reach, and when.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Goal {
    /// 1 is the static plan, 2 and more are the repeating plans in their order.
    pub id: usize,
    /// When it is to be reached.
    pub time: DateTime<Utc>,
    /// What is to be reached.
    pub aim: Aim,
}

/// What a plan is to reach.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Aim {
    /// State of charge of the vehicle.
    Soc(Percent),
    /// Energy that is charged from the setting of the plan on.
    Energy(KilowattHours),
}

impl Goal {
    /// The id of the plan that is set for one time.
    pub(crate) const STATIC: usize = 1;
    /// The id of the first repeating plan.
    pub(crate) const REPEATING: usize = 2;

    /// The SoC that is to be reached, if it is one.
    pub(super) fn soc(&self) -> Option<Percent> {
        match self.aim {
            Aim::Soc(soc) => Some(soc),
            Aim::Energy(_) => None,
        }
    }

    /// Whether the SoC is reached; an unknown one is not.
    fn reached(&self, soc: Option<Percent>) -> bool {
        match (self.aim, soc.filter(|soc| soc.0 > 0.0)) {
            (Aim::Soc(goal), Some(soc)) => goal <= soc,
            (Aim::Soc(_), None) | (Aim::Energy(_), _) => false,
        }
    }
}

/// The goal that is not reached and has to be started first; the first one among equals. Each
/// comes with the time that charging for it takes.
pub fn choose(goals: &[(Goal, Duration)], soc: Option<Percent>) -> Option<Goal> {
    let open = goals.iter().filter(|(goal, _)| !goal.reached(soc));
    open.min_by_key(|(goal, required)| goal.time - *required).map(|(goal, _)| *goal)
}

/// The goals after the one that counts that take longer than it and than all before them, by time. What
/// is due before it needs no plan of its own: it takes less, and its latest start is not earlier.
pub(super) fn later(
    goals: &[(Goal, Duration)],
    first: Goal,
    required: Duration,
) -> Vec<(Goal, Duration)> {
    let after = goals.iter().filter(|(goal, _)| goal.time > first.time);
    let mut later: Vec<_> = after.copied().collect();
    later.sort_by_key(|(goal, _)| goal.time);
    let mut most = required;
    later.retain(|(_, required)| {
        let more = *required > most;
        most = most.max(*required);
        more
    });
    later.truncate(CHAIN_MAX - 1);
    later
}
