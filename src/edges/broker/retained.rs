//! The retained store: last value per topic, with limits, and the changes not yet written to disk.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use super::filter;
use super::message::Message;

/// Topics looked at in one step of a replay, so that no step holds the store for long.
const SCAN: usize = 512;

/// What the store may hold.
#[derive(Clone, Copy, Debug)]
pub(super) struct Capacity {
    /// Topics.
    pub(super) topics: usize,
    /// Bytes of topics and payloads together.
    pub(super) bytes: usize,
}

/// Last retained message per topic.
///
/// The set of unsaved topics is bounded without a limit of its own: it holds live topics, and
/// erased ones only while the disk still has them.
#[derive(Debug)]
pub(super) struct RetainedStore {
    capacity: Capacity,
    bytes: usize,
    entries: BTreeMap<String, Entry>,
    unsaved: BTreeSet<String>,
    /// Topics whose value is of use for a time only, by its end.
    expiring: BTreeSet<(u64, String)>,
}

#[derive(Debug)]
struct Entry {
    message: Message,
    /// The disk has a value of this topic.
    on_disk: bool,
}

/// The store is full; the message was delivered but is not kept, and neither is the one before it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Full;

impl RetainedStore {
    /// An empty store.
    pub(super) fn new(capacity: Capacity) -> Self {
        let (entries, unsaved, expiring) = Default::default();
        Self { capacity, bytes: 0, entries, unsaved, expiring }
    }

    /// Puts back what the disk had.
    pub(super) fn restore(&mut self, message: Message) -> Result<(), Full> {
        let topic = message.topic().to_owned();
        self.set(message)?;
        self.unsaved.remove(&topic);
        if let Some(entry) = self.entries.get_mut(&topic) {
            entry.on_disk = true;
        }
        Ok(())
    }

    /// Keeps a message as the value of its topic; an empty payload erases the value.
    pub(super) fn set(&mut self, message: Message) -> Result<(), Full> {
        if message.is_empty() {
            self.erase(message.topic());
            return Ok(());
        }
        let old = self.entries.get(message.topic());
        let bytes = self.bytes - old.map_or(0, |entry| entry.message.cost()) + message.cost();
        if bytes > self.capacity.bytes
            || (old.is_none() && self.entries.len() >= self.capacity.topics)
        {
            // What it was to replace is no longer the last value.
            self.erase(message.topic());
            return Err(Full);
        }
        let topic = message.topic().to_owned();
        if let Some(expires) = old.map(|entry| entry.message.expires()).filter(|at| *at != 0) {
            self.expiring.remove(&(expires, topic.clone()));
        }
        if message.expires() != 0 {
            self.expiring.insert((message.expires(), topic.clone()));
        }
        let erased_unsaved = self.unsaved.contains(&topic);
        let on_disk = old.map_or(erased_unsaved, |entry| entry.on_disk);
        self.bytes = bytes;
        // What the broker tells about itself does not outlive it.
        if !topic.starts_with("$SYS/") {
            self.unsaved.insert(topic.clone());
        }
        self.entries.insert(topic, Entry { message, on_disk });
        Ok(())
    }

    fn erase(&mut self, topic: &str) {
        let Some(entry) = self.entries.remove(topic) else {
            return;
        };
        self.bytes -= entry.message.cost();
        if entry.message.expires() != 0 {
            self.expiring.remove(&(entry.message.expires(), topic.to_owned()));
        }
        if entry.on_disk {
            self.unsaved.insert(topic.to_owned());
        } else {
            self.unsaved.remove(topic);
        }
    }

    /// Erases the values whose time is over; whether there were any.
    pub(super) fn drop_expired(&mut self, now: u64) -> bool {
        let mut dropped = false;
        while let Some((expires, topic)) = self.expiring.first().cloned()
            && expires <= now
        {
            self.expiring.pop_first();
            self.erase(&topic);
            dropped = true;
        }
        dropped
    }

    /// Up to `limit` unsaved topics with their newest value, `None` for an erased one.
    pub(super) fn take_unsaved(&mut self, limit: usize) -> Vec<(String, Option<Message>)> {
        let mut taken = Vec::new();
        while taken.len() < limit
            && let Some(topic) = self.unsaved.pop_first()
        {
            let value = self.entries.get_mut(&topic).map(|entry| {
                entry.on_disk = true;
                entry.message.clone()
            });
            taken.push((topic, value));
        }
        taken
    }

    /// Number of topics with a value.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The next step of a replay: at most `limit` messages that `filter` selects after the topic
    /// `after`, and where to go on; `None` when the replay is complete.
    pub(super) fn next_matches(
        &self,
        filter: &str,
        after: Option<&str>,
        limit: usize,
    ) -> (Vec<Message>, Option<String>) {
        let prefix = filter::literal_prefix(filter);
        let start = match after {
            Some(topic) => Bound::Excluded(topic),
            None => Bound::Included(prefix),
        };
        let mut found = Vec::new();
        let range = self.entries.range::<str, _>((start, Bound::Unbounded));
        for (looked_at, (topic, entry)) in range.enumerate() {
            if !topic.starts_with(prefix) {
                break;
            }
            if filter::matches(filter, topic) {
                found.push(entry.message.clone());
            }
            if looked_at + 1 >= SCAN || found.len() >= limit {
                return (found, Some(topic.clone()));
            }
        }
        (found, None)
    }
}

#[cfg(test)]
mod tests {
    use rumqttc::v5::mqttbytes::QoS;

    use super::super::message::Draft;
    use super::*;

    fn message(topic: &str, payload: &str) -> Message {
        Message::new(topic, payload.as_bytes(), QoS::AtMostOnce)
    }

    fn store(topics: usize, bytes: usize) -> RetainedStore {
        RetainedStore::new(Capacity { topics, bytes })
    }

    fn unsaved(store: &mut RetainedStore) -> Vec<(String, Option<Vec<u8>>)> {
        let taken = store.take_unsaved(usize::MAX);
        taken.into_iter().map(|(topic, m)| (topic, m.map(|m| m.payload().to_vec()))).collect()
    }

    #[test]
    fn newest_value_wins_and_only_known_topics_are_erased_on_disk() {
        let mut store = store(10, 1000);
        store.restore(message("old", "1")).unwrap();
        assert!(unsaved(&mut store).is_empty());
        for payload in ["1", "2", "3"] {
            store.set(message("a", payload)).unwrap();
        }
        store.set(message("short-lived", "x")).unwrap();
        store.set(message("short-lived", "")).unwrap();
        store.set(message("old", "")).unwrap();
        let expected = vec![("a".to_owned(), Some(b"3".to_vec())), ("old".to_owned(), None)];
        assert_eq!(unsaved(&mut store), expected);
        store.set(message("a", "")).unwrap();
        assert_eq!(unsaved(&mut store), vec![("a".to_owned(), None)]);
        store.set(message("never", "")).unwrap();
        assert!(unsaved(&mut store).is_empty());
    }

    #[test]
    fn a_value_set_after_an_unsaved_erase_is_still_erased_on_disk() {
        let mut store = store(10, 1000);
        store.restore(message("a", "1")).unwrap();
        store.set(message("a", "")).unwrap();
        store.set(message("a", "2")).unwrap();
        store.set(message("a", "")).unwrap();
        assert_eq!(unsaved(&mut store), vec![("a".to_owned(), None)]);
    }

    #[test]
    fn limits_hold_and_erasing_makes_room() {
        let mut store = store(2, 200);
        store.set(message("a", "1")).unwrap();
        store.set(message("b", "1")).unwrap();
        assert_eq!(store.set(message("c", "1")), Err(Full));
        assert_eq!(store.set(message("a", &"x".repeat(100))), Err(Full));
        assert_eq!(store.len(), 1, "no old value stays in the place of a newer one");
        store.set(message("c", "1")).unwrap();
        assert_eq!(store.len(), 2);
    }

    #[test]
    fn a_value_whose_time_is_over_is_erased_on_disk_too() {
        let mut store = store(10, 10_000);
        let expiring = |topic, expires| {
            let (payload, qos, properties) = (&b"x"[..], QoS::AtMostOnce, &[][..]);
            let (retain, origin) = (true, 0);
            Message::pack(&Draft { topic, payload, qos, retain, origin, expires, properties })
        };
        store.restore(expiring("a", 5)).unwrap();
        store.set(expiring("b", 5)).unwrap();
        store.set(expiring("b", 9)).unwrap();
        store.set(expiring("c", 5)).unwrap();
        store.set(message("c", "for ever")).unwrap();
        assert!(!store.drop_expired(4));
        assert!(store.drop_expired(5));
        assert_eq!(store.len(), 2);
        assert!(store.drop_expired(100) && store.len() == 1);
        let expected = vec![("a".to_owned(), None), ("c".to_owned(), Some(b"for ever".to_vec()))];
        assert_eq!(unsaved(&mut store), expected);
    }

    #[test]
    fn a_replay_in_steps_is_complete() {
        let mut store = store(10_000, 1 << 20);
        for i in 0..3000 {
            store.set(message(&format!("site/{i}/power"), "1")).unwrap();
            store.set(message(&format!("siteb/{i}"), "1")).unwrap();
        }
        store.set(message("site", "1")).unwrap();
        for (filter, expected) in
            [("#", 6001), ("site/#", 3001), ("site/+/power", 3000), ("site/7/power", 1), ("x/#", 0)]
        {
            let (mut count, mut after) = (0, None);
            loop {
                let (step, resume) = store.next_matches(filter, after.as_deref(), 100);
                assert!(step.len() <= 100);
                count += step.len();
                after = resume;
                if after.is_none() {
                    break;
                }
            }
            assert_eq!(count, expected, "{filter}");
        }
    }
}
