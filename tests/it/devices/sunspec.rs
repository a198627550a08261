//! SunSpec devices: their models are found, and their points read (plans-vehicles-devices.md §7.1, E-93).

use std::net::SocketAddr;

use chargebus::config::{Source, SunSpecFactor};
use chargebus::model::{Fact, MeterValue};

use super::servers::{Memory, serve};
use super::{Rig, meter_site};
use crate::support::until;

/// A device whose models begin at an address: id and words behind the header.
fn device(base: u16, models: &[(u16, Vec<u16>)]) -> Memory {
    let memory = Memory::default();
    memory.set(base, &[0x5375, 0x6E53]);
    let mut at = base + 2;
    for (id, words) in models {
        memory.set(at, &[*id, words.len() as u16]);
        memory.set(at + 2, words);
        at += 2 + words.len() as u16;
    }
    memory.set(at, &[0xFFFF, 0]);
    memory
}

/// Model 103: 4321 W with the factor -1, 123456 Wh, no value for the DC power, phase currents in
/// hundredths.
fn inverter() -> (u16, Vec<u16>) {
    let mut words = vec![0xFFFF; 50];
    words[..5].copy_from_slice(&[1800, 600, 610, 590, (-2_i16) as u16]);
    (words[12], words[13]) = (43210, (-1_i16) as u16);
    (words[22], words[23], words[24]) = (1, 57920, 0);
    (words[29], words[30]) = (0x8000, 0);
    // Signed: 43210 does not fit.
    words[12] = 4321;
    (103, words)
}

fn source(address: SocketAddr, value: &str) -> String {
    format!("{{source: sunspec, uri: '{address}', interval: 100ms, value: {value}}}")
}

async fn value(rig: &mut Rig, wanted: fn(&MeterValue) -> Option<f64>) -> f64 {
    for _ in 0..1000 {
        if let Fact::Meter { value, .. } = rig.fact().await
            && let Some(number) = wanted(&value)
        {
            return number;
        }
    }
    panic!("never told");
}

fn power(value: &MeterValue) -> Option<f64> {
    match value {
        MeterValue::Power(power) => Some(power.0),
        _ => None,
    }
}

#[tokio::test]
async fn the_first_point_that_a_device_has_counts() {
    for base in [40_000, 50_000, 0] {
        let address = serve(&device(base, &[(1, vec![0; 66]), inverter()])).await;
        let mut rig = Rig::start(&meter_site(&format!(
            "power: {}\nenergy: {}\ncurrents: [{}, {}, {}]\nsoc: {}",
            source(address, "[101:W, 103:DCW, '103:W']"),
            source(address, "103:WH, scale: 0.001"),
            source(address, "103:AphA"),
            source(address, "103:AphB"),
            source(address, "103:AphC"),
            source(address, "124:ChaState"),
        )));
        assert_eq!(rig.devices.broken(), []);
        assert_eq!(value(&mut rig, power).await, 432.1, "base {base}");
        let energy = |value: &MeterValue| match value {
            MeterValue::Energy(energy) => Some(energy.0),
            _ => None,
        };
        assert_eq!(value(&mut rig, energy).await, 123.456);
        let current = |value: &MeterValue| match value {
            MeterValue::Current(chargebus::model::Phase::L2, current) => Some(current.0),
            _ => None,
        };
        assert_eq!(value(&mut rig, current).await, 6.1);
        until("what it has not", || rig.devices.health()[0].error.is_some()).await;
        let error = rig.devices.health()[0].error.clone().unwrap();
        assert_eq!(error, "soc: the device has no 124:ChaState");
    }
}

#[tokio::test]
async fn points_of_repeating_blocks_have_their_own_registers() {
    let mut words = vec![0; 8 + 2 * 20];
    words[2] = 1;
    let block = |words: &mut [u16], number: usize, power: u16| words[8 + 20 * number + 11] = power;
    block(&mut words, 0, 100);
    block(&mut words, 1, 250);
    let address = serve(&device(40_000, &[(160, words)])).await;
    let points = ["160:2:DCW", "160:3:DCW"].map(|point| source(address, &format!("'{point}'")));
    let [second, third] = points;
    let mut rig = Rig::start(&meter_site(&format!("power: {second}\nenergy: {third}")));
    assert_eq!(value(&mut rig, power).await, 2500.0);
    until("the block that is not there", || rig.devices.health()[0].error.is_some()).await;
    let error = rig.devices.health()[0].error.clone().unwrap();
    assert_eq!(error, "energy: the device has no 160:3:DCW");
}

#[tokio::test]
async fn what_is_no_sunspec_device_is_named_and_asked_again() {
    let memory = Memory::default();
    let address = serve(&memory).await;
    let mut rig = Rig::start(&meter_site(&format!("power: {}", source(address, "103:W"))));
    until("the failure", || rig.devices.health()[0].error.is_some()).await;
    let error = rig.devices.health()[0].error.clone().unwrap();
    assert_eq!(error, "power: it is no SunSpec device: nothing at 40000, 50000 and 0");
    let later = device(40_000, &[inverter()]);
    let words = later.0.lock().unwrap().clone();
    memory.0.lock().unwrap().extend(words);
    assert_eq!(value(&mut rig, power).await, 432.1);
}

#[test]
fn points_are_found_in_the_table() {
    // E-93
    let config = meter_site("power: {source: sunspec, uri: a, value: [103:W, '802:SoC']}");
    let Some(Source::SunSpec(source)) = &config.devices.meters[0].power else { panic!("sunspec") };
    let [watts, soc] = &source.points[..] else { panic!("two points") };
    assert_eq!((watts.model, watts.offset, watts.factor), (103, 14, SunSpecFactor::At(15)));
    assert_eq!((soc.model, soc.name.as_str()), (802, "802:SoC"));
}
