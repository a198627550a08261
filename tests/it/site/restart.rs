//! What a restart must not lose.

use std::time::Duration;

use chargebus::edges::store::Store;
use chargebus::model::{EnergyGroup, KilowattHours, RunningEnergy, RunningSlot};
use chrono::{DateTime, Utc};

use super::client::{Client, Seen, differing, lasting, retained};
use super::house::House;
use super::service::{Home, Service};

/// Fields, and values that none of them has at the first start.
const SETTINGS: [(&str, &str); 19] = [
    ("site/bufferStartSoc", "90"),
    ("site/bufferSoc", "80"),
    ("site/prioritySoc", "50"),
    ("site/residualPower", "100"),
    ("loadpoints/1/mode", "minpv"),
    ("loadpoints/1/limitSoc", "70"),
    ("loadpoints/1/limitEnergy", "12.5"),
    ("loadpoints/1/minSoc", "20"),
    ("loadpoints/1/priority", "3"),
    ("loadpoints/1/phasesConfigured", "1"),
    ("loadpoints/1/minCurrent", "7"),
    ("loadpoints/1/maxCurrent", "14.5"),
    ("loadpoints/1/enableThreshold", "-500"),
    ("loadpoints/1/disableThreshold", "250"),
    ("loadpoints/1/enableDelay", "30"),
    ("loadpoints/1/disableDelay", "240"),
    ("loadpoints/2/mode", "now"),
    ("vehicles/tesla/minSoc", "25"),
    ("vehicles/tesla/limitSoc", "85"),
];

fn without_modes(home: &mut Home) {
    home.edit("    mode: pv\n", "");
    home.edit("    mode: 'off'\n", "");
}

async fn settings_are_kept(mut home: Home) {
    without_modes(&mut home);
    let service = home.start().await;
    let mut client = service.client().await;
    for (field, value) in SETTINGS {
        assert!(!client.seen().says(field, value), "{field} proves nothing");
        client.set(field, value).await;
    }
    client.until("both off", |seen| seen.value("loadpoints/2/decision/code").is_some()).await;
    let before = lasting(&retained(service.port).await);
    service.stop().await;

    let service = home.start().await;
    let mut client = service.client().await;
    // Told anew, not only left over: an answer shows what is in force.
    for (field, value) in SETTINGS {
        let answer = client.write(field, "no such value").await;
        assert_eq!(answer["ok"], false, "{answer}");
        let applied = answer["applied"].as_str().map(str::to_owned);
        assert_eq!(applied.unwrap_or_else(|| answer["applied"].to_string()), value, "{field}");
        assert!(client.seen().says(field, value), "{field}");
    }
    let after = lasting(&retained(service.port).await);
    assert_eq!(differing(&after, &before), Vec::<String>::new());
    service.stop().await;
}

#[tokio::test]
async fn settings_are_kept_beside_mosquitto() {
    let Some(home) = Home::with_mosquitto().await else { return };
    settings_are_kept(home).await;
}

#[tokio::test]
async fn settings_are_kept_beside_the_embedded_broker() {
    settings_are_kept(Home::with_embedded_broker()).await;
}

#[tokio::test]
async fn the_stored_mode_beats_the_one_of_the_configuration() {
    let home = Home::with_embedded_broker();
    let service = home.start().await;
    let mut client = service.client().await;
    client.set("loadpoints/1/mode", "now").await;
    service.stop().await;
    let service = home.start().await;
    let mut client = service.client().await;
    let answer = client.write("loadpoints/1/mode", "no such mode").await;
    assert_eq!(answer["applied"], "now", "{answer}");
    service.stop().await;
}

/// The second load point has no counter: what is known of the running quarter is kept at the end.
#[tokio::test]
async fn a_clean_stop_loses_nothing_of_what_was_charged_today() {
    let home = Home::with_embedded_broker();
    let now = Utc::now().timestamp();
    let start = DateTime::from_timestamp(now / 900 * 900, 0).unwrap();
    let kept = RunningEnergy {
        group: EnergyGroup::LoadPoint,
        name: "lp-2".into(),
        energy: KilowattHours(1.5),
        return_energy: KilowattHours::ZERO,
        known: Duration::from_secs(now.unsigned_abs() % 900),
        whole: true,
        soc: None,
    };
    let store = Store::open(&home.database).unwrap();
    store.record_running(RunningSlot { start, entities: vec![kept] });
    store.close().await.unwrap();
    let today = async |service: &Service| {
        service.state().await["loadpoints"][1]["todayEnergy"].as_f64().unwrap()
    };

    let service = home.start().await;
    let house = House::recorded(service.port);
    house.say("sim/wb/2/status", "C");
    house.say("sim/wb/2/power", "36000");
    let mut client = service.client().await;
    let more = |seen: &Seen| {
        let energy = seen.value("loadpoints/2/todayEnergy").and_then(|text| text.parse().ok());
        energy.is_some_and(|energy: f64| energy >= 1510.0)
    };
    client.until("10 Wh more", more).await;
    let before = today(&service).await;
    service.stop().await;
    let service = home.start().await;
    let after = today(&service).await;
    assert!(after >= before, "{after} Wh, {before} Wh before");
    service.stop().await;
}

async fn nothing_is_withdrawn(home: Home) {
    let service = home.start().await;
    let house = House::recorded(service.port);
    let mut client = service.client().await;
    client.until("the car", |seen| seen.says("vehicles/tesla/trust", "live")).await;
    client.until("the meters", |seen| seen.says("site/homePower", "800")).await;
    let before = lasting(&retained(service.port).await);
    service.stop().await;
    drop(house);

    // Beside mosquitto somebody can be there all the time.
    let watcher = match &home.mosquitto {
        Some(mosquitto) => Some(Client::connect(mosquitto.port).await),
        None => None,
    };
    let service = home.start().await;
    let mut client = match watcher {
        Some(client) => client,
        None => service.client().await,
    };
    client.until("the service", |seen| seen.says("status", "online")).await;
    client.set("site/residualPower", "0").await;
    let _house = House::recorded(service.port);
    client.until("the car", |seen| seen.says("vehicles/tesla/trust", "live")).await;
    client.until("the meters", |seen| seen.says("site/homePower", "800")).await;
    let seen = client.seen();
    let withdrawn: Vec<&String> =
        before.keys().filter(|topic| seen.since(0, topic).contains(&"")).collect();
    assert!(withdrawn.is_empty(), "{withdrawn:?}");
    drop(seen);
    service.stop().await;
}

#[tokio::test]
async fn a_restart_withdraws_nothing_beside_mosquitto() {
    let Some(home) = Home::with_mosquitto().await else { return };
    nothing_is_withdrawn(home).await;
}

#[tokio::test]
async fn a_restart_withdraws_nothing_beside_the_embedded_broker() {
    nothing_is_withdrawn(Home::with_embedded_broker()).await;
}
