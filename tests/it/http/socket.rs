//! WebSocket: the whole state, then what changes, and a sign of life in between.

use chargebus::api::System;
use chargebus::control::Control;
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::Value as Json;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use super::*;

type Client = WebSocketStream<MaybeTlsStream<TcpStream>>;

async fn join(facade: &Facade) -> Client {
    let url = format!("ws://{}/ws", facade.address);
    timeout(DEADLINE, connect_async(url)).await.unwrap().unwrap().0
}

async fn frame(client: &mut Client) -> Json {
    loop {
        let message = timeout(DEADLINE, client.next()).await.unwrap().unwrap().unwrap();
        assert!(!message.is_close(), "{message:?}");
        if let Message::Text(text) = message {
            return serde_json::from_str(&text).unwrap();
        }
    }
}

/// The keys of the frames that follow the first one, each with one part of the forecast.
async fn forecasts(client: &mut Client) -> Vec<String> {
    let mut parts = Vec::new();
    for _ in 0..3 {
        let frame = frame(client).await;
        let frame = frame.as_object().unwrap();
        assert_eq!(frame.len(), 1);
        parts.extend(frame.keys().cloned());
    }
    parts
}

/// A client that has been told everything.
async fn joined(facade: &Facade) -> Client {
    let mut client = join(facade).await;
    let _whole = frame(&mut client).await;
    forecasts(&mut client).await;
    client
}

#[tokio::test]
async fn the_first_frame_is_whole_and_the_next_ones_are_changes() {
    let facade = Facade::start().await;
    let mut client = join(&facade).await;
    let first = frame(&mut client).await;
    for key in
        ["siteTitle", "startupCompleted", "loadpoints.0.mode", "loadpoints.1.title", "vehicles"]
    {
        assert!(first.get(key).is_some(), "{key}");
    }
    assert!(first.get("forecast").is_none(), "it has frames of its own");
    assert_eq!(first["startupCompleted"], true);
    assert_eq!(first["vehicles"]["tesla"]["title"], "Blauer Tesla");
    let parts = forecasts(&mut client).await;
    assert_eq!(parts, ["forecast.feedin", "forecast.grid", "forecast.planner"]);
    assert_eq!(facade.post("/api/loadpoints/2/mode/minpv").await.0, 200);
    let second = frame(&mut client).await;
    assert_eq!(second["loadpoints.1.mode"], "minpv");
    assert!(second.get("siteTitle").is_none(), "{second}");
}

#[tokio::test]
async fn warnings_of_the_log_are_told_and_are_no_state() {
    use tracing_subscriber::layer::SubscriberExt as _;

    let facade = Facade::start().await;
    let mut client = joined(&facade).await;
    let before = facade.get("/api/state").await;
    let book = tracing_subscriber::registry().with(facade.door.log.clone());
    tracing::subscriber::with_default(book, || {
        tracing::info!("of no interest");
        tracing::warn!(loadpoint = 1_u64, "the meter is silent");
        (0..1000).for_each(|n| tracing::error!("storm {n}"));
    });
    let expected =
        serde_json::json!({"log": {"message": "the meter is silent", "level": "warn", "lp": 1}});
    assert_eq!(frame(&mut client).await, expected);
    let storm = frame(&mut client).await;
    assert_eq!(storm, serde_json::json!({"log": {"message": "storm 0", "level": "error"}}));
    // The state is told all the same, and the log is none of it.
    assert_eq!(facade.get("/api/state").await, before);
    assert_eq!(facade.post("/api/loadpoints/2/mode/minpv").await.0, 200);
    let mut storms = 0;
    loop {
        let next = frame(&mut client).await;
        if next.get("loadpoints.1.mode").is_some() {
            break;
        }
        assert!(next["log"]["message"].as_str().unwrap().starts_with("storm"), "{next}");
        storms += 1;
    }
    assert!(storms < 20, "{storms} frames of a storm");
}

#[tokio::test(start_paused = true)]
async fn silence_is_broken_every_20_s_by_a_frame_with_content() {
    let facade = Facade::start().await;
    let mut client = joined(&facade).await;
    let start = tokio::time::Instant::now();
    for _ in 0..3 {
        assert_eq!(frame(&mut client).await, serde_json::json!({ "interval": 30 }));
    }
    assert!(start.elapsed() <= Duration::from_secs(61), "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn what_changes_within_a_quarter_of_a_second_shares_a_frame() {
    let facade = Facade::start().await;
    let mut client = joined(&facade).await;
    let mut control = house::fed();
    for soc in [10.0, 20.0, 30.0] {
        control.set_priority_soc(house::noon(), chargebus::model::Percent(soc)).unwrap();
        facade.told.send_modify(|told| told.state = next(&told.state, &control));
    }
    let changed = frame(&mut client).await;
    assert_eq!(changed, serde_json::json!({ "prioritySoc": 30 }));
}

#[tokio::test]
async fn words_of_a_client_are_ignored() {
    let facade = Facade::start().await;
    let mut client = joined(&facade).await;
    client.send(Message::text("{\"loadpoints.0.mode\":\"now\"}")).await.unwrap();
    client.send(Message::binary(vec![0; 100])).await.unwrap();
    assert_eq!(facade.post("/api/loadpoints/2/mode/now").await.0, 200);
    let changed = frame(&mut client).await;
    assert_eq!(changed["loadpoints.1.mode"], "now");
    assert!(changed.get("loadpoints.0.mode").is_none());
}

#[tokio::test]
async fn a_stopping_service_says_goodbye() {
    let facade = Facade::start().await;
    let mut client = joined(&facade).await;
    drop(facade);
    let goodbye = timeout(DEADLINE, client.next()).await.unwrap().unwrap().unwrap();
    let Message::Close(Some(close)) = goodbye else { panic!("{goodbye:?}") };
    assert_eq!(u16::from(close.code), 1001);
}

/// A client costs the others nothing: all are told the same at about the same time, also beside
/// some that never read.
#[tokio::test]
async fn two_hundred_clients_are_told_alike() {
    const CLIENTS: usize = 200;
    let facade = Facade::start().await;
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        clients.push(join(&facade).await);
    }
    let _silent = [join(&facade).await, join(&facade).await];
    let whole = frame(&mut clients[0]).await;
    for client in &mut clients[1..] {
        assert_eq!(frame(client).await, whole);
    }
    for client in &mut clients {
        forecasts(client).await;
    }
    for mode in ["now", "minpv", "off"] {
        assert_eq!(facade.post(&format!("/api/loadpoints/2/mode/{mode}")).await.0, 200);
        let news = frame(&mut clients[0]).await;
        assert_eq!(news["loadpoints.1.mode"], mode);
        for client in &mut clients[1..] {
            assert_eq!(frame(client).await, news);
        }
    }
    // They leave, and their seats are free again.
    drop(clients);
    assert_eq!(facade.get("/api/health").await.0, 200);
    joined(&facade).await;
}

#[tokio::test]
async fn a_forecast_that_changes_is_told_part_by_part() {
    let facade = Facade::start().await;
    let mut client = joined(&facade).await;
    let mut control = house::fed();
    control.set_tariffs(house::noon(), chargebus::control::tariff::Tariffs::default());
    facade.told.send_modify(|told| told.state = next(&told.state, &control));
    let changed = frame(&mut client).await;
    assert!(changed.as_object().unwrap().keys().all(|key| !key.starts_with("forecast")));
    for key in forecasts(&mut client).await {
        assert!(["forecast.feedin", "forecast.grid", "forecast.planner"].contains(&&*key), "{key}");
    }
}

/// Two states of a large site; the frame from the first to the second is whole: clients forget.
fn large() -> [State; 2] {
    let mut setup = house::setup();
    setup.loadpoints = vec![setup.loadpoints[0].clone(); 200];
    let control = Control::new(setup, house::noon());
    [false, true].map(|started| {
        let system = System { started, ..house::system() };
        State::default().next(&View { control: &control, system: &system, now: house::noon() })
    })
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_read_is_dropped_and_hurts_nobody() {
    const ROUNDS: usize = 60;
    let facade = Facade::start().await;
    let mut slow = join(&facade).await;
    let mut quick = joined(&facade).await;
    let states = large();
    for round in 0..ROUNDS {
        facade.told.send_modify(|told| told.state = states[round % 2].clone());
        let told = loop {
            let told = frame(&mut quick).await;
            if told.as_object().unwrap().keys().all(|key| !key.starts_with("forecast.")) {
                break told;
            }
        };
        assert_eq!(told["startupCompleted"], round % 2 == 1);
    }
    let mut frames = 0;
    while let Some(Ok(Message::Text(_))) = timeout(DEADLINE, slow.next()).await.unwrap() {
        frames += 1;
        assert!(frames < ROUNDS, "the slow client was kept");
    }
}
