//! WebSockets: one task per request holds a connection and listens; all values of a message share it
//! (plans-vehicles-devices.md §7.1 `ws`).

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use hyper::header::{
    CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use tokio::time::{Instant, sleep, timeout_at};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{Message, Role, WebSocketConfig};

use super::outlet::Outlet;
use super::pipeline::Getter;
use crate::config::HttpRequest;
use crate::edges::backoff::Backoff;
use crate::edges::fetch::{ANSWER_MAX, Connection, Fetch};
use crate::model::Origin;

/// Longest message that is read; a longer one ends the connection.
pub(super) const MESSAGE_MAX: usize = ANSWER_MAX;
/// A server that says nothing for this long is asked whether it lives, and is given up after as long again.
const QUIET_MAX: Duration = Duration::from_secs(30);
/// What is read at once.
const BUFFER: usize = 16 * 1024;

/// A connection that is listened to.
pub(super) struct Line {
    pub(super) request: HttpRequest,
    /// Without a message for this long its values are lost.
    pub(super) timeout: Option<Duration>,
    pub(super) readers: Vec<(Getter, Outlet)>,
}

type Socket = WebSocketStream<Connection>;

impl Line {
    /// Listens until it is dropped; after failures it waits longer.
    pub(super) async fn run(self, fetch: Fetch) {
        let mut backoff = Backoff::new();
        loop {
            let error = match connect(&fetch, &self.request).await {
                Err(error) => error,
                Ok(socket) => {
                    let (heard, error) = self.listen(socket).await;
                    if heard {
                        backoff = Backoff::new();
                    }
                    error
                }
            };
            for (_, outlet) in &self.readers {
                outlet.tell(Err(error.clone()), Origin::Live);
            }
            sleep(backoff.pause()).await;
        }
    }

    /// Listens until the connection is of no use any more; whether a message came, and why it ended.
    async fn listen(&self, mut socket: Socket) -> (bool, String) {
        let mut heard = false;
        let mut message_at = Instant::now();
        let (mut life_at, mut asked) = (message_at, false);
        loop {
            let gone = self.timeout.map(|timeout| message_at + timeout);
            let quiet = life_at + QUIET_MAX * if asked { 2 } else { 1 };
            let due = gone.map_or(quiet, |gone| gone.min(quiet));
            match timeout_at(due, socket.next()).await {
                Ok(Some(Ok(message))) => {
                    (life_at, asked) = (Instant::now(), false);
                    let payload = match &message {
                        Message::Text(text) => text.as_bytes(),
                        Message::Binary(bytes) => bytes,
                        Message::Close(_) => return (heard, "the server has hung up".to_owned()),
                        Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => continue,
                    };
                    (message_at, heard) = (life_at, true);
                    for (getter, outlet) in &self.readers {
                        outlet.tell(getter.read(payload), Origin::Live);
                    }
                }
                Ok(Some(Err(error))) => return (heard, error.to_string()),
                Ok(None) => return (heard, "the server has hung up".to_owned()),
                Err(_) if gone == Some(due) => {
                    let error = format!("no message within {:?}", due - message_at);
                    for (_, outlet) in &self.readers {
                        outlet.gone(&error);
                    }
                    return (heard, error);
                }
                Err(_) if asked => return (heard, "the server is silent".to_owned()),
                Err(_) => {
                    asked = true;
                    // What cannot be sent shows as an error or as silence.
                    let _ =
                        timeout_at(due + QUIET_MAX, socket.send(Message::Ping("".into()))).await;
                }
            }
        }
    }
}

/// A connection on which the server speaks WebSocket (RFC 6455).
async fn connect(fetch: &Fetch, request: &HttpRequest) -> Result<Socket, String> {
    let key = generate_key();
    let mut request = request.clone();
    let headers = [
        (CONNECTION, "Upgrade"),
        (UPGRADE, "websocket"),
        (SEC_WEBSOCKET_VERSION, "13"),
        (SEC_WEBSOCKET_KEY, key.as_str()),
    ];
    for (name, value) in headers {
        request.headers.push((name.to_string(), value.to_owned()));
    }
    let (headers, connection) =
        fetch.upgrade(&request).await.map_err(|failure| failure.to_string())?;
    let accepted = headers.get(SEC_WEBSOCKET_ACCEPT).map(hyper::header::HeaderValue::as_bytes);
    if accepted != Some(derive_accept_key(key.as_bytes()).as_bytes()) {
        return Err("the server does not speak WebSocket".to_owned());
    }
    let config = WebSocketConfig::default()
        .read_buffer_size(BUFFER)
        .max_message_size(Some(MESSAGE_MAX))
        .max_frame_size(Some(MESSAGE_MAX));
    Ok(WebSocketStream::from_raw_socket(connection, Role::Client, Some(config)).await)
}
