//! The reference site as a setup: two producers, a battery, two load points, two vehicles.

use std::time::Duration;

use chargebus::api::{About, System};
use chargebus::control::Control;
use chargebus::control::tariff::{Tariff, TariffStatus, Tariffs};
use chargebus::model::{
    Amps, ChargeStatus, ChargerSetup, ChargerValue, Fact, KilowattHours, LoadPointIx,
    LoadPointSetup, MeterIx, MeterRole, MeterSetup, MeterValue, Mode, Mono, Now, Origin, Percent,
    Phase, Rate, Setup, Statistics, TariffKind, VehicleFeature, VehicleIx, VehicleSetup,
    VehicleValue, Watts,
};
use chrono::DateTime;

/// 2026-08-08 12:00:00 UTC at 10 s of monotonic time.
pub(crate) fn noon() -> Now {
    Now { mono: Mono(10_000), utc: DateTime::from_timestamp(1_786_190_400, 0).unwrap() }
}

pub(crate) fn control() -> Control {
    Control::new(setup(), noon())
}

pub(crate) fn system() -> System {
    System {
        version: System::version(),
        anchor: noon(),
        interval: Duration::from_secs(30),
        currency: "EUR".to_owned(),
        timezone: "UTC +00:00".to_owned(),
        platform: "linux/amd64".to_owned(),
        started: true,
        mirrors: true,
        standby: None,
        about: About::default(),
    }
}

pub(crate) fn setup() -> Setup {
    Setup {
        title: "Zuhause".to_owned(),
        meters: vec![
            MeterSetup::new("grid", MeterRole::Grid),
            MeterSetup::new("pv1", MeterRole::Pv),
            MeterSetup::new("pv2", MeterRole::Pv),
            MeterSetup {
                capacity: Some(KilowattHours(10.0)),
                controllable: true,
                ..MeterSetup::new("bat", MeterRole::Battery)
            },
        ],
        loadpoints: vec![
            LoadPointSetup {
                default_mode: Some(Mode::Pv),
                vehicle: Some(VehicleIx(0)),
                charger: ChargerSetup {
                    name: "wb1".to_owned(),
                    phase_switching: true,
                    has_power: true,
                    has_energy: true,
                    has_currents: true,
                    ..ChargerSetup::default()
                },
                ..loadpoint("lp-1", "Carport")
            },
            LoadPointSetup { phases_configured: 3, ..loadpoint("lp-2", "Garage") },
        ],
        vehicles: vec![
            VehicleSetup {
                name: "tesla".to_owned(),
                title: "Blauer Tesla".to_owned(),
                capacity: Some(KilowattHours(75.0)),
                ..VehicleSetup::default()
            },
            VehicleSetup {
                name: "zoe".to_owned(),
                title: "Zoe".to_owned(),
                icon: Some("car".to_owned()),
                capacity: Some(KilowattHours(52.0)),
                features: vec![VehicleFeature::Offline],
                ..VehicleSetup::default()
            },
        ],
        ..Setup::default()
    }
}

fn loadpoint(name: &str, title: &str) -> LoadPointSetup {
    LoadPointSetup {
        name: name.to_owned(),
        title: title.to_owned(),
        charger: ChargerSetup {
            name: "wb2".to_owned(),
            has_power: true,
            ..ChargerSetup::default()
        },
        ..LoadPointSetup::default()
    }
}

/// The reference site's tariffs for the next four hours.
pub(crate) fn tariffs() -> Tariffs {
    let tariff = |kind, value| {
        let start = |slot: i64| noon().utc + chrono::TimeDelta::minutes(15 * slot);
        let rates = (0..16).map(|slot| Rate { start: start(slot), end: start(slot + 1), value });
        Some(Tariff { kind, rates: rates.collect(), status: TariffStatus::Fresh })
    };
    Tariffs {
        grid: tariff(TariffKind::PriceForecast, 0.3),
        feed_in: tariff(TariffKind::PriceStatic, 0.08),
        ..Tariffs::default()
    }
}

/// The first values of the reference site's devices, and a decision upon them.
pub(crate) fn fed() -> Control {
    let mut control = control();
    control.set_statistics(Some(Statistics::default()));
    let meter =
        |meter: usize, value| Fact::Meter { meter: MeterIx(meter), value, origin: Origin::Live };
    let charger =
        |lp: usize, value| Fact::Charger { lp: LoadPointIx(lp), value, origin: Origin::Live };
    let vehicle = |value| Fact::Vehicle { vehicle: VehicleIx(0), value, origin: Origin::Live };
    let facts = [
        meter(0, MeterValue::Power(Watts(-3000.0))),
        meter(0, MeterValue::Current(Phase::L1, Amps(-4.0))),
        meter(0, MeterValue::Current(Phase::L2, Amps(-4.0))),
        meter(0, MeterValue::Current(Phase::L3, Amps(-5.0))),
        meter(1, MeterValue::Power(Watts(2500.0))),
        meter(2, MeterValue::Power(Watts(1500.0))),
        meter(3, MeterValue::Power(Watts(-200.0))),
        meter(3, MeterValue::Soc(Percent(55.0))),
        charger(0, ChargerValue::Status(ChargeStatus::Connected)),
        charger(0, ChargerValue::Enabled(false)),
        charger(0, ChargerValue::Power(Watts::ZERO)),
        charger(0, ChargerValue::Energy(KilowattHours(123.4))),
        charger(0, ChargerValue::Current(Phase::L1, Amps::ZERO)),
        charger(0, ChargerValue::Current(Phase::L2, Amps::ZERO)),
        charger(0, ChargerValue::Current(Phase::L3, Amps::ZERO)),
        charger(1, ChargerValue::Status(ChargeStatus::Disconnected)),
        charger(1, ChargerValue::Enabled(false)),
        charger(1, ChargerValue::Power(Watts::ZERO)),
        vehicle(VehicleValue::Soc(Some(Percent(41.0)))),
        vehicle(VehicleValue::RangeKm(Some(210.5))),
        vehicle(VehicleValue::OdometerKm(Some(45678.9))),
        vehicle(VehicleValue::LimitSoc(Some(Percent(80.0)))),
        vehicle(VehicleValue::Status(Some(ChargeStatus::Connected))),
    ];
    for fact in facts {
        control.handle(noon(), fact);
    }
    control.set_tariffs(noon(), tariffs());
    control.handle_timeout(noon().later(Duration::from_secs(1)));
    while control.poll().is_some() {}
    control
}
