//! The list of sessions, as JSON or as a file, and corrections of it (api.md §3.5).

use axum::extract::{Path, Query, State as Shared};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use crate::api::{self, Language, MAX_PAYLOAD, SessionRequest};
use crate::edges::clock::zone;
use crate::edges::door::Door;
use crate::edges::sessions::carry_out;
use crate::edges::store::StoreError;

use super::answer::{json, problem};

/// Tells programs for tables that the text is UTF-8.
const BYTE_ORDER_MARK: &str = "\u{feff}";

#[derive(Deserialize)]
pub(super) struct Wanted {
    year: Option<String>,
    month: Option<String>,
    format: Option<String>,
    lang: Option<String>,
}

/// The sessions of a period, newest first.
pub(super) async fn list(
    Shared(door): Shared<Door>,
    Query(wanted): Query<Wanted>,
    headers: HeaderMap,
) -> Response {
    let zone = zone();
    let period = match api::period(wanted.year.as_deref(), wanted.month.as_deref(), zone) {
        Ok(period) => period,
        Err(message) => return problem(StatusCode::BAD_REQUEST, &message),
    };
    let format = wanted.format.as_deref().filter(|format| !format.is_empty());
    if let Some(format) = format.filter(|format| !["json", "csv"].contains(format)) {
        let message = format!("unknown format: {format} (expected json or csv)");
        return problem(StatusCode::BAD_REQUEST, &message);
    }
    let sessions = match door.store.sessions(period.from, period.until).await {
        Ok(sessions) => sessions,
        Err(error) => return offline(&error),
    };
    let Some(format) = format else {
        return json(StatusCode::OK, api::sessions_json(&sessions, zone));
    };
    let file = format!("attachment; filename=\"{}.{format}\"", period.file);
    let file = [(header::CONTENT_DISPOSITION, file)];
    if format == "json" {
        return (file, json(StatusCode::OK, api::sessions_json(&sessions, zone))).into_response();
    }
    let language = language(wanted.lang.as_deref(), &headers);
    match csv(api::sessions_table(&sessions, zone, language)) {
        Ok(text) => (file, [(header::CONTENT_TYPE, "text/csv")], text).into_response(),
        Err(error) => problem(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
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

/// `lang=`, else what the browser wants first, else what the server speaks.
fn language(wanted: Option<&str>, headers: &HeaderMap) -> Language {
    let accepted = headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
    let server = std::env::var("LANG").unwrap_or_default();
    let known = |tag: &&str| !tag.is_empty();
    Language::of(wanted.filter(known).or(accepted.filter(known)).unwrap_or(&server))
}

/// Commas, line feeds, and quotation marks where they are needed (RFC 4180).
fn csv(rows: impl Iterator<Item = Vec<String>>) -> Result<Vec<u8>, csv::Error> {
    let mut writer = csv::Writer::from_writer(BYTE_ORDER_MARK.as_bytes().to_vec());
    for row in rows {
        writer.write_record(&row)?;
    }
    writer.into_inner().map_err(|error| error.into_error().into())
}

fn offline(error: &StoreError) -> Response {
    problem(StatusCode::BAD_REQUEST, &format!("database offline: {error}"))
}
