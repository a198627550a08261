//! Laws of load management, checked on random trees, rotations, cars and other loads.

use chargebus::model::*;
use proptest::prelude::*;

use super::{Car, House, circuit, loadpoint, setup};

/// A random tree with its load points, cars and other loads.
#[derive(Clone, Debug)]
struct Plan {
    /// Parent (modulo the circuits before it), fuse, metered.
    circuits: Vec<(usize, f64, bool)>,
    /// Circuit (modulo), rotation, priority, car.
    cars: Vec<(usize, Rotation, i64, Car)>,
    /// Other loads in turn: circuit (modulo), per phase.
    loads: Vec<(usize, [f64; 3])>,
}

fn plan() -> impl Strategy<Value = Plan> {
    let rotation = prop::sample::select(vec![Rotation::L1L2L3, Rotation::L2L3L1, Rotation::L3L1L2]);
    let car = (prop::sample::select(vec![1_u8, 2, 3]), 5.0..32.0)
        .prop_map(|(phases, most)| Car { phases, most });
    (
        prop::collection::vec((0..4_usize, 10.0..63.0, any::<bool>()), 1..5),
        prop::collection::vec((0..4_usize, rotation, 0..3_i64, car), 1..5),
        prop::collection::vec((0..4_usize, [0.0..20.0, 0.0..20.0, 0.0..20.0]), 0..3),
    )
        .prop_map(|(circuits, cars, loads)| Plan { circuits, cars, loads })
}

fn build(plan: &Plan) -> House {
    let count = plan.circuits.len();
    let circuits =
        plan.circuits.iter().enumerate().map(|(ix, (parent, amps, _))| {
            circuit((ix > 0).then(|| parent % ix.max(1)), ix, *amps)
        });
    let loadpoints = plan.cars.iter().map(|(at, rotation, priority, _)| LoadPointSetup {
        priority: *priority,
        ..loadpoint(at % count, *rotation)
    });
    let mut setup = setup(circuits.collect(), loadpoints.collect());
    for (circuit, (_, _, metered)) in setup.limits.circuits.iter_mut().zip(&plan.circuits) {
        circuit.meter = circuit.meter.filter(|_| *metered);
    }
    House::new(setup, plan.cars.iter().map(|(.., car)| *car).collect())
}

/// What a circuit carries if every car that is on takes at least its minimum: it may at any time.
fn with_minimums(house: &House, circuit: usize) -> [f64; 3] {
    let (below, mut amps) = (house.below(circuit), house.carries(circuit));
    for (lp, state) in house.control.loadpoints().iter().enumerate() {
        let wiring = state.setup.wiring;
        if state.enabled && wiring.circuit.is_some_and(|ix| below.contains(&ix.0)) {
            let phases = usize::from(state.effective.phases_active);
            for phase in wiring.rotation.phases().into_iter().take(phases) {
                amps[phase.index()] += (6.0 - house.draws(lp)[phase.index()]).max(0.0);
            }
        }
    }
    amps
}

/// Whether another car could have its minimum and has nothing.
fn starving(house: &House) -> Option<usize> {
    let fits = |lp: usize| {
        let state = &house.control.loadpoints()[lp];
        let phases = usize::from(state.effective.phases_active);
        let mut circuit = state.setup.wiring.circuit;
        while let Some(ix) = circuit {
            let setup = &house.control.setup().limits.circuits[ix.0];
            let carries = with_minimums(house, ix.0);
            let limit = setup.max_current.unwrap().0;
            let used = state.setup.wiring.rotation.phases();
            if used.iter().take(phases).any(|phase| carries[phase.index()] + 6.0 > limit) {
                return false;
            }
            circuit = setup.parent;
        }
        true
    };
    (0..house.cars.len()).find(|lp| !house.control.loadpoints()[*lp].enabled && fits(*lp))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_phase_carries_more_than_its_fuse(plan in plan()) {
        let mut house = build(&plan);
        // With loads that do not change nothing is ever overloaded.
        for _ in 0..20 {
            house.second();
            prop_assert!(house.overload() <= 1e-9, "{} A too much: {:?}", house.overload(), house.offered());
        }
        for (at, amps) in &plan.loads {
            let at = at % plan.circuits.len();
            // Other loads are seen only where a meter is, and a fuse carries what its branch does.
            if plan.circuits[at].2 {
                house.base[at] = *amps;
            }
            house.seconds(3);
            for _ in 0..90 {
                house.second();
                let off = house.offered().iter().all(|amps| *amps == 0.0);
                prop_assert!(off || over_by_cars(&house) <= 1e-9, "{:?} {:?}", house.offered(), plan);
            }
            prop_assert_eq!(starving(&house), None, "{:?}", house.offered());
        }
    }
}

/// As `overload`, of circuits that a charging car is part of.
fn over_by_cars(house: &House) -> f64 {
    let mut worst = f64::MIN;
    for ix in 0..house.base.len() {
        let below = house.below(ix);
        for (lp, state) in house.control.loadpoints().iter().enumerate() {
            if !state.setup.wiring.circuit.is_some_and(|at| below.contains(&at.0)) {
                continue;
            }
            let limit = house.control.setup().limits.circuits[ix].max_current.unwrap().0;
            for (draw, carried) in house.draws(lp).into_iter().zip(house.carries(ix)) {
                if draw > 0.0 {
                    worst = worst.max(carried - limit);
                }
            }
        }
    }
    worst
}
