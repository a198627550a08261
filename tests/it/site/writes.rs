//! The writes that were made to evcc, made again: each gets its answer, and the value it had there.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::client::Client;
use super::house::House;
use super::service::Home;

/// A recorded write.
#[derive(Deserialize)]
struct Row {
    /// The value topic below the root.
    set: String,
    payload: String,
    /// The value afterwards; nothing if it is not published there.
    is: Option<String>,
    /// The value before.
    was: Option<String>,
}

/// Why writes end otherwise.
#[derive(Deserialize)]
struct Known {
    why: String,
    /// The version to which this applies, if not to both.
    only: Option<String>,
    /// Topics that cannot be written yet: all their writes are answered `unsupported`.
    #[serde(default)]
    unsupported: Vec<String>,
    /// Payloads by topic.
    #[serde(default)]
    writes: BTreeMap<String, Vec<String>>,
}

type Write = (String, String);

/// Makes the recorded writes in their order; the ones that ended otherwise, with both ends, and the
/// topics that cannot be written.
async fn repeat(client: &mut Client, rows: &[Row]) -> (BTreeMap<Write, String>, BTreeSet<String>) {
    let mut other = BTreeMap::new();
    let mut unsupported = BTreeSet::new();
    let value = |client: &Client, topic: &str| client.seen().value(topic).map(str::to_owned);
    for Row { set, payload, is, was } in rows {
        if payload.is_empty() {
            // No write: it clears a retained command. That it is not answered is counted later.
            client.publish(&format!("evcc/{set}/set"), "", false).await;
            continue;
        }
        let before = value(client, set);
        let answer = client.write(set, payload.as_str()).await;
        let now = value(client, set);
        assert_eq!(answer["ok"] == true, answer["code"] == "ok", "{set} {payload}: {answer}");
        if answer["code"] == "unsupported" {
            unsupported.insert(set.clone());
        } else if answer["ok"] == true {
            if let Some(now) = &now {
                let applied = answer["applied"].as_str().map(str::to_owned);
                let applied = applied.unwrap_or_else(|| answer["applied"].to_string());
                // What is asked of the battery has a topic of its own; this one says what it does.
                let told = match set.as_str() {
                    "site/batteryMode" => value(client, "site/batteryModeExternal"),
                    _ => Some(now.clone()),
                };
                assert_eq!(Some(applied), told, "{set} {payload}");
            }
        } else {
            assert_eq!(before, now, "{set} {payload}: {answer}");
            assert_ne!(answer["message"], "", "{set} {payload}: {answer}");
        }
        // A write that changed nothing there changes nothing here, whatever the value is.
        let recorded = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        let expected = if is == was { before.clone() } else { recorded(is) };
        if now != expected && answer["code"] != "unsupported" {
            let end = format!("from {before:?} to {now:?}, recorded {was:?} to {is:?}: {answer}");
            other.insert((set.clone(), payload.clone()), end);
        }
    }
    (other, unsupported)
}

async fn writes_end_as_recorded(home: Home, version: &str, recording: &str) {
    let rows: Vec<Row> =
        recording.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let known = include_str!("../../data/known-write-differences.json");
    let mut known: Vec<Known> = serde_json::from_str(known).unwrap();
    assert!(known.iter().all(|known| !known.why.is_empty()));
    known.retain(|known| known.only.as_deref().is_none_or(|only| only == version));
    let service = home.start().await;
    let mut client = service.client().await;
    let _house = House::recorded(service.port);
    client.until("the car", |seen| seen.says("loadpoints/1/vehicleSoc", "41")).await;

    let (mut other, mut unsupported) = repeat(&mut client, &rows).await;
    let mut unused = Vec::new();
    for topic in known.iter().flat_map(|known| &known.unsupported) {
        unused.extend((!unsupported.remove(topic)).then(|| topic.clone()));
    }
    for (topic, payloads) in known.iter().flat_map(|known| &known.writes) {
        for payload in payloads {
            let listed = other.remove(&(topic.clone(), payload.clone()));
            unused.extend(listed.is_none().then(|| format!("{topic} {payload:?}")));
        }
    }
    let surprises: Vec<String> =
        other.iter().map(|((topic, payload), end)| format!("{topic} {payload:?} {end}")).collect();
    assert!(surprises.is_empty(), "not as recorded:\n{}", surprises.join("\n"));
    assert_eq!(unsupported, BTreeSet::new(), "are not supported and not listed");
    assert_eq!(unused, Vec::<String>::new(), "are listed and as recorded");
    answered_once(&mut client, &rows).await;
    service.stop().await;
}

/// Every write has one answer, whose topic is not retained, and its command topic is cleared.
async fn answered_once(client: &mut Client, rows: &[Row]) {
    client.set("site/residualPower", "7").await;
    let seen = client.seen();
    let mut expected = BTreeMap::from([("evcc/site/residualPower/set".to_owned(), 1)]);
    for row in rows.iter().filter(|row| !row.payload.is_empty()) {
        *expected.entry(format!("evcc/{}/set", row.set)).or_default() += 1;
    }
    let mut answers: BTreeMap<String, usize> = BTreeMap::new();
    let mut cleared: BTreeMap<String, usize> = BTreeMap::new();
    for message in &seen.log {
        if let Some(topic) = message.topic.strip_suffix("/result") {
            *answers.entry(topic.to_owned()).or_default() += 1;
        } else if message.topic.ends_with("/set") && message.payload.is_empty() {
            *cleared.entry(message.topic.clone()).or_default() += 1;
        }
    }
    assert_eq!(answers, expected);
    for (topic, times) in expected {
        assert!(cleared.get(&topic).is_some_and(|cleared| *cleared >= times), "{topic}");
    }
}

const WRITES_0_130: &str = include_str!("../../data/evcc-0.130-set.jsonl");
const WRITES_0_313: &str = include_str!("../../data/evcc-0.313-set.jsonl");

#[tokio::test]
async fn of_0_313_on_the_embedded_broker() {
    writes_end_as_recorded(Home::with_embedded_broker(), "0.313", WRITES_0_313).await;
}

#[tokio::test]
async fn of_0_313_on_mosquitto() {
    let Some(home) = Home::with_mosquitto().await else { return };
    writes_end_as_recorded(home, "0.313", WRITES_0_313).await;
}

#[tokio::test]
async fn of_0_130() {
    writes_end_as_recorded(Home::with_embedded_broker(), "0.130", WRITES_0_130).await;
}
