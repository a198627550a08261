//! `/api/db`: the database as a file, another one in its place, a part of it emptied (api.md §3.11).
//!
//! Errors are plain text, as in evcc. After a restore or a reset the service starts anew by itself.

use axum::extract::multipart::{MultipartError, MultipartRejection};
use axum::extract::{DefaultBodyLimit, Multipart, State as Shared};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodFilter, MethodRouter, on};
use chrono::Local;
use serde::Deserialize;

use crate::edges::auth;
use crate::edges::door::Door;
use crate::edges::store::{Protected, Reset, RestoreError, StoreError, UPLOAD_MAX};

use super::App;

/// The part of the form that is the file.
const PART: &str = "file";
/// What a form needs beside its file.
const FORM_MAX: u64 = 64 * 1024;

/// Who may do what is neither reset, nor lost to a file that knows no owner.
const PROTECTED: Protected = Protected { prefix: auth::PREFIX, unless: auth::PASSWORD };

/// The database as a file, whole as it is now.
pub(super) async fn backup(Shared(door): Shared<Door>) -> Response {
    match door.store.backup().await {
        Ok(bytes) => {
            let name = Local::now().format("evcc-backup-%Y-%m-%d--%H-%M.db");
            let headers = [
                (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
                (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\"")),
            ];
            (headers, bytes).into_response()
        }
        Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
    }
}

/// The route of an upload, which may be longer than any other.
pub(super) fn restoring(method: MethodFilter) -> MethodRouter<App> {
    let most = usize::try_from(UPLOAD_MAX + FORM_MAX).unwrap_or(usize::MAX);
    on(method, restore).layer(DefaultBodyLimit::max(most))
}

async fn restore(
    Shared(door): Shared<Door>,
    headers: HeaderMap,
    form: Result<Multipart, MultipartRejection>,
) -> Response {
    let length =
        headers.get(header::CONTENT_LENGTH).and_then(|text| text.to_str().ok()?.parse().ok());
    if length.is_some_and(|length: u64| length > UPLOAD_MAX + FORM_MAX) {
        return refused(&RestoreError::TooLarge);
    }
    let Ok(form) = form else { return missing() };
    match take(&door, form).await {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(response) => response,
    }
}

/// Keeps the file piece by piece beside the database; when it is there it takes its place.
async fn take(door: &Door, mut form: Multipart) -> Result<(), Response> {
    let mut file = loop {
        match form.next_field().await.map_err(|error| broken(&error))? {
            Some(part) if part.name() == Some(PART) => break part,
            Some(_) => {}
            None => return Err(missing()),
        }
    };
    let mut upload = door.store.upload().await.map_err(|error| refused(&error))?;
    while let Some(piece) = file.chunk().await.map_err(|error| broken(&error))? {
        upload.write(&piece).await.map_err(|error| refused(&error))?;
    }
    door.store.restore(upload, PROTECTED).await.map_err(|error| refused(&error))
}

fn missing() -> Response {
    text(StatusCode::BAD_REQUEST, "Missing file")
}

/// The form ended before its time, or is none.
fn broken(error: &MultipartError) -> Response {
    match error.status() {
        StatusCode::PAYLOAD_TOO_LARGE => refused(&RestoreError::TooLarge),
        _ => text(StatusCode::BAD_REQUEST, "Upload failed"),
    }
}

fn refused(error: &RestoreError) -> Response {
    let status = match error {
        RestoreError::NoFile(_) => StatusCode::CONFLICT,
        RestoreError::Busy => StatusCode::SERVICE_UNAVAILABLE,
        RestoreError::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        RestoreError::Unfit(_) => StatusCode::BAD_REQUEST,
        RestoreError::NotKept(_) => StatusCode::INSUFFICIENT_STORAGE,
        RestoreError::Store(error) => return unstored(error),
    };
    text(status, &error.to_string())
}

fn unstored(error: &StoreError) -> Response {
    let status = match error {
        StoreError::Busy | StoreError::Late | StoreError::Locked | StoreError::Replaced => {
            StatusCode::SERVICE_UNAVAILABLE
        }
        StoreError::Failed(_) | StoreError::Closed | StoreError::NoAnswer => {
            StatusCode::INTERNAL_SERVER_ERROR
        }
    };
    text(status, &error.to_string())
}

/// What can be reset; the names are evcc's, `metrics` is ours.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Wanted {
    sessions: bool,
    settings: bool,
    metrics: bool,
}

/// Empties a part of the database.
pub(super) async fn reset(Shared(door): Shared<Door>, body: String) -> Response {
    let Wanted { sessions, settings, metrics } = match serde_json::from_str(&body) {
        Ok(wanted) => wanted,
        Err(error) => return text(StatusCode::BAD_REQUEST, &error.to_string()),
    };
    let what = Reset { sessions, settings, metrics };
    if what == Reset::default() {
        let names = "nothing to reset: set sessions, settings or metrics to true";
        return text(StatusCode::BAD_REQUEST, names);
    }
    match door.store.reset(what, PROTECTED).await {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(error) => unstored(&error),
    }
}

fn text(status: StatusCode, message: &str) -> Response {
    (status, format!("{message}\n")).into_response()
}
