//! Puts one site together: store, broker, bus, devices, loop, facade; each starts without the others.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{error, warn};

use crate::api::{self, About, State, System};
use crate::config::{self, Config};

use super::about::{Found, about};
use super::auth::{self, Auth};
use super::brain::Brain;
use super::bus::{Bus, Inbox, Options, Urgent};
use super::clock::{Clock, zone};
use super::devices::{Devices, Publish};
use super::door::{Door, OFFS_MAX, Told};
use super::embedded::Embedded;
use super::fetch::Fetch;
use super::figures::Figures;
use super::logbook::LogBook;
use super::messenger::Messenger;
use super::run::{Run, Wires};
use super::sessions;
use super::store::{Store, StoreError};
use super::tariffs::Reply;
use super::{http, influx};

/// Facts of devices that wait for the loop; the adapters keep the newest of each kind beyond that.
const FACTS_MAX: usize = 1024;
/// Writes over REST that wait for the loop, beside those that switch off; more are answered with 503.
const WRITES_MAX: usize = 64;
/// Questions over REST that wait for the loop; more are answered with 503.
const QUESTIONS_MAX: usize = 64;

/// Answers of providers that wait for the loop; then their tasks wait.
const REPLIES_MAX: usize = 16;

/// Name of our database beside the configuration.
pub const DATABASE: &str = "chargebus.db";

/// Where the site keeps what must survive a restart.
#[derive(Clone, Debug)]
pub enum Database {
    /// A SQLite file.
    File(PathBuf),
    /// Nothing survives: the demo and tests.
    Memory,
}

/// Where the site finds what is not in its configuration.
#[derive(Clone, Debug)]
pub struct Place {
    /// What must survive a restart.
    pub database: Database,
    /// The file of the configuration, if it comes from one.
    pub config: Option<PathBuf>,
    /// Relative paths of the configuration start here.
    pub dir: PathBuf,
    /// How much REST asks of whoever comes.
    pub auth: auth::Mode,
    /// The folder of another user interface than ours.
    pub ui: Option<PathBuf>,
    /// Where the log is kept for REST.
    pub log: LogBook,
    /// This program; it is started anew to evaluate `?jq=`, so that no filter can hold us up.
    pub program: PathBuf,
}

impl Place {
    /// A place with our own page, whose log is kept nowhere else.
    pub fn new(database: Database, dir: PathBuf, program: PathBuf, auth: auth::Mode) -> Self {
        Self { database, config: None, dir, auth, ui: None, log: LogBook::default(), program }
    }
}

/// A running site.
pub struct App {
    http: SocketAddr,
    broker: Option<Embedded>,
    stop: CancellationToken,
    superseded: CancellationToken,
    tasks: TaskTracker,
    store: Store,
}

impl App {
    /// Where REST, WebSocket and the web page listen.
    pub fn http(&self) -> SocketAddr {
        self.http
    }

    /// Where the embedded broker listens; empty without one.
    pub fn broker(&self) -> &[SocketAddr] {
        self.broker.as_ref().map_or(&[], Embedded::addresses)
    }

    /// Asks everything to end and waits for it: `offline` is published, settings are on disk.
    pub async fn stop(self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        // Last, so that it hears our goodbye.
        if let Some(broker) = self.broker {
            broker.stop().await;
        }
        if let Err(error) = self.store.close().await {
            error!("what was not on disk yet is lost: {error}");
        }
    }

    /// Cancelled when another service has taken our root: nothing is commanded any more. What the
    /// devices were told last is not ours to repeat or to end, so stop this and start anew.
    pub fn superseded(&self) -> CancellationToken {
        self.superseded.clone()
    }

    /// Cancelled when the database is another one: stop this and start anew.
    pub fn replaced(&self) -> CancellationToken {
        self.store.replaced()
    }

    /// Cancelled when everything is asked to end.
    pub fn token(&self) -> CancellationToken {
        self.stop.clone()
    }
}

/// Starts a site. Missing devices, brokers and databases are no errors: they are awaited or done without.
///
/// # Errors
/// When an address of ours cannot be bound or `broker.toml` is wrong.
pub async fn start(config: Config, place: Place) -> anyhow::Result<App> {
    let clock = Clock::start();
    let stop = CancellationToken::new();
    let tasks = TaskTracker::new();
    let (store, no_database) = open(&place.database)?;

    let listener = listen(&config.network).await?;
    let http = listener.local_addr()?;

    let broker = match &config.broker {
        Some(wanted) => Some(Embedded::start(wanted, &place.dir, &store).await?),
        None => None,
    };
    let server = config.mqtt.clone().or_else(|| broker.as_ref().map(Embedded::client));

    let now = clock.now();
    let settings = store.load_settings().await;
    // Whoever came first would become the owner.
    let auth = if settings.is_err() { auth::Mode::Locked } else { place.auth };
    let mut stored = loaded("settings", settings);
    let auth = Auth::new(auth, &config.api, &mut stored, store.clone(), clock);
    let found = Found { http, broker: broker.as_ref(), no_database };
    let system = system(&config, now, about(&config, &place, found));
    let mut brain = brain(&config, system, &store, now, stored).await;

    let bus = server.map(|server| connect(server, &config, brain.filters()));
    if bus.is_none() {
        warn!("neither mqtt nor broker is configured: nothing is published");
    }
    let (facts_in, facts) = mpsc::channel(FACTS_MAX);
    let (writes_in, writes) = mpsc::channel(WRITES_MAX + OFFS_MAX);
    let (questions_in, questions) = mpsc::channel(QUESTIONS_MAX);
    let (told, seen) = watch::channel(Told { state: State::default(), at: now.mono });
    let publisher: Arc<dyn Publish> = Arc::new(Publisher(bus.as_ref().map(|(bus, _)| bus.clone())));
    let fetch = Fetch::default();
    let (replies_in, replies) = mpsc::channel(REPLIES_MAX);
    ask(&mut brain, &fetch, &replies_in, &tasks, &stop);
    let devices =
        Devices::start(&config, Arc::clone(&publisher), fetch.clone(), facts_in, stop.clone());
    let ours: BTreeSet<String> = loaded("topics", store.load_topics().await);
    let view = influx::View { told: seen.clone(), clock, interval: config.interval };
    let (messenger, figures) = exports(&config, view, &publisher, &tasks, fetch, &stop);
    let superseded = CancellationToken::new();
    let wires = Wires {
        bus,
        facts,
        writes,
        questions,
        statistics: sessions::statistics(&store, clock, &tasks, &stop),
        replies,
        told,
        devices,
        store: store.clone(),
        figures: figures.clone(),
        messenger,
        superseded: superseded.clone(),
    };
    let (run, inputs) = Run::new(brain, clock, config.root.clone(), ours, wires);
    tasks.spawn(run.run(inputs, stop.clone()));

    let door = Door {
        writes: writes_in,
        kept_for_off: OFFS_MAX,
        questions: questions_in,
        tariffs: replies_in,
        told: seen,
        store: store.clone(),
        clock,
        metrics: config.metrics.then_some(figures),
        log: place.log,
        jq: place.program,
    };
    let settings = http::Settings::of(&config, auth, place.ui);
    tasks.spawn(serve(listener, door, settings, stop.clone()));
    Ok(App { http, broker, stop, superseded, tasks, store })
}

/// REST, WebSocket and the web page until the end.
async fn serve(
    listener: TcpListener,
    door: Door,
    settings: http::Settings,
    stop: CancellationToken,
) {
    if let Err(error) = http::serve(listener, door, settings, stop).await {
        error!("the web server ended: {error:#}");
    }
}

/// Starts a task for every provider of prices or forecasts.
fn ask(
    brain: &mut Brain,
    fetch: &Fetch,
    replies: &mpsc::Sender<Reply>,
    tasks: &TaskTracker,
    stop: &CancellationToken,
) {
    for provider in brain.feeds.providers() {
        let asking = provider.run(fetch.clone(), replies.clone());
        tasks.spawn(stop.clone().run_until_cancelled_owned(asking));
    }
}

async fn listen(network: &config::Network) -> anyhow::Result<TcpListener> {
    let address = format!("{}:{}", network.host, network.port);
    TcpListener::bind(&address).await.with_context(|| {
        format!("cannot listen on {address}: change network.port or stop who has it")
    })
}

/// Messages, lines and figures, as far as they are wanted.
fn exports(
    config: &Config,
    view: influx::View,
    publisher: &Arc<dyn Publish>,
    tasks: &TaskTracker,
    fetch: Fetch,
    stop: &CancellationToken,
) -> (Messenger, Figures) {
    let (messenger, waiting) = Messenger::start(&config.messaging, &fetch, publisher, tasks, stop);
    let mut sources = vec![waiting];
    if let Some(influx) = &config.influx {
        sources.push(influx::start(influx, view, fetch, tasks, stop));
    }
    (messenger, Figures::new(sources))
}

/// The brain with all that is known from before the start.
async fn brain(
    config: &Config,
    system: System,
    store: &Store,
    now: crate::model::Now,
    stored: BTreeMap<String, String>,
) -> Brain {
    let journal = loaded("journal", store.load_journal().await);
    let (mut brain, remarks) = Brain::new(config, system, zone(), now, stored, journal);
    brain.control.set_past(&loaded("history", store.load_past(now.utc).await));
    loaded("grid sessions", store.repair_grid_sessions(now.utc).await);
    remarks.iter().for_each(|remark| warn!("{remark}"));
    brain
}

/// Control never waits for a database: without one it runs and says why nothing is stored.
fn open(database: &Database) -> anyhow::Result<(Store, Option<String>)> {
    let Database::File(path) = database else { return Ok((Store::memory()?, None)) };
    // A user's evcc.yaml may name evcc's own database, which is not ours to touch.
    let beside = path.with_file_name(DATABASE);
    let mut reason = String::new();
    for path in [path, &beside] {
        match Store::open(path) {
            Ok(store) => return Ok((store, None)),
            Err(error) => reason = format!("{error:#}"),
        }
        error!("settings will not be kept there: {reason}");
    }
    Ok((Store::without_file(&reason)?, Some(reason)))
}

/// What an earlier start left, or nothing if it cannot be read.
pub(super) fn loaded<T: Default>(what: &str, result: Result<T, StoreError>) -> T {
    result.unwrap_or_else(|error| {
        error!("cannot read the stored {what}: {error}");
        T::default()
    })
}

/// What is told about the program itself.
fn system(config: &Config, now: crate::model::Now, about: About) -> System {
    let local = now.utc.with_timezone(&zone());
    System {
        version: System::version(),
        anchor: now,
        interval: config.interval,
        currency: config.currency.clone(),
        timezone: local.format("%Z %:z").to_string(),
        platform: platform(std::env::consts::OS, std::env::consts::ARCH),
        started: true,
        mirrors: true,
        standby: None,
        about,
    }
}

/// System and machine in evcc's words (api.md §4.2).
fn platform(system: &str, machine: &str) -> String {
    let system = if system == "macos" { "darwin" } else { system };
    let machine = match machine {
        "x86_64" => "amd64",
        "x86" => "386",
        "aarch64" => "arm64",
        other => other,
    };
    format!("{system}/{machine}")
}

fn connect(server: config::Mqtt, config: &Config, devices: Vec<String>) -> (Bus, Inbox) {
    let root = &config.root;
    // One wildcard per depth takes every setter of today and tomorrow.
    let depths = ["+", "+/+", "+/+/+", "+/+/+/+"];
    let mut filters: Vec<String> =
        depths.iter().map(|depth| format!("{root}/{depth}/set")).collect();
    filters.extend(devices);
    // The loop says goodbye itself, so its connection outlives the request to stop.
    let urgent = Urgent { place: api::topic_switches_off, places: config.setup.loadpoints.len() };
    let options = Options { server, root: root.clone(), filters, urgent: Some(urgent) };
    Bus::start(options, CancellationToken::new())
}

/// The devices' way to the broker.
struct Publisher(Option<Bus>);

impl Publish for Publisher {
    fn publish(&self, topic: &str, payload: &str, retain: bool) -> bool {
        let Some(bus) = self.0.as_ref().filter(|bus| bus.connected()) else { return false };
        bus.command(topic.to_owned(), payload.as_bytes().to_vec(), retain);
        true
    }
}
