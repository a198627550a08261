//! The forms of an answer: bare JSON with a line feed, or `{"error": text}` (api.md §3.1).

use std::fmt;

use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::de::DeserializeOwned;

use crate::api::Language;
use crate::api::history::Format;
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

/// An extractor whose refusal is JSON like every other error.
pub(super) struct Checked<T>(pub(super) T);

impl<S: Send + Sync, T> FromRequest<S> for Checked<T>
where
    T: FromRequest<S, Rejection: IntoResponse + fmt::Display>,
{
    type Rejection = Response;

    async fn from_request(request: Request, state: &S) -> Result<Self, Response> {
        T::from_request(request, state).await.map(Self).map_err(refused)
    }
}

impl<S: Send + Sync, T> FromRequestParts<S> for Checked<T>
where
    T: FromRequestParts<S, Rejection: IntoResponse + fmt::Display>,
{
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Response> {
        T::from_request_parts(parts, state).await.map(Self).map_err(refused)
    }
}

/// JSON of the body, whatever its type is called; what is wrong is told without repeating it.
pub(super) struct Body<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Response;

    async fn from_request(request: Request, state: &S) -> Result<Self, Response> {
        let Checked(text) = Checked::<String>::from_request(request, state).await?;
        serde_json::from_str(&text).map(Self).map_err(|error| {
            let what = match error.is_data() {
                true => "a member is missing or of another kind",
                false => "not JSON",
            };
            let (line, column) = (error.line(), error.column());
            let message = format!("{what} (line {line}, column {column})");
            problem(StatusCode::BAD_REQUEST, &message)
        })
    }
}

fn refused(refusal: impl IntoResponse + fmt::Display) -> Response {
    let message = refusal.to_string();
    problem(refusal.into_response().status(), &message)
}

/// An answer, as a file if it was asked for as one.
pub(super) fn file(format: Format, name: &str, text: String) -> Response {
    let ending = match format {
        Format::Bare => return json(StatusCode::OK, text),
        Format::Json => "json",
        Format::Csv => "csv",
    };
    let mut response = match format {
        Format::Bare | Format::Json => json(StatusCode::OK, text),
        Format::Csv => ([(header::CONTENT_TYPE, "text/csv")], text).into_response(),
    };
    let name = format!("attachment; filename=\"{name}.{ending}\"");
    if let Ok(name) = name.parse() {
        response.headers_mut().insert(header::CONTENT_DISPOSITION, name);
    }
    response
}

/// The language of captions: `lang=`, else what the client wants first, else what the server speaks.
pub(super) fn language(wanted: Option<&str>, headers: &HeaderMap) -> Language {
    let accepted = headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
    let server = std::env::var("LANG").unwrap_or_default();
    Language::chosen(wanted, accepted.or(Some(&server)))
}
