//! A car that nobody configured, known from TeslaMate and the embedded broker, across a restart.

use serde_json::Value as Json;

use super::client::{AT_ONCE, Client};
use super::service::{Home, http};

const CAR: &str = "vehicles/synthetic-model-3";

/// The reference site without a word about cars.
fn home() -> Home {
    let mut home = Home::with_embedded_broker();
    let from = home.yaml.find("vehicles:").unwrap();
    let to = home.yaml.find("tariffs:").unwrap();
    home.yaml.replace_range(from..to, "");
    home.edit("    vehicle: tesla\n", "");
    home
}

async fn play_the_day(client: &Client) {
    for line in include_str!("../../data/teslamate-day.jsonl").lines() {
        let line: Json = serde_json::from_str(line).unwrap();
        let [topic, payload] = ["topic", "payload"].map(|key| line[key].as_str().unwrap());
        client.publish(topic, payload, line["retain"] == true).await;
    }
}

#[tokio::test]
async fn a_discovered_car_survives_a_restart_asleep() {
    let home = home();
    let service = home.start().await;
    let mut client = service.client().await;
    play_the_day(&client).await;
    client.until("its sleep", |seen| seen.says(&format!("{CAR}/trust"), "asleep")).await;
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
    for (topic, value) in &values {
        assert_eq!(client.seen().value(topic), Some(value.as_str()), "{topic}");
    }
    assert!(client.seen().says("vehicles", "1"));
    client.set(&format!("{CAR}/limitSoc"), "70").await;
    service.stop().await;

    // TeslaMate says nothing: it only tells what changes, and the car sleeps.
    let service = home.start().await;
    let mut client = service.client().await;
    let soc = "teslamate/cars/1/usable_battery_level";
    assert_eq!(client.seen().number(soc), Some(80.0));
    // What the broker kept is of unknown age, until TeslaMate gives a sign of life.
    let trust = format!("{CAR}/trust");
    client
        .within(AT_ONCE, "the car", |seen| {
            let mut values = values.iter();
            seen.hears(&trust, "unknown") && values.all(|(topic, value)| seen.hears(topic, value))
        })
        .await;
    // Nobody was told in between that nothing is known.
    let withdrawn: Vec<_> = values
        .iter()
        .filter(|(topic, _)| client.seen().since(0, &format!("evcc/{topic}")).contains(&""))
        .collect();
    assert!(withdrawn.is_empty(), "{withdrawn:?}");
    let (_, state) = http(service.http(), "GET /api/state").await;
    let state: Json = serde_json::from_str(&state).unwrap();
    let car = &state["vehicles"]["synthetic-model-3"];
    assert_eq!((&car["soc"], &car["limitSoc"]), (&Json::from(80), &Json::from(70)), "{car}");
    client.publish("teslamate/cars/1/healthy", "true", false).await;
    client.until("trust", |seen| seen.says(&trust, "asleep")).await;
    client.publish("teslamate/cars/1/healthy", "false", false).await;
    client.until("doubt", |seen| seen.says(&trust, "stale")).await;
    assert!(client.seen().says(&format!("{CAR}/soc"), "80"));

    client.publish("teslamate/cars/1/healthy", "true", false).await;
    client.publish("teslamate/cars/1/state", "online", true).await;
    client.publish(soc, "81", true).await;
    client.within(AT_ONCE, "the news", |seen| seen.says(&format!("{CAR}/soc"), "81")).await;
    client.until("trust", |seen| seen.says(&trust, "live")).await;
    service.stop().await;
}
