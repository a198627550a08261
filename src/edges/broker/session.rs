//! One client's session: subscriptions, what waits for it, and the handshakes in both directions.

use std::collections::{BTreeSet, VecDeque};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rumqttc::mqttbytes::QoS;
use rumqttc::mqttbytes::v4::{
    Packet, PubAck, PubComp, PubRec, PubRel, Publish, SubAck, Subscribe, SubscribeReasonCode,
    UnsubAck, Unsubscribe,
};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use super::config::Limits;
use super::filter;
use super::hub::Hub;
use super::message::Message;
use super::outbox::{Outbox, OutboxLimits};
use super::router::{ActiveLink, Link};
use super::subscriptions::{Subscriptions, lower};
use super::users::Identity;
use super::wire::{Turn, Violation, Wire};

/// Messages of QoS 2 that a client may have begun to send without releasing them.
const MAX_UNRELEASED: usize = 1000;

/// Messages taken from the router before the client's connection has its turn again.
const BATCH: usize = 64;

/// A session. It outlives its connection when the client asked for that.
pub(super) struct Session {
    client: String,
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
    qos: QoS,
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
    /// The connection broke or the client broke a rule.
    Broken(String),
    /// Another connection took the session over, or the broker stops.
    Replaced,
}

impl From<Violation> for End {
    fn from(Violation(text): Violation) -> Self {
        Self::Broken(text)
    }
}

impl From<anyhow::Error> for End {
    fn from(error: anyhow::Error) -> Self {
        Self::Broken(format!("{error:#}"))
    }
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

    /// Serves a connection until it ends. A keep-alive of zero means none.
    pub(super) async fn serve(
        &mut self,
        wire: &mut Wire,
        keep_alive: Duration,
        ended: &CancellationToken,
    ) -> End {
        self.outbox.resend();
        // While the client was away, newer values of QoS 0 did not arrive live.
        let last = self.hub.last_number();
        self.replays.iter_mut().for_each(|replay| replay.up_to = last);
        match self.converse(wire, keep_alive, ended).await {
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
                    Ok(Turn::Closed) => return Err(End::Broken("closed by the client".into())),
                    Err(error) => return Err(End::Broken(error.to_string().to_lowercase())),
                },
                () = until(deadline) => {
                    let why = if deadline == stalled { "takes no data" } else { "is silent" };
                    return Err(End::Broken(why.into()));
                }
            }
        }
    }

    /// Keeps the session while its client is away, until another connection takes it over.
    pub(super) async fn wait_for_client(&mut self, ended: &CancellationToken) {
        loop {
            tokio::select! {
                () = ended.cancelled() => return,
                message = self.link.recv() => match message {
                    Ok(message) => self.take_offline(&message),
                    Err(_) => return,
                },
            }
        }
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
        if let Some(qos) = self.subscriptions.grant(&message)
            && self.identity.rights.may_read(message.topic())
        {
            self.offer(message, qos);
        }
    }

    fn take_offline(&mut self, message: &Message) {
        if message.qos() != QoS::AtMostOnce
            && self.subscriptions.grant(message).is_some_and(|qos| qos != QoS::AtMostOnce)
        {
            self.take(message.clone());
        }
    }

    fn offer(&mut self, message: Message, qos: QoS) {
        if self.outbox.offer(message, qos) {
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
        loop {
            self.replay();
            let mut sent = 0;
            while wire.has_room()
                && let Some(packet) = self.outbox.next_packet()
            {
                wire.send(&packet);
                sent += 1;
            }
            self.hub.counters.sent.fetch_add(sent, Ordering::Relaxed);
            if sent == 0 || self.replays.is_empty() {
                return;
            }
        }
    }

    /// Moves retained messages into the queue while there is room.
    fn replay(&mut self) {
        while let Some(replay) = self.replays.front_mut() {
            let room = self.outbox.room_for_replay();
            if room == 0 {
                return;
            }
            let (found, resume) =
                self.hub.retained_after(&replay.filter, replay.after.as_deref(), room);
            for message in found {
                let readable = self.identity.rights.may_read(message.topic());
                if readable && message.number() <= replay.up_to {
                    let qos = lower(replay.qos, message.qos());
                    self.outbox.replay(message, qos);
                }
            }
            match resume {
                Some(topic) => replay.after = Some(topic),
                None => drop(self.replays.pop_front()),
            }
        }
    }

    async fn handle(&mut self, wire: &mut Wire, packet: Packet) -> Result<(), End> {
        match packet {
            Packet::Publish(publish) => self.handle_publish(wire, publish).await?,
            Packet::PubAck(PubAck { pkid }) => self.outbox.handle_puback(pkid),
            Packet::PubRec(PubRec { pkid }) => {
                self.outbox.handle_pubrec(pkid);
                wire.send(&Packet::PubRel(PubRel { pkid }));
            }
            Packet::PubRel(PubRel { pkid }) => {
                self.unreleased.remove(&pkid);
                wire.send(&Packet::PubComp(PubComp { pkid }));
            }
            Packet::PubComp(PubComp { pkid }) => self.outbox.handle_pubcomp(pkid),
            Packet::Subscribe(subscribe) => self.handle_subscribe(wire, subscribe).await?,
            Packet::Unsubscribe(unsubscribe) => self.handle_unsubscribe(wire, unsubscribe).await?,
            Packet::PingReq => wire.send(&Packet::PingResp),
            Packet::Disconnect => return Err(End::Goodbye),
            Packet::Connect(_) => return Err(End::Broken("second connect".into())),
            Packet::ConnAck(_) | Packet::SubAck(_) | Packet::UnsubAck(_) | Packet::PingResp => {
                return Err(End::Broken("packet that only a broker sends".into()));
            }
        }
        Ok(())
    }

    async fn handle_publish(&mut self, wire: &mut Wire, publish: Publish) -> Result<(), End> {
        let Publish { qos, retain, topic, pkid, payload, .. } = publish;
        if !filter::is_topic(&topic) {
            return Err(End::Broken(format!("publishes to the topic {topic:?}")));
        }
        self.hub.counters.received.fetch_add(1, Ordering::Relaxed);
        // A message of QoS 2 is published at once and its id kept until PUBREL, so that no
        // payload waits for it (MQTT 3.1.1 §4.3.3 leaves that to the receiver).
        let again = qos == QoS::ExactlyOnce && self.unreleased.contains(&pkid);
        if qos == QoS::ExactlyOnce && !again {
            if self.unreleased.len() >= MAX_UNRELEASED {
                return Err(End::Broken("never releases its messages".into()));
            }
            self.unreleased.insert(pkid);
        }
        if !again && self.identity.rights.may_write(&topic) {
            self.publish(Message::new(&topic, &payload, qos), retain).await?;
        } else if !again && !self.told_refused_topic {
            // MQTT 3.1.1 has no way to tell the client, so the message is acknowledged and lost.
            self.told_refused_topic = true;
            let user = self.identity.user.as_deref().unwrap_or("anonymous");
            warn!(client = self.client, user, topic, "publishes to a topic it may not write");
        }
        match qos {
            QoS::AtMostOnce => {}
            QoS::AtLeastOnce => wire.send(&Packet::PubAck(PubAck { pkid })),
            QoS::ExactlyOnce => wire.send(&Packet::PubRec(PubRec { pkid })),
        }
        Ok(())
    }

    async fn handle_subscribe(&mut self, wire: &mut Wire, subscribe: Subscribe) -> Result<(), End> {
        let Subscribe { pkid, filters } = subscribe;
        check_request(pkid, filters.iter().map(|filter| filter.path.as_str()))?;
        let mut accepted: Vec<(String, QoS)> = Vec::new();
        let mut return_codes = Vec::new();
        let mut new = BTreeSet::new();
        for wanted in filters {
            let known = self.subscriptions.contains(&wanted.path) || new.contains(&wanted.path);
            let shared = wanted.path == "$share" || wanted.path.starts_with("$share/");
            let fits = known || self.subscriptions.len() + new.len() < self.limits.filters;
            if !filter::is_filter(&wanted.path) || shared || !fits {
                debug!(client = self.client, filter = wanted.path, "subscription refused");
                return_codes.push(SubscribeReasonCode::Failure);
                continue;
            }
            if !known {
                new.insert(wanted.path.clone());
            }
            return_codes.push(SubscribeReasonCode::Success(wanted.qos));
            accepted.push((wanted.path, wanted.qos));
        }
        let added = accepted.iter().map(|(filter, _)| filter.as_str());
        self.link.follow(self.subscriptions.filters().chain(added)).await?;
        let since = self.hub.last_number();
        wire.send(&Packet::SubAck(SubAck { pkid, return_codes }));
        for (filter, qos) in accepted {
            self.replays.retain(|replay| replay.filter != filter);
            let replay = Replay { filter: filter.clone(), qos, after: None, up_to: since };
            self.replays.push_back(replay);
            self.subscriptions.insert(filter, qos, since);
        }
        Ok(())
    }

    async fn handle_unsubscribe(
        &mut self,
        wire: &mut Wire,
        unsubscribe: Unsubscribe,
    ) -> Result<(), End> {
        let Unsubscribe { pkid, topics } = unsubscribe;
        check_request(pkid, topics.iter().map(String::as_str))?;
        if topics.is_empty() || topics.iter().any(|topic| !filter::is_filter(topic)) {
            return Err(End::Broken("unsubscribes from what cannot be a filter".into()));
        }
        for filter in &topics {
            self.subscriptions.remove(filter);
            self.replays.retain(|replay| replay.filter != *filter);
        }
        self.link.follow(self.subscriptions.filters()).await?;
        wire.send(&Packet::UnsubAck(UnsubAck { pkid }));
        Ok(())
    }
}

fn check_request<'a>(id: u16, mut filters: impl Iterator<Item = &'a str>) -> Result<(), End> {
    if id == 0 {
        return Err(End::Broken("packet id zero".into()));
    }
    match filters.find(|filter| !filter::is_text(filter)) {
        Some(filter) => Err(End::Broken(format!("forbidden character in the filter {filter:?}"))),
        None => Ok(()),
    }
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
