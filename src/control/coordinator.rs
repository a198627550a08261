//! Which vehicle stands at which load point (control.md §20).

use std::time::Duration;

use crate::model::{
    ChargeStatus, ChargerFeature, LoadPointIx, Now, Percent, Trust, VehicleFeature, VehicleIx,
};

use super::announce::SocSteps;
use super::loadpoint::VehicleView;
use super::{Control, Refusal, Sign, Vehicle};

/// A vehicle is looked for this long after plugging in (control.md §20.4).
const DETECTION: Duration = Duration::from_secs(600);

/// A default vehicle may turn out to stand elsewhere for so long; later nobody is swapped.
const DOUBTED: Duration = Duration::from_secs(300);

impl Control {
    /// A car was plugged in: the default vehicle, or the search for one, begins (control.md §20.3). A
    /// default vehicle that stands elsewhere for sure is not the one (F17).
    pub(super) fn welcome(&mut self, now: Now, lp: LoadPointIx) {
        let loadpoint = &self.loadpoints[lp.0];
        if loadpoint.has(ChargerFeature::IntegratedDevice) {
            return;
        }
        let default = loadpoint.setup.vehicle;
        match default {
            Some(vehicle) if !self.surely_elsewhere(now, lp, vehicle) => {
                self.assign(lp, Some(vehicle))
            }
            Some(_) => self.search(now, lp),
            None if loadpoint.vehicle.is_none() && !self.vehicles.is_empty() => {
                self.search(now, lp)
            }
            None => {}
        }
    }

    /// Whether a vehicle stands elsewhere, by its own fresh word or because it is known where.
    fn surely_elsewhere(&self, now: Now, lp: LoadPointIx, vehicle: VehicleIx) -> bool {
        match self.stands_elsewhere(now, lp, vehicle) {
            None => false,
            Some(Sign::Taken) => true,
            Some(_) => matches!(self.vehicles[vehicle.0].trust, Trust::Live | Trust::Asleep),
        }
    }

    /// Looks for the vehicle of a load point from now on.
    pub(super) fn search(&mut self, now: Now, lp: LoadPointIx) {
        self.assign(lp, None);
        let loadpoint = &mut self.loadpoints[lp.0];
        loadpoint.detecting_until = Some(now.mono + DETECTION);
        loadpoint.trace.acted_on = None;
    }

    /// Whether a car that was just plugged in wants current once (control.md §19.1).
    pub(super) fn wants_welcome(&self, lp: LoadPointIx) -> bool {
        let loadpoint = &self.loadpoints[lp.0];
        let has =
            |ix: usize| self.vehicles[ix].setup.features.contains(&VehicleFeature::WelcomeCharge);
        let assigned = |ix| self.loadpoints.iter().any(|lp| lp.vehicle == Some(VehicleIx(ix)));
        // Whoever was just plugged in may be any of those that stand nowhere else.
        let stranger = || (0..self.vehicles.len()).any(|ix| !assigned(ix) && has(ix));
        loadpoint.has(ChargerFeature::WelcomeCharge)
            || loadpoint.vehicle.is_some_and(|vehicle| has(vehicle.0))
            || (!loadpoint.has(ChargerFeature::IntegratedDevice) && stranger())
    }

    /// The car left: back to the default vehicle or none (control.md §6.2).
    pub(super) fn farewell(&mut self, now: Now, lp: LoadPointIx) {
        let loadpoint = &mut self.loadpoints[lp.0];
        let came = loadpoint.connected_at().is_some();
        loadpoint.trace.left =
            loadpoint.vehicle.filter(|_| came).map(|vehicle| (vehicle, now.mono));
        loadpoint.candidates.clear();
        loadpoint.trace.acted_on = None;
        let default = loadpoint.setup.vehicle;
        // A vehicle that stands elsewhere is not taken from there.
        let here = default.filter(|vehicle| {
            let mut others = self.loadpoints.iter().enumerate();
            !others
                .any(|(other, at)| other != lp.0 && at.vehicle == Some(*vehicle) && at.connected())
        });
        self.assign(lp, here);
    }

    /// Assigns a vehicle; another load point that has it loses it. The mode follows only a real
    /// change, and not at a restart.
    pub(super) fn assign(&mut self, lp: LoadPointIx, vehicle: Option<VehicleIx>) {
        let changed = self.loadpoints[lp.0].vehicle != vehicle;
        if vehicle.is_some() {
            for other in self.loadpoints.iter_mut().filter(|other| other.vehicle == vehicle) {
                other.vehicle = None;
                other.detecting_until = None;
            }
        }
        let loadpoint = &mut self.loadpoints[lp.0];
        loadpoint.vehicle = vehicle;
        loadpoint.detecting_until = None;
        loadpoint.guest = false;
        if changed {
            // What was pursued was the goal of somebody else.
            loadpoint.plan.release();
            loadpoint.soc_steps = SocSteps::default();
        }
        let mode = vehicle.and_then(|ix| {
            let vehicle = self.vehicles.get(ix.0)?;
            vehicle.settings.mode.or(vehicle.setup.on_identify.mode)
        });
        if let Some(mode) = mode
            && (changed || !loadpoint.connected())
            && !self.restoring
        {
            if loadpoint.settings.mode != mode {
                loadpoint.request_boost(false);
            }
            loadpoint.settings.mode = mode;
        }
    }

    /// Looks for the vehicle of a load point, by what identified itself, then by what the vehicles
    /// tell (control.md §20.4). An identifier counts when it is new (E-68).
    pub(super) fn detect(&mut self, now: Now, lp: LoadPointIx) {
        let loadpoint = &mut self.loadpoints[lp.0];
        if loadpoint.identity != loadpoint.trace.acted_on {
            loadpoint.trace.acted_on.clone_from(&loadpoint.identity);
            let identity = loadpoint.identity.as_deref();
            if let Some(vehicle) = identity.and_then(|id| identified(&self.vehicles, id)) {
                if self.loadpoints[lp.0].vehicle != Some(vehicle) {
                    self.assign(lp, Some(vehicle));
                }
                self.loadpoints[lp.0].detecting_until = None;
                return;
            }
        }
        let loadpoint = &self.loadpoints[lp.0];
        if let Some(default) =
            loadpoint.vehicle.filter(|_| loadpoint.vehicle == loadpoint.setup.vehicle)
            && loadpoint.connected_at().is_some_and(|at| now.mono.since(at.mono) < DOUBTED)
            && loadpoint.connected()
            && self.surely_elsewhere(now, lp, default)
        {
            return self.search(now, lp);
        }
        if loadpoint.detecting_until.is_none() && !loadpoint.guest {
            return;
        }
        if !loadpoint.connected() {
            self.loadpoints[lp.0].detecting_until = None;
            return;
        }
        self.loadpoints[lp.0].candidates = self.candidates(now, lp);
        if let Some(vehicle) = self.likely(now, lp) {
            return self.assign(lp, Some(vehicle));
        }
        let loadpoint = &mut self.loadpoints[lp.0];
        if loadpoint.detecting_until.is_some_and(|until| now.mono >= until) {
            loadpoint.detecting_until = None;
            loadpoint.guest = true;
            loadpoint.detection_failed = true;
        }
    }

    /// Looks for the vehicle of a load point once more, or stops looking (control.md §20.4, §20.5).
    /// Until one is found there is none.
    ///
    /// # Errors
    /// There is no such load point.
    pub fn set_detection(&mut self, now: Now, lp: LoadPointIx, on: bool) -> Result<(), Refusal> {
        let loadpoint = self.loadpoint_mut(now, lp)?;
        loadpoint.guest = false;
        loadpoint.detecting_until = None;
        match on {
            true => self.search(now, lp),
            false => loadpoint.trace.acted_on.clone_from(&loadpoint.identity),
        }
        Ok(())
    }

    /// Puts the vehicle back that stood here at an earlier start, unless somebody else came.
    pub(super) fn found(&mut self, now: Now, lp: LoadPointIx, status: ChargeStatus) {
        if status == ChargeStatus::Disconnected {
            self.restore(|control| control.farewell(now, lp));
        } else if [None, self.loadpoints[lp.0].setup.vehicle]
            .contains(&self.loadpoints[lp.0].vehicle)
        {
            self.welcome(now, lp);
        }
    }

    /// What a decision needs to know of the vehicle at a load point.
    pub(super) fn vehicle_view(&self, lp: usize) -> VehicleView {
        self.view_of(lp, self.loadpoints[lp].vehicle)
    }

    /// The same, if that vehicle stood there.
    pub(super) fn view_of(&self, lp: usize, vehicle: Option<VehicleIx>) -> VehicleView {
        let loadpoint = &self.loadpoints[lp];
        let here = loadpoint.vehicle == vehicle;
        let of_charger = loadpoint.charger_soc.filter(|_| here);
        let Some(vehicle) = vehicle.and_then(|ix| self.vehicles.get(ix.0)) else {
            return VehicleView { soc: of_charger, ..VehicleView::default() };
        };
        let estimate = loadpoint.estimated_soc().filter(|_| here);
        let identify = &vehicle.setup.on_identify;
        VehicleView {
            present: true,
            capacity: vehicle.setup.capacity,
            phases: vehicle.setup.phases.unwrap_or(0),
            priority: identify.priority.unwrap_or(0),
            min_current: identify.min_current,
            max_current: identify.max_current,
            max_power: identify.max_power,
            coarse: vehicle.has(VehicleFeature::CoarseCurrent),
            offline: vehicle.has(VehicleFeature::Offline),
            soc: estimate.or(of_charger).or(vehicle.soc),
            min_soc: vehicle.settings.min_soc,
            limit_soc: vehicle.settings.limit_soc,
            climate: vehicle.climater == Some(true)
                && !vehicle.has(VehicleFeature::ClimaterDisabled),
            full: of_charger
                .or(vehicle.soc)
                .is_some_and(|soc| soc >= vehicle.limit_soc.unwrap_or(Percent(100.0))),
            never_wake: vehicle.has(VehicleFeature::WakeUpDisabled),
            can_wake: vehicle.setup.can_wake,
            efficiency: vehicle.learned.efficiency,
            taper: vehicle.learned.taper,
            share: vehicle.learned.shares.get(&LoadPointIx(lp)).copied(),
        }
    }

    /// State of charge at a load point, the charger's word before the vehicle's, estimated between
    /// two words; 0 to 100.
    pub fn soc(&self, lp: LoadPointIx) -> Option<Percent> {
        self.loadpoints.get(lp.0)?;
        self.vehicle_view(lp.0).soc
    }

    /// The vehicle that is assigned to a load point.
    pub fn vehicle_at(&self, lp: LoadPointIx) -> Option<&Vehicle> {
        self.vehicles.get(self.loadpoints.get(lp.0)?.vehicle?.0)
    }
}

/// The vehicle with this identifier; exact matches before patterns (W-16: anchored).
fn identified(vehicles: &[Vehicle], id: &str) -> Option<VehicleIx> {
    let by = |matches: fn(&str, &str) -> bool| {
        let mut vehicles = vehicles.iter();
        let knows = |vehicle: &Vehicle| {
            vehicle.setup.identifiers.iter().any(|pattern| matches(pattern, id))
        };
        vehicles.position(knows).map(VehicleIx)
    };
    by(|pattern, id| pattern.eq_ignore_ascii_case(id)).or_else(|| by(matches_pattern))
}

/// Whether `id` matches a pattern in which `*` stands for any text; anchored, ignoring case (Q27).
fn matches_pattern(pattern: &str, id: &str) -> bool {
    let (pattern, id) = (pattern.to_lowercase(), id.to_lowercase());
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|head| id.strip_prefix(head)) else {
        return false;
    };
    let mut parts: Vec<&str> = parts.collect();
    let Some(tail) = parts.pop() else {
        return rest.is_empty() && !pattern.is_empty();
    };
    for part in parts {
        let Some((_, after)) = rest.split_once(part) else {
            return false;
        };
        rest = after;
    }
    rest.ends_with(tail)
}
