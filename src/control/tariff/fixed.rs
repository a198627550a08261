//! A contract with zones becomes rates (plans-vehicles-devices.md §2.5).

use chrono::{DateTime, Days, NaiveDate, TimeDelta, TimeZone, Timelike, Utc};
use chrono_tz::Tz;

use crate::model::{Charges, Rate, Zone};

use super::price::{compose, last_match};
use super::slots::slot_of;

/// Local days that are computed, today included.
const DAYS: u64 = 7;

/// A price with zones.
#[derive(Clone, Debug, PartialEq)]
pub struct Contract<'a> {
    /// Currency/kWh where no zone matches.
    pub price: f64,
    /// Prices of certain times; the last one that matches wins (W-08).
    pub zones: &'a [Zone],
    /// What comes on top.
    pub charges: &'a Charges,
}

/// The rates from the slot of now to the end of the sixth day after today. They are cut at quarters
/// of an hour and where a zone begins or ends, and every one is looked up at its local time, so that
/// days of 92 and of 100 quarters are exact (W-09). A formula that gives no number leaves a gap.
pub fn rates(contract: &Contract<'_>, zone: Tz, now: DateTime<Utc>) -> Vec<Rate> {
    let Some(end) = midnight(zone, now, DAYS) else { return Vec::new() };
    let edges = edges(contract);
    let mut rates = Vec::new();
    let mut start = slot_of(now);
    while start < end {
        let local = start.with_timezone(&zone);
        let minute = local.hour() * 60 + local.minute();
        let next_slot = minute - minute % 15 + 15;
        let until = edges
            .iter()
            .copied()
            .find(|edge| *edge > minute)
            .map_or(next_slot, |e| e.min(next_slot));
        let stop = start + TimeDelta::minutes(i64::from(until - minute));
        let price = last_match(contract.zones, &local).unwrap_or(contract.price);
        if let Some(value) = compose(price, contract.charges, &local) {
            rates.push(Rate { start, end: stop, value });
        }
        start = stop;
    }
    rates
}

/// The first instant of the local day that is `days` after the one of now.
pub fn midnight(zone: Tz, now: DateTime<Utc>, days: u64) -> Option<DateTime<Utc>> {
    day_begins(zone, now.with_timezone(&zone).date_naive().checked_add_days(Days::new(days))?)
}

/// The first instant of a local day. Where midnight does not exist the day begins with the first
/// time that does.
pub fn day_begins(zone: Tz, date: NaiveDate) -> Option<DateTime<Utc>> {
    let midnight = date.and_hms_opt(0, 0, 0)?;
    (0..=8)
        .filter_map(|quarters| midnight.checked_add_signed(TimeDelta::minutes(15 * quarters)))
        .find_map(|time| zone.from_local_datetime(&time).earliest())
        .map(|local| local.to_utc())
}

/// Minutes of the day at which a zone begins or ends, in order.
fn edges(contract: &Contract<'_>) -> Vec<u32> {
    let zones = contract.zones.iter().chain(&contract.charges.zones);
    let mut edges: Vec<u32> =
        zones.flat_map(|zone| [u32::from(zone.from), u32::from(zone.to)]).collect();
    edges.sort_unstable();
    edges.dedup();
    edges
}

#[cfg(test)]
mod tests {
    use chrono_tz::Europe::Berlin;

    use super::*;

    fn zone(value: f64, from: u16, to: u16) -> Zone {
        Zone { value, from, to, ..Zone::ALWAYS }
    }

    /// From midnight of a day on; the values at its local times.
    fn day(contract: &Contract<'_>, month: u32, day: u32) -> (usize, Vec<(String, f64)>) {
        let now = Berlin.with_ymd_and_hms(2026, month, day, 0, 0, 0).unwrap().to_utc();
        let tomorrow = midnight(Berlin, now, 1).unwrap();
        let rates = rates(contract, Berlin, now);
        assert!(rates.is_sorted_by(|a, b| a.end == b.start), "no gap, no overlap");
        let mut changes: Vec<(String, f64)> = Vec::new();
        let today: Vec<_> = rates.iter().filter(|rate| rate.start < tomorrow).collect();
        for rate in &today {
            if changes.last().is_none_or(|(_, value)| *value != rate.value) {
                let at = rate.start.with_timezone(&Berlin).format("%H:%M").to_string();
                changes.push((at, rate.value));
            }
        }
        (today.len(), changes)
    }

    fn told(changes: &[(&str, f64)]) -> Vec<(String, f64)> {
        changes.iter().map(|(at, value)| ((*at).to_owned(), *value)).collect()
    }

    #[test]
    fn days_of_92_and_100_quarters_keep_their_hours() {
        let charges = Charges::default();
        let zones = [zone(0.1, 0, 300), zone(0.2, 1200, 1440)];
        let contract = Contract { price: 0.5, zones: &zones, charges: &charges };
        let expected = told(&[("00:00", 0.1), ("05:00", 0.5), ("20:00", 0.2)]);
        for (month, date, quarters) in [(3, 28, 96), (3, 29, 92), (10, 24, 96), (10, 25, 100)] {
            let (count, changes) = day(&contract, month, date);
            assert_eq!((count, &changes), (quarters, &expected), "{date}.{month}.");
        }
        // Within the hour that comes twice, a zone comes twice.
        let zones = [zone(0.1, 120, 180)];
        let (_, changes) = day(&Contract { zones: &zones, ..contract }, 10, 25);
        assert_eq!(changes, told(&[("00:00", 0.5), ("02:00", 0.1), ("03:00", 0.5)]));
    }

    #[test]
    fn worked_examples() {
        let charges = Charges::default();
        let zones = [zone(0.1, 0, 330), zone(0.1, 1200, 1260), zone(0.1, 1260, 1440)];
        let contract = Contract { price: 0.5, zones: &zones, charges: &charges };
        let changes = day(&contract, 8, 8).1;
        assert_eq!(changes, told(&[("00:00", 0.1), ("05:30", 0.5), ("20:00", 0.1)]), "E-55");
        let charges = Charges { zones: vec![zone(0.1, 0, 330)], ..Charges::default() };
        let changes = day(&Contract { price: 0.5, zones: &[], charges: &charges }, 8, 8).1;
        assert_eq!(changes, told(&[("00:00", 0.6), ("05:30", 0.5)]), "E-56");
    }

    #[test]
    fn edges_off_the_quarter_are_exact_and_the_last_zone_wins() {
        let charges = Charges::default();
        let zones = [zone(0.1, 430, 725), zone(0.2, 720, 740)];
        let contract = Contract { price: 0.5, zones: &zones, charges: &charges };
        let expected = [("00:00", 0.5), ("07:10", 0.1), ("12:00", 0.2), ("12:20", 0.5)];
        assert_eq!(day(&contract, 8, 8).1, told(&expected));
    }

    #[test]
    fn the_slot_of_now_comes_first_and_seven_days_are_known() {
        let contract = Contract { price: 0.08, zones: &[], charges: &Charges::default() };
        let now = DateTime::from_timestamp(1_795_338_000 + 61, 0).unwrap();
        let rates = rates(&contract, Tz::UTC, now);
        // As recorded at nine in the morning.
        assert_eq!((rates.len(), rates[0].start.timestamp()), (636, 1_795_338_000));
        assert_eq!(Rate::at(&rates, now).map(|rate| rate.value), Some(0.08));
    }
}
