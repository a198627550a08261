//! Why a load point does what it does: a stable code, a sentence, the inputs (design S11).

use crate::model::{Amps, Mono, Watts};

/// The reason of the last decision of a load point.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Decision {
    /// The rule that decided.
    pub why: Why,
    /// The current that was wished for, before rounding; zero means off.
    pub target: Amps,
    /// The surplus that was seen; positive is available power. `None` without a fresh grid meter.
    pub surplus: Option<Watts>,
    /// When the decision last changed.
    pub since: Mono,
}

impl Decision {
    /// Before anything has been heard.
    pub(super) fn first(since: Mono) -> Self {
        Self { why: Why::ChargerUnknown, target: Amps::ZERO, surplus: None, since }
    }
}

/// The rule that decided (control.md §9, plus the safety rules of the design).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Why {
    /// Nothing has been heard of the charger yet.
    ChargerUnknown,
    /// The charger tells its status no more; it is left as it is.
    ChargerSilent,
    /// Nothing is connected.
    Disconnected,
    /// The mode is off.
    ModeOff,
    /// The mode is now.
    ModeNow,
    /// The vehicle is below its minimum SoC.
    MinSoc,
    /// A charging plan wants it now.
    Plan,
    /// A later plan wants it now: power is cheaper than after the plan before it.
    PlanAhead,
    /// Charging goes on between two slots of a plan: a pause would be too short.
    PlanBridge,
    /// The time of the plan has passed; charging goes on until its goal is reached.
    PlanLate,
    /// The energy limit is reached.
    EnergyLimit,
    /// The SoC limit is reached.
    SocLimit,
    /// The phases are being switched.
    SwitchingPhases,
    /// Power costs no more than the limit.
    SmartCost,
    /// Feeding in pays no less than the limit.
    FeedIn,
    /// There is surplus and it is used.
    Surplus,
    /// There is less surplus than the minimum; the minimum is kept on purpose.
    Minimum,
    /// The home battery holds the minimum.
    BatteryBuffer,
    /// There is surplus; waiting for the enable delay.
    WaitingToStart,
    /// There is no surplus; waiting for the disable delay.
    WaitingToStop,
    /// There is no surplus.
    NoSurplus,
    /// The charger was switched on too often of late.
    ContactorRests,
    /// Current is offered and the vehicle does not draw.
    NotDrawing,
    /// The home battery helps, as asked.
    Boost,
    /// Current is offered once after plugging in.
    Welcome,
    /// The vehicle asks for climate power.
    Climate,
    /// The grid meter has not spoken yet; the charger is left as it is.
    GridAwaited,
    /// The grid meter is silent; only lower currents are allowed.
    MeterSilent,
    /// A circuit does not carry more.
    CircuitLimit,
    /// The grid operator limits the consumption.
    GridOperatorLimit,
}

impl Why {
    /// The stable code for automations.
    pub fn code(self) -> &'static str {
        match self {
            Self::ChargerUnknown => "charger_unknown",
            Self::ChargerSilent => "charger_silent",
            Self::Disconnected => "disconnected",
            Self::ModeOff => "mode_off",
            Self::ModeNow => "mode_now",
            Self::MinSoc => "min_soc",
            Self::Plan => "plan",
            Self::PlanAhead => "plan_ahead",
            Self::PlanBridge => "plan_bridge",
            Self::PlanLate => "plan_late",
            Self::EnergyLimit => "energy_limit",
            Self::SocLimit => "soc_limit",
            Self::SwitchingPhases => "switching_phases",
            Self::SmartCost => "smart_cost",
            Self::FeedIn => "feed_in",
            Self::Surplus => "surplus",
            Self::Minimum => "minimum",
            Self::BatteryBuffer => "battery_buffer",
            Self::WaitingToStart => "waiting_to_start",
            Self::WaitingToStop => "waiting_to_stop",
            Self::NoSurplus => "no_surplus",
            Self::ContactorRests => "contactor_rests",
            Self::NotDrawing => "not_drawing",
            Self::Boost => "boost",
            Self::Welcome => "welcome",
            Self::Climate => "climate",
            Self::GridAwaited => "grid_awaited",
            Self::MeterSilent => "meter_silent",
            Self::CircuitLimit => "circuit_limit",
            Self::GridOperatorLimit => "grid_operator_limit",
        }
    }

    /// One sentence for people.
    pub fn sentence(self) -> &'static str {
        match self {
            Self::ChargerUnknown => "Waiting for the charger's first status.",
            Self::ChargerSilent => "The charger is silent: nothing is raised and off still works.",
            Self::Disconnected => "No vehicle is connected.",
            Self::ModeOff => "The mode is off.",
            Self::ModeNow => "Charging as fast as possible, as asked.",
            Self::MinSoc => "Charging fast until the minimum SoC is reached.",
            Self::Plan => "Charging as planned.",
            Self::PlanAhead => "Charging ahead for a later plan: it costs less now than then.",
            Self::PlanBridge => "Outside the planned slots; a pause would be too short.",
            Self::PlanLate => "The planned time has passed; charging until the goal is reached.",
            Self::EnergyLimit => "The energy limit is reached.",
            Self::SocLimit => "The SoC limit is reached.",
            Self::SwitchingPhases => "Switching phases.",
            Self::SmartCost => "Charging fast: power is as cheap as the limit asks.",
            Self::FeedIn => "Feeding in pays as much as the limit asks: the sun goes to the grid.",
            Self::Surplus => "Charging with the surplus.",
            Self::Minimum => "Charging with the minimum; the surplus is smaller.",
            Self::BatteryBuffer => "Charging with the minimum from the home battery.",
            Self::WaitingToStart => "There is enough surplus; charging starts after the delay.",
            Self::WaitingToStop => "There is too little surplus; charging stops after the delay.",
            Self::NoSurplus => "There is not enough surplus.",
            Self::ContactorRests => "The charger was switched on too often; it rests for a while.",
            Self::NotDrawing => "Current is offered; the vehicle is full, asleep or waits.",
            Self::Boost => "The home battery helps to charge faster, as asked.",
            Self::Welcome => "Current is offered for a while to wake the vehicle.",
            Self::Climate => "The vehicle asks for climate power.",
            Self::GridAwaited => "Waiting for the grid meter's first live value.",
            Self::MeterSilent => "The grid meter is silent: the current is lowered and not raised.",
            Self::CircuitLimit => "The circuit does not carry more.",
            Self::GridOperatorLimit => "The grid operator limits the consumption.",
        }
    }
}
