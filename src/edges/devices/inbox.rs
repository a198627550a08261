//! Messages of device topics become facts (plans-vehicles-devices.md §7.3); pure, so that `replay` uses it too.

use std::collections::BTreeMap;

use super::Broken;
use super::input::{Input, inputs};
use super::pipeline::{Getter, convert};
use super::value::{Delivery, Kind, Value};
use crate::config::{Config, Pipeline, Source};
use crate::model::{Fact, Origin};

/// Knows which topic feeds which attributes.
pub struct Decoder {
    topics: BTreeMap<String, Vec<Reader>>,
    constants: Vec<Fact>,
    counts: Counts,
}

/// What one message says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Decoded {
    /// In the order of the configuration.
    pub facts: Vec<Fact>,
    /// What has just become unreadable; said once until it is readable again.
    pub problems: Vec<Problem>,
}

/// A payload that an attribute could not use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Name of the device.
    pub device: String,
    /// Name of the attribute in the configuration.
    pub attribute: String,
    /// Where the payload arrived.
    pub topic: String,
    /// Why it could not be used.
    pub error: String,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { device, attribute, topic, error } = self;
        write!(f, "{device}.{attribute} ({topic}): {error}")
    }
}

/// How many payloads, counted per attribute that reads them, were of which sort.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Became a value.
    pub good: u64,
    /// Empty: the topic was cleared (W-21).
    pub empty: u64,
    /// No value of the attribute's kind.
    pub malformed: u64,
}

/// One attribute that listens to a topic.
struct Reader {
    device: String,
    attribute: String,
    getter: Getter,
    delivery: Delivery,
    /// The last payload could not be used and that was said.
    failing: bool,
}

impl Decoder {
    /// Compiles everything that arrives over MQTT or is constant. What does not compile is
    /// reported and left out; the rest works.
    pub fn new(config: &Config) -> (Self, Vec<Broken>) {
        let (inputs, mut broken) = inputs(config);
        let mut decoder =
            Self { topics: BTreeMap::new(), constants: Vec::new(), counts: Counts::default() };
        for input in &inputs {
            if let Err(error) = decoder.add(input) {
                broken.push(input.broken(error));
            }
        }
        (decoder, broken)
    }

    fn add(&mut self, input: &Input<'_>) -> Result<(), String> {
        let kind = input.delivery.kind();
        let (topic, getter) = match input.source {
            Source::Mqtt(mqtt) => (&mqtt.topic, Getter::compile(kind, mqtt.scale, &mqtt.pipeline)?),
            Source::Demo(topic) => (topic, Getter::compile(kind, 1.0, &Pipeline::default())?),
            Source::Const(text) => {
                let fact = input.delivery.deliver(Some(constant(kind, text)?), Origin::Live);
                self.constants.extend(fact);
                return Ok(());
            }
            Source::Modbus(_) | Source::Combined { .. } => return Ok(()),
        };
        self.topics.entry(topic.clone()).or_default().push(Reader {
            device: input.device.to_owned(),
            attribute: input.attribute.clone(),
            getter,
            delivery: input.delivery.clone(),
            failing: false,
        });
        Ok(())
    }

    /// The topics to subscribe to, each once, without wildcards.
    pub fn topics(&self) -> impl Iterator<Item = &str> {
        self.topics.keys().map(String::as_str)
    }

    /// The facts of a message. A payload that cannot be used changes nothing; an empty one
    /// withdraws what a vehicle's source said and is no news of anything else.
    pub fn decode(&mut self, topic: &str, payload: &[u8], origin: Origin) -> Decoded {
        let mut decoded = Decoded::default();
        for reader in self.topics.get_mut(topic).into_iter().flatten() {
            let value = match payload {
                [] => Ok(None),
                _ => reader.getter.read(payload),
            };
            match value {
                Ok(value) => {
                    match value {
                        Some(_) => self.counts.good += 1,
                        None => self.counts.empty += 1,
                    }
                    reader.failing = false;
                    decoded.facts.extend(reader.delivery.deliver(value, origin));
                }
                Err(error) => {
                    self.counts.malformed += 1;
                    if !reader.failing {
                        decoded.problems.push(Problem {
                            device: reader.device.clone(),
                            attribute: reader.attribute.clone(),
                            topic: topic.to_owned(),
                            error,
                        });
                    }
                    reader.failing = true;
                }
            }
        }
        decoded
    }

    /// The facts of `const` sources; whoever feeds facts repeats them, as every value has an age.
    pub fn constants(&self) -> Vec<Fact> {
        self.constants.clone()
    }

    /// What has been read so far.
    pub fn counts(&self) -> Counts {
        self.counts
    }
}

/// The value of a `const` source; an empty one is zero (§7.1).
pub(super) fn constant(kind: Kind, text: &str) -> Result<Value, String> {
    match (kind, text) {
        (Kind::Number, "") => Ok(Value::Number(0.0)),
        (Kind::Bool, "") => Ok(Value::Bool(false)),
        (Kind::Number | Kind::Bool | Kind::Status | Kind::Text, _) => convert(kind, text, 1.0),
    }
}
