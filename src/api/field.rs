//! One row of the field table: everything that any surface needs to know about one value.

use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::control::{Control, Refusal};
use crate::model::{ForecastForm, Mono, Now};

use super::Value;
use super::operation::Method;

/// Values of a load point that are told as 0 while they are not known.
const ZERO_IS_UNKNOWN: &[&str] =
    &["vehicleLimitSoc", "vehicleOdometer", "vehicleRange", "vehicleSoc"];

/// What getters may look at.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// The site under control.
    pub control: &'a Control,
    /// The program around it.
    pub system: &'a System,
    /// The instant at which the state is told.
    pub now: Now,
}

/// What is told about the program itself; the edges fill it in.
#[derive(Clone, Debug, PartialEq)]
pub struct System {
    /// Emulated release and our own: `0.313.2 (chargebus 0.1.0)`; see [`System::version`].
    pub version: String,
    /// One sample of both clocks, taken at start and again after the wall clock was set. It turns
    /// monotonic instants into times for people without a flutter.
    pub anchor: Now,
    /// evcc's control interval; durations that only grow are told in its steps.
    pub interval: Duration,
    /// ISO 4217.
    pub currency: String,
    /// Name and offset of the local time zone: `CEST +02:00`.
    pub timezone: String,
    /// Operating system and architecture: `linux/arm64`.
    pub platform: String,
    /// False until stored settings are replayed and devices are being asked.
    pub started: bool,
    /// Whether old names are told beside the new ones (api.md §0.2).
    pub mirrors: bool,
    /// How it was started.
    pub about: About,
    /// Why the devices are another service's and not ours, if they are.
    pub standby: Option<String>,
}

/// How the program was started; nothing of it changes while it runs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct About {
    /// Path of the configuration; empty without one.
    pub config: String,
    /// Path of the database; empty if nothing is kept.
    pub database: String,
    /// Sections of the configuration by their key in the state, secrets masked (api.md §4.2).
    pub sections: Vec<(&'static str, Value)>,
    /// What is broken for good: a text and the class of thing that it is about.
    pub fatal: Vec<(String, &'static str)>,
    /// The demo plays.
    pub demo: bool,
    /// Nobody needs to log in.
    pub auth_disabled: bool,
    /// The configuration is told on MQTT, too (api.md §1.2).
    pub publish_config: bool,
    /// Names of evcc up to 0.131 are told on MQTT (api.md §2.5).
    pub vintage: bool,
    /// How JSON spells forecasts.
    pub forecast: ForecastForm,
}

impl System {
    /// The release whose API we speak (api.md §0.2).
    pub const EMULATED: &'static str = "0.313.2";

    /// The version that clients parse: what stands before the first blank is a release of evcc.
    pub fn version() -> String {
        format!("{} (chargebus {})", Self::EMULATED, env!("CARGO_PKG_VERSION"))
    }

    /// A part of the configuration, if it is told.
    pub fn configured(&self, key: &str) -> Value {
        let part = self.about.sections.iter().find(|(known, _)| *known == key);
        part.map_or(Value::Absent, |(_, value)| value.clone())
    }

    /// The wall-clock time of a monotonic instant.
    pub fn wall(&self, at: Mono) -> DateTime<Utc> {
        let ahead = at.since(self.anchor.mono);
        let behind = self.anchor.mono.since(at);
        let millis = |duration: Duration| {
            i64::try_from(duration.as_millis()).map_or(chrono::TimeDelta::MAX, |ms| {
                chrono::TimeDelta::try_milliseconds(ms).unwrap_or(chrono::TimeDelta::MAX)
            })
        };
        let utc = self.anchor.utc;
        utc.checked_add_signed(millis(ahead))
            .and_then(|utc| utc.checked_sub_signed(millis(behind)))
            .unwrap_or(utc)
    }
}

/// Whose field it is: topic prefix, REST prefix and what the index counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// `site/<key>`; the index is 0.
    Site,
    /// `loadpoints/<1-based>/<key>`.
    LoadPoint,
    /// `vehicles/<name>/<key>`.
    Vehicle,
}

/// What a value looks like; decides how it is parsed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `true` or `false`.
    Bool,
    /// A whole number.
    Int,
    /// A number.
    Float,
    /// A price or a limit on one.
    Price,
    /// Whole seconds.
    Duration,
    /// An instant.
    Time,
    /// One of these words.
    Enum(&'static [&'static str]),
    /// Any text.
    Text,
    /// L1, L2, L3.
    Phases,
    /// Elements in order.
    List,
    /// Members by name.
    Object,
    /// One JSON text.
    Json,
}

/// When a value can be different from what was told last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cadence {
    /// Never while the program runs.
    Once,
    /// When somebody or something changes it.
    OnChange,
    /// With every sample of a device.
    Sampled,
}

/// Where a value is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// In JSON and on MQTT under the same key.
    Everywhere,
    /// On MQTT only, at this topic; JSON has another form of it.
    TopicOnly(&'static str),
    /// In JSON only.
    JsonOnly,
    /// In JSON, and on MQTT only if the user wants it: [`About::publish_config`].
    Config,
    /// On MQTT only, and only if the user wants it: [`About::vintage`].
    Vintage,
    /// Nowhere: an old name for writing.
    Nowhere,
}

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// The name in JSON and on MQTT; lowerCamel.
    pub key: &'static str,
    /// Whose it is.
    pub scope: Scope,
    /// What its value looks like.
    pub kind: Kind,
    /// The unit, or empty.
    pub unit: &'static str,
    /// When it can change.
    pub cadence: Cadence,
    /// Where it is told.
    pub told: Told,
    /// Whether it is stored beside another field, with which it is restored.
    pub kept: bool,
    /// An old name of something that has a newer one; told only while [`System::mirrors`].
    pub mirror: bool,
    /// One sentence for people.
    pub doc: &'static str,
    /// Reads the value; the index is below the number of load points or vehicles.
    pub get: fn(&View<'_>, usize) -> Value,
    /// How it is written, if it can be.
    pub write: Option<Write>,
}

/// How a field is written.
#[derive(Clone, Copy, Debug)]
pub struct Write {
    /// The word before `/set`: the key, but for `vehicle`.
    pub name: &'static str,
    /// Older words before `/set` that still work.
    pub was: &'static [&'static str],
    /// Inclusive limits of a number, in the unit of the field.
    pub range: Option<(f64, f64)>,
    /// Whether a null word or DELETE clears it.
    pub clears: bool,
    /// Whether it survives a restart.
    pub stored: bool,
    /// How REST reaches it.
    pub rest: Rest,
    /// What carries it out; the range is checked before.
    pub set: Set,
}

/// A setter by the type of what it takes. Arguments: the site, the instant, the index, the value.
#[derive(Clone, Copy, Debug)]
pub enum Set {
    /// A number, whole ones included.
    Float(fn(&mut Control, Now, usize, f64) -> Result<(), Refusal>),
    /// A whole number.
    Int(fn(&mut Control, Now, usize, i64) -> Result<(), Refusal>),
    /// Yes or no.
    Bool(fn(&mut Control, Now, usize, bool) -> Result<(), Refusal>),
    /// A number, or `None` to clear it.
    FloatOrNone(fn(&mut Control, Now, usize, Option<f64>) -> Result<(), Refusal>),
    /// An instant; `None` clears.
    Time(SetTime),
    /// A length of time.
    Duration(fn(&mut Control, Now, usize, Duration) -> Result<(), Refusal>),
    /// A word of the field's enum, or any text; `None` clears.
    Word(fn(&mut Control, Now, usize, Option<&str>) -> Result<(), Refusal>),
    /// A word, `None` clears, and for how long it holds unless it is written again.
    Lease(SetLease),
    /// JSON of any form, whatever the kind of the field; null clears. Limits of the field hold for
    /// its number: the JSON itself, or its member `value`, `soc` or `energy`.
    Json(fn(&mut Control, Now, usize, &serde_json::Value) -> Result<(), Refusal>),
}

/// The setter of [`Set::Time`].
pub type SetTime = fn(&mut Control, Now, usize, Option<DateTime<Utc>>) -> Result<(), Refusal>;

/// The setter of [`Set::Lease`].
pub type SetLease =
    fn(&mut Control, Now, usize, Option<&str>, Option<Duration>) -> Result<(), Refusal>;

/// REST routes of a field below `/api`. The parameters are `{id}`, `{name}`, `{value}`, `{time}` and
/// `{source}`; without `{value}` the body is the value.
#[derive(Clone, Copy, Debug)]
pub struct Rest {
    /// The method of the paths; what is written with [`Method::Patch`] has no value and means yes.
    pub method: Method,
    /// Paths for writing; the first is the current one, the others are older.
    pub set: &'static [&'static str],
    /// DELETE path.
    pub unset: Option<&'static str>,
    /// The answer, where it is not the bare value.
    pub answer: Option<fn(&View<'_>, usize) -> Value>,
}

impl Field {
    /// The common part of site rows.
    pub const SITE: Self = Self {
        key: "",
        scope: Scope::Site,
        kind: Kind::Text,
        unit: "",
        cadence: Cadence::OnChange,
        told: Told::Everywhere,
        kept: false,
        mirror: false,
        doc: "",
        get: |_, _| Value::Absent,
        write: None,
    };

    /// The common part of load point rows.
    pub const LOADPOINT: Self = Self { scope: Scope::LoadPoint, ..Self::SITE };

    /// The common part of vehicle rows.
    pub const VEHICLE: Self = Self { scope: Scope::Vehicle, ..Self::SITE };

    /// Whether the value is a key of the JSON state.
    pub fn in_json(&self) -> bool {
        matches!(self.told, Told::Everywhere | Told::JsonOnly | Told::Config)
    }

    /// The last part of the topic, if the value is or can be on MQTT.
    pub fn topic(&self) -> Option<&'static str> {
        match self.told {
            Told::Everywhere | Told::Config | Told::Vintage => Some(self.key),
            Told::TopicOnly(topic) => Some(topic),
            Told::JsonOnly | Told::Nowhere => None,
        }
    }

    /// Whether the value stands for one that is not known.
    pub(super) fn is_unknown(&self, value: &Value) -> bool {
        let unknown = self.scope == Scope::LoadPoint && ZERO_IS_UNKNOWN.contains(&self.key);
        unknown && value.is_zero()
    }

    /// The key in the settings store after the prefix of its scope, if the value is stored.
    pub fn stored(&self) -> Option<&'static str> {
        (self.kept || self.write.is_some_and(|write| write.stored)).then_some(self.key)
    }
}

impl Write {
    /// The common part of settings: no limits, not to be cleared, stored.
    pub const SETTING: Self = Self {
        name: "",
        was: &[],
        range: None,
        clears: false,
        stored: true,
        rest: Rest::NONE,
        set: Set::Word(|_, _, _, _| Ok(())),
    };

    /// Every word before `/set`, the current one first.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        std::iter::once(self.name).chain(self.was.iter().copied())
    }
}

impl Rest {
    /// Not on REST.
    pub const NONE: Self = Self { method: Method::Post, set: &[], unset: None, answer: None };

    /// Written with POST, the first path being the current one.
    pub const fn post(paths: &'static [&'static str]) -> Self {
        Self { set: paths, ..Self::NONE }
    }

    /// Written with another method.
    pub const fn with(method: Method, paths: &'static [&'static str]) -> Self {
        Self { method, set: paths, ..Self::NONE }
    }

    /// Cleared with DELETE.
    pub const fn delete(self, path: &'static str) -> Self {
        Self { unset: Some(path), ..self }
    }

    /// Method and path of every route.
    pub fn routes(self) -> impl Iterator<Item = (Method, &'static str)> {
        let set = self.set.iter().map(move |path| (self.method, *path));
        set.chain(self.unset.map(|path| (Method::Delete, path)))
    }

    /// Answers with something else than the bare value.
    pub const fn answering(self, answer: fn(&View<'_>, usize) -> Value) -> Self {
        Self { answer: Some(answer), ..self }
    }
}
