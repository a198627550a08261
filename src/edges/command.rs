//! The command line.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use clap::{Parser, Subcommand};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::config::{Broker, Checked, Config, Takeover};

use super::app::{self, App, DATABASE, Database, Place};
use super::auth::Mode;
use super::http;
use super::logbook::{self, LogBook};
use super::{demo, jq, password, replay};

/// Where the configuration is looked for when `-c` is not given.
const USUAL_PLACES: [&str; 2] = ["evcc.yaml", "/etc/evcc.yaml"];
/// A longer line is no password.
const PASSWORD_BYTES_MAX: u64 = 1024;
/// Open files that we ask the system for.
const FILES: u64 = 8192;
/// A larger file is no configuration.
const CONFIG_BYTES_MAX: u64 = 1 << 20;

/// Charges electric cars from the sun and from cheap power, over MQTT.
#[derive(Debug, Parser)]
#[command(name = "chargebus", version, about)]
pub struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, clap::Args)]
struct Common {
    /// Configuration file (default: evcc.yaml here or in /etc; without one the demo starts).
    #[arg(short, long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Log filter: error, warn, info, debug, trace; per area as `info,bus:debug`.
    #[arg(short, long, global = true, value_name = "LEVEL")]
    log: Option<String>,
    /// Also start the embedded broker, with this broker.toml or the built-in one.
    #[arg(long, global = true, value_name = "FILE", num_args = 0..=1, default_missing_value = "")]
    broker: Option<String>,
    /// Serve this build of evcc's user interface (its `dist` folder) instead of our page.
    #[arg(long, global = true, value_name = "DIR")]
    ui: Option<PathBuf>,
    /// Ask for no password and no key, also where a forgotten one is set anew.
    #[arg(long, global = true)]
    disable_auth: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Control the site (the default).
    Run,
    /// Check the configuration and say what is wrong with it.
    Check,
    /// Play a simulated house over real MQTT.
    Demo {
        /// How many times faster than real time the house lives.
        #[arg(long, default_value_t = 60.0, value_parser = speed)]
        speed: f64,
        /// First port to try for the web page.
        #[arg(long, default_value_t = 7070)]
        port: u16,
        /// First port to try for the broker.
        #[arg(long, default_value_t = 1883)]
        mqtt_port: u16,
    },
    /// Send a recorded MQTT log through the core and print every decision.
    Replay {
        /// JSON lines: {"t": seconds, "topic": …, "payload": …}.
        file: PathBuf,
    },
    /// Evaluate a jq program on standard input (the service calls itself for `?jq=`).
    #[command(hide = true)]
    Jq {
        /// The program.
        program: String,
    },
    /// Read a password (one line) and print its hash for broker.toml.
    Hash,
    /// Exit with 0 if the service on this machine is healthy (for containers).
    Health {
        /// Its web port (default: EVCC_NETWORK_PORT, or 7070).
        #[arg(long)]
        port: Option<u16>,
    },
}

fn speed(text: &str) -> Result<f64, String> {
    let speed: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    if (0.1..=10_000.0).contains(&speed) { Ok(speed) } else { Err("0.1 to 10000".to_owned()) }
}

impl Arguments {
    /// Does what was asked; returns when it is done or when a signal ends it.
    ///
    /// # Errors
    /// What cannot be done, with its place and remedy.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let common = self.common;
        let done = match self.command {
            None if common.config.is_none() && usual_place().is_none() => {
                let log = log_to_terminal(common.log.as_deref().unwrap_or("warn"))?;
                play(60.0, 7070, 1883, log)
            }
            None | Some(Command::Run) => run(&common),
            Some(Command::Check) => check(&common),
            Some(Command::Demo { speed, port, mqtt_port }) => {
                let log = log_to_terminal(common.log.as_deref().unwrap_or("warn"))?;
                play(speed, port, mqtt_port, log)
            }
            Some(Command::Replay { file }) => {
                let config = load(&common)?.1.config;
                let log = std::fs::File::open(&file).with_context(|| file.display().to_string())?;
                replay::replay(&config, BufReader::new(log), &mut std::io::stdout().lock())
                    .with_context(|| file.display().to_string())
            }
            Some(Command::Jq { program }) => return Ok(jq::main(&program)),
            Some(Command::Hash) => {
                let mut written = String::new();
                BufReader::new(std::io::stdin().take(PASSWORD_BYTES_MAX))
                    .read_line(&mut written)?;
                say(&password::hash(written.trim_end_matches(['\r', '\n']))?)
            }
            Some(Command::Health { port }) => {
                let variable = || std::env::var("EVCC_NETWORK_PORT").ok()?.parse().ok();
                health(port.or_else(variable).unwrap_or(7070))
            }
        };
        done.map(|()| ExitCode::SUCCESS)
    }
}

fn run(common: &Common) -> anyhow::Result<()> {
    let (path, Checked { mut config, notices }) = load(common)?;
    let level = common.log.clone().or_else(|| config.log.clone());
    let log = log_to_terminal(level.as_deref().unwrap_or("info"))?;
    for notice in notices {
        tracing::warn!("{}", notice.located(&path.display().to_string()));
    }
    if let Some(file) = &common.broker {
        let file = Some(file.clone()).filter(|file| !file.is_empty());
        config.broker = Some(Broker { file, listen: None });
    }
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let auth = if common.disable_auth { Mode::Disabled } else { Mode::Guarded };
    let database = database(&config, dir);
    let ui = common.ui.clone().or_else(|| config.network.ui.as_ref().map(|ui| dir.join(ui)));
    let ui = ui.map(|ui| http::check_ui(&ui).map_err(|error| anyhow!(error))).transpose()?;
    let config_path = Some(path.clone());
    let place = Place::new(database, dir.to_owned(), program()?, auth);
    let place = Place { config: config_path, ui, log, ..place };
    runtime()?.block_on(async {
        loop {
            let app = app::start(config.clone(), place.clone()).await?;
            match until_signal(app).await? {
                Ended::Asked => return Ok(()),
                Ended::Replaced => {}
                // The next life waits for its turn; it never takes the root back by force.
                Ended::Superseded => {
                    if let Some(mqtt) = &mut config.mqtt {
                        mqtt.takeover = Takeover::Superseded;
                    }
                }
            }
        }
    })
}

/// Settings live beside the configuration, or where it says.
fn database(config: &Config, dir: &Path) -> Database {
    match config.database.as_deref() {
        Some(":memory:") => Database::Memory,
        Some(path) => Database::File(dir.join(path)),
        None => Database::File(dir.join(DATABASE)),
    }
}

fn play(speed: f64, port: u16, mqtt_port: u16, log: LogBook) -> anyhow::Result<()> {
    runtime()?.block_on(async {
        let app = demo::start(speed, port, mqtt_port, program()?, log).await?;
        say(&demo::invitation(&app))?;
        until_signal(app).await.map(|_| ())
    })
}

fn check(common: &Common) -> anyhow::Result<()> {
    let (path, Checked { config, notices }) = load(common)?;
    let file = path.display().to_string();
    for notice in &notices {
        say(&notice.located(&file))?;
    }
    let setup = &config.setup;
    say(&format!(
        "{file}: ok, {} load points, {} meters, {} vehicles, {} notices",
        setup.loadpoints.len(),
        setup.meters.len(),
        setup.vehicles.len(),
        notices.len()
    ))
}

/// Reads the configuration; errors name file, line, key and remedy.
fn load(common: &Common) -> anyhow::Result<(PathBuf, Checked)> {
    let Some(path) = common.config.clone().or_else(usual_place) else {
        bail!("no configuration: give one with -c FILE, or put {} here", USUAL_PLACES[0]);
    };
    let file = path.display().to_string();
    let size = std::fs::metadata(&path).with_context(|| format!("cannot read {file}"))?.len();
    if size > CONFIG_BYTES_MAX {
        bail!("{file} has {size} bytes: this is no configuration");
    }
    let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {file}"))?;
    match Config::parse(&text, &|name| std::env::var(name).ok()) {
        Ok(checked) => Ok((path, checked)),
        Err(errors) => {
            let lines: Vec<_> = errors.errors.iter().map(|error| error.located(&file)).collect();
            bail!("{} errors in {file}\n{}", lines.len(), lines.join("\n"))
        }
    }
}

fn usual_place() -> Option<PathBuf> {
    USUAL_PLACES.iter().map(PathBuf::from).find(|path| path.is_file())
}

/// One request over loopback; anything but 200 is unhealthy.
fn health(port: u16) -> anyhow::Result<()> {
    let wait = Some(Duration::from_secs(5));
    let mut stream =
        TcpStream::connect(("127.0.0.1", port)).context("the service does not listen")?;
    stream.set_read_timeout(wait)?;
    stream.set_write_timeout(wait)?;
    stream
        .write_all(b"GET /api/health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.take(4096).read_to_end(&mut answer)?;
    if answer.starts_with(b"HTTP/1.1 200") { Ok(()) } else { bail!("the service is not healthy") }
}

/// Why a site has ended.
enum Ended {
    /// Somebody wants us to end.
    Asked,
    /// Another service has taken our root.
    Superseded,
    /// The database is another one.
    Replaced,
}

/// Waits for a request to end, for another service on our root, or for another database; then ends
/// politely.
async fn until_signal(app: App) -> anyhow::Result<Ended> {
    let mut terminate = signal(SignalKind::terminate())?;
    let (superseded, replaced) = (app.superseded(), app.replaced());
    let ended = tokio::select! {
        result = tokio::signal::ctrl_c() => result.map(|()| Ended::Asked)?,
        _ = terminate.recv() => Ended::Asked,
        () = app.token().cancelled_owned() => Ended::Asked,
        () = superseded.cancelled() => Ended::Superseded,
        () = replaced.cancelled() => Ended::Replaced,
    };
    app.stop().await;
    Ok(ended)
}

/// Every connection needs a file, and many systems start programs with 1024 of them.
fn raise_file_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let wanted = limit.maximum.map_or(FILES, |most| most.min(FILES));
    if limit.current.is_some_and(|current| current < wanted) {
        // Without it new connections wait when there are many.
        let _ = setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), ..limit });
    }
}

fn program() -> anyhow::Result<PathBuf> {
    std::env::current_exe().context("cannot find our own program")
}

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    raise_file_limit();
    Ok(tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?)
}

fn log_to_terminal(level: &str) -> anyhow::Result<LogBook> {
    // rumqttd reports ordinary disconnects as errors.
    let filter = format!("{},rumqttd=off,rumqttc=off", logbook::filter(level))
        .parse::<Targets>()
        .with_context(|| format!("log {level:?} is no filter, try info or debug"))?;
    let book = LogBook::default();
    let terminal = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_target(false);
    tracing_subscriber::registry().with(filter).with(terminal).with(book.clone()).init();
    Ok(book)
}

fn say(text: &str) -> anyhow::Result<()> {
    writeln!(std::io::stdout().lock(), "{text}")?;
    Ok(())
}
