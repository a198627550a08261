//! The only clock: sampled once per turn, handed to everything else as a value.

use std::time::Duration;

use chrono::Utc;
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
