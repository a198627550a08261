//! Wishes: every setting a user can change at run time, validated in one place for all surfaces.

use std::fmt;
use std::time::Duration;

use crate::model::{
    Amps, KilowattHours, LoadPointIx, MeterRole, Mode, Now, Percent, VehicleIx, Watts,
};

use super::loadpoint::Timer;
use super::{Control, LoadPoint, SiteSettings, Vehicle, VehicleSettings, Wake};

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
    /// Boost in another mode than pv or minpv.
    BoostOutsidePv,
    /// A plan for a time that has passed.
    TimeInPast,
    /// Not 0 to 6.
    InvalidWeekday(i64),
    /// No IANA time zone.
    InvalidTimezone(String),
    /// No time of day.
    InvalidTime(String),
    /// A plan without any day.
    NoWeekday,
    /// SoC or capacity of the vehicle is not known: only energy can be planned.
    PlanByEnergy,
    /// SoC and capacity of the vehicle are known: a SoC is planned.
    PlanBySoc,
    /// More repeating plans than a vehicle can have.
    TooManyPlans {
        /// So many it can have.
        most: usize,
    },
    /// A target time without anything to reach by then.
    NoTarget,
    /// The value has not the form that is expected.
    Malformed(String),
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
            Self::BoostOutsidePv => f.write_str("battery boost is only available in PV modes"),
            Self::TimeInPast => f.write_str("timestamp is in the past"),
            Self::InvalidWeekday(day) => write!(f, "weekday out of range: {day}"),
            Self::InvalidTimezone(zone) => write!(f, "invalid timezone: {zone}"),
            Self::InvalidTime(time) => write!(f, "invalid time: {time}"),
            Self::NoWeekday => f.write_str("no weekday: nothing is due"),
            Self::PlanByEnergy => {
                f.write_str("soc or capacity of the vehicle is not known: plan an energy")
            }
            Self::PlanBySoc => f.write_str("soc and capacity of the vehicle are known: plan a soc"),
            Self::TooManyPlans { most } => write!(f, "more than {most} repeating plans"),
            Self::NoTarget => f.write_str("no target for this time: write targetEnergy first"),
            Self::Malformed(message) => f.write_str(message),
            Self::NotFound(name) => write!(f, "not found: {name}"),
        }
    }
}

impl std::error::Error for Refusal {}

/// Ranges are checked by the field table before these are called; here is what needs state.
impl Control {
    /// Changes the mode of a load point (control.md §9).
    pub fn set_mode(&mut self, now: Now, lp: LoadPointIx, mode: Mode) -> Result<(), Refusal> {
        let loadpoint = self.loadpoint_mut(now, lp)?;
        // A user who says off means it.
        loadpoint.welcome_until = None;
        if loadpoint.settings.mode != mode {
            loadpoint.settings.mode = mode;
            loadpoint.minpv_once = false;
            loadpoint.request_boost(false);
            if mode != Mode::Pv {
                loadpoint.pv_timer = Timer::Idle;
            }
            if matches!(mode, Mode::Now | Mode::Off) {
                loadpoint.phase_timer = Timer::Idle;
                loadpoint.plan.release();
            }
        }
        Ok(())
    }

    /// Fixes the phases (1, 3) or leaves them to control (0) (control.md §7.4).
    pub fn set_phases_configured(
        &mut self,
        now: Now,
        lp: LoadPointIx,
        phases: i64,
    ) -> Result<(), Refusal> {
        let loadpoint = self.loadpoint_mut(now, lp)?;
        let Some(wanted) = u8::try_from(phases).ok().filter(|phases| matches!(phases, 0 | 1 | 3))
        else {
            return Err(Refusal::InvalidPhases(phases));
        };
        let switchable = loadpoint.setup.charger.phase_switching;
        if wanted == 0 && !switchable {
            return Err(Refusal::NoPhaseSwitching);
        }
        if let Some(physical) =
            loadpoint.setup.charger.physical_phases.filter(|physical| wanted > *physical)
        {
            return Err(Refusal::TooManyPhases { wanted, physical });
        }
        loadpoint.configure_phases(wanted);
        Ok(())
    }

    /// Session SoC limit; 0 = none.
    pub fn set_limit_soc(
        &mut self,
        now: Now,
        lp: LoadPointIx,
        soc: Percent,
    ) -> Result<(), Refusal> {
        self.loadpoint_mut(now, lp)?.settings.limit_soc = soc;
        Ok(())
    }

    /// Session energy limit; 0 = none.
    pub fn set_limit_energy(
        &mut self,
        now: Now,
        lp: LoadPointIx,
        energy: KilowattHours,
    ) -> Result<(), Refusal> {
        self.loadpoint_mut(now, lp)?.settings.limit_energy = energy;
        Ok(())
    }

    /// Charge fast below this SoC; 0 = off.
    pub fn set_min_soc(&mut self, now: Now, lp: LoadPointIx, soc: Percent) -> Result<(), Refusal> {
        self.loadpoint_mut(now, lp)?.settings.min_soc = soc;
        Ok(())
    }

    /// Priority among load points; higher wins.
    pub fn set_priority(
        &mut self,
        now: Now,
        lp: LoadPointIx,
        priority: i64,
    ) -> Result<(), Refusal> {
        self.loadpoint_mut(now, lp)?.settings.priority = priority;
        Ok(())
    }

    /// Smallest current, at most the largest.
    pub fn set_min_current(
        &mut self,
        now: Now,
        lp: LoadPointIx,
        current: Amps,
    ) -> Result<(), Refusal> {
        let loadpoint = self.loadpoint_mut(now, lp)?;
        if current > loadpoint.settings.max_current {
            return Err(Refusal::MinAboveMax);
        }
        loadpoint.settings.min_current = current;
        Ok(())
    }

    /// Largest current, at least the smallest.
    pub fn set_max_current(
        &mut self,
        now: Now,
        lp: LoadPointIx,
        current: Amps,
    ) -> Result<(), Refusal> {
        let loadpoint = self.loadpoint_mut(now, lp)?;
        if current < loadpoint.settings.min_current {
            return Err(Refusal::MaxBelowMin);
        }
        loadpoint.settings.max_current = current;
        Ok(())
    }

    /// Grid power at which PV charging starts.
    pub fn set_enable_threshold(
        &mut self,
        now: Now,
        lp: LoadPointIx,
        power: Watts,
    ) -> Result<(), Refusal> {
        self.loadpoint_mut(now, lp)?.settings.thresholds.enable = power;
        Ok(())
    }

    /// Grid power at which PV charging stops.
    pub fn set_disable_threshold(
        &mut self,
        now: Now,
        lp: LoadPointIx,
        power: Watts,
    ) -> Result<(), Refusal> {
        self.loadpoint_mut(now, lp)?.settings.thresholds.disable = power;
        Ok(())
    }

    /// How long the start condition must hold.
    pub fn set_enable_delay(
        &mut self,
        now: Now,
        lp: LoadPointIx,
        delay: Duration,
    ) -> Result<(), Refusal> {
        self.loadpoint_mut(now, lp)?.settings.thresholds.enable_delay = delay;
        Ok(())
    }

    /// How long the stop condition must hold.
    pub fn set_disable_delay(
        &mut self,
        now: Now,
        lp: LoadPointIx,
        delay: Duration,
    ) -> Result<(), Refusal> {
        self.loadpoint_mut(now, lp)?.settings.thresholds.disable_delay = delay;
        Ok(())
    }

    /// Charge fast at this planner rate or below it; `None` = never (control.md §16).
    pub fn set_smart_cost_limit(
        &mut self,
        now: Now,
        lp: LoadPointIx,
        limit: Option<f64>,
    ) -> Result<(), Refusal> {
        self.loadpoint_mut(now, lp)?.settings.smart_cost_limit = limit;
        Ok(())
    }

    /// Leave the sun to the grid at this feed-in rate or above it; `None` = never (control.md §16).
    pub fn set_smart_feed_in_limit(
        &mut self,
        now: Now,
        lp: LoadPointIx,
        limit: Option<f64>,
    ) -> Result<(), Refusal> {
        self.loadpoint_mut(now, lp)?.settings.smart_feed_in_limit = limit;
        Ok(())
    }

    /// Assigns a vehicle, or none; a vehicle that another load point has is taken from it.
    pub fn set_vehicle(
        &mut self,
        now: Now,
        lp: LoadPointIx,
        vehicle: Option<VehicleIx>,
    ) -> Result<(), Refusal> {
        if let Some(ix) = vehicle.filter(|ix| ix.0 >= self.vehicles.len()) {
            return Err(Refusal::NotFound(format!("vehicle {}", ix.0 + 1)));
        }
        let loadpoint = self.loadpoint_mut(now, lp)?;
        // A user knows better than what was read before.
        loadpoint.trace.acted_on.clone_from(&loadpoint.identity);
        self.assign(lp, vehicle);
        Ok(())
    }

    /// Grid set-point margin.
    pub fn set_residual_power(&mut self, now: Now, power: Watts) -> Result<(), Refusal> {
        self.wake(now.mono, Wake::Wish);
        self.site.settings.residual_power = power;
        Ok(())
    }

    /// Home battery is charged first below this SoC; 0 = off (control.md §28).
    pub fn set_priority_soc(&mut self, now: Now, soc: Percent) -> Result<(), Refusal> {
        let settings = self.battery_settings()?;
        if settings.buffer_soc != Percent::ZERO && soc > settings.buffer_soc {
            return Err(Refusal::PriorityAboveBuffer);
        }
        settings.priority_soc = soc;
        self.wake(now.mono, Wake::Wish);
        Ok(())
    }

    /// Above this SoC a running PV charge is held from the battery; 0 = off (control.md §28).
    pub fn set_buffer_soc(&mut self, now: Now, soc: Percent) -> Result<(), Refusal> {
        let settings = self.battery_settings()?;
        if soc != Percent::ZERO && soc < settings.priority_soc {
            return Err(Refusal::BufferBelowPriority);
        }
        if settings.buffer_start_soc != Percent::ZERO && soc > settings.buffer_start_soc {
            return Err(Refusal::BufferAboveStart);
        }
        settings.buffer_soc = soc;
        self.wake(now.mono, Wake::Wish);
        Ok(())
    }

    /// From this SoC on PV charging starts without surplus; 0 = off (control.md §28).
    pub fn set_buffer_start_soc(&mut self, now: Now, soc: Percent) -> Result<(), Refusal> {
        let settings = self.battery_settings()?;
        if soc != Percent::ZERO && soc < settings.buffer_soc {
            return Err(Refusal::StartBelowBuffer);
        }
        settings.buffer_start_soc = soc;
        self.wake(now.mono, Wake::Wish);
        Ok(())
    }

    /// Mode that is set when the vehicle is assigned.
    pub fn set_vehicle_mode(
        &mut self,
        now: Now,
        vehicle: VehicleIx,
        mode: Option<Mode>,
    ) -> Result<(), Refusal> {
        self.vehicle_settings(now, vehicle)?.mode = mode;
        Ok(())
    }

    /// Charge the vehicle fast below this SoC; 0 = off.
    pub fn set_vehicle_min_soc(
        &mut self,
        now: Now,
        vehicle: VehicleIx,
        soc: Percent,
    ) -> Result<(), Refusal> {
        self.vehicle_settings(now, vehicle)?.min_soc = soc;
        Ok(())
    }

    /// Stop the vehicle at this SoC; 0 = no limit.
    pub fn set_vehicle_limit_soc(
        &mut self,
        now: Now,
        vehicle: VehicleIx,
        soc: Percent,
    ) -> Result<(), Refusal> {
        self.vehicle_settings(now, vehicle)?.limit_soc = soc;
        Ok(())
    }

    /// The load point that a wish is about; every granted wish is decided upon at once (Q01).
    pub(super) fn loadpoint_mut(
        &mut self,
        now: Now,
        lp: LoadPointIx,
    ) -> Result<&mut LoadPoint, Refusal> {
        self.wake(now.mono, Wake::Wish);
        let missing = || Refusal::NotFound(format!("loadpoint {}", lp.0 + 1));
        self.loadpoints.get_mut(lp.0).ok_or_else(missing)
    }

    pub(super) fn vehicle_settings(
        &mut self,
        now: Now,
        vehicle: VehicleIx,
    ) -> Result<&mut VehicleSettings, Refusal> {
        Ok(&mut self.vehicle_mut(now, vehicle)?.settings)
    }

    pub(super) fn vehicle_mut(
        &mut self,
        now: Now,
        vehicle: VehicleIx,
    ) -> Result<&mut Vehicle, Refusal> {
        self.wake(now.mono, Wake::Wish);
        let missing = || Refusal::NotFound(format!("vehicle {}", vehicle.0 + 1));
        self.vehicles.get_mut(vehicle.0).ok_or_else(missing)
    }

    pub(super) fn battery_settings(&mut self) -> Result<&mut SiteSettings, Refusal> {
        if !self.site.has(MeterRole::Battery) {
            return Err(Refusal::NoBattery);
        }
        Ok(&mut self.site.settings)
    }
}
