//! `/api/system`: the log, and the end (api.md §3.11).

use axum::extract::{RawQuery, State as Shared};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use chrono::Local;
use tracing::{Level, info};

use crate::edges::door::Door;
use crate::edges::logbook::{LINES_MAX, LogBook, Wanted};
use crate::edges::tariffs;

use super::App;
use super::answer::{json, problem};

/// The newest lines that fit, as JSON or as a file.
pub(super) async fn log(Shared(book): Shared<LogBook>, RawQuery(query): RawQuery) -> Response {
    let mut wanted = Wanted { areas: Vec::new(), level: Level::ERROR, count: LINES_MAX };
    let mut file = false;
    for (key, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
        match &*key {
            "area" => wanted.areas.push(value.into_owned()),
            // As in evcc, a level that is none is the default.
            "level" => wanted.level = value.parse().unwrap_or(Level::ERROR),
            "count" => wanted.count = value.parse().unwrap_or(LINES_MAX),
            "format" => file = value == "txt",
            _ => {}
        }
    }
    let lines = book.read(&wanted);
    if !file {
        return json(StatusCode::OK, serde_json::json!(lines).to_string());
    }
    let (time, level) = (Local::now().format("%Y%m%d-%H%M%S"), wanted.level);
    let name = format!("evcc-{time}-{}.log", level.as_str().to_lowercase());
    let headers = [
        (header::CONTENT_TYPE, "text/plain; charset=utf-8".to_owned()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\"")),
    ];
    (headers, lines.concat()).into_response()
}

/// Who has said something.
pub(super) async fn areas(Shared(book): Shared<LogBook>) -> Response {
    json(StatusCode::OK, serde_json::json!(book.areas()).to_string())
}

/// Deletes prices and forecasts on disk (api.md §3.11). What is in force stays until the source has news,
/// which then stand alone, so that nothing is decided without a price; values of `source: cached` end by
/// their own time.
pub(super) async fn clear_cache(Shared(door): Shared<Door>) -> Response {
    if let Err(unanswered) = door.forget_tariffs().await {
        return unanswered.into_response();
    }
    match door.store.forget_cached(tariffs::STORED).await {
        Ok(()) => json(StatusCode::OK, r#""OK""#.to_owned()),
        Err(error) => problem(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
    }
}

/// There is no optimizer; user interfaces expect 200 with the reason (api.md §3.2).
pub(super) async fn optimize() -> Response {
    json(StatusCode::OK, r#"{"error":"there is no optimizer"}"#.to_owned())
}

/// evcc's own images update themselves (api.md §3.11); ours are replaced from outside.
pub(super) async fn update() -> Response {
    let remedy =
        "chargebus does not update itself: pull the new image, or replace the program, and restart";
    problem(StatusCode::NOT_IMPLEMENTED, remedy)
}

/// Ends the service; what keeps it running starts it anew.
pub(super) async fn shutdown(Shared(app): Shared<App>) -> StatusCode {
    info!("asked over REST to end");
    app.stop.cancel();
    StatusCode::NO_CONTENT
}
