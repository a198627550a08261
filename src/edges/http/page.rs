//! The web page's files, built in.

use axum::Router;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::App;

/// Paths are relative in the page itself, so that a proxy may put it anywhere.
pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/", get(|| file("text/html; charset=utf-8", include_str!("../page/index.html"))))
        .route("/app.js", get(|| file("text/javascript", include_str!("../page/app.js"))))
        .route("/style.css", get(|| file("text/css", include_str!("../page/style.css"))))
}

async fn file(kind: &'static str, text: &'static str) -> Response {
    let headers = [
        (header::CONTENT_TYPE, kind),
        (header::CACHE_CONTROL, "no-store"),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'self'; connect-src 'self' ws: wss:; img-src 'self' data:",
        ),
    ];
    (headers, text).into_response()
}
