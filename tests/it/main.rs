//! The one integration test binary: every room has a module.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "helpers of tests may fail the test"
)]

mod broker;
mod bus;
mod circuit;
mod config;
mod control;
mod days;
mod devices;
mod documents;
mod examples;
mod exports;
mod fetch;
mod fields;
mod history;
mod house;
mod http;
mod operations;
mod packaging;
mod papers;
mod plan;
mod property;
mod rhythm;
mod sessions;
mod sim;
mod site;
mod store;
mod support;
mod tariffs;
mod teslamate;
mod tidy;
mod web;
mod year;
