//! What the last days add up to: energy of the load points, and how right the solar forecast was
//! (plans-vehicles-devices.md §2.9, §4.5).

use std::collections::VecDeque;

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;

use crate::control::tariff::fixed::midnight;
use crate::model::KilowattHours;

/// The longest window; what is older is forgotten here, not in the store.
const WEEK: TimeDelta = TimeDelta::days(7);
const DAY: TimeDelta = TimeDelta::days(1);
/// With less sun than this a forecast is not judged (§2.9).
const PRODUCED_MIN: KilowattHours = KilowattHours(0.5);

/// Energy of a load point in the slots before the running one.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Windows {
    /// Since local midnight.
    pub(super) today: KilowattHours,
    /// In the last 24 hours.
    pub(super) day: KilowattHours,
    /// In the last seven days.
    pub(super) week: KilowattHours,
}

/// The slots of a week in which a load point charged: 672 at most, mostly few.
#[derive(Clone, Debug, Default)]
pub(super) struct Charged {
    slots: VecDeque<(DateTime<Utc>, KilowattHours)>,
    pub(super) windows: Windows,
}

impl Charged {
    pub(super) fn add(&mut self, start: DateTime<Utc>, energy: KilowattHours) {
        if energy > KilowattHours::ZERO {
            self.slots.push_back((start, energy));
        }
    }

    /// Adds up what lies before `slot`, the running one.
    pub(super) fn sum(&mut self, zone: Tz, slot: DateTime<Utc>) {
        self.slots.retain(|(start, _)| *start >= slot - WEEK && *start < slot);
        let since = |from: DateTime<Utc>| {
            self.slots.iter().filter(|(start, _)| *start >= from).map(|(_, energy)| *energy).sum()
        };
        self.windows = Windows {
            today: midnight(zone, slot, 0).map_or(KilowattHours::ZERO, since),
            day: since(slot - DAY),
            week: since(slot - WEEK),
        };
    }
}

/// Production and forecast of the slots of today that have both. evcc adds up each for itself, so
/// that a pause of one of them spoils the scale for the rest of the day.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sun {
    since: Option<DateTime<Utc>>,
    produced: KilowattHours,
    foreseen: KilowattHours,
}

impl Sun {
    /// Adds a slot that began at `start`; a new day begins at nothing.
    pub(super) fn add(
        &mut self,
        zone: Tz,
        start: DateTime<Utc>,
        produced: KilowattHours,
        foreseen: KilowattHours,
    ) {
        self.begin(zone, start);
        self.produced += produced;
        self.foreseen += foreseen;
    }

    /// A slot begins.
    pub(super) fn begin(&mut self, zone: Tz, slot: DateTime<Utc>) {
        let since = midnight(zone, slot, 0);
        if self.since != since {
            *self = Self { since, ..Self::default() };
        }
    }

    /// Production by forecast; 1 while there is nothing to go by.
    pub(super) fn scale(&self) -> f64 {
        match self.foreseen <= KilowattHours::ZERO || self.produced <= PRODUCED_MIN {
            true => 1.0,
            false => self.produced.0 / self.foreseen.0,
        }
    }
}
