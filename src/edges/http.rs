//! REST, WebSocket and the web page: a facade that owns nothing and asks the run loop.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{FromRef, Path, Query, RawPathParams, State as Shared, WebSocketUpgrade};
use axum::http::{HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodFilter, MethodRouter, get, on};
use axum::{Router, serve::ListenerExt as _};
use serde::Deserialize;
use tokio::net::TcpListener;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{Semaphore, oneshot};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::api::{self, Address, Code, Field, Place, Raw, Scope, Set, Verb};

use super::conns::Limited;
use super::{jq, ws};

pub use super::door::{Door, Told, WriteRequest};

/// The loop turns at least this often while it is well; older, and `/api/health` says so.
const HEALTHY_FOR: Duration = Duration::from_secs(60);
/// A writer waits this long for the loop to take, store and answer its write.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
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

/// The fixed routes, and every write of the field table.
fn router(app: App) -> Router {
    let mut router = Router::new()
        .route("/", get(|| asset("text/html; charset=utf-8", include_str!("page/index.html"))))
        .route("/app.js", get(|| asset("text/javascript", include_str!("page/app.js"))))
        .route("/style.css", get(|| asset("text/css", include_str!("page/style.css"))))
        .route("/ws", get(socket))
        .route("/api/health", get(health))
        .route("/api/state", get(state))
        .route("/api/loadpoints/{id}/plan", get(plan))
        .route("/api/tariff/{type}", get(tariff));
    for field in api::all() {
        let Some(write) = field.write else { continue };
        let rest = write.rest;
        let method = match rest.verb {
            Verb::Post => MethodFilter::POST,
            Verb::Put => MethodFilter::PUT,
            Verb::Patch => MethodFilter::PATCH,
        };
        let set = rest.set.iter().map(|path| (path, route(field, write.set, method)));
        let unset =
            rest.unset.iter().map(|path| (path, route(field, write.set, MethodFilter::DELETE)));
        for (path, route) in set.chain(unset) {
            let path = format!("/api{path}");
            router = router.route(&path, route.clone()).route(&format!("{path}/"), route);
        }
    }
    router.fallback(not_found).with_state(app)
}

/// A route of the table: DELETE clears a field, its own method sets it.
fn route(field: &'static Field, set: Set, method: MethodFilter) -> MethodRouter<App> {
    let clear = method == MethodFilter::DELETE;
    on(method, async move |Shared(door): Shared<Door>, params: RawPathParams, body: String| {
        let param = |name: &str| {
            params.iter().find(|(key, _)| *key == name).map(|(_, value)| value.to_owned())
        };
        let place = match field.scope {
            Scope::Site => Some(Place::Site),
            Scope::LoadPoint => param("id").and_then(|id| id.parse().ok()).map(Place::LoadPoint),
            Scope::Vehicle => param("name").map(Place::Vehicle),
        };
        let Some(place) = place else {
            return problem(StatusCode::NOT_FOUND, "not found");
        };
        if body.len() > api::MAX_PAYLOAD {
            return problem(StatusCode::PAYLOAD_TOO_LARGE, "the body is too long");
        }
        let value = match (param("value"), param("time").or_else(|| param("source"))) {
            _ if clear => Raw::Clear,
            _ if method == MethodFilter::PATCH => Raw::Text("true".to_owned()),
            (Some(value), None) => Raw::Text(value),
            (Some(value), Some(more)) if matches!(set, Set::Json(_)) => {
                Raw::Text(api::goal_text(&value, &more))
            }
            (Some(value), Some(more)) => Raw::Text(format!("{value}/{more}")),
            (None, _) => Raw::Text(body),
        };
        write(&door, Address { field, place }, value).await
    })
}

async fn write(door: &Door, address: Address, raw: Raw) -> Response {
    let scope = address.place.scope();
    let (sender, answer) = oneshot::channel();
    match door.writes.try_send(WriteRequest { address, raw, answer: sender }) {
        Ok(()) => {}
        Err(TrySendError::Full(_)) => {
            return problem(StatusCode::SERVICE_UNAVAILABLE, "too many writes are waiting");
        }
        Err(TrySendError::Closed(_)) => {
            return problem(StatusCode::SERVICE_UNAVAILABLE, "the service is stopping");
        }
    }
    match timeout(ANSWER_WITHIN, answer).await {
        Ok(Ok(answer)) if answer.ok() => json(StatusCode::OK, answer.reply.json()),
        Ok(Ok(answer)) => problem(status(answer.code, scope), &answer.message),
        Ok(Err(_)) => problem(StatusCode::SERVICE_UNAVAILABLE, "the service is stopping"),
        Err(_) => problem(StatusCode::GATEWAY_TIMEOUT, "no answer within 10 s"),
    }
}

/// evcc answers an unknown load point with 404 and an unknown vehicle with 400 (api.md §3.3, §3.4).
fn status(code: Code, scope: Scope) -> StatusCode {
    match (code, scope) {
        (Code::UnknownTopic, Scope::Site | Scope::LoadPoint) => StatusCode::NOT_FOUND,
        (Code::UnknownTopic, Scope::Vehicle) => StatusCode::BAD_REQUEST,
        (Code::ReadOnly, _) => StatusCode::METHOD_NOT_ALLOWED,
        (Code::InvalidType | Code::OutOfRange | Code::Refused, _) => StatusCode::BAD_REQUEST,
        (Code::TooLarge, _) => StatusCode::PAYLOAD_TOO_LARGE,
        (Code::Unsupported, _) => StatusCode::NOT_IMPLEMENTED,
        (Code::Busy, _) => StatusCode::SERVICE_UNAVAILABLE,
        (Code::Ok | Code::NotStored, _) => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

#[derive(Deserialize)]
struct Filter {
    jq: Option<String>,
}

async fn state(Shared(door): Shared<Door>, Query(filter): Query<Filter>) -> Response {
    let state = door.told.borrow().state.clone();
    let whole = state.json();
    match filter.jq {
        None => json(StatusCode::OK, whole),
        Some(program) => match jq::ask(&door.jq, &program, whole).await {
            Ok(result) => json(StatusCode::OK, result),
            Err(message) => problem(StatusCode::BAD_REQUEST, &message),
        },
    }
}

/// The plan of a load point as it was last reckoned (api.md §3.6).
async fn plan(Shared(door): Shared<Door>, Path(id): Path<String>) -> Response {
    let place = id.parse().map(Place::LoadPoint);
    let told = door.told.borrow();
    match place.ok().and_then(|place| told.state.value(&place, "planDetails")) {
        Some(plan) => json(StatusCode::OK, plan.json()),
        None => problem(StatusCode::NOT_FOUND, "not found"),
    }
}

/// What is known of a tariff (api.md §3.2).
async fn tariff(Shared(door): Shared<Door>, Path(usage): Path<String>) -> Response {
    let Ok(usage) = usage.parse() else {
        return problem(StatusCode::NOT_FOUND, "no such tariff");
    };
    let state = door.told.borrow().state.clone();
    match state.tariff(usage) {
        Some(rates) => json(StatusCode::OK, rates),
        None => problem(StatusCode::NOT_FOUND, "tariff not available"),
    }
}

/// Text, as up to 0.300.5: whoever restarts us by it restarts a loop that hangs (api.md §3.14).
async fn health(Shared(door): Shared<Door>) -> Response {
    let turned = door.told.borrow().at;
    match door.clock.since(turned) < HEALTHY_FOR {
        true => "OK\n".into_response(),
        false => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

async fn socket(Shared(app): Shared<App>, upgrade: WebSocketUpgrade) -> Response {
    let Ok(seat) = Arc::clone(&app.sockets).try_acquire_owned() else {
        return problem(StatusCode::SERVICE_UNAVAILABLE, "too many WebSocket clients");
    };
    upgrade.max_message_size(ws::MAX_MESSAGE).max_frame_size(ws::MAX_MESSAGE).on_upgrade(
        async move |socket| {
            ws::tell(socket, app.door.told, app.stop).await;
            drop(seat);
        },
    )
}

async fn asset(kind: &'static str, text: &'static str) -> Response {
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

async fn not_found(uri: Uri) -> Response {
    match uri.path().starts_with("/api") {
        true => problem(StatusCode::NOT_FOUND, "not found"),
        false => (StatusCode::NOT_FOUND, "404 page not found\n").into_response(),
    }
}

fn json(status: StatusCode, mut body: String) -> Response {
    body.push('\n');
    let kind = HeaderValue::from_static("application/json");
    (status, [(header::CONTENT_TYPE, kind)], body).into_response()
}

fn problem(status: StatusCode, message: &str) -> Response {
    json(status, serde_json::json!({ "error": message }).to_string())
}
