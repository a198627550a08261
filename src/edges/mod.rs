//! The only impure room: run loop, clock, MQTT client, broker, devices, store, HTTP, web page.

pub mod brain;
pub mod bus;
pub mod clock;
pub mod devices;
pub mod run;
pub mod store;
