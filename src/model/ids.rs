//! Positions in the site's lists (0-based inside, 1-based on MQTT and REST) and foreign identities.

/// A load point by its position in the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LoadPointIx(pub usize);

/// A site meter by its position in [`super::Setup::meters`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MeterIx(pub usize);

/// A vehicle: configured ones first, then cars in the order of their discovery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VehicleIx(pub usize);

/// A car of a TeslaMate instance: `teslamate[/<namespace>]/cars/<id>/…` (plans-vehicles-devices.md §6.1).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TeslaMateCar {
    /// Empty for none.
    pub namespace: String,
    /// TeslaMate's database id; the first car is 1.
    pub id: u32,
}
