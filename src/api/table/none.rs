//! Keys that clients expect and behind which nothing works yet: each tells the truth, "none". And the
//! keys of evcc that are never told, each with its reason.
//! A row moves to its own room with the engine that fills it.

use crate::api::Value;
use crate::api::field::{Cadence, Field, Kind, Scope};

/// Keys of evcc that are not told, with the same reason.
#[derive(Clone, Copy, Debug)]
pub struct NotTold {
    /// Why; a sentence.
    pub why: &'static str,
    /// Whose keys.
    pub scope: Scope,
    /// The keys, sorted.
    pub keys: &'static [&'static str],
}

/// Every key of evcc (api.md §4) is a row of the table or stands here.
pub const NOT_TOLD: &[NotTold] = &[
    NotTold {
        why: "There is no optimizer; absent, as in evcc without one.",
        scope: Scope::Site,
        keys: &["evopt", "evopt-batteries"],
    },
    NotTold {
        why: "No device needs a login at its maker; absent, as in evcc without such a device.",
        scope: Scope::Site,
        keys: &["authProviders"],
    },
    NotTold {
        why: "The program neither looks for newer releases nor replaces itself.",
        scope: Scope::Site,
        keys: &["availableVersion", "hasUpdater", "releaseNotes"],
    },
    NotTold {
        why: "Warnings of the log are frames of their own on WebSockets, not among the values (api.md §3.9).",
        scope: Scope::Site,
        keys: &["log"],
    },
    NotTold {
        why: "There is no such server or proxy here, and an absent key says so.",
        scope: Scope::Site,
        keys: &["eebus", "modbusproxy", "ocpp", "ocppforwarder", "remote", "shm"],
    },
    NotTold {
        why: "Written by the state itself, from the rows of the vehicles.",
        scope: Scope::Site,
        keys: &["vehicles"],
    },
];

const SITE_ROW: Field = Field { cadence: Cadence::Once, ..Field::SITE };
const LOADPOINT_ROW: Field = Field { cadence: Cadence::Once, ..Field::LOADPOINT };

pub(super) const SITE: &[Field] = &[
    Field {
        key: "experimental",
        kind: Kind::Bool,
        doc: "Experimental functions are on.",
        get: |_, _| Value::Bool(false),
        ..SITE_ROW
    },
    Field {
        key: "mcp",
        kind: Kind::Bool,
        doc: "There is an MCP server.",
        get: |_, _| Value::Bool(false),
        ..SITE_ROW
    },
    Field {
        key: "optimizer",
        kind: Kind::Bool,
        doc: "An optimizer runs.",
        get: |_, _| Value::Bool(false),
        ..SITE_ROW
    },
];

pub(super) const LOADPOINT: &[Field] = &[Field {
    key: "suggestion",
    kind: Kind::Object,
    doc: "What an optimizer suggests.",
    get: |_, _| Value::Null,
    ..LOADPOINT_ROW
}];
