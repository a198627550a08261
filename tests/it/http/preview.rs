//! Previews of plans: the routes of all releases, and the same over MQTT.

use chargebus::api::{Code, write_topic};
use serde_json::{Value as Json, json};

use super::*;

const STATIC: &str = "/api/loadpoints/1/plan/static/preview";
const OLD: &str = "/api/loadpoints/1/plan/preview";
const REPEATING: &str = "/api/loadpoints/1/plan/repeating/preview";

/// Noon is 2026-08-08 12:00 UTC, a Saturday; the car has 75 kWh and 41 %, and prices are flat for
/// four hours.
#[tokio::test]
async fn a_preview_has_the_form_of_a_plan_without_its_id() {
    let facade = Facade::start().await;
    let (status, body) = facade.get(&format!("{STATIC}/soc/80/2026-08-08T15:30:00Z")).await;
    assert_eq!(status, 200, "{body}");
    let plan: Json = serde_json::from_str(&body).unwrap();
    let keys: Vec<_> = plan.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(keys, ["planTime", "duration", "plan", "power"]);
    assert_eq!(plan["planTime"], "2026-08-08T15:30:00Z");
    assert_eq!((&plan["duration"], &plan["power"]), (&json!(11_221), &json!(11_040)));
    let slots = plan["plan"].as_array().unwrap();
    assert_eq!(slots[slots.len() - 1]["end"], "2026-08-08T15:30:00Z");
    assert!(slots.iter().all(|slot| slot["value"] == 0.3), "{plan}");

    let (_, old) = facade.get(&format!("{OLD}/soc/80/2026-08-08T15:30:00Z")).await;
    assert_eq!(old, body, "releases up to 0.131");
    let (_, reached) = facade.get(&format!("{STATIC}/soc/40/2026-08-08T15:30:00Z")).await;
    let reached: Json = serde_json::from_str(&reached).unwrap();
    assert_eq!((&reached["duration"], &reached["plan"]), (&json!(0), &Json::Null));
    // A plus in a path is a plus; the offset is honoured.
    let (_, local) = facade.get(&format!("{STATIC}/soc/80/2026-08-08T17:30:00+02:00")).await;
    assert_eq!(local, body);
}

#[tokio::test]
async fn a_preview_of_a_repeating_plan_tells_its_next_time() {
    let facade = Facade::start().await;
    let path = format!("{REPEATING}/80/1,2/07:30/Europe%2FBerlin");
    let (status, body) = facade.get(&path).await;
    assert_eq!(status, 200, "{body}");
    let plan: Json = serde_json::from_str(&body).unwrap();
    assert_eq!(plan["planTime"], "2026-08-10T05:30:00Z", "Monday morning in summer time");
    assert_eq!(plan["plan"], Json::Null, "its prices are not known yet: there is time");
    let late = format!("{REPEATING}/80/6/17:30/Europe%2FBerlin?precondition=604800");
    let (status, body) = facade.get(&late).await;
    assert_eq!(status, 200, "{body}");
    let plan: Json = serde_json::from_str(&body).unwrap();
    assert_eq!(plan["plan"].as_array().unwrap()[0]["start"], "2026-08-08T12:22:59Z");
}

#[tokio::test]
async fn a_plan_is_told_with_prices_as_up_to_0_122() {
    let facade = Facade::start().await;
    let path = "/api/loadpoints/1/target/plan";
    let (status, body) = facade.get(path).await;
    let plan: Json = serde_json::from_str(&body).unwrap();
    assert_eq!((status, &plan["plan"], &plan["unit"]), (200, &Json::Null, &json!("EUR")), "{body}");
    // Nothing limits the car: the same as a preview up to 100 %.
    let (status, body) = facade.get(&format!("{path}?targetTime=2026-08-08T15:30:00Z")).await;
    assert_eq!(status, 200, "{body}");
    let plan: Json = serde_json::from_str(&body).unwrap();
    let (_, body) = facade.get(&format!("{STATIC}/soc/100/2026-08-08T15:30:00Z")).await;
    let preview: Json = serde_json::from_str(&body).unwrap();
    assert_eq!((&plan["duration"], &plan["power"]), (&preview["duration"], &preview["power"]));
    let (slots, same) = (plan["plan"].as_array().unwrap(), preview["plan"].as_array().unwrap());
    assert_eq!(slots.len(), same.len());
    for (slot, same) in slots.iter().zip(same) {
        let expected =
            json!({ "start": same["start"], "end": same["end"], "price": same["value"] });
        assert_eq!(*slot, expected);
    }
    assert_eq!(facade.get(&format!("{path}?targetTime=soon")).await.0, 400);
    assert_eq!(facade.get("/api/loadpoints/9/target/plan").await.0, 404);
}

#[tokio::test]
async fn what_cannot_be_previewed_is_refused_by_name() {
    let facade = Facade::start().await;
    let time = "2026-08-08T15:30:00Z";
    let calls = [
        (format!("{STATIC}/energy/10/{time}"), 400, "plan a soc"),
        (format!("/api/loadpoints/2/plan/static/preview/soc/80/{time}"), 400, "plan an energy"),
        (format!("/api/loadpoints/9/plan/static/preview/soc/80/{time}"), 404, "no load point 9"),
        (format!("/api/loadpoints/x/plan/static/preview/soc/80/{time}"), 404, "not found"),
        (format!("{STATIC}/range/80/{time}"), 400, "invalid type of plan: range"),
        (format!("{STATIC}/soc/much/{time}"), 400, "invalid number: much"),
        (format!("{STATIC}/soc/101/{time}"), 400, "invalid soc: 101"),
        (format!("{STATIC}/soc/NaN/{time}"), 400, "invalid number: NaN"),
        (format!("{STATIC}/soc/80/tomorrow"), 400, "expected"),
        (format!("{STATIC}/soc/80/{time}?precondition=-1"), 400, "invalid precondition: -1"),
        (format!("{REPEATING}/80/7/07:30/UTC"), 400, "weekday out of range: 7"),
        (format!("{REPEATING}/80/mon/07:30/UTC"), 400, "invalid weekday: mon"),
        (format!("{REPEATING}/80/1/25:30/UTC"), 400, "invalid time: 25:30"),
        (format!("{REPEATING}/80/1/07:30/Mars%2FBase"), 400, "invalid timezone: Mars/Base"),
    ];
    for (path, expected, says) in calls {
        let (status, body) = facade.get(&path).await;
        assert_eq!(status, expected, "{path}: {body}");
        let error: Json = serde_json::from_str(&body).unwrap();
        assert!(error["error"].as_str().unwrap().contains(says), "{path}: {body}");
    }
    let (status, _) = facade.post(&format!("{STATIC}/soc/80/{time}")).await;
    assert_eq!(status, 405);
}

#[test]
fn mqtt_asks_for_the_same_and_is_answered() {
    let mut control = house::fed();
    let (system, now) = (house::system(), house::noon());
    let mut ask = |topic: &str, payload: Json| {
        write_topic(&mut control, &system, now, topic, payload.to_string().as_bytes()).unwrap()
    };
    let topic = "loadpoints/1/planPreview/set";
    let answer = ask(topic, json!({ "soc": 80, "time": "2026-08-08T15:30:00Z", "id": 7 }));
    assert_eq!((answer.code, answer.id.clone()), (Code::Ok, Some(json!(7))), "{}", answer.message);
    let told: Json = serde_json::from_str(&answer.json()).unwrap();
    assert_eq!(told["applied"]["duration"], 11_221);
    let weekly = json!({ "soc": 80, "weekdays": [1, 2], "time": "07:30", "tz": "Europe/Berlin" });
    let told: Json = serde_json::from_str(&ask(topic, weekly).json()).unwrap();
    assert_eq!(told["applied"]["planTime"], "2026-08-10T05:30:00Z");
    for (payload, code) in [
        (json!({ "energy": 10, "time": "2026-08-08T15:30:00Z" }), Code::Refused),
        (json!({ "soc": 80, "energy": 10, "time": "2026-08-08T15:30:00Z" }), Code::InvalidType),
        (json!({ "soc": 80 }), Code::InvalidType),
        (json!({ "soc": 80, "weekdays": "all", "time": "07:30", "tz": "UTC" }), Code::InvalidType),
        (json!("soon"), Code::InvalidType),
    ] {
        let answer = ask(topic, payload.clone());
        assert_eq!(answer.code, code, "{payload}: {}", answer.message);
        assert!(!answer.message.is_empty());
    }
    let payload = json!({ "soc": 80, "time": "2026-08-08T15:30:00Z" });
    let nowhere = ask("loadpoints/9/planPreview/set", payload);
    assert_eq!(nowhere.code, Code::UnknownTopic);
}
