//! The devices of the reference site: meters and wallboxes that say all they know four times a second.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chargebus::config::{Mqtt, MqttVersion, Takeover};
use chargebus::edges::bus::{Bus, Inbox, Incoming, Options};
use tokio::time::interval;
use tokio_util::sync::{CancellationToken, DropGuard};

const PERIOD: Duration = Duration::from_millis(250);
const VOLTAGE: f64 = 230.0;

/// A house on the bus; it falls silent when it is dropped.
pub(super) struct House {
    devices: Arc<Mutex<Devices>>,
    _stop: DropGuard,
}

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
        Self::start(port, Devices { says: recorded(), ..Devices::default() })
    }

    /// Has a first wallbox that does at once what it is told, with a car on three phases that takes
    /// all it is offered; `rest` is the grid power without it.
    pub(super) fn obedient(port: u16, rest: f64) -> Self {
        Self::start(port, Devices { says: recorded(), rest: Some(rest), ..Devices::default() })
    }

    fn start(port: u16, devices: Devices) -> Self {
        let devices = Arc::new(Mutex::new(devices));
        let stop = CancellationToken::new();
        let server = Mqtt {
            host: "127.0.0.1".into(),
            port,
            tls: false,
            version: MqttVersion::V3,
            takeover: Takeover::Never,
            user: String::new(),
            password: String::new(),
            client_id: Some("house".into()),
            insecure: false,
            ca_cert: None,
            client_cert: None,
            client_key: None,
        };
        let filters = vec!["sim/wb/1/+/set".to_owned()];
        let (bus, inbox) = Bus::start(
            Options { server, root: String::new(), filters, urgent: None },
            stop.clone(),
        );
        tokio::spawn(live(Arc::clone(&devices), bus, inbox));
        Self { devices, _stop: stop.drop_guard() }
    }

    /// Changes what is said on a topic.
    pub(super) fn say(&self, topic: &str, payload: &str) {
        self.devices.lock().unwrap().says.insert(topic.to_owned(), payload.to_owned());
    }

    /// Says nothing on a topic any more.
    pub(super) fn silence(&self, topic: &str) {
        self.devices.lock().unwrap().says.remove(topic);
    }
}

async fn live(devices: Arc<Mutex<Devices>>, bus: Bus, mut inbox: Inbox) {
    let mut tick = interval(PERIOD);
    loop {
        tokio::select! {
            incoming = inbox.next() => match incoming {
                Some(Incoming::Message(message)) if !message.retain => {
                    let payload = String::from_utf8_lossy(&message.payload).into_owned();
                    devices.lock().unwrap().obey(&message.topic, &payload);
                }
                Some(_) => {}
                None => return,
            },
            _ = tick.tick() => {
                for (topic, payload) in devices.lock().unwrap().report() {
                    bus.publish(topic, payload.into_bytes(), false);
                }
            }
        }
    }
}

impl Devices {
    fn obey(&mut self, topic: &str, payload: &str) {
        match topic {
            "sim/wb/1/enable/set" => self.enabled = payload == "true",
            "sim/wb/1/maxcurrent/set" => self.current = payload.parse().unwrap(),
            _ => {}
        }
    }

    fn report(&mut self) -> BTreeMap<String, String> {
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
