//! A message on its way through the broker: one shared block of bytes that is written once.

use std::time::{SystemTime, UNIX_EPOCH};

use bytes::{BufMut, Bytes, BytesMut};
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::PublishProperties;

/// Order number (8), QoS and retain flag (1), publisher (8), end of its validity (8), length of the
/// properties (4), topic length (2); then the topic, the properties and the payload.
const HEADER: usize = 31;
const FLAGS: usize = 8;
const ORIGIN: usize = 9;
const EXPIRES: usize = 17;
const PROPERTIES_LEN: usize = 25;
const TOPIC_LEN: usize = 29;

/// Bytes that keeping a message costs beside its block, in our queues and in the router's log.
const BOOKKEEPING: usize = 64;

/// A published message. Cloning it shares the bytes.
///
/// The block is what the router carries and what the retained store keeps. It is a copy of what
/// the client sent, so that no message keeps a whole read buffer alive.
#[derive(Clone, Debug)]
pub(super) struct Message(Bytes);

/// What a message is made of.
#[derive(Clone, Copy, Debug)]
pub(super) struct Draft<'a> {
    /// Checked, and at most 65,535 bytes, as on the wire.
    pub(super) topic: &'a str,
    pub(super) payload: &'a [u8],
    pub(super) qos: QoS,
    /// As the publisher set it.
    pub(super) retain: bool,
    /// Number of the session that publishes; 0 for nobody's.
    pub(super) origin: u64,
    /// Milliseconds since 1970 after which nobody gets it any more; 0 for never.
    pub(super) expires: u64,
    /// What [`encode`] gave.
    pub(super) properties: &'a [u8],
}

impl Message {
    /// Packs a message that has no more than this.
    pub(super) fn new(topic: &str, payload: &[u8], qos: QoS) -> Self {
        let (retain, origin, expires, properties) = (false, 0, 0, &[][..]);
        Self::pack(&Draft { topic, payload, qos, retain, origin, expires, properties })
    }

    /// Packs a message.
    pub(super) fn pack(draft: &Draft<'_>) -> Self {
        let Draft { topic, payload, properties, .. } = *draft;
        let topic_len = u16::try_from(topic.len()).unwrap_or(u16::MAX);
        let size = HEADER + topic.len() + properties.len() + payload.len();
        let mut block = BytesMut::with_capacity(size);
        block.put_u64(0);
        block.put_u8(draft.qos as u8 | u8::from(draft.retain) << 2);
        block.put_u64(draft.origin);
        block.put_u64(draft.expires);
        block.put_u32(u32::try_from(properties.len()).unwrap_or(u32::MAX));
        block.put_u16(topic_len);
        block.put_slice(&topic.as_bytes()[..usize::from(topic_len)]);
        block.put_slice(properties);
        block.put_slice(payload);
        Self(block.freeze())
    }

    /// Gives the message its place in the order of all messages.
    pub(super) fn set_number(&mut self, number: u64) {
        let mut block = BytesMut::from(std::mem::take(&mut self.0));
        block[..8].copy_from_slice(&number.to_be_bytes());
        self.0 = block.freeze();
    }

    /// The bytes that the router carries.
    pub(super) fn into_block(self) -> Bytes {
        self.0
    }

    /// Reads back what [`Self::into_block`] gave; `None` when it is not such a block.
    pub(super) fn from_block(block: Bytes) -> Option<Self> {
        let message = (block.len() >= HEADER).then_some(Self(block))?;
        let topic = message.0.get(HEADER..message.properties_at())?;
        std::str::from_utf8(topic).ok()?;
        (message.payload_at() <= message.0.len()).then_some(message)
    }

    /// Place in the order of all messages; grows by [`Self::cost`] with every message.
    pub(super) fn number(&self) -> u64 {
        self.long(0)
    }

    /// QoS at which it was published.
    pub(super) fn qos(&self) -> QoS {
        match self.0[FLAGS] & 0b11 {
            0 => QoS::AtMostOnce,
            1 => QoS::AtLeastOnce,
            _ => QoS::ExactlyOnce,
        }
    }

    /// The publisher's retain flag.
    pub(super) fn retain(&self) -> bool {
        self.0[FLAGS] & 0b100 != 0
    }

    /// Number of the session that published it; 0 for nobody's.
    pub(super) fn origin(&self) -> u64 {
        self.long(ORIGIN)
    }

    /// Milliseconds since 1970 after which nobody gets it any more; 0 for never.
    pub(super) fn expires(&self) -> u64 {
        self.long(EXPIRES)
    }

    /// Whether nobody is to get it any more.
    pub(super) fn is_expired(&self, now: u64) -> bool {
        self.expires() != 0 && self.expires() <= now
    }

    /// Topic name.
    pub(super) fn topic(&self) -> &str {
        std::str::from_utf8(&self.0[HEADER..self.properties_at()]).unwrap_or_default()
    }

    /// Topic name, sharing the block.
    pub(super) fn topic_bytes(&self) -> Bytes {
        self.0.slice(HEADER..self.properties_at())
    }

    /// What [`encode`] gave.
    pub(super) fn encoded_properties(&self) -> &[u8] {
        &self.0[self.properties_at()..self.payload_at()]
    }

    /// What the publisher said about the message, and how long it is still of use.
    pub(super) fn properties(&self, now: u64) -> Option<PublishProperties> {
        let mut bytes = self.0.slice(self.properties_at()..self.payload_at());
        let properties = match bytes.is_empty() {
            true => None,
            false => PublishProperties::read(&mut bytes).ok().flatten(),
        };
        if self.expires() == 0 {
            return properties;
        }
        let left = self.expires().saturating_sub(now).div_ceil(1000).max(1);
        let message_expiry_interval = Some(u32::try_from(left).unwrap_or(u32::MAX));
        Some(PublishProperties { message_expiry_interval, ..properties.unwrap_or_default() })
    }

    /// Payload, sharing the block.
    pub(super) fn payload(&self) -> Bytes {
        self.0.slice(self.payload_at()..)
    }

    /// Whether the payload is empty, which erases a retained value.
    pub(super) fn is_empty(&self) -> bool {
        self.0.len() == self.payload_at()
    }

    /// Bytes that the message takes in a queue or log.
    pub(super) fn cost(&self) -> usize {
        self.0.len() + BOOKKEEPING
    }

    fn long(&self, at: usize) -> u64 {
        self.0[at..at + 8].iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
    }

    fn properties_at(&self) -> usize {
        HEADER + usize::from(u16::from_be_bytes([self.0[TOPIC_LEN], self.0[TOPIC_LEN + 1]]))
    }

    fn payload_at(&self) -> usize {
        let length = self.0[PROPERTIES_LEN..PROPERTIES_LEN + 4].iter();
        let length = length.fold(0_usize, |length, byte| length << 8 | usize::from(*byte));
        self.properties_at() + length
    }
}

/// The properties that travel with a message, as bytes; empty for none.
pub(super) fn encode(properties: Option<PublishProperties>) -> Bytes {
    let Some(mut properties) = properties else {
        return Bytes::new();
    };
    // These belong to the publisher's connection, or are kept elsewhere.
    properties.topic_alias = None;
    properties.message_expiry_interval = None;
    properties.subscription_identifiers = Vec::new();
    if properties == PublishProperties::default() {
        return Bytes::new();
    }
    let mut bytes = BytesMut::new();
    match properties.write(&mut bytes) {
        Ok(()) => bytes.freeze(),
        Err(_) => Bytes::new(),
    }
}

/// Milliseconds since 1970: the validity of messages is judged by the wall clock, because it must
/// survive a restart.
pub(super) fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// When a message is to be forgotten that is of use for so many seconds.
pub(super) fn expiry(interval: Option<u32>) -> u64 {
    interval.map_or(0, |seconds| now() + u64::from(seconds) * 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_read_back() {
        let mut message = Message::new("ä/x", b"42", QoS::AtLeastOnce);
        message.set_number(0x0102_0304_0506_0708);
        let again = Message::from_block(message.into_block()).unwrap();
        assert_eq!(again.number(), 0x0102_0304_0506_0708);
        assert_eq!((again.topic(), again.qos()), ("ä/x", QoS::AtLeastOnce));
        assert_eq!(&again.payload()[..], b"42");
        assert!(!again.is_empty() && !again.retain() && !again.is_expired(u64::MAX));
        assert!(Message::new("a", b"", QoS::AtMostOnce).is_empty());
    }

    #[test]
    fn properties_travel_in_the_block() {
        let said = PublishProperties {
            response_topic: Some("answers".to_owned()),
            user_properties: vec![("k".to_owned(), "v".to_owned()); 2],
            topic_alias: Some(3),
            message_expiry_interval: Some(7),
            ..PublishProperties::default()
        };
        let properties = encode(Some(said.clone()));
        let (topic, payload, qos) = ("a", &b"x"[..], QoS::ExactlyOnce);
        let (retain, origin, expires) = (true, 9, 10_000);
        let draft = Draft { topic, payload, qos, retain, origin, expires, properties: &properties };
        let message = Message::from_block(Message::pack(&draft).into_block()).unwrap();
        assert_eq!((message.origin(), message.retain(), message.qos()), (9, true, qos));
        assert_eq!(&message.payload()[..], b"x");
        // What is left of its time counts, whole seconds.
        let told = message.properties(7_500).unwrap();
        let expected =
            PublishProperties { topic_alias: None, message_expiry_interval: Some(3), ..said };
        assert_eq!(told, expected);
        assert!(message.is_expired(10_000) && !message.is_expired(9_999));
        assert!(encode(Some(PublishProperties::default())).is_empty());
    }

    #[test]
    fn foreign_blocks_are_refused() {
        let mut topic_too_long = [0; 32];
        topic_too_long[30] = 9;
        let mut properties_too_long = [0; 32];
        properties_too_long[28] = 9;
        let mut not_utf8 = [0xff; 32];
        not_utf8[25..31].copy_from_slice(&[0, 0, 0, 0, 0, 1]);
        for block in [&b""[..], b"short", &topic_too_long, &properties_too_long, &not_utf8] {
            assert!(Message::from_block(Bytes::copy_from_slice(block)).is_none(), "{block:?}");
        }
    }
}
