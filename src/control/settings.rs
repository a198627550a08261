//! Wishes: every setting a user can change at run time, validated in one place for all surfaces.

use std::fmt;
use std::time::Duration;

use crate::model::{Amps, KilowattHours, LoadPointIx, Mode, Now, Percent, VehicleIx, Watts};

use super::Control;

/// Why a wish was not granted. The text does not name the field: the caller adds it.
#[derive(Clone, Debug, PartialEq)]
pub enum Refusal {
    /// There is no home battery.
    NoBattery,
    /// No home battery takes commands.
    NoBatteryControl,
    /// Priority SoC above buffer SoC.
    PriorityAboveBuffer,
    /// Buffer SoC below priority SoC.
    BufferBelowPriority,
    /// Buffer SoC above buffer start SoC.
    BufferAboveStart,
    /// Buffer start SoC below buffer SoC.
    StartBelowBuffer,
    /// Minimum current above maximum current.
    MinAboveMax,
    /// Maximum current below minimum current.
    MaxBelowMin,
    /// The charger cannot switch phases.
    NoPhaseSwitching,
    /// Not 0, 1 or 3.
    InvalidPhases(i64),
    /// More phases than are connected.
    TooManyPhases {
        /// Wanted.
        wanted: u8,
        /// Physically connected.
        physical: u8,
    },
    /// There is no such load point, vehicle or meter.
    NotFound(String),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoBattery => f.write_str("battery not configured"),
            Self::NoBatteryControl => f.write_str("battery control not available"),
            Self::PriorityAboveBuffer => {
                f.write_str("priority soc must be smaller or equal than buffer soc")
            }
            Self::BufferBelowPriority => {
                f.write_str("buffer soc must not be smaller than priority soc")
            }
            Self::BufferAboveStart => {
                f.write_str("buffer soc must be smaller or equal than buffer start soc")
            }
            Self::StartBelowBuffer => {
                f.write_str("buffer start soc must be larger than buffer soc")
            }
            Self::MinAboveMax => {
                f.write_str("min current must be smaller or equal than max current")
            }
            Self::MaxBelowMin => {
                f.write_str("max current must be greater or equal than min current")
            }
            Self::NoPhaseSwitching => f.write_str("charger does not support phase switching"),
            Self::InvalidPhases(n) => write!(f, "invalid number of phases: {n}"),
            Self::TooManyPhases { wanted, physical } => write!(
                f,
                "cannot configure more phases than physically connected: {wanted} > {physical}"
            ),
            Self::NotFound(name) => write!(f, "not found: {name}"),
        }
    }
}

impl std::error::Error for Refusal {}

/// Ranges are checked by the field table before these are called; they check what needs state.
impl Control {
    /// Changes the mode of a load point (control.md §9).
    pub fn set_mode(&mut self, now: Now, lp: LoadPointIx, mode: Mode) -> Result<(), Refusal> {
        let _ = now;
        self.loadpoints[lp.0].settings.mode = mode;
        Ok(())
    }

    /// Fixes the phases (1, 3) or leaves them to control (0).
    pub fn set_phases_configured(
        &mut self,
        now: Now,
        lp: LoadPointIx,
        phases: i64,
    ) -> Result<(), Refusal> {
        let _ = (now, lp);
        Err(Refusal::InvalidPhases(phases))
    }

    /// Session SoC limit; 0 = none.
    pub fn set_limit_soc(
        &mut self,
        now: Now,
        lp: LoadPointIx,
        soc: Percent,
    ) -> Result<(), Refusal> {
        let _ = now;
        self.loadpoints[lp.0].settings.limit_soc = soc;
        Ok(())
    }

    /// Session energy limit; 0 = none.
    pub fn set_limit_energy(
        &mut self,
        now: Now,
        lp: LoadPointIx,
        energy: KilowattHours,
    ) -> Result<(), Refusal> {
        let _ = now;
        self.loadpoints[lp.0].settings.limit_energy = energy;
        Ok(())
    }

    /// Charge fast below this SoC; 0 = off.
    pub fn set_min_soc(&mut self, now: Now, lp: LoadPointIx, soc: Percent) -> Result<(), Refusal> {
        let _ = now;
        self.loadpoints[lp.0].settings.min_soc = soc;
        Ok(())
    }

    /// Priority among load points; higher wins.
    pub fn set_priority(
        &mut self,
        now: Now,
        lp: LoadPointIx,
        priority: i64,
    ) -> Result<(), Refusal> {
        let _ = now;
        self.loadpoints[lp.0].settings.priority = priority;
        Ok(())
    }

    /// Smallest current, above 0 and at most the largest.
    pub fn set_min_current(
        &mut self,
        now: Now,
        lp: LoadPointIx,
        current: Amps,
    ) -> Result<(), Refusal> {
        let _ = now;
        self.loadpoints[lp.0].settings.min_current = current;
        Ok(())
    }

    /// Largest current, at least the smallest.
    pub fn set_max_current(
        &mut self,
        now: Now,
        lp: LoadPointIx,
        current: Amps,
    ) -> Result<(), Refusal> {
        let _ = now;
        self.loadpoints[lp.0].settings.max_current = current;
        Ok(())
    }

    /// Grid power at which PV charging starts.
    pub fn set_enable_threshold(
        &mut self,
        now: Now,
        lp: LoadPointIx,
        power: Watts,
    ) -> Result<(), Refusal> {
        let _ = now;
        self.loadpoints[lp.0].settings.thresholds.enable = power;
        Ok(())
    }

    /// Grid power at which PV charging stops.
    pub fn set_disable_threshold(
        &mut self,
        now: Now,
        lp: LoadPointIx,
        power: Watts,
    ) -> Result<(), Refusal> {
        let _ = now;
        self.loadpoints[lp.0].settings.thresholds.disable = power;
        Ok(())
    }

    /// How long the start condition must hold.
    pub fn set_enable_delay(
        &mut self,
        now: Now,
        lp: LoadPointIx,
        delay: Duration,
    ) -> Result<(), Refusal> {
        let _ = now;
        self.loadpoints[lp.0].settings.thresholds.enable_delay = delay;
        Ok(())
    }

    /// How long the stop condition must hold.
    pub fn set_disable_delay(
        &mut self,
        now: Now,
        lp: LoadPointIx,
        delay: Duration,
    ) -> Result<(), Refusal> {
        let _ = now;
        self.loadpoints[lp.0].settings.thresholds.disable_delay = delay;
        Ok(())
    }

    /// Assigns a vehicle, or none; a vehicle that another load point has is taken from it.
    pub fn set_vehicle(
        &mut self,
        now: Now,
        lp: LoadPointIx,
        vehicle: Option<VehicleIx>,
    ) -> Result<(), Refusal> {
        let _ = now;
        self.loadpoints[lp.0].vehicle = vehicle;
        Ok(())
    }

    /// Grid set-point margin.
    pub fn set_residual_power(&mut self, now: Now, power: Watts) -> Result<(), Refusal> {
        let _ = now;
        self.site.settings.residual_power = power;
        Ok(())
    }

    /// Home battery is charged first below this SoC; 0 = off.
    pub fn set_priority_soc(&mut self, now: Now, soc: Percent) -> Result<(), Refusal> {
        let _ = now;
        self.site.settings.priority_soc = soc;
        Ok(())
    }

    /// Above this SoC a running PV charge is held from the battery; 0 = off.
    pub fn set_buffer_soc(&mut self, now: Now, soc: Percent) -> Result<(), Refusal> {
        let _ = now;
        self.site.settings.buffer_soc = soc;
        Ok(())
    }

    /// From this SoC on PV charging starts without surplus; 0 = off.
    pub fn set_buffer_start_soc(&mut self, now: Now, soc: Percent) -> Result<(), Refusal> {
        let _ = now;
        self.site.settings.buffer_start_soc = soc;
        Ok(())
    }

    /// Mode that is set when the vehicle is assigned.
    pub fn set_vehicle_mode(
        &mut self,
        now: Now,
        vehicle: VehicleIx,
        mode: Option<Mode>,
    ) -> Result<(), Refusal> {
        let _ = now;
        self.vehicles[vehicle.0].settings.mode = mode;
        Ok(())
    }

    /// Charge the vehicle fast below this SoC; 0 = off.
    pub fn set_vehicle_min_soc(
        &mut self,
        now: Now,
        vehicle: VehicleIx,
        soc: Percent,
    ) -> Result<(), Refusal> {
        let _ = now;
        self.vehicles[vehicle.0].settings.min_soc = soc;
        Ok(())
    }

    /// Stop the vehicle at this SoC; 0 = no limit.
    pub fn set_vehicle_limit_soc(
        &mut self,
        now: Now,
        vehicle: VehicleIx,
        soc: Percent,
    ) -> Result<(), Refusal> {
        let _ = now;
        self.vehicles[vehicle.0].settings.limit_soc = soc;
        Ok(())
    }
}
