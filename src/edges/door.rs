//! What the run loop and the facade (REST, WebSocket, web page) know of each other.

use std::path::PathBuf;

use tokio::sync::{mpsc, oneshot, watch};

use crate::api::{Address, Answer, Raw, State};
use crate::model::Mono;

use super::clock::Clock;

/// The facade's side.
#[derive(Clone, Debug)]
pub struct Door {
    /// Writes, in order; a full queue refuses.
    pub writes: mpsc::Sender<WriteRequest>,
    /// What the loop told last; slow readers skip states.
    pub told: watch::Receiver<Told>,
    /// The clock of [`Told::at`].
    pub clock: Clock,
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

/// What the loop shares with the facade.
#[derive(Clone, Debug)]
pub struct Told {
    /// The state as it was last told.
    pub state: State,
    /// When the loop last turned.
    pub at: Mono,
}
