//! MQTT 5 at the door: decoding with the checks that the codec lacks, and topic aliases.

use bytes::{Bytes, BytesMut};
use rumqttc::mqttbytes::v4::Login;
use rumqttc::v5::mqttbytes::v5::{
    Disconnect, DisconnectReasonCode as Reason, LastWill, LastWillProperties, Packet, Publish,
    PublishProperties,
};

use super::{Greeting, Version, Violation, Will, body_of, check};

/// Topic aliases a client may use on one connection; each may hold a topic of 64 KiB.
pub(in crate::edges::broker) const ALIASES_MAX: u16 = 16;

/// Topics by alias, for one connection.
#[derive(Default)]
pub(super) struct Aliases([Bytes; ALIASES_MAX as usize]);

/// Reads a packet of an accepted client.
pub(super) fn decode(mut frame: BytesMut, aliases: &mut Aliases) -> Result<Packet, Violation> {
    let (first, body) = (frame[0], body_of(&frame));
    check::packet(first, body)?;
    // The codec does not read these two short forms.
    match (first >> 4, body) {
        (14, []) => return Ok(goodbye(Reason::NormalDisconnection)),
        (14, [reason]) => {
            return Reason::try_from(*reason).map(goodbye).map_err(Violation::malformed);
        }
        _ => {}
    }
    let mut packet = Packet::read(&mut frame, None).map_err(Violation::malformed)?;
    if let Packet::Publish(publish) = &mut packet {
        aliases.resolve(publish)?;
    }
    Ok(packet)
}

/// Writes a packet; `false` when it is larger than the peer takes or cannot be written.
pub(super) fn encode(packet: &Packet, output: &mut BytesMut, max: usize) -> bool {
    if let Packet::Disconnect(Disconnect { reason_code, properties: None }) = packet {
        // The codec writes a wrong length here.
        output.extend_from_slice(&[0xe0, 1, *reason_code as u8]);
        return true;
    }
    packet.write(output, u32::try_from(max).ok()).is_ok()
}

fn goodbye(reason: Reason) -> Packet {
    Packet::Disconnect(Disconnect::new(reason))
}

impl Aliases {
    /// Gives a message its topic if it has only an alias.
    fn resolve(&mut self, publish: &mut Publish) -> Result<(), Violation> {
        let alias =
            publish.properties.as_mut().and_then(|properties| properties.topic_alias.take());
        let Some(alias) = alias else {
            return Ok(());
        };
        let known = usize::from(alias).checked_sub(1).and_then(|at| self.0.get_mut(at));
        let Some(known) = known else {
            let text = format!("topic alias {alias} beyond {ALIASES_MAX}");
            return Err(Violation { reason: Reason::TopicAliasInvalid, text });
        };
        if publish.topic.is_empty() {
            publish.topic = known.clone();
        } else {
            // A copy, so that it does not keep a whole packet alive.
            *known = Bytes::copy_from_slice(&publish.topic);
        }
        if publish.topic.is_empty() {
            let text = format!("topic alias {alias} without a topic");
            return Err(Violation { reason: Reason::ProtocolError, text });
        }
        Ok(())
    }
}

/// Reads a CONNECT whose protocol and flags have been checked.
pub(super) fn greeting(mut frame: BytesMut) -> Result<Greeting, Violation> {
    let packet = Packet::read(&mut frame, None).map_err(Violation::malformed)?;
    let Packet::Connect(connect, will, login) = packet else {
        return Err(Violation::unexpected());
    };
    let properties = connect.properties.unwrap_or_default();
    Ok(Greeting {
        version: Version::V5,
        client_id: connect.client_id,
        keep_alive: connect.keep_alive,
        clean_start: connect.clean_start,
        session_expiry: properties.session_expiry_interval.unwrap_or(0),
        receive_max: properties.receive_maximum.unwrap_or(u16::MAX),
        max_packet: properties.max_packet_size.unwrap_or(u32::MAX),
        authenticates: properties.authentication_method.is_some()
            || properties.authentication_data.is_some(),
        login: login.map(|login| Login::new(login.username, login.password)),
        will: will.map(last_will).transpose()?,
    })
}

fn last_will(will: LastWill) -> Result<Will, Violation> {
    let topic = String::from_utf8(will.topic.to_vec()).map_err(Violation::malformed)?;
    let (delay, properties) = will.properties.map_or((None, None), split);
    Ok(Will {
        topic,
        payload: will.message,
        qos: will.qos,
        retain: will.retain,
        delay: delay.unwrap_or(0),
        properties,
    })
}

fn split(properties: LastWillProperties) -> (Option<u32>, Option<PublishProperties>) {
    let published = PublishProperties {
        payload_format_indicator: properties.payload_format_indicator,
        message_expiry_interval: properties.message_expiry_interval,
        topic_alias: None,
        response_topic: properties.response_topic,
        correlation_data: properties.correlation_data,
        user_properties: properties.user_properties,
        subscription_identifiers: Vec::new(),
        content_type: properties.content_type,
    };
    (properties.delay_interval, Some(published))
}
