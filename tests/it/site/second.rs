//! Answers where MQTT 5 wants them, and a second service on the same root.

use std::net::SocketAddr;

use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{Packet, Publish, PublishProperties};
use rumqttc::v5::{AsyncClient, Event, MqttOptions};
use serde_json::Value as Json;
use tokio::sync::mpsc;

use super::client::Seen;
use super::house::House;
use super::service::{Home, Service, http};
use crate::devices::servers::{Memory, serve};
use crate::support::{soon, until};

/// Writes with a response topic and correlation data; what arrives on `topic`.
async fn asker(port: u16, topic: &str) -> (AsyncClient, mpsc::Receiver<Publish>) {
    let (client, mut events) = AsyncClient::new(MqttOptions::new("asker", "127.0.0.1", port), 10);
    client.subscribe(topic, QoS::AtLeastOnce).await.unwrap();
    let (tell, heard) = mpsc::channel(100);
    tokio::spawn(async move {
        while let Ok(event) = events.poll().await {
            if let Event::Incoming(Packet::Publish(message)) = event
                && tell.send(message).await.is_err()
            {
                return;
            }
        }
    });
    (client, heard)
}

async fn a_write_is_answered_where_it_wants(home: Home) {
    let service = home.start().await;
    let mut client = service.client().await;
    let (asker, mut heard) = asker(service.port, "answers/#").await;
    let set = "evcc/loadpoints/1/mode/set";
    for (payload, correlation, ok) in [("now", "a", true), ("no such mode", "b", false)] {
        let mark = client.seen().log.len();
        let said = PublishProperties {
            response_topic: Some("answers/mine".to_owned()),
            correlation_data: Some(correlation.into()),
            ..PublishProperties::default()
        };
        let asked = asker.publish_with_properties(set, QoS::AtLeastOnce, false, payload, said);
        soon("room", asked).await.unwrap();
        let answer = soon("an answer", heard.recv()).await.unwrap();
        let json: Json = serde_json::from_slice(&answer.payload).unwrap();
        assert_eq!((&json["ok"], &json["requested"]), (&ok.into(), &payload.into()), "{json}");
        let properties = answer.properties.unwrap();
        assert_eq!(properties.correlation_data, Some(correlation.into()));
        let result = format!("{set}/result");
        client.until("the result", |seen| !seen.since(mark, &result).is_empty()).await;
    }
    // Nobody makes us say something where it would mean something.
    let said = PublishProperties {
        response_topic: Some("evcc/site/residualPower/set".to_owned()),
        ..PublishProperties::default()
    };
    let mark = client.seen().log.len();
    let asked = asker.publish_with_properties(set, QoS::AtLeastOnce, false, "pv", said);
    soon("room", asked).await.unwrap();
    let result = format!("{set}/result");
    client.until("the result", |seen| !seen.since(mark, &result).is_empty()).await;
    client.set("site/residualPower", "7").await;
    let wrong = client.seen().since(mark, "evcc/site/residualPower/set").len();
    assert_eq!(wrong, 2, "our own write and its deletion, no answer");
    service.stop().await;
}

#[tokio::test]
async fn answers_on_the_embedded_broker() {
    a_write_is_answered_where_it_wants(Home::with_embedded_broker()).await;
}

#[tokio::test]
async fn answers_on_mosquitto() {
    let Some(mut home) = Home::with_mosquitto().await else { return };
    home.edit("mqtt:\n", "mqtt:\n  version: 5\n");
    a_write_is_answered_where_it_wants(home).await;
}

#[tokio::test]
async fn a_second_service_touches_nothing_until_the_first_has_left() {
    let Some(home) = Home::with_mosquitto().await else { return };
    let first = home.start().await;
    let _house = House::recorded(first.port);
    let mut client = first.client().await;
    client.until("a sign of life", |seen| seen.value("updated").is_some()).await;
    client.set("loadpoints/1/mode", "now").await;
    // Another machine with the same configuration and a database of its own.
    let other = home.twin();
    let second = other.start().await;
    assert_eq!(second.state().await["loadpoints"][0]["mode"], "pv");
    // Whoever asks the second one learns why it does nothing, and on the bus it is told once.
    let standby =
        |seen: &Seen| seen.log.iter().filter(|said| said.payload.contains("standby")).count();
    client.until("its word", |seen| standby(seen) == 1).await;
    let event: Json = serde_json::from_str(client.seen().value("events").unwrap()).unwrap();
    let why = event["message"].as_str().unwrap().to_owned();
    assert!(event["event"] == "standby" && why.starts_with("another service is online"), "{event}");
    soon("its state", async { while second.state().await["standby"] != why.as_str() {} }).await;
    let ready = |service: &Service| {
        let server = service.http();
        async move { http(server, "GET /api/health/ready").await }
    };
    assert_eq!(ready(&second).await, (503, format!("{why}\n")));
    assert_eq!(ready(&first).await, (200, "OK\n".to_owned()));
    assert_eq!(http(second.http(), "GET /api/health").await.0, 200, "it is well");
    assert_eq!(first.state().await["standby"], Json::Null);
    // One of them answers.
    let mark = client.seen().log.len();
    for _ in 0..3 {
        client.set("loadpoints/1/mode", "now").await;
    }
    assert_eq!(client.seen().since(mark, "evcc/loadpoints/1/mode/set/result").len(), 3);
    assert!(client.seen().since(mark, "evcc/status").is_empty());
    let mark = client.seen().log.len();
    first.stop().await;
    client
        .until("the second", |seen| seen.since(mark, "evcc/status") == ["offline", "online"])
        .await;
    // It works, and its own settings are in force.
    client.set("loadpoints/1/mode", "minpv").await;
    assert_eq!(ready(&second).await, (200, "OK\n".to_owned()));
    assert_eq!((second.state().await["standby"].clone(), standby(&client.seen())), (Json::Null, 1));
    second.stop().await;
    client.until("the end", |seen| seen.says("status", "offline")).await;
}

/// The first wallbox is switched over Modbus, past the broker.
fn over_modbus(home: &mut Home, address: SocketAddr) {
    for (key, topic, register) in [("enable", "enable", 1), ("maxcurrent", "maxcurrent", 2)] {
        home.edit(
            &format!("{key}: {{source: mqtt, topic: sim/wb/1/{topic}/set}}"),
            &format!(
                "{key}: {{source: modbus, uri: '{address}', id: 1, \
                 register: {{address: {register}, type: writesingle}}}}"
            ),
        );
    }
}

/// What one service writes is seen apart from what the other one writes; it is one wallbox.
#[tokio::test]
async fn two_services_never_command_one_charger() {
    let Some(mut home) = Home::with_mosquitto().await else { return };
    let (ours, theirs) = (Memory::default(), Memory::default());
    let mut other = home.twin();
    over_modbus(&mut home, serve(&ours).await);
    over_modbus(&mut other, serve(&theirs).await);
    other.edit("mode: pv", "mode: now");
    let is_written = |memory: &Memory| !memory.0.lock().unwrap().is_empty();

    let first = home.start().await;
    let house = House::recorded(first.port);
    let mut client = first.client().await;
    client.set("loadpoints/1/mode", "now").await;
    until("a command of the first", || is_written(&ours)).await;
    client.until("a sign of life", |seen| seen.value("updated").is_some()).await;

    let second = other.start().await;
    let mark = client.seen().log.len();
    // Three seconds of life, in which a service that has the devices would have commanded them.
    for n in 0.. {
        assert!(n < 10_000, "no sign of life");
        client.set("loadpoints/1/minSoc", &(n % 50).to_string()).await;
        if client.seen().since(mark, "evcc/updated").len() >= 3 {
            break;
        }
    }
    assert!(!is_written(&theirs), "{theirs:?}");
    first.stop().await;
    // Current and switch, so that nothing is on its way any more.
    until("the commands of the second", || theirs.0.lock().unwrap().len() == 2).await;
    // And back: whoever hears of another one while it has the devices lets go at once.
    let mark = client.seen().log.len();
    client.publish("evcc/updated", "1", false).await;
    second.superseded().await;
    let written = theirs.0.lock().unwrap().clone();
    second.stop().await;
    assert_eq!(*theirs.0.lock().unwrap(), written, "it leaves the charger as it is");
    // Its goodbye would be taken for the other one's.
    assert!(client.seen().since(mark, "evcc/status").is_empty());
    drop(house);
}
