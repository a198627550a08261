//! What a car teaches us: how much of the nominal power it really draws at a load point, and how much
//! of the energy arrives in its battery (plans-vehicles-devices.md §11.1, W-26, W-34).

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::Duration;

use crate::model::{LoadPointIx, Mono, Now, Percent, VehicleIx, Volts, Watts};

use super::loadpoint::VehicleView;
use super::{Control, LoadPoint, Refusal};

/// A car that is offered all there is is looked at this often.
const LOOK_EVERY: Duration = Duration::from_secs(60);
/// How much a new look counts against what was known.
const LOOK_WEIGHT: f64 = 0.2;
/// How much a new session counts against what was known of the efficiency.
const SESSION_WEIGHT: f64 = 0.3;
/// From here on a car may draw less because it is nearly full.
const TAPERS_FROM: Percent = Percent(80.0);
/// The last fifth of the battery is looked at in steps of so many percent.
const TAPER_STEP: Percent = Percent(5.0);
/// What an on-board charger can be like; whatever else was measured has other reasons (W-26).
const EFFICIENCY: RangeInclusive<f64> = 0.75..=0.95;
/// One phase at the minimum of a large wallbox is a twentieth; nobody draws more than is offered.
const SHARE: RangeInclusive<f64> = 0.05..=1.0;

/// Share of its usual power that a car draws from 80, 85, 90 and 95 % on, as far as it is known.
pub type Taper = [Option<f64>; 4];

/// What is known of a car from its earlier sessions; stored.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Learned {
    /// Share of the energy from the grid that ends up in the battery.
    pub efficiency: Option<f64>,
    /// Share of the nominal power that it draws, by load point.
    pub shares: BTreeMap<LoadPointIx, f64>,
    /// How its power falls when it is nearly full (W-26).
    pub taper: Taper,
}

impl Learned {
    /// Takes what one session says of the efficiency.
    pub(super) fn take_efficiency(&mut self, seen: f64) {
        let seen = bounded(seen, &EFFICIENCY);
        self.efficiency =
            Some(self.efficiency.map_or(seen, |was| was + (seen - was) * SESSION_WEIGHT));
    }

    /// Takes the share of the nominal power that it draws at a load point at this SoC.
    fn take_share(&mut self, lp: LoadPointIx, soc: Percent, seen: f64) {
        let seen = bounded(seen, &SHARE);
        if soc < TAPERS_FROM {
            let share = self.shares.entry(lp).or_insert(seen);
            *share += (seen - *share) * LOOK_WEIGHT;
            return;
        }
        // Without the usual power nobody can say that this is less.
        let Some(usual) = self.shares.get(&lp) else { return };
        let seen = bounded(seen / usual, &SHARE);
        let step = ((soc - TAPERS_FROM).0 / TAPER_STEP.0) as usize;
        if let Some(known) = self.taper.get_mut(step) {
            *known = Some(known.map_or(seen, |was| was + (seen - was) * LOOK_WEIGHT));
        }
    }
}

impl Control {
    /// Looks at what the cars draw.
    pub(super) fn learn(&mut self, now: Now, views: &[VehicleView]) {
        let voltage = self.setup.voltage;
        for (lp, view) in views.iter().enumerate() {
            let loadpoint = &mut self.loadpoints[lp];
            let Some((soc, share)) = view.soc.zip(loadpoint.drawn_share(now, voltage, view)) else {
                loadpoint.full_since = None;
                continue;
            };
            let since: Mono = *loadpoint.full_since.get_or_insert(now.mono);
            if now.mono.since(since) < LOOK_EVERY {
                continue;
            }
            loadpoint.full_since = Some(now.mono);
            if let Some(vehicle) = loadpoint.vehicle.and_then(|ix| self.vehicles.get_mut(ix.0)) {
                vehicle.learned.take_share(LoadPointIx(lp), soc, share);
            }
        }
    }

    /// Sets what is known of the efficiency of a car; `None` has it learned anew.
    ///
    /// # Errors
    /// There is no such vehicle.
    pub fn set_efficiency(
        &mut self,
        now: Now,
        vehicle: VehicleIx,
        efficiency: Option<f64>,
    ) -> Result<(), Refusal> {
        let efficiency = efficiency.map(|efficiency| bounded(efficiency, &EFFICIENCY));
        self.vehicle_mut(now, vehicle)?.learned.efficiency = efficiency;
        Ok(())
    }

    /// Sets what is known of the power of a car that is nearly full; nothing has it learned anew.
    ///
    /// # Errors
    /// There is no such vehicle.
    pub fn set_taper(&mut self, now: Now, vehicle: VehicleIx, taper: Taper) -> Result<(), Refusal> {
        let taper = taper.map(|share| share.map(|share| bounded(share, &SHARE)));
        self.vehicle_mut(now, vehicle)?.learned.taper = taper;
        Ok(())
    }

    /// Sets what is known of the power of a car, by load point; nothing has it learned anew.
    ///
    /// # Errors
    /// There is no such vehicle.
    pub fn set_shares(
        &mut self,
        now: Now,
        vehicle: VehicleIx,
        shares: BTreeMap<LoadPointIx, f64>,
    ) -> Result<(), Refusal> {
        let count = self.loadpoints.len();
        let known = shares.into_iter().filter(|(lp, _)| lp.0 < count);
        let known = known.map(|(lp, share)| (lp, bounded(share, &SHARE))).collect();
        self.vehicle_mut(now, vehicle)?.learned.shares = known;
        Ok(())
    }
}

/// The steps of a taper, each with the SoC at which it begins and ends.
pub(super) fn taper_steps(taper: &Taper) -> impl Iterator<Item = (Percent, Percent, Option<f64>)> {
    let begins = |n: usize| TAPERS_FROM + TAPER_STEP * n as f64;
    taper.iter().enumerate().map(move |(n, share)| (begins(n), begins(n + 1), *share))
}

impl LoadPoint {
    /// The share of the nominal power that is drawn, if all of it is offered.
    fn drawn_share(&self, now: Now, voltage: Volts, view: &VehicleView) -> Option<f64> {
        let power = self.power.filter(|_| self.setup.charger.has_power && self.charging())?;
        let offers_all = self.enabled
            && self.in_flight.is_none()
            && self.offered >= self.effective.max_current
            && self.active_phases(view) == self.max_phases(view);
        let nominal = self.wired_power(voltage, view);
        let share = power.value.0 / nominal.0;
        let known = offers_all && power.is_fresh(now, None) && nominal.0 > 0.0;
        known.then_some(share)
    }

    /// The power at the largest current, on all phases that car and wires may have.
    pub(super) fn wired_power(&self, voltage: Volts, view: &VehicleView) -> Watts {
        self.effective.max_current.power(voltage, self.wired_phases(view))
    }
}

fn bounded(value: f64, range: &RangeInclusive<f64>) -> f64 {
    // A number that is none is as bad as it can be.
    value.max(*range.start()).min(*range.end())
}
