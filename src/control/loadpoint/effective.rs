//! Values that result from load point, vehicle and charger together (control.md §7, §8, §15).

use crate::model::{Amps, ChargerFeature, KilowattHours, Percent, Volts, WattHours, Watts};

use crate::control::Taper;
use crate::control::estimator::CHARGE_EFFICIENCY;

use super::{LoadPoint, LoadPointSettings};

/// Values that result from load point, vehicle and charger together (control.md §8).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Effective {
    /// Priority, raised by the vehicle.
    pub priority: i64,
    /// Smallest current.
    pub min_current: Amps,
    /// Largest current, at least the smallest.
    pub max_current: Amps,
    /// Charge fast below this SoC; 0 = off.
    pub min_soc: Percent,
    /// Stop at this SoC; 100 = no limit.
    pub limit_soc: Percent,
    /// Phases that carry or would carry current.
    pub phases_active: u8,
}

/// What a decision needs to know of the assigned vehicle.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct VehicleView {
    /// A vehicle is assigned.
    pub(crate) present: bool,
    /// Battery capacity.
    pub(crate) capacity: Option<KilowattHours>,
    /// Phases of its on-board charger; 0 unknown.
    pub(crate) phases: u8,
    /// Replaces the load point's priority when > 0.
    pub(crate) priority: i64,
    /// Smallest current of the vehicle.
    pub(crate) min_current: Option<Amps>,
    /// Largest current of the vehicle.
    pub(crate) max_current: Option<Amps>,
    /// Largest power of the vehicle.
    pub(crate) max_power: Option<Watts>,
    /// Takes whole amperes only.
    pub(crate) coarse: bool,
    /// Has no telemetry.
    pub(crate) offline: bool,
    /// State of charge; the charger's own word wins.
    pub(crate) soc: Option<Percent>,
    /// Charge fast below this SoC; 0 = off.
    pub(crate) min_soc: Percent,
    /// Stop at this SoC; 0 = no limit.
    pub(crate) limit_soc: Percent,
    /// The vehicle asks for climate power.
    pub(crate) climate: bool,
    /// It has reached the limit that is set in the vehicle itself.
    pub(crate) full: bool,
    /// It is not to be woken.
    pub(crate) never_wake: bool,
    /// It can be woken through a channel of its own.
    pub(crate) can_wake: bool,
    /// Share of the energy from the grid that ends up in the battery, as learned.
    pub(crate) efficiency: Option<f64>,
    /// Share of the nominal power that it draws at this load point, as learned.
    pub(crate) share: Option<f64>,
    /// Share of that when it is nearly full, as learned.
    pub(crate) taper: Taper,
}

impl VehicleView {
    /// Whether limits and plans go by SoC rather than by energy (control.md §8).
    pub(crate) fn soc_based(&self) -> bool {
        self.capacity.is_some_and(|capacity| capacity.0 > 0.0)
            && (!self.offline || self.soc.is_some())
    }

    /// Share of the energy from the grid that ends up in the battery.
    pub(crate) fn efficiency(&self) -> f64 {
        self.efficiency.unwrap_or(CHARGE_EFFICIENCY)
    }
}

/// Unknown phase counts are assumed to be 3 (control.md §0).
fn known_or_3(phases: u8) -> u8 {
    if phases > 0 { phases } else { 3 }
}

impl LoadPoint {
    /// Phases that carry or would carry current (control.md §7.1 `active`).
    pub(crate) fn active_phases(&self, vehicle: &VehicleView) -> u8 {
        known_or_3(vehicle.phases)
            .min(known_or_3(self.phases))
            .min(known_or_3(self.measured_phases))
            .min(known_or_3(self.charger_phases()))
    }

    /// Most phases that could carry current (control.md §7.1 `max`).
    pub(crate) fn max_phases(&self, vehicle: &VehicleView) -> u8 {
        let measurable = self.phases > 1 && vehicle.phases != 1 && self.charger_phases() != 1;
        let measured = if measurable { self.measured_phases } else { 0 };
        self.wired_phases(vehicle).min(known_or_3(measured))
    }

    /// Most phases that car and wires have, whatever has been measured.
    pub(crate) fn wired_phases(&self, vehicle: &VehicleView) -> u8 {
        let physical =
            if self.switchable() { self.settings.phases_configured } else { self.phases };
        known_or_3(vehicle.phases).min(known_or_3(physical)).min(known_or_3(self.charger_phases()))
    }

    /// Fewest phases that could carry current (control.md §7.1 `min`).
    pub(crate) fn min_phases(&self, vehicle: &VehicleView) -> u8 {
        if self.switchable() || self.settings.phases_configured == 1 {
            1
        } else {
            self.max_phases(vehicle)
        }
    }

    /// Whether the charger can switch phases.
    pub(crate) fn switchable(&self) -> bool {
        self.setup.charger.phase_switching
    }

    /// Whether the device is of this kind.
    pub(crate) fn has(&self, feature: ChargerFeature) -> bool {
        self.setup.charger.features.contains(&feature)
    }

    fn charger_phases(&self) -> u8 {
        self.setup.charger.physical_phases.unwrap_or(0)
    }

    /// Computes the effective values. The largest of all minimums counts (Q08); where the minimum
    /// exceeds the maximum the maximum wins, so that charging is possible and off always is (Q10).
    pub(crate) fn effective_values(&self, vehicle: &VehicleView) -> Effective {
        let LoadPointSettings { priority, min_current, max_current, min_soc, limit_soc, .. } =
            self.settings;
        let charger = &self.setup.charger;
        let least = [charger.min_current, vehicle.min_current].into_iter().flatten();
        let most = [charger.max_current, vehicle.max_current].into_iter().flatten();
        let max_current = most.filter(|limit| limit.0 > 0.0).fold(max_current, Amps::min);
        let limits = [limit_soc, vehicle.limit_soc, Percent(100.0)];
        Effective {
            priority: if vehicle.priority > 0 { vehicle.priority } else { priority },
            min_current: least.fold(min_current, Amps::max).min(max_current),
            max_current,
            min_soc: min_soc.max(vehicle.min_soc),
            limit_soc: limits.into_iter().find(|limit| limit.0 > 0.0).unwrap_or(Percent(100.0)),
            phases_active: self.active_phases(vehicle),
        }
    }

    /// The smallest power at which it can charge (control.md §8).
    pub(crate) fn min_power(&self, voltage: Volts, vehicle: &VehicleView) -> Watts {
        self.effective.min_current.power(voltage, self.min_phases(vehicle))
    }

    /// SoC limit reached; 100 never triggers (control.md §15).
    pub(crate) fn soc_limit_reached(&self, vehicle: &VehicleView) -> bool {
        let limit = self.effective.limit_soc;
        limit.0 > 0.0 && limit.0 < 100.0 && vehicle.soc.is_some_and(|soc| soc >= limit)
    }

    /// Energy limit reached; ignored when limits go by SoC (control.md §15).
    pub(crate) fn energy_limit_reached(&self, vehicle: &VehicleView) -> bool {
        let limit = self.settings.limit_energy;
        limit.0 > 0.0 && !vehicle.soc_based() && self.session().energy.kilowatt_hours() >= limit
    }

    /// Minimum SoC not reached; with an unknown SoC the session's energy is compared (control.md §15).
    pub(crate) fn below_min_soc(&self, vehicle: &VehicleView) -> bool {
        let min = self.effective.min_soc;
        if min.0 <= 0.0 {
            return false;
        }
        match (vehicle.soc.filter(|soc| soc.0 > 0.0), vehicle.capacity) {
            (Some(soc), _) => soc < min,
            (None, Some(capacity)) if vehicle.present => {
                let missing =
                    WattHours(capacity.watt_hours().0 * min.0 / 100.0 / vehicle.efficiency());
                self.session().energy < missing
            }
            (None, _) => false,
        }
    }
}
