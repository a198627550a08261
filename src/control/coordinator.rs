//! Which vehicle stands at which load point (control.md §20).

use std::time::Duration;

use crate::model::{
    ChargeStatus, ChargerFeature, LoadPointIx, Mono, Now, Percent, VehicleFeature, VehicleIx,
};

use super::announce::SocSteps;
use super::loadpoint::VehicleView;
use super::{Control, LoadPoint, Refusal, Vehicle};

/// A vehicle is looked for this long after plugging in (control.md §20.4).
const DETECTION: Duration = Duration::from_secs(600);
/// A car that was plugged in this long before the load point saw one stands elsewhere.
const PLUGGED_ELSEWHERE: Duration = Duration::from_secs(120);

impl Control {
    /// A car was plugged in: the default vehicle, or the search for one, begins (control.md §20.3).
    pub(super) fn welcome(&mut self, now: Now, lp: LoadPointIx) {
        let loadpoint = &mut self.loadpoints[lp.0];
        if loadpoint.has(ChargerFeature::IntegratedDevice) {
            return;
        }
        if let Some(vehicle) = loadpoint.setup.vehicle {
            self.assign(lp, Some(vehicle));
        } else if loadpoint.vehicle.is_none() && !self.vehicles.is_empty() {
            loadpoint.detecting_until = Some(now.mono + DETECTION);
        }
    }

    /// Looks for the vehicle of a load point once more, or stops looking (control.md §20.4).
    ///
    /// # Errors
    /// There is no such load point.
    pub fn set_detection(&mut self, now: Now, lp: LoadPointIx, on: bool) -> Result<(), Refusal> {
        self.loadpoint_mut(now, lp)?.detecting_until = on.then(|| now.mono + DETECTION);
        Ok(())
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
    pub(super) fn farewell(&mut self, lp: LoadPointIx) {
        let default = self.loadpoints[lp.0].setup.vehicle;
        self.assign(lp, default);
    }

    /// Assigns a vehicle; another load point that has it loses it. The mode follows only a real change.
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
        if changed {
            loadpoint.soc_steps = SocSteps::default();
        }
        let mode = vehicle.and_then(|ix| {
            let vehicle = self.vehicles.get(ix.0)?;
            vehicle.settings.mode.or(vehicle.setup.on_identify.mode)
        });
        if let Some(mode) = mode
            && (changed || !loadpoint.connected())
        {
            if loadpoint.settings.mode != mode {
                loadpoint.request_boost(false);
            }
            loadpoint.settings.mode = mode;
        }
    }

    /// Looks for the vehicle of a load point, by what identified itself, then by status (control.md §20.4).
    pub(super) fn detect(&mut self, now: Now, lp: LoadPointIx) {
        let loadpoint = &self.loadpoints[lp.0];
        if let Some(vehicle) = loadpoint.identity.as_deref().and_then(|id| self.identified(id)) {
            if loadpoint.vehicle != Some(vehicle) {
                self.assign(lp, Some(vehicle));
            }
            return;
        }
        let Some(until) = loadpoint.detecting_until else {
            return;
        };
        if !loadpoint.connected() || now.mono >= until {
            let connected = loadpoint.connected();
            let loadpoint = &mut self.loadpoints[lp.0];
            loadpoint.detecting_until = None;
            loadpoint.detection_failed = connected;
        } else if let Some(vehicle) = self.plugged(lp, loadpoint) {
            self.assign(lp, Some(vehicle));
        }
    }

    /// The vehicle with this identifier; exact matches before patterns (Q27: anchored).
    fn identified(&self, id: &str) -> Option<VehicleIx> {
        let by = |matches: fn(&str, &str) -> bool| {
            self.vehicles
                .iter()
                .position(|vehicle| {
                    vehicle.setup.identifiers.iter().any(|pattern| matches(pattern, id))
                })
                .map(VehicleIx)
        };
        by(|pattern, id| pattern.eq_ignore_ascii_case(id)).or_else(|| by(matches_pattern))
    }

    /// The one vehicle that can have been plugged in here, if there is exactly one.
    fn plugged(&self, lp: LoadPointIx, loadpoint: &LoadPoint) -> Option<VehicleIx> {
        let connected_at = loadpoint.session.connected_at?.mono;
        let candidates: Vec<(VehicleIx, ChargeStatus)> = self
            .vehicles
            .iter()
            .enumerate()
            .filter(|(ix, vehicle)| self.is_candidate(lp, VehicleIx(*ix), vehicle, connected_at))
            .filter_map(|(ix, vehicle)| Some((VehicleIx(ix), vehicle.status?)))
            .filter(|(_, status)| *status != ChargeStatus::Disconnected)
            .collect();
        let exact: Vec<_> =
            candidates.iter().filter(|(_, status)| Some(*status) == loadpoint.status).collect();
        match (exact.as_slice(), candidates.as_slice()) {
            ([only], _) => Some(only.0),
            ([], [only]) => Some(only.0),
            _ => None,
        }
    }

    fn is_candidate(
        &self,
        lp: LoadPointIx,
        ix: VehicleIx,
        vehicle: &Vehicle,
        connected_at: Mono,
    ) -> bool {
        let taken = self
            .loadpoints
            .iter()
            .enumerate()
            .any(|(i, other)| i != lp.0 && other.vehicle == Some(ix));
        let elsewhere =
            vehicle.plugged_since.is_some_and(|at| at + PLUGGED_ELSEWHERE < connected_at);
        !taken && !elsewhere && !vehicle.has(VehicleFeature::AutodetectDisabled)
    }

    /// What a decision needs to know of the vehicle at a load point.
    pub(super) fn vehicle_view(&self, loadpoint: &LoadPoint) -> VehicleView {
        let Some(vehicle) = loadpoint.vehicle.and_then(|ix| self.vehicles.get(ix.0)) else {
            return VehicleView { soc: loadpoint.charger_soc, ..VehicleView::default() };
        };
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
            soc: loadpoint.estimated_soc().or_else(|| self.told_soc(loadpoint)),
            min_soc: vehicle.settings.min_soc,
            limit_soc: vehicle.settings.limit_soc,
            climate: vehicle.climater == Some(true)
                && !vehicle.has(VehicleFeature::ClimaterDisabled),
            full: loadpoint
                .charger_soc
                .or(vehicle.soc)
                .is_some_and(|soc| soc >= vehicle.limit_soc.unwrap_or(Percent(100.0))),
            never_wake: vehicle.has(VehicleFeature::WakeUpDisabled),
        }
    }

    /// State of charge at a load point, the charger's word before the vehicle's, estimated between
    /// two words; 0 to 100.
    pub fn soc(&self, lp: LoadPointIx) -> Option<Percent> {
        let loadpoint = self.loadpoints.get(lp.0)?;
        self.vehicle_view(loadpoint).soc
    }

    /// The vehicle that is assigned to a load point.
    pub fn vehicle_at(&self, lp: LoadPointIx) -> Option<&Vehicle> {
        self.vehicles.get(self.loadpoints.get(lp.0)?.vehicle?.0)
    }
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
