//! Connects, polls, sends, and starts anew after every error.
//!
//! rumqttc reconnects at once and for ever, keeps what a broken session left behind and blocks its
//! own poller when its channel is full. So every session gets a client of its own that is thrown
//! away with the first error, one task does nothing but poll, and another one fills the channel.

use std::collections::{BTreeMap, BTreeSet};
use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep, timeout_at};
use tracing::{debug, info, warn};

use super::guard::{Heard, Root, farewell};
use super::link::{Client, Events, News, connect};
use super::pump::{Open, Pump};
use super::shared::Shared;
use super::trouble::{End, Trouble, failed};
use crate::config::Mqtt;

/// No acknowledgement for so long while some are due: the session is stuck.
const ACK_MAX: Duration = Duration::from_secs(30);
/// No event at all, not even of our own pings, which leave every 15 s: the peer takes nothing. In
/// MQTT 5 nobody else watches that.
const SILENCE_MAX: Duration = Duration::from_secs(20);
/// Refusals of what we publish that are logged, by topic and reason.
const REFUSALS_MAX: usize = 256;

/// Runs until `kill` or `farewell`.
pub(super) async fn run(shared: Arc<Shared>, server: Mqtt, root: Option<Arc<Root>>) {
    let _ended = shared.ended.clone().drop_guard();
    let id = client_id(&server);
    let mut trouble = Trouble::default();
    loop {
        let flapping = trouble.flapping();
        let (end, lived) = tokio::select! {
            biased;
            () = shared.kill.cancelled() => (End::Told, None),
            () = farewell_unsaid(&shared) => (End::Told, None),
            outcome = attempt(&shared, &server, &id, root.as_ref(), flapping) => outcome,
        };
        shared.shut();
        let (reason, refused) = match end {
            End::Told => return,
            End::Failed { reason, refused } => (reason, refused),
            End::Taken(reason) => {
                shared.taken(reason);
                continue;
            }
        };
        let pause = trouble.pause(lived, refused);
        let (reason, new) = trouble.tell(reason, &id);
        if new {
            let (host, port) = (&server.host, server.port);
            warn!(host, port, "no MQTT broker: {reason}");
        }
        if new || lived.is_some() {
            shared.down(reason);
        }
        tokio::select! {
            () = sleep(pause) => {}
            () = shared.kill.cancelled() => return,
            () = shared.farewell.cancelled() => return,
        }
    }
}

/// Connects and stays connected as long as it goes; says how it ended and how long it lived.
async fn attempt(
    shared: &Arc<Shared>,
    server: &Mqtt,
    id: &str,
    root: Option<&Arc<Root>>,
    flapping: bool,
) -> (End, Option<Duration>) {
    if let Some(root) = root
        && let Err(end) = root.wait_until_free(shared, server, id).await
    {
        return (end, None);
    }
    let status = root.map(|root| root.status.as_str());
    let (client, mut events) = match connect(server, id, status).await {
        Ok(connection) => connection,
        Err(end) => return (end, None),
    };
    let since = Instant::now();
    if flapping {
        debug!("connected to the MQTT broker once more");
    } else {
        let (host, port) = (&server.host, server.port);
        info!(host, port, "connected to the MQTT broker");
    }
    let end = session(shared, client, &mut events, root).await;
    (end, Some(since.elapsed()))
}

/// Without a session there is nobody to say good-bye to; with one, the pump does it.
async fn farewell_unsaid(shared: &Shared) {
    shared.farewell.cancelled().await;
    if shared.connected.load(Ordering::Relaxed) {
        pending::<()>().await;
    }
}

fn client_id(server: &Mqtt) -> String {
    let random = || format!("chargebus-{}", fastrand::u32(..1 << 31));
    server.client_id.clone().filter(|id| !id.is_empty()).unwrap_or_else(random)
}

/// From CONNACK to the first error.
async fn session(
    shared: &Arc<Shared>,
    client: Client,
    events: &mut Events,
    root: Option<&Arc<Root>>,
) -> End {
    shared.up();
    let open = Arc::new(Open::default());
    let pump = Pump {
        shared: Arc::clone(shared),
        client: client.clone(),
        open: Arc::clone(&open),
        root: root.map(Arc::clone),
    };
    let pump = AbortOnDrop(tokio::spawn(pump.run()).abort_handle());
    let mut state = Conversation::new(shared, &open);
    loop {
        let (deadline, stuck) = state.acks.deadline(Instant::now());
        let news = match timeout_at(deadline, events.poll()).await {
            Ok(Ok(news)) => news,
            Ok(Err(cause)) => return cause.lost(),
            Err(_) => return failed(stuck),
        };
        if let News::Message { topic, payload, retain, .. } = &news
            && let Some(root) = root
        {
            match root.heard(topic, payload, *retain, state.since) {
                Heard::Nothing => {}
                Heard::Ours => continue,
                Heard::Offline => {
                    shared.publish(topic.clone(), b"online".to_vec(), true);
                    continue;
                }
                Heard::Another => {
                    drop(pump);
                    farewell(&client, events).await;
                    return End::Taken(root.taken());
                }
            }
        }
        if let Some(end) = state.handle(news) {
            return end;
        }
    }
}

/// What is open on one connection.
struct Conversation<'a> {
    shared: &'a Shared,
    open: &'a Open,
    since: Instant,
    acks: Acks,
    /// Filters by the id of their SUBSCRIBE.
    asked: BTreeMap<u16, Vec<String>>,
    /// Topics by the id of their PUBLISH, where the broker can refuse them.
    published: BTreeMap<u16, String>,
    refusals: BTreeSet<(String, String)>,
}

impl<'a> Conversation<'a> {
    fn new(shared: &'a Shared, open: &'a Open) -> Self {
        let (acks, asked, published, refusals) = Default::default();
        Self { shared, open, since: Instant::now(), acks, asked, published, refusals }
    }

    fn handle(&mut self, news: News) -> Option<End> {
        match news {
            News::Message { topic, payload, retain, reply } => {
                self.shared.receive(topic, payload, retain, reply);
            }
            News::Acknowledged { id, refused } => {
                self.acks.arrived(Instant::now());
                self.open.settle();
                let topic = self.published.remove(&id);
                if let (Some(topic), Some(reason)) = (topic, refused) {
                    self.complain(topic, reason);
                }
            }
            News::Subscribed { id, refused } => self.subscribed(id, refused),
            News::Published(id) => {
                self.acks.due(Instant::now());
                self.shared.count_sent();
                if let Some(topic) = self.open.published() {
                    self.published.insert(id, topic);
                }
            }
            News::Asked(id) => {
                self.asked.insert(id, self.open.leaves());
            }
            News::Left => return Some(End::Told),
            News::Unsubscribed | News::Other => {}
        }
        None
    }

    /// Finds the filters which a SUBACK refuses; `subscribe` itself never fails.
    fn subscribed(&mut self, id: u16, refused: Vec<Option<String>>) {
        let filters = self.asked.remove(&id).unwrap_or_default();
        for (filter, refused) in filters.into_iter().zip(refused) {
            match refused {
                None => debug!(filter, "subscribed"),
                Some(reason) => self.shared.refused(filter, &reason),
            }
        }
    }

    /// A broker that lets us connect and not publish would go unnoticed otherwise.
    fn complain(&mut self, topic: String, reason: String) {
        if self.refusals.len() < REFUSALS_MAX
            && self.refusals.insert((topic.clone(), reason.clone()))
        {
            warn!(topic, "the broker refuses what we publish ({reason}): check its access rules");
        }
    }
}

struct AbortOnDrop(AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Watches that acknowledgements keep coming while some are due.
#[derive(Default)]
struct Acks {
    due: u32,
    progress: Option<Instant>,
}

impl Acks {
    fn due(&mut self, now: Instant) {
        self.due += 1;
        self.progress = self.progress.or(Some(now));
    }

    fn arrived(&mut self, now: Instant) {
        self.due = self.due.saturating_sub(1);
        self.progress = (self.due > 0).then_some(now);
    }

    /// When the next event is due, and what it means that it does not come.
    fn deadline(&self, now: Instant) -> (Instant, &'static str) {
        let silence = (now + SILENCE_MAX, "the broker does not take what we send");
        let acknowledged = self.progress.map(|progress| {
            (progress + ACK_MAX, "the broker does not acknowledge what we publish")
        });
        acknowledged.into_iter().chain([silence]).min_by_key(|(at, _)| *at).unwrap_or(silence)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn acknowledgements_that_are_due_have_a_deadline_of_their_own() {
        let now = Instant::now();
        let mut acks = Acks::default();
        let deadline = |acks: &Acks, after: u64| {
            let now = now + Duration::from_secs(after);
            acks.deadline(now).0
        };
        assert_eq!(deadline(&acks, 0), now + SILENCE_MAX);
        acks.due(now);
        acks.due(now + Duration::from_secs(1));
        assert_eq!(deadline(&acks, 15), now + ACK_MAX);
        acks.arrived(now + Duration::from_secs(2));
        assert_eq!(deadline(&acks, 20), now + Duration::from_secs(2) + ACK_MAX);
        acks.arrived(now + Duration::from_secs(3));
        assert_eq!(deadline(&acks, 3), now + Duration::from_secs(3) + SILENCE_MAX);
    }
}
