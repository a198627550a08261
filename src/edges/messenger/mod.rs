//! Tells people what happened (plans-vehicles-devices.md §9.1). Every service has a task and a queue
//! of its own: one that hangs delays no other, and never the loop. Ours beside evcc's: messages that
//! are not taken are sent again for a while (W-42).

mod service;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, info, warn};

use crate::api::Occasion;
use crate::api::metrics::Figure;
use crate::config::{EventText, Messaging};
use crate::model::EventKind;

use super::backlog::Backlog;
use super::backoff::Backoff;
use super::devices::Publish;
use super::fetch::Fetch;
use super::figures::Source;
use service::{Trouble, Way};

/// Messages that wait for a service; the oldest go.
const MESSAGES_MAX: usize = 32;
/// What nobody took in this time is no news any more.
const NEWS_FOR: Duration = Duration::from_secs(1800);

/// What people are to read.
#[derive(Clone, Debug)]
struct Message {
    title: String,
    msg: String,
    at: Instant,
}

/// The loop's side.
pub(super) struct Messenger {
    texts: BTreeMap<String, EventText>,
    queues: Vec<Arc<Backlog<Message>>>,
}

impl Messenger {
    /// Starts a task for every service; the source tells how many messages wait for each.
    pub(super) fn start(
        messaging: &Messaging,
        fetch: &Fetch,
        bus: &Arc<dyn Publish>,
        tasks: &TaskTracker,
        stop: &CancellationToken,
    ) -> (Self, Source) {
        let mut queues = Vec::new();
        let mut named = Vec::new();
        for (number, service) in (1..).zip(&messaging.services) {
            let name = format!("{number} {}", service.name);
            let queue = Arc::new(Backlog::new(MESSAGES_MAX));
            let way = Way::new(&service.carrier, fetch.clone(), Arc::clone(bus));
            let task = carry(name.clone(), way, Arc::clone(&queue));
            tasks.spawn(stop.clone().run_until_cancelled_owned(task));
            queues.push(Arc::clone(&queue));
            named.push((name, queue));
        }
        let source = Box::new(move || {
            let figure = |(name, queue): &(String, Arc<Backlog<Message>>)| Figure {
                name: "messages_waiting",
                help: "Messages that wait for a service.",
                counter: false,
                label: Some(("service", name.clone())),
                value: queue.weight() as f64,
            };
            named.iter().map(figure).collect()
        });
        (Self { texts: messaging.events.clone(), queues }, source)
    }

    /// Tells people of an event, if they want to hear of it; never waits.
    pub(super) fn tell(&self, kind: EventKind, occasion: &Occasion) {
        let Some(text) = self.texts.get(kind.as_str()).filter(|text| !text.disabled) else {
            return;
        };
        let (title, msg) = (occasion.text(&text.title), occasion.text(&text.msg));
        if msg.trim().is_empty() {
            return;
        }
        let message = Message { title, msg, at: Instant::now() };
        for queue in &self.queues {
            if queue.push(message.clone(), 1) > 0 {
                warn!("too many messages wait: the oldest is lost");
            }
        }
    }
}

/// Carries the messages of one service, one after the other.
async fn carry(name: String, way: Way, queue: Arc<Backlog<Message>>) {
    loop {
        let message = queue.next().await;
        let mut backoff = Backoff::new();
        loop {
            match way.carry(&message.title, &message.msg).await {
                Ok(()) => {
                    debug!(service = name, "message sent");
                    break;
                }
                Err(Trouble::Refused(why)) => {
                    warn!("service {name} refuses a message: {why}");
                    break;
                }
                Err(Trouble::Away(why)) if message.at.elapsed() >= NEWS_FOR => {
                    warn!("service {name} took no message for half an hour, it is lost: {why}");
                    break;
                }
                Err(Trouble::Away(why)) => {
                    info!("service {name} takes no message, trying again: {why}");
                    sleep(backoff.pause()).await;
                }
            }
        }
    }
}
