//! The embedded MQTT broker (3.1.1 and 5): our own front door around rumqttd's router.
//!
//! ```text
//!  client ─► door ─► session ─► hub ─► router ─► session ─► client
//!            (who?)  (QoS,       (order,  (rumqttd:
//!                     filters)    retained) lanes)
//! ```
//!
//! The door admits (`users`) and gives each client id one session (`registry`). The session
//! speaks the protocol. The hub numbers every message, keeps retained ones and hands it to the
//! router, which carries it to the sessions. Behind the door there is MQTT 5 only: `wire` translates
//! 3.1.1, so that both kinds of clients exchange messages and neither has logic of its own. What
//! MQTT leaves open is decided as mosquitto does, apart from these, where the client is better served:
//!
//! - a malformed filter is answered with 0x80 (0x8F) in SUBACK instead of a closed connection,
//! - QoS 0 never overtakes QoS 1 or 2 on the way to a client,
//! - MQTT 3.1 is refused with CONNACK code 1, shared subscriptions with 0x80 (0x9E), an exchange of
//!   authentication data with 0x8C; topic aliases are taken and never used.
//!
//! Sessions that are kept live in memory: they survive their connection, not the process.

mod config;
mod door;
mod filter;
mod hub;
mod message;
mod outbox;
mod registry;
mod retained;
mod router;
mod session;
mod subscriptions;
mod sys;
mod tls;
mod users;
mod wire;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow, ensure};
use rumqttc::v5::mqttbytes::QoS;
use rustls::crypto::ring;
use tokio::net::TcpListener;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{info, warn};

pub use self::config::BrokerConfig;
use self::door::Door;
use self::hub::Hub;
use self::message::{Draft, Message};
use self::registry::{Registry, RegistryLimits};
use self::retained::Capacity;
use self::router::{ActiveLink, ActiveRouter, Link};
use self::sys::Teller;
use self::users::{Entrance, Users};

/// Changes handed out at a time.
const SAVE_BATCH: usize = 1000;

/// Time for sessions to end when the broker stops; wills are published within it.
const STOP_PATIENCE: Duration = Duration::from_secs(5);

/// User name of our own client.
const INTERNAL_USER: &str = "chargebus";

/// A retained message as it is stored between two starts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Retained {
    /// Topic name.
    pub topic: String,
    /// Value; empty when the topic was erased.
    pub payload: Vec<u8>,
    /// QoS at which it was published: 0, 1 or 2.
    pub qos: u8,
    /// Its properties as MQTT 5 writes them; empty for none.
    pub properties: Vec<u8>,
    /// Milliseconds since 1970 after which it is forgotten; 0 for never.
    pub expires: i64,
}

/// A running broker. It runs until its token is cancelled, even when this handle is dropped.
pub struct Running {
    addresses: Vec<SocketAddr>,
    internal: Internal,
    hub: Arc<Hub>,
    tasks: TaskTracker,
    stop: CancellationToken,
    lost: CancellationToken,
}

/// Where and how our own client connects. The password is new with every start.
#[derive(Clone, Debug)]
pub struct Internal {
    /// Address on loopback.
    pub address: SocketAddr,
    /// User with all rights.
    pub user: String,
    /// Its password.
    pub password: String,
}

/// The retained values to be saved; newest value per topic, bounded by the store's own limits.
pub struct Changes {
    hub: Arc<Hub>,
    tasks: TaskTracker,
}

/// Starts the broker with the retained messages of its last run. When this returns, every
/// listener accepts connections.
///
/// # Errors
/// When an address cannot be bound, a certificate cannot be used or the router does not start.
pub async fn start(
    config: BrokerConfig,
    retained: Vec<Retained>,
    stop: CancellationToken,
) -> anyhow::Result<Running> {
    let mut listeners = Vec::new();
    for listener in &config.listeners {
        let tls = listener.tls.as_ref().map(tls::acceptor).transpose()?;
        let trusting = config.insecure || listener.address.ip().is_loopback();
        let entrance = if trusting { Entrance::Trusting } else { Entrance::Guarded };
        listeners.push((bind(listener.address).await?, tls, entrance));
    }
    let anywhere = (Ipv4Addr::LOCALHOST, 0).into();
    let own = bind(config.internal.as_ref().map_or(anywhere, |internal| internal.address)).await?;
    let internal = match config.internal {
        Some(internal) => internal,
        None => Internal {
            address: own.local_addr()?,
            user: INTERNAL_USER.to_owned(),
            password: random_password()?,
        },
    };
    listeners.push((own, None, Entrance::Internal));

    let limits = config.limits;
    let capacity = Capacity { topics: limits.retained_topics, bytes: limits.retained_bytes };
    let hub = Arc::new(Hub::new(ActiveRouter::start(config.router)?, capacity));
    restore(&hub, retained);
    let credentials = (internal.user.clone(), internal.password.clone());
    let users = Users::new(&config.users, config.anonymous.as_ref(), credentials);
    let places = RegistryLimits { connected: limits.connections, offline: limits.offline_sessions };
    let registry = Registry::new(stop.clone(), places);
    let mut teller = Teller::new(hub.clone(), registry.clone());
    teller.tell().await?;
    let door = Door::new(hub.clone(), users, registry, limits, stop.clone());
    let tasks = door.tasks.clone();
    tasks.spawn(sys::run(teller, stop.clone()));

    let lost = CancellationToken::new();
    tasks.spawn(watch(hub.attach().await?, stop.clone(), lost.clone()));
    let mut addresses = Vec::new();
    for (listener, tls, entrance) in listeners {
        let address = listener.local_addr()?;
        if entrance != Entrance::Internal {
            info!(%address, tls = tls.is_some(), "MQTT broker listens");
            addresses.push(address);
        }
        tasks.spawn(door.clone().listen(listener, tls, entrance));
    }
    tasks.close();
    Ok(Running { addresses, internal, hub, tasks, stop, lost })
}

impl Running {
    /// Addresses of the configured listeners in their order, with the real port for port 0.
    #[must_use]
    pub fn addrs(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Where and how our own client connects.
    #[must_use]
    pub fn internal(&self) -> &Internal {
        &self.internal
    }

    /// What is to be saved from now on. Only one taker sees each change.
    #[must_use]
    pub fn changes(&self) -> Changes {
        Changes { hub: self.hub.clone(), tasks: self.tasks.clone() }
    }

    /// Waits until the broker has been stopped by its token and all clients are gone.
    ///
    /// # Errors
    /// When the broker has stopped by itself because its router is gone; start it anew.
    pub async fn stopped(&self) -> anyhow::Result<()> {
        self.stop.cancelled().await;
        if timeout(STOP_PATIENCE, self.tasks.wait()).await.is_err() {
            warn!("some MQTT clients did not end in time");
        }
        ensure!(!self.lost.is_cancelled(), "the message router is gone");
        Ok(())
    }
}

impl Changes {
    /// The next values to save, at least one; `None` when the broker has stopped and everything
    /// was handed out. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<Vec<Retained>> {
        loop {
            let batch = self.hub.take_unsaved(SAVE_BATCH);
            if !batch.is_empty() {
                return Some(batch.into_iter().map(Retained::from).collect());
            }
            tokio::select! {
                () = self.hub.unsaved.notified() => {}
                () = self.tasks.wait() => {
                    let last = self.hub.take_unsaved(SAVE_BATCH);
                    let last = last.into_iter().map(Retained::from).collect::<Vec<_>>();
                    return (!last.is_empty()).then_some(last);
                }
            }
        }
    }
}

impl From<(String, Option<Message>)> for Retained {
    fn from((topic, message): (String, Option<Message>)) -> Self {
        match message {
            Some(message) => Self {
                topic,
                payload: message.payload().to_vec(),
                qos: message.qos() as u8,
                properties: message.encoded_properties().to_vec(),
                expires: i64::try_from(message.expires()).unwrap_or(i64::MAX),
            },
            None => Self { topic, ..Self::default() },
        }
    }
}

/// Stops the broker when its router is gone, since nothing would be delivered any more.
async fn watch(mut link: ActiveLink, stop: CancellationToken, lost: CancellationToken) {
    tokio::select! {
        () = stop.cancelled() => {}
        // The link follows nothing, so all it can hear is the end.
        _ = link.recv() => {
            lost.cancel();
            stop.cancel();
        }
    }
}

async fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address}"))
}

fn restore(hub: &Hub, retained: Vec<Retained>) {
    let mut lost = 0;
    let now = message::now();
    for Retained { topic, payload, qos, properties, expires } in retained {
        let qos = match qos {
            0 => QoS::AtMostOnce,
            1 => QoS::AtLeastOnce,
            _ => QoS::ExactlyOnce,
        };
        let sound = filter::is_topic(&topic) && topic.len() <= usize::from(u16::MAX);
        let message = Message::pack(&Draft {
            topic: &topic,
            payload: &payload,
            qos,
            retain: true,
            origin: 0,
            expires: u64::try_from(expires).unwrap_or_default(),
            properties: &properties,
        });
        if !sound || !hub.restore(message) {
            lost += 1;
        }
    }
    hub.drop_expired(now);
    if lost > 0 {
        warn!(lost, "some stored retained messages do not fit limits.retained_*");
    }
}

fn random_password() -> anyhow::Result<String> {
    let mut bytes = [0; 24];
    ring::default_provider()
        .secure_random
        .fill(&mut bytes)
        .map_err(|_| anyhow!("the system gives no random numbers"))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
