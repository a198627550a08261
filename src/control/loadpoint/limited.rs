//! What the circuits leave of a wish, and what the load point tells them (control.md §10, §22.3).

use std::time::Duration;

use crate::control::circuit::{Cap, Claim, Draw, Load};
use crate::model::{Amps, Mode, Mono, Now, Volts};

use super::effective::{Effective, VehicleView};
use super::strategy::{HEADROOM, Wish};
use super::timer::Timer;
use super::{LoadPoint, Why};

/// After a cut it stays off this long, so that no contactor flutters (Q21); the cut itself is at once.
const CUT_HOLD: Duration = Duration::from_secs(60);
/// After a reduction the current is not raised sooner than this.
const TRIM_HOLD: Duration = Duration::from_secs(10);
/// A reduction shows within this time.
const FALL_MAX: Duration = Duration::from_secs(5);

/// What load management did to a load point.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limited {
    /// What is left for it.
    pub(super) cap: Cap,
    /// When it was switched off, and why.
    cut: Option<(Mono, Why)>,
    /// When its current was last reduced.
    trimmed: Option<Mono>,
    /// When three phases were last too much.
    squeezed: Option<Mono>,
    /// What it drew before the change that is under way, at least and at most.
    before: (Load, Load),
}

impl Limited {
    pub(super) const NOT: Self = Self {
        cap: Cap::NONE,
        cut: None,
        trimmed: None,
        squeezed: None,
        before: (Load::ZERO, Load::ZERO),
    };

    /// When a raise is possible again.
    pub(super) fn ends(&self) -> [Option<Mono>; 3] {
        let cut = self.cut.map(|(at, _)| at + CUT_HOLD);
        let squeezed = self.squeezed.map(|at| at + CUT_HOLD);
        [cut, squeezed, self.trimmed.map(|at| at + TRIM_HOLD)]
    }
}

impl LoadPoint {
    /// What the circuits leave of a wish. Even what is to stay as it is can be too much.
    pub(super) fn within_limits(
        &mut self,
        now: Now,
        wish: Wish,
        volts: Volts,
        vehicle: &VehicleView,
    ) -> Wish {
        let wanted = wish.current.unwrap_or(self.offered);
        let min = self.effective.min_current;
        if wanted <= Amps::ZERO || wanted < min {
            return wish;
        }
        let phases = self.active_phases(vehicle);
        let mut most = self.limited.cap.current(self.offered, phases, volts);
        let mut why = match self.limited.cap.by_operator(phases, volts) {
            true => Why::GridOperatorLimit,
            false => Why::CircuitLimit,
        };
        if let Some((at, cut)) = self.limited.cut
            && !self.enabled
            && now.mono.since(at) < CUT_HOLD
        {
            (most, why) = (Amps::ZERO, cut);
        }
        if self.enabled && self.limited.trimmed.is_some_and(|at| now.mono.since(at) < TRIM_HOLD) {
            most = most.min(self.offered);
        }
        let wanted = wanted.min(self.effective.max_current);
        if wanted <= most {
            return wish;
        }
        let current = whole(most, self.step(vehicle), min);
        if self.enabled && current < self.offered {
            self.limited.trimmed = Some(now.mono);
            if current == Amps::ZERO {
                self.limited.cut = Some((now.mono, why));
            }
        }
        if !self.enabled && current == Amps::ZERO && self.settings.mode == Mode::Pv {
            // It has waited for the sun; it need not wait again once there is room.
            self.pv_timer = Timer::Elapsed;
        }
        Wish { current: Some(current), why }
    }

    /// Whether a current fits on this many phases; what is on already is judged less strictly.
    pub(super) fn circuit_allows(&self, current: Amps, phases: u8, volts: Volts) -> bool {
        let cap = &self.limited.cap;
        if self.enabled && self.phases == phases {
            cap.keeps(current, phases, volts)
        } else {
            cap.allows(current, phases, volts)
        }
    }

    /// What it wants of its circuits. The wish is that of the last decision.
    pub(crate) fn claim(
        &self,
        now: Now,
        path: Vec<usize>,
        draw: &Draw,
        volts: Volts,
        vehicle: &VehicleView,
    ) -> Claim {
        let (wish, min) = (self.wish(), self.effective.min_current);
        let likely = match self.max_phase_current() {
            _ if !self.consistent(now) => wish,
            _ if !self.charging() => min,
            Some(drawn) => wish.min(drawn + HEADROOM),
            None => wish,
        };
        let phases = self.active_phases(vehicle);
        let automatic = self.switchable() && self.settings.phases_configured == 0;
        Claim {
            path,
            rotation: self.setup.wiring.rotation,
            phases: [phases, if automatic { 1 } else { phases }],
            min,
            likely,
            wish,
            step: self.step(vehicle),
            held: self.granted(volts, vehicle).max(draw.most),
        }
    }

    /// The current that it would like to have; 0 = none.
    pub(crate) fn wish(&self) -> Amps {
        let wants = self.connected() && self.settings.mode != Mode::Off;
        let Effective { min_current: min, max_current: max, .. } = self.effective;
        let wish = self.decision.target.min(max);
        if wants && wish >= min { wish } else { Amps::ZERO }
    }

    /// Phases for fast charging: three if the circuits carry the minimum on them (control.md §13).
    /// Down at once; up again only when that has settled.
    pub(super) fn fast_phases(&mut self, now: Now, volts: Volts) -> u8 {
        let roomy = self.circuit_allows(self.effective.min_current, 3, volts);
        if !roomy {
            self.limited.squeezed = Some(now.mono);
        }
        let squeezed = self.limited.squeezed.is_some_and(|at| now.mono.since(at) < CUT_HOLD);
        if squeezed { 1 } else { 3 }
    }

    /// Whether the circuits hold it back.
    pub(super) fn held_back(&self) -> bool {
        matches!(self.decision.why, Why::CircuitLimit | Why::GridOperatorLimit)
    }

    /// What it was granted.
    pub(crate) fn granted(&self, volts: Volts, vehicle: &VehicleView) -> Load {
        let current = if self.enabled { self.offered } else { Amps::ZERO };
        Load::of(current, self.active_phases(vehicle), volts, self.setup.wiring.rotation)
    }

    /// What it draws, as far as its own meter tells and what is under way allows.
    pub(crate) fn draw(&self, now: Now, volts: Volts, vehicle: &VehicleView) -> Draw {
        let drawn = self.drawn(volts, vehicle);
        let fresh = self.power.is_none_or(|reading| reading.is_fresh(now, None));
        let granted = self.granted(volts, vehicle);
        let (least, most) = match (fresh, self.charging()) {
            (true, _) => (drawn, drawn),
            (false, false) => (Load::ZERO, drawn),
            (false, true) => (Load::ZERO, drawn.max(granted)),
        };
        let Some(flight) = self.in_flight else {
            return Draw { least, most, granted: most };
        };
        let (before_least, before_most) = self.limited.before;
        let falling = now.mono.since(flight.since()) < FALL_MAX;
        let most = if falling { most.max(before_most) } else { most };
        Draw { least: least.min(before_least).min(granted), most, granted: most.max(granted) }
    }

    /// What its meter shows.
    fn drawn(&self, volts: Volts, vehicle: &VehicleView) -> Load {
        let rotation = self.setup.wiring.rotation;
        let phases = self.active_phases(vehicle);
        let power = self.charge_power();
        let mut drawn = Load::of(power.current(volts, phases), phases, volts, rotation);
        if self.currents.iter().any(Option::is_some) {
            for (phase, current) in rotation.phases().into_iter().zip(self.currents) {
                drawn.amps[phase.index()] = current.unwrap_or(Amps::ZERO);
            }
        }
        drawn
    }

    /// Remembers what it drew before a command that has just been given.
    pub(super) fn remember(&mut self, now: Now, draw: &Draw) {
        if self.in_flight.is_some_and(|flight| flight.since() == now.mono) {
            self.limited.before = (draw.least, draw.most);
        }
    }

    fn step(&self, vehicle: &VehicleView) -> Amps {
        let coarse = vehicle.coarse || !self.setup.charger.milliamps;
        Amps(if coarse { 1.0 } else { 0.001 })
    }
}

/// Rounds down to whole steps; less than the minimum is nothing.
fn whole(current: Amps, step: Amps, min: Amps) -> Amps {
    // What a division lost must not cost a whole step.
    const LOST: f64 = 1e-6;
    let steps = (current.0 / step.0 + LOST).floor();
    let least = (min.0 / step.0 - LOST).ceil();
    if steps < least { Amps::ZERO } else { Amps(steps * step.0) }
}
