//! `/api/config`: how the site is set up, to be read only (api.md §3.13), and the version.

use axum::extract::{Path, State as Shared};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodFilter, MethodRouter, on};
use serde_json::json;

use crate::api::setup::{self, Class};
use crate::api::{ConfigOp, Place, System, Value, View, legacy};
use crate::edges::door::Door;

use super::App;
use super::answer::{Checked, json as answer, problem};

/// Below this path nothing can be written.
pub(super) const PREFIX: &str = "/api/config/";

/// Who carries out which read; every other method is told that the file is the place to edit.
pub(super) fn handler(method: MethodFilter, op: ConfigOp) -> MethodRouter<App> {
    let read = match op {
        ConfigOp::Devices => on(method, devices),
        ConfigOp::Status => on(method, status),
        ConfigOp::Dirty => on(method, dirty),
        ConfigOp::LoadPoints => on(method, loadpoints),
        ConfigOp::LoadPoint => on(method, loadpoint),
        ConfigOp::Products | ConfigOp::Templates => on(method, nothing),
        ConfigOp::Site => on(method, site),
        ConfigOp::Tariff => on(method, tariff),
    };
    read.fallback(unwritable)
}

/// The answer to every write: a difference to evcc, whose database can hold a second configuration.
/// OPTIONS is left to whoever answers it everywhere.
pub(super) async fn unwritable(method: Method) -> Response {
    if method == Method::OPTIONS {
        return StatusCode::METHOD_NOT_ALLOWED.into_response();
    }
    let remedy = "the configuration is not edited over REST: edit evcc.yaml and restart";
    problem(StatusCode::NOT_IMPLEMENTED, remedy)
}

async fn site(Shared(door): Shared<Door>) -> Response {
    tell(&door, setup::site).await
}

async fn loadpoints(Shared(door): Shared<Door>) -> Response {
    tell(&door, setup::loadpoints).await
}

async fn loadpoint(
    Shared(door): Shared<Door>,
    Checked(Path(id)): Checked<Path<String>>,
) -> Response {
    let Ok(number) = id.parse() else {
        return problem(StatusCode::NOT_FOUND, "not found");
    };
    find(&door, move |view| setup::loadpoint(view, number), "no such load point").await
}

async fn tariff(Shared(door): Shared<Door>) -> Response {
    tell(&door, setup::tariff).await
}

async fn devices(
    Shared(door): Shared<Door>,
    Checked(Path(class)): Checked<Path<String>>,
) -> Response {
    match class.parse::<Class>() {
        Ok(class) => tell(&door, move |view| setup::devices(view, class)).await,
        Err(unknown) => problem(StatusCode::BAD_REQUEST, &unknown),
    }
}

async fn status(
    Shared(door): Shared<Door>,
    Checked(Path((class, name))): Checked<Path<(String, String)>>,
) -> Response {
    match class.parse::<Class>() {
        Ok(class) => {
            let missing = "no such device: the names are those of evcc.yaml";
            find(&door, move |view| setup::status(view, class, &name), missing).await
        }
        Err(unknown) => problem(StatusCode::BAD_REQUEST, &unknown),
    }
}

/// Nothing is edited here, so nothing waits for a restart.
async fn dirty() -> Response {
    answer(StatusCode::OK, false.to_string())
}

/// No form can add a device, so there is nothing to choose from.
async fn nothing(Checked(Path(class)): Checked<Path<String>>) -> Response {
    match class.parse::<Class>() {
        Ok(_) => answer(StatusCode::OK, "[]".to_owned()),
        Err(unknown) => problem(StatusCode::BAD_REQUEST, &unknown),
    }
}

/// `/api/settings/telemetry` of releases up to 0.206 (api.md §3.14).
pub(super) async fn telemetry(Shared(door): Shared<Door>) -> Response {
    let state = door.told.borrow().state.clone();
    match state.value(&Place::Site, "telemetry") {
        Some(telemetry) => answer(StatusCode::OK, telemetry.json()),
        None => problem(StatusCode::NOT_FOUND, "not found"),
    }
}

/// Ours: what a client needs to know before it asks anything else.
pub(super) async fn version() -> Response {
    let dialects = [System::EMULATED, legacy::RELEASE];
    let body = json!({
        "version": System::version(), "emulated": System::EMULATED, "dialects": dialects,
    });
    answer(StatusCode::OK, body.to_string())
}

async fn tell(door: &Door, look: impl FnOnce(&View<'_>) -> Value + Send + 'static) -> Response {
    find(door, |view| Some(look(view)), "not found").await
}

async fn find(
    door: &Door,
    look: impl FnOnce(&View<'_>) -> Option<Value> + Send + 'static,
    missing: &str,
) -> Response {
    match door.ask(look).await {
        Ok(Some(value)) => answer(StatusCode::OK, value.json()),
        Ok(None) => problem(StatusCode::NOT_FOUND, missing),
        Err(unanswered) => unanswered.into_response(),
    }
}
