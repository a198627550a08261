//! A queue in which the newest value of a key takes the place of an older one.
//!
//! Keyed entries (readings, state) are there once; loose entries (commands, events) are all kept, and
//! firm ones are loose ones that no newer one displaces. All share one order. The queue only counts;
//! limits and what happens at them are its user's.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::hash::Hash;

/// Where the newer value of a key stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// In the older one's place, so that a busy key never waits for ever.
    Kept,
    /// At the end, so that the queue is in the order of the latest writes.
    Last,
}

enum Kind<K> {
    Keyed(K),
    Loose,
    Firm,
}

struct Entry<K, V> {
    kind: Kind<K>,
    value: V,
    bytes: usize,
}

/// See the module; `bytes` is what an entry is said to weigh.
pub(super) struct Queue<K, V> {
    next: u64,
    entries: BTreeMap<u64, Entry<K, V>>,
    keyed: HashMap<K, u64>,
    loose: VecDeque<u64>,
    firm: usize,
    bytes: usize,
}

impl<K: Clone + Eq + Hash, V> Queue<K, V> {
    /// An empty queue.
    pub(super) fn new() -> Self {
        Self {
            next: 0,
            entries: BTreeMap::new(),
            keyed: HashMap::new(),
            loose: VecDeque::new(),
            firm: 0,
            bytes: 0,
        }
    }

    /// Number of different keys that wait.
    pub(super) fn keys(&self) -> usize {
        self.keyed.len()
    }

    /// Number of loose entries that wait.
    pub(super) fn loose(&self) -> usize {
        self.loose.len()
    }

    /// Number of firm entries that wait.
    pub(super) fn firm(&self) -> usize {
        self.firm
    }

    /// Weight of all entries.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether a value of this key waits.
    pub(super) fn has(&self, key: &K) -> bool {
        self.keyed.contains_key(key)
    }

    /// The value of this key that waits.
    pub(super) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        let at = self.keyed.get(key)?;
        self.entries.get_mut(at).map(|entry| &mut entry.value)
    }

    /// Adds the newest value of a key; an older one is gone.
    pub(super) fn put(&mut self, key: K, value: V, bytes: usize, place: Place) {
        let older = match place {
            Place::Kept => self.keyed.get(&key).copied(),
            Place::Last => {
                self.remove(&key);
                None
            }
        };
        let at = older.unwrap_or_else(|| self.claim());
        self.keyed.insert(key.clone(), at);
        self.bytes += bytes;
        let replaced = self.entries.insert(at, Entry { kind: Kind::Keyed(key), value, bytes });
        self.bytes -= replaced.map_or(0, |entry| entry.bytes);
    }

    /// Adds a value that stands for itself.
    pub(super) fn append(&mut self, value: V, bytes: usize) {
        let at = self.claim();
        self.loose.push_back(at);
        self.bytes += bytes;
        self.entries.insert(at, Entry { kind: Kind::Loose, value, bytes });
    }

    /// Adds a value that stands for itself and stays until its turn.
    pub(super) fn append_firm(&mut self, value: V, bytes: usize) {
        let at = self.claim();
        self.firm += 1;
        self.bytes += bytes;
        self.entries.insert(at, Entry { kind: Kind::Firm, value, bytes });
    }

    /// Forgets the value of a key.
    pub(super) fn remove(&mut self, key: &K) {
        if let Some(entry) = self.keyed.remove(key).and_then(|at| self.entries.remove(&at)) {
            self.bytes -= entry.bytes;
        }
    }

    /// Forgets the oldest loose entry.
    pub(super) fn drop_loose(&mut self) {
        if let Some(entry) = self.loose.pop_front().and_then(|at| self.entries.remove(&at)) {
            self.bytes -= entry.bytes;
        }
    }

    /// Takes the entry whose turn it is.
    pub(super) fn pop(&mut self) -> Option<V> {
        let (_, entry) = self.entries.pop_first()?;
        self.bytes -= entry.bytes;
        match &entry.kind {
            Kind::Keyed(key) => drop(self.keyed.remove(key)),
            Kind::Loose => drop(self.loose.pop_front()),
            Kind::Firm => self.firm -= 1,
        }
        Some(entry.value)
    }

    fn claim(&mut self) -> u64 {
        self.next += 1;
        self.next
    }
}

#[cfg(test)]
mod tests {
    use super::{Place, Queue};

    fn drained(queue: &mut Queue<char, u32>) -> Vec<u32> {
        std::iter::from_fn(|| queue.pop()).collect()
    }

    #[test]
    fn a_newer_value_stands_where_it_is_told_to() {
        let mut queue = Queue::new();
        queue.put('a', 1, 10, Place::Kept);
        queue.append(2, 1);
        queue.put('b', 3, 5, Place::Kept);
        queue.put('a', 4, 7, Place::Kept);
        assert_eq!((queue.keys(), queue.loose(), queue.bytes()), (2, 1, 13));
        queue.put('b', 5, 5, Place::Last);
        queue.append(6, 1);
        assert_eq!(drained(&mut queue), [4, 2, 5, 6]);
        assert_eq!((queue.keys(), queue.loose(), queue.bytes()), (0, 0, 0));
    }

    #[test]
    fn what_is_forgotten_weighs_nothing() {
        let mut queue = Queue::new();
        queue.put('a', 1, 10, Place::Last);
        queue.append(2, 20);
        queue.append(3, 30);
        queue.remove(&'a');
        queue.remove(&'z');
        queue.drop_loose();
        assert!(!queue.has(&'a'));
        assert_eq!(queue.bytes(), 30);
        assert_eq!(drained(&mut queue), [3]);
        queue.drop_loose();
        assert_eq!(queue.bytes(), 0);
    }

    #[test]
    fn what_is_firm_keeps_its_place() {
        let mut queue = Queue::new();
        queue.append(1, 1);
        queue.append_firm(2, 1);
        queue.append(3, 1);
        queue.drop_loose();
        queue.drop_loose();
        queue.drop_loose();
        queue.append(4, 1);
        assert_eq!((queue.loose(), queue.firm(), queue.bytes()), (1, 1, 2));
        assert_eq!(drained(&mut queue), [2, 4]);
        assert_eq!((queue.firm(), queue.bytes()), (0, 0));
    }
}
