//! The program: its log and its end (api.md §3.11).

use super::{Access, Content, Kind, Method, OnMqtt, Op, Operation, Parameter};

const OWNER: OnMqtt = OnMqtt::No("only the owner may, and the broker has users of its own");
const LINES: Content = Content::Json(r#"{"type":"array","items":{"type":"string"}}"#);

pub(super) const OPTIMIZE: Operation = Operation {
    op: Op::Optimize,
    path: "/api/optimize",
    answer: Content::Json(r##"{"$ref":"#/components/schemas/Error"}"##),
    mqtt: OnMqtt::No("there is no optimizer"),
    doc: "Answers that there is no optimizer.",
    ..Operation::WRITE
};

pub(super) const CLEAR_CACHE: Operation = Operation {
    op: Op::ClearCache,
    method: Method::Delete,
    path: "/api/system/cache",
    answer: Content::Json(r#"{"const":"OK"}"#),
    access: Access::Admin,
    mqtt: OWNER,
    doc: "Deletes prices and forecasts that are kept on disk; what is in force stays until news come.",
    ..Operation::WRITE
};

pub(super) const LOG: Operation = Operation {
    op: Op::Log,
    path: "/api/system/log",
    query: &[
        Parameter { name: "area", kind: Kind::Text, doc: "Area; may stand several times." },
        Parameter {
            name: "level",
            kind: Kind::Enum(&["error", "warn", "info", "debug", "trace"]),
            doc: "The least severe level, `error` if nothing is said.",
        },
        Parameter { name: "count", kind: Kind::Int, doc: "At most this many lines, the newest." },
        Parameter { name: "format", kind: Kind::Enum(&["txt"]), doc: "A file instead of JSON." },
    ],
    answer: LINES,
    access: Access::Admin,
    mqtt: OWNER,
    doc: "Tells the last lines of the log, the oldest first.",
    ..Operation::READ
};

pub(super) const LOG_AREAS: Operation = Operation {
    op: Op::LogAreas,
    path: "/api/system/log/areas",
    answer: LINES,
    access: Access::Admin,
    mqtt: OWNER,
    doc: "Lists the areas that have said something.",
    ..Operation::READ
};

pub(super) const SHUTDOWN: Operation = Operation {
    op: Op::Shutdown,
    path: "/api/system/shutdown",
    status: 204,
    access: Access::Admin,
    mqtt: OWNER,
    doc: "Ends the service; Docker or systemd start it anew.",
    ..Operation::WRITE
};

pub(super) const OLD_SHUTDOWN: Operation = Operation {
    op: Op::OldShutdown,
    path: "/api/shutdown",
    doc: "The older name of `/api/system/shutdown`.",
    ..SHUTDOWN
};

pub(super) const UPDATE: Operation = Operation {
    op: Op::Update,
    path: "/api/update",
    answer: Content::Json(r##"{"$ref":"#/components/schemas/Error"}"##),
    status: 501,
    mqtt: OnMqtt::No("nothing updates itself"),
    doc: "Answers with 501 that chargebus does not update itself, and what to do instead.",
    ..Operation::WRITE
};
