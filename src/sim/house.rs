//! The house: sun, load and home battery.

use std::time::Duration;

use crate::model::{BatteryMode, KilowattHours, Percent, Watts};

use super::noise;

/// A field of panels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sun {
    /// Power at noon of a clear day.
    pub peak: Watts,
    /// Chooses the clouds.
    pub seed: u64,
    /// Day of the year at the first midnight, 0 to 365; `None` is a summer that never ends.
    pub season: Option<f64>,
}

impl Sun {
    /// Half of the longest and of the shortest day at 50° north differ by this much, in hours.
    const SEASON_H: f64 = 2.1;
    /// At noon of the shortest day a clear sky gives this part of the peak.
    const WINTER: f64 = 0.3;

    /// The power at `hour` hours after the first midnight.
    pub fn power(&self, hour: f64) -> Watts {
        // 1 at the summer solstice, −1 at the winter solstice.
        let summer = self
            .season
            .map(|day| ((day + hour / 24.0 - 172.0) / 365.25 * std::f64::consts::TAU).cos());
        let half = summer.map_or(7.0, |summer| 6.0 + Self::SEASON_H * summer);
        let height = (hour.rem_euclid(24.0) - (13.0 - half)) / (2.0 * half);
        if !(0.0..1.0).contains(&height) {
            return Watts::ZERO;
        }
        let clear = (height * std::f64::consts::PI).sin().max(0.0).powf(1.2);
        // A cloud lasts about 20 min and takes at most 70 %.
        let cloud = ((noise::smooth(self.seed, hour * 3.0) - 0.45) * 3.0).clamp(0.0, 1.0);
        let season =
            summer.map_or(1.0, |summer| Self::WINTER + (1.0 - Self::WINTER) * (summer + 1.0) / 2.0);
        self.peak * (clear * season * (1.0 - 0.7 * cloud))
    }
}

/// What the household consumes without cars.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Load {
    /// Refrigerator, router and the like.
    pub base: Watts,
    /// Chooses when people cook.
    pub seed: u64,
}

impl Load {
    /// The power at `hour` hours after the first midnight.
    pub fn power(&self, hour: f64) -> Watts {
        let base = self.base * (0.8 + 0.4 * noise::smooth(self.seed, hour * 6.0));
        let nth = hour.max(0.0).floor();
        let minute = (hour - nth) * 60.0;
        let of_day = hour.rem_euclid(24.0);
        let chance = |what: u64| noise::at(self.seed ^ what, nth as u64);
        let start = chance(1) * 50.0;
        let kettle = (6.0..22.0).contains(&of_day)
            && chance(2) < 0.4
            && (start..start + 4.0).contains(&minute);
        let oven = [12.0, 18.0, 19.0].contains(&of_day.floor())
            && chance(3) < 0.6
            && (10.0..45.0).contains(&minute);
        let mut power = base;
        if kettle {
            power += Watts(2000.0);
        }
        if oven {
            power += Watts(2400.0);
        }
        power
    }
}

/// A home battery that follows the surplus by itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Battery {
    /// Usable energy.
    pub capacity: KilowattHours,
    /// Most it takes.
    pub max_charge: Watts,
    /// Most it gives.
    pub max_discharge: Watts,
    /// Part that survives one way, in or out.
    pub efficiency: f64,
    /// What it was told.
    pub mode: BatteryMode,
    /// State of charge.
    pub soc: Percent,
    /// + discharge.
    pub power: Watts,
}

impl Battery {
    /// It follows a change at this rate, W per second.
    const RAMP: f64 = 2500.0;
    /// It keeps this much for itself.
    const SOC_MIN: f64 = 5.0;

    /// Follows `surplus` (what sun, load and cars leave over) for `real` time, while `sim` time passes for its energy.
    pub(super) fn step(&mut self, real: Duration, sim: Duration, surplus: Watts) {
        let follow = -surplus;
        let wanted = match self.mode {
            BatteryMode::Unknown | BatteryMode::Normal => follow,
            BatteryMode::Hold => follow.min(Watts::ZERO),
            BatteryMode::HoldCharge => follow.max(Watts::ZERO),
            BatteryMode::Charge => -self.max_charge,
        };
        let wanted = wanted.max(-self.max_charge).min(self.max_discharge);
        let reach = Watts(Self::RAMP * real.as_secs_f64());
        let power = wanted.max(self.power - reach).min(self.power + reach);
        let hours = sim.as_secs_f64() / 3600.0;
        if hours <= 0.0 {
            return;
        }
        let stored = |percent: f64| Watts(percent / 100.0 * self.capacity.0 * 1000.0 / hours);
        let most_in = stored((100.0 - self.soc.0).max(0.0)) / self.efficiency;
        let most_out = stored((self.soc.0 - Self::SOC_MIN).max(0.0)) * self.efficiency;
        self.power = power.max(-most_in).min(most_out);
        let inside = if self.power > Watts::ZERO {
            self.power / self.efficiency
        } else {
            self.power * self.efficiency
        };
        let moved = inside.0 * hours / 1000.0 / self.capacity.0 * 100.0;
        self.soc = Percent((self.soc.0 - moved).clamp(0.0, 100.0));
    }
}
