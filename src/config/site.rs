//! `site`: title, margins and which meter measures what (control.md §2).

use super::device::{MeterDevice, Source};
use super::devices::{Catalog, Meter, meter};
use super::finding::Flaw;
use super::reader::{Field, Section};
use super::text::quoted;
use super::unsupported::Scope;
use crate::model::{MeterRole, MeterSetup, Percent, Setup, Volts, Watts};

/// Role, its spellings in `site.meters`, and whether the site may go on without such a meter
/// when it is not built yet. Without the grid meter the fuse is not guarded; without a battery
/// meter the car would be charged from the battery.
const ROLES: &[(MeterRole, &[&str], bool)] = &[
    (MeterRole::Grid, &["grid"], false),
    (MeterRole::Pv, &["pv", "pvs"], true),
    (MeterRole::Battery, &["battery", "batteries"], false),
    (MeterRole::Aux, &["aux"], true),
    (MeterRole::Ext, &["ext"], true),
    (MeterRole::Consumer, &["consumers", "consumer"], true),
];

/// What the file says about the site itself: no load points, limits and vehicles yet.
#[derive(Default)]
pub(super) struct Site {
    pub(super) setup: Setup,
    /// Parallel to the meters.
    pub(super) devices: Vec<MeterDevice>,
}

pub(super) fn read(root: &Section<'_>, catalog: &Catalog<'_>) -> Site {
    let mut site = Site::default();
    if let Some(voltage) = volts(root) {
        site.setup.voltage = voltage;
    }
    let Some(section) = root.section("site") else {
        return site;
    };
    site.setup.title = section.text("title").unwrap_or_default();
    if let Some(voltage) = volts(&section) {
        if root.has("voltage") {
            section.error("voltage", "is also given at the top level: keep one");
        }
        site.setup.voltage = voltage;
    }
    site.setup.residual_power = Watts(section.number("residualPower").unwrap_or(0.0));
    if let Some(meters) = section.section("meters") {
        read_meters(&mut site, &meters, catalog);
        meters.finish(Scope::SiteMeters);
    }
    read_socs(&mut site.setup, &section);
    let measures = |role| site.setup.meters.iter().any(|meter| meter.role == role);
    if !measures(MeterRole::Grid) && !measures(MeterRole::Pv) {
        section.notice("meters", "neither grid nor pv: charging from surplus is not possible");
    }
    section.finish(Scope::Site);
    site
}

/// Between phase and neutral: 400 V between phases would miscount every current.
fn volts(section: &Section<'_>) -> Option<Volts> {
    section.get("voltage")?.number_within(90.0, 300.0).map(Volts)
}

fn read_socs(site: &mut Setup, section: &Section<'_>) {
    let percent = |key| {
        let field = section.get(key);
        Percent(field.and_then(|field| field.number_within(0.0, 100.0)).unwrap_or(0.0))
    };
    site.priority_soc = percent("prioritySoc");
    site.buffer_soc = percent("bufferSoc");
    site.buffer_start_soc = percent("bufferStartSoc");
    let (priority, buffer, start) = (site.priority_soc, site.buffer_soc, site.buffer_start_soc);
    if buffer > Percent::ZERO && priority > buffer {
        section.error("prioritySoc", format!("must not be above bufferSoc: {priority} > {buffer}"));
    }
    if start > Percent::ZERO && buffer > start {
        section.error("bufferSoc", format!("must not be above bufferStartSoc: {buffer} > {start}"));
    }
    let battery = site.meters.iter().any(|meter| meter.role == MeterRole::Battery);
    for (key, soc) in [("prioritySoc", priority), ("bufferSoc", buffer), ("bufferStartSoc", start)]
    {
        if soc > Percent::ZERO && !battery {
            section.notice(key, "has no effect without a battery meter");
        }
    }
}

fn read_meters(site: &mut Site, section: &Section<'_>, catalog: &Catalog<'_>) {
    let mut used: Vec<(usize, MeterRole)> = Vec::new();
    for (role, keys, droppable) in ROLES {
        let names = section.get_any(keys).map(|field| field.names());
        for (n, (field, name)) in names.unwrap_or_default().into_iter().enumerate() {
            if *role == MeterRole::Grid && n > 0 {
                field.error("there can be only one grid meter");
                continue;
            }
            let Some(ix) = catalog.find(&field, &name) else {
                continue;
            };
            if let Some((_, other)) = used.iter().find(|(known, _)| *known == ix) {
                field.error(format!("the meter {} is already used as {other}", quoted(&name)));
                continue;
            }
            used.push((ix, *role));
            match meter(&catalog.devices[ix]) {
                Ok(meter) => add(site, &field, name, *role, meter),
                Err(Flaw::Reported) => {}
                Err(Flaw::Unsupported(mut finding)) if *droppable => {
                    finding.text.push_str(&format!("; the {role} meter is left out"));
                    field.report.notice(finding);
                }
                Err(Flaw::Unsupported(finding)) => field.report.error(finding),
            }
        }
    }
}

pub(super) fn add(site: &mut Site, field: &Field<'_>, name: String, role: MeterRole, meter: Meter) {
    let mut device = meter.device;
    if role == MeterRole::Battery {
        // Batteries have no phases (§7.6).
        device.currents = None;
        device.voltages = None;
        device.powers = None;
        if device.soc.is_none() {
            field.notice(format!("the battery {} has no soc: it stays unknown", quoted(&name)));
        }
    } else if device.battery_mode.take().is_some() {
        field.notice(format!("batterymode of {} is used for batteries only", quoted(&name)));
    }
    let limited = matches!(role, MeterRole::Pv | MeterRole::Grid);
    if !limited && device.curtail.take().is_some() {
        field.notice(format!("curtail of {} is used for pv and grid only", quoted(&name)));
    }
    site.setup.meters.push(MeterSetup {
        name,
        title: meter.title,
        role,
        capacity: meter.capacity,
        max_ac_power: meter.max_ac_power,
        max_discharge_power: meter.max_discharge_power,
        max_soc: meter.max_soc,
        controllable: device.battery_mode.is_some(),
        curtailable: device.curtail.is_some(),
        timeout: device.power.as_ref().and_then(Source::timeout),
    });
    site.devices.push(device);
}
