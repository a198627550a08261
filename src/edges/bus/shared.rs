//! What publishers, the poll task and the inbox's owner share: two bounded queues and the filters.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use super::notice::Notice;
use super::queue::{Place, Queue};
use super::topic::{valid_filter, valid_topic};
use super::{Counters, Incoming, Message, Reply, Urgent};

/// Largest payload in either direction; a larger one is dropped and logged once per topic.
const PAYLOAD_MAX: usize = 1 << 20;

/// Retained topics that wait to be sent: the newest value of each; a further topic is dropped.
/// A site of a thousand load points has some 80,000.
const STATE_MAX: usize = 131_072;
/// Set-points that wait to be sent, however old: the oldest is dropped for a new one.
const SET_POINTS_MAX: usize = 16_384;
/// Messages that are not retained and wait to be sent: the oldest is dropped for a new one.
const EVENTS_MAX: usize = 1_024;
/// Answers that stay when newer messages need room; a further one is like any other.
const FIRM_MAX: usize = 1_024;
/// A message that is not retained is of no use later: no burst of old commands after an outage.
const EVENT_LIFETIME: Duration = Duration::from_secs(10);
/// How long a broker may keep events and answers for a subscriber that is away: seconds.
const EVENT_EXPIRY: u32 = 60;
/// Payload bytes that wait to be sent; a message above is dropped.
const OUTGOING_BYTES: usize = 32 << 20;

/// Topics with readings that wait to be taken: the newest of each; a further topic is dropped.
const READINGS_MAX: usize = 16_384;
/// Commands that wait to be taken, in order; a further one is refused (`Incoming::Busy`).
const COMMANDS_MAX: usize = 256;
/// Payload bytes that wait to be taken; a message above is treated as one too many.
const INCOMING_BYTES: usize = 16 << 20;

/// Subscriptions; a further filter is refused.
const FILTERS_MAX: usize = 16_384;
/// Complaints about a topic that are logged once; later topics are only counted.
const COMPLAINTS_MAX: usize = 256;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Key {
    Link,
    Root,
    Refused(String),
    Busy(String),
    Urgent(usize),
    Live(String),
    Retained(String),
}

/// A message on its way out.
pub(super) struct Outgoing {
    pub(super) topic: String,
    pub(super) payload: Bytes,
    pub(super) retain: bool,
    /// What the one who asked gave to recognise the answer by (MQTT 5).
    pub(super) correlation: Option<Bytes>,
    /// Seconds that the broker may keep it for a subscriber that is away (MQTT 5).
    pub(super) lifetime: Option<u32>,
    queued: Instant,
}

impl Outgoing {
    /// A message that says no more than this.
    pub(super) fn new(topic: String, payload: Bytes, retain: bool) -> Self {
        let (correlation, lifetime) = (None, None);
        Self { topic, payload, retain, correlation, lifetime, queued: Instant::now() }
    }
}

/// What the pump does next.
pub(super) enum Next {
    Subscribe(Vec<String>),
    Unsubscribe(Vec<String>),
    Publish(Outgoing),
    Wait,
    Leave,
}

struct State {
    session: u64,
    /// Shut from the end of a session until the inbox's owner has dealt with the next `Up`, so
    /// that the owner's snapshot replaces what waits, and goes out in its order.
    gate_open: bool,
    leaving: bool,
    /// Sent before everything else.
    set_points: Queue<String, Outgoing>,
    outgoing: Queue<String, Outgoing>,
    incoming: Queue<Key, Incoming>,
    wanted: BTreeSet<String>,
    asked: BTreeSet<String>,
    filters_changed: bool,
    complaints: BTreeSet<String>,
}

/// See the module.
pub(super) struct Shared {
    state: Mutex<State>,
    /// The root with its `/`, and which commands below it are urgent.
    urgent: Option<(String, Urgent)>,
    pub(super) to_send: Notify,
    pub(super) to_take: Notify,
    pub(super) notice: Notice,
    pub(super) connected: AtomicBool,
    sent: AtomicU64,
    received: AtomicU64,
    dropped: AtomicU64,
    busy: AtomicU64,
    sessions: AtomicU64,
    /// Ends the connection without a farewell.
    pub(super) kill: CancellationToken,
    /// Asks for a farewell.
    pub(super) farewell: CancellationToken,
    /// The poll task is over.
    pub(super) ended: CancellationToken,
}

impl Shared {
    /// Nothing sent, nothing received, not connected.
    pub(super) fn new(kill: CancellationToken, urgent: Option<(String, Urgent)>) -> Self {
        let state = State {
            session: 0,
            gate_open: false,
            leaving: false,
            set_points: Queue::new(),
            outgoing: Queue::new(),
            incoming: Queue::new(),
            wanted: BTreeSet::new(),
            asked: BTreeSet::new(),
            filters_changed: false,
            complaints: BTreeSet::new(),
        };
        Self {
            state: Mutex::new(state),
            urgent,
            to_send: Notify::new(),
            to_take: Notify::new(),
            notice: Notice::default(),
            connected: AtomicBool::new(false),
            sent: AtomicU64::new(0),
            received: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            busy: AtomicU64::new(0),
            sessions: AtomicU64::new(0),
            kill,
            farewell: CancellationToken::new(),
            ended: CancellationToken::new(),
        }
    }

    /// The state stays usable whoever panicked: every change of it is complete before it can fail.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The counters as they are now.
    pub(super) fn counters(&self) -> Counters {
        Counters {
            sent: self.sent.load(Ordering::Relaxed),
            received: self.received.load(Ordering::Relaxed),
            dropped: self.dropped.load(Ordering::Relaxed),
            busy: self.busy.load(Ordering::Relaxed),
            reconnects: self.sessions.load(Ordering::Relaxed).saturating_sub(1),
        }
    }

    // --- publishers ---

    /// Queues a set-point of a device: what it is to do is more urgent than what it is told.
    pub(super) fn command(&self, topic: String, payload: Vec<u8>, retain: bool) {
        let mut state = self.state();
        let Some(message) = self.outgoing(&mut state, topic, payload, retain, false) else {
            return;
        };
        if state.set_points.loose() >= SET_POINTS_MAX {
            state.set_points.drop_loose();
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
        let bytes = message.payload.len();
        state.set_points.append(message, bytes);
        drop(state);
        self.to_send.notify_one();
    }

    /// Queues a message, by the limits above.
    pub(super) fn publish(&self, topic: String, payload: Vec<u8>, retain: bool) {
        self.send(topic, payload, retain, None, false);
    }

    /// Queues an answer to whoever asked for it; a `firm` one gives way to nothing newer.
    pub(super) fn answer(&self, reply: Reply, payload: Vec<u8>, firm: bool) {
        self.send(reply.topic, payload, false, reply.correlation, firm);
    }

    fn send(
        &self,
        topic: String,
        payload: Vec<u8>,
        retain: bool,
        correlation: Option<Bytes>,
        firm: bool,
    ) {
        let mut state = self.state();
        let full = retain && !state.outgoing.has(&topic) && state.outgoing.keys() >= STATE_MAX;
        let Some(mut message) = self.outgoing(&mut state, topic, payload, retain, full) else {
            return;
        };
        message.correlation = correlation;
        message.lifetime = (!retain).then_some(EVENT_EXPIRY);
        let bytes = message.payload.len();
        if retain {
            let place = if state.gate_open { Place::Kept } else { Place::Last };
            state.outgoing.put(message.topic.clone(), message, bytes, place);
        } else if firm && state.outgoing.firm() < FIRM_MAX {
            state.outgoing.append_firm(message, bytes);
        } else {
            if state.outgoing.loose() >= EVENTS_MAX {
                state.outgoing.drop_loose();
                self.dropped.fetch_add(1, Ordering::Relaxed);
            }
            state.outgoing.append(message, bytes);
        }
        drop(state);
        self.to_send.notify_one();
    }

    /// A message that may be sent; `full` says that the queue it is for takes no more.
    fn outgoing(
        &self,
        state: &mut State,
        topic: String,
        payload: Vec<u8>,
        retain: bool,
        full: bool,
    ) -> Option<Outgoing> {
        let waiting = state.outgoing.bytes() + state.set_points.bytes();
        let fault = if state.leaving {
            return None;
        } else if !valid_topic(&topic) {
            "cannot publish: not a topic"
        } else if payload.len() > PAYLOAD_MAX {
            "cannot publish: payload over 1 MiB"
        } else if full || waiting + payload.len() > OUTGOING_BYTES {
            "too much waits to be published"
        } else {
            return Some(Outgoing::new(topic, payload.into(), retain));
        };
        self.complain(state, topic, fault);
        None
    }

    /// Adds a filter to what every session subscribes.
    pub(super) fn subscribe(&self, filter: String) {
        let mut state = self.state();
        let fits = state.wanted.len() < FILTERS_MAX || state.wanted.contains(&filter);
        if !(fits && valid_filter(&filter)) {
            let fault = if fits { "not a filter" } else { "too many filters" };
            warn!(filter, "cannot subscribe: {fault}");
            return self.refuse(state, filter);
        }
        state.filters_changed |= state.wanted.insert(filter);
        drop(state);
        self.to_send.notify_one();
    }

    /// Takes a filter out of what every session subscribes.
    pub(super) fn unsubscribe(&self, filter: &str) {
        let mut state = self.state();
        state.filters_changed |= state.wanted.remove(filter);
        drop(state);
        self.to_send.notify_one();
    }

    // --- the connection ---

    /// A session begins: everything is subscribed again and the owner is told.
    pub(super) fn up(&self) {
        self.sessions.fetch_add(1, Ordering::Relaxed);
        self.connected.store(true, Ordering::Relaxed);
        self.notice.forget();
        let mut state = self.state();
        state.session += 1;
        state.asked.clear();
        state.filters_changed = true;
        let session = state.session;
        state.incoming.put(Key::Link, Incoming::Up { session }, 0, Place::Last);
        drop(state);
        self.to_take.notify_one();
    }

    /// The session is over: nothing is sent until the owner has dealt with the next one. Devices
    /// write their set-points anew then.
    pub(super) fn shut(&self) {
        self.connected.store(false, Ordering::Relaxed);
        let mut state = self.state();
        state.gate_open = false;
        state.set_points = Queue::new();
    }

    /// Tells the owner why there is no connection; a newer reason takes the place of an older one.
    pub(super) fn down(&self, reason: String) {
        self.state().incoming.put(Key::Link, Incoming::Down { reason }, 0, Place::Last);
        self.to_take.notify_one();
    }

    /// Tells the owner that another service has our root.
    pub(super) fn taken(&self, reason: String) {
        self.state().incoming.put(Key::Root, Incoming::Taken { reason }, 0, Place::Last);
        self.to_take.notify_one();
    }

    /// The broker takes no packet of this size.
    pub(super) fn too_large(&self, topic: String) {
        self.complain(&mut self.state(), topic, "cannot publish: larger than the broker allows");
    }

    /// Queues a message from the broker, by the limits above.
    pub(super) fn receive(
        &self,
        topic: String,
        payload: Bytes,
        retain: bool,
        reply: Option<Reply>,
    ) {
        self.received.fetch_add(1, Ordering::Relaxed);
        let mut state = self.state();
        let bytes = payload.len();
        if !valid_topic(&topic) {
            return self.complain(&mut state, topic, "message ignored: not a topic");
        }
        if bytes > PAYLOAD_MAX {
            return self.complain(&mut state, topic, "message ignored: payload over 1 MiB");
        }
        let room = state.incoming.bytes() + bytes <= INCOMING_BYTES;
        if topic.ends_with("/set") {
            let message = Message { topic, payload, retain, reply };
            self.receive_command(&mut state, message, room);
        } else {
            let key = if retain { Key::Retained(topic.clone()) } else { Key::Live(topic.clone()) };
            if !room || !state.incoming.has(&key) && state.incoming.keys() >= READINGS_MAX {
                return self.complain(&mut state, topic, "message ignored: too many wait");
            }
            if !retain {
                state.incoming.remove(&Key::Retained(topic.clone()));
            }
            let message = Incoming::Message(Message { topic, payload, retain, reply: None });
            state.incoming.put(key, message, bytes, Place::Kept);
        }
        drop(state);
        self.to_take.notify_one();
    }

    /// Queues a command, or refuses it; an urgent one has a place of its own when there is no room.
    fn receive_command(&self, state: &mut State, message: Message, room: bool) {
        let bytes = message.payload.len();
        if room && state.incoming.loose() < COMMANDS_MAX {
            return state.incoming.append(Incoming::Message(message), bytes);
        }
        let Some(place) = self.urgent(&message) else {
            return self.busy(state, message.topic);
        };
        let key = Key::Urgent(place);
        if let Some(Incoming::Message(older)) = state.incoming.get_mut(&key) {
            let topic = std::mem::take(&mut older.topic);
            self.busy(state, topic);
        }
        state.incoming.put(key, Incoming::Message(message), bytes, Place::Last);
    }

    /// The place that is kept for a command; for one of unknown age there is none.
    fn urgent(&self, message: &Message) -> Option<usize> {
        let (root, urgent) = self.urgent.as_ref().filter(|_| !message.retain)?;
        let below = message.topic.strip_prefix(root)?;
        (urgent.place)(below, &message.payload).filter(|place| *place < urgent.places)
    }

    /// The broker does not let us subscribe this filter.
    pub(super) fn refused(&self, filter: String, reason: &str) {
        let mut state = self.state();
        if state.complaints.len() < COMPLAINTS_MAX && state.complaints.insert(filter.clone()) {
            warn!(filter, reason, "the broker refuses the subscription: check its access rules");
        }
        self.refuse(state, filter);
    }

    /// One message is on its way to the broker.
    pub(super) fn count_sent(&self) {
        self.sent.fetch_add(1, Ordering::Relaxed);
    }

    /// What the pump of the present session does next; `batch` bounds the filters of one packet.
    pub(super) fn next_to_send(&self, batch: usize) -> Next {
        let mut state = self.state();
        if state.filters_changed {
            let state = &mut *state;
            let gone: Vec<_> = state.asked.difference(&state.wanted).take(batch).cloned().collect();
            if !gone.is_empty() {
                state.asked.retain(|filter| !gone.contains(filter));
                return Next::Unsubscribe(gone);
            }
            let new: Vec<_> = state.wanted.difference(&state.asked).take(batch).cloned().collect();
            if !new.is_empty() {
                state.asked.extend(new.iter().cloned());
                return Next::Subscribe(new);
            }
            state.filters_changed = false;
        }
        if state.gate_open
            && let Some(message) = state.set_points.pop()
        {
            return Next::Publish(message);
        }
        while state.gate_open || state.leaving {
            let Some(message) = state.outgoing.pop() else {
                break;
            };
            if message.retain || message.queued.elapsed() <= EVENT_LIFETIME {
                return Next::Publish(message);
            }
            debug!(topic = message.topic, "not sent: too old");
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
        if state.leaving { Next::Leave } else { Next::Wait }
    }

    /// Nothing is queued any more; what waits is sent before the farewell, whatever the gate.
    pub(super) fn leave(&self) {
        self.state().leaving = true;
        self.farewell.cancel();
        self.to_send.notify_one();
    }

    // --- the inbox ---

    /// Takes what arrived, in order.
    pub(super) fn take(&self) -> Option<Incoming> {
        self.state().incoming.pop()
    }

    /// The owner has dealt with the `Up` of this session.
    pub(super) fn open_gate(&self, session: u64) {
        let mut state = self.state();
        if session == state.session && self.connected.load(Ordering::Relaxed) {
            state.gate_open = true;
        }
        drop(state);
        self.to_send.notify_one();
    }

    // --- what went wrong ---

    /// Counts a message that is lost and logs it once per topic.
    fn complain(&self, state: &mut State, topic: String, fault: &str) {
        self.dropped.fetch_add(1, Ordering::Relaxed);
        if state.complaints.len() < COMPLAINTS_MAX && state.complaints.insert(topic.clone()) {
            let topic: String = topic.chars().take(200).collect();
            warn!(topic, "{fault}; logged once per topic");
        }
    }

    fn refuse(&self, mut state: MutexGuard<'_, State>, filter: String) {
        let key = Key::Refused(filter.clone());
        if state.incoming.has(&key) || state.incoming.keys() < READINGS_MAX {
            state.incoming.put(key, Incoming::Refused { filter }, 0, Place::Kept);
        }
        drop(state);
        self.to_take.notify_one();
    }

    /// Counts a command that is refused, so that the owner can answer for the topic.
    fn busy(&self, state: &mut State, topic: String) {
        self.busy.fetch_add(1, Ordering::Relaxed);
        let key = Key::Busy(topic.clone());
        if let Some(Incoming::Busy { refused, .. }) = state.incoming.get_mut(&key) {
            *refused = refused.saturating_add(1);
        } else if state.incoming.keys() < READINGS_MAX {
            state.incoming.put(key, Incoming::Busy { topic, refused: 1 }, 0, Place::Kept);
        }
    }
}
