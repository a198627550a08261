//! Instants as values: the core never asks a clock.

use std::ops::{Add, Sub};
use std::time::Duration;

use chrono::{DateTime, Utc};

/// Monotonic time in milliseconds since an origin that only the edge knows; control uses this alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mono(pub u64);

impl Mono {
    /// The time since `earlier`; zero when `earlier` lies ahead.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Mono {
    type Output = Self;
    fn add(self, duration: Duration) -> Self {
        let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(millis))
    }
}

impl Sub<Duration> for Mono {
    type Output = Self;
    fn sub(self, duration: Duration) -> Self {
        let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        Self(self.0.saturating_sub(millis))
    }
}

/// No wall clock before this is right: a computer without a battery starts in 1970 (F37).
const PLAUSIBLE_S: i64 = 1_704_067_200;

/// One sample of both clocks; the wall clock is for plans, tariffs and records only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// Monotonic time: delays, ages, leases.
    pub mono: Mono,
    /// Wall-clock time: what people read.
    pub utc: DateTime<Utc>,
}

impl Now {
    /// The same sample `duration` later on both clocks.
    pub fn later(self, duration: Duration) -> Self {
        let wall = chrono::TimeDelta::from_std(duration).unwrap_or(chrono::TimeDelta::MAX);
        Self {
            mono: self.mono + duration,
            utc: self.utc.checked_add_signed(wall).unwrap_or(self.utc),
        }
    }

    /// The monotonic instant at which the wall clock will show `at`, if nobody sets it; now if that
    /// has passed.
    pub fn until(self, at: DateTime<Utc>) -> Mono {
        self.mono + (at - self.utc).to_std().unwrap_or_default()
    }
}

/// Whether the wall clock can have been set since the computer was switched on.
pub fn is_plausible(utc: DateTime<Utc>) -> bool {
    utc.timestamp() >= PLAUSIBLE_S
}
