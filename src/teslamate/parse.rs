//! Bytes to values: topics and payloads as TeslaMate encodes them (plans-vehicles-devices.md §6.1, §6.3).

use std::fmt;

use chrono::{DateTime, Utc};

use crate::model::Telemetry;

use super::table::Kind;

/// TeslaMate's longest payloads are routes and places; nothing it sends comes near this.
const PAYLOAD_MAX: usize = 4096;
/// Names of cars, places and versions; longer text is not one.
const TEXT_MAX: usize = 256;
/// A namespace is a word of the user's environment.
const NAMESPACE_MAX: usize = 64;

/// Why a payload was not taken; the value before it stays.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Malformed {
    /// Longer than anything TeslaMate sends.
    TooLong {
        /// The most that is read.
        max: usize,
    },
    /// Not text.
    NotUtf8,
    /// Neither `true` nor `false`.
    NotBool,
    /// Not a finite number.
    NotNumber,
    /// A number that cannot be.
    OutOfRange {
        /// Smallest.
        min: f64,
        /// Largest.
        max: f64,
        /// Unit; empty for none.
        unit: &'static str,
    },
    /// Not an ISO 8601 instant.
    NotTime,
    /// Not a JSON object.
    NotJson,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { max } => write!(f, "longer than {max} bytes"),
            Self::NotUtf8 => f.write_str("not UTF-8 text"),
            Self::NotBool => f.write_str("neither true nor false"),
            Self::NotNumber => f.write_str("not a finite number"),
            Self::OutOfRange { min, max, unit } => write!(f, "not within {min} to {max} {unit}"),
            Self::NotTime => f.write_str("not an ISO 8601 instant"),
            Self::NotJson => f.write_str("not a JSON object"),
        }
    }
}

impl std::error::Error for Malformed {}

/// A topic of TeslaMate, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Topic<'a> {
    /// Empty for none.
    pub(super) namespace: &'a str,
    /// The car's id.
    pub(super) id: u32,
    /// The last part.
    pub(super) key: &'a str,
}

/// Takes a topic apart; `None` if TeslaMate cannot have sent it.
pub(super) fn topic(text: &str) -> Option<Topic<'_>> {
    let rest = text.strip_prefix("teslamate/")?;
    let mut parts = rest.split('/');
    let (namespace, id, key) =
        match (parts.next(), parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some("cars"), Some(id), Some(key), None, None) => ("", id, key),
            (Some(namespace), Some("cars"), Some(id), Some(key), None) if !namespace.is_empty() => {
                (namespace, id, key)
            }
            _ => return None,
        };
    // "01" and "+1" would make two names for one car.
    let canonical = id.bytes().all(|byte| byte.is_ascii_digit()) && !id.starts_with('0');
    if !canonical || namespace.len() > NAMESPACE_MAX {
        return None;
    }
    Some(Topic { namespace, id: id.parse().ok()?, key })
}

/// Reads a payload; `None` is TeslaMate's null: an empty payload or the word `nil`.
pub(super) fn value(kind: Kind, payload: &[u8]) -> Result<Option<Telemetry>, Malformed> {
    if payload.len() > PAYLOAD_MAX {
        return Err(Malformed::TooLong { max: PAYLOAD_MAX });
    }
    let text = std::str::from_utf8(payload).map_err(|_| Malformed::NotUtf8)?;
    let text = text.trim_matches(|c: char| c.is_whitespace() || c == '\0');
    if text.is_empty() || text == "nil" {
        return Ok(None);
    }
    let value = match kind {
        Kind::Flag => Telemetry::Bool(text.parse().map_err(|_| Malformed::NotBool)?),
        Kind::Number { min, max, unit } => {
            let number: f64 = text.parse().map_err(|_| Malformed::NotNumber)?;
            if !number.is_finite() {
                return Err(Malformed::NotNumber);
            }
            if !(min..=max).contains(&number) {
                return Err(Malformed::OutOfRange { min, max, unit });
            }
            Telemetry::Number(number)
        }
        Kind::Text if text.len() > TEXT_MAX => return Err(Malformed::TooLong { max: TEXT_MAX }),
        Kind::Text => Telemetry::Text(text.to_owned()),
        Kind::Time => {
            let instant = DateTime::parse_from_rfc3339(text).map_err(|_| Malformed::NotTime)?;
            Telemetry::Time(instant.with_timezone(&Utc))
        }
        Kind::Json => match serde_json::from_str(text) {
            Ok(serde_json::Value::Object(_)) => Telemetry::Text(text.to_owned()),
            _ => return Err(Malformed::NotJson),
        },
    };
    Ok(Some(value))
}

/// Latitude and longitude of a `location` object, if they can be.
pub(super) fn location(json: &str) -> Option<(f64, f64)> {
    let object: serde_json::Value = serde_json::from_str(json).ok()?;
    let degrees = |name: &str, limit: f64| {
        object.get(name)?.as_f64().filter(|degrees| degrees.abs() <= limit)
    };
    Some((degrees("latitude", 90.0)?, degrees("longitude", 180.0)?))
}
