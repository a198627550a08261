//! The specification's test vectors (api.md §8), played against the service: one file of data, one
//! interpreter. Those that are not played name the test that holds them, or why there is none.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value as Json;

use super::client::{Client, Seen, retained};
use super::house::House;
use super::service::{Home, Service, http};
use crate::tidy;

/// One row of the table.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Vector {
    n: usize,
    #[serde(default)]
    what: String,
    #[serde(default)]
    steps: Vec<Step>,
    /// The test that holds it.
    held_by: Option<String>,
    /// Why it is not played here.
    elsewhere: Option<String>,
}

/// One step of a vector. Topics are below the root.
#[derive(Debug, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
enum Step {
    /// Publishes to `<topic>/set` and takes the answer.
    Write { write: (String, String), ok: bool },
    /// Waits until topics have these values; null is no value.
    Told { told: BTreeMap<String, Option<String>> },
    /// The command topic has been cleared since the write.
    Cleared { cleared: String },
    /// The last write was refused on the topic for errors, with this text.
    Error { error: String },
    /// A device says something else from now on.
    Device { device: (String, String) },
    /// Time passes.
    Later { later: u64 },
    /// A request with its answer.
    Get { get: String, status: u16, body: Option<Json> },
    /// The service starts anew with another configuration.
    Without { without: String, but: String },
}

struct Play {
    home: Home,
    service: Service,
    client: Client,
    house: House,
    /// Where the log stood before the last write.
    mark: usize,
}

impl Play {
    async fn start(home: Home) -> Self {
        let service = home.start().await;
        let mut client = service.client().await;
        let house = House::recorded(service.port);
        client.until("the car", |seen| seen.says("loadpoints/1/vehicleSoc", "41")).await;
        Self { home, service, client, house, mark: 0 }
    }

    async fn step(self, name: &str, step: &Step) -> Self {
        let mut play = self;
        match step {
            Step::Write { write: (topic, payload), ok } => {
                play.mark = play.client.seen().log.len();
                let answer = play.client.write(topic, payload.as_str()).await;
                assert_eq!(answer["ok"], *ok, "{name}: {answer}");
            }
            Step::Told { told } => {
                let what = format!("{name}: {told:?}");
                let as_told = |seen: &Seen| {
                    told.iter().all(|(topic, value)| seen.value(topic) == value.as_deref())
                };
                play.client.until(&what, as_told).await;
            }
            Step::Cleared { cleared } => {
                let topic = format!("evcc/{cleared}/set");
                let seen = play.client.seen();
                assert!(seen.since(play.mark, &topic).contains(&""), "{name}");
            }
            Step::Error { error } => {
                let seen = play.client.seen();
                let told = seen.since(play.mark, "evcc/error");
                let told: Json = serde_json::from_str(told.first().expect(name)).unwrap();
                assert_eq!(told["error"], **error, "{name}");
                assert!(told["topic"].as_str().unwrap().ends_with("/set"), "{name}: {told}");
                assert!(told["payload"].is_string() && told["time"].is_string(), "{told}");
            }
            Step::Device { device: (topic, payload) } => play.house.say(topic, payload),
            Step::Later { later } => {
                tokio::time::pause();
                tokio::time::advance(Duration::from_secs(*later)).await;
                tokio::time::resume();
            }
            Step::Get { get, status, body } => {
                let (found, text) = http(play.service.http(), get).await;
                assert_eq!(found, *status, "{name}: {text}");
                if let Some(body) = body {
                    let told: Json = serde_json::from_str(&text).unwrap();
                    assert_eq!(told, *body, "{name}");
                }
            }
            Step::Without { without, but } => {
                let Self { mut home, service, house, .. } = play;
                drop(house);
                service.stop().await;
                home.edit(without, but);
                return Self::start(home).await;
            }
        }
        play
    }
}

fn vectors() -> Vec<Vector> {
    serde_json::from_str(include_str!("../../data/api-vectors.json")).unwrap()
}

#[test]
fn every_vector_is_played_or_says_who_holds_it() {
    let vectors = vectors();
    let numbers: Vec<usize> = vectors.iter().map(|vector| vector.n).collect();
    assert_eq!(numbers, (1..=30).collect::<Vec<_>>());
    let sources = ["src", "tests"].into_iter().flat_map(tidy::sources);
    let text =
        |source: tidy::Source| std::fs::read_to_string(tidy::root().join(source.path())).unwrap();
    let code: String = sources.map(text).collect();
    for vector in vectors {
        match (vector.steps.is_empty(), &vector.held_by, &vector.elsewhere) {
            (false, None, None) => assert!(!vector.what.is_empty(), "{}", vector.n),
            (true, Some(test), None) => {
                assert!(code.contains(&format!("fn {test}(")), "{}: no test {test}", vector.n);
            }
            (true, None, Some(why)) => assert!(!why.is_empty(), "{}", vector.n),
            _ => panic!("{}: one of steps, held_by and elsewhere", vector.n),
        }
    }
}

#[tokio::test]
async fn the_vectors_hold() {
    let Some(home) = Home::with_mosquitto().await else { return };
    let mut play = Play::start(home).await;
    let mut played = 0;
    for vector in vectors().iter().filter(|vector| !vector.steps.is_empty()) {
        let name = format!("vector {} ({})", vector.n, vector.what);
        for step in &vector.steps {
            play = play.step(&name, step).await;
        }
        played += 1;
    }
    assert!(played >= 22, "{played}");
    play.service.stop().await;
}

/// What evcc leaves behind (api.md §1.4, §9 row 2): ours goes, and counts are told again.
#[tokio::test]
async fn lists_that_shrink_and_objects_that_vanish_are_cleaned_up_at_run_time() {
    let Some(home) = Home::with_mosquitto().await else { return };
    let mut play = Play::start(home).await;
    let plan =
        |day| format!(r#"{{"weekdays":[{day}],"time":"07:00","tz":"UTC","soc":80,"active":true}}"#);
    let repeating = "vehicles/zoe/repeatingPlans";
    for count in [2, 1, 0] {
        let plans: Vec<String> = (0..count).map(plan).collect();
        play.client.set(repeating, &format!("[{}]", plans.join(","))).await;
        let kept = retained(play.service.port).await;
        assert_eq!(kept[&format!("evcc/{repeating}")], count.to_string());
        let children = kept.keys().filter(|topic| topic.starts_with(&format!("evcc/{repeating}/")));
        // weekdays, its element, time, tz, soc, active
        assert_eq!(children.count(), count * 6);
    }
    play.client.set("vehicles/zoe/planSoc", r#"{"value":80,"time":"2031-01-01T06:00:00Z"}"#).await;
    play.client.until("the plan", |seen| seen.says("vehicles/zoe/plan/soc", "80")).await;
    play.client.set("vehicles/zoe/planSoc", "null").await;
    let kept = retained(play.service.port).await;
    let left: Vec<_> = kept.keys().filter(|topic| topic.contains("/zoe/plan/")).collect();
    assert_eq!(left, Vec::<&String>::new());
    // A car that appears is counted.
    play.client.publish("teslamate/cars/7/display_name", "New", true).await;
    play.client.publish("teslamate/cars/7/battery_level", "50", true).await;
    play.client.publish("teslamate/cars/7/state", "online", true).await;
    play.client.until("the count", |seen| seen.says("vehicles", "3")).await;
    play.service.stop().await;
}
