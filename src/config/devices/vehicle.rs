//! One vehicle (plans-vehicles-devices.md §5).

use super::{Device, Flaw, Kind, Section, essential, features, kind, optional};
use crate::config::device::{TeslaMateCar, VehicleDevice};
use crate::config::source::{Want, sink, source};
use crate::config::text::quoted;
use crate::config::unsupported::Scope;
use crate::model::{Amps, KilowattHours, OnIdentify, VehicleFeature, VehicleSetup, Watts};

const TEMPLATES: &[&str] = &["offline", "teslamate"];

/// Config text and feature (§5.2); `None` is understood and changes nothing.
const FEATURES: &[(&str, Option<VehicleFeature>)] = &[
    ("offline", Some(VehicleFeature::Offline)),
    ("coarsecurrent", Some(VehicleFeature::CoarseCurrent)),
    ("streaming", Some(VehicleFeature::Streaming)),
    ("welcomecharge", Some(VehicleFeature::WelcomeCharge)),
    ("climaterdisabled", Some(VehicleFeature::ClimaterDisabled)),
    ("autodetectdisabled", Some(VehicleFeature::AutodetectDisabled)),
    ("wakeupdisabled", Some(VehicleFeature::WakeUpDisabled)),
    ("retryable", None),
];

/// Features that templates offer as keys of their own.
const SWITCHES: &[(&str, VehicleFeature)] = &[
    ("coarsecurrent", VehicleFeature::CoarseCurrent),
    ("streaming", VehicleFeature::Streaming),
    ("welcomecharge", VehicleFeature::WelcomeCharge),
    ("climaterdisabled", VehicleFeature::ClimaterDisabled),
    ("autodetectdisabled", VehicleFeature::AutodetectDisabled),
    ("wakeupdisabled", VehicleFeature::WakeUpDisabled),
];

/// A vehicle with where its telemetry comes from.
pub(in crate::config) struct Vehicle {
    pub(in crate::config) setup: VehicleSetup,
    pub(in crate::config) device: VehicleDevice,
}

/// Reads a vehicle. One whose telemetry is not built yet stays, offline, as in evcc (§5.1);
/// `None` if it is wrong.
pub(in crate::config) fn vehicle(device: &Device<'_>) -> Option<Vehicle> {
    let section = device.open()?;
    check_name(&section, &device.name);
    let mut setup = setup(&section, device.name.clone());
    let mut quiet = false;
    let telemetry = kind(&section, TEMPLATES).and_then(|kind| match kind {
        Kind::Custom => custom(&section),
        Kind::Template("teslamate") => teslamate(&section, &mut setup),
        Kind::Template(_) => {
            setup.features.push(VehicleFeature::Offline);
            // As evcc's template has it.
            setup.icon.get_or_insert_with(|| "car".to_owned());
            Ok(VehicleDevice::default())
        }
    });
    // A vehicle of any kind may have it: TeslaMate itself only listens (§5.5).
    let wakeup = optional(&section, "wakeup", |field| sink(field, "wakeup"));
    setup.can_wake = wakeup.is_some();
    let telemetry = telemetry.map(|device| VehicleDevice { wakeup, ..device });
    let device = match telemetry {
        Ok(device) => Some(device),
        Err(Flaw::Reported) => None,
        Err(Flaw::Unsupported(mut finding)) => {
            finding.text.push_str("; the vehicle stays, without telemetry");
            section.report.notice(finding);
            setup.features.push(VehicleFeature::Offline);
            // Its keys belong to something unknown: one notice is enough.
            quiet = true;
            Some(VehicleDevice::default())
        }
    };
    setup.features.sort_unstable();
    setup.features.dedup();
    if device.as_ref().is_some_and(|device| device.teslamate.is_none()) && setup.title.is_empty() {
        setup.title = title_case(&setup.name);
    }
    if !quiet {
        section.finish(Scope::Vehicle);
    }
    device.map(|device| Vehicle { setup, device })
}

fn setup(section: &Section<'_>, name: String) -> VehicleSetup {
    let capacity = section
        .get("capacity")
        .and_then(|field| field.number_within(0.0, 10_000.0))
        .filter(|capacity| *capacity > 0.0);
    let phases = section
        .get("phases")
        .and_then(|field| field.whole_within(0, 3))
        .and_then(|phases| u8::try_from(phases).ok());
    let mut features = features(section, FEATURES);
    for (key, feature) in SWITCHES {
        if section.flag(key).unwrap_or(false) {
            features.push(*feature);
        }
    }
    let identifiers = section.get("identifiers").map(|field| field.names());
    VehicleSetup {
        name,
        title: section.text("title").unwrap_or_default(),
        icon: section.text("icon"),
        capacity: capacity.map(KilowattHours),
        phases: phases.filter(|phases| *phases > 0),
        identifiers: identifiers.unwrap_or_default().into_iter().map(|(_, id)| id).collect(),
        on_identify: on_identify(section),
        can_wake: false,
        features,
    }
}

/// What happens when the vehicle is assigned; only values above 0 count (control.md §28).
fn on_identify(section: &Section<'_>) -> OnIdentify {
    let Some(section) = section.section("onIdentify") else {
        return OnIdentify::default();
    };
    let positive = |key| {
        let field = section.get(key)?;
        field.number_within(0.0, f64::INFINITY).filter(|number| *number > 0.0)
    };
    let on_identify = OnIdentify {
        mode: section.get("mode").and_then(|field| crate::config::loadpoint::mode(&field)),
        priority: section
            .get("priority")
            .and_then(|field| field.whole_within(0, i64::from(i32::MAX)))
            .filter(|priority| *priority > 0),
        min_current: positive("minCurrent").map(Amps),
        max_current: positive("maxCurrent").map(Amps),
        max_power: positive("maxPower").map(Watts),
    };
    if let (Some(min), Some(max)) = (on_identify.min_current, on_identify.max_current)
        && min > max
    {
        section.error("minCurrent", format!("must not be above maxCurrent: {min} > {max}"));
    }
    section.finish(Scope::OnIdentify);
    on_identify
}

fn custom(section: &Section<'_>) -> Result<VehicleDevice, Flaw> {
    let number = |key| optional(section, key, |field| source(field, Want::Number));
    let soc = essential(section, "soc", |field| source(field, Want::Number));
    let device = VehicleDevice {
        teslamate: None,
        soc: None,
        range: number("range"),
        odometer: number("odometer"),
        limit_soc: number("limitsoc"),
        status: optional(section, "status", |field| source(field, Want::Status)),
        climater: optional(section, "climater", |field| source(field, Want::Flag)),
        wakeup: None,
    };
    let mut device = VehicleDevice { soc: Some(soc?), ..device };
    if let Some(cache) = section.duration("cache") {
        let sources = [
            &mut device.soc,
            &mut device.range,
            &mut device.odometer,
            &mut device.limit_soc,
            &mut device.status,
            &mut device.climater,
        ];
        sources.into_iter().flatten().for_each(|source| source.ask_seldom(cache));
    }
    Ok(device)
}

/// A car of TeslaMate (§5.5): whole amperes only, and its values may be used at any time.
fn teslamate(section: &Section<'_>, setup: &mut VehicleSetup) -> Result<VehicleDevice, Flaw> {
    section.report.needs_broker(&section.path, section.place);
    setup.features.push(VehicleFeature::CoarseCurrent);
    setup.features.push(VehicleFeature::Streaming);
    // TeslaMate publishes changes only: age is judged by the state of the car instead.
    section.duration("timeout");
    let id = match section.get("id") {
        Some(field) => field.whole_within(1, i64::from(u32::MAX)),
        None => Some(1),
    };
    let namespace = section.text("namespace").unwrap_or_default();
    if namespace.contains(['/', '+', '#']) {
        let found = quoted(&namespace);
        section.error("namespace", format!("must be one level of a topic, found {found}"));
    }
    let id = id.and_then(|id| u32::try_from(id).ok()).ok_or(Flaw::Reported)?;
    Ok(VehicleDevice {
        teslamate: Some(TeslaMateCar { namespace, id }),
        ..VehicleDevice::default()
    })
}

/// The name becomes part of topics and routes.
fn check_name(section: &Section<'_>, name: &str) {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | ':' | '-');
    if name.is_empty() || !name.chars().all(allowed) {
        section.error(
            "name",
            format!("may only have letters, digits and _ . : -, found {}", quoted(name)),
        );
    }
}

/// `blue-car` → `Blue-Car`: what evcc shows for a vehicle without a title.
fn title_case(name: &str) -> String {
    let mut title = String::with_capacity(name.len());
    let mut start = true;
    for letter in name.chars() {
        title.push(if start { letter.to_ascii_uppercase() } else { letter });
        start = !letter.is_ascii_alphanumeric() && letter != '_';
    }
    title
}
