//! House, wallboxes, cars and a TeslaMate as pure state machines: for the demo, tests and replay.
//!
//! A [`World`] is stepped with instants; commands go in, readings come out, as MQTT messages for
//! the demo (`wire.rs`) or as facts for tests of the core (`typed.rs`). One seed gives one story.

mod car;
mod house;
mod noise;
mod teslamate;
mod typed;
mod wallbox;
mod wire;
mod world;

pub use car::{Car, CarPlan, Place};
pub use house::{Battery, Load, Sun};
pub use teslamate::TeslaMate;
pub use wallbox::{Command, Fault, Report, WallBox, WallBoxPlan};
pub use wire::FILTERS;
pub use world::{Flows, Plan, World};

/// The demo's configuration; it fits [`World::demo`].
pub const DEMO_YAML: &str = include_str!("demo.yaml");

/// An MQTT message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The topic.
    pub topic: String,
    /// The exact text.
    pub payload: String,
    /// The broker keeps it.
    pub retain: bool,
}
