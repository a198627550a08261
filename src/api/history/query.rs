//! What is asked for (api.md §3.5).

use std::fmt;

use chrono::{DateTime, Datelike as _, TimeDelta, Utc};
use chrono_tz::Tz;

use super::Aggregate;
use crate::control::tariff::fixed::day_begins;

/// Parameters of `GET /api/history/energy`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EnergyQuery {
    /// Slots that begin at or after this; `None` = from the first one on.
    pub from: Option<DateTime<Utc>>,
    /// Slots that begin before this; `None` = up to now.
    pub to: Option<DateTime<Utc>>,
    /// What is added up.
    pub aggregate: Aggregate,
    /// One series per group instead of one per entity.
    pub grouped: bool,
    /// Of this group only.
    pub group: Option<String>,
    /// Of this name only.
    pub name: Option<String>,
    /// Of this title only.
    pub title: Option<String>,
    /// How it is told.
    pub format: Format,
}

/// A time that must be named: what is deleted is never all by mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The first instant.
    pub from: DateTime<Utc>,
    /// The first instant that does not belong to it.
    pub to: DateTime<Utc>,
}

/// How an answer is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// JSON.
    #[default]
    Bare,
    /// JSON as a file.
    Json,
    /// A table as a file.
    Csv,
}

/// What is wrong with the parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BadQuery {
    /// Not a time: parameter and what was written.
    Time(&'static str, String),
    /// A time that must be named is not.
    Missing(&'static str),
    /// Nothing that can be added up over; evcc answers with status 500.
    Aggregate,
    /// Neither yes nor no.
    Grouped(String),
    /// No format of ours.
    Format(String),
}

impl fmt::Display for BadQuery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Time(name, text) => {
                write!(f, "{name}: invalid time {text:?}, expected RFC 3339: 2026-03-29T00:00:00Z")
            }
            Self::Missing(name) => write!(f, "{name}: name a time, as in 2026-03-29T00:00:00Z"),
            Self::Aggregate => f.write_str("invalid aggregate value"),
            Self::Grouped(text) => write!(f, "grouped: {text:?} is neither true nor false"),
            Self::Format(text) => write!(f, "format: {text:?} is neither json nor csv"),
        }
    }
}

impl Format {
    /// By its spelling; without one, bare JSON.
    ///
    /// # Errors
    /// It is none of ours.
    pub fn parse(spelling: Option<&str>) -> Result<Self, BadQuery> {
        match spelling {
            None => Ok(Self::Bare),
            Some("json") => Ok(Self::Json),
            Some("csv") => Ok(Self::Csv),
            Some(other) => Err(BadQuery::Format(other.to_owned())),
        }
    }
}

impl Span {
    /// Reads `from` and `to`.
    ///
    /// # Errors
    /// One of them is missing, or no time.
    pub fn parse<'a>(look_up: impl Fn(&str) -> Option<&'a str>) -> Result<Self, BadQuery> {
        let end = |name| {
            let text = look_up(name).filter(|text| !text.is_empty());
            time(name, text)?.ok_or(BadQuery::Missing(name))
        };
        Ok(Self { from: end("from")?, to: end("to")? })
    }
}

impl EnergyQuery {
    /// Reads the parameters; an empty one is none.
    ///
    /// # Errors
    /// The first one that makes no sense.
    pub fn parse<'a>(look_up: impl Fn(&str) -> Option<&'a str>) -> Result<Self, BadQuery> {
        let param = |name: &str| look_up(name).filter(|text| !text.is_empty());
        let aggregate =
            param("aggregate").map(|text| Aggregate::of(text).ok_or(BadQuery::Aggregate));
        let grouped = match param("grouped") {
            None | Some("false" | "0") => false,
            Some("true" | "1") => true,
            Some(other) => return Err(BadQuery::Grouped(other.to_owned())),
        };
        let owned = |name: &str| param(name).map(str::to_owned);
        Ok(Self {
            from: time("from", param("from"))?,
            to: time("to", param("to"))?,
            aggregate: aggregate.transpose()?.unwrap_or_default(),
            grouped,
            group: owned("group"),
            name: owned("name"),
            title: owned("title"),
            format: Format::parse(param("format"))?,
        })
    }

    /// The file's name without its ending: with the year, month or day that it is of, if it is of one.
    pub fn file_name(&self, zone: Tz) -> String {
        let part = self.from.zip(self.to).and_then(|(from, to)| of_calendar(zone, from, to));
        format!("history-energy{}", part.unwrap_or_default())
    }
}

/// A plus in a query is a blank unless it is escaped, and nobody escapes it.
fn time(name: &'static str, text: Option<&str>) -> Result<Option<DateTime<Utc>>, BadQuery> {
    let Some(text) = text else { return Ok(None) };
    DateTime::parse_from_rfc3339(&text.replace(' ', "+"))
        .map(|time| Some(time.to_utc()))
        .map_err(|_| BadQuery::Time(name, text.to_owned()))
}

/// The name of the local year, month or day from `from` to `to`; clients write the end as the next
/// beginning, or up to a second less.
fn of_calendar(zone: Tz, from: DateTime<Utc>, to: DateTime<Utc>) -> Option<String> {
    let first = from.with_timezone(&zone).date_naive();
    let last = (to - TimeDelta::milliseconds(1)).with_timezone(&zone).date_naive();
    let next = last.succ_opt()?;
    let is_whole =
        day_begins(zone, first)? == from && day_begins(zone, next)? - to <= TimeDelta::seconds(1);
    let (year, month) = (first.year(), first.month());
    match first.day() == 1 && next.day() == 1 {
        _ if !is_whole => None,
        true if month == 1 && (next.year(), next.month()) == (year + 1, 1) => {
            Some(format!("-{year:04}"))
        }
        true if (last.year(), last.month()) == (year, month) => {
            Some(format!("-{year:04}-{month:02}"))
        }
        _ if first == last => Some(format!("-{year:04}-{month:02}-{:02}", first.day())),
        _ => None,
    }
}
