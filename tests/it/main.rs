//! One integration binary, one module per room.

mod devices;
