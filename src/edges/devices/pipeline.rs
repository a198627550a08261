//! From the text of a message to a typed value: regex, jq, conversion (plans-vehicles-devices.md §7.1, §7.2, §8.1).

use std::borrow::Cow;

use regex_lite::Regex;

use super::jq::Jq;
use super::value::{Kind, Value};
use crate::config::Pipeline;
use crate::model::ChargeStatus;

/// Longest text that is looked at; a value is short, a JSON document of a device is rarely 10 KiB.
pub const MAX_TEXT: usize = 64 * 1024;

/// How much of a text an error message quotes.
const EXCERPT_CHARS: usize = 40;

/// Payloads by which a device says that it has no value now (§7.2).
const KNOWN_ERRORS: [&str; 3] = ["ErrAsleep", "ErrMustRetry", "ErrNotAvailable"];

/// Turns texts into values of one kind; compiled once.
pub struct Getter {
    kind: Kind,
    scale: f64,
    regex: Option<Regex>,
    default: Option<String>,
    jq: Option<Jq>,
    quote: bool,
    longest: usize,
}

impl Getter {
    /// Compiles the pipeline of an attribute. `scale` multiplies numbers.
    ///
    /// # Errors
    /// What is wrong with the regular expression or the jq program.
    pub fn compile(kind: Kind, scale: f64, pipeline: &Pipeline) -> Result<Self, String> {
        let regex = pipeline.regex.as_deref().map(Regex::new).transpose();
        Ok(Self {
            kind,
            scale,
            regex: regex.map_err(|error| format!("regex: {error}"))?,
            default: pipeline.default.clone(),
            jq: pipeline.jq.as_deref().map(Jq::compile).transpose()?,
            quote: pipeline.quote,
            longest: MAX_TEXT,
        })
    }

    /// The same for longer documents.
    pub fn reading_up_to(self, longest: usize) -> Self {
        Self { longest, ..self }
    }

    /// The value of a payload; `None` when the jq program says `null` (W-48).
    ///
    /// # Errors
    /// Why the payload is no value of the kind.
    pub fn read(&self, payload: &[u8]) -> Result<Option<Value>, String> {
        if payload.len() > self.longest {
            return Err(format!("{} bytes are too long", payload.len()));
        }
        let text = std::str::from_utf8(payload).map_err(|_| "not UTF-8")?;
        if KNOWN_ERRORS.contains(&text.trim()) {
            return Err(format!("the device says {}", text.trim()));
        }
        let matched = self.matched(text);
        let text = match &self.jq {
            None => matched.clone().unwrap_or(Cow::Borrowed(text)),
            Some(jq) => {
                let input = matched.clone().unwrap_or(Cow::Borrowed(text));
                let input = if self.quote { quoted(&input) } else { input };
                match jq.run(&input)? {
                    Some(result) => Cow::Owned(result),
                    None => return Ok(None),
                }
            }
        };
        // An unmatched text passes on unchanged (§7.2); say so where it then fails (W-46).
        convert(self.kind, &text, self.scale).map(Some).map_err(|error| match matched {
            Some(_) => error,
            None => format!("the regex does not match, and {error}"),
        })
    }

    /// What the regular expression makes of the text; `None` if it does not match and there is no default.
    fn matched<'a>(&'a self, text: &'a str) -> Option<Cow<'a, str>> {
        let Some(regex) = &self.regex else {
            return Some(Cow::Borrowed(text));
        };
        let found = regex
            .captures(text)
            .and_then(|captures| captures.get(1).or_else(|| captures.get(0)))
            .map(|found| found.as_str());
        found.or(self.default.as_deref()).map(Cow::Borrowed)
    }
}

/// The value that a text spells. `scale` multiplies numbers.
///
/// # Errors
/// Why the text is no value of this kind.
pub fn convert(kind: Kind, text: &str, scale: f64) -> Result<Value, String> {
    match kind {
        Kind::Number => number(text, scale).map(Value::Number),
        Kind::Bool => boolean(text).map(Value::Bool),
        Kind::Status => status(text).map(Value::Status),
        Kind::Text => Ok(Value::Text(trimmed(text).to_owned())),
    }
}

/// A text shortened for an error message.
pub(super) fn excerpt(text: &str) -> String {
    let mut chars = text.chars();
    let mut short: String = chars.by_ref().take(EXCERPT_CHARS).collect();
    if chars.next().is_some() {
        short.push('…');
    }
    short
}

/// Decimal or exponent notation; NaN and infinities are refused (§7.1).
fn number(text: &str, scale: f64) -> Result<f64, String> {
    let number: Option<f64> = text.trim().parse().ok();
    number
        .map(|number| number * scale)
        .filter(|number| number.is_finite())
        .ok_or_else(|| format!("{:?} is not a number", excerpt(text)))
}

/// The words of §7.1; on, off, yes and no are ours (W-19).
fn boolean(text: &str) -> Result<bool, String> {
    match text.trim() {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => return Ok(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => return Ok(false),
        _ => {}
    }
    match text.trim().to_ascii_lowercase().as_str() {
        "on" | "yes" => Ok(true),
        "off" | "no" => Ok(false),
        _ => Err(format!("{:?} is neither true nor false", excerpt(text))),
    }
}

/// The status letters of §8.1.
fn status(text: &str) -> Result<ChargeStatus, String> {
    let letters = trimmed(text).to_ascii_uppercase();
    match letters.as_bytes() {
        b"C1" | b"D1" | [b'B', ..] => Ok(ChargeStatus::Connected),
        [b'A', ..] => Ok(ChargeStatus::Disconnected),
        [b'C' | b'D', ..] => Ok(ChargeStatus::Charging),
        _ => Err(format!("{:?} is not a status from A to D", excerpt(text))),
    }
}

/// Without the blanks and NULs that devices pad texts with.
fn trimmed(text: &str) -> &str {
    text.trim_matches(|c: char| c.is_whitespace() || c == '\0')
}

/// The text as a JSON string.
fn quoted(text: &str) -> Cow<'_, str> {
    Cow::Owned(serde_json::Value::from(text).to_string())
}
