//! The database: a copy of it, another one in its place, a part of it emptied (api.md §3.11).

use crate::model::Prices;

use super::schema::{FROM, GROUP, NAME, TITLE, TO};
use super::{Access, Content, Kind, Method, OnMqtt, Op, Operation, Parameter};

const OWNER: OnMqtt = OnMqtt::No("only the owner may, and the broker has users of its own");

pub(super) const BACKUP: Operation = Operation {
    op: Op::Backup,
    path: "/api/db/backup",
    answer: Content::Media(&["application/octet-stream"]),
    access: Access::Confirmed,
    mqtt: OWNER,
    doc: "Hands out the database as a file; it holds hashes of the secrets.",
    ..Operation::READ
};

pub(super) const RESET: Operation = Operation {
    op: Op::Reset,
    path: "/api/db/reset",
    body: Content::Json(
        r#"{"type":"object","additionalProperties":false,"properties":{
            "sessions":{"type":"boolean","description":"the list, and the sessions that run"},
            "settings":{"type":"boolean","description":"all but password and keys"},
            "metrics":{"type":"boolean","description":"energy, prices and limits of the past"}}}"#,
    ),
    status: 204,
    access: Access::Confirmed,
    mqtt: OWNER,
    doc: "Deletes sessions, settings or the history for good; then the service starts anew.",
    ..Operation::WRITE
};

pub(super) const RESTORE: Operation = Operation {
    op: Op::Restore,
    path: "/api/db/restore",
    body: Content::Media(&["multipart/form-data"]),
    status: 204,
    access: Access::Confirmed,
    mqtt: OWNER,
    doc: "Puts a backup (the part `file`) in the place of the database; the service starts anew.",
    ..Operation::WRITE
};

const DELETED: Content =
    Content::Json(r#"{"type":"object","properties":{"deleted":{"type":"integer"}}}"#);

pub(super) const DELETE_ENERGIES: Operation = Operation {
    op: Op::DeleteEnergies,
    method: Method::Delete,
    path: "/api/db/metrics/energy",
    query: &[FROM, GROUP, NAME, TITLE, TO],
    answer: DELETED,
    access: Access::Confirmed,
    mqtt: OWNER,
    doc: "Deletes recorded energy; `from` and `to` must be named.",
    ..Operation::WRITE
};

pub(super) const DELETE_PRICES: Operation = Operation {
    op: Op::DeletePrices,
    path: "/api/db/metrics/tariffs",
    query: &[
        FROM,
        TO,
        Parameter {
            name: "usage",
            kind: Kind::Enum(&Prices::NAMES),
            doc: "Only this tariff; the whole records if it is left out.",
        },
    ],
    doc: "Deletes recorded prices and forecasts; `from` and `to` must be named.",
    ..DELETE_ENERGIES
};
