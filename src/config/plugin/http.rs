//! HTTP requests (plans-vehicles-devices.md §7.1, §7.3).

use std::time::Duration;

use super::Pipeline;

/// One HTTP request (§7.1).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct HttpRequest {
    /// `GET`, `POST` …
    pub method: String,
    /// `http://` is assumed where no scheme is written.
    pub uri: String,
    /// Names and values.
    pub headers: Vec<(String, String)>,
    /// What is sent; empty for nothing.
    pub body: String,
    /// Who asks.
    pub auth: HttpAuth,
    /// Do not verify the server's certificate.
    pub insecure: bool,
    /// Longest time from the request to the end of the answer.
    pub timeout: Duration,
}

impl HttpRequest {
    /// Asks for what is there, for at most 10 s.
    pub fn get(uri: impl Into<String>) -> Self {
        Self {
            method: "GET".to_owned(),
            uri: uri.into(),
            headers: Vec::new(),
            body: String::new(),
            auth: HttpAuth::None,
            insecure: false,
            timeout: HTTP_TIMEOUT,
        }
    }

    /// Hands something over, within at most 10 s.
    pub fn post(uri: impl Into<String>, body: impl Into<String>) -> Self {
        Self { method: "POST".to_owned(), body: body.into(), ..Self::get(uri) }
    }
}

impl std::fmt::Debug for HttpRequest {
    /// Leaves out everything that may be secret: keys stand in queries, headers and bodies.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let uri = self.uri.split(['?', '@']).next();
        f.debug_struct("HttpRequest")
            .field("method", &self.method)
            .field("uri", &uri)
            .finish_non_exhaustive()
    }
}

/// Longest time for a request where nothing is said (§7.1).
const HTTP_TIMEOUT: Duration = Duration::from_secs(10);

/// How a server learns who asks (§7.3).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum HttpAuth {
    /// It does not.
    None,
    /// User and password as they are.
    Basic {
        /// Name.
        user: String,
        /// Secret.
        password: String,
    },
    /// A token.
    Bearer(String),
    /// User and password as the answer to a challenge.
    Digest {
        /// Name.
        user: String,
        /// Secret.
        password: String,
    },
}

impl std::fmt::Debug for HttpAuth {
    /// Leaves the secrets out.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Basic { .. } => "Basic",
            Self::Bearer(_) => "Bearer",
            Self::Digest { .. } => "Digest",
        })
    }
}

/// One value of the messages of a WebSocket. Values with the same request share its connection.
#[derive(Clone, Debug, PartialEq)]
pub struct SocketSource {
    /// The handshake.
    pub request: HttpRequest,
    /// Without a message for this long there is no value; `None` = while the server lives.
    pub timeout: Option<Duration>,
    /// Multiplies numbers.
    pub scale: f64,
    /// What happens to the text before it becomes a value.
    pub pipeline: Pipeline,
}

/// One value of an HTTP answer. Values with the same request share its answers.
#[derive(Clone, Debug, PartialEq)]
pub struct HttpSource {
    /// What is asked.
    pub request: HttpRequest,
    /// Time between two requests; `None` = as it suits the device.
    pub interval: Option<Duration>,
    /// Multiplies numbers.
    pub scale: f64,
    /// What happens to the text before it becomes a value.
    pub pipeline: Pipeline,
}
