//! A bare HTTP/1.1 client on one connection that is kept.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context, ensure};

/// A connection to the service.
pub(crate) struct Http {
    stream: BufReader<TcpStream>,
}

impl Http {
    /// Connects to a port of this machine.
    pub(crate) fn connect(port: u16) -> anyhow::Result<Self> {
        let stream =
            TcpStream::connect(("127.0.0.1", port)).context("the service does not listen")?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        Ok(Self { stream: BufReader::with_capacity(1 << 16, stream) })
    }

    /// The body of a GET, in bytes.
    pub(crate) fn get(&mut self, path: &str) -> anyhow::Result<usize> {
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        self.stream.get_mut().write_all(request.as_bytes())?;
        let mut line = String::new();
        self.stream.read_line(&mut line)?;
        ensure!(line.starts_with("HTTP/1.1 200"), "GET {path}: {line}");
        let mut length = 0;
        loop {
            line.clear();
            self.stream.read_line(&mut line)?;
            if let Some(text) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = text.trim().parse().context("content-length")?;
            }
            if line.trim().is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body)?;
        Ok(length)
    }
}
