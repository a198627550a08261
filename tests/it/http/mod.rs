//! The facade over real TCP: a server, a loop that only writes, and a client that speaks raw HTTP.

mod rest;
mod socket;

use std::net::SocketAddr;
use std::time::Duration;

use chargebus::api::{self, State, View};
use chargebus::control::Control;
use chargebus::edges::clock::Clock;
use chargebus::edges::http::{Door, Told, WriteRequest, serve};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::house;

/// No step of a test takes longer, even on a busy machine.
const DEADLINE: Duration = Duration::from_secs(60);

/// A running facade; dropping it stops the server.
struct Facade {
    address: SocketAddr,
    told: watch::Sender<Told>,
    clock: Clock,
    _stop: DropGuard,
}

impl Facade {
    /// With a loop that carries out writes as the real one does.
    async fn start() -> Self {
        let (facade, writes) = Self::without_loop().await;
        let told = facade.told.clone();
        tokio::spawn(carry_out(house::fed(), writes, told));
        facade
    }

    /// Nobody takes the writes from the queue, which has room for one.
    async fn without_loop() -> (Self, mpsc::Receiver<WriteRequest>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (writes, requests) = mpsc::channel(1);
        let clock = Clock::start();
        let state = next(&State::default(), &house::fed());
        let (told, seen) = watch::channel(Told { state, at: clock.now().mono });
        let stop = CancellationToken::new();
        let jq = env!("CARGO_BIN_EXE_chargebus").into();
        tokio::spawn(serve(listener, Door { writes, told: seen, clock, jq }, stop.clone()));
        (Self { address, told, clock, _stop: stop.drop_guard() }, requests)
    }

    /// Status, head and body of a call.
    async fn call(&self, method: &str, path: &str) -> (u16, String, String) {
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
        );
        let answer = self.raw(request.as_bytes()).await;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, head.to_lowercase(), body.to_owned())
    }

    /// Everything that comes back on a connection of its own.
    async fn raw(&self, request: &[u8]) -> String {
        let exchange = async {
            let mut stream = TcpStream::connect(self.address).await.unwrap();
            stream.write_all(request).await.unwrap();
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).await.unwrap();
            String::from_utf8(answer).unwrap()
        };
        timeout(DEADLINE, exchange).await.unwrap()
    }

    async fn post(&self, path: &str) -> (u16, String) {
        let (status, _, body) = self.call("POST", path).await;
        (status, body)
    }

    async fn get(&self, path: &str) -> (u16, String) {
        let (status, _, body) = self.call("GET", path).await;
        (status, body)
    }
}

async fn carry_out(
    mut control: Control,
    mut writes: mpsc::Receiver<WriteRequest>,
    told: watch::Sender<Told>,
) {
    let system = house::system();
    while let Some(WriteRequest { address, raw, answer }) = writes.recv().await {
        let written = api::write(&mut control, &system, house::noon(), &address, &raw);
        told.send_modify(|told| told.state = next(&told.state, &control));
        let _ = answer.send(written);
    }
}

fn next(state: &State, control: &Control) -> State {
    let system = house::system();
    state.next(&View { control, system: &system, now: house::noon() })
}
