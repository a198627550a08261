//! Templates that are only data: a `custom` device with gaps (plans-vehicles-devices.md §8.5–§8.9).

use std::cell::RefCell;

use super::{Flaw, Section};
use crate::config::finding::{Finding, Place};
use crate::config::node::{self, Entry, Node, Value};
use crate::config::text::{self, quoted};

/// A device of one kind.
pub(super) struct DataTemplate {
    pub(super) name: &'static str,
    /// Attributes as in the file, with `<key>` where a key's value goes. Below `by <key>` stand those
    /// of every word that the key may have, below `with <key>` those that are there if it is written.
    text: &'static str,
    /// Keys that the user writes.
    keys: &'static [(&'static str, Usual)],
}

/// What stands in for a key that is not written.
enum Usual {
    /// Nothing: it must be written.
    Needed,
    /// Nothing: the attributes below `with` are missing then.
    Absent,
    /// This.
    Is(&'static str),
    /// This; others must be a digit from 1 to 9.
    Digit(&'static str),
}

use Usual::{Absent, Digit, Is, Needed};

/// Chargers that are only data.
pub(super) const CHARGERS: &[DataTemplate] = &[
    DataTemplate {
        name: "go-e-mqtt",
        text: include_str!("templates/go-e-mqtt.yaml"),
        keys: &[("topic", Needed)],
    },
    DataTemplate {
        name: "openwb",
        text: include_str!("templates/openwb.yaml"),
        keys: &[
            ("topic", Is("openWB")),
            ("connector", Is("1")),
            ("phases1p3p", Is("false")),
            ("dc", Is("false")),
        ],
    },
    DataTemplate {
        name: "openwb-2.0",
        text: include_str!("templates/openwb-2.yaml"),
        keys: &[
            ("host", Needed),
            ("port", Is("1502")),
            ("id", Is("1")),
            ("connector", Digit("1")),
            ("phases1p3p", Is("true")),
            ("identify", Is("false")),
        ],
    },
    DataTemplate {
        name: "openwb-pro",
        text: include_str!("templates/openwb-pro.yaml"),
        keys: &[("host", Needed)],
    },
    DataTemplate {
        name: "warp2",
        text: include_str!("templates/warp2.yaml"),
        keys: &[("topic", Is("warp")), ("energymanager", Absent)],
    },
];

/// Meters that are only data.
pub(super) const METERS: &[DataTemplate] = &[
    DataTemplate {
        name: "openwb",
        text: include_str!("templates/openwb-meter.yaml"),
        keys: &[("topic", Is("openWB")), ("usage", Needed)],
    },
    DataTemplate {
        name: "solaranzeige",
        text: include_str!("templates/solaranzeige.yaml"),
        keys: &[("topic", Needed), ("usage", Needed)],
    },
];

/// All templates of a kind: one that is code and those that are data.
pub(super) fn names(code: &'static str, data: &[DataTemplate]) -> Vec<&'static str> {
    std::iter::once(code).chain(data.iter().map(|data| data.name)).collect()
}

/// The keys of a template with their values.
type Values = Vec<(&'static str, Option<String>)>;

impl DataTemplate {
    /// The attributes of the device that `section` describes. Whatever is wrong with them stands
    /// where the device stands.
    pub(super) fn expand(&self, section: &Section<'_>) -> Result<Vec<Entry>, Flaw> {
        let mut values = Values::new();
        for (key, usual) in self.keys {
            values.push((key, value(section, key, usual)?));
        }
        let entries = node::parse(self.text).map_err(|finding| {
            section.report.error(Finding { place: section.place, ..finding });
            Flaw::Reported
        })?;
        let mut entries = chosen(section, entries, &values)?;
        let gaps = values.into_iter().filter_map(|(key, value)| Some((format!("<{key}>"), value?)));
        let gaps: Vec<_> = gaps.collect();
        entries.iter_mut().for_each(|entry| fill(&mut entry.node, section.place, &gaps));
        Ok(entries)
    }
}

/// What the user wrote, or what stands in for it.
fn value(section: &Section<'_>, key: &'static str, usual: &Usual) -> Result<Option<String>, Flaw> {
    let field = match (section.get(key), usual) {
        (Some(field), _) => field,
        (None, Needed) => section.need(key)?,
        (None, Absent) => return Ok(None),
        (None, Is(usual) | Digit(usual)) => return Ok(Some((*usual).to_owned())),
    };
    let value = field.text().ok_or(Flaw::Reported)?;
    if matches!(usual, Digit(_)) && !matches!(value.as_bytes(), [b'1'..=b'9']) {
        field.error(format!("must be a number from 1 to 9, found {}", quoted(&value)));
        return Err(Flaw::Reported);
    }
    Ok(Some(value))
}

/// The attributes that are there with these values.
fn chosen(section: &Section<'_>, entries: Vec<Entry>, values: &Values) -> Result<Vec<Entry>, Flaw> {
    let mut attributes = Vec::new();
    for entry in entries {
        let Some((word, key)) = entry.key.split_once(' ') else {
            attributes.push(entry);
            continue;
        };
        let known = values.iter().find(|(known, _)| *known == key);
        let Some((key, Some(value))) = known else { continue };
        let inner = match (word, entry.node.value) {
            ("by", Value::Map(words)) => of_word(section, words, key, value)?,
            (_, Value::Map(inner)) => inner,
            (_, Value::Null | Value::Text(_) | Value::List(_)) => Vec::new(),
        };
        attributes.extend(chosen(section, inner, values)?);
    }
    Ok(attributes)
}

/// The attributes of the word that a key has; bools have all their spellings.
fn of_word(
    section: &Section<'_>,
    words: Vec<Entry>,
    key: &'static str,
    value: &str,
) -> Result<Vec<Entry>, Flaw> {
    let known: Vec<String> = words.iter().map(|entry| entry.key.clone()).collect();
    let found = words.into_iter().find(|entry| {
        entry.key.eq_ignore_ascii_case(value)
            || text::flag(&entry.key).is_some_and(|flag| {
                text::whole(&entry.key).is_none() && text::flag(value) == Some(flag)
            })
    });
    match found.map(|entry| entry.node.value) {
        Some(Value::Map(entries)) => Ok(entries),
        Some(Value::Null | Value::Text(_) | Value::List(_)) => Ok(Vec::new()),
        None => {
            let known = known.join(", ");
            section.error(key, format!("must be one of {known}, found {}", quoted(value)));
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
