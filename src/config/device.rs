//! How devices are reached: the checked form of `meters`, `chargers` and `vehicles` (plans-vehicles-devices.md §7).

pub(in crate::config) use super::plugin::{Sink, Source};
use crate::model::{Amps, FeedInContact, Phase};

pub use crate::model::TeslaMateCar;

/// All devices; each list runs parallel to the list of the same name in [`crate::model::Setup`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Devices {
    /// Parallel to `Setup::meters`.
    pub meters: Vec<MeterDevice>,
    /// Parallel to `Setup::loadpoints`.
    pub chargers: Vec<ChargerDevice>,
    /// Parallel to `Setup::vehicles`.
    pub vehicles: Vec<VehicleDevice>,
    /// Where the grid operator's limit is read, if it can be.
    pub operator: Option<OperatorDevice>,
    /// Where the grid operator's limit of the feed-in is read, if it can be.
    pub feed_in: Option<FeedInDevice>,
}

/// Where the grid operator's limit of the feed-in is read (control.md §23.1).
#[derive(Clone, Debug, PartialEq)]
pub enum FeedInDevice {
    /// %; 100 is none.
    Percent(Source),
    /// Bools: the contacts are closed.
    Contacts(Vec<(FeedInContact, Source)>),
}

/// Where the grid operator's limit is read (control.md §23.1).
#[derive(Clone, Debug, PartialEq)]
pub enum OperatorDevice {
    /// W; 0 is none.
    Limit(Source),
    /// Bool: the relay is closed.
    Relay(Source),
}

/// Where the attributes of a site meter come from (§7.6).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MeterDevice {
    /// W.
    pub power: Option<Source>,
    /// kWh.
    pub energy: Option<Source>,
    /// kWh.
    pub return_energy: Option<Source>,
    /// A, per phase.
    pub currents: Option<Box<[Source; 3]>>,
    /// V, per phase.
    pub voltages: Option<Box<[Source; 3]>>,
    /// W, per phase.
    pub powers: Option<Box<[Source; 3]>>,
    /// %.
    pub soc: Option<Source>,
    /// 1 normal, 2 hold, 3 charge, 4 holdcharge.
    pub battery_mode: Option<Sink>,
    /// Per cent of what can be produced that may be fed in.
    pub curtail: Option<Sink>,
}

/// Where the attributes of a charger come from and where its commands go (§7.7). Attributes of a
/// separate charge meter (`loadpoints[].meter`) are merged in here by `config`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ChargerDevice {
    /// A, B or C as text (§8.1).
    pub status: Option<Source>,
    /// Bool.
    pub enabled: Option<Source>,
    /// Bool.
    pub enable: Option<Sink>,
    /// Whole A.
    pub max_current: Option<Sink>,
    /// A with fraction.
    pub max_current_millis: Option<Sink>,
    /// 1 or 3.
    pub phases: Option<Sink>,
    /// Written `true`.
    pub wakeup: Option<Sink>,
    /// W.
    pub power: Option<Source>,
    /// kWh.
    pub energy: Option<Source>,
    /// A, per phase.
    pub currents: Option<Box<[Source; 3]>>,
    /// V, per phase.
    pub voltages: Option<Box<[Source; 3]>>,
    /// %.
    pub soc: Option<Source>,
    /// %.
    pub limit_soc: Option<Source>,
    /// A per phase that the device offers now, whoever told it to (W-24).
    pub offered_current: Option<Source>,
    /// 1 or 3 that the device is switched to now; others say nothing (W-24).
    pub switched_phases: Option<Source>,
    /// Text.
    pub identify: Option<Source>,
    /// One of the words of [`crate::model::StatusReason`].
    pub status_reason: Option<Source>,
    /// Offered when the lease of the last command ends (design S1); `None` switches off.
    pub safe_current: Option<Amps>,
}

/// Where the attributes of a vehicle come from (§5.1).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct VehicleDevice {
    /// A TeslaMate car, matched by namespace and id (`template: teslamate`).
    pub teslamate: Option<TeslaMateCar>,
    /// %.
    pub soc: Option<Source>,
    /// km.
    pub range: Option<Source>,
    /// km.
    pub odometer: Option<Source>,
    /// %.
    pub limit_soc: Option<Source>,
    /// A, B or C as text.
    pub status: Option<Source>,
    /// Bool.
    pub climater: Option<Source>,
    /// Written `true`.
    pub wakeup: Option<Sink>,
}

/// Every phase with its source, in order.
pub fn by_phase(sources: &[Source; 3]) -> impl Iterator<Item = (Phase, &Source)> {
    Phase::ALL.into_iter().zip(sources)
}
