//! One task per vehicle that can be woken through a channel of its own (plans-vehicles-devices.md §5.4).

use std::sync::Arc;

use tokio::sync::watch;

use super::health::HealthBook;
use super::sink::Writer;
use super::template::Scalar;

/// The attribute that is written.
pub(super) const ATTRIBUTE: &str = "wakeup";

/// The task of one vehicle.
pub(super) struct Vehicle {
    pub(super) name: String,
    pub(super) sink: Writer,
    pub(super) health: Arc<HealthBook>,
}

impl Vehicle {
    /// Works until nobody can call any more. `calls` counts the wake-ups; those that come while one is
    /// under way are one. What fails is not tried again: the core asks again by itself.
    pub(super) async fn run(self, mut calls: watch::Receiver<u64>) {
        while calls.changed().await.is_ok() {
            calls.borrow_and_update();
            match self.sink.write(Scalar::Bool(true)).await {
                Ok(()) => self.health.good(&self.name, ATTRIBUTE),
                Err(error) => self.health.bad(&self.name, ATTRIBUTE, &error),
            }
        }
    }
}
