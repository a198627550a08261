//! The only impure room: run loop, clock, MQTT client, broker, devices, store, HTTP, web page.

pub mod bus;
pub mod clock;
mod conns;
pub mod devices;
pub mod door;
pub mod http;
pub mod jq;
pub mod store;
mod ws;
