//! The whole service, end to end: brokers, devices, users, power cuts.

mod client;
mod exports;
mod facade;
mod history;
mod house;
mod programs;
mod restart;
mod safety;
mod second;
mod secrets;
mod service;
mod sessions;
mod teslamate;
mod tree;
mod writes;
