//! A car that nobody configured, known from TeslaMate and the embedded broker, across a restart.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value as Json;
use tokio::time::{interval, timeout};

use super::client::{AT_ONCE, Seen};
use super::service::Home;

const TICK: Duration = Duration::from_millis(20);
const CAR: &str = "vehicles/synthetic-model-3";
const HEALTHY: &str = "teslamate/cars/1/healthy";
const SOC: &str = "teslamate/cars/1/usable_battery_level";
const STATE: &str = "teslamate/cars/1/state";

/// The reference site without a word about cars.
fn home() -> Home {
    let mut home = Home::with_embedded_broker();
    let from = home.yaml.find("vehicles:").unwrap();
    let to = home.yaml.find("tariffs:").unwrap();
    home.yaml.replace_range(from..to, "");
    home.edit("    vehicle: tesla\n", "");
    home
}

/// What TeslaMate has told at the end of the recorded day, by topic. The day itself is played to the
/// mirror at its own pace elsewhere; squeezed into a second it would not be believed.
fn evening() -> BTreeMap<String, String> {
    let lines = include_str!("../../data/teslamate-day.jsonl").lines();
    let lines = lines.map(|line| serde_json::from_str::<Json>(line).unwrap());
    let text = |line: &Json, key: &str| line[key].as_str().unwrap().to_owned();
    lines
        .filter(|line| line["retain"] == true)
        .map(|line| (text(&line, "topic"), text(&line, "payload")))
        .collect()
}

#[tokio::test]
async fn a_discovered_car_that_sleeps_survives_a_restart() {
    let home = home();
    let service = home.start().await;
    let mut client = service.client().await;
    for (topic, payload) in evening() {
        let payload = if topic == STATE { "online".to_owned() } else { payload };
        client.publish(&topic, payload, true).await;
    }
    client.publish(HEALTHY, "true", false).await;
    client.until("the car", |seen| seen.says(&format!("{CAR}/trust"), "live")).await;
    client.publish(STATE, "asleep", true).await;
    let is = |key: &str, value: &str| (format!("{CAR}/{key}"), value.to_owned());
    let values = [
        is("title", "Synthetic Model 3"),
        is("soc", "80"),
        is("state", "asleep"),
        is("vehicleLimitSoc", "80"),
        is("geofence", "Home"),
        is("connected", "true"),
        is("charging", "false"),
    ];
    let trust = format!("{CAR}/trust");
    let known = |seen: &Seen| values.iter().all(|(topic, value)| seen.says(topic, value));
    client.until("its sleep", |seen| seen.says(&trust, "asleep") && known(seen)).await;
    assert!(client.seen().says("vehicles", "1"));
    client.set(&format!("{CAR}/limitSoc"), "70").await;
    service.stop().await;

    // TeslaMate says nothing: it only tells what changes, and the car sleeps.
    let service = home.start().await;
    let mut client = service.client().await;
    assert_eq!(client.seen().number(SOC), Some(80.0));
    let car = async || {
        let mut tick = interval(TICK);
        loop {
            tick.tick().await;
            let mut state = service.state().await;
            let car = state["vehicles"]["synthetic-model-3"].take();
            if !car["soc"].is_null() {
                return car;
            }
        }
    };
    let car = timeout(AT_ONCE, car()).await.expect("the car comes back at once");
    assert_eq!((&car["soc"], &car["limitSoc"]), (&Json::from(80), &Json::from(70)), "{car}");
    // What the broker kept is of unknown age, until TeslaMate gives a sign of life.
    assert_eq!((&car["state"], &car["trust"]), (&"asleep".into(), &"unknown".into()), "{car}");
    client.until("its topics", |seen| seen.says(&trust, "unknown") && known(seen)).await;
    // Nobody was told in between that nothing is known.
    let withdrawn: Vec<_> = values
        .iter()
        .filter(|(topic, _)| client.seen().since(0, &format!("evcc/{topic}")).contains(&""))
        .collect();
    assert!(withdrawn.is_empty(), "{withdrawn:?}");
    client.publish(HEALTHY, "true", false).await;
    client.until("trust", |seen| seen.says(&trust, "asleep")).await;
    client.publish(HEALTHY, "false", false).await;
    client.until("doubt", |seen| seen.says(&trust, "stale")).await;
    assert!(client.seen().says(&format!("{CAR}/soc"), "80"));

    client.publish(HEALTHY, "true", false).await;
    client.publish(STATE, "online", true).await;
    client.publish(SOC, "81", true).await;
    client.within(AT_ONCE, "the news", |seen| seen.says(&format!("{CAR}/soc"), "81")).await;
    client.until("trust", |seen| seen.says(&trust, "live")).await;
    service.stop().await;
}
