//! What is known of the tariffs.

use axum::extract::{Path, State as Shared};
use axum::http::StatusCode;
use axum::response::Response;

use crate::edges::door::Door;

use super::answer::{Checked, json, problem};

/// The rates of a tariff (api.md §3.2).
pub(super) async fn tariff(
    Shared(door): Shared<Door>,
    Checked(Path(usage)): Checked<Path<String>>,
) -> Response {
    let Ok(usage) = usage.parse() else {
        return problem(StatusCode::NOT_FOUND, "no such tariff");
    };
    let state = door.told.borrow().state.clone();
    match state.tariff(usage) {
        Some(rates) => json(StatusCode::OK, rates),
        None => problem(StatusCode::NOT_FOUND, "tariff not available"),
    }
}
