//! Where every message passes: numbered, kept if retained, handed to the router, all in one order.

use std::pin::pin;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::bail;
use tokio::sync::Notify;
use tracing::warn;

use super::message::Message;
use super::retained::{Capacity, RetainedStore};
use super::router::{ActiveLink, ActiveRouter, Refused, Router};

/// The router and the retained store behind one lock, so that both see messages in one order.
pub(super) struct Hub {
    router: ActiveRouter,
    core: Mutex<Core>,
    /// Signals that a retained value is to be saved.
    pub(super) unsaved: Notify,
    pub(super) counters: Counters,
    sessions: AtomicU64,
}

struct Core {
    retained: RetainedStore,
    /// Number of the last message.
    last: u64,
    full_was_told: bool,
}

/// What `$SYS` reports.
#[derive(Default)]
pub(super) struct Counters {
    /// Clients connected now.
    pub(super) connected: AtomicUsize,
    /// PUBLISH packets received.
    pub(super) received: AtomicU64,
    /// PUBLISH packets sent.
    pub(super) sent: AtomicU64,
    /// Messages dropped because a client was too slow.
    pub(super) dropped: AtomicU64,
}

impl Hub {
    /// A hub with nothing retained.
    pub(super) fn new(router: ActiveRouter, capacity: Capacity) -> Self {
        let core = Core { retained: RetainedStore::new(capacity), last: 0, full_was_told: false };
        Self {
            router,
            core: Mutex::new(core),
            unsaved: Notify::new(),
            counters: Counters::default(),
            sessions: AtomicU64::new(0),
        }
    }

    /// A number for a session, never the same again.
    pub(super) fn next_session(&self) -> u64 {
        self.sessions.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Forgets retained values whose time is over.
    pub(super) fn drop_expired(&self, now: u64) {
        if self.core().retained.drop_expired(now) {
            self.unsaved.notify_one();
        }
    }

    /// Puts back what the disk had. Returns whether there was room.
    pub(super) fn restore(&self, message: Message) -> bool {
        self.core().retained.restore(message).is_ok()
    }

    /// A new link to the router.
    pub(super) async fn attach(&self) -> anyhow::Result<ActiveLink> {
        self.router.attach().await
    }

    /// Publishes, waiting while some session has much left to read.
    ///
    /// A session that calls this must go on reading its own link meanwhile.
    pub(super) async fn publish(&self, mut message: Message, retain: bool) -> anyhow::Result<()> {
        loop {
            // Armed before the attempt, so that no signal is missed in between.
            let mut room = pin!(self.router.room());
            room.as_mut().enable();
            match self.try_publish(&mut message, retain) {
                Ok(()) => return Ok(()),
                Err(Refused::Busy) => room.await,
                Err(Refused::Gone) => bail!("the message router is gone"),
            }
        }
    }

    fn try_publish(&self, message: &mut Message, retain: bool) -> Result<(), Refused> {
        let mut core = self.core();
        let number = core.last + message.cost() as u64;
        message.set_number(number);
        self.router.try_publish(message)?;
        core.last = number;
        if retain {
            core.keep(message.clone());
            self.unsaved.notify_one();
        }
        Ok(())
    }

    /// Number of the last message: a subscription made now gets what is numbered higher.
    pub(super) fn last_number(&self) -> u64 {
        self.core().last
    }

    /// One step of a replay, see [`RetainedStore::next_matches`].
    pub(super) fn retained_after(
        &self,
        filter: &str,
        after: Option<&str>,
        limit: usize,
    ) -> (Vec<Message>, Option<String>) {
        self.core().retained.next_matches(filter, after, limit)
    }

    /// Number of retained topics.
    pub(super) fn retained_len(&self) -> usize {
        self.core().retained.len()
    }

    /// Retained values to save, see [`RetainedStore::take_unsaved`].
    pub(super) fn take_unsaved(&self, limit: usize) -> Vec<(String, Option<Message>)> {
        self.core().retained.take_unsaved(limit)
    }

    /// Counts dropped messages.
    pub(super) fn count_dropped(&self, count: u64) {
        self.counters.dropped.fetch_add(count, Ordering::Relaxed);
    }

    /// Locks for a moment; nothing awaits while holding it.
    fn core(&self) -> MutexGuard<'_, Core> {
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Core {
    fn keep(&mut self, message: Message) {
        let kept = self.retained.set(message);
        if kept.is_err() && !self.full_was_told {
            self.full_was_told = true;
            warn!(
                topics = self.retained.len(),
                "the store of retained messages is full; new topics are delivered but not kept \
                 (limits.retained_topics, limits.retained_bytes)"
            );
        }
    }
}
