//! Connects, polls, sends, and starts anew after every error.
//!
//! rumqttc reconnects at once and for ever, keeps what a broken session left behind and blocks its
//! own poller when its channel is full. So every session gets a client of its own that is thrown
//! away with the first error, one task does nothing but poll, and another one fills the channel.

use std::collections::{BTreeMap, VecDeque};
use std::future::pending;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context;
use rumqttc::{
    AsyncClient, ClientError, ConnectReturnCode, ConnectionError, Event, EventLoop, LastWill,
    MqttOptions, NetworkOptions, Outgoing, Packet, QoS, StateError, SubAck, SubscribeFilter,
    SubscribeReasonCode, TlsConfiguration, Transport, mqttbytes,
};
use tokio::task::{AbortHandle, spawn_blocking};
use tokio::time::{Instant, sleep, timeout_at};
use tracing::{debug, info, warn};

use super::shared::{Next, Shared};
use super::tls;
use crate::config::Mqtt;

/// A dead peer is noticed after two of these.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// For connection, TLS and CONNACK together, and for one write.
const CONNECT_MAX: Duration = Duration::from_secs(5);
/// No acknowledgement for so long while some are due: the session is stuck.
const ACK_MAX: Duration = Duration::from_secs(30);
/// No event at all, not even of our own pings: the session is stuck.
const SILENCE_MAX: Duration = Duration::from_secs(45);
/// First pause after a lost connection; doubles up to the longest.
const PAUSE_MIN: Duration = Duration::from_millis(250);
const PAUSE_MAX: Duration = Duration::from_secs(10);
/// Pause when the broker or our own configuration says no: trying harder does not help.
const PAUSE_REFUSED: Duration = Duration::from_secs(30);
/// A session that lives so long has recovered; shorter ones count as one ongoing trouble.
const STABLE: Duration = Duration::from_secs(10);
/// So many short sessions in a row look like two clients of one name.
const SHORT_SESSIONS: u32 = 3;

/// Publishes without acknowledgement; few enough for any broker.
const INFLIGHT: u16 = 64;
/// Requests between the pump and the poller: short, so that values still coalesce in our queue.
const CHANNEL: usize = 16;
/// Filters in one SUBSCRIBE.
const FILTERS_PER_PACKET: usize = 64;
/// Largest packet we send, and the largest we read so that one odd retained message does not end
/// every session; payloads above 1 MiB are dropped after reading (`shared`).
const PACKET_OUT_MAX: usize = (1 << 20) + (128 << 10);
const PACKET_IN_MAX: usize = 4 << 20;

/// How an attempt or a session ended.
enum End {
    /// We were told to end, or have said good-bye.
    Told,
    /// Something to tell and to try again after.
    Failed { reason: String, refused: bool },
}

/// Runs until `kill` or `farewell`.
pub(super) async fn run(shared: Arc<Shared>, server: Mqtt, root: String) {
    let _ended = shared.ended.clone().drop_guard();
    let id = client_id(&server);
    let status = (!root.is_empty()).then(|| format!("{root}/status"));
    let mut trouble = Trouble::default();
    loop {
        let (end, lived) = tokio::select! {
            biased;
            () = shared.kill.cancelled() => (End::Told, None),
            () = farewell_unsaid(&shared) => (End::Told, None),
            outcome = attempt(&shared, &server, &id, status.as_deref()) => outcome,
        };
        shared.shut();
        let End::Failed { reason, refused } = end else {
            return;
        };
        let pause = trouble.pause(lived, refused);
        let (reason, new) = trouble.tell(reason, &id);
        if new {
            warn!(
                host = server.host,
                port = server.port,
                "no MQTT broker: {reason}"
            );
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
) -> (End, Option<Duration>) {
    let (client, mut events) = match connect(server, id, status).await {
        Ok(connection) => connection,
        Err(end) => return (end, None),
    };
    let since = Instant::now();
    info!(
        host = server.host,
        port = server.port,
        "connected to the MQTT broker"
    );
    let end = session(shared, &client, &mut events, status).await;
    (end, Some(since.elapsed()))
}

/// Without a session there is nobody to say good-bye to; with one, the pump does it.
async fn farewell_unsaid(shared: &Shared) {
    shared.farewell.cancelled().await;
    if shared.connected.load(std::sync::atomic::Ordering::Relaxed) {
        pending::<()>().await;
    }
}

fn client_id(server: &Mqtt) -> String {
    let random = || format!("chargebus-{}", fastrand::u32(..1 << 31));
    server
        .client_id
        .clone()
        .filter(|id| !id.is_empty())
        .unwrap_or_else(random)
}

async fn connect(
    server: &Mqtt,
    id: &str,
    status: Option<&str>,
) -> Result<(AsyncClient, EventLoop), End> {
    let bare_v6 = server.host.contains(':') && !server.host.starts_with('[');
    let host = if bare_v6 {
        format!("[{}]", server.host)
    } else {
        server.host.clone()
    };
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
        let config = config.map_err(|err| End::Failed {
            reason: format!("{err:#}"),
            refused: true,
        })?;
        options.set_transport(Transport::Tls(TlsConfiguration::Rustls(config)));
    }
    let (client, mut events) = AsyncClient::new(options, CHANNEL);
    let mut network = NetworkOptions::new();
    network
        .set_connection_timeout(CONNECT_MAX.as_secs())
        .set_tcp_nodelay(true);
    events.set_network_options(network);
    // The first event of a new client is its CONNACK.
    events
        .poll()
        .await
        .map_err(|err| failure(&err, server, id))?;
    Ok((client, events))
}

/// From CONNACK to the first error.
async fn session(
    shared: &Arc<Shared>,
    client: &AsyncClient,
    events: &mut EventLoop,
    status: Option<&str>,
) -> End {
    shared.up();
    let requested = Arc::new(Mutex::new(VecDeque::new()));
    let pump = pump(
        Arc::clone(shared),
        client.clone(),
        Arc::clone(&requested),
        status.map(str::to_owned),
    );
    let _pump = AbortOnDrop(tokio::spawn(pump).abort_handle());
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
            Event::Incoming(Packet::PubAck(_)) => acks.arrived(Instant::now()),
            Event::Incoming(Packet::SubAck(ack)) => subscribed(shared, &mut subscriptions, &ack),
            Event::Outgoing(Outgoing::Publish(_)) => {
                acks.due(Instant::now());
                shared.count_sent();
            }
            Event::Outgoing(Outgoing::Subscribe(id)) => {
                let filters = requested
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .pop_front();
                subscriptions.insert(id, filters.unwrap_or_default());
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

/// Subscriptions first, then `online`, then whatever waits; fills the client's short channel.
async fn pump(
    shared: Arc<Shared>,
    client: AsyncClient,
    requested: Arc<Mutex<VecDeque<Vec<String>>>>,
    status: Option<String>,
) -> Result<(), ClientError> {
    let mut announced = false;
    let say = async |text: &'static str| match &status {
        Some(topic) => client.publish(topic, QoS::AtLeastOnce, true, text).await,
        None => Ok(()),
    };
    loop {
        let next = shared.next_to_send(FILTERS_PER_PACKET);
        let subscribing = matches!(next, Next::Subscribe(_) | Next::Unsubscribe(_));
        if !announced && !subscribing {
            announced = true;
            say("online").await?;
        }
        match next {
            Next::Subscribe(filters) => {
                requested
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push_back(filters.clone());
                let filter = |path| SubscribeFilter::new(path, QoS::AtLeastOnce);
                client
                    .subscribe_many(filters.into_iter().map(filter))
                    .await?;
            }
            Next::Unsubscribe(filters) => {
                for filter in filters {
                    client.unsubscribe(filter).await?;
                }
            }
            Next::Publish(message) => {
                let (topic, payload) = (message.topic, message.payload);
                client
                    .publish_bytes(topic, QoS::AtLeastOnce, message.retain, payload)
                    .await?;
            }
            Next::Wait => shared.to_send.notified().await,
            Next::Leave => {
                say("offline").await?;
                return client.disconnect().await;
            }
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
        self.progress
            .map_or(silence, |progress| silence.min(progress + ACK_MAX))
    }
}

/// What went wrong lately: how long to wait, and whether it is worth telling.
#[derive(Default)]
struct Trouble {
    attempts: u32,
    short_sessions: u32,
    told: Option<String>,
}

impl Trouble {
    /// Doubles with every attempt that brought no stable session, with jitter of a half.
    fn pause(&mut self, lived: Option<Duration>, refused: bool) -> Duration {
        if lived.is_some_and(|lived| lived >= STABLE) {
            *self = Self::default();
        }
        self.short_sessions = if lived.is_some() {
            self.short_sessions + 1
        } else {
            0
        };
        let longest = if refused { PAUSE_REFUSED } else { PAUSE_MAX };
        let first = if refused { PAUSE_REFUSED } else { PAUSE_MIN };
        let pause = longest.min(first * 2_u32.pow(self.attempts.min(16)));
        self.attempts = self.attempts.saturating_add(1);
        pause.mul_f64(0.5 + fastrand::f64() / 2.0)
    }

    /// The reason in full, and whether it is another one than before.
    fn tell(&mut self, reason: String, id: &str) -> (String, bool) {
        let reason = if self.short_sessions >= SHORT_SESSIONS {
            format!("{reason}, again and again: is `{id}` the id of another client, too?")
        } else {
            reason
        };
        let new = self.told.as_ref() != Some(&reason);
        self.told = Some(reason.clone());
        (reason, new)
    }
}

fn failed(reason: impl Into<String>) -> End {
    End::Failed {
        reason: reason.into(),
        refused: false,
    }
}

/// Why there was no CONNACK.
fn failure(err: &ConnectionError, server: &Mqtt, id: &str) -> End {
    let reason = match err {
        ConnectionError::ConnectionRefused(code) => return refusal(*code, server, id),
        ConnectionError::NetworkTimeout | ConnectionError::FlushTimeout => {
            format!("no answer within {} s", CONNECT_MAX.as_secs())
        }
        ConnectionError::Tls(err) => {
            format!("TLS: {err} (see mqtt.caCert, mqtt.clientCert, mqtt.insecure)")
        }
        ConnectionError::NotConnAck(_) => "the answer is not MQTT: is this a broker?".to_owned(),
        ConnectionError::Io(err) => err.to_string(),
        ConnectionError::MqttState(_) | ConnectionError::RequestsDone => return lost(err),
    };
    failed(reason)
}

fn refusal(code: ConnectReturnCode, server: &Mqtt, id: &str) -> End {
    let reason = match code {
        ConnectReturnCode::BadUserNamePassword | ConnectReturnCode::NotAuthorized => {
            match server.user.as_str() {
                "" => "the broker wants a user: set mqtt.user and mqtt.password".to_owned(),
                user => format!("the broker refuses `{user}`: check mqtt.user and mqtt.password"),
            }
        }
        ConnectReturnCode::BadClientId => {
            format!("the broker refuses the client id `{id}`: check mqtt.clientID")
        }
        ConnectReturnCode::RefusedProtocolVersion => {
            "the broker does not speak MQTT 3.1.1".to_owned()
        }
        ConnectReturnCode::ServiceUnavailable => return failed("the broker is not ready"),
        ConnectReturnCode::Success => return failed("the broker refuses without a reason"),
    };
    End::Failed {
        reason,
        refused: true,
    }
}

/// Why the session is over.
fn lost(err: &ConnectionError) -> End {
    let ConnectionError::MqttState(err) = err else {
        return failed(err.to_string());
    };
    let reason = match err {
        StateError::ConnectionAborted => "the broker closed the connection".to_owned(),
        StateError::AwaitPingResp => "the broker does not answer any more".to_owned(),
        StateError::CollisionTimeout => "the broker does not acknowledge in order".to_owned(),
        StateError::Deserialization(mqttbytes::Error::PayloadSizeLimitExceeded(bytes)) => {
            format!("a message of {bytes} bytes is too large to read: remove it from the broker")
        }
        StateError::Deserialization(mqttbytes::Error::Io(err)) | StateError::Io(err) => {
            err.to_string()
        }
        StateError::Deserialization(err) => format!("the broker breaks the protocol: {err}"),
        StateError::InvalidState
        | StateError::Unsolicited(_)
        | StateError::WrongPacket
        | StateError::EmptySubscription => format!("the broker breaks the protocol: {err}"),
    };
    failed(reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_their_limit_and_start_anew_after_a_stable_session() {
        let mut trouble = Trouble::default();
        let short = Some(Duration::from_secs(1));
        for attempt in 0..40 {
            let longest = PAUSE_MAX.min(PAUSE_MIN * 2_u32.pow(attempt.min(16)));
            let pause = trouble.pause(short, false);
            assert!(
                pause >= longest / 2 && pause <= longest,
                "{attempt}: {pause:?}"
            );
        }
        let refused = trouble.pause(None, true);
        assert!(refused >= PAUSE_REFUSED / 2 && refused <= PAUSE_REFUSED);
        assert!(trouble.pause(Some(STABLE), false) <= PAUSE_MIN);
    }

    #[test]
    fn a_reason_is_new_once() {
        let mut trouble = Trouble::default();
        let mut new = |reason: &str| trouble.tell(reason.to_owned(), "me").1;
        assert!(new("gone"));
        assert!(!new("gone"));
        assert!(new("refused"));
        assert!(new("gone"));
    }

    #[test]
    fn many_short_sessions_hint_at_a_second_client_of_our_name() {
        let mut trouble = Trouble::default();
        for _ in 0..SHORT_SESSIONS {
            trouble.pause(Some(Duration::from_millis(5)), false);
        }
        let (reason, _) = trouble.tell("closed".to_owned(), "twin");
        assert!(reason.contains("`twin`"), "{reason}");
    }

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
