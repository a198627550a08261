//! Prices and forecasts: a value that holds for a slot of time.

use chrono::{DateTime, TimeDelta, Utc};

/// What holds from `start` to `end`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    /// When the slot begins.
    pub start: DateTime<Utc>,
    /// When it is over; the slot does not contain this instant.
    pub end: DateTime<Utc>,
    /// Currency per kWh, grams per kWh or watts, whatever the rates are about.
    pub value: f64,
}

impl Rate {
    /// How long the slot is.
    pub fn length(&self) -> TimeDelta {
        self.end - self.start
    }

    /// Whether `at` lies in the slot.
    pub fn contains(&self, at: DateTime<Utc>) -> bool {
        self.start <= at && at < self.end
    }

    /// The part of the slot between two instants, unless there is none.
    pub fn within(&self, from: DateTime<Utc>, until: DateTime<Utc>) -> Option<Self> {
        let part = Self { start: self.start.max(from), end: self.end.min(until), ..*self };
        (part.start < part.end).then_some(part)
    }

    /// The slot that holds at an instant; `rates` are in order and do not overlap.
    pub fn at(rates: &[Self], instant: DateTime<Utc>) -> Option<&Self> {
        let after = rates.partition_point(|rate| rate.start <= instant);
        rates.get(after.checked_sub(1)?).filter(|rate| instant < rate.end)
    }
}
