//! Which writes a storm of others must not keep out: those that switch a load point off (design S4).
//!
//! Only these. A lower limit and a plan that is taken back lower nothing at once; what a home battery
//! is asked to do is a lease that ends by itself; and the grid operator's signal is no write but a
//! reading, of which the newest always has room. A value of `mode` is the only one of which is known,
//! without asking what is in force, that it can only lower a current.

use crate::model::Mode;

use super::Value;
use super::field::Scope;
use super::parse::parse;
use super::payload::unwrap;
use super::topic::{Address, Place};
use super::write::{Answer, Raw};

/// No spelling of `off` is longer, with its writer's mark; anything longer waits as others do.
const LONGEST: usize = 512;

/// The load point, from 0, that this write switches off; it may not exist.
pub fn switches_off(address: &Address, raw: &Raw) -> Option<usize> {
    let number = mode_of(address)?;
    let Raw::Text(text) = raw else { return None };
    let asked = unwrap(text).ok().filter(|asked| asked.ttl.is_none())?;
    let value = parse(address.field, &address.field.write?, &asked.value).ok()?;
    is_off(&value).then_some(number)
}

/// The same for a message: `topic` is below the root, with `/set`.
pub fn topic_switches_off(topic: &str, payload: &[u8]) -> Option<usize> {
    if payload.len() > LONGEST || !topic.starts_with("loadpoints/") {
        return None;
    }
    let text = std::str::from_utf8(payload).ok()?;
    let address = Address::of_topic(topic).ok()?;
    switches_off(&address, &Raw::Text(text.to_owned()))
}

/// Whether a write has switched a load point off.
pub fn switched_off(address: &Address, answer: &Answer) -> bool {
    answer.ok() && mode_of(address).is_some() && is_off(&answer.applied)
}

fn mode_of(address: &Address) -> Option<usize> {
    let Place::LoadPoint(number) = address.place else { return None };
    let is_mode = address.field.scope == Scope::LoadPoint && address.field.key == "mode";
    number.checked_sub(1).filter(|_| is_mode)
}

fn is_off(value: &Value) -> bool {
    matches!(value, Value::Text(word) if *word == Mode::Off.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_off_and_nothing_else() {
        for payload in ["off", "OFF", " off\n", r#"{"value":"off","id":7}"#] {
            let place = topic_switches_off("loadpoints/3/mode/set", payload.as_bytes());
            assert_eq!(place, Some(2), "{payload}");
        }
        let long = format!(r#"{{"value":"off","id":"{}"}}"#, "x".repeat(LONGEST));
        for (topic, payload) in [
            ("loadpoints/3/mode/set", "now"),
            ("loadpoints/3/mode/set", ""),
            ("loadpoints/3/mode/set", "null"),
            ("loadpoints/3/mode/set", "{off"),
            ("loadpoints/3/mode/set", r#"{"value":"off","ttl":5}"#),
            ("loadpoints/3/mode/set", &long),
            ("loadpoints/0/mode/set", "off"),
            ("loadpoints/3/batteryBoost/set", "off"),
            ("vehicles/mode/mode/set", "off"),
            ("site/batteryMode/set", "off"),
        ] {
            assert_eq!(topic_switches_off(topic, payload.as_bytes()), None, "{topic} {payload}");
        }
        assert_eq!(topic_switches_off("loadpoints/3/mode/set", &[0xFF]), None);
    }
}
