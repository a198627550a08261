//! The one integration test binary: every room has a module.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests may fail the test")]

mod broker;
mod bus;
mod config;
mod control;
mod devices;
mod fields;
mod house;
mod packaging;
mod property;
mod sim;
mod store;
mod support;
mod teslamate;
mod tidy;
