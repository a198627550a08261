//! One slot of a tariff (plans-vehicles-devices.md §2.1).

use chrono::{DateTime, Utc};

/// A value that holds from `start` until just before `end`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    /// First instant.
    pub start: DateTime<Utc>,
    /// First instant after it.
    pub end: DateTime<Utc>,
    /// Currency/kWh, g/kWh or W.
    pub value: f64,
}

impl Rate {
    /// The slot that holds at an instant; `rates` are in order and do not overlap.
    pub fn at(rates: &[Self], instant: DateTime<Utc>) -> Option<&Self> {
        let after = rates.partition_point(|rate| rate.start <= instant);
        rates.get(after.checked_sub(1)?).filter(|rate| instant < rate.end)
    }
}
