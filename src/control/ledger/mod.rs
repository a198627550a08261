//! Sessions as a function of a journal (plans-vehicles-devices.md §4.2, §4.3, control.md §21).
//!
//! [`Session::apply`] folds the entries of a session into what is told of it and listed of it. The
//! account of a load point writes the entries and shows the fold of those it has written and of what
//! it has not; after a restart the same fold goes on where the last written entry ended (W-43).

mod account;
mod books;
mod register;

#[cfg(test)]
mod examples;

use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::model::{
    JournalEntry, JournalKind, KilowattHours, Noted, Percent, SessionRow, WattHours,
};

pub(crate) use account::{Account, Mix};

/// The first SoC that is heard before this much was charged is the one at the start.
const STILL_AT_START: WattHours = WattHours(500.0);

/// What the entries of one session come to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Session {
    /// When it first charged.
    pub created: Option<DateTime<Utc>>,
    /// When it last stopped.
    pub finished: Option<DateTime<Utc>>,
    /// Whether it charges.
    pub charging: bool,
    /// Charged energy.
    pub energy: WattHours,
    /// The part of it whose green share is known.
    pub shared: WattHours,
    /// The green part of that.
    pub solar: WattHours,
    /// The part of the energy whose price is known.
    pub priced: WattHours,
    /// The part of the energy whose emission is known.
    pub rated: WattHours,
    /// Time spent charging.
    pub duration: Duration,
    price: f64,
    co2_g: f64,
    counter_start: Option<KilowattHours>,
    /// When energy was last charged.
    counter_end: Option<KilowattHours>,
    counter: Option<KilowattHours>,
    reported: Option<WattHours>,
    soc_start: Option<Percent>,
    soc: Option<Percent>,
    range_km: Option<f64>,
    odometer_km: Option<f64>,
    loadpoint: String,
    vehicle: String,
    identifier: String,
    reference_price: Option<f64>,
    reference_co2: Option<f64>,
    /// Time of the last entry.
    last: Option<DateTime<Utc>>,
}

impl Session {
    /// Takes the next entry into account.
    pub fn apply(&mut self, entry: &JournalEntry) {
        match entry.kind {
            JournalKind::Connect => *self = Self::default(),
            JournalKind::Start => self.start(entry.at),
            JournalKind::Stop => self.stop(entry.at),
            // Killed while it charged and gone when we were back: it charged up to the last entry.
            JournalKind::Disconnect if self.charging => self.stop(self.last.unwrap_or(entry.at)),
            JournalKind::Reading | JournalKind::Disconnect => {}
        }
        self.learn(&entry.noted);
        self.last = Some(entry.at);
    }

    /// Green part of the energy, 0 to 100 %; `None` while no share is known.
    pub fn solar_percentage(&self) -> Option<f64> {
        mean(100.0 * self.solar.0, self.shared.0)
    }

    /// What the energy of known price costs, currency.
    pub fn price(&self) -> Option<f64> {
        (self.priced.0 > 0.0).then_some(self.price)
    }

    /// Currency per kWh, over the energy of known price (W-27: evcc divides by all of it).
    pub fn price_per_kwh(&self) -> Option<f64> {
        mean(self.price, self.priced.kilowatt_hours().0)
    }

    /// Grams per kWh, over the energy of known emission.
    pub fn co2_per_kwh(&self) -> Option<f64> {
        mean(self.co2_g, self.rated.kilowatt_hours().0)
    }

    /// The part of the energy whose price is known, 0 to 100 %.
    pub fn price_coverage(&self) -> Option<f64> {
        mean(100.0 * self.priced.0, self.energy.0)
    }

    /// The session as it is listed; `None` if it has never charged.
    pub fn row(&self) -> Option<SessionRow> {
        Some(SessionRow {
            created: self.created?,
            finished: self.finished,
            loadpoint: self.loadpoint.clone(),
            identifier: self.identifier.clone(),
            vehicle: self.vehicle.clone(),
            odometer_km: self.odometer_km,
            meter_start: self.counter_start,
            meter_end: self.counter_end.or(self.counter_start),
            charged: self.energy.kilowatt_hours(),
            charge_duration: Some(self.duration),
            soc_start: self.soc_start,
            soc_end: self.soc,
            added_range_km: self.added_range_km(),
            solar_percentage: self.solar_percentage(),
            price: self.price(),
            price_per_kwh: self.price_per_kwh(),
            co2_per_kwh: self.co2_per_kwh(),
            reference_price_per_kwh: self.reference_price,
            reference_co2_per_kwh: self.reference_co2,
            priced: self.priced.kilowatt_hours(),
        })
    }

    fn start(&mut self, at: DateTime<Utc>) {
        self.charging = true;
        self.created.get_or_insert(at);
    }

    fn stop(&mut self, at: DateTime<Utc>) {
        self.charging = false;
        self.finished = Some(at);
    }

    fn learn(&mut self, noted: &Noted) {
        self.energy += noted.energy;
        self.shared += noted.shared;
        self.solar += noted.solar;
        self.priced += noted.priced;
        self.price += noted.price;
        self.rated += noted.rated;
        self.co2_g += noted.co2_g;
        self.duration += noted.charging;
        self.counter = noted.counter.or(self.counter);
        self.counter_start = self.counter_start.or(self.counter);
        if noted.energy > WattHours::ZERO {
            self.counter_end = noted.counter.or(self.counter_end);
        }
        self.reported = noted.reported.or(self.reported);
        self.soc = noted.soc.or(self.soc);
        if self.created.is_some() && self.energy < STILL_AT_START {
            self.soc_start = self.soc_start.or(self.soc);
        }
        self.range_km = noted.range_km.or(self.range_km);
        self.odometer_km = noted.odometer_km.or(self.odometer_km);
        for (known, news) in [
            (&mut self.loadpoint, &noted.loadpoint),
            (&mut self.vehicle, &noted.vehicle),
            (&mut self.identifier, &noted.identifier),
        ] {
            if let Some(news) = news {
                known.clone_from(news);
            }
        }
        self.reference_price = noted.reference_price.or(self.reference_price);
        self.reference_co2 = noted.reference_co2.or(self.reference_co2);
    }

    /// The part of the range that was charged (§4.2, D-03).
    fn added_range_km(&self) -> Option<f64> {
        let (start, end, range) = (self.soc_start?, self.soc?, self.range_km?);
        (range > 0.0 && end > start).then(|| range * (end.0 - start.0) / end.0)
    }
}

/// A quotient that is known only if there is something to divide by.
fn mean(sum: f64, count: f64) -> Option<f64> {
    (count > 0.0).then(|| sum / count)
}
