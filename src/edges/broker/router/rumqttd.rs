//! rumqttd's router behind the [`Router`] trait: one local link per session, fixed topics.
//!
//! rumqttd keeps one log per filter for ever, remembers every topic and client id it has seen,
//! copies a message once per overlapping filter, and panics on some topics. So it never sees a
//! name that a client chose: topics travel in [`LANES`] lanes, chosen by their first level, and
//! links are named by a number that is used again. The lanes are disjoint, hence no copies.
//!
//! A log that is full loses its oldest messages, at every QoS. So a lane takes a message only
//! while every link that follows it has read all but the last part of the log.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context, anyhow};
use rumqttd::local::{LinkBuilder, LinkRx, LinkTx};
use rumqttd::protocol::{
    Disconnect, DisconnectReasonCode, Filter, Packet, QoS, RetainForwardRule, Subscribe,
    Unsubscribe,
};
use rumqttd::{Notification, RouterConfig};
use tokio::sync::Notify;
use tokio::sync::futures::Notified;

use super::{Link, Refused, Router};
use crate::edges::broker::filter::{LANES, lane, lanes};
use crate::edges::broker::message::Message;

/// The only topics and filters that rumqttd sees.
const LANE_TOPICS: [&str; LANES] =
    ["lane/0", "lane/1", "lane/2", "lane/3", "lane/4", "lane/5", "lane/6", "lane/7"];

/// Segments of a log that are not filled: the one being written and the one about to be dropped.
const SPARE_SEGMENTS: usize = 2;

/// Makes a link of the given name. The type of rumqttd's sender cannot be named outside of it.
type Connect = dyn Fn(&str) -> anyhow::Result<(LinkTx, LinkRx)> + Send + Sync;

/// rumqttd's router in its own thread.
///
/// The thread cannot be ended from outside; it idles when the last link is gone.
pub(in crate::edges::broker) struct RumqttdRouter {
    shared: Arc<Shared>,
}

struct Shared {
    connect: Arc<Connect>,
    /// The publishing link and what it has published.
    input: Mutex<Input>,
    /// Signals that a follower has read on.
    room: Notify,
    /// Names of links that are free to be used again.
    names: Mutex<Names>,
}

struct Input {
    link: LinkTx,
    lanes: [Lane; LANES],
    /// Number of the last message.
    last: u64,
    /// Bytes that may wait in a log; less than what rumqttd keeps.
    window: u64,
}

#[derive(Default)]
struct Lane {
    /// Number of the last message in this lane.
    last: u64,
    followers: Vec<Arc<Progress>>,
}

/// How far a link has read each lane.
#[derive(Default)]
struct Progress([AtomicU64; LANES]);

#[derive(Default)]
struct Names {
    next: usize,
    free: Vec<usize>,
}

impl RumqttdRouter {
    /// Starts the router's thread.
    ///
    /// # Errors
    /// When the router does not answer.
    pub(in crate::edges::broker) fn start(config: RouterConfig) -> anyhow::Result<Self> {
        let segments = config.max_segment_count.saturating_sub(SPARE_SEGMENTS).max(1);
        let window = (config.max_segment_size * segments) as u64;
        let events = rumqttd::Router::new(0, config).spawn();
        let connect: Arc<Connect> = Arc::new(move |name: &str| {
            let (tx, rx, _) = LinkBuilder::new(name, events.clone()).build()?;
            Ok((tx, rx))
        });
        let (link, _) = connect("input").context("the message router does not start")?;
        let input = Input { link, lanes: Default::default(), last: 0, window };
        Ok(Self {
            shared: Arc::new(Shared {
                connect,
                input: Mutex::new(input),
                room: Notify::new(),
                names: Mutex::new(Names::default()),
            }),
        })
    }
}

impl Router for RumqttdRouter {
    type Link = RumqttdLink;

    async fn attach(&self) -> anyhow::Result<RumqttdLink> {
        let name = lock(&self.shared.names).take();
        let connect = self.shared.connect.clone();
        // Building a link waits for the router's thread to answer.
        let built = tokio::task::spawn_blocking(move || connect(&name.to_string())).await;
        match built.map_err(anyhow::Error::from).flatten() {
            Ok((tx, rx)) => Ok(RumqttdLink {
                shared: self.shared.clone(),
                name,
                tx,
                rx,
                progress: Arc::default(),
                follows: [false; LANES],
                early: VecDeque::new(),
            }),
            Err(error) => {
                lock(&self.shared.names).free.push(name);
                Err(error.context("the message router takes no more clients"))
            }
        }
    }

    fn try_publish(&self, message: &Message) -> Result<(), Refused> {
        let mut input = lock(&self.shared.input);
        let at = lane(message.topic());
        let cost = message.cost() as u64;
        let (last, window) = (input.last, input.window);
        let lane = &mut input.lanes[at];
        let busy = lane.followers.iter().any(|progress| {
            let read = progress.0[at].load(Ordering::Acquire);
            read < lane.last && last.saturating_sub(read) + cost > window
        });
        if busy {
            return Err(Refused::Busy);
        }
        lane.last = message.number();
        let heard = !lane.followers.is_empty();
        input.last = message.number();
        if heard {
            // This waits only while rumqttd's queue of a thousand events is full. Its thread
            // never waits for us, and the window keeps us from filling it.
            let block = message.clone().into_block();
            input.link.publish(LANE_TOPICS[at], block).map_err(|_| Refused::Gone)?;
        }
        Ok(())
    }

    fn room(&self) -> Notified<'_> {
        self.shared.room.notified()
    }
}

impl Names {
    fn take(&mut self) -> usize {
        self.free.pop().unwrap_or_else(|| {
            self.next += 1;
            self.next
        })
    }
}

/// A session's local link to rumqttd.
pub(in crate::edges::broker) struct RumqttdLink {
    shared: Arc<Shared>,
    name: usize,
    tx: LinkTx,
    rx: LinkRx,
    progress: Arc<Progress>,
    follows: [bool; LANES],
    /// Messages that arrived while waiting for an acknowledgement; at most a window per lane.
    early: VecDeque<Message>,
}

/// What the router said.
enum Said {
    Message(Message),
    Subscribed,
    Unsubscribed,
    Nothing,
}

impl RumqttdLink {
    /// Waits for the router's next word. Dropping the future loses nothing.
    async fn hear(&mut self) -> anyhow::Result<Said> {
        let heard = self.rx.next().await.map_err(|_| anyhow!("the message router is gone"))?;
        let Some(notification) = heard else {
            return Ok(Said::Nothing);
        };
        if matches!(notification, Notification::Unschedule) {
            // The router sends nothing more until it is told exactly once to go on.
            self.rx.ready()?;
            return Ok(Said::Nothing);
        }
        Ok(match Option::<Packet>::from(notification) {
            Some(Packet::Publish(publish, _)) => match Message::from_block(publish.payload) {
                Some(message) => {
                    self.advance(&message);
                    Said::Message(message)
                }
                None => Said::Nothing,
            },
            Some(Packet::SubAck(..)) => Said::Subscribed,
            Some(Packet::UnsubAck(..)) => Said::Unsubscribed,
            // Of the other packets a link gets only CONNACK.
            Some(_) | None => Said::Nothing,
        })
    }

    /// Lets the lane of this message move on.
    fn advance(&self, message: &Message) {
        let at = lane(message.topic());
        self.progress.0[at].fetch_max(message.number(), Ordering::AcqRel);
        self.shared.room.notify_waiters();
    }

    async fn hear_until(&mut self, wanted: fn(&Said) -> bool) -> anyhow::Result<()> {
        loop {
            let said = self.hear().await?;
            let found = wanted(&said);
            if let Said::Message(message) = said {
                self.early.push_back(message);
            }
            if found {
                return Ok(());
            }
        }
    }

    async fn join(&mut self, added: &[usize]) -> anyhow::Result<()> {
        let filters = added.iter().map(|at| Filter {
            path: LANE_TOPICS[*at].to_owned(),
            qos: QoS::AtMostOnce,
            nolocal: false,
            preserve_retain: false,
            retain_forward_rule: RetainForwardRule::Never,
        });
        let subscribe = Subscribe { pkid: 0, filters: filters.collect() };
        self.tx.send(Packet::Subscribe(subscribe, None)).await?;
        self.hear_until(|said| matches!(said, Said::Subscribed)).await?;
        let mut input = lock(&self.shared.input);
        for at in added {
            let lane = &mut input.lanes[*at];
            // Earlier messages may or may not arrive, so they are not waited for.
            self.progress.0[*at].fetch_max(lane.last, Ordering::AcqRel);
            lane.followers.push(self.progress.clone());
            self.follows[*at] = true;
        }
        Ok(())
    }

    async fn leave(&mut self, removed: &[usize]) -> anyhow::Result<()> {
        {
            let mut input = lock(&self.shared.input);
            for at in removed {
                let followers = &mut input.lanes[*at].followers;
                followers.retain(|progress| !Arc::ptr_eq(progress, &self.progress));
                self.follows[*at] = false;
            }
        }
        self.shared.room.notify_waiters();
        let filters = removed.iter().map(|at| LANE_TOPICS[*at].to_owned()).collect();
        let unsubscribe = Unsubscribe { pkid: 0, filters };
        self.tx.send(Packet::Unsubscribe(unsubscribe, None)).await?;
        self.hear_until(|said| matches!(said, Said::Unsubscribed)).await
    }
}

impl Link for RumqttdLink {
    async fn follow<'a>(
        &mut self,
        filters: impl Iterator<Item = &'a str> + Send,
    ) -> anyhow::Result<()> {
        let mut wanted = [false; LANES];
        for filter in filters {
            for (at, selected) in lanes(filter).into_iter().enumerate() {
                wanted[at] |= selected;
            }
        }
        let change = |from: &[bool; LANES], to: &[bool; LANES]| -> Vec<usize> {
            (0..LANES).filter(|at| !from[*at] && to[*at]).collect()
        };
        let (added, removed) = (change(&self.follows, &wanted), change(&wanted, &self.follows));
        if !added.is_empty() {
            self.join(&added).await?;
        }
        if !removed.is_empty() {
            self.leave(&removed).await?;
        }
        Ok(())
    }

    async fn recv(&mut self) -> anyhow::Result<Message> {
        if let Some(message) = self.early.pop_front() {
            return Ok(message);
        }
        loop {
            if let Said::Message(message) = self.hear().await? {
                return Ok(message);
            }
        }
    }

    async fn detach(mut self) {
        // rumqttd may stumble over a link that ends while it has something to read, so the link
        // first comes to rest.
        let rested = self.follow(std::iter::empty()).await;
        let reason_code = DisconnectReasonCode::NormalDisconnection;
        let bye = Packet::Disconnect(Disconnect { reason_code }, None);
        if rested.is_ok() && self.tx.send(bye).await.is_ok() {
            lock(&self.shared.names).free.push(self.name);
        }
    }
}

impl Drop for RumqttdLink {
    /// A link that was dropped without [`Link::detach`] must not hold up its lanes.
    fn drop(&mut self) {
        let mut input = lock(&self.shared.input);
        for lane in &mut input.lanes {
            lane.followers.retain(|progress| !Arc::ptr_eq(progress, &self.progress));
        }
        drop(input);
        self.shared.room.notify_waiters();
    }
}

/// Locks for a moment; nothing awaits or panics while holding one of these locks.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
