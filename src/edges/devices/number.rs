//! One task per number that a site meter takes, the mode of a battery and the limit of a feed-in: the
//! newest wins and is written until it is taken (control.md §3.5, §23.3).

use std::sync::Arc;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::health::HealthBook;
use super::sink::Writer;
use super::template::Scalar;
use crate::config::{MeterDevice, Sink};
use crate::edges::backoff::Backoff;
use crate::model::BatteryMode;

/// The name of what is written, and where to.
pub(super) type Written = (&'static str, fn(&MeterDevice) -> &Option<Sink>);

/// The mode of a battery.
pub(super) const MODE: Written = ("batterymode", |meter| &meter.battery_mode);
/// Per cent of what can be produced that may be fed in.
pub(super) const CURTAIL: Written = ("curtail", |meter| &meter.curtail);

/// The task of one number of one meter.
pub(super) struct Number {
    pub(super) name: String,
    pub(super) attribute: &'static str,
    pub(super) sink: Writer,
    pub(super) health: Arc<HealthBook>,
}

impl Number {
    /// Works until nobody can send numbers any more; `None` is no statement. `bus` changes when the
    /// broker is connected again.
    pub(super) async fn run(
        self,
        mut numbers: watch::Receiver<Option<i64>>,
        mut bus: watch::Receiver<u64>,
    ) {
        let mut backoff = Backoff::new();
        let mut retry: Option<Instant> = None;
        loop {
            tokio::select! {
                biased;
                changed = numbers.changed() => match changed {
                    Ok(()) => backoff = Backoff::new(),
                    Err(_) => return,
                },
                () = sleep_until(retry.unwrap_or_else(Instant::now)), if retry.is_some() => {}
                Ok(()) = bus.changed(), if self.sink.is_bus() => {}
            }
            let Some(number) = *numbers.borrow_and_update() else { continue };
            retry = match self.sink.write(Scalar::Int(number)).await {
                Ok(()) => {
                    self.health.good(&self.name, self.attribute);
                    None
                }
                Err(error) => {
                    self.health.bad(&self.name, self.attribute, &error);
                    Some(Instant::now() + backoff.pause())
                }
            };
        }
    }
}

/// The number of a mode on the wire (§7.6); `Unknown` is no statement.
pub(super) fn code(mode: BatteryMode) -> Option<i64> {
    match mode {
        BatteryMode::Unknown => None,
        BatteryMode::Normal => Some(1),
        BatteryMode::Hold => Some(2),
        BatteryMode::Charge => Some(3),
        BatteryMode::HoldCharge => Some(4),
    }
}
