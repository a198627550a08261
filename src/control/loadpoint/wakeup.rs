//! Getting a sleeping vehicle to charge: current once after plugging in, then wake-ups through the
//! charger and through the vehicle's own channel in turn (control.md §19.1, §19.3).

use std::time::Duration;

use crate::model::{
    ChargeStatus, ChargerCommand, ChargerFeature, Effect, Event, EventKind, LoadPointIx, Mono, Now,
};

use super::LoadPoint;
use super::effective::VehicleView;

/// Attempts per sequence (control.md §19.3).
const ATTEMPTS: u8 = 6;
/// Time from one attempt to the next.
const ATTEMPT_AFTER: Duration = Duration::from_secs(30);
/// A load point wakes no more often than this within [`BUDGET_PERIOD`]: a car that refuses to charge
/// is left alone, whatever the clouds do. Three sequences fit.
const BUDGET: u8 = 9;
/// The time for which [`BUDGET`] lasts.
const BUDGET_PERIOD: Duration = Duration::from_secs(24 * 3600);

/// A sequence of attempts, and what is left of the budget.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct WakeUp {
    /// When the next attempt is due, while the sequence runs.
    due: Option<Mono>,
    left: u8,
    /// When the budget was last full, and what has been spent since.
    budget_since: Option<Mono>,
    spent: u8,
    /// The sequence came to its end without success.
    exhausted: bool,
    /// The charger says that the vehicle sleeps.
    refused: bool,
    /// The vehicle is to be woken through its own channel.
    by_vehicle: bool,
}

impl WakeUp {
    /// Current is offered from now on: a running sequence gets all its attempts again.
    fn start(&mut self, now: Mono) {
        self.due.get_or_insert(now + ATTEMPT_AFTER);
        self.left = ATTEMPTS;
    }

    /// Takes one wake-up from the budget; false when there is none left.
    fn spend(&mut self, now: Mono) -> bool {
        if self.budget_since.is_none_or(|since| now.since(since) >= BUDGET_PERIOD) {
            self.budget_since = Some(now);
            self.spent = 0;
        }
        if self.spent >= BUDGET {
            return false;
        }
        self.spent += 1;
        true
    }
}

impl LoadPoint {
    /// Whether current is offered to a vehicle because it was just plugged in.
    pub fn welcoming(&self) -> bool {
        self.welcome_until.is_some()
    }

    /// A vehicle that may sleep was plugged in: it is offered the minimum for as long as the disable
    /// delay (Q15).
    pub(crate) fn offer_welcome(&mut self, now: Now) {
        self.welcome_until = Some(now.mono + self.settings.thresholds.disable_delay);
    }

    /// The welcome ends by time or with the connection.
    pub(super) fn follow_welcome(&mut self, now: Now) {
        let over = self.welcome_until.is_some_and(|until| now.mono >= until);
        if over || !self.connected() {
            self.welcome_until = None;
        }
    }

    /// When the welcome ends or the next attempt is due.
    pub(super) fn wakes_at(&self) -> Option<Mono> {
        self.welcome_until.into_iter().chain(self.wake_up.due).min()
    }

    /// A command was refused because the vehicle sleeps (control.md §10).
    pub(super) fn refused_by_sleep(&mut self) {
        self.wake_up.refused = true;
    }

    /// Continues the sequence; to be called at the end of a decision. Odd attempts are the charger's,
    /// or the vehicle's where the charger cannot; even ones are the vehicle's if both can (E-76).
    pub(super) fn continue_wake_up(&mut self, now: Now, vehicle: &VehicleView) {
        let offers = self.commands.iter().any(|command| {
            matches!(command, ChargerCommand::Enable(true) | ChargerCommand::Phases(_))
        });
        let refused = std::mem::take(&mut self.wake_up.refused);
        let waits = self.status == Some(ChargeStatus::Connected);
        let hopeless = self.has(ChargerFeature::IntegratedDevice) || vehicle.never_wake;
        if !waits || hopeless || vehicle.full || self.soc_limit_reached(vehicle) {
            self.wake_up.due = None;
            return;
        }
        if refused && vehicle.can_wake && self.wake_up.spend(now.mono) {
            self.wake_up.by_vehicle = true;
        }
        if !self.enabled {
            self.wake_up.due = None;
            return;
        }
        if offers {
            self.wake_up.start(now.mono);
        }
        if self.wake_up.due.is_none_or(|due| now.mono < due) {
            return;
        }
        if self.wake_up.left == 0 {
            self.wake_up.due = None;
            self.wake_up.exhausted = true;
            return;
        }
        self.wake_up.due = Some(now.mono + ATTEMPT_AFTER);
        self.wake_up.left -= 1;
        let charger = self.setup.charger.can_wake;
        let by_charger = self.wake_up.left % 2 == 1 && charger;
        let by_vehicle = vehicle.can_wake && (self.wake_up.left % 2 == 1) != charger;
        if (by_charger || by_vehicle) && self.wake_up.spend(now.mono) {
            match by_charger {
                true => self.command(ChargerCommand::WakeUp),
                false => self.wake_up.by_vehicle = true,
            }
        }
    }

    /// What has been decided since this was last asked, in the order in which it must be carried out.
    pub(crate) fn take_effects(&mut self, lp: LoadPointIx) -> Vec<Effect> {
        let commands = self.take_commands().into_iter();
        let mut effects: Vec<_> = commands.map(|command| Effect::Charger { lp, command }).collect();
        let wake = std::mem::take(&mut self.wake_up.by_vehicle);
        effects
            .extend(self.vehicle.filter(|_| wake).map(|vehicle| Effect::WakeVehicle { vehicle }));
        if std::mem::take(&mut self.wake_up.exhausted) {
            let (vehicle, kind) = (self.vehicle, EventKind::Asleep);
            effects.push(Effect::Event(Event { lp: Some(lp), vehicle, kind }));
        }
        effects
    }
}
