//! What is said while another service has our root, by the connection that looks at it.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::shared::Outgoing;
use super::topic::valid_topic;

/// The newest that is to be said; one that is not said before the root is ours never is.
#[derive(Default)]
pub(super) struct Notice {
    waiting: Mutex<Option<Outgoing>>,
    left: Notify,
}

impl Notice {
    /// Leaves something to be said.
    pub(super) fn leave(&self, topic: String, payload: Vec<u8>) {
        if valid_topic(&topic) {
            *self.waiting() = Some(Outgoing::new(topic, payload.into(), false));
            self.left.notify_one();
        }
    }

    /// Waits for something to say. Cancel safe.
    pub(super) async fn next(&self) -> Outgoing {
        loop {
            let waiting = self.waiting().take();
            match waiting {
                Some(notice) => return notice,
                None => self.left.notified().await,
            }
        }
    }

    /// The root is ours: there is nothing to be said of somebody else's.
    pub(super) fn forget(&self) {
        *self.waiting() = None;
    }

    fn waiting(&self) -> MutexGuard<'_, Option<Outgoing>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
