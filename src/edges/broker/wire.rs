//! One connection's bytes: packets in and out, checked before anything is allocated for them.
//!
//! Decoding and encoding is rumqttc's codec. It does not look at the flags of the fixed header
//! and reads CONNECT of version 3.1.1 only, so both are checked here first.

use std::io;

use bytes::BytesMut;
use rumqttc::mqttbytes::v4::{Connect, ConnectReturnCode, Packet};
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

/// A packet that breaks the protocol; the connection is closed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Violation(pub(super) String);

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
        }
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

    /// Encodes a packet to be written by the next turns.
    pub(super) fn send(&mut self, packet: &Packet) {
        let before = self.output.len();
        if packet.write(&mut self.output, MAX_ENCODED).is_err() {
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
    pub(super) fn next_connect(&mut self) -> Result<Option<Connect>, BadConnect> {
        let max = self.max_packet.min(MAX_CONNECT);
        let Some(frame) = self.next_frame(max).map_err(BadConnect::Violation)? else {
            return Ok(None);
        };
        check_connect(&frame)?;
        let packet = decode(frame, max).map_err(BadConnect::Violation)?;
        let Packet::Connect(connect) = packet else {
            return Err(BadConnect::Violation(violation("the first packet is not CONNECT")));
        };
        Ok(Some(connect))
    }

    /// The next packet of an accepted client; `None` when more bytes are needed.
    pub(super) fn next_packet(&mut self) -> Result<Option<Packet>, Violation> {
        let max = self.max_packet;
        match self.next_frame(max)? {
            Some(frame) => decode(frame, max).map(Some),
            None => Ok(None),
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
    Violation(text.into())
}

fn decode(mut frame: BytesMut, max: usize) -> Result<Packet, Violation> {
    Packet::read(&mut frame, max).map_err(|error| violation(error.to_string().to_lowercase()))
}

/// Length of the packet at the start of `bytes`, or `None` while its header is incomplete.
fn frame_length(bytes: &[u8], max: usize) -> Result<Option<usize>, Violation> {
    let Some(first) = bytes.first() else {
        return Ok(None);
    };
    let (kind, flags) = (first >> 4, first & 0x0f);
    let wanted = match kind {
        0 | 15 => return Err(violation(format!("packet type {kind} is reserved"))),
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
                return Err(violation(format!("packet of {remaining} bytes, limit is {max}")));
            }
            return Ok(Some(2 + at + remaining));
        }
    }
    if bytes.len() > 4 { Err(violation("length of more than four bytes")) } else { Ok(None) }
}

/// Checks protocol name, level and flags of a CONNECT frame (MQTT 3.1.1 §3.1.2).
fn check_connect(frame: &[u8]) -> Result<(), BadConnect> {
    if frame[0] >> 4 != CONNECT {
        return Err(BadConnect::Violation(violation("the first packet is not CONNECT")));
    }
    let length_bytes = frame[1..].iter().take_while(|byte| *byte & 0x80 != 0).count() + 1;
    let body = frame.get(1 + length_bytes..).unwrap_or_default();
    let name_end = match body {
        [high, low, ..] => 2 + usize::from(u16::from_be_bytes([*high, *low])),
        _ => 2,
    };
    let name = body.get(2..name_end).unwrap_or_default();
    let (level, flags) = match body.get(name_end..).unwrap_or_default() {
        [level, flags, ..] => (*level, *flags),
        _ => return Err(BadConnect::Violation(violation("incomplete CONNECT"))),
    };
    let refused = BadConnect::Refused(ConnectReturnCode::RefusedProtocolVersion);
    match name {
        b"MQTT" if level != 4 => return Err(refused),
        b"MQTT" => {}
        b"MQIsdp" => return Err(refused),
        _ => return Err(BadConnect::Violation(violation("not MQTT"))),
    }
    let (user, password) = (flags & 0x80 != 0, flags & 0x40 != 0);
    if flags & 1 != 0 || (password && !user) {
        return Err(BadConnect::Violation(violation(format!("CONNECT flags {flags:#010b}"))));
    }
    Ok(())
}
