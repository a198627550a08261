//! The state as lines for InfluxDB, with evcc's measurements and tags, so that its dashboards work
//! (plans-vehicles-devices.md §9.2, api.md §6).
//!
//! Ours beside evcc's: what is not known is left out (W-30), also where evcc says 0; and what can
//! be told as a number is (W-41): yes is 1 and no is 0, a length of time is whole seconds, a word is
//! its position in the list of `docs/generated/fields.md`, with the word itself as field `text`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use crate::model::{Mono, Now};

use super::field::{Cadence, Field, Kind, Scope};
use super::project::State;
use super::topic::Place;
use super::value::{Value, float_text};

/// A value that is in [`SELDOM`] and has not changed is written again after this time.
const REPEAT_AFTER: Duration = Duration::from_secs(30 * 60);
/// Keys whose values are written when they change.
const SELDOM: &[&str] = &[
    "chargeRemainingEnergy",
    "chargedEnergy",
    "tariffCo2",
    "tariffCo2Home",
    "tariffCo2Loadpoints",
    "tariffFeedIn",
    "tariffGrid",
    "tariffPriceHome",
    "tariffPriceLoadpoints",
    "tariffSolar",
    "vehicleOdometer",
    "vehicleRange",
    "vehicleSoc",
];
/// Keys whose members are measurements of their own. Other objects have names of the user in them.
pub const STRUCTURES: &[&str] = &["aux", "battery", "consumers", "ext", "grid", "plan", "pv"];
/// Members that evcc leaves out while they are 0: counters that there are not.
const ZERO_IS_NONE: &[&str] = &["capacity", "energy", "returnEnergy"];

/// Turns states into lines and remembers what need not be said again.
#[derive(Clone, Debug, Default)]
pub struct Recorder {
    /// What was written last of [`SELDOM`] keys, by series, and when. Bounded by the rows of the
    /// table times load points and their vehicles; what is older than [`REPEAT_AFTER`] goes.
    last: BTreeMap<String, (String, Mono)>,
}

/// One measurement with its tags: the part of a line before the fields.
#[derive(Clone, Debug)]
struct Series<'a> {
    tags: &'a [(&'static str, String)],
    id: Option<(usize, &'a str)>,
}

impl Recorder {
    /// The lines of a state; each ends with a line feed. Empty if there is nothing to say.
    pub fn lines(&mut self, state: &State, now: Now) -> String {
        let time = now.utc.timestamp();
        let mut out = String::new();
        self.last.retain(|_, (_, at)| now.mono.since(*at) < REPEAT_AFTER);
        let mut tags = (None, Vec::new());
        for (place, field, value) in state.values().filter(|(_, field, _)| wanted(field)) {
            if tags.0 != Some(place) {
                tags = (Some(place), tags_of(state, place));
            }
            if field.is_unknown(value) {
                continue;
            }
            let series = Series { tags: &tags.1, id: None };
            each(field.key, field.kind, value, &series, &mut |series, fields| {
                if SELDOM.contains(&field.key) && !self.is_news(series, fields, now.mono) {
                    return;
                }
                // Writing to a string cannot fail.
                let _ = writeln!(out, "{series} {fields} {time}");
            });
        }
        out
    }

    fn is_news(&mut self, series: &str, fields: &str, now: Mono) -> bool {
        if self.last.get(series).is_some_and(|(known, _)| known == fields) {
            return false;
        }
        self.last.insert(series.to_owned(), (fields.to_owned(), now));
        true
    }
}

/// Rows that are written. Vehicles are told by their load points, as in evcc; old names would be
/// written twice; what never changes is no history, unless it is a number.
fn wanted(field: &Field) -> bool {
    let number = matches!(field.kind, Kind::Int | Kind::Float | Kind::Price);
    field.scope != Scope::Vehicle
        && field.in_json()
        && !field.mirror
        && (field.cadence != Cadence::Once || number)
}

/// `loadpoint` and, while one is assigned, `vehicle`; by title, as evcc's dashboards expect.
fn tags_of(state: &State, place: &Place) -> Vec<(&'static str, String)> {
    if !matches!(place, Place::LoadPoint(_)) {
        return Vec::new();
    }
    let text = |keys: [&str; 2]| {
        let texts = keys.into_iter().filter_map(|key| state.value(place, key));
        texts.map(Value::mqtt_text).find(|text| !text.is_empty())
    };
    let tags = [("loadpoint", ["title", "name"]), ("vehicle", ["vehicleTitle", "vehicleName"])];
    tags.into_iter().filter_map(|(tag, keys)| Some((tag, text(keys)?))).collect()
}

/// Every series of a value with its fields.
fn each(
    key: &str,
    kind: Kind,
    value: &Value,
    series: &Series<'_>,
    tell: &mut dyn FnMut(&str, &str),
) {
    if !STRUCTURES.contains(&key) {
        if let Some(fields) = fields(kind, value) {
            tell(&series.named(key), &fields);
        }
    } else if let Value::Object(members) = value {
        each_member(key, members, series, tell);
    } else if let Value::List(items) = value {
        each_item(key, items, series, tell);
    } else if let Value::Json(serde_json::Value::Array(slots)) = value {
        let values = slots.iter().map(|slot| slot["value"].as_f64());
        for (n, value) in (1..).zip(values) {
            let series = Series { id: Some((n, "")), ..series.clone() };
            if let Some(value) = value {
                tell(&series.named(&format!("{key}Value")), &number(value));
            }
        }
    }
}

/// The members of a structure; its devices take the prefix of the whole.
fn each_member(
    key: &str,
    members: &[(std::borrow::Cow<'static, str>, Value)],
    series: &Series<'_>,
    tell: &mut dyn FnMut(&str, &str),
) {
    for (name, value) in members {
        if value.is_zero() && ZERO_IS_NONE.contains(&&**name) {
            continue;
        }
        if let Value::List(devices) = value {
            each_item(key, devices, series, tell);
        } else if let Some(fields) = fields(Kind::Float, value) {
            tell(&series.named(&capitalised(key, name)), &fields);
        }
    }
}

/// The elements of a list of structures, with their number and their title.
fn each_item(key: &str, items: &[Value], series: &Series<'_>, tell: &mut dyn FnMut(&str, &str)) {
    for (n, item) in (1..).zip(items) {
        let Value::Object(members) = item else { continue };
        let title = members.iter().find(|(name, _)| name == "title");
        let title = title.map(|(_, title)| title.mqtt_text()).unwrap_or_default();
        let series = Series { id: Some((n, &title)), ..series.clone() };
        each_member(key, members, &series, tell);
    }
}

/// The fields of a line; `None` for what is not written. The kind decides between whole and other
/// numbers, because a measurement keeps the type of its first value.
fn fields(kind: Kind, value: &Value) -> Option<String> {
    match value {
        Value::Bool(truth) => Some(whole(u8::from(*truth))),
        Value::Int(number) if kind == Kind::Int => Some(whole(number)),
        Value::Int(n) => Some(number(*n as f64)),
        Value::Float(n) | Value::Price(n) => {
            n.is_finite().then(|| format!("value={}", value.mqtt_text()))
        }
        Value::Duration(duration) => Some(whole(duration.as_secs())),
        Value::Text(word) => {
            let Kind::Enum(words) = kind else { return None };
            let position = words.iter().position(|known| known == word)?;
            // Words of ours need no escapes.
            Some(format!("{},text=\"{word}\"", whole(position)))
        }
        Value::Phases(phases) => {
            let [l1, l2, l3] = phases.map(float_text);
            Some(format!("l1={l1},l2={l2},l3={l3}"))
        }
        Value::Absent
        | Value::Null
        | Value::NoList { .. }
        | Value::Time(_)
        | Value::List(_)
        | Value::Object(_)
        | Value::Json(_)
        | Value::Rates(_)
        | Value::Packed(_) => None,
    }
}

fn whole(number: impl std::fmt::Display) -> String {
    format!("value={number}i")
}

fn number(number: f64) -> String {
    format!("value={}", Value::price(number).mqtt_text())
}

impl Series<'_> {
    /// The measurement with its tags, escaped.
    fn named(&self, measurement: &str) -> String {
        let mut out = escaped(measurement);
        let id = self.id.map(|(n, title)| [("id", n.to_string()), ("title", title.to_owned())]);
        for (name, value) in self.tags.iter().chain(id.iter().flatten()) {
            let value = escaped(value);
            if !value.is_empty() {
                out.push(',');
                out.push_str(name);
                out.push('=');
                out.push_str(&value);
            }
        }
        out
    }
}

/// A name or tag as the protocol takes it. It has no escape for line feeds, and a backslash at the
/// end would escape what follows.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.trim_end_matches('\\').chars() {
        match letter {
            ',' | '=' | ' ' => out.extend(['\\', letter]),
            letter if letter.is_control() => out.extend(['\\', ' ']),
            letter => out.push(letter),
        }
    }
    out
}

/// `grid` and `power` → `gridPower`.
fn capitalised(key: &str, member: &str) -> String {
    let mut letters = member.chars();
    let first = letters.next().map(|first| first.to_ascii_uppercase());
    key.chars().chain(first).chain(letters).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::Value as Json;

    use super::*;

    /// A value of the examples.
    fn value(json: &Json) -> Value {
        match json {
            Json::Null => Value::Null,
            Json::Bool(truth) => Value::Bool(*truth),
            Json::Number(number) => {
                number.as_i64().map_or_else(|| Value::Float(number.as_f64().unwrap()), Value::Int)
            }
            Json::String(text) => Value::text(text),
            Json::Array(items) => Value::List(items.iter().map(value).collect()),
            Json::Object(members) => match members.iter().next().unwrap() {
                (name, Json::Array(l)) if name == "phases" => {
                    Value::Phases([0, 1, 2].map(|n| l[n].as_f64().unwrap()))
                }
                (name, slots) if name == "json" => Value::Json(slots.clone()),
                (name, s) if name == "s" => {
                    Value::Duration(Duration::from_secs(s.as_u64().unwrap()))
                }
                _ => {
                    let member =
                        |(name, member): (&String, &Json)| (name.clone().into(), value(member));
                    Value::Object(members.iter().map(member).collect())
                }
            },
        }
    }

    #[test]
    fn worked_examples() {
        let examples = include_str!("../../tests/data/examples/exports.json");
        let examples: Json = serde_json::from_str(examples).unwrap();
        let rows = examples["influx"].as_array().unwrap();
        assert!(rows.len() >= 15);
        for row in rows {
            let value = value(&row["value"]);
            let kind = if matches!(value, Value::Int(_)) { Kind::Int } else { Kind::Float };
            let mut lines = Vec::new();
            let series = Series { tags: &[], id: None };
            each(row["key"].as_str().unwrap(), kind, &value, &series, &mut |series, fields| {
                lines.push(format!("{series} {fields}"));
            });
            assert_eq!(Json::from(lines), row["lines"], "{row}");
        }
    }
}
