//! The configuration as `/api/config` shows it (api.md §3.13).
//!
//! Built of the setup and of the field table alone: neither knows a password, a token or an address.

mod status;

use std::borrow::Cow;
use std::str::FromStr;
use std::time::Duration;

use crate::model::{MeterRole, TariffUse};

use super::Value;
use super::field::{Scope, View};
use super::table::rows;

/// The one device of class hems: what the grid operator says.
const OPERATOR: &str = "hems";
/// The section of [`super::About`] that names who carries messages.
const MESSENGERS: &str = "messengers";

type Member = (Cow<'static, str>, Value);

/// A class of devices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Measures a part of the site.
    Meter,
    /// Belongs to a load point.
    Charger,
    /// Charges, configured or discovered.
    Vehicle,
    /// Limits what is below it.
    Circuit,
    /// Knows prices or a forecast.
    Tariff,
    /// Carries messages to people.
    Messenger,
    /// Hears the grid operator.
    Hems,
}

impl Class {
    /// Its spellings in paths.
    pub const SPELLINGS: &'static [&'static str] =
        &["meter", "charger", "vehicle", "circuit", "tariff", "messenger", "hems"];
}

impl FromStr for Class {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Ok(match text {
            "meter" => Self::Meter,
            "charger" => Self::Charger,
            "vehicle" => Self::Vehicle,
            "circuit" => Self::Circuit,
            "tariff" => Self::Tariff,
            "messenger" => Self::Messenger,
            "hems" => Self::Hems,
            _ => {
                let known = Self::SPELLINGS.join(", ");
                return Err(format!("unknown class of devices, expected one of {known}"));
            }
        })
    }
}

/// Title of the site and the names of its meters by role.
pub fn site(view: &View<'_>) -> Value {
    let names = |role| {
        let meters = view.control.site().of(role);
        Value::List(meters.map(|meter| Value::text(&meter.setup.name)).collect())
    };
    let grid = view.control.site().grid_meter().map_or("", |meter| &meter.setup.name);
    Value::Object(vec![
        ("title".into(), field(view, Scope::Site, 0, "siteTitle")),
        ("grid".into(), Value::text(grid)),
        ("pv".into(), names(MeterRole::Pv)),
        ("battery".into(), names(MeterRole::Battery)),
        ("aux".into(), names(MeterRole::Aux)),
        ("ext".into(), names(MeterRole::Ext)),
        ("consumer".into(), names(MeterRole::Consumer)),
    ])
}

/// Every load point in order.
pub fn loadpoints(view: &View<'_>) -> Value {
    let count = view.control.loadpoints().len();
    Value::List((1..=count).filter_map(|number| loadpoint(view, number)).collect())
}

/// A load point by its number, from 1; lengths of time are nanoseconds.
pub fn loadpoint(view: &View<'_>, number: usize) -> Option<Value> {
    let ix = number.checked_sub(1)?;
    let control = view.control;
    let lp = control.loadpoints().get(ix)?;
    let (setup, thresholds) = (&lp.setup, &lp.settings.thresholds);
    let circuit = setup.wiring.circuit.and_then(|ix| control.circuits().circuits.get(ix.0));
    let vehicle = setup.vehicle.and_then(|ix| control.vehicles().get(ix.0));
    let threshold = |delay, power| {
        let members =
            vec![("delay".into(), nanoseconds(delay)), ("threshold".into(), Value::float(power))];
        Value::Object(members)
    };
    // Every word of a car counts when it comes; nothing is polled.
    let poll = vec![
        ("mode".into(), Value::word("always")),
        ("interval".into(), nanoseconds(Duration::ZERO)),
    ];
    let soc = vec![
        ("poll".into(), Value::Object(poll)),
        ("estimate".into(), Value::Bool(setup.estimate)),
    ];
    let mut members = vec![
        ("name".into(), Value::text(&setup.name)),
        ("charger".into(), Value::text(&setup.charger.name)),
        ("circuit".into(), Value::text(circuit.map_or("", |circuit| &circuit.setup.name))),
        ("vehicle".into(), Value::text(vehicle.map_or("", |vehicle| &vehicle.setup.name))),
        ("title".into(), Value::text(&setup.title)),
        ("defaultMode".into(), Value::word(setup.default_mode.map_or("", |mode| mode.as_str()))),
        (
            "thresholds".into(),
            Value::Object(vec![
                ("enable".into(), threshold(thresholds.enable_delay, thresholds.enable.0)),
                ("disable".into(), threshold(thresholds.disable_delay, thresholds.disable.0)),
            ]),
        ),
        ("soc".into(), Value::Object(soc)),
    ];
    // What can be changed while we run is told as it is now.
    for key in [
        "priority",
        "phasesConfigured",
        "minCurrent",
        "maxCurrent",
        "smartCostLimit",
        "smartFeedInPriorityLimit",
        "planEnergy",
        "planStrategy",
        "batteryBoostLimit",
        "limitEnergy",
        "limitSoc",
        "minSoc",
    ] {
        members.push((key.into(), field(view, Scope::LoadPoint, ix, key)));
    }
    let time = field(view, Scope::LoadPoint, ix, "planTime");
    let none = matches!(time, Value::Absent | Value::Null);
    let time = if none { Value::NO_TIME } else { time };
    members.push(("planTime".into(), time));
    Some(Value::Object(members))
}

/// The names of the tariffs by what they are for; empty where there is none.
pub fn tariff(view: &View<'_>) -> Value {
    let name = |usage| match view.control.tariffs().get(usage) {
        Some(_) => usage.as_str(),
        None => "",
    };
    let suns = Some(name(TariffUse::Solar)).filter(|name| !name.is_empty());
    Value::Object(vec![
        ("grid".into(), Value::word(name(TariffUse::Grid))),
        ("feedIn".into(), Value::word(name(TariffUse::FeedIn))),
        ("co2".into(), Value::word(name(TariffUse::Co2))),
        ("planner".into(), Value::word(name(TariffUse::Planner))),
        ("solar".into(), Value::List(suns.into_iter().map(Value::word).collect())),
        ("temperature".into(), Value::word(name(TariffUse::Temperature))),
    ])
}

/// The devices of a class: name, title and icon.
pub fn devices(view: &View<'_>, class: Class) -> Value {
    let control = view.control;
    let devices = match class {
        Class::Meter => control
            .site()
            .meters
            .iter()
            .map(|meter| device(&meter.setup.name, &meter.setup.title, None))
            .collect(),
        Class::Charger => control
            .loadpoints()
            .iter()
            .map(|lp| device(&lp.setup.charger.name, "", lp.setup.charger.icon.as_deref()))
            .collect(),
        Class::Vehicle => control
            .vehicles()
            .iter()
            .map(|vehicle| &vehicle.setup)
            .map(|setup| device(&setup.name, &setup.title, setup.icon.as_deref()))
            .collect(),
        Class::Circuit => control
            .circuits()
            .circuits
            .iter()
            .map(|circuit| device(&circuit.setup.name, &circuit.setup.title, None))
            .collect(),
        Class::Tariff => TariffUse::ALL
            .iter()
            .filter(|usage| control.tariffs().get(**usage).is_some())
            .map(|usage| device(usage.as_str(), "", None))
            .collect(),
        Class::Messenger => {
            let Value::List(names) = view.system.configured(MESSENGERS) else {
                return Value::List(Vec::new());
            };
            names
        }
        Class::Hems => {
            control.circuits().operator.iter().map(|_| device(OPERATOR, "", None)).collect()
        }
    };
    Value::List(devices)
}

/// What a device told last, by key `{value, error?}`; `None` if there is no such device.
pub fn status(view: &View<'_>, class: Class, name: &str) -> Option<Value> {
    let control = view.control;
    let members = match class {
        Class::Meter => {
            let meter = control.site().meters.iter().find(|meter| meter.setup.name == name)?;
            status::meter(meter, view.now)
        }
        Class::Charger => {
            let mut lps = control.loadpoints().iter();
            status::charger(lps.find(|lp| lp.setup.charger.name == name)?, view.now)
        }
        Class::Vehicle => {
            let mut vehicles = control.vehicles().iter();
            status::vehicle(vehicles.find(|vehicle| vehicle.setup.name == name)?)
        }
        Class::Circuit => {
            let mut circuits = control.circuits().circuits.iter();
            status::circuit(circuits.find(|circuit| circuit.setup.name == name)?)
        }
        Class::Hems => {
            let operator = control.circuits().operator.as_ref();
            status::operator(operator.filter(|_| name == OPERATOR)?)
        }
        // Nothing of them is among the keys of §3.13; prices stand at `/api/tariff`.
        Class::Tariff | Class::Messenger => {
            let Value::List(known) = devices(view, class) else { return None };
            known.contains(&device(name, "", None)).then(Vec::new)?
        }
    };
    Some(Value::Object(members))
}

/// One device of a list; empty parts are left out.
pub fn device(name: &str, title: &str, icon: Option<&str>) -> Value {
    let text = |text: &str| if text.is_empty() { Value::Absent } else { Value::text(text) };
    Value::Object(vec![
        ("name".into(), Value::text(name)),
        ("deviceTitle".into(), text(title)),
        ("deviceIcon".into(), text(icon.unwrap_or_default())),
    ])
}

/// A field of the table as it is now.
fn field(view: &View<'_>, scope: Scope, ix: usize, key: &str) -> Value {
    let row = rows(scope).iter().find(|field| field.key == key);
    row.map_or(Value::Absent, |field| (field.get)(view, ix))
}

fn nanoseconds(length: Duration) -> Value {
    Value::Int(i64::try_from(length.as_nanos()).unwrap_or(i64::MAX))
}
