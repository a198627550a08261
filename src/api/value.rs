//! The value of a field and its three spellings: MQTT, JSON, REST path. Nowhere else do numbers become text.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};

use crate::model::{Phase, Rate, Watts};

use super::rates::Slots;

/// From here on a float has no decimals worth rounding, and scaling it could overflow.
const ROUNDED_BELOW: f64 = 1e12;
/// Prices have five decimals.
const PRICE_SCALE: f64 = 1e5;

/// What a field is worth.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// There is nothing to tell: left out of JSON; on MQTT no topic, inside an object an empty one.
    Absent,
    /// Known to be none: `null` in JSON, empty on MQTT.
    Null,
    /// Yes or no.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number as [`Value::float`] makes it: finite, at most three decimals.
    Float(f64),
    /// A price as [`Value::price`] makes it: finite, at most five decimals.
    Price(f64),
    /// Text, or the wire spelling of an enum.
    Text(Cow<'static, str>),
    /// An instant, told in whole seconds.
    Time(DateTime<Utc>),
    /// A length of time, told in whole seconds.
    Duration(Duration),
    /// L1, L2, L3 of a key at the top level.
    Phases([f64; 3]),
    /// Elements in order.
    List(Vec<Value>),
    /// A list without elements that JSON does not write as `[]`: it is left out where it is
    /// optional, and null elsewhere.
    NoList {
        /// Whether JSON leaves it out.
        optional: bool,
    },
    /// Members in order.
    Object(Vec<(Cow<'static, str>, Value)>),
    /// A structure that MQTT carries as one JSON text.
    Json(serde_json::Value),
    /// Slots of a tariff, or the starts of slots with their values; MQTT carries them as one JSON text
    /// (api.md §4.7).
    Rates(Slots),
    /// A value that MQTT carries as one JSON text.
    Packed(Box<Value>),
}

impl Value {
    /// An instant that is none, as evcc's language writes it.
    pub const NO_TIME: Self = Self::Text(Cow::Borrowed("0001-01-01T00:00:00Z"));

    /// A number as the wire carries it, so that two values compare as a reader would compare them.
    /// Not a number and infinities are not known: [`Value::Null`].
    pub fn float(number: f64) -> Self {
        if number.is_finite() { Self::Float(round3(number)) } else { Self::Null }
    }

    /// A price as the wire carries it, with five decimals (api.md §3.8); see [`Value::float`].
    pub fn price(number: f64) -> Self {
        if number.is_finite() { Self::Price(round(number, PRICE_SCALE)) } else { Self::Null }
    }

    /// `value` as [`Value::float`], or absent.
    pub fn float_or_absent(number: Option<f64>) -> Self {
        number.map_or(Self::Absent, Self::float)
    }

    /// A number that the wire carries without decimals.
    pub fn int(number: f64) -> Self {
        // The conversion saturates and takes not-a-number as 0; both are far outside every range.
        Self::Int(number.round() as i64)
    }

    /// Text that is not known at compile time.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(Cow::Owned(text.into()))
    }

    /// Text that is known at compile time.
    pub fn word(word: &'static str) -> Self {
        Self::Text(Cow::Borrowed(word))
    }

    /// An instant in whole seconds.
    pub fn time(time: DateTime<Utc>) -> Self {
        Self::Time(DateTime::from_timestamp(time.timestamp(), 0).unwrap_or(time))
    }

    /// A length of time in whole seconds, cut off.
    pub fn duration(duration: Duration) -> Self {
        Self::Duration(Duration::from_secs(duration.as_secs()))
    }

    /// L1, L2, L3; absent while no phase is known. A phase that never spoke counts as 0 beside others.
    pub fn phases(phases: [Option<f64>; 3]) -> Self {
        if phases.iter().all(Option::is_none) {
            return Self::Absent;
        }
        Self::Phases(phases.map(|phase| phase.filter(|x| x.is_finite()).map_or(0.0, round3)))
    }

    /// The text on MQTT of a value that fits one topic (api.md §1.3); empty for the others.
    pub fn mqtt_text(&self) -> String {
        match self {
            Self::Absent | Self::Null | Self::Object(_) => String::new(),
            Self::Bool(true) => "true".to_owned(),
            Self::Bool(false) => "false".to_owned(),
            Self::Int(number) => number.to_string(),
            Self::Float(number) => float_text(*number),
            Self::Price(number) => price_text(*number),
            Self::Text(text) => text.clone().into_owned(),
            Self::Time(time) => time.timestamp().to_string(),
            Self::Duration(duration) => duration.as_secs().to_string(),
            Self::Phases(phases) => float_text(phases.iter().sum()),
            Self::List(items) => items.len().to_string(),
            Self::NoList { .. } => "0".to_owned(),
            Self::Json(json) => json.to_string(),
            Self::Rates(slots) => slots.mqtt_text(),
            Self::Packed(value) => value.json(),
        }
    }

    /// The text in the settings store: one text also for what MQTT spreads over several topics.
    pub fn stored_text(&self) -> String {
        let composed = matches!(self, Self::List(_) | Self::NoList { .. } | Self::Object(_));
        if composed { self.json() } else { self.mqtt_text() }
    }

    /// All topics of the value of a top-level key and their payloads (api.md §1.3).
    pub fn each_topic(&self, topic: &str, tell: &mut dyn FnMut(&str, String)) {
        if let Self::Phases(phases) = self {
            tell(topic, self.mqtt_text());
            for (phase, name) in Phase::ALL.into_iter().zip(["l1", "l2", "l3"]) {
                tell(&format!("{topic}/{name}"), float_text(phases[phase.index()]));
            }
        } else if *self != Self::Absent {
            self.each_inner_topic(topic, tell);
        }
    }

    /// As [`Self::each_topic`] for a member of an object or a list: phases are a list of three, and
    /// what is absent has an empty topic.
    pub fn each_inner_topic(&self, topic: &str, tell: &mut dyn FnMut(&str, String)) {
        match self {
            Self::List(items) => {
                tell(topic, self.mqtt_text());
                for (n, item) in items.iter().enumerate() {
                    item.each_inner_topic(&format!("{topic}/{}", n + 1), tell);
                }
            }
            Self::Phases(phases) => {
                tell(topic, phases.len().to_string());
                for (n, phase) in phases.iter().enumerate() {
                    tell(&format!("{topic}/{}", n + 1), float_text(*phase));
                }
            }
            Self::Object(members) => {
                for (name, member) in members {
                    member.each_inner_topic(&format!("{topic}/{name}"), tell);
                }
            }
            Self::Absent
            | Self::Null
            | Self::Bool(_)
            | Self::Int(_)
            | Self::Float(_)
            | Self::Price(_)
            | Self::Text(_)
            | Self::Time(_)
            | Self::Duration(_)
            | Self::NoList { .. }
            | Self::Json(_)
            | Self::Rates(_)
            | Self::Packed(_) => tell(topic, self.mqtt_text()),
        }
    }

    /// Appends the JSON of `/api/state`, WebSocket and REST answers (api.md §3.8 "Ours").
    pub fn write_json(&self, out: &mut String) {
        match self {
            Self::Absent | Self::Null | Self::NoList { .. } => out.push_str("null"),
            Self::Bool(_) | Self::Int(_) | Self::Duration(_) => out.push_str(&self.mqtt_text()),
            Self::Float(number) => write_number(*number, FLOAT_DECIMALS, out),
            Self::Price(number) => write_number(*number, PRICE_DECIMALS, out),
            Self::Text(text) => write_json_text(text, out),
            Self::Time(time) => write_json_text(&rfc3339(*time), out),
            Self::Phases(phases) => {
                out.push('[');
                for (n, phase) in phases.iter().enumerate() {
                    write_comma(n, out);
                    write_number(*phase, FLOAT_DECIMALS, out);
                }
                out.push(']');
            }
            Self::List(items) => {
                out.push('[');
                for (n, item) in items.iter().enumerate() {
                    write_comma(n, out);
                    item.write_json(out);
                }
                out.push(']');
            }
            Self::Object(members) => {
                out.push('{');
                let present = members.iter().filter(|(_, member)| !member.is_left_out());
                for (n, (name, member)) in present.enumerate() {
                    write_comma(n, out);
                    write_json_text(name, out);
                    out.push(':');
                    member.write_json(out);
                }
                out.push('}');
            }
            Self::Json(json) => {
                // Writing to a string cannot fail.
                let _ = write!(out, "{json}");
            }
            Self::Rates(slots) => out.push_str(slots.json()),
            Self::Packed(value) => value.write_json(out),
        }
    }

    /// The JSON of [`Self::write_json`] as a text of its own.
    pub fn json(&self) -> String {
        let mut out = String::new();
        self.write_json(&mut out);
        out
    }

    /// The slots of a tariff in a forecast.
    pub(super) fn rates(&self) -> Option<&[Rate]> {
        match self {
            Self::Rates(slots) => Some(&slots.rates),
            Self::Packed(value) => value.rates(),
            Self::Object(members) => members.iter().find_map(|(_, member)| member.rates()),
            Self::Absent
            | Self::Null
            | Self::Bool(_)
            | Self::Int(_)
            | Self::Float(_)
            | Self::Price(_)
            | Self::Text(_)
            | Self::Time(_)
            | Self::Duration(_)
            | Self::Phases(_)
            | Self::List(_)
            | Self::NoList { .. }
            | Self::Json(_) => None,
        }
    }

    /// The text of a REST path segment, before percent-encoding.
    pub fn path_text(&self) -> String {
        match self {
            Self::Absent | Self::Null => "none".to_owned(),
            Self::Time(time) => rfc3339(*time),
            Self::Bool(_)
            | Self::Int(_)
            | Self::Float(_)
            | Self::Price(_)
            | Self::Text(_)
            | Self::Duration(_)
            | Self::Phases(_)
            | Self::List(_)
            | Self::NoList { .. }
            | Self::Object(_)
            | Self::Json(_)
            | Self::Rates(_)
            | Self::Packed(_) => self.mqtt_text(),
        }
    }

    /// Whether it is the number zero.
    pub(super) fn is_zero(&self) -> bool {
        matches!(self, Self::Int(0) | Self::Float(0.0))
    }

    /// Whether objects in JSON have no such member.
    pub fn is_left_out(&self) -> bool {
        matches!(self, Self::Absent | Self::NoList { optional: true })
    }
}

impl From<Watts> for Value {
    fn from(power: Watts) -> Self {
        Self::float(power.0)
    }
}

/// Appends `text` as a JSON string.
pub(super) fn write_json_text(text: &str, out: &mut String) {
    let _ = write!(out, "{}", serde_json::Value::from(text));
}

/// Appends the comma before every element but the first.
pub(super) fn write_comma(n: usize, out: &mut String) {
    if n > 0 {
        out.push(',');
    }
}

fn write_number(number: f64, most: usize, out: &mut String) {
    if number.is_finite() {
        write_decimals(number, most, out);
    } else {
        out.push_str("null");
    }
}

/// The decimals of numbers (api.md §1.3).
const FLOAT_DECIMALS: usize = 3;

/// Three decimals at most, without trailing zeros; empty for what is not a number.
pub(super) fn float_text(number: f64) -> String {
    decimals(number, FLOAT_DECIMALS)
}

/// The decimals of prices and forecasts (api.md §3.8).
pub(super) const PRICE_DECIMALS: usize = 5;

/// Five decimals at most, without trailing zeros.
pub(super) fn price_text(number: f64) -> String {
    decimals(number, PRICE_DECIMALS)
}

/// `most` decimals at most, the last one rounded away from zero as people do.
pub(super) fn rounded_text(number: f64, most: u8) -> String {
    decimals(round(number, 10_f64.powi(i32::from(most))), usize::from(most))
}

/// `most` decimals at most, without trailing zeros; empty for what is not a number.
pub(super) fn decimals(number: f64, most: usize) -> String {
    let mut out = String::new();
    write_decimals(number, most, &mut out);
    out
}

/// Appends [`decimals`]: a forecast has thousands of them.
pub(super) fn write_decimals(number: f64, most: usize, out: &mut String) {
    if !number.is_finite() {
        return;
    }
    let before = out.len();
    // Writing to a string cannot fail.
    let _ = write!(out, "{number:.most$}");
    if most > 0 {
        let kept = out[before..].trim_end_matches('0').trim_end_matches('.').len();
        out.truncate(before + kept);
    }
    if &out[before..] == "-0" {
        out.replace_range(before.., "0");
    }
}

fn round3(number: f64) -> f64 {
    round(number, 1000.0)
}

fn round(number: f64, scale: f64) -> f64 {
    if number.abs() < ROUNDED_BELOW {
        // Adding zero turns −0 into 0.
        (number * scale).round() / scale + 0.0
    } else {
        number
    }
}

pub(super) fn rfc3339(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Secs, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topics(value: &Value) -> Vec<(String, String)> {
        let mut topics = Vec::new();
        value.each_topic("t", &mut |topic, payload| topics.push((topic.to_owned(), payload)));
        topics
    }

    fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
        expected.iter().map(|(t, p)| ((*t).to_owned(), (*p).to_owned())).collect()
    }

    #[test]
    fn floats_are_told_with_three_decimals() {
        let cases = [
            (0.1234, "0.123"),
            (6.0, "6"),
            (100.0, "100"),
            (-0.0001, "0"),
            (11040.50, "11040.5"),
            (-0.0, "0"),
            (1e15, "1000000000000000"),
        ];
        for (number, text) in cases {
            assert_eq!(Value::float(number).mqtt_text(), text);
            assert_eq!(Value::Float(number).mqtt_text(), text);
            assert_eq!(Value::float(number).json(), text);
        }
        for odd in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert_eq!(Value::float(odd).mqtt_text(), "");
            assert_eq!(Value::Float(odd).mqtt_text(), "");
            assert_eq!(Value::Float(odd).json(), "null");
        }
    }

    #[test]
    fn phases_have_names_and_a_sum_at_the_top_and_numbers_inside() {
        let phases = Value::Phases([16.0, 16.0, 0.0]);
        assert_eq!(
            topics(&phases),
            pairs(&[("t", "32"), ("t/l1", "16"), ("t/l2", "16"), ("t/l3", "0")])
        );
        let inside = Value::Object(vec![("currents".into(), phases)]);
        assert_eq!(
            topics(&inside),
            pairs(&[
                ("t/currents", "3"),
                ("t/currents/1", "16"),
                ("t/currents/2", "16"),
                ("t/currents/3", "0"),
            ])
        );
        assert_eq!(inside.json(), r#"{"currents":[16,16,0]}"#);
    }

    #[test]
    fn lists_count_and_objects_are_silent() {
        let list = Value::List(vec![Value::Object(vec![
            ("name".into(), Value::word("pv1")),
            ("soc".into(), Value::Absent),
        ])]);
        assert_eq!(topics(&list), pairs(&[("t", "1"), ("t/1/name", "pv1"), ("t/1/soc", "")]));
        assert_eq!(list.json(), r#"[{"name":"pv1"}]"#);
        assert_eq!(topics(&Value::Absent), []);
        assert_eq!(topics(&Value::Null), pairs(&[("t", "")]));
        for optional in [true, false] {
            let none = Value::NoList { optional };
            assert_eq!(topics(&none), pairs(&[("t", "0")]));
            let inside = Value::Object(vec![("list".into(), none)]);
            assert_eq!(inside.json(), if optional { "{}" } else { r#"{"list":null}"# });
        }
    }

    #[test]
    fn times_and_durations_are_whole_seconds() {
        let time = DateTime::from_timestamp(1_723_183_200, 900_000_000).unwrap();
        assert_eq!(Value::time(time).mqtt_text(), "1723183200");
        assert_eq!(Value::time(time).json(), r#""2024-08-09T06:00:00Z""#);
        assert_eq!(Value::duration(Duration::from_millis(90_900)).mqtt_text(), "90");
    }

    #[test]
    fn an_empty_plan_is_the_text_null() {
        let plan = Value::Json(serde_json::Value::Null);
        assert_eq!((topics(&plan), plan.json()), (pairs(&[("t", "null")]), "null".to_owned()));
    }
}
