//! One charger (plans-vehicles-devices.md §7.7) and what it can do (control.md §4).

use super::data;
use super::{Device, Flaw, Kind, Section, essential, features, kind, optional};
use crate::config::device::{ChargerDevice, Sink, Source};
use crate::config::source::{Want, phases, sink, source};
use crate::config::unsupported::Scope;
use crate::model::{Amps, ChargerFeature, ChargerSetup};

/// The template that is not only data.
const DEMO: &str = "demo-charger";

/// Config text and feature.
const FEATURES: &[(&str, Option<ChargerFeature>)] = &[
    ("integrateddevice", Some(ChargerFeature::IntegratedDevice)),
    ("switchdevice", Some(ChargerFeature::SwitchDevice)),
    ("heating", Some(ChargerFeature::Heating)),
    ("continuous", Some(ChargerFeature::Continuous)),
    ("welcomecharge", Some(ChargerFeature::WelcomeCharge)),
    // Of these clients are told only; coarse currents are honoured on the vehicle (control.md §4.2).
    ("autodetectdisabled", Some(ChargerFeature::AutodetectDisabled)),
    ("average", Some(ChargerFeature::Average)),
    ("cacheable", Some(ChargerFeature::Cacheable)),
    ("climaterdisabled", Some(ChargerFeature::ClimaterDisabled)),
    ("coarsecurrent", Some(ChargerFeature::CoarseCurrent)),
    ("offline", Some(ChargerFeature::Offline)),
    ("retryable", Some(ChargerFeature::Retryable)),
    ("streaming", Some(ChargerFeature::Streaming)),
    ("wakeupdisabled", Some(ChargerFeature::WakeUpDisabled)),
];

/// A charger with what it can do by itself; a separate meter adds to it.
pub(in crate::config) struct Charger {
    pub(in crate::config) setup: ChargerSetup,
    pub(in crate::config) device: ChargerDevice,
}

/// Reads a charger; it is unsupported when its status or one of its essential commands is.
pub(in crate::config) fn charger(device: &Device<'_>) -> Result<Charger, Flaw> {
    let section = device.open().ok_or(Flaw::Reported)?;
    let name = &device.name;
    let kind = kind(&section, &data::names(DEMO, data::CHARGERS))?;
    let icon = section.text("icon");
    let features = features(&section, FEATURES);
    let safe_current = section
        .get("safeCurrent")
        .and_then(|field| field.number_within(0.0, f64::INFINITY))
        .filter(|amps| *amps > 0.0)
        .map(Amps);
    let device = match kind {
        Kind::Custom => custom(&section, true),
        Kind::Template(template) => {
            match data::CHARGERS.iter().find(|data| data.name == template) {
                Some(data) => data
                    .expand(&section)
                    .and_then(|entries| custom(&data::section(&section, &entries), false)),
                None => Ok(demo(&section, name)),
            }
        }
    };
    section.finish(Scope::Charger);
    let device = ChargerDevice { safe_current, ..device? };
    let setup = ChargerSetup { name: name.clone(), icon, features, ..ChargerSetup::default() };
    Ok(Charger { setup, device })
}

impl Charger {
    /// Derives what the charger can do from what is wired.
    pub(in crate::config) fn derive(&mut self) {
        let (setup, device) = (&mut self.setup, &self.device);
        setup.phase_switching = device.phases.is_some();
        setup.milliamps = device.max_current_millis.is_some();
        setup.has_power = device.power.is_some();
        setup.has_energy = device.energy.is_some();
        setup.has_currents = device.currents.is_some();
        setup.has_voltages = device.voltages.is_some();
        setup.can_wake = device.wakeup.is_some();
    }
}

/// `says_enabled`: the device must say whether it is released. Of one that cannot, the last command
/// is remembered (§8.2).
fn custom(section: &Section<'_>, says_enabled: bool) -> Result<ChargerDevice, Flaw> {
    let number = |key| optional(section, key, |field| source(field, Want::Number));
    let status = essential(section, "status", |field| source(field, Want::Status));
    let enabled = match section.has("enabled") || says_enabled {
        true => essential(section, "enabled", |field| source(field, Want::Flag)).map(Some),
        false => Ok(None),
    };
    let enable = essential(section, "enable", |field| sink(field, "enable"));
    let millis = optional(section, "maxcurrentmillis", |field| sink(field, "maxcurrentmillis"));
    // Whole amperes are not needed where finer ones are understood.
    let whole = match section.has("maxcurrent") || millis.is_none() {
        true => essential(section, "maxcurrent", |field| sink(field, "maxcurrent")).map(Some),
        false => Ok(None),
    };
    let phases_sink = optional(section, "phases1p3p", |field| sink(field, "phases"));
    let confirmed = section.flag("tos").unwrap_or(false);
    if section.has("phases1p3p") && !confirmed {
        section.error(
            "phases1p3p",
            "needs \"tos: true\": it confirms that the device pauses charging by itself while it \
             switches phases",
        );
    }
    let device = ChargerDevice {
        phases: phases_sink,
        wakeup: optional(section, "wakeup", |field| sink(field, "wakeup")),
        power: number("power"),
        energy: number("energy"),
        currents: optional(section, "currents", phases),
        voltages: optional(section, "voltages", phases),
        soc: number("soc").or_else(|| number("temp")),
        limit_soc: number("limitsoc").or_else(|| number("limittemp")),
        // Ours: evcc's custom charger cannot be asked for these (W-24).
        offered_current: number("getmaxcurrent"),
        switched_phases: number("getphases"),
        identify: optional(section, "identify", |field| source(field, Want::Text)),
        status_reason: optional(section, "statusreason", |field| source(field, Want::Text)),
        ..ChargerDevice::default()
    };
    Ok(ChargerDevice {
        status: Some(status?),
        enabled: enabled?,
        enable: Some(enable?),
        max_current: whole?,
        max_current_millis: millis,
        ..device
    })
}

/// Fixed values where the file gives them, the simulator's otherwise.
fn demo(section: &Section<'_>, name: &str) -> ChargerDevice {
    let simulated = |key: &str| Source::Demo(format!("{name}/{key}"));
    let command = |key: &str| Some(Sink::Demo(format!("{name}/{key}")));
    let value = |key: &'static str| section.text(key).map(Source::Const);
    let number = |key: &'static str| {
        let fixed = section.number(key);
        fixed.map(|number| Source::Const(number.to_string()))
    };
    ChargerDevice {
        status: Some(value("status").unwrap_or_else(|| simulated("status"))),
        enabled: Some(value("enabled").unwrap_or_else(|| simulated("enabled"))),
        enable: command("enable"),
        max_current: command("maxcurrent"),
        phases: command("phases"),
        power: Some(number("power").unwrap_or_else(|| simulated("power"))),
        energy: Some(number("energy").unwrap_or_else(|| simulated("energy"))),
        ..ChargerDevice::default()
    }
}
