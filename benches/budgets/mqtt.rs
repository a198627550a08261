//! A bare MQTT 3.1.1 client: QoS 0, blocking, without a thread or a queue, so that only the service is measured.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};

/// Whatever is awaited comes within this time, or the measurement is given up.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
/// The rest of a packet follows its first byte within this time.
const PACKET: Duration = Duration::from_secs(5);

const CONNACK: u8 = 0x20;
const PUBLISH: u8 = 0x30;
const SUBSCRIBE: u8 = 0x82;
const SUBACK: u8 = 0x90;

/// A connection.
pub(crate) struct Client {
    stream: BufReader<TcpStream>,
}

/// A message, with the moment at which it was read.
pub(crate) struct Message {
    pub(crate) topic: String,
    pub(crate) payload: String,
    pub(crate) at: Instant,
}

impl Client {
    /// Connects to a broker on this machine.
    pub(crate) fn connect(port: u16, id: &str) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port)).context("no broker")?;
        stream.set_nodelay(true)?;
        let mut client = Self { stream: BufReader::with_capacity(1 << 16, stream) };
        // Protocol MQTT 4, clean session, no keep-alive.
        let mut body = vec![0, 4, b'M', b'Q', b'T', b'T', 4, 2, 0, 0];
        push_text(&mut body, id);
        client.send(0x10, &body)?;
        let (kind, body) = client.packet(PATIENCE)?.context("no CONNACK")?;
        ensure!(kind == CONNACK && body.get(1) == Some(&0), "the broker refuses us");
        Ok(client)
    }

    /// Subscribes; messages that arrive before the acknowledgement are lost.
    pub(crate) fn subscribe(&mut self, filters: &[&str]) -> anyhow::Result<()> {
        self.send(SUBSCRIBE, &subscription(filters))?;
        loop {
            let (kind, body) = self.packet(PATIENCE)?.context("no SUBACK")?;
            if kind == SUBACK {
                ensure!(!body.contains(&0x80), "the broker refuses a subscription");
                return Ok(());
            }
        }
    }

    /// Subscribes without waiting: retained messages may come before the acknowledgement.
    pub(crate) fn listen(&mut self, filter: &str) -> anyhow::Result<()> {
        self.send(SUBSCRIBE, &subscription(&[filter]))
    }

    /// Publishes with QoS 0; comes back when the system has taken the bytes.
    pub(crate) fn publish(&mut self, topic: &str, payload: &str) -> anyhow::Result<()> {
        let body = publication(topic, payload);
        self.send(PUBLISH, &body)
    }

    /// Publishes retained.
    pub(crate) fn retain(&mut self, topic: &str, payload: &str) -> anyhow::Result<()> {
        let body = publication(topic, payload);
        self.send(PUBLISH | 1, &body)
    }

    /// The next message, if one comes within `wait`.
    pub(crate) fn next(&mut self, wait: Duration) -> anyhow::Result<Option<Message>> {
        let until = Instant::now() + wait;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let Some((kind, body)) = self.packet(left)? else { return Ok(None) };
            let at = Instant::now();
            if kind & 0xf0 != PUBLISH {
                continue;
            }
            let length = body
                .get(..2)
                .map_or(0, |length| usize::from(length[0]) << 8 | usize::from(length[1]));
            let (topic, payload) = body
                .get(2..)
                .and_then(|rest| rest.split_at_checked(length))
                .context("broken PUBLISH")?;
            return Ok(Some(Message {
                topic: String::from_utf8_lossy(topic).into_owned(),
                payload: String::from_utf8_lossy(payload).into_owned(),
                at,
            }));
        }
    }

    /// The next message that is wanted.
    pub(crate) fn until(
        &mut self,
        what: &str,
        wanted: impl Fn(&Message) -> bool,
    ) -> anyhow::Result<Message> {
        let until = Instant::now() + PATIENCE;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let message =
                self.next(left)?.with_context(|| format!("waited too long for {what}"))?;
            if wanted(&message) {
                return Ok(message);
            }
        }
    }

    /// Reads on until nothing has come for this long.
    pub(crate) fn until_silent(&mut self, silence: Duration) -> anyhow::Result<()> {
        let until = Instant::now() + PATIENCE;
        while self.next(silence)?.is_some() {
            ensure!(Instant::now() < until, "messages never end");
        }
        Ok(())
    }

    fn send(&mut self, kind: u8, body: &[u8]) -> anyhow::Result<()> {
        let mut packet = vec![kind];
        let mut length = body.len();
        while length > 0x7f {
            packet.push((length & 0x7f) as u8 | 0x80);
            length >>= 7;
        }
        packet.push(length as u8);
        packet.extend_from_slice(body);
        self.stream.get_mut().write_all(&packet).context("the broker is gone")
    }

    /// The next packet, if its first byte comes within `wait`.
    fn packet(&mut self, wait: Duration) -> anyhow::Result<Option<(u8, Vec<u8>)>> {
        if self.stream.buffer().is_empty() {
            self.stream.get_ref().set_read_timeout(Some(wait.max(Duration::from_millis(1))))?;
            match self.stream.fill_buf() {
                Ok([]) => bail!("the broker has closed the connection"),
                Ok(_) => {}
                Err(error)
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) =>
                {
                    return Ok(None);
                }
                Err(error) => return Err(error).context("the broker is gone"),
            }
        }
        self.stream.get_ref().set_read_timeout(Some(PACKET))?;
        let mut byte = [0];
        self.stream.read_exact(&mut byte)?;
        let kind = byte[0];
        let mut length = 0;
        for shift in [0, 7, 14, 21] {
            self.stream.read_exact(&mut byte)?;
            length |= usize::from(byte[0] & 0x7f) << shift;
            if byte[0] & 0x80 == 0 {
                break;
            }
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body)?;
        Ok(Some((kind, body)))
    }
}

fn subscription(filters: &[&str]) -> Vec<u8> {
    let mut body = vec![0, 1];
    for filter in filters {
        push_text(&mut body, filter);
        body.push(0);
    }
    body
}

fn publication(topic: &str, payload: &str) -> Vec<u8> {
    let mut body = Vec::with_capacity(2 + topic.len() + payload.len());
    push_text(&mut body, topic);
    body.extend_from_slice(payload.as_bytes());
    body
}

fn push_text(body: &mut Vec<u8>, text: &str) {
    // Topics of the benchmarks are short.
    body.extend_from_slice(&(text.len() as u16).to_be_bytes());
    body.extend_from_slice(text.as_bytes());
}
