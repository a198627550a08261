//! The MQTT client (3.1.1, or 5 on request): holds one connection and never makes anybody wait.
//!
//! A missing broker is never an error: the task tries again with back-off, and whoever publishes or
//! listens goes on. The connection is treated as lossy; truth lives with the owner of the values:
//!
//! | what | while connected | while not |
//! |---|---|---|
//! | set-points of devices | in order, before everything else, oldest dropped when 16,384 wait | dropped |
//! | retained = state | newest value per topic | kept, newest value per topic |
//! | not retained = events, results | in order, oldest dropped when 1,024 wait | dropped after 10 s |
//! | readings | newest value per topic | – |
//! | commands (`…/set`) | in order, refused when 256 wait ([`Incoming::Busy`]) | – |
//! | urgent ones of them | in the same order, never refused because others wait ([`Urgent`]) | – |
//!
//! Everything is sent and subscribed with QoS 1 (api.md §1.1), so that subscribers behind a slow link
//! or with a session of their own miss nothing; a broker that acknowledges nothing for 30 s is left.
//!
//! After [`Incoming::Up`] every owner publishes its retained values again: a broker may have lost
//! them, and what was on its way when the connection broke is lost. Nothing is sent before the
//! inbox is asked again, so that such a snapshot replaces what waits and goes out once, in order.
//!
//! As long as another service is online below our root there is no session ([`Incoming::Taken`]).

mod cause;
mod guard;
mod link;
mod notice;
mod pump;
mod queue;
mod session;
mod shared;
mod tls;
mod topic;
mod trouble;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::timeout;
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::warn;

use crate::config::Mqtt;
use guard::Root;
use shared::Shared;

/// How long a farewell may take; afterwards the broker sends the last will.
const FAREWELL_MAX: Duration = Duration::from_secs(3);

/// What a connection needs to know.
#[derive(Clone, Debug)]
pub struct Options {
    /// The broker and who we are.
    pub server: Mqtt,
    /// `<root>/status` is `online`, or `offline` by last will (api.md §1.1); empty for no status.
    pub root: String,
    /// What every session subscribes.
    pub filters: Vec<String>,
    /// Which commands find room however many others wait.
    pub urgent: Option<Urgent>,
}

/// Commands that a storm of others must not keep out (design S4).
///
/// The order is that of arrival: an urgent command overtakes no earlier one, and a later one that
/// undoes it comes after it. It is room that it has of its own, when 256 others wait: one place each
/// that only the newest urgent command for it takes, at the end of the order. The one that waited
/// there before, and wants the same, is answered as dropped.
#[derive(Clone, Copy, Debug)]
pub struct Urgent {
    /// The place that a command takes, from 0, by its topic below the root and its payload.
    pub place: fn(&str, &[u8]) -> Option<usize>,
    /// How many places there are; a command for another one is not urgent.
    pub places: usize,
}

/// The sending end; clones share the connection.
#[derive(Clone)]
pub struct Bus(Arc<Shared>);

/// The receiving end; dropping it ends the connection without farewell (the last will is sent).
pub struct Inbox {
    shared: Arc<Shared>,
    /// A session whose `Up` the owner is dealing with.
    greeted: Option<u64>,
    _kill: DropGuard,
}

/// A message of the broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Never empty, without wildcards.
    pub topic: String,
    /// At most 1 MiB; shares the memory of what arrived with it, so copy what is kept.
    pub payload: Bytes,
    /// Sent by the broker because we subscribed: of unknown age.
    pub retain: bool,
    /// Where else an answer is expected (MQTT 5).
    pub reply: Option<Reply>,
}

/// Where the sender of a message expects an answer, and how it recognises it (MQTT 5 §4.10).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// Response topic as given; it may not be one.
    pub topic: String,
    /// Correlation data.
    pub correlation: Option<Bytes>,
}

/// What the owner of the [`Inbox`] learns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Incoming {
    /// Connected: publish every retained value again, in order, then ask the inbox.
    Up {
        /// Counts from 1; a gap means that a session passed unseen.
        session: u64,
    },
    /// Not connected; said again only when the reason changes.
    Down {
        /// Why, and what to do about it.
        reason: String,
    },
    /// Not connected, because another service is online below our root (api.md §1.4). It has the
    /// devices, too, until the next `Up`.
    Taken {
        /// Who that is, and what to do about it.
        reason: String,
    },
    /// A reading or a command.
    Message(Message),
    /// The broker (or MQTT's syntax) does not allow this subscription.
    Refused {
        /// The filter as given.
        filter: String,
    },
    /// Commands that were dropped because too many waited.
    Busy {
        /// Their topic.
        topic: String,
        /// How many since it was last said.
        refused: u32,
    },
}

/// Since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Messages handed to the connection.
    pub sent: u64,
    /// Messages received.
    pub received: u64,
    /// Messages of either direction lost by a limit.
    pub dropped: u64,
    /// Commands refused because too many waited.
    pub busy: u64,
    /// Sessions after the first one.
    pub reconnects: u64,
}

impl Bus {
    /// Spawns the task that connects, polls and reconnects until it is told to end.
    ///
    /// `stop` ends the connection without farewell; [`Bus::close`] is the polite way.
    pub fn start(options: Options, stop: CancellationToken) -> (Self, Inbox) {
        let kill = stop.child_token();
        let urgent = options.urgent.map(|urgent| (format!("{}/", options.root), urgent));
        let shared = Arc::new(Shared::new(kill.clone(), urgent));
        for filter in &options.filters {
            shared.subscribe(filter.clone());
        }
        let root = Root::new(&options.root, options.server.takeover).map(Arc::new);
        if let Some(root) = &root {
            shared.subscribe(root.status.clone());
            shared.subscribe(root.updated.clone());
        }
        tokio::spawn(session::run(Arc::clone(&shared), options.server, root));
        let inbox = Inbox { shared: Arc::clone(&shared), greeted: None, _kill: kill.drop_guard() };
        (Self(shared), inbox)
    }

    /// Queues a message; never blocks. The module says what happens at the limits.
    pub fn publish(&self, topic: String, payload: Vec<u8>, retain: bool) {
        self.0.publish(topic, payload, retain);
    }

    /// Queues an answer to the sender of a message; never blocks. A `firm` one stays when newer
    /// messages need room.
    pub fn answer(&self, reply: Reply, payload: Vec<u8>, firm: bool) {
        self.0.answer(reply, payload, firm);
    }

    /// Queues a set-point of a device; never blocks. It overtakes state and events. What is on its
    /// way when the connection breaks is lost: its owner writes it anew after [`Incoming::Up`].
    pub fn command(&self, topic: String, payload: Vec<u8>, retain: bool) {
        self.0.command(topic, payload, retain);
    }

    /// Subscribes a filter, now and in every later session; [`Incoming::Refused`] if it cannot be.
    pub fn subscribe(&self, filter: String) {
        self.0.subscribe(filter);
    }

    /// Says something while another service has our root: by the connection that looks at it, not
    /// retained, and not at all when there is none. The newest is said.
    pub fn notice(&self, topic: String, payload: Vec<u8>) {
        self.0.notice.leave(topic, payload);
    }

    /// Ends a subscription.
    pub fn unsubscribe(&self, filter: &str) {
        self.0.unsubscribe(filter);
    }

    /// Whether there is a connection now.
    pub fn connected(&self) -> bool {
        self.0.connected.load(Ordering::Relaxed)
    }

    /// For metrics.
    pub fn counters(&self) -> Counters {
        self.0.counters()
    }

    /// Sends what waits, then `offline`, disconnects and ends the task; takes 3 s at most.
    pub async fn close(self) {
        self.0.leave();
        if timeout(FAREWELL_MAX, self.0.ended.cancelled()).await.is_err() {
            warn!("the broker does not take our farewell; it will send the last will");
        }
        self.0.kill.cancel();
        self.0.ended.cancelled().await;
    }
}

impl Inbox {
    /// The next event if it is there already, in order.
    pub fn ready(&mut self) -> Option<Incoming> {
        if let Some(session) = self.greeted.take() {
            self.shared.open_gate(session);
        }
        let event = self.shared.take();
        if let Some(Incoming::Up { session }) = event {
            self.greeted = Some(session);
        }
        event
    }

    /// The next event, in order; `None` when the connection has ended for good. Cancel safe.
    pub async fn next(&mut self) -> Option<Incoming> {
        loop {
            // Read before the queue: what was queued before the end is still handed out.
            let ended = self.shared.ended.is_cancelled();
            match self.ready() {
                None if ended => return None,
                None => {}
                event => return event,
            }
            tokio::select! {
                () = self.shared.to_take.notified() => {}
                () = self.shared.ended.cancelled() => {}
            }
        }
    }
}
