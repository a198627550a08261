//! An HTTP server on loopback that answers as it is told, also badly.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use crate::support::peer;

/// One request as the server saw it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Heard {
    pub(crate) method: String,
    /// With its query.
    pub(crate) path: String,
    /// Names are in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Heard {
    /// The value of a header; empty without one.
    pub(crate) fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map_or("", |(_, value)| value)
    }
}

/// What the server does.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    /// Status, further header lines, body.
    Full(u16, String, String),
    /// Takes the request and says nothing.
    Silent,
    /// Closes the connection.
    Close,
    /// Begins an answer and goes on for ever.
    Endless,
    /// Begins an answer and says no more.
    Half,
    /// Something that is not HTTP.
    Garbage,
}

impl Reply {
    pub(crate) fn ok(body: impl Into<String>) -> Self {
        Self::Full(200, String::new(), body.into())
    }

    pub(crate) fn status(status: u16) -> Self {
        Self::Full(status, String::new(), "no".to_owned())
    }

    pub(crate) fn redirect(status: u16, location: &str) -> Self {
        Self::Full(status, format!("location: {location}\r\n"), String::new())
    }
}

/// A server and what it has heard.
#[derive(Clone)]
pub(crate) struct Web {
    pub(crate) port: u16,
    heard: Arc<Mutex<Vec<Heard>>>,
}

impl Web {
    /// Serves until the test ends.
    pub(crate) async fn start(answer: impl Fn(&Heard) -> Reply + Send + Sync + 'static) -> Self {
        let heard: Arc<Mutex<Vec<Heard>>> = Arc::default();
        let (answer, list) = (Arc::new(answer), Arc::clone(&heard));
        let port = peer(move |stream| {
            let (answer, list) = (Arc::clone(&answer), Arc::clone(&list));
            async move { converse(stream, &*answer, &list).await }
        })
        .await;
        Self { port, heard }
    }

    /// The address of a path that begins with a slash.
    pub(crate) fn uri(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// Everything that was asked so far.
    pub(crate) fn heard(&self) -> Vec<Heard> {
        self.heard.lock().unwrap().clone()
    }

    /// The paths of everything that was asked so far.
    pub(crate) fn paths(&self) -> Vec<String> {
        self.heard().into_iter().map(|heard| heard.path).collect()
    }
}

async fn converse(
    stream: TcpStream,
    answer: &(dyn Fn(&Heard) -> Reply + Send + Sync),
    list: &Mutex<Vec<Heard>>,
) {
    let mut stream = BufReader::new(stream);
    while let Some(heard) = request(&mut stream).await {
        let reply = answer(&heard);
        list.lock().unwrap().push(heard);
        let text = match reply {
            Reply::Full(status, headers, body) => {
                let length = body.len();
                format!("HTTP/1.1 {status} X\r\n{headers}content-length: {length}\r\n\r\n{body}")
            }
            Reply::Silent => {
                // Until the client gives up.
                let _ = stream.read(&mut [0]).await;
                return;
            }
            Reply::Close => return,
            Reply::Endless => {
                let head = "HTTP/1.1 200 OK\r\n\r\n";
                let mut sent = stream.write_all(head.as_bytes()).await;
                let piece = vec![b'x'; 1 << 16];
                while sent.is_ok() {
                    sent = stream.write_all(&piece).await;
                }
                return;
            }
            Reply::Half => {
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n12").await;
                let _ = stream.read(&mut [0]).await;
                return;
            }
            Reply::Garbage => "220 mail.example ESMTP\r\n".to_owned(),
        };
        if stream.write_all(text.as_bytes()).await.is_err() {
            return;
        }
    }
}

/// The next request; `None` at the end of the connection.
async fn request(stream: &mut BufReader<TcpStream>) -> Option<Heard> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        match line.trim_end() {
            "" => break,
            line => lines.push(line.to_owned()),
        }
    }
    let mut first = lines.first()?.split(' ').map(str::to_owned);
    let headers = lines[1..].iter().filter_map(|line| line.split_once(": "));
    let mut heard = Heard {
        method: first.next()?,
        path: first.next()?,
        headers: headers.map(|(name, value)| (name.to_lowercase(), value.to_owned())).collect(),
        body: String::new(),
    };
    let mut body = vec![0; heard.header("content-length").parse().unwrap_or(0)];
    stream.read_exact(&mut body).await.ok()?;
    heard.body = String::from_utf8_lossy(&body).into_owned();
    Some(heard)
}
