//! An openWB with software 1.x: the box, its meters and its clock on a real broker
//! (plans-vehicles-devices.md §8.5).

use std::collections::BTreeMap;

use chargebus::edges::bus::Message;

use super::client::{AT_ONCE, Seen};
use super::played::{Devices, Played};
use super::service::Home;

const SITE: &str = "\
interval: 30s
network: {port: 7070}
mqtt: {broker: 127.0.0.1:1883, topic: evcc}
meters:
- {name: grid, type: template, template: openwb, usage: grid}
- {name: sun, type: template, template: openwb, usage: pv}
chargers:
- {name: box, type: template, template: openwb, phases1p3p: true}
loadpoints:
- {title: Box, charger: box, mode: pv}
site: {title: Home, meters: {grid: grid, pv: sun}}
";

/// The box and the house around it.
struct State {
    alive: bool,
    clock: u64,
    current: f64,
    phases: f64,
    /// Production beyond what the house needs, in W.
    sun: f64,
    heartbeats: usize,
    told: BTreeMap<String, String>,
}

fn start(port: u16, sun: f64) -> Played<State> {
    let state = State {
        alive: true,
        clock: 0,
        current: 0.0,
        phases: 3.0,
        sun,
        heartbeats: 0,
        told: BTreeMap::new(),
    };
    Played::start(port, state)
}

impl Devices for State {
    const ID: &'static str = "openwb";
    const COMMANDS: &'static str = "openWB/set/isss/+";
    const RETAINED: bool = true;

    fn obey(&mut self, message: &Message, payload: &str) {
        match message.topic.rsplit('/').next().unwrap() {
            "Current" => self.current = payload.parse().unwrap(),
            "U1p3p" => self.phases = payload.parse().unwrap(),
            "heartbeat" => self.heartbeats += 1,
            _ => {}
        }
    }

    /// What changed only: like the real one.
    fn news(&mut self) -> BTreeMap<String, String> {
        if !self.alive {
            return BTreeMap::new();
        }
        self.clock += 1;
        let charging = self.current >= 6.0;
        let power = if charging { self.current * self.phases * 230.0 } else { 0.0 };
        let on = |phase: f64| if charging && phase <= self.phases { self.current } else { 0.0 };
        let says = [
            ("system/Timestamp", self.clock as f64),
            ("lp/1/boolChargePointConfigured", 1.0),
            ("lp/1/boolPlugStat", 1.0),
            ("lp/1/boolChargeStat", f64::from(u8::from(charging))),
            ("lp/1/W", power),
            ("lp/1/kWhCounter", 100.0),
            ("lp/1/APhase1", on(1.0)),
            ("lp/1/APhase2", on(2.0)),
            ("lp/1/APhase3", on(3.0)),
            ("evu/W", power - self.sun),
            ("pv/1/boolPVConfigured", 1.0),
            ("pv/W", -self.sun),
        ];
        let mut news = BTreeMap::new();
        for (topic, value) in says {
            let (topic, value) = (format!("openWB/{topic}"), value.to_string());
            if self.told.insert(topic.clone(), value.clone()).as_ref() != Some(&value) {
                news.insert(topic, value);
            }
        }
        news
    }
}

const CURRENT: &str = "openWB/set/isss/Current";
const PHASES: &str = "openWB/set/isss/U1p3p";

#[tokio::test]
async fn an_openwb_charges_from_the_sun_switches_phases_and_may_fall_silent() {
    let Some(mut home) = Home::with_mosquitto().await else { return };
    let broker = home.mosquitto.as_ref().unwrap().port;
    home.yaml = SITE.replace("1883", &broker.to_string());
    let service = home.start().await;
    let mut client = service.client().await;
    client.set("loadpoints/1/enableDelay", "0").await;
    client.set("loadpoints/1/disableDelay", "0").await;
    client.set("loadpoints/1/phasesConfigured", "3").await;
    let house = start(service.port, 9100.0);
    client.until("a charge", |seen| seen.number(CURRENT) == Some(13.0)).await;
    client.until("its power", |seen| seen.says("loadpoints/1/chargePower", "8970")).await;
    client.until("the sun", |seen| seen.says("site/pvPower", "9100")).await;
    assert!(house.with(|state| state.heartbeats) > 0, "the box hears that we live");

    client.set("loadpoints/1/phasesConfigured", "1").await;
    client.until("one phase", |seen| seen.number(PHASES) == Some(1.0)).await;
    client.until("its power", |seen| seen.says("loadpoints/1/chargePower", "3680")).await;

    house.with(|state| state.alive = false);
    let lost = |seen: &Seen| seen.says("loadpoints/1/decision/code", "charger_silent");
    client.until("the loss", lost).await;
    client.set("loadpoints/1/mode", "off").await;
    client.within(AT_ONCE, "off", |seen| seen.number(CURRENT) == Some(0.0)).await;
    house.with(|state| state.alive = true);
    client.set("loadpoints/1/mode", "now").await;
    client.until("a charge", |seen| seen.number(CURRENT) == Some(16.0)).await;
    service.stop().await;
}
