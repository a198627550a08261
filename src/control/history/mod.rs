//! What is recorded for later: energy by quarters of an hour, prices, limits of the grid operator
//! (plans-vehicles-devices.md §2.9, §4.4, §4.5).
//!
//! Every decision samples power and counters; when the wall clock enters the next slot, the core
//! emits what happened in the one before. Nothing is kept here but the running slot and a week of
//! sums.

mod sums;
mod tally;

#[cfg(test)]
mod examples;

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;

use crate::model::{
    Counters, Effect, EnergyGroup, Entity, EventKind, GridLimit, KilowattHours, LoadPointSetup,
    MeterRole, MeterSetup, Mono, Now, Past, PastEnergy, Prices, RunningSlot, Setup, SlotRecord,
    TariffUse, WattHours, Watts, is_plausible,
};

use super::tariff::slots::{SLOT, slot_of};
use super::{Control, LoadPoint, Meter, Reading};
use sums::{Charged, Sun};
use tally::{Held, Sample, Tally};

/// The wall clock was set if it went this much further, or less far, than time did.
const STEP_MIN: TimeDelta = TimeDelta::seconds(60);
/// A power is believed for three of its usual periods, but for no less and no more than this.
const HOLD_MIN: Duration = Duration::from_secs(120);
const HOLD_MAX: Duration = Duration::from_secs(900);
const PERIODS: u32 = 3;
/// What is reckoned at every decision is believed until long after the next one.
const RECKONED_HOLD: Duration = Duration::from_secs(30);

/// Energy of a load point, the running slot included where it matters.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ChargedEnergy {
    /// Since local midnight, up to now.
    pub today: WattHours,
    /// In the 24 hours before the running slot.
    pub last_24h: WattHours,
    /// In the seven days before the running slot.
    pub last_7d: WattHours,
}

/// The running slot of every entity, and the sums of the last days.
#[derive(Clone, Debug)]
pub struct History {
    zone: Tz,
    /// Meters without those of circuits, then load points, house, forecast.
    tallies: Vec<Tally>,
    /// How many meters that are.
    meters: usize,
    charged: Vec<Charged>,
    sun: Sun,
    /// The start of the running slot.
    slot: DateTime<Utc>,
    last: Now,
    recorded: Option<DateTime<Utc>>,
}

impl History {
    /// Nothing is known yet; days begin in UTC until the zone is set.
    pub(super) fn new(setup: &Setup, now: Now) -> Self {
        let mut entities: Vec<Entity> = setup.meters.iter().filter_map(of_meter).collect();
        let meters = entities.len();
        entities.extend(setup.loadpoints.iter().map(of_loadpoint));
        entities.extend([EnergyGroup::Home, EnergyGroup::Forecast].map(single));
        let tally = |entity| Tally::new(entity, now.mono);
        Self {
            zone: Tz::UTC,
            tallies: entities.into_iter().map(tally).collect(),
            meters,
            charged: vec![Charged::default(); setup.loadpoints.len()],
            sun: Sun::default(),
            slot: slot_of(now.utc),
            last: now,
            recorded: None,
        }
    }

    /// Energy of a load point by its position.
    pub fn charged(&self, loadpoint: usize) -> ChargedEnergy {
        let tally = self.tallies.get(self.meters + loadpoint);
        let Some((charged, tally)) = self.charged.get(loadpoint).zip(tally) else {
            return ChargedEnergy::default();
        };
        let windows = charged.windows;
        ChargedEnergy {
            today: (windows.today + tally.running()).watt_hours(),
            last_24h: windows.day.watt_hours(),
            last_7d: windows.week.watt_hours(),
        }
    }

    /// By how much the sun gave more today than was foreseen; 1 = as foreseen, or not known.
    pub fn solar_scale(&self) -> f64 {
        self.sun.scale()
    }

    /// The start of the slot that was recorded last.
    pub fn recorded(&self) -> Option<DateTime<Utc>> {
        self.recorded
    }

    /// The local time zone: where days begin.
    fn set_zone(&mut self, zone: Tz) {
        self.zone = zone;
    }

    /// Goes on from what an earlier start recorded; comes back with a slot that ended meanwhile.
    fn resume(&mut self, past: &Past) -> Option<SlotRecord> {
        for (group, name, counters, until) in &past.counters {
            let same =
                |tally: &&mut Tally| tally.entity.group == *group && tally.entity.name == *name;
            if let Some(tally) = self.tallies.iter_mut().find(same) {
                tally.resume(*counters, *until != self.slot);
            }
        }
        self.recorded = past.counters.iter().map(|(.., until)| *until - SLOT).max();
        for slot in past.energies.chunk_by(|a, b| a.start == b.start) {
            self.remember(slot);
        }
        let ended = past.running.as_ref().and_then(|running| self.go_on(past, running));
        if let Some(ended) = &ended {
            self.recorded = self.recorded.max(Some(ended.start));
            self.remember(&ended.energies());
        }
        self.sum();
        ended
    }

    /// Goes on with the slot that was running when an earlier start ended. If it is over by now, it is
    /// recorded unless it was, or too much of it is not known.
    fn go_on(&mut self, past: &Past, running: &RunningSlot) -> Option<SlotRecord> {
        let (start, end) = (running.start, running.start + SLOT);
        if start != self.slot && end != self.slot {
            return None;
        }
        let mut entities = Vec::new();
        for kept in &running.entities {
            let is = |group: EnergyGroup, name: &str| group == kept.group && name == kept.name;
            if past.counters.iter().any(|(group, name, _, until)| is(*group, name) && *until >= end)
            {
                continue;
            }
            let mut tallies = self.tallies.iter_mut();
            let tally = tallies.find(|tally| is(tally.entity.group, &tally.entity.name));
            let Some(tally) = tally else { continue };
            if tally.go_on(kept) && end == self.slot {
                entities.extend(tally.finish());
            }
        }
        let worth = !entities.is_empty() && is_plausible(end);
        worth.then(|| SlotRecord { start, end, entities, prices: Prices::default() })
    }

    /// Takes account of what was recorded of one slot.
    fn remember(&mut self, slot: &[PastEnergy]) {
        let Some(PastEnergy { start, .. }) = slot.first() else { return };
        let of = |group: EnergyGroup| slot.iter().filter(move |energy| energy.group == group);
        let charged: BTreeMap<&str, KilowattHours> =
            of(EnergyGroup::LoadPoint).map(|of| (&*of.name, of.energy)).collect();
        for (tally, sums) in self.tallies[self.meters..].iter().zip(&mut self.charged) {
            if let Some(energy) = charged.get(&*tally.entity.name) {
                sums.add(*start, *energy);
            }
        }
        let arrays = self.tallies.iter().filter(|tally| tally.entity.group == EnergyGroup::Pv);
        let exact = |group| of(group).filter(|energy| !energy.recovered);
        if let Some(foreseen) = exact(EnergyGroup::Forecast).next()
            && exact(EnergyGroup::Pv).count() == arrays.count()
        {
            let produced = exact(EnergyGroup::Pv).map(|energy| energy.energy).sum();
            self.sun.add(self.zone, *start, produced, foreseen.energy);
        }
    }

    fn sum(&mut self) {
        self.sun.begin(self.zone, self.slot);
        self.charged.iter_mut().for_each(|charged| charged.sum(self.zone, self.slot));
    }

    /// Takes a sample of every entity; comes back with what is to be recorded if a slot is over.
    fn observe(&mut self, now: Now, samples: &[Sample], prices: Prices) -> Option<SlotRecord> {
        let turn = self.turn(now);
        let first = now.utc == self.slot && turn == Turn::Same;
        for (tally, sample) in self.tallies.iter_mut().zip(samples) {
            tally.count(first, sample.counters);
        }
        let record = self.record(now, turn, prices);
        let on_boundary = now.utc == self.slot;
        for (tally, sample) in self.tallies.iter_mut().zip(samples) {
            tally.hold(now.mono, on_boundary, sample);
        }
        record
    }

    /// Follows the clocks.
    fn turn(&mut self, now: Now) -> Turn {
        let passed = now.mono.since(self.last.mono);
        let step = (now.utc - self.last.utc) - TimeDelta::from_std(passed).unwrap_or_default();
        let (before, slot) = (self.slot, slot_of(now.utc));
        self.last = now;
        if step.abs() >= STEP_MIN {
            Turn::Interrupted
        } else if slot == before || slot == before - SLOT {
            // A clock that is corrected by seconds goes through a boundary twice.
            Turn::Same
        } else if slot == before + SLOT && is_plausible(before) {
            Turn::Over(now.mono - (now.utc - slot).to_std().unwrap_or_default())
        } else {
            Turn::Interrupted
        }
    }

    fn record(&mut self, now: Now, turn: Turn, prices: Prices) -> Option<SlotRecord> {
        let (start, end) = (self.slot, slot_of(now.utc));
        let mut entities = Vec::new();
        match turn {
            Turn::Same => return None,
            Turn::Over(boundary) => {
                let records = self.tallies.iter_mut().filter_map(|tally| tally.close(boundary));
                entities = records.collect();
            }
            Turn::Interrupted => {
                self.tallies.iter_mut().for_each(|tally| tally.interrupt(now.mono))
            }
        }
        self.slot = end;
        let record = SlotRecord { start, end, entities, prices };
        self.remember(&record.energies());
        self.sum();
        if record.entities.iter().any(|of| of.energy.is_some()) {
            self.recorded = Some(start);
        }
        let worth = !record.entities.is_empty() || !record.prices.is_empty();
        (worth && start != end && is_plausible(end)).then_some(record)
    }
}

/// What became of the running slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    /// It goes on.
    Same,
    /// Time went through its end, which was then.
    Over(Mono),
    /// The wall clock was set, or slots were slept through: nothing is made up.
    Interrupted,
}

impl Control {
    /// What was recorded of the last days.
    pub fn history(&self) -> &History {
        &self.history
    }

    /// Days begin in this time zone.
    pub fn set_zone(&mut self, zone: Tz) {
        self.history.set_zone(zone);
    }

    /// Goes on from what an earlier start recorded; to be called before anything is heard.
    pub fn set_past(&mut self, past: &Past) {
        let ended = self.history.resume(past);
        self.effects.extend(ended.map(|record| Effect::Slot(Box::new(record))));
    }

    /// The slot that is not over, up to now, as the next start must know it. Drain [`Self::poll`]
    /// afterwards.
    pub fn running_slot(&mut self, now: Now) -> RunningSlot {
        self.keep_history(now);
        let entities = self.history.tallies.iter().filter_map(Tally::kept).collect();
        RunningSlot { start: self.history.slot, entities }
    }

    /// Samples what is recorded.
    pub(super) fn keep_history(&mut self, now: Now) {
        let meters = self.site.meters.iter().filter(|meter| group(meter.setup.role).is_some());
        let meters = meters.map(|meter| sample_of_meter(now, meter));
        let loadpoints = self.loadpoints.iter().map(|lp| sample_of_loadpoint(now, lp));
        let sun = self.tariffs.value(TariffUse::Solar, now.utc).map(Watts);
        let singles = [self.site.balance.home, sun].map(|power| reckoned(now, power));
        let value = |usage| self.tariffs.value(usage, now.utc);
        let prices = Prices {
            grid: value(TariffUse::Grid),
            feed_in: value(TariffUse::FeedIn),
            co2: value(TariffUse::Co2),
            temperature: value(TariffUse::Temperature),
        };
        let samples: Vec<Sample> = meters.chain(loadpoints).chain(singles).collect();
        if let Some(record) = self.history.observe(now, &samples, prices) {
            self.effects.push_back(Effect::Slot(Box::new(record)));
        }
    }

    /// When the running slot ends.
    pub(super) fn slot_ends(&self, now: Now) -> Mono {
        now.until(self.history.slot + SLOT)
    }

    /// What a change of the grid operator's limit leaves behind (control.md §23.1).
    pub(super) fn keep_grid_limit(&mut self, now: Now, kind: EventKind) {
        let at = now.utc;
        let Some(side) = kind.limited_side() else {
            return;
        };
        let consumption = kind.details().1.map(|watts| Watts(f64::from(watts)));
        // Where nobody said what can be produced, the limit is 0 W, as evcc's is.
        let feed_in = self.circuits.feed_in.and_then(|feed_in| feed_in.power());
        let production = kind.share().map(|_| feed_in.unwrap_or(Watts::ZERO));
        let limit = match consumption.or(production) {
            Some(limit) => GridLimit::Begins { at, side, limit, grid: self.site.balance.grid },
            None => GridLimit::Ends { at, side },
        };
        if is_plausible(at) {
            self.effects.push_back(Effect::GridLimit(limit));
        }
    }
}

/// Meters of circuits measure what is counted elsewhere.
fn group(role: MeterRole) -> Option<EnergyGroup> {
    match role {
        MeterRole::Grid => Some(EnergyGroup::Grid),
        MeterRole::Pv => Some(EnergyGroup::Pv),
        MeterRole::Battery => Some(EnergyGroup::Battery),
        MeterRole::Consumer => Some(EnergyGroup::Consumer),
        MeterRole::Aux | MeterRole::Ext => Some(EnergyGroup::Meter),
        MeterRole::Circuit => None,
    }
}

/// There is one grid: people know it without a name.
fn of_meter(setup: &MeterSetup) -> Option<Entity> {
    let group = group(setup.role)?;
    let name = if group == EnergyGroup::Grid { group.as_str() } else { &setup.name };
    Some(titled(group, setup.name.clone(), &setup.title, name))
}

fn of_loadpoint(setup: &LoadPointSetup) -> Entity {
    titled(EnergyGroup::LoadPoint, setup.name.clone(), &setup.title, &setup.name)
}

fn titled(group: EnergyGroup, name: String, title: &str, otherwise: &str) -> Entity {
    let title = if title.is_empty() { otherwise } else { title };
    Entity { group, name, title: title.to_owned() }
}

fn single(group: EnergyGroup) -> Entity {
    titled(group, group.as_str().to_owned(), group.as_str(), "")
}

fn sample_of_meter(now: Now, meter: &Meter) -> Sample {
    Sample {
        power: held(now, meter.power, meter.setup.timeout),
        counters: Counters { energy: meter.energy, return_energy: meter.return_energy },
        soc: meter.soc.filter(|soc| soc.is_fresh(now, meter.setup.timeout)).map(|soc| soc.value),
    }
}

/// Where no car draws nothing flows, whether the charger says so or not.
fn sample_of_loadpoint(now: Now, loadpoint: &LoadPoint) -> Sample {
    let idle = loadpoint.status.is_some() && !loadpoint.charging();
    let power = held(now, loadpoint.power, None);
    let nothing = || Held { power: Watts::ZERO, until: now.mono + RECKONED_HOLD };
    Sample {
        power: power.or_else(|| idle.then(nothing)),
        counters: Counters { energy: loadpoint.energy, return_energy: None },
        soc: None,
    }
}

fn reckoned(now: Now, power: Option<Watts>) -> Sample {
    let held = |power| Held { power, until: now.mono + RECKONED_HOLD };
    Sample { power: power.map(held), ..Sample::default() }
}

/// How long a meter's word counts: what it is integrated over is longer than what control relies
/// upon, because many meters speak every few minutes.
fn held(now: Now, reading: Option<Reading<Watts>>, timeout: Option<Duration>) -> Option<Held> {
    let reading = reading.filter(|reading| reading.origin.is_live())?;
    let usual = (reading.period.unwrap_or_default() * PERIODS).clamp(HOLD_MIN, HOLD_MAX);
    let until = reading.at + timeout.unwrap_or(usual);
    (until > now.mono).then_some(Held { power: reading.value, until })
}
