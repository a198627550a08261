//! The second table: what REST can do that is not a field. Routes and documents are loops over it.

mod auth;
mod config;
mod database;
mod schema;
mod system;

use super::field::Kind;
use super::history::Aggregate;

use schema::{
    ENERGIES, FORMAT, FROM, GRID_SESSIONS, GROUP, LANGUAGE, NAME, PLAN, PREVIEW, RATES,
    SESSION_EDIT, SESSIONS_QUERY, STRATEGY, TITLE, TO,
};

pub use config::ConfigOp;
pub use schema::SCHEMAS;

/// What an operation does; the facade binds each to its handler in one exhaustive match.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Op {
    /// Whether the owner asks.
    AuthStatus,
    /// Begins a session.
    Login,
    /// Ends it.
    Logout,
    /// Sets the password.
    SetPassword,
    /// Whether there is an API key.
    ApiKey,
    /// Makes it anew.
    NewApiKey,
    /// The keys of programs.
    Keys,
    /// Makes one.
    NewKey,
    /// Removes one.
    RemoveKey,
    /// Whether the service is well.
    Health,
    /// Whether the devices are controlled.
    Ready,
    /// The state for Prometheus.
    Metrics,
    /// Everything that is known.
    State,
    /// The plan of a load point.
    Plan,
    /// A plan by SoC or energy that nobody made.
    PlanPreview,
    /// The same, at its older place.
    PlanPreviewOld,
    /// The next occurrence of a repeating plan that nobody made.
    PlanPreviewRepeating,
    /// What is known of a tariff.
    Tariff,
    /// The sessions of a period.
    Sessions,
    /// Corrects a session.
    EditSession,
    /// Removes a session.
    DeleteSession,
    /// The state and its changes as they happen.
    Socket,
    /// The database as a file.
    Backup,
    /// Another database in its place.
    Restore,
    /// A part of the database emptied.
    Reset,
    /// Recorded energy deleted.
    DeleteEnergies,
    /// Recorded prices deleted.
    DeletePrices,
    /// What can be learnt again forgotten.
    ClearCache,
    /// What an optimizer would do.
    Optimize,
    /// The last lines of the log.
    Log,
    /// Who writes into the log.
    LogAreas,
    /// The end.
    Shutdown,
    /// The end, by its older name.
    OldShutdown,
    /// The description of REST.
    OpenApi,
    /// The description of MQTT.
    AsyncApi,
    /// Times in which the grid operator limited what is drawn or fed in.
    GridSessions,
    /// Energy of the past.
    EnergyHistory,
    /// How the site is set up.
    Config(ConfigOp),
    /// The switch of telemetry.
    Telemetry,
    /// The same, at its oldest place.
    TelemetryOld,
    /// A plan as it was told up to 0.122.
    TargetPlan,
    /// Which version this is.
    Version,
    /// Another version in its place.
    Update,
}

/// The method of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Method {
    /// Reads; HEAD is answered alike, without the body.
    Get,
    /// Does something, or sets it.
    Post,
    /// Replaces.
    Put,
    /// Changes a part.
    Patch,
    /// Removes.
    Delete,
}

impl Method {
    /// The wire spelling.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }
}

/// Who may ask (api.md §3.10). Fields are told under [`Access::Read`] and written under
/// [`Access::Write`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Access {
    /// Everybody, always: signs of life, and the way to log in.
    Open,
    /// Whoever may read the state.
    Read,
    /// Whoever may change what the site does.
    Write,
    /// The owner.
    Admin,
    /// The owner who gives the password once more in `X-Admin-Password`, or a key of the owner.
    Confirmed,
}

/// A part of the path or of the query.
#[derive(Clone, Copy, Debug)]
pub struct Parameter {
    /// Its name, as between `{}` in the path.
    pub name: &'static str,
    /// What it looks like.
    pub kind: Kind,
    /// One sentence for people.
    pub doc: &'static str,
}

/// What a request or an answer carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// Nothing.
    Nothing,
    /// JSON, described by this JSON Schema.
    Json(&'static str),
    /// One of these media types, in words or as a file.
    Media(&'static [&'static str]),
    /// WebSocket frames, each a JSON object with the changed keys of the state.
    Frames,
}

/// How MQTT does the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnMqtt {
    /// A request on this topic below the root.
    Request(&'static str),
    /// Not by a request, for this reason.
    No(&'static str),
}

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Operation {
    /// Its key.
    pub op: Op,
    /// The method.
    pub method: Method,
    /// The whole path; parameters are those of [`PATH_PARAMETERS`].
    pub path: &'static str,
    /// Parameters of the query; unknown ones are ignored.
    pub query: &'static [Parameter],
    /// What the request carries.
    pub body: Content,
    /// What the answer carries if all is well; errors are `{"error": text}`.
    pub answer: Content,
    /// The status of that answer.
    pub status: u16,
    /// Who may ask.
    pub access: Access,
    /// How MQTT does the same.
    pub mqtt: OnMqtt,
    /// One sentence for people.
    pub doc: &'static str,
}

impl Operation {
    /// The common part of rows that tell something.
    pub const READ: Self = Self {
        op: Op::State,
        method: Method::Get,
        path: "",
        query: &[],
        body: Content::Nothing,
        answer: Content::Nothing,
        status: 200,
        access: Access::Read,
        mqtt: OnMqtt::No(""),
        doc: "",
    };

    /// The common part of rows that do something.
    pub const WRITE: Self = Self { method: Method::Post, access: Access::Write, ..Self::READ };
}

/// Every parameter that can stand in a path, in both tables.
pub const PATH_PARAMETERS: &[Parameter] = &[
    config::CLASS,
    Parameter { name: "clock", kind: Kind::Text, doc: "Time of day, `HH:MM`." },
    Parameter {
        name: "goal",
        kind: Kind::Enum(&["soc", "energy"]),
        doc: "What is planned: a SoC where SoC and capacity are known, else an energy.",
    },
    Parameter {
        name: "id",
        kind: Kind::Int,
        doc: "Number of the load point, from 1, or of the session.",
    },
    Parameter { name: "key", kind: Kind::Text, doc: "Name of the key." },
    Parameter { name: "name", kind: Kind::Text, doc: "Name of the vehicle or the device." },
    Parameter { name: "source", kind: Kind::Text, doc: "Who asks; free text." },
    Parameter { name: "time", kind: Kind::Time, doc: "RFC 3339 time; a plus stays a plus." },
    Parameter {
        name: "type",
        kind: Kind::Enum(&["grid", "feedin", "co2", "planner", "solar", "temperature"]),
        doc: "What the tariff is for.",
    },
    Parameter { name: "tz", kind: Kind::Text, doc: "IANA name of a time zone, URL-encoded." },
    Parameter { name: "value", kind: Kind::Text, doc: "The value, in a spelling of its kind." },
    Parameter { name: "weekdays", kind: Kind::Text, doc: "Numbers with commas, 0 is Sunday." },
];

/// Every operation, by path. Rows that belong together may stand in a file of their own.
pub const OPERATIONS: &[Operation] = &[
    Operation {
        op: Op::AsyncApi,
        path: "/api/asyncapi.json",
        answer: Content::Json(r#"{"type":"object"}"#),
        mqtt: OnMqtt::No("a document of the program, the same everywhere"),
        doc: "Describes every topic: AsyncAPI 3.0.",
        ..Operation::READ
    },
    auth::API_KEY,
    auth::NEW_API_KEY,
    auth::KEYS,
    auth::NEW_KEY,
    auth::REMOVE_KEY,
    auth::LOGIN,
    auth::LOGOUT,
    auth::SET_PASSWORD,
    auth::AUTH_STATUS,
    config::DEVICES,
    config::STATUS,
    config::DIRTY,
    config::LOADPOINTS,
    config::LOADPOINT,
    config::PRODUCTS,
    config::SITE,
    config::TARIFF,
    config::TEMPLATES,
    database::BACKUP,
    database::DELETE_ENERGIES,
    database::DELETE_PRICES,
    database::RESET,
    database::RESTORE,
    Operation {
        op: Op::GridSessions,
        path: "/api/gridsessions",
        query: &[FORMAT, LANGUAGE],
        answer: Content::Json(GRID_SESSIONS),
        mqtt: OnMqtt::No("`site/hems/status` tells the limit of now"),
        doc: "Lists the times in which the grid operator limited what is drawn or fed in, the newest first.",
        ..Operation::READ
    },
    Operation {
        op: Op::Health,
        path: "/api/health",
        answer: Content::Media(&["text/plain"]),
        access: Access::Open,
        mqtt: OnMqtt::No("`status` and `updated` say it"),
        doc: "Answers `OK` while the loop turns, 500 when it hangs.",
        ..Operation::READ
    },
    Operation {
        op: Op::Ready,
        path: "/api/health/ready",
        answer: Content::Media(&["text/plain"]),
        access: Access::Open,
        mqtt: OnMqtt::No("`status` says it, and the event `standby`"),
        doc: "Answers `OK` while this service controls the devices, 503 while another one does.",
        ..Operation::READ
    },
    Operation {
        op: Op::EnergyHistory,
        path: "/api/history/energy",
        query: &[
            Parameter {
                name: "aggregate",
                kind: Kind::Enum(Aggregate::SPELLINGS),
                doc: "What is added up, by the local calendar; `15m` if it is left out.",
            },
            FORMAT,
            FROM,
            GROUP,
            Parameter {
                name: "grouped",
                kind: Kind::Bool,
                doc: "One series per group instead of one per device.",
            },
            LANGUAGE,
            NAME,
            TITLE,
            TO,
        ],
        answer: Content::Json(ENERGIES),
        mqtt: OnMqtt::No(
            "a history is too long for a message; `historyUpdated` says when it grows",
        ),
        doc: "Tells the energy of meters, load points, house and forecast by quarters of an hour.",
        ..Operation::READ
    },
    Operation {
        op: Op::Plan,
        path: "/api/loadpoints/{id}/plan",
        answer: Content::Json(PLAN),
        mqtt: OnMqtt::No("the plan's parts are fields of the load point"),
        doc: "Tells the plan of a load point as it was last reckoned.",
        ..Operation::READ
    },
    Operation {
        op: Op::PlanPreviewOld,
        path: "/api/loadpoints/{id}/plan/preview/{goal}/{value}/{time}",
        query: STRATEGY,
        answer: Content::Json(PREVIEW),
        mqtt: OnMqtt::No("the same as the static preview"),
        doc: "Tells what a plan would be like, at the place of releases up to 0.131.",
        ..Operation::READ
    },
    Operation {
        op: Op::PlanPreviewRepeating,
        path: "/api/loadpoints/{id}/plan/repeating/preview/{value}/{weekdays}/{clock}/{tz}",
        query: STRATEGY,
        answer: Content::Json(PREVIEW),
        mqtt: OnMqtt::No("a request for the static preview may name weekdays and a zone"),
        doc: "Tells what the next occurrence of a repeating plan would be like.",
        ..Operation::READ
    },
    Operation {
        op: Op::PlanPreview,
        path: "/api/loadpoints/{id}/plan/static/preview/{goal}/{value}/{time}",
        query: STRATEGY,
        answer: Content::Json(PREVIEW),
        mqtt: OnMqtt::Request("loadpoints/{id}/planPreview/set"),
        doc: "Tells what a plan would be like, without making it.",
        ..Operation::READ
    },
    config::TARGET_PLAN,
    Operation {
        op: Op::OpenApi,
        path: "/api/openapi.json",
        answer: Content::Json(r#"{"type":"object"}"#),
        mqtt: OnMqtt::No("a document of the program, the same everywhere"),
        doc: "Describes every route: OpenAPI 3.1.",
        ..Operation::READ
    },
    system::OPTIMIZE,
    Operation {
        op: Op::EditSession,
        method: Method::Put,
        path: "/api/session/{id}",
        body: Content::Json(SESSION_EDIT),
        mqtt: OnMqtt::Request("sessions/{id}/set"),
        doc: "Corrects vehicle, load point or odometer of a session; null clears.",
        ..Operation::WRITE
    },
    Operation {
        op: Op::DeleteSession,
        method: Method::Delete,
        path: "/api/session/{id}",
        answer: Content::Json(r#"{"type":"null"}"#),
        mqtt: OnMqtt::No("`null` on `sessions/{id}/set` does it"),
        doc: "Removes a session from the list.",
        ..Operation::WRITE
    },
    Operation {
        op: Op::Sessions,
        path: "/api/sessions",
        query: SESSIONS_QUERY,
        answer: Content::Media(&["application/json", "text/csv"]),
        mqtt: OnMqtt::No("a list of thousands is no message"),
        doc: "Lists the sessions from 0.05 kWh on, newest first, at most 10000.",
        ..Operation::READ
    },
    config::TELEMETRY,
    system::OLD_SHUTDOWN,
    Operation {
        op: Op::State,
        path: "/api/state",
        query: &[Parameter {
            name: "jq",
            kind: Kind::Text,
            doc: "jq program of at most 4096 bytes with exactly one result.",
        }],
        answer: Content::Json(r##"{"$ref":"#/components/schemas/State"}"##),
        mqtt: OnMqtt::No("every value has a retained topic"),
        doc: "Tells all that is known, or what a jq program cuts out of it.",
        ..Operation::READ
    },
    system::CLEAR_CACHE,
    system::LOG,
    system::LOG_AREAS,
    system::SHUTDOWN,
    Operation {
        op: Op::Tariff,
        path: "/api/tariff/{type}",
        answer: Content::Json(RATES),
        mqtt: OnMqtt::No("rates are the fields `forecast/…` of the site"),
        doc: "Tells the rates of a tariff from the current slot on.",
        ..Operation::READ
    },
    config::TELEMETRY_OLD,
    system::UPDATE,
    config::VERSION,
    Operation {
        op: Op::Metrics,
        path: "/metrics",
        answer: Content::Media(&["text/plain"]),
        mqtt: OnMqtt::No("every value has a retained topic"),
        doc: "Tells the state and the figures of the program for Prometheus, if `metrics: true`.",
        ..Operation::READ
    },
    Operation {
        op: Op::Socket,
        path: "/ws",
        answer: Content::Frames,
        status: 101,
        mqtt: OnMqtt::No("MQTT tells every change by itself"),
        doc: "Opens a WebSocket that tells the whole state and then its changes.",
        ..Operation::READ
    },
];
