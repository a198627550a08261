//! The queues that the loop reads, in the order in which they count.

use std::future::Future;
use std::pin::Pin;

use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::model::{Fact, Statistics};

use super::answers::Waiting;
use super::bus::{Inbox, Incoming};
use super::door::{Question, WriteRequest};
use super::tariffs::Reply;

/// Whether settings reached the disk, and why not.
pub(super) type Saved = Result<(), String>;

/// Settings on their way to the disk.
pub(super) type Saving = Pin<Box<dyn Future<Output = Saved> + Send>>;

/// What wakes the loop.
pub(super) enum Input {
    /// The broker, or the end of our connection to it.
    Bus(Option<Incoming>),
    /// A device.
    Fact(Fact),
    /// A user over REST.
    Write(WriteRequest),
    /// Somebody who wants to know what the state does not tell.
    Question(Question),
    /// A provider of prices or forecasts.
    Tariff(Reply),
    /// A correction of a session, carried out or not.
    Corrected(Waiting),
    /// The store.
    Stored(Saved),
    /// What the listed sessions come to.
    Statistics(Option<Statistics>),
    /// The clock.
    Timer,
    /// The end.
    Stop,
}

/// Everything that the loop listens to.
pub(super) struct Inputs {
    pub(super) inbox: Option<Inbox>,
    pub(super) facts: mpsc::Receiver<Fact>,
    pub(super) writes: mpsc::Receiver<WriteRequest>,
    pub(super) questions: mpsc::Receiver<Question>,
    pub(super) statistics: watch::Receiver<Option<Statistics>>,
    pub(super) replies: mpsc::Receiver<Reply>,
    /// Corrections of sessions that are to be answered.
    pub(super) corrected: mpsc::Receiver<Waiting>,
    /// The save that is under way, if one is.
    pub(super) saving: Option<Saving>,
    /// The queue that was asked last for what is there already.
    pub(super) turn: usize,
}

impl Inputs {
    /// Waits for the next input; users come first, then devices, the clock, and whoever is curious.
    pub(super) async fn next(
        &mut self,
        wake: tokio::time::Instant,
        stop: &CancellationToken,
    ) -> Input {
        let Self {
            inbox, facts, writes, questions, replies, statistics, corrected, saving, ..
        } = self;
        let bus = async {
            match inbox {
                Some(inbox) => inbox.next().await,
                None => std::future::pending().await,
            }
        };
        let stored = async {
            match saving {
                Some(saving) => saving.await,
                None => std::future::pending().await,
            }
        };
        let input = tokio::select! {
            biased;
            () = stop.cancelled() => Input::Stop,
            result = stored => Input::Stored(result),
            Some(write) = writes.recv() => Input::Write(write),
            incoming = bus => Input::Bus(incoming),
            Some(fact) = facts.recv() => Input::Fact(fact),
            () = tokio::time::sleep_until(wake) => Input::Timer,
            Some(answer) = corrected.recv() => Input::Corrected(answer),
            Some(reply) = replies.recv() => Input::Tariff(reply),
            Some(question) = questions.recv() => Input::Question(question),
            Ok(()) = statistics.changed() => Input::Statistics(*statistics.borrow_and_update()),
        };
        match input {
            Input::Stored(_) => self.saving = None,
            Input::Bus(None) => self.inbox = None,
            Input::Bus(Some(_))
            | Input::Fact(_)
            | Input::Write(_)
            | Input::Corrected(_)
            | Input::Question(_)
            | Input::Statistics(_)
            | Input::Tariff(_)
            | Input::Timer
            | Input::Stop => {}
        }
        input
    }

    /// An input that is there already. The queues have their turns, so that a storm in one of them
    /// holds up none of the others; each keeps its own order.
    pub(super) fn ready(&mut self) -> Option<Input> {
        const QUEUES: usize = 5;
        for _ in 0..QUEUES {
            self.turn = (self.turn + 1) % QUEUES;
            let input = match self.turn {
                0 => self.writes.try_recv().ok().map(Input::Write),
                1 => self.inbox.as_mut().and_then(Inbox::ready).map(|news| Input::Bus(Some(news))),
                2 => self.facts.try_recv().ok().map(Input::Fact),
                3 => self.corrected.try_recv().ok().map(Input::Corrected),
                _ => self.replies.try_recv().ok().map(Input::Tariff),
            };
            if input.is_some() {
                return input;
            }
        }
        None
    }

    /// A question that is there already: one per turn of the loop, because an answer takes a while.
    pub(super) fn question(&mut self) -> Option<Input> {
        self.questions.try_recv().ok().map(Input::Question)
    }
}
