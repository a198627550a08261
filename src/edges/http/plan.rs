//! Plans of load points.

use axum::extract::{Path, State as Shared};
use axum::http::StatusCode;
use axum::response::Response;

use crate::api::Place;
use crate::edges::door::Door;

use super::answer::{Checked, json, problem};

/// The plan of a load point as it was last reckoned (api.md §3.6).
pub(super) async fn plan(
    Shared(door): Shared<Door>,
    Checked(Path(id)): Checked<Path<String>>,
) -> Response {
    let place = id.parse().map(Place::LoadPoint);
    let told = door.told.borrow();
    match place.ok().and_then(|place| told.state.value(&place, "planDetails")) {
        Some(plan) => json(StatusCode::OK, plan.json()),
        None => problem(StatusCode::NOT_FOUND, "not found"),
    }
}
