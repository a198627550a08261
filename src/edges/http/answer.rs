//! The forms of an answer: bare JSON with a line feed, or `{"error": text}` (api.md §3.1).

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::edges::door::Unanswered;

pub(super) fn json(status: StatusCode, mut body: String) -> Response {
    body.push('\n');
    let kind = HeaderValue::from_static("application/json");
    (status, [(header::CONTENT_TYPE, kind)], body).into_response()
}

pub(super) fn problem(status: StatusCode, message: &str) -> Response {
    json(status, serde_json::json!({ "error": message }).to_string())
}

impl IntoResponse for Unanswered {
    fn into_response(self) -> Response {
        let status = match self {
            Self::Busy | Self::Stopping => StatusCode::SERVICE_UNAVAILABLE,
            Self::Late => StatusCode::GATEWAY_TIMEOUT,
        };
        problem(status, &self.to_string())
    }
}
