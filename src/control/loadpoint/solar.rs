//! The current that follows the surplus, with its enable and disable delays (control.md §11).

use crate::model::{Amps, Mode, Now, PvAction, Volts, Watts};

use super::effective::VehicleView;
use super::strategy::{SiteView, Wish};
use super::timer::Timer;
use super::{LoadPoint, Why};

impl LoadPoint {
    /// The PV rule. `site` is what reductions see, `site_granted` what raises may see.
    pub(super) fn pv_current(
        &mut self,
        now: Now,
        view: &SiteView,
        site: Watts,
        site_granted: Watts,
        vehicle: &VehicleView,
    ) -> Wish {
        let old_phases = self.active_phases(vehicle);
        let mut base = self.base_current(view.voltage, old_phases);
        let mut held = self.in_flight.is_some().then_some(self.offered);
        let mut from = self.offered;
        if self.scale_phases(now, view.voltage, site, site_granted, vehicle) {
            // The same power on another phase count (Q25).
            let ratio = f64::from(old_phases) / f64::from(self.active_phases(vehicle));
            base = (base * ratio).min(self.effective.max_current);
            from = base;
            held = None;
        }
        let phases = self.active_phases(vehicle);
        // Reductions go out at once; raises wait until the last change can be seen (design §3).
        let lower = (base - site.current(view.voltage, phases)).max(Amps::ZERO);
        let raise = (base - site_granted.current(view.voltage, phases)).max(Amps::ZERO);
        let target = if !self.enabled {
            raise
        } else if lower < from {
            lower
        } else {
            held.unwrap_or(raise.max(from))
        };
        let boost = self.boost_supports(&view.battery);
        let battery = view.buffer_start || (view.buffered && self.charging());
        let min = self.effective.min_current;

        if (self.settings.mode == Mode::MinPv || battery || boost) && target < min {
            let why = match (boost, battery) {
                (true, _) => Why::Boost,
                (false, true) => Why::BatteryBuffer,
                (false, false) => Why::Minimum,
            };
            return self.supported(why);
        }
        if self.settings.mode == Mode::Pv && self.enabled && target < min {
            return self.maybe_stop(now, view.voltage, site, vehicle);
        }
        if self.settings.mode == Mode::Pv && !self.enabled {
            return self.maybe_start(now, target, site_granted);
        }
        self.pv_timer = Timer::Idle;
        Wish { current: Some(target.min(self.effective.max_current)), why: Why::Surplus }
    }

    /// The minimum is kept: by mode, or by the home battery. A disable delay does not run while
    /// something supports the charge (Q35).
    fn supported(&mut self, why: Why) -> Wish {
        if let Some((PvAction::Disable, _)) = self.pv_timer.running() {
            self.pv_timer = Timer::Idle;
        }
        Wish { current: Some(self.effective.min_current), why }
    }

    /// Charging with too little surplus: the minimum until the disable delay has passed.
    fn maybe_stop(&mut self, now: Now, voltage: Volts, site: Watts, vehicle: &VehicleView) -> Wish {
        let min = self.effective.min_current;
        let mut projected = site;
        if self.switchable() && self.phase_timer.is_set() {
            // What one phase will free.
            let freed = self.active_phases(vehicle).saturating_sub(1);
            projected -= min.power(voltage, freed);
        }
        let thresholds = self.settings.thresholds;
        if projected < thresholds.disable || vehicle.climate {
            self.pv_timer = Timer::Idle;
            let why = if vehicle.climate { Why::Climate } else { Why::Minimum };
            return Wish { current: Some(min), why };
        }
        if self.pv_timer.run(PvAction::Disable, now.mono, thresholds.disable_delay) {
            self.pv_timer = Timer::Idle;
            return Wish { current: Some(Amps::ZERO), why: Why::NoSurplus };
        }
        Wish { current: Some(min), why: Why::WaitingToStop }
    }

    /// Not charging: starts at the minimum once the enable delay has passed.
    fn maybe_start(&mut self, now: Now, target: Amps, site: Watts) -> Wish {
        let thresholds = self.settings.thresholds;
        let enough = if thresholds.enable == Watts::ZERO {
            target >= self.effective.min_current
        } else {
            site <= thresholds.enable
        };
        if !enough {
            self.pv_timer = Timer::Idle;
            return Wish { current: Some(Amps::ZERO), why: Why::NoSurplus };
        }
        if self.pv_timer.run(PvAction::Enable, now.mono, thresholds.enable_delay) {
            self.pv_timer = Timer::Idle;
            return Wish { current: Some(self.effective.min_current), why: Why::Surplus };
        }
        Wish { current: Some(Amps::ZERO), why: Why::WaitingToStart }
    }
}
