//! Who is not plugged in before a plan has to begin is told so in time (W-37).

use std::time::Duration;

use chrono::TimeDelta;

use crate::control::Control;
use crate::control::loadpoint::VehicleView;
use crate::model::{Effect, Event, EventKind, LoadPointIx, Now, VehicleIx};

use super::duration::{learned_duration, reserve};
use super::{Goal, choose};

/// People are told so long before the latest start of charging.
const AHEAD: TimeDelta = TimeDelta::hours(1);

impl Control {
    /// Reminds people, once for each goal.
    pub(super) fn remind(&mut self, now: Now, views: &[VehicleView]) {
        for (lp, view) in views.iter().enumerate() {
            let loadpoint = &mut self.loadpoints[lp];
            let goal = loadpoint.plan.goal.filter(|_| loadpoint.unplugged());
            let required = loadpoint.plan.required.unwrap_or_default();
            let due = goal.filter(|goal| is_due(now, *goal, required + reserve(required, view)));
            if due.is_some() && loadpoint.plan.reminded != due {
                loadpoint.plan.reminded = due;
                let (lp, vehicle) = (Some(LoadPointIx(lp)), loadpoint.vehicle);
                let event = Event { lp, vehicle, kind: EventKind::PlanUnplugged };
                self.effects.push_back(Effect::Event(event));
            }
        }
        for ix in 0..self.vehicles.len() {
            let due = self.vehicle_due(now, VehicleIx(ix));
            if due.is_some() && self.vehicles[ix].reminded != due {
                self.vehicles[ix].reminded = due;
                let kind = EventKind::PlanUnplugged;
                let event = Event { lp: None, vehicle: Some(VehicleIx(ix)), kind };
                self.effects.push_back(Effect::Event(event));
            }
        }
    }

    /// The goal for which a vehicle that stands at no load point must be plugged in by now. It is
    /// reckoned for the load point where it charges fastest.
    fn vehicle_due(&self, now: Now, vehicle: VehicleIx) -> Option<Goal> {
        let settings = &self.vehicles.get(vehicle.0)?.settings;
        let nothing = settings.plan.is_none() && settings.repeating.is_empty();
        // While somebody is looked for, it may be this one.
        let open = self.loadpoints.iter().any(|lp| {
            lp.vehicle == Some(vehicle) || lp.status.is_none() || lp.detecting_until.is_some()
        });
        if nothing || open {
            return None;
        }
        let places = (0..self.loadpoints.len()).map(|lp| (lp, self.view_of(lp, Some(vehicle))));
        let fastest = places.max_by(|(a, a_view), (b, b_view)| {
            let power = |lp, view| self.plan_power(lp, view).0;
            power(*a, a_view).total_cmp(&power(*b, b_view))
        });
        let (lp, view) = fastest.filter(|(_, view)| view.soc_based())?;
        let power = self.plan_power(lp, &view);
        let capacity = view.capacity?.watt_hours() / view.efficiency();
        let required = |goal: Goal| {
            let to_goal = |soc| learned_duration(capacity, soc, power, &view);
            let required = goal.soc().and_then(to_goal).unwrap_or_default();
            (goal, required + reserve(required, &view))
        };
        let goals: Vec<_> = settings.goals(now.utc).map(required).collect();
        let goal = choose(&goals, view.soc)?;
        let (_, required) = goals.iter().find(|(other, _)| *other == goal)?;
        is_due(now, goal, *required).then_some(goal)
    }
}

/// Whether charging must begin soon, and can still help.
fn is_due(now: Now, goal: Goal, required: Duration) -> bool {
    let required = TimeDelta::from_std(required).unwrap_or(TimeDelta::MAX);
    let ahead = goal.time - now.utc;
    !required.is_zero() && ahead > TimeDelta::zero() && ahead <= required + AHEAD
}
