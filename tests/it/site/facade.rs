//! REST and WebSocket before the same service; what they say in detail is tested with the facade.

use futures_util::StreamExt;
use serde_json::Value as Json;
use tokio_tungstenite::connect_async;

use super::service::{Home, http};
use crate::support::soon;

#[tokio::test]
async fn rest_and_bus_are_one() {
    let service = Home::with_embedded_broker().start().await;
    let mut client = service.client().await;
    let server = service.http();
    assert_eq!(http(server, "GET /api/health").await, (200, "OK\n".to_owned()));

    let (status, body) = http(server, "POST /api/loadpoints/1/mode/now").await;
    assert_eq!((status, body.trim()), (200, "\"now\""));
    client.until("the mode", |seen| seen.says("loadpoints/1/mode", "now")).await;
    client.set("loadpoints/1/mode", "minpv").await;
    let (status, body) = http(server, "GET /api/state?jq=.loadpoints%5B0%5D.mode").await;
    assert_eq!((status, body.trim()), (200, "\"minpv\""));

    for (request, wanted) in [
        ("POST /api/loadpoints/1/mode/turbo", 400),
        ("POST /api/loadpoints/1/limitsoc/101", 400),
        ("POST /api/loadpoints/9/mode/now", 404),
        ("POST /api/prioritysoc/NaN", 400),
        ("GET /api/state?jq=.%5B", 400),
        ("GET /api/nothing", 404),
    ] {
        let (status, body) = http(server, request).await;
        assert_eq!(status, wanted, "{request}: {body}");
        let body: Json = serde_json::from_str(&body).unwrap();
        assert!(body["error"].is_string(), "{request}: {body}");
    }
    let (status, page) = http(server, "GET /").await;
    assert!(status == 200 && page.contains("<html"), "{page}");
    service.stop().await;
}

#[tokio::test]
async fn a_socket_is_told_all_and_then_what_changes() {
    let service = Home::with_embedded_broker().start().await;
    let mut client = service.client().await;
    let url = format!("ws://{}/ws", service.http());
    let (mut socket, _) = soon("the socket", connect_async(url)).await.unwrap();
    let mut frame = async || -> Json {
        let frame = soon("a frame", socket.next()).await.unwrap().unwrap();
        serde_json::from_str(frame.to_text().unwrap()).unwrap()
    };
    let first = frame().await;
    assert_eq!(first["loadpoints.0.mode"], "pv", "{first}");
    assert_eq!(first["siteTitle"], "Zuhause");
    assert_eq!(first["startupCompleted"], true);
    client.set("loadpoints/1/limitSoc", "77").await;
    // Other things may change in the meantime, but the whole is not told again.
    loop {
        let next = frame().await;
        assert_eq!(next["siteTitle"], Json::Null, "{next}");
        if next["loadpoints.0.limitSoc"] == 77 {
            break;
        }
    }
    service.stop().await;
}
