//! The state of charge between two words of the car (plans-vehicles-devices.md §3).

use std::time::Duration;

use crate::model::{
    ChargerFeature, KilowattHours, LoadPointIx, Now, Percent, VehicleIx, WattHours,
};

use super::loadpoint::VehicleView;
use super::plan::{charge_duration, missing_energy};
use super::{Control, LoadPoint};

/// Share of the energy from the grid that ends up in the battery (plans-vehicles-devices.md §3.1).
pub(crate) const CHARGE_EFFICIENCY: f64 = 0.85;
/// The car is believed to teach us its efficiency after so many percent.
const LEARN_AFTER: f64 = 10.0;

/// The estimate of one vehicle in one session.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimator {
    capacity: WattHours,
    /// Energy from the grid for one percent.
    per_percent: WattHours,
    /// It is what this session has shown.
    learned: bool,
    soc: Option<Percent>,
    first: Option<Sample>,
    last: Option<Sample>,
}

/// What the car said, and the energy of the session when it first said so.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Sample {
    soc: Percent,
    energy: WattHours,
}

/// Whose estimate it is: another session or vehicle begins anew.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Subject {
    vehicle: VehicleIx,
    session: Option<Now>,
    capacity: KilowattHours,
}

/// What is missing to the limit.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Remaining {
    /// Energy from the grid; `None` if SoC or capacity are not known.
    pub energy: Option<WattHours>,
    /// Time at the measured power; `None` unless the vehicle charges.
    pub duration: Option<Duration>,
}

impl Estimator {
    /// An estimator that has heard nothing yet, of a car with the usual efficiency.
    pub fn new(capacity: KilowattHours) -> Self {
        Self::with_efficiency(capacity, CHARGE_EFFICIENCY)
    }

    /// An estimator that has heard nothing yet. Of the energy from the grid, `efficiency` (above 0)
    /// ends up in the battery.
    pub fn with_efficiency(capacity: KilowattHours, efficiency: f64) -> Self {
        let capacity = capacity.watt_hours();
        let per_percent = capacity / efficiency / 100.0;
        Self { capacity, per_percent, learned: false, soc: None, first: None, last: None }
    }

    /// Takes the car's word, if there is one, and the energy of the session; gives the estimate.
    /// A word that differs from the one before is the truth (§3.2).
    pub fn update(&mut self, told: Option<Percent>, energy: WattHours) -> Option<Percent> {
        let energy = energy.max(WattHours::ZERO);
        let Some(soc) = told else {
            return self.soc;
        };
        if let Some(last) = self.last
            && last.soc == soc
            && energy >= last.energy
        {
            let gained = (energy - last.energy).0 / self.per_percent.0;
            self.soc = Some(Percent(soc.0 + gained).min(Percent(100.0)).max(soc));
            return self.soc;
        }
        let sample = Sample { soc, energy };
        if self.last.is_some_and(|last| energy < last.energy) {
            // The counter began anew: what was charged since the first word is not known (W-26).
            self.first = None;
        }
        if soc.0 > 0.0 {
            self.learn(sample);
        }
        self.last = Some(sample);
        self.soc = told;
        told
    }

    /// The energy from the grid that a whole battery takes.
    pub fn virtual_capacity(&self) -> WattHours {
        self.capacity.max(self.per_percent * 100.0)
    }

    fn learn(&mut self, sample: Sample) {
        let first = *self.first.get_or_insert(sample);
        let (soc, energy) = (sample.soc - first.soc, sample.energy - first.energy);
        if soc.0 > LEARN_AFTER && energy.0 > 0.0 {
            // No battery takes in more than it is given.
            self.per_percent = WattHours(energy.0 / soc.0).max(self.capacity / 100.0);
            self.learned = true;
        }
    }

    /// Share of the energy from the grid that ended up in the battery, if the session was long enough
    /// to show it.
    pub fn efficiency(&self) -> Option<f64> {
        self.learned.then(|| self.capacity.0 / (self.per_percent.0 * 100.0))
    }
}

impl Control {
    /// Brings the estimates of all load points up to date.
    pub(super) fn estimate(&mut self) {
        for lp in 0..self.loadpoints.len() {
            let loadpoint = &self.loadpoints[lp];
            let told = self.told_soc(loadpoint);
            let subject = self.subject(loadpoint);
            let same = |(before, _): &(Subject, Estimator)| Some(*before) == subject;
            let (known, over) = match loadpoint.estimator {
                Some(estimator) if same(&estimator) => (Some(estimator.1), None),
                other => (None, other),
            };
            if let Some((whose, session)) = over
                && let Some(efficiency) = session.efficiency()
                && let Some(vehicle) = self.vehicles.get_mut(whose.vehicle.0)
            {
                vehicle.learned.take_efficiency(efficiency);
            }
            let energy = self.loadpoints[lp].session().energy;
            self.loadpoints[lp].estimator = subject.map(|subject| {
                let learned = || self.vehicles.get(subject.vehicle.0)?.learned.efficiency;
                let efficiency = || learned().unwrap_or(CHARGE_EFFICIENCY);
                let anew = || Estimator::with_efficiency(subject.capacity, efficiency());
                let mut estimator = known.unwrap_or_else(anew);
                estimator.update(told, energy);
                (subject, estimator)
            });
        }
    }

    /// What charger or vehicle said themselves; the charger's word wins (control.md §20.6).
    pub(super) fn told_soc(&self, loadpoint: &LoadPoint) -> Option<Percent> {
        let vehicle = || self.vehicles.get(loadpoint.vehicle?.0)?.soc;
        loadpoint.charger_soc.or_else(vehicle)
    }

    /// Whose SoC can be estimated at a load point, if anybody's.
    fn subject(&self, loadpoint: &LoadPoint) -> Option<Subject> {
        let wanted = loadpoint.setup.estimate && !loadpoint.has(ChargerFeature::Heating);
        if !loadpoint.connected() || !wanted {
            return None;
        }
        let vehicle = loadpoint.vehicle?;
        let capacity = self.vehicles.get(vehicle.0)?.setup.capacity?;
        let session = loadpoint.connected_at();
        (capacity.0 > 0.0).then_some(Subject { vehicle, session, capacity })
    }

    /// What is missing to the limit of load point and car (control.md §20.6).
    pub fn remaining(&self, lp: LoadPointIx) -> Remaining {
        let Some(loadpoint) = self.loadpoints.get(lp.0) else {
            return Remaining::default();
        };
        let view = self.vehicle_view(lp.0);
        let of_car = self.vehicle_at(lp).and_then(|vehicle| vehicle.limit_soc);
        let own = loadpoint.charger_limit_soc.or(of_car).filter(|limit| limit.0 > 0.0);
        let limit = loadpoint.effective.limit_soc.min(own.unwrap_or(Percent(100.0)));
        let known = view.soc.filter(|soc| soc.0 > 0.0).zip(loadpoint.virtual_capacity(&view));
        let Some((soc, capacity)) = known else {
            return Remaining::default();
        };
        let power = Some(loadpoint.charge_power()).filter(|_| loadpoint.charging());
        Remaining {
            energy: Some(missing_energy(capacity, soc, limit)),
            duration: power.and_then(|power| charge_duration(capacity, soc, limit, power)),
        }
    }
}

impl LoadPoint {
    /// The energy from the grid that the vehicle's whole battery takes; `None` if unknown.
    pub(super) fn virtual_capacity(&self, vehicle: &VehicleView) -> Option<WattHours> {
        let learned = self.estimator.map(|(_, estimator)| estimator.virtual_capacity());
        let nominal = vehicle.capacity.filter(|capacity| capacity.0 > 0.0);
        learned.or_else(|| nominal.map(|capacity| capacity.watt_hours() / vehicle.efficiency()))
    }

    /// The estimated SoC, if anything is known to estimate from.
    pub(super) fn estimated_soc(&self) -> Option<Percent> {
        self.estimator.and_then(|(_, estimator)| estimator.soc)
    }
}
