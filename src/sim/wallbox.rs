//! A wallbox: takes commands with a delay, switches phases with a pause, and can misbehave.

use std::collections::VecDeque;
use std::time::Duration;

use crate::model::{Amps, ChargeStatus, KilowattHours, Mono, Outcome, Volts, Watts};

/// Delayed reports are kept at most this long; older ones are forgotten.
const LATE_MAX: usize = 600;
/// The smallest current that the standard allows to offer.
const OFFER_MIN: Amps = Amps(6.0);
/// The voltage of the simulated grid.
pub(super) const VOLTAGE: Volts = Volts(230.0);

/// What a wallbox is and how quickly it reacts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct WallBoxPlan {
    /// Largest current of the installation.
    pub max_current: Amps,
    /// Can switch between one and three phases.
    pub phase_switching: bool,
    /// Time between a command and its effect.
    pub reaction: Duration,
    /// How fast the current rises, A per second; it falls twice as fast.
    pub ramp: f64,
    /// How long the contactor stays open while phases are switched.
    pub pause: Duration,
}

impl Default for WallBoxPlan {
    fn default() -> Self {
        Self {
            max_current: Amps(16.0),
            phase_switching: true,
            reaction: Duration::from_secs(1),
            ramp: 4.0,
            pause: Duration::from_secs(8),
        }
    }
}

/// How a wallbox can misbehave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Takes every command and does nothing (F21).
    IgnoresCommands,
    /// Its reports are this old.
    ReportsLate(Duration),
    /// Says that it cannot switch phases now.
    RefusesPhases,
    /// Says that it has switched phases and has not (F23).
    StuckRelay,
    /// Neither reports nor hears anything (F24); goes on with what it was told last.
    Silent,
}

/// A command to a wallbox.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Command {
    /// Offer current, or stop.
    Enable(bool),
    /// Offer this much.
    MaxCurrent(Amps),
    /// Use one or three phases.
    Phases(u8),
}

/// What a wallbox reports.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Report {
    /// A, B or C.
    pub status: ChargeStatus,
    /// Whether it offers current.
    pub enabled: bool,
    /// Charge power.
    pub power: Watts,
    /// Counter.
    pub energy: KilowattHours,
    /// Per phase.
    pub currents: [Amps; 3],
}

/// A wallbox.
#[derive(Clone, Debug)]
pub struct WallBox {
    /// What it is.
    pub plan: WallBoxPlan,
    /// How it misbehaves.
    pub fault: Option<Fault>,
    enabled: bool,
    max_current: Amps,
    phases: u8,
    /// One place per kind of command: the newest wins.
    pending: [Option<(Mono, Command)>; 3],
    closed_at: Option<Mono>,
    current: Amps,
    active_phases: u8,
    plugged: bool,
    energy: KilowattHours,
    late: VecDeque<(Mono, Report)>,
}

impl WallBox {
    /// A wallbox that offers nothing yet.
    pub fn new(plan: WallBoxPlan) -> Self {
        Self {
            plan,
            fault: None,
            enabled: false,
            max_current: OFFER_MIN,
            phases: 3,
            pending: [None; 3],
            closed_at: None,
            current: Amps::ZERO,
            active_phases: 0,
            plugged: false,
            energy: KilowattHours(123.4),
            late: VecDeque::new(),
        }
    }

    /// Takes a command; it has an effect after the reaction time.
    pub fn handle(&mut self, now: Mono, command: Command) -> Outcome {
        let place = match command {
            Command::Enable(_) => 0,
            Command::MaxCurrent(current) if !current.0.is_finite() => return Outcome::Failed,
            Command::MaxCurrent(_) => 1,
            Command::Phases(1 | 3) if self.plan.phase_switching => 2,
            Command::Phases(_) => return Outcome::Failed,
        };
        match (self.fault, command) {
            (Some(Fault::Silent), _) => return Outcome::Failed,
            (Some(Fault::RefusesPhases), Command::Phases(_)) => return Outcome::NotAvailable,
            (Some(Fault::StuckRelay), Command::Phases(_)) | (Some(Fault::IgnoresCommands), _) => {
                return Outcome::Done;
            }
            (_, Command::Enable(_) | Command::MaxCurrent(_) | Command::Phases(_)) => {}
        }
        self.pending[place] = Some((now + self.plan.reaction, command));
        Outcome::Done
    }

    /// The current per phase that a car may draw now.
    pub fn offer(&self) -> Amps {
        let closed = self.closed_at.is_none();
        if self.enabled && closed && self.max_current >= OFFER_MIN {
            self.max_current.min(self.plan.max_current)
        } else {
            Amps::ZERO
        }
    }

    /// The power that flows.
    pub fn power(&self) -> Watts {
        self.current.power(VOLTAGE, self.active_phases)
    }

    /// The energy counter as it is, whatever is reported.
    pub fn energy(&self) -> KilowattHours {
        self.energy
    }

    /// The current that flows per used phase.
    pub fn current(&self) -> Amps {
        self.current
    }

    /// The phases that a car uses; 0 while nothing flows.
    pub fn active_phases(&self) -> u8 {
        if self.current > Amps::ZERO { self.active_phases } else { 0 }
    }

    /// Carries out what is due and lets the car draw what it wants of the offer, at most `most`.
    pub(super) fn step(&mut self, now: Mono, real: Duration, car: Draw) {
        self.carry_out(now);
        self.plugged = car.plugged;
        let target = if car.plugged { self.offer().min(car.appetite) } else { Amps::ZERO };
        let reach = Amps(self.plan.ramp * real.as_secs_f64());
        self.active_phases = self.phases.min(car.phases);
        self.current = if target <= Amps::ZERO {
            Amps::ZERO
        } else if target < self.current {
            target.max(self.current - reach * 2.0)
        } else {
            target.min((self.current + reach).max(OFFER_MIN))
        };
        let most = car.most.current(VOLTAGE, self.active_phases.max(1));
        self.current = self.current.min(most.max(Amps::ZERO));
    }

    /// Counts what has flowed.
    pub(super) fn count(&mut self, energy: KilowattHours) {
        self.energy += energy;
    }

    /// What the wallbox says at `now`; `None` if it says nothing.
    pub fn report(&mut self, now: Mono) -> Option<Report> {
        let report = self.observe();
        match self.fault {
            Some(Fault::Silent) => None,
            Some(Fault::ReportsLate(delay)) => {
                if self.late.len() >= LATE_MAX {
                    self.late.pop_front();
                }
                self.late.push_back((now + delay, report));
                let mut due = None;
                while let Some((_, report)) = self.late.pop_front_if(|(at, _)| *at <= now) {
                    due = Some(report);
                }
                due
            }
            Some(Fault::IgnoresCommands | Fault::RefusesPhases | Fault::StuckRelay) | None => {
                self.late.clear();
                Some(report)
            }
        }
    }

    fn observe(&self) -> Report {
        let mut currents = [Amps::ZERO; 3];
        for current in currents.iter_mut().take(usize::from(self.active_phases)) {
            *current = self.current;
        }
        Report {
            status: match (self.plugged, self.current > Amps::ZERO) {
                (false, _) => ChargeStatus::Disconnected,
                (true, false) => ChargeStatus::Connected,
                (true, true) => ChargeStatus::Charging,
            },
            enabled: self.enabled,
            power: self.power(),
            energy: self.energy,
            currents,
        }
    }

    fn carry_out(&mut self, now: Mono) {
        self.closed_at = self.closed_at.filter(|at| now < *at);
        for place in &mut self.pending {
            let Some((_, command)) = place.take_if(|(at, _)| *at <= now) else {
                continue;
            };
            match command {
                Command::Enable(enable) => self.enabled = enable,
                Command::MaxCurrent(current) => self.max_current = current.max(Amps::ZERO),
                Command::Phases(phases) if phases != self.phases => {
                    self.phases = phases;
                    self.closed_at = Some(now + self.plan.pause);
                }
                Command::Phases(_) => {}
            }
        }
    }
}

/// The car at the end of the cable.
#[derive(Clone, Copy, Debug)]
pub(super) struct Draw {
    pub(super) plugged: bool,
    pub(super) appetite: Amps,
    pub(super) phases: u8,
    /// More than this does not fit into its battery.
    pub(super) most: Watts,
}
