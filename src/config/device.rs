//! How devices are reached: the checked form of `meters`, `chargers` and `vehicles` (plans-vehicles-devices.md §7).

use std::time::Duration;

use crate::model::{Amps, Phase};

pub use crate::model::TeslaMateCar;

/// All devices; each list runs parallel to the list of the same name in [`crate::model::Setup`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Devices {
    /// Parallel to `Setup::meters`.
    pub meters: Vec<MeterDevice>,
    /// Parallel to `Setup::loadpoints`.
    pub chargers: Vec<ChargerDevice>,
    /// Parallel to `Setup::vehicles`.
    pub vehicles: Vec<VehicleDevice>,
    /// Where the grid operator's limit is read, if it can be.
    pub operator: Option<OperatorDevice>,
}

/// Where the grid operator's limit is read (control.md §23.1).
#[derive(Clone, Debug, PartialEq)]
pub enum OperatorDevice {
    /// W; 0 is none.
    Limit(Source),
    /// Bool: the relay is closed.
    Relay(Source),
}

/// Where the attributes of a site meter come from (§7.6).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MeterDevice {
    /// W.
    pub power: Option<Source>,
    /// kWh.
    pub energy: Option<Source>,
    /// kWh.
    pub return_energy: Option<Source>,
    /// A, per phase.
    pub currents: Option<Box<[Source; 3]>>,
    /// V, per phase.
    pub voltages: Option<Box<[Source; 3]>>,
    /// W, per phase.
    pub powers: Option<Box<[Source; 3]>>,
    /// %.
    pub soc: Option<Source>,
    /// 1 normal, 2 hold, 3 charge, 4 holdcharge.
    pub battery_mode: Option<Sink>,
}

/// Where the attributes of a charger come from and where its commands go (§7.7). Attributes of a
/// separate charge meter (`loadpoints[].meter`) are merged in here by `config`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ChargerDevice {
    /// A, B or C as text (§8.1).
    pub status: Option<Source>,
    /// Bool.
    pub enabled: Option<Source>,
    /// Bool.
    pub enable: Option<Sink>,
    /// Whole A.
    pub max_current: Option<Sink>,
    /// A with fraction.
    pub max_current_millis: Option<Sink>,
    /// 1 or 3.
    pub phases: Option<Sink>,
    /// Written `true`.
    pub wakeup: Option<Sink>,
    /// W.
    pub power: Option<Source>,
    /// kWh.
    pub energy: Option<Source>,
    /// A, per phase.
    pub currents: Option<Box<[Source; 3]>>,
    /// V, per phase.
    pub voltages: Option<Box<[Source; 3]>>,
    /// %.
    pub soc: Option<Source>,
    /// %.
    pub limit_soc: Option<Source>,
    /// Text.
    pub identify: Option<Source>,
    /// One of the words of [`crate::model::StatusReason`].
    pub status_reason: Option<Source>,
    /// Offered when the lease of the last command ends (design S1); `None` switches off.
    pub safe_current: Option<Amps>,
}

/// Where the attributes of a vehicle come from (§5.1).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct VehicleDevice {
    /// A TeslaMate car, matched by namespace and id (`template: teslamate`).
    pub teslamate: Option<TeslaMateCar>,
    /// %.
    pub soc: Option<Source>,
    /// km.
    pub range: Option<Source>,
    /// km.
    pub odometer: Option<Source>,
    /// %.
    pub limit_soc: Option<Source>,
    /// A, B or C as text.
    pub status: Option<Source>,
    /// Bool.
    pub climater: Option<Source>,
}

/// Where one value is read.
#[derive(Clone, Debug, PartialEq)]
pub enum Source {
    /// The last message on a topic.
    Mqtt(MqttSource),
    /// A register.
    Modbus(ModbusSource),
    /// The same value always.
    Const(String),
    /// A status from two bools: charging → C, else plugged → B, else A (§7.1).
    Combined {
        /// Bool.
        plugged: Box<Source>,
        /// Bool; read first.
        charging: Box<Source>,
    },
    /// A value that lives in the simulator of the demo (`demo-meter`, `demo-charger`), by
    /// `<device>/<attribute>`, as in `grid/power`.
    Demo(String),
}

/// One MQTT value (§7.2, §7.3).
#[derive(Clone, Debug, PartialEq)]
pub struct MqttSource {
    /// The topic; no wildcards.
    pub topic: String,
    /// The value is valid this long after its last message; `None` = see design S2.
    pub timeout: Option<Duration>,
    /// Multiplies numbers.
    pub scale: f64,
    /// What happens to the text before it becomes a value.
    pub pipeline: Pipeline,
}

/// Text processing of a getter, in this order (§7.2).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Pipeline {
    /// First capture group, or the whole match.
    pub regex: Option<String>,
    /// Used when `regex` does not match.
    pub default: Option<String>,
    /// jq program.
    pub jq: Option<String>,
    /// Wraps the raw text in quotes before `jq`.
    pub quote: bool,
}

/// One HTTP request (§7.1).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct HttpRequest {
    /// `GET`, `POST` …
    pub method: String,
    /// `http://` is assumed where no scheme is written.
    pub uri: String,
    /// Names and values.
    pub headers: Vec<(String, String)>,
    /// What is sent; empty for nothing.
    pub body: String,
    /// Who asks.
    pub auth: HttpAuth,
    /// Do not verify the server's certificate.
    pub insecure: bool,
    /// Longest time from the request to the end of the answer.
    pub timeout: Duration,
}

impl HttpRequest {
    /// Asks for what is there, for at most 10 s.
    pub fn get(uri: impl Into<String>) -> Self {
        Self {
            method: "GET".to_owned(),
            uri: uri.into(),
            headers: Vec::new(),
            body: String::new(),
            auth: HttpAuth::None,
            insecure: false,
            timeout: HTTP_TIMEOUT,
        }
    }

    /// Hands something over, within at most 10 s.
    pub fn post(uri: impl Into<String>, body: impl Into<String>) -> Self {
        Self { method: "POST".to_owned(), body: body.into(), ..Self::get(uri) }
    }
}

impl std::fmt::Debug for HttpRequest {
    /// Leaves out everything that may be secret: keys stand in queries, headers and bodies.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let uri = self.uri.split(['?', '@']).next();
        f.debug_struct("HttpRequest")
            .field("method", &self.method)
            .field("uri", &uri)
            .finish_non_exhaustive()
    }
}

/// Longest time for a request where nothing is said (§7.1).
const HTTP_TIMEOUT: Duration = Duration::from_secs(10);

/// How a server learns who asks (§7.3).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum HttpAuth {
    /// It does not.
    None,
    /// User and password as they are.
    Basic {
        /// Name.
        user: String,
        /// Secret.
        password: String,
    },
    /// A token.
    Bearer(String),
    /// User and password as the answer to a challenge.
    Digest {
        /// Name.
        user: String,
        /// Secret.
        password: String,
    },
}

impl std::fmt::Debug for HttpAuth {
    /// Leaves the secrets out.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Basic { .. } => "Basic",
            Self::Bearer(_) => "Bearer",
            Self::Digest { .. } => "Digest",
        })
    }
}

/// One Modbus value (§7.5).
#[derive(Clone, Debug, PartialEq)]
pub struct ModbusSource {
    /// Where the device is.
    pub link: ModbusLink,
    /// Which register.
    pub register: Register,
    /// Multiplies numbers.
    pub scale: f64,
    /// Time between two readings.
    pub interval: Duration,
}

/// A Modbus TCP device. Devices with the same `uri` share one connection.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ModbusLink {
    /// `host:port`.
    pub uri: String,
    /// Unit id.
    pub id: u8,
    /// RTU framing over TCP.
    pub rtu: bool,
    /// Longest wait for an answer.
    pub timeout: Duration,
    /// Pause before every request.
    pub delay: Duration,
}

/// A register with its decoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Register {
    /// Function code.
    pub kind: RegisterKind,
    /// Address, 0-based as on the wire.
    pub address: u16,
    /// How the words become a value.
    pub encoding: Encoding,
    /// For `bool16`.
    pub bitmask: u16,
}

/// Register types and their function codes (§7.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RegisterKind {
    /// 1: read coils.
    Coil,
    /// 3: read holding registers.
    Holding,
    /// 4: read input registers.
    Input,
    /// 5: write a coil.
    WriteCoil,
    /// 6: write one register.
    WriteSingle,
    /// 16: write registers.
    WriteMultiple,
}

/// How register words become a value (§7.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Encoding {
    /// The number type.
    pub number: Number,
    /// Least significant word first.
    pub swapped: bool,
    /// The type's "not available" pattern is recognised. Ours: it yields no value, not 0 (W-23).
    pub nan: bool,
}

/// Number types of registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Number {
    /// First byte ≠ 0, or masked word ≠ 0.
    Bool,
    /// Two's complement, 1 word.
    Int16,
    /// 1 word.
    Uint16,
    /// Two's complement, 2 words.
    Int32,
    /// 2 words.
    Uint32,
    /// Two's complement, 4 words.
    Int64,
    /// 4 words.
    Uint64,
    /// IEEE 754, 2 words.
    Float32,
    /// IEEE 754, 4 words.
    Float64,
}

/// Where one value is written.
#[derive(Clone, Debug, PartialEq)]
pub enum Sink {
    /// Publish on a topic.
    Mqtt {
        /// The topic.
        topic: String,
        /// Payload template with `${name[:format]}`; `None` = the bare value (§7.3).
        payload: Option<String>,
        /// Retain the message.
        retained: bool,
    },
    /// Write a register.
    Modbus {
        /// Where the device is.
        link: ModbusLink,
        /// Which register.
        register: Register,
        /// Multiplies numbers.
        scale: f64,
    },
    /// A value that lives in the simulator of the demo, by `<device>/<attribute>`: `enable`,
    /// `maxcurrent`, `phases`.
    Demo(String),
}

/// Every phase with its source, in order.
pub fn by_phase(sources: &[Source; 3]) -> impl Iterator<Item = (Phase, &Source)> {
    Phase::ALL.into_iter().zip(sources)
}
