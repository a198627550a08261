//! Secrets and places are in no line of the log, and nowhere on the bus.

use std::path::Path;
use std::process::Stdio;

use futures_util::StreamExt as _;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;
use tokio_tungstenite::connect_async;

use super::client::Client;
use super::service::Home;
use crate::support::{free_port, soon};

const PASSWORD: &str = "owner-secret-4711";
const WRONG: &str = "guess-secret-4712";
const KEY: &str = "key-secret-4713-of-a-program";
const BROKER: &str = "broker-secret-4714";
const LATITUDE: &str = "48.1371549";
const LONGITUDE: &str = "11.5761235";
const GEOFENCE: &str = "Secret-Street-4715";
const VIN: &str = "5YJ3E1EA7KF004716";

/// One request; the whole answer.
async fn call(port: u16, request: &str, headers: &str, body: &str) -> String {
    let exchange = async {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        let length = body.len();
        let text = format!(
            "{request} HTTP/1.1\r\nHost: t\r\nConnection: close\r\n{headers}Content-Length: {length}\r\n\r\n{body}"
        );
        stream.write_all(text.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    };
    soon(request, exchange).await
}

/// The program, which writes a log.
fn start(home: &Home, http: u16, log: &Path) -> Child {
    let config = home.dir().join("evcc.yaml");
    let yaml = home.yaml.replace("port: 7070", &format!("host: 127.0.0.1\n  port: {http}"));
    std::fs::write(&config, yaml).unwrap();
    Command::new(env!("CARGO_BIN_EXE_chargebus"))
        .args(["run", "--log", "info", "-c"])
        .arg(&config)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(std::fs::File::create(log).unwrap())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

/// Everything that a WebSocket is told, once it is over.
async fn frames(http: u16) -> JoinHandle<String> {
    let socket = connect_async(format!("ws://127.0.0.1:{http}/ws"));
    let (mut socket, _) = soon("a socket", socket).await.unwrap();
    let first = soon("the state", socket.next()).await.unwrap().unwrap();
    tokio::spawn(async move {
        let mut frames = vec![first.to_string()];
        while let Some(Ok(frame)) = socket.next().await {
            frames.push(frame.to_string());
        }
        frames.join("\n")
    })
}

#[tokio::test]
async fn no_secret_and_no_place_is_logged_or_told() {
    let Some(mut home) = Home::with_mosquitto().await else { return };
    let port = home.mosquitto.as_ref().unwrap().port;
    home.edit(
        "  topic: evcc\n",
        &format!("  topic: evcc\n  user: somebody\n  password: {BROKER}\n"),
    );
    home.yaml.push_str(&format!("api:\n  keys:\n    - {{name: p, scope: admin, key: {KEY}}}\n"));
    let http = free_port();
    let log = home.dir().join("log");
    let mut child = start(&home, http, &log);
    let mut client = Client::connect(port).await;
    client.until("the service", |seen| seen.says("status", "online")).await;

    let frames = frames(http).await;

    let car = "teslamate/cars/1/";
    let location = json!({ "latitude": 48.137_154_9, "longitude": 11.576_123_5 }).to_string();
    for (key, value) in [
        ("display_name", "Blue"),
        ("vin", VIN),
        ("latitude", LATITUDE),
        ("longitude", LONGITUDE),
        ("location", &*location),
        ("geofence", GEOFENCE),
        ("battery_level", "55"),
        ("latitude", "48.1371549x"),
    ] {
        client.publish(&format!("{car}{key}"), value, false).await;
    }
    let secret = |name: &str, value: &str| json!({ name: value }).to_string();
    let set = json!({ "current": "", "new": PASSWORD }).to_string();
    let first = call(http, "PUT /api/auth/password", "", &set).await;
    assert!(first.starts_with("HTTP/1.1 201"), "{first}");
    let session = first.split("auth=").nth(1).unwrap().split(';').next().unwrap().to_owned();
    call(http, "POST /api/auth/login", "", &secret("password", WRONG)).await;
    let cookie = format!("Cookie: auth={session}\r\n");
    let made = call(http, "POST /api/auth/apikey", &cookie, &secret("password", PASSWORD)).await;
    let made = made.split("evcc_").nth(1).unwrap().split('"').next().unwrap().to_owned();
    for key in [KEY, "wrong-secret-4717"] {
        let bearer = format!("Authorization: Bearer {key}\r\n");
        call(http, "GET /api/auth/keys", &bearer, "").await;
    }
    client.set("loadpoints/1/mode", "now").await;
    let state = call(http, "GET /api/state", "", "").await;
    let pid = Pid::from_raw(child.id().unwrap().try_into().unwrap()).unwrap();
    kill_process(pid, Signal::TERM).unwrap();
    soon("the end", child.wait()).await.unwrap();

    let log = std::fs::read_to_string(log).unwrap();
    assert!(log.contains("the password was set"), "the log is not what it was: {log}");
    let frames = soon("the end of the socket", frames).await.unwrap();
    assert!(frames.contains("{\"log\":{\"message\":\"teslamate/cars/1/latitude"), "{frames}");
    let seen = client.seen();
    let told = seen.log.iter().filter(|message| message.topic.starts_with("evcc/"));
    let told: String =
        told.map(|message| format!("{} {}\n", message.topic, message.payload)).collect();
    assert!(told.contains("loadpoints/1/mode now"), "nothing was told");
    let secrets =
        [PASSWORD, WRONG, KEY, BROKER, "secret-47", &session, &made, "argon2", "auth.password"];
    for secret in secrets {
        assert!(!log.contains(secret), "{secret} is logged: {log}");
        assert!(!told.contains(secret), "{secret} is on the bus");
        assert!(!state.contains(secret), "{secret} is in the state");
        assert!(!frames.contains(secret), "{secret} is in a frame");
    }
    for place in ["48.137", "11.576", GEOFENCE, VIN] {
        assert!(!log.contains(place), "{place} is logged: {log}");
        let told = frames.lines().find(|line| line.contains("\"log\"") && line.contains(place));
        assert_eq!(told, None, "{place} is told");
    }
}
