//! A delay that must run through before something is switched (control.md §0 "timer states").

use std::time::Duration;

use crate::model::Mono;

/// A delay on its way to `A`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Timer<A> {
    /// Not running.
    Idle,
    /// Started infinitely long ago: any delay is satisfied.
    Elapsed,
    /// Running towards an action.
    Running {
        /// What happens when it is due.
        action: A,
        /// When the condition was first seen.
        since: Mono,
    },
}

impl<A: Copy + PartialEq> Timer<A> {
    /// Lets the delay run towards `action` and tells whether it is due. A change of direction
    /// starts it anew (Q13).
    pub(crate) fn run(&mut self, action: A, now: Mono, delay: Duration) -> bool {
        match *self {
            Self::Elapsed => true,
            Self::Running { action: running, since } if running == action => {
                now.since(since) >= delay
            }
            Self::Idle | Self::Running { .. } => {
                *self = Self::Running { action, since: now };
                delay.is_zero()
            }
        }
    }

    /// Whether a delay has been started, or counts as started.
    pub(crate) fn is_set(&self) -> bool {
        *self != Self::Idle
    }

    /// The action and its start while the delay is running.
    pub(crate) fn running(&self) -> Option<(A, Mono)> {
        match *self {
            Self::Running { action, since } => Some((action, since)),
            Self::Idle | Self::Elapsed => None,
        }
    }
}
