//! The field table and everything derived from it: topics, routes, state, writes, stored settings.
//!
//! The edges call `View` → [`State::next`] after every turn and tell what [`State::changes`] finds;
//! a write goes through [`Address`] and [`write()`](fn@write).

mod field;
mod table;
mod value;

pub use field::{Cadence, Field, Kind, Rest, Scope, Set, System, Told, View, Write};
pub use table::{TABLES, all, rows};
pub use value::Value;
