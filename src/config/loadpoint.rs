//! `loadpoints`: each with its charger, its meter and its limits (control.md §28).

use super::circuit::Circuits;
use super::device::ChargerDevice;
use super::devices::{Catalog, Charger, charger, meter};
use super::finding::Flaw;
use super::reader::{Field, Section};
use super::text::quoted;
use super::unsupported::Scope;
use crate::model::{
    Amps, ChargerSetup, DisplayRange, LoadPointSetup, Mode, Thresholds, VehicleIx, Watts,
};

/// Most load points of a site.
const MAX_LOADPOINTS: usize = 1000;

/// The lists a load point refers to.
pub(super) struct Catalogs<'c, 'a> {
    pub(super) meters: &'c Catalog<'a>,
    pub(super) chargers: &'c Catalog<'a>,
    pub(super) vehicles: &'c Catalog<'a>,
    pub(super) circuits: &'c Circuits,
}

/// Load points and, parallel to them, their chargers. A load point with errors is left out.
pub(super) fn read(
    root: &Section<'_>,
    catalogs: &Catalogs<'_, '_>,
) -> (Vec<LoadPointSetup>, Vec<ChargerDevice>) {
    let mut setups = Vec::new();
    let mut devices = Vec::new();
    let field = root.get("loadpoints");
    let items = field.as_ref().map(Field::items).unwrap_or_default();
    match field {
        None => root.notice("loadpoints", "none are configured: nothing will be charged"),
        Some(field) if items.len() > MAX_LOADPOINTS => {
            field.error(format!("more than {MAX_LOADPOINTS} load points"));
        }
        Some(_) => {}
    }
    // Chargers by position in the catalog, and the load point that has them.
    let mut taken: Vec<(usize, usize)> = Vec::new();
    for (n, item) in (1..).zip(items.into_iter().take(MAX_LOADPOINTS)) {
        let Some(section) = item.section() else {
            continue;
        };
        let mut charger = read_charger(&section, catalogs, n, &mut taken);
        if let Some(charger) = &mut charger {
            charger.setup.display = display(&section);
        }
        let setup = read_loadpoint(&section, catalogs, n, charger.as_ref());
        section.finish(Scope::LoadPoint);
        if let Some(charger) = charger {
            setups.push(LoadPointSetup { charger: charger.setup, ..setup });
            devices.push(charger.device);
        }
    }
    (setups, devices)
}

fn read_loadpoint(
    section: &Section<'_>,
    catalogs: &Catalogs<'_, '_>,
    n: usize,
    charger: Option<&Charger>,
) -> LoadPointSetup {
    let (min_current, max_current) = currents(section);
    if let Some(safe) = charger.and_then(|charger| charger.device.safe_current)
        && safe > max_current
    {
        section.error(
            "charger",
            format!("its safeCurrent is above maxCurrent: {safe} > {max_current}"),
        );
    }
    let estimate = estimate(section);
    LoadPointSetup {
        name: format!("lp-{n}"),
        title: section.text("title").unwrap_or_default(),
        default_mode: section.get_any(&["mode", "defaultMode"]).and_then(|field| mode(&field)),
        priority: section
            .get("priority")
            .and_then(|field| field.whole_within(i64::from(i32::MIN), i64::from(i32::MAX)))
            .unwrap_or(0),
        phases_configured: phases(section, charger),
        min_current,
        max_current,
        thresholds: thresholds(section),
        wiring: catalogs.circuits.wiring(section),
        estimate,
        vehicle: section.get("vehicle").and_then(|field| {
            let name = field.text()?;
            catalogs.vehicles.find(&field, &name).map(VehicleIx)
        }),
        charger: ChargerSetup::default(),
    }
}

/// A mode; `false` is what YAML 1.1 tools make of `off`.
pub(super) fn mode(field: &Field<'_>) -> Option<Mode> {
    let word = field.text()?;
    match word.trim().to_ascii_lowercase().as_str() {
        "" => None,
        "false" => Some(Mode::Off),
        _ => field.spelled(Mode::SPELLINGS),
    }
}

fn read_charger(
    section: &Section<'_>,
    catalogs: &Catalogs<'_, '_>,
    n: usize,
    taken: &mut Vec<(usize, usize)>,
) -> Option<Charger> {
    let own_meter = section.get("meter");
    let field = section.need("charger").ok()?;
    let name = field.text()?;
    let ix = catalogs.chargers.find(&field, &name)?;
    if let Some((_, other)) = taken.iter().find(|(known, _)| *known == ix) {
        let name = quoted(&name);
        field.error(format!("the charger {name} already belongs to load point {other}"));
        return None;
    }
    taken.push((ix, n));
    let mut charger = settle(&field, charger(&catalogs.chargers.devices[ix]));
    if let Some(field) = own_meter {
        let name = field.text()?;
        let ix = catalogs.meters.find(&field, &name)?;
        let meter = settle(&field, meter(&catalogs.meters.devices[ix]))?;
        let device = &mut charger.as_mut()?.device;
        // The separate meter wins over the charger's own.
        device.power = meter.device.power.or(device.power.take());
        device.energy = meter.device.energy.or(device.energy.take());
        device.currents = meter.device.currents.or(device.currents.take());
        device.voltages = meter.device.voltages.or(device.voltages.take());
    }
    charger.as_mut()?.derive();
    charger
}

/// A charger or its meter that is not built yet is an error: control would be blind.
fn settle<T>(field: &Field<'_>, read: Result<T, Flaw>) -> Option<T> {
    match read {
        Ok(device) => Some(device),
        Err(Flaw::Reported) => None,
        Err(Flaw::Unsupported(finding)) => {
            field.report.error(finding);
            None
        }
    }
}

fn currents(section: &Section<'_>) -> (Amps, Amps) {
    let amps = |key, usual| {
        let field = section.get(key);
        field.and_then(|field| positive(&field)).map_or(usual, Amps)
    };
    let usual = LoadPointSetup::default();
    let min = amps("minCurrent", usual.min_current);
    let max = amps("maxCurrent", usual.max_current);
    if min > max {
        let key = if section.has("minCurrent") { "minCurrent" } else { "maxCurrent" };
        section.error(key, format!("minCurrent must not be above maxCurrent: {min} > {max}"));
    }
    (min, max)
}

fn positive(field: &Field<'_>) -> Option<f64> {
    let number = field.number()?;
    if number <= 0.0 {
        field.error(format!("must be above 0, found {number}"));
        return None;
    }
    Some(number)
}

/// 0 (automatic) needs a charger that switches; others have their physical count, or 3.
fn phases(section: &Section<'_>, charger: Option<&Charger>) -> u8 {
    let switching = charger.is_some_and(|charger| charger.setup.phase_switching);
    let physical = charger.and_then(|charger| charger.setup.physical_phases);
    let usual = if switching { 0 } else { physical.unwrap_or(3) };
    let Some(field) = section.get_any(&["phasesConfigured", "phases"]) else {
        return usual;
    };
    match field.whole_within(0, 3) {
        Some(0) => usual,
        Some(2) => {
            field.error("must be 0 (automatic), 1 or 3, found 2");
            usual
        }
        Some(wanted) => {
            let wanted = u8::try_from(wanted).unwrap_or(usual);
            if let Some(physical) = physical.filter(|physical| wanted > *physical) {
                field.error(format!("more phases than are connected: {wanted} > {physical}"));
            }
            wanted
        }
        None => usual,
    }
}

/// `thresholds: {enable, disable}`, or both directly at the load point as older evcc wrote them.
fn thresholds(section: &Section<'_>) -> Thresholds {
    let mut thresholds = Thresholds::default();
    let inner = section.section("thresholds");
    for key in ["enable", "disable"] {
        if inner.is_some() && section.has(key) {
            section.error(key, "is also given under thresholds: keep one");
        }
    }
    let place = inner.as_ref().unwrap_or(section);
    if let Some(enable) = place.section("enable") {
        thresholds.enable = Watts(enable.number("threshold").unwrap_or(0.0));
        thresholds.enable_delay = enable.duration("delay").unwrap_or(thresholds.enable_delay);
        if thresholds.enable > Watts::ZERO {
            enable.notice("threshold", "is above 0: charging starts while power is imported");
        }
        enable.finish(Scope::Other);
    }
    if let Some(disable) = place.section("disable") {
        thresholds.disable = Watts(disable.number("threshold").unwrap_or(0.0));
        thresholds.disable_delay = disable.duration("delay").unwrap_or(thresholds.disable_delay);
        disable.finish(Scope::Other);
    }
    if thresholds.enable > thresholds.disable {
        place.notice(
            "enable",
            "its threshold is above that of disable: charging stops and starts in turn",
        );
    }
    if let Some(inner) = inner {
        inner.finish(Scope::Other);
    }
    thresholds
}

/// `ui: {minTemp, maxTemp}`, in °C.
fn display(section: &Section<'_>) -> DisplayRange {
    let Some(ui) = section.section("ui") else {
        return DisplayRange::default();
    };
    let degrees = |key| {
        let field = ui.get(key);
        field.and_then(|field| field.number_within(-273.0, 1000.0)).unwrap_or_default()
    };
    let display = DisplayRange { min: degrees("minTemp"), max: degrees("maxTemp") };
    ui.finish(Scope::Other);
    display
}

/// `soc: {poll, estimate}`: nothing is polled, and the file's other keys are older spellings.
fn estimate(section: &Section<'_>) -> bool {
    let Some(soc) = section.section("soc") else {
        return true;
    };
    let estimate = soc.flag("estimate").unwrap_or(true);
    soc.finish(Scope::Soc);
    estimate
}
