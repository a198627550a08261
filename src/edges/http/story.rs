//! What WebSocket clients are told, step by step. A step is rendered once and shared by all clients
//! that are in step; nothing is rendered while nobody listens.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::extract::ws::Utf8Bytes;
use tokio::sync::watch;
use tokio::time::sleep;

use crate::api::State;
use crate::edges::door::Told;

/// Changes within this time after a step share the next one (api.md §3.9).
pub(super) const COLLECT: Duration = Duration::from_millis(250);

/// Text frames; copies share their bytes.
pub(super) type Frames = Arc<[Utf8Bytes]>;

/// A state, and how it is told.
pub(super) struct Step {
    number: u64,
    state: State,
    before: State,
    /// For whoever has seen nothing.
    whole: OnceLock<Frames>,
    /// For whoever has seen the step before.
    news: OnceLock<Frames>,
}

impl Step {
    /// The first step.
    pub(super) fn first(state: State) -> Self {
        Self::of(0, state, State::default())
    }

    /// The step after this one.
    pub(super) fn next(&self, state: State) -> Self {
        Self::of(self.number + 1, state, self.state.clone())
    }

    fn of(number: u64, state: State, before: State) -> Self {
        Self { number, state, before, whole: OnceLock::new(), news: OnceLock::new() }
    }

    /// What is to be told to a client that saw `seen` last. Who missed a step gets the difference to
    /// the one that it saw, rendered for it alone.
    pub(super) fn frames(&self, seen: Option<&Self>) -> Frames {
        let after = |older: &State| -> Frames {
            self.state.frames(older).into_iter().map(Utf8Bytes::from).collect()
        };
        match seen {
            None => self.whole.get_or_init(|| after(&State::default())).clone(),
            Some(seen) if seen.number + 1 == self.number => {
                self.news.get_or_init(|| after(&self.before)).clone()
            }
            Some(seen) => after(&seen.state),
        }
    }

    /// A frame that says only that we are alive.
    pub(super) fn heartbeat(&self) -> Frames {
        Arc::new([Utf8Bytes::from(self.state.heartbeat())])
    }
}

/// Makes steps of what the loop tells, until it tells no more.
pub(super) async fn tell(mut told: watch::Receiver<Told>, steps: watch::Sender<Arc<Step>>) {
    while told.changed().await.is_ok() {
        let state = told.borrow_and_update().state.clone();
        steps.send_modify(|step| *step = Arc::new(step.next(state)));
        sleep(COLLECT).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_in_step_share_what_was_rendered_once() {
        let first = Step::first(State::default());
        let second = first.next(State::default());
        let third = second.next(State::default());
        assert!(Arc::ptr_eq(&third.frames(None), &third.frames(None)));
        assert!(Arc::ptr_eq(&third.frames(Some(&second)), &third.frames(Some(&second))));
        assert!(!Arc::ptr_eq(&third.frames(Some(&first)), &third.frames(Some(&first))));
    }
}
