//! TeslaMate: topic + payload → what is known about a car, and how far it can be believed.
//!
//! TeslaMate publishes changes only, retained, without a last will, in any order, and deletes what
//! became null (plans-vehicles-devices.md §6). The mirror turns that into vehicle values:
//!
//! - **Cars** are (namespace, id); they appear with their first readable value.
//! - **Null** is an empty payload or the word `nil`; an unreadable payload changes nothing.
//! - **Bursts**: values are looked at together, 250 ms after the first message of a poll.
//! - **Status** comes from `charging_state`, else from `plugged_in`; a car that drives is not
//!   connected. Whether the car is at home is for the core to judge: place and position are told.
//! - **State of charge** is the usable one, else the shown one, and does not follow TeslaMate back
//!   to an old value (the rules stand at `SocGuard` in `soc.rs`).
//! - **Trust** follows from state, health, rhythm and silence (the rules stand at `trust` in
//!   `trust.rs`). Old values of a sleeping car are valid, not stale.
//!
//! Call order: `handle` records, `handle_timeout` looks when [`Mirror::deadline`] is due; after
//! that drain [`Mirror::poll`] to `None`.

mod car;
mod name;
mod parse;
mod soc;
mod table;
mod trust;

use std::collections::BTreeMap;

use crate::model::{Mono, Now, Origin, TeslaMateCar, VehicleValue};

use car::{Car, Slot};
pub use name::name;
pub use parse::Malformed;

/// What to subscribe to: cars without and with a namespace (§6.1).
pub const FILTERS: [&str; 2] = ["teslamate/cars/+/+", "teslamate/+/cars/+/+"];

/// More cars than a household has; further ones are ignored, and that is said once.
pub const CARS_MAX: usize = 32;

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Heard {
    /// Recorded; it is looked at when its burst has ended.
    Recorded,
    /// A key that is not in our table.
    UnknownKey,
    /// The mirror is full; `first` says that this was not answered before.
    TooManyCars {
        /// Worth a line in the log.
        first: bool,
    },
    /// Not readable; the value before it stays. Counted in [`CarInfo::malformed`].
    Malformed {
        /// Why.
        reason: Malformed,
        /// Worth a line in the log: the first time for this topic (once for all unknown cars).
        first: bool,
    },
}

/// A car as discovery sees it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CarInfo<'a> {
    /// Which car.
    pub id: &'a TeslaMateCar,
    /// The name its owner gave it; a title for people, and with [`name`] a vehicle name.
    pub display_name: Option<&'a str>,
    /// The display name is known, or 5 s have passed without it: the car can be added.
    pub ready: bool,
    /// When the car was first heard of.
    pub first_seen: Now,
    /// Payloads that could not be read so far.
    pub malformed: u64,
}

/// All cars of all TeslaMates on the bus.
#[derive(Clone, Debug, Default)]
pub struct Mirror {
    cars: Vec<Car>,
    /// Newest wins, so the queue is bounded by cars and values.
    changed: BTreeMap<(usize, Slot), (VehicleValue, Origin)>,
    /// A car was ignored because the mirror is full, and that was said.
    refused: bool,
    /// A payload of a car that never said anything readable was reported.
    garbled: bool,
}

impl Mirror {
    /// A mirror that has heard nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Records a message; `None` if the topic is not one of TeslaMate's. `retained` is the broker's
    /// word that the message was kept since an unknown time.
    pub fn handle(
        &mut self,
        now: Now,
        topic: &str,
        payload: &[u8],
        retained: bool,
    ) -> Option<Heard> {
        let topic = parse::topic(topic)?;
        let Some(row) = table::find(topic.key) else {
            return Some(Heard::UnknownKey);
        };
        let value = parse::value(table::ROWS[row].kind, payload);
        let known = self
            .cars
            .iter()
            .position(|car| car.id.id == topic.id && car.id.namespace == topic.namespace);
        let car = match (known, &value) {
            (Some(ix), _) => &mut self.cars[ix],
            // A car exists once it has said something; what cannot be read or is null is no car.
            (None, Ok(None)) => return Some(Heard::Recorded),
            (None, Err(reason)) => {
                let reason = *reason;
                let first = !std::mem::replace(&mut self.garbled, true);
                return Some(Heard::Malformed { reason, first });
            }
            (None, Ok(Some(_))) if self.cars.len() >= CARS_MAX => {
                let first = !std::mem::replace(&mut self.refused, true);
                return Some(Heard::TooManyCars { first });
            }
            (None, Ok(Some(_))) => {
                let namespace = topic.namespace.to_owned();
                let id = topic.id;
                self.cars.push_mut(Car::new(TeslaMateCar { namespace, id }, now))
            }
        };
        let origin = if retained { Origin::Retained } else { Origin::Live };
        Some(match value {
            Ok(value) => {
                car.record(now, row, value, origin);
                Heard::Recorded
            }
            Err(reason) => Heard::Malformed { reason, first: car.complain(row) },
        })
    }

    /// Looks at bursts that have ended and at silence.
    pub fn handle_timeout(&mut self, now: Now) {
        for (ix, car) in self.cars.iter_mut().enumerate() {
            car.handle_timeout(now, |slot, value, origin| {
                self.changed.insert((ix, slot), (value, origin));
            });
        }
    }

    /// The next value that changed, car by car in the order of their discovery.
    pub fn poll(&mut self) -> Option<(TeslaMateCar, VehicleValue, Origin)> {
        let ((ix, _), (value, origin)) = self.changed.pop_first()?;
        let car = self.cars.get(ix)?;
        Some((car.id.clone(), value, origin))
    }

    /// When to call [`Self::handle_timeout`] next.
    pub fn deadline(&self) -> Option<Mono> {
        self.cars.iter().filter_map(Car::deadline).min()
    }

    /// All cars in the order of their discovery. The list only grows.
    pub fn cars(&self, now: Now) -> impl Iterator<Item = CarInfo<'_>> {
        self.cars.iter().map(move |car| CarInfo {
            id: &car.id,
            display_name: car.display_name(),
            ready: car.is_ready(now),
            first_seen: car.first_seen,
            malformed: car.malformed,
        })
    }
}
