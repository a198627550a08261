//! Modbus links: one task per address owns the connection, its polls and its queue of writes (design S6).

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_modbus::client::{Client, Context, rtu, tcp};
use tokio_modbus::slave::{Slave, SlaveContext};
use tokio_modbus::{Request, Response};

use super::outlet::Outlet;
use super::register::{self, Write};
use super::sunspec;
use super::value::{Kind, Value};
use crate::config::{ModbusLink, ModbusSource, RegisterKind, SunSpecSource};
use crate::edges::backoff::Backoff;
use crate::model::Origin;

/// Writes that may wait at one link; a further one is refused.
pub(super) const MAX_WRITES: usize = 32;

/// Registers are not read more often than this, whatever the configuration says.
const MIN_INTERVAL: Duration = Duration::from_millis(100);

/// A value that is read again and again.
pub(super) struct Poll {
    pub(super) what: What,
    pub(super) outlet: Outlet,
}

/// What is read.
pub(super) enum What {
    Register(ModbusSource),
    SunSpec(Box<SunSpecSource>),
}

impl What {
    fn link(&self) -> &ModbusLink {
        match self {
            Self::Register(source) => &source.link,
            Self::SunSpec(source) => &source.link,
        }
    }

    fn interval(&self) -> Duration {
        match self {
            Self::Register(source) => source.interval,
            Self::SunSpec(source) => source.interval,
        }
    }
}

/// A write that waits for its turn. Whoever gives up drops the other end of `reply`; the write is
/// then not made any more.
pub(super) struct WriteRequest {
    pub(super) link: ModbusLink,
    pub(super) address: u16,
    pub(super) write: Write,
    pub(super) reply: oneshot::Sender<Result<(), String>>,
}

/// The task of one address.
pub(super) struct Link {
    connection: Connection,
    polls: Vec<Scheduled>,
    /// Units that do not answer are left alone for a while, the others behind the same address are not.
    resting: BTreeMap<u8, Rest>,
    /// What SunSpec devices have, by unit, once they were asked.
    models: BTreeMap<u8, Option<sunspec::Models>>,
    writes: mpsc::Receiver<WriteRequest>,
}

struct Scheduled {
    poll: Poll,
    due: Instant,
}

struct Rest {
    until: Instant,
    backoff: Backoff,
}

impl Link {
    pub(super) fn new(polls: Vec<Poll>, writes: mpsc::Receiver<WriteRequest>) -> Self {
        let due = Instant::now();
        Self {
            connection: Connection(None),
            polls: polls.into_iter().map(|poll| Scheduled { poll, due }).collect(),
            resting: BTreeMap::new(),
            models: BTreeMap::new(),
            writes,
        }
    }

    /// Works until it is dropped; writes go before polls.
    pub(super) async fn run(mut self) {
        loop {
            let next = self.next_poll();
            let due = next.map(|(_, due)| due);
            tokio::select! {
                biased;
                Some(request) = self.writes.recv() => self.write(request).await,
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {
                    if let Some((index, _)) = next {
                        self.poll(index).await;
                    }
                }
                else => return,
            }
        }
    }

    /// The poll that is due first, and when; a resting unit delays its own polls only.
    fn next_poll(&self) -> Option<(usize, Instant)> {
        let due = |scheduled: &Scheduled| {
            let rest = self.resting.get(&scheduled.poll.what.link().id);
            rest.map_or(scheduled.due, |rest| rest.until.max(scheduled.due))
        };
        self.polls.iter().map(due).enumerate().min_by_key(|(_, due)| *due)
    }

    async fn poll(&mut self, index: usize) {
        let Some(Scheduled { poll, due }) = self.polls.get_mut(index) else {
            return;
        };
        let (link, kind) = (poll.what.link(), poll.outlet.delivery.kind());
        let connection = &mut self.connection;
        let value = match &poll.what {
            What::Register(source) => read(connection, kind, source).await,
            What::SunSpec(source) => {
                let models = self.models.entry(link.id).or_default();
                sunspec::read(connection, models, kind, source).await
            }
        };
        *due = Instant::now() + poll.what.interval().max(MIN_INTERVAL);
        rest(&mut self.resting, link.id, &value);
        if let Err(Failure::Lost(_)) = value {
            self.connection = Connection(None);
        }
        let named = |failure: Failure| match &poll.what {
            What::Register(source) => {
                format!("register {}: {}", source.register.address, failure.text())
            }
            What::SunSpec(_) => failure.text().to_owned(),
        };
        poll.outlet.tell(value.map_err(named), Origin::Live);
    }

    async fn write(&mut self, request: WriteRequest) {
        let WriteRequest { link, address, write, reply } = request;
        if reply.is_closed() {
            return;
        }
        let expected = match &write {
            Write::Coil(on) => Response::WriteSingleCoil(address, *on),
            Write::Single(word) => Response::WriteSingleRegister(address, *word),
            Write::Multiple(words) => Response::WriteMultipleRegisters(address, words.len() as u16),
        };
        let request = match write {
            Write::Coil(on) => Request::WriteSingleCoil(address, on),
            Write::Single(word) => Request::WriteSingleRegister(address, word),
            Write::Multiple(words) => Request::WriteMultipleRegisters(address, words.into()),
        };
        let answer = self.connection.call(&link, request).await;
        rest(&mut self.resting, link.id, &answer);
        let result = match answer {
            Ok(answer) if answer == expected => Ok(()),
            Ok(answer) => Err(format!("register {address}: the device answers {answer:?}")),
            Err(failure) => Err(format!("register {address}: {}", failure.text())),
        };
        // The writer may have given up; then nobody wants to know.
        let _ = reply.send(result);
    }
}

/// The value of a register.
async fn read(
    connection: &mut Connection,
    kind: Kind,
    source: &ModbusSource,
) -> Result<Option<Value>, Failure> {
    let ModbusSource { link, register, scale, .. } = source;
    let words = register::width(register.encoding.number);
    let request = match register.kind {
        RegisterKind::Coil | RegisterKind::WriteCoil => Request::ReadCoils(register.address, 1),
        RegisterKind::Input => Request::ReadInputRegisters(register.address, words),
        RegisterKind::Holding | RegisterKind::WriteSingle | RegisterKind::WriteMultiple => {
            Request::ReadHoldingRegisters(register.address, words)
        }
    };
    let answer = connection.call(link, request).await?;
    let words = words_of(answer, words)?;
    register::read(kind, register, &words, *scale).map_err(Failure::Refused)
}

/// The words of an answer; any other number of them is the answer to another question.
pub(super) fn words_of(answer: Response, expected: u16) -> Result<Vec<u16>, Failure> {
    let words = if let Response::ReadCoils(coils) = answer {
        // A coil answer is padded to whole bytes.
        coils.first().map(|on| if *on { 0xFF00 } else { 0 }).into_iter().collect()
    } else if let Response::ReadHoldingRegisters(words) | Response::ReadInputRegisters(words) =
        answer
    {
        words
    } else {
        Vec::new()
    };
    if words.len() == usize::from(expected) {
        Ok(words)
    } else {
        Err(Failure::Lost(format!("{expected} words asked for, {} answered", words.len())))
    }
}

/// Lets a unit that did not answer rest, longer each time.
fn rest<T>(resting: &mut BTreeMap<u8, Rest>, unit: u8, answer: &Result<T, Failure>) {
    match answer {
        Ok(_) | Err(Failure::Refused(_)) => {
            resting.remove(&unit);
        }
        Err(Failure::Lost(_)) => {
            let fresh = || Rest { until: Instant::now(), backoff: Backoff::new() };
            let rest = resting.entry(unit).or_insert_with(fresh);
            rest.until = Instant::now() + rest.backoff.pause();
        }
    }
}

/// Why there is no value.
pub(super) enum Failure {
    /// The device answered, but not with a value.
    Refused(String),
    /// No answer, or not to this question: the connection is gone.
    Lost(String),
}

impl Failure {
    fn text(&self) -> &str {
        match self {
            Self::Refused(text) | Self::Lost(text) => text,
        }
    }
}

/// The connection, if there is one.
pub(super) struct Connection(Option<Context>);

impl Connection {
    /// Asks one question. After anything but an answer to it the connection is dropped: what
    /// arrives late belongs to a connection that no longer exists and cannot answer the next question.
    pub(super) async fn call(
        &mut self,
        link: &ModbusLink,
        request: Request<'_>,
    ) -> Result<Response, Failure> {
        sleep(link.delay).await;
        let mut context = match self.0.take() {
            Some(context) => context,
            None => connect(link).await.map_err(Failure::Lost)?,
        };
        context.set_slave(Slave(link.id));
        match timeout(link.timeout, context.call(request)).await {
            Ok(Ok(Ok(response))) => {
                self.0 = Some(context);
                Ok(response)
            }
            Ok(Ok(Err(exception))) => {
                self.0 = Some(context);
                Err(Failure::Refused(exception.to_string()))
            }
            Ok(Err(error)) => Err(Failure::Lost(error.to_string())),
            Err(_) => Err(Failure::Lost(format!("no answer within {:?}", link.timeout))),
        }
    }
}

async fn connect(link: &ModbusLink) -> Result<Context, String> {
    let uri = &link.uri;
    let stream = match timeout(link.timeout, TcpStream::connect(uri)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return Err(format!("cannot connect to {uri}: {error}")),
        Err(_) => return Err(format!("cannot connect to {uri} within {:?}", link.timeout)),
    };
    // Requests are small and answers are waited for.
    let _ = stream.set_nodelay(true);
    let unit = Slave(link.id);
    Ok(if link.rtu { rtu::attach_slave(stream, unit) } else { tcp::attach_slave(stream, unit) })
}
