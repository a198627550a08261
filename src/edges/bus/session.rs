//! Connects, polls, sends, and starts anew after every error.
//!
//! rumqttc reconnects at once and for ever, keeps what a broken session left behind and blocks its
//! own poller when its channel is full. So every session gets a client of its own that is thrown
//! away with the first error, one task does nothing but poll, and another one fills the channel.

use std::collections::BTreeMap;
use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::Context;
use rumqttc::{
    AsyncClient, Event, EventLoop, LastWill, MqttOptions, NetworkOptions, Outgoing, Packet, QoS,
    SubAck, SubscribeReasonCode, TlsConfiguration, Transport,
};
use tokio::task::{AbortHandle, spawn_blocking};
use tokio::time::{Instant, sleep, timeout_at};
use tracing::{debug, info, warn};

use super::pump::{Open, Pump};
use super::shared::{Shared, valid_topic};
use super::tls;
use super::trouble::{End, Trouble, failed, failure, lost};
use crate::config::Mqtt;

/// A dead peer is noticed after two of these.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// For connection, TLS and CONNACK together, and for one write.
const CONNECT_MAX: Duration = Duration::from_secs(5);
/// No acknowledgement for so long while some are due: the session is stuck.
const ACK_MAX: Duration = Duration::from_secs(30);
/// No event at all, not even of our own pings: the session is stuck.
const SILENCE_MAX: Duration = Duration::from_secs(45);
/// Publishes without acknowledgement; few enough for any broker.
const INFLIGHT: u16 = 64;
/// Requests between the pump and the poller: short, so that values still coalesce in our queue.
const CHANNEL: usize = 16;
/// Largest packet we send, and the largest we read so that one odd retained message does not end
/// every session; payloads above 1 MiB are dropped after reading (`shared`).
const PACKET_OUT_MAX: usize = (1 << 20) + (128 << 10);
const PACKET_IN_MAX: usize = 4 << 20;

/// Runs until `kill` or `farewell`.
pub(super) async fn run(shared: Arc<Shared>, server: Mqtt, root: String) {
    let _ended = shared.ended.clone().drop_guard();
    let id = client_id(&server);
    let status = (!root.is_empty()).then(|| format!("{root}/status"));
    let status = status.filter(|topic| {
        let valid = valid_topic(topic);
        if !valid {
            warn!(topic, "no status is published: mqtt.topic is not a topic");
        }
        valid
    });
    let mut trouble = Trouble::default();
    loop {
        let flapping = trouble.flapping();
        let (end, lived) = tokio::select! {
            biased;
            () = shared.kill.cancelled() => (End::Told, None),
            () = farewell_unsaid(&shared) => (End::Told, None),
            outcome = attempt(&shared, &server, &id, status.as_deref(), flapping) => outcome,
        };
        shared.shut();
        let End::Failed { reason, refused } = end else {
            return;
        };
        let pause = trouble.pause(lived, refused);
        let (reason, new) = trouble.tell(reason, &id);
        if new {
            let (host, port) = (&server.host, server.port);
            warn!(host, port, "no MQTT broker: {reason}");
        }
        if new || lived.is_some() {
            shared.down(reason);
        }
        tokio::select! {
            () = sleep(pause) => {}
            () = shared.kill.cancelled() => return,
            () = shared.farewell.cancelled() => return,
        }
    }
}

/// Connects and stays connected as long as it goes; says how it ended and how long it lived.
async fn attempt(
    shared: &Arc<Shared>,
    server: &Mqtt,
    id: &str,
    status: Option<&str>,
    flapping: bool,
) -> (End, Option<Duration>) {
    let (client, mut events) = match connect(server, id, status).await {
        Ok(connection) => connection,
        Err(end) => return (end, None),
    };
    let since = Instant::now();
    if flapping {
        debug!("connected to the MQTT broker once more");
    } else {
        let (host, port) = (&server.host, server.port);
        info!(host, port, "connected to the MQTT broker");
    }
    let end = session(shared, client, &mut events, status).await;
    (end, Some(since.elapsed()))
}

/// Without a session there is nobody to say good-bye to; with one, the pump does it.
async fn farewell_unsaid(shared: &Shared) {
    shared.farewell.cancelled().await;
    if shared.connected.load(Ordering::Relaxed) {
        pending::<()>().await;
    }
}

fn client_id(server: &Mqtt) -> String {
    let random = || format!("chargebus-{}", fastrand::u32(..1 << 31));
    server.client_id.clone().filter(|id| !id.is_empty()).unwrap_or_else(random)
}

async fn connect(
    server: &Mqtt,
    id: &str,
    status: Option<&str>,
) -> Result<(AsyncClient, EventLoop), End> {
    let bare = server.host.trim_matches(['[', ']']);
    let v6 = bare.contains(':');
    if v6 && server.tls {
        // rumqttc takes the brackets for a part of the certificate's name.
        let reason = "TLS needs a host name instead of an IPv6 address".to_owned();
        return Err(End::Failed { reason, refused: true });
    }
    let host = if v6 { format!("[{bare}]") } else { bare.to_owned() };
    let mut options = MqttOptions::new(id, host, server.port);
    options
        .set_keep_alive(KEEP_ALIVE)
        .set_clean_session(true)
        .set_inflight(INFLIGHT)
        .set_max_packet_size(PACKET_IN_MAX, PACKET_OUT_MAX);
    if !server.user.is_empty() {
        options.set_credentials(&server.user, &server.password);
    }
    if let Some(status) = status {
        options.set_last_will(LastWill::new(status, "offline", QoS::AtLeastOnce, true));
    }
    if server.tls {
        let server = server.clone();
        let config = spawn_blocking(move || tls::client_config(&server)).await;
        let config = config.context("reading certificates").flatten();
        let config =
            config.map_err(|err| End::Failed { reason: format!("{err:#}"), refused: true })?;
        options.set_transport(Transport::Tls(TlsConfiguration::Rustls(config)));
    }
    let (client, mut events) = AsyncClient::new(options, CHANNEL);
    let mut network = NetworkOptions::new();
    network.set_connection_timeout(CONNECT_MAX.as_secs()).set_tcp_nodelay(true);
    events.set_network_options(network);
    // The first event of a new client is its CONNACK.
    events.poll().await.map_err(|err| failure(&err, server, id))?;
    Ok((client, events))
}

/// From CONNACK to the first error.
async fn session(
    shared: &Arc<Shared>,
    client: AsyncClient,
    events: &mut EventLoop,
    status: Option<&str>,
) -> End {
    shared.up();
    let open = Arc::new(Open::default());
    let pump = Pump {
        shared: Arc::clone(shared),
        client,
        open: Arc::clone(&open),
        status: status.map(str::to_owned),
    };
    let _pump = AbortOnDrop(tokio::spawn(pump.run()).abort_handle());
    let mut acks = Acks::default();
    let mut subscriptions = BTreeMap::new();
    loop {
        let now = Instant::now();
        let event = match timeout_at(acks.deadline(now), events.poll()).await {
            Ok(Ok(event)) => event,
            Ok(Err(err)) => return lost(&err),
            Err(_) => return failed("the broker does not acknowledge what we publish"),
        };
        match event {
            Event::Incoming(Packet::Publish(message)) => {
                shared.receive(message.topic, message.payload, message.retain);
            }
            Event::Incoming(Packet::PubAck(_)) => {
                acks.arrived(Instant::now());
                open.settle();
            }
            Event::Incoming(Packet::SubAck(ack)) => subscribed(shared, &mut subscriptions, &ack),
            Event::Outgoing(Outgoing::Publish(_)) => {
                acks.due(Instant::now());
                shared.count_sent();
            }
            Event::Outgoing(Outgoing::Subscribe(id)) => {
                subscriptions.insert(id, open.leaves());
            }
            Event::Outgoing(Outgoing::Disconnect) => return End::Told,
            Event::Incoming(_) | Event::Outgoing(_) => {}
        }
    }
}

/// Finds the filters which a SUBACK refuses; `subscribe` itself never fails.
fn subscribed(shared: &Shared, asked: &mut BTreeMap<u16, Vec<String>>, ack: &SubAck) {
    let filters = asked.remove(&ack.pkid).unwrap_or_default();
    for (filter, code) in filters.into_iter().zip(&ack.return_codes) {
        match code {
            SubscribeReasonCode::Success(_) => debug!(filter, "subscribed"),
            SubscribeReasonCode::Failure => shared.refused(filter),
        }
    }
}

struct AbortOnDrop(AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Watches that acknowledgements keep coming while some are due.
#[derive(Default)]
struct Acks {
    due: u32,
    progress: Option<Instant>,
}

impl Acks {
    fn due(&mut self, now: Instant) {
        self.due += 1;
        self.progress = self.progress.or(Some(now));
    }

    fn arrived(&mut self, now: Instant) {
        self.due = self.due.saturating_sub(1);
        self.progress = (self.due > 0).then_some(now);
    }

    fn deadline(&self, now: Instant) -> Instant {
        let silence = now + SILENCE_MAX;
        self.progress.map_or(silence, |progress| silence.min(progress + ACK_MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn acknowledgements_that_are_due_have_a_deadline_of_their_own() {
        let now = Instant::now();
        let mut acks = Acks::default();
        assert_eq!(acks.deadline(now), now + SILENCE_MAX);
        acks.due(now);
        acks.due(now + Duration::from_secs(1));
        assert_eq!(acks.deadline(now), now + ACK_MAX);
        acks.arrived(now + Duration::from_secs(2));
        assert_eq!(acks.deadline(now), now + Duration::from_secs(2) + ACK_MAX);
        acks.arrived(now + Duration::from_secs(3));
        assert_eq!(acks.deadline(now), now + SILENCE_MAX);
    }
}
