//! A broken automation that writes a thousand times a second (users.md F35).

use std::time::Duration;

use tokio::time::interval;

use super::client::{AT_ONCE, Client, Seen};
use super::house::House;
use super::service::Home;
use crate::support::until;

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

/// Answers to the writes of a topic, and how many of them were refused without one of their own.
fn answered(client: &Client, topic: &str) -> usize {
    let seen = client.seen();
    let results = seen.since(0, &format!("{topic}/result"));
    let each = results.iter().map(|text| {
        let answer: serde_json::Value = serde_json::from_str(text).unwrap();
        let message = answer["message"].as_str().unwrap();
        match answer["code"].as_str() {
            // One answer counts all that were dropped.
            Some("busy") => message.split(' ').next().unwrap().parse().unwrap(),
            _ => 1,
        }
    });
    each.sum()
}

#[tokio::test]
async fn a_storm_of_writes_is_answered_and_delays_nobody() {
    let service = Home::with_embedded_broker().start().await;
    let mut client = service.client().await;
    let house = House::obedient(service.port, -6000.0);
    client.set("loadpoints/1/mode", "now").await;
    client.until("the charge", |seen| seen.number("sim/wb/1/power") > Some(1000.0)).await;

    let (topic, writes) = ("evcc/loadpoints/1/limitEnergy/set", 3000);
    let storming = storm(service.port, topic, &["101", "102", "turbo"], writes);
    let off = async {
        client.until("the storm", |seen| seen.says("loadpoints/1/limitEnergy", "102")).await;
        client.publish("evcc/loadpoints/1/mode/set", "off", false).await;
        // The box is off within two seconds, whatever else is asked for (design S4).
        let is_off = |seen: &Seen| seen.number("sim/wb/1/power") == Some(0.0);
        client.within(AT_ONCE, "off", is_off).await;
    };
    tokio::join!(storming, off);

    let mut last = 0;
    let all = until("all answers", || {
        last = answered(&client, topic);
        last == writes
    });
    if tokio::time::timeout(crate::support::DEADLINE / 2, all).await.is_err() {
        panic!("{last} of {writes} writes are answered");
    }
    client.set("loadpoints/1/limitEnergy", "77").await;
    assert!(client.seen().says("loadpoints/1/limitEnergy", "77"));
    drop(house);
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
