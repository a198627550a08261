//! The program itself: version, time zone, interval (api.md §4.2).

use crate::api::Value;
use crate::api::field::{Cadence, Field, Kind, Told};

const ONCE: Field = Field { cadence: Cadence::Once, ..Field::SITE };

pub(super) const ROWS: &[Field] = &[
    Field {
        key: "apiReady",
        kind: Kind::Bool,
        doc: "The API answers.",
        get: |_, _| Value::Bool(true),
        ..ONCE
    },
    Field {
        key: "currency",
        doc: "The currency of prices, ISO 4217.",
        get: |view, _| Value::text(&view.system.currency),
        ..ONCE
    },
    Field {
        key: "influx",
        kind: Kind::Object,
        told: Told::Config,
        doc: "The database that values are written to, without its secrets.",
        get: |view, _| view.system.configured("influx"),
        ..ONCE
    },
    Field {
        key: "interval",
        kind: Kind::Duration,
        unit: "s",
        doc: "The longest time between two signs of life.",
        get: |view, _| Value::duration(view.system.interval),
        ..ONCE
    },
    Field {
        key: "messaging",
        kind: Kind::Object,
        told: Told::Config,
        doc: "Where the services that carry messages are configured.",
        get: |view, _| view.system.configured("messaging"),
        ..ONCE
    },
    Field {
        key: "messagingEvents",
        kind: Kind::Object,
        told: Told::Config,
        doc: "What people are told of which event: title, msg, disabled.",
        get: |view, _| view.system.configured("messagingEvents"),
        ..ONCE
    },
    Field {
        key: "setupRequired",
        kind: Kind::Bool,
        doc: "There is no load point yet.",
        get: |view, _| Value::Bool(view.control.loadpoints().is_empty()),
        ..ONCE
    },
    Field {
        key: "standby",
        told: Told::JsonOnly,
        doc: "Why this service commands nothing: another one is online below its root.",
        get: |view, _| match &view.system.standby {
            Some(why) => Value::text(why),
            None => Value::Null,
        },
        ..Field::SITE
    },
    Field {
        key: "startupCompleted",
        kind: Kind::Bool,
        doc: "Stored settings are in force and devices are being asked.",
        get: |view, _| Value::Bool(view.system.started),
        ..Field::SITE
    },
    Field {
        key: "system",
        doc: "Operating system and architecture.",
        get: |view, _| Value::text(&view.system.platform),
        ..ONCE
    },
    Field {
        key: "timezone",
        doc: "Name and offset of the local time zone.",
        get: |view, _| Value::text(&view.system.timezone),
        ..Field::SITE
    },
    Field {
        key: "version",
        doc: "The release of evcc whose API this is, and our own in brackets.",
        get: |view, _| Value::text(&view.system.version),
        ..ONCE
    },
];
