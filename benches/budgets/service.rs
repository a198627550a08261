//! The programs that are measured: the release binary and a mosquitto, each in a directory of its own.

use std::fs::{self, File};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use tempfile::TempDir;

use crate::mqtt::{Client, PATIENCE};

/// The binary that `cargo bench` has built.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_chargebus");

/// Enough for a thousand load points; the defaults are for a house.
const LARGE_BROKER: &str = "[[listeners]]\naddress = \"127.0.0.1:1\"\n\
    [anonymous]\nread = [\"#\"]\nwrite = [\"#\"]\n\
    [limits]\nqueue_messages = 20000\nretained_topics = 200000\n";

/// Who carries the messages.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transport {
    Embedded,
    /// With `set_tcp_nodelay true`, as every MQTT broker in a control loop should have it.
    Mosquitto,
    /// As it comes: it holds small messages back until its last one is acknowledged by TCP.
    StockMosquitto,
}

impl Transport {
    pub(crate) const ALL: [Self; 3] = [Self::Embedded, Self::Mosquitto, Self::StockMosquitto];
    /// Where it makes no difference what a mosquitto holds back.
    pub(crate) const BOTH: [Self; 2] = [Self::Embedded, Self::Mosquitto];

    /// For the table.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Embedded => "embedded broker",
            Self::Mosquitto => "mosquitto",
            Self::StockMosquitto => "mosquitto without nodelay",
        }
    }
}

/// A running service with its broker; both end when it is dropped.
pub(crate) struct Service {
    process: Process,
    pub(crate) broker: u16,
    pub(crate) http: u16,
    pub(crate) spawned: Instant,
    _mosquitto: Option<Mosquitto>,
    dir: TempDir,
}

/// How a service is started.
pub(crate) struct Plan<'a> {
    pub(crate) transport: Transport,
    pub(crate) config: &'a str,
    /// `:memory:`, or a file.
    pub(crate) database: &'a str,
}

impl Service {
    /// Spawns mosquitto if it is wanted, then the service; waits for neither.
    pub(crate) fn start(plan: &Plan<'_>) -> anyhow::Result<Self> {
        let mosquitto = match plan.transport {
            Transport::Embedded => None,
            Transport::Mosquitto => Some(Mosquitto::start("set_tcp_nodelay true")?),
            Transport::StockMosquitto => Some(Mosquitto::start("")?),
        };
        Self::start_beside(plan, mosquitto)
    }

    /// Spawns the service beside a mosquitto that runs already.
    pub(crate) fn start_beside(
        plan: &Plan<'_>,
        mosquitto: Option<Mosquitto>,
    ) -> anyhow::Result<Self> {
        let dir = tempfile::tempdir()?;
        let http = free_port()?;
        let broker = match &mosquitto {
            Some(mosquitto) => mosquitto.port,
            None => free_port()?,
        };
        let file = dir.path().join("evcc.yaml");
        fs::write(&file, plan.config)?;
        fs::write(dir.path().join("broker.toml"), LARGE_BROKER)?;
        let mut command = Command::new(PROGRAM);
        command.args(["run", "-c"]).arg(&file);
        command.stdout(Stdio::null()).stderr(File::create(dir.path().join("log"))?);
        command.env("EVCC_NETWORK_HOST", "127.0.0.1").env("EVCC_NETWORK_PORT", http.to_string());
        command.env("EVCC_DATABASE_DSN", plan.database);
        match plan.transport {
            Transport::Mosquitto | Transport::StockMosquitto => {
                command.env("EVCC_MQTT_BROKER", format!("127.0.0.1:{broker}"));
            }
            Transport::Embedded => {
                let listen = format!("127.0.0.1:{broker}");
                command.env("EVCC_BROKER_LISTEN", listen).env("EVCC_BROKER_FILE", "broker.toml");
            }
        }
        let spawned = Instant::now();
        let process = Process(command.spawn().context("cannot start the service")?);
        Ok(Self { process, broker, http, spawned, _mosquitto: mosquitto, dir })
    }

    /// A client of the broker, as soon as that listens.
    pub(crate) fn client(&self, id: &str) -> anyhow::Result<Client> {
        connect(self.broker, id)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.0.id()
    }

    /// The last lines of its log.
    pub(crate) fn last_words(&self) -> String {
        let log = fs::read_to_string(self.dir.path().join("log")).unwrap_or_default();
        let lines: Vec<_> = log.lines().rev().take(5).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join("\n")
    }
}

/// A mosquitto on a port of its own.
pub(crate) struct Mosquitto {
    pub(crate) port: u16,
    _process: Process,
    _dir: TempDir,
}

impl Mosquitto {
    pub(crate) fn start(extra: &str) -> anyhow::Result<Self> {
        let program = installed("mosquitto").context("mosquitto is not installed")?;
        let dir = tempfile::tempdir()?;
        let port = free_port()?;
        let file = dir.path().join("mosquitto.conf");
        let config = format!(
            "user root\nlistener {port} 127.0.0.1\nallow_anonymous true\npersistence false\nlog_type error\n{extra}\n"
        );
        fs::write(&file, config)?;
        let mut command = Command::new(program);
        command.arg("-c").arg(&file).stdout(Stdio::null()).stderr(Stdio::null());
        let process = Process(command.spawn()?);
        connect(port, "probe")?;
        Ok(Self { port, _process: process, _dir: dir })
    }
}

/// A child that does not outlive its owner.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn connect(port: u16, id: &str) -> anyhow::Result<Client> {
    let until = Instant::now() + PATIENCE;
    loop {
        match Client::connect(port, id) {
            Ok(client) => return Ok(client),
            Err(error) if Instant::now() > until => bail!("port {port}: {error:#}"),
            Err(_) => sleep(Duration::from_millis(1)),
        }
    }
}

/// The path of an installed program, also where only root looks.
fn installed(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let usual = ["/usr/sbin".into(), "/usr/local/sbin".into()];
    std::env::split_paths(&path).chain(usual).map(|dir| dir.join(name)).find(|file| file.is_file())
}

fn free_port() -> anyhow::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}
