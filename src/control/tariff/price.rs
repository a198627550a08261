//! From the bare price to what the customer pays (plans-vehicles-devices.md §2.4).

use chrono::{DateTime, Datelike, TimeZone, Timelike};

use crate::model::{Charges, Zone};

/// The price at a local time with charges and tax: what the formula says, else
/// (price + charge) · (1 + tax). `None` where the formula gives no number (W-07).
pub fn compose<T: TimeZone>(price: f64, charges: &Charges, local: &DateTime<T>) -> Option<f64> {
    let charge = last_match(&charges.zones, local).unwrap_or(charges.charge);
    match &charges.formula {
        Some(formula) => formula.price(price, charge, charges.tax, local),
        None => Some((price + charge) * (1.0 + charges.tax)),
    }
}

/// The value of the last zone that matches a local time: list order decides (W-08).
pub fn last_match<T: TimeZone>(zones: &[Zone], local: &DateTime<T>) -> Option<f64> {
    zones.iter().rev().find(|zone| matches(zone, local)).map(|zone| zone.value)
}

fn matches<T: TimeZone>(zone: &Zone, local: &DateTime<T>) -> bool {
    let minute = local.hour() * 60 + local.minute();
    let set = |days: &[bool], n: u32| days.get(n as usize).copied().unwrap_or(false);
    set(&zone.days, local.weekday().num_days_from_sunday())
        && set(&zone.months, local.month0())
        && (u32::from(zone.from)..u32::from(zone.to)).contains(&minute)
}

#[cfg(test)]
mod tests {
    use chrono::{TimeZone, Utc};

    use super::*;
    use crate::model::Formula;

    fn hours(value: f64, from: u16, to: u16) -> Zone {
        Zone { value, from: from * 60, to: to * 60, ..Zone::ALWAYS }
    }

    fn price(charges: &Charges, month: u32, hour: u32) -> f64 {
        let local = Utc.with_ymd_and_hms(2026, month, 10, hour, 0, 0).unwrap();
        (compose(0.2, charges, &local).unwrap() * 1e9).round() / 1e9
    }

    #[test]
    fn worked_examples() {
        let flat = Charges { charge: 0.1, tax: 0.19, ..Charges::default() };
        assert_eq!(price(&flat, 1, 0), 0.357, "E-48");
        let night = Charges { charge: 0.5, zones: vec![hours(0.1, 0, 6)], ..Charges::default() };
        assert_eq!((price(&night, 1, 2), price(&night, 1, 12)), (0.3, 0.7), "E-49");
        let rebate =
            Charges { charge: 0.1, zones: vec![hours(-0.05, 10, 12)], ..Charges::default() };
        assert_eq!(price(&rebate, 1, 11), 0.15, "E-50");
        let zones = vec![hours(0.1, 0, 6), hours(0.05, 2, 4)];
        let nested = Charges { zones, ..Charges::default() };
        assert_eq!((price(&nested, 1, 3), price(&nested, 1, 5)), (0.25, 0.3), "E-51");
        let mut months = [true; 12];
        months[3..9].fill(false);
        let zones = vec![Zone { months, ..hours(0.05, 0, 5) }];
        let winter = Charges { charge: 0.2, zones, ..Charges::default() };
        assert_eq!((price(&winter, 2, 3), price(&winter, 6, 3)), (0.25, 0.4), "E-52");
        let double = Charges {
            charge: 0.1,
            zones: vec![hours(0.3, 10, 12)],
            formula: Some(Formula::parse("(price + charges) * 2").unwrap()),
            ..Charges::default()
        };
        assert_eq!((price(&double, 1, 11), price(&double, 1, 14)), (1.0, 0.6), "E-52b");
    }
}
