//! Real peers for the tests of the edges: a mosquitto, an independent MQTT client, odd TCP peers.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::net::TcpListener as StdListener;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use rumqttc::{AsyncClient, Event, MqttOptions, Packet, QoS};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;
use tokio::time::{interval, timeout};

/// Longest wait for anything that should happen.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

/// Awaits an event that must come.
pub(crate) async fn soon<T>(what: &str, event: impl Future<Output = T>) -> T {
    timeout(DEADLINE, event).await.unwrap_or_else(|_| panic!("waited too long for {what}"))
}

/// Awaits a condition that nobody announces.
pub(crate) async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let mut tick = interval(Duration::from_millis(5));
    soon(what, async {
        while !condition() {
            tick.tick().await;
        }
    })
    .await;
}

/// A request that uploads a file in a form, as a browser does.
pub(crate) fn upload(path: &str, headers: &str, part: &str, file: &[u8]) -> Vec<u8> {
    let start = format!(
        "--line\r\nContent-Disposition: form-data; name=\"note\"\r\n\r\nx\r\n--line\r\n\
         Content-Disposition: form-data; name=\"{part}\"; filename=\"a.db\"\r\n\
         Content-Type: application/octet-stream\r\n\r\n"
    );
    let end = "\r\n--line--\r\n";
    let length = start.len() + file.len() + end.len();
    let mut request = format!(
        "POST {path} HTTP/1.1\r\nHost: t\r\nConnection: close\r\n{headers}\
         Content-Type: multipart/form-data; boundary=line\r\nContent-Length: {length}\r\n\r\n{start}"
    )
    .into_bytes();
    request.extend(file);
    request.extend(end.as_bytes());
    request
}

/// A loopback port that was free just now.
pub(crate) fn free_port() -> u16 {
    StdListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// The path of an installed program, also where only root looks; prints why a test is skipped.
pub(crate) fn program(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let found = env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/usr/local/sbin".into()])
        .map(|dir| dir.join(name))
        .find(|file| file.is_file());
    if found.is_none() {
        println!("skipped: {name} is not installed");
    }
    found
}

/// Node and the folder of what others wrote in JavaScript (`npm ci --prefix tests/clients`); prints
/// why a test is skipped.
pub(crate) fn clients() -> Option<(PathBuf, PathBuf)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/clients");
    let installed = folder.join("node_modules").is_dir();
    if !installed {
        println!("skipped: run npm ci --ignore-scripts --prefix tests/clients first");
    }
    let node = program("node").filter(|_| installed);
    let must = env::var_os("CHARGEBUS_REQUIRE_PEERS").is_some();
    assert!(node.is_some() || !must, "node and the packages of tests/clients must be installed");
    Some((node?, folder))
}

/// A mosquitto of the test's own on loopback, without persistence.
pub(crate) struct Mosquitto {
    pub(crate) port: u16,
    /// For files the extra configuration names.
    dir: TempDir,
    child: Option<Child>,
}

impl Mosquitto {
    /// `extra` is added to a configuration that lets everybody in; `None` when it is not installed.
    pub(crate) async fn start(extra: &str) -> Option<Self> {
        Self::start_on(free_port(), extra).await
    }

    /// Like `start` on a given port.
    pub(crate) async fn start_on(port: u16, extra: &str) -> Option<Self> {
        let mut broker = Self::prepare(port, extra)?;
        broker.restart().await;
        Some(broker)
    }

    /// Writes the configuration only.
    pub(crate) fn prepare(port: u16, extra: &str) -> Option<Self> {
        program("mosquitto")?;
        let dir = tempfile::tempdir().unwrap();
        let anonymous = if extra.contains("allow_anonymous") { "" } else { "allow_anonymous true" };
        // Started by root, it would change to a user who cannot read the test's files.
        let config = format!(
            "user root\nlistener {port} 127.0.0.1\n{anonymous}\npersistence false\n\
             max_queued_messages 0\nlog_dest stderr\nlog_type information\nlog_type error\n\
             connection_messages false\n{extra}\n"
        );
        fs::write(dir.path().join("mosquitto.conf"), config).unwrap();
        Some(Self { port, dir, child: None })
    }

    /// As if the machine lost power; retained messages are gone.
    pub(crate) async fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().await.unwrap();
        }
    }

    /// Starts it (again) on the same port.
    pub(crate) async fn restart(&mut self) {
        self.kill().await;
        let mut child = Command::new(program("mosquitto").unwrap())
            .arg("-c")
            .arg(self.dir.path().join("mosquitto.conf"))
            .stderr(Stdio::piped())
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        soon("mosquitto to run", async {
            while let Some(line) = lines.next_line().await.unwrap() {
                if line.ends_with(" running") {
                    return;
                }
                assert!(!line.contains("Error"), "{line}");
            }
            panic!("mosquitto ended");
        })
        .await;
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        self.child = Some(child);
    }
}

/// What an [`Observer`] sees: topic, payload, retain flag.
pub(crate) type Seen = (String, String, bool);

/// An independent MQTT client.
pub(crate) struct Observer {
    pub(crate) client: AsyncClient,
    seen: mpsc::Receiver<Seen>,
}

impl Observer {
    /// Connects and has its subscription acknowledged.
    pub(crate) async fn subscribe(port: u16, filter: &str) -> Self {
        let id = format!("observer-{}", fastrand::u32(..));
        let mut options = MqttOptions::new(id, "127.0.0.1", port);
        options.set_max_packet_size(16 << 20, 16 << 20);
        let (client, mut events) = AsyncClient::new(options, 100);
        client.subscribe(filter, QoS::AtLeastOnce).await.unwrap();
        let (tell, mut seen) = mpsc::channel(100_000);
        tokio::spawn(async move {
            // Ends with the connection, or with the test.
            while let Ok(event) = events.poll().await {
                let news = match event {
                    Event::Incoming(Packet::Publish(message)) => {
                        let payload = String::from_utf8_lossy(&message.payload).into_owned();
                        (message.topic, payload, message.retain)
                    }
                    Event::Incoming(Packet::SubAck(_)) => Seen::default(),
                    Event::Incoming(_) | Event::Outgoing(_) => continue,
                };
                if tell.send(news).await.is_err() {
                    return;
                }
            }
        });
        let first = soon("a subscription", seen.recv()).await;
        assert_eq!(first, Some(Seen::default()));
        Self { client, seen }
    }

    /// The next message.
    pub(crate) async fn next(&mut self) -> Seen {
        soon("a message", self.seen.recv()).await.expect("the observer's connection broke")
    }

    /// Reads on until the newest values are these (topics that are not asked for may be there).
    pub(crate) async fn until_newest(&mut self, expected: &BTreeMap<String, String>) {
        let mut newest = BTreeMap::new();
        while expected.iter().any(|(topic, payload)| newest.get(topic) != Some(payload)) {
            let (topic, payload, _) = self.next().await;
            newest.insert(topic, payload);
        }
    }

    /// Publishes with QoS 1.
    pub(crate) async fn publish(&self, topic: &str, payload: impl Into<Vec<u8>>, retain: bool) {
        self.client.publish(topic, QoS::AtLeastOnce, retain, payload).await.unwrap();
    }
}

/// A TCP peer on loopback that treats every connection as told; returns its port.
pub(crate) async fn peer<F, Fut>(mut handle: F) -> u16
where
    F: FnMut(TcpStream) -> Fut + Send + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(handle(stream));
        }
    });
    port
}
