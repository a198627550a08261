//! MQTT 3.1.1 said in MQTT 5, and back: what tests that hold for both are made of.

use bytes::Bytes;
use rumqttc::mqttbytes::{self as old, v4};
use rumqttc::v5::mqttbytes::{self as new, v5};

/// What a client of MQTT 5 says instead of this.
pub fn up(packet: v4::Packet) -> v5::Packet {
    match packet.clone() {
        v4::Packet::Connect(connect) => connect_up(connect),
        v4::Packet::Publish(publish) => v5::Packet::Publish(v5::Publish {
            dup: publish.dup,
            qos: qos(publish.qos),
            retain: publish.retain,
            topic: Bytes::from(publish.topic),
            pkid: publish.pkid,
            payload: publish.payload,
            properties: None,
        }),
        v4::Packet::PubAck(ack) => v5::Packet::PubAck(v5::PubAck::new(ack.pkid, None)),
        v4::Packet::PubRec(ack) => v5::Packet::PubRec(v5::PubRec::new(ack.pkid, None)),
        v4::Packet::PubRel(ack) => v5::Packet::PubRel(v5::PubRel::new(ack.pkid, None)),
        v4::Packet::PubComp(ack) => v5::Packet::PubComp(v5::PubComp::new(ack.pkid, None)),
        v4::Packet::Subscribe(subscribe) => {
            let filters = subscribe.filters.into_iter();
            let filters = filters.map(|filter| v5::Filter::new(filter.path, qos(filter.qos)));
            let (pkid, filters) = (subscribe.pkid, filters.collect());
            v5::Packet::Subscribe(v5::Subscribe { pkid, filters, properties: None })
        }
        v4::Packet::Unsubscribe(unsubscribe) => v5::Packet::Unsubscribe(v5::Unsubscribe {
            pkid: unsubscribe.pkid,
            filters: unsubscribe.topics,
            properties: None,
        }),
        v4::Packet::PingReq => v5::Packet::PingReq(v5::PingReq),
        v4::Packet::Disconnect => {
            let reason = v5::DisconnectReasonCode::NormalDisconnection;
            v5::Packet::Disconnect(v5::Disconnect::new(reason))
        }
        v4::Packet::ConnAck(_)
        | v4::Packet::SubAck(_)
        | v4::Packet::UnsubAck(_)
        | v4::Packet::PingResp => panic!("a client does not say {packet:?}"),
    }
}

/// A session that is not clean is one that never expires.
fn connect_up(connect: v4::Connect) -> v5::Packet {
    let properties = v5::ConnectProperties {
        session_expiry_interval: (!connect.clean_session).then_some(u32::MAX),
        ..v5::ConnectProperties::new()
    };
    let will = connect
        .last_will
        .map(|will| v5::LastWill::new(will.topic, will.message, qos(will.qos), will.retain, None));
    let login = connect.login.map(|login| v5::Login::new(login.username, login.password));
    let connect = v5::Connect {
        keep_alive: connect.keep_alive,
        client_id: connect.client_id,
        clean_start: connect.clean_session,
        properties: Some(properties),
    };
    v5::Packet::Connect(connect, will, login)
}

/// What a broker of MQTT 3.1.1 would have said; `None` for DISCONNECT, which it cannot say.
pub fn down(packet: v5::Packet) -> Option<v4::Packet> {
    Some(match packet.clone() {
        v5::Packet::Publish(publish) => v4::Packet::Publish(v4::Publish {
            dup: publish.dup,
            qos: old::qos(publish.qos as u8).unwrap(),
            retain: publish.retain,
            topic: String::from_utf8(publish.topic.to_vec()).unwrap(),
            pkid: publish.pkid,
            payload: publish.payload,
        }),
        v5::Packet::ConnAck(ack) => v4::Packet::ConnAck(v4::ConnAck {
            session_present: ack.session_present,
            code: match ack.code == v5::ConnectReturnCode::Success {
                true => v4::ConnectReturnCode::Success,
                false => v4::ConnectReturnCode::ServiceUnavailable,
            },
        }),
        v5::Packet::PubAck(ack) => v4::Packet::PubAck(v4::PubAck { pkid: ack.pkid }),
        v5::Packet::PubRec(ack) => v4::Packet::PubRec(v4::PubRec { pkid: ack.pkid }),
        v5::Packet::PubRel(ack) => v4::Packet::PubRel(v4::PubRel { pkid: ack.pkid }),
        v5::Packet::PubComp(ack) => v4::Packet::PubComp(v4::PubComp { pkid: ack.pkid }),
        v5::Packet::SubAck(ack) => {
            let codes = ack.return_codes.into_iter().map(|code| {
                if let v5::SubscribeReasonCode::Success(qos) = code {
                    v4::SubscribeReasonCode::Success(old::qos(qos as u8).unwrap())
                } else {
                    v4::SubscribeReasonCode::Failure
                }
            });
            v4::Packet::SubAck(v4::SubAck { pkid: ack.pkid, return_codes: codes.collect() })
        }
        v5::Packet::UnsubAck(ack) => v4::Packet::UnsubAck(v4::UnsubAck { pkid: ack.pkid }),
        v5::Packet::PingResp(_) => v4::Packet::PingResp,
        v5::Packet::Disconnect(_) => return None,
        v5::Packet::Auth(_)
        | v5::Packet::Connect(..)
        | v5::Packet::Subscribe(_)
        | v5::Packet::Unsubscribe(_)
        | v5::Packet::PingReq(_) => panic!("a broker does not say {packet:?}"),
    })
}

pub fn qos(qos: old::QoS) -> new::QoS {
    new::qos(qos as u8).unwrap()
}
