//! Facts: what the world told us, already typed. Facts only record; they cannot fail.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::{Amps, ChargeStatus, ChargerCommand, KilowattHours, LoadPointIx, MeterIx};
use super::{
    FeedInSignal, OperatorSignal, Percent, StatusReason, Trust, VehicleIx, Volts, WattHours, Watts,
};

/// One observation of the world.
#[derive(Clone, Debug, PartialEq)]
pub enum Fact {
    /// A site meter reported one attribute.
    Meter {
        /// Which meter.
        meter: MeterIx,
        /// What it reported.
        value: MeterValue,
        /// How the value reached us.
        origin: Origin,
    },
    /// A charger, or the meter of its load point, reported one attribute.
    Charger {
        /// Whose charger.
        lp: LoadPointIx,
        /// What it reported.
        value: ChargerValue,
        /// How the value reached us.
        origin: Origin,
    },
    /// A source reported one attribute of a vehicle.
    Vehicle {
        /// Which vehicle.
        vehicle: VehicleIx,
        /// What was reported.
        value: VehicleValue,
        /// How the value reached us.
        origin: Origin,
    },
    /// The grid operator limits the consumption, or does so no more.
    Operator {
        /// What it says.
        signal: OperatorSignal,
        /// How it reached us.
        origin: Origin,
    },
    /// The grid operator limits the feed-in, or does so no more.
    FeedIn {
        /// What it says.
        signal: FeedInSignal,
        /// How it reached us.
        origin: Origin,
    },
    /// A charger command was carried out, or was not.
    Done {
        /// Whose charger.
        lp: LoadPointIx,
        /// The command as it was emitted.
        command: ChargerCommand,
        /// What became of it.
        outcome: Outcome,
    },
}

/// How a value reached us. A retained message at subscribe is of unknown age (design S2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Sent or read just now.
    Live,
    /// Made just now of several live values, the oldest of which is this old.
    Aged(Duration),
    /// Kept by the broker since an unknown time.
    Retained,
}

impl Origin {
    /// Whether the age of the value is known.
    pub fn is_live(self) -> bool {
        self != Self::Retained
    }

    /// How old the value was when it reached us; zero where that is not known.
    pub fn age(self) -> Duration {
        match self {
            Self::Aged(age) => age,
            Self::Live | Self::Retained => Duration::ZERO,
        }
    }
}

/// What became of a charger command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The device took it.
    Done,
    /// The device cannot do this now and says so; not a fault (control.md §9 row 2).
    NotAvailable,
    /// The vehicle sleeps and must be woken first (control.md §10).
    Asleep,
    /// The device did not answer, or refused.
    Failed,
}

/// A phase conductor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// L1
    L1,
    /// L2
    L2,
    /// L3
    L3,
}

impl Phase {
    /// All phases in order.
    pub const ALL: [Self; 3] = [Self::L1, Self::L2, Self::L3];

    /// Position in a three-phase list.
    pub fn index(self) -> usize {
        match self {
            Self::L1 => 0,
            Self::L2 => 1,
            Self::L3 => 2,
        }
    }
}

/// One attribute of a site meter; signs as in control.md §0.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum MeterValue {
    /// Active power.
    Power(Watts),
    /// Counter: grid import, PV production, battery discharge.
    Energy(KilowattHours),
    /// Counter of the opposite direction.
    ReturnEnergy(KilowattHours),
    /// Current of one phase.
    Current(Phase, Amps),
    /// Power of one phase.
    PhasePower(Phase, Watts),
    /// Voltage of one phase.
    Voltage(Phase, Volts),
    /// State of charge of a battery.
    Soc(Percent),
}

/// One attribute of a charger.
#[derive(Clone, Debug, PartialEq)]
pub enum ChargerValue {
    /// A, B or C.
    Status(ChargeStatus),
    /// Whether the charger offers current.
    Enabled(bool),
    /// Charge power.
    Power(Watts),
    /// Counter of charged energy.
    Energy(KilowattHours),
    /// Energy of the charger's own session.
    SessionEnergy(WattHours),
    /// Current of one phase.
    Current(Phase, Amps),
    /// Voltage of one phase.
    Voltage(Phase, Volts),
    /// The current the charger says it offers.
    OfferedCurrent(Amps),
    /// The phases the charger says it uses.
    Phases(u8),
    /// State of charge as the charger knows it.
    Soc(Percent),
    /// Limit that is set in the device.
    LimitSoc(Percent),
    /// Who identified themselves (RFID and the like).
    Identity(String),
    /// Why it does not charge the car that is on it.
    StatusReason(StatusReason),
    /// It does not say this any more.
    Lost(ChargerAttribute),
}

/// What a charger says, without its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChargerAttribute {
    /// A, B or C.
    Status,
    /// Whether the charger offers current.
    Enabled,
    /// Charge power.
    Power,
    /// Current of one phase.
    Current(Phase),
    /// Voltage of one phase.
    Voltage(Phase),
    /// State of charge.
    Soc,
    /// Limit that is set in the device.
    LimitSoc,
}

/// One attribute of a vehicle; `None` says that the source has withdrawn it.
#[derive(Clone, Debug, PartialEq)]
pub enum VehicleValue {
    /// State of charge, usable if the source tells both.
    Soc(Option<Percent>),
    /// Range in kilometres.
    RangeKm(Option<f64>),
    /// Odometer in kilometres.
    OdometerKm(Option<f64>),
    /// Limit that is set in the car.
    LimitSoc(Option<Percent>),
    /// Plug and charge state as the car sees it.
    Status(Option<ChargeStatus>),
    /// The car heats or cools from the plug.
    Climater(Option<bool>),
    /// Latitude and longitude in degrees; never logged above debug.
    Position(Option<(f64, f64)>),
    /// Name of the place; never logged above debug.
    Geofence(Option<String>),
    /// The source's own word for the car's state (`asleep`, `driving` …).
    State(Option<String>),
    /// The source's own word for the charge (`Charging`, `Complete` …).
    ChargingState(Option<String>),
    /// Hours until the car's own limit is reached.
    TimeToFullH(Option<f64>),
    /// Whether the source can reach the car; sent again with every sign of life of the source.
    Healthy(Option<bool>),
    /// A value that control does not need, under the source's own key; keys come from a fixed table.
    Telemetry(&'static str, Option<Telemetry>),
    /// How far the values can be believed.
    Trust(Trust),
}

/// A value that is passed on as it is.
#[derive(Clone, Debug, PartialEq)]
pub enum Telemetry {
    /// Yes or no.
    Bool(bool),
    /// A finite number in the source's unit.
    Number(f64),
    /// Text, or compact JSON.
    Text(String),
    /// An instant.
    Time(DateTime<Utc>),
}
