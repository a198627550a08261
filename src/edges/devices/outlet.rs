//! Where a task puts what it read: the fact goes to the core, the health of the device is noted.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use super::health::HealthBook;
use super::outbox::Outbox;
use super::value::{Delivery, Value};
use crate::model::{Mono, Origin};

/// A charger that has given no good answer for this long does not know its state any more: nothing
/// is raised there (design S3). Meters grow stale by themselves.
const LOST_AFTER: Duration = Duration::from_secs(30);
/// The loss was told.
const TOLD: u64 = u64::MAX;

/// The way of one attribute, or of one part of it.
#[derive(Clone)]
pub(super) struct Outlet {
    pub(super) slot: usize,
    pub(super) device: String,
    pub(super) attribute: String,
    pub(super) delivery: Delivery,
    pub(super) desk: Desk,
    pub(super) heard: Heard,
}

/// When an attribute was last good, in milliseconds of the desk's time, or that its loss was told.
#[derive(Clone, Default)]
pub(super) struct Heard(Arc<AtomicU64>);

/// What all outlets share.
#[derive(Clone)]
pub(super) struct Desk {
    pub(super) outbox: Arc<Outbox>,
    pub(super) health: Arc<HealthBook>,
    started: Instant,
}

impl Desk {
    pub(super) fn new() -> Self {
        Self { outbox: Arc::default(), health: Arc::default(), started: Instant::now() }
    }

    /// The time of the device tasks; only differences of it count.
    pub(super) fn now(&self) -> Mono {
        Mono::default() + self.started.elapsed()
    }
}

impl Outlet {
    /// Takes what was read, `None` being that there is no value any more, or why nothing was.
    pub(super) fn tell(&self, value: Result<Option<Value>, String>, origin: Origin) {
        let Desk { outbox, health, .. } = &self.desk;
        let now = self.desk.now();
        match value.and_then(|value| self.delivery.deliver(now, value, origin)) {
            Ok(fact) => {
                self.heard.0.store(now.0, Ordering::Relaxed);
                health.good(&self.device, &self.attribute);
                if let Some(fact) = fact {
                    outbox.reading(self.slot, fact);
                }
            }
            Err(error) => {
                health.bad(&self.device, &self.attribute, &error);
                self.lose(now);
            }
        }
    }

    /// Takes that there is no value any more, and why.
    pub(super) fn gone(&self, error: &str) {
        let now = self.desk.now();
        self.desk.health.bad(&self.device, &self.attribute, error);
        self.told_lost(now);
    }

    /// Tells once that the value is lost, when it has been bad for long enough.
    fn lose(&self, now: Mono) {
        let heard = self.heard.0.load(Ordering::Relaxed);
        if heard == TOLD || now.since(Mono(heard)) < LOST_AFTER {
            return;
        }
        self.told_lost(now);
    }

    fn told_lost(&self, now: Mono) {
        self.heard.0.store(TOLD, Ordering::Relaxed);
        if let Some(fact) = self.delivery.lost(now, &self.attribute) {
            self.desk.outbox.reading(self.slot, fact);
        }
    }
}
