//! Prices, emissions and the sun of the coming days, and what follows from them for the loads
//! (plans-vehicles-devices.md §2, control.md §16).
//!
//! `forecast` reads what others publish, `slots` brings it onto quarters of an hour, `fixed` and
//! `price` compute what a contract says, `solar` adds up energy.

pub mod fixed;
pub mod forecast;
pub mod price;
pub mod slots;
pub mod solar;

use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::model::{Now, Rate, TariffKind, TariffUse};

use super::{Control, DECISION_SPACING, GATHER, Wake};
use solar::SolarDay;

/// How far the rates of a tariff can be relied upon.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TariffStatus {
    /// Computed, or heard in time.
    Fresh,
    /// The source is late; its last words still hold.
    Cached,
    /// The source is silent: the same time of the day before stands in.
    Estimated,
    /// Nothing is known for now.
    Stale,
}

impl TariffStatus {
    /// The wire spelling.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fresh => "fresh",
            Self::Cached => "cached",
            Self::Estimated => "estimated",
            Self::Stale => "stale",
        }
    }
}

/// One tariff with what is known of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Tariff {
    /// What its values are.
    pub kind: TariffKind,
    /// In order, without overlaps, from the slot of now on; empty while nothing is known.
    pub rates: Arc<[Rate]>,
    /// How far they can be relied upon.
    pub status: TariffStatus,
}

/// The tariffs of the site; `None` = not configured.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tariffs {
    /// Price of power from the grid.
    pub grid: Option<Tariff>,
    /// Price paid for power to the grid.
    pub feed_in: Option<Tariff>,
    /// Emissions of the grid.
    pub co2: Option<Tariff>,
    /// What plans go by, if that is named explicitly.
    pub planner: Option<Tariff>,
    /// Forecast of the sun.
    pub solar: Option<Tariff>,
    /// Forecast of the temperature outside.
    pub temperature: Option<Tariff>,
    /// What the sun gives today from now on, tomorrow and the day after.
    pub solar_days: [SolarDay; 3],
}

impl Tariffs {
    /// The tariff of a use as it is configured.
    pub fn get(&self, usage: TariffUse) -> Option<&Tariff> {
        self.slot(usage).as_ref()
    }

    /// Where the tariff of a use stands.
    pub fn slot_mut(&mut self, usage: TariffUse) -> &mut Option<Tariff> {
        match usage {
            TariffUse::Grid => &mut self.grid,
            TariffUse::FeedIn => &mut self.feed_in,
            TariffUse::Co2 => &mut self.co2,
            TariffUse::Planner => &mut self.planner,
            TariffUse::Solar => &mut self.solar,
            TariffUse::Temperature => &mut self.temperature,
        }
    }

    fn slot(&self, usage: TariffUse) -> &Option<Tariff> {
        match usage {
            TariffUse::Grid => &self.grid,
            TariffUse::FeedIn => &self.feed_in,
            TariffUse::Co2 => &self.co2,
            TariffUse::Planner => &self.planner,
            TariffUse::Solar => &self.solar,
            TariffUse::Temperature => &self.temperature,
        }
    }

    /// What plans and the smart cost limit go by (control.md §16): the one that is named, else a
    /// forecast of grid prices, else emissions, else the grid price.
    pub fn planner(&self) -> Option<&Tariff> {
        let forecast = |tariff: &&Tariff| tariff.kind == TariffKind::PriceForecast;
        let grid = self.grid.as_ref();
        self.planner.as_ref().or(grid.filter(forecast)).or(self.co2.as_ref()).or(grid)
    }

    /// Rates of [`Self::planner`]; none where they never vary (control.md §1.2).
    pub fn planner_rates(&self) -> &[Rate] {
        varying(self.planner())
    }

    /// Rates of the feed-in tariff; none where they never vary.
    pub fn feed_in_rates(&self) -> &[Rate] {
        varying(self.feed_in.as_ref())
    }

    /// The value of a use that holds at an instant.
    pub fn value(&self, usage: TariffUse, at: DateTime<Utc>) -> Option<f64> {
        Rate::at(&self.get(usage)?.rates, at).map(|rate| rate.value)
    }

    /// Price of a kilowatt-hour of which `green` (0 to 1) comes from the roof (§2.8).
    pub fn effective_price(&self, at: DateTime<Utc>, green: f64) -> Option<f64> {
        let feed_in = self.value(TariffUse::FeedIn, at).unwrap_or(0.0);
        Some(self.value(TariffUse::Grid, at)? * (1.0 - green) + feed_in * green)
    }

    /// Emissions of a kilowatt-hour of which `green` (0 to 1) comes from the roof (§2.8).
    pub fn effective_co2(&self, at: DateTime<Utc>, green: f64) -> Option<f64> {
        Some(self.value(TariffUse::Co2, at)? * (1.0 - green))
    }

    /// When a rate that decisions go by ends or begins next.
    pub(super) fn next_change(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        [self.planner_rates(), self.feed_in_rates()]
            .into_iter()
            .filter_map(|rates| {
                let rate = rates.get(rates.partition_point(|rate| rate.end <= now))?;
                Some(if rate.start > now { rate.start } else { rate.end })
            })
            .min()
    }
}

fn varying(tariff: Option<&Tariff>) -> &[Rate] {
    let varies = |tariff: &&Tariff| tariff.kind != TariffKind::PriceStatic;
    tariff.filter(varies).map_or(&[], |tariff| &tariff.rates)
}

impl Control {
    /// What is known of the tariffs.
    pub fn tariffs(&self) -> &Tariffs {
        &self.tariffs
    }

    /// Takes what is known of the tariffs now; news is decided upon like a fact.
    pub fn set_tariffs(&mut self, now: Now, tariffs: Tariffs) {
        if self.tariffs != tariffs {
            self.tariffs = tariffs;
            for loadpoint in &mut self.loadpoints {
                loadpoint.plan.renew();
            }
            self.wake(now.mono.max(self.decided + DECISION_SPACING) + GATHER, Wake::Fact);
        }
    }
}
