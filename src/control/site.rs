//! Site-wide state: settings, meters and the power balance (control.md §2).

use crate::model::{Amps, KilowattHours, MeterSetup, Percent, Setup, Watts};

use super::Reading;

/// Settings, meters and balance of the site.
#[derive(Clone, Debug)]
pub struct Site {
    /// What the user wants.
    pub settings: SiteSettings,
    /// Meters in the order of [`Setup::meters`].
    pub meters: Vec<Meter>,
    /// The balance of the last decision.
    pub balance: Balance,
}

/// Site-wide settings; stored.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SiteSettings {
    /// Grid set-point margin.
    pub residual_power: Watts,
    /// Home battery is charged first below this SoC; 0 = off.
    pub priority_soc: Percent,
    /// Above this SoC a running PV charge is held from the battery; 0 = off.
    pub buffer_soc: Percent,
    /// From this SoC on PV charging starts without surplus; 0 = off.
    pub buffer_start_soc: Percent,
}

/// One site meter with its newest values.
#[derive(Clone, Debug)]
pub struct Meter {
    /// What it is.
    pub setup: MeterSetup,
    /// Active power.
    pub power: Option<Reading<Watts>>,
    /// Counter; a reading of exactly 0 is not available (control.md §2.1).
    pub energy: Option<KilowattHours>,
    /// Counter of the opposite direction.
    pub return_energy: Option<KilowattHours>,
    /// Phase currents.
    pub currents: [Option<Amps>; 3],
    /// Phase powers.
    pub powers: [Option<Watts>; 3],
    /// State of charge of a battery.
    pub soc: Option<Reading<Percent>>,
}

/// The power balance of the last decision. `None` where a meter is missing or silent.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Balance {
    /// Grid power, + import.
    pub grid: Option<Watts>,
    /// PV production; estimated without a PV meter.
    pub pv: Option<Watts>,
    /// Sum of PV counters.
    pub pv_energy: KilowattHours,
    /// Battery power, + discharge.
    pub battery: Option<Watts>,
    /// Battery SoC.
    pub battery_soc: Option<Percent>,
    /// Battery capacity, if all are known.
    pub battery_capacity: Option<KilowattHours>,
    /// Self-regulating loads.
    pub aux: Option<Watts>,
    /// House without load points.
    pub home: Option<Watts>,
    /// Sum of all load points.
    pub charge: Watts,
    /// The control variable: < 0 surplus, > 0 deficit (control.md §2.3).
    pub site: Option<Watts>,
    /// Share of green energy in the house, 0 to 1.
    pub green_share_home: f64,
    /// Share of green energy in the load points, 0 to 1.
    pub green_share_loadpoints: f64,
}

impl Site {
    /// A site that has heard nothing yet.
    pub(super) fn new(setup: &Setup) -> Self {
        Self {
            settings: SiteSettings {
                residual_power: setup.residual_power,
                priority_soc: setup.priority_soc,
                buffer_soc: setup.buffer_soc,
                buffer_start_soc: setup.buffer_start_soc,
            },
            meters: setup.meters.iter().cloned().map(Meter::new).collect(),
            balance: Balance::default(),
        }
    }
}

impl Meter {
    fn new(setup: MeterSetup) -> Self {
        Self {
            setup,
            power: None,
            energy: None,
            return_energy: None,
            currents: [None; 3],
            powers: [None; 3],
            soc: None,
        }
    }
}
