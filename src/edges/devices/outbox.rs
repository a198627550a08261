//! Facts on their way to the core: readings newest wins, outcomes of commands are kept in order (design S10).

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use tokio::sync::{Notify, mpsc};

use crate::model::Fact;

/// More outcomes than the core can have asked for while it does not listen; the oldest gives way.
const MAX_OUTCOMES: usize = 4096;

/// Decouples the device tasks from the core: whoever puts something in never waits, so that a
/// core that hangs stops neither a poll nor a lease.
#[derive(Default)]
pub(super) struct Outbox {
    queues: Mutex<Queues>,
    filled: Notify,
}

#[derive(Default)]
struct Queues {
    outcomes: VecDeque<Fact>,
    /// One per attribute.
    readings: BTreeMap<usize, Fact>,
}

impl Outbox {
    /// Replaces the attribute's reading that still waits, if one does.
    pub(super) fn reading(&self, slot: usize, fact: Fact) {
        self.change(|queues| queues.readings.insert(slot, fact));
        self.filled.notify_one();
    }

    /// Queues the outcome of a command.
    pub(super) fn outcome(&self, fact: Fact) {
        let lost = self.change(|queues| {
            queues.outcomes.push_back(fact);
            if queues.outcomes.len() > MAX_OUTCOMES { queues.outcomes.pop_front() } else { None }
        });
        if let Some(fact) = lost {
            tracing::error!(?fact, "the core does not listen, the outcome of a command is lost");
        }
        self.filled.notify_one();
    }

    /// Hands everything on, outcomes first, until nobody listens any more.
    pub(super) async fn forward(&self, facts: mpsc::Sender<Fact>) {
        // The place in the channel comes first, so that what is sent is the newest there is then.
        while let Ok(place) = facts.reserve().await {
            place.send(self.next().await);
        }
    }

    async fn next(&self) -> Fact {
        loop {
            let next = self.change(|queues| {
                let reading = || queues.readings.pop_first().map(|(_, fact)| fact);
                queues.outcomes.pop_front().or_else(reading)
            });
            match next {
                Some(fact) => return fact,
                None => self.filled.notified().await,
            }
        }
    }

    fn change<T>(&self, change: impl FnOnce(&mut Queues) -> T) -> T {
        change(&mut self.queues.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
