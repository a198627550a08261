//! Tariffs from the file to the decision: what is read, heard, bridged, told and acted upon.

mod asked;
mod configured;
mod heard;

use std::collections::BTreeMap;
use std::time::Duration;

use chargebus::api::{self, State, View};
use chargebus::config::Config;
use chargebus::control::Why;
use chargebus::control::tariff::TariffStatus;
use chargebus::edges::brain::Brain;
use chargebus::model::{Mono, Now, TariffUse};
use chrono::TimeZone as _;
use chrono_tz::Europe::Berlin;

use crate::house;

/// A load point with a car that waits, and a grid meter; `tariffs` is appended.
const SITE: &str = "
broker: true
meters:
- {name: m, type: custom, power: {source: mqtt, topic: grid}}
chargers:
- name: wb
  type: custom
  status: {source: mqtt, topic: status}
  enabled: {source: mqtt, topic: enabled}
  enable: {source: mqtt, topic: enable}
  maxcurrent: {source: mqtt, topic: amps}
site: {meters: {grid: m}}
loadpoints:
- {charger: wb, mode: pv}
";

fn config(tariffs: &str) -> Config {
    Config::parse(&format!("{SITE}tariffs:\n{tariffs}"), &|_| None).unwrap().config
}

/// A local time in Berlin.
fn at(month: u32, day: u32, hour: u32, minute: u32) -> Now {
    let local = Berlin.with_ymd_and_hms(2026, month, day, hour, minute, 0).unwrap();
    Now { mono: Mono(1_000_000), utc: local.to_utc() }
}

/// A brain on a clock of its own.
struct Site {
    brain: Brain,
    now: Now,
    remarks: Vec<String>,
}

impl Site {
    fn start(tariffs: &str, now: Now, stored: BTreeMap<String, String>) -> Self {
        let (brain, remarks) =
            Brain::new(&config(tariffs), house::system(), Berlin, now, stored, Vec::new());
        let mut site = Self { brain, now, remarks };
        site.pass(Duration::ZERO);
        site
    }

    /// Lets time pass; the brain is woken when it asked to be.
    fn pass(&mut self, duration: Duration) {
        let until = self.now.later(duration);
        while self.brain.deadline() <= until.mono {
            let wait = self.brain.deadline().since(self.now.mono);
            self.now = self.now.later(wait);
            self.remarks.extend(self.brain.handle_timeout(self.now));
            while self.brain.control.poll().is_some() {}
        }
        self.now = until;
    }

    fn hours(&mut self, hours: u64) {
        self.pass(Duration::from_secs(hours * 3600));
    }

    fn hear(&mut self, topic: &str, payload: &str) {
        let remark = self.brain.message(self.now, topic, payload.as_bytes(), false);
        self.remarks.extend(remark);
        self.pass(Duration::from_millis(10));
    }

    fn set(&mut self, topic: &str, payload: &str) {
        let Brain { control, system, .. } = &mut self.brain;
        let answer = api::write_topic(control, system, self.now, topic, payload.as_bytes());
        assert!(answer.unwrap().ok(), "{topic} {payload}");
        self.pass(Duration::ZERO);
    }

    fn value(&self, usage: TariffUse) -> Option<f64> {
        self.brain.control.tariffs().value(usage, self.now.utc)
    }

    fn status(&self, usage: TariffUse) -> TariffStatus {
        self.brain.control.tariffs().get(usage).unwrap().status
    }

    fn why(&self) -> Why {
        self.brain.control.loadpoints()[0].decision.why
    }

    fn state(&self) -> State {
        let Brain { control, system, .. } = &self.brain;
        State::default().next(&View { control, system, now: self.now })
    }

    fn topic(&self, topic: &str) -> Option<String> {
        self.state().topics().into_iter().find(|(told, _)| told == topic).map(|(_, text)| text)
    }
}
