//! The brokers that a test runs against: ours, and mosquitto if it is installed.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use chargebus::edges::broker::{self, BrokerConfig, Retained, Running};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::client::{Broker, SOON};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    Ours,
    Mosquitto,
}

/// Our broker on a free port; it stops when this is dropped.
pub struct Ours {
    pub running: Running,
    stop: CancellationToken,
}

impl Ours {
    pub async fn start(config: &str) -> Self {
        Self::start_with(config, Vec::new()).await
    }

    pub async fn start_with(config: &str, retained: Vec<Retained>) -> Self {
        let config = BrokerConfig::parse(config, Path::new("")).unwrap();
        let stop = CancellationToken::new();
        let running = broker::start(config, retained, stop.clone()).await.unwrap();
        Self { running, stop }
    }

    pub fn addr(&self) -> SocketAddr {
        self.running.addrs()[0]
    }

    /// Stops the broker and returns what was to be saved.
    pub async fn stop(self) -> Vec<Retained> {
        let mut changes = self.running.changes();
        self.stop.cancel();
        timeout(SOON, self.running.stopped()).await.unwrap().unwrap();
        let mut all = Vec::new();
        while let Some(batch) = timeout(SOON, changes.next()).await.unwrap() {
            all.extend(batch);
        }
        all
    }
}

impl Drop for Ours {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// A listener on any free loopback port, open to everybody.
pub const OPEN: &str = r##"
    listeners = [{ address = "127.0.0.1:0" }]
    [anonymous]
    read = ["#"]
    write = ["#"]
"##;

struct Mosquitto(Child, #[expect(dead_code)] tempfile::TempDir);

impl Drop for Mosquitto {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn find_mosquitto() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    // Distributions put it where only root's PATH looks.
    let dirs = std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
    dirs.map(|dir| dir.join("mosquitto")).find(|program| program.is_file())
}

async fn start_mosquitto(program: &Path) -> (Mosquitto, SocketAddr) {
    let dir = tempfile::tempdir().unwrap();
    // Another process can take the port between asking for it and using it.
    for _ in 0..10 {
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let addr = free.local_addr().unwrap();
        drop(free);
        let config = dir.path().join("mosquitto.conf");
        let text = format!("listener {} 127.0.0.1\nallow_anonymous true\n", addr.port());
        std::fs::write(&config, text).unwrap();
        let mut child = Command::new(program)
            .arg("-c")
            .arg(&config)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut tick = tokio::time::interval(Duration::from_millis(10));
        for _ in 0..200 {
            tick.tick().await;
            if TcpStream::connect(addr).await.is_ok() {
                return (Mosquitto(child, dir), addr);
            }
            if child.try_wait().unwrap().is_some() {
                break;
            }
        }
        let _ = child.kill();
    }
    panic!("mosquitto does not start");
}

/// Runs a test in both protocols against our broker, then against mosquitto.
pub async fn each(test: impl AsyncFn(Target, Broker)) {
    each_of(&[4, 5], test).await;
}

/// Runs a test of MQTT 3.1.1 against our broker, then against mosquitto.
pub async fn each4(test: impl AsyncFn(Target, SocketAddr)) {
    each_of(&[4], async |target, broker| test(target, broker.addr).await).await;
}

/// Runs a test of MQTT 5 against our broker, then against mosquitto.
pub async fn each5(test: impl AsyncFn(Target, Broker)) {
    each_of(&[5], test).await;
}

async fn each_of(versions: &[u8], test: impl AsyncFn(Target, Broker)) {
    for version in versions.iter().copied() {
        let ours = Ours::start(OPEN).await;
        test(Target::Ours, Broker { addr: ours.addr(), version }).await;
        ours.stop().await;
        match find_mosquitto() {
            Some(program) => {
                let (_child, addr) = start_mosquitto(&program).await;
                test(Target::Mosquitto, Broker { addr, version }).await;
            }
            #[expect(clippy::print_stderr)]
            None => eprintln!("mosquitto is not in PATH: ran against our broker only"),
        }
    }
}
