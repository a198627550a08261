//! The only impure room: run loop, clock, MQTT client, broker, devices, store, HTTP, web page.

mod answers;
pub mod app;
mod backlog;
mod backoff;
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
pub mod figures;
mod hold;
pub mod http;
mod influx;
mod inputs;
pub mod jq;
mod messenger;
mod reasons;
pub mod replay;
mod run;
pub mod store;
pub mod tariffs;
mod trust;
