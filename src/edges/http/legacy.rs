//! `/legacy/…`: the same routes in the dialect of evcc 0.130 (api.md §3.14).

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State as Shared};
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::api::legacy;
use crate::model::Dialect;

use super::answer::{json, problem};
use super::transport::with_path;

/// No answer is longer; the state of a thousand load points is not.
const ANSWER_MAX: usize = 16 << 20;

/// Never wrapped: the state wraps itself, and what jq cuts out of it was not wrapped; the status of a
/// login was a bare word then, too; the others are ours.
const BARE: &[&str] = &[
    "/api/asyncapi.json",
    "/api/auth/status",
    "/api/openapi.json",
    "/api/state",
    "/api/version",
    "/ws",
];

/// The mark of a request in the old dialect, for handlers whose answer is more than a wrapped one.
#[derive(Clone, Copy)]
pub(super) struct Legacy;

/// Takes the prefix off and wraps what comes back. Clients that cannot be given a prefix are served
/// like that everywhere if the configuration says so.
pub(super) async fn dialect(
    Shared(spoken): Shared<Dialect>,
    mut request: Request,
    next: Next,
) -> Response {
    let path = request.uri().path();
    let below = path.strip_prefix(legacy::PREFIX).filter(|rest| rest.starts_with('/'));
    let uri = match (below, spoken) {
        (Some(below), _) => with_path(request.uri(), below),
        (None, Dialect::Wrapped) => Some(request.uri().clone()),
        (None, Dialect::Bare) => None,
    };
    let Some(uri) = uri else {
        return next.run(request).await;
    };
    let wraps = !BARE.contains(&uri.path());
    *request.uri_mut() = uri;
    request.extensions_mut().insert(Legacy);
    let response = next.run(request).await;
    let headers = response.headers();
    let is_json = headers
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"));
    // A download stays what it is, however long.
    let download = headers.contains_key(header::CONTENT_DISPOSITION);
    match wraps && is_json && !download && response.status() == StatusCode::OK {
        true => wrapped(response).await,
        false => response,
    }
}

async fn wrapped(response: Response) -> Response {
    let (parts, body) = response.into_parts();
    let Ok(bytes) = to_bytes(body, ANSWER_MAX).await else {
        return problem(StatusCode::INTERNAL_SERVER_ERROR, "the answer is too long to be wrapped");
    };
    match serde_json::from_slice(&bytes) {
        Ok(now) => {
            let mut response = json(StatusCode::OK, legacy::answer(now).to_string());
            // Cookies of a login and the like.
            for (name, value) in &parts.headers {
                if *name != header::CONTENT_LENGTH && *name != header::CONTENT_TYPE {
                    response.headers_mut().append(name.clone(), value.clone());
                }
            }
            response
        }
        Err(_) => (parts, Body::from(bytes)).into_response(),
    }
}
