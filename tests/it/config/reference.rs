//! The reference site becomes exactly what it says.

use std::time::Duration;

use chargebus::config::{ChargerDevice, Composite, MeterDevice, Source, VehicleDevice};
use chargebus::model::{
    Amps, KilowattHours, MeterRole, Mode, Percent, Thresholds, VehicleFeature, VehicleIx, Volts,
    Watts,
};

use super::{REFERENCE, good, mqtt, notices, publish, three};

#[test]
fn everything_is_used() {
    assert_eq!(notices(REFERENCE), [""; 0]);
}

#[test]
fn the_top_level_is_read() {
    let config = good(REFERENCE);
    assert_eq!(config.network.host, "0.0.0.0");
    assert_eq!(config.network.port, 7070);
    assert_eq!(config.interval, Duration::from_secs(30));
    assert_eq!(config.log.as_deref(), Some("info"));
    assert_eq!(config.database.as_deref(), Some("site.db"));
    assert_eq!(config.currency, "EUR");
    assert_eq!(config.root, "evcc");
    assert_eq!(config.broker, None);
    assert!(config.discover_cars);
    let mqtt = config.mqtt.unwrap();
    assert_eq!((mqtt.host.as_str(), mqtt.port, mqtt.tls), ("127.0.0.1", 1883, false));
    assert_eq!((mqtt.user.as_str(), mqtt.password.as_str()), ("", ""));
    assert_eq!(mqtt.client_id, None);
}

#[test]
fn the_site_is_read() {
    let setup = good(REFERENCE).setup;
    assert_eq!(setup.title, "Zuhause");
    assert_eq!(setup.voltage, Volts(230.0));
    assert_eq!(setup.residual_power, Watts(0.0));
    assert_eq!(setup.priority_soc, Percent(0.0));
    let meters: Vec<_> = setup
        .meters
        .iter()
        .map(|meter| (meter.name.as_str(), meter.role, meter.controllable, meter.capacity))
        .collect();
    assert_eq!(
        meters,
        [
            ("grid", MeterRole::Grid, false, None),
            ("pv1", MeterRole::Pv, false, None),
            ("pv2", MeterRole::Pv, false, None),
            ("bat", MeterRole::Battery, true, Some(KilowattHours(10.0))),
        ]
    );
}

#[test]
fn meters_are_reached_by_their_topics() {
    let devices = good(REFERENCE).devices;
    assert_eq!(
        devices.meters,
        [
            MeterDevice {
                power: Some(mqtt("sim/grid/power")),
                currents: Some(three("sim/grid")),
                ..MeterDevice::default()
            },
            MeterDevice { power: Some(mqtt("sim/pv/1/power")), ..MeterDevice::default() },
            MeterDevice { power: Some(mqtt("sim/pv/2/power")), ..MeterDevice::default() },
            MeterDevice {
                power: Some(mqtt("sim/battery/power")),
                soc: Some(mqtt("sim/battery/soc")),
                battery_mode: Some(publish("sim/battery/mode/set")),
                ..MeterDevice::default()
            },
        ]
    );
}

#[test]
fn chargers_run_parallel_to_load_points() {
    let config = good(REFERENCE);
    assert_eq!(
        config.devices.chargers,
        [
            ChargerDevice {
                status: Some(mqtt("sim/wb/1/status")),
                enabled: Some(mqtt("sim/wb/1/enabled")),
                enable: Some(publish("sim/wb/1/enable/set")),
                max_current: Some(publish("sim/wb/1/maxcurrent/set")),
                phases: Some(publish("sim/wb/1/phases/set")),
                power: Some(mqtt("sim/wb/1/power")),
                energy: Some(mqtt("sim/wb/1/energy")),
                currents: Some(three("sim/wb/1")),
                ..ChargerDevice::default()
            },
            ChargerDevice {
                status: Some(mqtt("sim/wb/2/status")),
                enabled: Some(mqtt("sim/wb/2/enabled")),
                enable: Some(publish("sim/wb/2/enable/set")),
                max_current: Some(publish("sim/wb/2/maxcurrent/set")),
                power: Some(mqtt("sim/wb/2/power")),
                ..ChargerDevice::default()
            },
        ]
    );
    let [carport, garage] = config.setup.loadpoints.as_slice() else {
        panic!("two load points");
    };
    assert_eq!((carport.name.as_str(), carport.title.as_str()), ("lp-1", "Carport"));
    assert_eq!((garage.name.as_str(), garage.title.as_str()), ("lp-2", "Garage"));
    assert_eq!(carport.default_mode, Some(Mode::Pv));
    assert_eq!(garage.default_mode, Some(Mode::Off));
    assert_eq!((carport.phases_configured, garage.phases_configured), (0, 3));
    assert_eq!((carport.min_current, carport.max_current), (Amps(6.0), Amps(16.0)));
    assert_eq!(carport.thresholds, Thresholds::default());
    assert_eq!((carport.vehicle, garage.vehicle), (Some(VehicleIx(0)), None));
    let charger = &carport.charger;
    assert_eq!(charger.name, "wb1");
    assert!(charger.phase_switching && charger.has_power && charger.has_energy);
    assert!(charger.has_currents && !charger.has_voltages);
    assert!(!charger.milliamps && !charger.can_wake);
    let charger = &garage.charger;
    assert_eq!(charger.name, "wb2");
    assert!(charger.has_power && !charger.has_energy && !charger.phase_switching);
}

#[test]
fn vehicles_are_read() {
    let config = good(REFERENCE);
    let [tesla, zoe] = config.setup.vehicles.as_slice() else {
        panic!("two vehicles");
    };
    assert_eq!((tesla.name.as_str(), tesla.title.as_str()), ("tesla", "Blauer Tesla"));
    assert_eq!(tesla.capacity, Some(KilowattHours(75.0)));
    assert_eq!(tesla.features, []);
    assert_eq!((zoe.name.as_str(), zoe.capacity), ("zoe", Some(KilowattHours(52.0))));
    assert_eq!(zoe.features, [VehicleFeature::Offline]);
    let [tesla, zoe] = config.devices.vehicles.as_slice() else {
        panic!("two vehicles");
    };
    assert_eq!(tesla.soc, Some(mqtt("teslamate/cars/1/battery_level")));
    assert_eq!(tesla.range, Some(mqtt("teslamate/cars/1/rated_battery_range_km")));
    assert_eq!(tesla.odometer, Some(mqtt("teslamate/cars/1/odometer")));
    assert_eq!(tesla.limit_soc, Some(mqtt("teslamate/cars/1/charge_limit_soc")));
    assert_eq!(
        tesla.status,
        Some(Source::Composite(Box::new(Composite::Combined {
            plugged: mqtt("teslamate/cars/1/plugged_in"),
            charging: mqtt("sim/car/1/charging"),
        })))
    );
    assert_eq!(tesla.teslamate, None);
    assert_eq!(zoe, &VehicleDevice::default());
}
