//! The service in this process, beside the broker that a test wants.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use chargebus::config::{Broker, Config};
use chargebus::edges::app::{self, App, Database, Place};
use chargebus::edges::auth::Mode;
use serde_json::Value as Json;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::client::Client;
use crate::support::{Mosquitto, free_port, soon};

/// A place where a service runs, more than once if need be.
pub(super) struct Home {
    /// The reference site as the test changed it.
    pub(super) yaml: String,
    /// Where settings are kept.
    pub(super) database: PathBuf,
    pub(super) mosquitto: Option<Mosquitto>,
    /// The port of a broker that somebody else runs.
    foreign: Option<u16>,
    dir: TempDir,
}

/// A running service.
pub(super) struct Service {
    app: App,
    /// The broker's port.
    pub(super) port: u16,
}

impl Home {
    /// With a mosquitto beside it; `None` when that is not installed.
    pub(super) async fn with_mosquitto() -> Option<Self> {
        let mut home = Self::with_absent_mosquitto()?;
        home.mosquitto.as_mut().unwrap().restart().await;
        Some(home)
    }

    /// With a mosquitto that is still to be started.
    pub(super) fn with_absent_mosquitto() -> Option<Self> {
        let mosquitto = Mosquitto::prepare(free_port(), "set_tcp_nodelay true");
        let must = std::env::var_os("CHARGEBUS_REQUIRE_PEERS").is_some();
        assert!(mosquitto.is_some() || !must, "mosquitto must be installed");
        let mosquitto = mosquitto?;
        let mut home = Self::with_embedded_broker();
        home.edit("broker: 127.0.0.1:1883", &format!("broker: 127.0.0.1:{}", mosquitto.port));
        home.mosquitto = Some(mosquitto);
        Some(home)
    }

    /// With the service's own broker.
    pub(super) fn with_embedded_broker() -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self {
            yaml: include_str!("../../data/reference-site.yaml").to_owned(),
            database: dir.path().join("site.db"),
            mosquitto: None,
            foreign: None,
            dir,
        }
    }

    /// Another machine with the same configuration, on the same broker.
    pub(super) fn twin(&self) -> Self {
        let foreign = self.mosquitto.as_ref().map(|mosquitto| mosquitto.port);
        Self { yaml: self.yaml.clone(), foreign, ..Self::with_embedded_broker() }
    }

    /// Replaces a part of the configuration.
    pub(super) fn edit(&mut self, from: &str, to: &str) {
        assert!(self.yaml.contains(from), "{from}");
        self.yaml = self.yaml.replace(from, to);
    }

    /// A directory of the test's own.
    pub(super) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Starts the service, on ports of its own.
    pub(super) async fn start(&self) -> Service {
        let checked = Config::parse(&self.yaml, &|_| None).unwrap();
        let mut config = checked.config;
        config.network.host = "127.0.0.1".into();
        config.network.port = 0;
        let external = self.mosquitto.as_ref().map(|mosquitto| mosquitto.port).or(self.foreign);
        if external.is_none() {
            config.mqtt = None;
            config.broker = Some(Broker { file: None, listen: Some("127.0.0.1:0".into()) });
        }
        let database = Database::File(self.database.clone());
        let program = env!("CARGO_BIN_EXE_chargebus").into();
        let place = Place::new(database, self.dir().to_owned(), program, Mode::Guarded);
        let place = Place { config: Some(self.dir().join("evcc.yaml")), ..place };
        let app = soon("the start", app::start(config, place)).await.unwrap();
        let port = external.unwrap_or_else(|| app.broker()[0].port());
        Service { app, port }
    }
}

impl Service {
    /// Somebody on the bus; the service listens, too.
    pub(super) async fn client(&self) -> Client {
        let mut client = Client::connect(self.port).await;
        client.until("the service", |seen| seen.says("status", "online")).await;
        client
    }

    /// What REST says of everything.
    pub(super) async fn state(&self) -> Json {
        let (status, body) = http(self.http(), "GET /api/state").await;
        assert_eq!(status, 200, "{body}");
        serde_json::from_str(&body).unwrap()
    }

    /// Where REST is.
    pub(super) fn http(&self) -> SocketAddr {
        self.app.http()
    }

    /// Returns when another service has taken the root.
    pub(super) async fn superseded(&self) {
        soon("another service", self.app.superseded().cancelled()).await;
    }

    /// Returns when the database is another one.
    pub(super) async fn replaced(&self) {
        self.app.replaced().cancelled().await;
    }

    /// Ends politely.
    pub(super) async fn stop(self) {
        soon("the end", self.app.stop()).await;
    }
}

/// One request, `GET /api/health`; status and body.
pub(super) async fn http(server: SocketAddr, request: &str) -> (u16, String) {
    let exchange = async {
        let mut stream = TcpStream::connect(server).await.unwrap();
        let text = format!(
            "{request} HTTP/1.1\r\nHost: {server}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        );
        stream.write_all(text.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.take(1 << 20).read_to_string(&mut answer).await.unwrap();
        answer
    };
    let answer = soon(request, exchange).await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}
