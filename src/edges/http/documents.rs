//! `/api/openapi.json` and `/api/asyncapi.json`.

use std::sync::LazyLock;

use axum::http::StatusCode;
use axum::response::Response;

use crate::api;

use super::answer::json;

/// The description of REST.
pub(super) async fn openapi() -> Response {
    static TEXT: LazyLock<String> = LazyLock::new(|| api::openapi().to_string());
    json(StatusCode::OK, TEXT.clone())
}

/// The description of MQTT.
pub(super) async fn asyncapi() -> Response {
    static TEXT: LazyLock<String> = LazyLock::new(|| api::asyncapi().to_string());
    json(StatusCode::OK, TEXT.clone())
}
