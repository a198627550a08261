//! The only impure room: run loop, clock, MQTT client, broker, devices, store, HTTP, web page.

mod about;
mod answers;
pub mod app;
pub mod brain;
pub mod broker;
pub mod bus;
pub mod clock;
pub mod command;
pub mod demo;
pub mod devices;
pub mod door;
mod embedded;
pub mod fetch;
mod hold;
pub mod http;
mod inputs;
pub mod jq;
pub mod replay;
mod run;
pub mod store;
pub mod tariffs;
mod trust;
