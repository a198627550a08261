//! Whether another service publishes below our root (api.md §1.4): two would delete each other's
//! topics and command the same chargers.
//!
//! Before every session a connection without last will looks at `<root>/status` and
//! `<root>/updated`. Whoever is `online` there and has been heard of within two minutes has the
//! root; we wait until it says `offline`, as its last will does, or is silent for long. What a broker
//! kept may be from before a power cut, our own words even, so it counts only until the next sign of
//! life is due. During a session nobody but us may write
//! `updated`; if somebody does we leave, without a word that could be taken for the other's.
//!
//! While we wait the connection that looks says that we do, on `<root>/events`: an event is not
//! retained, so that nothing of ours stays among the other's topics.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::{Instant, timeout, timeout_at};
use tracing::warn;

use super::link::{Client, Events, News, connect};
use super::shared::{Outgoing, Shared};
use super::topic::valid_topic;
use super::trouble::End;
use crate::config::{Mqtt, Takeover};

/// What a service said last may be so old for it to be there.
const FRESH: Duration = Duration::from_secs(120);
/// A service that was heard is gone when it is silent for so long, whatever its status says.
const PATIENCE: Duration = Duration::from_secs(900);
/// A service that is there gives a sign of life within this time: evcc and we do every 30 s.
const SIGN_OF_LIFE: Duration = Duration::from_secs(45);
/// How long a broker has to show us what is retained.
const LOOK_MAX: Duration = Duration::from_secs(2);
/// How long a service that we take the root from may go on.
const TAKEOVER_GRACE: Duration = Duration::from_secs(180);
/// How long the farewell of a connection may take that leaves the root to another service.
const FAREWELL_MAX: Duration = Duration::from_secs(1);
/// Values of `<root>/updated` that are remembered as ours.
const TOLD_MAX: usize = 64;

/// Our root, and what we have said about it.
pub(super) struct Root {
    name: String,
    pub(super) status: String,
    pub(super) updated: String,
    /// The root is wanted at once, whoever has it.
    takeover: AtomicBool,
    /// And nobody else can have it.
    always: bool,
    /// Another service was heard a moment ago.
    superseded: AtomicBool,
    warned: AtomicBool,
    told: Mutex<VecDeque<Vec<u8>>>,
}

/// What a message says about our root.
pub(super) enum Heard {
    /// Nothing.
    Nothing,
    /// Our own words, or old ones.
    Ours,
    /// That we are gone, which is not so.
    Offline,
    /// That another service is there.
    Another,
}

impl Root {
    /// `None` without a root, or when no topic can be below it.
    pub(super) fn new(name: &str, takeover: Takeover) -> Option<Self> {
        if name.is_empty() {
            return None;
        }
        let status = format!("{name}/status");
        if !valid_topic(&status) {
            warn!(topic = status, "no status is published: mqtt.topic is not a topic");
            return None;
        }
        Some(Self {
            name: name.to_owned(),
            status,
            updated: format!("{name}/updated"),
            takeover: matches!(takeover, Takeover::Once | Takeover::Always).into(),
            always: takeover == Takeover::Always,
            superseded: (takeover == Takeover::Superseded).into(),
            warned: false.into(),
            told: Mutex::default(),
        })
    }

    /// Remembers what goes out as ours.
    pub(super) fn tell(&self, message: &Outgoing) {
        if message.topic == self.updated {
            let mut told = self.told();
            if told.len() >= TOLD_MAX {
                told.pop_front();
            }
            told.push_back(message.payload.to_vec());
        }
    }

    /// Listens during a session that began at `since`.
    pub(super) fn heard(&self, topic: &str, payload: &[u8], retain: bool, since: Instant) -> Heard {
        if topic == self.status {
            return match payload == b"offline" && !retain {
                true => Heard::Offline,
                false => Heard::Ours,
            };
        }
        if topic != self.updated {
            return Heard::Nothing;
        }
        if retain || payload.is_empty() || self.is_ours(payload) {
            return Heard::Ours;
        }
        let patient = self.always || since.elapsed() < TAKEOVER_GRACE;
        if self.takeover.load(Ordering::Relaxed) && patient {
            if !self.warned.swap(true, Ordering::Relaxed) {
                warn!(root = self.name, "another service publishes on our root: stop it");
            }
            return Heard::Ours;
        }
        // Whoever has left the root to another service does not take it back by force.
        self.takeover.store(false, Ordering::Relaxed);
        self.superseded.store(true, Ordering::Relaxed);
        Heard::Another
    }

    /// Why we leave the root alone, and the remedy.
    pub(super) fn taken(&self) -> String {
        format!(
            "another service is online below `{}`: stop it, give this one another mqtt.topic, or \
             write mqtt.takeover: true to take its place",
            self.name
        )
    }

    fn is_ours(&self, payload: &[u8]) -> bool {
        self.told().iter().any(|told| told == payload)
    }

    fn told(&self) -> MutexGuard<'_, VecDeque<Vec<u8>>> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns when the root is free, or when that cannot be seen.
    pub(super) async fn wait_until_free(
        &self,
        shared: &Shared,
        server: &Mqtt,
        id: &str,
    ) -> Result<(), End> {
        if self.takeover.load(Ordering::Relaxed) {
            return Ok(());
        }
        // Another id than the session's, so that looking never ends anybody's session.
        let (client, mut events) = match connect(server, &format!("{id}-look"), None).await {
            Ok(connection) => connection,
            // The proper connection is told whether it is this one's id that is not welcome.
            Err(End::Failed { refused: true, .. }) => return Ok(()),
            Err(end) => return Err(end),
        };
        let outcome = self.look(shared, &client, &mut events).await;
        farewell(&client, &mut events).await;
        outcome
    }

    async fn look(&self, shared: &Shared, client: &Client, events: &mut Events) -> Result<(), End> {
        let filters = [self.status.clone(), self.updated.clone()];
        let _ = client.subscribe(&filters).await;
        let (mut seen, mut looking, mut told) = (Seen::default(), true, false);
        let look_until = Instant::now() + LOOK_MAX;
        loop {
            let taken_until = seen.taken_until();
            let until = match (looking, taken_until) {
                (true, _) => look_until,
                (false, Some(until)) => until,
                (false, None) => return Ok(()),
            };
            if !looking && !told {
                told = true;
                shared.taken(self.taken());
            }
            let event = tokio::select! {
                event = timeout_at(until, events.poll()) => event,
                notice = shared.notice.next(), if told => {
                    // Nobody has to hear it.
                    let _ = client.publish(notice).await;
                    continue;
                }
            };
            match event {
                Err(_) => looking = false,
                Ok(Err(cause)) => return Err(cause.lost()),
                Ok(Ok(News::Subscribed { refused, .. })) => {
                    if refused.iter().any(Option::is_some) {
                        return Ok(());
                    }
                    // What is retained has arrived when this is answered.
                    let _ = client.unsubscribe(format!("{}/-", self.updated)).await;
                }
                Ok(Ok(News::Unsubscribed)) => looking = false,
                Ok(Ok(News::Message { topic, payload, retain, .. })) => {
                    if topic == self.status {
                        seen.online = &payload[..] == b"online";
                    } else if topic == self.updated && !self.is_ours(&payload) {
                        let live = !retain || self.superseded.load(Ordering::Relaxed);
                        seen.updated(&payload, live);
                    }
                }
                Ok(Ok(_)) => {}
            }
        }
    }
}

/// What is known of the one who has the root.
#[derive(Default)]
struct Seen {
    online: bool,
    alive_until: Option<Instant>,
}

impl Seen {
    /// A kept time is as old as it says; a live one is of now, whatever clock it is from.
    fn updated(&mut self, payload: &[u8], live: bool) {
        let left = match live {
            true => Some(PATIENCE),
            false => age(payload)
                .and_then(|age| FRESH.checked_sub(age))
                .map(|left| left.min(SIGN_OF_LIFE)),
        };
        self.alive_until = left.map(|left| Instant::now() + left);
    }

    fn taken_until(&self) -> Option<Instant> {
        self.alive_until.filter(|until| self.online && *until > Instant::now())
    }
}

/// How far a time in unix seconds is from now.
fn age(payload: &[u8]) -> Option<Duration> {
    let seconds: u64 = std::str::from_utf8(payload).ok()?.parse().ok()?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?.as_secs();
    Some(Duration::from_secs(now.abs_diff(seconds)))
}

/// Disconnects without a word about our status, so that no last will is sent.
pub(super) async fn farewell(client: &Client, events: &mut Events) {
    let _ = timeout(FAREWELL_MAX, async {
        let mut said = std::pin::pin!(client.disconnect());
        let mut waiting = true;
        loop {
            tokio::select! {
                result = &mut said, if waiting => match result {
                    Ok(()) => waiting = false,
                    Err(_) => return,
                },
                event = events.poll() => if matches!(event, Ok(News::Left) | Err(_)) {
                    return;
                },
            }
        }
    })
    .await;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root(takeover: Takeover) -> Root {
        Root::new("evcc", takeover).unwrap()
    }

    fn say(root: &Root, updated: &str) {
        root.tell(&Outgoing::new("evcc/updated".to_owned(), updated.to_owned().into(), true));
    }

    #[tokio::test(start_paused = true)]
    async fn only_a_strange_time_that_is_told_now_is_another_service() {
        let (root, now) = (root(Takeover::Never), Instant::now());
        say(&root, "100");
        let heard =
            |topic, payload: &str, retain| root.heard(topic, payload.as_bytes(), retain, now);
        assert!(matches!(heard("evcc/updated", "100", false), Heard::Ours));
        assert!(matches!(heard("evcc/updated", "99", true), Heard::Ours));
        assert!(matches!(heard("evcc/updated", "99", false), Heard::Another));
        assert!(matches!(heard("evcc/status", "offline", true), Heard::Ours));
        assert!(matches!(heard("evcc/status", "offline", false), Heard::Offline));
        assert!(matches!(heard("evcc/site/power", "99", false), Heard::Nothing));
    }

    #[tokio::test(start_paused = true)]
    async fn who_takes_over_gives_the_other_time_once() {
        let (root, since) = (root(Takeover::Once), Instant::now());
        let heard = || root.heard("evcc/updated", b"99", false, since);
        assert!(matches!(heard(), Heard::Ours));
        tokio::time::advance(TAKEOVER_GRACE).await;
        assert!(matches!(heard(), Heard::Another));
        assert!(!root.takeover.load(Ordering::Relaxed));
        // On a broker of our own nobody else is let in.
        let root = super::tests::root(Takeover::Always);
        assert!(matches!(root.heard("evcc/updated", b"99", false, since), Heard::Ours));
    }

    #[tokio::test(start_paused = true)]
    async fn the_root_is_free_when_its_owner_is_offline_or_silent() {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let mut seen = Seen { online: true, alive_until: None };
        for (age, live, taken) in
            [(0, false, true), (110, false, true), (130, false, false), (9999, true, true)]
        {
            seen.updated((now - age).to_string().as_bytes(), live);
            assert_eq!(seen.taken_until().is_some(), taken, "{age} s, {live}");
        }
        seen.updated(b"yesterday", false);
        assert!(seen.taken_until().is_none());
        // What is kept counts until the next sign of life is due, what is heard for long.
        for (live, patience) in [(false, SIGN_OF_LIFE), (true, PATIENCE)] {
            seen.updated(now.to_string().as_bytes(), live);
            tokio::time::advance(patience - Duration::from_secs(1)).await;
            assert!(seen.taken_until().is_some());
            tokio::time::advance(Duration::from_secs(1)).await;
            assert!(seen.taken_until().is_none());
        }
    }
}
