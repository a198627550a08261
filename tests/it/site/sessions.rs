//! Charging sessions of the real service: killed, seen by an app, corrected over MQTT.

use std::time::Duration;

use rusqlite::Connection;
use rustix::process::Signal;
use serde_json::Value as Json;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::client::{Client, Seen};
use super::house::House;
use super::programs::{Running, run};
use super::service::{Home, Service, http};
use crate::support::{soon, until};

impl Running {
    async fn sessions(&self) -> Vec<Json> {
        let server = format!("127.0.0.1:{}", self.http).parse().unwrap();
        let (status, body) = http(server, "GET /api/sessions").await;
        assert_eq!(status, 200, "{body}");
        serde_json::from_str(&body).unwrap()
    }

    async fn kill(&mut self, client: &mut Client) {
        self.signal(Signal::KILL);
        client.until("the will", |seen| seen.says("status", "offline")).await;
        soon("the end", self.child.wait()).await.unwrap();
    }
}

/// A counter that has gone from 123.4 to this.
fn charged(kwh: f64) -> impl Fn(&Seen) -> bool {
    move |seen| {
        let energy = seen.value("loadpoints/1/sessionEnergy");
        energy.and_then(|text| text.parse::<f64>().ok()) == Some(kwh * 1000.0)
    }
}

/// F33, #5696, #20766: one session, whatever is killed, and all that the meter counted.
#[tokio::test]
async fn a_kill_neither_splits_a_session_nor_loses_its_energy() {
    let Some(home) = Home::with_mosquitto().await else { return };
    let port = home.mosquitto.as_ref().unwrap().port;
    let house = House::recorded(port);
    let mut client = Client::connect(port).await;
    let mut running = run(&home).await;
    client.until("a car", |seen| seen.says("loadpoints/1/connected", "true")).await;
    house.say("sim/wb/1/status", "C");
    client.until("a charge", |seen| seen.says("loadpoints/1/charging", "true")).await;
    for (counter, energy) in [("124.4", 1.0), ("125.4", 2.0)] {
        house.say("sim/wb/1/energy", counter);
        client.until("its energy", charged(energy)).await;
    }
    running.kill(&mut client).await;

    // It charges on while nobody looks.
    house.say("sim/wb/1/energy", "128.4");
    let mut running = run(&home).await;
    client.until("the state", |seen| seen.says("status", "online")).await;
    client.until("the energy of the time between", charged(5.0)).await;
    assert_eq!(running.sessions().await, [] as [Json; 0], "it has never stopped");
    house.say("sim/wb/1/energy", "129.4");
    client.until("its energy", charged(6.0)).await;
    house.say("sim/wb/1/status", "B");
    client.until("the stop", |seen| seen.says("loadpoints/1/charging", "false")).await;
    let sessions = running.sessions().await;
    assert_eq!(sessions.len(), 1);
    assert_eq!(sessions[0]["chargedEnergy"], 6);
    running.kill(&mut client).await;

    // The car leaves while nobody looks.
    house.say("sim/wb/1/status", "A");
    let mut running = run(&home).await;
    client.until("the state", |seen| seen.says("status", "online")).await;
    client.until("no car", |seen| seen.says("loadpoints/1/connected", "false")).await;
    house.say("sim/wb/1/status", "B");
    client.until("a car", |seen| seen.says("loadpoints/1/connected", "true")).await;
    let again = running.sessions().await;
    assert_eq!(again, sessions, "the same row and no other");
    assert_eq!(again[0]["vehicle"], "Blauer Tesla");
    assert_eq!((&again[0]["meterStart"], &again[0]["meterStop"]), (&123.4.into(), &129.4.into()));
    let statistics = |seen: &Seen| seen.says("site/statistics/total/chargedKWh", "6");
    client.until("what all sessions come to", statistics).await;
    running.signal(Signal::TERM);
    soon("the end", running.child.wait()).await.unwrap();
}

/// A car has charged 2 kWh and waits.
async fn charged_once(home: &Home) -> (Service, Client, House) {
    let service = home.start().await;
    let mut client = service.client().await;
    let house = House::recorded(service.port);
    client.until("a car", |seen| seen.says("loadpoints/1/connected", "true")).await;
    client.until("its meter", |seen| seen.says("loadpoints/1/chargeTotalImport", "123.4")).await;
    house.say("sim/wb/1/status", "C");
    client.until("a charge", |seen| seen.says("loadpoints/1/charging", "true")).await;
    house.say("sim/wb/1/energy", "125.4");
    client.until("its energy", charged(2.0)).await;
    house.say("sim/wb/1/status", "B");
    client.until("the stop", |seen| seen.says("loadpoints/1/charging", "false")).await;
    (service, client, house)
}

async fn listed(service: &Service) -> Vec<Json> {
    let (_, body) = http(service.http(), "GET /api/sessions").await;
    serde_json::from_str(&body).unwrap()
}

/// Home Assistant reads the list when it hears that a charge has ended (api.md §3.9).
#[tokio::test]
async fn a_session_is_listed_before_its_end_is_told() {
    let (service, client, _house) = charged_once(&Home::with_embedded_broker()).await;
    let sessions = listed(&service).await;
    assert_eq!((sessions.len(), &sessions[0]["chargedEnergy"]), (1, &2.into()));
    // The sun gives it all at noon and half of it at night: what is sure is that it has a price.
    assert!(sessions[0]["price"].is_number(), "{}", sessions[0]);
    assert!(client.seen().value("loadpoints/1/sessionPricePerKWh").is_some());
    service.stop().await;
}

#[tokio::test]
async fn sessions_are_corrected_over_mqtt_and_every_write_is_answered() {
    let (service, mut client, house) = charged_once(&Home::with_embedded_broker()).await;
    let answer = client.write("sessions/1", r#"{"vehicle":"Zoe","odometer":null,"id":7}"#).await;
    assert_eq!(
        (&answer["ok"], &answer["code"], &answer["id"]),
        (&true.into(), &"ok".into(), &7.into())
    );
    let session = &listed(&service).await[0];
    assert_eq!((&session["vehicle"], &session["odometer"]), (&"Zoe".into(), &Json::Null));
    for (topic, payload, code) in [
        ("sessions/9", r#"{"vehicle":"Zoe"}"#, "unknown_topic"),
        ("sessions/9", "null", "unknown_topic"),
        ("sessions/one", "null", "unknown_topic"),
        ("sessions/1", "{}", "invalid_type"),
        ("sessions/1", "garbage", "invalid_type"),
        ("sessions/1", r#"{"vehicle":[]}"#, "invalid_type"),
    ] {
        let answer = client.write(topic, payload).await;
        assert_eq!((&answer["ok"], &answer["code"]), (&false.into(), &code.into()), "{payload}");
        // Told where every refusal is told, as that of a field is.
        let error: Json = serde_json::from_str(client.seen().value("error").unwrap()).unwrap();
        assert_eq!(error["topic"], format!("evcc/{topic}/set"), "{error}");
        assert_eq!(
            (&error["payload"], &error["error"]),
            (&answer["requested"], &answer["message"])
        );
    }
    // It charges on, and what the user said stays.
    house.say("sim/wb/1/status", "C");
    client.until("a charge", |seen| seen.says("loadpoints/1/charging", "true")).await;
    house.say("sim/wb/1/energy", "126.4");
    client.until("its energy", charged(3.0)).await;
    house.say("sim/wb/1/status", "B");
    client.until("the stop", |seen| seen.says("loadpoints/1/charging", "false")).await;
    let session = &listed(&service).await[0];
    assert_eq!((&session["vehicle"], &session["chargedEnergy"]), (&"Zoe".into(), &3.into()));
    let answer = client.write("sessions/1", "null").await;
    assert_eq!(answer["ok"], true, "{answer}");
    assert_eq!(listed(&service).await, [] as [Json; 0]);
    service.stop().await;
}

/// Docker waits ten seconds before it kills, and half a request can take longer.
#[tokio::test]
async fn the_books_are_on_disk_before_the_last_client_has_gone() {
    let home = Home::with_embedded_broker();
    let (service, mut client, house) = charged_once(&home).await;
    house.say("sim/wb/1/status", "C");
    client.until("a charge", |seen| seen.says("loadpoints/1/charging", "true")).await;
    house.say("sim/wb/1/energy", "126.4");
    client.until("its energy", charged(3.0)).await;
    let mut slow = TcpStream::connect(service.http()).await.unwrap();
    let half = "POST /api/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
        Content-Length: 9\r\n\r\n{";
    slow.write_all(half.as_bytes()).await.unwrap();
    service.state().await;
    let stop = tokio::spawn(service.stop());
    let database = Connection::open(&home.database).unwrap();
    let written = || {
        let sql = "SELECT sum(energy_wh) > 2999 FROM journal";
        database.query_row(sql, [], |row| row.get(0)).ok() == Some(true)
    };
    timeout(Duration::from_secs(5), until("the books", written)).await.unwrap();
    assert!(!stop.is_finished(), "nobody was slow");
    drop(slow);
    stop.await.unwrap();
}
