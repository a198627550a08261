//! A car: its battery, its habits, and what it draws when a wallbox offers something.

use std::time::Duration;

use crate::model::{Amps, KilowattHours, Percent, WattHours};

/// A car and its habits.
#[derive(Clone, Debug, PartialEq)]
pub struct CarPlan {
    /// Name for people.
    pub name: String,
    /// Energy of its battery.
    pub capacity: KilowattHours,
    /// State of charge at the beginning.
    pub soc: Percent,
    /// Limit that is set in the car.
    pub limit_soc: Percent,
    /// Phases of its on-board charger, 1 to 3.
    pub phases: u8,
    /// Largest current of its on-board charger.
    pub max_current: Amps,
    /// Hours of the day between which it is away; it drives at both ends.
    pub away: Vec<(f64, f64)>,
    /// Kilometres of one way.
    pub way_km: f64,
    /// Watched by a TeslaMate.
    pub teslamate: bool,
}

/// Where a car is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// At home and plugged in, unless a test has unplugged it.
    Home,
    /// On the road.
    Road,
    /// Parked elsewhere.
    Away,
}

/// A car.
#[derive(Clone, Debug)]
pub struct Car {
    /// What it is.
    pub plan: CarPlan,
    /// State of charge.
    pub soc: Percent,
    /// Limit that is set in the car.
    pub limit_soc: Percent,
    /// Kilometres.
    pub odometer_km: f64,
    /// Where it is.
    pub place: Place,
    /// Nobody can reach it.
    pub asleep: bool,
    /// A fault: it never starts to charge (F19: own schedule, own limit).
    pub refuses: bool,
    /// A test's word on the plug; `None` leaves it to the habits.
    pub plug: Option<bool>,
    /// Energy into its battery since it was plugged in.
    pub session: WattHours,
    /// The limit was reached in this session.
    pub complete: bool,
    idle: Duration,
    offered: Duration,
}

impl Car {
    /// Kilowatt-hours per kilometre.
    pub(super) const USE: f64 = 0.16;
    /// Part of the AC energy that reaches the battery (plans-vehicles-devices.md §6.7: 92 %).
    pub(super) const EFFICIENCY: f64 = 0.92;
    /// Kilometres with a full battery, per kWh.
    const RANGE_KM: f64 = 6.65;
    /// It draws so long after an offer appears.
    const START: Duration = Duration::from_secs(3);
    /// A sleeping car needs so long.
    const WAKE: Duration = Duration::from_secs(15);
    /// It falls asleep after so much simulated idleness.
    const SLEEP: Duration = Duration::from_secs(20 * 60);
    /// Hours that each way takes.
    const WAY_H: f64 = 0.5;

    /// A car at the beginning of its story.
    pub fn new(plan: CarPlan) -> Self {
        Self {
            soc: plan.soc,
            limit_soc: plan.limit_soc,
            odometer_km: 34_567.9,
            place: Place::Home,
            asleep: false,
            refuses: false,
            plug: None,
            session: WattHours::ZERO,
            complete: false,
            idle: Duration::ZERO,
            offered: Duration::ZERO,
            plan,
        }
    }

    /// Whether its cable is in the wallbox.
    pub fn is_plugged(&self) -> bool {
        self.plug.unwrap_or(self.place == Place::Home)
    }

    /// Kilometres that are left.
    pub fn range_km(&self) -> f64 {
        self.soc.0 / 100.0 * self.plan.capacity.0 * Self::RANGE_KM
    }

    /// Wakes the car.
    pub fn wake(&mut self) {
        self.asleep = false;
        self.idle = Duration::ZERO;
    }

    /// The current that the car would draw from an unlimited offer: tapers from 80 % on.
    pub fn appetite(&self) -> Amps {
        let wait = if self.asleep { Self::WAKE } else { Self::START };
        if self.complete || self.refuses || !self.is_plugged() || self.offered < wait {
            return Amps::ZERO;
        }
        let taper = 1.0 - 0.75 * ((self.soc.0 - 80.0) / 20.0).clamp(0.0, 1.0);
        self.plan.max_current * taper
    }

    /// Lives for a moment: habits first, then what the wallbox gives (`energy`, AC side).
    pub(super) fn step(&mut self, hour: f64, real: Duration, sim: Duration, offer: bool) {
        let plugged = self.is_plugged();
        self.live(hour, sim);
        if plugged != self.is_plugged() {
            self.session = WattHours::ZERO;
            self.complete = false;
            self.wake();
        }
        self.offered =
            if offer && self.is_plugged() { self.offered + real } else { Duration::ZERO };
        if self.asleep && self.offered >= Self::WAKE && !self.refuses {
            self.wake();
        }
        self.idle += sim;
        self.asleep |= self.idle >= Self::SLEEP && self.place != Place::Road;
        // A raised limit lets the car go on.
        self.complete = self.soc.0 >= self.limit_soc.0
            || (self.complete && self.soc.0 > self.limit_soc.0 - 1.0);
    }

    /// Takes what flowed in.
    pub(super) fn charge(&mut self, energy: WattHours) {
        if energy.0 <= 0.0 {
            return;
        }
        let inside = energy * Self::EFFICIENCY;
        self.session += inside;
        let percent = inside.0 / self.plan.capacity.watt_hours().0 * 100.0;
        self.soc = Percent((self.soc.0 + percent).min(100.0));
        self.wake();
    }

    /// AC energy until the battery is full.
    pub(super) fn room(&self) -> WattHours {
        self.plan.capacity.watt_hours() * ((100.0 - self.soc.0).max(0.0) / 100.0 / Self::EFFICIENCY)
    }

    fn live(&mut self, hour: f64, sim: Duration) {
        let of_day = hour.rem_euclid(24.0);
        let window = self.plan.away.iter().find(|(from, to)| (*from..*to).contains(&of_day));
        self.place = match window {
            None => Place::Home,
            Some((from, to)) if of_day - from < Self::WAY_H || to - of_day <= Self::WAY_H => {
                Place::Road
            }
            Some(_) => Place::Away,
        };
        if self.place == Place::Road {
            self.wake();
            let km = self.plan.way_km * sim.as_secs_f64() / 3600.0 / Self::WAY_H;
            self.odometer_km += km;
            let percent = km * Self::USE / self.plan.capacity.0 * 100.0;
            self.soc = Percent((self.soc.0 - percent).max(0.0));
        }
    }
}
