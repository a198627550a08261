//! The home battery helps a solar charge to go as fast as possible (control.md §18).

use std::time::Duration;

use crate::model::{Mono, Now, Percent, Volts, Watts};

use super::LoadPoint;
use super::effective::VehicleView;
use super::timer::Timer;

/// So long the battery has to come up after a start before reductions count; the control interval
/// of the reference, in which nothing was decided anyway.
const RAMP: Duration = Duration::from_secs(30);
/// The battery is asked for at least this much more than it gives (control.md §18.1).
const STEP_MIN: Watts = Watts(100.0);

/// How far the battery helps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Boost {
    /// Not asked for.
    #[default]
    Off,
    /// Asked for: at once with full power.
    Start,
    /// The battery comes up; full power until then.
    Ramp {
        /// When it ought to have come up.
        until: Mono,
    },
    /// Step by step towards what the battery can give.
    Continue,
    /// The battery has reached the limit: no help until it is asked for again.
    Hold,
}

/// What boost needs to know of the home battery.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct BatteryView {
    /// Power, > 0 discharging; `None` while that is not known or the battery is held.
    pub(crate) power: Option<Watts>,
    /// State of charge.
    pub(crate) soc: Option<Percent>,
    /// What all batteries together can give, if known.
    pub(crate) max_discharge: Option<Watts>,
    /// Margin at the grid connection.
    pub(crate) residual: Watts,
    /// By how much battery priority worsened the surplus; ≤ 0.
    pub(crate) adjustment: Watts,
}

impl LoadPoint {
    /// Whether the user wants the battery to help; stays true at the limit (control.md §18).
    pub fn boost_requested(&self) -> bool {
        self.boost != Boost::Off
    }

    /// Starts or ends the help. A running delay no longer counts.
    pub(crate) fn request_boost(&mut self, on: bool) {
        if !on {
            self.boost = Boost::Off;
        } else if self.boost == Boost::Off {
            self.boost = Boost::Start;
            self.pv_timer = Timer::Elapsed;
            if self.switchable() {
                self.phase_timer = Timer::Elapsed;
            }
        }
    }

    /// Follows the battery's SoC and the charge (control.md §18.1, §18.4).
    pub(super) fn follow_boost(&mut self, now: Now, battery: &BatteryView) {
        if self.boost == Boost::Off {
            return;
        }
        let limit = self.settings.battery_boost_limit;
        if limit < Percent(100.0) && battery.soc.is_some_and(|soc| soc < limit) {
            self.boost = Boost::Hold;
        }
        if let Boost::Ramp { until } = self.boost
            && now.mono >= until
        {
            self.boost = Boost::Continue;
        }
    }

    /// Once it charges, the battery has to show what it can give.
    pub(super) fn boost_started(&mut self, now: Now) {
        if self.boost == Boost::Start && self.charging() {
            self.boost = Boost::Ramp { until: now.mono + RAMP };
        }
    }

    /// Power that is taken from the site's balance in favour of this load point (control.md §18.1).
    pub(super) fn boost_power(
        &self,
        voltage: Volts,
        battery: &BatteryView,
        vehicle: &VehicleView,
    ) -> Watts {
        let Some(power) = battery.power else {
            return Watts::ZERO;
        };
        let coarse = vehicle.coarse || !self.setup.charger.milliamps;
        let more = match self.boost {
            Boost::Off | Boost::Hold => return Watts::ZERO,
            Boost::Start | Boost::Ramp { .. } => {
                self.effective.max_current.power(voltage, self.max_phases(vehicle))
            }
            Boost::Continue => {
                let step = self.active_phases(vehicle);
                let step = if coarse { voltage.0 * f64::from(step) } else { 0.0 };
                battery.residual.abs().max(STEP_MIN) + Watts(step)
            }
        };
        let more = match battery.max_discharge {
            Some(max) => more.min((max - power).max(Watts::ZERO)),
            None => more,
        };
        power.max(Watts::ZERO) + more + battery.residual
    }

    /// Whether the battery guarantees the minimum (control.md §18.2).
    pub(super) fn boost_supports(&self, battery: &BatteryView) -> bool {
        battery.power.is_some() && matches!(self.boost, Boost::Ramp { .. } | Boost::Continue)
    }

    /// Where the surplus is to be taken without battery priority (control.md §18.3).
    pub(crate) fn boost_adjustment(&self, adjustment: Watts) -> Watts {
        if self.boost == Boost::Off { Watts::ZERO } else { adjustment }
    }

    /// When the battery ought to have come up.
    pub(super) fn boost_due(&self) -> Option<Mono> {
        match self.boost {
            Boost::Ramp { until } => Some(until),
            Boost::Off | Boost::Start | Boost::Continue | Boost::Hold => None,
        }
    }
}
