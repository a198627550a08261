//! Load management: what the circuits carry, what the grid operator allows (control.md §22, §23).
//!
//! `budget` shares out what is left; here is what is known of the load. It depends on nothing but
//! the meters of the circuits and on what the load points were granted: not on the grid meter of
//! the site, and not on a neighbour whose meter is dead (Q19, Q30).

mod budget;
mod feed_in;
mod operator;

use std::time::Duration;

use crate::model::{
    Amps, CircuitIx, CircuitSetup, EventKind, LoadPointSetup, MeterValue, Mono, Now, Origin, Setup,
    Volts, Watts,
};

use super::Reading;

pub use feed_in::FeedIn;
pub use operator::Operator;

pub(crate) use budget::{Budget, Cap, Claim, Load, Node};

/// A measurement that guards a fuse counts no longer than this (design S2), and it may take this
/// long after the start until the first one arrives: until then nothing is raised.
const GUARD_MAX: Duration = Duration::from_secs(60);

/// All circuits and the grid operator.
#[derive(Clone, Debug)]
pub struct Circuits {
    /// In configured order.
    pub circuits: Vec<Circuit>,
    /// The grid operator, if it can limit the consumption.
    pub operator: Option<Operator>,
    /// The grid operator, if it can limit the feed-in.
    pub feed_in: Option<FeedIn>,
    /// From every circuit up to the root, itself first.
    paths: Vec<Vec<usize>>,
    /// Children before their parents.
    upwards: Vec<usize>,
    /// Circuits of the load points.
    fed_by: Vec<Option<usize>>,
    started: Mono,
}

/// One circuit with its newest values.
#[derive(Clone, Debug)]
pub struct Circuit {
    /// What it is.
    pub setup: CircuitSetup,
    /// What it carries; the last that was known.
    pub power: Option<Watts>,
    /// What its most loaded phase carries; the last that was known.
    pub current: Option<Amps>,
    /// Its meter is missed: everything below it is off.
    pub silent: bool,
    gauge: Gauge,
}

/// What the meter of a circuit said.
#[derive(Clone, Copy, Debug, Default)]
struct Gauge {
    power: Option<Reading<Watts>>,
    amps: [Option<Reading<Amps>>; 3],
}

/// What a meter can be believed.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Measured {
    /// This much.
    Known(Load),
    /// It has not spoken since the start, and not for long enough to worry.
    Awaited,
    /// It is missed.
    Silent,
}

/// What a load point draws, as far as it is known: a meter may or may not show yet what is under way.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Draw {
    /// At least.
    pub(crate) least: Load,
    /// At most, where a fuse is overloaded: what was just taken back may still be on the wire.
    pub(crate) most: Load,
    /// At most, where none is: what was just granted may be on the wire already.
    pub(crate) granted: Load,
}

impl Circuits {
    /// Circuits that have heard nothing yet.
    pub(super) fn new(setup: &Setup, now: Now) -> Self {
        let limits = &setup.limits;
        let count = limits.circuits.len();
        let path = |first: usize| {
            let parent =
                |ix: &usize| limits.circuits.get(*ix)?.parent.map(|CircuitIx(parent)| parent);
            // The configuration has no cycle; the bound holds whatever it has.
            std::iter::successors(Some(first), parent).take(count).collect::<Vec<_>>()
        };
        let paths: Vec<_> = (0..count).map(path).collect();
        let mut upwards: Vec<_> = (0..count).collect();
        upwards.sort_by_key(|ix| std::cmp::Reverse(paths[*ix].len()));
        let circuit = |setup: &LoadPointSetup| {
            setup.wiring.circuit.map(|circuit| circuit.0).filter(|circuit| *circuit < count)
        };
        Self {
            circuits: limits.circuits.iter().cloned().map(Circuit::new).collect(),
            operator: limits.operator.map(|setup| Operator::new(setup, now)),
            feed_in: limits.feed_in.map(|setup| FeedIn::new(setup, now)),
            paths,
            upwards,
            fed_by: setup.loadpoints.iter().map(circuit).collect(),
            started: now.mono,
        }
    }

    /// Whether the consumption can be limited.
    pub fn is_empty(&self) -> bool {
        self.circuits.is_empty() && self.operator.is_none()
    }

    /// Records one attribute of a meter; whether a circuit is guarded by it.
    pub(super) fn record(
        &mut self,
        now: Now,
        meter: usize,
        value: MeterValue,
        origin: Origin,
    ) -> bool {
        let mut guards = false;
        let metered = |circuit: &&mut Circuit| circuit.setup.meter.is_some_and(|ix| ix.0 == meter);
        for circuit in self.circuits.iter_mut().filter(metered) {
            guards |= circuit.gauge.record(now, value, origin);
        }
        guards
    }

    /// The power that all circuits of a load point together carry; `None` without a limit. It counts
    /// on nobody else: who else charges then is not known yet.
    pub(super) fn carried_power(&self, lp: usize, volts: Volts, phases: u8) -> Option<Watts> {
        let path = self.fed_by.get(lp).copied().flatten().map(|circuit| &self.paths[circuit]);
        let limits = path.into_iter().flatten().flat_map(|ix| {
            let setup = &self.circuits[*ix].setup;
            [setup.max_power, setup.max_current.map(|current| current.power(volts, phases))]
        });
        limits.flatten().filter(|limit| limit.0 > 0.0).reduce(Watts::min)
    }

    /// The limits that a load point is subject to.
    pub(super) fn path(&self, lp: usize) -> Vec<usize> {
        let circuit = self.fed_by.get(lp).copied().flatten();
        let mut path = circuit.map_or_else(Vec::new, |circuit| self.paths[circuit].clone());
        // The grid operator limits every load point, wherever it is connected (Q18).
        path.extend(self.operator.as_ref().map(|_| self.circuits.len()));
        path
    }

    /// Every limit with the load that is not ours; `draws` by load point. Tells what has changed.
    pub(super) fn nodes(
        &mut self,
        now: Now,
        volts: Volts,
        draws: &[Draw],
        events: &mut Vec<EventKind>,
    ) -> Vec<Node> {
        let mut nodes: Vec<_> = self.circuits.iter().map(|circuit| circuit.node()).collect();
        for &ix in &self.upwards {
            let measured =
                self.circuits[ix].measured(now, self.started, volts, self.needs_power(ix));
            match measured {
                None => {}
                Some(Measured::Known(load)) => {
                    let sum = |part: fn(&Draw) -> Load| self.drawn_below(ix, part, draws);
                    let strict = load - sum(|draw| draw.most);
                    let lenient = load - sum(|draw| draw.granted);
                    nodes[ix].most = load - sum(|draw| draw.least);
                    nodes[ix].least = lenient.unless_above(load, nodes[ix].limit, strict);
                }
                Some(Measured::Awaited) => {
                    nodes[ix].most = Load::infinite();
                    nodes[ix].least = Load::ZERO - Load::infinite();
                }
                Some(Measured::Silent) => {
                    nodes[ix].most = Load::infinite();
                    nodes[ix].least = Load::infinite();
                }
            }
            let own = self.drawn_below(ix, |draw| draw.least, draws);
            self.circuits[ix].show(nodes[ix].most + own, measured);
            self.circuits[ix].watch(CircuitIx(ix), measured, events);
            if let Some(CircuitIx(parent)) = self.circuits[ix].setup.parent {
                // A circuit that cannot be measured carries no more than its fuse.
                let Node { limit, most, least, .. } = nodes[ix];
                let blind = measured.is_some_and(|of| !matches!(of, Measured::Known(..)));
                let bound = |load: Load| if blind { load.min(limit) } else { load };
                nodes[parent].most = nodes[parent].most + bound(most);
                nodes[parent].least = nodes[parent].least + bound(least);
            }
        }
        if let Some(operator) = &mut self.operator {
            let root = self.circuits.iter().position(|circuit| circuit.setup.parent.is_none());
            nodes.push(operator.node(now, root.map(|ix| nodes[ix]), events));
        }
        nodes
    }

    /// The grid operator's limit is compared with what the root carries.
    fn needs_power(&self, ix: usize) -> bool {
        let setup = &self.circuits[ix].setup;
        setup.max_power.is_some() || (setup.parent.is_none() && self.operator.is_some())
    }

    /// The sum over the load points below a circuit.
    fn drawn_below(&self, ix: usize, part: impl Fn(&Draw) -> Load, draws: &[Draw]) -> Load {
        let below = |circuit: &Option<usize>| {
            circuit.is_some_and(|circuit| self.paths[circuit].contains(&ix))
        };
        let fed = self.fed_by.iter().zip(draws).filter(|(circuit, _)| below(circuit));
        fed.map(|(_, draw)| part(draw)).fold(Load::ZERO, |sum, one| sum + one)
    }

    /// When something is not to be believed any more.
    pub(super) fn stale_at(&self, now: Mono) -> Option<Mono> {
        let awaited = Some(self.started + GUARD_MAX).filter(|_| !self.circuits.is_empty());
        let gauges = self.circuits.iter().flat_map(Circuit::stale_at);
        let operator = self.operator.as_ref().and_then(|operator| operator.lost_at());
        let feed_in = self.feed_in.as_ref().and_then(FeedIn::lost_at);
        gauges.chain(awaited).chain(operator).chain(feed_in).filter(|at| *at > now).min()
    }
}

impl Gauge {
    fn record(&mut self, now: Now, value: MeterValue, origin: Origin) -> bool {
        match value {
            MeterValue::Power(power) if power.0.is_finite() => {
                self.power = Some(Reading::next(self.power.as_ref(), power, now, origin));
            }
            MeterValue::Current(phase, current) if current.0.is_finite() => {
                let slot = &mut self.amps[phase.index()];
                *slot = Some(Reading::next(slot.as_ref(), current, now, origin));
            }
            MeterValue::Power(_)
            | MeterValue::Current(..)
            | MeterValue::Energy(_)
            | MeterValue::ReturnEnergy(_)
            | MeterValue::PhasePower(..)
            | MeterValue::Voltage(..)
            | MeterValue::Soc(_) => return false,
        }
        true
    }

    fn spoke(&self) -> bool {
        let live = |origin: Origin| origin.is_live();
        self.power.is_some_and(|reading| live(reading.origin))
            || self.amps.iter().flatten().any(|reading| live(reading.origin))
    }
}

impl Circuit {
    fn new(setup: CircuitSetup) -> Self {
        Self { setup, power: None, current: None, silent: false, gauge: Gauge::default() }
    }

    fn node(&self) -> Node {
        let amps = self.setup.max_current.unwrap_or(Amps(f64::INFINITY));
        let power = self.setup.max_power.unwrap_or(Watts(f64::INFINITY));
        let limit = Load::even(amps, power);
        Node { limit, most: Load::ZERO, least: Load::ZERO, operator: false }
    }

    /// What the meter says; `None` without one. Everything that a limit needs must be fresh.
    fn measured(
        &self,
        now: Now,
        started: Mono,
        volts: Volts,
        needs_power: bool,
    ) -> Option<Measured> {
        self.setup.meter?;
        let power = self.gauge.power.filter(|reading| self.counts(now, reading));
        let amps = self.gauge.amps.map(|phase| phase.filter(|reading| self.counts(now, reading)));
        let all_amps = match amps {
            [Some(l1), Some(l2), Some(l3)] => Some([l1.value, l2.value, l3.value]),
            _ => None,
        };
        let needs_amps = self.setup.max_current.is_some();
        let known = match (power, all_amps) {
            (Some(power), Some(amps)) => Some(Load { amps, power: power.value }),
            // Which phase carries it is unknown: any may carry it all.
            (Some(power), None) if !needs_amps => {
                let amps = power.value.max(Watts::ZERO).current(volts, 1);
                Some(Load::even(amps, power.value))
            }
            (None, Some(amps)) if !needs_power => {
                let power = amps.into_iter().map(|amps| amps.power(volts, 1)).sum();
                Some(Load { amps, power })
            }
            (Some(_), None) | (None, _) => None,
        };
        let early = !self.gauge.spoke() && now.mono.since(started) < GUARD_MAX;
        Some(match known {
            Some(load) => Measured::Known(load),
            None if early => Measured::Awaited,
            None => Measured::Silent,
        })
    }

    fn counts<T: Copy>(&self, now: Now, reading: &Reading<T>) -> bool {
        reading.origin.is_live() && now.mono < self.expires(reading)
    }

    fn expires<T: Copy>(&self, reading: &Reading<T>) -> Mono {
        reading.stale_at(self.setup.timeout).min(reading.at + GUARD_MAX)
    }

    fn stale_at(&self) -> impl Iterator<Item = Mono> {
        let power = self.gauge.power.map(|reading| self.expires(&reading));
        let amps = self.gauge.amps.map(|phase| phase.map(|reading| self.expires(&reading)));
        amps.into_iter().chain([power]).flatten()
    }

    /// What people see: the meter's word, or the sum of what is below.
    fn show(&mut self, sum: Load, measured: Option<Measured>) {
        let load = match measured {
            Some(Measured::Known(load)) => load,
            None if sum.power.0.is_finite() => sum,
            Some(Measured::Awaited | Measured::Silent) | None => return,
        };
        self.power = Some(load.power);
        self.current = load.amps.into_iter().reduce(Amps::max);
    }

    fn watch(&mut self, ix: CircuitIx, measured: Option<Measured>, events: &mut Vec<EventKind>) {
        let silent = measured == Some(Measured::Silent);
        if silent != self.silent {
            self.silent = silent;
            let kind = if silent { EventKind::CircuitSilent } else { EventKind::CircuitBack };
            events.push(kind(ix));
        }
    }
}
