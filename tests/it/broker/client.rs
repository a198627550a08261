//! A small raw MQTT client on rumqttc's codec: it does what it is told and nothing by itself.
//!
//! Tests speak MQTT 3.1.1; towards a broker that is to hear MQTT 5 the packets are translated
//! (`translate`), so that every test holds for both.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::BytesMut;
use rumqttc::mqttbytes::v4::{
    Connect, ConnectReturnCode, LastWill, Packet, PubAck, PubComp, PubRec, PubRel, Publish,
    Subscribe, SubscribeFilter, SubscribeReasonCode, Unsubscribe,
};
use rumqttc::mqttbytes::{Error, QoS};
use rumqttc::v5::mqttbytes::{self as new, v5};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::translate;

/// Deadline of everything that should happen.
pub const SOON: Duration = Duration::from_secs(30);

const MAX: usize = 1 << 28;

pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// Where a client connects, and in which protocol.
#[derive(Clone, Copy, Debug)]
pub struct Broker {
    pub addr: SocketAddr,
    pub version: u8,
}

impl From<SocketAddr> for Broker {
    fn from(addr: SocketAddr) -> Self {
        Self { addr, version: 4 }
    }
}

/// A connection to a broker.
pub struct Client {
    stream: Box<dyn Stream>,
    version: u8,
    buffer: BytesMut,
    next_id: u16,
    /// Ids of taken messages of QoS 2 whose PUBREL is still to come.
    unreleased: BTreeSet<u16>,
}

/// A CONNECT as most tests need it.
pub fn connect(id: &str) -> Connect {
    let mut connect = Connect::new(id);
    connect.keep_alive = 60;
    connect
}

pub fn with_will(id: &str, topic: &str, payload: &str, qos: QoS, retain: bool) -> Connect {
    Connect { last_will: Some(LastWill::new(topic, payload, qos, retain)), ..connect(id) }
}

pub fn persistent(id: &str) -> Connect {
    Connect { clean_session: false, ..connect(id) }
}

pub fn text(publish: &Publish) -> (&str, &str) {
    (&publish.topic, std::str::from_utf8(&publish.payload).unwrap())
}

impl Client {
    /// Opens a socket and says nothing.
    pub async fn dial(broker: impl Into<Broker>) -> Self {
        let Broker { addr, version } = broker.into();
        let stream = timeout(SOON, TcpStream::connect(addr)).await.unwrap().unwrap();
        stream.set_nodelay(true).unwrap();
        Self { version, ..Self::over(Box::new(stream)) }
    }

    pub fn over(stream: Box<dyn Stream>) -> Self {
        let (buffer, unreleased) = (BytesMut::new(), BTreeSet::new());
        Self { stream, version: 4, buffer, next_id: 0, unreleased }
    }

    /// Connects and expects to be accepted.
    pub async fn connect(broker: impl Into<Broker>, connect: Connect) -> Self {
        let (client, code, _) = Self::ask(broker, connect).await;
        assert_eq!(code, ConnectReturnCode::Success);
        client
    }

    /// Connects to a full house, where the last guest may still be leaving.
    pub async fn connect_patiently(broker: impl Into<Broker>, connect: Connect) -> Self {
        let broker = broker.into();
        for _ in 0..10_000 {
            let (client, code, _) = Self::ask(broker, connect.clone()).await;
            if code == ConnectReturnCode::Success {
                return client;
            }
            assert_eq!(code, ConnectReturnCode::ServiceUnavailable);
        }
        panic!("no place becomes free");
    }

    pub async fn new(broker: impl Into<Broker>, id: &str) -> Self {
        Self::connect(broker, connect(id)).await
    }

    /// Connects and returns the code and whether a session was present.
    pub async fn ask(
        broker: impl Into<Broker>,
        connect: Connect,
    ) -> (Self, ConnectReturnCode, bool) {
        let mut client = Self::dial(broker).await;
        client.send(Packet::Connect(connect)).await;
        match client.recv().await {
            Some(Packet::ConnAck(ack)) => (client, ack.code, ack.session_present),
            other => panic!("no connack but {other:?}"),
        }
    }

    pub async fn raw(&mut self, bytes: &[u8]) {
        // The broker may close in the middle of what it does not like.
        let _ = timeout(SOON, self.stream.write_all(bytes)).await.unwrap();
    }

    pub async fn send(&mut self, packet: Packet) {
        if self.version == 5 {
            return self.send5(translate::up(packet)).await;
        }
        let mut bytes = BytesMut::new();
        packet.write(&mut bytes, MAX).unwrap();
        self.raw(&bytes).await;
    }

    pub async fn send5(&mut self, packet: v5::Packet) {
        let mut bytes = BytesMut::new();
        packet.write(&mut bytes, None).unwrap();
        self.raw(&bytes).await;
    }

    /// The next packet of MQTT 5, or `None` when the broker has closed.
    pub async fn recv5(&mut self) -> Option<v5::Packet> {
        timeout(SOON, self.recv5_patiently()).await.expect("the broker is silent")
    }

    async fn recv5_patiently(&mut self) -> Option<v5::Packet> {
        loop {
            // The codec does not read a DISCONNECT without properties.
            if let [0xe0, 1, reason, ..] = self.buffer[..] {
                let reason = v5::DisconnectReasonCode::try_from(reason).unwrap();
                let _ = self.buffer.split_to(3);
                return Some(v5::Packet::Disconnect(v5::Disconnect::new(reason)));
            }
            match v5::Packet::read(&mut self.buffer, None) {
                Ok(packet) => return Some(packet),
                Err(new::Error::InsufficientBytes(_)) => {}
                Err(error) => panic!("the broker sent nonsense: {error}"),
            }
            match self.stream.read_buf(&mut self.buffer).await {
                Ok(0) | Err(_) => return None,
                Ok(_) => {}
            }
        }
    }

    /// The next packet, or `None` when the broker has closed. The release of a message that
    /// [`Self::next`] has taken is answered and not shown.
    pub async fn recv(&mut self) -> Option<Packet> {
        loop {
            let packet = timeout(SOON, self.recv_patiently()).await.expect("the broker is silent");
            match packet {
                Some(Packet::PubRel(PubRel { pkid })) if self.unreleased.remove(&pkid) => {
                    self.send(Packet::PubComp(PubComp { pkid })).await;
                }
                packet => return packet,
            }
        }
    }

    async fn recv_patiently(&mut self) -> Option<Packet> {
        if self.version == 5 {
            return translate::down(self.recv5_patiently().await?);
        }
        loop {
            match Packet::read(&mut self.buffer, MAX) {
                Ok(packet) => return Some(packet),
                Err(Error::InsufficientBytes(_)) => {}
                Err(error) => panic!("the broker sent nonsense: {error}"),
            }
            match self.stream.read_buf(&mut self.buffer).await {
                Ok(0) | Err(_) => return None,
                Ok(_) => {}
            }
        }
    }

    /// Expects the broker to close without another packet.
    pub async fn expect_closed(&mut self, why: &str) {
        let packet = self.recv().await;
        assert!(packet.is_none(), "{why}: got {packet:?} instead of a closed connection");
    }

    fn id(&mut self) -> u16 {
        self.next_id += 1;
        self.next_id
    }

    pub async fn send_subscribe(&mut self, filters: &[(&str, QoS)]) -> u16 {
        let pkid = self.id();
        let filters =
            filters.iter().map(|(path, qos)| SubscribeFilter::new((*path).to_owned(), *qos));
        self.send(Packet::Subscribe(Subscribe { pkid, filters: filters.collect() })).await;
        pkid
    }

    /// Subscribes; mosquitto may send retained messages before SUBACK, so those are returned.
    pub async fn subscribe_early(
        &mut self,
        filters: &[(&str, QoS)],
    ) -> (Vec<SubscribeReasonCode>, Vec<Publish>) {
        let pkid = self.send_subscribe(filters).await;
        let mut early = Vec::new();
        loop {
            match self.recv().await {
                Some(Packet::SubAck(ack)) => {
                    assert_eq!(ack.pkid, pkid);
                    return (ack.return_codes, early);
                }
                Some(Packet::Publish(publish)) => {
                    self.acknowledge(&publish).await;
                    early.push(publish);
                }
                other => panic!("no suback but {other:?}"),
            }
        }
    }

    pub async fn subscribe(&mut self, filter: &str, qos: QoS) {
        let (codes, early) = self.subscribe_early(&[(filter, qos)]).await;
        assert_eq!(codes, [SubscribeReasonCode::Success(qos)]);
        assert!(early.is_empty());
    }

    pub async fn unsubscribe(&mut self, filters: &[&str]) {
        let pkid = self.id();
        let topics = filters.iter().map(|filter| (*filter).to_owned()).collect();
        self.send(Packet::Unsubscribe(Unsubscribe { pkid, topics })).await;
        match self.recv().await {
            Some(Packet::UnsubAck(ack)) => assert_eq!(ack.pkid, pkid),
            other => panic!("no unsuback but {other:?}"),
        }
    }

    /// Publishes and goes through the whole handshake.
    pub async fn publish(&mut self, topic: &str, payload: &str, qos: QoS, retain: bool) {
        let mut publish = Publish::new(topic, qos, payload);
        publish.retain = retain;
        publish.pkid = if qos == QoS::AtMostOnce { 0 } else { self.id() };
        let pkid = publish.pkid;
        self.send(Packet::Publish(publish)).await;
        match qos {
            QoS::AtMostOnce => {}
            QoS::AtLeastOnce => self.expect(Packet::PubAck(PubAck { pkid })).await,
            QoS::ExactlyOnce => {
                self.expect(Packet::PubRec(PubRec { pkid })).await;
                self.send(Packet::PubRel(PubRel { pkid })).await;
                self.expect(Packet::PubComp(PubComp { pkid })).await;
            }
        }
    }

    pub async fn expect(&mut self, expected: Packet) {
        assert_eq!(self.recv().await, Some(expected));
    }

    /// The next PUBLISH, acknowledged.
    pub async fn next(&mut self) -> Publish {
        match self.recv().await {
            Some(Packet::Publish(publish)) => {
                self.acknowledge(&publish).await;
                publish
            }
            other => panic!("no publish but {other:?}"),
        }
    }

    async fn acknowledge(&mut self, publish: &Publish) {
        let pkid = publish.pkid;
        match publish.qos {
            QoS::AtMostOnce => {}
            QoS::AtLeastOnce => self.send(Packet::PubAck(PubAck { pkid })).await,
            QoS::ExactlyOnce => {
                self.unreleased.insert(pkid);
                self.send(Packet::PubRec(PubRec { pkid })).await;
            }
        }
    }

    pub async fn expect_message(&mut self, topic: &str, payload: &str) -> Publish {
        let publish = self.next().await;
        assert_eq!(text(&publish), (topic, payload));
        publish
    }

    /// Everything the broker has processed for this client is behind us when this returns.
    pub async fn ping(&mut self) {
        self.send(Packet::PingReq).await;
        self.expect(Packet::PingResp).await;
    }

    /// Takes `count` messages of QoS 1 without acknowledging them, then pings.
    pub async fn ping_after(&mut self, count: usize) {
        for _ in 0..count {
            assert!(matches!(self.recv().await, Some(Packet::Publish(_))));
        }
        self.ping().await;
    }

    pub async fn acknowledge_ids(&mut self, ids: impl IntoIterator<Item = u16>) {
        for pkid in ids {
            self.send(Packet::PubAck(PubAck { pkid })).await;
        }
    }

    /// Says DISCONNECT and waits for the broker to close.
    pub async fn goodbye(mut self) {
        self.send(Packet::Disconnect).await;
        while self.recv().await.is_some() {}
    }
}
