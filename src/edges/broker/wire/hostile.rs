//! Whatever bytes arrive: no panic, and nothing that weighs much more than the bytes themselves.

use bytes::BytesMut;
use proptest::collection::vec;
use proptest::prelude::*;
use rumqttc::v5::mqttbytes::v5::{Connect, ConnectProperties, Packet};

use super::v5::Aliases;
use super::*;

/// The limit for one packet, as in `broker.toml` but smaller.
const MAX: usize = 4096;

/// Reads everything there is; the packets of a client that is accepted.
fn read(version: Version, bytes: &[u8]) -> Vec<Packet> {
    let mut input = BytesMut::from(bytes);
    let mut aliases = Aliases::default();
    let mut packets = Vec::new();
    while let Ok(Some(length)) = frame_length(&input, MAX)
        && length <= input.len()
    {
        let frame = input.split_to(length);
        let decoded = match version {
            Version::V4 => v4::decode(frame),
            Version::V5 => v5::decode(frame, &mut aliases),
        };
        match decoded {
            Ok(packet) => packets.push(packet),
            Err(_) => break,
        }
    }
    packets
}

/// Packets that are nearly right: a type, a true length and a body of likely bytes.
fn packet() -> impl Strategy<Value = Vec<u8>> {
    let likely = prop_oneof![3 => 0..12_u8, 1 => any::<u8>(), 1 => Just(38), 1 => Just(b'a')];
    (1..16_u8, prop_oneof![Just(0), Just(2), 0..16_u8], vec(likely, 0..120)).prop_map(
        |(kind, flags, body)| {
            let mut bytes = vec![kind << 4 | flags, u8::try_from(body.len()).unwrap_or(0)];
            bytes.extend(body);
            bytes
        },
    )
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in vec(any::<u8>(), 0..400)) {
        read(Version::V4, &bytes);
        read(Version::V5, &bytes);
        if let Ok(Some(length)) = frame_length(&bytes, MAX)
            && let Some(frame) = bytes.get(..length)
            && let Ok(version) = check_connect(frame)
        {
            match version {
                Version::V4 => drop(v4::greeting(frame.into())),
                Version::V5 => drop(v5::greeting(frame.into())),
            }
        }
    }

    #[test]
    fn what_is_read_weighs_what_was_sent(packets in vec(packet(), 1..6)) {
        let bytes = packets.concat();
        for packet in read(Version::V5, &bytes) {
            // An alias stands for a topic of an earlier packet.
            prop_assert!(packet.size() <= 2 * bytes.len() + 8, "{packet:?}");
        }
    }

    #[test]
    fn a_damaged_connect_is_read_or_refused(at in 0..60_usize, byte in any::<u8>()) {
        let mut properties = ConnectProperties::new();
        properties.session_expiry_interval = Some(5);
        properties.receive_maximum = Some(9);
        properties.user_properties = vec![("key".to_owned(), "value".to_owned())];
        let (client_id, properties) = ("client".to_owned(), Some(properties));
        let connect = Connect { keep_alive: 9, client_id, clean_start: true, properties };
        let mut bytes = BytesMut::new();
        Packet::Connect(connect, None, None).write(&mut bytes, None).unwrap();
        let length = bytes.len();
        bytes[at % length] = byte;
        if check_connect(&bytes).is_ok() {
            let _ = v5::greeting(bytes);
        }
    }
}

/// The codec's own lengths, for every packet that a broker sends; one is known to be wrong.
#[test]
fn what_is_sent_is_as_long_as_it_says() {
    use rumqttc::v5::mqttbytes::v5::{
        ConnAck, Disconnect, DisconnectProperties, PingResp, PubAck, PubAckReason, PubComp,
        PubCompReason, PubRec, PubRecReason, PubRel, PubRelReason, Publish, SubAck,
        SubscribeReasonCode, UnsubAck, UnsubAckReason,
    };
    let (pkid, properties) = (9, None);
    let said = PublishProperties {
        message_expiry_interval: Some(7),
        subscription_identifiers: vec![1, 200, 20_000, 268_435_455],
        user_properties: vec![("k".to_owned(), "v".to_owned())],
        ..PublishProperties::default()
    };
    let reason_code = Reason::PacketTooLarge;
    let goodbye = Some(DisconnectProperties {
        session_expiry_interval: None,
        reason_string: Some("why".to_owned()),
        user_properties: Vec::new(),
        server_reference: None,
    });
    let code = ConnectReturnCode::NotAuthorized;
    let codes = vec![SubscribeReasonCode::Success(QoS::AtLeastOnce), SubscribeReasonCode::Failure];
    let packets = [
        Packet::ConnAck(ConnAck { session_present: false, code, properties: None }),
        Packet::Publish(Publish::new("a", QoS::AtMostOnce, "x", Some(said))),
        Packet::PubAck(PubAck { pkid, reason: PubAckReason::NotAuthorized, properties }),
        Packet::PubAck(PubAck::new(pkid, None)),
        Packet::PubRec(PubRec { pkid, reason: PubRecReason::NotAuthorized, properties: None }),
        Packet::PubRel(PubRel {
            pkid,
            reason: PubRelReason::PacketIdentifierNotFound,
            properties: None,
        }),
        Packet::PubComp(PubComp {
            pkid,
            reason: PubCompReason::PacketIdentifierNotFound,
            properties: None,
        }),
        Packet::SubAck(SubAck { pkid, return_codes: codes, properties: None }),
        Packet::UnsubAck(UnsubAck {
            pkid,
            reasons: vec![UnsubAckReason::NoSubscriptionExisted],
            properties: None,
        }),
        Packet::PingResp(PingResp),
        Packet::Disconnect(Disconnect { reason_code, properties: goodbye }),
        Packet::Disconnect(Disconnect { reason_code, properties: None }),
    ];
    for packet in packets {
        let mut output = BytesMut::new();
        assert!(v5::encode(&packet, &mut output, MAX));
        let framed = frame_length(&output, MAX).unwrap();
        assert_eq!(framed, Some(output.len()), "{packet:?}");
        assert!(packet.size() <= output.len(), "{packet:?}");
    }
}
