//! Web servers: one task per request asks again and again; all values of an answer share it (design S6).

use std::time::Duration;

use tokio::time::sleep;

use super::outlet::Outlet;
use super::pipeline::{Getter, excerpt};
use super::template::{Scalar, Template};
use crate::config::HttpRequest;
use crate::edges::backoff::Backoff;
use crate::edges::fetch::{Answer, Fetch};
use crate::model::Origin;

/// A request that is sent again and again.
pub(super) struct Question {
    pub(super) request: HttpRequest,
    /// As often as the most impatient of its readers wants.
    pub(super) interval: Duration,
    pub(super) readers: Vec<(Getter, Outlet)>,
}

impl Question {
    /// Asks until it is dropped; after failures it waits longer.
    pub(super) async fn run(self, fetch: Fetch) {
        let mut backoff = Backoff::new();
        loop {
            let answer = ask(&fetch, &self.request).await;
            for (getter, outlet) in &self.readers {
                let value = match &answer {
                    Ok(answer) => getter.read(&answer.body),
                    Err(error) => Err(error.clone()),
                };
                outlet.tell(value, Origin::Live);
            }
            let pause = match answer {
                Ok(_) => {
                    backoff = Backoff::new();
                    self.interval
                }
                Err(_) => backoff.pause().max(self.interval),
            };
            sleep(pause).await;
        }
    }
}

/// A request that carries a value; address and body are made for it.
pub(super) struct Order {
    request: HttpRequest,
    uri: Template,
    body: Template,
    fetch: Fetch,
}

impl Order {
    /// Compiles the templates for the value called `name`.
    ///
    /// # Errors
    /// Which placeholder or format is not understood.
    pub(super) fn compile(
        request: &HttpRequest,
        name: &str,
        fetch: &Fetch,
    ) -> Result<Self, String> {
        Ok(Self {
            uri: Template::compile(&request.uri, name)?,
            body: Template::compile(&request.body, name)?,
            request: request.clone(),
            fetch: fetch.clone(),
        })
    }

    pub(super) async fn send(&self, value: Scalar) -> Result<(), String> {
        let mut request = self.request.clone();
        request.uri = self.uri.render(value);
        request.body = self.body.render(value);
        ask(&self.fetch, &request).await.map(|_| ())
    }
}

/// The answer of a server that does not complain.
async fn ask(fetch: &Fetch, request: &HttpRequest) -> Result<Answer, String> {
    let answer = fetch.send(request).await.map_err(|failure| failure.to_string())?;
    if answer.status < 400 {
        return Ok(answer);
    }
    let text = String::from_utf8_lossy(&answer.body);
    Err(format!("the server answers {}: {}", answer.status, excerpt(text.trim())))
}
