//! The routes of the field table: each with its own method to set it, and DELETE to clear it.

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query as Named, RawPathParams, State as Shared};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, on};

use crate::api::{self, Address, Code, Field, Method, Place, Raw, Scope};
use crate::edges::door::Door;

use super::answer::{Checked, json, problem};
use super::plan::Options;
use super::{App, filter};

type Params = Checked<RawPathParams>;
type Body = Checked<String>;
/// Releases 0.203.4 to 0.300 named the strategy of a plan beside its goal (api.md §3.3).
type Query = Result<Named<Options>, QueryRejection>;

/// Path and route of every write of the table.
pub(super) fn routes() -> impl Iterator<Item = (String, MethodRouter<App>)> {
    api::all().filter_map(|field| Some((field, field.write?.rest))).flat_map(|(field, rest)| {
        rest.routes().map(|(method, path)| (format!("/api{path}"), route(field, method)))
    })
}

fn route(field: &'static Field, method: Method) -> MethodRouter<App> {
    let clear = method == Method::Delete;
    on(filter(method), async move |Shared(door), params: Params, query: Query, body: Body| {
        let (Checked(params), Checked(body)) = (params, body);
        let param = |name: &str| {
            params.iter().find(|(key, _)| *key == name).map(|(_, value)| value.to_owned())
        };
        let Some(place) = place(field.scope, param) else {
            return problem(StatusCode::NOT_FOUND, "not found");
        };
        if body.len() > api::MAX_PAYLOAD {
            return problem(StatusCode::PAYLOAD_TOO_LARGE, "the body is too long");
        }
        let value = match (param("value"), param("time"), param("source")) {
            _ if clear => Raw::Clear,
            _ if method == Method::Patch => Raw::Text("true".to_owned()),
            (Some(value), Some(time), _) => match query {
                Ok(Named(Options { continuous, precondition })) => {
                    let (continuous, precondition) =
                        (continuous.as_deref(), precondition.as_deref());
                    Raw::Text(api::goal_text(&value, &time, continuous, precondition))
                }
                Err(refusal) => return problem(StatusCode::BAD_REQUEST, &refusal.to_string()),
            },
            (Some(value), None, Some(source)) => Raw::Text(format!("{value}/{source}")),
            (Some(value), None, None) => Raw::Text(value),
            (None, _, _) => Raw::Text(body),
        };
        write(&door, Address { field, place }, value).await
    })
}

fn place(scope: Scope, param: impl Fn(&str) -> Option<String>) -> Option<Place> {
    match scope {
        Scope::Site => Some(Place::Site),
        Scope::LoadPoint => Some(Place::LoadPoint(param("id")?.parse().ok()?)),
        Scope::Vehicle => param("name").map(Place::Vehicle),
    }
}

async fn write(door: &Door, address: Address, raw: Raw) -> Response {
    let scope = address.place.scope();
    match door.write(address, raw).await {
        Ok(answer) if answer.ok() => json(StatusCode::OK, answer.reply.json()),
        Ok(answer) => problem(status(answer.code, scope), &answer.message),
        Err(unanswered) => unanswered.into_response(),
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
