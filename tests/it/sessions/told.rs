//! What the core tells and writes of a session: names, prices, references, settings that stay.

use std::time::Duration;

use chargebus::api::{Place, State, Value, View};
use chargebus::control::Control;
use chargebus::control::tariff::{Tariff, TariffStatus, Tariffs};
use chargebus::model::{
    ChargeStatus, ChargerFeature, ChargerValue, Effect, Fact, JournalEntry, JournalKind,
    KilowattHours, LoadPointIx, MeterIx, MeterValue, Mode, Now, Origin, Percent, Rate, SessionRow,
    Setup, TariffKind, VehicleIx, VehicleValue, Watts,
};
use chrono::TimeDelta;

use crate::house;
use crate::rhythm::Rhythm;

struct Bench {
    control: Control,
    now: Now,
    journal: Vec<JournalEntry>,
    row: Option<SessionRow>,
}

impl Rhythm for Bench {
    fn core(&mut self) -> &mut Control {
        &mut self.control
    }

    fn clock(&mut self) -> &mut Now {
        &mut self.now
    }

    fn note(&mut self, effect: Effect) {
        if let Effect::Journal { entry, row } = effect {
            self.journal.push(*entry);
            self.row = row.map(|row| *row).or(self.row.take());
        }
    }
}

impl Bench {
    fn new(setup: Setup) -> Self {
        let now = house::noon();
        Self { control: Control::new(setup, now), now, journal: Vec::new(), row: None }
    }

    /// The reference house: 2 kW of sun for a car that takes 4 kW.
    fn house() -> Self {
        let mut bench = Self::new(house::setup());
        bench.meters();
        bench.pass(1);
        bench
    }

    fn meters(&mut self) {
        for (meter, power) in [(0, 2000.0), (1, 2000.0), (2, 0.0), (3, 0.0)] {
            let value = MeterValue::Power(Watts(power));
            let fact = Fact::Meter { meter: MeterIx(meter), value, origin: Origin::Live };
            self.control.handle(self.now, fact);
        }
        self.charger(ChargerValue::Power(Watts(4000.0)));
    }

    fn charger(&mut self, value: ChargerValue) {
        let fact = Fact::Charger { lp: LoadPointIx(0), value, origin: Origin::Live };
        self.control.handle(self.now, fact);
        self.drain();
    }

    fn status(&mut self, status: ChargeStatus) {
        self.charger(ChargerValue::Status(status));
    }

    fn car(&mut self, value: VehicleValue) {
        let fact = Fact::Vehicle { vehicle: VehicleIx(0), value, origin: Origin::Live };
        self.control.handle(self.now, fact);
    }

    fn pass(&mut self, seconds: u64) {
        let end = self.now.later(Duration::from_secs(seconds));
        self.pass_until(end, 10_000);
    }

    /// The counter shows what 4 kW give in ten minutes.
    fn ten_minutes(&mut self, from: f64) {
        for half in 0..=20 {
            self.meters();
            // It counts what flowed at the share that was decided upon.
            self.pass(1);
            self.charger(ChargerValue::Energy(KilowattHours(from + f64::from(half) / 30.0)));
            self.pass(if half < 20 { 29 } else { 0 });
        }
    }

    fn told(&self, key: &str) -> Value {
        let system = house::system();
        let view = View { control: &self.control, system: &system, now: self.now };
        State::default().next(&view).value(&Place::LoadPoint(1), key).cloned().unwrap()
    }
}

fn tariff(kind: TariffKind, values: &[(i64, i64, f64)]) -> Option<Tariff> {
    let hours = |hours| house::noon().utc + TimeDelta::hours(hours);
    let rate = |(start, end, value): &(i64, i64, f64)| Rate {
        start: hours(*start),
        end: hours(*end),
        value: *value,
    };
    let rates = values.iter().map(rate).collect();
    Some(Tariff { kind, rates, status: TariffStatus::Fresh })
}

#[test]
fn a_session_is_told_and_written_with_all_that_is_known() {
    let mut bench = Bench::house();
    let tariffs = Tariffs {
        grid: tariff(TariffKind::PriceForecast, &[(0, 6, 0.30), (6, 48, 0.20)]),
        feed_in: tariff(TariffKind::PriceStatic, &[(0, 48, 0.08)]),
        co2: tariff(TariffKind::Co2, &[(0, 12, 400.0), (12, 18, 200.0)]),
        ..Tariffs::default()
    };
    bench.control.set_tariffs(bench.now, tariffs);
    bench.car(VehicleValue::Soc(Some(Percent(41.0))));
    bench.car(VehicleValue::RangeKm(Some(210.0)));
    bench.car(VehicleValue::OdometerKm(Some(45678.9)));
    bench.charger(ChargerValue::Identity("04:AB".into()));
    bench.status(ChargeStatus::Disconnected);
    assert_eq!(bench.told("sessionPrice"), Value::Null);
    bench.charger(ChargerValue::Energy(KilowattHours(123.0)));
    bench.status(ChargeStatus::Charging);
    let kinds: Vec<_> = bench.journal.iter().map(|entry| entry.kind).collect();
    assert_eq!(kinds, [JournalKind::Connect, JournalKind::Start], "written at once");
    bench.ten_minutes(123.0);

    // Half from the roof: (0.30 + 0.08) / 2 and 400 / 2.
    let kwh = 10.0 / 15.0;
    assert_eq!(bench.told("sessionEnergy"), Value::float(1000.0 * kwh));
    assert_eq!(bench.told("chargedEnergy"), bench.told("sessionEnergy"));
    assert_eq!(bench.told("sessionSolarPercentage"), Value::float(50.0));
    assert_eq!(bench.told("sessionPricePerKWh"), Value::price(0.19));
    assert_eq!(bench.told("sessionPrice"), Value::float(0.19 * kwh));
    assert_eq!(bench.told("sessionCo2PerKWh"), Value::float(200.0));
    assert_eq!(bench.told("sessionPriceCoverage"), Value::float(100.0));
    let entries = bench.journal.len();
    assert!((7..20).contains(&entries), "{entries} entries for 0.67 kWh in 10 min");
    assert_eq!(bench.row, None, "no row while it charges for the first time");

    bench.car(VehicleValue::Soc(Some(Percent(43.0))));
    bench.car(VehicleValue::RangeKm(Some(220.0)));
    bench.status(ChargeStatus::Connected);
    let row = bench.row.clone().expect("the row is there with the stop");
    assert_eq!((&*row.vehicle, &*row.identifier), ("Blauer Tesla", "04:AB"));
    assert_eq!(row.loadpoint, bench.control.setup().loadpoints[0].title);
    assert_eq!((row.finished, row.odometer_km), (Some(bench.now.utc), Some(45678.9)));
    assert_eq!(row.meter_start, Some(KilowattHours(123.0)));
    assert!((row.charged.0 - kwh).abs() < 1e-9);
    assert_eq!(row.charge_duration, Some(Duration::from_secs(601)));
    assert_eq!((row.soc_start, row.soc_end), (Some(Percent(41.0)), Some(Percent(43.0))));
    assert!((row.added_range_km.unwrap() - 220.0 * 2.0 / 43.0).abs() < 1e-9);
    // Weighted by time (W-28): 6 h and 18 h; 12 h and the 6 h that are known.
    assert!((row.reference_price_per_kwh.unwrap() - 0.225).abs() < 1e-4);
    assert!((row.reference_co2_per_kwh.unwrap() - 1000.0 / 3.0).abs() < 0.1);

    bench.status(ChargeStatus::Disconnected);
    bench.pass(15);
    assert_eq!(bench.journal.last().unwrap().kind, JournalKind::Disconnect);
    assert_eq!(bench.row.as_ref().unwrap().vehicle, "Blauer Tesla");
    assert_eq!(bench.told("sessionEnergy"), Value::float(1000.0 * kwh), "until the next one");
    bench.status(ChargeStatus::Connected);
    assert_eq!(bench.told("sessionEnergy"), Value::float(0.0));
}

#[test]
fn a_price_that_is_known_for_a_part_is_a_mean_of_that_part() {
    let mut bench = Bench::house();
    bench.charger(ChargerValue::Energy(KilowattHours(50.0)));
    bench.status(ChargeStatus::Disconnected);
    bench.status(ChargeStatus::Charging);
    bench.ten_minutes(50.0);
    assert_eq!(bench.told("sessionPricePerKWh"), Value::Null);
    assert_eq!(bench.told("sessionPriceCoverage"), Value::float(0.0));
    let grid = tariff(TariffKind::PriceStatic, &[(0, 48, 0.30)]);
    bench.control.set_tariffs(bench.now, Tariffs { grid, ..Tariffs::default() });
    bench.ten_minutes(50.0 + 10.0 / 15.0);
    assert_eq!(bench.told("sessionPricePerKWh"), Value::price(0.15), "half of it from the roof");
    assert_eq!(bench.told("sessionPriceCoverage"), Value::float(50.0));
}

#[test]
fn a_heater_has_a_session_a_day() {
    let mut setup = house::setup();
    let features = vec![ChargerFeature::Heating, ChargerFeature::IntegratedDevice];
    setup.loadpoints[0].charger.features = features;
    let mut bench = Bench::new(setup);
    bench.meters();
    bench.pass(1);
    bench.charger(ChargerValue::Energy(KilowattHours(10.0)));
    bench.status(ChargeStatus::Charging);
    bench.charger(ChargerValue::Soc(Percent(45.0)));
    bench.ten_minutes(10.0);
    bench.control.begin_day(bench.now);
    bench.drain();
    let row = bench.row.take().unwrap();
    assert!((row.charged.0 - 10.0 / 15.0).abs() < 1e-9);
    assert_eq!((row.soc_start, &row.vehicle), (None, &row.loadpoint), "°C is no SoC");
    let last: Vec<_> = bench.journal.iter().rev().take(4).map(|entry| entry.kind).collect();
    use JournalKind::{Connect, Disconnect, Start, Stop};
    assert_eq!(last, [Start, Connect, Disconnect, Stop]);
    assert_eq!(bench.told("sessionEnergy"), Value::float(0.0));
    bench.ten_minutes(10.0 + 10.0 / 15.0);
    assert_eq!(bench.told("sessionEnergy"), Value::float(1000.0 * 10.0 / 15.0));
    bench.status(ChargeStatus::Connected);
    assert_eq!(bench.row.unwrap().charge_duration, Some(Duration::from_secs(601)));
}

/// E-68.
#[test]
fn who_is_seen_again_changes_nothing() {
    let mut setup = house::setup();
    setup.vehicles[0].identifiers = vec!["04:AB".into()];
    setup.vehicles[0].on_identify.mode = Some(Mode::Pv);
    setup.loadpoints[0].vehicle = None;
    let mut bench = Bench::new(setup);
    bench.status(ChargeStatus::Disconnected);
    bench.car(VehicleValue::Soc(Some(Percent(71.0))));
    bench.status(ChargeStatus::Connected);
    bench.charger(ChargerValue::Identity("04:AB".into()));
    bench.pass(10);
    assert_eq!(bench.control.loadpoints()[0].settings.mode, Mode::Pv);
    bench.control.set_mode(bench.now, LoadPointIx(0), Mode::Now).unwrap();
    bench.charger(ChargerValue::Identity("04:AB".into()));
    bench.pass(10);
    assert_eq!(bench.control.loadpoints()[0].settings.mode, Mode::Now);
    assert_eq!(bench.control.soc(LoadPointIx(0)), Some(Percent(71.0)));
    bench.status(ChargeStatus::Charging);
    bench.status(ChargeStatus::Connected);
    assert_eq!(bench.row.unwrap().vehicle, "Blauer Tesla");
}

/// Without a counter energy is power over time, up to the very end.
#[test]
fn a_clean_stop_loses_no_energy_of_a_session() {
    let mut bench = Bench::house();
    bench.status(ChargeStatus::Charging);
    bench.charger(ChargerValue::Power(Watts(3600.0)));
    bench.pass(100);
    bench.control.close_books(bench.now);
    bench.drain();
    let journal = std::mem::take(&mut bench.journal);
    let mut next = Bench::new(house::setup());
    next.control.restore_journal(bench.now, journal);
    let charged = next.control.loadpoints()[0].session().energy;
    assert!((charged.0 - 100.0).abs() < 2.0, "{charged:?}");
}

/// The journal of a session that ran when the program ended.
fn left_open() -> Vec<JournalEntry> {
    let mut bench = Bench::house();
    bench.charger(ChargerValue::Energy(KilowattHours(50.0)));
    bench.status(ChargeStatus::Charging);
    bench.ten_minutes(50.0);
    bench.control.close_books(bench.now);
    bench.drain();
    bench.journal
}

#[test]
fn a_session_of_a_load_point_that_is_gone_is_closed() {
    let mut journal = left_open();
    let last = journal.last().unwrap().at;
    journal.iter_mut().for_each(|entry| entry.session.loadpoint = "lp-9".into());
    let mut bench = Bench::new(house::setup());
    bench.control.restore_journal(bench.now, journal);
    bench.drain();
    assert_eq!(bench.journal.last().unwrap().kind, JournalKind::Disconnect);
    let row = bench.row.unwrap();
    assert!((row.charged.0 - 10.0 / 15.0).abs() < 1e-9);
    assert_eq!(row.finished, Some(last), "it charged up to the last entry");
}

#[test]
fn an_older_session_that_was_never_closed_is_closed() {
    let older = left_open();
    let mut newer = older.clone();
    newer.iter_mut().for_each(|entry| entry.session.connected_ms += 3_600_000);
    let mut bench = Bench::new(house::setup());
    let journal = older.iter().chain(&newer).cloned().collect();
    bench.control.restore_journal(bench.now, journal);
    bench.drain();
    let closed = bench.journal.last().expect("the end of the older one");
    assert_eq!((&closed.session, closed.kind), (&older[0].session, JournalKind::Disconnect));
    assert!(bench.row.is_some(), "and it is listed as it ended");
}
