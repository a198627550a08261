//! What operations take and give: queries they have in common, and JSON Schemas.

use super::{Kind, Parameter};

/// Which sessions, and in which form (api.md §3.5).
pub(super) const SESSIONS_QUERY: &[Parameter] = &[
    FORMAT,
    LANGUAGE,
    Parameter {
        name: "month",
        kind: Kind::Int,
        doc: "Only those of this month of the year, from 1.",
    },
    Parameter {
        name: "year",
        kind: Kind::Int,
        doc: "Only sessions created in this year, local time.",
    },
];

/// What can be corrected of a session.
pub(super) const SESSION_EDIT: &str = r#"{"type":"object","properties":{
    "vehicle":{"type":["string","null"]},"loadpoint":{"type":["string","null"]},
    "odometer":{"type":["number","null"],"description":"km"}}}"#;

/// The form of a list.
pub(super) const FORMAT: Parameter = Parameter {
    name: "format",
    kind: Kind::Enum(&["csv", "json"]),
    doc: "As a file: a table or JSON; bare JSON if it is left out.",
};

/// The language of a table.
pub(super) const LANGUAGE: Parameter = Parameter {
    name: "lang",
    kind: Kind::Text,
    doc: "Language of captions, `de` or `en`; as the client prefers if it is left out.",
};

/// Of which time.
pub(super) const FROM: Parameter =
    Parameter { name: "from", kind: Kind::Time, doc: "The first instant, in RFC 3339." };
pub(super) const TO: Parameter =
    Parameter { name: "to", kind: Kind::Time, doc: "The first instant that is not asked for." };

/// Of which meters.
pub(super) const GROUP: Parameter =
    Parameter { name: "group", kind: Kind::Text, doc: "Only this group: `pv`, `grid` …." };
pub(super) const NAME: Parameter =
    Parameter { name: "name", kind: Kind::Text, doc: "Only the device of this name." };
pub(super) const TITLE: Parameter =
    Parameter { name: "title", kind: Kind::Text, doc: "Only devices of this title." };

/// Grid sessions (api.md §3.5).
pub(super) const GRID_SESSIONS: &str = r#"{"type":"array","items":{"type":"object","properties":{
    "id":{"type":"integer"},"created":{"type":"string","format":"date-time"},
    "finished":{"type":"string","format":"date-time"},"type":{"enum":["consumption"]},
    "grid":{"type":"number","description":"W"},"limit":{"type":"number","description":"W"}}}}"#;

/// Series of energies (api.md §3.5).
pub(super) const ENERGIES: &str = r#"{"type":"array","items":{"type":"object","properties":{
    "title":{"type":"string"},"group":{"type":"string"},
    "data":{"type":"array","items":{"type":"object","properties":{
        "start":{"type":"string","format":"date-time"},
        "end":{"type":"string","format":"date-time"},
        "energy":{"type":"number","description":"kWh"},
        "returnEnergy":{"type":"number","description":"kWh"},
        "socTemp":{"type":"number","description":"%"}}}}}}}"#;

/// Plan (api.md §3.6).
pub(super) const PLAN: &str = r##"{"type":"object","properties":{
    "planId":{"type":"integer"},"planTime":{"type":"string","format":"date-time"},
    "duration":{"type":"integer","description":"seconds of charging"},
    "plan":{"type":["array","null"],"items":{"$ref":"#/components/schemas/Rate"}},
    "power":{"type":"number","description":"W"}}}"##;

/// A plan that nobody made (api.md §3.6).
pub(super) const PREVIEW: &str = r##"{"type":"object","properties":{
    "planTime":{"type":"string","format":"date-time"},
    "duration":{"type":"integer","description":"seconds of charging"},
    "plan":{"type":["array","null"],"items":{"$ref":"#/components/schemas/Rate"}},
    "power":{"type":"number","description":"W"}}}"##;

/// How a previewed plan is carried out, instead of what is set.
pub(super) const STRATEGY: &[Parameter] = &[
    Parameter { name: "continuous", kind: Kind::Bool, doc: "Without a pause." },
    Parameter {
        name: "precondition",
        kind: Kind::Duration,
        doc: "So many seconds of it right before the time of the plan.",
    },
];

/// What is known of a tariff (api.md §3.2).
pub(super) const RATES: &str = r##"{"type":"object","properties":{
    "rates":{"type":"array","items":{"$ref":"#/components/schemas/Rate"}}}}"##;

/// Schemas that rows refer to as `#/components/schemas/<name>`.
pub const SCHEMAS: &[(&str, &str)] = &[
    (
        "Key",
        r#"{"type":"object","properties":{
            "name":{"type":"string"},"scope":{"enum":["read","write","admin"]},
            "configured":{"type":"boolean"},"key":{"type":"string","description":"shown once"}}}"#,
    ),
    (
        "Rate",
        r#"{"type":"object","properties":{
        "start":{"type":"string","format":"date-time"},"end":{"type":"string","format":"date-time"},
        "value":{"type":"number","description":"price or CO2 per kWh, W, or degrees Celsius"}}}"#,
    ),
];
