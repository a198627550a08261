//! Refused writes are events, too, but a storm of them is not (users.md row 35).

use std::time::Duration;

use tracing::info;

use crate::api::{Answer, Occasion, Refusal, View};
use crate::edges::brain::Brain;
use crate::model::{EventKind, Mono, Now};

use super::Run;

/// Refusals that are told as events within [`TOLD_WITHIN`]; every one is answered all the same.
const TOLD_MAX: u32 = 5;
/// See [`TOLD_MAX`].
const TOLD_WITHIN: Duration = Duration::from_secs(1);
/// People who want to be told of refusals hear of one in this time.
const MESSAGE_SPACING: Duration = Duration::from_secs(60);

/// How much has been told of refusals.
#[derive(Default)]
pub(super) struct Refusals {
    /// When the first of those was told that count now.
    since: Mono,
    told: u32,
    /// When a message was last sent.
    message: Option<Mono>,
}

impl Refusals {
    /// Whether one more may be told, to machines and to people.
    fn admit(&mut self, now: Mono) -> (bool, bool) {
        if now.since(self.since) >= TOLD_WITHIN {
            (self.since, self.told) = (now, 0);
        }
        if self.told >= TOLD_MAX {
            return (false, false);
        }
        self.told += 1;
        let people = self.message.is_none_or(|at| now.since(at) >= MESSAGE_SPACING);
        if people {
            self.message = Some(now);
        }
        (true, people)
    }
}

impl Run {
    /// A write to this topic was refused: it is counted, logged and, unless there are too many, told.
    pub(super) fn refused(&mut self, now: Now, topic: &str, over: &'static str, answer: &Answer) {
        self.figures.refused();
        info!("refused {topic}: {}", answer.message);
        let (machines, people) = self.refusals.admit(now.mono);
        if !machines {
            return;
        }
        let Brain { control, system, .. } = &self.brain;
        let refusal = Refusal { topic, over, answer };
        let occasion = Occasion::refused(&refusal, &View { control, system, now }, &self.told);
        self.publish(self.below_root("events"), occasion.json(now).into_bytes(), false);
        if people {
            self.messenger.tell(EventKind::CommandRefused, &occasion);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_storm_is_told_of_in_a_few_words() {
        let mut refusals = Refusals::default();
        let mut admitted = |ms: u64| refusals.admit(Mono(100_000 + ms));
        let told: Vec<_> = (0..50).map(|n| admitted(n * 10)).collect();
        assert_eq!(told.iter().filter(|(machines, _)| *machines).count(), 5);
        assert_eq!(told.iter().filter(|(_, people)| *people).count(), 1);
        assert_eq!(admitted(1_000), (true, false));
        assert_eq!(admitted(60_000), (true, true));
    }
}
