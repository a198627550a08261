//! The one integration test binary.

mod control;
mod property;
