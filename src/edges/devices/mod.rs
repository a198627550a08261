//! Device adapters: what the configuration describes is read and written here (plans-vehicles-devices.md §7, §8).
//!
//! ```text
//!  MQTT message ─► inbox::Decoder (pure) ────────────────────► facts
//!        └ of a value that others are part of ─┐
//!  register     ─► modbus::Link (per address) ─┤
//!  answer       ─► web::Question (per request) ┤
//!  WebSocket    ─► socket::Line (per request) ─┼─► tree ─┐
//!  output       ─► script::Script (each) ──────┤         │
//!  JavaScript   ─► js::Script (thread per vm) ─┘         │
//!  const        ─► a ticker ─────────────────────────────┼─► outbox ─► facts
//!  command      ─► charger::Charger (each) ──────────────┘
//!                     └─► sink (setter, watchdog) ─► Publish, modbus::Link, web::Order, script::Tool
//! ```
//!
//! [`Decoder`], [`Getter`], [`Template`] and [`register`] need no runtime: `replay` uses them as they are.

mod charger;
mod health;
mod inbox;
mod input;
mod jq;
mod js;
mod modbus;
mod number;
mod outbox;
mod outlet;
mod pipeline;
mod queue;
pub mod register;
mod script;
mod setter;
mod silence;
mod sink;
mod socket;
mod start;
mod sunspec;
mod tree;
mod value;
mod vehicle;
mod watchdog;
mod web;
mod xml;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::fetch::Fetch;
use crate::config::{Config, template};
use crate::model::{
    BatteryMode, ChargerCommand, Fact, LoadPointIx, MeterIx, Origin, Percent, VehicleIx,
};

use charger::Inbox;
use health::HealthBook;
use outbox::Outbox;
use outlet::Outlet;
use start::Start;

pub use charger::{LEASE, RETRY};
pub use health::DeviceHealth;
pub use inbox::{Counts, Decoded, Decoder, Problem};
pub use js::{MEMORY_MAX, TIME_MAX};
pub use pipeline::{Getter, MAX_TEXT, convert};
pub use silence::Silence;
pub use sink::Publish;
pub use template::{Scalar, Template};
pub use value::{Kind, Value};
pub use watchdog::Repeater;

/// Constants are repeated this often, as every value has an age (design S2).
pub const CONSTANT_PERIOD: Duration = Duration::from_secs(5);

/// What is written to meters, by their position.
type Numbers = Vec<Option<watch::Sender<Option<i64>>>>;

/// A device that has answered or taken a command within this time is not at fault, whatever else
/// fails.
const FAULTY_AFTER: Duration = Duration::from_secs(60);

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
    batteries: Numbers,
    /// By position in `Setup::meters`; `None` = takes no limits.
    curtailers: Numbers,
    /// By position in `Setup::vehicles`; `None` = cannot be woken. Counts the wake-ups.
    vehicles: Vec<Option<watch::Sender<u64>>>,
    bus: watch::Sender<u64>,
    /// By topic: values that the tasks put together.
    ears: BTreeMap<String, Vec<(Getter, Outlet)>>,
    health: Arc<HealthBook>,
    broken: Vec<Broken>,
    tasks: TaskTracker,
}

impl Devices {
    /// Starts a task per Modbus address, request, script, charger and battery; needs a tokio
    /// runtime. They send `facts` until `stop`. A task never waits for the receiver: readings that
    /// are not taken are replaced by newer ones, outcomes of commands are kept.
    pub fn start(
        config: &Config,
        publisher: Arc<dyn Publish>,
        fetch: Fetch,
        facts: mpsc::Sender<Fact>,
        stop: CancellationToken,
    ) -> Self {
        let mut start = Start::new(publisher, fetch, stop);
        start.inputs(config);
        let chargers = start.chargers(config);
        let batteries = start.numbers(config, number::MODE);
        let curtailers = start.numbers(config, number::CURTAIL);
        let vehicles = start.vehicles(config);
        start.finish(chargers, [batteries, curtailers], vehicles, facts)
    }

    /// Takes a message for the values that are made of messages and of what is asked for; the
    /// [`Decoder`] takes the others. Never waits.
    pub fn message(&self, topic: &str, payload: &[u8], retained: bool) {
        let origin = if retained { Origin::Retained } else { Origin::Live };
        for (getter, outlet) in self.ears.get(topic).into_iter().flatten() {
            let value = if payload.is_empty() { Ok(None) } else { getter.read(payload) };
            outlet.tell(value, origin);
        }
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
            battery.send_replace(number::code(mode));
        }
    }

    /// Limits what a device feeds in; never waits. Newest wins.
    pub fn curtail(&self, meter: MeterIx, percent: Percent) {
        if let Some(Some(curtailer)) = self.curtailers.get(meter.0) {
            // A share is between 0 and 100; what is between two numbers is not granted.
            curtailer.send_replace(Some(percent.0.floor() as i64));
        }
    }

    /// Wakes a vehicle through its own channel; never waits.
    pub fn wake(&self, vehicle: VehicleIx) {
        if let Some(Some(calls)) = self.vehicles.get(vehicle.0) {
            calls.send_modify(|count| *count += 1);
        }
    }

    /// The broker is connected (again): the last set-points are written once more.
    pub fn bus_up(&self) {
        self.bus.send_modify(|times| *times += 1);
    }

    /// How the devices are that are asked by us or take commands, in the order of their names.
    pub fn health(&self) -> Vec<DeviceHealth> {
        self.health.list()
    }

    /// Names of the devices that have answered with nothing but errors for a minute.
    pub fn faulty(&self) -> BTreeSet<String> {
        let silent = |device: &DeviceHealth| {
            device.error.is_some() && device.last_ok.is_none_or(|ago| ago >= FAULTY_AFTER)
        };
        self.health.list().into_iter().filter(silent).map(|device| device.name).collect()
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

/// Sends the constants again and again: every value has an age (design S2).
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
