//! Messages in, commands out, without any I/O: what the run loop and `replay` have in common.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use chrono_tz::Tz;

use crate::api::{self, System};
use crate::config::{Config, TeslaMateCar, VehicleDevice};
use crate::control::Control;
use crate::control::tariff::fixed::midnight;
use crate::model::{
    Fact, JournalEntry, Mono, Now, Origin, VehicleFeature, VehicleIx, VehicleSetup, VehicleValue,
};
use crate::teslamate::{self, Heard, Mirror};

use super::devices::{Broken, Decoder, Silence};
use super::tariffs::Feeds;

/// Core, TeslaMate mirror and device decoder of one site.
pub struct Brain {
    /// The core.
    pub control: Control,
    /// What is told about the program itself.
    pub system: System,
    /// Where tariffs come from.
    pub feeds: Feeds,
    mirror: Mirror,
    decoder: Decoder,
    silence: Silence,
    /// Cars that are vehicles, configured or discovered.
    cars: BTreeMap<TeslaMateCar, VehicleIx>,
    /// Attributes of a vehicle that its own sources supply: TeslaMate's word does not count there.
    own: BTreeMap<VehicleIx, VehicleDevice>,
    discover: bool,
    stored: BTreeMap<String, String>,
    zone: Tz,
    /// When the next day begins.
    midnight: Option<DateTime<Utc>>,
}

impl Brain {
    /// A brain that has heard nothing yet, with the settings and the open sessions that were stored;
    /// what could not be restored, or does not work as configured, comes back as text for the log.
    pub fn new(
        config: &Config,
        system: System,
        zone: Tz,
        now: Now,
        mut stored: BTreeMap<String, String>,
        journal: Vec<JournalEntry>,
    ) -> (Self, Vec<String>) {
        let (decoder, broken) = Decoder::new(config);
        let (feeds, wrong) = Feeds::new(config, zone, now, &mut stored);
        let mut brain = Self {
            control: Control::new(config.setup.clone(), now),
            system,
            feeds,
            mirror: Mirror::new(),
            decoder,
            silence: Silence::new(config),
            cars: BTreeMap::new(),
            own: BTreeMap::new(),
            discover: config.discover_cars,
            stored,
            zone,
            midnight: midnight(zone, now.utc, 1),
        };
        brain.control.set_zone(zone);
        brain.control.restore_journal(now, journal);
        for (ix, device) in config.devices.vehicles.iter().enumerate() {
            let ix = VehicleIx(ix);
            if let Some(car) = device.teslamate.clone().or_else(|| car_of(device)) {
                brain.cars.insert(car, ix);
            }
            brain.own.insert(ix, device.clone());
        }
        let mut remarks: Vec<String> = broken.iter().map(Broken::to_string).collect();
        remarks.extend(wrong);
        remarks.extend(brain.restore(now, |_, _| true));
        (brain, remarks)
    }

    /// What must be subscribed for devices, cars and tariffs, each once.
    pub fn filters(&self) -> Vec<String> {
        let mut filters = self.device_filters();
        for topic in self.feeds.topics() {
            if !filters.iter().any(|filter| filter == topic) {
                filters.push(topic.to_owned());
            }
        }
        filters
    }

    fn device_filters(&self) -> Vec<String> {
        let cars = teslamate::FILTERS.iter().map(|filter| (*filter).to_owned());
        // A topic that a wildcard covers already would arrive twice at some brokers.
        let devices = self.decoder.topics().filter(|topic| !is_teslamate(topic)).map(str::to_owned);
        let foreign = self.decoder.topics().filter(|topic| is_teslamate(topic) && !self.discover);
        if self.discover || !self.cars.is_empty() {
            devices.chain(cars).collect()
        } else {
            devices.chain(foreign.map(str::to_owned)).collect()
        }
    }

    /// Takes a message of a device or a car; comes back with what is worth a line in the log.
    pub fn message(
        &mut self,
        now: Now,
        topic: &str,
        payload: &[u8],
        retained: bool,
    ) -> Option<String> {
        let origin = if retained { Origin::Retained } else { Origin::Live };
        self.silence.hear(now.mono, topic);
        let decoded = self.decoder.decode(now.mono, topic, payload, origin);
        for fact in decoded.facts {
            self.control.handle(now, fact);
        }
        let mut remarks: Vec<String> = decoded.problems.iter().map(ToString::to_string).collect();
        remarks.extend(self.feeds.message(now, topic, payload, retained));
        match self.mirror.handle(now, topic, payload, retained) {
            Some(Heard::Malformed { reason, first: true }) => {
                remarks.push(format!("{topic}: {reason:?}, the value before it stays"));
            }
            Some(Heard::TooManyCars { first: true }) => {
                remarks.push(format!("{topic}: more than {} cars, ignored", teslamate::CARS_MAX));
            }
            Some(
                Heard::Recorded
                | Heard::UnknownKey
                | Heard::Malformed { first: false, .. }
                | Heard::TooManyCars { first: false },
            )
            | None => {}
        }
        (!remarks.is_empty()).then(|| remarks.join("; "))
    }

    /// Repeats what is constant, for whoever has no device tasks that do.
    pub fn repeat_constants(&mut self, now: Now) {
        for fact in self.decoder.constants() {
            self.control.handle(now, fact);
        }
    }

    /// Takes a fact of a device that is not reached by messages.
    pub fn fact(&mut self, now: Now, fact: Fact) {
        self.control.handle(now, fact);
    }

    /// Does what is due; comes back with what is worth a line in the log.
    pub fn handle_timeout(&mut self, now: Now) -> Vec<String> {
        self.mirror.handle_timeout(now);
        for fact in self.silence.lost(now.mono) {
            self.control.handle(now, fact);
        }
        let remarks = self.discover(now);
        while let Some((car, value, origin)) = self.mirror.poll() {
            if let Some(vehicle) = self.cars.get(&car).copied()
                && !self.supplies_itself(vehicle, &value)
            {
                self.control.handle(now, Fact::Vehicle { vehicle, value, origin });
            }
        }
        if self.midnight.is_some_and(|midnight| now.utc >= midnight) {
            self.midnight = midnight(self.zone, now.utc, 1);
            self.control.begin_day(now);
        }
        if let Some(tariffs) = self.feeds.due(now) {
            self.control.set_tariffs(now, tariffs);
        }
        self.control.handle_timeout(now);
        remarks
    }

    /// When to call [`Self::handle_timeout`] next.
    pub fn deadline(&self) -> Mono {
        let control = self.control.deadline().0;
        let others = [self.mirror.deadline(), self.feeds.deadline(), self.silence.deadline()];
        let others = others.into_iter().flatten();
        others.fold(control, Mono::min)
    }

    /// Cars that nobody configured become vehicles, named by their display name (design §7).
    fn discover(&mut self, now: Now) -> Vec<String> {
        if !self.discover {
            return Vec::new();
        }
        let new: Vec<_> = self
            .mirror
            .cars(now)
            .filter(|car| car.ready && !self.cars.contains_key(car.id))
            .map(|car| (car.id.clone(), car.display_name.map(str::to_owned)))
            .collect();
        let mut remarks = Vec::new();
        for (car, title) in new {
            let taken = |name: &str| {
                self.control.vehicles().iter().any(|vehicle| vehicle.setup.name == name)
            };
            let Some(name) = teslamate::name(title.as_deref(), &car, taken) else { continue };
            let setup = VehicleSetup {
                title: title.unwrap_or_else(|| name.clone()),
                name: name.clone(),
                features: vec![VehicleFeature::Streaming, VehicleFeature::CoarseCurrent],
                ..VehicleSetup::default()
            };
            let ix = self.control.add_vehicle(setup);
            self.cars.insert(car, ix);
            remarks.push(format!("discovered vehicle {name}"));
            let prefix = format!("vehicle.{name}.");
            remarks.extend(self.restore(now, |key, text| {
                key.starts_with(&prefix) || (key.ends_with(".vehicleName") && text == name)
            }));
        }
        remarks
    }

    /// Replays stored settings; those of vehicles that are not there yet wait for their discovery.
    fn restore(&mut self, now: Now, wanted: impl Fn(&str, &str) -> bool) -> Vec<String> {
        let exists =
            |name: &str| self.control.vehicles().iter().any(|vehicle| vehicle.setup.name == name);
        let known = |key: &str, text: &str| {
            // Who stood at a load point may be one of them.
            if key.ends_with(".vehicleName") {
                return text.is_empty() || exists(text);
            }
            key.strip_prefix("vehicle.").is_none_or(|rest| {
                let mut vehicles = self.control.vehicles().iter();
                vehicles.any(|vehicle| {
                    rest.strip_prefix(&*vehicle.setup.name)
                        .is_some_and(|rest| rest.starts_with('.'))
                })
            })
        };
        let (ready, later) = std::mem::take(&mut self.stored)
            .into_iter()
            .partition(|(key, text)| wanted(key, text) && known(key, text));
        self.stored = later;
        let problems = api::restore(&mut self.control, &self.system, now, &ready);
        problems
            .into_iter()
            .map(|problem| format!("stored {}: {}", problem.key, problem.message))
            .collect()
    }

    /// Whether the configuration names a source of its own for this attribute.
    fn supplies_itself(&self, vehicle: VehicleIx, value: &VehicleValue) -> bool {
        let Some(device) = self.own.get(&vehicle) else { return false };
        let source = match value {
            VehicleValue::Soc(_) => &device.soc,
            VehicleValue::RangeKm(_) => &device.range,
            VehicleValue::OdometerKm(_) => &device.odometer,
            VehicleValue::LimitSoc(_) => &device.limit_soc,
            VehicleValue::Status(_) => &device.status,
            VehicleValue::Climater(_) => &device.climater,
            VehicleValue::Position(_)
            | VehicleValue::Geofence(_)
            | VehicleValue::State(_)
            | VehicleValue::ChargingState(_)
            | VehicleValue::TimeToFullH(_)
            | VehicleValue::Healthy(_)
            | VehicleValue::Telemetry(_, _)
            | VehicleValue::Trust(_) => &None,
        };
        source.is_some()
    }
}

fn is_teslamate(topic: &str) -> bool {
    teslamate_car(topic).is_some()
}

/// The car whose topics a vehicle's own sources read: the same car is not discovered a second time.
fn car_of(device: &VehicleDevice) -> Option<TeslaMateCar> {
    let sources = [
        &device.soc,
        &device.range,
        &device.odometer,
        &device.limit_soc,
        &device.status,
        &device.climater,
    ];
    let mut topics = BTreeSet::new();
    sources.into_iter().flatten().for_each(|source| source.topics(&mut topics));
    topics.into_iter().find_map(teslamate_car)
}

/// The car of a topic `teslamate[/<namespace>]/cars/<id>/<key>`.
fn teslamate_car(topic: &str) -> Option<TeslaMateCar> {
    let parts: Vec<&str> = topic.split('/').collect();
    let (namespace, id) = match parts.as_slice() {
        ["teslamate", "cars", id, _] => ("", id),
        ["teslamate", namespace, "cars", id, _] => (*namespace, id),
        _ => return None,
    };
    Some(TeslaMateCar { namespace: namespace.to_owned(), id: id.parse().ok()? })
}
