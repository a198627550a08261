//! Plans for certain weekdays, in the time zone of their owner (plans-vehicles-devices.md §1.3).

use chrono::{
    DateTime, Datelike, Days, LocalResult, NaiveDate, NaiveTime, TimeDelta, TimeZone, Utc,
};
use chrono_tz::Tz;

use crate::control::Refusal;
use crate::model::Percent;

/// One repeating plan.
#[derive(Clone, Debug, PartialEq)]
pub struct RepeatingPlan {
    /// Days of the week, 0 is Sunday; each at most once.
    weekdays: Vec<u8>,
    time: NaiveTime,
    tz: Tz,
    soc: Percent,
    /// Whether it counts.
    pub active: bool,
}

impl RepeatingPlan {
    /// A plan from what people write: `time` is `HH:MM`, `tz` an IANA name.
    ///
    /// # Errors
    /// A weekday outside 0 to 6, an unknown zone, or no time of day.
    pub fn new(
        days: &[i64],
        time: &str,
        tz: &str,
        soc: Percent,
        active: bool,
    ) -> Result<Self, Refusal> {
        let mut weekdays = Vec::new();
        for day in days {
            match u8::try_from(*day) {
                Ok(day @ 0..=6) if !weekdays.contains(&day) => weekdays.push(day),
                Ok(0..=6) => {}
                Ok(7..) | Err(_) => return Err(Refusal::InvalidWeekday(*day)),
            }
        }
        let zone = tz.parse().map_err(|_| Refusal::InvalidTimezone(tz.to_owned()))?;
        let time = NaiveTime::parse_from_str(time, "%H:%M")
            .map_err(|_| Refusal::InvalidTime(time.to_owned()))?;
        Ok(Self { weekdays, time, tz: zone, soc, active })
    }

    /// Days of the week, 0 is Sunday.
    pub fn weekdays(&self) -> &[u8] {
        &self.weekdays
    }

    /// Time of day, `HH:MM`.
    pub fn time(&self) -> String {
        self.time.format("%H:%M").to_string()
    }

    /// IANA name of the time zone.
    pub fn tz(&self) -> &'static str {
        self.tz.name()
    }

    /// What is to be reached.
    pub fn soc(&self) -> Percent {
        self.soc
    }

    /// When it is due next, `now` included; `None` if it is not active or has no weekday.
    pub fn next(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        if !self.active {
            return None;
        }
        let today = now.with_timezone(&self.tz).date_naive();
        let listed = |date: &NaiveDate| {
            let weekday = date.weekday().num_days_from_sunday();
            self.weekdays.iter().any(|day| u32::from(*day) == weekday)
        };
        // Today in a week counts too, when it is over for today.
        (0..=7)
            .filter_map(|days| today.checked_add_days(Days::new(days)))
            .filter(listed)
            .filter_map(|date| self.on(date))
            .find(|at| *at >= now)
    }

    /// The instant on a calendar day. An hour that is there twice counts the first time; one that
    /// is skipped counts as much later as the clock is put forward.
    fn on(&self, date: NaiveDate) -> Option<DateTime<Utc>> {
        let local = date.and_time(self.time);
        match self.tz.from_local_datetime(&local) {
            LocalResult::Single(at) | LocalResult::Ambiguous(at, _) => Some(at.to_utc()),
            LocalResult::None => {
                // No zone ever skipped more than a day.
                let earlier = [TimeDelta::hours(1), TimeDelta::days(1)];
                earlier.into_iter().find_map(|earlier| {
                    let before = self.tz.from_local_datetime(&(local - earlier)).latest()?;
                    Some(before.to_utc() + earlier)
                })
            }
        }
    }
}
