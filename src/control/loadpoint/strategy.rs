//! Which rule decides: the first that matches, exactly one per evaluation (control.md §9, §13).

use crate::model::{Amps, ChargerFeature, Mode, Now, Volts, Watts};

use super::boost::BatteryView;
use super::effective::VehicleView;
use super::timer::Timer;
use super::{LoadPoint, Why};

/// What the site knows at a decision.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct SiteView {
    /// Phase voltage.
    pub(crate) voltage: Volts,
    /// Whether the surplus can be relied upon.
    pub(crate) grid: GridView,
    /// The home battery supports a charge that is already running.
    pub(crate) buffered: bool,
    /// The home battery supports starting a charge.
    pub(crate) buffer_start: bool,
    /// What boost needs to know of the home battery.
    pub(crate) battery: BatteryView,
}

/// How far the surplus can be relied upon.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum GridView {
    /// Site power, < 0 surplus, as lowering sees it and as raising may see it: power that has been
    /// granted and is not drawn yet counts as gone for raising only (control.md §33.1).
    Known {
        /// For reductions.
        site: Watts,
        /// For raises; never below `site`.
        site_granted: Watts,
    },
    /// No live sample yet, and not for long enough to worry: keep what is.
    Awaited,
    /// Silent: only lower currents are allowed (design S3).
    Silent,
}

/// The result of the strategy.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Wish {
    /// Current to offer; 0 = off. `None` leaves the charger as it is.
    pub(crate) current: Option<Amps>,
    /// The rule that decided.
    pub(crate) why: Why,
}

impl Wish {
    fn of(current: Amps, why: Why) -> Self {
        Self { current: Some(current), why }
    }

    fn off(why: Why) -> Self {
        Self::of(Amps::ZERO, why)
    }
}

impl LoadPoint {
    /// Picks the rule and its current. Off comes first, so that nothing can block it (Q09).
    pub(super) fn strategy(&mut self, now: Now, site: &SiteView, vehicle: &VehicleView) -> Wish {
        if self.settings.mode == Mode::Off {
            let welcome = self.welcoming() && self.connected();
            return if welcome { self.welcome() } else { Wish::off(Why::ModeOff) };
        }
        if self.status.is_none() {
            return Wish { current: None, why: Why::ChargerUnknown };
        }
        if self.silent {
            return Wish { current: None, why: Why::ChargerSilent };
        }
        if !self.connected() {
            return Wish::off(Why::Disconnected);
        }
        if self.switch_to_configured(now) {
            return Wish { current: None, why: Why::SwitchingPhases };
        }
        if self.min_soc_not_reached {
            self.phase_timer = Timer::Idle;
            self.pv_timer = Timer::Elapsed;
            return self.fast(now, site.voltage, Why::MinSoc);
        }
        if let Some(why) = self.plan.why {
            self.phase_timer = Timer::Idle;
            self.pv_timer = Timer::Elapsed;
            return self.fast(now, site.voltage, why);
        }
        if self.energy_limit_reached(vehicle) {
            return self.limited(vehicle, Why::EnergyLimit);
        }
        if self.soc_limit_reached(vehicle) {
            return self.limited(vehicle, Why::SocLimit);
        }
        match self.settings.mode {
            Mode::Off => Wish::off(Why::ModeOff),
            Mode::Now => self.fast(now, site.voltage, Why::ModeNow),
            Mode::Pv | Mode::MinPv if self.smart_cost.active => {
                self.phase_timer = Timer::Idle;
                self.pv_timer = Timer::Elapsed;
                self.fast(now, site.voltage, Why::SmartCost)
            }
            Mode::Pv | Mode::MinPv if self.smart_feed_in.active => self.feed_in(now),
            Mode::Pv | Mode::MinPv => self.solar(now, site, vehicle),
        }
    }

    /// A limit is reached: off, but the minimum while the vehicle asks for climate power.
    fn limited(&self, vehicle: &VehicleView, why: Why) -> Wish {
        if vehicle.climate {
            Wish::of(self.effective.min_current, Why::Climate)
        } else {
            Wish::off(why)
        }
    }

    /// A vehicle was just plugged in: the minimum, to wake it up (control.md §19.1).
    fn welcome(&self) -> Wish {
        Wish::of(self.effective.min_current, Why::Welcome)
    }

    /// As fast as possible (control.md §13).
    fn fast(&mut self, now: Now, volts: Volts, why: Why) -> Wish {
        if self.switchable() {
            let phases = match self.settings.phases_configured {
                0 => self.fast_phases(now, volts),
                configured => configured,
            };
            self.switch_phases(now, phases);
        }
        Wish::of(self.effective.max_current, why)
    }

    /// Feeding in pays more than charging (control.md §9 row 9): off, or the minimum on one phase.
    fn feed_in(&mut self, now: Now) -> Wish {
        self.phase_timer = Timer::Idle;
        self.pv_timer = Timer::Elapsed;
        if self.settings.mode == Mode::Pv {
            return Wish::off(Why::FeedIn);
        }
        if self.switchable() {
            let phases = self.settings.phases_configured;
            self.switch_phases(now, if phases == 0 { 1 } else { phases });
        }
        Wish::of(self.effective.min_current, Why::FeedIn)
    }

    /// With the surplus (control.md §9 row 10), as far as it is known.
    fn solar(&mut self, now: Now, site: &SiteView, vehicle: &VehicleView) -> Wish {
        match site.grid {
            GridView::Awaited => Wish { current: None, why: Why::GridAwaited },
            GridView::Silent => self.without_meter(now),
            GridView::Known { site: site_power, site_granted } => {
                let boost = self.boost_power(site.voltage, &site.battery, vehicle);
                let (site_power, site_granted) = (site_power - boost, site_granted - boost);
                let wish = self.pv_current(now, site, site_power, site_granted, vehicle);
                self.boost_started(now);
                if wish.current == Some(Amps::ZERO) && vehicle.climate {
                    return Wish::of(self.effective.min_current, Why::Climate);
                }
                if wish.current == Some(Amps::ZERO) && self.welcoming() {
                    self.pv_timer = Timer::Idle;
                    return self.welcome();
                }
                if wish.why == Why::WaitingToStop && self.welcoming() {
                    return Wish { why: Why::Welcome, ..wish };
                }
                if wish.why == Why::Surplus && boost > Watts::ZERO {
                    return Wish { why: Why::Boost, ..wish };
                }
                wish
            }
        }
    }

    /// The grid meter is silent: down to the minimum at once, off after the disable delay in mode
    /// pv; nothing is started (Q02, design S3).
    fn without_meter(&mut self, now: Now) -> Wish {
        use crate::model::PvAction::Disable;

        self.phase_timer = Timer::Idle;
        if !self.enabled {
            self.pv_timer = Timer::Idle;
            return Wish::off(Why::MeterSilent);
        }
        let delay = self.settings.thresholds.disable_delay;
        if self.settings.mode == Mode::Pv && self.pv_timer.run(Disable, now.mono, delay) {
            self.pv_timer = Timer::Idle;
            return Wish::off(Why::MeterSilent);
        }
        Wish::of(self.effective.min_current, Why::MeterSilent)
    }

    /// Current per phase that is drawn or may be drawn: the base of the PV rule (control.md §11 `eff`).
    pub(super) fn base_current(&self, voltage: Volts, phases: u8) -> Amps {
        if self.has(ChargerFeature::IntegratedDevice) {
            return self.charge_power().current(voltage, phases);
        }
        if !self.charging() {
            return Amps::ZERO;
        }
        match self.max_phase_current() {
            // A car that ramps up towards a new set-point is not a car that refuses it.
            Some(measured) if self.in_flight.is_none() => (measured + HEADROOM).min(self.offered),
            Some(_) | None => self.offered,
        }
    }

    /// The largest measured phase current.
    pub(super) fn max_phase_current(&self) -> Option<Amps> {
        self.currents.iter().flatten().copied().reduce(Amps::max)
    }
}

/// A car that draws less than offered is offered this much more than it draws, and expected to draw no
/// more (control.md §11).
pub(super) const HEADROOM: Amps = Amps(2.0);
