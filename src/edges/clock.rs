//! The only clock: sampled once per turn, handed to everything else as a value; and where it hangs.

use std::time::Duration;

use chrono::Utc;
use chrono_tz::Tz;
use tokio::time::Instant;

use crate::model::{Mono, Now};

/// Monotonic time starts here, so that a moment before the start can be expressed.
const ORIGIN: Mono = Mono(86_400_000);

/// Turns the machine's clocks into [`Now`]; monotonic time is tokio's, so that a test can move it.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    origin: Instant,
}

impl Clock {
    /// Starts counting.
    pub fn start() -> Self {
        Self { origin: Instant::now() }
    }

    /// A sample of both clocks.
    pub fn now(&self) -> Now {
        Now { mono: ORIGIN + self.origin.elapsed(), utc: Utc::now() }
    }

    /// When a monotonic instant comes, as tokio's timer knows it.
    pub fn at(&self, mono: Mono) -> Instant {
        self.origin + mono.since(ORIGIN)
    }

    /// How long ago a monotonic instant was.
    pub fn since(&self, mono: Mono) -> Duration {
        self.now().mono.since(mono)
    }
}

/// The local time zone: what `TZ` names, else that of the machine, else UTC.
pub fn zone() -> Tz {
    let named = std::env::var("TZ").ok();
    let named = named.and_then(|name| name.trim_start_matches(':').parse().ok());
    let machine = || iana_time_zone::get_timezone().ok()?.parse().ok();
    named.or_else(machine).unwrap_or(Tz::UTC)
}
