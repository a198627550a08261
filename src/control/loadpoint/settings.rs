//! What the user wants of a load point.

use crate::control::{EnergyPlan, Strategy};
use crate::model::{Amps, KilowattHours, LoadPointSetup, Mode, Percent, Thresholds};

/// What the user wants of a load point; stored.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LoadPointSettings {
    /// The mode.
    pub mode: Mode,
    /// Higher wins.
    pub priority: i64,
    /// 0 = automatic, 1 or 3 = fixed.
    pub phases_configured: u8,
    /// Smallest current.
    pub min_current: Amps,
    /// Largest current.
    pub max_current: Amps,
    /// Charge fast below this SoC; 0 = off.
    pub min_soc: Percent,
    /// Session limit; 0 = none; cleared at disconnect.
    pub limit_soc: Percent,
    /// Session limit; 0 = none; cleared at disconnect.
    pub limit_energy: KilowattHours,
    /// When PV charging starts and stops.
    pub thresholds: Thresholds,
    /// Charge fast at this planner rate or below it; `None` = never.
    pub smart_cost_limit: Option<f64>,
    /// Leave the sun to the grid at this feed-in rate or above it; `None` = never.
    pub smart_feed_in_limit: Option<f64>,
    /// The home battery helps down to this SoC; 100 = no limit (Q14).
    pub battery_boost_limit: Percent,
    /// The energy plan.
    pub plan: Option<EnergyPlan>,
    /// How the energy plan is carried out.
    pub plan_strategy: Strategy,
}

impl LoadPointSettings {
    /// What the configuration says.
    pub(super) fn new(setup: &LoadPointSetup) -> Self {
        Self {
            mode: setup.default_mode.unwrap_or(Mode::Off),
            priority: setup.priority,
            phases_configured: setup.phases_configured,
            min_current: setup.min_current,
            max_current: setup.max_current,
            min_soc: Percent::ZERO,
            limit_soc: Percent::ZERO,
            limit_energy: KilowattHours::ZERO,
            thresholds: setup.thresholds,
            smart_cost_limit: None,
            smart_feed_in_limit: None,
            battery_boost_limit: Percent(100.0),
            plan: None,
            plan_strategy: Strategy::default(),
        }
    }
}
