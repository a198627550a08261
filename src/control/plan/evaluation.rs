//! The goal of every load point and what becomes of it, decision by decision
//! (plans-vehicles-devices.md §1.2, §1.5, §1.8).

use std::time::Duration;

use crate::control::loadpoint::VehicleView;
use crate::control::{Control, LoadPoint};
use crate::model::{Event, EventKind, LoadPointIx, Now, Percent, Volts, WattHours, Watts};

use super::duration::{charge_duration, energy_duration};
use super::state::Inputs;
use super::{Aim, Goal, choose};

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
    }

    /// Looks at the plan of a load point; tells whether it is done with.
    fn plan_one(&mut self, now: Now, lp: usize, view: &VehicleView) -> bool {
        let voltage = self.setup.voltage;
        let goal = self.goal(now, lp, view);
        let loadpoint = &mut self.loadpoints[lp];
        let required = goal.and_then(|goal| loadpoint.required(goal.aim, voltage, view));
        let vehicle = loadpoint.vehicle;
        let of_vehicle = vehicle.and_then(|ix| self.vehicles.get(ix.0));
        let strategy = of_vehicle
            .filter(|_| view.soc_based())
            .map_or(loadpoint.settings.plan_strategy, |vehicle| vehicle.settings.plan_strategy);
        let (connected, power) = (loadpoint.connected(), loadpoint.plan_power(voltage, view));
        let inputs = Inputs { connected, goal, strategy, required, power };
        let verdict = loadpoint.plan.evaluate(now, self.tariffs.planner_rates(), &inputs);
        if verdict.late {
            let event = Event { lp: Some(LoadPointIx(lp)), vehicle, kind: EventKind::PlanOverrun };
            self.effects.push_back(crate::model::Effect::Event(event));
        }
        let Some(goal) = goal.filter(|goal| verdict.finished && goal.id == Goal::STATIC) else {
            return false;
        };
        match (goal.aim, vehicle.and_then(|ix| self.vehicles.get_mut(ix.0))) {
            (Aim::Energy(_), _) => self.loadpoints[lp].settings.plan = None,
            (Aim::Soc(_), Some(vehicle)) => vehicle.settings.plan = None,
            (Aim::Soc(_), None) => {}
        }
        true
    }

    /// The goal that counts at a load point.
    fn goal(&self, now: Now, lp: usize, view: &VehicleView) -> Option<Goal> {
        let loadpoint = &self.loadpoints[lp];
        if loadpoint.plan.locked.is_some() {
            return loadpoint.plan.locked;
        }
        if !view.soc_based() {
            let plan = loadpoint.settings.plan?;
            let aim = Aim::Energy(plan.energy);
            return Some(Goal { id: Goal::STATIC, time: plan.time, aim });
        }
        let settings = &self.vehicles.get(loadpoint.vehicle?.0)?.settings;
        let fixed = settings.plan.map(|plan| Goal {
            id: Goal::STATIC,
            time: plan.time,
            aim: Aim::Soc(plan.soc),
        });
        let repeating = settings.repeating.iter().enumerate().filter_map(|(n, plan)| {
            let time = plan.next(now.utc)?;
            Some(Goal { id: Goal::REPEATING + n, time, aim: Aim::Soc(plan.soc()) })
        });
        let goals: Vec<_> = fixed
            .into_iter()
            .chain(repeating)
            .map(|goal| {
                let required = loadpoint.required(goal.aim, self.setup.voltage, view);
                (goal, required.unwrap_or(Duration::ZERO))
            })
            .collect();
        choose(&goals, view.soc)
    }
}

impl LoadPoint {
    /// The power that a plan counts on.
    pub(crate) fn plan_power(&self, voltage: Volts, vehicle: &VehicleView) -> Watts {
        let power = self.effective.max_current.power(voltage, self.max_phases(vehicle));
        let limit = vehicle.max_power.filter(|limit| limit.0 > 0.0);
        limit.map_or(power, |limit| limit.min(power))
    }

    /// How long charging takes until the aim is reached; `None` if nobody knows.
    fn required(&self, aim: Aim, voltage: Volts, vehicle: &VehicleView) -> Option<Duration> {
        let power = self.plan_power(voltage, vehicle);
        match aim {
            Aim::Soc(goal) => {
                let capacity = self.virtual_capacity(vehicle)?;
                charge_duration(capacity, vehicle.soc.unwrap_or(Percent::ZERO), goal, power)
            }
            Aim::Energy(goal) => {
                let charged = self.session().energy - self.plan.offset;
                let missing = (goal.watt_hours() - charged).max(WattHours::ZERO);
                energy_duration(missing, power)
            }
        }
    }
}
