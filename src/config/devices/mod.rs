//! `meters`, `chargers`, `vehicles`: named lists of devices and what their kinds have in common.

mod charger;
mod data;
mod meter;
mod vehicle;

use std::cell::Cell;

use super::finding::{Flaw, Place};
use super::reader::{Field, Section};
use super::text::{did_you_mean, quoted};

pub(super) use charger::{Charger, charger};
pub(super) use meter::{Meter, meter};
pub(super) use vehicle::vehicle;

/// Most devices of one kind.
const MAX_DEVICES: usize = 1000;

/// All devices of one kind, found by name.
pub(super) struct Catalog<'a> {
    /// `meter`, `charger`, `vehicle`.
    word: &'static str,
    pub(super) devices: Vec<Device<'a>>,
}

/// One entry of the list, not yet read.
pub(super) struct Device<'a> {
    pub(super) name: String,
    field: Field<'a>,
    used: Cell<bool>,
}

impl<'a> Device<'a> {
    /// One that is described where it is used.
    pub(super) fn embedded(field: Field<'a>) -> Self {
        Self { name: "embedded".to_owned(), field, used: Cell::new(true) }
    }

    /// The device's keys; its name is already read.
    fn open(&self) -> Option<Section<'a>> {
        let section = self.field.section()?;
        section.has("name");
        Some(section)
    }

    pub(super) fn error(&self, text: &str) {
        self.field.error(text);
    }
}

impl<'a> Catalog<'a> {
    /// Reads the names. Without `unnamed` a device needs one, with it the position makes one
    /// (`vehicle-1`).
    pub(super) fn read(
        root: &Section<'a>,
        key: &'static str,
        word: &'static str,
        unnamed: Option<&str>,
    ) -> Self {
        let mut devices: Vec<Device<'a>> = Vec::new();
        let field = root.get(key);
        let items = field.as_ref().map(Field::items).unwrap_or_default();
        if let Some(field) = field.filter(|_| items.len() > MAX_DEVICES) {
            field.error(format!("more than {MAX_DEVICES} {word}s"));
        }
        for (n, item) in (1..).zip(items.into_iter().take(MAX_DEVICES)) {
            let Some(section) = item.section() else {
                continue;
            };
            let name = match (section.has("name"), unnamed) {
                (false, Some(prefix)) => Some(format!("{prefix}{n}")),
                (_, _) => section.need("name").ok().and_then(|field| field.text()),
            };
            let Some(name) = name else {
                continue;
            };
            if let Some(first) = devices.iter().find(|device| device.name == name) {
                let line = line(first.field.node.place);
                section.error("name", format!("the {word} {} exists{line}", quoted(&name)));
                continue;
            }
            devices.push(Device { name, field: item, used: Cell::new(false) });
        }
        Self { word, devices }
    }

    /// The position of the device a field names; an unknown name is an error with a suggestion.
    pub(super) fn find(&self, field: &Field<'_>, name: &str) -> Option<usize> {
        let found = self.devices.iter().position(|device| device.name == name);
        match found {
            Some(ix) => self.devices[ix].used.set(true),
            None => {
                let names = || self.devices.iter().map(|device| device.name.as_str());
                let mut hint = did_you_mean(name, names());
                if hint.is_empty() {
                    let known: Vec<_> = names().take(10).collect();
                    hint = match known.as_slice() {
                        [] => format!(": no {}s are configured", self.word),
                        known => format!(" (known: {})", known.join(", ")),
                    };
                }
                field.error(format!("unknown {} {}{hint}", self.word, quoted(name)));
            }
        }
        found
    }

    /// Notices devices that nothing refers to; they are not read.
    pub(super) fn notice_unused(&self) {
        for device in self.devices.iter().filter(|device| !device.used.get()) {
            let text = format!("the {} {} is not used", self.word, quoted(&device.name));
            device.field.notice(text);
        }
    }
}

/// ` in line 7`, or nothing.
fn line(place: Place) -> String {
    match place {
        Place::File { line, .. } => format!(" already, in line {line}"),
        Place::Variable(_) => " already".to_owned(),
    }
}

/// How a device is described.
#[derive(Debug, PartialEq, Eq)]
enum Kind {
    /// Every attribute has its own plugin.
    Custom,
    /// One of the templates that are built in.
    Template(&'static str),
}

/// The kind a device names; older evcc wrote `default` for custom and templates without `template`.
fn kind(section: &Section<'_>, templates: &[&'static str]) -> Result<Kind, Flaw> {
    let known = |word: &str| templates.iter().find(|name| **name == word).copied();
    let field = section.need("type")?;
    let word = field.text().ok_or(Flaw::Reported)?.to_lowercase();
    let (field, word) = match word.as_str() {
        "custom" | "default" => return Ok(Kind::Custom),
        "template" => {
            let field = section.need("template")?;
            let word = field.text().ok_or(Flaw::Reported)?.to_lowercase();
            (field, word)
        }
        _ => (field, word),
    };
    if let Some(template) = known(&word) {
        return Ok(Kind::Template(template));
    }
    let what = field.path.rsplit('.').next().unwrap_or_default();
    let hint = did_you_mean(&word, templates.iter().copied().chain(["custom", "template"]));
    Err(field.unsupported(format!(
        "{what} {} is not built in{hint}: supported are type custom (MQTT, HTTP, Modbus, scripts) and template {}",
        quoted(&word),
        templates.join(", ")
    )))
}

/// An attribute the device cannot do without.
fn essential<'a, T>(
    section: &Section<'a>,
    key: &'static str,
    read: impl FnOnce(&Field<'a>) -> Result<T, Flaw>,
) -> Result<T, Flaw> {
    section.need(key).and_then(|field| read(&field))
}

/// An attribute that is left out, with a notice, when it is not built yet.
fn optional<'a, T>(
    section: &Section<'a>,
    key: &'static str,
    read: impl FnOnce(&Field<'a>) -> Result<T, Flaw>,
) -> Option<T> {
    match read(&section.get(key)?) {
        Ok(value) => Some(value),
        Err(Flaw::Reported) => None,
        Err(Flaw::Unsupported(mut finding)) => {
            finding.text.push_str(&format!("; {key} is left out"));
            section.report.notice(finding);
            None
        }
    }
}

/// Words of a closed list; an unknown one is ignored with a notice.
fn features<T: Copy>(section: &Section<'_>, table: &[(&'static str, Option<T>)]) -> Vec<T> {
    let mut features = Vec::new();
    let Some(field) = section.get("features") else {
        return features;
    };
    for (field, word) in field.names() {
        match table.iter().find(|(name, _)| name.eq_ignore_ascii_case(&word)) {
            Some((_, Some(feature))) => features.push(*feature),
            Some((_, None)) => {}
            None => {
                let hint = did_you_mean(&word, table.iter().map(|(name, _)| *name));
                field.notice(format!("unknown feature {}, ignored{hint}", quoted(&word)));
            }
        }
    }
    features
}
