//! `/api/state`, whole or cut by a jq program, and `/api/health`.

use std::time::Duration;

use axum::Extension;
use axum::extract::{Query, State as Shared};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use crate::api::{Place, Value, legacy};
use crate::edges::door::Door;
use crate::edges::jq;

use super::answer::{Checked, json, problem};
use super::legacy::Legacy;

/// The loop turns at least this often while it is well; older, and `/api/health` says so.
const HEALTHY_FOR: Duration = Duration::from_secs(60);

#[derive(Deserialize)]
pub(super) struct Filter {
    jq: Option<String>,
}

/// All that was told last (api.md §3.7).
pub(super) async fn state(
    Shared(door): Shared<Door>,
    old: Option<Extension<Legacy>>,
    Checked(Query(filter)): Checked<Query<Filter>>,
) -> Response {
    let state = door.told.borrow().state.clone();
    let whole = match old {
        None => state.json(),
        Some(_) => match serde_json::from_str(&state.json()) {
            Ok(now) => legacy::state(now).to_string().into(),
            Err(_) => return problem(StatusCode::INTERNAL_SERVER_ERROR, "the state is not JSON"),
        },
    };
    match filter.jq {
        None if old.is_some() => json(StatusCode::OK, format!(r#"{{"result":{whole}}}"#)),
        None => json(StatusCode::OK, whole.to_string()),
        Some(program) => match jq::ask(&door.jq, &program, &whole).await {
            Ok(result) => json(StatusCode::OK, result),
            Err(message) => problem(StatusCode::BAD_REQUEST, &message),
        },
    }
}

/// Text, as up to 0.300.5: whoever restarts us by it restarts a loop that hangs (api.md §3.14).
pub(super) async fn health(Shared(door): Shared<Door>) -> Response {
    let turned = door.told.borrow().at;
    match door.clock.since(turned) < HEALTHY_FOR {
        true => "OK\n".into_response(),
        false => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// Whether the devices are controlled: by us, and by a loop that turns. A stand-by is well and not
/// ready, so that nobody restarts it.
pub(super) async fn ready(door: Shared<Door>) -> Response {
    let state = door.told.borrow().state.clone();
    match state.value(&Place::Site, "standby") {
        Some(Value::Text(why)) => {
            (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")).into_response()
        }
        _ => health(door).await,
    }
}
