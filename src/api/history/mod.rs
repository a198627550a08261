//! The history as REST tells it: what is asked for, added up by the local calendar, as JSON or as a
//! table (api.md §3.5).

mod calendar;
mod grid;
mod query;
mod series;

pub use calendar::Aggregate;
pub use grid::{grid_sessions_csv, grid_sessions_json};
pub use query::{BadQuery, EnergyQuery, Format, Span};
pub use series::{Collector, POINTS_MAX, TooMany};
