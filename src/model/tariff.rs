//! What a tariff is and how its price is put together (plans-vehicles-devices.md §2.3–§2.5).

use std::fmt;
use std::str::FromStr;

use super::Formula;
use super::kinds::{UnknownSpelling, spelled};

spelled!(
    /// What a tariff is used for; the spelling is that of `GET /api/tariff/<type>`.
    TariffUse {
        /// Power from the grid.
        Grid = "grid",
        /// Power to the grid.
        FeedIn = "feedin",
        /// What the grid emits.
        Co2 = "co2",
        /// What plans and the smart cost limit go by.
        Planner = "planner",
        /// What the sun is going to give.
        Solar = "solar",
        /// How warm it is going to be.
        Temperature = "temperature",
    }
);

spelled!(
    /// What the values of a tariff are.
    TariffKind {
        /// The same price always.
        PriceStatic = "pricestatic",
        /// A price that is known for now only.
        PriceDynamic = "pricedynamic",
        /// Prices of the coming hours.
        PriceForecast = "priceforecast",
        /// g/kWh.
        Co2 = "co2",
        /// W.
        Solar = "solar",
        /// °C.
        Temperature = "temperature",
    }
);

impl TariffKind {
    /// Whether its values are money per kilowatt-hour.
    pub fn is_price(self) -> bool {
        match self {
            Self::PriceStatic | Self::PriceDynamic | Self::PriceForecast => true,
            Self::Co2 | Self::Solar | Self::Temperature => false,
        }
    }
}

/// A time of the week and of the year with its own price.
#[derive(Clone, Debug, PartialEq)]
pub struct Zone {
    /// Currency/kWh.
    pub value: f64,
    /// From Sunday.
    pub days: [bool; 7],
    /// From January.
    pub months: [bool; 12],
    /// First minute of the day.
    pub from: u16,
    /// First minute after it; 1440 is midnight.
    pub to: u16,
}

/// What comes on top of a price: (price + charge) · (1 + tax), unless a formula says otherwise.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Charges {
    /// Currency/kWh where no zone matches.
    pub charge: f64,
    /// Charges of certain times; the last one that matches wins.
    pub zones: Vec<Zone>,
    /// Fraction, 0.19 for 19 %.
    pub tax: f64,
    /// The whole price in the user's own words.
    pub formula: Option<Formula>,
}

impl Zone {
    /// All days and all hours of the year.
    pub const ALWAYS: Self =
        Self { value: 0.0, days: [true; 7], months: [true; 12], from: 0, to: 24 * 60 };
}
