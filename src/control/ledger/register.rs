//! A counter of energy that should only rise, and what it says when it does not.

use std::time::Duration;

use crate::model::{Mono, WattHours};

/// No load point charges faster than this.
const POWER_MAX_KW: f64 = 50.0;
/// A counter may rise by this much at once, however coarse it is.
const STEP: WattHours = WattHours(2000.0);
/// Shortly after a restart it may have risen by this much: no car takes more, and no wall clock is
/// asked.
const STEP_AFTER_RESTART: WattHours = WattHours(200_000.0);
/// A meter has this long to say what it counted meanwhile.
const RESTART: Duration = Duration::from_secs(120);

/// What a counter said last. A reading that cannot follow upon it (a wild value, a meter that was
/// replaced or began again at 0) counts only when the next reading follows upon that.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Register {
    last: Option<(WattHours, Mono)>,
    suspect: Option<(WattHours, Mono)>,
    /// When the program started, if the first reading is from before.
    restarted: Option<Mono>,
}

impl Register {
    /// A counter that stood at `value` when the program was last running.
    pub(super) fn resumed(value: Option<WattHours>, now: Mono) -> Self {
        Self { last: value.map(|value| (value, now)), suspect: None, restarted: value.map(|_| now) }
    }

    /// The newest reading that is believed.
    pub(super) fn value(&self) -> Option<WattHours> {
        Some(self.last?.0)
    }

    /// What has not been heard yet begins at 0.
    pub(super) fn begin(&mut self, now: Mono) {
        self.last.get_or_insert((WattHours::ZERO, now));
    }

    /// The energy since the last reading; `None` while the new one is not believed.
    pub(super) fn advance(&mut self, value: WattHours, now: Mono) -> Option<WattHours> {
        let Some(last) = self.last else {
            self.last = Some((value, now));
            return Some(WattHours::ZERO);
        };
        let early = self.restarted.is_some_and(|at| now.since(at) < RESTART);
        let step = if early { STEP_AFTER_RESTART } else { STEP };
        if follows(last, (value, now), step) {
            (self.last, self.suspect) = (Some((value, now)), None);
            return Some(value - last.0);
        }
        match self.suspect.replace((value, now)) {
            Some(before) if follows(before, (value, now), STEP) => {
                (self.last, self.suspect) = (Some((value, now)), None);
                // A meter that began again at 0 has counted all of it since.
                let again = before.0 < last.0 && follows((WattHours::ZERO, last.1), before, STEP);
                Some(if again { value } else { value - before.0 })
            }
            Some(_) | None => None,
        }
    }
}

fn follows(last: (WattHours, Mono), next: (WattHours, Mono), step: WattHours) -> bool {
    let hours = |time: Duration| time.as_secs_f64() / 3600.0;
    let most = step + WattHours(1000.0 * POWER_MAX_KW * hours(next.1.since(last.1)));
    let rise = next.0 - last.0;
    rise >= WattHours::ZERO && rise <= most
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Readings a minute apart; what each adds.
    fn added(register: &mut Register, readings: &[f64]) -> Vec<f64> {
        let mut now = Mono(1_000_000);
        let mut add = |value: &f64| {
            now = now + Duration::from_secs(60);
            register.advance(WattHours(*value), now).map_or(0.0, |added| added.0)
        };
        readings.iter().map(&mut add).collect()
    }

    #[test]
    fn a_wild_reading_adds_nothing() {
        let readings = [5000.0, 5100.0, 9e9, 5200.0, 40.0, 5300.0, -7.0, 5400.0];
        let expected = [0.0, 100.0, 0.0, 100.0, 0.0, 100.0, 0.0, 100.0];
        assert_eq!(added(&mut Register::default(), &readings), expected);
    }

    #[test]
    fn a_meter_that_begins_again_goes_on_counting() {
        let readings = [5_000_000.0, 5_000_100.0, 50.0, 150.0, 250.0];
        let expected = [0.0, 100.0, 0.0, 150.0, 100.0];
        assert_eq!(added(&mut Register::default(), &readings), expected);
        let replaced = [5000.0, 5100.0, 8_000_000.0, 8_000_100.0, 8_000_200.0];
        assert_eq!(added(&mut Register::default(), &replaced), [0.0, 100.0, 0.0, 100.0, 100.0]);
    }

    #[test]
    fn what_was_charged_while_we_were_away_counts_once() {
        let mut register = Register::resumed(Some(WattHours(5000.0)), Mono(1_000_000));
        assert_eq!(added(&mut register, &[45_000.0, 45_100.0]), [40_000.0, 100.0]);
        let mut register = Register::resumed(Some(WattHours(5000.0)), Mono(1_000_000));
        assert_eq!(added(&mut register, &[905_000.0, 905_100.0]), [0.0, 100.0]);
    }
}
