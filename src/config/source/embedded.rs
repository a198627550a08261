//! `source: meter`, `charger`: a value of another device that is described in place (§7.1).

use super::{Flaw, Section, Sink, Source, Want, pipeline};
use crate::config::MeterDevice;
use crate::config::devices::{self, Device};
use crate::config::plugin::{Calc, Composite};
use crate::config::text::quoted;

/// A value of a meter, if it has it.
type Part = fn(MeterDevice) -> Option<Source>;

/// What can be read of a meter.
const METHODS: [(&str, Part); 4] = [
    ("power", |meter| meter.power),
    ("energy", |meter| meter.energy),
    ("returnenergy", |meter| meter.return_energy),
    ("soc", |meter| meter.soc),
];

pub(super) fn meter(section: Section<'_>, want: Want) -> Result<Source, Flaw> {
    if want != Want::Number {
        section.error("source", "meter gives a number: it cannot be used here");
        return Err(Flaw::Reported);
    }
    let config = section.need("config");
    let method = section.need("method");
    let scale = pipeline::scale(&section);
    section.finish_strict();
    let (config, method) = (config?, method?);
    let meter = devices::meter(&Device::embedded(config))?.device;
    let word = method.text().ok_or(Flaw::Reported)?.to_lowercase();
    let Some((_, part)) = METHODS.iter().find(|(known, _)| *known == word) else {
        let known = METHODS.map(|(known, _)| known).join(", ");
        method.error(format!("must be one of {known}, found {}", quoted(&word)));
        return Err(Flaw::Reported);
    };
    let Some(source) = part(meter) else {
        method.error(format!("the meter has no {word}: write it in config"));
        return Err(Flaw::Reported);
    };
    if scale == 1.0 {
        return Ok(source);
    }
    let scale = Source::Const(scale.to_string());
    Ok(Source::Composite(Box::new(Composite::Calc(Calc::Mul, vec![source, scale]))))
}

pub(super) fn charger(section: Section<'_>, want: Want) -> Result<Source, Flaw> {
    if matches!(want, Want::Status | Want::Text) {
        section.error("source", "charger says whether it is enabled: it cannot be used here");
        return Err(Flaw::Reported);
    }
    let config = section.need("config");
    section.finish_strict();
    let config = config?;
    let charger = devices::charger(&Device::embedded(config.clone()))?;
    charger.device.enabled.ok_or_else(|| {
        config.error("the charger does not say whether it is enabled");
        Flaw::Reported
    })
}

/// The placeholder of the inner device is its own: `enable`.
pub(super) fn charger_sink(section: Section<'_>, _name: &str) -> Result<Sink, Flaw> {
    let config = section.need("config");
    section.finish_strict();
    let charger = devices::charger(&Device::embedded(config?))?;
    charger.device.enable.ok_or(Flaw::Reported)
}
