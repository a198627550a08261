//! A recorded MQTT log through the same core at virtual time, telling every decision and command.

use std::collections::BTreeMap;
use std::io::{BufRead, Write};
use std::time::Duration;

use anyhow::{Context, bail};
use chrono::{DateTime, TimeZone, Utc};
use chrono_tz::Tz;
use serde::Deserialize;

use crate::api::{About, System};
use crate::config::Config;
use crate::control::Why;
use crate::model::{ChargerCommand, Effect, Fact, Mono, Now, Outcome};

use super::brain::Brain;
use super::devices::CONSTANT_PERIOD;

/// After the last message the core lives on for this long, so that delays come to their end.
const EPILOGUE: Duration = Duration::from_secs(300);
/// Monotonic time of the first message.
const ORIGIN: Mono = Mono(86_400_000);
/// Wall clock of second 0 unless told otherwise: the recorded day (plans-vehicles-devices.md §6.7).
const EPOCH_S: i64 = 1_773_759_600;

/// One line of a recorded log.
#[derive(Deserialize)]
struct Line {
    /// Seconds since the start of the log.
    t: f64,
    topic: String,
    payload: String,
}

/// Replays a log of JSON lines `{"t":…,"topic":…,"payload":…}` and writes what is decided.
///
/// # Errors
/// When a line cannot be read or `out` cannot be written.
pub fn replay(config: &Config, log: impl BufRead, out: &mut impl Write) -> anyhow::Result<()> {
    let utc = Utc.timestamp_opt(EPOCH_S, 0).single().context("the epoch of the replay")?;
    let start = Now { mono: ORIGIN, utc };
    let system = System {
        version: System::version(),
        anchor: start,
        interval: config.interval,
        currency: config.currency.clone(),
        timezone: "UTC +00:00".to_owned(),
        platform: String::new(),
        started: true,
        mirrors: true,
        standby: None,
        about: About::default(),
    };
    let (brain, remarks) = Brain::new(config, system, Tz::UTC, start, BTreeMap::new(), Vec::new());
    let mut player = Player {
        constants: start.mono,
        why: vec![Why::ChargerUnknown; brain.control.loadpoints().len()],
        brain,
        start,
        out,
    };
    for remark in remarks {
        player.say(start, &remark)?;
    }
    let mut last = start;
    for (number, line) in log.lines().enumerate() {
        let line = line.with_context(|| format!("line {}", number + 1))?;
        if line.trim().is_empty() {
            continue;
        }
        let line: Line =
            serde_json::from_str(&line).with_context(|| format!("line {}", number + 1))?;
        if !line.t.is_finite() || !(0.0..=1e9).contains(&line.t) {
            bail!("line {}: t must be seconds since the start of the log", number + 1);
        }
        let now = start.later(Duration::from_secs_f64(line.t));
        player.pass(now)?;
        last = now;
        // Whatever the publisher asked the broker to keep: as a live message it is fresh.
        if let Some(remark) = player.brain.message(now, &line.topic, line.payload.as_bytes(), false)
        {
            player.say(now, &remark)?;
        }
        player.drain(now)?;
    }
    player.pass(last.later(EPILOGUE))
}

struct Player<'a, W: Write> {
    brain: Brain,
    start: Now,
    why: Vec<Why>,
    /// When `const` sources speak next.
    constants: Mono,
    out: &'a mut W,
}

impl<W: Write> Player<'_, W> {
    /// Lets virtual time pass; the core is woken when it asked to be.
    fn pass(&mut self, until: Now) -> anyhow::Result<()> {
        while self.brain.deadline().min(self.constants) <= until.mono {
            if self.constants <= self.brain.deadline() {
                let at = self.start.later(self.constants.since(self.start.mono));
                self.constants = self.constants + CONSTANT_PERIOD;
                self.brain.repeat_constants(at);
                continue;
            }
            let at = self.start.later(self.brain.deadline().since(self.start.mono));
            for remark in self.brain.handle_timeout(at) {
                self.say(at, &remark)?;
            }
            self.drain(at)?;
        }
        Ok(())
    }

    /// Every command succeeds: a log cannot answer.
    fn drain(&mut self, now: Now) -> anyhow::Result<()> {
        while let Some(effect) = self.brain.control.poll() {
            match effect {
                Effect::Charger { lp, command } => {
                    if command != ChargerCommand::Renew {
                        self.say(now, &format!("loadpoint {}: {command:?}", lp.0 + 1))?;
                    }
                    self.brain.fact(now, Fact::Done { lp, command, outcome: Outcome::Done });
                }
                Effect::Battery { meter, mode } => {
                    self.say(now, &format!("battery {}: {mode}", meter.0))?
                }
                Effect::Curtail { meter, percent } => {
                    self.say(now, &format!("meter {}: feed in at most {} %", meter.0, percent.0))?
                }
                Effect::WakeVehicle { vehicle } => {
                    self.say(now, &format!("vehicle {}: wake up", vehicle.0 + 1))?
                }
                Effect::Event(event) => self.say(now, &format!("event {}", event.kind.as_str()))?,
                // A log is looked at, not kept.
                Effect::Journal { .. } | Effect::Slot(_) | Effect::GridLimit(_) => {}
            }
        }
        for index in 0..self.why.len() {
            let decision = self.brain.control.loadpoints()[index].decision;
            if decision.why != self.why[index] {
                self.why[index] = decision.why;
                let surplus = decision
                    .surplus
                    .map_or_else(|| "unknown".to_owned(), |power| power.to_string());
                let (code, sentence) = (decision.why.code(), decision.why.sentence());
                self.say(
                    now,
                    &format!("loadpoint {}: {code} (surplus {surplus}) {sentence}", index + 1),
                )?;
            }
        }
        Ok(())
    }

    fn say(&mut self, now: Now, text: &str) -> anyhow::Result<()> {
        let utc: DateTime<Utc> = now.utc;
        writeln!(self.out, "{}  {text}", utc.format("%Y-%m-%d %H:%M:%S%.3f"))?;
        Ok(())
    }
}
