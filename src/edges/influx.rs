//! Writes the state to InfluxDB, once per interval; while it is away the newest lines are kept.
//!
//! The write API is that of version 2, which versions from 1.8 on and VictoriaMetrics speak, too.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{info, warn};

use crate::api::influx::Recorder;
use crate::api::metrics::Figure;
use crate::config::{HttpRequest, Influx, encoded};

use super::backlog::Backlog;
use super::backoff::Backoff;
use super::clock::Clock;
use super::door::Told;
use super::fetch::{Answer, Fetch};
use super::figures::Source;

/// Lines that wait while the server is away, in bytes; the oldest go.
const LINES_BYTES: usize = 16 << 20;
/// How long the last lines may take when the program ends.
const FAREWELL_MAX: Duration = Duration::from_secs(3);
/// Lines of one request, in bytes.
const REQUEST_BYTES: usize = 256 * 1024;
/// Times of lines are whole seconds: two states of the same second would be one.
const SPACING: Duration = Duration::from_secs(1);
/// Of what the server says to an error, this much is logged.
const SAID_MAX: usize = 200;

/// Why lines were not taken.
enum Trouble {
    /// They never will be; they are dropped.
    Refused(String),
    /// The server may take them later.
    Away(String),
}

/// What is needed to see the state.
pub(super) struct View {
    pub(super) told: watch::Receiver<Told>,
    pub(super) clock: Clock,
    /// Time between two states.
    pub(super) interval: Duration,
}

/// Starts to write; the source tells how many bytes wait.
pub(super) fn start(
    influx: &Influx,
    view: View,
    fetch: Fetch,
    tasks: &TaskTracker,
    stop: &CancellationToken,
) -> Source {
    let lines = Arc::new(Backlog::new(LINES_BYTES));
    let (recorded, sent, waiting) = (Arc::clone(&lines), Arc::clone(&lines), lines);
    let mut sender = Sender { request: request(influx), fetch, lines: sent, said: String::new() };
    tasks.spawn(stop.clone().run_until_cancelled_owned(record(view, recorded)));
    let stop = stop.clone();
    tasks.spawn(async move {
        stop.run_until_cancelled(sender.run()).await;
        if timeout(FAREWELL_MAX, sender.finish()).await.is_err() {
            warn!("InfluxDB does not take the last lines");
        }
    });
    Box::new(move || {
        vec![Figure {
            name: "influx_waiting_bytes",
            help: "Lines that wait for InfluxDB.",
            counter: false,
            label: None,
            value: waiting.weight() as f64,
        }]
    })
}

/// Puts every state into words.
async fn record(view: View, lines: Arc<Backlog<String>>) {
    let View { mut told, clock, interval: spacing } = view;
    if told.wait_for(|told| told.state.started()).await.is_err() {
        return;
    }
    let mut recorder = Recorder::default();
    let mut ticks = interval(spacing.max(SPACING));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let state = told.borrow().state.clone();
        let text = recorder.lines(&state, clock.now());
        let gone: usize =
            pieces(&text).map(|piece| lines.push(piece.to_owned(), piece.len())).sum();
        if gone > 0 {
            warn!("too many lines wait for InfluxDB: the oldest are lost");
        }
    }
}

/// Whole lines, as many as fit a request.
fn pieces(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let end = rest.len().min(REQUEST_BYTES);
        let fitting = rest.as_bytes()[..end].iter().rposition(|byte| *byte == b'\n');
        // A line alone is far shorter.
        let (piece, tail) = rest.split_at(fitting.map_or(rest.len(), |at| at + 1));
        rest = tail;
        Some(piece)
    })
}

/// Sends what waits, oldest first.
struct Sender {
    /// Its body are the lines that are on their way; empty when they have arrived.
    request: HttpRequest,
    fetch: Fetch,
    lines: Arc<Backlog<String>>,
    /// The trouble that was logged.
    said: String,
}

impl Sender {
    async fn run(&mut self) {
        loop {
            self.request.body = self.lines.next().await;
            self.fill();
            let mut backoff = Backoff::new();
            while !self.send().await {
                sleep(backoff.pause()).await;
            }
        }
    }

    /// Sends what waits, as long as it is taken at once. Lines that were on their way may arrive
    /// twice: the same line is the same point.
    async fn finish(&mut self) {
        loop {
            self.fill();
            if self.request.body.is_empty() || !self.send().await {
                return;
            }
        }
    }

    /// As many lines as fit a request.
    fn fill(&mut self) {
        let body = &mut self.request.body;
        while let Some(more) = self.lines.take_if(|more| body.len() + more.len() <= REQUEST_BYTES) {
            body.push_str(&more);
        }
    }

    /// Whether there is nothing more to do about the lines of the request.
    async fn send(&mut self) -> bool {
        let trouble = match self.fetch.send(&self.request).await {
            Ok(answer) => judged(&answer),
            Err(failure) => Err(Trouble::Away(failure.to_string())),
        };
        let (text, again) = match trouble {
            Ok(()) => (String::new(), false),
            Err(Trouble::Refused(why)) => (format!("InfluxDB refuses lines: {why}"), false),
            Err(Trouble::Away(why)) => (format!("InfluxDB takes no lines: {why}"), true),
        };
        if text != self.said {
            match text.is_empty() {
                true => info!("InfluxDB takes lines again"),
                false => warn!("{text}"),
            }
            self.said = text;
        }
        if !again {
            self.request.body.clear();
        }
        !again
    }
}

/// What the server says: wrong lines will not be right later, anything else may be.
fn judged(answer: &Answer) -> Result<(), Trouble> {
    let said = String::from_utf8_lossy(&answer.body);
    let said: String = said.trim().chars().take(SAID_MAX).collect();
    let why = format!("status {} {said}", answer.status);
    match answer.status {
        200..=299 => Ok(()),
        400 | 413 | 422 => Err(Trouble::Refused(why)),
        _ => Err(Trouble::Away(why)),
    }
}

/// The request without its lines. Before version 2, user and password are the token.
fn request(influx: &Influx) -> HttpRequest {
    let Influx { url, database, org, token, user, password, insecure } = influx;
    let uri =
        format!("{url}/api/v2/write?org={}&bucket={}&precision=s", encoded(org), encoded(database));
    let mut request = HttpRequest::post(uri, "");
    request.headers.push(("Content-Type".into(), "text/plain; charset=utf-8".into()));
    let token = match (token.is_empty(), user.is_empty()) {
        (false, _) => token.clone(),
        (true, false) => format!("{user}:{password}"),
        (true, true) => String::new(),
    };
    if !token.is_empty() {
        request.headers.push(("Authorization".into(), format!("Token {token}")));
    }
    request.insecure = *insecure;
    request
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_hold_whole_lines() {
        let line = format!("{}\n", "x".repeat(99_999));
        let text = line.repeat(7);
        let lengths: Vec<usize> = pieces(&text).map(str::len).collect();
        assert_eq!(lengths, [200_000, 200_000, 200_000, 100_000]);
        assert_eq!(pieces("").count(), 0);
    }
}
