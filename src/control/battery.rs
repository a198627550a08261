//! What the home batteries are told: who asks, what follows, and whether they obey (control.md §3).

use std::time::Duration;

use crate::model::{
    BatteryMode, Effect, Event, EventKind, MeterIx, MeterRole, Mode, Mono, Now, Percent, Rate,
    Watts,
};

use super::loadpoint::BatteryView;
use super::site::SitePower;
use super::{Control, LoadPoint, Meter, Site};

/// An external mode that is not renewed ends after this, unless its writer named another time
/// (control.md §3.6).
pub const EXTERNAL_TTL: Duration = Duration::from_secs(60);
/// A battery that was full is charged again this far below its limit (Q05).
const FULL_HYSTERESIS: f64 = 2.0;
/// A battery that is held may feed this much: its own control is never exact.
const HELD_MAX: Watts = Watts(200.0);
/// After this long a battery that still feeds is told again, and people are told.
const HELD_AFTER: Duration = Duration::from_secs(30);

/// Control of all home batteries.
#[derive(Clone, Debug)]
pub struct Battery {
    /// What they are told; unknown before the first control.
    pub mode: BatteryMode,
    /// What somebody outside wants; `None` before it is first used.
    pub external: Option<BatteryMode>,
    /// The price is below the limit: they charge from the grid.
    pub grid_charge_active: bool,
    /// Price or emission of the planner now; `None` when prices do not vary or are unknown.
    planner_rate: Option<f64>,
    /// When the external mode ends, while it has not been undone.
    external_until: Option<Mono>,
    /// Those that take commands.
    devices: Vec<Device>,
}

/// One battery that takes commands.
#[derive(Clone, Copy, Debug)]
struct Device {
    meter: MeterIx,
    /// What it was told last.
    told: BatteryMode,
    full: bool,
    /// Since when it feeds although it is held.
    disobeys: Option<Mono>,
    /// People know that it does not obey.
    reported: bool,
}

/// Who wants what of the batteries.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Asked {
    external: BatteryMode,
    /// External control is going on or has just ended.
    timer: bool,
    grid_charge: bool,
    discharge_control: bool,
}

/// The mode that must be told, if any; the first rule that matches (control.md §3.4).
fn required(current: BatteryMode, asked: Asked) -> Option<BatteryMode> {
    use BatteryMode::{Charge, Hold, HoldCharge, Normal, Unknown};

    let unless_current = |mode| Some(mode).filter(|mode| *mode != current);
    match asked {
        Asked { external: Unknown, timer: true, .. } => Some(Normal),
        Asked { external: mode @ (Normal | Hold | Charge | HoldCharge), .. } => {
            unless_current(mode)
        }
        Asked { grid_charge: true, .. } => unless_current(Charge),
        Asked { discharge_control: true, .. } => unless_current(Hold),
        Asked { .. } => match current {
            Hold | Charge | HoldCharge => Some(Normal),
            Unknown | Normal => None,
        },
    }
}

/// Whether the batteries must not feed this load point: it charges fast (control.md §3.3).
fn charges_fast(loadpoint: &LoadPoint) -> bool {
    let asked = match loadpoint.settings.mode {
        Mode::Off => false,
        Mode::Now => true,
        Mode::Pv | Mode::MinPv => {
            loadpoint.min_soc_not_reached || loadpoint.plan.active || loadpoint.smart_cost.active
        }
    };
    loadpoint.charging() && asked
}

impl Battery {
    /// Batteries that have been told nothing yet.
    pub(super) fn new(site: &Site) -> Self {
        let controllable = |(ix, meter): (usize, &Meter)| {
            let setup = &meter.setup;
            (setup.role == MeterRole::Battery && setup.controllable).then_some(Device {
                meter: MeterIx(ix),
                told: BatteryMode::Unknown,
                full: false,
                disobeys: None,
                reported: false,
            })
        };
        Self {
            mode: BatteryMode::Unknown,
            external: None,
            grid_charge_active: false,
            planner_rate: None,
            external_until: None,
            devices: site.meters.iter().enumerate().filter_map(controllable).collect(),
        }
    }

    /// Whether any battery takes commands.
    pub fn controllable(&self) -> bool {
        !self.devices.is_empty()
    }

    /// Whether the batteries may feed the cars as far as we know.
    pub(super) fn may_discharge(&self) -> bool {
        match self.mode {
            BatteryMode::Unknown | BatteryMode::Normal | BatteryMode::HoldCharge => true,
            BatteryMode::Hold | BatteryMode::Charge => false,
        }
    }

    /// Takes over control from outside, or gives it back with `Unknown`, which starts no timer.
    pub(super) fn take_over(&mut self, now: Mono, mode: BatteryMode, ttl: Option<Duration>) {
        self.external = Some(mode);
        if mode != BatteryMode::Unknown {
            self.external_until = Some(now + ttl.unwrap_or(EXTERNAL_TTL));
        }
    }

    /// Decides; `fast` says that a car charges fast (control.md §3.4).
    pub(super) fn decide(&mut self, now: Now, site: &Site, fast: bool) -> Vec<Effect> {
        if !self.controllable() {
            return Vec::new();
        }
        if self.external_until.is_some_and(|until| now.mono >= until) {
            self.external = self.external.map(|_| BatteryMode::Unknown);
        }
        let settings = &site.settings;
        let limit = settings.battery_grid_charge_limit;
        self.grid_charge_active =
            limit.zip(self.planner_rate).is_some_and(|(limit, rate)| rate <= limit);
        let external = self.external.unwrap_or(BatteryMode::Unknown);
        let asked = Asked {
            external,
            timer: self.external_until.is_some(),
            grid_charge: self.grid_charge_active,
            discharge_control: settings.battery_discharge_control && fast,
        };
        self.mode = required(self.mode, asked).unwrap_or(self.mode);
        if external == BatteryMode::Unknown && self.external_until.take().is_some() {
            // What others asked for meanwhile counts from now on.
            self.mode = required(self.mode, Asked { timer: false, ..asked }).unwrap_or(self.mode);
        }
        self.devices.iter_mut().flat_map(|device| device.decide(now, site, self.mode)).collect()
    }

    /// When to look again after `now` without being told anything.
    pub(super) fn next_wake(&self, now: Mono) -> Option<Mono> {
        let disobeyed = self.devices.iter().filter_map(|device| device.disobeys);
        let held = disobeyed.map(|since| since + HELD_AFTER);
        self.external_until.into_iter().chain(held).filter(|at| *at > now).min()
    }
}

impl Device {
    /// Tells the device its mode when that changes, or when it does not obey.
    fn decide(&mut self, now: Now, site: &Site, mode: BatteryMode) -> Vec<Effect> {
        let Some(meter) = site.meters.get(self.meter.0) else {
            return Vec::new();
        };
        self.watch_soc(meter);
        let enough = mode == BatteryMode::Charge && self.full;
        let wanted = if enough { BatteryMode::Hold } else { mode };
        let mut effects = Vec::new();
        if wanted != self.told {
            self.told = wanted;
            self.disobeys = None;
            self.reported = false;
            effects.push(Effect::Battery { meter: self.meter, mode: wanted });
        } else if self.disobeys(now, meter) {
            self.disobeys = Some(now.mono);
            effects.push(Effect::Battery { meter: self.meter, mode: wanted });
            if !self.reported {
                self.reported = true;
                let kind = EventKind::BatteryNotHeld;
                effects.push(Effect::Event(Event::of_site(kind)));
            }
        }
        effects
    }

    /// Full at its limit, until it is clearly below (control.md §3.5, Q05).
    fn watch_soc(&mut self, meter: &Meter) {
        let Some((max, soc)) = meter.setup.max_soc.zip(meter.soc) else {
            return;
        };
        if soc.value >= max {
            self.full = true;
        } else if soc.value < Percent(max.0 - FULL_HYSTERESIS) {
            self.full = false;
        }
    }

    /// Whether it has been feeding for too long although it is held.
    fn disobeys(&mut self, now: Now, meter: &Meter) -> bool {
        let held = matches!(self.told, BatteryMode::Hold | BatteryMode::Charge);
        let power = meter.power.filter(|power| power.is_fresh(now, meter.setup.timeout));
        if !held || power.is_none_or(|power| power.value <= HELD_MAX) {
            self.disobeys = None;
            return false;
        }
        now.mono.since(*self.disobeys.get_or_insert(now.mono)) >= HELD_AFTER
    }
}

impl Control {
    /// Control of the home batteries.
    pub fn battery(&self) -> &Battery {
        &self.battery
    }

    /// The home battery as boost sees it; a silent or held one helps nobody.
    pub(super) fn battery_view(&self, now: Now, power: Option<SitePower>) -> BatteryView {
        let meters = || self.site.of(MeterRole::Battery);
        let fresh = meters()
            .all(|meter| meter.power.is_some_and(|power| power.is_fresh(now, meter.setup.timeout)));
        let known = fresh && self.battery.may_discharge();
        BatteryView {
            power: self.site.balance.battery.filter(|_| known),
            soc: self.site.balance.battery_soc,
            max_discharge: meters().map(|meter| meter.setup.max_discharge_power).sum(),
            residual: self.site.settings.residual_power,
            adjustment: power.map_or(Watts::ZERO, |power| power.adjustment),
        }
    }

    /// Tells the batteries what they need to know after the load points have decided.
    pub(super) fn decide_battery(&mut self, now: Now) {
        let fast = self.loadpoints.iter().any(charges_fast);
        // None while it is static or unknown (control.md §3.2).
        let rate = Rate::at(self.tariffs.planner_rates(), now.utc);
        self.battery.planner_rate = rate.map(|rate| rate.value);
        let effects = self.battery.decide(now, &self.site, fast);
        self.effects.extend(effects);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    #[test]
    fn required_modes() {
        let rows: Vec<Value> =
            serde_json::from_str(include_str!("../../tests/data/examples/battery_mode.json"))
                .unwrap();
        for row in rows {
            let mode = |index: usize| row[index].as_str().unwrap().parse::<BatteryMode>().unwrap();
            let flag = |index: usize| row[index].as_bool().unwrap();
            let asked = Asked {
                external: mode(1),
                timer: flag(2),
                grid_charge: flag(3),
                discharge_control: flag(4),
            };
            let result = required(mode(0), asked).unwrap_or(BatteryMode::Unknown);
            assert_eq!(result, mode(5), "{row}");
        }
    }
}
