//! Energy of one entity, slot by slot: by counters where there are any, else by power
//! (plans-vehicles-devices.md §4.5).

use std::time::Duration;

use crate::control::tariff::slots::SLOT;
use crate::model::{
    Counters, Entity, EntityRecord, KilowattHours, Mono, Percent, RunningEnergy, SlotEnergy, Watts,
};

/// A slot in which the power was unknown for longer is not recorded: what flowed is not invented.
const SILENCE_MAX: Duration = Duration::from_secs(180);
/// A counter that leaps further is garbage, or another device: it is begun anew (§4.3).
const LEAP_MAX: KilowattHours = KilowattHours(1000.0);

/// What is known of an entity at one instant.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Sample {
    /// Its power, if that is known now.
    pub(super) power: Option<Held>,
    /// Where its counters stand, as far as it has any.
    pub(super) counters: Counters,
    /// State of charge of a battery.
    pub(super) soc: Option<Percent>,
}

/// A power that is believed for a while.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Held {
    /// In the entity's own direction; negative in the opposite one.
    pub(super) power: Watts,
    /// Without another word it is unknown from here on.
    pub(super) until: Mono,
}

/// The energy of one entity in the running slot.
#[derive(Clone, Debug)]
pub(super) struct Tally {
    pub(super) entity: Entity,
    own: Direction,
    opposite: Direction,
    held: Option<Held>,
    /// Up to here the power is integrated.
    at: Mono,
    /// So long the power was known in this slot.
    known: Duration,
    /// Something was heard in this slot.
    heard: bool,
    soc: Option<Percent>,
    begin: Begin,
}

/// What the running slot began with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Begin {
    /// Nothing has been heard yet, ever.
    Unheard,
    /// The first word came in the middle: what is counted is not the whole slot.
    Middle,
    /// The slot is counted from its beginning.
    Boundary,
    /// Counters go on from the end of an earlier slot; `skipped` if others lie between.
    Earlier { skipped: bool },
}

/// One direction.
#[derive(Clone, Copy, Debug, Default)]
struct Direction {
    /// Where its counter stands; once there is one, power does not count.
    counter: Option<KilowattHours>,
    added: KilowattHours,
}

impl Direction {
    /// A counter that falls adds nothing and is begun anew, and so is one that leaps; whether it moved.
    fn count(&mut self, reading: Option<KilowattHours>) -> bool {
        let Some(reading) = reading.filter(|reading| reading.0.is_finite()) else { return false };
        let Some(last) = self.counter.replace(reading) else { return true };
        let added = reading - last;
        if added > KilowattHours::ZERO && added <= LEAP_MAX {
            self.added += added;
        }
        reading != last
    }

    fn integrate(&mut self, energy: KilowattHours) {
        if self.counter.is_none() {
            self.added += energy;
        }
    }

    /// Forgets what was integrated; what was counted is still owed.
    fn forget_integrated(&mut self) {
        if self.counter.is_none() {
            self.added = KilowattHours::ZERO;
        }
    }
}

impl Tally {
    /// Nothing is known yet.
    pub(super) fn new(entity: Entity, at: Mono) -> Self {
        Self {
            entity,
            own: Direction::default(),
            opposite: Direction::default(),
            held: None,
            at,
            known: Duration::ZERO,
            heard: false,
            soc: None,
            begin: Begin::Unheard,
        }
    }

    /// Counters go on from where an earlier start recorded them.
    pub(super) fn resume(&mut self, counters: Counters, skipped: bool) {
        self.own.counter = counters.energy;
        self.opposite.counter = counters.return_energy;
        if self.counts() {
            self.begin = Begin::Earlier { skipped };
        }
    }

    /// Takes what the counters say: it flowed before now, in the slot that may be over now.
    /// `on_boundary` at the very beginning of a slot.
    pub(super) fn count(&mut self, on_boundary: bool, counters: Counters) {
        let own = self.own.count(counters.energy);
        let opposite = self.opposite.count(counters.return_energy);
        self.hear(on_boundary, own || opposite);
    }

    /// Takes what holds from now on.
    pub(super) fn hold(&mut self, at: Mono, on_boundary: bool, sample: &Sample) {
        self.integrate(at);
        self.held = sample.power.filter(|held| held.power.0.is_finite() && held.until > at);
        self.hear(on_boundary, self.held.is_some());
        self.soc = self.soc.or(sample.soc);
    }

    fn hear(&mut self, on_boundary: bool, heard: bool) {
        if heard && self.begin == Begin::Unheard {
            self.begin = if on_boundary { Begin::Boundary } else { Begin::Middle };
        }
        self.heard |= heard;
    }

    /// The running slot is over; comes back with what is to be recorded of it.
    pub(super) fn close(&mut self, boundary: Mono) -> Option<EntityRecord> {
        self.integrate(boundary);
        let soc = self.soc.take();
        let heard = std::mem::take(&mut self.heard);
        let known = std::mem::take(&mut self.known) + SILENCE_MAX >= length();
        let whole = match self.begin {
            Begin::Unheard => return None,
            Begin::Middle => false,
            Begin::Boundary if self.own.counter.is_none() => known,
            Begin::Boundary | Begin::Earlier { .. } => heard,
        };
        let energy = whole.then(|| SlotEnergy {
            energy: self.own.added,
            return_energy: self.opposite.added,
            soc,
            recovered: self.begin == Begin::Earlier { skipped: true },
        });
        if whole || self.begin == Begin::Middle {
            self.own.added = KilowattHours::ZERO;
            self.opposite.added = KilowattHours::ZERO;
            self.begin = Begin::Boundary;
            let counters =
                Counters { energy: self.own.counter, return_energy: self.opposite.counter };
            return Some(EntityRecord { entity: self.entity.clone(), counters, energy });
        }
        self.miss(Begin::Boundary);
        None
    }

    /// The wall clock was set, or slots were slept through: no slot can be told from this one.
    pub(super) fn interrupt(&mut self, at: Mono) {
        self.integrate(at);
        self.soc = None;
        self.heard = false;
        self.known = Duration::ZERO;
        if !matches!(self.begin, Begin::Unheard | Begin::Middle) {
            self.miss(Begin::Middle);
        }
    }

    /// The running slot, unless counters know it anyway.
    pub(super) fn kept(&self) -> Option<RunningEnergy> {
        let whole = match self.begin {
            Begin::Unheard | Begin::Earlier { .. } => return None,
            Begin::Middle => false,
            Begin::Boundary => true,
        };
        let (group, name) = (self.entity.group, self.entity.name.clone());
        let (energy, return_energy) = (self.own.added, self.opposite.added);
        let Self { known, soc, .. } = *self;
        (!self.counts()).then_some(RunningEnergy {
            group,
            name,
            energy,
            return_energy,
            known,
            whole,
            soc,
        })
    }

    /// Goes on with the slot that was running at an earlier start; with counters nothing is to do.
    pub(super) fn go_on(&mut self, kept: &RunningEnergy) -> bool {
        if self.counts() {
            return false;
        }
        self.own.added = kept.energy;
        self.opposite.added = kept.return_energy;
        self.begin = if kept.whole { Begin::Boundary } else { Begin::Middle };
        (self.known, self.soc, self.heard) = (kept.known, kept.soc, true);
        true
    }

    /// The slot that was gone on with ended while nobody counted.
    pub(super) fn finish(&mut self) -> Option<EntityRecord> {
        let record = self.close(self.at);
        *self = Self::new(self.entity.clone(), self.at);
        record.filter(|record| record.energy.is_some())
    }

    /// Energy of the running slot, as far as it will be recorded.
    pub(super) fn running(&self) -> KilowattHours {
        match self.begin {
            Begin::Unheard | Begin::Middle => KilowattHours::ZERO,
            Begin::Boundary | Begin::Earlier { .. } => self.own.added,
        }
    }

    /// A slot cannot be recorded: counters catch up in a later one, power does not.
    fn miss(&mut self, without_counters: Begin) {
        self.own.forget_integrated();
        self.opposite.forget_integrated();
        self.begin =
            if self.counts() { Begin::Earlier { skipped: true } } else { without_counters };
    }

    fn counts(&self) -> bool {
        self.own.counter.is_some() || self.opposite.counter.is_some()
    }

    fn integrate(&mut self, to: Mono) {
        if let Some(held) = self.held {
            let span = to.min(held.until).since(self.at);
            self.known += span;
            let energy = KilowattHours(held.power.0 * span.as_secs_f64() / 3.6e6);
            if energy >= KilowattHours::ZERO {
                self.own.integrate(energy);
            } else {
                self.opposite.integrate(-energy);
            }
        }
        self.at = self.at.max(to);
    }
}

fn length() -> Duration {
    SLOT.to_std().unwrap_or_default()
}
