//! Modbus servers: one that behaves and many that do not.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_modbus::server::Service;
use tokio_modbus::server::tcp::{Server, accept_tcp_connection};
use tokio_modbus::{ExceptionCode, Request, Response};

/// The memory of a well-behaved device; registers that are not there are refused.
#[derive(Clone, Debug, Default)]
pub(crate) struct Memory(pub(crate) Arc<Mutex<BTreeMap<u16, u16>>>);

impl Memory {
    fn words(&self, address: u16, count: u16) -> Result<Vec<u16>, ExceptionCode> {
        let memory = self.0.lock().unwrap();
        let words = (address..address + count).map(|address| memory.get(&address).copied());
        words.collect::<Option<_>>().ok_or(ExceptionCode::IllegalDataAddress)
    }

    pub(super) fn set(&self, address: u16, words: &[u16]) {
        self.0.lock().unwrap().extend((address..).zip(words.iter().copied()));
    }
}

impl Service for Memory {
    type Request = Request<'static>;
    type Response = Response;
    type Exception = ExceptionCode;
    type Future = std::future::Ready<Result<Response, ExceptionCode>>;

    fn call(&self, request: Self::Request) -> Self::Future {
        let answer = match request {
            Request::ReadCoils(address, 1) => {
                self.words(address, 1).map(|words| Response::ReadCoils(vec![words[0] != 0]))
            }
            Request::ReadHoldingRegisters(address, count) => {
                self.words(address, count).map(Response::ReadHoldingRegisters)
            }
            Request::ReadInputRegisters(address, count) => {
                self.words(address, count).map(Response::ReadInputRegisters)
            }
            Request::WriteSingleCoil(address, on) => {
                self.set(address, &[u16::from(on)]);
                Ok(Response::WriteSingleCoil(address, on))
            }
            Request::WriteSingleRegister(address, word) => {
                self.set(address, &[word]);
                Ok(Response::WriteSingleRegister(address, word))
            }
            Request::WriteMultipleRegisters(address, words) => {
                self.set(address, &words);
                Ok(Response::WriteMultipleRegisters(address, words.len() as u16))
            }
            _ => Err(ExceptionCode::IllegalFunction),
        };
        std::future::ready(answer)
    }
}

pub(crate) async fn serve(memory: &Memory) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    serve_on(listener, memory);
    address
}

/// Answers whoever connects, or has connected, from the memory.
pub(super) fn serve_on(listener: TcpListener, memory: &Memory) {
    let memory = memory.clone();
    tokio::spawn(async move {
        let on_connected = |stream, peer| {
            let memory = memory.clone();
            async move { accept_tcp_connection(stream, peer, |_| Ok(Some(memory.clone()))) }
        };
        let _ = Server::new(listener).serve(&on_connected, |_| {}).await;
    });
}

/// What a bad server does with a request.
#[derive(Clone, Copy, Debug)]
pub(super) enum Misbehaviour {
    Silent,
    Closes,
    Garbage,
    WrongTransaction,
    WrongUnit,
    WrongFunction,
    TooManyWords,
    Exception,
    /// The unit 2 is silent; unit 1 answers its addresses.
    UnitTwoSilent,
}

/// Serves TCP framing and misbehaves.
pub(super) async fn misbehave(how: Misbehaviour) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(converse(stream, how));
        }
    });
    address
}

/// Answers reads of one register in TCP framing.
pub(super) async fn converse(mut stream: TcpStream, how: Misbehaviour) {
    let mut request = [0_u8; 12];
    while stream.read_exact(&mut request).await.is_ok() {
        let [t1, t2, _, _, _, _, unit, function, a1, a2, _, _] = request;
        let good = vec![t1, t2, 0, 0, 0, 5, unit, function, 2, a1, a2];
        let answer = match how {
            Misbehaviour::Closes => return,
            Misbehaviour::Silent => continue,
            Misbehaviour::UnitTwoSilent if unit == 2 => continue,
            Misbehaviour::Garbage => b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(),
            Misbehaviour::WrongTransaction => vec![t1, !t2, 0, 0, 0, 5, unit, function, 2, a1, a2],
            Misbehaviour::WrongUnit => vec![t1, t2, 0, 0, 0, 5, !unit, function, 2, a1, a2],
            Misbehaviour::WrongFunction => vec![t1, t2, 0, 0, 0, 5, unit, 4, 2, a1, a2],
            Misbehaviour::TooManyWords => {
                vec![t1, t2, 0, 0, 0, 7, unit, function, 4, a1, a2, a1, a2]
            }
            Misbehaviour::Exception => vec![t1, t2, 0, 0, 0, 3, unit, 0x80 | function, 2],
            Misbehaviour::UnitTwoSilent => good,
        };
        if stream.write_all(&answer).await.is_err() {
            return;
        }
    }
}

/// Answers every third request only when the client has given up waiting: it has closed the
/// connection, or it asks the next question, which then meets the answer to the last one. The
/// value of a register is its address. Returns the number of requests, too.
pub(super) async fn sometimes_late(rtu: bool) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let requests = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&requests);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(converse_late(stream, rtu, Arc::clone(&count)));
        }
    });
    (address, requests)
}

async fn converse_late(mut stream: TcpStream, rtu: bool, count: Arc<AtomicUsize>) {
    let mut request = [0_u8; 12];
    let request = if rtu { &mut request[..8] } else { &mut request[..] };
    while stream.read_exact(request).await.is_ok() {
        let pdu = if rtu { &request[..] } else { &request[6..] };
        let mut answer = vec![pdu[0], pdu[1], 2, pdu[2], pdu[3]];
        if rtu {
            answer.extend(crc(&answer).to_le_bytes());
        } else {
            answer.splice(0..0, [request[0], request[1], 0, 0, 0, 5]);
        }
        if count.fetch_add(1, Ordering::SeqCst) % 3 == 2 {
            // One byte suffices to know that there is a next question.
            let mut next = [0_u8; 1];
            let _ = stream.read(&mut next).await;
        }
        if stream.write_all(&answer).await.is_err() {
            return;
        }
    }
}

fn crc(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0xFFFF_u16, |crc, byte| {
        (0..8).fold(
            crc ^ u16::from(*byte),
            |crc, _| {
                if crc & 1 == 1 { crc >> 1 ^ 0xA001 } else { crc >> 1 }
            },
        )
    })
}
