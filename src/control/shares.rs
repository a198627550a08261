//! Who may have which part of the surplus in one decision (control.md §25, §33.1).

use std::collections::BTreeMap;

use crate::model::{Mono, Watts};

use super::loadpoint::VehicleView;
use super::{Control, LoadPoint};

/// What is left of the surplus while a decision goes from load point to load point.
pub(super) struct Shares {
    /// Power on its way up and not seen by the grid meter: gone for raises.
    rising: Watts,
    /// Power on its way down and not seen by the grid meter: not to be reduced a second time.
    falling: Watts,
    /// Granted in this decision: gone for everybody that comes later.
    granted: Watts,
    /// Given up in this decision: not there yet, so nobody may raise on it.
    given_up: Watts,
    /// Reserved by those that wait for their enable delay, by priority.
    reserved: BTreeMap<i64, Watts>,
    /// What could be given up for a higher priority, by priority.
    flexible: BTreeMap<i64, Watts>,
}

impl Shares {
    pub(super) fn new(control: &Control, grid_at: Option<Mono>, views: &[VehicleView]) -> Self {
        let (mut rising, mut falling) = (Watts::ZERO, Watts::ZERO);
        let mut flexible = BTreeMap::new();
        for (loadpoint, view) in control.loadpoints.iter().zip(views) {
            let power = loadpoint.power_in_flight(grid_at);
            rising += power.max(Watts::ZERO);
            falling += power.min(Watts::ZERO);
            *flexible.entry(loadpoint.effective.priority).or_insert(Watts::ZERO) +=
                loadpoint.flexible_power(control.setup.voltage, view);
        }
        // What is not confirmed is treated as taken: nobody may raise on it.
        rising += control.site.unconfirmed();
        let (granted, given_up) = (Watts::ZERO, Watts::ZERO);
        Self { rising, falling, granted, given_up, reserved: BTreeMap::new(), flexible }
    }

    /// Site power for reductions and for raises of one load point.
    pub(super) fn of(&self, site: Watts, loadpoint: &LoadPoint) -> (Watts, Watts) {
        let priority = loadpoint.effective.priority;
        let flexible: Watts = self.flexible.range(..priority).map(|(_, power)| *power).sum();
        let reserved: Watts = self
            .reserved
            .iter()
            .filter(|(other, _)| **other > priority)
            .map(|(_, power)| *power)
            .sum();
        let own = site + self.granted - flexible;
        (own + self.falling + self.given_up, own + self.rising + reserved)
    }

    /// Takes account of what one load point has just been granted or has given up.
    pub(super) fn decided(&mut self, loadpoint: &LoadPoint, change: Watts, reservation: Watts) {
        self.granted += change.max(Watts::ZERO);
        self.given_up += change.min(Watts::ZERO);
        *self.reserved.entry(loadpoint.effective.priority).or_insert(Watts::ZERO) += reservation;
    }
}
