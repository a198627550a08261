//! Wishes about the home batteries and the boost from them (api.md §2.2, §2.3).

use std::time::Duration;

use crate::model::{BatteryMode, LoadPointIx, Mode, Now, Percent, Watts};

use super::{Control, Refusal, SiteSettings, Wake};

impl Control {
    /// Whether the batteries are held while a car charges fast.
    pub fn set_battery_discharge_control(&mut self, now: Now, on: bool) -> Result<(), Refusal> {
        self.battery_control(now)?.battery_discharge_control = on;
        Ok(())
    }

    /// Whether the batteries may feed the grid; advice for an optimizer, control does not use it
    /// (Q22).
    pub fn set_battery_grid_discharge(&mut self, now: Now, on: bool) -> Result<(), Refusal> {
        self.battery_control(now)?.battery_grid_discharge = on;
        Ok(())
    }

    /// The batteries charge from the grid up to this price or emission; `None` = never.
    pub fn set_battery_grid_charge_limit(
        &mut self,
        now: Now,
        limit: Option<f64>,
    ) -> Result<(), Refusal> {
        self.battery_control(now)?.battery_grid_charge_limit = limit;
        Ok(())
    }

    /// Takes control of the batteries until `ttl` has passed without another call, or gives it back
    /// with [`BatteryMode::Unknown`]; `None` is [`super::EXTERNAL_TTL`] (control.md §3.6).
    pub fn set_battery_mode(
        &mut self,
        now: Now,
        mode: BatteryMode,
        ttl: Option<Duration>,
    ) -> Result<(), Refusal> {
        self.battery_control(now)?;
        self.battery.take_over(now.mono, mode, ttl);
        Ok(())
    }

    /// Limit of the export, 0 = none; advice for an optimizer, control does not use it (Q22).
    pub fn set_grid_export_limit(&mut self, now: Now, power: Watts) -> Result<(), Refusal> {
        self.wake(now.mono, Wake::Wish);
        self.site.settings.grid_export_limit = power;
        Ok(())
    }

    /// Whether the solar forecast is scaled to today's production; advice, control does not use it.
    pub fn set_solar_adjusted(&mut self, now: Now, on: bool) -> Result<(), Refusal> {
        self.wake(now.mono, Wake::Wish);
        self.site.settings.solar_adjusted = on;
        Ok(())
    }

    /// Lets the home battery help a solar charge, or ends that (control.md §18).
    pub fn set_battery_boost(
        &mut self,
        now: Now,
        lp: LoadPointIx,
        on: bool,
    ) -> Result<(), Refusal> {
        let battery = self.battery_settings().map(|_| ());
        let loadpoint = self.loadpoint_mut(now, lp)?;
        if on {
            battery?;
            if !matches!(loadpoint.settings.mode, Mode::Pv | Mode::MinPv) {
                return Err(Refusal::BoostOutsidePv);
            }
        }
        loadpoint.request_boost(on);
        Ok(())
    }

    /// The battery helps down to this SoC; 100 = no limit (Q14).
    pub fn set_battery_boost_limit(
        &mut self,
        now: Now,
        lp: LoadPointIx,
        soc: Percent,
    ) -> Result<(), Refusal> {
        self.loadpoint_mut(now, lp)?.settings.battery_boost_limit = soc;
        Ok(())
    }

    /// The settings, if there is a battery that takes commands.
    fn battery_control(&mut self, now: Now) -> Result<&mut SiteSettings, Refusal> {
        if !self.battery.controllable() {
            return Err(Refusal::NoBatteryControl);
        }
        self.wake(now.mono, Wake::Wish);
        self.battery_settings()
    }
}
