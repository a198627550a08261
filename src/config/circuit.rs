//! `circuits`: what the wires carry (control.md §22.1).

use std::time::Duration;

use super::devices::{Catalog, meter};
use super::finding::Flaw;
use super::reader::{Field, Section};
use super::site::{self, Site};
use super::text::{did_you_mean, quoted};
use super::unsupported::Scope;
use crate::model::{Amps, CircuitIx, CircuitSetup, MeterIx, MeterRole, Rotation, Watts, Wiring};

/// Most circuits of a site.
const MAX_CIRCUITS: usize = 100;
/// No measurement guards a fuse longer than this.
const MAX_TIMEOUT: Duration = Duration::from_secs(60);

/// The circuits, and how load points refer to them.
pub(super) struct Circuits {
    pub(super) setups: Vec<CircuitSetup>,
}

/// One circuit whose parent is still a name.
struct Entry<'a> {
    setup: CircuitSetup,
    parent: Option<Field<'a>>,
    field: Field<'a>,
}

/// Reads the circuits; meters that nothing else uses are added to the site.
pub(super) fn read(root: &Section<'_>, meters: &Catalog<'_>, site: &mut Site) -> Circuits {
    let field = root.get("circuits");
    let items = field.as_ref().map(Field::items).unwrap_or_default();
    if let Some(field) = field.as_ref().filter(|_| items.len() > MAX_CIRCUITS) {
        field.error(format!("more than {MAX_CIRCUITS} circuits"));
    }
    let mut entries: Vec<Entry<'_>> = Vec::new();
    for item in items.into_iter().take(MAX_CIRCUITS) {
        let Some(section) = item.section() else {
            continue;
        };
        let setup = read_circuit(&section, meters, site);
        if let Some(setup) = setup {
            if entries.iter().any(|entry| entry.setup.name == setup.name) {
                section
                    .error("name", format!("the circuit {} exists already", quoted(&setup.name)));
            }
            entries.push(Entry { setup, parent: section.get("parent"), field: item.clone() });
        }
        section.finish(Scope::Circuit);
    }
    let mut circuits = Circuits { setups: entries.iter().map(|e| e.setup.clone()).collect() };
    for (ix, entry) in entries.iter().enumerate() {
        circuits.setups[ix].parent = entry.parent.as_ref().and_then(|field| circuits.find(field));
    }
    check_tree(&circuits.setups, &entries);
    circuits
}

fn read_circuit(
    section: &Section<'_>,
    meters: &Catalog<'_>,
    site: &mut Site,
) -> Option<CircuitSetup> {
    let name = section.need("name").ok().and_then(|field| {
        let name = field.text()?;
        if name.is_empty() || name.contains(['/', '+', '#']) {
            field.error(format!("is part of topics: no / + #, found {}", quoted(&name)));
        }
        Some(name)
    });
    let limit = |key| {
        let number = section.get(key)?.number_within(0.0, f64::INFINITY);
        number.filter(|number| *number > 0.0)
    };
    let max_current = limit("maxCurrent").map(Amps);
    let max_power = limit("maxPower").map(Watts);
    let meter = section.get("meter").and_then(|field| {
        let ix = find_meter(&field, meters, site)?;
        if max_current.is_some() && site.devices[ix.0].currents.is_none() {
            field.error("has no currents: maxCurrent needs those of all three phases");
        }
        Some(ix)
    });
    Some(CircuitSetup {
        name: name?,
        title: section.text("title").unwrap_or_default(),
        parent: None,
        meter,
        max_current,
        max_power,
        timeout: section.get("timeout").and_then(|field| timeout(&field)),
    })
}

/// 0 means "never" in evcc; a fuse is not left unguarded.
fn timeout(field: &Field<'_>) -> Option<Duration> {
    let timeout = field.duration()?;
    if timeout.is_zero() || timeout > MAX_TIMEOUT {
        field.notice("60s is used: a fuse is not left unguarded for longer");
    }
    Some(timeout).filter(|timeout| !timeout.is_zero())
}

/// A meter of the site, or one that becomes one.
fn find_meter(field: &Field<'_>, meters: &Catalog<'_>, site: &mut Site) -> Option<MeterIx> {
    let name = field.text()?;
    let ix = meters.find(field, &name)?;
    if let Some(known) = site.setup.meters.iter().position(|meter| meter.name == name) {
        return Some(MeterIx(known));
    }
    match meter(&meters.devices[ix]) {
        Ok(meter) => {
            site::add(site, field, name, MeterRole::Circuit, meter);
            Some(MeterIx(site.setup.meters.len() - 1))
        }
        Err(Flaw::Reported) => None,
        Err(Flaw::Unsupported(finding)) => {
            field.report.error(finding);
            None
        }
    }
}

/// Exactly one root, and no circuit feeds itself.
fn check_tree(setups: &[CircuitSetup], entries: &[Entry<'_>]) {
    let mut root: Option<&CircuitSetup> = None;
    for (ix, entry) in entries.iter().enumerate() {
        let up = |ix: &usize| setups[*ix].parent.map(|CircuitIx(parent)| parent);
        if std::iter::successors(up(&ix), up).take(setups.len()).any(|above| above == ix) {
            let place = entry.parent.as_ref().unwrap_or(&entry.field);
            place.error("the circuit feeds itself: one circuit must have no parent");
        }
        if entry.parent.is_some() {
            continue;
        }
        match root {
            None => root = Some(&entry.setup),
            Some(first) => entry.field.error(format!(
                "there can be only one circuit without parent, and {} is one: write parent",
                quoted(&first.name)
            )),
        }
    }
}

impl Circuits {
    /// The circuit that a field names.
    fn find(&self, field: &Field<'_>) -> Option<CircuitIx> {
        let name = field.text()?;
        let names = || self.setups.iter().map(|circuit| circuit.name.as_str());
        let found = names().position(|known| known == name);
        if found.is_none() {
            let mut hint = did_you_mean(&name, names());
            if hint.is_empty() {
                let known: Vec<_> = names().take(10).collect();
                hint = match known.as_slice() {
                    [] => ": no circuits are configured".to_owned(),
                    known => format!(" (known: {})", known.join(", ")),
                };
            }
            field.error(format!("unknown circuit {}{hint}", quoted(&name)));
        }
        found.map(CircuitIx)
    }

    /// How a load point is connected.
    pub(super) fn wiring(&self, section: &Section<'_>) -> Wiring {
        let circuit = section.get("circuit");
        if circuit.is_none() && !self.setups.is_empty() {
            section.notice("", "belongs to no circuit: no fuse limits it, write circuit: <name>");
        }
        let rotation = section.get("phaseRotation");
        Wiring {
            circuit: circuit.and_then(|field| self.find(&field)),
            rotation: rotation
                .and_then(|field| field.spelled(Rotation::SPELLINGS))
                .unwrap_or_default(),
        }
    }
}
