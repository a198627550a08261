//! One task per controllable battery: the newest mode wins and is written until it is taken (control.md §3.5).

use std::sync::Arc;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::health::HealthBook;
use super::sink::Writer;
use super::template::Scalar;
use crate::edges::backoff::Backoff;
use crate::model::BatteryMode;

/// The attribute that is written.
pub(super) const ATTRIBUTE: &str = "batterymode";

/// The task of one battery.
pub(super) struct Battery {
    pub(super) name: String,
    pub(super) sink: Writer,
    pub(super) health: Arc<HealthBook>,
}

impl Battery {
    /// Works until nobody can send modes any more. `bus` changes when the broker is connected again.
    pub(super) async fn run(
        self,
        mut modes: watch::Receiver<BatteryMode>,
        mut bus: watch::Receiver<u64>,
    ) {
        let mut backoff = Backoff::new();
        let mut retry: Option<Instant> = None;
        loop {
            tokio::select! {
                biased;
                changed = modes.changed() => match changed {
                    Ok(()) => backoff = Backoff::new(),
                    Err(_) => return,
                },
                () = sleep_until(retry.unwrap_or_else(Instant::now)), if retry.is_some() => {}
                Ok(()) = bus.changed(), if self.sink.is_bus() => {}
            }
            let mode = *modes.borrow_and_update();
            let Some(code) = code(mode) else { continue };
            retry = match self.sink.write(Scalar::Int(code)).await {
                Ok(()) => {
                    self.health.good(&self.name, ATTRIBUTE);
                    None
                }
                Err(error) => {
                    self.health.bad(&self.name, ATTRIBUTE, &error);
                    Some(Instant::now() + backoff.pause())
                }
            };
        }
    }
}

/// The number of a mode on the wire (§7.6); `Unknown` is no statement.
fn code(mode: BatteryMode) -> Option<i64> {
    match mode {
        BatteryMode::Unknown => None,
        BatteryMode::Normal => Some(1),
        BatteryMode::Hold => Some(2),
        BatteryMode::Charge => Some(3),
        BatteryMode::HoldCharge => Some(4),
    }
}
