//! A payload taken apart: the value, the writer's mark, how long it holds.

use std::time::Duration;

use super::write::Raw;

/// The longest time that the writer of a lease can ask for.
const TTL_MAX_S: u64 = 86_400;
/// How much of a payload is repeated in the answer.
pub(super) const MAX_ECHO: usize = 256;
/// Words that clear a field (api.md §2.1); case does not matter.
const NULL_WORDS: [&str; 4] = ["-", "nil", "null", "none"];

/// What is repeated of a payload.
pub(super) fn echo(text: &str) -> String {
    text.chars().take(MAX_ECHO).collect()
}

/// Whether a text clears a field.
pub(super) fn is_null_word(text: &str) -> bool {
    NULL_WORDS.iter().any(|word| word.eq_ignore_ascii_case(text))
}

impl Raw {
    /// What is repeated of it.
    pub(super) fn echo(&self) -> String {
        match self {
            Self::Text(text) => echo(text),
            Self::Clear => String::new(),
        }
    }
}

/// A payload taken apart.
pub(super) struct Asked {
    /// What is to be written.
    pub(super) value: Raw,
    /// The writer's own mark.
    pub(super) id: Option<serde_json::Value>,
    /// How long it holds unless it is written again.
    pub(super) ttl: Option<Duration>,
}

impl From<Raw> for Asked {
    fn from(value: Raw) -> Self {
        Self { value, id: None, ttl: None }
    }
}

/// The members of a JSON object `{"value":…,"id":…,"ttl":…}`; any other text is the value.
pub(super) fn unwrap(text: &str) -> Result<Asked, String> {
    let trimmed = text.trim();
    if !trimmed.starts_with('{') {
        return Ok(Asked::from(Raw::Text(trimmed.to_owned())));
    }
    let json: serde_json::Value =
        serde_json::from_str(trimmed).map_err(|error| format!("not JSON: {error}"))?;
    let value = match &json["value"] {
        serde_json::Value::Null if json.get("value").is_none() => {
            return Err("the object has no member `value`".to_owned());
        }
        serde_json::Value::Null => Raw::Clear,
        serde_json::Value::String(text) => Raw::Text(text.trim().to_owned()),
        serde_json::Value::Bool(_)
        | serde_json::Value::Number(_)
        | serde_json::Value::Array(_)
        | serde_json::Value::Object(_) => Raw::Text(json["value"].to_string()),
    };
    let ttl = match json.get("ttl") {
        None => None,
        Some(ttl) => match ttl.as_u64() {
            Some(seconds @ 1..=TTL_MAX_S) => Some(Duration::from_secs(seconds)),
            Some(_) | None => return Err(format!("ttl is not 1 to {TTL_MAX_S} whole seconds")),
        },
    };
    Ok(Asked { value, id: json.get("id").cloned(), ttl })
}
