//! `$SYS/broker/…`: what the broker tells about itself, under mosquitto's names.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use rumqttc::v5::mqttbytes::QoS;
use tokio_util::sync::CancellationToken;

use super::hub::Hub;
use super::message::{self, Message};
use super::registry::Registry;

/// How often changed values are told, as mosquitto's `sys_interval`.
const INTERVAL: Duration = Duration::from_secs(10);

/// Tells the values now and whenever they change, until the broker stops; sweeps the store as well.
pub(super) async fn run(mut teller: Teller, stop: CancellationToken) {
    let mut ticks = tokio::time::interval(INTERVAL);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => {}
        }
        teller.hub.drop_expired(message::now());
        if teller.tell().await.is_err() {
            return;
        }
    }
}

/// Remembers what was told, since only changes are told.
pub(super) struct Teller {
    hub: Arc<Hub>,
    registry: Arc<Registry>,
    started: Instant,
    told: Vec<(&'static str, String)>,
}

impl Teller {
    /// A teller that has told nothing yet.
    pub(super) fn new(hub: Arc<Hub>, registry: Arc<Registry>) -> Self {
        Self { hub, registry, started: Instant::now(), told: Vec::new() }
    }

    /// Publishes what has changed, retained.
    pub(super) async fn tell(&mut self) -> anyhow::Result<()> {
        let values = values(&self.hub, &self.registry, self.started.elapsed());
        for (name, value) in values.iter().filter(|value| !self.told.contains(value)) {
            let topic = format!("$SYS/broker/{name}");
            let message = Message::new(&topic, value.as_bytes(), QoS::AtMostOnce);
            self.hub.publish(message, true).await?;
        }
        self.told = values;
        Ok(())
    }
}

fn values(hub: &Hub, registry: &Registry, uptime: Duration) -> Vec<(&'static str, String)> {
    let counters = &hub.counters;
    let connected = counters.connected.load(Ordering::Relaxed);
    let offline = registry.offline();
    vec![
        ("version", concat!("chargebus version ", env!("CARGO_PKG_VERSION")).to_owned()),
        ("uptime", format!("{} seconds", uptime.as_secs())),
        ("clients/connected", connected.to_string()),
        ("clients/disconnected", offline.to_string()),
        ("clients/total", (connected + offline).to_string()),
        ("retained messages/count", hub.retained_len().to_string()),
        ("publish/messages/received", counters.received.load(Ordering::Relaxed).to_string()),
        ("publish/messages/sent", counters.sent.load(Ordering::Relaxed).to_string()),
        ("publish/messages/dropped", counters.dropped.load(Ordering::Relaxed).to_string()),
    ]
}
