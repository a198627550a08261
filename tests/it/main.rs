//! The one integration test binary: every room has a module.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests may fail the test")]

mod bus;
mod control;
mod fields;
mod house;
mod http;
mod property;
mod sim;
mod store;
mod support;
mod teslamate;
