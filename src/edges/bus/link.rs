//! One connection, in MQTT 3.1.1 or 5: what the session and the pump need of rumqttc, said once.
//!
//! rumqttc has two parallel copies of its client. What differs between them ends here, and so do
//! the faults of the newer one: it neither watches its own writes (`session` does), nor the limits
//! that the broker announces, nor a keep-alive of zero.

use std::time::Duration;

use anyhow::Context;
use bytes::Bytes;
use rumqttc::v5::mqttbytes::QoS as QoS5;
use rumqttc::v5::mqttbytes::v5 as five;
use rumqttc::{
    AsyncClient, Event, EventLoop, LastWill, MqttOptions, NetworkOptions, Outgoing as Sent, Packet,
    QoS, SubscribeFilter, SubscribeReasonCode, TlsConfiguration, Transport, v5,
};
use tokio::task::spawn_blocking;

use super::Reply;
use super::cause::Cause;
use super::shared::Outgoing;
use super::tls;
use super::trouble::End;
use crate::config::{Mqtt, MqttVersion};

/// A dead peer is noticed after two of these.
pub(super) const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// For connection, TLS and CONNACK together, and for one write.
const CONNECT_MAX: Duration = Duration::from_secs(5);
/// Publishes without acknowledgement; few enough for any broker.
const INFLIGHT: u16 = 64;
/// Requests between the pump and the poller: short, so that values still coalesce in our queue.
const CHANNEL: usize = 16;
/// Largest packet we send, and the largest we read so that one odd retained message does not end
/// every session; payloads above 1 MiB are dropped after reading (`shared`).
const PACKET_OUT_MAX: usize = (1 << 20) + (128 << 10);
const PACKET_IN_MAX: u32 = 4 << 20;
/// Bytes of a PUBLISH beside topic, payload and correlation data: header, id and our properties.
const ENVELOPE: usize = 32;

/// The sending end.
#[derive(Clone)]
pub(super) enum Client {
    V4(AsyncClient),
    V5 {
        client: v5::AsyncClient,
        /// Largest packet that the broker takes.
        max_packet: usize,
    },
}

/// The polling end.
pub(super) enum Events {
    V4(Box<EventLoop>),
    V5(Box<v5::EventLoop>),
}

/// What a poll brings, as far as it counts.
pub(super) enum News {
    Message {
        topic: String,
        payload: Bytes,
        retain: bool,
        reply: Option<Reply>,
    },
    /// The broker has a publish, or does not want it for this reason.
    Acknowledged {
        id: u16,
        refused: Option<String>,
    },
    /// The answer to a SUBSCRIBE: a reason for every filter that is refused.
    Subscribed {
        id: u16,
        refused: Vec<Option<String>>,
    },
    Unsubscribed,
    /// A PUBLISH has left.
    Published(u16),
    /// A SUBSCRIBE has left.
    Asked(u16),
    /// Our DISCONNECT has left.
    Left,
    Other,
}

/// The poller is gone.
pub(super) struct Closed;

/// Connects as `id`; with a `status` topic the broker says `offline` there when we are gone.
pub(super) async fn connect(
    server: &Mqtt,
    id: &str,
    status: Option<&str>,
) -> Result<(Client, Events), End> {
    let bare = server.host.trim_matches(['[', ']']);
    let v6 = bare.contains(':');
    if v6 && server.tls {
        // rumqttc takes the brackets for a part of the certificate's name.
        return Err(End::refused("TLS needs a host name instead of an IPv6 address"));
    }
    let host = if v6 { format!("[{bare}]") } else { bare.to_owned() };
    let transport = match server.tls {
        true => {
            let server = server.clone();
            let config = spawn_blocking(move || tls::client_config(&server)).await;
            let config = config.context("reading certificates").flatten();
            let config = config.map_err(|err| End::refused(format!("{err:#}")))?;
            Transport::Tls(TlsConfiguration::Rustls(config))
        }
        false => Transport::Tcp,
    };
    let connected = match server.version {
        MqttVersion::V3 => connect4(server, id, host, transport, status).await,
        MqttVersion::V5 => connect5(server, id, host, transport, status).await,
    };
    connected.map_err(|cause| cause.without_welcome(server, id))
}

fn network() -> NetworkOptions {
    let mut network = NetworkOptions::new();
    network.set_connection_timeout(CONNECT_MAX.as_secs()).set_tcp_nodelay(true);
    network
}

async fn connect4(
    server: &Mqtt,
    id: &str,
    host: String,
    transport: Transport,
    status: Option<&str>,
) -> Result<(Client, Events), Cause> {
    let mut options = MqttOptions::new(id, host, server.port);
    options
        .set_keep_alive(KEEP_ALIVE)
        .set_clean_session(true)
        .set_inflight(INFLIGHT)
        .set_max_packet_size(PACKET_IN_MAX as usize, PACKET_OUT_MAX)
        .set_transport(transport);
    if !server.user.is_empty() {
        options.set_credentials(&server.user, &server.password);
    }
    if let Some(status) = status {
        options.set_last_will(LastWill::new(status, "offline", QoS::AtLeastOnce, true));
    }
    let (client, mut events) = AsyncClient::new(options, CHANNEL);
    events.set_network_options(network());
    // The first event of a new client is its CONNACK.
    events.poll().await?;
    Ok((Client::V4(client), Events::V4(Box::new(events))))
}

async fn connect5(
    server: &Mqtt,
    id: &str,
    host: String,
    transport: Transport,
    status: Option<&str>,
) -> Result<(Client, Events), Cause> {
    let mut options = v5::MqttOptions::new(id, host, server.port);
    options
        .set_keep_alive(KEEP_ALIVE)
        .set_clean_start(true)
        .set_outgoing_inflight_upper_limit(INFLIGHT)
        .set_connection_timeout(CONNECT_MAX.as_secs())
        .set_max_packet_size(Some(PACKET_IN_MAX))
        .set_network_options(network())
        .set_transport(transport);
    if !server.user.is_empty() {
        options.set_credentials(&server.user, &server.password);
    }
    if let Some(status) = status {
        let will = five::LastWill::new(status, "offline", QoS5::AtLeastOnce, true, None);
        options.set_last_will(will);
    }
    let (client, mut events) = v5::AsyncClient::new(options, CHANNEL);
    let v5::Event::Incoming(five::Packet::ConnAck(welcome)) = events.poll().await? else {
        return Err(Cause::Protocol("no CONNACK".to_owned()));
    };
    let terms = welcome.properties;
    if let Some(lacking) = terms.as_ref().and_then(lacking) {
        return Err(Cause::Unfit(lacking));
    }
    if terms.as_ref().and_then(|terms| terms.server_keep_alive) == Some(0) {
        // Taken for "as often as possible" otherwise.
        events.options.set_keep_alive(KEEP_ALIVE);
    }
    let max = terms.and_then(|terms| terms.max_packet_size).map_or(usize::MAX, |max| max as usize);
    let max_packet = max.min(PACKET_OUT_MAX);
    Ok((Client::V5 { client, max_packet }, Events::V5(Box::new(events))))
}

/// What we cannot do without.
fn lacking(terms: &five::ConnAckProperties) -> Option<&'static str> {
    if terms.max_qos == Some(0) {
        Some("the broker offers QoS 0 only, and QoS 1 is needed")
    } else if terms.retain_available == Some(0) {
        Some("the broker keeps no retained messages, and the state is told in such messages")
    } else if terms.receive_max == Some(0) {
        Some("the broker takes no messages of QoS 1")
    } else {
        None
    }
}

impl Client {
    /// Whether refusals of what we publish can be heard at all.
    pub(super) fn hears_refusals(&self) -> bool {
        matches!(self, Self::V5 { .. })
    }

    /// Whether the broker takes a message of this size.
    pub(super) fn takes(&self, message: &Outgoing) -> bool {
        let correlation = message.correlation.as_ref().map_or(0, Bytes::len);
        let size = ENVELOPE + message.topic.len() + message.payload.len() + correlation;
        match self {
            Self::V4(_) => true,
            Self::V5 { max_packet, .. } => size <= *max_packet,
        }
    }

    pub(super) async fn publish(&self, message: Outgoing) -> Result<(), Closed> {
        let Outgoing { topic, payload, retain, correlation, lifetime, .. } = message;
        match self {
            Self::V4(client) => client
                .publish_bytes(topic, QoS::AtLeastOnce, retain, payload)
                .await
                .map_err(|_| Closed),
            Self::V5 { client, .. } => {
                let properties = five::PublishProperties {
                    correlation_data: correlation,
                    message_expiry_interval: lifetime,
                    ..five::PublishProperties::default()
                };
                let qos = QoS5::AtLeastOnce;
                let sent =
                    client.publish_bytes_with_properties(topic, qos, retain, payload, properties);
                sent.await.map_err(|_| Closed)
            }
        }
    }

    pub(super) async fn subscribe(&self, filters: &[String]) -> Result<(), Closed> {
        match self {
            Self::V4(client) => {
                let wanted =
                    |filter: &String| SubscribeFilter::new(filter.clone(), QoS::AtLeastOnce);
                client.subscribe_many(filters.iter().map(wanted)).await.map_err(|_| Closed)
            }
            Self::V5 { client, .. } => {
                let wanted = |filter: &String| five::Filter::new(filter.clone(), QoS5::AtLeastOnce);
                client.subscribe_many(filters.iter().map(wanted)).await.map_err(|_| Closed)
            }
        }
    }

    pub(super) async fn unsubscribe(&self, filter: String) -> Result<(), Closed> {
        match self {
            Self::V4(client) => client.unsubscribe(filter).await.map_err(|_| Closed),
            Self::V5 { client, .. } => client.unsubscribe(filter).await.map_err(|_| Closed),
        }
    }

    pub(super) async fn disconnect(&self) -> Result<(), Closed> {
        match self {
            Self::V4(client) => client.disconnect().await.map_err(|_| Closed),
            Self::V5 { client, .. } => client.disconnect().await.map_err(|_| Closed),
        }
    }
}

impl Events {
    /// The next event; not to be polled again after an error.
    pub(super) async fn poll(&mut self) -> Result<News, Cause> {
        Ok(match self {
            Self::V4(events) => match events.poll().await? {
                Event::Incoming(packet) => news4(packet),
                Event::Outgoing(sent) => left(&sent),
            },
            Self::V5(events) => match events.poll().await? {
                v5::Event::Incoming(packet) => news5(packet),
                v5::Event::Outgoing(sent) => left(&sent),
            },
        })
    }
}

fn left(sent: &Sent) -> News {
    match sent {
        Sent::Publish(id) => News::Published(*id),
        Sent::Subscribe(id) => News::Asked(*id),
        Sent::Disconnect => News::Left,
        Sent::Unsubscribe(_)
        | Sent::PubAck(_)
        | Sent::PubRec(_)
        | Sent::PubRel(_)
        | Sent::PubComp(_)
        | Sent::PingReq
        | Sent::PingResp
        | Sent::AwaitAck(_) => News::Other,
    }
}

fn news4(packet: Packet) -> News {
    match packet {
        Packet::Publish(message) => News::Message {
            topic: message.topic,
            payload: message.payload,
            retain: message.retain,
            reply: None,
        },
        Packet::PubAck(ack) => News::Acknowledged { id: ack.pkid, refused: None },
        Packet::SubAck(ack) => {
            let refused = ack.return_codes.iter().map(|code| match code {
                SubscribeReasonCode::Success(_) => None,
                SubscribeReasonCode::Failure => Some("refused".to_owned()),
            });
            News::Subscribed { id: ack.pkid, refused: refused.collect() }
        }
        Packet::UnsubAck(_) => News::Unsubscribed,
        Packet::Connect(_)
        | Packet::ConnAck(_)
        | Packet::PubRec(_)
        | Packet::PubRel(_)
        | Packet::PubComp(_)
        | Packet::Subscribe(_)
        | Packet::Unsubscribe(_)
        | Packet::PingReq
        | Packet::PingResp
        | Packet::Disconnect => News::Other,
    }
}

fn news5(packet: five::Packet) -> News {
    match packet {
        five::Packet::Publish(message) => {
            let Ok(topic) = String::from_utf8(message.topic.to_vec()) else {
                return News::Other;
            };
            let reply = message.properties.and_then(|said| {
                Some(Reply { topic: said.response_topic?, correlation: said.correlation_data })
            });
            News::Message { topic, payload: message.payload, retain: message.retain, reply }
        }
        five::Packet::PubAck(ack) => {
            use five::PubAckReason::{NoMatchingSubscribers, Success};
            let taken = matches!(ack.reason, Success | NoMatchingSubscribers);
            let refused = (!taken).then(|| format!("{:?}", ack.reason));
            News::Acknowledged { id: ack.pkid, refused }
        }
        five::Packet::SubAck(ack) => {
            let refused = ack.return_codes.iter().map(|code| {
                let granted = matches!(code, five::SubscribeReasonCode::Success(_));
                (!granted).then(|| format!("{code:?}"))
            });
            News::Subscribed { id: ack.pkid, refused: refused.collect() }
        }
        five::Packet::UnsubAck(_) => News::Unsubscribed,
        five::Packet::Auth(_)
        | five::Packet::Connect(..)
        | five::Packet::ConnAck(_)
        | five::Packet::PingReq(_)
        | five::Packet::PingResp(_)
        | five::Packet::Subscribe(_)
        | five::Packet::PubRec(_)
        | five::Packet::PubRel(_)
        | five::Packet::PubComp(_)
        | five::Packet::Unsubscribe(_)
        | five::Packet::Disconnect(_) => News::Other,
    }
}
