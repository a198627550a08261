//! Charging sessions: the entries of the journal and the rows they become (plans-vehicles-devices.md §4).

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::kinds::{UnknownSpelling, spelled};
use super::{KilowattHours, Percent, WattHours};

/// Which session: where and when a vehicle was plugged in. Two sessions never have the same key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SessionKey {
    /// Immutable name of the load point.
    pub loadpoint: String,
    /// When the vehicle was plugged in, Unix milliseconds.
    pub connected_ms: i64,
}

impl SessionKey {
    /// When the vehicle was plugged in.
    pub fn connected(&self) -> Option<DateTime<Utc>> {
        DateTime::from_timestamp_millis(self.connected_ms)
    }
}

spelled!(
    /// What an entry of the journal says.
    JournalKind {
        /// A vehicle was plugged in.
        Connect = "connect",
        /// It began to draw.
        Start = "start",
        /// What was measured since the entry before.
        Reading = "reading",
        /// It stopped drawing.
        Stop = "stop",
        /// It was unplugged: the session is over.
        Disconnect = "disconnect",
    }
);

/// One entry of the journal: all that must not be lost of a session.
#[derive(Clone, Debug, PartialEq)]
pub struct JournalEntry {
    /// Whose it is.
    pub session: SessionKey,
    /// Its number in the session, from 0; an entry that is stored twice counts once.
    pub number: u32,
    /// When it happened.
    pub at: DateTime<Utc>,
    /// What happened.
    pub kind: JournalKind,
    /// What was measured and learnt since the entry before.
    pub noted: Noted,
}

/// What an entry adds. Energies are differences, so that two entries can become one; the others are
/// news, `None` = none.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Noted {
    /// Charged energy.
    pub energy: WattHours,
    /// The part of it whose green share is known.
    pub shared: WattHours,
    /// The green part of that.
    pub solar: WattHours,
    /// The part of the energy whose price is known.
    pub priced: WattHours,
    /// What that costs, currency.
    pub price: f64,
    /// The part of the energy whose emission is known.
    pub rated: WattHours,
    /// What that emits, grams.
    pub co2_g: f64,
    /// Time spent charging.
    pub charging: Duration,
    /// Counter of charged energy.
    pub counter: Option<KilowattHours>,
    /// Energy of the charger's own session.
    pub reported: Option<WattHours>,
    /// State of charge.
    pub soc: Option<Percent>,
    /// Range in kilometres.
    pub range_km: Option<f64>,
    /// Odometer in kilometres.
    pub odometer_km: Option<f64>,
    /// Title of the load point.
    pub loadpoint: Option<String>,
    /// Title of the vehicle; empty = none.
    pub vehicle: Option<String>,
    /// Who identified themselves.
    pub identifier: Option<String>,
    /// Mean price of the 24 h after plugging in, currency/kWh.
    pub reference_price: Option<f64>,
    /// Mean emission of the 24 h after plugging in, g/kWh.
    pub reference_co2: Option<f64>,
}

impl Noted {
    /// Takes in what came later: two entries say the same as one that was merged from them.
    pub fn merge(&mut self, later: Self) {
        self.energy += later.energy;
        self.shared += later.shared;
        self.solar += later.solar;
        self.priced += later.priced;
        self.price += later.price;
        self.rated += later.rated;
        self.co2_g += later.co2_g;
        self.charging += later.charging;
        renew(&mut self.counter, later.counter);
        renew(&mut self.reported, later.reported);
        renew(&mut self.soc, later.soc);
        renew(&mut self.range_km, later.range_km);
        renew(&mut self.odometer_km, later.odometer_km);
        renew(&mut self.loadpoint, later.loadpoint);
        renew(&mut self.vehicle, later.vehicle);
        renew(&mut self.identifier, later.identifier);
        renew(&mut self.reference_price, later.reference_price);
        renew(&mut self.reference_co2, later.reference_co2);
    }
}

/// News replaces, no news does not.
fn renew<T>(old: &mut Option<T>, new: Option<T>) {
    if new.is_some() {
        *old = new;
    }
}

/// A session as it is listed (plans-vehicles-devices.md §4.1); `None` = unknown.
#[derive(Clone, Debug, PartialEq)]
pub struct SessionRow {
    /// When it first charged.
    pub created: DateTime<Utc>,
    /// When it last stopped.
    pub finished: Option<DateTime<Utc>>,
    /// Title of the load point.
    pub loadpoint: String,
    /// Who identified themselves; may be empty.
    pub identifier: String,
    /// Title of the vehicle; empty = none.
    pub vehicle: String,
    /// Kilometres.
    pub odometer_km: Option<f64>,
    /// Counter when it was plugged in.
    pub meter_start: Option<KilowattHours>,
    /// Counter at the last stop.
    pub meter_end: Option<KilowattHours>,
    /// Charged energy.
    pub charged: KilowattHours,
    /// Time spent charging.
    pub charge_duration: Option<Duration>,
    /// State of charge at the first start.
    pub soc_start: Option<Percent>,
    /// State of charge at the last stop.
    pub soc_end: Option<Percent>,
    /// Kilometres that were charged.
    pub added_range_km: Option<f64>,
    /// Green share of the energy whose share is known, 0 to 100 %.
    pub solar_percentage: Option<f64>,
    /// What the energy of known price costs, currency.
    pub price: Option<f64>,
    /// Currency per kWh of known price.
    pub price_per_kwh: Option<f64>,
    /// Grams per kWh of known emission.
    pub co2_per_kwh: Option<f64>,
    /// Mean price of the 24 h after plugging in, currency/kWh.
    pub reference_price_per_kwh: Option<f64>,
    /// Mean emission of the 24 h after plugging in, g/kWh.
    pub reference_co2_per_kwh: Option<f64>,
    /// The part of the energy whose price is known (W-27).
    pub priced: KilowattHours,
}

/// A session as it stands in the list.
#[derive(Clone, Debug, PartialEq)]
pub struct ListedSession {
    /// Its number, by which users name it.
    pub id: i64,
    /// What is known of it.
    pub row: SessionRow,
}

/// What a user may correct of a session that is stored. `None` leaves it as it is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SessionEdit {
    /// Title of the vehicle; empty clears it.
    pub vehicle: Option<String>,
    /// Title of the load point; empty clears it.
    pub loadpoint: Option<String>,
    /// Kilometres; `Some(None)` clears it.
    pub odometer_km: Option<Option<f64>>,
}

/// What the sessions of a period come to (plans-vehicles-devices.md §4.4).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct PeriodStatistics {
    /// Green share of the energy, 0 to 100 %.
    pub solar_percentage: f64,
    /// Charged energy.
    pub charged: KilowattHours,
    /// Mean price, currency/kWh.
    pub price_per_kwh: f64,
    /// Mean emission, g/kWh.
    pub co2_per_kwh: f64,
}

/// `site/statistics`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Statistics {
    /// The last 30 days.
    pub last_30d: PeriodStatistics,
    /// The last 365 days.
    pub last_365d: PeriodStatistics,
    /// Since New Year, local time.
    pub this_year: PeriodStatistics,
    /// All there are.
    pub total: PeriodStatistics,
}
