//! A broken automation that writes a thousand times a second (users.md F35).

use std::time::Duration;

use tokio::time::{interval, timeout};

use super::client::{AT_ONCE, Client, Seen};
use super::house::House;
use super::service::Home;

/// Writes per tick and the tick: a thousand a second.
const BURST: usize = 20;
const TICK: Duration = Duration::from_millis(20);

/// Writes these values in turn, a thousand times a second.
async fn storm(port: u16, topic: &str, values: &[&str], writes: usize) {
    let client = Client::connect(port).await;
    let mut tick = interval(TICK);
    for n in 0..writes {
        if n % BURST == 0 {
            tick.tick().await;
        }
        client.publish(topic, values[n % values.len()], false).await;
    }
}

#[tokio::test]
async fn a_storm_of_writes_is_survived() {
    let service = Home::with_embedded_broker().start().await;
    let mut client = service.client().await;
    let topic = "evcc/loadpoints/1/limitEnergy/set";
    storm(service.port, topic, &["101", "102", "turbo"], 3000).await;
    // What waits is done, or answered with `busy`; then everything is as before.
    let mine = |seen: &Seen| {
        seen.now.get(&format!("{topic}/result")).is_some_and(|answer| answer.contains("mine"))
    };
    let mut answered = false;
    for _ in 0..10 {
        client.publish(topic, r#"{"value":77,"id":"mine"}"#, false).await;
        answered = timeout(AT_ONCE, client.until("our answer", mine)).await.is_ok();
        if answered {
            break;
        }
    }
    assert!(answered);
    client.until("our value", |seen| seen.says("loadpoints/1/limitEnergy", "77")).await;
    assert!(client.seen().says("status", "online"));
    service.stop().await;
}

/// A loop that switches on and off does not wear out a contactor.
#[tokio::test]
async fn a_storm_of_modes_does_not_wear_out_the_contactor() {
    let service = Home::with_embedded_broker().start().await;
    let mut client = service.client().await;
    let house = House::obedient(service.port, -6000.0);
    client.set("loadpoints/1/mode", "now").await;
    client.until("the charge", |seen| seen.number("sim/wb/1/power") > Some(1000.0)).await;
    let mark = client.seen().log.len();
    let writes = 3000;
    storm(service.port, "evcc/loadpoints/1/mode/set", &["off", "now"], writes).await;
    client.set("loadpoints/1/mode", "off").await;
    client.within(AT_ONCE, "off", |seen| seen.number("sim/wb/1/power") == Some(0.0)).await;
    let switched = client.seen().since(mark, "sim/wb/1/enable/set").len();
    // Ten times on, ten times off, and the first time before.
    assert!(switched <= 21, "{switched} commands for {writes} writes");
    client.set("loadpoints/1/mode", "now").await;
    let rests = |seen: &Seen| seen.says("loadpoints/1/decision/code", "contactor_rests");
    client.until("the reason", rests).await;
    drop(house);
    service.stop().await;
}
