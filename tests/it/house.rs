//! The reference site as a setup: two producers, a battery, two load points, two vehicles.

use std::time::Duration;

use chargebus::api::System;
use chargebus::control::Control;
use chargebus::model::{
    Amps, ChargerSetup, KilowattHours, LoadPointSetup, MeterRole, MeterSetup, Mode, Mono, Now,
    Percent, Setup, Thresholds, VehicleFeature, VehicleIx, VehicleSetup, Volts, Watts,
};
use chrono::DateTime;

/// 2026-08-08 12:00:00 UTC at 10 s of monotonic time.
pub fn noon() -> Now {
    Now {
        mono: Mono(10_000),
        utc: DateTime::from_timestamp(1_786_190_400, 0).unwrap(),
    }
}

pub fn control() -> Control {
    Control::new(setup(), noon())
}

pub fn system() -> System {
    System {
        version: System::version(),
        anchor: noon(),
        interval: Duration::from_secs(30),
        currency: "EUR".to_owned(),
        timezone: "UTC +00:00".to_owned(),
        platform: "linux/amd64".to_owned(),
        started: true,
        mirrors: true,
    }
}

pub fn setup() -> Setup {
    Setup {
        title: "Zuhause".to_owned(),
        voltage: Volts(230.0),
        residual_power: Watts::ZERO,
        priority_soc: Percent::ZERO,
        buffer_soc: Percent::ZERO,
        buffer_start_soc: Percent::ZERO,
        meters: vec![
            meter("grid", MeterRole::Grid),
            meter("pv1", MeterRole::Pv),
            meter("pv2", MeterRole::Pv),
            MeterSetup {
                capacity: Some(KilowattHours(10.0)),
                controllable: true,
                ..meter("bat", MeterRole::Battery)
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
            loadpoint("lp-2", "Garage"),
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
    }
}

fn meter(name: &str, role: MeterRole) -> MeterSetup {
    MeterSetup {
        name: name.to_owned(),
        title: String::new(),
        role,
        capacity: None,
        max_ac_power: None,
        max_discharge_power: None,
        controllable: false,
        timeout: None,
    }
}

fn loadpoint(name: &str, title: &str) -> LoadPointSetup {
    LoadPointSetup {
        name: name.to_owned(),
        title: title.to_owned(),
        default_mode: None,
        priority: 0,
        phases_configured: 0,
        min_current: Amps(6.0),
        max_current: Amps(16.0),
        thresholds: Thresholds::default(),
        vehicle: None,
        charger: ChargerSetup {
            name: "wb2".to_owned(),
            has_power: true,
            ..ChargerSetup::default()
        },
    }
}
