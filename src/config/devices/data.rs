//! Templates that are only data: a `custom` device with gaps (plans-vehicles-devices.md §8.7–§8.9).

use std::cell::RefCell;

use super::{Flaw, Section};
use crate::config::finding::{Finding, Place};
use crate::config::node::{self, Entry, Node, Value};
use crate::config::text::quoted;

/// A device of one kind.
pub(super) struct DataTemplate {
    pub(super) name: &'static str,
    /// Attributes as in the file, with `<key>` where a key's value goes; below `usage` by its uses.
    text: &'static str,
    /// Keys that the user writes, with what stands in; `None` = must be written.
    keys: &'static [(&'static str, Option<&'static str>)],
}

/// Chargers that are only data.
pub(super) const CHARGERS: &[DataTemplate] = &[
    DataTemplate {
        name: "go-e-mqtt",
        text: include_str!("templates/go-e-mqtt.yaml"),
        keys: &[("topic", None)],
    },
    DataTemplate {
        name: "warp2",
        text: include_str!("templates/warp2.yaml"),
        keys: &[("topic", Some("warp"))],
    },
];

/// Meters that are only data.
pub(super) const METERS: &[DataTemplate] = &[DataTemplate {
    name: "solaranzeige",
    text: include_str!("templates/solaranzeige.yaml"),
    keys: &[("topic", None)],
}];

impl DataTemplate {
    /// The attributes of the device that `section` describes. Whatever is wrong with them stands
    /// where the device stands.
    pub(super) fn expand(&self, section: &Section<'_>) -> Result<Vec<Entry>, Flaw> {
        let mut values = Vec::new();
        for (key, usual) in self.keys {
            let value = match (section.get(key), usual) {
                (None, Some(usual)) => (*usual).to_owned(),
                (Some(field), _) => field.text().ok_or(Flaw::Reported)?,
                (None, None) => section.need(key)?.text().ok_or(Flaw::Reported)?,
            };
            values.push((format!("<{key}>"), value));
        }
        let mut entries = node::parse(self.text).map_err(|finding| {
            section.report.error(Finding { place: section.place, ..finding });
            Flaw::Reported
        })?;
        if let [Entry { key, node }] = entries.as_mut_slice()
            && key == "usage"
            && let Value::Map(uses) = &mut node.value
        {
            entries = used(section, std::mem::take(uses))?;
        }
        entries.iter_mut().for_each(|entry| fill(&mut entry.node, section.place, &values));
        Ok(entries)
    }
}

/// The attributes of the use that is written.
fn used(section: &Section<'_>, uses: Vec<Entry>) -> Result<Vec<Entry>, Flaw> {
    let field = section.need("usage")?;
    let word = field.text().ok_or(Flaw::Reported)?;
    let known: Vec<String> = uses.iter().map(|entry| entry.key.clone()).collect();
    let found = uses.into_iter().find(|entry| entry.key.eq_ignore_ascii_case(&word));
    match found.map(|entry| entry.node.value) {
        Some(Value::Map(entries)) => Ok(entries),
        Some(Value::Null | Value::Text(_) | Value::List(_)) | None => {
            let known = known.join(", ");
            field.error(format!("must be one of {known}, found {}", quoted(&word)));
            Err(Flaw::Reported)
        }
    }
}

/// Puts the values into the gaps, and the node where the device stands.
fn fill(node: &mut Node, place: Place, values: &[(String, String)]) {
    node.place = place;
    match &mut node.value {
        Value::Null => {}
        Value::Text(text) => {
            for (gap, value) in values {
                *text = text.replace(gap, value);
            }
        }
        Value::List(nodes) => nodes.iter_mut().for_each(|node| fill(node, place, values)),
        Value::Map(entries) => {
            entries.iter_mut().for_each(|entry| fill(&mut entry.node, place, values));
        }
    }
}

/// The attributes as a map that stands where the device stands.
pub(super) fn section<'a>(outer: &Section<'a>, entries: &'a [Entry]) -> Section<'a> {
    Section {
        report: outer.report,
        path: outer.path.clone(),
        place: outer.place,
        entries,
        asked: RefCell::default(),
    }
}
