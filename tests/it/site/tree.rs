//! The tree of topics that evcc 0.313 retained on the reference site, topic by topic.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use tokio::time::timeout;

use super::client::{Client, retained};
use super::house::House;
use super::service::Home;
use crate::support::DEADLINE;

/// Why topics are not as recorded. A pattern may end with `*`.
#[derive(Deserialize)]
struct Known {
    why: String,
    /// Not told.
    #[serde(default)]
    absent: Vec<String>,
    /// Told with another value.
    #[serde(default)]
    other: Vec<String>,
    /// Told, with a value that depends on the clock.
    #[serde(default)]
    moves: Vec<String>,
}

/// How a topic is not as recorded.
#[derive(Debug, PartialEq, Eq)]
enum Difference {
    Absent,
    Other,
}

fn recorded() -> BTreeMap<String, String> {
    let tree: BTreeMap<String, String> =
        serde_json::from_str(include_str!("../../data/evcc-0.313-tree.json")).unwrap();
    // An empty payload is no value: on a broker there is nothing.
    tree.into_iter().filter(|(_, payload)| !payload.is_empty()).collect()
}

fn differences(ours: &BTreeMap<String, String>) -> BTreeMap<String, Difference> {
    let compare = |(topic, payload): (String, String)| match ours.get(&topic) {
        None => Some((topic, Difference::Absent)),
        Some(told) if *told != payload => Some((topic, Difference::Other)),
        Some(_) => None,
    };
    recorded().into_iter().filter_map(compare).collect()
}

fn matches(pattern: &str, topic: &str) -> bool {
    let topic = topic.strip_prefix("evcc/").unwrap();
    pattern.strip_suffix('*').map_or(topic == pattern, |prefix| topic.starts_with(prefix))
}

/// What is not known of the differences, and what is known and is no difference.
fn surprises(ours: &BTreeMap<String, String>) -> Vec<String> {
    let known: Vec<Known> =
        serde_json::from_str(include_str!("../../data/known-tree-differences.json")).unwrap();
    assert!(known.iter().all(|known| !known.why.is_empty()));
    let mut found = differences(ours);
    let mut moving = known.iter().flat_map(|known| &known.moves);
    found.retain(|topic, how| {
        *how == Difference::Absent || !moving.clone().any(|moves| matches(moves, topic))
    });
    let mut surprises = Vec::new();
    surprises.extend(
        moving.find(|moves| recorded().keys().all(|topic| !matches(moves, topic))).cloned(),
    );
    for (patterns, difference) in known
        .iter()
        .flat_map(|known| [(&known.absent, Difference::Absent), (&known.other, Difference::Other)])
    {
        for pattern in patterns {
            let before = found.len();
            found.retain(|topic, how| !matches(pattern, topic) || *how != difference);
            if before == found.len() {
                surprises.push(format!("{pattern} is listed as {difference:?} and is not"));
            }
        }
    }
    let expected = recorded();
    surprises.extend(found.iter().map(|(topic, how)| {
        format!("{topic} {how:?}: recorded {:?}, told {:?}", expected[topic], ours.get(topic))
    }));
    surprises
}

async fn the_tree_is_as_recorded(mut home: Home) {
    // The recorded interval.
    home.edit("interval: 30s", "interval: 5s");
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
    assert_eq!(surprises(&kept), Vec::<String>::new());
    let odd: BTreeSet<&String> =
        kept.keys().filter(|topic| topic.ends_with("/set") || topic.ends_with("/events")).collect();
    assert!(odd.is_empty(), "{odd:?}");
    drop(house);
    service.stop().await;
    assert_eq!(retained_status(&home).await.as_deref(), home.mosquitto.as_ref().map(|_| "offline"));
}

async fn settled(client: &mut Client) {
    let mut last = Vec::new();
    let as_recorded = client.until("the recorded tree", |seen| {
        last = surprises(&seen.now);
        last.is_empty()
    });
    if timeout(DEADLINE / 2, as_recorded).await.is_err() {
        panic!("not as recorded:\n{}", last.join("\n"));
    }
}

async fn retained_status(home: &Home) -> Option<String> {
    retained(home.mosquitto.as_ref()?.port).await.remove("evcc/status")
}

#[tokio::test]
async fn on_the_embedded_broker() {
    the_tree_is_as_recorded(Home::with_embedded_broker()).await;
}

#[tokio::test]
async fn on_mosquitto() {
    let Some(home) = Home::with_mosquitto().await else { return };
    the_tree_is_as_recorded(home).await;
}
