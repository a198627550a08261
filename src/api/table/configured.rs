//! How the program was started and configured (api.md §4.2). It is in the JSON state, secrets masked,
//! and on MQTT only if the user wants it.

use crate::api::Value;
use crate::api::field::{Cadence, Field, Kind, Told};

const ONCE: Field = Field { cadence: Cadence::Once, ..Field::SITE };
const CONFIG: Field = Field { told: Told::Config, ..ONCE };

pub(super) const SITE: &[Field] = &[
    Field {
        key: "authDisabled",
        kind: Kind::Bool,
        doc: "Nobody needs to log in; absent unless true.",
        get: |view, _| only_if(view.system.about.auth_disabled),
        ..ONCE
    },
    Field {
        key: "config",
        doc: "Path of the configuration; empty without one.",
        get: |view, _| Value::text(&view.system.about.config),
        ..CONFIG
    },
    Field {
        key: "database",
        doc: "Path of the database; empty if nothing is kept.",
        get: |view, _| Value::text(&view.system.about.database),
        ..CONFIG
    },
    Field {
        key: "demoMode",
        kind: Kind::Bool,
        doc: "The demo plays; absent unless true.",
        get: |view, _| only_if(view.system.about.demo),
        ..ONCE
    },
    Field {
        key: "fatal",
        kind: Kind::List,
        doc: "What is broken until somebody mends it: error, class; absent while all is well.",
        get: |view, _| match view.system.about.fatal.as_slice() {
            [] => Value::Absent,
            broken => Value::List(broken.iter().map(error).collect()),
        },
        ..Field::SITE
    },
    Field {
        key: "mqtt",
        kind: Kind::Object,
        doc: "The broker and how to reach it; secrets are `***`.",
        get: |view, _| view.system.configured("mqtt"),
        ..CONFIG
    },
    Field {
        key: "network",
        kind: Kind::Object,
        doc: "Where REST, WebSocket and web page are.",
        get: |view, _| view.system.configured("network"),
        ..CONFIG
    },
    Field {
        key: "sponsor",
        kind: Kind::Object,
        doc: "Nobody needs to sponsor anything here: the status is empty.",
        get: |view, _| view.system.configured("sponsor"),
        ..CONFIG
    },
    Field {
        key: "tariffs",
        kind: Kind::Object,
        doc: "Where the tariffs are configured; absent without any.",
        get: |view, _| view.system.configured("tariffs"),
        ..CONFIG
    },
];

fn only_if(on: bool) -> Value {
    if on { Value::Bool(true) } else { Value::Absent }
}

fn error((text, class): &(String, &'static str)) -> Value {
    Value::Object(vec![
        ("error".into(), Value::text(text.clone())),
        ("class".into(), Value::word(class)),
    ])
}
