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

/// A device that can fall silent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Device {
    /// A site meter.
    Meter(MeterIx),
    /// The charger of a load point.
    Charger(LoadPointIx),
    /// A vehicle, as its source tells of it.
    Vehicle(VehicleIx),
}

impl Device {
    /// What it is, in the words of the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Meter(_) => "meter",
            Self::Charger(_) => "charger",
            Self::Vehicle(_) => "vehicle",
        }
    }
}

/// A car of a TeslaMate instance: `teslamate[/<namespace>]/cars/<id>/…` (plans-vehicles-devices.md §6.1).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TeslaMateCar {
    /// Empty for none.
    pub namespace: String,
    /// TeslaMate's database id; the first car is 1.
    pub id: u32,
}
