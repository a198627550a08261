//! The web page's files, built in.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use axum::Router;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::App;

/// The page itself is asked for anew each time (api.md §3.12); its files are kept as long as they
/// are the same. Paths are relative, so that a proxy may put it anywhere.
pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/", get(|| page(include_str!("../page/index.html"))))
        .route(
            "/app.js",
            get(|asked| file(asked, "text/javascript", include_str!("../page/app.js"))),
        )
        .route(
            "/style.css",
            get(|asked| file(asked, "text/css", include_str!("../page/style.css"))),
        )
}

async fn page(text: &'static str) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'self'; connect-src 'self' ws: wss:; img-src 'self' data:",
        ),
    ];
    (headers, text).into_response()
}

/// A browser that has this file already is told so.
async fn file(asked: HeaderMap, kind: &'static str, text: &'static str) -> Response {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    // Weak, because the same text may come compressed.
    let tag = format!("W/\"{:016x}\"", hasher.finish());
    let known = asked.get(header::IF_NONE_MATCH).is_some_and(|tags| *tags == *tag);
    let headers = [(header::CACHE_CONTROL, "no-cache".to_owned()), (header::ETAG, tag)];
    match known {
        true => (StatusCode::NOT_MODIFIED, headers).into_response(),
        false => (headers, [(header::CONTENT_TYPE, kind)], text).into_response(),
    }
}
