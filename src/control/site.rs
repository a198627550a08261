//! Site-wide state: settings, meters and the power balance (control.md §2).

use crate::model::{
    Amps, KilowattHours, MeterRole, MeterSetup, MeterValue, Mono, Now, Origin, Percent, Setup,
    Watts,
};

use super::Reading;

/// Settings, meters and balance of the site.
#[derive(Clone, Debug)]
pub struct Site {
    /// What the user wants.
    pub settings: SiteSettings,
    /// Meters in the order of [`Setup::meters`].
    pub meters: Vec<Meter>,
    /// The balance of the last decision.
    pub balance: Balance,
}

/// Site-wide settings; stored.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct SiteSettings {
    /// Grid set-point margin.
    pub residual_power: Watts,
    /// Home battery is charged first below this SoC; 0 = off.
    pub priority_soc: Percent,
    /// Above this SoC a running PV charge is held from the battery; 0 = off.
    pub buffer_soc: Percent,
    /// From this SoC on PV charging starts without surplus; 0 = off.
    pub buffer_start_soc: Percent,
    /// Home batteries are held while a car charges fast.
    pub battery_discharge_control: bool,
    /// Home batteries may feed the grid; advice.
    pub battery_grid_discharge: bool,
    /// Home batteries charge from the grid up to this price or emission; `None` = never.
    pub battery_grid_charge_limit: Option<f64>,
    /// Limit of the export, 0 = none; advice.
    pub grid_export_limit: Watts,
    /// The solar forecast is scaled to today's production; advice.
    pub solar_adjusted: bool,
}

/// One site meter with its newest values.
#[derive(Clone, Debug)]
pub struct Meter {
    /// What it is.
    pub setup: MeterSetup,
    /// Active power.
    pub power: Option<Reading<Watts>>,
    /// How much lower the power is than the sample before said, if that is too much to be believed
    /// at once: the next sample must confirm it.
    pub(super) jump: Watts,
    /// Counter; a reading of exactly 0 is not available (control.md §2.1).
    pub energy: Option<KilowattHours>,
    /// Counter of the opposite direction.
    pub return_energy: Option<KilowattHours>,
    /// Phase currents.
    pub currents: [Option<Amps>; 3],
    /// Phase powers.
    pub powers: [Option<Watts>; 3],
    /// State of charge of a battery.
    pub soc: Option<Reading<Percent>>,
}

/// The power balance of the last decision. `None` where a meter is missing or silent.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Balance {
    /// Grid power, + import.
    pub grid: Option<Watts>,
    /// PV production; estimated without a PV meter.
    pub pv: Option<Watts>,
    /// Sum of PV counters.
    pub pv_energy: KilowattHours,
    /// Battery power, + discharge.
    pub battery: Option<Watts>,
    /// Battery SoC.
    pub battery_soc: Option<Percent>,
    /// Battery capacity, if all are known.
    pub battery_capacity: Option<KilowattHours>,
    /// Self-regulating loads.
    pub aux: Option<Watts>,
    /// House without load points.
    pub home: Option<Watts>,
    /// Sum of all load points.
    pub charge: Watts,
    /// The control variable: < 0 surplus, > 0 deficit (control.md §2.3).
    pub site: Option<Watts>,
    /// Share of green energy in the house, 0 to 1.
    pub green_share_home: f64,
    /// Share of green energy in the load points, 0 to 1.
    pub green_share_loadpoints: f64,
}

impl Site {
    /// A site that has heard nothing yet.
    pub(super) fn new(setup: &Setup) -> Self {
        Self {
            settings: SiteSettings {
                residual_power: setup.residual_power,
                priority_soc: setup.priority_soc,
                buffer_soc: setup.buffer_soc,
                buffer_start_soc: setup.buffer_start_soc,
                ..SiteSettings::default()
            },
            meters: setup.meters.iter().cloned().map(Meter::new).collect(),
            balance: Balance::default(),
        }
    }
}

impl Meter {
    fn new(setup: MeterSetup) -> Self {
        Self {
            setup,
            power: None,
            jump: Watts::ZERO,
            energy: None,
            return_energy: None,
            currents: [None; 3],
            powers: [None; 3],
            soc: None,
        }
    }
}

/// What is left of the surplus, and what the home battery adds to it (control.md §2.3).
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct SitePower {
    /// < 0 surplus, > 0 deficit.
    pub(crate) site: Watts,
    /// By how much battery priority worsened it.
    pub(crate) adjustment: Watts,
    /// Running charges are held from the battery.
    pub(crate) buffered: bool,
    /// Charges are started from the battery.
    pub(crate) buffer_start: bool,
    /// Grid power, given or derived.
    pub(crate) grid: Watts,
    /// PV power, given or derived.
    pub(crate) pv: Watts,
}

/// Inputs of [`site_power`].
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct PowerInputs {
    /// Grid meter; `None` without one.
    pub(crate) grid: Option<Watts>,
    /// PV meters; `None` without one.
    pub(crate) pv: Option<Watts>,
    /// Battery power and SoC; `None` without a battery.
    pub(crate) battery: Option<(Watts, Percent)>,
    /// PV power beyond the AC limit: it can only reach the battery.
    pub(crate) excess_dc: Watts,
    /// Self-regulating loads.
    pub(crate) aux: Watts,
    /// All load points.
    pub(crate) charge: Watts,
}

/// The control variable (control.md §2.3).
pub(crate) fn site_power(settings: &SiteSettings, inputs: &PowerInputs) -> SitePower {
    let mut residual = settings.residual_power;
    let mut adjustment = Watts::ZERO;
    let priority = inputs.battery.is_some_and(|(_, soc)| soc < settings.priority_soc);
    if priority && residual <= Watts::ZERO {
        adjustment += residual - PRIORITY_RESIDUAL;
        residual = PRIORITY_RESIDUAL;
    }
    let grid = inputs.grid.unwrap_or(inputs.charge - inputs.pv.unwrap_or(Watts::ZERO));
    let pv = inputs.pv.unwrap_or((inputs.charge - grid + residual).max(Watts::ZERO));
    let (mut battery, mut excess_dc) = (Watts::ZERO, inputs.excess_dc);
    let (mut buffered, mut buffer_start) = (false, false);
    if let Some((power, soc)) = inputs.battery {
        if priority && power < Watts::ZERO {
            adjustment += power + excess_dc;
            excess_dc = Watts::ZERO;
        } else {
            battery = power;
            buffered = settings.buffer_soc.0 > 0.0 && soc > settings.buffer_soc;
            buffer_start = settings.buffer_start_soc.0 > 0.0 && soc >= settings.buffer_start_soc;
        }
    }
    let site = grid + battery + excess_dc + residual - inputs.aux;
    SitePower { site, adjustment, buffered, buffer_start, grid, pv }
}

/// A meter that suddenly shows this much more surplus is believed when the next sample agrees: a
/// flipped sign or a lost digit must not raise a current (design S3).
const JUMP_MAX: Watts = Watts(3000.0);

/// Below the priority SoC at least this much export is kept (control.md §2.3).
const PRIORITY_RESIDUAL: Watts = Watts(100.0);

/// Share of green power between `start` and `end` of the stacked consumption, 0 to 1 (control.md §2.5).
pub(crate) fn green_share(pv: Watts, battery: Watts, start: Watts, end: Watts) -> f64 {
    let available = (pv.max(Watts::ZERO) + battery.max(Watts::ZERO) - start).max(Watts::ZERO);
    let power = end - start;
    if power.0 == 0.0 {
        return if available > Watts::ZERO { 1.0 } else { 0.0 };
    }
    available.min(power).0 / power.0
}

impl Site {
    /// Records one attribute of a meter.
    pub(super) fn record(&mut self, now: Now, meter: usize, value: MeterValue, origin: Origin) {
        let Some(meter) = self.meters.get_mut(meter) else {
            return;
        };
        let counter = |energy: KilowattHours| Some(energy).filter(|energy| energy.0 != 0.0);
        match value {
            MeterValue::Power(power) => {
                let drop = meter.power.map_or(Watts::ZERO, |before| before.value - power);
                meter.jump = if drop > JUMP_MAX { drop } else { Watts::ZERO };
                meter.power = Some(Reading::next(meter.power.as_ref(), power, now, origin));
            }
            MeterValue::Energy(energy) => meter.energy = counter(energy).or(meter.energy),
            MeterValue::ReturnEnergy(energy) => {
                meter.return_energy = counter(energy).or(meter.return_energy);
            }
            MeterValue::Current(phase, current) => meter.currents[phase.index()] = Some(current),
            MeterValue::PhasePower(phase, power) => meter.powers[phase.index()] = Some(power),
            MeterValue::Voltage(_, _) => {}
            MeterValue::Soc(soc) if (0.0..=100.0).contains(&soc.0) => {
                meter.soc = Some(Reading::next(meter.soc.as_ref(), soc, now, origin));
            }
            MeterValue::Soc(_) => {}
        }
    }

    /// Meters of one role.
    pub fn of(&self, role: MeterRole) -> impl Iterator<Item = &Meter> {
        self.meters.iter().filter(move |meter| meter.setup.role == role)
    }

    /// Whether meters of this role are configured.
    pub fn has(&self, role: MeterRole) -> bool {
        self.of(role).next().is_some()
    }

    /// The grid meter, if there is one.
    pub fn grid_meter(&self) -> Option<&Meter> {
        self.of(MeterRole::Grid).next()
    }

    /// Sum of the powers of one role; `None` without such a meter. What has fallen silent counts
    /// as `silent` says: it may lower a current, never raise it (design S3).
    fn sum(&self, role: MeterRole, now: Now, silent: impl Fn(Watts) -> Watts) -> Option<Watts> {
        self.has(role).then(|| {
            self.of(role)
                .filter_map(|meter| {
                    let reading = meter.power?;
                    let fresh = reading.is_fresh(now, meter.setup.timeout);
                    Some(if fresh { reading.value } else { silent(reading.value) })
                })
                .sum()
        })
    }

    /// Battery SoC over the valid readings, weighted by capacity if all are known (control.md §2.2, Q04).
    fn battery_soc(&self) -> Option<Percent> {
        let known: Vec<_> = self
            .of(MeterRole::Battery)
            .filter_map(|meter| Some((meter.setup.capacity, meter.soc?.value)))
            .collect();
        let weighted =
            known.iter().all(|(capacity, _)| capacity.is_some_and(|capacity| capacity.0 > 0.0));
        let weight = |capacity: Option<KilowattHours>| {
            if weighted { capacity.map_or(1.0, |c| c.0) } else { 1.0 }
        };
        let total: f64 = known.iter().map(|(capacity, _)| weight(*capacity)).sum();
        let sum: f64 = known.iter().map(|(capacity, soc)| weight(*capacity) * soc.0).sum();
        (total > 0.0).then(|| Percent((sum / total).min(100.0)))
    }

    /// Takes stock: the balance of all meters and `charge`, the sum of the load points (control.md §2).
    pub(super) fn balance(&mut self, now: Now, charge: Watts) -> Option<SitePower> {
        let has_grid = self.has(MeterRole::Grid);
        let grid = self.grid_meter().and_then(|meter| {
            let reading =
                meter.power.filter(|reading| reading.is_fresh(now, meter.setup.timeout))?;
            Some(reading.value)
        });
        let production = |power: Watts| power.max(Watts::ZERO);
        let pv = self.has(MeterRole::Pv).then(|| {
            self.of(MeterRole::Pv)
                .filter_map(|meter| {
                    meter.power.filter(|power| power.is_fresh(now, meter.setup.timeout))
                })
                .map(|power| production(power.value))
                .sum()
        });
        let battery = self.sum(MeterRole::Battery, now, |power| power.max(Watts::ZERO));
        let aux = self.sum(MeterRole::Aux, now, |_| Watts::ZERO);
        let soc = self.battery_soc();
        let inputs = PowerInputs {
            grid,
            pv,
            // An unknown SoC supports nothing and takes precedence: it can only lower a current.
            battery: battery.zip(Some(soc.unwrap_or(Percent::ZERO))),
            excess_dc: self.excess_dc(now),
            aux: aux.unwrap_or(Watts::ZERO),
            charge,
        };
        let known = grid.is_some() || (!has_grid && pv.is_some());
        let power = known.then(|| site_power(&self.settings, &inputs));
        self.balance = self.summary(power, &inputs, battery, aux, soc);
        power
    }

    /// What people see of a balance.
    fn summary(
        &self,
        power: Option<SitePower>,
        inputs: &PowerInputs,
        battery: Option<Watts>,
        aux: Option<Watts>,
        soc: Option<Percent>,
    ) -> Balance {
        let capacities: Vec<_> =
            self.of(MeterRole::Battery).map(|meter| meter.setup.capacity).collect();
        let charge = inputs.charge;
        let discharge = battery.unwrap_or(Watts::ZERO);
        let pv = power.map(|power| power.pv).or(inputs.pv);
        let home = power.map(|power| {
            (power.grid + power.pv.max(Watts::ZERO) + discharge - charge).max(Watts::ZERO)
        });
        let house = home.unwrap_or(Watts::ZERO);
        let other = house + (-discharge).max(Watts::ZERO);
        let share = |start, end| green_share(pv.unwrap_or(Watts::ZERO), discharge, start, end);
        Balance {
            grid: power.map(|power| power.grid),
            pv,
            pv_energy: self.of(MeterRole::Pv).filter_map(|meter| meter.energy).sum(),
            battery,
            battery_soc: soc,
            battery_capacity: capacities.into_iter().sum_if_known(),
            aux,
            home,
            charge,
            site: power.map(|power| power.site),
            green_share_home: share(Watts::ZERO, house),
            green_share_loadpoints: share(other, other + charge),
        }
    }

    /// PV power beyond the AC limit of its inverter (control.md §2.1).
    fn excess_dc(&self, now: Now) -> Watts {
        self.of(MeterRole::Pv)
            .filter_map(|meter| {
                let power =
                    meter.power.filter(|power| power.is_fresh(now, meter.setup.timeout))?.value;
                Some((power - meter.setup.max_ac_power?).max(Watts::ZERO))
            })
            .sum()
    }

    /// Surplus that the grid meter has only just begun to show: not to be raised upon yet.
    pub(super) fn unconfirmed(&self) -> Watts {
        self.grid_meter().map_or(Watts::ZERO, |meter| meter.jump)
    }

    /// When the next reading that control relies upon stops being fresh.
    pub(super) fn stale_at(&self, now: Mono) -> Option<Mono> {
        self.meters
            .iter()
            .filter_map(|meter| Some(meter.power?.stale_at(meter.setup.timeout)))
            .filter(|at| *at > now)
            .min()
    }
}

/// A sum that is known only if every part is.
trait SumIfKnown {
    fn sum_if_known(self) -> Option<KilowattHours>;
}

impl<I: Iterator<Item = Option<KilowattHours>>> SumIfKnown for I {
    fn sum_if_known(mut self) -> Option<KilowattHours> {
        let first = self.next()??;
        self.try_fold(first, |sum, part| Some(sum + part?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    fn rows(file: &str) -> Vec<Value> {
        serde_json::from_str(file).unwrap()
    }

    fn watts(value: &Value, key: &str) -> Watts {
        Watts(value[key].as_f64().unwrap_or(0.0))
    }

    #[test]
    fn worked_examples() {
        for row in rows(include_str!("../../tests/data/examples/site_power.json")) {
            let input = &row["in"];
            let percent = |key: &str| Percent(input[key].as_f64().unwrap_or(0.0));
            let settings = SiteSettings {
                residual_power: watts(input, "residual"),
                priority_soc: percent("priority"),
                buffer_soc: percent("buffer"),
                buffer_start_soc: percent("bufferstart"),
                ..SiteSettings::default()
            };
            let has_grid = input["has_grid"].as_bool().unwrap_or(true);
            let inputs = PowerInputs {
                grid: has_grid.then(|| watts(input, "grid")),
                pv: input["pv"].as_f64().map(Watts),
                battery: input["bats"].as_f64().map(|power| (Watts(power), percent("soc"))),
                excess_dc: watts(input, "excess"),
                aux: watts(input, "aux"),
                charge: watts(input, "charge"),
            };
            let power = site_power(&settings, &inputs);
            // What lower priorities could give up is taken off per load point, in `Shares`.
            let site = power.site - watts(input, "flexible");
            assert_eq!(site, watts(&row, "site"), "{row}");
            for (key, value) in [("adj", power.adjustment), ("grid", power.grid), ("pv", power.pv)]
            {
                if row[key].is_number() {
                    assert_eq!(value, watts(&row, key), "{key} of {row}");
                }
            }
            for (key, value) in [("buffered", power.buffered), ("start", power.buffer_start)] {
                if row[key].is_boolean() {
                    assert_eq!(Value::from(value), row[key], "{key} of {row}");
                }
            }
        }
    }

    #[test]
    fn green_shares() {
        for row in rows(include_str!("../../tests/data/examples/green_share.json")) {
            let power = |index: usize| Watts(row[index].as_f64().unwrap());
            let (pv, battery, home, charge) = (power(1), power(2), power(3), power(4));
            let other = home + (-battery).max(Watts::ZERO);
            let shares = [
                green_share(pv, battery, Watts::ZERO, power(0) + pv + battery.max(Watts::ZERO)),
                green_share(pv, battery, Watts::ZERO, home),
                green_share(pv, battery, other, other + charge),
            ];
            // The total of the first row is stated for an exporting site as 1.
            for (index, share) in shares.into_iter().enumerate().skip(1) {
                assert_eq!(share, row[5 + index].as_f64().unwrap(), "share {index} of {row}");
            }
        }
    }
}
