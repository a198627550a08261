//! Devices and what they can say.

use std::time::Duration;

use chargebus::config::{
    Broker, Encoding, ModbusLink, MqttSource, Number, Pipeline, Register, RegisterKind, Sink,
    Source, TeslaMateCar,
};
use chargebus::model::{
    Amps, ChargerFeature, KilowattHours, Mode, Thresholds, VehicleFeature, Watts,
};

use super::{SMALL, good, mqtt, notices, parse};

#[test]
fn a_charge_meter_wins_over_the_charger() {
    let text = format!(
        "{SMALL}    power: {{source: mqtt, topic: wb/power}}
    energy: {{source: mqtt, topic: wb/energy}}
meters:
  - {{name: sub, type: custom, power: {{source: mqtt, topic: sub/power}}, currents: [{c}, {c}, {c}]}}
loadpoints:
  - {{charger: wallbox, meter: sub}}
",
        c = "{source: const, value: 0}"
    );
    let config = good(&text);
    assert_eq!(notices(&text).len(), 0);
    let device = &config.devices.chargers[0];
    assert_eq!(device.power, Some(mqtt("sub/power")));
    assert_eq!(device.energy, Some(mqtt("wb/energy")));
    assert!(config.setup.loadpoints[0].charger.has_currents);
    assert!(config.setup.meters.is_empty());
}

#[test]
fn any_vehicle_can_have_a_channel_that_wakes_it() {
    let wakeup = "wakeup: {source: mqtt, topic: car/wake}";
    let text = format!(
        "{SMALL}loadpoints:
  - {{charger: wallbox, soc: {{estimate: false}}}}
vehicles:
  - {{name: own, type: custom, soc: {{source: mqtt, topic: car/soc}}, {wakeup}}}
  - {{name: blue, type: template, template: teslamate, {wakeup}}}
  - {{name: still, type: template, template: offline}}
"
    );
    let config = good(&text);
    assert_eq!(notices(&text).len(), 0);
    let wakes: Vec<_> = config.setup.vehicles.iter().map(|car| car.can_wake).collect();
    assert_eq!(wakes, [true, true, false]);
    let channel = Sink::Mqtt { topic: "car/wake".to_owned(), payload: None, retained: false };
    assert_eq!(config.devices.vehicles[0].wakeup, Some(channel.clone()));
    assert_eq!(config.devices.vehicles[1].wakeup, Some(channel));
    assert!(!config.setup.loadpoints[0].estimate);
}

#[test]
fn everything_a_charger_can_say() {
    let text = format!(
        "{SMALL}    maxcurrentmillis: {{source: mqtt, topic: wb/ma, payload: '${{maxcurrentmillis:%.1fk}}', retained: true}}
    wakeup: {{source: mqtt, topic: wb/wake}}
    identify: {{source: mqtt, topic: wb/id, regex: '([0-9]+)', default: none, jq: .x, quote: 1, timeout: 1m}}
    features: [heating, IntegratedDevice]
    icon: heatpump
    safecurrent: 6
loadpoints:
  - charger: wallbox
    priority: 2
    phases: 1
    minCurrent: 6.5
    maxCurrent: '32'
    enable: {{threshold: -500, delay: 1m30s}}
    disable: {{delay: 5m}}
"
    );
    let config = good(&text);
    assert_eq!(notices(&text).len(), 0);
    let device = &config.devices.chargers[0];
    assert_eq!(device.safe_current, Some(Amps(6.0)));
    assert_eq!(
        device.max_current_millis,
        Some(Sink::Mqtt {
            topic: "wb/ma".to_owned(),
            payload: Some("${maxcurrentmillis:%.1fk}".to_owned()),
            retained: true
        })
    );
    assert_eq!(
        device.identify,
        Some(Source::Mqtt(MqttSource {
            topic: "wb/id".to_owned(),
            timeout: Some(Duration::from_secs(60)),
            scale: 1.0,
            pipeline: Pipeline {
                regex: Some("([0-9]+)".to_owned()),
                default: Some("none".to_owned()),
                jq: Some(".x".to_owned()),
                quote: true,
                ..Pipeline::default()
            },
        }))
    );
    let lp = &config.setup.loadpoints[0];
    assert!(lp.charger.milliamps && lp.charger.can_wake);
    assert_eq!(lp.charger.features, [ChargerFeature::Heating, ChargerFeature::IntegratedDevice]);
    assert_eq!((lp.priority, lp.phases_configured), (2, 1));
    assert_eq!((lp.min_current, lp.max_current), (Amps(6.5), Amps(32.0)));
    assert_eq!(
        lp.thresholds,
        Thresholds {
            enable: Watts(-500.0),
            enable_delay: Duration::from_secs(90),
            disable: Watts(0.0),
            disable_delay: Duration::from_secs(300),
        }
    );
}

#[test]
fn a_device_may_name_the_broker_again() {
    let again = "wb/status, broker: 'tcp://127.0.0.1', user: me, password: secret}";
    let text = format!("{SMALL}loadpoints: [{{charger: wallbox}}]\n");
    let config = good(&text.replace("wb/status}", again));
    assert_eq!(config, good(&text));
}

#[test]
fn modbus_goes_over_tcp_framed_as_wanted() {
    let parsed = |way: &str| {
        let text = format!(
            "meters:\n  - {{name: m, type: custom, power: {{source: modbus, {way}, register: \
             {{address: 1, type: holding, decode: int16}}}}}}\nbroker: true\nsite: {{meters: {{grid: m}}}}\n"
        );
        parse(&text)
    };
    let rtu = |way: &str| match parsed(way).unwrap().config.devices.meters[0].power.clone() {
        Some(Source::Modbus(source)) => source.link.rtu,
        other => panic!("{other:?}"),
    };
    // E-87; a serial line and UDP are named and refused.
    assert_eq!([rtu("uri: a"), rtu("uri: a, rtu: true")], [false, true]);
    for (way, text) in [("uri: a, udp: true", "use TCP"), ("device: /dev/ttyUSB0", "use a gateway")]
    {
        let errors = parsed(way).unwrap_err().errors;
        assert!(errors.iter().any(|error| error.to_string().contains(text)), "{way}: {errors:?}");
    }
}

#[test]
fn modbus_registers_are_mapped() {
    let read = |register: &str| {
        let text = format!(
            "meters:\n  - {{name: m, type: custom, power: {{source: modbus, uri: inverter, id: 3, \
             rtu: true, delay: 20ms, scale: -0.1, register: {{{register}}}}}}}\n\
             site: {{meters: {{grid: m}}}}\n"
        );
        match good(&text).devices.meters[0].power.clone() {
            Some(Source::Modbus(source)) => source,
            other => panic!("{other:?}"),
        }
    };
    let source = read("address: 0x9C40, type: holding, decode: float32s");
    assert_eq!(
        source.link,
        ModbusLink {
            uri: "inverter:502".to_owned(),
            id: 3,
            rtu: true,
            timeout: Duration::from_secs(5),
            delay: Duration::from_millis(20),
        }
    );
    assert_eq!((source.scale, source.interval), (-0.1, Duration::from_secs(1)));
    assert_eq!(
        source.register,
        Register {
            kind: RegisterKind::Holding,
            address: 40_000,
            encoding: Encoding { number: Number::Float32, swapped: true, nan: false },
            bitmask: 0,
        }
    );
    for (name, number, swapped, nan) in [
        ("int16", Number::Int16, false, false),
        ("uint16nan", Number::Uint16, false, true),
        ("int32s", Number::Int32, true, false),
        ("UINT32NAN", Number::Uint32, false, true),
        ("uint64snan", Number::Uint64, true, true),
        ("int64", Number::Int64, false, false),
        ("ieee754s", Number::Float32, true, false),
        ("float32nans", Number::Float32, true, true),
        ("float64", Number::Float64, false, false),
        ("bool8", Number::Bool, false, false),
    ] {
        let source = read(&format!("address: 1, type: input, encoding: {name}"));
        let expected = Encoding { number, swapped, nan };
        assert_eq!(source.register.encoding, expected, "{name}");
        assert_eq!(source.register.kind, RegisterKind::Input);
    }
    let masked = read("address: 1, type: holding, encoding: bool16, bitmask: 0x0004");
    assert_eq!(masked.register.bitmask, 4);
}

#[test]
fn vehicles_keep_what_people_know_about_them() {
    let text = "
broker: true
vehicles:
  - type: template
    template: teslamate
    id: 2
    namespace: home
    timeout: 720h
    climaterdisabled: true
  - {name: blue-car, type: offline, phases: 1, identifiers: 'abc, def', features: [streaming, fast],
     onIdentify: {mode: minpv, priority: 0, minCurrent: 8, maxPower: 11000}}
  - {name: cloud, type: tesla, title: Cloud, capacity: 60, tokens: {access: secret}}
";
    let config = good(text);
    let [car, blue, cloud] = config.setup.vehicles.as_slice() else {
        panic!("three vehicles");
    };
    assert_eq!(car.name, "vehicle-1");
    assert_eq!(
        car.features,
        [
            VehicleFeature::CoarseCurrent,
            VehicleFeature::Streaming,
            VehicleFeature::ClimaterDisabled
        ]
    );
    assert_eq!(
        config.devices.vehicles[0].teslamate,
        Some(TeslaMateCar { namespace: "home".to_owned(), id: 2 })
    );
    assert_eq!(blue.title, "Blue-Car");
    assert_eq!(blue.identifiers, ["abc", "def"]);
    assert_eq!(blue.phases, Some(1));
    assert_eq!(blue.on_identify.mode, Some(Mode::MinPv));
    assert_eq!(blue.on_identify.priority, None);
    assert_eq!(blue.on_identify.min_current, Some(Amps(8.0)));
    assert_eq!(blue.on_identify.max_power, Some(Watts(11000.0)));
    assert_eq!(cloud.title, "Cloud");
    assert_eq!(cloud.features, [VehicleFeature::Offline]);
    assert_eq!(cloud.capacity, Some(KilowattHours(60.0)));
    let notices = notices(text);
    assert_eq!(
        notices[1..],
        [
            "10:95 vehicles[1].features[1]: unknown feature \"fast\", ignored",
            "12:19 vehicles[2].type: type \"tesla\" is not built in: supported are type custom \
             (MQTT, HTTP, Modbus, scripts) and template offline, teslamate; the vehicle stays, without telemetry",
        ]
    );
}

#[test]
fn demo_devices_live_in_the_simulator() {
    let text = "
meters: [{name: grid, type: template, template: demo-meter, usage: grid, power: -2000}, {name: pv, type: demo-meter}]
chargers: [{name: box, type: template, template: demo-charger}]
site: {meters: {grid: grid, pv: pv}}
loadpoints: [{charger: box}]
";
    let devices = good(text).devices;
    assert_eq!(devices.meters[0].power, Some(Source::Const("-2000".to_owned())));
    assert_eq!(devices.meters[1].power, Some(Source::Demo("pv/power".to_owned())));
    assert_eq!(devices.chargers[0].enable, Some(Sink::Demo("box/enable".to_owned())));
}

#[test]
fn the_embedded_broker_is_a_bool_or_a_map() {
    assert_eq!(good("broker: false").broker, None);
    let plain = Broker { file: None, listen: None };
    assert_eq!(good("broker: true").broker, Some(plain));
    let config = good("broker: {file: b.toml, listen: ':1884'}\nteslamate: {discover: no}");
    assert_eq!(
        config.broker,
        Some(Broker { file: Some("b.toml".to_owned()), listen: Some("0.0.0.0:1884".to_owned()) })
    );
    assert!(!config.discover_cars);
}
