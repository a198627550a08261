//! The world: house, wallboxes and cars on one time line, with a balance that always adds up.

use std::collections::VecDeque;
use std::time::Duration;

use crate::model::{Amps, BatteryMode, Fact, KilowattHours, Mono, Now, Percent, WattHours, Watts};

use super::car::{Car, CarPlan};
use super::house::{Battery, Load, Sun};
use super::teslamate::{Inlet, TeslaMate};
use super::wallbox::{Draw, WallBox, WallBoxPlan};
use super::{Fault, Message};

/// A longer pause is computed in this many ticks, which are longer then.
const TICKS_MAX: u32 = 3600;
/// Faster than an hour per second, habits would be skipped.
const SPEED_MAX: f64 = 3600.0;
/// Messages of the TeslaMates that nobody has fetched; older ones are dropped.
pub(super) const MESSAGES_MAX: usize = 1000;
/// Outcomes of commands that nobody has fetched; older ones are dropped.
pub(super) const OUTCOMES_MAX: usize = 1000;

/// What a world consists of.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Chooses clouds and cooking.
    pub seed: u64,
    /// Time of day at the beginning, in hours.
    pub hour: f64,
    /// Simulated seconds per second: for sun, habits and energy. Devices react in real time.
    pub speed: f64,
    /// Day of the year at the beginning, 0 to 365; `None` is a summer that never ends.
    pub season: Option<f64>,
    /// Physics is computed at least this often; not 0.
    pub tick: Duration,
    /// Peak power of each field of panels.
    pub pv: Vec<Watts>,
    /// Consumption without cars and cooking.
    pub base_load: Watts,
    /// The home battery, if there is one.
    pub battery: Option<Battery>,
    /// A wallbox with the car that belongs to it, in the order of the load points.
    pub places: Vec<(WallBoxPlan, CarPlan)>,
    /// Time between two reports of a device.
    pub report: Duration,
}

/// The power flows of a moment: `grid = load + charging − pv − battery`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Flows {
    /// + import.
    pub grid: Watts,
    /// Production.
    pub pv: Watts,
    /// Household without cars.
    pub load: Watts,
    /// All wallboxes.
    pub charging: Watts,
    /// + discharge.
    pub battery: Watts,
}

/// Everything that a site measures and controls.
#[derive(Clone, Debug)]
pub struct World {
    pub(super) plan: Plan,
    pub(super) now: Now,
    start: Mono,
    pv: Vec<Sun>,
    load: Load,
    pub(super) battery: Option<Battery>,
    pub(super) boxes: Vec<WallBox>,
    pub(super) cars: Vec<Car>,
    teslamates: Vec<(usize, TeslaMate)>,
    pub(super) told: VecDeque<Message>,
    pub(super) outcomes: VecDeque<Fact>,
    pub(super) reported: Reported,
    grid_silent: bool,
}

/// When devices last reported, by the two ways out.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Reported {
    pub(super) messages: Option<Mono>,
    pub(super) facts: Option<Mono>,
}

impl Plan {
    /// The site of `demo.yaml`: 9.8 kWp in two fields, 10 kWh battery, a Tesla and an older car.
    pub fn demo(seed: u64) -> Self {
        let tesla = CarPlan {
            name: "Demo Tesla".to_owned(),
            capacity: KilowattHours(75.0),
            soc: Percent(41.0),
            limit_soc: Percent(80.0),
            phases: 3,
            max_current: Amps(16.0),
            away: vec![(17.5, 20.0)],
            way_km: 25.0,
            teslamate: true,
        };
        let zoe = CarPlan {
            name: "Zoe".to_owned(),
            capacity: KilowattHours(52.0),
            soc: Percent(55.0),
            limit_soc: Percent(100.0),
            phases: 1,
            max_current: Amps(16.0),
            away: vec![(7.0, 9.5), (15.0, 16.5)],
            way_km: 12.0,
            teslamate: false,
        };
        let fixed = WallBoxPlan { phase_switching: false, ..WallBoxPlan::default() };
        Self {
            seed,
            hour: 10.0,
            speed: 1.0,
            season: None,
            tick: Duration::from_secs(1),
            pv: vec![Watts(6400.0), Watts(3400.0)],
            base_load: Watts(350.0),
            battery: Some(Battery {
                capacity: KilowattHours(10.0),
                max_charge: Watts(3000.0),
                max_discharge: Watts(3000.0),
                efficiency: 0.96,
                mode: BatteryMode::Normal,
                soc: Percent(55.0),
                power: Watts::ZERO,
            }),
            places: vec![(WallBoxPlan::default(), tesla), (fixed, zoe)],
            report: Duration::from_secs(1),
        }
    }
}

impl World {
    /// A world at its beginning; a speed outside 0 to 3600 is brought inside.
    pub fn new(mut plan: Plan, now: Now) -> Self {
        plan.speed = plan.speed.clamp(0.0, SPEED_MAX);
        let seed = plan.seed;
        let watched = plan.places.iter().enumerate().filter(|(_, (_, car))| car.teslamate);
        let teslamates =
            watched.zip(1_u32..).map(|((ix, _), id)| (ix, TeslaMate::new(id, plan.speed, now)));
        Self {
            now,
            start: now.mono,
            // Neighbouring panels see the same clouds.
            pv: plan.pv.iter().map(|peak| Sun { peak: *peak, seed, season: plan.season }).collect(),
            load: Load { base: plan.base_load, seed: !seed },
            battery: plan.battery.clone(),
            boxes: plan.places.iter().map(|(wallbox, _)| WallBox::new(*wallbox)).collect(),
            cars: plan.places.iter().map(|(_, car)| Car::new(car.clone())).collect(),
            teslamates: teslamates.collect(),
            told: VecDeque::new(),
            outcomes: VecDeque::new(),
            reported: Reported::default(),
            grid_silent: false,
            plan,
        }
    }

    /// The world of the demo, `speed` times as fast as ours.
    pub fn demo(seed: u64, speed: f64, now: Now) -> Self {
        let plan = Plan { speed, ..Plan::demo(seed) };
        Self::new(plan, now)
    }

    /// Lets time pass until `now`. Time that goes back changes nothing.
    pub fn step(&mut self, now: Now) {
        let real = now.mono.since(self.now.mono);
        let ticks = u32::try_from(real.as_millis().div_ceil(self.plan.tick.as_millis().max(1)))
            .unwrap_or(TICKS_MAX)
            .min(TICKS_MAX);
        let from = self.now;
        for nth in 1..=ticks {
            let then = from.later(real * nth / ticks);
            let passed = then.mono.since(self.now.mono);
            self.now = then;
            self.tick(passed);
        }
    }

    /// The flows of this moment.
    pub fn flows(&self) -> Flows {
        let hour = self.hour();
        let pv = self.pv.iter().map(|sun| sun.power(hour)).sum();
        let load = self.load.power(hour);
        let charging = self.boxes.iter().map(WallBox::power).sum();
        let battery = self.battery.as_ref().map_or(Watts::ZERO, |battery| battery.power);
        let grid = load + charging - pv - battery;
        Flows { grid, pv, load, charging, battery }
    }

    /// Production of each field of panels.
    pub fn pv(&self) -> Vec<Watts> {
        let hour = self.hour();
        self.pv.iter().map(|sun| sun.power(hour)).collect()
    }

    /// Hours since the first midnight of the simulation.
    pub fn hour(&self) -> f64 {
        let real = self.now.mono.since(self.start).as_secs_f64();
        self.plan.hour + real * self.plan.speed / 3600.0
    }

    /// The home battery.
    pub fn battery(&self) -> Option<&Battery> {
        self.battery.as_ref()
    }

    /// The wallboxes in order.
    pub fn wallboxes(&self) -> &[WallBox] {
        &self.boxes
    }

    /// The car at each wallbox.
    pub fn cars(&self) -> &[Car] {
        &self.cars
    }

    /// A car, for a test to interfere; `None` if there is no such place.
    pub fn car_mut(&mut self, place: usize) -> Option<&mut Car> {
        self.cars.get_mut(place)
    }

    /// The TeslaMate that watches the car of a place, if one does.
    pub fn teslamate_mut(&mut self, place: usize) -> Option<&mut TeslaMate> {
        self.teslamates.iter_mut().find(|(ix, _)| *ix == place).map(|(_, teslamate)| teslamate)
    }

    /// Lets a wallbox misbehave, or behave again; an unknown place changes nothing.
    pub fn set_fault(&mut self, place: usize, fault: Option<Fault>) {
        if let Some(wallbox) = self.boxes.get_mut(place) {
            wallbox.fault = fault;
        }
    }

    /// Lets the grid meter fall silent (F1), or speak again.
    pub fn set_grid_silent(&mut self, silent: bool) {
        self.grid_silent = silent;
    }

    /// What the grid meter says.
    pub(super) fn grid_meter(&self) -> Option<Watts> {
        (!self.grid_silent).then(|| self.flows().grid)
    }

    fn tick(&mut self, real: Duration) {
        let sim = real.mul_f64(self.plan.speed);
        let hours = sim.as_secs_f64() / 3600.0;
        let hour = self.hour();
        for (wallbox, car) in self.boxes.iter_mut().zip(&mut self.cars) {
            car.step(hour, real, sim, wallbox.offer() > Amps::ZERO);
            let most = if hours > 0.0 { Watts(car.room().0 / hours) } else { Watts::ZERO };
            let draw = Draw {
                plugged: car.is_plugged(),
                appetite: car.appetite(),
                phases: car.plan.phases,
                most,
            };
            wallbox.step(self.now.mono, real, draw);
            let energy = WattHours(wallbox.power().0 * hours);
            wallbox.count(energy.kilowatt_hours());
            car.charge(energy);
        }
        let Flows { pv, load, charging, .. } = self.flows();
        if let Some(battery) = &mut self.battery {
            battery.step(real, sim, pv - load - charging);
        }
        for (place, teslamate) in &mut self.teslamates {
            let (wallbox, car) = (&self.boxes[*place], &self.cars[*place]);
            let inlet = Inlet {
                current: wallbox.current(),
                phases: wallbox.active_phases(),
                power: wallbox.power(),
                offered: wallbox.offer() > Amps::ZERO,
            };
            self.told.extend(teslamate.poll(self.now, car, inlet));
        }
        let surplus = self.told.len().saturating_sub(MESSAGES_MAX);
        self.told.drain(..surplus);
    }
}
