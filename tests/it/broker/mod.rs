//! The embedded broker. What MQTT says is tested in both versions, and on mosquitto with the same code.

#![allow(clippy::unwrap_used, clippy::expect_used, unreachable_pub, missing_docs)]

mod admission;
mod churn;
mod client;
mod client5;
mod delivery;
mod five;
mod interop;
mod limits;
mod operation;
mod sessions;
mod targets;
mod translate;
