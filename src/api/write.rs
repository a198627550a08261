//! From raw bytes to a changed setting and an answer: one path for MQTT, REST and stored settings.

use crate::control::{Control, Refusal};
use crate::model::Now;

use super::Value;
use super::field::{Field, Set, System, View, Write};
use super::parse::parse;
use super::payload::{Asked, echo, unwrap};
use super::preview;
use super::topic::Address;
use super::value::write_json_text;

/// A longer payload is refused unread.
pub const MAX_PAYLOAD: usize = 4096;

/// What became of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Code {
    /// The value is in force and stored.
    Ok,
    /// There is no such topic, load point or vehicle.
    UnknownTopic,
    /// The value can be read only.
    ReadOnly,
    /// The payload is not of the field's kind.
    InvalidType,
    /// The number is outside the field's limits.
    OutOfRange,
    /// The state of the site forbids it.
    Refused,
    /// The value is in force but not stored: it is lost at the next restart.
    NotStored,
    /// Too many writes are waiting.
    Busy,
    /// The payload is too long.
    TooLarge,
    /// evcc can do this and we cannot yet.
    Unsupported,
}

impl Code {
    /// The wire spelling.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::UnknownTopic => "unknown_topic",
            Self::ReadOnly => "read_only",
            Self::InvalidType => "invalid_type",
            Self::OutOfRange => "out_of_range",
            Self::Refused => "refused",
            Self::NotStored => "not_stored",
            Self::Busy => "busy",
            Self::TooLarge => "too_large",
            Self::Unsupported => "unsupported",
        }
    }
}

/// The answer to a write (design §6).
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// What became of it.
    pub code: Code,
    /// What is wrong and how to mend it; empty if all is well.
    pub message: String,
    /// What was asked for, shortened.
    pub requested: String,
    /// The value that is in force now; absent if the field is not known.
    pub applied: Value,
    /// What REST answers: the applied value, or its own form of it.
    pub reply: Value,
    /// The writer's own mark, if the payload had one.
    pub id: Option<serde_json::Value>,
}

impl Answer {
    /// An answer that says why nothing was done.
    pub fn refusal(code: Code, message: impl Into<String>) -> Box<Self> {
        Box::new(Self {
            code,
            message: message.into(),
            requested: String::new(),
            applied: Value::Absent,
            reply: Value::Absent,
            id: None,
        })
    }

    /// Whether the value is in force and stored.
    pub fn ok(&self) -> bool {
        self.code == Code::Ok
    }

    /// The same answer for a write that is in force; `why` is like `not stored: disk full`.
    pub fn not_stored(mut self, why: &str) -> Self {
        if self.ok() {
            self.code = Code::NotStored;
            self.message = format!(
                "in force, and lost with the next restart if it cannot be stored later, {why}"
            );
        }
        self
    }

    /// The payload of `<topic>/set/result`.
    pub fn json(&self) -> String {
        let mut out = format!(r#"{{"ok":{},"code":"{}","message":"#, self.ok(), self.code.as_str());
        write_json_text(&self.message, &mut out);
        out.push_str(r#","requested":"#);
        write_json_text(&self.requested, &mut out);
        out.push_str(r#","applied":"#);
        self.applied.write_json(&mut out);
        out.push_str(r#","id":"#);
        out.push_str(&self.id.as_ref().map_or_else(|| "null".to_owned(), ToString::to_string));
        out.push('}');
        out
    }
}

/// What is to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Raw {
    /// A text in one of the field's spellings, or a JSON object with `value`, `id` and `ttl`.
    Text(String),
    /// Nothing: clear it.
    Clear,
}

/// Carries out an MQTT write. `topic` is below the root, with or without `/set`. An empty payload
/// is no write: it clears a retained command (api.md §2.1).
pub fn write_topic(
    control: &mut Control,
    system: &System,
    now: Now,
    topic: &str,
    payload: &[u8],
) -> Option<Box<Answer>> {
    if payload.is_empty() {
        return None;
    }
    let answer = match std::str::from_utf8(payload) {
        _ if payload.len() > MAX_PAYLOAD => Answer::refusal(
            Code::TooLarge,
            format!("{} bytes are more than {MAX_PAYLOAD}", payload.len()),
        ),
        Err(_) => Answer::refusal(Code::InvalidType, "the payload is not UTF-8"),
        Ok(text) => match preview::answer(&View { control, system, now }, topic, text) {
            Some(mut answer) => {
                answer.requested = echo(text);
                answer
            }
            None => write_text(control, system, now, topic, text),
        },
    };
    Some(answer)
}

fn write_text(
    control: &mut Control,
    system: &System,
    now: Now,
    topic: &str,
    text: &str,
) -> Box<Answer> {
    match Address::of_topic(topic) {
        Ok(address) => write(control, system, now, &address, &Raw::Text(text.to_owned())),
        Err(mut answer) => {
            let asked = unwrap(text).unwrap_or_else(|_| Asked::from(Raw::Text(text.to_owned())));
            answer.requested = asked.value.echo();
            answer.id = asked.id;
            answer
        }
    }
}

/// Carries out a write. Nothing changes unless the answer is ok.
pub fn write(
    control: &mut Control,
    system: &System,
    now: Now,
    address: &Address,
    raw: &Raw,
) -> Box<Answer> {
    let field = address.field;
    let asked = match raw {
        Raw::Text(text) => match unwrap_for(field, text) {
            Ok(asked) => asked,
            Err(message) => {
                let mut answer = Answer::refusal(Code::InvalidType, message);
                answer.requested = raw.echo();
                return answer;
            }
        },
        Raw::Clear => Asked::from(Raw::Clear),
    };
    let mut answer = match address.place.index(control) {
        Ok(index) => {
            let result = field
                .write
                .ok_or_else(|| (Code::ReadOnly, format!("{} is read only", field.key)))
                .and_then(|write| apply(control, now, field, &write, index, &asked));
            let view = View { control, system, now };
            let (code, message) = match result {
                Ok(()) => (Code::Ok, String::new()),
                Err(problem) => problem,
            };
            let mut answer = Answer::refusal(code, message);
            answer.applied = (field.get)(&view, index);
            answer.reply = match field.write.and_then(|write| write.rest.answer) {
                Some(reply) => reply(&view, index),
                None => answer.applied.clone(),
            };
            answer
        }
        Err(answer) => answer,
    };
    answer.requested = asked.value.echo();
    answer.id = asked.id;
    answer
}

/// As [`unwrap`], for a field that takes JSON: there an object can be the value itself.
fn unwrap_for(field: &Field, text: &str) -> Result<Asked, String> {
    if !field.write.is_some_and(|write| matches!(write.set, Set::Json(_))) {
        return unwrap(text);
    }
    let json: serde_json::Value = serde_json::from_str(text).unwrap_or_default();
    let wrapped = json.get("value").is_some_and(|value| !value.is_number());
    if wrapped && json.get("time").is_none() {
        return unwrap(text);
    }
    let asked = Asked::from(Raw::Text(text.trim().to_owned()));
    Ok(Asked { id: json.get("id").cloned(), ..asked })
}

fn apply(
    control: &mut Control,
    now: Now,
    field: &Field,
    write: &Write,
    index: usize,
    asked: &Asked,
) -> Result<(), (Code, String)> {
    let value = parse(field, write, &asked.value)?;
    if asked.ttl.is_some() && !matches!(write.set, Set::Lease(_)) {
        return Err((
            Code::InvalidType,
            format!("{} holds until it is changed: no ttl", field.key),
        ));
    }
    let refused = |refusal: Refusal| {
        let malformed = matches!(refusal, Refusal::Malformed(_));
        let code = if malformed { Code::InvalidType } else { Code::Refused };
        (code, refusal.to_string())
    };
    match (write.set, &value) {
        (Set::Float(set), Value::Float(number)) => set(control, now, index, *number),
        (Set::Float(set), Value::Int(number)) => set(control, now, index, *number as f64),
        (Set::FloatOrNone(set), Value::Price(number) | Value::Float(number)) => {
            set(control, now, index, Some(*number))
        }
        (Set::FloatOrNone(set), Value::Null) => set(control, now, index, None),
        (Set::Int(set), Value::Int(number)) => set(control, now, index, *number),
        (Set::Bool(set), Value::Bool(on)) => set(control, now, index, *on),
        (Set::Time(set), Value::Time(time)) => set(control, now, index, Some(*time)),
        (Set::Time(set), Value::Null) => set(control, now, index, None),
        (Set::Duration(set), Value::Duration(duration)) => set(control, now, index, *duration),
        (Set::Word(set), Value::Text(word)) => set(control, now, index, Some(word)),
        (Set::Word(set), Value::Null) => set(control, now, index, None),
        (Set::Lease(set), Value::Text(word)) => set(control, now, index, Some(word), asked.ttl),
        (Set::Lease(set), Value::Null) => set(control, now, index, None, None),
        (Set::Json(set), Value::Json(json)) => set(control, now, index, json),
        (Set::Json(set), Value::Null) => set(control, now, index, &serde_json::Value::Null),
        (
            Set::Float(_)
            | Set::Int(_)
            | Set::Bool(_)
            | Set::FloatOrNone(_)
            | Set::Time(_)
            | Set::Duration(_)
            | Set::Word(_)
            | Set::Lease(_)
            | Set::Json(_),
            _,
        ) => {
            return Err((Code::InvalidType, format!("{} does not take this", field.key)));
        }
    }
    .map_err(refused)
}
