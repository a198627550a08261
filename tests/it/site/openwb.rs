//! An openWB with software 1.x: the box, its meters and its clock on a real broker
//! (plans-vehicles-devices.md §8.5).

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chargebus::config::{Mqtt, MqttVersion, Takeover};
use chargebus::edges::bus::{Bus, Inbox, Incoming, Options};
use tokio::time::interval;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::client::{AT_ONCE, Seen};
use super::service::Home;

const PERIOD: Duration = Duration::from_millis(250);

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

/// The box and the house around it; dead when it is dropped.
struct OpenWb {
    state: Arc<Mutex<State>>,
    _stop: DropGuard,
}

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

impl OpenWb {
    fn start(port: u16, sun: f64) -> Self {
        let state = State {
            alive: true,
            clock: 0,
            current: 0.0,
            phases: 3.0,
            sun,
            heartbeats: 0,
            told: BTreeMap::new(),
        };
        let (state, stop) = (Arc::new(Mutex::new(state)), CancellationToken::new());
        let server = Mqtt {
            host: "127.0.0.1".into(),
            port,
            tls: false,
            version: MqttVersion::V3,
            takeover: Takeover::Never,
            user: String::new(),
            password: String::new(),
            client_id: Some("openwb".into()),
            insecure: false,
            ca_cert: None,
            client_cert: None,
            client_key: None,
        };
        let filters = vec!["openWB/set/isss/+".to_owned()];
        let options = Options { server, root: String::new(), filters, urgent: None };
        let (bus, inbox) = Bus::start(options, stop.clone());
        tokio::spawn(live(Arc::clone(&state), bus, inbox));
        Self { state, _stop: stop.drop_guard() }
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock().unwrap());
    }
}

async fn live(state: Arc<Mutex<State>>, bus: Bus, mut inbox: Inbox) {
    let mut tick = interval(PERIOD);
    loop {
        tokio::select! {
            incoming = inbox.next() => match incoming {
                Some(Incoming::Message(message)) => {
                    let payload = String::from_utf8_lossy(&message.payload).into_owned();
                    state.lock().unwrap().obey(&message.topic, &payload);
                }
                Some(_) => {}
                None => return,
            },
            _ = tick.tick() => {
                for (topic, payload) in state.lock().unwrap().news() {
                    bus.publish(topic, payload.into_bytes(), true);
                }
            }
        }
    }
}

impl State {
    fn obey(&mut self, topic: &str, payload: &str) {
        match topic.rsplit('/').next().unwrap() {
            "Current" => self.current = payload.parse().unwrap(),
            "U1p3p" => self.phases = payload.parse().unwrap(),
            "heartbeat" => self.heartbeats += 1,
            _ => {}
        }
    }

    /// Retained, and what changed only: like the real one.
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
    let house = OpenWb::start(service.port, 9100.0);
    client.until("a charge", |seen| seen.number(CURRENT) == Some(13.0)).await;
    client.until("its power", |seen| seen.says("loadpoints/1/chargePower", "8970")).await;
    client.until("the sun", |seen| seen.says("site/pvPower", "9100")).await;
    assert!(house.state.lock().unwrap().heartbeats > 0, "the box hears that we live");

    client.set("loadpoints/1/phasesConfigured", "1").await;
    client.until("one phase", |seen| seen.number(PHASES) == Some(1.0)).await;
    client.until("its power", |seen| seen.says("loadpoints/1/chargePower", "3680")).await;

    house.change(|state| state.alive = false);
    let lost = |seen: &Seen| seen.says("loadpoints/1/decision/code", "charger_silent");
    client.until("the loss", lost).await;
    client.set("loadpoints/1/mode", "off").await;
    client.within(AT_ONCE, "off", |seen| seen.number(CURRENT) == Some(0.0)).await;
    house.change(|state| state.alive = true);
    client.set("loadpoints/1/mode", "now").await;
    client.until("a charge", |seen| seen.number(CURRENT) == Some(16.0)).await;
    service.stop().await;
}
