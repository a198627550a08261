//! The list of sessions over HTTP: what evcc's clients read, files for people, corrections.

use chargebus::edges::clock::zone;
use chargebus::model::{KilowattHours, SessionRow};
use chrono::TimeDelta;
use serde_json::{Value as Json, json};

use super::*;
use crate::sessions::kept::{entry, finish, key, noon, row};

async fn listed(facade: &Facade, query: &str) -> Vec<Json> {
    let (status, body) = facade.get(&format!("/api/sessions{query}")).await;
    assert_eq!(status, 200, "{body}");
    serde_json::from_str(&body).unwrap()
}

#[tokio::test]
async fn sessions_are_listed_as_evcc_lists_them() {
    let facade = Facade::start().await;
    assert_eq!(facade.get("/api/sessions").await, (200, "[]\n".to_owned()));
    finish(&facade.door.store, noon(), 3.123_456);
    let sessions = listed(&facade, "").await;
    let local = |hours| {
        let time = (noon() + TimeDelta::hours(hours)).with_timezone(&zone());
        time.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
    };
    let expected = json!({
        "id": 1, "created": local(0), "finished": local(1), "loadpoint": "Carport",
        "identifier": "04:AB", "vehicle": "Blauer, \"schneller\" Tesla", "odometer": 45678.9,
        "meterStart": 100, "meterStop": 103.123, "chargedEnergy": 3.123,
        "chargeDuration": 9_680_000_000_000_u64, "socStart": 41, "socEnd": 79.5,
        "addedRange": 194.5, "solarPercentage": 50, "price": 0.46852, "pricePerKWh": 0.15,
        "co2PerKWh": null, "referencePricePerKWh": 0.31235, "referenceCo2PerKWh": null,
        "pricedEnergy": 3.123,
    });
    // As text, so that the order of the members is compared, too.
    assert_eq!(sessions[0].to_string(), expected.to_string());
    let (status, head, body) = facade.call("GET", "/api/sessions?format=json").await;
    assert_eq!((status, serde_json::from_str::<Vec<Json>>(&body).unwrap()), (200, sessions));
    assert!(head.contains("content-type: application/json"), "{head}");
    let file = "content-disposition: attachment; filename=\"session.json\"";
    assert!(head.contains(file), "{head}");
}

#[tokio::test]
async fn a_year_and_a_month_are_those_of_local_time() {
    let facade = Facade::start().await;
    let new_year = api::period(Some("2026"), None, zone()).unwrap().from;
    let second = TimeDelta::seconds(1);
    for (n, created) in [new_year - second, new_year, noon()].into_iter().enumerate() {
        finish(&facade.door.store, created, 1.0 + n as f64);
    }
    let energies = async |query| {
        let sessions = listed(&facade, query).await;
        sessions
            .iter()
            .map(|session| session["chargedEnergy"].as_f64().unwrap())
            .collect::<Vec<_>>()
    };
    assert_eq!(energies("").await, [3.0, 2.0, 1.0]);
    assert_eq!(energies("?month=1").await, [3.0, 2.0, 1.0], "a month without a year is none");
    assert_eq!(energies("?year=2026").await, [3.0, 2.0]);
    assert_eq!(energies("?year=2026&month=1").await, [2.0]);
    assert_eq!(energies("?year=2026&month=08").await, [3.0]);
    assert_eq!(energies("?year=2025&month=12").await, [1.0]);
    for (query, why) in [
        ("?year=soon", "invalid year: soon (expected 1970 to 9998)"),
        ("?year=9999", "invalid year: 9999 (expected 1970 to 9998)"),
        ("?year=2026&month=13", "invalid month: 13 (expected 1 to 12)"),
        ("?format=xlsx", "format: \"xlsx\" is neither json nor csv"),
    ] {
        let (status, body) = facade.get(&format!("/api/sessions{query}")).await;
        assert_eq!((status, body), (400, format!("{}\n", json!({ "error": why }))), "{query}");
    }
}

#[tokio::test]
async fn a_file_for_people_has_their_captions_and_every_programs_numbers() {
    let facade = Facade::start().await;
    // E-74.
    let odd = SessionRow {
        odometer_km: Some(42.5),
        meter_start: None,
        meter_end: None,
        charged: KilowattHours(1.234_567_89),
        identifier: String::new(),
        vehicle: "Zoe\nblau".into(),
        ..row(noon(), 50.0)
    };
    let end = entry(&key(noon()), 0, chargebus::model::JournalKind::Disconnect);
    facade.door.store.record_entry(end, Some(odd));
    let time = |hours| (noon() + TimeDelta::hours(hours)).with_timezone(&zone());
    let local = |hours| time(hours).format("%Y-%m-%d %H:%M:%S").to_string();
    let line = format!(
        "{},{},Carport,,\"Zoe\nblau\",43,,,1.2346,2h41m20s,41,80,195,50,7.5,0.15,,0.3123,\n",
        local(0),
        local(1)
    );
    let english = "\u{feff}Created,Finished,Charging point,Identifier,Vehicle,Mileage (km),\
        Meter start (kWh),Meter stop (kWh),Energy (kWh),Duration,SoC start (%),SoC end (%),\
        Added range (km),Solar (%),Cost,Price/kWh,CO₂/kWh,Reference Price/kWh,\
        Reference CO2/kWh (gCO2eq)\n";
    let german = "\u{feff}Startzeit,Endzeit,Ladepunkt,Kennung,Fahrzeug,Kilometerstand (km),\
        Anfangszählerstand (kWh),Endzählerstand (kWh),Energie (kWh),Ladedauer,Ladestand Start (%),\
        Ladestand Ende (%),Geladene Reichweite (km),Sonne (%),Kosten,Preis/kWh,CO₂/kWh,\
        Reference Price/kWh,Reference CO2/kWh (gCO2eq)\n";
    let (status, head, body) =
        facade.call("GET", "/api/sessions?year=2026&month=8&format=csv&lang=de").await;
    assert_eq!((status, body), (200, format!("{german}{line}")));
    assert!(head.contains("content-type: text/csv\r\n"), "{head}");
    assert!(head.contains("attachment; filename=\"session-2026-08.csv\""), "{head}");

    let captions = async |query: &str, accepts: &str| {
        let request = format!(
            "GET /api/sessions?format=csv{query} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\
             Accept-Language: {accepts}\r\n\r\n"
        );
        let answer = facade.raw(request.as_bytes()).await;
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        body.strip_suffix(&line).unwrap().to_owned()
    };
    assert_eq!(captions("", "de-CH,en;q=0.5").await, german);
    assert_eq!(captions("", "en,de;q=0.5").await, english, "the first one counts");
    assert_eq!(captions("&lang=en", "de").await, english);
    assert_eq!(captions("&lang=eo", "de").await, english, "what we do not speak is English");
}

#[tokio::test]
async fn sessions_are_corrected_and_removed() {
    let facade = Facade::start().await;
    finish(&facade.door.store, noon(), 3.0);
    let edits = [
        (r#"{"vehicle":"Zoe"}"#, "vehicle", json!("Zoe")),
        (r#"{"loadpoint":"Garage","vehicle":null}"#, "loadpoint", json!("Garage")),
        (r#"{"odometer":12345.67}"#, "odometer", json!(12345.7)),
        (r#"{"odometer":null,"price":1}"#, "odometer", Json::Null),
    ];
    for (body, key, value) in edits {
        let (status, head, answer) = facade.send("PUT", "/api/session/1", &[], body).await;
        assert_eq!((status, &*answer), (200, ""), "{body}");
        assert!(head.contains("content-type: application/json; charset=utf-8"), "{head}");
        assert_eq!(listed(&facade, "").await[0][key], value, "{body}");
    }
    let session = &listed(&facade, "").await[0];
    assert_eq!((&session["vehicle"], &session["price"]), (&json!(""), &json!(0.45)));
    for (body, why) in [
        ("{}", "nothing to update"),
        (r#"{"price":1}"#, "nothing to update"),
        (r#"{"vehicle":1}"#, "vehicle must be text or null"),
        (r#"{"odometer":-1}"#, "odometer must be 0 to 10000000 km or null"),
    ] {
        let (status, _, answer) = facade.send("PUT", "/api/session/1", &[], body).await;
        assert_eq!((status, answer), (400, format!("{{\"error\":\"{why}\"}}\n")), "{body}");
    }
    assert_eq!(facade.send("PUT", "/api/session/1", &[], "vehicle").await.0, 400);
    assert_eq!(facade.send("PUT", "/api/session/one", &[], r#"{"vehicle":"x"}"#).await.0, 404);
    assert_eq!(facade.call("DELETE", "/api/session/1").await.2, "null\n");
    assert_eq!(facade.get("/api/sessions").await, (200, "[]\n".to_owned()));
    facade.door.store.close().await.unwrap();
    let (status, body) = facade.get("/api/sessions").await;
    assert_eq!(status, 400);
    assert!(body.contains("database offline"), "{body}");
}
