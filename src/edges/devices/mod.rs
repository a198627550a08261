//! Device adapters: what the configuration describes is read and written here (plans-vehicles-devices.md §7, §8).
//!
//! ```text
//!  MQTT message ─► inbox::Decoder (pure) ───────────────► facts
//!  register     ─► modbus::Link (a task per address) ─┐
//!  const        ─► a ticker ──────────────────────────┼─► outbox ─► facts
//!  command      ─► charger::Charger (a task each) ────┘
//!                     └─► sink ─► Publish or modbus::Link
//! ```
//!
//! [`Decoder`], [`Getter`], [`Template`] and [`register`] need no runtime: `replay` uses them as they are.

mod battery;
mod charger;
mod health;
mod inbox;
mod input;
mod jq;
mod modbus;
mod outbox;
mod pipeline;
mod queue;
pub mod register;
mod sink;
mod template;
mod value;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::{ChargerDevice, Config, ModbusLink, Sink, Source};
use crate::model::{
    BatteryMode, ChargerCommand, Fact, LoadPointIx, LoadPointSetup, MeterIx, Origin,
};

use battery::Battery;
use charger::{Charger, Inbox, Sinks, State};
use health::HealthBook;
use input::{Input, inputs};
use modbus::{Link, MAX_WRITES, Poll, WriteRequest};
use outbox::Outbox;
use sink::Writer;
use value::Delivery;

pub use charger::{LEASE, RETRY};
pub use health::DeviceHealth;
pub use inbox::{Counts, Decoded, Decoder, Problem};
pub use pipeline::{Getter, MAX_TEXT, convert};
pub use sink::Publish;
pub use template::{Scalar, Template};
pub use value::{Kind, Value};

/// Constants are repeated this often, as every value has an age (design S2).
pub const CONSTANT_PERIOD: Duration = Duration::from_secs(5);

/// An attribute that cannot work as it is configured; everything else does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// Name of the device.
    pub device: String,
    /// Name of the attribute in the configuration.
    pub attribute: String,
    /// What is wrong with it.
    pub error: String,
}

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}: {}", self.device, self.attribute, self.error)
    }
}

/// The running tasks of all devices that we speak to ourselves.
pub struct Devices {
    chargers: Vec<Arc<Inbox>>,
    /// By position in `Setup::meters`; `None` = takes no commands.
    batteries: Vec<Option<watch::Sender<BatteryMode>>>,
    bus: watch::Sender<u64>,
    health: Arc<HealthBook>,
    broken: Vec<Broken>,
    tasks: TaskTracker,
}

impl Devices {
    /// Starts a task per Modbus address, charger and battery; needs a tokio runtime. They send
    /// `facts` until `stop`. A task never waits for the receiver: readings that are not taken are
    /// replaced by newer ones, outcomes of commands are kept.
    pub fn start(
        config: &Config,
        publisher: Arc<dyn Publish>,
        facts: mpsc::Sender<Fact>,
        stop: CancellationToken,
    ) -> Self {
        let mut start = Start {
            publisher,
            bus: watch::Sender::new(0),
            outbox: Arc::default(),
            health: Arc::default(),
            broken: Vec::new(),
            links: BTreeMap::new(),
            tasks: TaskTracker::new(),
            stop,
        };
        let constants = start.inputs(config);
        let chargers = start.chargers(config);
        let batteries = start.batteries(config);
        start.links();
        let outbox = Arc::clone(&start.outbox);
        start.spawn(async move { outbox.forward(facts).await });
        if !constants.is_empty() {
            let outbox = Arc::clone(&start.outbox);
            start.spawn(async move { repeat(constants, &outbox).await });
        }
        start.tasks.close();
        let Start { bus, health, broken, tasks, .. } = start;
        Self { chargers, batteries, bus, health, broken, tasks }
    }

    /// Gives a command to a charger; never waits. A waiting command of the same kind is superseded
    /// and has no outcome of its own. The outcome arrives as [`Fact::Done`]; `Enable(false)` is
    /// tried until it is taken, so that a `Failed` of it may be followed by a `Done`.
    pub fn command(&self, lp: LoadPointIx, command: ChargerCommand) {
        if let Some(charger) = self.chargers.get(lp.0) {
            charger.push(command);
        }
    }

    /// Gives a mode to a battery; never waits. Newest wins; `Unknown` is no statement.
    pub fn battery(&self, meter: MeterIx, mode: BatteryMode) {
        if let Some(Some(battery)) = self.batteries.get(meter.0) {
            battery.send_replace(mode);
        }
    }

    /// The broker is connected (again): the last set-points are written once more.
    pub fn bus_up(&self) {
        self.bus.send_modify(|times| *times += 1);
    }

    /// How the devices are that are reached over Modbus or take commands, in the order of their names.
    pub fn health(&self) -> Vec<DeviceHealth> {
        self.health.list()
    }

    /// The attributes that do not work as configured; those that arrive over MQTT are the [`Decoder`]'s.
    pub fn broken(&self) -> &[Broken] {
        &self.broken
    }

    /// Returns when all tasks have ended after `stop`.
    pub async fn stopped(&self) {
        self.tasks.wait().await;
    }
}

/// The name by which people know the charger of a load point.
fn charger_name(lp: &LoadPointSetup) -> &str {
    if lp.charger.name.is_empty() { &lp.name } else { &lp.charger.name }
}

/// Sends the constants again and again.
async fn repeat(constants: Vec<(usize, Fact)>, outbox: &Outbox) {
    let mut ticks = interval(CONSTANT_PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        for (slot, fact) in &constants {
            outbox.reading(*slot, fact.clone());
        }
    }
}

/// What is put together while starting.
struct Start {
    publisher: Arc<dyn Publish>,
    bus: watch::Sender<u64>,
    outbox: Arc<Outbox>,
    health: Arc<HealthBook>,
    broken: Vec<Broken>,
    /// By address and framing.
    links: BTreeMap<(String, bool), LinkParts>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

struct LinkParts {
    polls: Vec<Poll>,
    sender: mpsc::Sender<WriteRequest>,
    receiver: mpsc::Receiver<WriteRequest>,
}

impl Start {
    /// Runs a task until `stop`.
    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let stop = self.stop.clone();
        self.tasks.spawn(async move {
            stop.run_until_cancelled(task).await;
        });
    }

    fn link(&mut self, link: &ModbusLink) -> &mut LinkParts {
        self.links.entry((link.uri.clone(), link.rtu)).or_insert_with(|| {
            let (sender, receiver) = mpsc::channel(MAX_WRITES);
            LinkParts { polls: Vec::new(), sender, receiver }
        })
    }

    /// Hands the registers to their links; returns the facts of constants with their slots.
    fn inputs(&mut self, config: &Config) -> Vec<(usize, Fact)> {
        let (inputs, _) = inputs(config);
        let mut constants = Vec::new();
        for Input { slot, device, attribute, source, delivery } in inputs {
            match source {
                Source::Modbus(source) => {
                    self.health.expect(device);
                    let (device, source) = (device.to_owned(), source.clone());
                    let link = source.link.clone();
                    let poll = Poll { slot, device, attribute, source, delivery };
                    self.link(&link).polls.push(poll);
                }
                Source::Const(text) => {
                    let value = inbox::constant(delivery.kind(), text).ok();
                    constants.extend(constant(&delivery, value).map(|fact| (slot, fact)));
                }
                Source::Mqtt(_) | Source::Demo(_) | Source::Combined { .. } => {}
            }
        }
        constants
    }

    fn links(&mut self) {
        for (_, LinkParts { polls, receiver, .. }) in std::mem::take(&mut self.links) {
            let (outbox, health) = (Arc::clone(&self.outbox), Arc::clone(&self.health));
            self.spawn(Link::new(polls, receiver, outbox, health).run());
        }
    }

    fn chargers(&mut self, config: &Config) -> Vec<Arc<Inbox>> {
        let mut inboxes = Vec::new();
        let pairs = config.setup.loadpoints.iter().zip(&config.devices.chargers);
        for (ix, (setup, device)) in pairs.enumerate() {
            let name = charger_name(setup).to_owned();
            self.health.expect(&name);
            let charger = Charger {
                lp: LoadPointIx(ix),
                sinks: self.sinks(&name, device),
                name,
                safe_current: device.safe_current,
                outbox: Arc::clone(&self.outbox),
                health: Arc::clone(&self.health),
                state: State::default(),
            };
            let inbox = Arc::new(Inbox::default());
            self.spawn(charger.run(Arc::clone(&inbox), self.bus.subscribe()));
            inboxes.push(inbox);
        }
        inboxes
    }

    fn sinks(&mut self, name: &str, device: &ChargerDevice) -> Sinks {
        Sinks {
            enable: self.writer(name, "enable", &device.enable),
            max_current: self.writer(name, "maxcurrent", &device.max_current),
            max_current_millis: self.writer(name, "maxcurrentmillis", &device.max_current_millis),
            phases: self.writer(name, "phases", &device.phases),
            wakeup: self.writer(name, "wakeup", &device.wakeup),
        }
    }

    fn batteries(&mut self, config: &Config) -> Vec<Option<watch::Sender<BatteryMode>>> {
        let pairs = config.setup.meters.iter().zip(&config.devices.meters);
        pairs
            .map(|(setup, device)| {
                let sink = self.writer(&setup.name, battery::ATTRIBUTE, &device.battery_mode)?;
                self.health.expect(&setup.name);
                let health = Arc::clone(&self.health);
                let battery = Battery { name: setup.name.clone(), sink, health };
                let modes = watch::Sender::new(BatteryMode::Unknown);
                self.spawn(battery.run(modes.subscribe(), self.bus.subscribe()));
                Some(modes)
            })
            .collect()
    }

    fn writer(&mut self, device: &str, attribute: &str, sink: &Option<Sink>) -> Option<Writer> {
        let bus = Arc::clone(&self.publisher);
        let sink = sink.as_ref()?;
        let writer = Writer::compile(sink, attribute, &bus, |link| self.link(link).sender.clone());
        if let Writer::Broken(error) = &writer {
            self.broken.push(Broken {
                device: device.to_owned(),
                attribute: attribute.to_owned(),
                error: error.clone(),
            });
        }
        Some(writer)
    }
}

/// The fact of a constant that could be read.
fn constant(delivery: &Delivery, value: Option<Value>) -> Option<Fact> {
    delivery.deliver(Some(value?), Origin::Live)
}
