//! Fills the client's short channel: subscriptions first, then `online`, then whatever waits.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use rumqttc::{AsyncClient, ClientError, QoS, SubscribeFilter};
use tokio::sync::Notify;

use super::shared::{Next, Shared};

/// Filters in one SUBSCRIBE.
const FILTERS_PER_PACKET: usize = 64;

/// What was put into the channel and is not answered yet; the poller settles it.
#[derive(Default)]
pub(super) struct Open {
    subscriptions: Mutex<VecDeque<Vec<String>>>,
    publishes: AtomicU32,
    settled: Notify,
}

impl Open {
    /// The filters of the SUBSCRIBE that leaves now; they leave in order.
    pub(super) fn leaves(&self) -> Vec<String> {
        let mut waiting = self.subscriptions.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.pop_front().unwrap_or_default()
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
    pub(super) client: AsyncClient,
    pub(super) open: Arc<Open>,
    /// The topic of our status.
    pub(super) status: Option<String>,
}

impl Pump {
    /// Until the farewell, or until the session is over.
    pub(super) async fn run(self) -> Result<(), ClientError> {
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
                Next::Publish(message) => {
                    self.publish(message.topic, message.payload, message.retain).await?;
                }
                Next::Wait => self.shared.to_send.notified().await,
                Next::Leave => return self.leave().await,
            }
        }
    }

    async fn subscribe(&self, filters: Vec<String>) -> Result<(), ClientError> {
        let packet: Vec<_> = filters
            .iter()
            .map(|filter| SubscribeFilter::new(filter.clone(), QoS::AtLeastOnce))
            .collect();
        self.open.subscriptions.lock().unwrap_or_else(PoisonError::into_inner).push_back(filters);
        self.client.subscribe_many(packet).await
    }

    async fn publish(
        &self,
        topic: String,
        payload: Bytes,
        retain: bool,
    ) -> Result<(), ClientError> {
        self.open.publishes.fetch_add(1, Ordering::Relaxed);
        self.client.publish_bytes(topic, QoS::AtLeastOnce, retain, payload).await
    }

    async fn say(&self, text: &'static str) -> Result<(), ClientError> {
        match &self.status {
            Some(topic) => self.publish(topic.clone(), text.into(), true).await,
            None => Ok(()),
        }
    }

    /// Disconnects after the last acknowledgement: with unread ones the socket would be reset, and
    /// the broker would lose what it has not read yet.
    async fn leave(&self) -> Result<(), ClientError> {
        self.say("offline").await?;
        while self.open.publishes.load(Ordering::Relaxed) > 0 {
            self.open.settled.notified().await;
        }
        self.client.disconnect().await
    }
}
