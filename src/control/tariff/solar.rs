//! Energy of a solar forecast (plans-vehicles-devices.md §2.9, control.md §26.1).

use chrono::{DateTime, Utc};

use crate::model::{Rate, WattHours};

/// What the sun gives on one day.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct SolarDay {
    /// From the beginning of the day, or from now on if it is today.
    pub energy: WattHours,
    /// Whether the forecast reaches to the end of the day.
    pub complete: bool,
}

/// Energy between two instants: the values are the power at the start of their slots, with straight
/// lines between them, and nothing before the first and after the last (E-61).
pub fn energy(rates: &[Rate], from: DateTime<Utc>, to: DateTime<Utc>) -> WattHours {
    let hours = |since: DateTime<Utc>, at: DateTime<Utc>| (at - since).as_seconds_f64() / 3600.0;
    let sum = rates.windows(2).map(|pair| {
        let [a, b] = pair else { return 0.0 };
        let (start, end) = (a.start.max(from), b.start.min(to));
        if start >= end {
            return 0.0;
        }
        let slope = (b.value - a.value) / hours(a.start, b.start);
        let power = |at| a.value + slope * hours(a.start, at);
        (power(start) + power(end)) / 2.0 * hours(start, end)
    });
    WattHours(sum.sum())
}

/// Today from `now` on, tomorrow and the day after; `days` are the three midnights that end them.
pub fn days(rates: &[Rate], now: DateTime<Utc>, days: [DateTime<Utc>; 3]) -> [SolarDay; 3] {
    let last = rates.last().map(|rate| rate.start);
    let mut from = now;
    days.map(|end| {
        let day = SolarDay {
            energy: energy(rates, from, end),
            complete: last.is_some_and(|last| last >= end),
        };
        from = end;
        day
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn worked_examples() {
        let at = |hours: f64| DateTime::from_timestamp(1_800_000_000 + (hours * 3600.0) as i64, 0);
        let rates: Vec<Rate> = (0..=4)
            .map(|n| {
                let hour = f64::from(n);
                Rate { start: at(hour).unwrap(), end: at(hour + 1.0).unwrap(), value: hour }
            })
            .collect();
        let rows = [
            (-1.0, 0.0, 0.0),
            (-1.0, 1.0, 0.5),
            (-1.0, 90.0, 8.0),
            (0.0, 0.5, 0.125),
            (0.0, 1.5, 1.125),
            (0.0, 2.0, 2.0),
            (1.0, 2.0, 1.5),
            (0.25, 0.75, 0.25),
            (0.5, 1.0, 0.375),
            (0.5, 3.5, 6.0),
            (80.0, 90.0, 0.0),
        ];
        for (from, to, expected) in rows {
            let energy = energy(&rates, at(from).unwrap(), at(to).unwrap());
            assert_eq!(energy, WattHours(expected), "E-61 {from} to {to}");
        }
        let ends = [at(2.0).unwrap(), at(4.0).unwrap(), at(9.0).unwrap()];
        let days = days(&rates, at(1.0).unwrap(), ends);
        assert_eq!(days.map(|day| day.complete), [true, true, false]);
        assert_eq!(days[0].energy, WattHours(1.5));
    }
}
