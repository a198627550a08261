//! What is recorded outlives the service, and REST finds it.

use std::net::SocketAddr;

use chargebus::edges::clock::zone;
use chargebus::edges::store::Store;
use chargebus::model::{
    Counters, EnergyGroup, Entity, EntityRecord, KilowattHours, Prices, SlotEnergy, SlotRecord,
};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value as Json, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::house::House;
use super::service::{Home, http};
use crate::support::soon;

const START_S: i64 = 1_800_000_000;

async fn get(server: SocketAddr, path: &str) -> (u16, Json) {
    let (status, body) = http(server, &format!("GET /api/{path}")).await;
    (status, serde_json::from_str(&body).unwrap_or_else(|_| panic!("{path}: {body}")))
}

/// Head in small letters, and body.
async fn file(server: SocketAddr, path: &str, header: &str) -> (String, String) {
    let exchange = async {
        let mut stream = TcpStream::connect(server).await.unwrap();
        let text =
            format!("GET /api/{path} HTTP/1.1\r\nHost: test\r\n{header}Connection: close\r\n\r\n");
        stream.write_all(text.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    };
    let answer = soon(path, exchange).await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.to_lowercase(), body.to_owned())
}

fn slot(start: DateTime<Utc>, entities: &[(EnergyGroup, &str, f64)]) -> SlotRecord {
    let entities = entities.iter().map(|(group, name, kwh)| EntityRecord {
        entity: Entity { group: *group, name: (*name).to_owned(), title: (*name).to_owned() },
        counters: Counters::default(),
        energy: Some(SlotEnergy {
            energy: KilowattHours(*kwh),
            return_energy: KilowattHours::ZERO,
            soc: None,
            recovered: false,
        }),
    });
    let entities = entities.collect();
    SlotRecord { start, end: start + TimeDelta::minutes(15), entities, prices: Prices::default() }
}

#[tokio::test]
async fn an_earlier_start_is_told_by_quarters_hours_and_as_a_file() {
    let home = Home::with_embedded_broker();
    let store = Store::open(&home.database).unwrap();
    let at = |slot: i64| DateTime::from_timestamp(START_S + slot * 900, 0).unwrap();
    for n in 0..8 {
        let of = [(EnergyGroup::Pv, "pv1", 0.5), (EnergyGroup::LoadPoint, "lp-1", 0.25)];
        store.record_slot(slot(at(n), &of));
    }
    // An hour ago is in the last 24 hours, whatever the time of day.
    let quarter = Utc::now().timestamp() / 900 * 900;
    let hour_ago = DateTime::from_timestamp(quarter - 3600, 0).unwrap();
    store.record_slot(slot(hour_ago, &[(EnergyGroup::LoadPoint, "lp-1", 1.5)]));
    store.close().await.unwrap();

    let service = home.start().await;
    let state = service.state().await;
    assert_eq!(state["loadpoints"][0]["last24hEnergy"], 1500);
    assert_eq!(state["loadpoints"][0]["last7dEnergy"], 1500);
    assert_eq!(state["loadpoints"][1]["last7dEnergy"], 0);

    let (from, to) = ("2027-01-15T08:00:00Z", "2027-01-15T10:00:00Z");
    let window = format!("history/energy?from={from}&to={to}");
    let (status, series) = get(service.http(), &window).await;
    assert_eq!(status, 200, "{series}");
    let groups: Vec<_> = series.as_array().unwrap().iter().map(|of| &of["group"]).collect();
    assert_eq!(groups, ["pv", "loadpoint"]);
    assert_eq!(series[0]["title"], "pv1");
    assert_eq!(series[0]["data"].as_array().unwrap().len(), 8);
    let first = json!({
        "start": from, "end": "2027-01-15T08:15:00Z", "energy": 0.5, "returnEnergy": 0
    });
    assert_eq!(series[0]["data"][0], first);
    let hours = format!("{window}&aggregate=hour&grouped=true&group=loadpoint");
    let (_, series) = get(service.http(), &hours).await;
    assert_eq!(series.as_array().unwrap().len(), 1);
    assert_eq!(series[0]["data"][1]["energy"], 1);
    assert_eq!(series[0].get("title"), None);
    for (query, wanted, message) in [
        ("aggregate=week", 500, "invalid aggregate value"),
        ("from=today", 400, "from: invalid time"),
        ("format=xlsx", 400, "format: \"xlsx\""),
    ] {
        let (status, answer) = get(service.http(), &format!("history/energy?{query}")).await;
        assert_eq!(status, wanted, "{query}");
        assert!(answer["error"].as_str().unwrap().starts_with(message), "{answer}");
    }

    let (head, body) = file(service.http(), &format!("{window}&format=csv"), "").await;
    assert!(head.contains("content-type: text/csv"), "{head}");
    assert!(head.contains("attachment; filename=\"history-energy.csv\""), "{head}");
    let local = at(0).with_timezone(&zone()).format("%Y-%m-%d %H:%M:%S");
    let mut lines = body.lines();
    assert_eq!(
        lines.next(),
        Some("\u{feff}time.start,time.end,pv.pv1.energy.Wh,loadpoint.lp-1.energy.Wh")
    );
    let row = lines.next().unwrap();
    assert!(row.starts_with(&local.to_string()) && row.ends_with(",500,250"), "{row}");
    assert_eq!(lines.count(), 7);
    let (head, _) = file(service.http(), &format!("{window}&format=json"), "").await;
    assert!(head.contains("attachment; filename=\"history-energy.json\""), "{head}");
    service.stop().await;
}

#[tokio::test]
async fn a_limit_of_the_feed_in_reaches_the_roof_and_is_listed() {
    let mut home = Home::with_embedded_broker();
    home.yaml = home.yaml.replace(
        "    power: {source: mqtt, topic: sim/pv/1/power}\n",
        "    power: {source: mqtt, topic: sim/pv/1/power}\n    \
             curtail: {source: mqtt, topic: sim/pv/1/max}\n",
    );
    home.yaml.push_str(
        "hems: {type: custom, productionNominalMax: 10000, \
         curtailedPercent: {source: mqtt, topic: hems/share}}\n",
    );
    let service = home.start().await;
    let _house = House::recorded(service.port);
    let mut client = service.client().await;
    client.until("the meters", |seen| seen.says("site/homePower", "800")).await;
    for (share, told) in [("60", "60"), ("100", "100"), ("30", "30")] {
        client.publish("hems/share", share, false).await;
        client.until("the share", |seen| seen.says("site/hems/status/curtailed", told)).await;
        client.until("the roof", |seen| seen.number("sim/pv/1/max") == told.parse().ok()).await;
    }
    client.until("watts", |seen| seen.says("site/hems/status/maxProductionPower", "3000")).await;
    let (_, sessions) = get(service.http(), "gridsessions").await;
    let sessions = sessions.as_array().unwrap().iter();
    let told = |session: &Json| {
        (session["type"].clone(), session["limit"].clone(), session.get("finished").is_some())
    };
    let expected = [(3000, false), (6000, true)];
    let expected = expected.map(|(limit, over)| (json!("production"), json!(limit), over));
    assert_eq!(sessions.map(told).collect::<Vec<_>>(), expected);
    service.stop().await;
}

#[tokio::test]
async fn limits_of_the_grid_operator_are_listed_and_end_with_the_service() {
    let mut home = Home::with_embedded_broker();
    home.yaml
        .push_str("hems: {type: custom, limit: {source: mqtt, topic: hems/limit}, timeout: 10m}\n");
    let service = home.start().await;
    let _house = House::recorded(service.port);
    let mut client = service.client().await;
    client.until("the meters", |seen| seen.says("site/homePower", "800")).await;
    assert_eq!(get(service.http(), "gridsessions").await, (200, json!([])));
    for (limit, dimmed) in [("5000", "true"), ("0", "false"), ("6000", "true")] {
        client.publish("hems/limit", limit, false).await;
        client.until("the limit", |seen| seen.says("site/hems/status/dimmed", dimmed)).await;
    }
    let (status, sessions) = get(service.http(), "gridsessions").await;
    assert_eq!(status, 200);
    let open = |session: &Json| session.get("finished").is_none();
    let told = |sessions: &Json| {
        let sessions = sessions.as_array().unwrap().iter();
        let of =
            |session: &Json| (session["limit"].as_f64(), session["grid"].as_f64(), open(session));
        sessions.map(of).collect::<Vec<_>>()
    };
    let grid = Some(-3000.0);
    assert_eq!(told(&sessions), [(Some(6000.0), grid, true), (Some(5000.0), grid, false)]);
    let (head, body) =
        file(service.http(), "gridsessions?format=csv", "Accept-Language: de-DE\r\n").await;
    assert!(head.contains("attachment; filename=\"gridsessions.csv\""), "{head}");
    assert!(
        body.starts_with("\u{feff}Startzeit,Endzeit,Typ,Netzbezug (kW),Limit (kW)\n"),
        "{body}"
    );
    assert!(body.lines().nth(1).unwrap().ends_with(",,consumption,-3,6"), "{body}");
    service.stop().await;

    let service = home.start().await;
    let (_, sessions) = get(service.http(), "gridsessions").await;
    assert!(!sessions.as_array().unwrap().iter().any(open), "{sessions}");
    service.stop().await;
}
