//! A restart within a quarter of an hour goes on with it, also where only the power is known.

use std::time::Duration;

use chargebus::control::Control;
use chargebus::edges::store::Store;
use chargebus::model::{
    ChargeStatus, ChargerValue, Effect, EnergyGroup, Fact, KilowattHours, LoadPointIx, Now, Origin,
    Past, PastEnergy, RunningEnergy, RunningSlot, SlotRecord, Watts,
};
use chrono::{DateTime, TimeDelta, Utc};

use crate::house;

/// A car that takes 3.6 kW at a load point without a counter: 1 Wh a second.
struct Site {
    control: Control,
    now: Now,
    records: Vec<SlotRecord>,
}

impl Site {
    /// Ten minutes before noon, when a quarter begins.
    fn start() -> Self {
        let now = house::noon();
        let now = Now { mono: now.mono, utc: now.utc - TimeDelta::minutes(10) };
        Self::go_on(now, &Past::default())
    }

    fn go_on(now: Now, past: &Past) -> Self {
        let mut control = Control::new(house::setup(), now);
        control.set_past(past);
        let mut site = Self { control, now, records: Vec::new() };
        site.drain();
        site
    }

    fn drain(&mut self) {
        while let Some(effect) = self.control.poll() {
            if let Effect::Slot(record) = effect {
                self.records.push(*record);
            }
        }
    }

    fn charge(&mut self, seconds: u64) {
        for _ in 0..seconds {
            self.now = self.now.later(Duration::from_secs(1));
            let (lp, origin) = (LoadPointIx(0), Origin::Live);
            for value in
                [ChargerValue::Status(ChargeStatus::Charging), ChargerValue::Power(Watts(3600.0))]
            {
                self.control.handle(self.now, Fact::Charger { lp, value, origin });
            }
            self.control.handle_timeout(self.now.later(Duration::from_millis(10)));
            self.drain();
        }
    }

    fn today(&self) -> f64 {
        self.control.history().charged(0).today.0
    }

    /// What a store would tell the next start if the running slot was kept now.
    fn past(&mut self) -> Past {
        let running = Some(self.control.running_slot(self.now));
        let mut past = Past { running, ..Past::default() };
        for record in &self.records {
            for of in &record.entities {
                let (group, name) = (of.entity.group, of.entity.name.clone());
                past.counters.push((group, name, of.counters, record.end));
            }
            past.energies.extend(record.energies());
        }
        past
    }

    fn recorded(&self) -> Vec<PastEnergy> {
        let energies = self.records.iter().flat_map(SlotRecord::energies);
        energies.filter(|energy| energy.group == EnergyGroup::LoadPoint).collect()
    }
}

fn near(energy: f64, expected: f64) {
    assert!((energy - expected).abs() < 3.0, "{energy} Wh, not {expected}");
}

#[test]
fn a_clean_stop_loses_nothing_of_the_running_quarter() {
    let mut site = Site::start();
    site.charge(15 * 60);
    near(site.today(), 300.0);
    let past = site.past();
    let mut next = Site::go_on(site.now.later(Duration::from_secs(20)), &past);
    near(next.today(), 300.0);
    next.charge(9 * 60);
    near(next.today(), 840.0);
    // The quarter is recorded: of 20 s it is not known what flowed, which is little enough.
    next.charge(60);
    let recorded: f64 = next.recorded().iter().map(|energy| energy.energy.watt_hours().0).sum();
    near(recorded, 880.0);
    near(next.today(), 900.0);
}

#[test]
fn a_kill_loses_what_came_after_the_slot_was_kept() {
    let mut site = Site::start();
    site.charge(15 * 60);
    let past = site.past();
    site.charge(60);
    let next = Site::go_on(site.now.later(Duration::from_secs(2)), &past);
    near(site.today() - next.today(), 60.0);
}

#[test]
fn a_quarter_that_ends_meanwhile_is_recorded_once() {
    let mut site = Site::start();
    site.charge(24 * 60 + 50);
    let kept = site.past();
    let later = site.now.later(Duration::from_secs(40));
    let next = Site::go_on(later, &kept);
    near(next.today(), 890.0);
    near(next.recorded()[0].energy.watt_hours().0, 890.0);
    // It ended in the old life, too, which was killed before the next one was kept.
    site.charge(30);
    let mut past = site.past();
    past.running = kept.running;
    let next = Site::go_on(later, &past);
    near(next.today(), 900.0);
    assert_eq!(next.recorded(), []);
    // And one of which too much is unknown is not made up.
    let mut site = Site::start();
    site.charge(18 * 60);
    let past = site.past();
    let next = Site::go_on(site.now.later(Duration::from_secs(10 * 60)), &past);
    assert_eq!((next.today(), next.recorded()), (0.0, Vec::new()));
}

#[tokio::test]
async fn the_store_keeps_the_newest_running_slot() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("site.db");
    let at = |s: i64| DateTime::<Utc>::from_timestamp(1_786_190_400 + s, 0).unwrap();
    let slot = |start, energy| RunningSlot {
        start,
        entities: vec![RunningEnergy {
            group: EnergyGroup::LoadPoint,
            name: "lp-1".into(),
            energy: KilowattHours(energy),
            return_energy: KilowattHours(0.25),
            known: Duration::from_millis(61_500),
            whole: true,
            soc: None,
        }],
    };
    let store = Store::open(&path).unwrap();
    assert_eq!(store.load_past(at(0)).await.unwrap().running, None);
    store.record_running(slot(at(-900), 1.0));
    store.record_running(slot(at(0), 2.0));
    store.close().await.unwrap();
    let store = Store::open(&path).unwrap();
    let past = store.load_past(at(0)).await.unwrap();
    assert_eq!(past.running, Some(slot(at(0), 2.0)));
    assert_eq!(past.counters, []);
}
