//! Device adapters: small sites, a bus that remembers, and the tests of each part.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "helpers of tests")]
#![allow(clippy::wildcard_enum_match_arm, reason = "whatever else comes fails the test")]

mod asked;
mod charger;
mod composites;
mod decode;
mod examples;
mod modbus;
mod openwb;
mod pipelines;
mod registers;
mod scripts;
pub(crate) mod servers;
mod setters;
mod silence;
mod sockets;
mod sunspec;
mod templates;
mod vehicle;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use chargebus::config::{
    Api, ChargerDevice, Config, Devices as DeviceConfig, Extras, Messaging, MeterDevice,
    MqttSource, Network, Pipeline, Sink, Source, VehicleDevice,
};
use chargebus::edges::devices::{Devices, Publish};
use chargebus::edges::fetch::Fetch;
use chargebus::model::{
    ChargerSetup, Fact, LoadPointSetup, MeterRole, MeterSetup, Setup, VehicleSetup,
};
use tokio::sync::mpsc;
use tokio_util::sync::{CancellationToken, DropGuard};

/// Longest wait for anything in these tests.
const DEADLINE: Duration = Duration::from_secs(60);

/// A site of the given devices; names are `meter1`, `charger1`, `car1` and so on.
fn site(
    meters: Vec<MeterDevice>,
    chargers: Vec<ChargerDevice>,
    vehicles: Vec<VehicleDevice>,
) -> Config {
    let setup = Setup {
        meters: (1..=meters.len()).map(meter_setup).collect(),
        loadpoints: (1..=chargers.len()).map(loadpoint_setup).collect(),
        vehicles: (1..=vehicles.len())
            .map(|n| VehicleSetup { name: format!("car{n}"), ..VehicleSetup::default() })
            .collect(),
        ..Setup::default()
    };
    Config {
        setup,
        devices: DeviceConfig { meters, chargers, vehicles, ..DeviceConfig::default() },
        interval: Duration::from_secs(30),
        network: Network { host: "127.0.0.1".to_owned(), port: 0, ..Network::default() },
        api: Api::default(),
        mqtt: None,
        root: "evcc".to_owned(),
        broker: None,
        database: None,
        log: None,
        currency: "EUR".to_owned(),
        tariffs: Vec::new(),
        extras: Extras::default(),
        libraries: Vec::new(),
        discover_cars: true,
        messaging: Messaging::default(),
        influx: None,
        metrics: false,
    }
}

fn meter_setup(n: usize) -> MeterSetup {
    MeterSetup { controllable: true, ..MeterSetup::new(format!("meter{n}"), MeterRole::Ext) }
}

fn loadpoint_setup(n: usize) -> LoadPointSetup {
    LoadPointSetup {
        name: format!("lp-{n}"),
        phases_configured: 3,
        charger: ChargerSetup { name: format!("charger{n}"), ..ChargerSetup::default() },
        ..LoadPointSetup::default()
    }
}

fn mqtt(topic: &str) -> Source {
    with_pipeline(topic, Pipeline::default())
}

fn with_pipeline(topic: &str, pipeline: Pipeline) -> Source {
    Source::Mqtt(MqttSource { topic: topic.to_owned(), timeout: None, scale: 1.0, pipeline })
}

/// A site whose meter `m` has these attributes, each in a line of YAML.
fn meter_site(attributes: &str) -> Config {
    let attributes = attributes.trim_end().replace('\n', "\n  ");
    parsed(&format!(
        "broker: true\nmeters:\n- name: m\n  type: custom\n  {attributes}\nsite: {{meters: {{grid: m}}}}\n"
    ))
}

/// A site whose charger `wb` has this `maxcurrent` and these further attributes.
fn charger_site(attributes: &str) -> Config {
    let attributes = attributes.trim_end().replace('\n', "\n  ");
    parsed(&format!(
        "broker: true\nchargers:\n- name: wb\n  type: custom\n  status: {{source: const, value: B}}\n  \
         enabled: {{source: mqtt, topic: wb/enabled}}\n  {attributes}\n\
         loadpoints: [{{charger: wb}}]\n"
    ))
}

fn parsed(yaml: &str) -> Config {
    Config::parse(yaml, &|_| None).unwrap_or_else(|errors| panic!("{errors}\n{yaml}")).config
}

fn set(topic: &str) -> Option<Sink> {
    Some(Sink::Mqtt { topic: topic.to_owned(), payload: None, retained: false })
}

/// A broker connection that can be cut and tells what was published.
struct Bus {
    connected: AtomicBool,
    published: mpsc::Sender<(String, String)>,
}

impl Publish for Bus {
    fn publish(&self, topic: &str, payload: &str, _retain: bool) -> bool {
        let connected = self.connected.load(Ordering::SeqCst);
        if connected {
            self.published
                .try_send((topic.to_owned(), payload.to_owned()))
                .expect("a test publishes little");
        }
        connected
    }
}

/// Running devices with both ends of their world.
struct Rig {
    devices: Devices,
    bus: Arc<Bus>,
    published: mpsc::Receiver<(String, String)>,
    facts: mpsc::Receiver<Fact>,
    stop: CancellationToken,
    _stop: DropGuard,
}

impl Rig {
    fn start(config: &Config) -> Self {
        let (sender, published) = mpsc::channel(1000);
        let bus = Arc::new(Bus { connected: AtomicBool::new(true), published: sender });
        let (sender, facts) = mpsc::channel(16);
        let stop = CancellationToken::new();
        let publisher = Arc::clone(&bus) as Arc<dyn Publish>;
        let devices = Devices::start(config, publisher, Fetch::default(), sender, stop.clone());
        let guard = stop.clone().drop_guard();
        Self { devices, bus, published, facts, stop, _stop: guard }
    }

    fn connect(&self, connected: bool) {
        self.bus.connected.store(connected, Ordering::SeqCst);
    }

    async fn fact(&mut self) -> Fact {
        tokio::time::timeout(DEADLINE, self.facts.recv())
            .await
            .expect("a fact in time")
            .expect("the devices run")
    }

    /// What is published next, as `topic payload`, within a time; `None` = nothing.
    async fn message_within(&mut self, time: Duration) -> Option<String> {
        let message = tokio::time::timeout(time, self.published.recv()).await;
        message.ok().map(|message| {
            let (topic, payload) = message.expect("the bus lives");
            format!("{topic} {payload}")
        })
    }

    async fn messages(&mut self, count: usize) -> Vec<String> {
        let mut messages = Vec::new();
        for _ in 0..count {
            messages.push(self.message_within(DEADLINE).await.expect("a message in time"));
        }
        messages
    }
}
