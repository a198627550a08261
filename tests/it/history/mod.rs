//! What is recorded: the core's slots, the store's tables, what REST makes of them.

mod calendar;
pub(crate) mod kept;
mod law;
mod running;
mod told;
