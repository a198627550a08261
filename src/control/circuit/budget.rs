//! Who may have how much of what the circuits leave: per phase, by priority, never more than there
//! is (control.md §22.3, Q20). A limit that is not set is infinite; so is the load of a circuit
//! that nobody can measure.

use std::ops::{Add, Sub};

use crate::model::{Amps, Rotation, Volts, Watts};

/// What a division lost must not cost a whole step.
const LOST: f64 = 1e-6;
/// Smaller changes of a wish change nobody else's share.
const NEWS: Amps = Amps(0.1);

/// The current of each phase of the grid, and the power.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Load {
    pub(crate) amps: [Amps; 3],
    pub(crate) power: Watts,
}

impl Load {
    pub(crate) const ZERO: Self = Self { amps: [Amps::ZERO; 3], power: Watts::ZERO };

    /// The same on every phase.
    pub(crate) fn even(amps: Amps, power: Watts) -> Self {
        Self { amps: [amps; 3], power }
    }

    /// No limit, or no bound.
    pub(crate) fn infinite() -> Self {
        Self::even(Amps(f64::INFINITY), Watts(f64::INFINITY))
    }

    /// A current on the first `phases` phases of a load point.
    pub(crate) fn of(current: Amps, phases: u8, volts: Volts, rotation: Rotation) -> Self {
        let mut load = Self { amps: [Amps::ZERO; 3], power: current.power(volts, phases) };
        for phase in rotation.phases().into_iter().take(usize::from(phases)) {
            load.amps[phase.index()] = current;
        }
        load
    }

    /// The larger of both, phase by phase.
    pub(crate) fn max(self, other: Self) -> Self {
        self.with(other, f64::max)
    }

    /// The smaller of both, phase by phase.
    pub(crate) fn min(self, other: Self) -> Self {
        self.with(other, f64::min)
    }

    /// Phase by phase: `instead` where `load` is above `limit`.
    pub(crate) fn unless_above(self, load: Self, limit: Self, instead: Self) -> Self {
        let amps = |ix: usize| {
            let above = load.amps[ix] > limit.amps[ix];
            if above { instead.amps[ix] } else { self.amps[ix] }
        };
        let power = if load.power > limit.power { instead.power } else { self.power };
        Self { amps: std::array::from_fn(amps), power }
    }

    fn with(self, other: Self, join: impl Fn(f64, f64) -> f64) -> Self {
        let amps = std::array::from_fn(|ix| Amps(join(self.amps[ix].0, other.amps[ix].0)));
        Self { amps, power: Watts(join(self.power.0, other.power.0)) }
    }
}

impl Add for Load {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        self.with(other, |a, b| a + b)
    }
}

impl Sub for Load {
    type Output = Self;
    /// What is infinite stays so.
    fn sub(self, other: Self) -> Self {
        self.with(other, |a, b| if a.is_infinite() { a } else { a - b })
    }
}

/// One limit: a circuit, or the grid operator.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Node {
    pub(crate) limit: Load,
    /// What is not ours at most, as raises see it: while a change is under way the meter may or may
    /// not show it.
    pub(crate) most: Load,
    /// The same at least, as reductions see it: what is under way is not reduced a second time.
    pub(crate) least: Load,
    /// The limit of the grid operator rather than a fuse.
    pub(crate) operator: bool,
}

/// What one load point wants and has.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Claim {
    /// The limits that it is subject to.
    pub(crate) path: Vec<usize>,
    pub(crate) rotation: Rotation,
    /// Phases that it would use, and the fewest that it could switch to.
    pub(crate) phases: [u8; 2],
    /// Less than this is off.
    pub(crate) min: Amps,
    /// What its vehicle is likely to take.
    pub(crate) likely: Amps,
    /// What it would like; 0 = nothing.
    pub(crate) wish: Amps,
    /// Smallest step of its current.
    pub(crate) step: Amps,
    /// What it was granted or still draws, whichever is more.
    pub(crate) held: Load,
}

/// How much of each phase of a load point, and of the power, is left for it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Room {
    /// In the order of the load point's phases.
    amps: [Amps; 3],
    power: Watts,
    operator: Watts,
}

impl Room {
    const FREE: Self = Self {
        amps: [Amps(f64::INFINITY); 3],
        power: Watts(f64::INFINITY),
        operator: Watts(f64::INFINITY),
    };

    /// The current that fits on `phases` phases.
    pub(crate) fn current(&self, phases: u8, volts: Volts) -> Amps {
        let fuse = self.fuse(phases);
        let power = self.power.min(self.operator).current(volts, phases);
        fuse.min(power).max(Amps::ZERO)
    }

    /// What the fuses alone leave on `phases` phases.
    pub(crate) fn fuse(&self, phases: u8) -> Amps {
        self.amps.into_iter().take(usize::from(phases)).fold(Amps(f64::INFINITY), Amps::min)
    }

    /// Whether it is the grid operator that leaves the least.
    fn by_operator(&self, phases: u8, volts: Volts) -> bool {
        self.operator < self.power && self.operator.current(volts, phases) < self.fuse(phases)
    }
}

/// What the circuits leave for one load point.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Cap {
    /// It may keep this much of what it has.
    keep: Room,
    /// It may go up to this.
    raise: Room,
}

impl Cap {
    /// No limit at all.
    pub(crate) const NONE: Self = Self { keep: Room::FREE, raise: Room::FREE };

    /// The most that may be offered where `offered` is offered now.
    pub(crate) fn current(&self, offered: Amps, phases: u8, volts: Volts) -> Amps {
        let keep = offered.min(self.keep.current(phases, volts));
        self.raise.current(phases, volts).max(keep)
    }

    /// Whether a current that is not offered yet fits on this many phases.
    pub(crate) fn allows(&self, current: Amps, phases: u8, volts: Volts) -> bool {
        self.raise.current(phases, volts) + Amps(LOST) >= current
    }

    /// Whether a current that is offered may stay on this many phases.
    pub(crate) fn keeps(&self, current: Amps, phases: u8, volts: Volts) -> bool {
        self.keep.current(phases, volts) + Amps(LOST) >= current
    }

    /// What the fuses leave on one phase.
    pub(crate) fn one_phase(&self) -> Amps {
        self.raise.fuse(1).max(Amps::ZERO)
    }

    /// Whether it is the grid operator that leaves the least.
    pub(crate) fn by_operator(&self, phases: u8, volts: Volts) -> bool {
        self.raise.by_operator(phases, volts) || self.keep.by_operator(phases, volts)
    }
}

/// The shares of one decision.
#[derive(Clone, Debug)]
pub(crate) struct Budget {
    volts: Volts,
    nodes: Vec<Node>,
    claims: Vec<Claim>,
    /// What each should have in the end.
    entitled: Vec<Load>,
    /// What each counts as for those that want to keep something, and to raise.
    kept: Vec<Load>,
    held: Vec<Load>,
    /// The sums of these, limit by limit.
    kept_sum: Vec<Load>,
    held_sum: Vec<Load>,
}

impl Budget {
    /// Shares out: the minimum for as many as possible by priority, then what their vehicles are
    /// likely to take, then the rest. `order` has the highest priority first.
    pub(crate) fn new(volts: Volts, nodes: Vec<Node>, claims: Vec<Claim>, order: &[usize]) -> Self {
        let mut budget = Self {
            volts,
            entitled: vec![Load::ZERO; claims.len()],
            kept: vec![Load::ZERO; claims.len()],
            held: vec![Load::ZERO; claims.len()],
            kept_sum: vec![Load::ZERO; nodes.len()],
            held_sum: vec![Load::ZERO; nodes.len()],
            nodes,
            claims,
        };
        budget.entitle(order);
        for ix in 0..budget.claims.len() {
            let entitled = budget.entitled[ix];
            budget.set_held(ix, budget.claims[ix].held.max(entitled));
        }
        budget
    }

    /// What one load point may have now.
    pub(crate) fn cap(&self, ix: usize) -> Cap {
        let raise = |node: usize| self.nodes[node].most + self.held_sum[node];
        Cap { keep: self.keep_room(ix), raise: self.room(ix, raise, self.held[ix]) }
    }

    /// Takes account of what a load point has been granted; what it had is still drawn.
    pub(crate) fn decided(&mut self, ix: usize, granted: Load) {
        let granted = granted.max(self.entitled[ix]);
        self.set_kept(ix, granted);
        self.set_held(ix, granted.max(self.claims[ix].held));
    }

    /// Whether the wishes are not those that were shared out.
    pub(crate) fn is_outdated(&self, wishes: impl Iterator<Item = Amps>) -> bool {
        self.claims.iter().zip(wishes).any(|(claim, wish)| (claim.wish - wish).abs() > NEWS)
    }

    fn entitle(&mut self, order: &[usize]) {
        let mut phases = vec![0; self.claims.len()];
        for &ix in order {
            let Claim { min, rotation, wish, phases: [most, fewest], .. } = self.claims[ix];
            let room = self.keep_room(ix);
            let fits = |n: &u8| room.current(*n, self.volts) + Amps(LOST) >= min;
            if let Some(n) = [most, fewest].into_iter().find(fits).filter(|_| wish > Amps::ZERO) {
                phases[ix] = n;
                self.entitled[ix] = Load::of(min, n, self.volts, rotation);
                self.set_kept(ix, self.entitled[ix]);
            }
        }
        for level in [|claim: &Claim| claim.likely, |claim: &Claim| claim.wish] {
            for &ix in order.iter().filter(|ix| phases[**ix] > 0) {
                let claim = &self.claims[ix];
                let most = self.keep_room(ix).current(phases[ix], self.volts);
                let current = floor(level(claim).min(most), claim.step).max(claim.min);
                self.entitled[ix] = Load::of(current, phases[ix], self.volts, claim.rotation);
                self.set_kept(ix, self.entitled[ix]);
            }
        }
    }

    fn keep_room(&self, ix: usize) -> Room {
        self.room(ix, |node| self.nodes[node].least + self.kept_sum[node], self.kept[ix])
    }

    /// What the limits on its path leave a load point, its own share not counted.
    fn room(&self, ix: usize, used: impl Fn(usize) -> Load, own: Load) -> Room {
        let claim = &self.claims[ix];
        let mut room = Room::FREE;
        for &node in &claim.path {
            let Node { limit, operator, .. } = self.nodes[node];
            let free = limit - (used(node) - own);
            for (amps, phase) in room.amps.iter_mut().zip(claim.rotation.phases()) {
                *amps = amps.min(free.amps[phase.index()]);
            }
            let power = if operator { &mut room.operator } else { &mut room.power };
            *power = power.min(free.power);
        }
        room
    }

    fn set_kept(&mut self, ix: usize, load: Load) {
        for &node in &self.claims[ix].path {
            self.kept_sum[node] = self.kept_sum[node] + load - self.kept[ix];
        }
        self.kept[ix] = load;
    }

    fn set_held(&mut self, ix: usize, load: Load) {
        for &node in &self.claims[ix].path {
            self.held_sum[node] = self.held_sum[node] + load - self.held[ix];
        }
        self.held[ix] = load;
    }
}

/// Rounds down to whole steps.
fn floor(current: Amps, step: Amps) -> Amps {
    Amps((current.0 / step.0 + LOST).floor() * step.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const VOLTS: Volts = Volts(230.0);

    fn node(limit: f64, load: f64) -> Node {
        let limit = Load { amps: [Amps(limit); 3], power: Watts(f64::INFINITY) };
        let load = Load::even(Amps(load), Watts::ZERO);
        Node { limit, most: load, least: load, operator: false }
    }

    fn claim(path: &[usize], rotation: Rotation, phases: u8, wish: f64) -> Claim {
        Claim {
            path: path.to_vec(),
            rotation,
            phases: [phases; 2],
            min: Amps(6.0),
            likely: Amps(wish),
            wish: Amps(wish),
            step: Amps(1.0),
            held: Load::ZERO,
        }
    }

    /// control.md §31.5: what a circuit and its parent leave of a wish.
    #[test]
    fn validation_up_the_tree() {
        let rows: Vec<Vec<f64>> =
            serde_json::from_str(include_str!("../../../tests/data/examples/circuit.json"))
                .unwrap();
        for row in rows {
            let &[parent, own, old, new, expected] = row.as_slice() else { panic!("{row:?}") };
            for watts in [false, true] {
                let node = |load: f64| {
                    let (limit, rest) = if watts {
                        (Load { power: Watts(1.0), ..Load::infinite() }, Watts(load - old))
                    } else {
                        (Load { amps: [Amps(1.0); 3], ..Load::infinite() }, Watts::ZERO)
                    };
                    let rest = Load::even(Amps(load - old), rest);
                    Node { limit, most: rest, least: rest, operator: false }
                };
                let claim = Claim { min: Amps(0.1), ..claim(&[0, 1], Rotation::L1L2L3, 1, 0.0) };
                let budget =
                    Budget::new(Volts(1.0), vec![node(own), node(parent)], vec![claim], &[0]);
                let allowed = budget.cap(0).current(Amps(old), 1, Volts(1.0)).0.min(new);
                assert!((allowed - expected).abs() < 1e-9, "{row:?}: {allowed}");
            }
        }
    }

    #[test]
    fn the_minimum_for_as_many_as_possible_then_the_rest_by_priority() {
        let claims = vec![claim(&[0], Rotation::L1L2L3, 3, 16.0); 3];
        let budget = Budget::new(VOLTS, vec![node(25.0, 0.0)], claims, &[2, 0, 1]);
        let shares: Vec<_> = budget.entitled.iter().map(|load| load.amps[0].0).collect();
        assert_eq!(shares, [6.0, 6.0, 13.0]);
        let claims = vec![claim(&[0], Rotation::L1L2L3, 3, 16.0); 3];
        let budget = Budget::new(VOLTS, vec![node(25.0, 9.5)], claims, &[2, 0, 1]);
        let shares: Vec<_> = budget.entitled.iter().map(|load| load.amps[0].0).collect();
        assert_eq!(shares, [6.0, 0.0, 9.0], "floor rounding, and nobody is served twice");
    }

    #[test]
    fn an_overload_elsewhere_is_none_of_ones_business() {
        let mut fuse = node(25.0, 0.0);
        fuse.most.amps[2] = Amps(30.0);
        fuse.least.amps[2] = Amps(30.0);
        let claims = vec![
            claim(&[0], Rotation::L1L2L3, 1, 16.0),
            claim(&[0], Rotation::L3L1L2, 1, 16.0),
            claim(&[0], Rotation::L2L3L1, 1, 16.0),
        ];
        let budget = Budget::new(VOLTS, vec![fuse], claims, &[0, 1, 2]);
        let shares: Vec<_> = budget.entitled.iter().map(|load| load.power.0 / 230.0).collect();
        assert_eq!(shares, [16.0, 0.0, 16.0], "L1, L3 and L2");
    }

    #[test]
    fn what_is_granted_and_not_drawn_is_not_granted_again() {
        let mut first = claim(&[0], Rotation::L1L2L3, 3, 16.0);
        first.held = Load::of(Amps(16.0), 3, VOLTS, Rotation::L1L2L3);
        let claims = vec![first, claim(&[0], Rotation::L1L2L3, 3, 16.0)];
        let mut budget = Budget::new(VOLTS, vec![node(20.0, 0.0)], claims, &[0, 1]);
        let kept = budget.cap(0).current(Amps(16.0), 3, VOLTS);
        assert_eq!(kept, Amps(14.0), "6 A are the other's");
        budget.decided(0, Load::of(kept, 3, VOLTS, Rotation::L1L2L3));
        let other = budget.cap(1).current(Amps::ZERO, 3, VOLTS);
        assert_eq!(other, Amps(4.0), "the 2 A are still on the wire");
    }

    #[test]
    fn an_unmeasured_circuit_leaves_nothing() {
        let blind = Node { most: Load::infinite(), least: Load::infinite(), ..node(25.0, 0.0) };
        let claims = vec![claim(&[0], Rotation::L1L2L3, 3, 16.0)];
        let budget = Budget::new(VOLTS, vec![blind], claims, &[0]);
        assert_eq!(budget.cap(0).current(Amps(16.0), 3, VOLTS), Amps::ZERO);
    }
}
