//! What a plan would be like, without making it (api.md §3.3, §3.6).

use std::time::Duration;

use chrono::{DateTime, DurationRound, TimeDelta, Utc};

use crate::control::{Control, Refusal};
use crate::model::{KilowattHours, LoadPointIx, Now, Percent, Rate, WattHours, Watts};

use super::duration::reserve;
use super::{Aim, EnergyPlan, RepeatingPlan, Request, Strategy, plan};

/// What is asked for.
#[derive(Clone, Debug, PartialEq)]
pub enum Wanted {
    /// A SoC at a time.
    Soc(Percent, DateTime<Utc>),
    /// An energy at a time, from now on.
    Energy(KilowattHours, DateTime<Utc>),
    /// The next occurrence of a repeating plan, active or not.
    Repeating(RepeatingPlan),
}

/// A plan that nobody made.
#[derive(Clone, Debug, PartialEq)]
pub struct Preview {
    /// When it would be reached.
    pub time: DateTime<Utc>,
    /// How long charging takes; `None` if nobody knows.
    pub required: Option<Duration>,
    /// When to charge; empty if there is nothing to do or nothing to do yet.
    pub slots: Vec<Rate>,
    /// The power that is counted on.
    pub power: Watts,
}

impl Control {
    /// What a plan would be like at a load point. `strategy` replaces the one that is set.
    ///
    /// # Errors
    /// There is no such load point, or its vehicle is planned for in the other way: by SoC if SoC
    /// and capacity are known, else by energy (§1.2).
    pub fn preview(
        &self,
        now: Now,
        lp: LoadPointIx,
        wanted: &Wanted,
        strategy: Option<Strategy>,
    ) -> Result<Preview, Refusal> {
        let missing = || Refusal::NotFound(format!("loadpoint {}", lp.0 + 1));
        let loadpoint = self.loadpoints.get(lp.0).ok_or_else(missing)?;
        let view = self.vehicle_view(lp.0);
        let (aim, time) = match wanted {
            Wanted::Soc(soc, time) => (Aim::Soc(*soc), *time),
            Wanted::Energy(energy, time) => (Aim::Energy(*energy), *time),
            Wanted::Repeating(plan) => {
                let mut plan = plan.clone();
                plan.active = true;
                let time = plan.next(now.utc).ok_or(Refusal::NoWeekday)?;
                (Aim::Soc(plan.soc()), time)
            }
        };
        let power = self.plan_power(lp.0, &view);
        let required = match aim {
            Aim::Soc(_) if !view.soc_based() => return Err(Refusal::PlanByEnergy),
            Aim::Energy(_) if view.soc_based() => return Err(Refusal::PlanBySoc),
            Aim::Energy(energy) if loadpoint.settings.plan != Some(EnergyPlan { time, energy }) => {
                // A new plan counts from now on.
                let missing = energy.watt_hours().max(WattHours::ZERO);
                super::duration::energy_duration(missing, power)
            }
            Aim::Soc(_) | Aim::Energy(_) => loadpoint.required(aim, power, &view),
        };
        let strategy = strategy.unwrap_or_else(|| self.plan_strategy(lp.0, &view));
        let span = |time: Duration| TimeDelta::from_std(time).unwrap_or(TimeDelta::zero());
        let slots = required.and_then(|required| {
            let request = Request {
                now: now.utc.duration_trunc(TimeDelta::seconds(1)).unwrap_or(now.utc),
                required: span(required + reserve(required, &view)),
                precondition: span(strategy.precondition),
                target: time,
                continuous: strategy.continuous,
            };
            plan(&request, self.tariffs.planner_rates())
        });
        Ok(Preview { time, required, slots: slots.unwrap_or_default(), power })
    }
}
