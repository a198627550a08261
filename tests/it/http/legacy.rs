//! `/legacy`: the dialect of evcc 0.130, line by line as it was recorded.

use futures_util::StreamExt as _;
use serde_json::Value as Json;
use tokio_tungstenite::connect_async;

use super::*;

/// Status with which we answer differently, why, and the calls.
const DIFFERENT: &[(u16, &str, &[&str])] = &[
    (400, "values out of range are refused", &["loadpoints/1/limitsoc/101"]),
    (200, "enums ignore case", &["loadpoints/1/mode/PV"]),
    (
        200,
        "routes and values that came later are taken as well",
        &[
            "residualpower/1e3",
            "gridexportlimit/5000",
            "gridexportlimit/0",
            "batterydischargecontrol/1",
            "batterydischargecontrol/0",
            "batterygriddischarge/true",
            "batterygriddischarge/false",
            "solaradjusted/true",
            "solaradjusted/false",
            "smartfeedinprioritylimit/0.1",
            "smartfeedinprioritylimit",
            "loadpoints/1/minsoc/20",
            "loadpoints/1/minsoc/0",
            "loadpoints/1/mintemp/20",
            "loadpoints/1/mintemp/0",
            "loadpoints/1/enable/delay/30",
            "loadpoints/1/enable/delay/60",
            "loadpoints/1/smartfeedinprioritylimit/0.1",
            "loadpoints/1/smartfeedinprioritylimit",
            "loadpoints/1/priority/3",
            "loadpoints/1/priority/0",
        ],
    ),
];
/// The answer is the value that was set, not the phases that happen to be active.
const OTHER_VALUE: &[&str] = &["loadpoints/1/phases/0", "loadpoints/1/phases/3"];
/// A wrong method on a known path is told, and HEAD is GET without a body.
const METHODS: &[(&str, &str, u16)] =
    &[("POST", "state", 405), ("GET", "prioritysoc/50", 405), ("HEAD", "state", 200)];
/// Held elsewhere, or later than 0.130.
const ELSEWHERE: &[&str] = &["history", "session/", "settings"];

#[tokio::test]
async fn recorded_calls_are_answered_in_their_dialect() {
    let facade = Facade::start().await;
    let mut compared = 0;
    for line in include_str!("../../data/evcc-0.130-rest.jsonl").lines() {
        let call: Json = serde_json::from_str(line).unwrap();
        let (method, path) = (call["method"].as_str().unwrap(), call["path"].as_str().unwrap());
        let below = path.strip_prefix("/api/").unwrap();
        if ELSEWHERE.iter().any(|part| below.contains(part)) {
            continue;
        }
        compared += 1;
        let (status, _, body) = facade.call(method, &format!("/legacy{path}")).await;
        let other = DIFFERENT.iter().find(|(_, _, calls)| calls.contains(&below));
        let other = other.map(|(status, ..)| *status).or_else(|| {
            METHODS.iter().find(|(m, p, _)| (*m, *p) == (method, below)).map(|found| found.2)
        });
        if let Some(other) = other {
            assert_eq!(status, other, "{method} {path}: {body}");
            continue;
        }
        match call["status"].as_u64().unwrap() {
            200 if below == "state" => assert!(body.starts_with("{\"result\":{"), "{body}"),
            200 if OTHER_VALUE.contains(&below) => {
                let written = below.rsplit('/').next().unwrap();
                assert_eq!(body, format!("{{\"result\":{written}}}\n"), "{path}");
            }
            200 => assert_eq!((status, &*body), (200, call["answer"].as_str().unwrap()), "{path}"),
            // What cannot be read is 404 there; on a known route it is 400 here (§3.1).
            404 => assert!([400, 404].contains(&status), "{method} {path}: {status} {body}"),
            expected => assert_eq!(u64::from(status), expected, "{method} {path}: {body}"),
        }
    }
    assert_eq!(compared, 98, "calls in scope");
}

#[tokio::test]
async fn the_state_has_the_keys_it_had() {
    let facade = Facade::start().await;
    let (_, body) = facade.get("/legacy/api/state").await;
    let state = &serde_json::from_str::<Json>(&body).unwrap()["result"];
    let pairs = [
        ("gridPower", "-3000"),
        ("batteryPower", "-200"),
        ("batterySoc", "55"),
        ("grid", "null"),
        ("forecast", "null"),
    ];
    for (key, value) in pairs {
        assert_eq!(state[key].to_string(), value, "{key}");
    }
    assert_eq!(state["battery"][0]["soc"], 55.0);
    assert!(state["loadpoints"][0]["phasesEnabled"].is_number());
    let cut = facade.get("/legacy/api/state?jq=.result.battery[0].soc").await;
    assert_eq!(cut, (200, "55\n".to_owned()), "jq sees the old shape and is not wrapped");
    let (_, rates) = facade.get("/legacy/api/tariff/grid").await;
    let rates: Json = serde_json::from_str(&rates).unwrap();
    assert_eq!(rates["result"]["rates"][0]["price"], 0.3, "{rates}");
}

/// A client whose addresses cannot be changed is served without the prefix (api.md §3.14).
#[tokio::test]
async fn the_configuration_can_choose_the_dialect_for_all() {
    let settings = Settings { dialect: Dialect::Wrapped, ..open() };
    let facade = Facade::with(settings, Store::memory().unwrap()).await;
    let wrapped = (200, "{\"result\":\"now\"}\n".to_owned());
    assert_eq!(facade.post("/api/loadpoints/1/mode/now").await, wrapped);
    assert_eq!(facade.post("/legacy/api/loadpoints/1/mode/now").await, wrapped);
    let (_, body) = facade.get("/api/state").await;
    assert!(body.starts_with("{\"result\":{") && body.contains("\"battery\":[{"), "{body}");
    assert_eq!(facade.get("/api/auth/status").await.0, 501, "nothing to wrap");
    assert!(first_frame(&facade, "/ws").await["battery"].is_array());
    let (_, document) = facade.get("/api/openapi.json").await;
    assert!(document.starts_with("{\"openapi\""), "documents are ours");
}

/// A login's state was a bare word already in 0.125.
#[tokio::test]
async fn the_status_of_a_login_is_not_wrapped() {
    let facade = Facade::start().await;
    let (status, ..) =
        facade.send("PUT", "/api/auth/password", &[], r#"{"current":"","new":"pass word"}"#).await;
    assert_eq!(status, 201);
    assert_eq!(facade.get("/legacy/api/auth/status").await, (200, "false\n".to_owned()));
}

async fn first_frame(facade: &Facade, path: &str) -> Json {
    let url = format!("ws://{}{path}", facade.address);
    let mut client = timeout(DEADLINE, connect_async(url)).await.unwrap().unwrap().0;
    let first = timeout(DEADLINE, client.next()).await.unwrap().unwrap().unwrap();
    serde_json::from_str(first.to_text().unwrap()).unwrap()
}

#[tokio::test]
async fn frames_have_the_old_shape() {
    let facade = Facade::start().await;
    let first = first_frame(&facade, "/legacy/ws").await;
    assert_eq!(first["battery"][0]["soc"], 55.0);
    assert_eq!((&first["grid"], first["gridPower"].as_f64()), (&Json::Null, Some(-3000.0)));
}
