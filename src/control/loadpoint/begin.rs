//! A load point before its first word.

use crate::model::{Amps, LoadPointSetup, Now, PhaseAction, PvAction, StatusReason};

use super::*;

impl LoadPoint {
    /// A load point that has heard nothing yet.
    pub(in crate::control) fn new(setup: LoadPointSetup, now: Now) -> Self {
        let settings = LoadPointSettings::new(&setup);
        let fixed_phases = if setup.charger.phase_switching { 0 } else { setup.phases_configured };
        let mut loadpoint = Self {
            vehicle: setup.vehicle,
            setup,
            settings,
            status: None,
            enabled: false,
            offered: Amps::ZERO,
            phases: fixed_phases,
            measured_phases: 0,
            power: None,
            currents: [None; 3],
            voltages: [None; 3],
            energy: None,
            charger_soc: None,
            charger_limit_soc: None,
            identity: None,
            status_reason: StatusReason::Unknown,
            detecting_until: None,
            candidates: Vec::new(),
            guest: false,
            silent: false,
            trace: Trace::default(),
            detection_failed: false,
            unannounced: false,
            soc_steps: SocSteps::default(),
            pv_action: (PvAction::Inactive, None),
            phase_action: (PhaseAction::Inactive, None),
            effective: Effective::default(),
            min_soc_not_reached: false,
            plan: PlanState::default(),
            smart_cost: SmartLimit::default(),
            smart_feed_in: SmartLimit::default(),
            decision: Decision::first(now.mono),
            account: Account::default(),
            estimator: None,
            full_since: None,
            pv_timer: Timer::Idle,
            phase_timer: Timer::Idle,
            boost: Boost::Off,
            welcome_until: None,
            targets: Targets::default(),
            minpv_once: false,
            wake_up: WakeUp::default(),
            enabled_known: false,
            known_before_off: false,
            reassert: false,
            taken: Amps::ZERO,
            switched: None,
            phases_switched: None,
            phases_refused: None,
            phases_before: 0,
            contactor: Contactor::default(),
            reenabled: false,
            in_flight: None,
            retry_at: None,
            retries: 0,
            off_failed: None,
            renewed: now.mono,
            reported_enabled: None,
            reported_current: None,
            reported_phases: None,
            limited: Limited::NOT,
            commands: Vec::new(),
        };
        loadpoint.effective = loadpoint.effective_values(&VehicleView::default());
        loadpoint
    }
}
