//! The only impure room: run loop, clock, MQTT client, broker, devices, store, HTTP, web page.

pub mod bus;
pub mod store;
pub mod devices;
