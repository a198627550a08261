//! One load point: a charger, its session and the rules that drive it (control.md §4–§15, §21).

mod begin;
mod boost;
mod contactor;
mod effective;
mod limited;
mod phases;
mod setpoint;
mod settings;
mod share;
mod smart;
mod solar;
mod strategy;
mod timer;
mod wakeup;

#[cfg(test)]
mod examples;

use std::time::Duration;

use crate::model::{
    Amps, ChargeStatus, ChargerAttribute, ChargerCommand, ChargerFeature, ChargerValue,
    KilowattHours, LoadPointSetup, Mode, Mono, Now, Origin, Percent, PhaseAction, PvAction,
    StatusReason, VehicleIx, Volts, Watts,
};

use super::announce::SocSteps;
use super::circuit::Cap;
use super::detection::{Candidate, Trace};
use super::estimator::{Estimator, Subject};
use super::ledger::{Account, Mix, Session};
use super::vintage::Targets;
use super::{Decision, PlanState, Reading, Why};
use boost::Boost;
use contactor::Contactor;
use limited::Limited;
use setpoint::{InFlight, RENEW, SETTLING};
use wakeup::WakeUp;

pub use effective::Effective;
pub use settings::LoadPointSettings;
pub use smart::SmartLimit;

pub(crate) use boost::BatteryView;
pub(crate) use effective::VehicleView;
pub(crate) use strategy::{GridView, SiteView};
pub(crate) use timer::Timer;

/// One load point.
#[derive(Clone, Debug)]
pub struct LoadPoint {
    /// What it is.
    pub setup: LoadPointSetup,
    /// What the user wants.
    pub settings: LoadPointSettings,
    /// What the charger says of its cable; `None` before its first word.
    pub status: Option<ChargeStatus>,
    /// Whether the charger offers current, as last commanded or observed.
    pub enabled: bool,
    /// Current offered per phase; 0 while disabled.
    pub offered: Amps,
    /// Phases switched to, as last commanded or observed; 0 unknown.
    pub phases: u8,
    /// Phases seen carrying current; 0 unknown.
    pub measured_phases: u8,
    /// Charge power.
    pub power: Option<Reading<Watts>>,
    /// Phase currents.
    pub currents: [Option<Amps>; 3],
    /// Phase voltages.
    pub voltages: [Option<Volts>; 3],
    /// Counter of charged energy.
    pub energy: Option<KilowattHours>,
    /// State of charge as the charger knows it; wins over the vehicle's own word.
    pub charger_soc: Option<Percent>,
    /// Limit that is set in the device.
    pub charger_limit_soc: Option<Percent>,
    /// Who identified themselves at the charger.
    pub identity: Option<String>,
    /// Why the charger does not charge the car that is on it.
    pub status_reason: StatusReason,
    /// The assigned vehicle.
    pub vehicle: Option<VehicleIx>,
    /// Until when a vehicle is looked for, while it is.
    pub detecting_until: Option<Mono>,
    /// Who may have been plugged in, as it was last reckoned while nobody was known.
    pub candidates: Vec<Candidate>,
    /// Nobody was found for who was plugged in, and people have not heard of it yet.
    pub(super) detection_failed: bool,
    /// Somebody was plugged in, and people have not heard of it yet.
    pub(super) unannounced: bool,
    /// The steps of the SoC that people hear of.
    pub(super) soc_steps: SocSteps,
    /// What the enable or disable delay will do, and when.
    pub pv_action: (PvAction, Option<Mono>),
    /// What the phase delay will do, and when.
    pub phase_action: (PhaseAction, Option<Mono>),
    /// Values that result from load point, vehicle and charger together.
    pub effective: Effective,
    /// Whether the vehicle is below its minimum SoC.
    pub min_soc_not_reached: bool,
    /// What the charging plan says.
    pub plan: PlanState,
    /// Power is cheap enough to charge from the grid.
    pub smart_cost: SmartLimit,
    /// Feeding in pays enough to leave the sun to the grid.
    pub smart_feed_in: SmartLimit,
    /// Why the load point does what it does.
    pub decision: Decision,

    /// The current or last session, and what is written of it.
    pub(super) account: Account,
    /// The estimate of the vehicle's SoC while it is connected.
    pub(super) estimator: Option<(Subject, Estimator)>,
    /// The search ended and nobody was found: only strong signs count from then on.
    pub(super) guest: bool,
    /// The charger does not tell its status any more.
    pub(super) silent: bool,
    /// What is remembered of those who came and went.
    pub(super) trace: Trace,
    /// Since when it draws what it can, or was last looked at while it did.
    pub(super) full_since: Option<Mono>,
    pub(super) pv_timer: Timer<PvAction>,
    pub(super) phase_timer: Timer<PhaseAction>,
    boost: Boost,
    pub(super) welcome_until: Option<Mono>,
    /// What was asked for with the words of evcc up to 0.122.
    pub(super) targets: Targets,
    /// `minpv` ends when the vehicle is unplugged.
    pub(super) minpv_once: bool,
    wake_up: WakeUp,
    /// The charger's enabled state has been reported or commanded.
    enabled_known: bool,
    /// It was known when the charger was last switched off.
    known_before_off: bool,
    /// What is decided next is commanded even if it is believed to be so already.
    reassert: bool,
    /// The last current that the charger took.
    taken: Amps,
    switched: Option<Mono>,
    phases_switched: Option<Mono>,
    phases_refused: Option<Mono>,
    phases_before: u8,
    contactor: Contactor,
    /// Already switched on again within this phase switch.
    reenabled: bool,
    pub(super) in_flight: Option<InFlight>,
    retry_at: Option<Mono>,
    retries: u32,
    off_failed: Option<Mono>,
    renewed: Mono,
    reported_enabled: Option<(bool, Mono)>,
    reported_current: Option<Amps>,
    reported_phases: Option<u8>,
    limited: Limited,
    commands: Vec<ChargerCommand>,
}

/// What a change of the charger's status means (control.md §6.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Connect,
    Start,
    Stop,
    Disconnect,
}

impl LoadPoint {
    /// Whether a vehicle is connected.
    pub fn connected(&self) -> bool {
        matches!(self.status, Some(ChargeStatus::Connected | ChargeStatus::Charging))
    }

    /// Whether the vehicle draws.
    pub fn charging(&self) -> bool {
        self.status == Some(ChargeStatus::Charging)
    }

    /// The current or last session.
    pub fn session(&self) -> &Session {
        &self.account.live
    }

    /// When the vehicle was plugged in, or was found plugged in after the start.
    pub fn connected_at(&self) -> Option<Now> {
        self.account.connected_at
    }

    /// Time spent charging in this session.
    pub fn charge_duration(&self, now: Mono) -> Duration {
        self.account.charge_duration(now)
    }

    /// Charge power; 0 while nothing is known.
    pub fn charge_power(&self) -> Watts {
        self.power.map_or(Watts::ZERO, |reading| reading.value)
    }

    /// Records one attribute of the charger; tells what a change of status means.
    pub(super) fn record(
        &mut self,
        now: Now,
        value: ChargerValue,
        origin: Origin,
        mix: Mix,
    ) -> Vec<Change> {
        match value {
            ChargerValue::Status(status) => return self.record_status(now, status),
            ChargerValue::Enabled(on) => self.reported_enabled = Some((on, now.mono)),
            ChargerValue::Power(power) => self.record_power(now, power, origin, mix),
            ChargerValue::Energy(energy) if energy.0 > 0.0 => {
                self.energy = Some(energy);
                self.account.counter(now.mono, energy, mix);
            }
            ChargerValue::Energy(_) => {} // exactly 0 is "not available" (control.md §2.1)
            ChargerValue::SessionEnergy(energy) if self.energy.is_none() => {
                self.account.reported(now.mono, energy, mix);
            }
            ChargerValue::SessionEnergy(_) => {} // the counter is the truth where it exists
            ChargerValue::Current(phase, current) => {
                self.currents[phase.index()] = Some(current);
                self.measure_phases(now);
            }
            ChargerValue::Voltage(phase, voltage) => {
                self.voltages[phase.index()] = Some(voltage);
                self.connected_phases();
            }
            ChargerValue::OfferedCurrent(current) => self.reported_current = Some(current),
            ChargerValue::Phases(phases) => self.reported_phases = Some(phases),
            ChargerValue::Soc(soc) => self.charger_soc = Some(soc),
            ChargerValue::LimitSoc(soc) => self.charger_limit_soc = Some(soc),
            ChargerValue::Lost(attribute) => self.lose(attribute),
            ChargerValue::Identity(identity) => {
                self.identity = Some(identity).filter(|id| !id.is_empty())
            }
            ChargerValue::StatusReason(reason) => self.status_reason = reason,
        }
        Vec::new()
    }

    /// What the charger does not say any more is not known any more.
    fn lose(&mut self, attribute: ChargerAttribute) {
        match attribute {
            ChargerAttribute::Status => self.silent = true,
            ChargerAttribute::Enabled => self.reported_enabled = None,
            ChargerAttribute::Power => self.power = None,
            ChargerAttribute::Current(phase) => self.currents[phase.index()] = None,
            ChargerAttribute::Voltage(phase) => self.voltages[phase.index()] = None,
            ChargerAttribute::Soc => self.charger_soc = None,
            ChargerAttribute::LimitSoc => self.charger_limit_soc = None,
        }
    }

    /// Counts what flowed since the last word on the power, where no counter does.
    pub(super) fn integrate(&mut self, now: Mono, mix: Mix) {
        if let Some(last) = self.power
            && self.charging()
            && self.energy.is_none()
        {
            self.account.integrate(last, now, mix);
        }
    }

    fn record_power(&mut self, now: Now, power: Watts, origin: Origin, mix: Mix) {
        self.integrate(now.mono, mix);
        self.power = Some(Reading::next(self.power.as_ref(), power, now, origin));
    }

    /// The first status is a baseline: it starts a session but clears nothing (Q07).
    fn record_status(&mut self, now: Now, status: ChargeStatus) -> Vec<Change> {
        use ChargeStatus::{Charging, Disconnected};

        self.silent = false;
        let previous = self.status.replace(status);
        if previous == Some(status) {
            return Vec::new();
        }
        self.status_reason = StatusReason::Unknown;
        let mut changes = Vec::new();
        if matches!(previous, None | Some(Disconnected)) && status != Disconnected {
            if self.account.connect(now, &self.setup.name, previous.is_some()) {
                self.plan.connect();
            }
            if previous.is_some() {
                self.pv_timer = Timer::Elapsed;
            }
            changes.push(Change::Connect);
        }
        if previous.is_some() && (status == Charging || previous == Some(Charging)) {
            self.trace.turned = Some((status == Charging, now.mono));
        }
        if status == Charging {
            self.account.start(now);
            changes.push(Change::Start);
        } else if previous.is_none() {
            self.account.stopped_meanwhile(now);
        }
        if previous == Some(Charging) {
            self.account.stop(now);
            if self.pv_timer != Timer::Elapsed {
                self.pv_timer = Timer::Idle;
            }
            changes.push(Change::Stop);
        }
        if status == Disconnected {
            self.account.leave(now);
        }
        if status == Disconnected && previous.is_some() {
            self.disconnect();
            changes.push(Change::Disconnect);
        }
        changes
    }

    /// The vehicle left: what was asked for this session ends (control.md §6.2).
    fn disconnect(&mut self) {
        self.measured_phases = 0;
        self.identity = None;
        self.detecting_until = None;
        self.guest = false;
        self.welcome_until = None;
        self.boost = Boost::Off;
        if self.has(ChargerFeature::IntegratedDevice) {
            return;
        }
        self.settings.limit_soc = Percent::ZERO;
        self.settings.limit_energy = KilowattHours::ZERO;
        self.targets = Targets::default();
        if std::mem::take(&mut self.minpv_once) && self.settings.mode == Mode::MinPv {
            self.settings.mode = Mode::Pv;
        }
        if let Some(mode) = self.setup.default_mode {
            self.settings.mode = mode;
        }
    }

    /// Decides: aligns with the charger, picks the rule, offers the current.
    pub(super) fn decide(&mut self, now: Now, site: &SiteView, vehicle: &VehicleView) {
        self.synchronise(now, site.voltage, vehicle);
        self.follow_boost(now, &site.battery);
        self.follow_welcome(now);
        let draw = self.draw(now, site.voltage, vehicle);
        let wish = self.strategy(now, site, vehicle);
        let left = self.within_limits(now, wish, site.voltage, vehicle);
        if let Some(current) = left.current {
            self.offer(now, current, site.voltage, vehicle);
            self.remember(now, &draw);
        }
        self.pv_action = match self.pv_timer.running() {
            Some((action, _)) => (action, self.pv_due()),
            None => (PvAction::Inactive, None),
        };
        self.phase_action = match self.phase_timer.running() {
            Some((action, _)) => (action, self.phase_due()),
            None => (PhaseAction::Inactive, None),
        };
        let surplus = match site.grid {
            GridView::Known { site, .. } => Some(-site),
            GridView::Awaited | GridView::Silent => None,
        };
        let target = wish.current.unwrap_or(self.offered);
        let offered = self.enabled && target > Amps::ZERO && self.consistent(now);
        let waits = offered && !self.charging() && left.why == wish.why;
        let rests = !self.enabled && target > Amps::ZERO && self.contactor_rests(now);
        let quiet = if waits { Why::NotDrawing } else { left.why };
        let why = if rests { Why::ContactorRests } else { quiet };
        let since = if self.decision.why == why { self.decision.since } else { now.mono };
        self.decision = Decision { why, target, surplus, since };
        self.continue_wake_up(now, vehicle);
    }

    /// Brings what follows from settings and vehicle up to date; to be called before any decision.
    pub(super) fn refresh(
        &mut self,
        now: Now,
        grid_at: Option<Mono>,
        voltage: Volts,
        mix: Mix,
        vehicle: &VehicleView,
    ) {
        if self.reenabled && !self.phases_settling(now) {
            self.reenabled = false;
        }
        self.effective = self.effective_values(vehicle);
        self.min_soc_not_reached = self.below_min_soc(vehicle);
        if !self.setup.charger.has_power {
            let estimate = self.estimate_power(voltage, vehicle);
            self.record_power(now, estimate, Origin::Live, mix);
        }
        self.land(now, grid_at);
    }

    /// Takes what the circuits leave for it.
    pub(super) fn set_cap(&mut self, cap: Cap) {
        self.limited.cap = cap;
    }

    /// When this load point wants to be looked at again after `now` without being told anything.
    pub(super) fn next_wake(&self, now: Mono) -> Option<Mono> {
        let after = Duration::from_millis(1);
        let windows =
            [self.switched, self.phases_switched].map(|at| at.map(|at| at + SETTLING + after));
        let retries = [self.retry_at, self.off_failed.map(|at| at + Duration::from_secs(1))];
        let lease = self.enabled.then(|| self.renewed + RENEW);
        let plan = self.plan.due();
        let delays =
            [self.pv_due(), self.phase_due(), self.lands_at(), self.detecting_until, lease, plan];
        let later = [self.boost_due(), self.wakes_at(), self.account.due()];
        let later = later.into_iter().chain([self.contactor.rests_until(now)]);
        windows
            .into_iter()
            .chain(retries)
            .chain(delays)
            .chain(later)
            .chain(self.limited.ends())
            .flatten()
            .filter(|at| *at > now)
            .min()
    }

    fn phase_due(&self) -> Option<Mono> {
        let thresholds = self.settings.thresholds;
        self.phase_timer.running().map(|(action, since)| match action {
            PhaseAction::Scale3p => since + thresholds.enable_delay,
            PhaseAction::Scale1p | PhaseAction::Inactive => since + thresholds.disable_delay,
        })
    }
}
