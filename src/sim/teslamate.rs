//! A TeslaMate that watches a simulated car: same topics, same encoding, same habits
//! (plans-vehicles-devices.md §6.2–§6.5).

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};

use crate::model::{Amps, Mono, Now, Watts};

use super::Message;
use super::car::{Car, Place};

/// Keys that are published, empty, when they become null (§6.2).
const EMPTIED: [&str; 9] = [
    "charge_energy_added",
    "charger_actual_current",
    "charger_phases",
    "charger_power",
    "charger_voltage",
    "geofence",
    "scheduled_charging_start_time",
    "shift_state",
    "time_to_full_charge",
];
/// An idle car is left alone after this (§6.5).
const SUSPEND_AFTER: Duration = Duration::from_secs(15 * 60);
/// However fast the simulation runs, polls are no closer than this.
const POLL_MIN: Duration = Duration::from_secs(2);

/// TeslaMate for one car.
#[derive(Clone, Debug)]
pub struct TeslaMate {
    id: u32,
    speed: f64,
    /// The container runs; a stopped one says nothing and forgets what it has sent.
    running: bool,
    /// What it says of its access to the car.
    pub healthy: bool,
    sent: BTreeMap<&'static str, String>,
    state: &'static str,
    since: DateTime<Utc>,
    next: Option<Mono>,
    idle: Duration,
}

/// What flows into the car, as the car itself sees it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Inlet {
    pub(super) current: Amps,
    pub(super) phases: u8,
    pub(super) power: Watts,
    /// The wallbox offers current.
    pub(super) offered: bool,
}

impl TeslaMate {
    /// A TeslaMate that knows the car as `id` and lives `speed` times as fast.
    pub fn new(id: u32, speed: f64, now: Now) -> Self {
        Self {
            id,
            speed,
            running: true,
            healthy: true,
            sent: BTreeMap::new(),
            state: "unavailable",
            since: now.utc,
            next: None,
            idle: Duration::ZERO,
        }
    }

    /// Starts or stops the container (F15).
    pub fn set_running(&mut self, running: bool) {
        if !running {
            self.sent.clear();
            self.next = None;
        }
        self.running = running;
    }

    /// The messages of the poll that is due at `now`, if one is.
    pub(super) fn poll(&mut self, now: Now, car: &Car, inlet: Inlet) -> Vec<Message> {
        if !self.running || self.next.is_some_and(|next| now.mono < next) {
            return Vec::new();
        }
        let mut messages = Vec::new();
        if self.next.is_none() {
            // It removes what versions before retained (§6.1).
            messages.push(self.message("healthy", String::new(), true));
        }
        // Without access to the car there is nothing new to say about it.
        let values = if self.healthy {
            let asked = self.advance(now, car, inlet);
            self.summary(car, inlet, asked)
        } else {
            Vec::new()
        };
        let next = self.interval(inlet).div_f64(self.speed.max(0.01)).max(POLL_MIN);
        self.next = Some(now.mono + next);
        for (key, value) in values {
            let text = value.unwrap_or_default();
            let repeated = self.sent.get(key) == Some(&text);
            if repeated || (text.is_empty() && !EMPTIED.contains(&key)) {
                continue;
            }
            messages.push(self.message(key, text.clone(), true));
            self.sent.insert(key, text);
        }
        messages.push(self.message("healthy", self.healthy.to_string(), false));
        messages
    }

    fn message(&self, key: &str, payload: String, retain: bool) -> Message {
        let topic = format!("teslamate/cars/{}/{key}", self.id);
        Message { topic, payload, retain }
    }

    /// Enters the state that the car is found in; true if the car itself was asked.
    fn advance(&mut self, now: Now, car: &Car, inlet: Inlet) -> bool {
        let active = if car.place == Place::Road {
            Some("driving")
        } else if inlet.power > Watts::ZERO {
            Some("charging")
        } else {
            None
        };
        if active.is_some() {
            self.idle = Duration::ZERO;
        }
        let state = match active {
            Some(state) => state,
            None if car.asleep => "asleep",
            None if self.idle >= SUSPEND_AFTER => "suspended",
            None => "online",
        };
        if state != self.state {
            self.state = state;
            self.since = now.utc;
        }
        if state == "online" {
            self.idle += self.interval(inlet);
        } else if state == "asleep" {
            self.idle = Duration::ZERO;
        }
        !car.asleep
    }

    /// Time between two polls (§6.5), before the speed-up.
    fn interval(&self, inlet: Inlet) -> Duration {
        match self.state {
            "asleep" => Duration::from_secs(30),
            "suspended" => Duration::from_secs(21 * 60),
            "driving" => Duration::from_millis(2500),
            "charging" => {
                let kilowatts = (inlet.power.0 / 1000.0).max(0.1);
                Duration::from_secs_f64((250.0 / kilowatts).round().clamp(5.0, 20.0))
            }
            _ => Duration::from_secs(15),
        }
    }

    /// All values of a poll (§6.4). A car that was not asked keeps what it said last.
    fn summary(&self, car: &Car, inlet: Inlet, asked: bool) -> Vec<(&'static str, Option<String>)> {
        let since = self.since.to_rfc3339_opts(SecondsFormat::Micros, true);
        let mut values = vec![("state", Some(self.state.to_owned())), ("since", Some(since))];
        values.extend(body(car));
        if asked {
            values.extend(plug(car, inlet));
            values.extend(drive(car, inlet));
        }
        values
    }
}

/// What TeslaMate knows from its database even if the car sleeps.
fn body(car: &Car) -> Vec<(&'static str, Option<String>)> {
    let soc = car.soc.0.floor().to_string();
    let (fence, latitude, longitude) = match car.place {
        Place::Home => (Some("Home"), 52.5, 10.25),
        Place::Away => (Some("Work"), 52.0, 10.0),
        Place::Road => (None, 52.25, 10.125),
    };
    vec![
        ("display_name", Some(car.plan.name.clone())),
        ("model", Some("3".to_owned())),
        ("trim_badging", Some("74D".to_owned())),
        ("exterior_color", Some("DeepBlue".to_owned())),
        ("wheel_type", Some("Pinwheel18".to_owned())),
        ("version", Some("2026.2.9".to_owned())),
        ("update_available", Some("false".to_owned())),
        ("battery_level", Some(soc.clone())),
        ("usable_battery_level", Some(soc)),
        ("rated_battery_range_km", Some(decimal(car.range_km()))),
        ("ideal_battery_range_km", Some(decimal(car.range_km()))),
        ("est_battery_range_km", Some(decimal(car.range_km() * 0.87))),
        ("odometer", Some(decimal(car.odometer_km))),
        ("latitude", Some(decimal(latitude))),
        ("longitude", Some(decimal(longitude))),
        ("location", Some(format!("{{\"latitude\":{latitude:?},\"longitude\":{longitude:?}}}"))),
        ("geofence", fence.map(str::to_owned)),
        ("inside_temp", Some("18.5".to_owned())),
        ("outside_temp", Some("12.5".to_owned())),
    ]
}

/// What only an awake car tells of its plug.
fn plug(car: &Car, inlet: Inlet) -> Vec<(&'static str, Option<String>)> {
    let charges = inlet.power > Watts::ZERO;
    let word = match (car.is_plugged(), charges) {
        (false, _) => "Disconnected",
        (true, true) => "Charging",
        (true, false) if car.complete => "Complete",
        (true, false) if car.refuses => "Stopped",
        (true, false) if inlet.offered => "Starting",
        (true, false) => "NoPower",
    };
    let hours = || {
        let percent = (car.limit_soc.0 - car.soc.0).max(0.0);
        let kilowatts = inlet.power.0 * Car::EFFICIENCY / 1000.0;
        let hours = percent / 100.0 * car.plan.capacity.0 / kilowatts;
        decimal((hours * 12.0).round() / 12.0)
    };
    let max = format!("{:.0}", car.plan.max_current.0);
    vec![
        ("plugged_in", Some(car.is_plugged().to_string())),
        ("charging_state", Some(word.to_owned())),
        ("charge_limit_soc", Some(format!("{:.0}", car.limit_soc.0))),
        ("charge_port_door_open", Some(car.is_plugged().to_string())),
        ("charge_energy_added", Some(decimal(car.session.0 / 1000.0))),
        ("charger_actual_current", Some(format!("{:.0}", inlet.current.0))),
        ("charger_phases", charges.then(|| inlet.phases.to_string())),
        ("charger_power", Some(format!("{:.0}", inlet.power.0 / 1000.0))),
        ("charger_voltage", Some(if inlet.offered { "230" } else { "2" }.to_owned())),
        ("charge_current_request", Some(max.clone())),
        ("charge_current_request_max", Some(max)),
        ("scheduled_charging_start_time", None),
        ("time_to_full_charge", Some(if charges { hours() } else { "0.0".to_owned() })),
    ]
}

/// What only an awake car tells of itself. `speed` stays behind after parking, as it does in life.
fn drive(car: &Car, inlet: Inlet) -> Vec<(&'static str, Option<String>)> {
    let drives = car.place == Place::Road;
    let kilowatts = if drives { 14.0 } else { -inlet.power.0 / 1000.0 };
    let nowhere = || Some("nil".to_owned());
    vec![
        ("shift_state", drives.then(|| "D".to_owned())),
        ("speed", drives.then(|| "87".to_owned())),
        ("power", Some(format!("{kilowatts:.0}").replace("-0", "0"))),
        ("heading", Some("187".to_owned())),
        ("locked", Some((!drives).to_string())),
        ("is_user_present", Some(drives.to_string())),
        ("is_climate_on", Some(drives.to_string())),
        ("is_preconditioning", Some("false".to_owned())),
        ("sentry_mode", Some("false".to_owned())),
        ("windows_open", Some("false".to_owned())),
        ("doors_open", Some("false".to_owned())),
        ("active_route", Some("{\"error\":\"No active route available\"}".to_owned())),
        ("active_route_destination", nowhere()),
        ("active_route_latitude", nowhere()),
        ("active_route_longitude", nowhere()),
    ]
}

/// Two decimals and always a fraction (§6.3).
fn decimal(value: f64) -> String {
    format!("{:?}", (value * 100.0).round() / 100.0)
}
