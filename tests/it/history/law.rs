//! Whatever happens, what is recorded is what the counters say: no more, and no less.

use std::time::Duration;

use chargebus::control::Control;
use chargebus::model::{
    ChargerValue, Counters, Effect, EnergyGroup, Fact, KilowattHours, LoadPointIx, MeterIx,
    MeterValue, Now, Origin, Past, SlotRecord, Watts,
};
use chrono::TimeDelta;
use proptest::prelude::*;

use crate::house;

/// What can happen next.
#[derive(Clone, Debug)]
enum Happening {
    /// Time passes while this much flows; seconds and kWh.
    Flow(u64, f64),
    /// Time passes and nothing is heard.
    Silence(u64),
    /// The wall clock is set.
    Set(i64),
    /// The program is down for so long, while this much flows.
    Restart(u64, f64),
}

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        6 => (1..1200_u64, 0.0..5.0).prop_map(|(seconds, kwh)| Happening::Flow(seconds, kwh)),
        2 => (1..3000_u64).prop_map(Happening::Silence),
        1 => (-90_000..90_000_i64).prop_map(Happening::Set),
        1 => (0..7200_u64, 0.0..50.0).prop_map(|(seconds, kwh)| Happening::Restart(seconds, kwh)),
    ]
}

/// A site whose grid meter and first charger count the same energy.
struct Site {
    control: Control,
    now: Now,
    counter: f64,
    records: Vec<SlotRecord>,
}

impl Site {
    fn start(now: Now, past: &Past, counter: f64) -> Self {
        let mut control = Control::new(house::setup(), now);
        control.set_past(past);
        Self { control, now, counter, records: Vec::new() }
    }

    fn hear(&mut self) {
        let energy = KilowattHours(self.counter);
        let (meter, lp, origin) = (MeterIx(0), LoadPointIx(0), Origin::Live);
        for value in [MeterValue::Energy(energy), MeterValue::Power(Watts(500.0))] {
            self.control.handle(self.now, Fact::Meter { meter, value, origin });
        }
        let value = ChargerValue::Energy(energy);
        self.control.handle(self.now, Fact::Charger { lp, value, origin });
    }

    /// Lets time pass; the core is woken when it asked to be, and decides at the end in any case.
    fn pass(&mut self, seconds: u64) {
        let until = self.now.later(Duration::from_secs(seconds));
        while self.control.deadline().0 <= until.mono {
            self.now = self.now.later(self.control.deadline().0.since(self.now.mono));
            self.decide();
        }
        self.now = until;
    }

    fn decide(&mut self) {
        self.control.handle_timeout(self.now);
        while let Some(effect) = self.control.poll() {
            if let Effect::Slot(record) = effect {
                self.records.push(*record);
            }
        }
    }

    fn flow(&mut self, seconds: u64, kwh: f64) {
        for _ in 0..10 {
            self.pass(seconds / 10);
            self.counter += kwh / 10.0;
            self.hear();
        }
        self.pass(1);
    }

    /// What a store would tell the next start.
    fn past(&self) -> Past {
        let mut past = Past::default();
        for record in &self.records {
            for of in &record.entities {
                let (group, name) = (of.entity.group, of.entity.name.clone());
                past.counters.retain(|(g, n, ..)| (*g, n) != (group, &name));
                past.counters.push((group, name, of.counters, record.end));
            }
            past.energies.extend(record.energies());
        }
        past
    }
}

/// Energy that was recorded after the counters of the first record, and what the counters say.
fn recorded_and_counted(records: &[SlotRecord], group: EnergyGroup) -> (f64, f64) {
    let of = records.iter().flat_map(|record| &record.entities);
    let of: Vec<_> = of.filter(|of| of.entity.group == group).collect();
    let counter = |counters: Counters| counters.energy.map(|energy| energy.0);
    let with: Vec<_> = of.iter().filter(|of| counter(of.counters).is_some()).collect();
    let Some((first, last)) = with.first().zip(with.last()) else { return (0.0, 0.0) };
    let recorded: f64 =
        with.iter().skip(1).filter_map(|of| of.energy).map(|energy| energy.energy.0).sum();
    let counted = counter(last.counters).unwrap() - counter(first.counters).unwrap();
    (recorded, counted)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn slots_add_up_to_what_the_counters_say(
        story in prop::collection::vec(happening(), 1..30),
        offset in 0..900_i64,
    ) {
        let mut now = house::noon();
        now.utc += TimeDelta::seconds(offset);
        let mut site = Site::start(now, &Past::default(), 1000.0);
        site.hear();
        for happening in story {
            match happening {
                Happening::Flow(seconds, kwh) => site.flow(seconds, kwh),
                Happening::Silence(seconds) => site.pass(seconds),
                Happening::Set(seconds) => site.now.utc += TimeDelta::seconds(seconds),
                Happening::Restart(seconds, kwh) => {
                    let now = site.now.later(Duration::from_secs(seconds));
                    let next = Site::start(now, &site.past(), site.counter + kwh);
                    let records = std::mem::replace(&mut site, next).records;
                    site.records = records;
                    site.hear();
                    site.pass(1);
                }
            }
            for group in [EnergyGroup::Grid, EnergyGroup::LoadPoint] {
                let (recorded, counted) = recorded_and_counted(&site.records, group);
                prop_assert!((recorded - counted).abs() < 1e-6, "{group}: {recorded} of {counted}");
            }
        }
        for record in &site.records {
            prop_assert!(record.start < record.end || record.entities.is_empty());
            prop_assert_eq!(record.end.timestamp() % 900, 0);
            for energy in record.entities.iter().filter_map(|of| of.energy) {
                prop_assert!(energy.energy >= KilowattHours::ZERO);
                prop_assert!(energy.return_energy >= KilowattHours::ZERO);
            }
        }
    }
}
