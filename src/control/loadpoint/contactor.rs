//! What a contactor bears: whoever asks for it, it is closed so many times in a while and no more.
//! Opening it never waits.

use std::time::Duration;

use crate::control::quota::Quota;
use crate::model::Mono;

/// A charger is switched on this often at most …
const ONS_MAX: usize = 10;
/// … within this time; then it stays off until the first of them is as long ago.
const ONS_WITHIN: Duration = Duration::from_secs(300);

/// When a charger was last switched on.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Contactor(Quota<ONS_MAX>);

impl Contactor {
    /// It is switched on.
    pub(super) fn close(&mut self, now: Mono) {
        self.0.spend(now);
    }

    /// Until when it must not be switched on again, if it was switched on too often.
    pub(super) fn rests_until(&self, now: Mono) -> Option<Mono> {
        self.0.spent_until(now, ONS_WITHIN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_contactor_rests_after_too_many_closings_and_not_for_ever() {
        let mut contactor = Contactor::default();
        let at = |seconds: u64| Mono(1000 * seconds);
        for n in 0..ONS_MAX as u64 {
            assert_eq!(contactor.rests_until(at(n)), None);
            contactor.close(at(n));
        }
        assert_eq!(contactor.rests_until(at(20)), Some(at(300)));
        assert_eq!(contactor.rests_until(at(300)), None);
        contactor.close(at(300));
        assert_eq!(contactor.rests_until(at(300)), Some(at(301)));
    }
}
