//! The state for Prometheus, in its text format: numbers as they are, yes and no as 1 and 0, words
//! as labels, instants as Unix seconds. A unit ends the name.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::field::{Cadence, Field, Kind, Told};
use super::project::State;
use super::topic::Place;
use super::value::{Value, float_text};

/// The media type of the text.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Units of the table and what names end in.
const UNITS: &[(&str, &str)] = &[
    ("W", "watts"),
    ("A", "amperes"),
    ("V", "volts"),
    ("Wh", "watthours"),
    ("kWh", "kilowatthours"),
    ("%", "percent"),
    ("s", "seconds"),
    ("km", "kilometers"),
    ("°C", "celsius"),
    ("currency/kWh", "per_kilowatthour"),
    ("currency/kWh or g/kWh", "per_kilowatthour"),
    ("g/kWh", "grams_per_kilowatthour"),
];
/// Units of the members of objects, which the table of fields does not know (api.md §4.5).
const MEMBER_UNITS: &[(&str, &str)] = &[
    ("capacity", "kWh"),
    ("current", "A"),
    ("currents", "A"),
    ("energy", "kWh"),
    ("maxConsumptionPower", "W"),
    ("maxCurrent", "A"),
    ("maxPower", "W"),
    ("power", "W"),
    ("powers", "W"),
    ("precondition", "s"),
    ("returnEnergy", "kWh"),
    ("soc", "%"),
    ("surplus", "W"),
    ("target", "A"),
];

/// A figure of the program itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    /// The name without `chargebus_`, with its unit at the end.
    pub name: &'static str,
    /// One sentence for people.
    pub help: &'static str,
    /// Only ever grows, but for restarts.
    pub counter: bool,
    /// A label, where several figures share the name.
    pub label: Option<(&'static str, String)>,
    /// What it is now.
    pub value: f64,
}

/// The whole page: the state, then the figures of the program.
pub fn page(state: &State, figures: &[Figure]) -> String {
    let mut families = Families::default();
    for (place, field, value) in state.values().filter(|(_, field, _)| wanted(field)) {
        if field.is_unknown(value) {
            continue;
        }
        let scope = match place {
            Place::Site => "site",
            Place::LoadPoint(_) => "loadpoint",
            Place::Vehicle(_) => "vehicle",
        };
        let name = format!("{scope}_{}", snake(field.key));
        let at = At { name, unit: field.unit, kind: field.kind, labels: labels(state, place) };
        families.take(&at, field.doc, value);
    }
    for figure in figures {
        let labels = figure.label.iter().cloned().collect();
        let at = At { name: figure.name.to_owned(), unit: "", kind: Kind::Float, labels };
        let kind = if figure.counter { "counter" } else { "gauge" };
        families.add(&at, kind, figure.help, &float_text(figure.value));
    }
    families.page()
}

/// Rows that are told: no old names, no words and flags that never change.
fn wanted(field: &Field) -> bool {
    let number = matches!(field.kind, Kind::Int | Kind::Float | Kind::Price | Kind::Duration);
    let told = matches!(field.told, Told::Everywhere | Told::JsonOnly);
    told && !field.mirror && (field.cadence != Cadence::Once || number)
}

type Labels = Vec<(&'static str, String)>;

fn labels(state: &State, place: &Place) -> Labels {
    let title = state.value(place, "title").map(Value::mqtt_text);
    let mut labels = match place {
        Place::Site => Labels::new(),
        Place::LoadPoint(number) => vec![("loadpoint", number.to_string())],
        Place::Vehicle(name) => vec![("vehicle", name.clone())],
    };
    labels.extend(title.filter(|title| !title.is_empty()).map(|title| ("title", title)));
    labels
}

/// Where in the state a value stands.
#[derive(Clone)]
struct At {
    name: String,
    unit: &'static str,
    kind: Kind,
    labels: Labels,
}

impl At {
    fn labelled(&self, name: &'static str, value: impl Into<String>) -> Self {
        let mut at = self.clone();
        at.labels.push((name, value.into()));
        at
    }

    /// The name with the unit at its end, unless it is there already.
    fn full_name(&self) -> String {
        let unit = UNITS.iter().find(|(unit, _)| *unit == self.unit).map(|(_, word)| *word);
        match unit.filter(|unit| !self.name.contains(unit)) {
            Some(unit) => format!("chargebus_{}_{unit}", self.name),
            None => format!("chargebus_{}", self.name),
        }
    }
}

/// All samples of a name stand together, below its help and type.
#[derive(Default)]
struct Families(BTreeMap<String, Family>);

struct Family {
    head: String,
    samples: String,
}

impl Families {
    fn take(&mut self, at: &At, doc: &str, value: &Value) {
        match value {
            Value::Bool(truth) => self.gauge(at, doc, if *truth { "1" } else { "0" }),
            Value::Int(_) | Value::Float(_) | Value::Price(_) | Value::Duration(_) => {
                self.gauge(at, doc, &value.mqtt_text());
            }
            Value::Time(time) => {
                let name = format!("{}_timestamp_seconds", at.name);
                let at = At { name, unit: "", ..at.clone() };
                self.gauge(&at, doc, &time.timestamp().to_string());
            }
            Value::Text(word) => {
                let Kind::Enum(words) = at.kind else { return };
                for known in words {
                    let value = if known == word { "1" } else { "0" };
                    self.gauge(&at.labelled("state", *known), doc, value);
                }
            }
            Value::Phases(phases) => {
                for (phase, value) in ["l1", "l2", "l3"].into_iter().zip(phases) {
                    self.gauge(&at.labelled("phase", phase), doc, &float_text(*value));
                }
            }
            Value::Object(members) => self.object(at, doc, members),
            Value::List(items) => self.list(at, doc, items),
            Value::Absent
            | Value::Null
            | Value::NoList { .. }
            | Value::Json(_)
            | Value::Rates(_)
            | Value::Packed(_) => {}
        }
    }

    /// The members of a structure, or the entries of a map: names of the user become a label.
    fn object(&mut self, at: &At, doc: &str, members: &[(Cow<'static, str>, Value)]) {
        let map = members.iter().all(|(_, member)| matches!(member, Value::Object(_)));
        for (name, member) in members {
            if map {
                self.take(&at.labelled("name", name.clone()), doc, member);
                continue;
            }
            let devices = matches!(member, Value::List(_));
            let unit = MEMBER_UNITS.iter().find(|(known, _)| known == name);
            let name = match devices {
                true => at.name.clone(),
                false => format!("{}_{}", at.name, snake(name)),
            };
            let unit = unit.map_or("", |(_, unit)| *unit);
            let at = At { name, unit, kind: Kind::Text, labels: at.labels.clone() };
            self.take(&at, doc, member);
        }
    }

    /// Devices one by one; their sum has another name, so that nobody adds both.
    fn list(&mut self, at: &At, doc: &str, items: &[Value]) {
        for (n, item) in (1..).zip(items) {
            let Value::Object(members) = item else { continue };
            let mut at = at.labelled("id", n.to_string());
            at.name.push_str("_device");
            for label in ["name", "title"] {
                let text = members.iter().find(|(name, _)| name == label);
                let text = text.map(|(_, text)| text.mqtt_text()).unwrap_or_default();
                at.labels.extend(Some((label, text)).filter(|(_, text)| !text.is_empty()));
            }
            self.object(&at, doc, members);
        }
    }

    fn gauge(&mut self, at: &At, help: &str, value: &str) {
        self.add(at, "gauge", help, value);
    }

    fn add(&mut self, at: &At, kind: &str, help: &str, value: &str) {
        let name = at.full_name();
        let family = self.0.entry(name.clone()).or_insert_with(|| Family {
            head: format!("# HELP {name} {}\n# TYPE {name} {kind}\n", help_text(help)),
            samples: String::new(),
        });
        let labels = at.labels.iter().map(|(name, value)| format!("{name}=\"{}\"", label(value)));
        let labels = labels.collect::<Vec<_>>().join(",");
        let labels = if labels.is_empty() { labels } else { format!("{{{labels}}}") };
        // Writing to a string cannot fail.
        let _ = writeln!(family.samples, "{name}{labels} {value}");
    }

    fn page(self) -> String {
        self.0.into_values().flat_map(|family| [family.head, family.samples]).collect()
    }
}

fn help_text(text: &str) -> String {
    text.replace('\\', "\\\\").replace('\n', "\\n")
}

fn label(text: &str) -> String {
    help_text(text).replace('"', "\\\"")
}

/// `chargePower` → `charge_power`; what a name cannot hold becomes `_`.
fn snake(key: &str) -> String {
    let mut out = String::with_capacity(key.len() + 8);
    let mut lower = false;
    for letter in key.chars() {
        if letter.is_ascii_uppercase() && lower {
            out.push('_');
        }
        lower = letter.is_ascii_lowercase() || letter.is_ascii_digit();
        out.push(if letter.is_ascii_alphanumeric() { letter.to_ascii_lowercase() } else { '_' });
    }
    out
}
