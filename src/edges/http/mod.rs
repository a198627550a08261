//! REST, WebSocket and the web page: a facade that owns nothing and asks the run loop.
//!
//! Routes are two loops: over the field table (`fields`) and over the table of operations, whose
//! handlers are bound in `handler`.

mod answer;
mod auth;
mod config;
mod conns;
mod database;
mod documents;
mod fields;
mod history;
mod legacy;
mod metrics;
mod page;
mod plan;
mod sessions;
mod socket;
mod state;
mod story;
mod system;
mod tariff;
mod transport;
mod ui;

use std::future::IntoFuture as _;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, FromRef};
use axum::http::{self, StatusCode, Uri};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodFilter, MethodRouter, on};
use axum::{Router, serve::ListenerExt as _};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;

use crate::api::{self, Access, Method, Op, Operation};
use crate::config::Config;
use crate::edges::auth::Auth;
use crate::edges::logbook::LogBook;
use crate::model::Dialect;

use answer::problem;
use auth::Guard;
use conns::Limited;
use story::Step;

pub use ui::check as check_ui;

pub use super::door::{Door, Question, Told, WriteRequest};

/// WebSocket clients at a time; more are refused.
const SOCKETS: usize = 512;
/// TCP connections at a time; more wait to be accepted. Some are left for REST.
const CONNECTIONS: usize = 768;
/// A longer body is refused, except where a route says otherwise.
const BODY_MAX: usize = 64 * 1024;

/// How the facade presents itself.
#[derive(Clone)]
pub struct Settings {
    /// Where a proxy mounts us, like `/charge`; requests may come with it or without. May be empty.
    pub base_path: String,
    /// What is spoken where no prefix says otherwise.
    pub dialect: Dialect,
    /// Who may do what.
    pub auth: Auth,
    /// The folder of another user interface than ours.
    pub ui: Option<PathBuf>,
}

impl Settings {
    /// What the configuration says of it.
    pub(super) fn of(config: &Config, auth: Auth, ui: Option<PathBuf>) -> Self {
        let base_path = config.network.base_path.clone();
        Self { base_path, dialect: config.api.dialect, auth, ui }
    }
}

/// Serves until `stop`; open requests are finished, WebSockets are closed.
///
/// # Errors
/// The listener is broken.
pub async fn serve(
    listener: TcpListener,
    door: Door,
    settings: Settings,
    stop: CancellationToken,
) -> io::Result<()> {
    let mut told = door.told.clone();
    let first = told.borrow_and_update().state.clone();
    let (steps, story) = watch::channel(Arc::new(Step::first(first)));
    let sockets = Arc::new(Semaphore::new(SOCKETS));
    let Settings { base_path, dialect, auth, ui } = settings;
    let app = App { door, auth, sockets, story, stop: stop.clone() };
    let listener = Limited::new(listener, CONNECTIONS).tap_io(|io| io.send_at_once());
    let routes = router(app, base_path, dialect, ui.as_deref())
        .into_make_service_with_connect_info::<SocketAddr>();
    let server =
        axum::serve(listener, routes).with_graceful_shutdown(stop.clone().cancelled_owned());
    let (served, _) =
        tokio::join!(server.into_future(), stop.run_until_cancelled(story::tell(told, steps)));
    served
}

#[derive(Clone)]
struct App {
    door: Door,
    auth: Auth,
    sockets: Arc<Semaphore>,
    story: watch::Receiver<Arc<Step>>,
    stop: CancellationToken,
}

impl FromRef<App> for Door {
    fn from_ref(app: &App) -> Self {
        app.door.clone()
    }
}

impl FromRef<App> for LogBook {
    fn from_ref(app: &App) -> Self {
        app.door.log.clone()
    }
}

impl FromRef<App> for Auth {
    fn from_ref(app: &App) -> Self {
        app.auth.clone()
    }
}

/// Every operation, every write of the field table, and the page.
fn router(app: App, base_path: String, dialect: Dialect, ui: Option<&Path>) -> Router {
    let mut router = ui.map_or_else(page::routes, ui::routes);
    let operations =
        api::OPERATIONS.iter().map(|row| (row.path.to_owned(), row.access, handler(row)));
    let fields = fields::routes().map(|(path, route)| (path, Access::Write, route));
    for (path, access, route) in operations.chain(fields) {
        let guard = Guard { auth: app.auth.clone(), access };
        router = router.route(&path, route.route_layer(from_fn_with_state(guard, auth::guard)));
    }
    let routes = router.fallback(not_found).with_state(app);
    let routed = Router::new()
        .fallback_service(routes)
        .layer(from_fn_with_state(dialect, legacy::dialect))
        .layer(DefaultBodyLimit::max(BODY_MAX))
        .layer(transport::compression())
        .layer(from_fn(transport::origins));
    // What changes the path stands before the routes.
    let base: Arc<str> = base_path.into();
    Router::new().fallback_service(routed).layer(from_fn_with_state(base, transport::canonical))
}

/// Who carries out an operation.
fn handler(row: &Operation) -> MethodRouter<App> {
    let method = filter(row.method);
    match row.op {
        Op::AuthStatus => on(method, auth::status),
        Op::Login => on(method, auth::login),
        Op::Logout => on(method, auth::logout),
        Op::SetPassword => on(method, auth::set_password),
        Op::ApiKey => on(method, auth::api_key),
        Op::NewApiKey => on(method, auth::new_api_key),
        Op::Keys => on(method, auth::keys),
        Op::NewKey => on(method, auth::new_key),
        Op::RemoveKey => on(method, auth::remove_key),
        Op::Health => on(method, state::health),
        Op::Ready => on(method, state::ready),
        Op::Metrics => on(method, metrics::metrics),
        Op::State => on(method, state::state),
        Op::Plan => on(method, plan::plan),
        Op::PlanPreview | Op::PlanPreviewOld => on(method, plan::preview),
        Op::PlanPreviewRepeating => on(method, plan::repeating),
        Op::Tariff => on(method, tariff::tariff),
        Op::Backup => on(method, database::backup),
        Op::Restore => database::restoring(method),
        Op::Reset => on(method, database::reset),
        Op::DeleteEnergies => on(method, history::delete_energies),
        Op::DeletePrices => on(method, history::delete_prices),
        Op::ClearCache => on(method, system::clear_cache),
        Op::Optimize => on(method, system::optimize),
        Op::Log => on(method, system::log),
        Op::LogAreas => on(method, system::areas),
        Op::Shutdown | Op::OldShutdown => on(method, system::shutdown),
        Op::Sessions => on(method, sessions::list),
        Op::EditSession => on(method, sessions::edit),
        Op::DeleteSession => on(method, sessions::delete),
        Op::OpenApi => on(method, documents::openapi),
        Op::AsyncApi => on(method, documents::asyncapi),
        Op::Socket => on(method, socket::socket),
        Op::GridSessions => on(method, history::grid_sessions),
        Op::EnergyHistory => on(method, history::energy),
        Op::Config(op) => config::handler(method, op),
        Op::Telemetry | Op::TelemetryOld => on(method, config::telemetry),
        Op::TargetPlan => on(method, plan::target),
        Op::Version => on(method, config::version),
        Op::Update => on(method, system::update),
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

async fn not_found(method: http::Method, uri: Uri) -> Response {
    if uri.path().starts_with(config::PREFIX) && !method.is_safe() {
        return config::unwritable(method).await;
    }
    match uri.path().starts_with("/api") {
        true => problem(StatusCode::NOT_FOUND, "not found"),
        false => (StatusCode::NOT_FOUND, "404 page not found\n").into_response(),
    }
}
