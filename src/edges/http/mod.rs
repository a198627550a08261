//! REST, WebSocket and the web page: a facade that owns nothing and asks the run loop.
//!
//! Routes are two loops: over the field table (`fields`) and over the table of operations, whose
//! handlers are bound in [`handler`].

mod answer;
mod conns;
mod fields;
mod page;
mod plan;
mod socket;
mod state;
mod tariff;

use std::io;
use std::sync::Arc;

use axum::extract::FromRef;
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodFilter, MethodRouter, on};
use axum::{Router, serve::ListenerExt as _};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::api::{self, Method, Op, Operation};

use answer::problem;
use conns::Limited;

pub use super::door::{Door, Question, Told, WriteRequest};

/// WebSocket clients at a time; more are refused.
const SOCKETS: usize = 64;
/// TCP connections at a time; more wait to be accepted.
const CONNECTIONS: usize = 256;

/// Serves until `stop`; open requests are finished, WebSockets are closed.
///
/// # Errors
/// The listener is broken.
pub async fn serve(listener: TcpListener, door: Door, stop: CancellationToken) -> io::Result<()> {
    let app = App { door, sockets: Arc::new(Semaphore::new(SOCKETS)), stop: stop.clone() };
    let listener = Limited::new(listener, CONNECTIONS).tap_io(|io| io.send_at_once());
    axum::serve(listener, router(app)).with_graceful_shutdown(stop.cancelled_owned()).await
}

#[derive(Clone)]
struct App {
    door: Door,
    sockets: Arc<Semaphore>,
    stop: CancellationToken,
}

impl FromRef<App> for Door {
    fn from_ref(app: &App) -> Self {
        app.door.clone()
    }
}

/// Every operation, every write of the field table, and the page; with and without a slash at the end.
fn router(app: App) -> Router {
    let mut router = page::routes();
    let operations = api::OPERATIONS.iter().map(|row| (row.path.to_owned(), handler(row)));
    for (path, route) in operations.chain(fields::routes()) {
        router = router.route(&path, route.clone()).route(&format!("{path}/"), route);
    }
    router.fallback(not_found).with_state(app)
}

/// Who carries out an operation.
fn handler(row: &Operation) -> MethodRouter<App> {
    let method = filter(row.method);
    match row.op {
        Op::Health => on(method, state::health),
        Op::State => on(method, state::state),
        Op::Plan => on(method, plan::plan),
        Op::Tariff => on(method, tariff::tariff),
        Op::Socket => on(method, socket::socket),
    }
}

fn filter(method: Method) -> MethodFilter {
    match method {
        Method::Get => MethodFilter::GET,
        Method::Post => MethodFilter::POST,
        Method::Put => MethodFilter::PUT,
        Method::Patch => MethodFilter::PATCH,
        Method::Delete => MethodFilter::DELETE,
    }
}

async fn not_found(uri: Uri) -> Response {
    match uri.path().starts_with("/api") {
        true => problem(StatusCode::NOT_FOUND, "not found"),
        false => (StatusCode::NOT_FOUND, "404 page not found\n").into_response(),
    }
}
