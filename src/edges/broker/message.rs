//! A message on its way through the broker: one shared block of bytes that is written once.

use bytes::{BufMut, Bytes, BytesMut};
use rumqttc::mqttbytes::QoS;

/// Order number (8), QoS (1), topic length (2); then the topic, then the payload.
const HEADER: usize = 11;

/// Bytes that keeping a message costs beside its block, in our queues and in the router's log.
const BOOKKEEPING: usize = 64;

/// A published message. Cloning it shares the bytes.
///
/// The block is what the router carries and what the retained store keeps. It is a copy of what
/// the client sent, so that no message keeps a whole read buffer alive.
#[derive(Clone, Debug)]
pub(super) struct Message(Bytes);

impl Message {
    /// Packs a message. The topic has been checked and is at most 65,535 bytes, as on the wire.
    pub(super) fn new(topic: &str, payload: &[u8], qos: QoS) -> Self {
        let topic_len = u16::try_from(topic.len()).unwrap_or(u16::MAX);
        let mut block = BytesMut::with_capacity(HEADER + topic.len() + payload.len());
        block.put_u64(0);
        block.put_u8(qos as u8);
        block.put_u16(topic_len);
        block.put_slice(&topic.as_bytes()[..usize::from(topic_len)]);
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
        let topic_len = u16::from_be_bytes([*block.get(9)?, *block.get(10)?]);
        std::str::from_utf8(block.get(HEADER..HEADER + usize::from(topic_len))?).ok()?;
        Some(Self(block))
    }

    /// Place in the order of all messages; grows by [`Self::cost`] with every message.
    pub(super) fn number(&self) -> u64 {
        self.0[..8].iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
    }

    /// QoS at which it was published.
    pub(super) fn qos(&self) -> QoS {
        match self.0[8] {
            0 => QoS::AtMostOnce,
            1 => QoS::AtLeastOnce,
            _ => QoS::ExactlyOnce,
        }
    }

    /// Topic name.
    pub(super) fn topic(&self) -> &str {
        std::str::from_utf8(&self.0[HEADER..self.payload_at()]).unwrap_or_default()
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

    fn payload_at(&self) -> usize {
        HEADER + usize::from(u16::from_be_bytes([self.0[9], self.0[10]]))
    }
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
        assert!(!again.is_empty());
        assert!(Message::new("a", b"", QoS::AtMostOnce).is_empty());
    }

    #[test]
    fn foreign_blocks_are_refused() {
        for block in [&b""[..], b"short", &[0; 10], &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9, b'a']] {
            assert!(Message::from_block(Bytes::copy_from_slice(block)).is_none());
        }
        let not_utf8 = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff];
        assert!(Message::from_block(Bytes::copy_from_slice(&not_utf8)).is_none());
    }
}
