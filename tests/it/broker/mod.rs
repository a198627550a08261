//! The embedded broker. What MQTT 3.1.1 says is tested on mosquitto with the same code.

#![allow(clippy::unwrap_used, clippy::expect_used, unreachable_pub, missing_docs)]

mod admission;
mod churn;
mod client;
mod delivery;
mod limits;
mod operation;
mod sessions;
mod targets;
