//! One task per charger: carries commands out in order and keeps the lease (design S1, plans-vehicles-devices.md §8.3).

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep_until};

use super::health::HealthBook;
use super::outbox::Outbox;
use super::queue::Queue;
use super::sink::Writer;
use super::template::{Scalar, whole};
use crate::model::{Amps, ChargerCommand, Fact, LoadPointIx, Outcome};

/// A set-point holds this long without a command or a renewal (design S1).
pub const LEASE: Duration = Duration::from_secs(30);

/// Off, and the end of a lease, are tried again after this pause until they are taken.
pub const RETRY: Duration = Duration::from_secs(1);

/// The commands that wait for the task.
#[derive(Default)]
pub(super) struct Inbox {
    queue: Mutex<Queue>,
    filled: Notify,
}

impl Inbox {
    pub(super) fn push(&self, command: ChargerCommand) {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).push(command);
        self.filled.notify_one();
    }

    fn pop(&self) -> Option<ChargerCommand> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }
}

/// The ways to one charger; `None` = it cannot do that.
#[derive(Default)]
pub(super) struct Sinks {
    pub(super) enable: Option<Writer>,
    pub(super) max_current: Option<Writer>,
    pub(super) max_current_millis: Option<Writer>,
    pub(super) phases: Option<Writer>,
    pub(super) wakeup: Option<Writer>,
}

/// The task of one charger.
pub(super) struct Charger {
    pub(super) lp: LoadPointIx,
    pub(super) name: String,
    pub(super) sinks: Sinks,
    /// Offered when the lease ends; `None` switches off.
    pub(super) safe_current: Option<Amps>,
    pub(super) outbox: Arc<Outbox>,
    pub(super) health: Arc<HealthBook>,
    pub(super) state: State,
}

/// What the task remembers of its charger.
#[derive(Default)]
pub(super) struct State {
    /// The last set-point that was asked for.
    current: Option<Amps>,
    enabled: Option<bool>,
    /// When the set-point ends by itself; `None` = nothing to end.
    lease: Option<Instant>,
    /// The lease has ended: the device is to hold the safe state, not the set-point.
    lapsed: bool,
    /// Off or the safe state was not taken and is tried again then.
    retry: Option<Instant>,
}

impl Charger {
    /// Works until it is dropped. `bus` changes when the broker is connected again.
    pub(super) async fn run(mut self, inbox: Arc<Inbox>, mut bus: watch::Receiver<u64>) {
        let due = |at: Option<Instant>| sleep_until(at.unwrap_or_else(Instant::now));
        loop {
            let State { lease, retry, .. } = self.state;
            tokio::select! {
                biased;
                () = inbox.filled.notified() => {
                    while let Some(command) = inbox.pop() {
                        self.carry_out(command).await;
                    }
                }
                () = due(retry), if retry.is_some() => self.settle().await,
                () = due(lease), if lease.is_some() => self.end_lease().await,
                Ok(()) = bus.changed() => self.write_again().await,
            }
        }
    }

    async fn carry_out(&mut self, command: ChargerCommand) {
        if self.holds_after(command) {
            self.state.lease = Some(Instant::now() + LEASE);
        }
        let result = match command {
            ChargerCommand::MaxCurrent(current) => {
                self.state.current = Some(current);
                self.write_current(current).await
            }
            ChargerCommand::Enable(on) => {
                self.state.enabled = Some(on);
                self.state.retry = None;
                self.write_enable(on).await
            }
            ChargerCommand::Phases(phases) => {
                self.write("phases", &self.sinks.phases, Scalar::Int(phases.into())).await
            }
            ChargerCommand::WakeUp => {
                self.write("wakeup", &self.sinks.wakeup, Scalar::Bool(true)).await
            }
            ChargerCommand::Renew => Ok(()),
        };
        if command == ChargerCommand::Enable(false) {
            self.state.retry = again(result);
        }
        if command != ChargerCommand::Renew {
            self.report(command, result);
        }
        if std::mem::take(&mut self.state.lapsed) && self.state.enabled != Some(false) {
            tracing::info!(charger = self.name, "told again, the set-point holds again");
            self.state.retry = None;
            self.restore(|_| true).await;
        }
    }

    /// Whether there is a set-point after this command: only that can end by itself.
    fn holds_after(&self, command: ChargerCommand) -> bool {
        match command {
            ChargerCommand::Enable(on) => on,
            ChargerCommand::MaxCurrent(_) | ChargerCommand::Renew => {
                self.state.enabled != Some(false)
            }
            ChargerCommand::Phases(_) | ChargerCommand::WakeUp => self.state.lease.is_some(),
        }
    }

    /// Nobody has confirmed the set-point in time: less current, or none, but never more.
    async fn end_lease(&mut self) {
        self.state.lease = None;
        if self.state.enabled == Some(false) {
            return;
        }
        let safe = self.safe_current;
        tracing::warn!(
            charger = self.name,
            ?safe,
            "not told again in time, going to the safe state"
        );
        self.state.lapsed = true;
        self.settle().await;
    }

    /// Off, or the safe state after the end of a lease, until it is taken.
    async fn settle(&mut self) {
        let off = self.state.enabled == Some(false);
        let safe = match self.current_sink() {
            (_, Some(_)) if !off => self.safe_current,
            _ => None,
        };
        let result = match safe {
            Some(safe) => {
                let offered = self.state.current.unwrap_or(safe);
                self.write_current(safe.min(offered)).await
            }
            None => self.write_enable(false).await,
        };
        self.state.retry = again(result);
        if off && result.is_ok() {
            self.report(ChargerCommand::Enable(false), result);
        }
    }

    /// What was written while the broker was away may be lost.
    async fn write_again(&mut self) {
        if self.state.lapsed || self.state.retry.is_some() {
            self.settle().await;
        } else {
            self.restore(Writer::is_bus).await;
        }
    }

    /// Writes the last set-point again where `wanted` says so; off alone if it is off.
    async fn restore(&mut self, wanted: fn(&Writer) -> bool) {
        let goes = |sink: &Option<Writer>| sink.as_ref().is_some_and(wanted);
        let off = self.state.enabled == Some(false);
        if let Some(current) = self.state.current
            && !off
            && goes(self.current_sink().1)
        {
            // A failure is in the health book; the core hears of it with its next command.
            let _ = self.write_current(current).await;
        }
        if let Some(on) = self.state.enabled
            && goes(&self.sinks.enable)
        {
            let result = self.write_enable(on).await;
            self.state.retry = if off { again(result) } else { None };
        }
    }

    fn current_sink(&self) -> (&'static str, &Option<Writer>) {
        match self.sinks.max_current_millis {
            Some(_) => ("maxcurrentmillis", &self.sinks.max_current_millis),
            None => ("maxcurrent", &self.sinks.max_current),
        }
    }

    /// Whole amperes, or thousandths where the charger takes them; never more than asked for (§8.2).
    async fn write_current(&self, current: Amps) -> Result<(), Refused> {
        let (name, sink) = self.current_sink();
        let value = match self.sinks.max_current_millis {
            Some(_) => Scalar::Float(whole(current.0 * 1000.0) / 1000.0),
            None => Scalar::Int(whole(current.0) as i64),
        };
        self.write(name, sink, value).await
    }

    async fn write_enable(&self, on: bool) -> Result<(), Refused> {
        self.write("enable", &self.sinks.enable, Scalar::Bool(on)).await
    }

    async fn write(&self, name: &str, sink: &Option<Writer>, value: Scalar) -> Result<(), Refused> {
        let Some(sink) = sink else {
            return Err(Refused::NotAvailable);
        };
        tracing::debug!(charger = self.name, attribute = name, %value, "write");
        match sink.write(value).await {
            Ok(()) => {
                self.health.good(&self.name, name);
                Ok(())
            }
            Err(error) => {
                self.health.bad(&self.name, name, &error);
                Err(Refused::Failed)
            }
        }
    }

    fn report(&self, command: ChargerCommand, result: Result<(), Refused>) {
        let outcome = match result {
            Ok(()) => Outcome::Done,
            Err(Refused::NotAvailable) => Outcome::NotAvailable,
            Err(Refused::Failed) => Outcome::Failed,
        };
        self.outbox.outcome(Fact::Done { lp: self.lp, command, outcome });
    }
}

/// When to try again what must be taken; never what the charger has no way to be told.
fn again(result: Result<(), Refused>) -> Option<Instant> {
    match result {
        Err(Refused::Failed) => Some(Instant::now() + RETRY),
        Ok(()) | Err(Refused::NotAvailable) => None,
    }
}

/// Why a write was not made.
#[derive(Clone, Copy)]
enum Refused {
    /// The charger has no way to be told this.
    NotAvailable,
    /// It did not take it.
    Failed,
}
