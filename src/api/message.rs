//! What people are told when something happens: the event for machines, texts for people, with the
//! values of that moment (plans-vehicles-devices.md §7.3, §9.1).

use std::time::Duration;

use serde_json::json;

use crate::control::Control;
use crate::model::{Device, Event, EventKind, Format, Now, Piece, Printf, Template, Verb};

use super::field::View;
use super::payload::MAX_ECHO;
use super::project::State;
use super::table::rows;
use super::topic::Place;
use super::value::{Value, decimals, rfc3339};
use super::write::Answer;

/// Stands for a value that is not known: the message is sent all the same (W-42).
const MISSING: &str = "–";
/// A shorter value is no secret.
const SECRET_MIN: usize = 4;
/// How much of a topic is told.
const TOPIC_MAX: usize = 200;
/// Names of the assigned vehicle's own values in texts, and what they are at the vehicle.
const OF_VEHICLE: [(&str, &str); 6] = [
    ("vehicleTitle", "title"),
    ("vehicleIcon", "icon"),
    ("vehicleCapacity", "capacity"),
    ("vehicleLimitSoc", "limitSoc"),
    ("vehicleMinSoc", "minSoc"),
    ("vehiclePlan", "plan"),
];
/// Values that a load point tells of its vehicle, for a vehicle that has just left it.
const LEFT_BEHIND: [(&str, &str); 3] =
    [("vehicleSoc", "soc"), ("vehicleRange", "range"), ("vehicleOdometer", "odometer")];

/// A write that was not carried out.
#[derive(Clone, Copy, Debug)]
pub struct Refusal<'a> {
    /// The topic that it was made to, or would have been.
    pub topic: &'a str,
    /// `mqtt` or `rest`.
    pub over: &'static str,
    /// Why it was not.
    pub answer: &'a Answer,
}

/// Something that happened, and everything that was known then.
#[derive(Debug)]
pub struct Occasion {
    state: State,
    /// The load point that raised it, from 1.
    loadpoint: Option<Place>,
    /// Names that the event itself brings; they win over those of the state.
    own: Vec<(&'static str, Value)>,
}

impl Occasion {
    /// An event that was just taken from the core.
    pub fn new(event: &Event, view: &View<'_>, told: &State) -> Self {
        let state = told.next(view);
        let loadpoint = event.lp.map(|lp| Place::LoadPoint(lp.0 + 1));
        let mut own = vec![("event", Value::word(event.kind.as_str()))];
        own.extend(event.lp.map(|lp| ("loadpoint", Value::int(lp.0 as f64 + 1.0))));
        own.extend(details(event, view.control));
        let vehicle = event.vehicle.and_then(|ix| view.control.vehicles().get(ix.0));
        let vehicle = vehicle.map(|vehicle| vehicle.setup.name.as_str());
        if let Some(name) = vehicle {
            own.push(("vehicle", Value::text(name)));
            own.extend(of_vehicle(&state, loadpoint.as_ref(), name));
        }
        Self { state, loadpoint, own }
    }

    /// A write that was refused. Nothing of its payload is repeated: people paste what they paste.
    pub fn refused(refusal: &Refusal<'_>, view: &View<'_>, told: &State) -> Self {
        let mut occasion = Self::new(&Event::of_site(EventKind::CommandRefused), view, told);
        let Refusal { topic, over, answer } = refusal;
        occasion.own.extend([
            ("topic", Value::text(topic.chars().take(TOPIC_MAX).collect::<String>())),
            ("over", Value::word(over)),
            ("code", Value::word(answer.code.as_str())),
            ("message", Value::text(without_payload(answer))),
        ]);
        occasion
    }

    /// Another service has the devices; `why` names the remedy.
    pub fn standby(why: &str, view: &View<'_>, told: &State) -> Self {
        let mut occasion = Self::new(&Event::of_site(EventKind::Standby), view, told);
        occasion.own.push(("message", Value::text(why)));
        occasion
    }

    /// The event for `<root>/events`: what it is, where, which vehicle, when.
    pub fn json(&self, now: Now) -> String {
        let own = |name: &str| {
            let value = self.own.iter().find(|(known, _)| *known == name);
            value.and_then(|(_, value)| serde_json::from_str(&value.json()).ok())
        };
        let own = |name: &str| own(name).unwrap_or(serde_json::Value::Null);
        let mut json = json!({
            "event": own("event"),
            "circuit": own("circuit"),
            "limit": own("limit"),
            "loadpoint": own("loadpoint"),
            "soc": own("soc"),
            "vehicle": own("vehicle"),
            "time": rfc3339(now.utc),
        });
        // What only some events know is there where it is known.
        for name in ["code", "device", "kind", "message", "over", "since", "topic"] {
            let value = own(name);
            if !value.is_null() {
                json[name] = value;
            }
        }
        json.to_string()
    }

    /// A text with the values of the moment in the places of their names.
    pub fn text(&self, template: &Template) -> String {
        let piece = |piece: &Piece| match piece {
            Piece::Text(text) => text.clone(),
            Piece::Value { path, format } => {
                self.find(path).map_or_else(|| MISSING.to_owned(), |value| shown(value, *format))
            }
        };
        template.pieces.iter().map(piece).collect()
    }

    /// The value of a name: the event's own before the load point's before the site's; members of
    /// objects by their names. `None` for what is not known.
    fn find(&self, path: &[String]) -> Option<&Value> {
        let (name, members) = path.split_first()?;
        let own = self.own.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        let mut value = match own {
            Some((_, value)) => value,
            None => self
                .loadpoint
                .as_ref()
                .and_then(|place| self.told(place, name))
                .or_else(|| self.told(&Place::Site, name))?,
        };
        for wanted in members {
            let Value::Object(known) = value else { return None };
            value = &known.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted))?.1;
        }
        let empty = matches!(value, Value::Text(text) if text.is_empty());
        (!empty && !matches!(value, Value::Absent | Value::Null)).then_some(value)
    }

    fn told(&self, place: &Place, name: &str) -> Option<&Value> {
        let mut fields = rows(place.scope()).iter();
        let field = fields.find(|field| field.key.eq_ignore_ascii_case(name))?;
        let value = self.state.value(place, field.key)?;
        Some(if field.is_unknown(value) { &Value::Null } else { value })
    }
}

/// The message of a refusal without what was written.
fn without_payload(answer: &Answer) -> String {
    let Answer { requested, message, code, .. } = answer;
    match requested.len() {
        // Too short for a secret, and for not being in other words by chance.
        0..SECRET_MIN => message.clone(),
        SECRET_MIN..MAX_ECHO => message.replace(requested.as_str(), "…"),
        // Of a longer one only the beginning is known here.
        _ => code.as_str().to_owned(),
    }
}

/// What a kind of event knows beside its name.
fn details(event: &Event, control: &Control) -> Vec<(&'static str, Value)> {
    let (circuit, watts) = event.kind.details();
    let circuits = &control.circuits().circuits;
    let circuit = circuit.and_then(|ix| circuits.get(ix.0));
    let mut own = Vec::new();
    own.extend(circuit.map(|circuit| ("circuit", Value::text(&circuit.setup.name))));
    let feed_in = control.circuits().feed_in.filter(|_| event.kind.share().is_some());
    let feed_in = feed_in.and_then(|feed_in| feed_in.power()).map(Value::from);
    let limit = watts.map(|watts| Value::Int(watts.into())).or(feed_in);
    own.extend(limit.map(|limit| ("limit", limit)));
    if let Some((device, since)) = event.kind.device() {
        own.extend(name_of(device, control).map(|name| ("device", Value::text(name))));
        own.extend([("kind", Value::word(device.as_str())), ("since", Value::time(since))]);
    }
    own.extend(event.kind.soc().map(|soc| ("soc", Value::Int(soc.into()))));
    own
}

/// The name of a device in the configuration.
fn name_of(device: Device, control: &Control) -> Option<&str> {
    match device {
        Device::Meter(ix) => control.site().meters.get(ix.0).map(|meter| &*meter.setup.name),
        Device::Charger(ix) => control.loadpoints().get(ix.0).map(|lp| lp.setup.charger_name()),
        Device::Vehicle(ix) => control.vehicles().get(ix.0).map(|vehicle| &*vehicle.setup.name),
    }
}

/// The values of the event's vehicle, which may have left the load point by now.
fn of_vehicle(state: &State, loadpoint: Option<&Place>, name: &str) -> Vec<(&'static str, Value)> {
    let place = Place::Vehicle(name.to_owned());
    let value = |key: &str| state.value(&place, key).filter(|value| **value != Value::Absent);
    let mut own = vec![("vehicleName", Value::text(name))];
    for (told_as, key) in OF_VEHICLE {
        match value(key) {
            // A plan is told by its parts.
            Some(Value::Object(plan)) => own.extend(plan.iter().filter_map(|(member, value)| {
                let name = if member == "soc" { "vehiclePlanSoc" } else { "vehiclePlanTime" };
                ["soc", "time"].contains(&&**member).then(|| (name, value.clone()))
            })),
            Some(value) => own.push((told_as, value.clone())),
            None => {}
        }
    }
    let here = loadpoint.and_then(|place| state.value(place, "vehicleName"));
    if here != Some(&Value::text(name)) {
        // What the load point tells is of somebody else.
        let left = |(told_as, key): &(&'static str, &str)| {
            (*told_as, value(key).cloned().unwrap_or(Value::Null))
        };
        own.extend(LEFT_BEHIND.iter().map(left));
    }
    own
}

/// A value as the format wants it; a format that does not fit shows the value in its own words.
fn shown(value: &Value, format: Format) -> String {
    match format {
        Format::Plain => words(value),
        Format::Round(digits) => match number(value) {
            Some(number) => decimals(number, digits),
            None => words(value),
        },
        Format::TimeRound(unit) => {
            let Value::Duration(duration) = value else { return words(value) };
            go_duration(rounded(*duration, unit))
        }
        Format::Printf(format) => printed(value, format),
    }
}

fn printed(value: &Value, format: Printf) -> String {
    // As in evcc, `k` and `m` count for numbers with decimals only.
    let factor =
        if matches!(value, Value::Float(_) | Value::Price(_)) { format.factor } else { 1.0 };
    let text = match (format.verb, number(value)) {
        (Verb::Whole, Some(number)) => decimals((number * factor).trunc(), 0),
        (Verb::Decimal, Some(number)) => {
            format!("{:.*}", format.precision.unwrap_or(6), number * factor)
        }
        (Verb::Text, Some(number)) if factor != 1.0 => decimals(number * factor, 6),
        (Verb::Text, _) | (_, None) => words(value),
    };
    format.padded(&text)
}

/// The value as a number; true is 1, a length of time is seconds.
fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Bool(truth) => Some(f64::from(u8::from(*truth))),
        Value::Int(number) => Some(*number as f64),
        Value::Float(number) | Value::Price(number) => Some(*number),
        Value::Duration(duration) => Some(duration.as_secs_f64()),
        Value::Absent
        | Value::Null
        | Value::NoList { .. }
        | Value::Text(_)
        | Value::Time(_)
        | Value::Phases(_)
        | Value::List(_)
        | Value::Object(_)
        | Value::Json(_)
        | Value::Rates(_)
        | Value::Packed(_) => None,
    }
}

/// The value in its own words: those of MQTT, but instants and lengths of time as people read them.
fn words(value: &Value) -> String {
    if let Value::Duration(duration) = value {
        return go_duration(*duration);
    }
    if let Value::Time(time) = value {
        return rfc3339(*time);
    }
    let composed = matches!(
        value,
        Value::Phases(_) | Value::List(_) | Value::NoList { .. } | Value::Object(_)
    );
    if composed { value.json() } else { value.mqtt_text() }
}

/// The nearest multiple of a unit, half of it upwards.
fn rounded(duration: Duration, unit: Duration) -> Duration {
    let unit = unit.as_millis().max(1);
    let whole = (duration.as_millis() + unit / 2) / unit * unit;
    Duration::from_millis(u64::try_from(whole).unwrap_or(u64::MAX))
}

/// `1h5m0s`, as Go prints a length of time; whole seconds.
fn go_duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match (hours, minutes) {
        (0, 0) => format!("{seconds}s"),
        (0, _) => format!("{minutes}m{seconds}s"),
        _ => format!("{hours}h{minutes}m{seconds}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A value of the examples: milliseconds are a length of time.
    fn value(json: &serde_json::Value) -> Value {
        match json {
            serde_json::Value::Bool(truth) => Value::Bool(*truth),
            serde_json::Value::Number(number) if number.is_i64() => {
                Value::Int(number.as_i64().unwrap())
            }
            serde_json::Value::Number(number) => Value::Float(number.as_f64().unwrap()),
            serde_json::Value::String(text) => Value::text(text),
            serde_json::Value::Object(members) => {
                Value::Duration(Duration::from_millis(members["ms"].as_u64().unwrap()))
            }
            serde_json::Value::Null | serde_json::Value::Array(_) => Value::Null,
        }
    }

    #[test]
    fn worked_examples() {
        let examples = include_str!("../../tests/data/examples/exports.json");
        let examples: serde_json::Value = serde_json::from_str(examples).unwrap();
        let rows = examples["texts"].as_array().unwrap();
        assert!(rows.len() > 20);
        for row in rows {
            let (template, flaws) = Template::parse(row["template"].as_str().unwrap());
            assert_eq!(flaws, [""; 0], "{row}");
            let own = vec![("foo", value(&row["foo"]))];
            let occasion = Occasion { state: State::default(), loadpoint: None, own };
            assert_eq!(occasion.text(&template), row["text"].as_str().unwrap(), "{row}");
        }
    }
}
