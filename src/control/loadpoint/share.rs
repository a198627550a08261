//! What a load point could give up for others, and what it will take first (control.md §25).

use crate::model::{ChargerFeature, Mode, Volts, Watts};

use super::LoadPoint;
use super::effective::VehicleView;

impl LoadPoint {
    /// What this load point could give up for one of higher priority (control.md §25.1).
    pub(crate) fn flexible_power(&self, voltage: Volts, vehicle: &VehicleView) -> Watts {
        if !self.charging() || self.min_soc_not_reached || self.plan.active {
            return Watts::ZERO;
        }
        match self.settings.mode {
            Mode::Off | Mode::Now => Watts::ZERO,
            Mode::Pv => self.charge_power(),
            Mode::MinPv
                if self.has(ChargerFeature::SwitchDevice)
                    || self.has(ChargerFeature::Continuous) =>
            {
                Watts::ZERO
            }
            Mode::MinPv => {
                (self.charge_power() - self.min_power(voltage, vehicle)).max(Watts::ZERO)
            }
        }
    }

    /// What it will take first, while it waits for its enable delay (control.md §25.2, Q28).
    pub(crate) fn reservation(&self, voltage: Volts, vehicle: &VehicleView) -> Watts {
        let starting = self.settings.mode == Mode::Pv
            && self.connected()
            && !self.enabled
            && !self.held_back()
            && self.pv_timer.is_set();
        if starting && !self.soc_limit_reached(vehicle) && !self.energy_limit_reached(vehicle) {
            self.min_power(voltage, vehicle)
        } else {
            Watts::ZERO
        }
    }
}
