//! A bounded queue between the loop and a peer that may be away: the newest is kept.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// Items with their weights; whoever puts one in never waits, the oldest go instead.
#[derive(Debug)]
pub(super) struct Backlog<T> {
    inner: Mutex<Inner<T>>,
    more: Notify,
    max: usize,
}

#[derive(Debug)]
struct Inner<T> {
    items: VecDeque<(T, usize)>,
    weight: usize,
}

impl<T> Backlog<T> {
    /// Holds items that together weigh no more than `max`.
    pub(super) fn new(max: usize) -> Self {
        let inner = Inner { items: VecDeque::new(), weight: 0 };
        Self { inner: Mutex::new(inner), more: Notify::new(), max }
    }

    /// Adds an item; comes back with how many others had to go.
    pub(super) fn push(&self, item: T, weight: usize) -> usize {
        let mut inner = self.lock();
        inner.items.push_back((item, weight));
        inner.weight += weight;
        let mut gone = 0;
        while inner.weight > self.max {
            let Some((_, weight)) = inner.items.pop_front() else { break };
            inner.weight -= weight;
            gone += 1;
        }
        drop(inner);
        self.more.notify_one();
        gone
    }

    /// Takes the oldest, as soon as there is one; for one reader.
    pub(super) async fn next(&self) -> T {
        loop {
            if let Some(item) = self.take_if(|_| true) {
                return item;
            }
            self.more.notified().await;
        }
    }

    /// Takes the oldest if there is one that fits.
    pub(super) fn take_if(&self, fits: impl FnOnce(&T) -> bool) -> Option<T> {
        let mut inner = self.lock();
        let (item, weight) = match inner.items.front() {
            Some((item, _)) if fits(item) => inner.items.pop_front()?,
            Some(_) | None => return None,
        };
        inner.weight -= weight;
        Some(item)
    }

    /// What all that waits weighs together.
    pub(super) fn weight(&self) -> usize {
        self.lock().weight
    }

    fn lock(&self) -> MutexGuard<'_, Inner<T>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_newest_is_kept() {
        let backlog = Backlog::new(10);
        assert_eq!(
            [("a", 4), ("b", 4), ("c", 4)].map(|(item, w)| backlog.push(item, w)),
            [0, 0, 1]
        );
        assert_eq!((backlog.next().await, backlog.weight()), ("b", 4));
        assert_eq!(backlog.take_if(|item| *item == "d"), None);
        assert_eq!(backlog.push("too heavy", 11), 2, "itself, too");
        assert_eq!((backlog.take_if(|_| true), backlog.weight()), (None, 0));
    }
}
