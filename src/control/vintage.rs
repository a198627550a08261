//! Words of other releases of evcc: targets up to 0.122 (api.md §5.2), `alwaysCharge` from 0.316 on
//! (api.md §3.3). They act on the settings of today.

use chrono::{DateTime, Utc};

use crate::model::{AlwaysCharge, KilowattHours, LoadPointIx, Mode, Now, Percent, VehicleIx};

use super::{Control, EnergyPlan, Refusal, SocPlan};

/// A vehicle is full.
const FULL: Percent = Percent(100.0);

/// What was last asked for with old words; forgotten when the vehicle is unplugged.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Targets {
    soc: Option<Percent>,
    energy: Option<KilowattHours>,
}

/// The plan behind a target time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Target {
    /// That of the vehicle which is assigned.
    Soc(VehicleIx, SocPlan),
    /// That of the load point.
    Energy(EnergyPlan),
}

impl Target {
    /// When it is to be reached.
    pub fn time(self) -> DateTime<Utc> {
        match self {
            Self::Soc(_, plan) => plan.time,
            Self::Energy(plan) => plan.time,
        }
    }
}

impl Control {
    /// The target with a time that a load point has: that of its vehicle, or its own.
    pub fn target(&self, lp: LoadPointIx) -> Option<Target> {
        let loadpoint = self.loadpoints.get(lp.0)?;
        let of_vehicle = || {
            let vehicle = loadpoint.vehicle?;
            let plan = self.vehicles.get(vehicle.0)?.settings.plan?;
            Some(Target::Soc(vehicle, plan))
        };
        of_vehicle().or_else(|| loadpoint.settings.plan.map(Target::Energy))
    }

    /// The goal of the target time in SoC, or the limit of the session; 0 and 100 are no limit.
    ///
    /// # Errors
    /// There is no such load point, or the time has passed.
    pub fn set_target_soc(
        &mut self,
        now: Now,
        lp: LoadPointIx,
        soc: Percent,
    ) -> Result<(), Refusal> {
        let limited = soc > Percent::ZERO && soc < FULL;
        match self.target(lp) {
            Some(Target::Soc(vehicle, plan)) => {
                let soc = if limited { soc } else { FULL };
                self.set_plan_soc(now, vehicle, Some(SocPlan { soc, ..plan }))?;
            }
            Some(Target::Energy(_)) | None => {
                self.set_limit_soc(now, lp, if limited { soc } else { Percent::ZERO })?;
            }
        }
        self.loadpoint_mut(now, lp)?.targets.soc = Some(soc).filter(|_| limited);
        Ok(())
    }

    /// The goal of the target time in energy, or the limit of the session; 0 is none.
    ///
    /// # Errors
    /// There is no such load point, or the time has passed.
    pub fn set_target_energy(
        &mut self,
        now: Now,
        lp: LoadPointIx,
        energy: KilowattHours,
    ) -> Result<(), Refusal> {
        let wanted = energy > KilowattHours::ZERO;
        match self.target(lp) {
            Some(Target::Energy(plan)) => {
                let plan = EnergyPlan { energy, ..plan };
                self.set_plan_energy(now, lp, Some(plan).filter(|_| wanted))?;
            }
            Some(Target::Soc(..)) | None => self.set_limit_energy(now, lp, energy)?,
        }
        self.loadpoint_mut(now, lp)?.targets.energy = Some(energy).filter(|_| wanted);
        Ok(())
    }

    /// Makes, moves or removes the plan of a load point: in SoC if that of its vehicle is known, in
    /// energy otherwise.
    ///
    /// # Errors
    /// There is no such load point, the time is in the past, or nothing is to be reached.
    pub fn set_target_time(
        &mut self,
        now: Now,
        lp: LoadPointIx,
        time: Option<DateTime<Utc>>,
    ) -> Result<(), Refusal> {
        let loadpoint = self.loadpoint_mut(now, lp)?;
        let (targets, settings) = (loadpoint.targets, loadpoint.settings);
        let assigned = loadpoint.vehicle;
        match (self.target(lp), time) {
            (None, None) => Ok(()),
            (Some(Target::Soc(vehicle, plan)), time) => {
                let plan = time.map(|time| SocPlan { time, ..plan });
                self.set_plan_soc(now, vehicle, plan)
            }
            (Some(Target::Energy(plan)), time) => {
                let plan = time.map(|time| EnergyPlan { time, ..plan });
                self.set_plan_energy(now, lp, plan)
            }
            (None, Some(time)) => match assigned.filter(|_| self.soc(lp).is_some()) {
                Some(vehicle) => {
                    let limit = Some(settings.limit_soc).filter(|soc| *soc > Percent::ZERO);
                    let soc = targets.soc.or(limit).unwrap_or(FULL);
                    self.set_plan_soc(now, vehicle, Some(SocPlan { time, soc }))
                }
                None => {
                    let limit = Some(settings.limit_energy);
                    let limit = limit.filter(|energy| *energy > KilowattHours::ZERO);
                    let energy = targets.energy.or(limit).ok_or(Refusal::NoTarget)?;
                    self.set_plan_energy(now, lp, Some(EnergyPlan { time, energy }))
                }
            },
        }
    }

    /// Whether a load point charges without the sun.
    pub fn always_charge(&self, lp: LoadPointIx) -> AlwaysCharge {
        match self.loadpoints.get(lp.0) {
            Some(loadpoint) if loadpoint.settings.mode != Mode::MinPv => AlwaysCharge::Off,
            Some(loadpoint) if loadpoint.minpv_once => AlwaysCharge::Once,
            Some(_) => AlwaysCharge::On,
            None => AlwaysCharge::Off,
        }
    }

    /// `on` is mode `minpv`, `once` until the vehicle is unplugged; `off` makes `pv` of it.
    ///
    /// # Errors
    /// There is no such load point.
    pub fn set_always_charge(
        &mut self,
        now: Now,
        lp: LoadPointIx,
        word: AlwaysCharge,
    ) -> Result<(), Refusal> {
        let mode = self.loadpoint_mut(now, lp)?.settings.mode;
        match word {
            AlwaysCharge::On | AlwaysCharge::Once => self.set_mode(now, lp, Mode::MinPv)?,
            AlwaysCharge::Off if mode == Mode::MinPv => self.set_mode(now, lp, Mode::Pv)?,
            AlwaysCharge::Off => {}
        }
        self.loadpoint_mut(now, lp)?.minpv_once = word == AlwaysCharge::Once;
        Ok(())
    }

    /// For a vehicle `on` is mode `minpv`; `off` makes `pv` of that, and nothing leaves it to the load point
    /// again.
    ///
    /// # Errors
    /// There is no such vehicle.
    pub fn set_vehicle_always_charge(
        &mut self,
        now: Now,
        vehicle: VehicleIx,
        word: Option<AlwaysCharge>,
    ) -> Result<(), Refusal> {
        let before = self.vehicle_settings(now, vehicle)?.mode;
        let mode = match word {
            Some(AlwaysCharge::On | AlwaysCharge::Once) => Some(Mode::MinPv),
            Some(AlwaysCharge::Off) if before == Some(Mode::MinPv) => Some(Mode::Pv),
            None if before == Some(Mode::MinPv) => None,
            Some(AlwaysCharge::Off) | None => before,
        };
        self.set_vehicle_mode(now, vehicle, mode)
    }
}
