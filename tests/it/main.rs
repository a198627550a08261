//! The one integration test binary.

mod control;
mod fields;
mod house;
mod property;
//! The one integration binary; a module per room.

mod sim;
mod teslamate;
//! The one integration binary: every room has a module.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests may fail the test")]

mod bus;
mod store;
mod support;
