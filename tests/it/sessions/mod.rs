//! Sessions from facts to rows: the core over any story with any kill, the store, and what is listed.

pub(crate) mod kept;
mod property;
mod told;
