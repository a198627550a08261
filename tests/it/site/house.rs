//! The devices of the reference site: meters and wallboxes that say all they know four times a second.

use std::collections::BTreeMap;

use chargebus::edges::bus::Message;

use super::played::{self, Played};

const VOLTAGE: f64 = 230.0;

/// A house on the bus; it falls silent when it is dropped.
pub(super) struct House(Played<Devices>);

#[derive(Default)]
struct Devices {
    /// What is said, by topic.
    says: BTreeMap<String, String>,
    /// Grid power without the first wallbox, once it obeys.
    rest: Option<f64>,
    current: f64,
    enabled: bool,
}

/// The values of the recording.
pub(super) fn recorded() -> BTreeMap<String, String> {
    serde_json::from_str(include_str!("../../data/reference-site-inputs.json")).unwrap()
}

impl House {
    /// Says what the recording says and obeys nobody.
    pub(super) fn recorded(port: u16) -> Self {
        Self(Played::start(port, Devices { says: recorded(), ..Devices::default() }))
    }

    /// Has a first wallbox that does at once what it is told, with a car on three phases that takes
    /// all it is offered; `rest` is the grid power without it.
    pub(super) fn obedient(port: u16, rest: f64) -> Self {
        let devices = Devices { says: recorded(), rest: Some(rest), ..Devices::default() };
        Self(Played::start(port, devices))
    }

    /// Changes what is said on a topic.
    pub(super) fn say(&self, topic: &str, payload: &str) {
        self.0.with(|devices| devices.says.insert(topic.to_owned(), payload.to_owned()));
    }

    /// Says nothing on a topic any more.
    pub(super) fn silence(&self, topic: &str) {
        self.0.with(|devices| devices.says.remove(topic));
    }
}

impl played::Devices for Devices {
    const ID: &'static str = "house";
    const COMMANDS: &'static str = "sim/wb/1/+/set";
    const RETAINED: bool = false;

    fn obey(&mut self, message: &Message, payload: &str) {
        if message.retain {
            return;
        }
        match &*message.topic {
            "sim/wb/1/enable/set" => self.enabled = payload == "true",
            "sim/wb/1/maxcurrent/set" => self.current = payload.parse().unwrap(),
            _ => {}
        }
    }

    fn news(&mut self) -> BTreeMap<String, String> {
        if let Some(rest) = self.rest {
            let current = if self.enabled { self.current } else { 0.0 };
            let power = current * 3.0 * VOLTAGE;
            let mut say = |topic: &str, value: String| {
                if let Some(said) = self.says.get_mut(topic) {
                    *said = value;
                }
            };
            say("sim/grid/power", (rest + power).to_string());
            say("sim/wb/1/enabled", self.enabled.to_string());
            say("sim/wb/1/status", if current > 0.0 { "C" } else { "B" }.to_owned());
            say("sim/wb/1/power", power.to_string());
            for phase in ["l1", "l2", "l3"] {
                say(&format!("sim/wb/1/{phase}"), current.to_string());
            }
        }
        self.says.clone()
    }
}
