//! The list of sessions, as JSON or as a file, and corrections of it (api.md §3.5).

use std::collections::BTreeMap;

use axum::extract::{Path, Query, State as Shared};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::api::history::Format;
use crate::api::{self, MAX_PAYLOAD, SessionRequest};
use crate::edges::clock::zone;
use crate::edges::door::Door;
use crate::edges::sessions::carry_out;
use crate::edges::store::StoreError;

use super::answer::{file, json, language, problem};

/// The sessions of a period, newest first.
pub(super) async fn list(
    Shared(door): Shared<Door>,
    Query(params): Query<BTreeMap<String, String>>,
    headers: HeaderMap,
) -> Response {
    let param = |name: &str| params.get(name).map(String::as_str).filter(|text| !text.is_empty());
    let zone = zone();
    let period = match api::period(param("year"), param("month"), zone) {
        Ok(period) => period,
        Err(message) => return problem(StatusCode::BAD_REQUEST, &message),
    };
    let format = match Format::parse(param("format")) {
        Ok(format) => format,
        Err(bad) => return problem(StatusCode::BAD_REQUEST, &bad.to_string()),
    };
    match door.store.sessions(period.from, period.until).await {
        Ok(sessions) => {
            let text = match format {
                Format::Bare | Format::Json => api::sessions_json(&sessions, zone),
                Format::Csv => {
                    api::sessions_csv(&sessions, zone, language(param("lang"), &headers))
                }
            };
            file(format, &period.file, text)
        }
        Err(error) => offline(&error),
    }
}

/// Corrects a session. As evcc does, it is silent about one that does not exist.
pub(super) async fn edit(
    Shared(door): Shared<Door>,
    Path(id): Path<String>,
    body: String,
) -> Response {
    if body.len() > MAX_PAYLOAD {
        return problem(StatusCode::PAYLOAD_TOO_LARGE, "the body is too long");
    }
    let edit = match serde_json::from_str(&body) {
        Ok(json) => api::session_edit(&json),
        Err(error) => Err(format!("not JSON: {error}")),
    };
    let kind = [(header::CONTENT_TYPE, "application/json; charset=UTF-8")];
    match edit {
        Ok(edit) => change(&door, &id, SessionRequest::Edit(edit), kind.into_response()).await,
        Err(message) => problem(StatusCode::BAD_REQUEST, &message),
    }
}

/// Removes a session. As evcc does, it is silent about one that does not exist.
pub(super) async fn delete(Shared(door): Shared<Door>, Path(id): Path<String>) -> Response {
    let done = json(StatusCode::OK, "null".to_owned());
    change(&door, &id, SessionRequest::Delete, done).await
}

async fn change(door: &Door, id: &str, request: SessionRequest, done: Response) -> Response {
    let Ok(id) = id.parse() else {
        return problem(StatusCode::NOT_FOUND, "not found");
    };
    match carry_out(&door.store, id, request).await {
        Ok(_) => done,
        Err(error) => offline(&error),
    }
}

fn offline(error: &StoreError) -> Response {
    problem(StatusCode::BAD_REQUEST, &format!("database offline: {error}"))
}
