//! Effects: what the core wants done. It never publishes and never stores.

use super::{Amps, BatteryMode, LoadPointIx, MeterIx, VehicleIx};

/// One thing for the edges to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Tell a charger.
    Charger {
        /// Whose charger.
        lp: LoadPointIx,
        /// What to tell it.
        command: ChargerCommand,
    },
    /// Tell a home battery.
    Battery {
        /// Which battery.
        meter: MeterIx,
        /// What to tell it.
        mode: BatteryMode,
    },
    /// Tell people (`<root>/events`, not retained).
    Event(Event),
}

/// A command for a charger. The device task carries commands out in order.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ChargerCommand {
    /// Offer this current per phase; always sent before `Enable(true)`.
    MaxCurrent(Amps),
    /// Start or stop offering current.
    Enable(bool),
    /// Use this many phases, 1 or 3.
    Phases(u8),
    /// Wake the vehicle through the charger.
    WakeUp,
    /// The last set-point is still wanted: renews the lease (design S1), writes nothing by itself.
    Renew,
}

/// Something that happened and that people may want to hear of (control.md §6.3).
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Where it happened, if at a load point.
    pub lp: Option<LoadPointIx>,
    /// Which vehicle it concerns, if known.
    pub vehicle: Option<VehicleIx>,
    /// What happened.
    pub kind: EventKind,
}

/// The kinds of [`Event`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// A vehicle was plugged in.
    Connect,
    /// A vehicle was unplugged.
    Disconnect,
    /// Charging started.
    Start,
    /// Charging stopped.
    Stop,
    /// An input that control needs has fallen silent.
    MeterSilent,
    /// That input is back.
    MeterBack,
    /// Current was offered and the vehicle could not be woken.
    Asleep,
    /// A home battery feeds although it is held.
    BatteryNotHeld,
}

impl EventKind {
    /// The wire spelling.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Disconnect => "disconnect",
            Self::Start => "start",
            Self::Stop => "stop",
            Self::MeterSilent => "metersilent",
            Self::MeterBack => "meterback",
            Self::Asleep => "asleep",
            Self::BatteryNotHeld => "batterynotheld",
        }
    }
}
