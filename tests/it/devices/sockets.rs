//! Values over WebSocket, from servers that speak it and from some that do not (§7.1, design S6).

#![allow(clippy::result_large_err, reason = "the type of a handshake is tungstenite's")]

use std::sync::{Arc, Mutex};

use chargebus::model::{ChargerAttribute, ChargerValue, Fact, MeterValue};
use futures_util::{SinkExt, StreamExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};

use super::{Rig, meter_site, parsed};
use crate::support::until;
use crate::web::{Reply, Web};

/// Serves WebSockets; every connection, counted from 0, is treated as told.
async fn serve<F, Fut>(treat: F) -> (u16, Arc<Mutex<Vec<String>>>)
where
    F: Fn(usize, WebSocketStream<TcpStream>) -> Fut + Send + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let heard: Arc<Mutex<Vec<String>>> = Arc::default();
    let list = Arc::clone(&heard);
    tokio::spawn(async move {
        let mut count = 0;
        while let Ok((stream, _)) = listener.accept().await {
            let note = |request: &Request, response: Response| -> Result<_, ErrorResponse> {
                let header = |name: &str| {
                    let value = request.headers().get(name).and_then(|value| value.to_str().ok());
                    value.unwrap_or_default().to_owned()
                };
                let (uri, key, auth) = (request.uri(), header("x-key"), header("authorization"));
                list.lock().unwrap().push(format!("{uri} {key} {auth}"));
                Ok(response)
            };
            if let Ok(socket) = tokio_tungstenite::accept_hdr_async(stream, note).await {
                tokio::spawn(treat(count, socket));
                count += 1;
            }
        }
    });
    (port, heard)
}

/// Says these things, then listens until the other end has gone.
async fn say(mut socket: WebSocketStream<TcpStream>, texts: &[&str]) {
    for text in texts {
        socket.send(Message::text(*text)).await.unwrap();
    }
    while let Some(Ok(_)) = socket.next().await {}
}

fn power(fact: &Fact) -> f64 {
    match fact {
        Fact::Meter { value: MeterValue::Power(power), .. } => power.0,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn one_connection_feeds_many_attributes_and_is_made_anew() {
    let (port, heard) = serve(|count, mut socket| async move {
        if count == 0 {
            socket.send(Message::Ping("x".into())).await.unwrap();
            socket.send(Message::text(r#"{"p":1,"soc":50}"#)).await.unwrap();
            return socket.close(None).await.unwrap();
        }
        say(socket, &[r#"{"p":2,"soc":50}"#]).await;
    })
    .await;
    let source = |jq: &str| {
        format!(
            "{{source: websocket, uri: 'ws://127.0.0.1:{port}/live?a=b', headers: {{X-Key: k}}, \
             auth: {{type: basic, user: me, password: secret}}, jq: {jq}, scale: 10}}"
        )
    };
    let config = meter_site(&format!("power: {}\nsoc: {}", source(".p"), source(".soc / 10")));
    assert!(!format!("{config:?}").contains("secret"));
    let mut rig = Rig::start(&config);
    assert_eq!(power(&rig.fact().await), 10.0);
    let soc = format!("{:?}", rig.fact().await);
    assert!(soc.contains("Soc(Percent(50.0))"), "{soc}");
    until("the farewell", || rig.devices.health()[0].error.is_some()).await;
    let error = rig.devices.health()[0].error.clone().unwrap();
    assert_eq!(error, "power: the server has hung up");
    assert_eq!(power(&rig.fact().await), 20.0);
    let seen = heard.lock().unwrap().clone();
    assert_eq!(seen, ["/live?a=b k Basic bWU6c2VjcmV0"; 2]);
}

#[tokio::test]
async fn one_hung_socket_delays_nobody_else() {
    let (good, _) = serve(|_, mut socket| async move {
        for n in 0..1000 {
            let sent = socket.send(Message::text(n.to_string())).await;
            if sent.is_err() {
                return;
            }
        }
        while let Some(Ok(_)) = socket.next().await {}
    })
    .await;
    let (huge, _) = serve(|_, mut socket| async move {
        let _ = socket.send(Message::text("7".repeat((1 << 20) + 1))).await;
        while let Some(Ok(_)) = socket.next().await {}
    })
    .await;
    let (words, _) = serve(|_, socket| async move { say(socket, &["many words"]).await }).await;
    let mut ports = vec![good, huge, words];
    for reply in [Reply::Silent, Reply::Close, Reply::Garbage, Reply::ok("7")] {
        ports.push(Web::start(move |_| reply.clone()).await.port);
    }
    let switching = "upgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-accept: no\r\n";
    let wrong = move || Reply::Full(101, switching.to_owned(), String::new());
    ports.push(Web::start(move |_| wrong()).await.port);
    let mut yaml = "broker: true\nmeters:\n".to_owned();
    for (n, port) in ports.iter().enumerate() {
        yaml += &format!(
            "- {{name: m{n}, type: custom, power: {{source: ws, uri: 127.0.0.1:{port}}}}}\n"
        );
    }
    yaml += "site: {meters: {grid: m0, aux: [m1, m2, m3, m4, m5, m6, m7]}}\n";
    let mut rig = Rig::start(&parsed(&yaml));
    // Newest wins; the others say nothing.
    while power(&rig.fact().await) < 999.0 {}
    until("the others to fail", || {
        rig.devices.health().iter().filter(|device| device.error.is_some()).count() == 7
    })
    .await;
    let errors: Vec<_> =
        rig.devices.health().into_iter().map(|device| device.error.unwrap_or_default()).collect();
    assert_eq!(errors[0], "");
    for (n, part) in [
        (1, "too long"),
        (2, "\"many words\" is not a number"),
        (3, "no answer within 10s"),
        (6, "the server answers 200 and stays with HTTP"),
        (7, "the server does not speak WebSocket"),
    ] {
        assert!(errors[n].contains(part), "{n}: {}", errors[n]);
    }
}

#[tokio::test]
async fn a_socket_that_falls_silent_loses_its_values_in_time() {
    let (port, heard) = serve(|_, socket| async move { say(socket, &["B"]).await }).await;
    let config = parsed(&format!(
        "broker: true\nchargers:\n- name: wb\n  type: custom\n  status: {{source: ws, uri: \
         'ws://127.0.0.1:{port}', timeout: 300ms}}\n  enabled: {{source: mqtt, topic: e}}\n  \
         enable: {{source: mqtt, topic: x}}\n  maxcurrent: {{source: mqtt, topic: y}}\n\
         loadpoints: [{{charger: wb}}]\n"
    ));
    let mut rig = Rig::start(&config);
    let mut seen = Vec::new();
    for _ in 0..3 {
        if let Fact::Charger { value, .. } = rig.fact().await {
            seen.push(value);
        }
    }
    let text = format!("{seen:?}");
    assert!(matches!(seen[1], ChargerValue::Lost(ChargerAttribute::Status)), "{text}");
    assert!(
        text.starts_with("[Status(Connected)") && text.ends_with("Status(Connected)]"),
        "{text}"
    );
    assert!(heard.lock().unwrap().len() >= 2, "the connection was made anew");
}
