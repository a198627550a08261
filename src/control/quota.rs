//! So many times within a while, and no more.

use std::time::Duration;

use crate::model::Mono;

/// When something was done the last `N` times.
#[derive(Clone, Copy, Debug)]
pub(super) struct Quota<const N: usize> {
    /// A ring: the oldest stands at `next`.
    times: [Option<Mono>; N],
    next: usize,
}

impl<const N: usize> Default for Quota<N> {
    fn default() -> Self {
        Self { times: [None; N], next: 0 }
    }
}

impl<const N: usize> Quota<N> {
    /// It is done.
    pub(super) fn spend(&mut self, now: Mono) {
        self.times[self.next] = Some(now);
        self.next = (self.next + 1) % N;
    }

    /// Until when it must not be done again, if it was done `N` times within that time.
    pub(super) fn spent_until(&self, now: Mono, within: Duration) -> Option<Mono> {
        self.times[self.next].map(|oldest| oldest + within).filter(|end| *end > now)
    }
}
