//! Parts of the local calendar, also on days of 23 and of 25 hours.

use chrono::{DateTime, Datelike as _, Months, TimeDelta, Timelike as _, Utc};
use chrono_tz::Tz;

use crate::control::tariff::fixed::{day_begins, midnight};
use crate::control::tariff::slots::{SLOT, slot_of};

/// What energies are added up over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Aggregate {
    /// A quarter of an hour: as they were recorded.
    #[default]
    Quarter,
    /// A local hour.
    Hour,
    /// A local day.
    Day,
    /// A local month.
    Month,
}

impl Aggregate {
    /// All spellings.
    pub const SPELLINGS: &'static [&'static str] = &["15m", "hour", "day", "month"];

    /// By its spelling.
    pub fn of(spelling: &str) -> Option<Self> {
        let all = [Self::Quarter, Self::Hour, Self::Day, Self::Month];
        let mut spelled = Self::SPELLINGS.iter().zip(all);
        spelled.find(|(known, _)| **known == spelling).map(|(_, aggregate)| aggregate)
    }

    /// Beginning and end of the part in which an instant lies.
    pub(super) fn part(self, zone: Tz, at: DateTime<Utc>) -> (DateTime<Utc>, DateTime<Utc>) {
        let quarter = (slot_of(at), slot_of(at) + SLOT);
        let ends = match self {
            Self::Quarter => None,
            Self::Hour => {
                let local = at.with_timezone(&zone);
                let past = local.minute() * 60 + local.second();
                let start = at - TimeDelta::seconds(i64::from(past));
                Some((start, start + TimeDelta::hours(1)))
            }
            Self::Day => midnight(zone, at, 0).zip(midnight(zone, at, 1)),
            Self::Month => {
                let first = at.with_timezone(&zone).date_naive().with_day(1);
                let next = first.and_then(|first| first.checked_add_months(Months::new(1)));
                let begins = |date: Option<_>| day_begins(zone, date?);
                begins(first).zip(begins(next))
            }
        };
        // No calendar goes on for ever.
        ends.unwrap_or(quarter)
    }
}
