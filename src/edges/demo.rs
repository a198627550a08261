//! The demo: a simulated house, its wallboxes and a TeslaMate on the embedded broker, all over real MQTT.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, anyhow};
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::config::{Broker, Config, Mqtt};
use crate::sim::{self, Message, World};

use super::app::{self, App, Database, Place};
use super::auth::Mode;
use super::bus::{Bus, Incoming, Options};
use super::clock::Clock;
use super::logbook::LogBook;

/// The house moves this often.
const STEP: Duration = Duration::from_millis(500);
/// Ports that are tried when the usual one is taken.
const PORTS: u16 = 100;
/// The same story at every start.
const SEED: u64 = 7;

/// Starts the demo; the house lives `speed` times as fast as we do.
///
/// # Errors
/// When no port is free.
pub async fn start(
    speed: f64,
    http: u16,
    mqtt: u16,
    program: PathBuf,
    log: LogBook,
) -> anyhow::Result<App> {
    let checked = Config::parse(sim::DEMO_YAML, &|_| None)
        .map_err(|errors| anyhow!("the demo's configuration: {errors}"))?;
    let mut config = checked.config;
    // Each is held until both are found, so that they are not the same.
    let broker = free_port(mqtt).context("no port is free for the broker")?;
    let page = free_port(http).context("no port is free for the web page")?;
    config.network.host = Ipv4Addr::LOCALHOST.to_string();
    config.network.port = page.local_addr()?.port();
    config.broker = Some(Broker { file: None, listen: Some(broker.local_addr()?.to_string()) });
    drop((broker, page));
    config.mqtt = None;
    let app = app::start(
        config,
        Place { log, ..Place::new(Database::Memory, PathBuf::new(), program, Mode::Demo) },
    )
    .await?;
    let address = app.broker().first().copied().context("the broker does not listen")?;
    tokio::spawn(play(speed, address, app.token()));
    Ok(app)
}

/// What a newcomer tries next.
pub fn invitation(app: &App) -> String {
    let broker = app.broker().first().map_or(1883, SocketAddr::port);
    let port = if broker == 1883 { String::new() } else { format!(" -p {broker}") };
    let http = app.http();
    format!(
        "chargebus demo: a simulated house, two wallboxes and a TeslaMate on MQTT.\n\n  \
         web page   http://{http}\n  \
         broker     127.0.0.1:{broker}\n\n\
         Try next:\n  \
         mosquitto_sub{port} -t 'evcc/#' -v\n  \
         mosquitto_pub{port} -t evcc/loadpoints/1/mode/set -m now\n  \
         curl -gs 'http://{http}/api/state?jq=.loadpoints[0].decision'\n\n\
         Your own site: chargebus run -c evcc.yaml\n"
    )
}

/// The first free port from `first` on, taken.
fn free_port(first: u16) -> Option<TcpListener> {
    let mut ports = first..first.saturating_add(PORTS);
    ports.find_map(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).ok())
}

/// Lets the house live on the bus, as devices of their own would.
async fn play(speed: f64, broker: SocketAddr, stop: CancellationToken) {
    let server = Mqtt {
        host: broker.ip().to_string(),
        port: broker.port(),
        client_id: Some("house".to_owned()),
        ..Mqtt::default()
    };
    let filters = sim::FILTERS.iter().map(|filter| (*filter).to_owned()).collect();
    let (bus, mut inbox) =
        Bus::start(Options { server, root: String::new(), filters, urgent: None }, stop.clone());
    let clock = Clock::start();
    let mut world = World::demo(SEED, speed, clock.now());
    let mut step = tokio::time::interval(STEP);
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            incoming = inbox.next() => match incoming {
                Some(Incoming::Message(message)) => {
                    if !world.handle(&message.topic, &message.payload) {
                        info!("the house does not understand {}", message.topic);
                    }
                }
                Some(
                    Incoming::Up { .. }
                    | Incoming::Down { .. }
                    | Incoming::Taken { .. }
                    | Incoming::Refused { .. }
                    | Incoming::Busy { .. },
                ) => {}
                None => break,
            },
            _ = step.tick() => {
                world.step(clock.now());
                for Message { topic, payload, retain } in world.messages() {
                    bus.publish(topic, payload.into_bytes(), retain);
                }
            }
        }
    }
}
