//! Switching between one and three phases (control.md §7, §12, §13).

use std::time::Duration;

use crate::model::{Amps, ChargerCommand, Now, PhaseAction, Volts, Watts};

use super::LoadPoint;
use super::effective::VehicleView;
use super::setpoint::SETTLING;
use super::timer::Timer;

/// A phase that carries more than this is in use (control.md §7.2).
const PHASE_CURRENT_MIN: Amps = Amps(1.0);
/// A phase with at least this voltage is connected (control.md §7.3).
const PHASE_VOLTAGE_MIN: Volts = Volts(207.0);
/// A charger that did not switch is not asked again sooner than this.
const PHASE_RETRY: Duration = Duration::from_secs(60);

impl LoadPoint {
    /// Whether the last phase switch is so recent that neither phases nor currents are settled.
    pub(super) fn phases_settling(&self, now: Now) -> bool {
        self.phases_switched.is_some_and(|at| now.mono.since(at) <= SETTLING)
    }

    /// Brings the charger to the configured phase count; true while that is under way (control.md §9 row 2).
    pub(super) fn switch_to_configured(&mut self, now: Now) -> bool {
        let wanted = self.settings.phases_configured;
        self.switchable() && wanted != 0 && wanted != self.phases && self.switch_phases(now, wanted)
    }

    /// Commands a phase count unless it is already there or the charger has just refused.
    /// Returns whether a command went out.
    pub(super) fn switch_phases(&mut self, now: Now, phases: u8) -> bool {
        let refused = self.phases_refused.is_some_and(|at| now.mono.since(at) < PHASE_RETRY);
        if self.phases == phases || refused {
            return false;
        }
        self.phases_before = self.phases;
        self.set_phases(phases);
        self.phases_switched = Some(now.mono);
        self.command(ChargerCommand::Phases(phases));
        true
    }

    /// Takes the user's phase count; without a switch it is the physical one (control.md §7.4).
    pub(crate) fn configure_phases(&mut self, phases: u8) {
        self.settings.phases_configured = phases;
        self.phases_refused = None;
        if !self.switchable() {
            self.set_phases(phases);
        }
    }

    /// Any change of the phase count cancels the delay and what was measured (control.md §7.4).
    pub(super) fn set_phases(&mut self, phases: u8) {
        if self.phases != phases {
            self.phases = phases;
            self.measured_phases = 0;
            self.phase_timer = Timer::Idle;
        }
    }

    /// Counts the phases that carry current (control.md §7.2).
    pub(super) fn measure_phases(&mut self, now: Now) {
        // What is being switched off falls phase by phase.
        let off = self.enabled_known && !self.enabled;
        if !self.charging() || off || self.phases_settling(now) {
            return;
        }
        let used =
            self.currents.iter().flatten().filter(|current| **current > PHASE_CURRENT_MIN).count();
        if let (1.., Ok(used)) = (used, u8::try_from(used)) {
            self.measured_phases = used;
        }
    }

    /// Learns the connected phases from voltages, for chargers that cannot switch (control.md §7.3).
    pub(super) fn connected_phases(&mut self) {
        if self.switchable() {
            return;
        }
        let on =
            self.voltages.map(|voltage| voltage.is_some_and(|volts| volts >= PHASE_VOLTAGE_MIN));
        match on {
            [false, false, false] => {}
            [true, false, false] => self.set_phases(1),
            _ => self.set_phases(3),
        }
    }

    /// Switches phases when the surplus asks for it long enough; true when it just did (control.md §12).
    pub(super) fn scale_phases(
        &mut self,
        now: Now,
        voltage: Volts,
        site: Watts,
        site_granted: Watts,
        vehicle: &VehicleView,
    ) -> bool {
        if !self.switchable() || self.phases_settling(now) {
            return false;
        }
        if self.phases > 0 && self.phases < self.measured_phases {
            // More phases carry current than were commanded: the count is not to be believed.
            self.measured_phases = 0;
        }
        let thresholds = self.settings.thresholds;
        let (action, phases, delay) = if self.wants_one_phase(voltage, site, vehicle) {
            (PhaseAction::Scale1p, 1, thresholds.disable_delay)
        } else if self.wants_three_phases(voltage, site_granted, vehicle) {
            (PhaseAction::Scale3p, 3, thresholds.enable_delay)
        } else {
            self.phase_timer = Timer::Idle;
            return false;
        };
        if !self.charging() {
            self.phase_timer = Timer::Elapsed;
        }
        self.phase_timer.run(action, now.mono, delay) && self.switch_phases(now, phases)
    }

    /// The surplus does not cover the minimum on all phases (control.md §12 DOWN).
    fn wants_one_phase(&self, voltage: Volts, site: Watts, vehicle: &VehicleView) -> bool {
        let phases = self.active_phases(vehicle);
        let available = self.charge_power() - site;
        let min = self.effective.min_current;
        let insufficient =
            (site > Watts::ZERO || !self.enabled) && available.current(voltage, phases) < min;
        phases > 1
            && self.settings.phases_configured < 3
            && (insufficient || !self.circuit_allows(min, phases, voltage))
    }

    /// The surplus exceeds one phase and covers the minimum on all of them (control.md §12 UP).
    fn wants_three_phases(&self, voltage: Volts, site: Watts, vehicle: &VehicleView) -> bool {
        let most = self.max_phases(vehicle);
        let available = self.charge_power() - site;
        let min = self.effective.min_current;
        let one_phase = self.effective.max_current.min(self.limited.cap.one_phase());
        most > 1
            && self.phases < most
            && available.current(voltage, most) >= min
            && available.current(voltage, 1) > one_phase
            && one_phase >= min
            && self.circuit_allows(min, most, voltage)
    }
}
