//! Messages of device topics become facts (plans-vehicles-devices.md §7.3); pure, so that `replay` uses it too.

use std::collections::BTreeMap;

use super::Broken;
use super::input::{Input, List, inputs, topics};
use super::pipeline::{Getter, convert};
use super::value::{Delivery, Kind, Value};
use crate::config::{Config, MqttSource, Pipeline, Source};
use crate::model::{Fact, Mono, Origin};

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
        let List { inputs, constants, mut broken, .. } = inputs(config);
        let mut decoder = Self {
            topics: topics(config).into_iter().map(|topic| (topic.to_owned(), vec![])).collect(),
            constants: constants.into_iter().map(|(_, fact)| fact).collect(),
            counts: Counts::default(),
        };
        for input in &inputs {
            if let Err(error) = decoder.add(input) {
                broken.push((input.slot, input.broken(error)));
            }
        }
        broken.sort_by_key(|(slot, _)| *slot);
        (decoder, broken.into_iter().map(|(_, broken)| broken).collect())
    }

    fn add(&mut self, input: &Input<'_>) -> Result<(), String> {
        let Some((topic, getter)) = listener(input)? else { return Ok(()) };
        if input.asked {
            return Ok(());
        }
        self.topics.entry(topic.to_owned()).or_default().push(Reader {
            device: input.device.to_owned(),
            attribute: input.attribute.clone(),
            getter,
            delivery: input.delivery.clone(),
            failing: false,
        });
        Ok(())
    }

    /// The topics to subscribe to, each once, without wildcards; also those of values that the
    /// device tasks put together.
    pub fn topics(&self) -> impl Iterator<Item = &str> {
        self.topics.keys().map(String::as_str)
    }

    /// The facts of a message. A payload that cannot be used changes nothing; an empty one
    /// withdraws what a vehicle's source said and is no news of anything else.
    pub fn decode(&mut self, now: Mono, topic: &str, payload: &[u8], origin: Origin) -> Decoded {
        let mut decoded = Decoded::default();
        for reader in self.topics.get_mut(topic).into_iter().flatten() {
            let value = match payload {
                [] => Ok(None),
                _ => reader.getter.read(payload),
            };
            let known = matches!(value, Ok(Some(_)));
            let fact = value.and_then(|value| reader.delivery.deliver(now, value, origin));
            match fact {
                Ok(fact) => {
                    match known {
                        true => self.counts.good += 1,
                        false => self.counts.empty += 1,
                    }
                    reader.failing = false;
                    decoded.facts.extend(fact);
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

/// The topic of an input and what is made of its messages; nothing for what does not listen.
pub(super) fn listener<'a>(input: &Input<'a>) -> Result<Option<(&'a str, Getter)>, String> {
    let kind = input.delivery.kind();
    match input.source {
        Source::Mqtt(MqttSource { topic, scale, pipeline, .. }) => {
            Ok(Some((topic, Getter::compile(kind, *scale, pipeline)?)))
        }
        Source::Demo(topic) => Ok(Some((topic, Getter::compile(kind, 1.0, &Pipeline::default())?))),
        Source::Modbus(_)
        | Source::SunSpec(_)
        | Source::Http(_)
        | Source::Socket(_)
        | Source::Script(_)
        | Source::Js(_)
        | Source::Const(_)
        | Source::Composite(_) => Ok(None),
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
