//! Effects: what the core wants done. It never publishes and never stores.

use chrono::{DateTime, Utc};

use super::{
    Amps, BatteryMode, CircuitIx, Device, GridLimit, JournalEntry, LimitedSide, LoadPointIx,
    MeterIx, Percent, SessionRow, SlotRecord, VehicleIx,
};

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
    /// Tell a device that it may feed in so much of what it can produce.
    Curtail {
        /// Which meter's device.
        meter: MeterIx,
        /// 100 % is no limit.
        percent: Percent,
    },
    /// Wake a vehicle through its own channel.
    WakeVehicle {
        /// Which one.
        vehicle: VehicleIx,
    },
    /// Tell people (`<root>/events`, not retained).
    Event(Event),
    /// Keep an entry of the sessions' journal.
    Journal {
        /// What is to be kept. After a disconnect the entries of that session are not needed any more.
        entry: Box<JournalEntry>,
        /// The session as it is to be listed from now on; `None` while it charges for the first time.
        row: Option<Box<SessionRow>>,
    },
    /// Keep what happened in a slot that is over.
    Slot(Box<SlotRecord>),
    /// Keep when the grid operator limited what is drawn or fed in.
    GridLimit(GridLimit),
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

impl Event {
    /// One that happened at no load point and concerns no vehicle.
    pub fn of_site(kind: EventKind) -> Self {
        Self { lp: None, vehicle: None, kind }
    }
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
    /// The SoC of the vehicle reached or passed the next multiple of 10 %; this many per cent.
    Soc(u8),
    /// Nobody knows which vehicle was plugged in.
    Guest,
    /// The goal of a charging plan will be reached too late.
    PlanOverrun,
    /// A charging plan has to begin soon and its vehicle is not plugged in.
    PlanUnplugged,
    /// An input that control needs has fallen silent.
    MeterSilent,
    /// That input is back.
    MeterBack,
    /// Current was offered and the vehicle could not be woken.
    Asleep,
    /// A home battery feeds although it is held.
    BatteryNotHeld,
    /// The meter of a circuit has fallen silent: what is below it is switched off.
    CircuitSilent(CircuitIx),
    /// That meter is back.
    CircuitBack(CircuitIx),
    /// The grid operator limits the consumption to this many watts.
    GridLimit(u32),
    /// The grid operator's signal is lost: the consumption is limited to this many watts.
    GridLimitFailSafe(u32),
    /// The grid operator limits nothing any more.
    GridLimitEnd,
    /// The grid operator limits the feed-in to this share of what can be produced, in per cent.
    FeedInLimit(u8),
    /// The signal is lost: the feed-in is limited to this share.
    FeedInLimitFailSafe(u8),
    /// The grid operator does not limit the feed-in any more.
    FeedInLimitEnd,
    /// A device has fallen silent, or answers with nothing but errors; it was heard last then.
    DeviceFailed(Device, DateTime<Utc>),
    /// It has answered again since then.
    DeviceRecovered(Device, DateTime<Utc>),
    /// A user's write was refused.
    CommandRefused,
    /// Another service has the devices: this one waits and commands nothing.
    Standby,
}

impl EventKind {
    /// Every wire spelling.
    pub const NAMES: &[&str] = &[
        "asleep",
        "batterynotheld",
        "circuitback",
        "circuitsilent",
        "commandrefused",
        "connect",
        "devicefailed",
        "devicerecovered",
        "disconnect",
        "feedinlimit",
        "feedinlimitend",
        "feedinlimitfailsafe",
        "gridlimit",
        "gridlimitend",
        "gridlimitfailsafe",
        "guest",
        "meterback",
        "metersilent",
        "planoverrun",
        "planunplugged",
        "soc",
        "standby",
        "start",
        "stop",
    ];

    /// The circuit that it is about, and the limit in W.
    pub fn details(self) -> (Option<CircuitIx>, Option<u32>) {
        match self {
            Self::CircuitSilent(circuit) | Self::CircuitBack(circuit) => (Some(circuit), None),
            Self::GridLimit(watts) | Self::GridLimitFailSafe(watts) => (None, Some(watts)),
            Self::Connect
            | Self::Disconnect
            | Self::Start
            | Self::Stop
            | Self::Soc(_)
            | Self::Guest
            | Self::PlanOverrun
            | Self::PlanUnplugged
            | Self::Asleep
            | Self::BatteryNotHeld
            | Self::MeterSilent
            | Self::MeterBack
            | Self::FeedInLimit(_)
            | Self::FeedInLimitFailSafe(_)
            | Self::FeedInLimitEnd
            | Self::GridLimitEnd
            | Self::DeviceFailed(..)
            | Self::DeviceRecovered(..)
            | Self::CommandRefused
            | Self::Standby => (None, None),
        }
    }

    /// The device that it is about, and since when that is so.
    pub fn device(self) -> Option<(Device, DateTime<Utc>)> {
        if let Self::DeviceFailed(device, since) | Self::DeviceRecovered(device, since) = self {
            Some((device, since))
        } else {
            None
        }
    }

    /// The share of what can be produced that may be fed in, in per cent.
    pub fn share(self) -> Option<u8> {
        let (Self::FeedInLimit(share) | Self::FeedInLimitFailSafe(share)) = self else {
            return None;
        };
        Some(share)
    }

    /// Whose limit it changes.
    pub fn limited_side(self) -> Option<LimitedSide> {
        let consumption = self == Self::GridLimitEnd || self.details().1.is_some();
        let production = self == Self::FeedInLimitEnd || self.share().is_some();
        let side = |is: bool, side| is.then_some(side);
        side(consumption, LimitedSide::Consumption).or(side(production, LimitedSide::Production))
    }

    /// The SoC in per cent that it is about.
    pub fn soc(self) -> Option<u8> {
        if let Self::Soc(soc) = self { Some(soc) } else { None }
    }

    /// The wire spelling.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Soc(_) => "soc",
            Self::Guest => "guest",
            Self::Connect => "connect",
            Self::Disconnect => "disconnect",
            Self::Start => "start",
            Self::Stop => "stop",
            Self::PlanOverrun => "planoverrun",
            Self::PlanUnplugged => "planunplugged",
            Self::MeterSilent => "metersilent",
            Self::MeterBack => "meterback",
            Self::Asleep => "asleep",
            Self::BatteryNotHeld => "batterynotheld",
            Self::CircuitSilent(_) => "circuitsilent",
            Self::CircuitBack(_) => "circuitback",
            Self::GridLimit(_) => "gridlimit",
            Self::GridLimitFailSafe(_) => "gridlimitfailsafe",
            Self::GridLimitEnd => "gridlimitend",
            Self::FeedInLimit(_) => "feedinlimit",
            Self::FeedInLimitFailSafe(_) => "feedinlimitfailsafe",
            Self::FeedInLimitEnd => "feedinlimitend",
            Self::DeviceFailed(..) => "devicefailed",
            Self::DeviceRecovered(..) => "devicerecovered",
            Self::CommandRefused => "commandrefused",
            Self::Standby => "standby",
        }
    }
}
