//! The configuration, read only, and older places of other reads (api.md §3.13, §3.14).

use super::{Access, Content, Kind, OnMqtt, Op, Operation, Parameter};

/// What can be read of the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ConfigOp {
    /// The devices of a class.
    Devices,
    /// What a device told last.
    Status,
    /// Whether a restart is due.
    Dirty,
    /// Every load point.
    LoadPoints,
    /// One of them.
    LoadPoint,
    /// The products of a class.
    Products,
    /// Names of the site's meters.
    Site,
    /// Names of the tariffs.
    Tariff,
    /// The templates of a class.
    Templates,
}

/// The names of the classes of devices.
pub(super) const CLASS: Parameter = Parameter {
    name: "class",
    kind: Kind::Enum(crate::api::setup::Class::SPELLINGS),
    doc: "What kind of device it is.",
};

const OBJECT: Content = Content::Json(r#"{"type":"object"}"#);
const LIST: Content = Content::Json(r#"{"type":"array","items":{"type":"object"}}"#);
const BOOL: Content = Content::Json(r#"{"type":"boolean"}"#);

const OWNER: Operation = Operation {
    access: Access::Admin,
    mqtt: OnMqtt::No("who is set up how is the owner's matter; every value has a topic"),
    ..Operation::READ
};

pub(super) const DEVICES: Operation = Operation {
    op: Op::Config(ConfigOp::Devices),
    path: "/api/config/devices/{class}",
    answer: LIST,
    doc: "Lists the devices of a class with name, title and icon.",
    ..OWNER
};

pub(super) const STATUS: Operation = Operation {
    op: Op::Config(ConfigOp::Status),
    path: "/api/config/devices/{class}/{name}/status",
    answer: OBJECT,
    doc: "Tells what a device told last: by key a value, and what is wrong with it.",
    ..OWNER
};

pub(super) const DIRTY: Operation = Operation {
    op: Op::Config(ConfigOp::Dirty),
    path: "/api/config/dirty",
    answer: BOOL,
    doc: "Tells whether a restart is due; never, as the file is all there is.",
    ..OWNER
};

pub(super) const LOADPOINTS: Operation = Operation {
    op: Op::Config(ConfigOp::LoadPoints),
    path: "/api/config/loadpoints",
    answer: LIST,
    doc: "Lists the load points as they are set up; lengths of time are nanoseconds.",
    ..OWNER
};

pub(super) const LOADPOINT: Operation = Operation {
    op: Op::Config(ConfigOp::LoadPoint),
    path: "/api/config/loadpoints/{id}",
    answer: OBJECT,
    doc: "Tells how a load point is set up; lengths of time are nanoseconds.",
    ..OWNER
};

pub(super) const PRODUCTS: Operation = Operation {
    op: Op::Config(ConfigOp::Products),
    path: "/api/config/products/{class}",
    answer: LIST,
    doc: "Lists products that a form could add: none, devices stand in the file.",
    ..OWNER
};

pub(super) const SITE: Operation = Operation {
    op: Op::Config(ConfigOp::Site),
    path: "/api/config/site",
    answer: OBJECT,
    doc: "Tells the title of the site and the names of its meters.",
    ..OWNER
};

pub(super) const TARIFF: Operation = Operation {
    op: Op::Config(ConfigOp::Tariff),
    path: "/api/config/tariff",
    answer: OBJECT,
    doc: "Tells the names of the tariffs by what they are for.",
    ..OWNER
};

pub(super) const TEMPLATES: Operation = Operation {
    op: Op::Config(ConfigOp::Templates),
    path: "/api/config/templates/{class}",
    answer: LIST,
    doc: "Lists templates that a form could fill in: none, devices stand in the file.",
    ..OWNER
};

pub(super) const TELEMETRY: Operation = Operation {
    op: Op::Telemetry,
    path: "/api/settings/telemetry",
    answer: BOOL,
    mqtt: OnMqtt::No("`site/telemetry` is a field"),
    doc: "Tells the switch of telemetry as in releases up to 0.206; nothing is ever sent.",
    ..Operation::READ
};

pub(super) const TELEMETRY_OLD: Operation =
    Operation { op: Op::TelemetryOld, path: "/api/telemetry", ..TELEMETRY };

pub(super) const VERSION: Operation = Operation {
    op: Op::Version,
    path: "/api/version",
    answer: Content::Json(
        r#"{"type":"object","properties":{"version":{"type":"string"},
            "emulated":{"type":"string"},"dialects":{"type":"array","items":{"type":"string"}}}}"#,
    ),
    mqtt: OnMqtt::No("`site/version` is a field"),
    doc: "Tells the version, the release of evcc it behaves like, and the dialects it speaks.",
    ..Operation::READ
};

pub(super) const TARGET_PLAN: Operation = Operation {
    op: Op::TargetPlan,
    path: "/api/loadpoints/{id}/target/plan",
    query: &[Parameter {
        name: "targetTime",
        kind: Kind::Time,
        doc: "When the limit is to be reached; the plan that counts if it is left out.",
    }],
    answer: OBJECT,
    mqtt: OnMqtt::No("the plan's parts are fields of the load point"),
    doc: "Tells a plan with its prices as in releases up to 0.122.",
    ..Operation::READ
};
