//! Stored settings: what they are called, and how they come back into force (plans-vehicles-devices.md §4.6).

use std::collections::BTreeMap;
use std::time::Duration;

use crate::control::Control;
use crate::model::Now;

use super::Value;
use super::field::{Field, System};
use super::goal;
use super::table::rows;
use super::topic::{Address, Place};
use super::write::{Raw, write};

/// A stored setting that is not in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Its key in the store.
    pub key: String,
    /// Why, and what is in force instead.
    pub message: String,
}

/// Replays stored settings as ordinary writes; call it again for the keys of a vehicle that appears
/// later. Rules between fields are met by repetition: what is refused is tried again as long as
/// something else was accepted (plans-vehicles-devices.md §4.6).
pub fn restore(
    control: &mut Control,
    system: &System,
    now: Now,
    stored: &BTreeMap<String, String>,
) -> Vec<Problem> {
    let mut waiting: Vec<(String, String)> = stored
        .iter()
        .flat_map(|(key, text)| goal::join(key, text, stored))
        .flat_map(|(key, text)| spread(&key, &text))
        .filter(|(_, text)| !text.is_empty())
        .collect();
    loop {
        let before = waiting.len();
        let mut problems = Vec::new();
        waiting.retain(|(key, text)| {
            let granted = control.restore(|control| replay(control, system, now, key, text));
            let refused = granted.map_err(|message| Problem { key: key.clone(), message }).err();
            let again = refused.is_some();
            problems.extend(refused);
            again
        });
        // Each round accepts at least one of them, so this ends.
        if waiting.is_empty() || waiting.len() == before {
            return problems;
        }
    }
}

/// The key of a stored field: `prioritySoc`, `lp1.mode`, `vehicle.tesla.minSoc`.
pub(super) fn stored_key(place: &Place, key: &str) -> String {
    match place {
        Place::Site => key.to_owned(),
        Place::LoadPoint(number) => format!("lp{number}.{key}"),
        Place::Vehicle(name) => format!("vehicle.{name}.{key}"),
    }
}

fn replay(
    control: &mut Control,
    system: &System,
    now: Now,
    key: &str,
    text: &str,
) -> Result<(), String> {
    let place = match key.rsplit_once('.') {
        None => Place::Site,
        Some((scope, _)) => {
            if let Some(name) = scope.strip_prefix("vehicle.") {
                Place::Vehicle(name.to_owned())
            } else {
                let number = scope.strip_prefix("lp").and_then(|number| number.parse().ok());
                Place::LoadPoint(number.ok_or("no setting of this version")?)
            }
        }
    };
    let name = key.rsplit_once('.').map_or(key, |(_, name)| name);
    let field = rows(place.scope())
        .iter()
        .copied()
        .find(|field| field.stored() == Some(name))
        .ok_or("no setting of this version")?;
    if overruled(field, text) {
        return Ok(());
    }
    let address = Address { field, place };
    let answer = write(control, system, now, &address, &Raw::Text(text.to_owned()));
    match answer.ok() {
        true => Ok(()),
        false => Err(answer.message),
    }
}

/// evcc stores 0 where no current is meant.
fn overruled(field: &Field, text: &str) -> bool {
    matches!(field.key, "minCurrent" | "maxCurrent") && text.trim() == "0"
}

/// evcc keeps the thresholds of a load point in one JSON text, its delays in nanoseconds.
fn spread(key: &str, text: &str) -> Vec<(String, String)> {
    let Some(prefix) = key.strip_suffix(".thresholds") else {
        return vec![(key.to_owned(), text.to_owned())];
    };
    let json: serde_json::Value = serde_json::from_str(text).unwrap_or_default();
    let mut settings = Vec::new();
    for side in ["enable", "disable"] {
        if let Some(power) = json[side]["threshold"].as_f64() {
            settings.push((format!("{prefix}.{side}Threshold"), Value::float(power).mqtt_text()));
        }
        if let Some(delay) = json[side]["delay"].as_u64() {
            let seconds = Value::duration(Duration::from_nanos(delay)).mqtt_text();
            settings.push((format!("{prefix}.{side}Delay"), seconds));
        }
    }
    settings
}
