//! One meter (plans-vehicles-devices.md §7.6).

use super::data;
use super::{Device, Flaw, Kind, Section, essential, kind, optional};
use crate::config::device::{MeterDevice, Source};
use crate::config::source::{Want, phases, sink, source};
use crate::config::unsupported::Scope;
use crate::model::{KilowattHours, Percent, Watts};

/// The template that is not only data.
const DEMO: &str = "demo-meter";

/// What the file says about a meter, whatever it is used as.
pub(in crate::config) struct Meter {
    pub(in crate::config) title: String,
    pub(in crate::config) capacity: Option<KilowattHours>,
    pub(in crate::config) max_ac_power: Option<Watts>,
    pub(in crate::config) max_discharge_power: Option<Watts>,
    pub(in crate::config) max_soc: Option<Percent>,
    pub(in crate::config) device: MeterDevice,
}

/// Reads a meter; it is unsupported when its power is.
pub(in crate::config) fn meter(device: &Device<'_>) -> Result<Meter, Flaw> {
    let section = device.open().ok_or(Flaw::Reported)?;
    let name = &device.name;
    let kind = kind(&section, &data::names(DEMO, data::METERS))?;
    let title = section.text("title").unwrap_or_default();
    let capacity = positive(&section, "capacity").map(KilowattHours);
    let max_ac_power = positive(&section, "maxacpower").map(Watts);
    let max_discharge_power = discharge_limit(&section);
    let max_soc = positive(&section, "maxsoc").map(Percent).filter(|soc| soc.0 < 100.0);
    let device = match kind {
        Kind::Custom => custom(&section),
        Kind::Template(template) => match data::METERS.iter().find(|data| data.name == template) {
            Some(data) => {
                data.expand(&section).and_then(|entries| custom(&data::section(&section, &entries)))
            }
            None => Ok(demo(&section, name)),
        },
    };
    section.finish(Scope::Meter);
    let device = device?;
    Ok(Meter { title, capacity, max_ac_power, max_discharge_power, max_soc, device })
}

fn custom(section: &Section<'_>) -> Result<MeterDevice, Flaw> {
    let number = |key| optional(section, key, |field| source(field, Want::Number));
    let power = essential(section, "power", |field| source(field, Want::Number));
    let device = MeterDevice {
        power: None,
        energy: number("energy"),
        return_energy: number("returnenergy"),
        currents: optional(section, "currents", phases),
        voltages: optional(section, "voltages", phases),
        powers: optional(section, "powers", phases),
        soc: number("soc"),
        battery_mode: optional(section, "batterymode", |field| sink(field, "batteryMode")),
        curtail: optional(section, "curtail", |field| sink(field, "curtail")),
    };
    Ok(MeterDevice { power: Some(power?), ..device })
}

/// Fixed values where the file gives them, the simulator's otherwise.
fn demo(section: &Section<'_>, name: &str) -> MeterDevice {
    let value = |key: &'static str| {
        let fixed = section.number(key);
        fixed.map(|number| Source::Const(number.to_string()))
    };
    section.has("usage");
    MeterDevice {
        power: Some(value("power").unwrap_or_else(|| Source::Demo(format!("{name}/power")))),
        energy: value("energy"),
        soc: value("soc"),
        ..MeterDevice::default()
    }
}

/// Both limits or none (§7.6).
fn discharge_limit(section: &Section<'_>) -> Option<Watts> {
    let charge = positive(section, "maxchargepower");
    let discharge = positive(section, "maxdischargepower");
    match (charge, discharge) {
        (Some(_), Some(discharge)) => Some(Watts(discharge)),
        (None, None) => None,
        (Some(_), None) => {
            section.notice("maxchargepower", "not used without maxdischargepower");
            None
        }
        (None, Some(_)) => {
            section.notice("maxdischargepower", "not used without maxchargepower");
            None
        }
    }
}

/// A number above zero; 0 is the same as nothing, a plugin is not built yet.
fn positive(section: &Section<'_>, key: &'static str) -> Option<f64> {
    let field = section.get(key)?;
    if field.is_map() {
        field.notice("is read from the file only: write a number; it is left out");
        return None;
    }
    field.number_within(0.0, f64::INFINITY).filter(|number| *number > 0.0)
}
