//! Plans that nobody made: what is asked over REST or MQTT, and the answer (api.md §3.3, §3.6, §3.14).

use serde_json::{Value as Json, json};

use crate::control::{Refusal, Strategy, Wanted};
use crate::model::{KilowattHours, LoadPointIx, Percent};

use super::Value;
use super::field::View;
use super::goal::{self, Goal};
use super::topic::Place;
use super::write::{Answer, Code};

/// The word before `/set` of the request over MQTT.
const WORD: &str = "planPreview";
/// What a request over MQTT looks like.
const FORM: &str = r#"expected {"soc": 80, "time": "2031-01-01T06:00:00Z"}, {"energy": …}, or {"soc": 80, "weekdays": [1], "time": "06:00", "tz": "Europe/Berlin"}"#;
/// No session of a car comes near this.
const ENERGY_MAX: f64 = 10_000.0;

/// A plan for one time: `what` is `soc` or `energy`, `time` is RFC 3339.
///
/// # Errors
/// What cannot be read, by name.
pub fn wanted(what: &str, value: &str, time: &str) -> Result<Wanted, Refusal> {
    let number = number(value)?;
    once(what, number, &json!({ "time": time, "value": number }))
}

/// The next occurrence of a repeating plan: `weekdays` are numbers with commas, 0 is Sunday.
///
/// # Errors
/// What cannot be read, by name.
pub fn repeating(soc: &str, weekdays: &str, time: &str, tz: &str) -> Result<Wanted, Refusal> {
    let day = |day: &str| day.trim().parse::<i64>().map_err(|_| malformed("weekday", day));
    let days: Vec<i64> = weekdays.split(',').map(day).collect::<Result<_, _>>()?;
    occurrence(&json!({ "soc": number(soc)?, "weekdays": days, "time": time, "tz": tz }))
}

/// How it would be carried out, if a query says so: `continuous` is a bool, `precondition` seconds.
///
/// # Errors
/// What cannot be read, by name.
pub fn strategy(
    continuous: Option<&str>,
    precondition: Option<&str>,
) -> Result<Option<Strategy>, Refusal> {
    if continuous.is_none() && precondition.is_none() {
        return Ok(None);
    }
    let flag = |text: &str| text.parse::<bool>().map_err(|_| malformed("continuous", text));
    let seconds = |text: &str| text.parse::<u64>().map_err(|_| malformed("precondition", text));
    let continuous = continuous.map(flag).transpose()?.unwrap_or_default();
    let precondition = precondition.map(seconds).transpose()?.unwrap_or_default();
    let json = json!({ "continuous": continuous, "precondition": precondition });
    goal::strategy(&json).map(Some)
}

/// What such a plan would be like: planTime, duration, plan, power.
///
/// # Errors
/// There is no such load point, or its vehicle is planned for in the other way.
pub fn preview(
    view: &View<'_>,
    number: usize,
    wanted: &Wanted,
    strategy: Option<Strategy>,
) -> Result<Value, Box<Answer>> {
    let ix = Place::LoadPoint(number).index(view.control)?;
    let preview = view.control.preview(view.now, LoadPointIx(ix), wanted, strategy);
    let plan = preview.map_err(|refusal| refused(&refusal))?;
    Ok(Value::Object(vec![
        ("planTime".into(), Value::time(plan.time)),
        ("duration".into(), Value::duration(plan.required.unwrap_or_default())),
        ("plan".into(), goal::slots_value(&plan.slots)),
        ("power".into(), Value::from(plan.power)),
    ]))
}

/// The plan as releases up to 0.122 told it (api.md §3.14): of the goal that counts, or with `time` of
/// the limit that is set, reached by then.
///
/// # Errors
/// There is no such load point, the time cannot be read, or there is no such plan for its vehicle.
pub fn target_plan(
    view: &View<'_>,
    number: usize,
    time: Option<&str>,
) -> Result<Value, Box<Answer>> {
    let ix = Place::LoadPoint(number).index(view.control)?;
    let lp = &view.control.loadpoints()[ix];
    let (required, slots, power) = match time {
        None => (lp.plan.required, lp.plan.slots.clone(), lp.plan.power),
        Some(time) => {
            let by = |what: &str, limit: f64| {
                once(what, limit, &json!({ "time": time })).and_then(|wanted| {
                    view.control.preview(view.now, LoadPointIx(ix), &wanted, None)
                })
            };
            // By SoC where that is known, else by the energy that is set.
            let energy = lp.settings.limit_energy.0;
            let plan = by("soc", lp.effective.limit_soc.0)
                .or_else(|refusal| if energy > 0.0 { by("energy", energy) } else { Err(refusal) })
                .map_err(|refusal| refused(&refusal))?;
            (plan.required, plan.slots, plan.power)
        }
    };
    Ok(Value::Object(vec![
        ("duration".into(), Value::duration(required.unwrap_or_default())),
        ("plan".into(), goal::priced_value(&slots)),
        ("unit".into(), Value::text(&view.system.currency)),
        ("power".into(), Value::from(power)),
    ]))
}

/// The answer to a request over MQTT, if the topic below the root is one: `applied` is the plan.
pub(super) fn answer(view: &View<'_>, topic: &str, text: &str) -> Option<Box<Answer>> {
    let topic = topic.strip_suffix("/set").unwrap_or(topic);
    let number = topic.strip_prefix("loadpoints/")?.strip_suffix(WORD)?.strip_suffix('/')?;
    let number: usize = number.parse().ok()?;
    let json: Json = serde_json::from_str(text).unwrap_or_default();
    let plan = asked(&json)
        .map_err(|refusal| refused(&refusal))
        .and_then(|(wanted, strategy)| preview(view, number, &wanted, strategy));
    let mut answer = match plan {
        Ok(plan) => {
            let mut answer = Answer::refusal(Code::Ok, "");
            answer.reply = plan.clone();
            answer.applied = plan;
            answer
        }
        Err(answer) => answer,
    };
    answer.id = json.get("id").cloned();
    Some(answer)
}

fn asked(json: &Json) -> Result<(Wanted, Option<Strategy>), Refusal> {
    let keys = ["continuous", "precondition"];
    let own = keys.iter().any(|key| json.get(key).is_some());
    let strategy = own.then(|| goal::strategy(json)).transpose()?;
    let form = || Refusal::Malformed(FORM.to_owned());
    let number = |key: &str| json.get(key).and_then(Json::as_f64);
    let wanted = match (number("soc"), number("energy")) {
        (Some(_), None) if json.get("weekdays").is_some() => occurrence(json)?,
        (Some(soc), None) => once("soc", soc, json)?,
        (None, Some(energy)) => once("energy", energy, json)?,
        (Some(_), Some(_)) | (None, None) => return Err(form()),
    };
    Ok((wanted, strategy))
}

fn once(what: &str, value: f64, json: &Json) -> Result<Wanted, Refusal> {
    let timed = json!({ "time": json["time"], "value": 1 });
    let Goal::Set(_, Some(time)) = goal::goal(&timed)? else {
        return Err(Refusal::Malformed("time: expected RFC 3339".to_owned()));
    };
    match what {
        "soc" if (0.0..=100.0).contains(&value) => Ok(Wanted::Soc(Percent(value), time)),
        "soc" => Err(malformed("soc", &value.to_string())),
        "energy" if (0.0..=ENERGY_MAX).contains(&value) => {
            Ok(Wanted::Energy(KilowattHours(value), time))
        }
        "energy" => Err(malformed("energy", &value.to_string())),
        other => Err(malformed("type of plan", other)),
    }
}

fn occurrence(json: &Json) -> Result<Wanted, Refusal> {
    let mut plan = json.clone();
    plan["active"] = true.into();
    let plans = goal::repeating(&Json::Array(vec![plan]))?;
    plans.into_iter().next().map(Wanted::Repeating).ok_or(Refusal::NoWeekday)
}

fn number(text: &str) -> Result<f64, Refusal> {
    let number = text.parse::<f64>().ok().filter(|number| number.is_finite());
    number.ok_or_else(|| malformed("number", text))
}

fn malformed(what: &str, text: &str) -> Refusal {
    let text: String = text.chars().take(64).collect();
    Refusal::Malformed(format!("invalid {what}: {text}"))
}

fn refused(refusal: &Refusal) -> Box<Answer> {
    let malformed = matches!(refusal, Refusal::Malformed(_));
    let code = if malformed { Code::InvalidType } else { Code::Refused };
    Answer::refusal(code, refusal.to_string())
}
