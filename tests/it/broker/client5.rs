//! What the raw client can say in MQTT 5 only.

use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{
    ConnAck, Connect, ConnectProperties, ConnectReturnCode, DisconnectReasonCode, Filter, LastWill,
    Packet, PubAck, PubComp, PubRec, PubRel, Publish, PublishProperties, Subscribe,
    SubscribeProperties, SubscribeReasonCode,
};

use super::client::{Broker, Client};

/// A CONNECT with these properties; the session ends with its connection unless they say otherwise.
pub fn connect5(id: &str, properties: ConnectProperties) -> Connect {
    let (client_id, properties) = (id.to_owned(), Some(properties));
    Connect { keep_alive: 60, client_id, clean_start: true, properties }
}

/// A session that is kept for so many seconds, or taken up again.
pub fn kept5(id: &str, seconds: u32) -> Connect {
    let mut properties = ConnectProperties::new();
    properties.session_expiry_interval = Some(seconds);
    Connect { clean_start: false, ..connect5(id, properties) }
}

pub fn publish5(topic: &str, qos: QoS, payload: &str, properties: PublishProperties) -> Publish {
    let pkid = if qos == QoS::AtMostOnce { 0 } else { 7 };
    Publish { pkid, ..Publish::new(topic, qos, payload.to_owned(), Some(properties)) }
}

impl Client {
    /// Connects, whatever the answer.
    pub async fn ask5(
        broker: impl Into<Broker>,
        connect: Connect,
        will: Option<LastWill>,
    ) -> (Self, ConnAck) {
        let mut client = Self::dial(broker).await;
        client.send5(Packet::Connect(connect, will, None)).await;
        match client.recv5().await {
            Some(Packet::ConnAck(ack)) => (client, ack),
            other => panic!("no connack but {other:?}"),
        }
    }

    /// Connects and expects to be accepted.
    pub async fn new5(broker: impl Into<Broker>, connect: Connect) -> Self {
        let (client, ack) = Self::ask5(broker, connect, None).await;
        assert_eq!(ack.code, ConnectReturnCode::Success);
        client
    }

    pub async fn subscribe5(&mut self, filter: Filter, id: Option<usize>) -> SubscribeReasonCode {
        let properties = SubscribeProperties { id, user_properties: Vec::new() };
        let properties = id.map(|_| properties);
        let subscribe = Subscribe { pkid: 9, filters: vec![filter], properties };
        self.send5(Packet::Subscribe(subscribe)).await;
        match self.recv5().await {
            Some(Packet::SubAck(ack)) => ack.return_codes[0],
            other => panic!("no suback but {other:?}"),
        }
    }

    /// Publishes and goes through the whole handshake.
    pub async fn say5(&mut self, publish: Publish) {
        let (qos, pkid) = (publish.qos, publish.pkid);
        self.send5(Packet::Publish(publish)).await;
        match qos {
            QoS::AtMostOnce => {}
            QoS::AtLeastOnce => match self.recv5().await {
                Some(Packet::PubAck(ack)) => assert_eq!(ack.pkid, pkid),
                other => panic!("no puback but {other:?}"),
            },
            QoS::ExactlyOnce => {
                assert!(matches!(self.recv5().await, Some(Packet::PubRec(_))));
                self.send5(Packet::PubRel(PubRel::new(pkid, None))).await;
                assert!(matches!(self.recv5().await, Some(Packet::PubComp(_))));
            }
        }
    }

    /// The next PUBLISH, acknowledged.
    pub async fn hear5(&mut self) -> Publish {
        let publish = self.take5().await;
        match publish.qos {
            QoS::AtMostOnce => {}
            QoS::AtLeastOnce => {
                self.send5(Packet::PubAck(PubAck::new(publish.pkid, None))).await;
            }
            QoS::ExactlyOnce => {
                self.send5(Packet::PubRec(PubRec::new(publish.pkid, None))).await;
                assert!(matches!(self.recv5().await, Some(Packet::PubRel(_))));
                self.send5(Packet::PubComp(PubComp::new(publish.pkid, None))).await;
            }
        }
        publish
    }

    /// The next PUBLISH, not acknowledged.
    pub async fn take5(&mut self) -> Publish {
        match self.recv5().await {
            Some(Packet::Publish(publish)) => publish,
            other => panic!("no publish but {other:?}"),
        }
    }

    /// The payload of the next PUBLISH, as text.
    pub async fn payload5(&mut self) -> String {
        String::from_utf8(self.hear5().await.payload.to_vec()).unwrap()
    }

    pub async fn expect_end(&mut self, reason: DisconnectReasonCode) {
        match self.recv5().await {
            Some(Packet::Disconnect(disconnect)) => assert_eq!(disconnect.reason_code, reason),
            other => panic!("no disconnect with {reason:?} but {other:?}"),
        }
        assert_eq!(self.recv5().await, None);
    }

    /// Says DISCONNECT with a reason and waits for the broker to close.
    pub async fn leave5(mut self, reason: DisconnectReasonCode) {
        self.raw(&[0xe0, 1, reason as u8]).await;
        while self.recv5().await.is_some() {}
    }
}
