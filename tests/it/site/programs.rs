//! The program as people start it: run, check, demo, replay.

use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

use super::client::Client;
use super::service::{Home, http};
use crate::support::{DEADLINE, free_port, soon, until};

fn chargebus(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_chargebus"));
    command.args(arguments).stdin(Stdio::null()).kill_on_drop(true);
    command
}

/// Runs the program to its end.
async fn finished(arguments: &[&str]) -> Output {
    soon(&arguments.join(" "), chargebus(arguments).output()).await.unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

fn data(name: &str) -> String {
    format!("{}/tests/data/{name}", env!("CARGO_MANIFEST_DIR"))
}

#[tokio::test]
async fn check_says_what_is_right_and_wrong() {
    let good = finished(&["check", "-c", &data("reference-site.yaml")]).await;
    assert!(good.status.success(), "{}", text(&good.stderr));
    let said = text(&good.stdout);
    assert!(
        said.contains("reference-site.yaml: ok, 2 load points, 4 meters, 2 vehicles"),
        "{said}"
    );

    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("bad.yaml");
    let reference = include_str!("../../data/reference-site.yaml");
    let bad =
        reference.replace("charger: wb2", "charger: wb9").replace("interval: 30s", "interval: x");
    std::fs::write(&file, bad).unwrap();
    let bad = finished(&["check", "-c", file.to_str().unwrap()]).await;
    assert_eq!(bad.status.code(), Some(1));
    let said = text(&bad.stderr);
    assert!(said.contains("2 errors in"), "{said}");
    assert!(
        said.contains("bad.yaml:4:1 ") && said.contains("wb9") && said.contains("bad.yaml:96:5 "),
        "{said}"
    );

    let none = finished(&["check", "-c", "/nowhere/evcc.yaml"]).await;
    assert_eq!(none.status.code(), Some(1));
    assert!(text(&none.stderr).contains("cannot read /nowhere/evcc.yaml"), "{none:?}");
}

/// A running service as a process of its own.
pub(super) struct Running {
    pub(super) child: Child,
    pub(super) http: u16,
}

pub(super) async fn run(home: &Home) -> Running {
    let http = free_port();
    let config = home.dir().join("evcc.yaml");
    let yaml = home.yaml.replace("port: 7070", &format!("host: 127.0.0.1\n  port: {http}"));
    std::fs::write(&config, yaml).unwrap();
    let arguments = ["run", "-c", config.to_str().unwrap(), "--log", "error"];
    Running { child: chargebus(&arguments).spawn().unwrap(), http }
}

impl Running {
    pub(super) fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.child.id().unwrap().try_into().unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }
}

#[tokio::test]
async fn a_kill_is_told_by_the_will_and_loses_no_answered_write() {
    let Some(home) = Home::with_mosquitto().await else { return };
    let port = home.mosquitto.as_ref().unwrap().port;
    let mut client = Client::connect(port).await;
    let mut running = run(&home).await;
    client.until("the state", |seen| seen.says("status", "online")).await;
    client.until("a field", |seen| seen.value("loadpoints/1/minSoc").is_some()).await;
    client.set("loadpoints/1/minSoc", "33").await;
    running.signal(Signal::KILL);
    client.until("the will", |seen| seen.says("status", "offline")).await;
    soon("the end", running.child.wait()).await.unwrap();

    let mut running = run(&home).await;
    client.until("the state", |seen| seen.says("status", "online")).await;
    let answer = client.write("loadpoints/1/minSoc", "no such value").await;
    assert_eq!(answer["applied"], 33);
    let server = format!("127.0.0.1:{}", running.http).parse().unwrap();
    assert_eq!(http(server, "GET /api/health").await.0, 200);
    running.signal(Signal::TERM);
    client.until("the farewell", |seen| seen.says("status", "offline")).await;
    let status = soon("the end", running.child.wait()).await.unwrap();
    assert!(status.success(), "{status}");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn the_program_takes_the_files_that_it_may() {
    let home = Home::with_embedded_broker();
    let port = free_port();
    let config = home.dir().join("evcc.yaml");
    let yaml = home.yaml.replace("port: 7070", &format!("host: 127.0.0.1\n  port: {port}"));
    std::fs::write(&config, yaml).unwrap();
    let script = format!(
        "ulimit -S -n 256 && exec {} run --log error -c {}",
        env!("CARGO_BIN_EXE_chargebus"),
        config.display()
    );
    let mut command = Command::new("sh");
    let child = command.args(["-c", &script]).kill_on_drop(true).spawn().unwrap();
    until("the service", || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok()).await;
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", child.id().unwrap())).unwrap();
    let files = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    let soft: u64 = files.split_whitespace().nth(3).unwrap().parse().unwrap();
    assert!(soft > 256, "{files}");
}

#[tokio::test]
async fn whoever_is_superseded_waits_for_its_turn() {
    let Some(home) = Home::with_mosquitto().await else { return };
    let port = home.mosquitto.as_ref().unwrap().port;
    let mut client = Client::connect(port).await;
    let mut running = run(&home).await;
    client.until("the state", |seen| seen.says("status", "online")).await;
    client.set("loadpoints/1/minSoc", "33").await;
    client.publish("evcc/updated", "1", false).await;
    // It falls silent.
    let (set, result) = ("evcc/loadpoints/1/minSoc/set", "evcc/loadpoints/1/minSoc/set/result");
    for n in 0.. {
        assert!(n < 100, "it goes on beside another service");
        let mark = client.seen().log.len();
        client.publish(set, "34", false).await;
        let answered = client.answers(result, mark);
        if tokio::time::timeout(Duration::from_millis(500), answered).await.is_err() {
            break;
        }
    }
    let mark = client.seen().log.len();
    client.publish("evcc/status", "offline", true).await;
    let again = ["offline", "online"];
    client.until("its turn", |seen| seen.since(mark, "evcc/status") == again).await;
    client.set("loadpoints/1/minSoc", "35").await;
    running.signal(Signal::TERM);
    let status = soon("the end", running.child.wait()).await.unwrap();
    assert!(status.success(), "{status}");
}

/// A running demo and its invitation.
struct Demo {
    said: String,
    _child: Child,
    /// A closed pipe would end it.
    _lines: Lines<BufReader<ChildStdout>>,
}

/// Starts a demo on these ports or later ones.
async fn demo(http: u16, mqtt: u16) -> Demo {
    let (http, mqtt) = (http.to_string(), mqtt.to_string());
    let arguments = ["demo", "--speed", "600", "--port", &http, "--mqtt-port", &mqtt];
    let mut child = chargebus(&arguments).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut said = String::new();
    while !said.contains("Your own site") {
        let line = soon("the invitation", lines.next_line()).await.unwrap();
        said.push_str(&line.expect("the demo has ended"));
        said.push('\n');
    }
    Demo { said, _child: child, _lines: lines }
}

impl Demo {
    /// The port behind a label of the invitation.
    fn port(&self, label: &str) -> u16 {
        let line = self.said.lines().find(|line| line.trim_start().starts_with(label)).unwrap();
        line.rsplit(':').next().unwrap().parse().unwrap()
    }
}

/// The car of the first load point charges with nothing but sun.
async fn charges(port: u16) {
    let mut client = Client::connect(port).await;
    client.until("the service", |seen| seen.says("status", "online")).await;
    client.set("loadpoints/1/enableDelay", "0").await;
    // A simulated car takes its time, as a real one does, at any speed.
    client
        .within(DEADLINE * 2, "a charge", |seen| seen.says("loadpoints/1/charging", "true"))
        .await;
    client
        .until("sun in the car", |seen| {
            seen.says("loadpoints/1/decision/code", "surplus")
                && seen.number("evcc/loadpoints/1/chargePower") > Some(1000.0)
                && seen.number("evcc/site/pvPower") > Some(1000.0)
        })
        .await;
}

#[tokio::test]
async fn demos_charge_from_the_sun_side_by_side() {
    let (first, second) = (free_port(), free_port());
    let one = demo(first, second).await;
    for command in ["mosquitto_sub", "mosquitto_pub", "curl"] {
        assert!(one.said.contains(command), "{}", one.said);
    }
    let two = demo(first, second).await;
    assert_ne!(one.port("broker"), two.port("broker"));
    assert_ne!(one.port("web page"), two.port("web page"));
    tokio::join!(charges(one.port("broker")), charges(two.port("broker")));
}

/// Meters and a wallbox beside the recorded day: sun, then a silent grid meter, then little sun.
fn log() -> String {
    let mut lines = Vec::new();
    for line in include_str!("../../data/teslamate-day.jsonl").lines() {
        let json: serde_json::Value = serde_json::from_str(line).unwrap();
        lines.push((json["t"].as_f64().unwrap(), line.to_owned()));
    }
    let mut say = |t: u32, topic: &str, payload: String| {
        let line = serde_json::json!({"t": t, "topic": topic, "payload": payload, "retain": false});
        lines.push((f64::from(t), line.to_string()));
    };
    for t in (0..1800).step_by(5) {
        // What a wallbox would do that is told what the replay tells: 6 A, 13 A, 6 A, off.
        let (status, current) = match t {
            0..10 => ("A", 0),
            10..25 | 900.. => ("B", 0),
            25..55 | 615..900 => ("C", 6),
            55..615 => ("C", 13),
        };
        let power = current * 230;
        let sun = if t < 600 { 3000 } else { 500 };
        if !(600..720).contains(&t) {
            say(t, "sim/grid/power", (power - sun).to_string());
        }
        say(t, "sim/battery/power", "0".to_owned());
        say(t, "sim/battery/soc", "50".to_owned());
        say(t, "sim/wb/1/status", status.to_owned());
        say(t, "sim/wb/1/enabled", (power > 0).to_string());
        say(t, "sim/wb/1/power", power.to_string());
        say(t, "sim/wb/1/l1", current.to_string());
        say(t, "sim/wb/2/status", "A".to_owned());
    }
    lines.sort_by(|(a, _), (b, _)| a.total_cmp(b));
    lines.into_iter().map(|(_, line)| line + "\n").collect()
}

#[tokio::test]
async fn a_replay_prints_every_decision() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("log.jsonl");
    std::fs::write(&file, log()).unwrap();
    let replay = async || {
        let config = data("reference-site.yaml");
        let output = finished(&["replay", "-c", &config, file.to_str().unwrap()]).await;
        assert!(output.status.success(), "{}", text(&output.stderr));
        text(&output.stdout).to_owned()
    };
    let said = replay().await;
    assert_eq!(said, replay().await);
    let golden = data("replay.txt");
    if std::env::var_os("UPDATE").is_some() || !Path::new(&golden).exists() {
        std::fs::write(&golden, &said).unwrap();
    }
    assert_eq!(said, std::fs::read_to_string(&golden).unwrap(), "UPDATE=1 writes it anew");
}
