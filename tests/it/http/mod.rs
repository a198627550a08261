//! The facade over real TCP: a server, a loop that only writes, and a client that speaks raw HTTP.

mod auth;
mod clients;
mod config;
mod database;
mod fuzz;
mod legacy;
mod preview;
mod rest;
mod sessions;
mod socket;
mod system;
mod transport;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use chargebus::api::{self, State, View};
use chargebus::config::Api;
use chargebus::control::Control;
use chargebus::edges::auth::{Auth, Mode};
use chargebus::edges::clock::Clock;
use chargebus::edges::figures::Figures;
use chargebus::edges::http::{Door, Question, Settings, Told, WriteRequest, serve};
use chargebus::edges::logbook::LogBook;
use chargebus::edges::store::Store;
use chargebus::edges::tariffs::Reply;
use chargebus::model::Dialect;
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
    /// The server's own.
    door: Door,
    news: mpsc::Receiver<Reply>,
    _stop: DropGuard,
}

impl Facade {
    /// With a loop that carries out writes as the real one does.
    async fn start() -> Self {
        Self::with(open(), Store::memory().unwrap()).await
    }

    /// With a loop, and presented like this.
    async fn with(settings: Settings, store: Store) -> Self {
        let (facade, writes, questions) = Self::serve(settings, store).await;
        let told = facade.told.clone();
        tokio::spawn(carry_out(house::fed(), writes, questions, told));
        facade
    }

    /// Nobody takes writes and questions from the queues, which have room for one.
    async fn without_loop() -> (Self, mpsc::Receiver<WriteRequest>, mpsc::Receiver<Question>) {
        Self::serve(open(), Store::memory().unwrap()).await
    }

    async fn serve(
        settings: Settings,
        store: Store,
    ) -> (Self, mpsc::Receiver<WriteRequest>, mpsc::Receiver<Question>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (writes, requests) = mpsc::channel(1);
        let (questions, asked) = mpsc::channel(1);
        // Nobody takes news of tariffs; there is room for some.
        let (tariffs, news) = mpsc::channel(4);
        let clock = Clock::start();
        let state = next(&State::default(), &house::fed());
        let (told, seen) = watch::channel(Told { state, at: clock.now().mono });
        let stop = CancellationToken::new();
        let jq = env!("CARGO_BIN_EXE_chargebus").into();
        let door = Door {
            writes,
            kept_for_off: 0,
            questions,
            tariffs,
            told: seen,
            store,
            clock,
            metrics: Some(Figures::default()),
            log: LogBook::default(),
            jq,
        };
        tokio::spawn(serve(listener, door.clone(), settings, stop.clone()));
        (Self { address, told, clock, door, news, _stop: stop.drop_guard() }, requests, asked)
    }

    /// Status, head and body of a call.
    async fn call(&self, method: &str, path: &str) -> (u16, String, String) {
        self.send(method, path, &[], "").await
    }

    /// The same with further headers and a body.
    async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> (u16, String, String) {
        let mut request =
            format!("{method} {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n");
        for (name, value) in headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        request.push_str(&format!("Content-Length: {}\r\n\r\n{body}", body.len()));
        let answer = self.raw(request.as_bytes()).await;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, head.to_lowercase(), body.to_owned())
    }

    /// Everything that comes back on a connection of its own, as text.
    async fn raw(&self, request: &[u8]) -> String {
        String::from_utf8(self.bytes(request).await).unwrap()
    }

    async fn bytes(&self, request: &[u8]) -> Vec<u8> {
        let exchange = async {
            let mut stream = TcpStream::connect(self.address).await.unwrap();
            stream.write_all(request).await.unwrap();
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).await.unwrap();
            answer
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

/// As the service is without a word about it in the configuration.
fn open() -> Settings {
    let store = Store::memory().unwrap();
    let stored = &mut BTreeMap::new();
    let auth = Auth::new(Mode::Guarded, &Api::default(), stored, store, Clock::start());
    Settings { base_path: String::new(), dialect: Dialect::Bare, auth, ui: None }
}

async fn carry_out(
    mut control: Control,
    mut writes: mpsc::Receiver<WriteRequest>,
    mut questions: mpsc::Receiver<Question>,
    told: watch::Sender<Told>,
) {
    let (system, now) = (house::system(), house::noon());
    loop {
        tokio::select! {
            Some(WriteRequest { address, raw, answer }) = writes.recv() => {
                let written = api::write(&mut control, &system, now, &address, &raw);
                told.send_modify(|told| told.state = next(&told.state, &control));
                let _ = answer.send(written);
            }
            Some(question) = questions.recv() => {
                question.answer(&View { control: &control, system: &system, now });
            }
            else => return,
        }
    }
}

fn next(state: &State, control: &Control) -> State {
    let system = house::system();
    state.next(&View { control, system: &system, now: house::noon() })
}
