//! The topics that evcc 0.313 and 0.130 retained on the reference site, their state over REST and the
//! first frames of their WebSockets: value by value.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::StreamExt;
use serde_json::Value as Json;
use tokio::time::timeout;
use tokio_tungstenite::connect_async;

use super::client::{Client, retained};
use super::house::House;
use super::recorded::{flat, merged, states, surprises, trees};
use super::service::{Home, Service};
use crate::support::{DEADLINE, soon};

const TREE_DIFFERENCES: &str = include_str!("../../data/known-tree-differences.json");
const STATE_DIFFERENCES: &str = include_str!("../../data/known-state-differences.json");

async fn all_is_as_recorded(mut home: Home) {
    // The recorded interval.
    home.edit("interval: 30s", "interval: 5s");
    // 0.130 told a limit that had lost its effect.
    home.yaml.push_str("compat: {v0119: true}\n");
    let service = home.start().await;
    let mut client = service.client().await;
    let house = House::recorded(service.port);
    // A car that comes is charged at once; one that is there at the start waits for the delay.
    house.say("sim/wb/1/status", "A");
    client.until("the wallbox", |seen| seen.says("loadpoints/1/chargeTotalImport", "123.4")).await;
    house.say("sim/wb/1/status", "B");
    settled(&mut client).await;

    // What is retained is the same, and nothing of it is a command or an event.
    let kept = retained(service.port).await;
    assert_eq!(tree_surprises(&kept), Vec::<String>::new());
    let once = ["/set", "/events", "/error", "/result"];
    let odd = kept.keys().filter(|topic| once.iter().any(|end| topic.ends_with(end)));
    assert_eq!(odd.collect::<BTreeSet<_>>(), BTreeSet::new());

    let state = flat(&service.state().await);
    let found: Vec<String> = state_surprises("state", &state);
    assert!(found.is_empty(), "not as recorded:\n{}", found.join("\n"));
    frames_are_as_recorded(&service).await;
    drop(house);
    service.stop().await;
    assert_eq!(retained_status(&home).await.as_deref(), home.mosquitto.as_ref().map(|_| "offline"));
}

fn tree_surprises(ours: &BTreeMap<String, String>) -> Vec<String> {
    let below = |(topic, payload): (&String, &String)| {
        Some((topic.strip_prefix("evcc/")?.to_owned(), payload.clone()))
    };
    let ours = ours.iter().filter_map(below).collect();
    let found = trees().into_iter().flat_map(|tree| surprises(&tree, TREE_DIFFERENCES, &ours));
    found.collect()
}

async fn settled(client: &mut Client) {
    let mut last = Vec::new();
    let as_recorded = client.until("the recorded tree", |seen| {
        last = tree_surprises(&seen.now);
        last.is_empty()
    });
    if timeout(DEADLINE / 2, as_recorded).await.is_err() {
        panic!("not as recorded:\n{}", last.join("\n"));
    }
}

fn state_surprises(surface: &str, ours: &BTreeMap<String, String>) -> Vec<String> {
    let recordings = states().into_iter().filter(|recording| recording.name.ends_with(surface));
    recordings.flat_map(|recording| surprises(&recording, STATE_DIFFERENCES, ours)).collect()
}

/// A WebSocket is told everything at first, and soon what has changed since that was written.
async fn frames_are_as_recorded(service: &Service) {
    let url = format!("ws://{}/ws", service.http());
    let (mut socket, _) = soon("the socket", connect_async(url)).await.unwrap();
    let mut frames: Vec<Json> = Vec::new();
    let mut last = vec!["no frame".to_owned()];
    let as_recorded = async {
        while !last.is_empty() {
            let frame = socket.next().await.unwrap().unwrap();
            frames.push(serde_json::from_str(frame.to_text().unwrap()).unwrap());
            last = state_surprises("frames", &flat(&merged(frames.iter().cloned())));
        }
    };
    if timeout(DEADLINE / 2, as_recorded).await.is_err() {
        panic!("not as recorded:\n{}", last.join("\n"));
    }
}

async fn retained_status(home: &Home) -> Option<String> {
    retained(home.mosquitto.as_ref()?.port).await.remove("evcc/status")
}

#[tokio::test]
async fn on_the_embedded_broker() {
    all_is_as_recorded(Home::with_embedded_broker()).await;
}

#[tokio::test]
async fn on_mosquitto() {
    let Some(home) = Home::with_mosquitto().await else { return };
    all_is_as_recorded(home).await;
}
