//! The embedded broker. What MQTT 3.1.1 says is tested on mosquitto with the same code.

mod admission;
mod client;
mod delivery;
mod limits;
mod operation;
mod sessions;
mod targets;
