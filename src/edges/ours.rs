//! The retained topics below the root that are recorded as ours: only these may be deleted (S9).

use std::collections::BTreeSet;

use crate::api::{Changes, State};

/// Topics below the root.
pub(super) struct Ours(pub(super) BTreeSet<String>);

impl Ours {
    /// Takes account of what is published; tells which topics are ours now and which no longer.
    pub(super) fn record(&mut self, changes: &Changes) -> (Vec<String>, Vec<String>) {
        let (mut added, mut removed) = (Vec::new(), Vec::new());
        let removals = changes.removed.iter().map(|topic| (topic, true));
        let published =
            changes.published.iter().map(|(topic, payload)| (topic, payload.is_empty()));
        for (topic, gone) in published.chain(removals) {
            if gone && self.0.remove(topic) {
                removed.push(topic.clone());
            } else if !gone && self.0.insert(topic.clone()) {
                added.push(topic.clone());
            }
        }
        (added, removed)
    }

    /// What an earlier start published and this one does not; it is ours no longer.
    pub(super) fn take_stale(&mut self, told: &State) -> Vec<String> {
        let kept = told.topics().into_iter().filter(|(_, payload)| !payload.is_empty());
        let current: BTreeSet<String> = kept.map(|(topic, _)| topic).collect();
        let stale: Vec<String> = self.0.difference(&current).cloned().collect();
        self.0.retain(|topic| current.contains(topic));
        stale
    }
}
