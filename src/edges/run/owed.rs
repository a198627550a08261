//! Settings that could not be stored are in force, and are tried again (design S8).

use std::collections::BTreeMap;
use std::time::Duration;

use crate::model::Mono;

/// So long after a failure; the database has its own patience with whoever locks it.
const STORE_AGAIN: Duration = Duration::from_secs(10);

/// Keys and texts that are not on the disk; there are no more than there are settings.
#[derive(Default)]
pub(super) struct Owed {
    settings: BTreeMap<String, String>,
    due: Mono,
}

impl Owed {
    /// Whether everything is on the disk, as far as it was tried.
    pub(super) fn is_empty(&self) -> bool {
        self.settings.is_empty()
    }

    /// What is to be stored now: what is `new`, or else what is owed, if it is time for it.
    pub(super) fn next(&mut self, now: Mono, new: Vec<(String, String)>) -> Vec<(String, String)> {
        for (key, _) in &new {
            self.settings.remove(key);
        }
        if new.is_empty() && now >= self.due {
            return self.take();
        }
        new
    }

    /// All that is owed, for the last time.
    pub(super) fn take(&mut self) -> Vec<(String, String)> {
        std::mem::take(&mut self.settings).into_iter().collect()
    }

    /// These were not stored.
    pub(super) fn add(&mut self, now: Mono, settings: Vec<(String, String)>) {
        self.settings.extend(settings);
        self.due = now + STORE_AGAIN;
    }
}
