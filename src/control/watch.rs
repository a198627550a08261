//! Inputs and devices that fall silent and come back, as people are told of them (users.md row 35).
//!
//! A meter is silent by the rule by which its power grows stale (design S2); a charger when its status
//! is lost by its own timeout, when it charges and its power is stale, or when it has never spoken; a
//! car when its source is. Devices that we ask ourselves are also at fault while they answer with
//! nothing but errors. All of that is judged at every decision, so it is told some seconds later.

use std::collections::BTreeSet;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use crate::model::{
    Device, Effect, Event, EventKind, LoadPointIx, MeterIx, MeterRole, Mono, Now, Trust, VehicleIx,
    Watts,
};

use super::quota::Quota;
use super::{Control, FIRST_WORD, LoadPoint, Meter, Reading, Vehicle};

/// A device that has not spoken since the start is missed after this.
const MISSED_AFTER: Duration = Duration::from_secs(60);
/// Whoever has answered for so long has recovered.
const STEADY: Duration = Duration::from_secs(30);
/// People hear no more often than this of one device within [`TOLD_WITHIN`]: of one that flaps they
/// hear later how it is then.
const TOLD_MAX: usize = 6;
/// See [`TOLD_MAX`].
const TOLD_WITHIN: Duration = Duration::from_secs(3600);

/// What people know of every device.
#[derive(Clone, Debug, Default)]
pub(super) struct Watch {
    /// Meters, chargers, vehicles; those of vehicles only grow in number.
    known: Vec<Known>,
    /// Names of devices that answer with errors only.
    faulty: BTreeSet<String>,
}

/// What people know of one device.
#[derive(Clone, Debug)]
struct Known {
    device: Device,
    failed: bool,
    /// Since when it has answered, while people believe that it does not.
    well: Option<Mono>,
    /// When they were told.
    told: Quota<TOLD_MAX>,
}

impl Known {
    /// Nothing is wrong as far as people know.
    fn new(device: Device) -> Self {
        Self { device, failed: false, well: None, told: Quota::default() }
    }

    /// Follows the device, which was heard last then if it is `silent`; comes back with what people
    /// are to be told.
    fn follow(&mut self, now: Now, silent: Option<Mono>) -> Option<EventKind> {
        let kind = match (self.failed, silent) {
            (false, None) => return None,
            (false, Some(heard)) => EventKind::DeviceFailed(self.device, wall(now, heard)),
            (true, Some(_)) => {
                self.well = None;
                return None;
            }
            (true, None) => {
                let well = *self.well.get_or_insert(now.mono);
                if now.mono.since(well) < STEADY {
                    return None;
                }
                EventKind::DeviceRecovered(self.device, wall(now, well))
            }
        };
        if self.told.spent_until(now.mono, TOLD_WITHIN).is_some() {
            return None;
        }
        self.told.spend(now.mono);
        self.failed = !self.failed;
        self.well = None;
        Some(kind)
    }
}

impl Control {
    /// Takes the names of devices that have answered with nothing but errors for a while.
    pub fn set_faulty(&mut self, names: BTreeSet<String>) {
        self.watch.faulty = names;
    }

    /// Tells people of devices that fall silent or answer again.
    pub(super) fn watch_devices(&mut self, now: Now) {
        let meters = (0..self.site.meters.len()).map(|meter| Device::Meter(MeterIx(meter)));
        let chargers = (0..self.loadpoints.len()).map(|lp| Device::Charger(LoadPointIx(lp)));
        let vehicles = (0..self.vehicles.len()).map(|car| Device::Vehicle(VehicleIx(car)));
        let devices = meters.chain(chargers).chain(vehicles);
        let mut watch = std::mem::take(&mut self.watch);
        watch.known.extend(devices.skip(watch.known.len()).map(Known::new));
        for known in &mut watch.known {
            let silent = self.silent_since(now, known.device, &watch.faulty);
            let Some(kind) = known.follow(now, silent) else { continue };
            let (lp, vehicle) = match known.device {
                Device::Meter(_) => (None, None),
                Device::Charger(lp) => (Some(lp), None),
                Device::Vehicle(vehicle) => (None, Some(vehicle)),
            };
            self.effects.push_back(Effect::Event(Event { lp, vehicle, kind }));
        }
        self.watch = watch;
    }

    /// When a device was heard last, if it is silent.
    fn silent_since(&self, now: Now, device: Device, faulty: &BTreeSet<String>) -> Option<Mono> {
        // Who has never spoken is given time after the start.
        let late = now.mono.since(self.started) >= MISSED_AFTER;
        let started = Some(self.started).filter(|_| late);
        let (name, silent) = match device {
            Device::Meter(ix) => {
                let meter = self.site.meters.get(ix.0)?;
                (&*meter.setup.name, silent_meter(now, meter, started))
            }
            Device::Charger(ix) => {
                let lp = self.loadpoints.get(ix.0)?;
                (lp.setup.charger_name(), silent_charger(now, lp, started))
            }
            Device::Vehicle(ix) => {
                let vehicle = self.vehicles.get(ix.0)?;
                (&*vehicle.setup.name, silent_vehicle(now, vehicle))
            }
        };
        silent.or_else(|| (late && faulty.contains(name)).then_some(now.mono))
    }

    /// Tells people when the grid meter falls silent and when it is back.
    pub(super) fn watch_grid(&mut self, now: Now, known: bool) {
        let silent = !known && now.mono.since(self.started) >= FIRST_WORD;
        if silent != self.grid_silent {
            self.grid_silent = silent;
            let kind = if silent { EventKind::MeterSilent } else { EventKind::MeterBack };
            self.effects.push_back(Effect::Event(Event::of_site(kind)));
        }
    }
}

/// Meters of circuits have an event of their own, and may measure no power.
fn silent_meter(now: Now, meter: &Meter, started: Option<Mono>) -> Option<Mono> {
    if meter.setup.role == MeterRole::Circuit {
        return None;
    }
    match live(meter.power) {
        Some(power) => (now.mono >= power.stale_at(meter.setup.timeout)).then_some(power.at),
        None => started,
    }
}

fn silent_charger(now: Now, lp: &LoadPoint, started: Option<Mono>) -> Option<Mono> {
    let power = live(lp.power);
    if lp.status.is_none() {
        return started;
    }
    let stale = power.filter(|power| lp.charging() && now.mono >= power.stale_at(None));
    let lost = || lp.silent.then(|| power.map_or(now.mono, |power| power.at));
    stale.map(|power| power.at).or_else(lost)
}

fn silent_vehicle(now: Now, vehicle: &Vehicle) -> Option<Mono> {
    let heard = || vehicle.updated.map_or(now.mono, |updated| updated.mono);
    (vehicle.trust == Trust::Stale).then(heard)
}

fn live(power: Option<Reading<Watts>>) -> Option<Reading<Watts>> {
    power.filter(|power| power.origin.is_live())
}

/// The wall clock at an instant of this run.
fn wall(now: Now, at: Mono) -> DateTime<Utc> {
    let ago = TimeDelta::from_std(now.mono.since(at)).unwrap_or_default();
    now.utc.checked_sub_signed(ago).unwrap_or(now.utc)
}
