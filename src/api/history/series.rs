//! Energies added up into series, and how they are told.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;

use super::Aggregate;
use crate::api::Value;
use crate::api::export::{Table, local_text};
use crate::api::value::{rfc3339, write_comma, write_json_text};
use crate::model::{EnergyGroup, Entity, KilowattHours, Percent, SlotEnergy};

/// Values of one answer; more are refused.
pub const POINTS_MAX: usize = 200_000;

/// More than [`POINTS_MAX`] values were asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooMany;

impl fmt::Display for TooMany {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "more than {POINTS_MAX} values: choose a larger aggregate or a shorter time")
    }
}

/// Adds energies up as they are read.
#[derive(Clone, Debug)]
pub struct Collector {
    zone: Tz,
    aggregate: Aggregate,
    grouped: bool,
    series: BTreeMap<Key, Vec<Point>>,
    points: usize,
    /// The part of the calendar that the last energy was of.
    part: Option<(DateTime<Utc>, DateTime<Utc>)>,
}

/// In the order in which series are shown; title and name are empty for a group.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    group: EnergyGroup,
    title: String,
    name: String,
}

#[derive(Clone, Copy, Debug)]
struct Point {
    start: DateTime<Utc>,
    end: DateTime<Utc>,
    energy: KilowattHours,
    return_energy: KilowattHours,
    /// The first one; that of a group says nothing.
    soc: Option<Percent>,
}

impl Collector {
    /// Nothing is added up yet.
    pub fn new(zone: Tz, aggregate: Aggregate, grouped: bool) -> Self {
        Self { zone, aggregate, grouped, series: BTreeMap::new(), points: 0, part: None }
    }

    /// Adds the energy of a slot; slots come in the order of time.
    ///
    /// # Errors
    /// The answer would be too long.
    pub fn add(
        &mut self,
        entity: &Entity,
        start: DateTime<Utc>,
        energy: SlotEnergy,
    ) -> Result<(), TooMany> {
        let known = self.part.filter(|(from, to)| (*from..*to).contains(&start));
        let (from, to) = known.unwrap_or_else(|| self.aggregate.part(self.zone, start));
        self.part = Some((from, to));
        let key = match self.grouped {
            true => Key { group: entity.group, title: String::new(), name: String::new() },
            false => {
                let Entity { group, name, title } = entity.clone();
                Key { group, title, name }
            }
        };
        let points = self.series.entry(key).or_default();
        match points.last_mut().filter(|last| last.start == from) {
            Some(last) => {
                last.energy += energy.energy;
                last.return_energy += energy.return_energy;
            }
            None if self.points >= POINTS_MAX => return Err(TooMany),
            None => {
                self.points += 1;
                let soc = energy.soc.filter(|_| !self.grouped);
                let SlotEnergy { energy, return_energy, .. } = energy;
                points.push(Point { start: from, end: to, energy, return_energy, soc });
            }
        }
        Ok(())
    }

    /// The bare answer.
    pub fn json(&self) -> String {
        let mut out = String::from("[");
        for (n, (key, points)) in self.series.iter().enumerate() {
            write_comma(n, &mut out);
            out.push('{');
            if let Some(title) = key.own_title() {
                out.push_str("\"title\":");
                write_json_text(title, &mut out);
                out.push(',');
            }
            out.push_str("\"group\":");
            write_json_text(key.group.as_str(), &mut out);
            out.push_str(",\"data\":[");
            for (n, point) in points.iter().enumerate() {
                write_comma(n, &mut out);
                point.write(&mut out);
            }
            out.push_str("]}");
        }
        out.push(']');
        out
    }

    /// A wide table: a row per part of the calendar, a column per series and direction (E-74).
    pub fn csv(&self) -> String {
        let mut captions = vec!["time.start".to_owned(), "time.end".to_owned()];
        for (key, points) in &self.series {
            captions.extend(columns(key, points).iter().map(|column| key.caption(*column)));
        }
        let mut table = Table::new(&captions);
        let mut series: Vec<_> = self
            .series
            .iter()
            .map(|(key, points)| (columns(key, points), points.iter().peekable()))
            .collect();
        let parts: BTreeSet<_> =
            self.series.values().flatten().map(|point| (point.start, point.end)).collect();
        for (start, end) in parts {
            let mut cells = vec![local_text(self.zone, start), local_text(self.zone, end)];
            for (columns, points) in &mut series {
                let point = points.next_if(|point| point.start == start);
                cells.extend(
                    columns
                        .iter()
                        .map(|column| point.map_or_else(String::new, |point| point.cell(*column))),
                );
            }
            table.row(&cells);
        }
        table.finish()
    }
}

/// A column of a series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Column {
    Energy,
    ReturnEnergy,
    Soc,
}

/// Only grid and battery have two directions that people ask for.
fn columns(key: &Key, points: &[Point]) -> Vec<Column> {
    let both = matches!(key.group, EnergyGroup::Grid | EnergyGroup::Battery);
    let soc = points.iter().any(|point| point.soc.is_some());
    let columns = [(Column::Energy, true), (Column::ReturnEnergy, both), (Column::Soc, soc)];
    columns.into_iter().filter(|(_, has)| *has).map(|(column, _)| column).collect()
}

impl Key {
    /// The title, unless it says no more than the group.
    fn own_title(&self) -> Option<&str> {
        Some(&*self.title).filter(|title| !title.is_empty() && *title != self.group.as_str())
    }

    fn caption(&self, column: Column) -> String {
        let title = self.own_title().map_or_else(String::new, |title| format!(".{title}"));
        let what = match column {
            Column::Energy => "energy.Wh",
            Column::ReturnEnergy => "returnEnergy.Wh",
            Column::Soc => "soc.pct",
        };
        format!("{}{title}.{what}", self.group)
    }
}

impl Point {
    fn cell(&self, column: Column) -> String {
        let whole = |energy: KilowattHours| Value::int(energy.watt_hours().0).mqtt_text();
        match column {
            Column::Energy => whole(self.energy),
            Column::ReturnEnergy => whole(self.return_energy),
            Column::Soc => self.soc.map_or_else(String::new, |soc| Value::float(soc.0).mqtt_text()),
        }
    }

    fn write(&self, out: &mut String) {
        out.push_str("{\"start\":");
        write_json_text(&rfc3339(self.start), out);
        out.push_str(",\"end\":");
        write_json_text(&rfc3339(self.end), out);
        out.push_str(",\"energy\":");
        Value::float(self.energy.0).write_json(out);
        out.push_str(",\"returnEnergy\":");
        Value::float(self.return_energy.0).write_json(out);
        if let Some(soc) = self.soc {
            out.push_str(",\"socTemp\":");
            Value::float(soc.0).write_json(out);
        }
        out.push('}');
    }
}
