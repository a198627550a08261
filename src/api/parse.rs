//! A text becomes a value of a field: the lenient spellings of every kind, and the limits.

use std::time::Duration;

use crate::model::Mode;

use super::Value;
use super::field::{Field, Kind, Set, Write};
use super::goal;
use super::payload::{echo, is_null_word};
use super::write::{Code, Raw};

/// A text in one of the spellings of the field's kind (api.md §2.1 "Our service").
pub(super) fn parse(field: &Field, write: &Write, asked: &Raw) -> Result<Value, (Code, String)> {
    let invalid = |expected: &str, text: &str| {
        let text = echo(text);
        (Code::InvalidType, format!("invalid value: {text} (expected {expected})"))
    };
    let text = match asked {
        Raw::Text(text) if !is_null_word(text) => text,
        Raw::Text(_) | Raw::Clear if write.clears => return Ok(Value::Null),
        Raw::Text(text) => text,
        Raw::Clear => return Err((Code::InvalidType, "cannot be cleared".to_owned())),
    };
    if let Set::Json(_) = write.set {
        let json: serde_json::Value =
            serde_json::from_str(text).map_err(|_| invalid("JSON", text))?;
        if let Some(number) = goal::number(&json) {
            in_range(field, write, number)?;
        }
        return Ok(Value::Json(json));
    }
    match field.kind {
        Kind::Bool => bool_of(text).map(Value::Bool).ok_or_else(|| invalid("true or false", text)),
        Kind::Int => {
            let number = int_of(text).ok_or_else(|| invalid("a whole number", text))?;
            in_range(field, write, number as f64)?;
            Ok(Value::Int(number))
        }
        Kind::Float => {
            let number = float_of(text).ok_or_else(|| invalid("a number", text))?;
            in_range(field, write, number)?;
            Ok(Value::float(number))
        }
        Kind::Price => {
            let number = float_of(text).ok_or_else(|| invalid("a number", text))?;
            in_range(field, write, number)?;
            Ok(Value::price(number))
        }
        Kind::Duration => {
            let number = int_of(text).ok_or_else(|| invalid("whole seconds", text))?;
            in_range(field, write, number as f64)?;
            let seconds = u64::try_from(number).map_err(|_| invalid("whole seconds", text))?;
            Ok(Value::Duration(Duration::from_secs(seconds)))
        }
        Kind::Enum(words) => {
            // `smart` is what later releases call `pv` (api.md §0.2).
            let later = |word: &&&'static str| {
                text.eq_ignore_ascii_case("smart") && **word == Mode::Pv.as_str()
            };
            words
                .iter()
                .find(|word| word.eq_ignore_ascii_case(text) || later(word))
                .map(|word| Value::word(word))
                .ok_or_else(|| invalid(&words.join(", "), text))
        }
        Kind::Text => Ok(Value::text(text)),
        Kind::Time => goal::instant(&serde_json::Value::from(text.as_str()))
            .map(Value::time)
            .ok_or_else(|| invalid("a time like 2031-01-01T06:00:00Z", text)),
        Kind::Phases | Kind::List | Kind::Object | Kind::Json => {
            Err((Code::Unsupported, format!("{} cannot be written", field.key)))
        }
    }
}

fn in_range(field: &Field, write: &Write, number: f64) -> Result<(), (Code, String)> {
    match write.range {
        Some((min, max)) if !(min..=max).contains(&number) => {
            let text = |number: f64| Value::float(number).mqtt_text();
            let (number, min, max) = (text(number), text(min), text(max));
            let message = format!("{number} is not between {min} and {max} {}", field.unit);
            Err((Code::OutOfRange, message.trim_end().to_owned()))
        }
        Some(_) | None => Ok(()),
    }
}

fn bool_of(text: &str) -> Option<bool> {
    let is = |words: &[&str]| words.iter().any(|word| word.eq_ignore_ascii_case(text));
    match (is(&["1", "t", "true", "on", "yes"]), is(&["0", "f", "false", "off", "no"])) {
        (true, _) => Some(true),
        (_, true) => Some(false),
        (false, false) => None,
    }
}

/// A finite decimal number, with or without exponent.
fn float_of(text: &str) -> Option<f64> {
    let plain =
        text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E'));
    let number = text.parse().ok().filter(|number: &f64| plain && number.is_finite())?;
    // Adding zero turns −0 into 0.
    Some(number + 0.0)
}

/// A whole number, also in the clothes of a float: `80.0`.
fn int_of(text: &str) -> Option<i64> {
    /// From here on floats skip whole numbers.
    const EXACT_BELOW: f64 = 9_007_199_254_740_992.0;
    text.parse().ok().or_else(|| {
        float_of(text)
            .filter(|number| number.fract() == 0.0 && number.abs() < EXACT_BELOW)
            .map(|number| number as i64)
    })
}
