//! Set-points: from a wished current to commands, and back from what the charger shows (control.md §10, §14).

use std::time::Duration;

use crate::model::{
    Amps, ChargeStatus, ChargerCommand, ChargerFeature, Mono, Now, Outcome, PvAction, Volts, Watts,
};

use super::LoadPoint;
use super::effective::{Effective, VehicleView};
use super::timer::Timer;

/// The lease of a set-point is renewed this often (design S1); the device task's lease is longer.
pub(super) const RENEW: Duration = Duration::from_secs(10);
/// After switching on, off or phases, what the charger shows is not settled (control.md §4.4).
pub(super) const SETTLING: Duration = Duration::from_secs(60);
/// A change of current that never shows is given up after this (control.md §33.1).
const IN_FLIGHT_MAX: Duration = Duration::from_secs(30);
/// Without a power meter the effect of a change is assumed to show after this.
const REACTION: Duration = Duration::from_secs(10);
/// Smaller changes are not worth a write (Q33).
const DEAD_BAND: Amps = Amps(0.1);
/// A measured current this far above the offered one is what the charger really offers (control.md §14).
const MEASURED_TOLERANCE: Amps = Amps(1.0);
/// A reported set-point this far from ours is another one (control.md §14).
const REPORTED_TOLERANCE: Amps = Amps(0.23);
/// First pause after a failed command; doubled up to the maximum.
const RETRY_MIN: Duration = Duration::from_secs(1);
const RETRY_MAX: Duration = Duration::from_secs(60);
/// Off is asked for again this soon, however often it fails (design S4).
const OFF_RETRY: Duration = Duration::from_secs(1);

/// A change of power that was commanded and does not show yet (control.md §33.1).
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct InFlight {
    /// Charge power before the command.
    from: Watts,
    /// Charge power that is expected.
    to: Watts,
    /// When it was commanded.
    since: Mono,
    /// When the charger's meter first showed it.
    seen: Option<Mono>,
}

impl InFlight {
    /// When it was commanded.
    pub(super) fn since(&self) -> Mono {
        self.since
    }
}

impl LoadPoint {
    /// Power that is on its way and that the grid meter cannot know yet; negative after a reduction.
    pub(crate) fn power_in_flight(&self, grid_at: Option<Mono>) -> Watts {
        let Some(flight) = self.in_flight else {
            return Watts::ZERO;
        };
        let grid_saw = grid_at.is_some_and(|at| at > flight.seen.unwrap_or(flight.since));
        if self.metered() && grid_saw {
            flight.to - self.charge_power()
        } else {
            flight.to - flight.from
        }
    }

    /// Ends a change that shows at the charger and at the grid, or that never will.
    pub(crate) fn land(&mut self, now: Now, grid_at: Option<Mono>) {
        let metered = self.metered();
        let Some(flight) = &mut self.in_flight else {
            return;
        };
        let age = now.mono.since(flight.since);
        let measured = self.power.filter(|power| metered && power.at > flight.since);
        let tolerance = Watts(300.0).max(flight.to * 0.1);
        let shows = match measured {
            Some(power) => (power.value - flight.to).abs() <= tolerance,
            None => !metered && age >= REACTION,
        };
        if shows && flight.seen.is_none() {
            flight.seen = Some(measured.map_or(now.mono, |power| power.at));
        }
        let grid_saw = grid_at.is_none_or(|at| flight.seen.is_some_and(|seen| at >= seen));
        if age >= IN_FLIGHT_MAX || (flight.seen.is_some() && grid_saw) {
            self.in_flight = None;
        }
    }

    fn metered(&self) -> bool {
        self.setup.charger.has_power
    }

    /// When a change that is under way is given up.
    pub(super) fn lands_at(&self) -> Option<Mono> {
        let flight = self.in_flight?;
        let unmetered = !self.metered() && flight.seen.is_none();
        Some(flight.since + if unmetered { REACTION } else { IN_FLIGHT_MAX })
    }

    /// Offers a current; 0 or less than the minimum is off (control.md §10). The current precedes enabling.
    pub(super) fn offer(&mut self, now: Now, current: Amps, voltage: Volts, vehicle: &VehicleView) {
        let Effective { min_current: min, max_current: max, .. } = self.effective;
        let coarse = vehicle.coarse || !self.setup.charger.milliamps;
        let current = if current >= min {
            round(current, if coarse { 1.0 } else { 1000.0 }, min, max)
        } else {
            current
        };
        let on = current >= min && current > Amps::ZERO;
        if !on {
            return self.switch_off(now);
        }
        if self.retry_at.is_some_and(|at| now.mono < at) || self.contactor_rests(now) {
            return;
        }
        let before = self.charge_power();
        let change = (current - self.offered).abs();
        let at_bound = current == min || current == max;
        let worth = change >= DEAD_BAND || (at_bound && change > Amps::ZERO) || self.reassert;
        if worth {
            self.offered = current;
            self.command(ChargerCommand::MaxCurrent(current));
        }
        if !self.enabled || !self.enabled_known || self.reassert {
            if !self.enabled {
                self.contactor.close(now.mono);
            }
            self.enabled = true;
            self.enabled_known = true;
            self.reassert = false;
            self.switched = Some(now.mono);
            self.command(ChargerCommand::Enable(true));
        } else if !worth {
            return;
        }
        // Only a car that draws, or that is about to, will change the power.
        let expected = current.power(voltage, self.active_phases(vehicle));
        self.in_flight = Some(InFlight { from: before, to: expected, since: now.mono, seen: None });
    }

    /// Renews the lease of a set-point that is in force.
    pub(in crate::control) fn renew(&mut self, now: Now) {
        if self.enabled && now.mono.since(self.renewed) >= RENEW {
            self.renewed = now.mono;
            self.command(ChargerCommand::Renew);
        }
    }

    /// Commands in the order in which they must be carried out.
    pub(in crate::control) fn take_commands(&mut self) -> Vec<ChargerCommand> {
        std::mem::take(&mut self.commands)
    }

    pub(super) fn command(&mut self, command: ChargerCommand) {
        self.commands.push(command);
    }

    /// Whether it was switched on too often of late; what is on stays on.
    pub(super) fn contactor_rests(&self, now: Now) -> bool {
        !self.enabled && self.contactor.rests_until(now.mono).is_some()
    }

    fn switch_off(&mut self, now: Now) {
        let asked = self.off_failed.is_some_and(|at| now.mono.since(at) < OFF_RETRY);
        if asked || (!self.enabled && self.enabled_known) {
            return;
        }
        let before = self.charge_power();
        self.known_before_off = self.enabled_known;
        self.adopt_enabled(false);
        self.reassert = false;
        self.switched = Some(now.mono);
        self.command(ChargerCommand::Enable(false));
        self.in_flight = self.charging().then_some(InFlight {
            from: before,
            to: Watts::ZERO,
            since: now.mono,
            seen: None,
        });
    }

    /// A command was carried out, or was not: what failed is taken back, so that it is decided anew.
    pub(crate) fn done(&mut self, now: Now, command: ChargerCommand, outcome: Outcome) {
        if outcome == Outcome::Done {
            if let ChargerCommand::MaxCurrent(current) = command {
                self.taken = current;
            }
            self.retry_at = None;
            self.retries = 0;
            return;
        }
        self.in_flight = None;
        if outcome == Outcome::Asleep {
            self.refused_by_sleep();
        }
        // Less is asked for again soon, however often it fails (design S4).
        let less = matches!(command, ChargerCommand::MaxCurrent(current) if current < self.taken);
        match command {
            ChargerCommand::MaxCurrent(current) if current == self.offered => {
                self.offered = self.taken;
            }
            ChargerCommand::Enable(true) if self.enabled => {
                self.enabled = false;
                self.offered = Amps::ZERO;
                self.switched = None;
            }
            ChargerCommand::Enable(false) if !self.enabled => {
                // Nobody knows whether a charger that was never heard is on: only the question stays.
                self.enabled = self.known_before_off;
                self.enabled_known = self.known_before_off;
                self.offered = self.taken;
                self.switched = None;
                self.off_failed = Some(now.mono);
                return;
            }
            ChargerCommand::Phases(phases) if phases == self.phases => {
                let configured = self.settings.phases_configured;
                if outcome == Outcome::NotAvailable && configured == phases {
                    return; // the charger has its own mind: believe the configuration (control.md §9 row 2)
                }
                self.set_phases(self.phases_before);
                self.phases_switched = None;
                self.phases_refused = Some(now.mono);
            }
            ChargerCommand::MaxCurrent(_)
            | ChargerCommand::Enable(_)
            | ChargerCommand::Phases(_)
            | ChargerCommand::WakeUp
            | ChargerCommand::Renew => return,
        }
        let pause = RETRY_MIN * if less { 1 } else { 2_u32.saturating_pow(self.retries) };
        self.retries = self.retries.saturating_add(1).min(6);
        self.retry_at = Some(now.mono + pause.min(RETRY_MAX));
    }

    /// Whether both settling windows are over (control.md §4.4).
    pub(super) fn consistent(&self, now: Now) -> bool {
        let settling = self.switched.is_some_and(|at| now.mono.since(at) <= SETTLING);
        !settling && !self.phases_settling(now)
    }

    /// Aligns what we believe with what the charger shows (control.md §14).
    pub(super) fn synchronise(&mut self, now: Now, voltage: Volts, vehicle: &VehicleView) {
        let consistent = self.consistent(now);
        if let Some((reported, at)) = self.reported_enabled {
            self.synchronise_enabled(now, reported, at, consistent);
        }
        if self.enabled && self.offered == Amps::ZERO && self.charging() {
            // Found charging: adopt what it draws instead of throttling it (Q03).
            let drawn = self.charge_power().current(voltage, self.active_phases(vehicle));
            self.offered = self.max_phase_current().unwrap_or(drawn);
            self.taken = self.offered;
        }
        if self.enabled && self.in_flight.is_none() {
            self.synchronise_current();
        }
        if self.switchable() && consistent && self.phases > 0 {
            self.synchronise_phases();
        }
    }

    fn synchronise_enabled(&mut self, now: Now, reported: bool, at: Mono, consistent: bool) {
        let after_switching = at > self.switched.max(self.phases_switched).unwrap_or_default();
        if !self.enabled_known {
            self.adopt_enabled(reported);
        } else if !reported && self.charging() {
            if consistent {
                // It charges while it says that it does not: what it draws is what it offers.
                // Whatever is decided next, on or off, is commanded anew.
                self.enabled = true;
                self.reassert = true;
                self.pv_timer = Timer::Elapsed;
            }
        } else if !reported && self.enabled && after_switching && self.phases_settling(now) {
            // Some chargers switch themselves off while switching phases: once is enough.
            self.reassert = !self.reenabled;
            self.reenabled = true;
        } else if reported != self.enabled && consistent && (reported || self.connected()) {
            self.adopt_enabled(reported);
        }
    }

    fn adopt_enabled(&mut self, enabled: bool) {
        self.enabled = enabled;
        self.enabled_known = true;
        if !enabled {
            self.offered = Amps::ZERO;
        }
    }

    fn synchronise_current(&mut self) {
        let offered = self.offered;
        if let Some(reported) = self.reported_current {
            if (offered - reported).abs() > REPORTED_TOLERANCE {
                self.offered = reported;
            }
        } else if let Some(measured) = self.max_phase_current()
            && measured > offered + MEASURED_TOLERANCE
        {
            self.offered = measured;
        }
    }

    fn synchronise_phases(&mut self) {
        let reported = self.reported_phases.filter(|phases| *phases > 0);
        if let Some(reported) = reported {
            self.set_phases(reported);
        } else {
            let measured = if self.measured_phases == 2 { 3 } else { self.measured_phases };
            if measured > self.phases {
                self.set_phases(measured);
            }
        }
    }

    /// Charge power for the balance; without a meter what is offered to a charging car (control.md §21.1).
    pub(super) fn estimate_power(&self, voltage: Volts, vehicle: &VehicleView) -> Watts {
        if self.enabled
            && self.status == Some(ChargeStatus::Charging)
            && !self.has(ChargerFeature::SwitchDevice)
        {
            self.offered.power(voltage, self.active_phases(vehicle))
        } else {
            Watts::ZERO
        }
    }

    /// When the enable or disable delay ends.
    pub(super) fn pv_due(&self) -> Option<Mono> {
        let thresholds = self.settings.thresholds;
        self.pv_timer.running().map(|(action, since)| match action {
            PvAction::Enable => since + thresholds.enable_delay,
            PvAction::Disable | PvAction::Inactive => since + thresholds.disable_delay,
        })
    }
}

/// Rounds down to `per_amp` steps per ampere, but not below the minimum.
fn round(current: Amps, per_amp: f64, min: Amps, max: Amps) -> Amps {
    // What a division lost must not cost a whole step.
    const LOST: f64 = 1e-6;
    let down = ((current.0 * per_amp + LOST).floor()) / per_amp;
    let least = ((min.0 * per_amp - LOST).ceil()) / per_amp;
    Amps(down.max(least)).min(max)
}
