//! One connection's bytes: packets in and out, checked before anything is allocated for them.
//!
//! Behind the wire there is MQTT 5 only: packets of 3.1.1 are translated here (`v4`), so that the
//! session knows one language. Decoding and encoding is rumqttc's codec. It does not look at the
//! flags of the fixed header, and not at all of MQTT 5, so that is checked here first (`check`).

mod check;
#[cfg(test)]
mod hostile;
mod v4;
mod v5;

use std::fmt::Display;
use std::io;

use bytes::{Bytes, BytesMut};
use rumqttc::mqttbytes::v4::Login;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{
    ConnectReturnCode, DisconnectReasonCode as Reason, Packet, PublishProperties,
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};

/// What a broker connection runs on: TCP, or TLS over TCP.
pub(super) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// Bytes waiting to be written above which no more packets are encoded or read.
const HIGH_WATER: usize = 64 * 1024;

/// Bytes asked for by a read: little while a client is quiet, since every connection has such a
/// buffer, and more after a read that filled it.
const QUIET_READ: usize = 1024;
const BUSY_READ: usize = 16 * 1024;

/// Largest CONNECT: five fields of at most 65,535 bytes would be legal, this leaves room for two.
const MAX_CONNECT: usize = 128 * 1024;

/// Longest packet that the codec can write: the limit of MQTT's length field.
const MAX_ENCODED: usize = 268_435_455;

const CONNECT: u8 = 1;
const PUBLISH: u8 = 3;

pub(super) use v5::ALIASES_MAX;

/// The protocol that a client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    /// MQTT 3.1.1.
    V4,
    /// MQTT 5.
    V5,
}

/// A CONNECT of either version.
#[derive(Debug)]
pub(super) struct Greeting {
    pub(super) version: Version,
    pub(super) client_id: String,
    /// Seconds; 0 for none.
    pub(super) keep_alive: u16,
    /// Whatever was kept for this client is to be forgotten.
    pub(super) clean_start: bool,
    /// Seconds that the session is kept without a connection; the largest number means for ever.
    pub(super) session_expiry: u32,
    /// Messages of QoS 1 and 2 that the client takes at a time.
    pub(super) receive_max: u16,
    /// Largest packet that the client takes.
    pub(super) max_packet: u32,
    /// The client wants an exchange of authentication data.
    pub(super) authenticates: bool,
    pub(super) login: Option<Login>,
    pub(super) will: Option<Will>,
}

/// What is published when the client is gone without a goodbye.
#[derive(Debug)]
pub(super) struct Will {
    pub(super) topic: String,
    pub(super) payload: Bytes,
    pub(super) qos: QoS,
    pub(super) retain: bool,
    /// Seconds to wait for the client's return.
    pub(super) delay: u32,
    pub(super) properties: Option<PublishProperties>,
}

/// A packet that breaks the protocol; the connection is closed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Violation {
    /// What a client of MQTT 5 is told.
    pub(super) reason: Reason,
    /// What the log is told.
    pub(super) text: String,
}

impl Violation {
    fn malformed(error: impl Display) -> Self {
        Self { reason: Reason::MalformedPacket, text: error.to_string().to_lowercase() }
    }

    /// A packet that has no place here.
    fn unexpected() -> Self {
        Self { reason: Reason::ProtocolError, text: "a packet that has no place here".to_owned() }
    }
}

/// Why a first packet is not accepted.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum BadConnect {
    /// Closed without a word, as the standard wants.
    Violation(Violation),
    /// Refused with this CONNACK code.
    Refused(ConnectReturnCode),
}

/// A connection with its buffers.
pub(super) struct Wire {
    reader: ReadHalf<Box<dyn Stream>>,
    writer: WriteHalf<Box<dyn Stream>>,
    input: BytesMut,
    output: BytesMut,
    next_read: usize,
    unflushed: bool,
    max_packet: usize,
    version: Version,
    /// Largest packet that the peer takes.
    peer_max: usize,
    aliases: v5::Aliases,
}

/// What a turn of the wire did.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// Bytes have arrived.
    Read,
    /// Bytes have left.
    Wrote,
    /// The peer has closed.
    Closed,
}

impl Wire {
    /// A wire over a stream, for packets of at most `max_packet` bytes.
    pub(super) fn new(stream: Box<dyn Stream>, max_packet: usize) -> Self {
        let (reader, writer) = tokio::io::split(stream);
        Self {
            reader,
            writer,
            input: BytesMut::new(),
            output: BytesMut::new(),
            next_read: QUIET_READ,
            unflushed: false,
            max_packet,
            version: Version::V4,
            peer_max: usize::MAX,
            aliases: v5::Aliases::default(),
        }
    }

    /// The protocol of the peer.
    pub(super) fn version(&self) -> Version {
        self.version
    }

    /// Reads or writes, whichever comes first. Dropping the future loses nothing.
    ///
    /// Nothing is read while much waits to be written: a peer that does not read its
    /// acknowledgements is not served.
    pub(super) async fn turn(&mut self) -> io::Result<Turn> {
        let Self { reader, writer, input, output, next_read, unflushed, .. } = self;
        let may_read = output.len() < HIGH_WATER;
        let must_write = !output.is_empty() || *unflushed;
        tokio::select! {
            turn = read(reader, input, next_read), if may_read => turn,
            wrote = write(writer, output, unflushed), if must_write => wrote.map(|()| Turn::Wrote),
        }
    }

    /// Whether bytes wait to be written.
    pub(super) fn is_writing(&self) -> bool {
        !self.output.is_empty() || self.unflushed
    }

    /// Whether another packet may be sent now.
    pub(super) fn has_room(&self) -> bool {
        self.output.len() < HIGH_WATER
    }

    /// Whether the peer takes a packet of this size.
    pub(super) fn takes(&self, packet: &Packet) -> bool {
        self.version == Version::V4 || packet.size() <= self.peer_max
    }

    /// Encodes a packet to be written by the next turns, if it can be said in the peer's protocol.
    pub(super) fn send(&mut self, packet: &Packet) {
        let before = self.output.len();
        let written = match self.version {
            Version::V4 => v4::encode(packet, &mut self.output),
            Version::V5 => v5::encode(packet, &mut self.output, self.peer_max),
        };
        if !written {
            // What the broker builds can be encoded; a half-written packet must not go out.
            self.output.truncate(before);
        }
    }

    /// Writes what is left and ends the stream.
    pub(super) async fn finish(mut self) -> io::Result<()> {
        self.writer.write_all_buf(&mut self.output).await?;
        self.writer.shutdown().await
    }

    /// The first packet, which must be CONNECT; `None` when more bytes are needed.
    pub(super) fn next_connect(&mut self) -> Result<Option<Greeting>, BadConnect> {
        let max = self.max_packet.min(MAX_CONNECT);
        let Some(frame) = self.next_frame(max).map_err(BadConnect::Violation)? else {
            return Ok(None);
        };
        let greeting = match check_connect(&frame)? {
            Version::V4 => v4::greeting(frame),
            Version::V5 => v5::greeting(frame),
        };
        let greeting = greeting.map_err(BadConnect::Violation)?;
        self.version = greeting.version;
        self.peer_max = greeting.max_packet as usize;
        Ok(Some(greeting))
    }

    /// The next packet of an accepted client; `None` when more bytes are needed.
    pub(super) fn next_packet(&mut self) -> Result<Option<Packet>, Violation> {
        let Some(frame) = self.next_frame(self.max_packet)? else {
            return Ok(None);
        };
        match self.version {
            Version::V4 => v4::decode(frame).map(Some),
            Version::V5 => v5::decode(frame, &mut self.aliases).map(Some),
        }
    }

    fn next_frame(&mut self, max: usize) -> Result<Option<BytesMut>, Violation> {
        let Some(length) = frame_length(&self.input, max)? else {
            return Ok(None);
        };
        if self.input.len() < length {
            return Ok(None);
        }
        let frame = self.input.split_to(length);
        if self.input.is_empty() && self.input.capacity() > HIGH_WATER {
            // A large packet's buffer is not kept for the small ones that follow.
            self.input = BytesMut::new();
        }
        Ok(Some(frame))
    }
}

async fn read(
    reader: &mut ReadHalf<Box<dyn Stream>>,
    input: &mut BytesMut,
    next_read: &mut usize,
) -> io::Result<Turn> {
    input.reserve(*next_read);
    let room = input.capacity() - input.len();
    let count = reader.read_buf(input).await?;
    *next_read = if count == room { BUSY_READ } else { QUIET_READ };
    Ok(if count == 0 { Turn::Closed } else { Turn::Read })
}

async fn write(
    writer: &mut WriteHalf<Box<dyn Stream>>,
    output: &mut BytesMut,
    unflushed: &mut bool,
) -> io::Result<()> {
    if !output.is_empty() {
        *unflushed = true;
        if writer.write_buf(output).await? == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
    }
    if output.is_empty() {
        if output.capacity() > HIGH_WATER {
            *output = BytesMut::new();
        }
        writer.flush().await?;
        *unflushed = false;
    }
    Ok(())
}

fn violation(text: impl Into<String>) -> Violation {
    Violation { reason: Reason::MalformedPacket, text: text.into() }
}

/// What follows the fixed header of a whole packet.
fn body_of(frame: &[u8]) -> &[u8] {
    let length = frame.iter().skip(1).take_while(|byte| *byte & 0x80 != 0).count() + 1;
    frame.get(1 + length..).unwrap_or_default()
}

/// Length of the packet at the start of `bytes`, or `None` while its header is incomplete.
fn frame_length(bytes: &[u8], max: usize) -> Result<Option<usize>, Violation> {
    let Some(first) = bytes.first() else {
        return Ok(None);
    };
    let (kind, flags) = (first >> 4, first & 0x0f);
    let wanted = match kind {
        0 => return Err(violation("packet type 0 is reserved")),
        15 => {
            let text = "there is no exchange of authentication data".to_owned();
            return Err(Violation { reason: Reason::ProtocolError, text });
        }
        PUBLISH => flags,
        // PUBREL, SUBSCRIBE and UNSUBSCRIBE.
        6 | 8 | 10 => 0b0010,
        _ => 0,
    };
    if flags != wanted {
        return Err(violation(format!("packet type {kind} with flags {flags:#06b}")));
    }
    let mut remaining = 0;
    for (at, byte) in bytes[1..].iter().take(4).enumerate() {
        remaining |= usize::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            if remaining > max {
                let text = format!("packet of {remaining} bytes, limit is {max}");
                return Err(Violation { reason: Reason::PacketTooLarge, text });
            }
            return Ok(Some(2 + at + remaining));
        }
    }
    if bytes.len() > 4 { Err(violation("length of more than four bytes")) } else { Ok(None) }
}

/// Checks protocol name, level and flags of a CONNECT frame (MQTT 3.1.1 and 5 §3.1.2), and the
/// properties of version 5.
fn check_connect(frame: &[u8]) -> Result<Version, BadConnect> {
    if frame[0] >> 4 != CONNECT {
        return Err(BadConnect::Violation(violation("the first packet is not CONNECT")));
    }
    let body = body_of(frame);
    let name_end = match body {
        [high, low, ..] => 2 + usize::from(u16::from_be_bytes([*high, *low])),
        _ => 2,
    };
    let name = body.get(2..name_end).unwrap_or_default();
    let (level, flags) = match body.get(name_end..).unwrap_or_default() {
        [level, flags, ..] => (*level, *flags),
        _ => return Err(BadConnect::Violation(violation("incomplete CONNECT"))),
    };
    let version = match (name, level) {
        (b"MQTT", 4) => Version::V4,
        (b"MQTT", 5) => Version::V5,
        (b"MQTT" | b"MQIsdp", _) => {
            return Err(BadConnect::Refused(ConnectReturnCode::UnsupportedProtocolVersion));
        }
        _ => return Err(BadConnect::Violation(violation("not MQTT"))),
    };
    let (user, password) = (flags & 0x80 != 0, flags & 0x40 != 0);
    if flags & 1 != 0 || (version == Version::V4 && password && !user) {
        return Err(BadConnect::Violation(violation(format!("CONNECT flags {flags:#010b}"))));
    }
    if version == Version::V5 {
        let properties = body.get(name_end + 4..).unwrap_or_default();
        check::connect(flags, properties).map_err(BadConnect::Violation)?;
    }
    Ok(version)
}
