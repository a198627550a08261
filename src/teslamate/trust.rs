//! How far a car can be believed: one pure function over what was heard (design §7, users #5).

use std::time::Duration;

use crate::model::{Mono, Now, Trust};

/// An awake car is polled every 2.5 to 30 s (§6.5); a source that is silent for so long is gone.
const SILENCE_MIN: Duration = Duration::from_secs(5 * 60);
/// However slowly a user lets TeslaMate poll, after this it counts as gone.
const SILENCE_MAX: Duration = Duration::from_secs(30 * 60);
/// A suspended car is polled every 21 min, an updating one is not reported at all (§6.5).
const QUIET_SILENCE: Duration = Duration::from_secs(60 * 60);
/// Gaps that may pass before silence means something.
const GAPS: u32 = 3;
/// A sleeping car's source is expected to go on only after so many signs of life in a row,
/// because TeslaMate sends them only with its default polling interval (§6.5).
const BEATS: u32 = 3;

/// What TeslaMate does with the car, as far as it matters here (§6.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stance {
    /// The car is asked every few seconds: online, driving, charging, or a word we do not know.
    Awake,
    /// The car is awake but hardly asked: suspended, updating.
    Quiet,
    /// The car is not asked: asleep, offline.
    Asleep,
    /// TeslaMate has not reached the car yet: unavailable, start.
    NoContact,
}

impl Stance {
    /// The stance behind TeslaMate's word; no word at all is read as awake.
    pub(super) fn of(state: Option<&str>) -> Self {
        match state {
            Some("suspended" | "updating") => Self::Quiet,
            Some("asleep" | "offline") => Self::Asleep,
            Some("unavailable" | "start") => Self::NoContact,
            Some(_) | None => Self::Awake,
        }
    }
}

/// When and how regularly the source was heard.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pulse {
    /// The last live message of any kind.
    pub(super) heard: Option<Mono>,
    /// The last live `healthy`.
    beat: Option<Mono>,
    /// Live `healthy` messages since the state began.
    beats: u32,
    /// The longest time between two of them.
    longest: Duration,
    /// What the last one said.
    pub(super) healthy: Option<bool>,
}

impl Pulse {
    /// Notes a live `healthy`, which comes with every poll (§6.4).
    pub(super) fn beat(&mut self, now: Now, healthy: bool) {
        if let Some(beat) = self.beat.filter(|_| self.beats > 0) {
            self.longest = self.longest.max(now.mono.since(beat));
        }
        self.beat = Some(now.mono);
        self.beats = self.beats.saturating_add(1);
        self.healthy = Some(healthy);
    }

    /// Forgets the rhythm, because another state has another one; `beaten` says that the burst
    /// that began the state had its own sign of life.
    pub(super) fn restart(&mut self, beaten: bool) {
        self.beats = u32::from(beaten);
        self.longest = Duration::ZERO;
    }

    /// When silence begins to mean that the source is gone; `None` if it never does.
    pub(super) fn stale_at(&self, stance: Stance) -> Option<Mono> {
        let rhythm = (self.longest * GAPS).clamp(SILENCE_MIN, SILENCE_MAX);
        let patience = match stance {
            Stance::Awake => Some(rhythm),
            Stance::Quiet => Some(QUIET_SILENCE),
            Stance::Asleep => (self.beats >= BEATS).then_some(rhythm),
            Stance::NoContact => None,
        };
        Some(self.heard? + patience?)
    }
}

/// The trust in a car at `now`. The first rule that fits decides:
///
/// 1. *Unknown*: no live message yet (retained values are of unknown age), or TeslaMate itself has
///    no contact yet.
/// 2. *Stale*: TeslaMate says `healthy = false`. It has waited for three errors within 10 min
///    itself, so there is nothing to debounce.
/// 3. *Stale*: silence. Awake: three times the longest gap between two `healthy` of this state,
///    at least 5 min, at most 30 min. Suspended or updating: 60 min. Asleep or offline: as awake,
///    but only once three `healthy` were heard in that state; otherwise silence is normal.
/// 4. *Conflicting*: `conflict`, a contradiction that the caller found.
/// 5. *Asleep*: the car is suspended, updating, asleep or offline; its last values are old and valid.
/// 6. *Live*: everything else.
pub(super) fn trust(now: Now, stance: Stance, pulse: &Pulse, conflict: bool) -> Trust {
    if pulse.heard.is_none() || stance == Stance::NoContact {
        return Trust::Unknown;
    }
    if pulse.healthy == Some(false) {
        return Trust::Stale;
    }
    if pulse.stale_at(stance).is_some_and(|at| now.mono >= at) {
        return Trust::Stale;
    }
    if conflict {
        return Trust::Conflicting;
    }
    match stance {
        Stance::Quiet | Stance::Asleep => Trust::Asleep,
        Stance::Awake | Stance::NoContact => Trust::Live,
    }
}
