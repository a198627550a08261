//! Keys that clients expect and behind which nothing works yet: each tells the truth, "none".
//! A row moves to its own room with the engine that fills it.

use crate::api::Value;
use crate::api::field::{Cadence, Field, Kind};

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
    Field {
        key: "telemetry",
        kind: Kind::Bool,
        doc: "Data is sent to strangers.",
        get: |_, _| Value::Bool(false),
        ..SITE_ROW
    },
];

pub(super) const LOADPOINT: &[Field] = &[
    Field {
        key: "chargerFeatureAutodetectDisabled",
        kind: Kind::Bool,
        doc: "Vehicles are not detected here.",
        get: |_, _| Value::Bool(false),
        ..LOADPOINT_ROW
    },
    Field {
        key: "chargerFeatureAverage",
        kind: Kind::Bool,
        doc: "Values are averages.",
        get: |_, _| Value::Bool(false),
        ..LOADPOINT_ROW
    },
    Field {
        key: "chargerFeatureCacheable",
        kind: Kind::Bool,
        doc: "Values may be cached.",
        get: |_, _| Value::Bool(false),
        ..LOADPOINT_ROW
    },
    Field {
        key: "chargerFeatureClimaterDisabled",
        kind: Kind::Bool,
        doc: "Climate requests are ignored.",
        get: |_, _| Value::Bool(false),
        ..LOADPOINT_ROW
    },
    Field {
        key: "chargerFeatureCoarseCurrent",
        kind: Kind::Bool,
        doc: "Takes whole amperes only.",
        get: |_, _| Value::Bool(false),
        ..LOADPOINT_ROW
    },
    Field {
        key: "chargerFeatureOffline",
        kind: Kind::Bool,
        doc: "Has no telemetry.",
        get: |_, _| Value::Bool(false),
        ..LOADPOINT_ROW
    },
    Field {
        key: "chargerFeatureRetryable",
        kind: Kind::Bool,
        doc: "Is tried again when it fails at start.",
        get: |_, _| Value::Bool(false),
        ..LOADPOINT_ROW
    },
    Field {
        key: "chargerFeatureStreaming",
        kind: Kind::Bool,
        doc: "Pushes its values.",
        get: |_, _| Value::Bool(false),
        ..LOADPOINT_ROW
    },
    Field {
        key: "chargerFeatureWakeUpDisabled",
        kind: Kind::Bool,
        doc: "Never wakes the vehicle.",
        get: |_, _| Value::Bool(false),
        ..LOADPOINT_ROW
    },
    Field {
        key: "chargerStatusReason",
        doc: "Why the charger does not charge.",
        get: |_, _| Value::word("unknown"),
        ..LOADPOINT_ROW
    },
    Field {
        key: "suggestion",
        kind: Kind::Object,
        doc: "What an optimizer suggests.",
        get: |_, _| Value::Null,
        ..LOADPOINT_ROW
    },
];
