//! The openWB with software 2.x and the openWB Pro, each as a box that does what it is told
//! (plans-vehicles-devices.md §8.6).

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use chargebus::config::Config;
use chargebus::model::{Amps, ChargerCommand, Fact, LoadPointIx, Outcome};

use super::servers::{Memory, serve};
use super::{Rig, parsed};
use crate::support::until;
use crate::web::{Heard, Reply, Web};

fn charger(keys: &str) -> Config {
    parsed(&format!(
        "broker: true\nchargers:\n- {{name: wb, type: template, {keys}}}\nloadpoints: [{{charger: wb}}]\n"
    ))
}

/// Reads until everything that is expected was said.
async fn until_said(rig: &mut Rig, expected: &[&str]) {
    let mut missing: BTreeSet<&str> = expected.iter().copied().collect();
    for _ in 0..1000 {
        if let Fact::Charger { value, .. } = rig.fact().await {
            missing.remove(format!("{value:?}").as_str());
        }
        if missing.is_empty() {
            return;
        }
    }
    panic!("never said: {missing:?}");
}

/// Gives commands and waits until each is done.
async fn done(rig: &mut Rig, commands: &[ChargerCommand]) {
    for command in commands {
        rig.devices.command(LoadPointIx(0), *command);
        let outcome = loop {
            if let Fact::Done { command: about, outcome, .. } = rig.fact().await
                && about == *command
            {
                break outcome;
            }
        };
        assert_eq!(outcome, Outcome::Done, "{command:?}");
    }
}

/// The registers of the second connector.
fn second(address: SocketAddr, more: &str) -> Config {
    let (host, port) = (address.ip(), address.port());
    charger(&format!("template: openwb-2.0, host: {host}, port: {port}, connector: 2, {more}"))
}

#[tokio::test]
async fn an_openwb_2_is_read_and_driven_by_registers() {
    let memory = Memory::default();
    memory.set(10200, &[0x0000, 0x1068, 0x0001, 0x86A0]);
    memory.set(10204, &[23012, 23100, 22987, 600, 610, 590]);
    memory.set(10214, &[1, 0]);
    memory.set(10260, &[0x3034, 0x4142, 0, 0, 0, 0, 0, 0, 0, 0]);
    let mut rig = Rig::start(&second(serve(&memory).await, "identify: true"));
    assert_eq!(rig.devices.broken(), []);
    let word = |address: u16| memory.0.lock().unwrap().get(&address).copied();
    until_said(
        &mut rig,
        &[
            "Status(Connected)",
            "Power(Watts(4200.0))",
            "Energy(KilowattHours(100.0))",
            "Current(L2, Amps(6.1000000000000005))",
            "Voltage(L1, Volts(230.12))",
            "Identity(\"04AB\")",
        ],
    )
    .await;
    until("the heartbeat", || word(10290) == Some(1)).await;

    use ChargerCommand::{Enable, MaxCurrent, Phases, WakeUp};
    done(&mut rig, &[MaxCurrent(Amps(6.5)), Enable(true)]).await;
    assert_eq!(word(10271), Some(650));
    memory.set(10215, &[1]);
    until_said(&mut rig, &["Status(Charging)"]).await;
    assert_eq!((word(10280), word(10281)), (None, None));
    done(&mut rig, &[Phases(1), WakeUp, Enable(false)]).await;
    assert_eq!((word(10280), word(10281)), (Some(1), Some(1)), "target and trigger");
    assert_eq!((word(10298), word(10271)), (Some(1), Some(0)));
}

#[tokio::test]
async fn an_openwb_2_without_phase_switch_has_none() {
    let config = second("127.0.0.1:1502".parse().unwrap(), "phases1p3p: false");
    let device = &config.devices.chargers[0];
    assert!(device.phases.is_none() && device.identify.is_none());
}

/// What an openWB Pro is told.
#[derive(Default)]
struct Pro {
    ampere: f64,
    phases: u32,
    orders: Vec<String>,
}

impl Pro {
    fn answer(&mut self, heard: &Heard) -> Reply {
        if heard.method == "POST" {
            assert_eq!(heard.header("content-type"), "application/x-www-form-urlencoded");
            self.orders.push(heard.body.clone());
            let (key, value) = heard.body.split_once('=').unwrap();
            match key {
                "ampere" => self.ampere = value.parse().unwrap(),
                "phasetarget" => self.phases = value.parse().unwrap(),
                _ => assert_eq!(heard.body, "cp_interrupt=true"),
            }
            return Reply::ok("{}");
        }
        assert_eq!(heard.path, "/connect.php");
        let (ampere, charging) = (self.ampere, self.ampere > 0.0);
        let power = ampere * 230.0 * f64::from(self.phases);
        Reply::ok(format!(
            r#"{{"plug_state":true,"charge_state":{charging},"offered_current":{ampere},
            "power_all":{power},"imported":12345,"currents":[{ampere},0,0],"voltages":[230,231,232],
            "phases_actual":{0},"phases_target":{0},"vehicle_id":"--","rfid_tag":"tag"}}"#,
            self.phases
        ))
    }
}

#[tokio::test]
async fn an_openwb_pro_is_asked_and_told_over_http() {
    let state = Arc::new(Mutex::new(Pro { phases: 3, ..Pro::default() }));
    let pro = Arc::clone(&state);
    let web = Web::start(move |heard| pro.lock().unwrap().answer(heard)).await;
    let config = charger(&format!("template: openwb-pro, host: '127.0.0.1:{}'", web.port));
    let mut rig = Rig::start(&config);
    assert_eq!(rig.devices.broken(), []);
    until_said(
        &mut rig,
        &[
            "Status(Connected)",
            "Enabled(false)",
            "Power(Watts(0.0))",
            "Energy(KilowattHours(12.345))",
            "Voltage(L3, Volts(232.0))",
            "Identity(\"tag\")",
            "OfferedCurrent(Amps(0.0))",
            "Phases(3)",
        ],
    )
    .await;
    use ChargerCommand::{Enable, MaxCurrent, Phases, WakeUp};
    done(&mut rig, &[MaxCurrent(Amps(6.5)), Enable(true), Phases(1)]).await;
    until_said(&mut rig, &["Status(Charging)", "Power(Watts(1495.0))", "Phases(1)"]).await;
    done(&mut rig, &[WakeUp, Enable(false)]).await;
    let orders = state.lock().unwrap().orders.clone();
    assert_eq!(
        orders,
        ["ampere=6.5", "phasetarget=1", "cp_interrupt=true", "ampere=0.0"],
        "a release writes nothing"
    );
}
