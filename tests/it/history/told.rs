//! What the history makes people see: the energy of the day, the scale of the forecast.

use std::time::Duration;

use chargebus::api::{State, View};
use chargebus::control::Control;
use chargebus::control::tariff::{Tariff, TariffStatus, Tariffs};
use chargebus::model::{
    ChargeStatus, ChargerValue, Effect, Fact, KilowattHours, LoadPointIx, MeterIx, MeterValue, Now,
    Origin, Past, Rate, SlotRecord, TariffKind, Watts,
};
use chrono::TimeDelta;
use serde_json::Value as Json;

use crate::house;

/// A sunny noon: 6 kW from the roof, 4 kW foreseen, 3.6 kW into the first car.
struct Noon {
    control: Control,
    now: Now,
    origin: Origin,
    counter: f64,
    records: Vec<SlotRecord>,
}

impl Noon {
    fn start(now: Now, past: &Past) -> Self {
        let mut control = Control::new(house::setup(), now);
        control.set_past(past);
        let slot = |n: i64| house::noon().utc + TimeDelta::minutes(15 * n);
        let rates = (0..96).map(|n| Rate { start: slot(n), end: slot(n + 1), value: 4000.0 });
        let rates = rates.collect();
        let solar = Tariff { kind: TariffKind::Solar, rates, status: TariffStatus::Fresh };
        control.set_tariffs(now, Tariffs { solar: Some(solar), ..Tariffs::default() });
        Self { control, now, origin: Origin::Live, counter: 50.0, records: Vec::new() }
    }

    /// Lets minutes pass; everything is said every 10 s.
    fn minutes(&mut self, minutes: u64) {
        let origin = self.origin;
        for _ in 0..minutes * 6 {
            let power = |meter, watts| Fact::Meter {
                meter: MeterIx(meter),
                value: MeterValue::Power(Watts(watts)),
                origin,
            };
            self.counter += 0.01;
            let charger = [
                ChargerValue::Status(ChargeStatus::Charging),
                ChargerValue::Power(Watts(3600.0)),
                ChargerValue::Energy(KilowattHours(self.counter)),
            ];
            let charger = charger.map(|value| Fact::Charger { lp: LoadPointIx(0), value, origin });
            let meters = [power(0, -1000.0), power(1, 4500.0), power(2, 1500.0), power(3, 0.0)];
            for fact in meters.into_iter().chain(charger) {
                self.control.handle(self.now, fact);
            }
            let until = self.now.later(Duration::from_secs(10));
            while self.control.deadline().0 <= until.mono {
                self.now = self.now.later(self.control.deadline().0.since(self.now.mono));
                self.control.handle_timeout(self.now);
                while let Some(effect) = self.control.poll() {
                    if let Effect::Slot(record) = effect {
                        self.records.push(*record);
                    }
                }
            }
            self.now = until;
        }
    }

    fn state(&self) -> Json {
        let system = house::system();
        let view = View { control: &self.control, system: &system, now: self.now };
        serde_json::from_str(&State::default().next(&view).json()).unwrap()
    }
}

#[test]
fn the_day_and_the_scale_of_the_forecast_are_told_and_survive_a_restart() {
    let mut noon = Noon::start(house::noon(), &Past::default());
    let state = noon.state();
    assert_eq!(state["loadpoints"][0]["todayEnergy"], 0);
    assert_eq!(state["forecast"]["solar"]["scale"], 1);
    assert!(state.get("historyUpdated").is_none());

    noon.minutes(55);
    let state = noon.state();
    let energies = |state: &Json| {
        ["todayEnergy", "last24hEnergy", "last7dEnergy"]
            .map(|key| state["loadpoints"][0][key].as_f64().unwrap())
    };
    // The first quarter is not counted: a decision is never made exactly at the start.
    let [today, day, week] = energies(&state);
    assert!((today - 2400.0).abs() <= 20.0, "{today}");
    assert!((day - 1800.0).abs() <= 20.0 && day == week, "{day} {week}");
    assert_eq!(state["loadpoints"][1]["todayEnergy"], 0);
    assert_eq!(state["forecast"]["solar"]["scale"], 1.5);
    let last = house::noon().utc + TimeDelta::minutes(30);
    assert_eq!(state["historyUpdated"], last.format("%Y-%m-%dT%H:%M:%SZ").to_string());

    let mut past = Past::default();
    for record in &noon.records {
        past.counters.clear();
        past.counters.extend(
            record
                .entities
                .iter()
                .map(|of| (of.entity.group, of.entity.name.clone(), of.counters, record.end)),
        );
        past.energies.extend(record.energies());
    }
    let next = Noon::start(noon.now.later(Duration::from_secs(60)), &past);
    let state = next.state();
    let [today, again, _] = energies(&state);
    assert_eq!((today, again), (day, day), "what ran is counted again by the counter");
    assert_eq!(state["forecast"]["solar"]["scale"], 1.5);
    assert_eq!(state["historyUpdated"], last.format("%Y-%m-%dT%H:%M:%SZ").to_string());
}

#[test]
fn every_meter_with_a_word_has_an_entity_and_the_silent_ones_have_none() {
    let mut noon = Noon::start(house::noon(), &Past::default());
    noon.minutes(31);
    let [_, record] = &noon.records[..] else { panic!("{} records", noon.records.len()) };
    let told: Vec<_> = record
        .entities
        .iter()
        .map(|of| {
            let energy = of.energy.map(|energy| (energy.energy.0 * 1000.0).round() / 1000.0);
            let back = of.energy.map(|energy| (energy.return_energy.0 * 1000.0).round() / 1000.0);
            (of.entity.group.as_str(), &*of.entity.title, energy, back)
        })
        .collect();
    let both = |energy, back| (Some(energy), Some(back));
    let expected = [
        ("grid", "grid", both(0.0, 0.25)),
        ("pv", "pv1", both(1.125, 0.0)),
        ("pv", "pv2", both(0.375, 0.0)),
        ("battery", "bat", both(0.0, 0.0)),
        ("loadpoint", "Carport", both(0.9, 0.0)),
        ("home", "home", both(0.35, 0.0)),
        ("forecast", "forecast", both(1.0, 0.0)),
    ];
    let expected = expected.map(|(group, title, (energy, back))| (group, title, energy, back));
    assert_eq!(told, expected);
}

#[test]
fn a_power_that_is_made_of_several_meters_is_counted() {
    let mut noon = Noon::start(house::noon(), &Past::default());
    noon.origin = Origin::Aged(Duration::from_secs(2));
    noon.minutes(31);
    let entities = &noon.records.last().unwrap().entities;
    let pv = entities.iter().find(|of| of.entity.title == "pv1").unwrap();
    assert!((pv.energy.unwrap().energy.0 - 1.125).abs() < 0.001);
}
