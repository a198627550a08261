//! The one integration binary: every room has a module.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests may fail the test")]

mod bus;
mod store;
mod support;
