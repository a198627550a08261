//! The dialect of evcc 0.130 and before, made from ours: answers within `result`, the home battery as
//! a list, prices called `price` (api.md §0.5, §3.14).

use serde_json::{Map, Value as Json, json};

/// Where this dialect is spoken.
pub const PREFIX: &str = "/legacy";
/// The last release that spoke it.
pub const RELEASE: &str = "0.130";

/// The whole state as it was told then.
pub fn state(now: Json) -> Json {
    let Json::Object(members) = now else { return now };
    Json::Object(members.into_iter().filter_map(|(key, value)| member(key, value)).collect())
}

/// The answer of a route.
pub fn answer(now: Json) -> Json {
    json!({ "result": prices(now) })
}

/// A WebSocket frame as it was sent then; `None` if nothing of it existed.
pub fn frame(now: Json) -> Option<Json> {
    let Json::Object(then) = state(now) else { return None };
    (!then.is_empty()).then_some(Json::Object(then))
}

/// What became of a member of the state; `None` for those that came later under another name.
fn member(key: String, value: Json) -> Option<(String, Json)> {
    match key.as_str() {
        "grid" | "forecast" => None,
        _ if key.starts_with("forecast.") => None,
        "battery" => Some((key, batteries(value))),
        "loadpoints" => {
            let Json::Array(loadpoints) = value else { return Some((key, value)) };
            Some((key, loadpoints.into_iter().map(prices).collect()))
        }
        _ if key.ends_with(".plan") => Some((key, prices(value))),
        _ => Some((key, value)),
    }
}

/// `battery` was the list of its devices.
fn batteries(now: Json) -> Json {
    match now {
        Json::Object(mut battery) => battery.remove("devices").unwrap_or_else(|| json!([])),
        Json::Null => json!([]),
        other @ (Json::Bool(_) | Json::Number(_) | Json::String(_) | Json::Array(_)) => other,
    }
}

/// Rates had a `price`; everything else stays.
fn prices(now: Json) -> Json {
    match now {
        Json::Object(members) => {
            let rate = ["start", "end", "value"].iter().all(|key| members.contains_key(*key));
            let then = members.into_iter().map(|(key, value)| match key.as_str() {
                "value" if rate => ("price".to_owned(), value),
                _ => (key, prices(value)),
            });
            Json::Object(then.collect::<Map<_, _>>())
        }
        Json::Array(items) => items.into_iter().map(prices).collect(),
        other @ (Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_)) => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_has_its_old_shape() {
        let now = json!({
            "siteTitle": "Home", "grid": {"power": 1}, "gridPower": 1, "forecast": {"grid": []},
            "battery": {"power": 2, "soc": 50, "devices": [{"power": 2, "soc": 50}]},
            "loadpoints": [{"mode": "pv", "plan": [{"start": "a", "end": "b", "value": 0.2}]}],
        });
        let then = json!({
            "siteTitle": "Home", "gridPower": 1, "battery": [{"power": 2, "soc": 50}],
            "loadpoints": [{"mode": "pv", "plan": [{"start": "a", "end": "b", "price": 0.2}]}],
        });
        assert_eq!(state(now), then);
        assert_eq!(state(json!({"battery": null})), json!({"battery": []}));
    }

    #[test]
    fn answers_are_wrapped_and_frames_thinned() {
        assert_eq!(answer(json!(50)), json!({"result": 50}));
        let rates = json!({"rates": [{"start": "a", "end": "b", "value": 0.2}]});
        let then = json!({"result": {"rates": [{"start": "a", "end": "b", "price": 0.2}]}});
        assert_eq!(answer(rates), then);
        assert_eq!(frame(json!({"forecast.grid": []})), None);
        assert_eq!(frame(json!({"grid": {}, "pvPower": 3})), Some(json!({"pvPower": 3})));
        let goal = json!({"value": 3, "time": "x"});
        assert_eq!(answer(goal.clone()), json!({"result": goal}), "not every value is a price");
    }
}
