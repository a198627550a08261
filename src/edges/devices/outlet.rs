//! Where a task puts what it read: the fact goes to the core, the health of the device is noted.

use std::sync::Arc;

use tokio::time::Instant;

use super::health::HealthBook;
use super::outbox::Outbox;
use super::value::{Delivery, Value};
use crate::model::{Mono, Origin};

/// The way of one attribute, or of one part of it.
#[derive(Clone)]
pub(super) struct Outlet {
    pub(super) slot: usize,
    pub(super) device: String,
    pub(super) attribute: String,
    pub(super) delivery: Delivery,
    pub(super) desk: Desk,
}

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
                health.good(&self.device, &self.attribute);
                if let Some(fact) = fact {
                    outbox.reading(self.slot, fact);
                }
            }
            Err(error) => health.bad(&self.device, &self.attribute, &error),
        }
    }
}
