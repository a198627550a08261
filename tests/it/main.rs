//! All integration tests in one binary.

mod fields;
mod house;
