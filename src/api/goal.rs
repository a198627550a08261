//! Plans as JSON: what people write, what they are answered, and how plans are stored.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, Datelike, Utc};
use serde_json::{Map, Value as Json, json};

use crate::control::{PlanState, Refusal, RepeatingPlan, Strategy};
use crate::model::{Percent, Rate};

use super::Value;

/// No plan reaches further.
const LAST_YEAR: i32 = 9999;
/// A week is more than any charge takes: everything late.
const PRECONDITION_MAX: u64 = 7 * 24 * 3600;

/// What a goal is about to become.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Goal {
    /// It is removed.
    Removed,
    /// It is set; without a time that of the present plan stays.
    Set(f64, Option<DateTime<Utc>>),
}

/// The number of a goal: the JSON itself, or its member `value`, `soc` or `energy`.
pub(super) fn number(json: &Json) -> Option<f64> {
    wanted(json).and_then(Json::as_f64)
}

fn wanted(json: &Json) -> Option<&Json> {
    match json {
        Json::Object(members) => ["value", "soc", "energy"].iter().find_map(|n| members.get(*n)),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) | Json::Array(_) => {
            Some(json)
        }
    }
    .filter(|wanted| !wanted.is_null())
}

/// A goal `{"time": RFC 3339, "value": number}`; null, 0 or no number remove it.
pub(super) fn goal(json: &Json) -> Result<Goal, Refusal> {
    let form = r#"expected {"time": "2031-01-01T06:00:00Z", "value": number}, or null"#;
    let malformed = || Refusal::Malformed(form.to_owned());
    let Some(wanted) = wanted(json) else {
        return Ok(Goal::Removed);
    };
    let number = wanted.as_f64().ok_or_else(malformed)?;
    if number <= 0.0 {
        return Ok(Goal::Removed);
    }
    let time = match json.get("time") {
        None | Some(Json::Null) => None,
        Some(time) => Some(instant(time).ok_or_else(malformed)?),
    };
    Ok(Goal::Set(number, time))
}

/// The goal that a path names, and the strategy that a query names beside it, if it does; what cannot
/// be read stays a text and is refused as such.
pub fn goal_text(
    value: &str,
    time: &str,
    continuous: Option<&str>,
    precondition: Option<&str>,
) -> String {
    let number = value.parse::<f64>().ok().filter(|number| number.is_finite());
    let mut goal = Map::new();
    let mut say = |name: &str, value: Json| goal.insert(name.to_owned(), value);
    say("time", json!(time));
    say("value", number.map_or_else(|| json!(value), |number| json!(number)));
    if let Some(text) = continuous {
        say("continuous", text.parse::<bool>().map_or_else(|_| json!(text), |on| json!(on)));
    }
    if let Some(text) = precondition {
        say("precondition", text.parse::<u64>().map_or_else(|_| json!(text), |s| json!(s)));
    }
    Json::Object(goal).to_string()
}

/// The strategy that releases 0.203.4 to 0.300 wrote with a goal (api.md §2.5): what it does not
/// name stays as it is. `None` if it names nothing.
pub(super) fn strategy_beside(json: &Json, present: Strategy) -> Result<Option<Strategy>, Refusal> {
    let named = |name: &str| json.get(name).filter(|value| !value.is_null());
    let (continuous, precondition) = (named("continuous"), named("precondition"));
    if continuous.is_none() && precondition.is_none() {
        return Ok(None);
    }
    let whole = json!({
        "continuous": continuous.unwrap_or(&json!(present.continuous)),
        "precondition": precondition.unwrap_or(&json!(present.precondition.as_secs())),
    });
    strategy(&whole).map(Some)
}

/// RFC 3339, or the unix seconds that we store.
pub(super) fn instant(json: &Json) -> Option<DateTime<Utc>> {
    let seconds = || json.as_str().and_then(|text| text.parse().ok()).or_else(|| json.as_i64());
    let written = json.as_str().and_then(|text| DateTime::parse_from_rfc3339(text).ok());
    let time = match written {
        Some(time) => time.to_utc(),
        None => DateTime::from_timestamp(seconds()?, 0)?,
    };
    (0..=LAST_YEAR).contains(&time.year()).then_some(time)
}

/// A strategy `{"continuous": bool, "precondition": seconds}`; what is missing is off.
pub(super) fn strategy(json: &Json) -> Result<Strategy, Refusal> {
    let malformed = |what: &str| Refusal::Malformed(what.to_owned());
    if !json.is_object() {
        return Err(malformed(r#"expected {"continuous": false, "precondition": 0}"#));
    }
    let continuous = match json.get("continuous") {
        None => false,
        Some(value) => value.as_bool().ok_or_else(|| malformed("continuous: expected a bool"))?,
    };
    let seconds = match json.get("precondition") {
        None => 0,
        Some(value) => value
            .as_u64()
            .filter(|seconds| *seconds <= PRECONDITION_MAX)
            .ok_or_else(|| malformed("precondition: expected seconds, at most a week"))?,
    };
    Ok(Strategy { continuous, precondition: Duration::from_secs(seconds) })
}

/// The whole list of repeating plans; null is an empty one.
pub(super) fn repeating(json: &Json) -> Result<Vec<RepeatingPlan>, Refusal> {
    let malformed = |what: &str| Refusal::Malformed(what.to_owned());
    if json.is_null() {
        return Ok(Vec::new());
    }
    let plans = json.as_array().ok_or_else(|| malformed("expected an array of plans"))?;
    let mut list = Vec::new();
    for plan in plans {
        let text = |name: &str| {
            let text = plan.get(name).and_then(Json::as_str);
            text.ok_or_else(|| malformed(&format!("{name}: expected a text")))
        };
        let days = match plan.get("weekdays") {
            None | Some(Json::Null) => Some(Vec::new()),
            Some(days) => days.as_array().and_then(|days| days.iter().map(Json::as_i64).collect()),
        };
        let days = days.ok_or_else(|| malformed("weekdays: expected whole numbers"))?;
        let soc = plan.get("soc").and_then(Json::as_f64).filter(|soc| (0.0..=100.0).contains(soc));
        let soc = soc.ok_or_else(|| malformed("soc: expected 0 to 100"))?;
        let active = plan.get("active").and_then(Json::as_bool);
        let active = active.ok_or_else(|| malformed("active: expected true or false"))?;
        list.push(RepeatingPlan::new(&days, text("time")?, text("tz")?, Percent(soc), active)?);
    }
    Ok(list)
}

/// How a strategy is told.
pub(super) fn strategy_value(strategy: Strategy) -> Value {
    Value::Object(vec![
        ("continuous".into(), Value::Bool(strategy.continuous)),
        ("precondition".into(), Value::duration(strategy.precondition)),
    ])
}

/// How repeating plans are told: null in JSON if there are none (api.md §4.4).
pub(super) fn repeating_value(plans: &[RepeatingPlan]) -> Value {
    match plans.is_empty() {
        true => Value::NoList { optional: false },
        false => repeating_list(plans),
    }
}

/// How a writer of repeating plans is answered.
pub(super) fn repeating_list(plans: &[RepeatingPlan]) -> Value {
    let plan = |plan: &RepeatingPlan| {
        let days = plan.weekdays().iter().map(|day| Value::Int(i64::from(*day)));
        Value::Object(vec![
            ("weekdays".into(), Value::List(days.collect())),
            ("time".into(), Value::text(plan.time())),
            ("tz".into(), Value::word(plan.tz())),
            ("soc".into(), Value::int(plan.soc().0)),
            ("active".into(), Value::Bool(plan.active)),
        ])
    };
    Value::List(plans.iter().map(plan).collect())
}

/// How the slots of a plan are told; none are the text `null` (api.md §1.5).
pub(super) fn slots_value(slots: &[Rate]) -> Value {
    slots_as("value", slots)
}

/// The same as releases up to 0.122 told it (api.md §3.14).
pub(super) fn priced_value(slots: &[Rate]) -> Value {
    slots_as("price", slots)
}

fn slots_as(value: &str, slots: &[Rate]) -> Value {
    let slot = |rate: &Rate| {
        let time = |at: DateTime<Utc>| Value::time(at).path_text();
        json!({ "start": time(rate.start), "end": time(rate.end), value: price(rate.value) })
    };
    Value::Json(match slots.is_empty() {
        true => Json::Null,
        false => slots.iter().map(slot).collect(),
    })
}

/// The plan of a load point with what it is reckoned from (api.md §3.6).
pub(super) fn details_value(plan: &PlanState) -> Value {
    let id = plan.goal.map_or(0, |goal| goal.id);
    Value::Object(vec![
        ("planId".into(), Value::Int(i64::try_from(id).unwrap_or(i64::MAX))),
        ("planTime".into(), plan.goal.map_or(Value::NO_TIME, |goal| Value::time(goal.time))),
        ("duration".into(), Value::duration(plan.required.unwrap_or_default())),
        ("plan".into(), slots_value(&plan.slots)),
        ("power".into(), Value::from(plan.power)),
    ])
}

/// A whole number has no decimals: `0`, as evcc writes it.
fn price(value: f64) -> Json {
    const EXACT_BELOW: f64 = 9_007_199_254_740_992.0;
    if value.fract() == 0.0 && value.abs() < EXACT_BELOW {
        json!(value as i64)
    } else {
        json!(value)
    }
}

/// A plan is stored in two keys, as evcc does; for a write it needs both.
pub(super) fn join(
    key: &str,
    text: &str,
    stored: &BTreeMap<String, String>,
) -> Option<(String, String)> {
    let (prefix, name) = key.rsplit_once('.').unwrap_or(("", key));
    match name {
        "planTime" => None,
        "planEnergy" | "planSoc" => {
            let value: f64 = text.trim().parse().ok().filter(|value| *value > 0.0)?;
            let time = stored.get(&format!("{prefix}.planTime"))?;
            Some((key.to_owned(), json!({ "time": time, "value": value }).to_string()))
        }
        _ => Some((key.to_owned(), text.to_owned())),
    }
}
