//! One load point: a charger, its session and the rules that drive it (control.md §4–§15).

use std::time::Duration;

use crate::model::{
    Amps, ChargeStatus, KilowattHours, LoadPointSetup, Mode, Mono, Now, Percent, PhaseAction,
    PvAction, Thresholds, VehicleIx, Volts, WattHours, Watts,
};

use super::{Decision, Reading, Why};

/// One load point.
#[derive(Clone, Debug)]
pub struct LoadPoint {
    /// What it is.
    pub setup: LoadPointSetup,
    /// What the user wants.
    pub settings: LoadPointSettings,
    /// What the charger says of its cable; `None` before its first word.
    pub status: Option<ChargeStatus>,
    /// Whether the charger offers current, as last commanded or observed.
    pub enabled: bool,
    /// Current offered per phase; 0 while disabled.
    pub offered: Amps,
    /// Phases switched to, as last commanded or observed; 0 unknown.
    pub phases: u8,
    /// Phases seen carrying current; 0 unknown.
    pub measured_phases: u8,
    /// Charge power.
    pub power: Option<Reading<Watts>>,
    /// Phase currents.
    pub currents: [Option<Amps>; 3],
    /// Phase voltages.
    pub voltages: [Option<Volts>; 3],
    /// Counter of charged energy.
    pub energy: Option<KilowattHours>,
    /// Who identified themselves at the charger.
    pub identity: Option<String>,
    /// The assigned vehicle.
    pub vehicle: Option<VehicleIx>,
    /// The current or last session.
    pub session: Session,
    /// What the enable or disable delay will do, and when.
    pub pv_action: (PvAction, Option<Mono>),
    /// What the phase delay will do, and when.
    pub phase_action: (PhaseAction, Option<Mono>),
    /// Values that result from load point, vehicle and charger together.
    pub effective: Effective,
    /// Whether the vehicle is below its minimum SoC.
    pub min_soc_not_reached: bool,
    /// Why the load point does what it does.
    pub decision: Decision,
}

/// What the user wants of a load point; stored.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LoadPointSettings {
    /// The mode.
    pub mode: Mode,
    /// Higher wins.
    pub priority: i64,
    /// 0 = automatic, 1 or 3 = fixed.
    pub phases_configured: u8,
    /// Smallest current.
    pub min_current: Amps,
    /// Largest current.
    pub max_current: Amps,
    /// Charge fast below this SoC; 0 = off.
    pub min_soc: Percent,
    /// Session limit; 0 = none; cleared at disconnect.
    pub limit_soc: Percent,
    /// Session limit; 0 = none; cleared at disconnect.
    pub limit_energy: KilowattHours,
    /// When PV charging starts and stops.
    pub thresholds: Thresholds,
}

/// Values that result from load point, vehicle and charger together (control.md §8).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Effective {
    /// Priority, raised by the vehicle.
    pub priority: i64,
    /// Smallest current.
    pub min_current: Amps,
    /// Largest current.
    pub max_current: Amps,
    /// Charge fast below this SoC; 0 = off.
    pub min_soc: Percent,
    /// Stop at this SoC; 100 = no limit.
    pub limit_soc: Percent,
    /// Phases that carry or would carry current.
    pub phases_active: u8,
}

/// The current or last session (control.md §21).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Session {
    /// When the vehicle was plugged in.
    pub connected_at: Option<Now>,
    /// Charged energy.
    pub energy: WattHours,
    /// Part of it that was green.
    pub solar: WattHours,
    /// Time spent charging.
    pub duration: Duration,
}

impl LoadPoint {
    /// A load point that has heard nothing yet.
    pub(super) fn new(setup: LoadPointSetup, now: Now) -> Self {
        let settings = LoadPointSettings {
            mode: setup.default_mode.unwrap_or(Mode::Off),
            priority: setup.priority,
            phases_configured: setup.phases_configured,
            min_current: setup.min_current,
            max_current: setup.max_current,
            min_soc: Percent::ZERO,
            limit_soc: Percent::ZERO,
            limit_energy: KilowattHours::ZERO,
            thresholds: setup.thresholds,
        };
        Self {
            vehicle: setup.vehicle,
            setup,
            settings,
            status: None,
            enabled: false,
            offered: Amps::ZERO,
            phases: 0,
            measured_phases: 0,
            power: None,
            currents: [None; 3],
            voltages: [None; 3],
            energy: None,
            identity: None,
            session: Session::default(),
            pv_action: (PvAction::Inactive, None),
            phase_action: (PhaseAction::Inactive, None),
            effective: Effective::default(),
            min_soc_not_reached: false,
            decision: Decision {
                why: Why::ChargerUnknown,
                target: Amps::ZERO,
                surplus: None,
                since: now.mono,
            },
        }
    }

    /// Whether a vehicle is connected.
    pub fn connected(&self) -> bool {
        matches!(
            self.status,
            Some(ChargeStatus::Connected | ChargeStatus::Charging)
        )
    }

    /// Whether the vehicle draws.
    pub fn charging(&self) -> bool {
        self.status == Some(ChargeStatus::Charging)
    }

    /// Charge power; 0 while nothing is known.
    pub fn charge_power(&self) -> Watts {
        self.power.map_or(Watts::ZERO, |reading| reading.value)
    }
}
