//! `/metrics` for Prometheus, where the configuration asks for it.

use axum::extract::State as Shared;
use axum::http::{Method, header};
use axum::response::{IntoResponse, Response};

use crate::api::metrics;
use crate::edges::door::Door;

use super::not_found;

pub(super) async fn metrics(Shared(door): Shared<Door>) -> Response {
    let Some(figures) = &door.metrics else {
        return not_found(Method::GET, "/metrics".parse().unwrap_or_default()).await;
    };
    let state = door.told.borrow().state.clone();
    let page = metrics::page(&state, &figures.list());
    ([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], page).into_response()
}
