//! Plans of load points, and plans that nobody made.

use axum::extract::{Path, Query, State as Shared};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use crate::api::{self, Code, Place, Value};
use crate::control::{Refusal, Strategy, Wanted};
use crate::edges::door::{Door, Unanswered};

use super::answer::{Checked, json, problem};

/// The plan of a load point as it was last reckoned (api.md §3.6).
pub(super) async fn plan(
    Shared(door): Shared<Door>,
    Checked(Path(id)): Checked<Path<String>>,
) -> Response {
    let place = id.parse().map(Place::LoadPoint);
    let told = door.told.borrow();
    match place.ok().and_then(|place| told.state.value(&place, "planDetails")) {
        Some(plan) => json(StatusCode::OK, plan.json()),
        None => problem(StatusCode::NOT_FOUND, "not found"),
    }
}

/// How a plan is carried out; what is not given is as it is set.
#[derive(Deserialize)]
pub(super) struct Options {
    pub(super) continuous: Option<String>,
    pub(super) precondition: Option<String>,
}

impl Options {
    fn strategy(&self) -> Result<Option<Strategy>, Refusal> {
        api::preview_strategy(self.continuous.as_deref(), self.precondition.as_deref())
    }
}

/// What a plan by SoC or energy would be like (api.md §3.3).
pub(super) async fn preview(
    Shared(door): Shared<Door>,
    Path((id, goal, value, time)): Path<(String, String, String, String)>,
    Query(options): Query<Options>,
) -> Response {
    tell(&door, &id, api::preview_wanted(&goal, &value, &time), &options).await
}

/// What the next occurrence of a repeating plan would be like (api.md §3.14).
pub(super) async fn repeating(
    Shared(door): Shared<Door>,
    Path((id, soc, days, clock, tz)): Path<(String, String, String, String, String)>,
    Query(options): Query<Options>,
) -> Response {
    tell(&door, &id, api::preview_repeating(&soc, &days, &clock, &tz), &options).await
}

/// When the limit is to be reached.
#[derive(Deserialize)]
pub(super) struct Target {
    #[serde(rename = "targetTime")]
    time: Option<String>,
}

/// The plan with its prices, as up to 0.122 (api.md §3.14).
pub(super) async fn target(
    Shared(door): Shared<Door>,
    Checked(Path(id)): Checked<Path<String>>,
    Checked(Query(target)): Checked<Query<Target>>,
) -> Response {
    let Ok(number) = id.parse() else {
        return problem(StatusCode::NOT_FOUND, "not found");
    };
    let ask = move |view: &api::View<'_>| api::target_plan(view, number, target.time.as_deref());
    answer(door.ask(ask).await)
}

async fn tell(
    door: &Door,
    id: &str,
    wanted: Result<Wanted, Refusal>,
    options: &Options,
) -> Response {
    let Ok(number) = id.parse() else {
        return problem(StatusCode::NOT_FOUND, "not found");
    };
    let (wanted, strategy) = match wanted.and_then(|wanted| Ok((wanted, options.strategy()?))) {
        Ok(asked) => asked,
        Err(refusal) => return problem(StatusCode::BAD_REQUEST, &refusal.to_string()),
    };
    let ask = move |view: &api::View<'_>| api::preview(view, number, &wanted, strategy);
    answer(door.ask(ask).await)
}

fn answer(plan: Result<Result<Value, Box<api::Answer>>, Unanswered>) -> Response {
    match plan {
        Ok(Ok(plan)) => json(StatusCode::OK, plan.json()),
        Ok(Err(answer)) if answer.code == Code::UnknownTopic => {
            problem(StatusCode::NOT_FOUND, &answer.message)
        }
        Ok(Err(answer)) => problem(StatusCode::BAD_REQUEST, &answer.message),
        Err(unanswered) => unanswered.into_response(),
    }
}
