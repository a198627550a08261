//! The embedded broker in service: kept values on disk, a new router when the old one is gone.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use crate::config;

use super::app::loaded;
use super::broker::{self, BrokerConfig, Internal, Running};
use super::store::Store;

/// Pause before a broker that ended by itself is started again.
const RESTART_AFTER: Duration = Duration::from_secs(1);

/// The embedded broker, whichever of its lives it is in.
pub(super) struct Embedded {
    addresses: Vec<SocketAddr>,
    internal: Internal,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Embedded {
    /// Starts it with what it kept.
    pub(super) async fn start(
        wanted: &config::Broker,
        dir: &Path,
        store: &Store,
    ) -> anyhow::Result<Self> {
        let mut settings = match &wanted.file {
            Some(file) => BrokerConfig::load(&dir.join(file))?,
            None => BrokerConfig::built_in()?,
        };
        if let Some(listen) = &wanted.listen {
            settings.listen_on(listen)?;
        }
        let stop = CancellationToken::new();
        let running = open(settings.clone(), store, &stop).await?;
        let addresses = running.addrs().to_vec();
        let internal = running.internal().clone();
        settings.keep_internal(internal.clone());
        let task = tokio::spawn(keep(running, settings, store.clone(), stop.clone()));
        Ok(Self { addresses, internal, stop, task })
    }

    /// Where it listens.
    pub(super) fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// How our own client reaches it.
    pub(super) fn client(&self) -> config::Mqtt {
        config::Mqtt {
            host: self.internal.address.ip().to_string(),
            port: self.internal.address.port(),
            // What a writer says about its answer is part of version 5.
            version: config::MqttVersion::V5,
            // What it kept of `status` is older than this start and says nothing.
            takeover: config::Takeover::Always,
            user: self.internal.user.clone(),
            password: self.internal.password.clone(),
            ..config::Mqtt::default()
        }
    }

    /// Ends it; what it keeps is handed to the store.
    pub(super) async fn stop(self) {
        self.stop.cancel();
        if self.task.await.is_err() {
            error!("the embedded broker did not end in order");
        }
    }
}

async fn open(
    settings: BrokerConfig,
    store: &Store,
    stop: &CancellationToken,
) -> anyhow::Result<Running> {
    if let Err(error) = store.flush().await {
        error!("what the broker kept last may be lost: {error}");
    }
    let retained = loaded("retained messages", store.load_retained().await);
    broker::start(settings, retained, stop.child_token()).await
}

/// Saves what the broker keeps; starts it again when its router is gone.
async fn keep(mut running: Running, settings: BrokerConfig, store: Store, stop: CancellationToken) {
    loop {
        let mut changes = running.changes();
        while let Some(batch) = changes.next().await {
            store.save_retained(batch);
        }
        match running.stopped().await {
            Ok(()) => return info!("the embedded broker has ended"),
            Err(error) => error!("the embedded broker starts again: {error:#}"),
        }
        running = loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(RESTART_AFTER) => {}
            }
            match open(settings.clone(), &store, &stop).await {
                Ok(running) => break running,
                Err(error) => error!("the embedded broker does not start: {error:#}"),
            }
        };
    }
}
