//! Energy and time of a session (control.md §21).

use std::time::Duration;

use crate::model::{KilowattHours, Mono, Now, WattHours, Watts};

use super::Reading;

/// Power is not integrated over a longer silence than this; what flowed in between is unknown.
const GAP_MAX: Duration = Duration::from_secs(120);

/// The current or last session (control.md §21).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Session {
    /// When the vehicle was plugged in.
    pub connected_at: Option<Now>,
    /// Charged energy.
    pub energy: WattHours,
    /// Part of it that was green.
    pub solar: WattHours,
    /// Time spent charging, up to the last start or stop.
    pub duration: Duration,
    /// Since when it charges, if it does.
    pub charging_since: Option<Mono>,
    /// Counter at the start of the running leg.
    leg_start: Option<KilowattHours>,
    /// A leg is open: from connect or start to stop.
    leg_open: bool,
    /// Energy of the closed legs.
    closed: WattHours,
}

impl Session {
    /// A vehicle was plugged in.
    pub(crate) fn connect(now: Now, counter: Option<KilowattHours>) -> Self {
        Self { connected_at: Some(now), leg_open: true, leg_start: counter, ..Self::default() }
    }

    /// Charging starts.
    pub(crate) fn start(&mut self, now: Mono, counter: Option<KilowattHours>) {
        self.charging_since = Some(now);
        if !self.leg_open {
            self.leg_open = true;
            self.leg_start = counter;
        }
    }

    /// Charging stops: the leg is closed.
    pub(crate) fn stop(&mut self, now: Mono) {
        if let Some(since) = self.charging_since.take() {
            self.duration += now.since(since);
        }
        self.leg_open = false;
        self.leg_start = None;
        self.closed = self.energy;
    }

    /// The counter moved; it is the truth where it exists. Counters that run backwards are ignored.
    pub(crate) fn counter(&mut self, counter: KilowattHours, green_share: f64) {
        if !self.leg_open {
            return;
        }
        let start = *self.leg_start.get_or_insert(counter);
        let leg = counter - start;
        if leg.0 >= 0.0 {
            self.reach(self.closed + leg.watt_hours(), green_share);
        }
    }

    /// Integrates the power that flowed since the last reading, for chargers without a counter.
    pub(crate) fn integrate(&mut self, last: Reading<Watts>, now: Mono, green_share: f64) {
        let gap = now.since(last.at).min(GAP_MAX);
        let added = WattHours(last.value.0.max(0.0) * gap.as_secs_f64() / 3600.0);
        self.reach(self.energy + added, green_share);
    }

    /// The charger's own session energy.
    pub(crate) fn reported(&mut self, energy: WattHours, green_share: f64) {
        self.reach(energy, green_share);
    }

    /// Time spent charging up to `now`.
    pub fn charge_duration(&self, now: Mono) -> Duration {
        self.duration + self.charging_since.map_or(Duration::ZERO, |since| now.since(since))
    }

    /// Green part of the energy, 0 to 100 %.
    pub fn solar_percentage(&self) -> f64 {
        if self.energy.0 > 0.0 { 100.0 * self.solar.0 / self.energy.0 } else { 0.0 }
    }

    fn reach(&mut self, energy: WattHours, green_share: f64) {
        let added = energy - self.energy;
        if added.0 > 0.0 {
            self.solar += added * green_share;
            self.energy = energy;
        }
    }
}
