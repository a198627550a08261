//! Closed enums with their wire spellings (api.md §4, control.md §0).

use std::fmt;
use std::str::FromStr;

/// A word that is not one of an enum's spellings; carries the words that are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownSpelling {
    /// What was written.
    pub found: String,
    /// What would have been understood.
    pub expected: &'static [&'static str],
}

impl fmt::Display for UnknownSpelling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "invalid value: {} (expected {})", self.found, self.expected.join(", "))
    }
}

impl std::error::Error for UnknownSpelling {}

/// Declares a closed enum whose variants each have one wire spelling; reading ignores case.
macro_rules! spelled {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$vdoc])* $variant),+ }

        impl $name {
            /// All variants, in wire order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];
            /// All spellings, in wire order.
            pub const SPELLINGS: &'static [&'static str] = &[$($text),+];

            /// The wire spelling.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl FromStr for $name {
            type Err = UnknownSpelling;
            fn from_str(text: &str) -> Result<Self, UnknownSpelling> {
                Self::ALL
                    .iter()
                    .find(|variant| variant.as_str().eq_ignore_ascii_case(text))
                    .copied()
                    .ok_or_else(|| UnknownSpelling { found: text.to_owned(), expected: Self::SPELLINGS })
            }
        }
    };
}

pub(super) use spelled;

spelled!(
    /// What the user wants a load point to do.
    Mode {
        /// Never charge.
        Off = "off",
        /// Charge from surplus only.
        Pv = "pv",
        /// Charge at least with the minimum, with more when there is surplus.
        MinPv = "minpv",
        /// Charge as fast as possible.
        Now = "now",
    }
);

spelled!(
    /// What the charger sees on its cable (control.md §0).
    ChargeStatus {
        /// Nothing is connected.
        Disconnected = "A",
        /// A vehicle is connected and does not draw.
        Connected = "B",
        /// A vehicle draws.
        Charging = "C",
    }
);

spelled!(
    /// What a home battery is told to do (control.md §3.1); `Unknown` is no statement.
    BatteryMode {
        /// No statement.
        Unknown = "unknown",
        /// The battery's own control.
        Normal = "normal",
        /// No discharge.
        Hold = "hold",
        /// Charge from the grid.
        Charge = "charge",
        /// No charge.
        HoldCharge = "holdcharge",
    }
);

spelled!(
    /// What a key for programs opens (api.md §3.10); each opens what the one before opens, too.
    KeyScope {
        /// Reading the state.
        Read = "read",
        /// Changing what the site does.
        Write = "write",
        /// Everything.
        Admin = "admin",
    }
);

spelled!(
    /// The release of evcc whose REST and WebSocket are spoken where no prefix says otherwise
    /// (api.md §3.14).
    #[derive(Default)]
    Dialect {
        /// Answers are bare; grid and battery are objects.
        #[default]
        Bare = "0.313",
        /// Answers stand in `result`; the battery is a list.
        Wrapped = "0.130",
    }
);

spelled!(
    /// How the JSON state spells the slots of a forecast (api.md §4.7).
    #[derive(Default)]
    ForecastForm {
        /// `[start, end, value]` with Unix times, as from 0.314 on.
        #[default]
        Compact = "compact",
        /// `{start, end, value}`, as from 0.203 to 0.313.
        Objects = "objects",
    }
);

spelled!(
    /// What the running enable or disable delay will do (control.md §11).
    PvAction {
        /// No delay is running.
        Inactive = "inactive",
        /// Charging will start.
        Enable = "enable",
        /// Charging will stop.
        Disable = "disable",
    }
);

spelled!(
    /// What the running phase delay will do (control.md §12).
    PhaseAction {
        /// No delay is running.
        Inactive = "inactive",
        /// Will switch to one phase.
        Scale1p = "scale1p",
        /// Will switch to three phases.
        Scale3p = "scale3p",
    }
);

spelled!(
    /// What a site meter measures (control.md §2.1).
    MeterRole {
        /// The grid connection; guards the fuse.
        Grid = "grid",
        /// Production.
        Pv = "pv",
        /// A home battery.
        Battery = "battery",
        /// A self-regulating load whose consumption counts as surplus.
        Aux = "aux",
        /// A monitored consumer.
        Consumer = "consumer",
        /// Measures a circuit and nothing else.
        Circuit = "circuit",
        /// Any other meter.
        Ext = "ext",
    }
);

spelled!(
    /// What an entity is, in the order in which people are shown them.
    EnergyGroup {
        /// Production; the opposite direction is what the inverter draws.
        Pv = "pv",
        /// A home battery; its own direction is the discharge.
        Battery = "battery",
        /// The grid connection; its own direction is the import.
        Grid = "grid",
        /// A load point.
        LoadPoint = "loadpoint",
        /// A monitored consumer.
        Consumer = "consumer",
        /// Any other meter.
        Meter = "meter",
        /// The house without load points.
        Home = "home",
        /// What the solar forecast saw.
        Forecast = "forecast",
    }
);

spelled!(
    /// How far the data about a vehicle can be believed (design §7).
    Trust {
        /// Messages arrive now.
        Live = "live",
        /// The car sleeps: its last values are old and valid.
        Asleep = "asleep",
        /// The source has fallen silent or says that it is not healthy.
        Stale = "stale",
        /// The values contradict each other or the charger's meter.
        Conflicting = "conflicting",
        /// Nothing but retained values of unknown age has been seen.
        Unknown = "unknown",
    }
);

spelled!(
    /// Why a charger with a car on it does not charge (plans-vehicles-devices.md §8.2).
    StatusReason {
        /// It does not say.
        Unknown = "unknown",
        /// Somebody must identify themselves.
        WaitingForAuthorization = "waitingforauthorization",
        /// The car must be unplugged first.
        DisconnectRequired = "disconnectrequired",
    }
);

spelled!(
    /// What evcc's optimizer is asked to spare (api.md §4.1); advice.
    OptimizerStrategy {
        /// Charge the battery before anything is exported.
        ChargeBeforeExport = "charge_before_export",
        /// Low peaks of the consumption.
        AttenuateDemandPeaks = "attenuate_demand_peaks",
        /// Low peaks of the feed-in.
        AttenuateFeedinPeaks = "attenuate_feedin_peaks",
        /// Low peaks at the grid connection.
        AttenuateGridPeaks = "attenuate_grid_peaks",
        /// Nothing.
        None = "none",
    }
);

spelled!(
    /// What a remote controller asked of a load point up to 0.208 (api.md §7).
    RemoteDemand {
        /// Charging is allowed.
        Enable = "enable",
        /// No new charge.
        Soft = "soft",
        /// No charge.
        Hard = "hard",
    }
);

spelled!(
    /// Whether a load point charges without the sun, in the words of 0.316 (api.md §3.3).
    AlwaysCharge {
        /// From surplus only.
        Off = "off",
        /// At least with the minimum.
        On = "on",
        /// As `on`, until the vehicle is unplugged.
        Once = "once",
    }
);
