//! The field table and everything derived from it: topics, routes, state, writes, stored settings;
//! and the table of REST operations that are no fields.
//!
//! The edges call `View` → [`State::next`] after every turn and tell what [`State::changes`] finds;
//! a write goes through [`Address`] and [`write()`](fn@write).

mod documents;
mod export;
mod field;
mod goal;
pub mod history;
pub mod influx;
pub mod legacy;
mod message;
pub mod metrics;
mod operation;
mod parse;
mod payload;
mod preview;
mod project;
mod rates;
mod restore;
mod sessions;
pub mod setup;
mod table;
mod topic;
mod urgent;
mod value;
mod write;

pub use documents::{asyncapi, openapi};
pub use export::Language;
pub use field::{
    About, Cadence, Field, Kind, Rest, Scope, Set, SetLease, SetTime, System, Told, View, Write,
};
pub use goal::goal_text;
pub use message::{Occasion, Refusal};
pub use operation::{
    Access, ConfigOp, Content, Method, OPERATIONS, OnMqtt, Op, Operation, PATH_PARAMETERS,
    Parameter, SCHEMAS,
};
pub use preview::{
    preview, repeating as preview_repeating, strategy as preview_strategy, target_plan,
    wanted as preview_wanted,
};
pub use project::{Changes, State};
pub use rates::Slots;
pub use restore::{Problem, restore};
pub use sessions::{
    Period, SessionRequest, is_session_topic, period, session_edit, session_request, sessions_csv,
    sessions_json,
};
pub use table::{NOT_TOLD, NotTold, TABLES, all, rows};
pub use topic::{Address, Place};
pub use urgent::{switched_off, switches_off, topic_switches_off};
pub use value::Value;
pub use write::{Answer, Code, MAX_PAYLOAD, Raw, write, write_topic};
