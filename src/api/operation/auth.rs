//! Who may do what: password, sessions, keys (api.md §3.10).

use super::{Access, Content, Method, OnMqtt, Op, Operation};

const OWN_USERS: OnMqtt = OnMqtt::No("the broker has users of its own");

/// The owner's password.
const PASSWORD: &str =
    r#"{"type":"object","required":["password"],"properties":{"password":{"type":"string"}}}"#;

pub(super) const API_KEY: Operation = Operation {
    op: Op::ApiKey,
    path: "/api/auth/apikey",
    answer: Content::Json(r#"{"type":"object","properties":{"configured":{"type":"boolean"}}}"#),
    access: Access::Admin,
    mqtt: OWN_USERS,
    doc: "Tells whether there is an API key.",
    ..Operation::READ
};

pub(super) const NEW_API_KEY: Operation = Operation {
    op: Op::NewApiKey,
    path: "/api/auth/apikey",
    body: Content::Json(PASSWORD),
    answer: Content::Json(r#"{"type":"object","properties":{"key":{"type":"string"}}}"#),
    access: Access::Admin,
    mqtt: OWN_USERS,
    doc: "Makes the API key anew and shows it this once; whoever has it is the owner.",
    ..Operation::WRITE
};

pub(super) const KEYS: Operation = Operation {
    op: Op::Keys,
    path: "/api/auth/keys",
    answer: Content::Json(r##"{"type":"array","items":{"$ref":"#/components/schemas/Key"}}"##),
    access: Access::Admin,
    mqtt: OWN_USERS,
    doc: "Lists the keys of programs by name and scope.",
    ..Operation::READ
};

pub(super) const NEW_KEY: Operation = Operation {
    op: Op::NewKey,
    path: "/api/auth/keys",
    body: Content::Json(
        r#"{"type":"object","required":["name","scope"],"properties":{
            "name":{"type":"string"},"scope":{"enum":["read","write","admin"]}}}"#,
    ),
    answer: Content::Json(r##"{"$ref":"#/components/schemas/Key"}"##),
    status: 201,
    access: Access::Confirmed,
    mqtt: OWN_USERS,
    doc: "Makes a key for a program and shows it this once.",
    ..Operation::WRITE
};

pub(super) const REMOVE_KEY: Operation = Operation {
    op: Op::RemoveKey,
    method: Method::Delete,
    path: "/api/auth/keys/{key}",
    status: 204,
    access: Access::Confirmed,
    mqtt: OWN_USERS,
    doc: "Removes a key.",
    ..Operation::WRITE
};

pub(super) const LOGIN: Operation = Operation {
    op: Op::Login,
    path: "/api/auth/login",
    body: Content::Json(PASSWORD),
    access: Access::Open,
    mqtt: OWN_USERS,
    doc: "Begins a session of 90 days; the answer sets the cookie `auth`.",
    ..Operation::WRITE
};

pub(super) const LOGOUT: Operation = Operation {
    op: Op::Logout,
    path: "/api/auth/logout",
    access: Access::Open,
    mqtt: OWN_USERS,
    doc: "Takes the cookie of the session away.",
    ..Operation::WRITE
};

pub(super) const SET_PASSWORD: Operation = Operation {
    op: Op::SetPassword,
    method: Method::Put,
    path: "/api/auth/password",
    body: Content::Json(
        r#"{"type":"object","required":["new"],"properties":{
            "current":{"type":"string"},"new":{"type":"string"}}}"#,
    ),
    status: 202,
    access: Access::Open,
    mqtt: OWN_USERS,
    doc: "Sets the first password, or another one, which ends all sessions.",
    ..Operation::WRITE
};

pub(super) const AUTH_STATUS: Operation = Operation {
    op: Op::AuthStatus,
    path: "/api/auth/status",
    answer: Content::Json(r#"{"type":"boolean"}"#),
    access: Access::Open,
    mqtt: OWN_USERS,
    doc: "Tells whether the owner asks; 501 while there is no password.",
    ..Operation::READ
};
