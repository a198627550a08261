//! The worked examples of plans-vehicles-devices.md §10.5, each also killed before and after every step.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::DateTime;
use serde_json::Value as Json;

use super::account::Words;
use super::*;
use crate::control::Reading;
use crate::model::{Mono, Now, Origin, SessionKey, Watts};

/// An account, and a disk that keeps what it writes.
#[derive(Clone)]
struct Bench {
    account: Account,
    now: Now,
    mix: Mix,
    soc: (Option<Percent>, Option<f64>),
    journal: Vec<JournalEntry>,
    rows: BTreeMap<SessionKey, SessionRow>,
}

impl Bench {
    fn new() -> Self {
        let utc = DateTime::from_timestamp(1_773_759_600, 0).unwrap();
        Self {
            account: Account::default(),
            now: Now { mono: Mono(86_400_000), utc },
            mix: Mix::default(),
            soc: (None, None),
            journal: Vec::new(),
            rows: BTreeMap::new(),
        }
    }

    fn step(&mut self, step: &Json) {
        let number = |index: usize| step[index].as_f64();
        let value = number(1).unwrap_or_default();
        let now = self.now;
        match step[0].as_str().unwrap() {
            "connect" => {
                self.account.connect(now, "lp-1", true);
            }
            "start" => self.account.start(now),
            "stop" => self.account.stop(now),
            "leave" => self.account.leave(now),
            "mix" => self.mix = Mix { green: number(1), price: number(2), co2: number(3) },
            "counter" => self.account.counter(now.mono, KilowattHours(value), self.mix),
            "reported" => self.account.reported(now.mono, WattHours(value), self.mix),
            "draw" => self.draw(Watts(value), number(2).unwrap()),
            "soc" => self.soc = (Some(Percent(value)), number(2)),
            "wait" => self.pass(value),
            "row" => {
                let row = self.rows.values().next_back().unwrap();
                let end = row.meter_end.unwrap().0;
                assert_eq!((rounded(row.charged.0), rounded(end)), (value, number(2).unwrap()));
            }
            other => panic!("{other}"),
        }
        self.keep();
    }

    fn draw(&mut self, power: Watts, seconds: f64) {
        for _ in 0..(seconds / 60.0) as usize {
            let now = self.now.mono;
            let last = Reading { value: power, at: now, origin: Origin::Live, period: None };
            self.pass(60.0);
            self.account.integrate(last, self.now.mono, self.mix);
        }
    }

    fn pass(&mut self, seconds: f64) {
        self.now = self.now.later(Duration::from_secs_f64(seconds));
        self.keep();
    }

    /// What the site does at every decision, and the store afterwards.
    fn keep(&mut self) {
        let (soc, range_km) = self.soc;
        self.account.learn(self.now, Words { soc, range_km, ..Words::default() });
        self.account.write(self.now);
        for (entry, row) in self.account.take_entries() {
            self.rows.extend(row.map(|row| (entry.session.clone(), row)));
            match entry.kind {
                JournalKind::Disconnect => self.journal.retain(|old| old.session != entry.session),
                JournalKind::Connect
                | JournalKind::Start
                | JournalKind::Reading
                | JournalKind::Stop => self.journal.push(entry),
            }
        }
    }

    /// Whatever was not written is lost, and the clock of the program begins anew.
    fn kill(&mut self, words: &[&Json]) {
        self.account = Account::default();
        self.now.mono = Mono(86_400_000);
        self.account.resume(self.now, &self.journal);
        // The charger and its meter say what they said last.
        let last = |kinds: &[&str]| {
            words.iter().rev().copied().find(|step| kinds.contains(&step[0].as_str().unwrap()))
        };
        let status = last(&["connect", "start", "stop", "leave"]).cloned();
        match status.as_ref().and_then(|step| step[0].as_str()) {
            Some("start") => {
                self.account.connect(self.now, "lp-1", false);
                self.account.start(self.now);
            }
            Some("connect" | "stop") => {
                self.account.connect(self.now, "lp-1", false);
                self.account.stopped_meanwhile(self.now);
            }
            _ => {
                self.account.stopped_meanwhile(self.now);
                self.account.leave(self.now);
            }
        }
        for kind in ["counter", "reported"] {
            if let Some(step) = last(&[kind]).cloned() {
                self.step(&step);
            }
        }
        self.keep();
    }

    fn check(&self, id: &Json, expected: &Json) {
        let session = &self.account.live;
        let row = session.row();
        let row = row.as_ref();
        let facts = [
            ("energy_wh", Some(session.energy.0)),
            ("solar", session.solar_percentage()),
            ("price", session.price()),
            ("price_per_kwh", session.price_per_kwh()),
            ("co2_per_kwh", session.co2_per_kwh()),
            ("coverage", session.price_coverage()),
            ("duration_s", Some(session.duration.as_secs_f64())),
            ("meter_start", row.and_then(|row| Some(row.meter_start?.0))),
            ("meter_end", row.and_then(|row| Some(row.meter_end?.0))),
            ("soc_start", row.and_then(|row| Some(row.soc_start?.0))),
            ("soc_end", row.and_then(|row| Some(row.soc_end?.0))),
            (
                "added_range",
                row.and_then(|row| row.added_range_km).map(|km| (km * 10.0).round() / 10.0),
            ),
            ("rows", Some(self.rows.len() as f64)),
        ];
        for (name, fact) in facts {
            if let Some(expected) = expected.get(name) {
                assert_eq!(fact.map(rounded), expected.as_f64(), "{id}: {name}");
            }
        }
    }
}

fn rounded(number: f64) -> f64 {
    (number * 1e6).round() / 1e6
}

fn examples() -> Vec<Json> {
    serde_json::from_str(include_str!("../../../tests/data/examples/sessions.json")).unwrap()
}

#[test]
fn sessions_are_those_of_the_examples() {
    for example in examples() {
        let mut bench = Bench::new();
        for step in example["steps"].as_array().unwrap() {
            bench.step(step);
        }
        bench.check(&example["id"], &example["session"]);
    }
}

/// Prices and shares of what flowed unseen are unknown, so only amounts are compared.
#[test]
fn a_kill_at_any_step_loses_no_energy_that_a_counter_counted() {
    let mut killed = 0;
    for example in examples() {
        let steps: Vec<&Json> = example["steps"].as_array().unwrap().iter().collect();
        let counted = steps.iter().any(|step| step[0] == "counter");
        for at in 1..steps.len() {
            if !counted {
                continue;
            }
            let mut bench = Bench::new();
            steps[..at].iter().for_each(|step| bench.step(step));
            bench.kill(&steps[..at]);
            steps[at..].iter().filter(|step| step[0] != "row").for_each(|step| bench.step(step));
            let expected = example["session"]["energy_wh"].as_f64().unwrap();
            let last = bench.rows.values().next_back().map(|row| row.charged.watt_hours());
            let open = bench.account.is_open().then_some(bench.account.live.energy);
            let got = rounded(open.or(last).unwrap_or_default().0);
            assert_eq!(got, expected, "{} killed before step {at}", example["id"]);
            killed += 1;
        }
    }
    assert!(killed > 60, "{killed} kills");
}

/// Thinned or not, written or not: the fold is the same.
#[test]
fn what_is_told_is_the_fold_of_what_is_written() {
    for example in examples() {
        let mut bench = Bench::new();
        for step in example["steps"].as_array().unwrap() {
            bench.step(step);
            let mut end = bench.clone();
            end.account.write_all(end.now);
            let entries = end.account.take_entries();
            let mut folded = Session::default();
            bench.journal.iter().chain(entries.iter().map(|(entry, _)| entry)).for_each(|entry| {
                folded.apply(entry);
            });
            if end.account.is_open() {
                let close = |a: f64, b: f64| (a - b).abs() < 1e-6;
                let live = &end.account.live;
                assert!(close(folded.energy.0, live.energy.0), "{}: {step}", example["id"]);
                assert!(close(folded.solar.0, live.solar.0), "{}: {step}", example["id"]);
                assert_eq!(folded.duration, live.duration, "{}: {step}", example["id"]);
                assert_eq!(folded.charging, live.charging, "{}: {step}", example["id"]);
                assert_eq!(folded.soc, live.soc, "{}: {step}", example["id"]);
            }
        }
    }
}

#[test]
fn a_fluttering_charger_does_not_wear_out_the_disk() {
    let mut bench = Bench::new();
    bench.account.connect(bench.now, "lp-1", true);
    for n in 0..6000 {
        if n % 2 == 0 {
            bench.account.start(bench.now)
        } else {
            bench.account.stop(bench.now)
        }
        bench.account.counter(
            bench.now.mono,
            KilowattHours(100.0 + f64::from(n) * 1e-4),
            bench.mix,
        );
        bench.pass(0.1);
    }
    assert!(bench.journal.len() < 600 / 5 + 20, "{} entries in 600 s", bench.journal.len());
    assert!((bench.account.live.energy.0 - 599.9).abs() < 0.5, "{}", bench.account.live.energy);
}

#[test]
fn an_endless_charge_is_written_ever_less() {
    let mut bench = Bench::new();
    bench.account.connect(bench.now, "lp-1", true);
    bench.account.start(bench.now);
    let mut counter = 100.0;
    for _ in 0..12_000 {
        counter += 0.2;
        bench.account.counter(bench.now.mono, KilowattHours(counter), bench.mix);
        bench.pass(60.0);
    }
    assert!(bench.journal.len() < 10_200, "{} entries", bench.journal.len());
}
