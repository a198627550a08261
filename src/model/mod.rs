//! Value types that every room shares: quantities, time, closed enums, facts, commands, the site.

mod command;
mod fact;
mod formula;
mod history;
mod ids;
mod kinds;
mod limit;
mod rate;
mod session;
mod setup;
mod tariff;
mod template;
mod time;
mod units;

pub use command::{ChargerCommand, Effect, Event, EventKind};
pub use fact::{
    ChargerAttribute, ChargerValue, Fact, MeterValue, Origin, Outcome, Phase, Telemetry,
    VehicleValue,
};
pub use formula::Formula;
pub use history::{
    Counters, Entity, EntityRecord, GridLimit, GridSession, LimitedSide, Past, PastEnergy, Prices,
    RunningEnergy, RunningSlot, SlotEnergy, SlotRecord,
};
pub use ids::{Device, LoadPointIx, MeterIx, TeslaMateCar, VehicleIx};
pub use kinds::{
    AlwaysCharge, BatteryMode, ChargeStatus, Dialect, EnergyGroup, ForecastForm, KeyScope,
    MeterRole, Mode, OptimizerStrategy, PhaseAction, PvAction, RemoteDemand, StatusReason, Trust,
    UnknownSpelling,
};
pub use limit::{
    CircuitIx, CircuitSetup, FeedInContact, FeedInSetup, FeedInSignal, LimitSetup, OperatorSetup,
    OperatorSignal, Rotation, Wiring,
};
pub use rate::Rate;
pub use session::{
    JournalEntry, JournalKind, ListedSession, Noted, PeriodStatistics, SessionEdit, SessionKey,
    SessionRow, Statistics,
};
pub use setup::{
    ChargerFeature, ChargerSetup, DisplayRange, LoadPointSetup, MeterSetup, OnIdentify, Setup,
    Thresholds, VehicleFeature, VehicleSetup,
};
pub use tariff::{Charges, TariffKind, TariffUse, Zone};
pub use template::{Format, Piece, Printf, Template, Verb};
pub use time::{Mono, Now, is_plausible};
pub use units::{Amps, KilowattHours, Percent, Volts, WattHours, Watts};
