//! The goal of every load point and what becomes of it, decision by decision
//! (plans-vehicles-devices.md §1.2, §1.5, §1.8).

use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::control::loadpoint::VehicleView;
use crate::control::{Control, LoadPoint, VehicleSettings};
use crate::model::{ChargeStatus, Effect, Event, EventKind, LoadPointIx, Now, WattHours, Watts};

use super::duration::{energy_duration, learned_duration, reserve};
use super::goal::later;
use super::state::Inputs;
use super::{Aim, Goal, Strategy, choose};

impl Control {
    /// Looks at the plans of all load points.
    pub(in crate::control) fn plan(&mut self, now: Now, views: &[VehicleView]) {
        for (lp, view) in views.iter().enumerate() {
            // After a plan that is done with comes the next one.
            for _ in 0..2 {
                if !self.plan_one(now, lp, view) {
                    break;
                }
            }
        }
        self.remind(now, views);
    }

    /// Looks at the plan of a load point; tells whether it is done with.
    fn plan_one(&mut self, now: Now, lp: usize, view: &VehicleView) -> bool {
        let (goal, later) = self.goals(now, lp, view);
        let power = self.plan_power(lp, view);
        let strategy = self.plan_strategy(lp, view);
        let began = self.began;
        let loadpoint = &mut self.loadpoints[lp];
        let required = goal.and_then(|goal| loadpoint.required(goal.aim, power, view));
        let vehicle = loadpoint.vehicle;
        let inputs = Inputs {
            status: loadpoint.status,
            goal,
            later,
            strategy,
            required,
            reserve: required.map_or(Duration::ZERO, |required| reserve(required, view)),
            power,
            // Nobody can set a plan for a time that has passed: it is one of an earlier start.
            resumed: goal.is_some_and(|goal| goal.id == Goal::STATIC && goal.time < began),
        };
        let verdict = loadpoint.plan.evaluate(now, self.tariffs.planner_rates(), &inputs);
        if verdict.late {
            let event = Event { lp: Some(LoadPointIx(lp)), vehicle, kind: EventKind::PlanOverrun };
            self.effects.push_back(Effect::Event(event));
        }
        let Some(goal) = goal.filter(|goal| verdict.finished && goal.id == Goal::STATIC) else {
            // A repeating plan stays, but its turn is over.
            return verdict.finished;
        };
        match (goal.aim, vehicle.and_then(|ix| self.vehicles.get_mut(ix.0))) {
            (Aim::Energy(_), _) => self.loadpoints[lp].settings.plan = None,
            (Aim::Soc(_), Some(vehicle)) => vehicle.settings.plan = None,
            (Aim::Soc(_), None) => {}
        }
        true
    }

    /// The goal that counts at a load point, and the later ones that are planned for with it; each with
    /// the time that charging for it takes. Without a SoC there is one goal only.
    fn goals(
        &self,
        now: Now,
        lp: usize,
        view: &VehicleView,
    ) -> (Option<Goal>, Vec<(Goal, Duration)>) {
        let loadpoint = &self.loadpoints[lp];
        let locked = loadpoint.plan.locked;
        if !view.soc_based() {
            let plan = loadpoint.settings.plan.map(|plan| Goal {
                id: Goal::STATIC,
                time: plan.time,
                aim: Aim::Energy(plan.energy),
            });
            return (locked.or(plan), Vec::new());
        }
        let Some(vehicle) = loadpoint.vehicle.and_then(|ix| self.vehicles.get(ix.0)) else {
            return (locked, Vec::new());
        };
        // The choice counts on the same power as the plan itself (W-04).
        let power = self.plan_power(lp, view);
        let required = |goal: Goal| {
            let required = loadpoint.required(goal.aim, power, view).unwrap_or_default();
            (goal, required + reserve(required, view))
        };
        let goals: Vec<_> = vehicle.settings.goals(now.utc).map(required).collect();
        let first = locked.or_else(|| choose(&goals, view.soc));
        let later = first.map(|goal| later(&goals, goal, required(goal).1));
        (first, later.unwrap_or_default())
    }

    /// The power that a plan counts on: what circuits and car allow, as far as it is known or was
    /// learned (§1.5, W-34).
    pub(super) fn plan_power(&self, lp: usize, view: &VehicleView) -> Watts {
        let voltage = self.setup.voltage;
        let loadpoint = &self.loadpoints[lp];
        let phases = loadpoint.max_phases(view);
        let nominal = loadpoint.effective.max_current.power(voltage, phases);
        let learned = view.share.map(|share| loadpoint.wired_power(voltage, view) * share);
        let of_car = view.max_power.filter(|limit| limit.0 > 0.0);
        let circuits = self.circuits.carried_power(lp, voltage, phases);
        [learned, of_car, circuits].into_iter().flatten().fold(nominal, Watts::min)
    }

    /// How plans are carried out at a load point.
    pub(super) fn plan_strategy(&self, lp: usize, view: &VehicleView) -> Strategy {
        let loadpoint = &self.loadpoints[lp];
        let of_vehicle = loadpoint.vehicle.and_then(|ix| self.vehicles.get(ix.0));
        of_vehicle
            .filter(|_| view.soc_based())
            .map_or(loadpoint.settings.plan_strategy, |vehicle| vehicle.settings.plan_strategy)
    }
}

impl VehicleSettings {
    /// The goals of all plans, each at its next occurrence (§1.4).
    pub(super) fn goals(&self, now: DateTime<Utc>) -> impl Iterator<Item = Goal> {
        let fixed = self.plan.map(|plan| Goal {
            id: Goal::STATIC,
            time: plan.time,
            aim: Aim::Soc(plan.soc),
        });
        let repeating = self.repeating.iter().enumerate().filter_map(move |(n, plan)| {
            let time = plan.next(now)?;
            Some(Goal { id: Goal::REPEATING + n, time, aim: Aim::Soc(plan.soc()) })
        });
        fixed.into_iter().chain(repeating)
    }
}

impl LoadPoint {
    /// How long charging takes until the aim is reached; `None` if nobody knows.
    pub(super) fn required(
        &self,
        aim: Aim,
        power: Watts,
        vehicle: &VehicleView,
    ) -> Option<Duration> {
        match aim {
            Aim::Soc(goal) => {
                let capacity = self.virtual_capacity(vehicle)?;
                learned_duration(capacity, goal, power, vehicle)
            }
            Aim::Energy(goal) => {
                let charged = self.session().energy - self.plan.offset;
                let missing = (goal.watt_hours() - charged).max(WattHours::ZERO);
                energy_duration(missing, power)
            }
        }
    }

    /// Whether nothing is plugged in for sure.
    pub(super) fn unplugged(&self) -> bool {
        self.status == Some(ChargeStatus::Disconnected)
    }
}
