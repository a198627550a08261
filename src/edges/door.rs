//! What the run loop and the facade (REST, WebSocket, web page) know of each other.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::timeout;

use crate::api::{self, Address, Answer, Raw, State, View};
use crate::model::Mono;

use super::clock::Clock;
use super::figures::Figures;
use super::logbook::LogBook;
use super::store::Store;
use super::tariffs::Reply;

/// Whoever asks waits this long for the loop to take, store and answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// Writes that switch a load point off have so many places of their own, wherever writes wait for
/// the loop or for the store: as many as there are connections, so that none of them is refused.
pub(super) const OFFS_MAX: usize = 768;

/// The facade's side.
#[derive(Clone)]
pub struct Door {
    /// Writes, in order; a full queue refuses.
    pub writes: mpsc::Sender<WriteRequest>,
    /// The last places in that queue: only an `off` may take them ([`api::switches_off`]).
    pub kept_for_off: usize,
    /// Questions that only the core can answer; a full queue refuses.
    pub questions: mpsc::Sender<Question>,
    /// News of tariffs, beside those of their providers.
    pub tariffs: mpsc::Sender<Reply>,
    /// What the loop told last; slow readers skip states.
    pub told: watch::Receiver<Told>,
    /// What is kept on disk, and not in the state.
    pub store: Store,
    /// The clock of [`Told::at`].
    pub clock: Clock,
    /// The last lines of the log.
    pub log: LogBook,
    /// What `GET /metrics` tells of the program; `None` where nobody asked for it.
    pub metrics: Option<Figures>,
    /// The program that evaluates `jq=` when it is called with `jq PROGRAM`: this one.
    pub jq: PathBuf,
}

/// A write that came over REST. The loop hands it to [`crate::api::write()`] and answers once the
/// value is stored.
#[derive(Debug)]
pub struct WriteRequest {
    /// What is to be written.
    pub address: Address,
    /// The value.
    pub raw: Raw,
    /// Where the answer goes; nobody may be waiting any more.
    pub answer: oneshot::Sender<Box<Answer>>,
}

/// A question about what the state does not tell, such as a plan that nobody made yet. It runs
/// within a turn of the loop, so it must be pure and short (a few milliseconds).
pub struct Question(Box<dyn FnOnce(&View<'_>) + Send>);

impl Question {
    /// Answers whoever asked, if it still waits.
    pub fn answer(self, view: &View<'_>) {
        (self.0)(view);
    }
}

impl fmt::Debug for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Question")
    }
}

/// What the loop shares with the facade.
#[derive(Clone, Debug)]
pub struct Told {
    /// The state as it was last told.
    pub state: State,
    /// When the loop last turned.
    pub at: Mono,
}

/// Why the loop said nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unanswered {
    /// The queue is full; nothing was done.
    Busy,
    /// The loop has ended.
    Stopping,
    /// No answer in time; whether it was done nobody knows.
    Late,
}

impl fmt::Display for Unanswered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Busy => f.write_str("too many requests are waiting, try again"),
            Self::Stopping => f.write_str("the service is stopping"),
            Self::Late => write!(f, "no answer within {} s", ANSWER_WITHIN.as_secs()),
        }
    }
}

impl Door {
    /// Writes a field; answered once the value is stored. Writes are carried out in the order in
    /// which they came, an `off` as well: it is never refused because others wait, and overtakes none.
    ///
    /// # Errors
    /// The loop does not answer; a refusal is an [`Answer`].
    pub async fn write(&self, address: Address, raw: Raw) -> Result<Box<Answer>, Unanswered> {
        let place = self.writes.try_reserve().map_err(refused)?;
        let off = api::switches_off(&address, &raw).is_some();
        // Counted with our own place taken, so that no two of us find the same one free.
        if !off && self.writes.capacity() < self.kept_for_off {
            return Err(Unanswered::Busy);
        }
        let (sender, answer) = oneshot::channel();
        place.send(WriteRequest { address, raw, answer: sender });
        awaited(answer).await
    }

    /// Has the loop keep no word of a tariff that it has heard so far; it is done when this returns.
    ///
    /// # Errors
    /// The loop does not answer.
    pub async fn forget_tariffs(&self) -> Result<(), Unanswered> {
        self.tariffs.try_send(Reply::Forget).map_err(refused)?;
        // The loop takes questions after news of tariffs.
        self.ask(|_| ()).await
    }

    /// Has the loop look at the core with `look`, which must be pure and short.
    ///
    /// # Errors
    /// The loop does not answer.
    pub async fn ask<T: Send + 'static>(
        &self,
        look: impl FnOnce(&View<'_>) -> T + Send + 'static,
    ) -> Result<T, Unanswered> {
        let (sender, answer) = oneshot::channel();
        let question = Question(Box::new(move |view| drop(sender.send(look(view)))));
        self.questions.try_send(question).map_err(refused)?;
        awaited(answer).await
    }
}

fn refused<Q>(error: TrySendError<Q>) -> Unanswered {
    match error {
        TrySendError::Full(_) => Unanswered::Busy,
        TrySendError::Closed(_) => Unanswered::Stopping,
    }
}

async fn awaited<A>(answer: oneshot::Receiver<A>) -> Result<A, Unanswered> {
    match timeout(ANSWER_WITHIN, answer).await {
        Ok(answer) => answer.map_err(|_| Unanswered::Stopping),
        Err(_) => Err(Unanswered::Late),
    }
}
