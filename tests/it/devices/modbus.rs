//! Modbus links against a real server and against servers that misbehave (design S6).

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::time::Duration;

use chargebus::config::{
    ChargerDevice, Composite, Encoding, MeterDevice, ModbusLink, ModbusSource, Number, Register,
    RegisterKind, Sink, Source,
};
use chargebus::model::{
    Amps, ChargerCommand, ChargerValue, Fact, LoadPointIx, MeterIx, MeterValue, Origin, Outcome,
};
use tokio::net::TcpListener;

use super::servers::{Memory, Misbehaviour, converse, misbehave, serve, serve_on, sometimes_late};
use super::{Rig, site};

const TIMEOUT: Duration = Duration::from_millis(250);

fn link(address: SocketAddr) -> ModbusLink {
    ModbusLink {
        uri: address.to_string(),
        id: 1,
        rtu: false,
        timeout: TIMEOUT,
        delay: Duration::ZERO,
    }
}

fn register(kind: RegisterKind, address: u16, number: Number) -> Register {
    let encoding = Encoding { number, swapped: false, nan: false };
    Register { kind, address, encoding, bitmask: 0 }
}

fn source(link: &ModbusLink, register: Register) -> Source {
    Source::Modbus(ModbusSource {
        link: link.clone(),
        register,
        scale: 1.0,
        interval: Duration::from_millis(100),
    })
}

/// A meter whose power is the holding register of that address.
fn meter(link: &ModbusLink, address: u16) -> MeterDevice {
    let register = register(RegisterKind::Holding, address, Number::Uint16);
    MeterDevice { power: Some(source(link, register)), ..MeterDevice::default() }
}

fn power(fact: &Fact) -> (MeterIx, f64) {
    match fact {
        Fact::Meter { meter, value: MeterValue::Power(power), origin: Origin::Live } => {
            (*meter, power.0)
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn every_register_type_is_read() {
    let memory = Memory::default();
    memory.set(0, &[1]);
    memory.set(10, &[0x4B3C, 0x614E]);
    memory.set(20, &[0xFFFE]);
    memory.set(30, &[0x0001, 0x0000, 0x0000, 0x0000]);
    memory.set(40, &[0x4220]);
    memory.set(50, &[6]);
    let link = link(serve(&memory).await);
    let device = |kind, address, number| Some(source(&link, register(kind, address, number)));
    let masked = Register { bitmask: 4, ..register(RegisterKind::Input, 50, Number::Bool) };
    let wallbox = ChargerDevice {
        enabled: device(RegisterKind::Coil, 0, Number::Bool),
        power: device(RegisterKind::Holding, 10, Number::Float32),
        energy: device(RegisterKind::Input, 20, Number::Int16),
        soc: device(RegisterKind::Holding, 30, Number::Uint64),
        status: device(RegisterKind::Holding, 40, Number::Uint16),
        ..ChargerDevice::default()
    };
    let combined = ChargerDevice {
        status: Some(Source::Composite(Box::new(Composite::Combined {
            plugged: source(&link, masked),
            charging: source(&link, register(RegisterKind::Coil, 0, Number::Bool)),
        }))),
        ..ChargerDevice::default()
    };
    let mut rig = Rig::start(&site(vec![], vec![wallbox, combined], vec![]));
    let mut seen = BTreeMap::new();
    for _ in 0..30 {
        let Fact::Charger { lp, value, .. } = rig.fact().await else { panic!("only chargers") };
        seen.insert(format!("{} {value:?}", lp.0), value);
        if seen.len() == 6 {
            break;
        }
    }
    assert_eq!(
        seen.into_keys().collect::<Vec<_>>(),
        [
            "0 Enabled(true)",
            "0 Energy(KilowattHours(-2.0))",
            "0 Power(Watts(12345678.0))",
            "0 Soc(Percent(281474976710656.0))",
            "0 Status(Connected)",
            "1 Status(Charging)",
        ]
    );
    let health = rig.devices.health();
    assert!(health.iter().all(|device| device.last_ok.is_some() && device.error.is_none()));
}

#[tokio::test]
async fn one_bad_device_delays_nobody_else() {
    let memory = Memory::default();
    memory.set(7, &[700]);
    let good = link(serve(&memory).await);
    let all = [
        Misbehaviour::Silent,
        Misbehaviour::Closes,
        Misbehaviour::Garbage,
        Misbehaviour::WrongTransaction,
        Misbehaviour::WrongUnit,
        Misbehaviour::WrongFunction,
        Misbehaviour::TooManyWords,
        Misbehaviour::Exception,
    ];
    let mut meters = vec![meter(&good, 7)];
    for how in all {
        meters.push(meter(&link(misbehave(how).await), 7));
    }
    // A port where nobody listens, and an address that is none.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    meters.push(meter(&link(listener.local_addr().unwrap()), 7));
    drop(listener);
    let nowhere = ModbusLink { uri: "127.0.0.1".to_owned(), ..good.clone() };
    meters.push(meter(&nowhere, 7));
    let bad = meters.len() - 1;

    let mut rig = Rig::start(&site(meters, vec![], vec![]));
    let mut readings = 0;
    for _ in 0..300 {
        // Whatever the others do, only the good device is heard, with its own value.
        assert_eq!(power(&rig.fact().await), (MeterIx(0), 700.0));
        readings += 1;
        let failing = rig.devices.health().iter().filter(|device| device.error.is_some()).count();
        if readings >= 10 && failing == bad {
            break;
        }
    }
    for device in rig.devices.health() {
        let good = device.name == "meter1";
        assert_eq!(device.error.is_none(), good, "{device:?}");
        assert_eq!(device.last_ok.is_some(), good, "{device:?}");
    }
}

#[tokio::test]
async fn a_late_answer_is_never_taken_for_another() {
    for rtu in [false, true] {
        let (address, requests) = sometimes_late(rtu).await;
        let link = ModbusLink { rtu, ..link(address) };
        let meters = vec![meter(&link, 1), meter(&link, 2), meter(&link, 3)];
        let mut rig = Rig::start(&site(meters, vec![], vec![]));
        for _ in 0..100 {
            let (meter, value) = power(&rig.fact().await);
            assert_eq!(value, (meter.0 + 1) as f64, "the answer to another question, rtu {rtu}");
            if requests.load(Ordering::SeqCst) >= 7 {
                break;
            }
        }
        assert!(requests.load(Ordering::SeqCst) >= 7, "the server was late twice, rtu {rtu}");
    }
}

#[tokio::test]
async fn a_silent_unit_does_not_silence_its_neighbour() {
    let one = link(misbehave(Misbehaviour::UnitTwoSilent).await);
    let two = ModbusLink { id: 2, ..one.clone() };
    let mut rig = Rig::start(&site(vec![meter(&one, 1), meter(&two, 2)], vec![], vec![]));
    for _ in 0..10 {
        assert_eq!(power(&rig.fact().await), (MeterIx(0), 1.0));
    }
    let health = rig.devices.health();
    assert!(health[0].error.is_none(), "{health:?}");
    assert!(health[1].error.is_some() && health[1].last_ok.is_none(), "{health:?}");
}

#[tokio::test]
async fn a_device_that_comes_back_is_read_again() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let link = link(listener.local_addr().unwrap());
    let mut rig = Rig::start(&site(vec![meter(&link, 9)], vec![], vec![]));
    // The first connection dies without an answer, the second one works.
    let (first, _) =
        tokio::time::timeout(super::DEADLINE, listener.accept()).await.unwrap().unwrap();
    drop(first);
    let (second, _) =
        tokio::time::timeout(super::DEADLINE, listener.accept()).await.unwrap().unwrap();
    tokio::spawn(converse(second, Misbehaviour::UnitTwoSilent));
    assert_eq!(power(&rig.fact().await), (MeterIx(0), 9.0));
    assert_eq!(rig.devices.health()[0].error, None);
}

fn wallbox(link: &ModbusLink) -> ChargerDevice {
    let sink = |kind, address, number, scale| {
        let register = register(kind, address, number);
        Some(Sink::Modbus { link: link.clone(), register, scale })
    };
    ChargerDevice {
        enable: sink(RegisterKind::WriteCoil, 1, Number::Bool, 1.0),
        max_current: sink(RegisterKind::WriteSingle, 2, Number::Uint16, 10.0),
        phases: sink(RegisterKind::WriteMultiple, 4, Number::Int32, 1.0),
        ..ChargerDevice::default()
    }
}

#[tokio::test]
async fn set_points_are_written_in_order() {
    let memory = Memory::default();
    let mut rig = Rig::start(&site(vec![], vec![wallbox(&link(serve(&memory).await))], vec![]));
    let lp = LoadPointIx(0);
    let commands = [
        ChargerCommand::Phases(3),
        ChargerCommand::MaxCurrent(Amps(13.7)),
        ChargerCommand::Enable(true),
    ];
    commands.into_iter().for_each(|command| rig.devices.command(lp, command));
    for command in commands {
        let outcome = Outcome::Done;
        assert_eq!(rig.fact().await, Fact::Done { lp, command, outcome });
    }
    let memory = memory.0.lock().unwrap().clone();
    // Whole amperes, scaled by the sink.
    assert_eq!(memory, BTreeMap::from([(1, 1), (2, 130), (4, 0), (5, 3)]));
}

#[tokio::test]
async fn off_is_tried_until_a_dead_charger_takes_it() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let link = link(listener.local_addr().unwrap());
    let polled = ChargerDevice {
        power: Some(source(&link, register(RegisterKind::Holding, 100, Number::Uint16))),
        ..wallbox(&link)
    };
    let mut rig = Rig::start(&site(vec![], vec![polled], vec![]));
    let (lp, command) = (LoadPointIx(0), ChargerCommand::Enable(false));
    rig.devices.command(lp, command);
    // The backlog accepts connections; nobody answers.
    let outcome = Outcome::Failed;
    assert_eq!(rig.fact().await, Fact::Done { lp, command, outcome });
    assert!(rig.devices.health()[0].error.is_some());
    let memory = Memory::default();
    memory.set(100, &[0]);
    serve_on(listener, &memory);
    let mut done = false;
    for _ in 0..100 {
        match rig.fact().await {
            Fact::Done { outcome, .. } => {
                assert_eq!(outcome, Outcome::Done);
                done = true;
                break;
            }
            Fact::Charger { value: ChargerValue::Power(_), .. } => {}
            other => panic!("{other:?}"),
        }
    }
    assert!(done && memory.0.lock().unwrap().get(&1) == Some(&0));
}

#[tokio::test]
async fn sinks_that_cannot_be_written_are_named() {
    let nowhere = link("127.0.0.1:1".parse().unwrap());
    let device = ChargerDevice {
        enable: Some(Sink::Modbus {
            link: nowhere.clone(),
            register: register(RegisterKind::Holding, 1, Number::Uint16),
            scale: 1.0,
        }),
        ..ChargerDevice::default()
    };
    let mut rig = Rig::start(&site(vec![], vec![device], vec![]));
    let broken: Vec<_> = rig.devices.broken().iter().map(ToString::to_string).collect();
    assert_eq!(broken, ["charger1.enable: the register type is for reading"]);
    let (lp, command) = (LoadPointIx(0), ChargerCommand::Enable(true));
    rig.devices.command(lp, command);
    let outcome = Outcome::Failed;
    assert_eq!(rig.fact().await, Fact::Done { lp, command, outcome });
}
