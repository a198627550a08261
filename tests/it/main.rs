//! The one integration binary: every room has a module.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "helpers of tests may fail the test and say why they skip it"
)]

mod bus;
mod store;
mod support;
