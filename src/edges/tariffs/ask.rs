//! Prices and forecasts over HTTP: a task per provider asks for ever, so that a provider that is
//! silent delays nobody and is heard again when it is back (plans-vehicles-devices.md §2.6, W-10).

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::sleep;

use super::{Getter, What, said};
use crate::config::HttpRequest;
use crate::edges::backoff;
use crate::edges::fetch::Fetch;

/// First pause after no answer; it doubles with every further one.
const FIRST: Duration = Duration::from_secs(1);
/// First pause after an answer that cannot be used: the provider is there, and may have had enough.
const REFUSED: Duration = Duration::from_secs(60);
/// Longest pause after failures, where nothing longer is usual.
const LONGEST: Duration = Duration::from_secs(900);

/// Whom one tariff asks, and for what.
pub struct Provider {
    /// Position of the tariff.
    pub(super) feed: usize,
    pub(super) request: HttpRequest,
    pub(super) getter: Getter,
    /// Between two answers.
    pub(super) interval: Duration,
    /// Before the first question: what was heard before a restart may be young enough.
    pub(super) wait: Duration,
}

/// News of a tariff.
pub enum Reply {
    /// What a provider said.
    Said(Said),
    /// What was heard so far is not to be kept.
    Forget,
}

/// What a provider said, or why it said nothing that can be used.
pub struct Said {
    pub(super) feed: usize,
    pub(super) what: Result<Option<What>, String>,
}

/// How an attempt failed.
enum Failure {
    /// Nobody answered.
    Silent(String),
    /// The answer cannot be used.
    Refused(String),
}

impl Provider {
    /// Asks until nobody listens any more.
    pub async fn run(self, fetch: Fetch, replies: mpsc::Sender<Reply>) {
        let mut failures: u32 = 0;
        sleep(self.wait).await;
        loop {
            let (what, pause) = match self.ask(&fetch).await {
                Ok(what) => {
                    failures = 0;
                    (Ok(what), self.interval)
                }
                Err(failure) => {
                    let (error, first) = match failure {
                        Failure::Silent(error) => (error, FIRST),
                        Failure::Refused(error) => (error, REFUSED),
                    };
                    let pause = backoff::pause(first, LONGEST, failures);
                    failures = failures.saturating_add(1);
                    (Err(error), pause)
                }
            };
            if replies.send(Reply::Said(Said { feed: self.feed, what })).await.is_err() {
                return;
            }
            sleep(pause).await;
        }
    }

    async fn ask(&self, fetch: &Fetch) -> Result<Option<What>, Failure> {
        let answer = fetch.send(&self.request).await;
        let answer = answer.map_err(|failure| Failure::Silent(failure.to_string()))?;
        if answer.status >= 400 {
            return Err(Failure::Refused(format!("the provider answers {}", answer.status)));
        }
        said(&self.getter, &answer.body).map_err(Failure::Refused)
    }
}
