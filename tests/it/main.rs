//! The one integration test binary.

mod control;
mod fields;
mod house;
mod property;
