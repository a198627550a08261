//! How one value is read or written: the checked form of the plugins (plans-vehicles-devices.md §7).

mod http;
mod modbus;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

pub use http::{HttpAuth, HttpRequest, HttpSource, SocketSource};
pub use modbus::{
    Encoding, ModbusLink, ModbusSource, Number, Register, RegisterKind, SunSpecFactor,
    SunSpecPoint, SunSpecSource,
};

/// Where one value is read.
#[derive(Clone, Debug, PartialEq)]
pub enum Source {
    /// The last message on a topic.
    Mqtt(MqttSource),
    /// A register.
    Modbus(ModbusSource),
    /// A point of a SunSpec device.
    SunSpec(Box<SunSpecSource>),
    /// The answer of a web server.
    Http(Box<HttpSource>),
    /// The last message of a WebSocket.
    Socket(Box<SocketSource>),
    /// What a program prints.
    Script(Box<ScriptSource>),
    /// What a piece of JavaScript says.
    Js(Box<JsSource>),
    /// The same value always.
    Const(String),
    /// A value that lives in the simulator of the demo (`demo-meter`, `demo-charger`), by
    /// `<device>/<attribute>`, as in `grid/power`.
    Demo(String),
    /// A value made of others. It is made anew with every news of one of them, and is as old as
    /// the oldest of them.
    Composite(Box<Composite>),
}

/// A value made of others (§7.1).
#[derive(Clone, Debug, PartialEq)]
pub enum Composite {
    /// A status from two bools: charging → C, else plugged → B, else A.
    Combined {
        /// Bool.
        plugged: Source,
        /// Bool; read first.
        charging: Source,
    },
    /// A number from numbers; as a text, the character with that code.
    Calc(Calc, Vec<Source>),
    /// A whole number for another; others are errors.
    Map(BTreeMap<i64, i64>, Source),
    /// A value that counts while a bool is true.
    Valid {
        /// Bool.
        valid: Source,
        /// Any value.
        value: Source,
    },
    /// A value that counts while somebody gives a sign of life, and is as old as the last one: for
    /// devices that tell a value when it changes, and that they live again and again.
    Alive {
        /// Over MQTT; what it says does not matter.
        sign: Source,
        /// Without a sign for this long there is no value.
        timeout: Duration,
        /// Any value.
        value: Source,
    },
    /// A value that is taken anew after a while only.
    Cached(Duration, Source),
    /// No value, ever; the text says why.
    Never(String),
}

/// What is done with numbers (§7.1 `calc`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Calc {
    /// Sum.
    Add,
    /// Product.
    Mul,
    /// The first one by all others; 0 if the first or any other is 0.
    Div,
    /// The least.
    Min,
    /// The greatest.
    Max,
    /// Without its sign.
    Abs,
    /// +1 or -1; 0 counts as positive.
    Sign,
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
    /// A blank text is an empty one, or no value.
    pub allow_empty: bool,
    /// The text spells bytes, two digits each.
    pub unpack_hex: bool,
    /// The bytes are a number.
    pub decode: Option<Encoding>,
}

/// A program and its arguments; no shell takes part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// Program and arguments; payload templates where a value is written.
    pub words: Vec<String>,
    /// The program is killed after this.
    pub timeout: Duration,
}

/// One value that a program prints (§7.1 `script`).
#[derive(Clone, Debug, PartialEq)]
pub struct ScriptSource {
    /// What is run.
    pub command: Command,
    /// Time between two runs; `None` = as it suits the device.
    pub interval: Option<Duration>,
    /// Multiplies numbers.
    pub scale: f64,
    /// What happens to the text before it becomes a value.
    pub pipeline: Pipeline,
}

/// A piece of JavaScript (§7.1 `js`).
#[derive(Clone, Debug, PartialEq)]
pub struct JsSource {
    /// The program; its last expression is the value.
    pub script: String,
    /// Scripts of the same machine share their variables; `None` = a machine of its own.
    pub vm: Option<String>,
    /// Variables that are set before.
    pub inputs: Vec<JsInput>,
    /// Time between two runs where nothing is read; `None` = as it suits the device.
    pub interval: Option<Duration>,
}

/// JavaScript that a machine runs before anything else (`javascript:`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Library {
    /// The machine.
    pub vm: String,
    /// Functions and constants.
    pub script: String,
}

/// A variable of a script.
#[derive(Clone, Debug, PartialEq)]
pub struct JsInput {
    /// Its name in the script.
    pub name: String,
    /// Its type.
    pub kind: JsKind,
    /// Where it is read.
    pub source: Source,
}

/// Types of a script's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JsKind {
    /// A text.
    Text,
    /// A number.
    Float,
    /// A whole number.
    Int,
    /// true or false.
    Bool,
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
    /// Ask a web server; address and body are payload templates.
    Http(Box<HttpRequest>),
    /// Run a program.
    Script(Command),
    /// A value that lives in the simulator of the demo, by `<device>/<attribute>`: `enable`,
    /// `maxcurrent`, `phases`.
    Demo(String),
    /// The value goes on, changed or not, to others.
    Composite(Box<SetComposite>),
}

/// What happens to a value before it is written (§7.1).
#[derive(Clone, Debug, PartialEq)]
pub enum SetComposite {
    /// This value instead; empty is zero.
    Const(String, Sink),
    /// A whole number for another; others are errors.
    Map(BTreeMap<i64, i64>, Sink),
    /// One after the other, until one fails.
    Sequence(Vec<Sink>),
    /// By whole number.
    Switch {
        /// Value and where it goes then.
        cases: Vec<(i64, Sink)>,
        /// Where all others go; `None` makes them errors.
        default: Option<Sink>,
    },
    /// By truth; a number is true above 0.
    IfElse(Sink, Sink),
    /// As another type.
    Convert(Conversion, Sink),
    /// How much it grew: since the value before, or above what is read.
    Delta(Option<Source>, Sink),
    /// While a bool is true; the write fails otherwise.
    Valid(Source, Sink),
    /// Repeats the value until it is reset.
    Watchdog(Watchdog, Sink),
    /// Failures that begin with the text are none.
    Ignore(String, Sink),
    /// A random positive whole number instead.
    Random(Sink),
    /// A pause; the value goes nowhere.
    Sleep(Duration),
    /// Nowhere; the text says why.
    Never(String),
    /// Through a script, and what it says to others.
    Js {
        /// The program; the value stands in the variable `name`.
        script: JsSource,
        /// Name of the attribute.
        name: String,
        /// Where the result goes, each as its type.
        outputs: Vec<(JsKind, Sink)>,
    },
}

/// How a value changes its type (§7.1 `convert`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conversion {
    /// Without its fraction.
    FloatToInt,
    /// As it is.
    IntToFloat,
    /// 1 or 0.
    BoolToInt,
}

/// A value that a device wants to hear again and again (§7.4).
#[derive(Clone, Debug, PartialEq)]
pub struct Watchdog {
    /// The device forgets the value after this; it is written again after half of it.
    pub timeout: Duration,
    /// Values that end the repetition; true is 1.
    pub reset: Vec<f64>,
    /// Written at the start.
    pub initial: Option<f64>,
    /// Changes wait until the device has forgotten the value before.
    pub defer: bool,
}

impl Source {
    /// The parts of a composite or script.
    pub fn parts(&self) -> Vec<&Self> {
        match self {
            Self::Composite(composite) => match &**composite {
                Composite::Combined { plugged, charging } => vec![plugged, charging],
                Composite::Calc(_, sources) => sources.iter().collect(),
                Composite::Map(_, source) | Composite::Cached(_, source) => vec![source],
                Composite::Valid { valid, value } => vec![valid, value],
                Composite::Alive { sign, value, .. } => vec![sign, value],
                Composite::Never(_) => Vec::new(),
            },
            Self::Js(js) => js.inputs.iter().map(|input| &input.source).collect(),
            Self::Mqtt(_)
            | Self::Modbus(_)
            | Self::SunSpec(_)
            | Self::Http(_)
            | Self::Socket(_)
            | Self::Script(_)
            | Self::Const(_)
            | Self::Demo(_) => Vec::new(),
        }
    }

    /// The topics that the value or its parts arrive on.
    pub fn topics<'a>(&'a self, topics: &mut BTreeSet<&'a str>) {
        if let Self::Mqtt(MqttSource { topic, .. }) | Self::Demo(topic) = self {
            topics.insert(topic);
        }
        self.parts().into_iter().for_each(|part| part.topics(topics));
    }

    /// Lets at least this time pass between two requests for the value, or for a part of it.
    pub fn ask_seldom(&mut self, least: Duration) {
        let slower = |interval: &mut Option<Duration>| *interval = (*interval).max(Some(least));
        match self {
            Self::Http(http) => slower(&mut http.interval),
            Self::Script(script) => slower(&mut script.interval),
            Self::Modbus(modbus) => modbus.interval = modbus.interval.max(least),
            Self::SunSpec(point) => point.interval = point.interval.max(least),
            Self::Js(js) => {
                slower(&mut js.interval);
                js.inputs.iter_mut().for_each(|input| input.source.ask_seldom(least));
            }
            Self::Composite(composite) => match &mut **composite {
                Composite::Combined { plugged, charging } => {
                    plugged.ask_seldom(least);
                    charging.ask_seldom(least);
                }
                Composite::Valid { valid, value } => {
                    valid.ask_seldom(least);
                    value.ask_seldom(least);
                }
                Composite::Calc(_, parts) => {
                    parts.iter_mut().for_each(|part| part.ask_seldom(least));
                }
                Composite::Map(_, part)
                | Composite::Cached(_, part)
                | Composite::Alive { value: part, .. } => part.ask_seldom(least),
                Composite::Never(_) => {}
            },
            Self::Mqtt(_) | Self::Socket(_) | Self::Const(_) | Self::Demo(_) => {}
        }
    }

    /// How long the value counts after its last message, or the last sign of its device.
    pub fn timeout(&self) -> Option<Duration> {
        match self {
            Self::Mqtt(mqtt) => mqtt.timeout,
            Self::Socket(socket) => socket.timeout,
            Self::Composite(composite) => match &**composite {
                Composite::Alive { timeout, .. } => Some(*timeout),
                Composite::Combined { .. }
                | Composite::Calc(..)
                | Composite::Map(..)
                | Composite::Valid { .. }
                | Composite::Cached(..)
                | Composite::Never(_) => None,
            },
            Self::Modbus(_)
            | Self::SunSpec(_)
            | Self::Http(_)
            | Self::Script(_)
            | Self::Js(_)
            | Self::Const(_)
            | Self::Demo(_) => None,
        }
    }

    /// Whether somebody must be asked, or listened to, for the value or for a part of it.
    pub fn is_asked_for(&self) -> bool {
        match self {
            Self::Modbus(_)
            | Self::SunSpec(_)
            | Self::Http(_)
            | Self::Socket(_)
            | Self::Script(_)
            | Self::Js(_) => true,
            Self::Mqtt(_) | Self::Const(_) | Self::Demo(_) | Self::Composite(_) => {
                self.parts().into_iter().any(Self::is_asked_for)
            }
        }
    }
}

impl Sink {
    /// The topics of values that are read before something is written.
    pub fn topics<'a>(&'a self, topics: &mut BTreeSet<&'a str>) {
        let Self::Composite(composite) = self else { return };
        let sinks: Vec<&Self> = match &**composite {
            SetComposite::Const(_, sink)
            | SetComposite::Map(_, sink)
            | SetComposite::Convert(_, sink)
            | SetComposite::Watchdog(_, sink)
            | SetComposite::Ignore(_, sink)
            | SetComposite::Random(sink) => vec![sink],
            SetComposite::Sequence(sinks) => sinks.iter().collect(),
            SetComposite::Switch { cases, default } => {
                cases.iter().map(|(_, sink)| sink).chain(default).collect()
            }
            SetComposite::IfElse(yes, no) => vec![yes, no],
            SetComposite::Valid(valid, sink) => {
                valid.topics(topics);
                vec![sink]
            }
            SetComposite::Delta(total, sink) => {
                total.iter().for_each(|total| total.topics(topics));
                vec![sink]
            }
            SetComposite::Js { script, outputs, .. } => {
                script.inputs.iter().for_each(|input| input.source.topics(topics));
                outputs.iter().map(|(_, sink)| sink).collect()
            }
            SetComposite::Sleep(_) | SetComposite::Never(_) => Vec::new(),
        };
        sinks.into_iter().for_each(|sink| sink.topics(topics));
    }
}
