//! Plans that people set (plans-vehicles-devices.md §1.1).

use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::control::{Control, Refusal};
use crate::model::{KilowattHours, LoadPointIx, Now, Percent, VehicleIx};

use super::RepeatingPlan;

/// A vehicle has no more repeating plans than this.
const REPEATING_MAX: usize = 32;

/// A goal in SoC of a vehicle for one time; stored.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SocPlan {
    /// When it is to be reached.
    pub time: DateTime<Utc>,
    /// What is to be reached.
    pub soc: Percent,
}

/// A goal in energy of a load point for one time; stored.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EnergyPlan {
    /// When it is to be reached.
    pub time: DateTime<Utc>,
    /// What is to be charged from the setting of the plan on.
    pub energy: KilowattHours,
}

/// How a plan is carried out; stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Strategy {
    /// Without a pause.
    pub continuous: bool,
    /// So much of it right before the time of the plan, in whole seconds.
    pub precondition: Duration,
}

impl Control {
    /// Sets the energy plan of a load point, or removes it.
    ///
    /// # Errors
    /// The time is in the past.
    pub fn set_plan_energy(
        &mut self,
        now: Now,
        lp: LoadPointIx,
        plan: Option<EnergyPlan>,
    ) -> Result<(), Refusal> {
        self.in_the_future(now, plan.map(|plan| plan.time))?;
        let loadpoint = self.loadpoint_mut(now, lp)?;
        if loadpoint.settings.plan != plan {
            loadpoint.settings.plan = plan;
            loadpoint.plan.begin(loadpoint.session().energy);
        }
        Ok(())
    }

    /// Sets how the energy plan of a load point is carried out.
    ///
    /// # Errors
    /// There is no such load point.
    pub fn set_plan_strategy(
        &mut self,
        now: Now,
        lp: LoadPointIx,
        strategy: Strategy,
    ) -> Result<(), Refusal> {
        self.loadpoint_mut(now, lp)?.settings.plan_strategy = strategy;
        Ok(())
    }

    /// Sets the plan of a vehicle for one time, or removes it.
    ///
    /// # Errors
    /// The time is in the past.
    pub fn set_plan_soc(
        &mut self,
        now: Now,
        vehicle: VehicleIx,
        plan: Option<SocPlan>,
    ) -> Result<(), Refusal> {
        self.in_the_future(now, plan.map(|plan| plan.time))?;
        let settings = self.vehicle_settings(now, vehicle)?;
        if settings.plan != plan {
            settings.plan = plan;
            self.release_plans();
        }
        Ok(())
    }

    /// Replaces the repeating plans of a vehicle.
    ///
    /// # Errors
    /// There are too many.
    pub fn set_repeating_plans(
        &mut self,
        now: Now,
        vehicle: VehicleIx,
        plans: Vec<RepeatingPlan>,
    ) -> Result<(), Refusal> {
        if plans.len() > REPEATING_MAX {
            return Err(Refusal::TooManyPlans { most: REPEATING_MAX });
        }
        self.vehicle_settings(now, vehicle)?.repeating = plans;
        self.release_plans();
        Ok(())
    }

    /// Sets how the plans of a vehicle are carried out.
    ///
    /// # Errors
    /// There is no such vehicle.
    pub fn set_vehicle_plan_strategy(
        &mut self,
        now: Now,
        vehicle: VehicleIx,
        strategy: Strategy,
    ) -> Result<(), Refusal> {
        self.vehicle_settings(now, vehicle)?.plan_strategy = strategy;
        Ok(())
    }

    /// Nobody plans for the past, but a plan of an earlier start may have passed in between.
    fn in_the_future(&self, now: Now, time: Option<DateTime<Utc>>) -> Result<(), Refusal> {
        match time {
            Some(time) if time < now.utc && !self.restoring => Err(Refusal::TimeInPast),
            Some(_) | None => Ok(()),
        }
    }

    /// Whoever changes a plan wants it to be looked at anew.
    fn release_plans(&mut self) {
        for loadpoint in &mut self.loadpoints {
            loadpoint.plan.release();
        }
    }
}
