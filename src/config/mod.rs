//! evcc.yaml: what the user wrote becomes a site that cannot be wrong.
//!
//! `node` makes a located tree of the text and `env` puts variables into it; `reader` gives
//! typed access and says what nobody asked for; `file`, `site`, `loadpoint`, `devices` and
//! `source` each read their part; `finding` collects what is said about it.

mod address;
mod api;
mod circuit;
mod device;
mod devices;
mod env;
mod export;
mod file;
mod finding;
mod hems;
mod loadpoint;
mod messaging;
mod node;
mod plugin;
mod reader;
mod site;
mod source;
mod tariff;
pub mod template;
mod text;
mod unsupported;
mod zone;

use std::time::Duration;

use crate::model::{Dialect, ForecastForm, KeyScope, Setup};

pub use device::{
    ChargerDevice, Devices, FeedInDevice, MeterDevice, OperatorDevice, TeslaMateCar, VehicleDevice,
    by_phase,
};
pub use export::Influx;
pub use finding::{Errors, Finding, Place};
pub use messaging::{Carrier, EventText, MessageEncoding, Messaging, Service};
pub use plugin::{
    Calc, Command, Composite, Conversion, Encoding, HttpAuth, HttpRequest, HttpSource, JsInput,
    JsKind, JsSource, Library, ModbusLink, ModbusSource, MqttSource, Number, Pipeline, Register,
    RegisterKind, ScriptSource, SetComposite, Sink, SocketSource, Source, SunSpecFactor,
    SunSpecPoint, SunSpecSource, Watchdog,
};
pub use tariff::{Tariff, TariffSource};
pub use text::encoded;

/// A configuration that can be run, and what is done differently from what is written.
#[derive(Clone, Debug, PartialEq)]
pub struct Checked {
    /// What to run.
    pub config: Config,
    /// In the order of the file.
    pub notices: Vec<Finding>,
}

/// The checked configuration: everything the program needs to know, nothing that can be wrong.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// What exists.
    pub setup: Setup,
    /// How it is reached.
    pub devices: Devices,
    /// evcc's control interval; control is event-driven, the value is published and bounds `updated`.
    pub interval: Duration,
    /// REST, WebSocket and web page.
    pub network: Network,
    /// What REST asks of whoever comes.
    pub api: Api,
    /// The MQTT broker to connect to; `None` when only the embedded one is used.
    pub mqtt: Option<Mqtt>,
    /// Root topic without slashes at its ends.
    pub root: String,
    /// The embedded broker, if it is wanted.
    pub broker: Option<Broker>,
    /// Path of the SQLite file as written; `None` = beside the configuration.
    pub database: Option<String>,
    /// Log filter (`info`, `debug`, `mqtt=debug` …).
    pub log: Option<String>,
    /// ISO 4217.
    pub currency: String,
    /// Prices, emissions and the sun; each use once, the sun perhaps in several parts.
    pub tariffs: Vec<Tariff>,
    /// What is told on MQTT beyond the usual.
    pub extras: Extras,
    /// What scripts can use.
    pub libraries: Vec<Library>,
    /// Whether cars of TeslaMate appear by themselves (default true).
    pub discover_cars: bool,
    /// What people are told of events.
    pub messaging: Messaging,
    /// The database that values are written to.
    pub influx: Option<Influx>,
    /// Whether `GET /metrics` is served.
    pub metrics: bool,
}

impl Config {
    /// Reads the text of an evcc.yaml. `env` looks up environment variables, which win over the
    /// text (`EVCC_MQTT_BROKER`). All errors are found in one pass, except that nothing is read
    /// from a text that is not YAML.
    pub fn parse(text: &str, env: &dyn Fn(&str) -> Option<String>) -> Result<Checked, Errors> {
        let mut tree = node::parse(text)
            .map_err(|error| Errors { errors: vec![error], notices: Vec::new() })?;
        env::overlay(&mut tree, env);
        let report = finding::Report::default();
        let config = file::read(reader::Section::root(&tree, &report));
        let notices = report.close()?;
        Ok(Checked { config, notices })
    }

    /// A short configuration to start from, with comments.
    pub fn example() -> &'static str {
        include_str!("../../evcc.example.yaml")
    }
}

/// What is told on MQTT beyond the usual.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extras {
    /// The configuration, secrets masked (`mqtt.publish_config`).
    pub config: bool,
    /// Names of evcc up to 0.131 (`compat.v0119`).
    pub vintage: bool,
}

/// Where REST, WebSocket and web page listen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Network {
    /// Address to bind.
    pub host: String,
    /// 7070 by default.
    pub port: u16,
    /// Where a proxy mounts us, like `/charge`: empty, or with a slash only at its beginning.
    pub base_path: String,
    /// Folder of a built evcc user interface that takes the place of our page.
    pub ui: Option<String>,
}

/// What REST asks of whoever comes (`api:`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Api {
    /// Only a session or a key may read the state.
    pub protect_reads: bool,
    /// Only a session or a key may change what the site does.
    pub protect_writes: bool,
    /// What is spoken where no prefix says otherwise.
    pub dialect: Dialect,
    /// How JSON spells forecasts.
    pub forecast: ForecastForm,
    /// Keys for programs, by name.
    pub keys: Vec<ApiKey>,
}

/// A key for a program.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// Unique.
    pub name: String,
    /// What it opens.
    pub scope: KeyScope,
    /// The key itself, 20 to 200 letters.
    pub key: String,
}

impl std::fmt::Debug for ApiKey {
    /// Leaves the key out.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { name, scope, key: _ } = self;
        f.debug_struct("ApiKey").field("name", name).field("scope", scope).finish_non_exhaustive()
    }
}

/// The broker to connect to (api.md §1.1).
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Mqtt {
    /// Host name or address.
    pub host: String,
    /// 1883, or 8883 with TLS.
    pub port: u16,
    /// `tls://` or `mqtts://`.
    pub tls: bool,
    /// The protocol to speak (`version`, a key of ours).
    pub version: MqttVersion,
    /// Take the root topic from another service that is online there (`takeover`, a key of ours).
    pub takeover: Takeover,
    /// User name; empty for none.
    pub user: String,
    /// Password.
    pub password: String,
    /// Client id; `None` = `chargebus-<random>`.
    pub client_id: Option<String>,
    /// Do not verify the broker's certificate.
    pub insecure: bool,
    /// PEM text or the path of a PEM file.
    pub ca_cert: Option<String>,
    /// PEM text or the path of a PEM file.
    pub client_cert: Option<String>,
    /// PEM text or the path of a PEM file.
    pub client_key: Option<String>,
}

/// MQTT in one of its versions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MqttVersion {
    /// 3.1.1, as evcc (api.md §1.1).
    #[default]
    V3,
    /// 5: response topics, reason codes, expiry.
    V5,
}

/// What to do about another service that is online on our root topic (api.md §1.4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Takeover {
    /// Wait until it is gone.
    #[default]
    Never,
    /// Take its place, once; it is given some minutes to leave.
    Once,
    /// Warn only: the broker is our own.
    Always,
    /// Wait until it is gone; it was heard a moment ago, however old its signs look.
    Superseded,
}

impl std::fmt::Debug for Mqtt {
    /// Leaves the secrets out.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mqtt")
            .field("host", &self.host)
            .field("port", &self.port)
            .field("tls", &self.tls)
            .finish_non_exhaustive()
    }
}

/// The embedded broker as the site's configuration wants it (`broker:`); details stand in `broker.toml`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broker {
    /// Path of `broker.toml`; `None` = built-in defaults.
    pub file: Option<String>,
    /// Overrides the first listener's address, `host:port`.
    pub listen: Option<String>,
}
