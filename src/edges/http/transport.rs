//! What holds for every request whatever it asks: paths, other origins, compression (api.md §3.1).

use std::sync::Arc;

use axum::extract::{Request, State as Shared};
use axum::http::uri::PathAndQuery;
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{And, NotForContentType, Predicate as _, SizeAbove};

use super::ui::FOLDERS;

/// Shorter answers are cheaper as they are, and keep their `Content-Length` (ha-evcc wants it of
/// every error).
const COMPRESS_FROM: u64 = 1024;
/// Browsers ask again for the permission of an origin after this.
const PREFLIGHT_SECONDS: &str = "3600";

const PRIVATE_NETWORK: HeaderName = HeaderName::from_static("access-control-allow-private-network");

/// The one form of a path that is routed: without the base path, which a proxy may have taken off
/// already, and without a slash at the end. Nothing is redirected but the base path itself, because
/// links of the page are relative to its slash.
pub(super) async fn canonical(
    Shared(base): Shared<Arc<str>>,
    mut request: Request,
    next: Next,
) -> Response {
    let path = request.uri().path();
    if !base.is_empty() && path == &*base {
        return Redirect::permanent(&format!("{base}/")).into_response();
    }
    let below = path.strip_prefix(&*base).filter(|rest| rest.starts_with('/'));
    let routed = match below.unwrap_or(path).trim_end_matches('/') {
        "" => "/",
        routed => routed,
    };
    if routed != path
        && let Some(uri) = with_path(request.uri(), routed)
    {
        *request.uri_mut() = uri;
    }
    next.run(request).await
}

/// The same address with another path.
pub(super) fn with_path(uri: &Uri, path: &str) -> Option<Uri> {
    let query = uri.query().map_or_else(String::new, |query| format!("?{query}"));
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(format!("{path}{query}")).ok()?);
    Uri::from_parts(parts).ok()
}

/// Pages of other origins may ask (evcc refuses them PUT, PATCH and DELETE: api.md §9 no. 18).
/// Files of the page may be loaded from anywhere, also by a page that is not of this network, because
/// evcc's app keeps its own copy of them (api.md §3.12); nothing else may.
/// OPTIONS is answered on every path that there is, with the methods that it knows.
pub(super) async fn origins(request: Request, next: Next) -> Response {
    let options = request.method() == Method::OPTIONS;
    let path = request.uri().path();
    let folder = path.strip_prefix('/').and_then(|path| path.split_once('/'));
    let file = folder.is_some_and(|(folder, _)| FOLDERS.contains(&folder));
    let foreign = file || request.headers().contains_key(header::ORIGIN);
    let mut response = next.run(request).await;
    let known = options && response.status() == StatusCode::METHOD_NOT_ALLOWED;
    let mut tell = |name, value| {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    };
    if foreign {
        tell(header::ACCESS_CONTROL_ALLOW_ORIGIN, "*");
    }
    if file {
        tell(PRIVATE_NETWORK, "true");
    }
    if foreign && known {
        let methods = "GET, HEAD, POST, PUT, PATCH, DELETE";
        tell(header::ACCESS_CONTROL_ALLOW_METHODS, methods);
        let headers = "Content-Type, Authorization, X-Admin-Password";
        tell(header::ACCESS_CONTROL_ALLOW_HEADERS, headers);
        tell(header::ACCESS_CONTROL_MAX_AGE, PREFLIGHT_SECONDS);
    }
    if known {
        tell(header::CONTENT_TYPE, "application/json");
        *response.status_mut() = StatusCode::OK;
    }
    response
}

/// gzip or deflate for whoever accepts it.
pub(super) fn compression() -> CompressionLayer<And<SizeAbove, NotForContentType>> {
    let worth_it = SizeAbove::new(COMPRESS_FROM).and(NotForContentType::IMAGES);
    CompressionLayer::new().compress_when(worth_it)
}
