//! One client's session: subscriptions, what waits for it, and the handshakes in both directions.

mod packets;

use std::collections::{BTreeSet, VecDeque};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{DisconnectReasonCode as Reason, Packet};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::config::Limits;
use super::hub::Hub;
use super::message::{self, Draft, Message};
use super::outbox::{Outbox, OutboxLimits};
use super::router::{ActiveLink, Link};
use super::subscriptions::{Grant, Subscriptions, Wish, lower};
use super::users::Identity;
use super::wire::{Turn, Version, Violation, Will, Wire};

/// Messages of QoS 2 that a client may have begun to send without releasing them. A client of
/// MQTT 5 is told so; messages of QoS 1 are acknowledged before the next packet is read.
pub(super) const MAX_UNRELEASED: u16 = 1000;

/// Messages taken from the router before the client's connection has its turn again.
const BATCH: usize = 64;

/// A session. It outlives its connection when the client asked for that.
pub(super) struct Session {
    client: String,
    /// Tells this session from all others of this broker.
    serial: u64,
    /// Seconds that it is kept without a connection; the largest number means for ever.
    pub(super) expiry: u32,
    /// Its time without a connection is over: nobody may come back to it.
    pub(super) is_over: bool,
    /// The will of a client that may still come back in time.
    will: Option<(Will, Instant)>,
    pub(super) identity: Identity,
    hub: Arc<Hub>,
    link: ActiveLink,
    limits: Limits,
    subscriptions: Subscriptions,
    outbox: Outbox,
    replays: VecDeque<Replay>,
    /// Ids of QoS 2 messages that are published and whose PUBREL is outstanding.
    unreleased: BTreeSet<u16>,
    dropped: u64,
    told_refused_topic: bool,
}

/// Retained messages that a subscription still has to get.
struct Replay {
    filter: String,
    wish: Wish,
    /// Topic of the last message looked at.
    after: Option<String>,
    /// Newer values than this arrive live.
    up_to: u64,
}

/// Why a connection ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The client said DISCONNECT; its will is forgotten.
    Goodbye,
    /// The client said DISCONNECT, and that its will is to be published.
    Farewell,
    /// The connection broke, or the client broke a rule and is told which.
    Broken { text: String, reason: Option<Reason> },
    /// Another connection took the session over, or the broker stops.
    Replaced,
}

impl End {
    /// The client broke a rule.
    fn breach(reason: Reason, text: impl Into<String>) -> Self {
        Self::Broken { text: text.into(), reason: Some(reason) }
    }

    fn lost(text: impl Into<String>) -> Self {
        Self::Broken { text: text.into(), reason: None }
    }
}

impl From<Violation> for End {
    fn from(Violation { reason, text }: Violation) -> Self {
        Self::breach(reason, text)
    }
}

impl From<anyhow::Error> for End {
    fn from(error: anyhow::Error) -> Self {
        Self::breach(Reason::UnspecifiedError, format!("{error:#}"))
    }
}

/// What a connection has agreed on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terms {
    /// Zero for none.
    pub(super) keep_alive: Duration,
    /// Messages of QoS 1 and 2 that the client takes at a time.
    pub(super) receive_max: u16,
}

impl Session {
    /// A session without subscriptions.
    pub(super) fn new(
        client: String,
        identity: Identity,
        hub: Arc<Hub>,
        link: ActiveLink,
        limits: Limits,
    ) -> Self {
        let outbox = Outbox::new(OutboxLimits {
            messages: limits.queue_messages,
            bytes: limits.queue_bytes,
            window: limits.inflight,
        });
        Self {
            client,
            serial: hub.next_session(),
            expiry: 0,
            is_over: false,
            will: None,
            identity,
            hub,
            link,
            limits,
            subscriptions: Subscriptions::default(),
            outbox,
            replays: VecDeque::new(),
            unreleased: BTreeSet::new(),
            dropped: 0,
            told_refused_topic: false,
        }
    }

    /// Serves a connection until it ends.
    pub(super) async fn serve(
        &mut self,
        wire: &mut Wire,
        terms: Terms,
        ended: &CancellationToken,
    ) -> End {
        self.will = None;
        self.outbox.begin(usize::from(terms.receive_max), wire.version() == Version::V5);
        // While the client was away, newer values of QoS 0 did not arrive live.
        let last = self.hub.last_number();
        self.replays.iter_mut().for_each(|replay| replay.up_to = last);
        match self.converse(wire, terms.keep_alive, ended).await {
            Ok(never) => match never {},
            Err(end) => end,
        }
    }

    async fn converse(
        &mut self,
        wire: &mut Wire,
        keep_alive: Duration,
        ended: &CancellationToken,
    ) -> Result<std::convert::Infallible, End> {
        let silence = (!keep_alive.is_zero()).then(|| keep_alive.mul_f64(1.5));
        let write_timeout = Duration::from_secs(self.limits.write_timeout_s);
        let (mut heard, mut wrote) = (Instant::now(), Instant::now());
        loop {
            // Packets may already wait from the read that brought CONNECT.
            while let Some(packet) = wire.next_packet()? {
                self.handle(wire, packet).await?;
            }
            let was_writing = wire.is_writing();
            self.fill(wire);
            if !was_writing {
                wrote = Instant::now();
            }
            let stalled = wire.is_writing().then(|| wrote + write_timeout);
            let silent = silence.map(|silence| heard + silence);
            let deadline = stalled.into_iter().chain(silent).min();
            tokio::select! {
                () = ended.cancelled() => return Err(End::Replaced),
                message = self.link.recv() => self.take_with_followers(message?).await?,
                turn = wire.turn() => match turn {
                    Ok(Turn::Read) => heard = Instant::now(),
                    Ok(Turn::Wrote) => wrote = Instant::now(),
                    Ok(Turn::Closed) => return Err(End::lost("closed by the client")),
                    Err(error) => return Err(End::lost(error.to_string().to_lowercase())),
                },
                () = until(deadline) => {
                    return Err(match deadline == stalled {
                        true => End::lost("takes no data"),
                        false => End::breach(Reason::KeepAliveTimeout, "is silent"),
                    });
                }
            }
        }
    }

    /// Keeps the session while its client is away, until another connection takes it over or its
    /// time is over.
    pub(super) async fn wait_for_client(&mut self, ended: &CancellationToken) {
        let seconds = Duration::from_secs(u64::from(self.expiry));
        let over = (self.expiry != u32::MAX).then(|| Instant::now() + seconds);
        loop {
            let will_is_due = self.will.as_ref().map(|(_, at)| *at);
            tokio::select! {
                () = ended.cancelled() => return,
                () = until(over), if over.is_some() => {
                    self.is_over = true;
                    return;
                }
                () = until(will_is_due), if will_is_due.is_some() => {
                    if self.publish_will().await.is_err() {
                        return;
                    }
                }
                message = self.link.recv() => match message {
                    Ok(message) => self.take_offline(message),
                    Err(_) => return,
                },
            }
        }
    }

    /// The client is gone without a goodbye: its will is published now, or when it does not come
    /// back in time, but never later than the end of the session (MQTT 5 §3.1.3.2.2).
    pub(super) async fn leave_will(&mut self, will: Will) -> anyhow::Result<()> {
        let delay = will.delay.min(self.expiry);
        self.will = Some((will, Instant::now() + Duration::from_secs(u64::from(delay))));
        if delay == 0 { self.publish_will().await } else { Ok(()) }
    }

    /// Publishes a will that still waits, if there is one.
    pub(super) async fn publish_will(&mut self) -> anyhow::Result<()> {
        let Some((will, _)) = self.will.take() else {
            return Ok(());
        };
        let Will { topic, payload, qos, retain, properties, .. } = will;
        if !self.identity.rights.may_write(&topic) {
            return Ok(());
        }
        let interval = properties.as_ref().and_then(|said| said.message_expiry_interval);
        let properties = message::encode(properties);
        let message = Message::pack(&Draft {
            topic: &topic,
            payload: &payload,
            qos,
            retain,
            origin: self.serial,
            expires: message::expiry(interval),
            properties: &properties,
        });
        self.publish(message, retain).await
    }

    /// Publishes while reading the session's own link, since its own unread messages may be
    /// what the router waits for.
    pub(super) async fn publish(&mut self, message: Message, retain: bool) -> anyhow::Result<()> {
        let hub = self.hub.clone();
        let mut published = pin!(hub.publish(message, retain));
        loop {
            tokio::select! {
                done = &mut published => return done,
                message = self.link.recv() => self.take(message?),
            }
        }
    }

    /// Leaves the router.
    pub(super) async fn close(self) {
        self.link.detach().await;
    }

    /// A message from the router and those right behind it, so that they leave in one write.
    async fn take_with_followers(&mut self, first: Message) -> anyhow::Result<()> {
        self.take(first);
        for _ in 1..BATCH {
            tokio::select! {
                biased;
                message = self.link.recv() => self.take(message?),
                () = std::future::ready(()) => return Ok(()),
            }
        }
        Ok(())
    }

    /// A message from the router: queued if the client has subscribed to it and may read it.
    fn take(&mut self, message: Message) {
        if let Some(grant) = self.subscriptions.grant(&message, self.serial)
            && self.identity.rights.may_read(message.topic())
        {
            self.offer(message, grant);
        }
    }

    fn take_offline(&mut self, message: Message) {
        if message.qos() != QoS::AtMostOnce
            && let Some(grant) = self.subscriptions.grant(&message, self.serial)
            && grant.qos != QoS::AtMostOnce
            && self.identity.rights.may_read(message.topic())
        {
            self.offer(message, grant);
        }
    }

    fn offer(&mut self, message: Message, grant: Grant) {
        if self.outbox.offer(message, grant, message::now()) {
            return;
        }
        self.hub.count_dropped(1);
        self.dropped += 1;
        if self.dropped == 1 {
            warn!(client = self.client, "client is too slow, its queue is full, messages are lost");
        }
    }

    /// Encodes what may be sent now.
    fn fill(&mut self, wire: &mut Wire) {
        let now = message::now();
        loop {
            self.replay(now);
            let mut sent = 0;
            while wire.has_room()
                && let Some(packet) = self.outbox.next_packet(now)
            {
                sent += 1;
                if wire.takes(&packet) {
                    wire.send(&packet);
                } else if let Packet::Publish(publish) = packet {
                    self.hub.count_dropped(1);
                    self.outbox.give_up(publish.pkid);
                }
            }
            self.hub.counters.sent.fetch_add(sent, Ordering::Relaxed);
            if sent == 0 || self.replays.is_empty() {
                return;
            }
        }
    }

    /// Moves retained messages into the queue while there is room.
    fn replay(&mut self, now: u64) {
        while let Some(replay) = self.replays.front_mut() {
            let room = self.outbox.room_for_replay();
            if room == 0 {
                return;
            }
            let (found, resume) =
                self.hub.retained_after(&replay.filter, replay.after.as_deref(), room);
            for message in found {
                let readable = self.identity.rights.may_read(message.topic());
                let current = message.number() <= replay.up_to && !message.is_expired(now);
                if readable && current {
                    let qos = lower(replay.wish.qos, message.qos());
                    let ids = replay.wish.id.into_iter().collect();
                    self.outbox.replay(message, Grant { qos, retain: true, ids });
                }
            }
            match resume {
                Some(topic) => replay.after = Some(topic),
                None => drop(self.replays.pop_front()),
            }
        }
    }
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
