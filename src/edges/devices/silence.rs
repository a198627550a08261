//! Values over MQTT with a `timeout`: what was not heard again in time is not known any more
//! (plans-vehicles-devices.md §7.3). Pure, as `inbox` is; meters have their timeout in the core.

use std::time::Duration;

use super::input::{Input, List, inputs};
use super::value::Delivery;
use crate::config::{Config, Source};
use crate::model::{Fact, Mono};

/// All values of chargers and vehicles that have a timeout.
pub struct Silence(Vec<Watched>);

struct Watched {
    topic: String,
    attribute: String,
    timeout: Duration,
    delivery: Delivery,
    /// When it was last heard; `None` = never, or its silence was told.
    heard: Option<Mono>,
}

impl Silence {
    /// Nothing has been heard yet.
    pub fn new(config: &Config) -> Self {
        let List { inputs, .. } = inputs(config);
        let watched = inputs.into_iter().filter_map(|input| {
            let Input { attribute, source, delivery, .. } = input;
            let Source::Mqtt(mqtt) = source else { return None };
            let (topic, timeout, heard) = (mqtt.topic.clone(), mqtt.timeout?, None);
            Some(Watched { topic, attribute, timeout, delivery, heard })
        });
        Self(watched.collect())
    }

    /// A message has arrived, whatever it says.
    pub fn hear(&mut self, now: Mono, topic: &str) {
        for watched in self.0.iter_mut().filter(|watched| watched.topic == topic) {
            watched.heard = Some(now);
        }
    }

    /// When the next value is lost.
    pub fn deadline(&self) -> Option<Mono> {
        self.0.iter().filter_map(Watched::lost_at).min()
    }

    /// What is lost by now, each once.
    pub fn lost(&mut self, now: Mono) -> Vec<Fact> {
        let due = |watched: &&mut Watched| watched.lost_at().is_some_and(|at| now >= at);
        let lost = self.0.iter_mut().filter(due).filter_map(|watched| {
            watched.heard = None;
            watched.delivery.lost(now, &watched.attribute)
        });
        lost.collect()
    }
}

impl Watched {
    fn lost_at(&self) -> Option<Mono> {
        Some(self.heard? + self.timeout)
    }
}
