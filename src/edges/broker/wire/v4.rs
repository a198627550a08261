//! MQTT 3.1.1 at the door: its packets become those of MQTT 5, which say the same and more.

use bytes::{Bytes, BytesMut};
use rumqttc::mqttbytes::{self, v4};
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{
    ConnectReturnCode, Disconnect, DisconnectReasonCode as Reason, Filter, Packet, PingReq, PubAck,
    PubComp, PubRec, PubRel, Publish, SubAck, Subscribe, SubscribeReasonCode, Unsubscribe,
};

use super::{Greeting, MAX_ENCODED, Version, Violation, Will};

/// Reads a packet of an accepted client.
pub(super) fn decode(mut frame: BytesMut) -> Result<Packet, Violation> {
    let packet = v4::Packet::read(&mut frame, MAX_ENCODED).map_err(Violation::malformed)?;
    Ok(match packet {
        v4::Packet::Publish(publish) => Packet::Publish(Publish {
            dup: publish.dup,
            qos: up(publish.qos),
            retain: publish.retain,
            topic: Bytes::from(publish.topic),
            pkid: publish.pkid,
            payload: publish.payload,
            properties: None,
        }),
        v4::Packet::PubAck(ack) => Packet::PubAck(PubAck::new(ack.pkid, None)),
        v4::Packet::PubRec(ack) => Packet::PubRec(PubRec::new(ack.pkid, None)),
        v4::Packet::PubRel(ack) => Packet::PubRel(PubRel::new(ack.pkid, None)),
        v4::Packet::PubComp(ack) => Packet::PubComp(PubComp::new(ack.pkid, None)),
        v4::Packet::Subscribe(subscribe) => {
            let filter = |filter: v4::SubscribeFilter| Filter::new(filter.path, up(filter.qos));
            let filters = subscribe.filters.into_iter().map(filter).collect();
            Packet::Subscribe(Subscribe { pkid: subscribe.pkid, filters, properties: None })
        }
        v4::Packet::Unsubscribe(unsubscribe) => Packet::Unsubscribe(Unsubscribe {
            pkid: unsubscribe.pkid,
            filters: unsubscribe.topics,
            properties: None,
        }),
        v4::Packet::PingReq => Packet::PingReq(PingReq),
        v4::Packet::Disconnect => Packet::Disconnect(Disconnect::new(Reason::NormalDisconnection)),
        v4::Packet::Connect(_)
        | v4::Packet::ConnAck(_)
        | v4::Packet::SubAck(_)
        | v4::Packet::UnsubAck(_)
        | v4::Packet::PingResp => return Err(Violation::unexpected()),
    })
}

/// Reads a CONNECT whose protocol and flags have been checked.
pub(super) fn greeting(mut frame: BytesMut) -> Result<Greeting, Violation> {
    let packet = v4::Packet::read(&mut frame, MAX_ENCODED).map_err(Violation::malformed)?;
    let v4::Packet::Connect(connect) = packet else {
        return Err(Violation::unexpected());
    };
    let will = connect.last_will.map(|will| Will {
        topic: will.topic,
        payload: will.message,
        qos: up(will.qos),
        retain: will.retain,
        delay: 0,
        properties: None,
    });
    Ok(Greeting {
        version: Version::V4,
        client_id: connect.client_id,
        keep_alive: connect.keep_alive,
        clean_start: connect.clean_session,
        session_expiry: if connect.clean_session { 0 } else { u32::MAX },
        receive_max: u16::MAX,
        max_packet: u32::MAX,
        authenticates: false,
        login: connect.login,
        will,
    })
}

/// Writes what this version can say; `false` when it cannot be written.
pub(super) fn encode(packet: &Packet, output: &mut BytesMut) -> bool {
    let packet = match packet {
        Packet::Publish(publish) => {
            let Ok(topic) = std::str::from_utf8(&publish.topic) else {
                return false;
            };
            v4::Packet::Publish(v4::Publish {
                dup: publish.dup,
                qos: down(publish.qos),
                retain: publish.retain,
                topic: topic.to_owned(),
                pkid: publish.pkid,
                payload: publish.payload.clone(),
            })
        }
        Packet::ConnAck(ack) => v4::Packet::ConnAck(v4::ConnAck {
            session_present: ack.session_present,
            code: code(ack.code),
        }),
        Packet::PubAck(ack) => v4::Packet::PubAck(v4::PubAck { pkid: ack.pkid }),
        Packet::PubRec(ack) => v4::Packet::PubRec(v4::PubRec { pkid: ack.pkid }),
        Packet::PubRel(ack) => v4::Packet::PubRel(v4::PubRel { pkid: ack.pkid }),
        Packet::PubComp(ack) => v4::Packet::PubComp(v4::PubComp { pkid: ack.pkid }),
        Packet::SubAck(ack) => v4::Packet::SubAck(granted(ack)),
        Packet::UnsubAck(ack) => v4::Packet::UnsubAck(v4::UnsubAck { pkid: ack.pkid }),
        Packet::PingResp(_) => v4::Packet::PingResp,
        // The closed connection is all that this version hears.
        Packet::Disconnect(_) => return true,
        Packet::Auth(_)
        | Packet::Connect(..)
        | Packet::Subscribe(_)
        | Packet::Unsubscribe(_)
        | Packet::PingReq(_) => return false,
    };
    packet.write(output, MAX_ENCODED).is_ok()
}

fn granted(ack: &SubAck) -> v4::SubAck {
    let codes = ack.return_codes.iter().map(|code| {
        if let SubscribeReasonCode::Success(qos) = code {
            v4::SubscribeReasonCode::Success(down(*qos))
        } else {
            v4::SubscribeReasonCode::Failure
        }
    });
    v4::SubAck { pkid: ack.pkid, return_codes: codes.collect() }
}

/// The nearest of the six codes.
fn code(code: ConnectReturnCode) -> v4::ConnectReturnCode {
    use ConnectReturnCode as New;
    use v4::ConnectReturnCode as Old;
    let nearest = [
        (New::Success, Old::Success),
        (New::UnsupportedProtocolVersion, Old::RefusedProtocolVersion),
        (New::ClientIdentifierNotValid, Old::BadClientId),
        (New::NotAuthorized, Old::NotAuthorized),
    ];
    let found = nearest.into_iter().find(|(new, _)| *new == code);
    found.map_or(Old::ServiceUnavailable, |(_, old)| old)
}

fn up(qos: mqttbytes::QoS) -> QoS {
    match qos {
        mqttbytes::QoS::AtMostOnce => QoS::AtMostOnce,
        mqttbytes::QoS::AtLeastOnce => QoS::AtLeastOnce,
        mqttbytes::QoS::ExactlyOnce => QoS::ExactlyOnce,
    }
}

fn down(qos: QoS) -> mqttbytes::QoS {
    match qos {
        QoS::AtMostOnce => mqttbytes::QoS::AtMostOnce,
        QoS::AtLeastOnce => mqttbytes::QoS::AtLeastOnce,
        QoS::ExactlyOnce => mqttbytes::QoS::ExactlyOnce,
    }
}
