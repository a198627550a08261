//! The one integration binary; a module per room.

mod sim;
mod teslamate;
