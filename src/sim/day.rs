//! A recorded TeslaMate day, played again at any speed.

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use serde::Deserialize;

use crate::model::{Mono, Now};

use super::Message;

/// Lines of a recording; a day has some hundreds.
const LINES_MAX: usize = 100_000;
/// Pause between the end of a recording and its beginning, in recorded seconds.
const PAUSE_S: f64 = 600.0;

/// One line of a recording; other members are ignored.
#[derive(Deserialize)]
struct Line {
    t: f64,
    topic: String,
    payload: String,
    retain: bool,
}

/// Why a recording cannot be played.
#[derive(Clone, Debug, PartialEq)]
pub struct DayError {
    /// Which line, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub reason: String,
}

impl fmt::Display for DayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.reason)
    }
}

impl std::error::Error for DayError {}

/// Turns a recording into messages that are due at a time, over and over again.
///
/// Drain [`Self::poll`] to `None`, then wait for [`Self::deadline`].
#[derive(Clone, Debug)]
pub struct TeslaMateDay {
    rest: VecDeque<(f64, Message)>,
    played: Vec<(f64, Message)>,
    length: f64,
    start: Mono,
    /// Whole rounds that were played.
    round: f64,
    speed: f64,
}

impl TeslaMateDay {
    /// A recording as JSON lines `{t, topic, payload, retain}` with `t` in seconds; it begins at
    /// `start` and runs `speed` times as fast (0.001 to 1,000,000).
    pub fn new(jsonl: &str, start: Now, speed: f64) -> Result<Self, DayError> {
        let mut rest = VecDeque::new();
        for (ix, text) in jsonl.lines().enumerate().filter(|(_, text)| !text.trim().is_empty()) {
            let wrong = |reason: String| DayError { line: ix + 1, reason };
            let line: Line =
                serde_json::from_str(text).map_err(|error| wrong(error.to_string()))?;
            let last = rest.back().map_or(0.0, |(t, _): &(f64, Message)| *t);
            if !line.t.is_finite() || line.t < last {
                return Err(wrong("t must not go back".to_owned()));
            }
            if rest.len() >= LINES_MAX {
                return Err(wrong(format!("more than {LINES_MAX} lines")));
            }
            let Line { t, topic, payload, retain } = line;
            rest.push_back((t, Message { topic, payload, retain }));
        }
        let length = rest.back().map_or(0.0, |(t, _)| *t) + PAUSE_S;
        Ok(Self {
            rest,
            played: Vec::new(),
            length,
            start: start.mono,
            round: 0.0,
            speed: speed.clamp(0.001, 1e6),
        })
    }

    /// The next message that is due at `now`.
    pub fn poll(&mut self, now: Now) -> Option<Message> {
        if self.deadline()? > now.mono {
            return None;
        }
        let (t, message) = self.rest.pop_front()?;
        self.played.push((t, message.clone()));
        if self.rest.is_empty() {
            self.rest.extend(self.played.drain(..));
            self.round += 1.0;
        }
        Some(message)
    }

    /// When the next message is due; `None` for an empty recording.
    pub fn deadline(&self) -> Option<Mono> {
        let (t, _) = self.rest.front()?;
        let seconds = (self.round * self.length + t) / self.speed;
        // A round number of milliseconds, never before the recorded instant.
        Some(self.start + Duration::from_millis((seconds * 1000.0).ceil() as u64))
    }
}
