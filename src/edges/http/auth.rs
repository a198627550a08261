//! `/api/auth`, and the guard before every route (api.md §3.10).

use std::net::SocketAddr;

use axum::extract::{ConnectInfo, Path, Request, State as Shared};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::json;

use crate::api::Access;
use crate::edges::auth::{Auth, Denied, Mode, Session, Shown};
use crate::model::KeyScope;

use super::answer::{Body, Checked, json, problem};

/// The cookie of a session.
const COOKIE: &str = "auth";
/// The owner's password once more, where a session is not enough.
const PASSWORD_HEADER: &str = "x-admin-password";

type Peer = ConnectInfo<SocketAddr>;

/// What stands before a route.
#[derive(Clone)]
pub(super) struct Guard {
    pub(super) auth: Auth,
    pub(super) access: Access,
}

/// Lets through who may, and tells the others why not, in words as evcc does.
pub(super) async fn guard(Shared(guard): Shared<Guard>, request: Request, next: Next) -> Response {
    let Guard { auth, access } = guard;
    let granted = auth.granted(shown(request.headers()));
    if granted >= access {
        return next.run(request).await;
    }
    if auth.mode() == Mode::Demo {
        return Denied::Demo.into_response();
    }
    let password = request.headers().get(PASSWORD_HEADER).and_then(|text| text.to_str().ok());
    let peer = request.extensions().get::<Peer>();
    if let (Access::Admin, Some(ConnectInfo(peer)), Some(password)) = (granted, peer, password) {
        let (peer, password) = (*peer, password.to_owned());
        return match auth.confirm(peer.ip(), &password).await {
            Ok(()) => next.run(request).await,
            Err(denied) => denied.into_response(),
        };
    }
    let challenge = [(header::WWW_AUTHENTICATE, "Bearer")];
    (StatusCode::UNAUTHORIZED, challenge, "Unauthorized\n").into_response()
}

/// Cookie and key of a request. The `Authorization` of a proxy is not for us and does no harm.
fn shown(headers: &HeaderMap) -> Shown<'_> {
    let texts = |name| headers.get_all(name).into_iter().filter_map(|text| text.to_str().ok());
    let mut cookies = texts(header::COOKIE).flat_map(|text| text.split(';'));
    let session = cookies.find_map(|cookie| cookie.trim().strip_prefix(COOKIE)?.strip_prefix('='));
    let key = texts(header::AUTHORIZATION).find_map(|text| {
        let (scheme, key) = text.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then_some(key.trim())
    });
    Shown { session, key }
}

impl IntoResponse for Denied {
    fn into_response(self) -> Response {
        let status = match self {
            Self::Demo => StatusCode::FORBIDDEN,
            Self::NoPassword => StatusCode::NOT_IMPLEMENTED,
            Self::Wrong => StatusCode::UNAUTHORIZED,
            Self::Unfit(_) => return problem(StatusCode::BAD_REQUEST, &self.to_string()),
            Self::Failed(_) => {
                return problem(StatusCode::INTERNAL_SERVER_ERROR, &self.to_string());
            }
            Self::Wait(time) => {
                let after = [(header::RETRY_AFTER, (time.as_secs() + 1).to_string())];
                return (StatusCode::TOO_MANY_REQUESTS, after, format!("{self}\n")).into_response();
            }
        };
        (status, format!("{self}\n")).into_response()
    }
}

/// Whether the owner asks.
pub(super) async fn status(Shared(auth): Shared<Auth>, headers: HeaderMap) -> Response {
    match auth.is_owner(shown(&headers)) {
        Ok(owner) => json(StatusCode::OK, owner.to_string()),
        Err(denied) => denied.into_response(),
    }
}

#[derive(Deserialize)]
pub(super) struct Login {
    password: String,
}

/// Begins a session.
pub(super) async fn login(
    Shared(auth): Shared<Auth>,
    ConnectInfo(peer): Peer,
    Body(Login { password }): Body<Login>,
) -> Response {
    match auth.login(peer.ip(), &password).await {
        Ok(session) => (StatusCode::OK, cookie(&session)).into_response(),
        Err(denied) => denied.into_response(),
    }
}

/// Ends the session of this browser; its cookie is gone.
pub(super) async fn logout() -> Response {
    let over = Session { token: String::new(), ends: DateTime::UNIX_EPOCH };
    (StatusCode::OK, cookie(&over)).into_response()
}

#[derive(Deserialize)]
pub(super) struct NewPassword {
    #[serde(default)]
    current: String,
    new: String,
}

/// Sets the first password, or another one for whoever knows the current one.
pub(super) async fn set_password(
    Shared(auth): Shared<Auth>,
    ConnectInfo(peer): Peer,
    Body(NewPassword { current, new }): Body<NewPassword>,
) -> Response {
    match auth.set_password(peer.ip(), &current, &new).await {
        Ok((true, session)) => (StatusCode::CREATED, cookie(&session)).into_response(),
        Ok((false, session)) => (StatusCode::ACCEPTED, cookie(&session)).into_response(),
        // Here, and only here, evcc calls it a bad request.
        Err(Denied::Wrong) => {
            (StatusCode::BAD_REQUEST, format!("{}\n", Denied::Wrong)).into_response()
        }
        Err(denied) => denied.into_response(),
    }
}

/// Whether there is an API key.
pub(super) async fn api_key(Shared(auth): Shared<Auth>) -> Response {
    json(StatusCode::OK, json!({ "configured": auth.has_api_key() }).to_string())
}

/// Makes an API key.
pub(super) async fn new_api_key(
    Shared(auth): Shared<Auth>,
    ConnectInfo(peer): Peer,
    Body(Login { password }): Body<Login>,
) -> Response {
    match auth.new_api_key(peer.ip(), &password).await {
        Ok(key) => json(StatusCode::OK, json!({ "key": key }).to_string()),
        Err(denied) => denied.into_response(),
    }
}

/// The names and scopes of all keys.
pub(super) async fn keys(Shared(auth): Shared<Auth>) -> Response {
    let keys: Vec<_> = auth
        .keys()
        .iter()
        .map(|key| {
            let scope = key.scope.as_str();
            json!({ "name": key.name, "scope": scope, "configured": key.configured })
        })
        .collect();
    json(StatusCode::OK, json!(keys).to_string())
}

#[derive(Deserialize)]
pub(super) struct NewKey {
    name: String,
    scope: String,
}

/// Makes a key.
pub(super) async fn new_key(
    Shared(auth): Shared<Auth>,
    Body(NewKey { name, scope }): Body<NewKey>,
) -> Response {
    let scope: KeyScope = match scope.parse() {
        Ok(scope) => scope,
        Err(unknown) => return problem(StatusCode::BAD_REQUEST, &format!("scope: {unknown}")),
    };
    match auth.new_key(&name, scope).await {
        Ok(key) => {
            let made = json!({ "name": name, "scope": scope.as_str(), "key": key });
            json(StatusCode::CREATED, made.to_string())
        }
        Err(denied) => denied.into_response(),
    }
}

/// Removes a key.
pub(super) async fn remove_key(
    Shared(auth): Shared<Auth>,
    Checked(Path(name)): Checked<Path<String>>,
) -> Response {
    match auth.remove_key(&name).await {
        Ok(true) => StatusCode::NO_CONTENT.into_response(),
        Ok(false) => problem(StatusCode::NOT_FOUND, "there is no such key"),
        Err(denied) => denied.into_response(),
    }
}

/// The cookie is not for scripts, and not sent when another site asks.
fn cookie(session: &Session) -> [(header::HeaderName, String); 1] {
    let ends = http_date(session.ends);
    let token = &session.token;
    let cookie = format!("{COOKIE}={token}; Path=/; Expires={ends}; HttpOnly; SameSite=Strict");
    [(header::SET_COOKIE, cookie)]
}

fn http_date(time: DateTime<Utc>) -> String {
    time.format("%a, %d %b %Y %H:%M:%S GMT").to_string()
}
