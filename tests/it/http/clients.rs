//! What each known client calls (api.md §3.15), as it calls it: one list, in the order of a user who
//! tries everything once. The configuration that Home Assistant reads is in `config`.

use serde_json::Value as Json;

use super::*;

/// Method, path below the prefix, body, status and answer; an empty answer is any JSON or text.
type Call = (&'static str, &'static str, &'static str, u16, &'static str);

/// Home Assistant's integration, which sends times with milliseconds and booleans as 0 and 1.
const HOME_ASSISTANT: &[Call] = &[
    ("GET", "/api/state", "", 200, ""),
    ("GET", "/api/auth/status", "", 501, "Not implemented"),
    ("GET", "/api/sessions", "", 200, "[]"),
    ("GET", "/api/tariff/grid", "", 200, ""),
    ("GET", "/api/tariff/feedin", "", 200, ""),
    ("GET", "/api/tariff/planner", "", 200, ""),
    ("GET", "/api/tariff/solar", "", 404, r#"{"error":"tariff not available"}"#),
    ("POST", "/api/batterymode/hold", "", 200, "2"),
    ("DELETE", "/api/batterymode", "", 200, "0"),
    ("POST", "/api/batterydischargecontrol/1", "", 200, "true"),
    ("POST", "/api/batterydischargecontrol/0", "", 200, "false"),
    ("POST", "/api/residualpower/-100", "", 200, "-100"),
    ("POST", "/api/prioritysoc/50", "", 200, "50"),
    ("POST", "/api/buffersoc/80", "", 200, "80"),
    ("POST", "/api/bufferstartsoc/90", "", 200, "90"),
    ("POST", "/api/batterygridchargelimit/-0.05", "", 200, "-0.05"),
    ("DELETE", "/api/batterygridchargelimit", "", 200, "null"),
    ("POST", "/api/loadpoints/1/mode/pv", "", 200, r#""pv""#),
    ("POST", "/api/loadpoints/1/limitsoc/80", "", 200, "80"),
    ("POST", "/api/loadpoints/1/limitenergy/12.5", "", 200, "12.5"),
    ("POST", "/api/loadpoints/1/phases/3", "", 200, "3"),
    ("POST", "/api/loadpoints/1/mincurrent/8", "", 200, "8"),
    ("POST", "/api/loadpoints/1/maxcurrent/14", "", 200, "14"),
    ("POST", "/api/loadpoints/1/batteryboost/1", "", 200, "true"),
    ("POST", "/api/loadpoints/1/batteryboostlimit/40", "", 200, "40"),
    ("POST", "/api/loadpoints/1/enable/threshold/-500", "", 200, "-500"),
    ("POST", "/api/loadpoints/1/disable/threshold/200", "", 200, "200"),
    ("POST", "/api/loadpoints/1/enable/delay/60", "", 200, "60000000000"),
    ("POST", "/api/loadpoints/1/disable/delay/180", "", 200, "180000000000"),
    ("POST", "/api/loadpoints/1/priority/3", "", 200, "3"),
    ("POST", "/api/loadpoints/1/smartcostlimit/0.15", "", 200, "0.15"),
    ("DELETE", "/api/loadpoints/1/smartcostlimit", "", 200, "null"),
    ("POST", "/api/loadpoints/1/smartfeedinprioritylimit/0.05", "", 200, "0.05"),
    ("DELETE", "/api/loadpoints/1/smartfeedinprioritylimit", "", 200, "null"),
    ("POST", "/api/loadpoints/1/vehicle/zoe", "", 200, r#"{"vehicle":"Zoe"}"#),
    ("DELETE", "/api/loadpoints/1/vehicle", "", 200, "{}"),
    ("PATCH", "/api/loadpoints/1/vehicle", "", 200, "{}"),
    ("POST", "/api/loadpoints/1/vehicle/tesla", "", 200, r#"{"vehicle":"Blauer Tesla"}"#),
    ("GET", "/api/loadpoints/1/plan/static/preview/soc/80/2031-01-01T07:00:00.000Z", "", 200, ""),
    (
        "POST",
        "/api/loadpoints/1/plan/energy/9.5/2031-01-01T07:00:00.000Z",
        "",
        200,
        r#"{"energy":9.5,"time":"2031-01-01T07:00:00Z"}"#,
    ),
    ("DELETE", "/api/loadpoints/1/plan/energy", "", 200, "{}"),
    (
        "POST",
        "/api/loadpoints/1/plan/strategy",
        r#"{"continuous":true,"precondition":1800}"#,
        200,
        r#"{"continuous":true,"precondition":1800}"#,
    ),
    ("POST", "/api/loadpoints/1/alwayscharge/on", "", 200, r#""on""#),
    ("POST", "/api/vehicles/tesla/limitsoc/80", "", 200, r#"{"soc":80}"#),
    ("POST", "/api/vehicles/tesla/minsoc/20", "", 200, r#"{"soc":20}"#),
    (
        "POST",
        "/api/vehicles/tesla/plan/soc/90/2031-01-01T07:00:00.000Z",
        "",
        200,
        r#"{"soc":90,"time":"2031-01-01T07:00:00Z"}"#,
    ),
    ("DELETE", "/api/vehicles/tesla/plan/soc", "", 200, "{}"),
    (
        "POST",
        "/api/vehicles/tesla/plan/repeating",
        r#"[{"weekdays":[1,5],"time":"07:00","tz":"Europe/Berlin","soc":80,"active":true}]"#,
        200,
        r#"[{"weekdays":[1,5],"time":"07:00","tz":"Europe/Berlin","soc":80,"active":true}]"#,
    ),
    (
        "POST",
        "/api/vehicles/tesla/plan/strategy",
        "{}",
        200,
        r#"{"continuous":false,"precondition":0}"#,
    ),
    ("POST", "/api/system/shutdown", "", 401, "Unauthorized"),
];

/// The user interface beyond that, and the app on a phone or a watch.
const USER_INTERFACE: &[Call] = &[
    ("GET", "/api/state?jq=.siteTitle", "", 200, r#""Zuhause""#),
    ("GET", "/api/state?jq=.loadpoints%5B0%5D.title", "", 200, r#""Carport""#),
    (
        "GET",
        "/api/state?jq=%7Badjusted%3A.solarAdjusted%2Csolar%3A.forecast.solar%7D",
        "",
        200,
        r#"{"adjusted":false,"solar":null}"#,
    ),
    ("GET", "/api/sessions?format=csv&lang=de&year=2026&month=8", "", 200, ""),
    ("GET", "/api/gridsessions", "", 200, "[]"),
    ("GET", "/api/history/energy?aggregate=hour&grouped=true", "", 200, "[]"),
    ("GET", "/api/loadpoints/1/plan", "", 200, ""),
    ("POST", "/api/smartcostlimit/0.2", "", 200, "0.2"),
    ("DELETE", "/api/smartcostlimit", "", 200, "null"),
    ("POST", "/api/smartfeedinprioritylimit/0.1", "", 200, "0.1"),
    ("DELETE", "/api/smartfeedinprioritylimit", "", 200, "null"),
    ("POST", "/api/batterygriddischarge/true", "", 200, "true"),
    ("POST", "/api/gridexportlimit/5000", "", 200, "5000"),
    ("POST", "/api/solaradjusted/true", "", 200, "true"),
    ("POST", "/api/optimizerchargingstrategy/none", "", 200, r#""none""#),
    ("POST", "/api/optimize", "", 200, r#"{"error":"there is no optimizer"}"#),
    ("POST", "/api/settings/telemetry/false", "", 200, "false"),
    (
        "PUT",
        "/api/devicecolors",
        r##"{"title":"pv1","color":"#ff0000"}"##,
        200,
        r##"{"pv1":"#ff0000"}"##,
    ),
    ("POST", "/api/loadpoints/1/mintemp/20", "", 200, "20"),
    ("POST", "/api/vehicles/tesla/mode/pv", "", 200, r#"{"mode":"pv"}"#),
    ("DELETE", "/api/vehicles/tesla/mode", "", 200, r#"{"mode":""}"#),
    ("DELETE", "/api/session/1", "", 200, "null"),
    ("POST", "/api/auth/logout", "", 200, ""),
];

/// evcc-dart, which expects the dialect of 0.130.
const DART: &[Call] = &[
    ("GET", "/api/health", "", 200, "OK"),
    ("GET", "/api/state", "", 200, ""),
    ("GET", "/api/settings/telemetry", "", 200, r#"{"result":false}"#),
    ("GET", "/api/sessions", "", 200, r#"{"result":[]}"#),
    ("POST", "/api/batterydischargecontrol/true", "", 200, r#"{"result":true}"#),
    ("POST", "/api/batterygridchargelimit/0.1", "", 200, r#"{"result":0.1}"#),
    ("DELETE", "/api/batterygridchargelimit", "", 200, r#"{"result":null}"#),
    ("POST", "/api/loadpoints/1/vehicle/zoe", "", 200, r#"{"result":{"vehicle":"Zoe"}}"#),
    ("POST", "/api/loadpoints/1/phases/1", "", 200, r#"{"result":1}"#),
    ("GET", "/api/loadpoints/1/plan", "", 200, ""),
    (
        "GET",
        "/api/loadpoints/2/plan/repeating/preview/80/1,2/07:00/Europe%2FBerlin",
        "",
        400,
        r#"{"error":"soc or capacity of the vehicle is not known: plan an energy"}"#,
    ),
    ("POST", "/api/vehicles/zoe/minsoc/20", "", 200, r#"{"result":{"soc":20}}"#),
    ("PUT", "/api/session/1", r#"{"vehicle":"Zoe"}"#, 200, ""),
];

#[tokio::test]
async fn what_each_client_calls_is_answered() {
    for (prefix, calls) in [("", HOME_ASSISTANT), ("", USER_INTERFACE), ("/legacy", DART)] {
        let facade = Facade::start().await;
        for (method, path, sent, status, answer) in calls {
            let (told, head, body) =
                facade.send(method, &format!("{prefix}{path}"), &[], sent).await;
            let body = body.trim_end();
            assert_eq!(told, *status, "{method} {path}: {body}");
            assert!(head.contains("content-length: "), "{method} {path}: {head}");
            let json = head.contains("content-type: application/json") && !body.is_empty();
            assert!(!json || serde_json::from_str::<Json>(body).is_ok(), "{path}: {body}");
            assert!(answer.is_empty() || body == *answer, "{method} {path}: {body}");
        }
    }
}
