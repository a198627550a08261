//! Load management from outside: no phase of no circuit carries more than its fuse.

use std::time::Duration;

use chargebus::control::{Control, Why};
use chargebus::model::*;
use chrono::{TimeZone, Utc};

use crate::rhythm::Rhythm;

mod feed_in;
mod laws;

const VOLTS: f64 = 230.0;

/// A car: how many phases it uses and how much it takes at most.
#[derive(Clone, Copy, Debug)]
struct Car {
    phases: u8,
    most: f64,
}

/// Circuits, cars that follow what they are offered, and a house beside them.
struct House {
    control: Control,
    now: Now,
    cars: Vec<Car>,
    /// What each circuit carries beside load points, per phase.
    base: Vec<[f64; 3]>,
    /// Meters that say nothing.
    dead: Vec<bool>,
    events: Vec<EventKind>,
    commands: Vec<(usize, ChargerCommand)>,
}

fn loadpoint(circuit: usize, rotation: Rotation) -> LoadPointSetup {
    LoadPointSetup {
        name: "lp".into(),
        phases_configured: 3,
        wiring: Wiring { circuit: Some(CircuitIx(circuit)), rotation },
        charger: ChargerSetup { has_power: true, has_currents: true, ..ChargerSetup::default() },
        ..LoadPointSetup::default()
    }
}

/// A circuit with a meter of its own, by position.
fn circuit(parent: Option<usize>, meter: usize, max_current: f64) -> CircuitSetup {
    CircuitSetup {
        name: format!("c{meter}"),
        parent: parent.map(CircuitIx),
        meter: Some(MeterIx(meter)),
        max_current: Some(Amps(max_current)),
        ..CircuitSetup::default()
    }
}

fn setup(circuits: Vec<CircuitSetup>, loadpoints: Vec<LoadPointSetup>) -> Setup {
    let meter = |ix: usize| MeterSetup::new(format!("m{ix}"), MeterRole::Circuit);
    Setup {
        voltage: Volts(VOLTS),
        meters: (0..circuits.len()).map(meter).collect(),
        limits: LimitSetup { circuits, ..LimitSetup::default() },
        loadpoints,
        ..Setup::default()
    }
}

impl Rhythm for House {
    fn core(&mut self) -> &mut Control {
        &mut self.control
    }

    fn clock(&mut self) -> &mut Now {
        &mut self.now
    }

    fn note(&mut self, effect: Effect) {
        if let Effect::Event(event) = effect {
            self.events.push(event.kind);
        } else if let Effect::Charger { lp, command } = effect
            && command != ChargerCommand::Renew
        {
            self.commands.push((lp.0, command));
        }
    }
}

impl House {
    fn new(setup: Setup, cars: Vec<Car>) -> Self {
        let now = Now { mono: Mono(1_000_000), utc: Utc.timestamp_opt(1_800_000_000, 0).unwrap() };
        let circuits = setup.limits.circuits.len();
        let mut house = Self {
            control: Control::new(setup, now),
            now,
            cars,
            base: vec![[0.0; 3]; circuits],
            dead: vec![false; circuits],
            events: vec![],
            commands: vec![],
        };
        for lp in 0..house.cars.len() {
            house.charger(lp, ChargerValue::Status(ChargeStatus::Connected));
            house.charger(lp, ChargerValue::Enabled(false));
            house.control.set_mode(now, LoadPointIx(lp), Mode::Now).unwrap();
        }
        house
    }

    fn fact(&mut self, fact: Fact) {
        self.control.handle(self.now, fact);
        self.drain();
    }

    fn charger(&mut self, lp: usize, value: ChargerValue) {
        self.fact(Fact::Charger { lp: LoadPointIx(lp), value, origin: Origin::Live });
    }

    fn pass(&mut self, duration: Duration) {
        let end = self.now.later(duration);
        self.pass_until(end, 10_000);
    }

    /// Current per phase of the grid that a load point draws.
    fn draws(&self, lp: usize) -> [f64; 3] {
        let state = &self.control.loadpoints()[lp];
        let mut amps = [0.0; 3];
        if state.enabled {
            let car = self.cars[lp];
            let phases = state.setup.wiring.rotation.phases();
            for phase in phases.into_iter().take(usize::from(car.phases)) {
                amps[phase.index()] = state.offered.0.min(car.most);
            }
        }
        amps
    }

    /// Everything below a circuit, itself included.
    fn below(&self, circuit: usize) -> Vec<usize> {
        let circuits = &self.control.setup().limits.circuits;
        let is_below = |ix: usize| {
            let up = |ix: &usize| circuits[*ix].parent.map(|parent| parent.0);
            std::iter::successors(Some(ix), up).any(|above| above == circuit)
        };
        (0..circuits.len()).filter(|ix| is_below(*ix)).collect()
    }

    /// What a circuit carries, per phase.
    fn carries(&self, circuit: usize) -> [f64; 3] {
        let below = self.below(circuit);
        let lps = self.control.loadpoints().iter().enumerate();
        let fed =
            lps.filter(|(_, lp)| lp.setup.wiring.circuit.is_some_and(|ix| below.contains(&ix.0)));
        let cars = fed.map(|(lp, _)| self.draws(lp));
        let loads = cars.chain(below.iter().map(|ix| self.base[*ix]));
        loads.fold([0.0; 3], |sum, load| std::array::from_fn(|phase| sum[phase] + load[phase]))
    }

    /// Everything says what it draws; then a second passes.
    fn second(&mut self) {
        for lp in 0..self.cars.len() {
            let amps = self.draws(lp);
            let state = &self.control.loadpoints()[lp];
            let (enabled, rotation) = (state.enabled, state.setup.wiring.rotation);
            let status = if enabled { ChargeStatus::Charging } else { ChargeStatus::Connected };
            self.charger(lp, ChargerValue::Enabled(enabled));
            self.charger(lp, ChargerValue::Power(Watts(amps.iter().sum::<f64>() * VOLTS)));
            for (own, grid) in Phase::ALL.into_iter().zip(rotation.phases()) {
                self.charger(lp, ChargerValue::Current(own, Amps(amps[grid.index()])));
            }
            self.charger(lp, ChargerValue::Status(status));
        }
        for circuit in 0..self.base.len() {
            let Some(meter) = self.control.setup().limits.circuits[circuit].meter else { continue };
            if self.dead[circuit] {
                continue;
            }
            let amps = self.carries(circuit);
            let power = Watts(amps.iter().sum::<f64>() * VOLTS);
            let origin = Origin::Live;
            self.fact(Fact::Meter { meter, value: MeterValue::Power(power), origin });
            for (phase, amps) in Phase::ALL.into_iter().zip(amps) {
                let value = MeterValue::Current(phase, Amps(amps));
                self.fact(Fact::Meter { meter, value, origin });
            }
        }
        self.pass(Duration::from_secs(1));
    }

    fn seconds(&mut self, seconds: usize) {
        for _ in 0..seconds {
            self.second();
        }
    }

    fn offered(&self) -> Vec<f64> {
        self.control.loadpoints().iter().map(|lp| lp.offered.0).collect()
    }

    fn why(&self, lp: usize) -> Why {
        self.control.loadpoints()[lp].decision.why
    }

    /// By how much the most loaded phase is above its fuse.
    fn overload(&self) -> f64 {
        let circuits = self.control.setup().limits.circuits.iter().enumerate();
        let over = circuits.map(|(ix, circuit)| {
            let most = self.carries(ix).into_iter().fold(f64::MIN, f64::max);
            most - circuit.max_current.map_or(f64::INFINITY, |amps| amps.0)
        });
        over.fold(f64::MIN, f64::max)
    }
}

const CAR: Car = Car { phases: 3, most: 32.0 };

fn fuse(amps: f64, cars: &[Car]) -> House {
    let loadpoints = cars.iter().map(|_| loadpoint(0, Rotation::L1L2L3)).collect();
    House::new(setup(vec![circuit(None, 0, amps)], loadpoints), cars.to_vec())
}

#[test]
fn a_step_of_ten_amperes_is_gone_within_three_seconds() {
    let mut house = fuse(25.0, &[CAR]);
    house.base[0] = [5.0; 3];
    house.seconds(5);
    assert_eq!(house.offered(), [16.0]);
    house.base[0] = [15.0; 3];
    let before = house.commands.len();
    house.seconds(1);
    assert_eq!(house.offered(), [10.0], "with the first sample");
    assert_eq!(house.commands.len(), before + 1, "one command: {:?}", house.commands);
    assert_eq!(house.why(0), Why::CircuitLimit);
    house.seconds(3);
    assert!(house.overload() <= 0.0);
    house.base[0] = [5.0; 3];
    house.seconds(15);
    assert_eq!(house.offered(), [16.0], "and back again");
}

#[test]
fn a_limit_needs_no_grid_meter() {
    let mut house = fuse(25.0, &[CAR]);
    house.seconds(3);
    house.control.set_mode(house.now, LoadPointIx(0), Mode::Pv).unwrap();
    house.seconds(1);
    assert_eq!((house.offered(), house.why(0)), (vec![16.0], Why::GridAwaited));
    house.base[0] = [15.0; 3];
    house.seconds(1);
    assert_eq!(house.offered(), [10.0]);
    house.base[0] = [24.0; 3];
    house.seconds(1);
    assert_eq!(house.offered(), [0.0]);
}

#[test]
fn three_cars_share_by_priority_and_nobody_starves() {
    let mut house = fuse(25.0, &[CAR; 3]);
    house.control.set_priority(house.now, LoadPointIx(2), 5).unwrap();
    for _ in 0..100 {
        house.second();
        assert!(house.overload() <= 0.0, "{:?}", house.offered());
    }
    assert_eq!(house.offered(), [6.0, 6.0, 13.0]);
}

#[test]
fn a_late_comer_gets_its_minimum() {
    let mut house = fuse(20.0, &[CAR; 2]);
    house.control.set_mode(house.now, LoadPointIx(1), Mode::Off).unwrap();
    house.seconds(20);
    assert_eq!(house.offered(), [16.0, 0.0]);
    house.control.set_mode(house.now, LoadPointIx(1), Mode::Now).unwrap();
    for _ in 0..30 {
        house.second();
        assert!(house.overload() <= 0.0, "{:?}", house.offered());
    }
    assert_eq!(house.offered(), [14.0, 6.0]);
}

#[test]
fn after_a_cut_it_stays_off_for_a_minute() {
    let mut house = fuse(20.0, &[CAR]);
    house.seconds(5);
    house.base[0] = [16.0; 3];
    house.seconds(1);
    assert_eq!(house.offered(), [0.0], "4 A are less than the minimum");
    assert_eq!(house.why(0), Why::CircuitLimit);
    house.base[0] = [0.0; 3];
    house.seconds(55);
    assert_eq!(house.offered(), [0.0]);
    house.seconds(10);
    assert_eq!(house.offered(), [16.0]);
}

#[test]
fn a_dead_meter_leaves_nobody_on_and_blocks_no_sibling() {
    let circuits =
        vec![circuit(None, 0, 50.0), circuit(Some(0), 1, 20.0), circuit(Some(0), 2, 20.0)];
    let loadpoints = vec![loadpoint(1, Rotation::L1L2L3), loadpoint(2, Rotation::L1L2L3)];
    let mut house = House::new(setup(circuits, loadpoints), vec![CAR; 2]);
    house.seconds(20);
    assert_eq!(house.offered(), [16.0, 16.0]);
    house.dead[1] = true;
    house.seconds(12);
    assert_eq!(house.offered(), [0.0, 16.0], "only what is below the dead meter is off");
    assert!(house.events.contains(&EventKind::CircuitSilent(CircuitIx(1))));
    house.control.set_mode(house.now, LoadPointIx(1), Mode::Off).unwrap();
    house.seconds(1);
    assert_eq!(house.offered(), [0.0, 0.0]);
    house.dead[1] = false;
    house.seconds(70);
    assert_eq!(house.offered(), [16.0, 0.0], "it is back, and so is the car");
    assert!(house.events.contains(&EventKind::CircuitBack(CircuitIx(1))));
}

#[test]
fn nothing_is_started_before_the_meter_has_spoken() {
    let mut house = fuse(20.0, &[CAR]);
    house.dead[0] = true;
    house.seconds(70);
    assert!(
        !house.commands.iter().any(|(_, command)| *command == ChargerCommand::Enable(true)),
        "{:?}",
        house.commands
    );
    let value = MeterValue::Power(Watts(0.0));
    house.fact(Fact::Meter { meter: MeterIx(0), value, origin: Origin::Retained });
    house.seconds(5);
    assert_eq!(house.offered(), [0.0], "a retained value is of unknown age");
}

#[test]
fn a_car_on_one_phase_minds_its_own_phase() {
    let mut house = fuse(20.0, &[Car { phases: 1, most: 32.0 }]);
    house.seconds(5);
    assert_eq!(house.offered(), [16.0]);
    house.base[0] = [0.0, 0.0, 30.0];
    house.seconds(5);
    assert_eq!(house.offered(), [16.0], "L3 is overloaded by somebody else");
    house.base[0] = [8.0, 0.0, 30.0];
    house.seconds(1);
    assert_eq!(house.offered(), [12.0]);
}

fn operator(timeout: Option<u64>) -> House {
    let mut loadpoints = vec![loadpoint(0, Rotation::L1L2L3); 2];
    for lp in &mut loadpoints {
        lp.wiring.circuit = None;
        lp.phases_configured = 1;
    }
    let mut setup = setup(vec![], loadpoints);
    setup.limits.operator = Some(OperatorSetup {
        max_power: Watts(4200.0),
        fail_safe: Watts(4200.0),
        timeout: timeout.map(Duration::from_secs),
    });
    House::new(setup, vec![Car { phases: 1, most: 32.0 }; 2])
}

fn signal(house: &mut House, watts: f64) {
    let signal = OperatorSignal::Limit(Watts(watts));
    house.fact(Fact::Operator { signal, origin: Origin::Live });
}

#[test]
fn the_grid_operator_limits_every_load_point_but_never_below_what_the_law_grants() {
    let mut house = operator(None);
    house.seconds(5);
    assert_eq!(house.offered(), [16.0, 16.0]);
    signal(&mut house, 1000.0);
    house.pass(Duration::from_millis(200));
    let power: f64 = house.offered().iter().map(|amps| amps * VOLTS).sum();
    assert!(power > 2760.0 && power <= 4200.0, "{power} W within one decision");
    assert_eq!(house.why(0), Why::GridOperatorLimit);
    house.seconds(5);
    signal(&mut house, 0.0);
    house.seconds(20);
    assert_eq!(house.offered(), [16.0, 16.0]);
    assert_eq!(
        house.events.iter().filter(|kind| matches!(kind, EventKind::GridLimit(4200))).count(),
        1
    );
    assert_eq!(house.events.last(), Some(&EventKind::GridLimitEnd));
}

#[test]
fn a_lost_signal_is_the_fail_safe_limit() {
    let mut house = operator(Some(30));
    for _ in 0..20 {
        signal(&mut house, 0.0);
        house.seconds(3);
    }
    assert_eq!(house.offered(), [16.0, 16.0]);
    house.seconds(31);
    let power: f64 = house.offered().iter().map(|amps| amps * VOLTS).sum();
    assert!(power > 2760.0 && power <= 4200.0, "{power} W");
    assert!(house.events.contains(&EventKind::GridLimitFailSafe(4200)));
    signal(&mut house, 0.0);
    house.seconds(15);
    assert_eq!(house.offered(), [16.0, 16.0]);
}
