//! What went wrong: how long to wait, whether it is worth telling, and what to tell.

use std::time::Duration;

use crate::edges::backoff;

/// First pause after a lost connection; doubles up to the longest.
const PAUSE_MIN: Duration = Duration::from_millis(250);
const PAUSE_MAX: Duration = Duration::from_secs(10);
/// Pause when the broker or our own configuration says no: trying harder does not help.
const PAUSE_REFUSED: Duration = Duration::from_secs(30);
/// A session that lives so long has recovered; shorter ones count as one ongoing trouble.
const STABLE: Duration = Duration::from_secs(10);
/// So many short sessions in a row look like two clients of one name.
const SHORT_SESSIONS: u32 = 3;

/// How an attempt or a session ended.
pub(super) enum End {
    /// We were told to end, or have said good-bye.
    Told,
    /// Something to tell and to try again after.
    Failed { reason: String, refused: bool },
    /// Another service has our root.
    Taken(String),
}

impl End {
    /// The broker or our own configuration says no.
    pub(super) fn refused(reason: impl Into<String>) -> Self {
        Self::Failed { reason: reason.into(), refused: true }
    }
}

/// What went wrong lately: how long to wait, and whether it is worth telling.
#[derive(Default)]
pub(super) struct Trouble {
    attempts: u32,
    short_sessions: u32,
    told: Option<String>,
}

impl Trouble {
    /// Doubles with every attempt that brought no stable session, with jitter of a half.
    pub(super) fn pause(&mut self, lived: Option<Duration>, refused: bool) -> Duration {
        if lived.is_some_and(|lived| lived >= STABLE) {
            *self = Self::default();
        }
        self.short_sessions = if lived.is_some() { self.short_sessions + 1 } else { 0 };
        let (first, longest) =
            if refused { (PAUSE_REFUSED, PAUSE_REFUSED) } else { (PAUSE_MIN, PAUSE_MAX) };
        let pause = backoff::pause(first, longest, self.attempts);
        self.attempts = self.attempts.saturating_add(1);
        pause
    }

    /// Whether sessions end as soon as they begin.
    pub(super) fn flapping(&self) -> bool {
        self.short_sessions >= SHORT_SESSIONS
    }

    /// The reason in full, and whether it is another one than before.
    pub(super) fn tell(&mut self, reason: String, id: &str) -> (String, bool) {
        let reason = if self.flapping() {
            format!("{reason}, again and again: is `{id}` the id of another client, too?")
        } else {
            reason
        };
        let new = self.told.as_ref() != Some(&reason);
        self.told = Some(reason.clone());
        (reason, new)
    }
}

/// Something that may pass by itself.
pub(super) fn failed(reason: impl Into<String>) -> End {
    End::Failed { reason: reason.into(), refused: false }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_their_limit_and_start_anew_after_a_stable_session() {
        let mut trouble = Trouble::default();
        let short = Some(Duration::from_secs(1));
        for attempt in 0..40 {
            let longest = PAUSE_MAX.min(PAUSE_MIN * 2_u32.pow(attempt.min(16)));
            let pause = trouble.pause(short, false);
            assert!(pause >= longest / 2 && pause <= longest, "{attempt}: {pause:?}");
        }
        let refused = trouble.pause(None, true);
        assert!(refused >= PAUSE_REFUSED / 2 && refused <= PAUSE_REFUSED);
        assert!(trouble.pause(Some(STABLE), false) <= PAUSE_MIN);
    }

    #[test]
    fn a_reason_is_new_once() {
        let mut trouble = Trouble::default();
        let mut new = |reason: &str| trouble.tell(reason.to_owned(), "me").1;
        assert!(new("gone"));
        assert!(!new("gone"));
        assert!(new("refused"));
        assert!(new("gone"));
    }

    #[test]
    fn many_short_sessions_hint_at_a_second_client_of_our_name() {
        let mut trouble = Trouble::default();
        for _ in 0..SHORT_SESSIONS {
            trouble.pause(Some(Duration::from_millis(5)), false);
        }
        let (reason, _) = trouble.tell("closed".to_owned(), "twin");
        assert!(reason.contains("`twin`"), "{reason}");
        trouble.pause(None, false);
        assert!(!trouble.flapping());
    }
}
