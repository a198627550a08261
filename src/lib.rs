//! chargebus charges electric cars from the sun and from cheap power; its first language is MQTT.
//!
//! The data flow, in reading order of the modules:
//!
//! ```text
//!  bytes ─► edges ─► model::Fact ─────────► control ─► model::Effect ─► edges ─► devices
//!                    api::write(field, v) ─►   │
//!                                              └─ state ─► api (field table) ─► store, MQTT, WebSocket, REST
//! ```
//!
//! Everything but [`edges`] is pure: no clock, no I/O, no async, no hash order. Time is an argument.

pub mod model;

pub mod control;

pub mod teslamate;

pub mod api;

pub mod config;

pub mod sim;

#[cfg(feature = "edges")]
pub mod edges;
