//! Worked examples of plans-vehicles-devices.md §10.5, and laws.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, TimeZone as _, Utc};
use chrono_tz::Tz;
use serde_json::Value;

use super::sums::{Sun, Windows};
use super::tally::{Held, Sample, Tally};
use super::*;
use crate::model::{Percent, SlotEnergy};

const NOON_S: i64 = 1_800_014_400;

fn examples() -> Value {
    serde_json::from_str(include_str!("../../../tests/data/examples/energy.json")).unwrap()
}

fn kwh(value: &Value) -> Option<KilowattHours> {
    value.as_f64().map(KilowattHours)
}

fn noon() -> DateTime<Utc> {
    DateTime::from_timestamp(NOON_S, 0).unwrap()
}

fn rounded(energy: SlotEnergy) -> (f64, f64, Option<Percent>, bool) {
    let round = |energy: KilowattHours| (energy.0 * 1e9).round() / 1e9;
    (round(energy.energy), round(energy.return_energy), energy.soc, energy.recovered)
}

/// Samples until the next one, as the core does; comes back with the slots that are recorded.
fn slots(row: &Value) -> Vec<(u64, SlotEnergy)> {
    let mut tally = Tally::new(single(EnergyGroup::Home), Mono(0));
    if let Some(energy) = kwh(&row["resumed"]) {
        let counters = Counters { energy: Some(energy), return_energy: None };
        tally.resume(counters, row["skipped"] == true);
    }
    let hold = row["hold"].as_u64().unwrap_or(3600);
    let every = row["every"].as_u64();
    let samples = row["samples"].as_array().unwrap();
    let at = |sample: &Value| sample["at"].as_u64().unwrap();
    let last = samples.iter().map(at).max().unwrap();
    let until = row["until"].as_u64().unwrap_or(last.div_ceil(900).max(1) * 900);
    let mut slots = Vec::new();
    let mut last_sample: Option<(u64, Sample)> = None;
    for second in 0..=until {
        let (now, on_boundary) = (Mono(second * 1000), second % 900 == 0);
        let said = samples.iter().find(|sample| at(sample) == second);
        if let Some(energy) = said.and_then(|said| kwh(&said["energy"])) {
            tally.count(second == 0, Counters { energy: Some(energy), return_energy: None });
        }
        if second > 0 && on_boundary {
            let record = tally.close(now);
            let slot = second / 900 - 1;
            slots.extend(record.and_then(|record| Some((slot, record.energy?))));
        }
        if let Some(said) = said {
            let until = Mono((second + hold) * 1000);
            let held = |power| Held { power: Watts(power), until };
            let sample = Sample {
                power: said["power"].as_f64().map(held),
                soc: said["soc"].as_f64().map(Percent),
                ..Sample::default()
            };
            last_sample = Some((second, sample));
            tally.hold(now, on_boundary, &sample);
        } else if let Some((said, sample)) = &last_sample
            && every.is_some_and(|every| (second - said) % every == 0)
            && let Some(held) = sample.power
        {
            // The meter repeats itself.
            let until = Mono((second + hold) * 1000);
            let sample = Sample { power: Some(Held { until, ..held }), ..*sample };
            tally.hold(now, on_boundary, &sample);
        }
    }
    slots
}

#[test]
fn worked_examples() {
    for row in examples()["tally"].as_array().unwrap() {
        let found: Vec<_> =
            slots(row).into_iter().map(|(slot, energy)| (slot, rounded(energy))).collect();
        let expected = row["expected"].as_array().unwrap().iter().map(|slot| {
            let energy = |key: &str| slot[key].as_f64().unwrap();
            let soc = slot["soc"].as_f64().map(Percent);
            let recovered = slot["recovered"] == true;
            (slot["slot"].as_u64().unwrap(), (energy("energy"), energy("return"), soc, recovered))
        });
        assert_eq!(found, expected.collect::<Vec<_>>(), "{}", row["id"]);
    }
}

#[test]
fn sums_of_days_e75() {
    let row = &examples()["E-75"];
    let slot = noon();
    let mut charged = Charged::default();
    for stored in row["stored"].as_array().unwrap() {
        let minutes = (stored["hours"].as_f64().unwrap() * 60.0) as i64;
        charged.add(slot + TimeDelta::minutes(minutes), kwh(&stored["energy"]).unwrap());
    }
    let running = kwh(&row["running"]).unwrap();
    // The row of the running slot is only there because somebody else wrote it.
    let with_future = charged.clone();
    for (key, later) in [("now", 0), ("slot later", 15)] {
        let mut charged = with_future.clone();
        charged.sum(Tz::UTC, slot + TimeDelta::minutes(later));
        let expected = &row[key];
        let windows = charged.windows;
        let of = |key: &str| expected[key].as_f64().unwrap();
        assert_eq!((windows.today + running).watt_hours(), WattHours(of("today")), "{key}");
        assert_eq!(windows.day.watt_hours(), WattHours(of("day")), "{key}");
        assert_eq!(windows.week.watt_hours(), WattHours(of("week")), "{key}");
    }
}

#[test]
fn a_day_begins_at_local_midnight_also_where_the_clock_is_changed() {
    let zone = chrono_tz::Europe::Berlin;
    let local = |month, day, hour| {
        let time = zone.with_ymd_and_hms(2026, month, day, hour, 0, 0).earliest().unwrap();
        time.to_utc()
    };
    for (month, day, hours) in [(3, 29, 23.0), (10, 25, 25.0), (6, 2, 24.0)] {
        let mut charged = Charged::default();
        let mut start = local(month, day - 1, 0);
        while start < local(month, day + 1, 0) {
            charged.add(start, KilowattHours(0.25));
            start += SLOT;
        }
        charged.sum(zone, start - SLOT);
        let Windows { today, day: last, .. } = charged.windows;
        assert_eq!((today.0, last.0), (hours - 0.25, 24.0), "{month}/{day}");
    }
}

#[test]
fn a_forecast_is_judged_by_the_slots_that_both_have() {
    for row in examples()["scale"].as_array().unwrap() {
        let mut sun = Sun::default();
        let produced = row["produced"].as_array().unwrap();
        for (n, pair) in produced.iter().zip(row["foreseen"].as_array().unwrap()).enumerate() {
            let start = noon() + TimeDelta::minutes(15 * n as i64);
            if let (Some(produced), Some(foreseen)) = (kwh(pair.0), kwh(pair.1)) {
                sun.add(Tz::UTC, start, produced, foreseen);
            }
        }
        assert_eq!(sun.scale(), row["expected"].as_f64().unwrap(), "{}", row["id"]);
        sun.begin(Tz::UTC, noon() + TimeDelta::hours(12));
        assert_eq!(sun.scale(), 1.0, "{}: another day", row["id"]);
    }
}

/// A history of one load point that is sampled every 10 s.
struct Story {
    history: History,
    now: Now,
    counter: f64,
    records: Vec<SlotRecord>,
}

impl Story {
    fn new(past: Option<&Past>, utc: DateTime<Utc>) -> Self {
        let now = Now { mono: Mono(1_000_000), utc };
        let mut history = History {
            zone: Tz::UTC,
            tallies: Vec::new(),
            meters: 0,
            charged: vec![Charged::default()],
            sun: Sun::default(),
            slot: slot_of(utc),
            last: now,
            recorded: None,
        };
        let entity = titled(EnergyGroup::LoadPoint, "lp-1".into(), "", "lp-1");
        history.tallies.push(Tally::new(entity, now.mono));
        past.iter().for_each(|past| assert_eq!(history.resume(past), None));
        Self { history, now, counter: 100.0, records: Vec::new() }
    }

    fn observe(&mut self) {
        let counters = Counters { energy: Some(KilowattHours(self.counter)), return_energy: None };
        let held = Held { power: Watts(3600.0), until: self.now.mono + Duration::from_secs(30) };
        let sample = Sample { power: Some(held), counters, soc: None };
        let record = self.history.observe(self.now, &[sample], Prices::default());
        self.records.extend(record);
    }

    /// Lets time pass at 3.6 kW.
    fn pass(&mut self, seconds: u64) {
        for _ in 0..seconds / 10 {
            self.now = self.now.later(Duration::from_secs(10));
            self.counter += 0.01;
            self.observe();
        }
    }

    fn recorded(&self) -> Vec<(i64, f64, bool)> {
        let of = |record: &SlotRecord| {
            let energy = record.entities.first()?.energy?;
            let slot = (record.start - slot_of(noon())).num_minutes() / 15;
            Some((slot, (energy.energy.0 * 1e6).round() / 1e6, energy.recovered))
        };
        self.records.iter().filter_map(of).collect()
    }

    fn counted(&self) -> f64 {
        self.recorded().iter().map(|(_, energy, _)| energy).sum()
    }
}

#[test]
fn a_step_of_the_wall_clock_loses_no_energy_and_invents_none() {
    for hours in [1, -1, 30 * 24, -30 * 24] {
        let mut story = Story::new(None, noon());
        story.observe();
        story.pass(1200);
        let before = story.counter;
        story.now.utc += TimeDelta::hours(hours);
        story.observe();
        story.pass(1800);
        let recorded = story.recorded();
        assert_eq!(recorded[0], (0, 0.9, false), "{hours} h");
        // What ran when the clock was set goes into the next slot that can be told, which says so.
        assert!(recorded[1].2 && !recorded[2].2, "{hours} h: {recorded:?}");
        assert!((before - 100.0 - 1.2).abs() < 1e-6);
        assert!((story.counted() - 0.9 - 0.3 - 0.6 - 0.9).abs() < 1e-6, "{hours} h: {recorded:?}");
    }
    // Seconds are not worth a gap, and a boundary that comes twice is one.
    let mut story = Story::new(None, noon());
    story.observe();
    story.pass(910);
    story.now.utc -= TimeDelta::seconds(20);
    story.observe();
    story.pass(1800);
    assert_eq!(story.recorded().len(), 2);
    assert!(story.recorded().iter().all(|(_, _, recovered)| !recovered));
}

#[test]
fn without_a_date_nothing_is_recorded_and_nothing_lost() {
    let mut story = Story::new(None, DateTime::from_timestamp(900, 0).unwrap());
    story.observe();
    story.pass(2000);
    assert_eq!(story.recorded(), []);
    story.now.utc = noon() + TimeDelta::seconds(10);
    story.observe();
    story.pass(890);
    let recorded = story.recorded();
    assert_eq!(recorded.len(), 1);
    assert!(recorded[0].2 && (story.counted() - 2.89).abs() < 1e-6, "{recorded:?}");
}

#[test]
fn a_restart_goes_on_from_the_last_boundary() {
    for (pause_s, skipped) in [(30, false), (200, false), (2 * 900, true)] {
        let mut story = Story::new(None, noon());
        story.observe();
        story.pass(1500);
        let record = story.records.last().unwrap().clone();
        let of = &record.entities[0];
        let past = Past {
            counters: vec![(of.entity.group, of.entity.name.clone(), of.counters, record.end)],
            energies: record.energies(),
            running: None,
        };
        let mut next = Story::new(Some(&past), story.now.utc + TimeDelta::seconds(pause_s));
        assert!((next.history.charged(0).last_24h.0 - 900.0).abs() < 1e-6);
        next.counter = story.counter + pause_s as f64 / 1000.0;
        next.observe();
        next.pass(900);
        let recorded = next.recorded();
        assert_eq!(recorded[0].2, skipped, "{pause_s} s");
        let counted = story.counted() + next.counted();
        let running = next.history.tallies[0].running().0;
        assert!((counted + running - (next.counter - 100.0)).abs() < 1e-6, "{pause_s} s");
    }
}
