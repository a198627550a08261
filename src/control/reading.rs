//! The newest value of an input with its age (design S2).

use std::time::Duration;

use crate::model::{Mono, Now, Origin};

/// Nothing goes stale sooner than this, however often it is sent. Design S2 says 10 s; a second
/// less puts the reduction on the wire within 10 s of the last sample.
const STALE_MIN: Duration = Duration::from_secs(9);
/// The meter that guards the fuse is stale after this at the latest (design S2).
const STALE_MAX: Duration = Duration::from_secs(60);
/// An input is late when this many of its usual periods have passed (design S2).
const PERIODS: u32 = 3;

/// The newest value of one input.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reading<T> {
    /// The value.
    pub value: T,
    /// When it reached us; if it is made of several values, when the oldest of them did.
    pub at: Mono,
    /// Retained values are of unknown age: known, but never fresh.
    pub origin: Origin,
    /// The usual time between two live values, once two have been seen.
    pub period: Option<Duration>,
}

impl<T> Reading<T> {
    /// The next reading of an input: the same value sent again is fresh.
    pub fn next(previous: Option<&Self>, value: T, now: Now, origin: Origin) -> Self {
        let at = now.mono - origin.age();
        let both_live = |previous: &&Self| previous.origin.is_live() && origin.is_live();
        let period = previous.filter(both_live).and_then(|previous| match at > previous.at {
            true => Some(smooth(previous.period, at.since(previous.at))),
            // Another part of the value was news, not its oldest one.
            false => previous.period,
        });
        Self { value, at, origin, period }
    }

    /// When the value stops being fresh, `timeout` being the user's own word on it.
    pub fn stale_at(&self, timeout: Option<Duration>) -> Mono {
        let limit = timeout.unwrap_or_else(|| {
            self.period.map_or(STALE_MAX, |period| (period * PERIODS).clamp(STALE_MIN, STALE_MAX))
        });
        self.at + limit
    }

    /// Whether the value is live and young enough to act upon.
    pub fn is_fresh(&self, now: Now, timeout: Option<Duration>) -> bool {
        self.origin.is_live() && now.mono < self.stale_at(timeout)
    }
}

/// A moving mean over about four gaps; a single burst does not shorten it much.
fn smooth(mean: Option<Duration>, gap: Duration) -> Duration {
    mean.map_or(gap, |mean| (mean * 3 + gap) / 4)
}
