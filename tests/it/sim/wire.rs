//! The world over MQTT and as facts.

use chargebus::model::{
    Amps, ChargeStatus, ChargerCommand, ChargerValue, Effect, Fact, LoadPointIx, MeterRole,
    MeterValue, Outcome, Trust, VehicleIx, VehicleValue, Watts,
};
use chargebus::sim::{Command, DEMO_YAML, FILTERS, Message};

use super::{charging, command, run, said, seconds, start, text, world};

#[test]
fn messages_are_those_of_the_reference_site() {
    let mut world = world();
    text(&mut world, "sim/wb/1/maxcurrent/set", "10");
    text(&mut world, "sim/wb/1/enable/set", "true");
    run(&mut world, 0, 60);
    let messages = world.messages();
    let of_devices = |message: &&Message| message.topic.starts_with("sim/");
    assert!(messages.iter().filter(of_devices).all(|message| !message.retain));
    let expected = [
        ("sim/wb/1/status", "C"),
        ("sim/wb/1/enabled", "true"),
        ("sim/wb/1/power", "6900"),
        ("sim/wb/1/l1", "10"),
        ("sim/wb/1/l3", "10"),
        ("sim/wb/2/status", "B"),
        ("sim/wb/2/enabled", "false"),
        ("sim/wb/2/power", "0"),
    ];
    for (topic, payload) in expected {
        assert_eq!(said(&messages, topic), Some(payload), "{topic}");
    }
    for topic in
        ["sim/grid/power", "sim/grid/l2", "sim/pv/1/power", "sim/pv/2/power", "sim/battery/power"]
    {
        let number: f64 = said(&messages, topic).unwrap().parse().unwrap();
        assert!(number.is_finite(), "{topic}");
    }
    let energy: f64 = said(&messages, "sim/wb/1/energy").unwrap().parse().unwrap();
    assert!(energy > 123.4 && energy < 123.6, "{energy}");
    assert!(world.messages().is_empty(), "one report a second");
    run(&mut world, 60, 61);
    assert_eq!(
        said(&world.messages(), "sim/wb/1/power"),
        Some("6900"),
        "unchanged values are sent again"
    );
}

#[test]
fn every_topic_of_the_demo_configuration_is_served() {
    let mut world = world();
    world.step(seconds(1));
    let messages = world.messages();
    let mut topics = 0;
    for rest in DEMO_YAML.split("topic: sim/").skip(1) {
        let topic = format!("sim/{}", rest.split(['}', '\n']).next().unwrap().trim());
        topics += 1;
        if topic.ends_with("/set") {
            let payload = if topic.ends_with("enable/set") { "true" } else { "1" };
            let fixed = topic == "sim/wb/2/phases/set";
            assert!(fixed || world.handle(&topic, payload.as_bytes()), "{topic}");
        } else {
            assert!(said(&messages, &topic).is_some(), "{topic}");
        }
    }
    assert_eq!(topics, 28);
    assert_eq!(FILTERS, ["sim/wb/+/+/set", "sim/battery/mode/set"]);
}

#[test]
fn what_is_no_command_is_refused() {
    let mut world = world();
    let wrong: [(&str, &[u8]); 10] = [
        ("sim/wb/3/enable/set", b"true"),
        ("sim/wb/0/enable/set", b"true"),
        ("sim/wb/x/enable/set", b"true"),
        ("sim/wb/1/enable", b"true"),
        ("sim/wb/1/enable/set", b"maybe"),
        ("sim/wb/1/enable/set", b"\xff"),
        ("sim/wb/1/maxcurrent/set", b""),
        ("sim/battery/mode/set", b"5"),
        ("sim/battery/mode/set", b"unknown"),
        ("evcc/loadpoints/1/mode/set", b"pv"),
    ];
    for (topic, payload) in wrong {
        assert!(!world.handle(topic, payload), "{topic}");
    }
    let before = world.flows();
    world.handle("sim/wb/1/maxcurrent/set", b"NaN");
    world.handle("sim/wb/1/enable/set", b"true");
    world.step(seconds(1));
    world.step(seconds(30));
    assert!(before.charging == Watts::ZERO && world.flows().charging.0.is_finite());
}

#[test]
fn facts_fit_the_setup() {
    let mut world = charging();
    run(&mut world, 60, 61);
    let setup = world.setup();
    let roles: Vec<_> = setup.meters.iter().map(|meter| meter.role).collect();
    assert_eq!(roles, [MeterRole::Grid, MeterRole::Pv, MeterRole::Pv, MeterRole::Battery]);
    assert_eq!((setup.loadpoints.len(), setup.vehicles.len()), (2, 2));
    let facts = world.facts();
    let mut sum = Watts::ZERO;
    for fact in &facts {
        match fact {
            Fact::Meter { meter, value: MeterValue::Power(power), .. } => {
                assert!(meter.0 < setup.meters.len());
                sum += *power;
            }
            Fact::Charger { lp, value: ChargerValue::Power(power), .. } => {
                assert!(lp.0 < setup.loadpoints.len());
                sum -= *power;
            }
            _ => {}
        }
    }
    assert!(
        (sum - world.flows().load).abs() < Watts(1e-6),
        "grid + pv + battery - charging = load"
    );
    let status = ChargerValue::Status(ChargeStatus::Charging);
    assert!(
        facts.iter().any(|fact| matches!(fact, Fact::Charger { value, .. } if *value == status))
    );
    let trust = VehicleValue::Trust(Trust::Live);
    let vehicle = VehicleIx(0);
    assert!(facts.iter().any(|fact| matches!(fact, Fact::Vehicle { vehicle: of, value, .. }
            if *of == vehicle && *value == trust)));
    assert!(world.facts().is_empty(), "one report a second");
}

#[test]
fn a_typed_command_reaches_the_battery_and_the_car() {
    let mut world = world();
    let wallbox = world.wallboxes()[0].clone();
    let mut copy = wallbox.clone();
    assert_eq!(copy.handle(start().mono, Command::MaxCurrent(Amps(f64::NAN))), Outcome::Failed);
    if let Some(car) = world.car_mut(0) {
        car.asleep = true;
    }
    assert_eq!(command(&mut world, ChargerCommand::WakeUp), Outcome::Done);
    assert!(!world.cars()[0].asleep);
    assert_eq!(command(&mut world, ChargerCommand::Renew), Outcome::Done);
    let lp = LoadPointIx(9);
    world.apply(&Effect::Charger { lp, command: ChargerCommand::Enable(true) });
    let outcome = Outcome::Failed;
    let command = ChargerCommand::Enable(true);
    assert!(world.facts().contains(&Fact::Done { lp, command, outcome }));
}
