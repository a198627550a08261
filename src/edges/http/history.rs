//! Energy history and grid sessions, read from the store.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::extract::{Query, State as Shared};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use chrono::{TimeDelta, Utc};
use chrono_tz::Tz;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::api::history::{
    BadQuery, Collector, EnergyQuery, Format, Span, grid_sessions_csv, grid_sessions_json,
};
use crate::edges::clock::zone;
use crate::edges::door::Door;
use crate::edges::store::{EnergyFilter, Store, StoreError};
use crate::model::Prices;

use super::answer::{file, json, language, problem};

/// Histories that are added up at a time, for they take memory; further ones wait.
const AT_ONCE: usize = 2;
/// So long a history may take, its turn included.
const READ_WITHIN: Duration = Duration::from_secs(30);

static TURNS: Semaphore = Semaphore::const_new(AT_ONCE);

type Params = Query<BTreeMap<String, String>>;

/// Energies by quarters of an hour, hours, days or months (api.md §3.5).
pub(super) async fn energy(Shared(door): Shared<Door>, Query(params): Params) -> Response {
    let query = match EnergyQuery::parse(|name| params.get(name).map(String::as_str)) {
        Ok(query) => query,
        Err(bad) => return refused(&bad),
    };
    let zone = zone();
    let name = query.file_name(zone);
    let format = query.format;
    let found = timeout(READ_WITHIN, async {
        let _turn = TURNS.acquire().await.map_err(|_| busy("the service is stopping"))?;
        let collector = collect(&door.store, query, zone).await?;
        let told = spawn_blocking(move || match format {
            Format::Bare | Format::Json => collector.json(),
            Format::Csv => collector.csv(),
        });
        told.await.map_err(|_| busy("the history cannot be told"))
    });
    match found.await {
        Ok(Ok(text)) => file(format, &name, text),
        Ok(Err(problem)) => problem,
        Err(_) => busy("the history takes too long: choose a shorter time"),
    }
}

/// Times in which the grid operator limited what is drawn or fed in (api.md §3.5).
pub(super) async fn grid_sessions(
    Shared(door): Shared<Door>,
    Query(params): Params,
    headers: HeaderMap,
) -> Response {
    let param = |name: &str| params.get(name).map(String::as_str).filter(|text| !text.is_empty());
    let format = match Format::parse(param("format")) {
        Ok(format) => format,
        Err(bad) => return refused(&bad),
    };
    let language = language(param("lang"), &headers);
    match door.store.load_grid_sessions().await {
        Ok(sessions) => {
            let text = match format {
                Format::Bare | Format::Json => grid_sessions_json(&sessions),
                Format::Csv => grid_sessions_csv(&sessions, zone(), language),
            };
            file(format, "gridsessions", text)
        }
        Err(error) => unread(&error),
    }
}

/// Deletes energies of the past (api.md §3.11).
pub(super) async fn delete_energies(Shared(door): Shared<Door>, Query(params): Params) -> Response {
    let param = |name: &str| params.get(name).map(String::as_str);
    let (span, query) = match (Span::parse(param), EnergyQuery::parse(param)) {
        (Ok(span), Ok(query)) => (span, query),
        (Err(bad), _) | (_, Err(bad)) => return problem(StatusCode::BAD_REQUEST, &bad.to_string()),
    };
    let EnergyQuery { group, name, title, .. } = query;
    let filter = EnergyFilter { from: Some(span.from), to: span.to, group, name, title };
    deleted(door.store.delete_energies(filter).await)
}

/// Deletes prices and forecasts of the past (api.md §3.11).
pub(super) async fn delete_prices(Shared(door): Shared<Door>, Query(params): Params) -> Response {
    let param = |name: &str| params.get(name).map(String::as_str);
    let Span { from, to } = match Span::parse(param) {
        Ok(span) => span,
        Err(bad) => return problem(StatusCode::BAD_REQUEST, &bad.to_string()),
    };
    let wanted = param("usage").filter(|usage| !usage.is_empty());
    let usage = wanted.map(|wanted| Prices::NAMES.into_iter().find(|usage| *usage == wanted));
    if usage == Some(None) {
        let message = format!("usage: one of {}", Prices::NAMES.join(", "));
        return problem(StatusCode::BAD_REQUEST, &message);
    }
    deleted(door.store.delete_prices(from, to, usage.flatten()).await)
}

fn deleted(outcome: Result<usize, StoreError>) -> Response {
    match outcome {
        Ok(rows) => json(StatusCode::OK, serde_json::json!({ "deleted": rows }).to_string()),
        Err(error) => busy(&format!("nothing was deleted, {error}")),
    }
}

async fn collect(store: &Store, query: EnergyQuery, zone: Tz) -> Result<Collector, Response> {
    let EnergyQuery { from, to, aggregate, grouped, group, name, title, format: _ } = query;
    // A clock that was set back has left slots that begin later than now.
    let to = to.unwrap_or_else(|| Utc::now() + TimeDelta::days(1));
    let filter = EnergyFilter { from, to, group, name, title };
    let mut reader = store.read_energies(filter).await.map_err(|error| unread(&error))?;
    let mut collector = Collector::new(zone, aggregate, grouped);
    while let Some(rows) = reader.next().await.map_err(|error| unread(&error))? {
        for row in rows {
            let Some(entity) = reader.entities.get(&row.entity) else { continue };
            collector
                .add(entity, row.start, row.energy)
                .map_err(|many| problem(StatusCode::BAD_REQUEST, &many.to_string()))?;
        }
    }
    Ok(collector)
}

/// evcc answers an aggregate that makes no sense with 500, everything else with 400.
fn refused(bad: &BadQuery) -> Response {
    let status = match bad {
        BadQuery::Aggregate => StatusCode::INTERNAL_SERVER_ERROR,
        BadQuery::Time(..) | BadQuery::Missing(_) | BadQuery::Grouped(_) | BadQuery::Format(_) => {
            StatusCode::BAD_REQUEST
        }
    };
    problem(status, &bad.to_string())
}

fn unread(error: &StoreError) -> Response {
    match error {
        StoreError::Failed(reason) => busy(&format!("the database cannot be read: {reason}")),
        StoreError::Busy
        | StoreError::Late
        | StoreError::Locked
        | StoreError::Replaced
        | StoreError::Closed
        | StoreError::NoAnswer => busy("the database does not answer, try again"),
    }
}

fn busy(message: &str) -> Response {
    problem(StatusCode::SERVICE_UNAVAILABLE, message)
}
