//! The one integration test binary.

mod control;
mod fields;
mod house;
mod property;
//! The one integration binary; a module per room.

mod sim;
mod teslamate;
