//! Fills the client's short channel: subscriptions first, then `online`, then whatever waits.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

use super::guard::Root;
use super::link::{Client, Closed};
use super::shared::{Next, Outgoing, Shared};

/// Filters in one SUBSCRIBE.
const FILTERS_PER_PACKET: usize = 64;

/// What was put into the channel and is not answered yet; the poller settles it.
#[derive(Default)]
pub(super) struct Open {
    subscriptions: Mutex<VecDeque<Vec<String>>>,
    /// Topics on their way to a broker that can refuse them.
    topics: Mutex<VecDeque<String>>,
    publishes: AtomicU32,
    settled: Notify,
}

impl Open {
    fn ask(&self, filters: Vec<String>) {
        let mut waiting = self.subscriptions.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.push_back(filters);
    }

    fn publish(&self, topic: String) {
        self.topics.lock().unwrap_or_else(PoisonError::into_inner).push_back(topic);
    }

    /// The filters of the SUBSCRIBE that leaves now; they leave in order.
    pub(super) fn leaves(&self) -> Vec<String> {
        let mut waiting = self.subscriptions.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.pop_front().unwrap_or_default()
    }

    /// The topic of the PUBLISH that leaves now, if it can be refused; they leave in order.
    pub(super) fn published(&self) -> Option<String> {
        self.topics.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }

    /// A publish is acknowledged.
    pub(super) fn settle(&self) {
        if self.publishes.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.settled.notify_one();
        }
    }
}

/// One session's sender.
pub(super) struct Pump {
    pub(super) shared: Arc<Shared>,
    pub(super) client: Client,
    pub(super) open: Arc<Open>,
    /// Where our status stands.
    pub(super) root: Option<Arc<Root>>,
}

impl Pump {
    /// Until the farewell, or until the session is over.
    pub(super) async fn run(self) -> Result<(), Closed> {
        let mut announced = false;
        loop {
            let next = self.shared.next_to_send(FILTERS_PER_PACKET);
            let subscribing = matches!(next, Next::Subscribe(_) | Next::Unsubscribe(_));
            if !announced && !subscribing {
                announced = true;
                self.say("online").await?;
            }
            match next {
                Next::Subscribe(filters) => self.subscribe(filters).await?,
                Next::Unsubscribe(filters) => {
                    for filter in filters {
                        self.client.unsubscribe(filter).await?;
                    }
                }
                Next::Publish(message) => self.publish(message).await?,
                Next::Wait => self.shared.to_send.notified().await,
                Next::Leave => return self.leave().await,
            }
        }
    }

    async fn subscribe(&self, filters: Vec<String>) -> Result<(), Closed> {
        self.open.ask(filters.clone());
        self.client.subscribe(&filters).await
    }

    async fn publish(&self, message: Outgoing) -> Result<(), Closed> {
        if !self.client.takes(&message) {
            self.shared.too_large(message.topic);
            return Ok(());
        }
        if let Some(root) = &self.root {
            root.tell(&message);
        }
        if self.client.hears_refusals() {
            self.open.publish(message.topic.clone());
        }
        self.open.publishes.fetch_add(1, Ordering::Relaxed);
        self.client.publish(message).await
    }

    async fn say(&self, text: &'static str) -> Result<(), Closed> {
        match &self.root {
            Some(root) => self.publish(Outgoing::new(root.status.clone(), text.into(), true)).await,
            None => Ok(()),
        }
    }

    /// Disconnects after the last acknowledgement: with unread ones the socket would be reset, and
    /// the broker would lose what it has not read yet.
    async fn leave(&self) -> Result<(), Closed> {
        self.say("offline").await?;
        while self.open.publishes.load(Ordering::Relaxed) > 0 {
            self.open.settled.notified().await;
        }
        self.client.disconnect().await
    }
}
