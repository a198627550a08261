//! Virtual time for the core: it is woken exactly when it asks to be.

use chargebus::control::Control;
use chargebus::model::{Effect, Fact, Now, Outcome};

/// A core with a clock of its own and somebody who sees its effects.
pub(crate) trait Rhythm {
    fn core(&mut self) -> &mut Control;
    fn clock(&mut self) -> &mut Now;
    /// Takes note of an effect; a charger has not answered it yet.
    fn note(&mut self, effect: Effect);

    /// What chargers answer.
    fn outcome(&self) -> Outcome {
        Outcome::Done
    }

    /// Every effect that waits is noted, and answered if it is for a charger.
    fn drain(&mut self) {
        while let Some(effect) = self.core().poll() {
            let told = if let Effect::Charger { lp, command } = &effect {
                Some((*lp, *command))
            } else {
                None
            };
            self.note(effect);
            if let Some((lp, command)) = told {
                let (now, outcome) = (*self.clock(), self.outcome());
                self.core().handle(now, Fact::Done { lp, command, outcome });
            }
        }
    }

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
