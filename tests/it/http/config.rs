//! `/api/config`: what is read of the configuration, by whom, and that nothing can be written.

use chargebus::config::ApiKey;
use chargebus::model::KeyScope;
use serde_json::{Value as Json, json};

use super::*;

const OWNER: (&str, &str) = ("Authorization", "Bearer owner-key-of-the-configuration");

/// The reference site behind a key of its owner.
async fn start() -> Facade {
    let key = "owner-key-of-the-configuration".to_owned();
    let keys = vec![ApiKey { name: "owner".to_owned(), scope: KeyScope::Admin, key }];
    let api = Api { keys, ..Api::default() };
    let store = Store::memory().unwrap();
    let auth = Auth::new(Mode::Guarded, &api, &mut BTreeMap::new(), store.clone(), Clock::start());
    Facade::with(Settings { auth, ..open() }, store).await
}

async fn read(facade: &Facade, path: &str) -> Json {
    let (status, _, body) = facade.send("GET", path, &[OWNER], "").await;
    assert_eq!(status, 200, "{path}: {body}");
    serde_json::from_str(&body).unwrap()
}

async fn refused(facade: &Facade, method: &str, path: &str) -> (u16, String) {
    let (status, _, body) = facade.send(method, path, &[OWNER], "{}").await;
    let error: Json = serde_json::from_str(&body).unwrap_or_else(|e| panic!("{path}: {e}: {body}"));
    (status, error["error"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn the_calls_of_home_assistant_are_answered() {
    let facade = start().await;
    assert_eq!(
        read(&facade, "/api/config/site").await,
        json!({
            "title": "Zuhause", "grid": "grid", "pv": ["pv1", "pv2"], "battery": ["bat"],
            "aux": [], "ext": [], "consumer": [],
        })
    );
    assert_eq!(
        read(&facade, "/api/config/tariff").await,
        json!({
            "grid": "grid", "feedIn": "feedin", "co2": "", "planner": "", "solar": [],
            "temperature": "",
        })
    );
    // Every device that a list names has a status.
    let mut asked = Vec::new();
    for class in ["vehicle", "charger", "meter", "circuit", "messenger", "tariff"] {
        let devices = read(&facade, &format!("/api/config/devices/{class}")).await;
        for device in devices.as_array().unwrap() {
            let name = device["name"].as_str().unwrap();
            let status = read(&facade, &format!("/api/config/devices/{class}/{name}/status")).await;
            let told = status.as_object().unwrap().values();
            told.for_each(|told| assert!(told.get("value").is_some(), "{class} {name}: {told}"));
            asked.push(format!("{class}/{name}"));
        }
    }
    assert_eq!(
        asked.join(" "),
        "vehicle/tesla vehicle/zoe charger/wb1 charger/wb2 meter/grid meter/pv1 meter/pv2 \
         meter/bat tariff/grid tariff/feedin"
    );
}

#[tokio::test]
async fn load_points_are_told_with_delays_in_nanoseconds() {
    let facade = start().await;
    let all = read(&facade, "/api/config/loadpoints").await;
    let lps = all.as_array().unwrap();
    assert_eq!(lps.len(), 2);
    assert_eq!(read(&facade, "/api/config/loadpoints/2").await, lps[1]);
    let first = &lps[0];
    for (key, value) in [
        ("name", json!("lp-1")),
        ("charger", json!("wb1")),
        ("vehicle", json!("tesla")),
        ("circuit", json!("")),
        ("title", json!("Carport")),
        ("defaultMode", json!("pv")),
        ("minCurrent", json!(6)),
        ("maxCurrent", json!(16)),
        ("planTime", json!("0001-01-01T00:00:00Z")),
        (
            "thresholds",
            json!({
                "enable": { "delay": 60_000_000_000_i64, "threshold": 0 },
                "disable": { "delay": 180_000_000_000_i64, "threshold": 0 },
            }),
        ),
        ("soc", json!({ "poll": { "mode": "always", "interval": 0 }, "estimate": true })),
    ] {
        assert_eq!(first[key], value, "{key}");
    }
    assert_eq!(lps[1]["phasesConfigured"], 3);
    // What is changed while we run is told as it is.
    let (status, _, body) =
        facade.send("POST", "/api/loadpoints/1/enable/delay/90", &[OWNER], "").await;
    assert_eq!(status, 200, "{body}");
    let first = read(&facade, "/api/config/loadpoints/1").await;
    assert_eq!(first["thresholds"]["enable"]["delay"], 90_000_000_000_i64);
}

#[tokio::test]
async fn a_status_tells_values_and_what_is_wrong_with_them() {
    let facade = start().await;
    let status =
        async |device: &str| read(&facade, &format!("/api/config/devices/{device}/status")).await;
    let grid = status("meter/grid").await;
    assert_eq!(grid["power"], json!({ "value": -3000 }));
    assert_eq!(grid["phaseCurrents"], json!({ "value": [-4, -4, -5] }));
    let battery = status("meter/bat").await;
    assert_eq!((&battery["soc"]["value"], &battery["capacity"]["value"]), (&json!(55), &json!(10)));
    assert_eq!(battery["controllable"]["value"], true);
    let charger = status("charger/wb1").await;
    assert_eq!(charger["chargeStatus"]["value"], "B");
    assert_eq!(charger["energy"]["value"], 123.4);
    assert_eq!(charger["phases1p3p"]["value"], true);
    let car = status("vehicle/tesla").await;
    assert_eq!((&car["soc"]["value"], &car["range"]["value"]), (&json!(41), &json!(210.5)));
    // A car that never said anything has no value, not a zero.
    let silent = status("vehicle/zoe").await;
    assert_eq!(silent, json!({ "capacity": { "value": 52 } }));
}

#[test]
fn what_is_old_or_was_never_said_is_told_as_an_error() {
    let (system, mut control) = (house::system(), house::control());
    let told = |control: &Control, now| -> Json {
        let view = View { control, system: &system, now };
        let status = api::setup::status(&view, api::setup::Class::Meter, "grid").unwrap();
        serde_json::from_str(&status.json()).unwrap()
    };
    let power = told(&control, house::noon())["power"].clone();
    assert_eq!(power, json!({ "value": null, "error": "not told yet" }));
    control = house::fed();
    let later = house::noon().later(Duration::from_secs(86_400));
    assert_eq!(told(&control, later)["power"], json!({ "value": -3000, "error": "outdated" }));
}

#[tokio::test]
async fn what_there_is_not_is_refused_and_the_remedy_named() {
    let facade = start().await;
    for (method, path, expected, says) in [
        ("GET", "/api/config/devices/boiler", 400, "meter, charger"),
        ("GET", "/api/config/devices/boiler/x/status", 400, "meter, charger"),
        ("GET", "/api/config/templates/boiler", 400, "meter, charger"),
        ("GET", "/api/config/devices/meter/nobody/status", 404, "evcc.yaml"),
        ("GET", "/api/config/devices/tariff/co2/status", 404, "evcc.yaml"),
        ("GET", "/api/config/loadpoints/3", 404, "no such load point"),
        ("GET", "/api/config/loadpoints/0", 404, "no such load point"),
        ("GET", "/api/config/loadpoints/x", 404, "not found"),
        ("GET", "/api/config/evcc.yaml", 404, "not found"),
        ("PUT", "/api/config/site", 501, "edit evcc.yaml and restart"),
        ("DELETE", "/api/config/loadpoints/1", 501, "edit evcc.yaml and restart"),
        ("POST", "/api/config/devices/meter", 501, "edit evcc.yaml and restart"),
        ("POST", "/api/config/mqtt", 501, "edit evcc.yaml and restart"),
        ("POST", "/api/config/test/meter", 501, "edit evcc.yaml and restart"),
    ] {
        let (status, error) = refused(&facade, method, path).await;
        assert_eq!(status, expected, "{method} {path}: {error}");
        assert!(error.contains(says), "{method} {path}: {error}");
    }
    for path in ["/api/config/templates/charger", "/api/config/products/meter"] {
        assert_eq!(read(&facade, path).await, json!([]));
    }
    assert_eq!(read(&facade, "/api/config/dirty").await, json!(false));
}

#[tokio::test]
async fn only_the_owner_reads_the_configuration() {
    let facade = start().await;
    for row in api::OPERATIONS.iter().filter(|row| row.path.starts_with("/api/config/")) {
        let path = row.path.replace("{class}", "meter").replace("{name}", "grid");
        let (status, body) = facade.get(&path.replace("{id}", "1")).await;
        assert_eq!((status, body.trim()), (401, "Unauthorized"), "{path}");
    }
}

/// Of what the program tells of its configuration elsewhere, only the messengers' names stand here.
#[test]
fn messengers_are_named_and_nothing_else_of_them() {
    let member = |key: &'static str| (key.into(), api::Value::text("spy"));
    let names = api::Value::List(vec![api::setup::device("telegram", "", None)]);
    let mut system = house::system();
    for key in ["influx", "mqtt", "messaging"] {
        let secrets = ["user", "password", "token"].map(member);
        system.about.sections.push((key, api::Value::Object(secrets.into())));
    }
    system.about.sections.push(("messengers", names));
    let control = house::fed();
    let view = View { control: &control, system: &system, now: house::noon() };
    let mut all = api::setup::site(&view).json() + &api::setup::loadpoints(&view).json();
    for class in api::setup::Class::SPELLINGS {
        all += &api::setup::devices(&view, class.parse().unwrap()).json();
    }
    assert!(all.contains(r#"[{"name":"telegram"}]"#), "{all}");
    assert!(!all.contains("spy"), "{all}");
    let status = |name| api::setup::status(&view, api::setup::Class::Messenger, name);
    assert!(status("telegram").is_some() && status("ntfy").is_none());
}

#[tokio::test]
async fn no_password_token_or_user_appears() {
    let facade = start().await;
    let mut all = String::new();
    for row in api::OPERATIONS.iter().filter(|row| row.path.starts_with("/api/config/")) {
        for class in api::setup::Class::SPELLINGS {
            let path = row.path.replace("{class}", class).replace("{id}", "1");
            let path = path.replace("{name}", if *class == "meter" { "grid" } else { "wb1" });
            all.push_str(&facade.send("GET", &path, &[OWNER], "").await.2);
        }
    }
    assert!(all.contains("\"wb1\"") && all.contains("\"lp-2\""), "{all}");
    let words = ["password", "token", "\"user", "broker", "secret", "***", OWNER.1];
    words.iter().for_each(|word| assert!(!all.to_lowercase().contains(word), "{word}: {all}"));
}

#[tokio::test]
async fn older_reads_and_the_version_are_answered() {
    let facade = Facade::start().await;
    for path in ["/api/settings/telemetry", "/api/telemetry"] {
        assert_eq!(facade.get(path).await, (200, "false\n".to_owned()), "{path}");
    }
    assert_eq!(facade.post("/api/telemetry/true").await.0, 200);
    assert_eq!(facade.get("/api/settings/telemetry").await.1, "true\n", "the switch is kept");
    let (status, body) = facade.get("/api/version").await;
    let told: Json = serde_json::from_str(&body).unwrap();
    assert_eq!(status, 200);
    assert_eq!(told["dialects"], json!([told["emulated"], "0.130"]));
    let state: Json = serde_json::from_str(&facade.get("/api/state").await.1).unwrap();
    assert_eq!(told["version"], state["version"]);
    assert!(told["version"].as_str().unwrap().starts_with(told["emulated"].as_str().unwrap()));
}
