//! From the text of a message to a typed value: XML, regex, jq, bytes, conversion (plans-vehicles-devices.md §7.1, §7.2, §8.1).

use std::borrow::Cow;

use regex_lite::Regex;

use super::jq::Jq;
use super::value::{Kind, Value};
use super::{register, xml};
use crate::config::{Encoding, Pipeline, Register, RegisterKind};
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
    allow_empty: bool,
    unpack_hex: bool,
    decode: Option<Encoding>,
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
            allow_empty: pipeline.allow_empty,
            unpack_hex: pipeline.unpack_hex,
            decode: pipeline.decode,
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
        let trimmed = payload.trim_ascii();
        if self.allow_empty && trimmed.is_empty() {
            return Ok((self.kind == Kind::Text).then(|| Value::Text(String::new())));
        }
        if let Some(known) = KNOWN_ERRORS.iter().find(|known| known.as_bytes() == trimmed) {
            return Err(format!("the device says {known}"));
        }
        let as_text = self.regex.is_some() || self.jq.is_some() || self.unpack_hex;
        match self.decode {
            Some(encoding) if !as_text => self.decoded(payload, encoding),
            Some(_) | None => {
                self.read_text(std::str::from_utf8(payload).map_err(|_| "not UTF-8")?)
            }
        }
    }

    fn read_text(&self, text: &str) -> Result<Option<Value>, String> {
        let text = self.without_xml(text)?;
        let matched = self.matched(&text);
        let text = match &self.jq {
            None => matched.clone().unwrap_or(Cow::Borrowed(&*text)),
            Some(jq) => {
                let input = matched.clone().unwrap_or(Cow::Borrowed(&*text));
                let input = if self.quote { quoted(&input) } else { input };
                match jq.run(&input)? {
                    Some(result) => Cow::Owned(result),
                    None => return Ok(None),
                }
            }
        };
        let value = match (self.unpack_hex, self.decode) {
            (true, encoding) => unpacked(&text).and_then(|bytes| match encoding {
                Some(encoding) => self.decoded(&bytes, encoding),
                None => convert(self.kind, &String::from_utf8_lossy(&bytes), self.scale).map(Some),
            }),
            (false, Some(encoding)) => self.decoded(text.as_bytes(), encoding),
            (false, None) => convert(self.kind, &text, self.scale).map(Some),
        };
        // An unmatched text passes on unchanged (§7.2); say so where it then fails (W-46).
        value.map_err(|error| match matched {
            Some(_) => error,
            None => format!("the regex does not match, and {error}"),
        })
    }

    /// XML as JSON. What only looks like XML passes on as it is, as in evcc, unless jq waits for it.
    fn without_xml<'a>(&self, text: &'a str) -> Result<Cow<'a, str>, String> {
        if !text.trim_start().starts_with("<?xml") {
            return Ok(Cow::Borrowed(text));
        }
        match xml::json(text.trim()) {
            Ok(json) => Ok(Cow::Owned(json)),
            Err(error) if self.jq.is_some() => Err(format!("not XML: {error}")),
            Err(_) => Ok(Cow::Borrowed(text)),
        }
    }

    /// The number that the first bytes are; `float64` is a float here, too (W-20).
    fn decoded(&self, bytes: &[u8], encoding: Encoding) -> Result<Option<Value>, String> {
        let width = 2 * usize::from(register::width(encoding.number));
        let Some(bytes) = bytes.get(..width) else {
            return Err(format!("expected {width} bytes, got {}", bytes.len()));
        };
        let (pairs, _) = bytes.as_chunks::<2>();
        let words: Vec<u16> = pairs.iter().map(|pair| u16::from_be_bytes(*pair)).collect();
        let register = Register { kind: RegisterKind::Input, address: 0, encoding, bitmask: 0 };
        match self.kind {
            Kind::Number | Kind::Bool => register::read(self.kind, &register, &words, self.scale),
            Kind::Status | Kind::Text => {
                let number = register::read(Kind::Number, &register, &words, 1.0)?;
                let text = number.map(|number| match number {
                    Value::Number(number) => number.to_string(),
                    Value::Bool(_) | Value::Status(_) | Value::Text(_) => String::new(),
                });
                text.map(|text| convert(self.kind, &text, 1.0)).transpose()
            }
        }
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
pub(super) fn trimmed(text: &str) -> &str {
    text.trim_matches(|c: char| c.is_whitespace() || c == '\0')
}

/// The bytes that a text spells in hexadecimal digits.
fn unpacked(text: &str) -> Result<Vec<u8>, String> {
    let wrong = || format!("{:?} is not hexadecimal", excerpt(text));
    let (pairs, rest) = text.trim().as_bytes().as_chunks::<2>();
    if !rest.is_empty() {
        return Err(wrong());
    }
    let digit = |letter: u8| char::from(letter).to_digit(16).and_then(|n| u8::try_from(n).ok());
    let byte = |[high, low]: &[u8; 2]| Some(digit(*high)? << 4 | digit(*low)?);
    pairs.iter().map(byte).collect::<Option<_>>().ok_or_else(wrong)
}

/// The text as a JSON string.
fn quoted(text: &str) -> Cow<'_, str> {
    Cow::Owned(serde_json::Value::from(text).to_string())
}
