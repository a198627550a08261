//! Pauses between attempts: they double, with jitter, so that many devices do not knock at once.

use std::time::Duration;

const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(60);

/// The pause after a failure, with the number of those in a row before it: the upper half of the step
/// at random.
pub(super) fn pause(first: Duration, longest: Duration, before: u32) -> Duration {
    let step = longest.min(first * (1 << before.min(16)));
    step.mul_f64(0.5 + fastrand::f64() / 2.0)
}

/// The pauses of a device after failures in a row: 1 s to 60 s.
#[derive(Clone, Copy, Debug)]
pub(super) struct Backoff(u32);

impl Backoff {
    pub(super) fn new() -> Self {
        Self(0)
    }

    /// The pause before the next attempt.
    pub(super) fn pause(&mut self) -> Duration {
        let pause = pause(FIRST, LONGEST, self.0);
        self.0 = self.0.saturating_add(1);
        pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_minute_and_stay_there() {
        let mut backoff = Backoff::new();
        let mut step = FIRST;
        for _ in 0..12 {
            let pause = backoff.pause();
            assert!(step / 2 <= pause && pause <= step, "{pause:?} of {step:?}");
            step = (step * 2).min(LONGEST);
        }
        assert_eq!(step, LONGEST);
    }

    #[test]
    fn pauses_grow_to_the_longest_and_stay_there_however_many_failed() {
        for (first, longest) in [(250, 10_000), (1_000, 900_000), (60_000, 900_000)] {
            let (first, longest) = (Duration::from_millis(first), Duration::from_millis(longest));
            let mut step = first;
            for before in 0..100 {
                let pause = pause(first, longest, before);
                assert!(step / 2 <= pause && pause <= step, "{pause:?} of {step:?}");
                step = (step * 2).min(longest);
            }
        }
    }
}
