//! Values that a device wants to hear again and again (plans-vehicles-devices.md §7.4).

use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until};

use super::outlet::Desk;
use super::sink::Writer;
use super::template::Scalar;
use crate::config::Watchdog;
use crate::model::Mono;

/// A change waits this much longer than the device remembers.
const DEFER: Duration = Duration::from_secs(5);
/// The first value is tried again after this until it is taken: the broker may come later.
const RETRY: Duration = Duration::from_secs(1);
/// Values that wait for the task; a further one is refused.
pub(super) const QUEUE: usize = 8;

/// Decides when which value is written; pure.
#[derive(Debug)]
pub struct Repeater {
    watchdog: Watchdog,
    /// What the device was told last.
    told: Option<Scalar>,
    /// It did not take what it was told last.
    refused: bool,
    /// When it was told that; the start counts.
    told_at: Mono,
    /// When it is told that again.
    repeat: Option<Mono>,
    /// What it is told instead, and when.
    deferred: Option<(Scalar, Mono)>,
}

impl Repeater {
    /// A device that was told nothing yet.
    pub fn new(watchdog: Watchdog, now: Mono) -> Self {
        Self { watchdog, told: None, refused: false, told_at: now, repeat: None, deferred: None }
    }

    /// Takes a value; returns whether it is to be written now.
    pub fn set(&mut self, now: Mono, value: Scalar) -> bool {
        if self.resets(value) {
            self.deferred = None;
            return true;
        }
        if self.told == Some(value) && self.repeat.is_some() && !self.refused {
            self.deferred = None;
            return false;
        }
        if self.watchdog.defer && self.told != Some(value) {
            let waits = self.deferred.is_some_and(|(waiting, _)| waiting == value);
            if !waits {
                // The device forgets the value before meanwhile.
                self.repeat = None;
                let at = self.told_at + self.watchdog.timeout + DEFER;
                self.deferred = Some((value, at.max(now)));
            }
            return false;
        }
        self.deferred = None;
        true
    }

    /// What is due, if anything is.
    pub fn due(&mut self, now: Mono) -> Option<Scalar> {
        if let Some((value, at)) = self.deferred {
            return (at <= now).then_some(value);
        }
        self.told.filter(|_| self.repeat.is_some_and(|at| at <= now))
    }

    /// Records that a value was written, or was tried to be: what was not taken is written again
    /// when it is asked for again, not only when it is to be repeated (design S4).
    pub fn wrote(&mut self, now: Mono, value: Scalar, taken: bool) {
        self.told = Some(value);
        self.refused = !taken;
        self.told_at = now;
        self.deferred = None;
        self.repeat = (!self.resets(value)).then(|| now + self.watchdog.timeout / 2);
    }

    /// When to call [`Self::due`] next.
    pub fn deadline(&self) -> Option<Mono> {
        self.deferred.map(|(_, at)| at).or(self.repeat)
    }

    fn resets(&self, value: Scalar) -> bool {
        self.watchdog.reset.contains(&value.number())
    }
}

/// A value on its way to the task, and whom to tell how it went.
pub(super) type Wish = (Scalar, oneshot::Sender<Result<(), String>>);

/// The task of one watchdog.
pub(super) struct Task {
    pub(super) watchdog: Watchdog,
    pub(super) sink: Writer,
    pub(super) device: String,
    pub(super) attribute: String,
    pub(super) desk: Desk,
}

impl Task {
    /// Works until nobody can send values any more.
    pub(super) async fn run(self, mut wishes: mpsc::Receiver<Wish>) {
        let Self { watchdog, sink, desk, .. } = &self;
        let mut repeater = Repeater::new(watchdog.clone(), desk.now());
        let mut initial = watchdog.initial.map(Scalar::Float);
        let mut try_at = Instant::now();
        loop {
            let wait = repeater.deadline().map(|at| at.since(desk.now()));
            let due = Instant::now() + wait.unwrap_or_default();
            tokio::select! {
                biased;
                wish = wishes.recv() => {
                    let Some((value, reply)) = wish else { return };
                    initial = None;
                    let result = match repeater.set(desk.now(), value) {
                        true => {
                            let result = sink.write(value).await;
                            repeater.wrote(desk.now(), value, result.is_ok());
                            result
                        }
                        false => Ok(()),
                    };
                    // The writer may have given up; then nobody wants to know.
                    let _ = reply.send(result);
                }
                () = sleep_until(try_at), if initial.is_some() => {
                    if let Some(value) = initial
                        && self.repeat(&mut repeater, value).await
                    {
                        initial = None;
                    }
                    try_at = Instant::now() + RETRY;
                }
                () = sleep_until(due), if wait.is_some() => {
                    if let Some(value) = repeater.due(desk.now()) {
                        self.repeat(&mut repeater, value).await;
                    }
                }
            }
        }
    }

    /// Writes by itself; returns whether the value was taken.
    async fn repeat(&self, repeater: &mut Repeater, value: Scalar) -> bool {
        let health = &self.desk.health;
        let result = self.sink.write(value).await;
        match &result {
            Ok(()) => health.good(&self.device, &self.attribute),
            Err(error) => health.bad(&self.device, &self.attribute, error),
        }
        repeater.wrote(self.desk.now(), value, result.is_ok());
        result.is_ok()
    }
}
