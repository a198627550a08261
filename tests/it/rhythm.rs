//! Virtual time for the core: it is woken exactly when it asks to be.

use chargebus::control::Control;
use chargebus::model::Now;

/// A core with a clock of its own and somebody who carries out its effects.
pub(crate) trait Rhythm {
    fn core(&mut self) -> &mut Control;
    fn clock(&mut self) -> &mut Now;
    /// Carries out every effect that waits.
    fn drain(&mut self);

    /// Lets time pass until `end`; the core may ask to be woken `wakes_max` times.
    fn pass_until(&mut self, end: Now, wakes_max: usize) {
        for _ in 0..wakes_max {
            let due = self.core().deadline().0;
            if due > end.mono {
                *self.clock() = end;
                return;
            }
            let now = self.clock().later(due.since(self.clock().mono));
            *self.clock() = now;
            self.core().handle_timeout(now);
            self.drain();
            assert!(self.core().deadline().0 > now.mono, "asks to be woken in the past");
        }
        panic!("the core never rests");
    }
}
