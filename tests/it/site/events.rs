//! Events for machines and people: what was refused, and who is silent.

use serde_json::Value as Json;

use super::client::{Client, Seen};
use super::house::House;
use super::service::{Home, http};

/// What was told since a point of the log under one name.
fn events(seen: &Seen, mark: usize, name: &str) -> Vec<Json> {
    let all = seen.since(mark, "evcc/events").into_iter();
    let all = all.map(|event| serde_json::from_str::<Json>(event).unwrap());
    all.filter(|event| event["event"] == name).collect()
}

async fn next(client: &mut Client, mark: usize, name: &str) -> Json {
    client.until(name, |seen| !events(seen, mark, name).is_empty()).await;
    events(&client.seen(), mark, name).remove(0)
}

#[tokio::test]
async fn a_refused_write_is_an_event_without_what_was_written() {
    const REFUSED: &str = "commandrefused";
    let mut home = Home::with_embedded_broker();
    home.yaml.push_str(
        "messaging:\n  events:\n    commandrefused: {msg: '${topic}: ${code}'}\n  services:\n    \
         - {type: custom, send: {source: mqtt, topic: phone/inbox}}\n",
    );
    let service = home.start().await;
    let mut client = service.client().await;
    client.set("loadpoints/1/mode", "off").await;
    assert_eq!(events(&client.seen(), 0, REFUSED), [] as [Json; 0]);

    let answer = client.write("loadpoints/1/mode", "my password").await;
    assert_eq!(answer["ok"], false);
    let event = next(&mut client, 0, REFUSED).await;
    let expected = serde_json::json!({
        "topic": "evcc/loadpoints/1/mode/set",
        "over": "mqtt",
        "code": "invalid_type",
        "message": "invalid value: … (expected off, pv, minpv, now)",
    });
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(event[name], *value, "{name}: {event}");
    }
    let inbox = "evcc/loadpoints/1/mode/set: invalid_type";
    let told = |seen: &Seen| seen.now.get("phone/inbox").is_some_and(|text| text == inbox);
    client.until("a message", told).await;

    let mark = client.seen().log.len();
    let (status, _) = http(service.http(), "POST /api/loadpoints/1/mode/my_password").await;
    assert_eq!(status, 400);
    let event = next(&mut client, mark, REFUSED).await;
    assert_eq!((&event["over"], &event["topic"]), (&"rest".into(), &expected["topic"]));
    assert!(!event.to_string().contains("password"), "{event}");

    let mark = client.seen().log.len();
    client.write("sessions/99", "null").await;
    let event = next(&mut client, mark, REFUSED).await;
    assert_eq!(
        (&event["topic"], &event["code"]),
        (&"evcc/sessions/99/set".into(), &"unknown_topic".into())
    );
    assert_eq!(events(&client.seen(), 0, REFUSED).len(), 3, "each once");
    assert_eq!(client.seen().since(0, "phone/inbox").len(), 1, "people hear of one in a minute");
    service.stop().await;
}

#[tokio::test]
async fn a_device_that_falls_silent_is_named() {
    let service = Home::with_embedded_broker().start().await;
    let mut client = service.client().await;
    let house = House::recorded(service.port);
    client.until("the meter", |seen| seen.value("site/gridPower").is_some()).await;
    client.until("the car", |seen| seen.says("vehicles/tesla/trust", "live")).await;
    house.silence("sim/grid/power");
    let event = next(&mut client, 0, "devicefailed").await;
    assert_eq!((&event["device"], &event["kind"]), (&"grid".into(), &"meter".into()), "{event}");
    assert!(event["since"].as_str() < event["time"].as_str(), "{event}");
    service.stop().await;
}
