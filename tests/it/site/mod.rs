//! The whole service, end to end: brokers, devices, users, power cuts.

mod client;
mod clients;
mod database;
mod events;
mod exports;
mod facade;
mod history;
mod house;
mod openwb;
mod played;
mod programs;
mod recorded;
mod restart;
mod safety;
mod second;
mod secrets;
mod service;
mod sessions;
mod storm;
mod teslamate;
mod tree;
mod vectors;
mod writes;
