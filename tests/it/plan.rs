//! Charging plans and the estimator: worked examples, properties, and plans in a living core.

mod chain;
mod core;
mod examples;
mod property;
mod repeating;

use chargebus::model::Rate;
use chrono::{DateTime, TimeDelta, Utc};

/// A full hour from which times count.
fn origin() -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 0).unwrap()
}

fn minutes(minutes: f64) -> TimeDelta {
    TimeDelta::seconds((minutes * 60.0).round() as i64)
}

fn at(offset: f64) -> DateTime<Utc> {
    origin() + minutes(offset)
}

fn rate(start: f64, end: f64, value: f64) -> Rate {
    Rate { start: at(start), end: at(end), value }
}
