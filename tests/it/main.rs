//! The one integration test binary: every room has a module.
<<<<<<< HEAD
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "helpers of tests may fail the test"
)]

mod broker;
mod bus;
mod config;
mod control;
mod devices;
mod fields;
mod house;
<<<<<<< HEAD
=======
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests may fail the test")]

mod bus;
mod control;
mod fields;
mod house;
mod http;
>>>>>>> api
=======
mod packaging;
>>>>>>> docs
mod property;
mod sim;
mod store;
mod support;
mod teslamate;
mod tidy;
