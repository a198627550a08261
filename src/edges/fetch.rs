//! The one HTTP client: every answer is bounded in time and size, and a dead host delays nobody
//! else (design S6).

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use digest_auth::{AuthContext, HttpMethod};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, HeaderValue, LOCATION, USER_AGENT, WWW_AUTHENTICATE};
use hyper::upgrade::{self, Upgraded};
use hyper::{HeaderMap, Method, Request, Response, StatusCode, Uri};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::ClientConfig;
use rustls::crypto::ring;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::trust::{Anyone, system_roots};
use crate::config::{HttpAuth, HttpRequest};

/// Longest answer that is read.
pub const ANSWER_MAX: usize = 1 << 20;
/// Requests that are under way to one host; further ones wait within their own time.
pub const AT_ONCE: usize = 4;
/// Redirections that are followed.
pub const REDIRECTS_MAX: usize = 5;
/// A connection that nobody uses is closed after this.
const IDLE: Duration = Duration::from_secs(90);
/// How we call ourselves.
const AGENT: HeaderValue =
    HeaderValue::from_static(concat!("chargebus/", env!("CARGO_PKG_VERSION")));

/// A connection that speaks another protocol by now.
pub type Connection = TokioIo<Upgraded>;

type Hyper = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

/// What a server answered, whatever its status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// 200 and the like.
    pub status: u16,
    /// The whole body.
    pub body: Bytes,
}

/// Why there is no answer; texts name neither queries nor secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The request cannot be sent as it is.
    Invalid(String),
    /// Nobody answered, or not to the end.
    NoAnswer(String),
    /// The answer has more than [`ANSWER_MAX`] bytes.
    TooLong,
    /// The server sends us on, again and again or to nowhere.
    Redirected(String),
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Invalid(text) | Self::NoAnswer(text) | Self::Redirected(text) => {
                f.write_str(text)
            }
            Self::TooLong => write!(f, "the answer has more than {ANSWER_MAX} bytes"),
        }
    }
}

impl Error for Failure {}

/// The client; clones share connections and bounds.
#[derive(Clone, Default)]
pub struct Fetch(Arc<Shared>);

#[derive(Default)]
struct Shared {
    /// Verifies certificates.
    careful: OnceLock<Result<Hyper, String>>,
    /// Accepts whoever answers.
    careless: OnceLock<Result<Hyper, String>>,
    /// The places of hosts that requests are under way to.
    hosts: Mutex<BTreeMap<String, Arc<Semaphore>>>,
}

impl Fetch {
    /// Sends a request and reads the whole answer within `request.timeout`, the wait for a place
    /// and redirections included. A status of 400 or more is an answer, too.
    ///
    /// # Errors
    /// There is no answer that can be used; see [`Failure`].
    pub async fn send(&self, request: &HttpRequest) -> Result<Answer, Failure> {
        in_time(request, async {
            let (_place, response) = self.exchange(request).await?;
            read(response).await
        })
        .await
    }

    /// Asks the server to go on in another protocol, which the headers of the request name; returns
    /// the headers of the answer and the connection.
    ///
    /// # Errors
    /// The server does not answer in time, or goes on in HTTP.
    pub async fn upgrade(&self, request: &HttpRequest) -> Result<(HeaderMap, Connection), Failure> {
        in_time(request, async {
            let (_place, response) = self.exchange(request).await?;
            let status = response.status();
            if status != StatusCode::SWITCHING_PROTOCOLS {
                let error = format!("the server answers {} and stays with HTTP", status.as_u16());
                return Err(Failure::NoAnswer(error));
            }
            let headers = response.headers().clone();
            let connection = upgrade::on(response).await;
            let connection = connection.map_err(|error| Failure::NoAnswer(innermost(&error)))?;
            Ok((headers, TokioIo::new(connection)))
        })
        .await
    }

    async fn exchange(
        &self,
        request: &HttpRequest,
    ) -> Result<(OwnedSemaphorePermit, Response<Incoming>), Failure> {
        let client = self.client(request.insecure)?;
        let mut call = Call::new(request)?;
        for _ in 0..=REDIRECTS_MAX {
            let place = self.place(&call.uri).await?;
            let mut response = send(&client, call.build(None)?).await?;
            if let Some(proof) = call.proof(&response)? {
                response = send(&client, call.build(Some(proof))?).await?;
            }
            match next(&call.uri, &response)? {
                Some(uri) => call.follow(uri, response.status()),
                None => return Ok((place, response)),
            }
        }
        Err(Failure::Redirected(format!("redirected more than {REDIRECTS_MAX} times")))
    }

    fn client(&self, insecure: bool) -> Result<Hyper, Failure> {
        let client = if insecure { &self.0.careless } else { &self.0.careful };
        let client = client.get_or_init(|| connector(insecure).map(client_of));
        client.clone().map_err(Failure::Invalid)
    }

    /// Waits for one of the places of a host, so that a host that hangs holds no more than these.
    async fn place(&self, uri: &Uri) -> Result<OwnedSemaphorePermit, Failure> {
        let host = uri.authority().map(ToString::to_string).unwrap_or_default();
        let places = {
            let mut hosts = self.0.hosts.lock().unwrap_or_else(PoisonError::into_inner);
            // Whoever waits or works there holds a share.
            hosts.retain(|_, places| Arc::strong_count(places) > 1);
            Arc::clone(hosts.entry(host).or_insert_with(|| Arc::new(Semaphore::new(AT_ONCE))))
        };
        places.acquire_owned().await.map_err(|error| Failure::NoAnswer(error.to_string()))
    }
}

/// What comes within the time of a request.
async fn in_time<T>(
    request: &HttpRequest,
    answer: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    let time = request.timeout;
    timeout(time, answer)
        .await
        .unwrap_or_else(|_| Err(Failure::NoAnswer(format!("no answer within {time:?}"))))
}

fn client_of(connector: HttpsConnector<HttpConnector>) -> Hyper {
    Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE)
        .pool_max_idle_per_host(AT_ONCE)
        .build(connector)
}

fn connector(insecure: bool) -> Result<HttpsConnector<HttpConnector>, String> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    let config = if insecure {
        builder.dangerous().with_custom_certificate_verifier(Arc::new(Anyone(provider)))
    } else {
        // Without a bundle https fails at the handshake, http does not.
        let roots = system_roots().unwrap_or_else(|error| {
            tracing::warn!("{error}: https works with insecure: true only");
            rustls::RootCertStore::empty()
        });
        builder.with_root_certificates(roots)
    };
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    let https = HttpsConnectorBuilder::new().with_tls_config(config.with_no_client_auth());
    Ok(https.https_or_http().enable_http1().wrap_connector(tcp))
}

/// A request on its way, perhaps redirected.
struct Call<'a> {
    request: &'a HttpRequest,
    method: Method,
    uri: Uri,
    body: Bytes,
    /// Secrets are for the host that was asked, not for whom it sends us to.
    trusted: bool,
}

impl<'a> Call<'a> {
    fn new(request: &'a HttpRequest) -> Result<Self, Failure> {
        let method = Method::from_bytes(request.method.to_ascii_uppercase().as_bytes())
            .map_err(|_| Failure::Invalid(format!("{:?} is no method", request.method)))?;
        let uri = uri(&request.uri)?;
        let body = Bytes::from(request.body.clone());
        Ok(Self { request, method, uri, body, trusted: true })
    }

    fn build(&self, proof: Option<HeaderValue>) -> Result<Request<Full<Bytes>>, Failure> {
        let invalid = |error: hyper::http::Error| Failure::Invalid(error.to_string());
        let mut builder = Request::builder().method(&self.method).uri(&self.uri);
        builder = builder.header(USER_AGENT, AGENT);
        let mut built = builder.body(Full::new(self.body.clone())).map_err(invalid)?;
        if self.trusted {
            for (name, value) in &self.request.headers {
                let name = name.parse::<hyper::header::HeaderName>();
                let name = name.map_err(|error| invalid(error.into()))?;
                built.headers_mut().insert(name, header(value)?);
            }
            let proof = proof.map_or_else(|| self.authorization(), |proof| Ok(Some(proof)))?;
            if let Some(mut proof) = proof {
                proof.set_sensitive(true);
                built.headers_mut().insert(AUTHORIZATION, proof);
            }
        }
        Ok(built)
    }

    /// What is said without being asked.
    fn authorization(&self) -> Result<Option<HeaderValue>, Failure> {
        let text = match &self.request.auth {
            HttpAuth::None | HttpAuth::Digest { .. } => return Ok(None),
            HttpAuth::Basic { user, password } => {
                format!("Basic {}", BASE64_STANDARD.encode(format!("{user}:{password}")))
            }
            HttpAuth::Bearer(token) => format!("Bearer {token}"),
        };
        header(&text).map(Some)
    }

    /// The answer to a digest challenge (RFC 7616), if there is one and we have the password.
    fn proof(&self, response: &Response<Incoming>) -> Result<Option<HeaderValue>, Failure> {
        let HttpAuth::Digest { user, password } = &self.request.auth else { return Ok(None) };
        if response.status() != StatusCode::UNAUTHORIZED || !self.trusted {
            return Ok(None);
        }
        let mut challenges = response.headers().get_all(WWW_AUTHENTICATE).iter();
        let digest = |value: &&HeaderValue| {
            value.to_str().is_ok_and(|text| text.trim_start().starts_with("Digest"))
        };
        let Some(challenge) = challenges.find(digest).and_then(|value| value.to_str().ok()) else {
            return Ok(None);
        };
        let refused = |error: digest_auth::Error| {
            Failure::Invalid(format!("the server's digest challenge cannot be answered: {error}"))
        };
        let path = self.uri.path_and_query().map_or("/", |path| path.as_str());
        let body = Some(&self.body[..]);
        let method = HttpMethod::from(self.method.as_str());
        let context = AuthContext::new_with_method(&**user, &**password, path, body, method);
        let mut prompt = digest_auth::parse(challenge).map_err(refused)?;
        let proof = prompt.respond(&context).map_err(refused)?;
        header(&proof.to_header_string()).map(Some)
    }

    /// Goes where the server says, as browsers do: what was posted is not posted twice, except
    /// where the server says so (307, 308).
    fn follow(&mut self, uri: Uri, status: StatusCode) {
        self.trusted &= uri.authority() == self.uri.authority();
        let keeps =
            matches!(status, StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT);
        if !keeps && self.method != Method::HEAD {
            self.method = Method::GET;
            self.body = Bytes::new();
        }
        self.uri = uri;
    }
}

/// An address with `http://` where no scheme is written.
fn uri(text: &str) -> Result<Uri, Failure> {
    let text = text.trim();
    let parsed = match text.contains("://") {
        true => text.parse::<Uri>(),
        false => format!("http://{text}").parse(),
    };
    match parsed {
        Ok(uri) if matches!(uri.scheme_str(), Some("http" | "https")) => Ok(uri),
        Ok(_) => Err(Failure::Invalid("the uri must begin with http:// or https://".to_owned())),
        Err(error) => Err(Failure::Invalid(format!("the uri cannot be used: {error}"))),
    }
}

fn header(text: &str) -> Result<HeaderValue, Failure> {
    let error = || Failure::Invalid("a header has a character that cannot be sent".to_owned());
    HeaderValue::from_str(text).map_err(|_| error())
}

async fn send(
    client: &Hyper,
    request: Request<Full<Bytes>>,
) -> Result<Response<Incoming>, Failure> {
    client.request(request).await.map_err(|error| Failure::NoAnswer(innermost(&error)))
}

/// Where a server sends us; nothing if it answers.
fn next(from: &Uri, response: &Response<Incoming>) -> Result<Option<Uri>, Failure> {
    if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
        return Ok(None);
    }
    let nowhere = || Failure::Redirected("redirected to nowhere".to_owned());
    let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
    let location = location.ok_or_else(nowhere)?;
    let base = format!(
        "{}://{}",
        from.scheme_str().unwrap_or("http"),
        from.authority().map(ToString::to_string).unwrap_or_default()
    );
    let absolute = if location.contains("://") {
        location.to_owned()
    } else if let Some(host) = location.strip_prefix("//") {
        format!("{}://{host}", from.scheme_str().unwrap_or("http"))
    } else if location.starts_with('/') {
        format!("{base}{location}")
    } else {
        let folder = from.path().rsplit_once('/').map_or("", |(folder, _)| folder);
        format!("{base}{folder}/{location}")
    };
    uri(&absolute).map(Some).map_err(|_| nowhere())
}

async fn read(response: Response<Incoming>) -> Result<Answer, Failure> {
    let status = response.status().as_u16();
    let body = Limited::new(response.into_body(), ANSWER_MAX).collect().await.map_err(|error| {
        match error.is::<LengthLimitError>() {
            true => Failure::TooLong,
            false => Failure::NoAnswer(innermost(&*error)),
        }
    })?;
    Ok(Answer { status, body: body.to_bytes() })
}

/// The cause of a chain of errors: the others only say that there was one.
fn innermost(error: &(dyn Error + 'static)) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}
