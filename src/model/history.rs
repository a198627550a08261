//! What is recorded: energy by quarters of an hour, prices, limits of the grid operator
//! (plans-vehicles-devices.md §4.4, §4.5).

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::{EnergyGroup, KilowattHours, Percent, Watts};

/// Whose energy is counted; group and name identify it for good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entity {
    /// What it is.
    pub group: EnergyGroup,
    /// Device name of the configuration.
    pub name: String,
    /// Title for people; the name where there is none.
    pub title: String,
}

/// Counters of an entity: its own direction and the opposite one.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Counters {
    /// Import of the grid, production, discharge, consumption.
    pub energy: Option<KilowattHours>,
    /// The opposite direction.
    pub return_energy: Option<KilowattHours>,
}

/// Energy of one slot.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SlotEnergy {
    /// In the entity's own direction; never negative.
    pub energy: KilowattHours,
    /// In the opposite direction; never negative.
    pub return_energy: KilowattHours,
    /// The first state of charge in the slot.
    pub soc: Option<Percent>,
    /// Energy of slots before it, in which nobody counted, is in it.
    pub recovered: bool,
}

/// What is recorded of one entity when a slot is over.
#[derive(Clone, Debug, PartialEq)]
pub struct EntityRecord {
    /// Whose energy it is.
    pub entity: Entity,
    /// Where the counters stood at the end of the slot: a restart goes on from here.
    pub counters: Counters,
    /// What flowed; `None` where that is not known of the whole slot.
    pub energy: Option<SlotEnergy>,
}

/// What is recorded when a slot of 15 minutes is over.
#[derive(Clone, Debug, PartialEq)]
pub struct SlotRecord {
    /// When the slot began.
    pub start: DateTime<Utc>,
    /// When the next one begins; the prices are of this instant.
    pub end: DateTime<Utc>,
    /// Entities of which something is known.
    pub entities: Vec<EntityRecord>,
    /// What held at the end.
    pub prices: Prices,
}

impl SlotRecord {
    /// The energies of the slot, as they will be known later.
    pub fn energies(&self) -> Vec<PastEnergy> {
        let entities = self.entities.iter();
        let known = entities.filter_map(|record| {
            let energy = record.energy?;
            let Entity { group, name, .. } = &record.entity;
            let (group, name, start) = (*group, name.clone(), self.start);
            Some(PastEnergy {
                group,
                name,
                start,
                energy: energy.energy,
                recovered: energy.recovered,
            })
        });
        known.collect()
    }
}

/// The tariffs at one instant.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Prices {
    /// Currency/kWh for power from the grid.
    pub grid: Option<f64>,
    /// Currency/kWh for power to the grid.
    pub feed_in: Option<f64>,
    /// Emissions of the grid in g/kWh.
    pub co2: Option<f64>,
    /// Degrees Celsius outside.
    pub temperature: Option<f64>,
}

impl Prices {
    /// Their names, which are those of evcc.
    pub const NAMES: [&'static str; 4] = ["grid", "feedin", "co2", "temperature"];

    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// A slot that is not over, of those that have no counters: a restart goes on from here.
#[derive(Clone, Debug, PartialEq)]
pub struct RunningSlot {
    /// When it began.
    pub start: DateTime<Utc>,
    /// Energy of each entity so far.
    pub entities: Vec<RunningEnergy>,
}

/// Energy of one entity in a slot that is not over.
#[derive(Clone, Debug, PartialEq)]
pub struct RunningEnergy {
    /// What it is.
    pub group: EnergyGroup,
    /// Which one.
    pub name: String,
    /// In its own direction.
    pub energy: KilowattHours,
    /// In the opposite direction.
    pub return_energy: KilowattHours,
    /// So long the power was known.
    pub known: Duration,
    /// It was heard from the beginning of the slot on.
    pub whole: bool,
    /// The first state of charge in the slot.
    pub soc: Option<Percent>,
}

/// What an earlier start recorded.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Past {
    /// Where counters stood, and the end of the slot up to which their energy is recorded.
    pub counters: Vec<(EnergyGroup, String, Counters, DateTime<Utc>)>,
    /// Energy of the last seven days: load points, PV and its forecast. In the order of time.
    pub energies: Vec<PastEnergy>,
    /// The slot that was not over when it ended.
    pub running: Option<RunningSlot>,
}

/// Energy of a slot as it was recorded.
#[derive(Clone, Debug, PartialEq)]
pub struct PastEnergy {
    /// What it was.
    pub group: EnergyGroup,
    /// Which one.
    pub name: String,
    /// When the slot began.
    pub start: DateTime<Utc>,
    /// In the entity's own direction.
    pub energy: KilowattHours,
    /// Energy of slots before it is in it.
    pub recovered: bool,
}

/// What the grid operator limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LimitedSide {
    /// What is drawn from the grid.
    Consumption,
    /// What is fed in.
    Production,
}

impl LimitedSide {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Consumption, Self::Production];

    /// The wire spelling.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Consumption => "consumption",
            Self::Production => "production",
        }
    }
}

/// The grid operator begins to limit one side, or ends it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum GridLimit {
    /// A limit is in force from now on; one of that side that was before it is over.
    Begins {
        /// When.
        at: DateTime<Utc>,
        /// Which side.
        side: LimitedSide,
        /// How much may be drawn or fed in.
        limit: Watts,
        /// What was drawn from the grid, if that is known.
        grid: Option<Watts>,
    },
    /// No limit is in force from now on.
    Ends {
        /// When.
        at: DateTime<Utc>,
        /// Of which side.
        side: LimitedSide,
    },
}

/// A time in which the grid operator limited one side.
#[derive(Clone, Debug, PartialEq)]
pub struct GridSession {
    /// Counts from 1.
    pub id: i64,
    /// When the limit began.
    pub created: DateTime<Utc>,
    /// When it ended; `None` while it is in force.
    pub finished: Option<DateTime<Utc>>,
    /// `consumption` or `production`.
    pub kind: String,
    /// What was drawn from the grid when it began, if that was known.
    pub grid: Option<Watts>,
    /// How much might be drawn or fed in.
    pub limit: Watts,
}
