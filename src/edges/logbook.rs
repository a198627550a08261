//! The last lines of the log, for `GET /api/system/log` (api.md §3.11), and warnings as they come, for
//! WebSockets (api.md §3.9).

use std::collections::{BTreeSet, VecDeque};
use std::fmt::{self, Write as _};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use chrono::{DateTime, Local};
use serde_json::json;
use tokio::sync::broadcast;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

/// Lines that are kept; the oldest goes.
pub const LINES_MAX: usize = 10_000;
/// Bytes that are kept.
const BYTES_MAX: usize = 2 << 20;
/// A longer line is cut.
const LINE_MAX: usize = 2000;
/// Warnings that are told within a second; more are counted only, so that a storm floods nobody.
const LOUD_MAX: u32 = 5;
/// Warnings that wait for a slow listener; the oldest goes.
const WAITING_MAX: usize = 16;
const SECOND: Duration = Duration::from_secs(1);
/// Area names are padded to this width, as evcc does.
const AREA_WIDTH: usize = 6;

/// The book; copies share it.
#[derive(Clone, Debug, Default)]
pub struct LogBook(Arc<Book>);

#[derive(Debug)]
struct Book {
    lines: Mutex<Lines>,
    pace: Mutex<Pace>,
    news: broadcast::Sender<Arc<str>>,
}

impl Default for Book {
    fn default() -> Self {
        let news = broadcast::Sender::new(WAITING_MAX);
        Self { lines: Mutex::default(), pace: Mutex::default(), news }
    }
}

#[derive(Debug, Default)]
struct Lines {
    lines: VecDeque<Line>,
    bytes: usize,
}

#[derive(Debug)]
struct Line {
    area: String,
    level: Level,
    text: String,
}

/// Which lines are wanted.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Areas; none means all.
    pub areas: Vec<String>,
    /// The least severe level.
    pub level: Level,
    /// At most this many, the newest ones.
    pub count: usize,
}

impl LogBook {
    /// The lines that are wanted, the oldest first.
    pub fn read(&self, wanted: &Wanted) -> Vec<String> {
        let book = self.lock();
        let fits = |line: &&Line| {
            line.level <= wanted.level
                && (wanted.areas.is_empty() || wanted.areas.contains(&line.area))
        };
        let newest = book.lines.iter().rev().filter(fits).take(wanted.count);
        let mut lines: Vec<_> = newest.map(|line| line.text.clone()).collect();
        lines.reverse();
        lines
    }

    /// The areas that have said something, in order.
    pub fn areas(&self) -> BTreeSet<String> {
        self.lock().lines.iter().map(|line| line.area.clone()).collect()
    }

    /// Warnings and errors from now on, as frames of a WebSocket.
    pub fn listen(&self) -> broadcast::Receiver<Arc<str>> {
        self.0.news.subscribe()
    }

    /// Tells whoever listens.
    fn tell(&self, level: Level, said: &Said) {
        let level = match level {
            Level::ERROR => "error",
            Level::WARN => "warn",
            _ => return,
        };
        if self.0.news.receiver_count() == 0 {
            return;
        }
        let pace = self.0.pace.lock().unwrap_or_else(PoisonError::into_inner).step(Instant::now());
        let Some(missed) = pace else { return };
        let mut message = said.text.trim().to_owned();
        if message.len() > LINE_MAX {
            message.truncate(message.floor_char_boundary(LINE_MAX));
        }
        if missed > 0 {
            let _ = write!(message, " (after {missed} more that stand in the log)");
        }
        let mut log = json!({ "message": message, "level": level });
        if let Some(loadpoint) = said.loadpoint {
            log["lp"] = loadpoint.into();
        }
        // The last listener may have gone.
        let _ = self.0.news.send(json!({ "log": log }).to_string().into());
    }

    fn write(&self, now: DateTime<Local>, area: String, level: Level, message: &str) {
        let time = now.format("%Y/%m/%d %H:%M:%S");
        let mut text = format!("[{area:<AREA_WIDTH$}] {level} {time} {message}");
        if text.len() > LINE_MAX {
            text.truncate(text.floor_char_boundary(LINE_MAX));
        }
        text.push('\n');
        let mut book = self.lock();
        book.bytes += text.len();
        book.lines.push_back(Line { area, level, text });
        while book.lines.len() > LINES_MAX || book.bytes > BYTES_MAX {
            let Some(oldest) = book.lines.pop_front() else { break };
            book.bytes -= oldest.text.len();
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Lines> {
        self.0.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S: Subscriber> Layer<S> for LogBook {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut said = Said::default();
        event.record(&mut said);
        let metadata = event.metadata();
        self.tell(*metadata.level(), &said);
        let area = said.loadpoint.map_or_else(|| area(metadata.target()), |lp| format!("lp-{lp}"));
        self.write(Local::now(), area, *metadata.level(), said.text.trim());
    }
}

/// How many were told within this second.
#[derive(Debug, Default)]
struct Pace {
    since: Option<Instant>,
    told: u32,
    missed: u32,
}

impl Pace {
    /// Whether there is room for one more, and how many were not told before it.
    fn step(&mut self, now: Instant) -> Option<u32> {
        if self.since.is_none_or(|since| now.duration_since(since) >= SECOND) {
            (self.since, self.told) = (Some(now), 0);
        }
        if self.told >= LOUD_MAX {
            self.missed = self.missed.saturating_add(1);
            return None;
        }
        self.told += 1;
        Some(std::mem::take(&mut self.missed))
    }
}

/// `chargebus::edges::bus::session` → `bus`.
fn area(target: &str) -> String {
    let inner = target.strip_prefix("chargebus::").unwrap_or(target);
    let inner = inner.strip_prefix("edges::").unwrap_or(inner);
    inner.split("::").next().unwrap_or_default().to_owned()
}

/// Our areas in a filter as evcc writes it: `info,bus:debug` is `info,chargebus::edges::bus=debug`.
pub fn filter(levels: &str) -> String {
    let part = |part: &str| match part.split_once(':') {
        Some((area, level)) if !level.starts_with(':') => {
            format!("chargebus::edges::{}={}", area.trim(), level.trim())
        }
        Some(_) | None => part.trim().to_owned(),
    };
    // evcc knows one level that is beyond ours.
    let known = |part: String| part.replace("fatal", "error");
    levels.split(',').map(part).map(known).collect::<Vec<_>>().join(",")
}

/// What an event says: its message, then its fields.
#[derive(Default)]
struct Said {
    text: String,
    loadpoint: Option<u64>,
}

impl Visit for Said {
    fn record_u64(&mut self, field: &Field, value: u64) {
        if field.name() == "loadpoint" {
            self.loadpoint = Some(value);
        } else {
            self.record_debug(field, &value);
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Writing to a String does not fail.
        let _ = match field.name() {
            "message" => {
                let rest = std::mem::take(&mut self.text);
                write!(self.text, "{value:?}{rest}")
            }
            name => write!(self.text, " {name}={value:?}"),
        };
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeZone as _;

    use super::*;

    fn all(level: Level) -> Wanted {
        Wanted { areas: Vec::new(), level, count: LINES_MAX }
    }

    #[test]
    fn lines_look_like_those_of_evcc_and_are_filtered() {
        let book = LogBook::default();
        let noon = Local.with_ymd_and_hms(2026, 8, 8, 12, 0, 0).unwrap();
        book.write(noon, "bus".to_owned(), Level::WARN, "no connection");
        book.write(noon, "lp-1".to_owned(), Level::INFO, "charging");
        assert_eq!(
            book.read(&all(Level::WARN)),
            ["[bus   ] WARN 2026/08/08 12:00:00 no connection\n"]
        );
        assert_eq!(book.read(&all(Level::DEBUG)).len(), 2);
        let one = Wanted { count: 1, ..all(Level::DEBUG) };
        assert_eq!(book.read(&one), ["[lp-1  ] INFO 2026/08/08 12:00:00 charging\n"], "the newest");
        let bus = Wanted { areas: vec!["bus".to_owned()], ..all(Level::DEBUG) };
        assert_eq!(book.read(&bus).len(), 1);
        assert_eq!(book.areas(), ["bus".to_owned(), "lp-1".to_owned()].into());
    }

    #[test]
    fn a_storm_of_warnings_is_told_as_few_and_a_number() {
        use tracing_subscriber::layer::SubscriberExt as _;

        let book = LogBook::default();
        let mut news = book.listen();
        let subscriber = tracing_subscriber::registry().with(book.clone());
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!("quiet");
            tracing::error!(loadpoint = 2_u64, code = 7, "loud");
            (0..1000).for_each(|n| tracing::warn!("storm {n}"));
        });
        let first = news.try_recv().unwrap();
        let expected = r#"{"log":{"message":"loud code=7","level":"error","lp":2}}"#;
        assert_eq!(&*first, expected);
        let rest = std::iter::from_fn(|| news.try_recv().ok()).count();
        assert!((4..20).contains(&rest), "{rest}");

        let (mut pace, start) = (Pace::default(), Instant::now());
        let told = (0..20).filter(|_| pace.step(start).is_some()).count();
        assert_eq!(told, LOUD_MAX as usize);
        assert_eq!(pace.step(start + SECOND), Some(15));
        assert_eq!(pace.step(start + SECOND), Some(0));
    }

    #[test]
    fn the_book_is_bounded() {
        let book = LogBook::default();
        for n in 0..LINES_MAX + 5 {
            book.write(Local::now(), "run".to_owned(), Level::INFO, &n.to_string());
        }
        let lines = book.read(&all(Level::TRACE));
        assert_eq!(lines.len(), LINES_MAX);
        assert!(lines[0].ends_with(" 5\n"), "{}", lines[0]);
        book.write(Local::now(), "run".to_owned(), Level::INFO, &"é".repeat(LINE_MAX));
        assert!(book.read(&all(Level::TRACE)).last().unwrap().len() <= LINE_MAX + 1);
    }

    #[test]
    fn events_carry_their_fields_and_filters_of_evcc_are_read() {
        use tracing_subscriber::layer::SubscriberExt as _;

        let book = LogBook::default();
        let subscriber = tracing_subscriber::registry().with(book.clone());
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!(loadpoint = 2_u64, why = "sun", "charging");
        });
        let line = book.read(&all(Level::INFO)).remove(0);
        assert!(
            line.starts_with("[lp-2  ] INFO ") && line.ends_with("charging why=sun\n"),
            "{line}"
        );
        assert_eq!(filter("info,bus:debug"), "info,chargebus::edges::bus=debug");
        assert_eq!(
            filter("fatal, chargebus::edges::bus=trace"),
            "error,chargebus::edges::bus=trace"
        );
    }
}
