//! Plugins: where a value is read or written. One file per kind (plans-vehicles-devices.md §7).

mod calc;
mod combined;
mod constant;
mod embedded;
mod http;
mod js;
mod modbus;
mod mqtt;
mod pipeline;
mod prometheus;
mod script;
mod setters;
mod sunspec;
mod ws;

use super::finding::Flaw;
use super::plugin::{Sink, Source};
use super::reader::{Field, Section};
use super::template::Template;
use super::text::{did_you_mean, quoted};

/// What the value is used as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Want {
    /// A number.
    Number,
    /// A bool.
    Flag,
    /// A, B or C (§8.1).
    Status,
    /// Any text.
    Text,
}

type ReadSource = fn(Section<'_>, Want) -> Result<Source, Flaw>;
type ReadSink = fn(Section<'_>, &str) -> Result<Sink, Flaw>;

/// Every plugin that can be read; aliases point to the same reader.
const SOURCES: &[(&str, ReadSource)] = &[
    ("mqtt", mqtt::source),
    ("modbus", modbus::source),
    ("sunspec", sunspec::source),
    ("const", constant::source),
    ("combined", combined::source),
    ("openwb", combined::source),
    ("http", http::source),
    ("script", script::source),
    ("js", js::source),
    ("javascript", js::source),
    ("calc", calc::calc),
    ("map", calc::map),
    ("valid", calc::valid),
    ("alive", calc::alive),
    ("cached", calc::cached),
    ("error", calc::error),
    ("ws", ws::source),
    ("websocket", ws::source),
    ("prometheus", prometheus::source),
    ("meter", embedded::meter),
    ("charger", embedded::charger),
];

/// Every plugin that can be written.
const SINKS: &[(&str, ReadSink)] = &[
    ("mqtt", mqtt::sink),
    ("modbus", modbus::sink),
    ("http", http::sink),
    ("script", script::sink),
    ("js", js::sink),
    ("javascript", js::sink),
    ("const", setters::constant),
    ("map", setters::map),
    ("sequence", setters::sequence),
    ("switch", setters::switch),
    ("ifelse", setters::ifelse),
    ("convert", setters::convert),
    ("delta", setters::delta),
    ("valid", setters::valid),
    ("watchdog", setters::watchdog),
    ("ignore", setters::ignore),
    ("sleep", setters::sleep),
    ("random", setters::random),
    ("error", setters::error),
    ("charger", embedded::charger_sink),
];

/// Plugins of evcc without a reader here (§7.1), and what does instead.
const MISSING: &[(&str, &str)] = &[
    ("aa55", "use modbus, or script with a program that speaks it"),
    ("go", "write the script in JavaScript under js"),
    ("gpio", "use script with a program that reads or sets the pin"),
    ("homeassistant", "let it publish over MQTT, or use http with its REST API and auth bearer"),
    ("sma", "use modbus: Modbus TCP can be switched on in the device"),
    ("timeseries", "write the forecast as a JSON list over mqtt or http"),
];

/// Where a value is read.
pub(super) fn source(field: &Field<'_>, want: Want) -> Result<Source, Flaw> {
    let (section, read) = plugin(field, SOURCES, "read")?;
    read(section, want)
}

/// Where a value is written; `name` is its placeholder in payload templates (§7.3).
pub(super) fn sink(field: &Field<'_>, name: &str) -> Result<Sink, Flaw> {
    let (section, read) = plugin(field, SINKS, "written")?;
    read(section, name)
}

/// A text with placeholders of the value `name`, all of which exist (§7.3).
fn template(field: &Field<'_>, name: &str) -> Result<String, Flaw> {
    let text = field.text().ok_or(Flaw::Reported)?;
    match Template::compile(&text, name) {
        Ok(_) => Ok(text),
        Err(error) => {
            field.error(error);
            Err(Flaw::Reported)
        }
    }
}

/// One source per phase (§7.6).
pub(super) fn phases(field: &Field<'_>) -> Result<Box<[Source; 3]>, Flaw> {
    let items = field.items();
    let [l1, l2, l3] = items.as_slice() else {
        field.error(format!("must be a list of three, found {}", items.len()));
        return Err(Flaw::Reported);
    };
    let l1 = source(l1, Want::Number);
    let l2 = source(l2, Want::Number);
    let l3 = source(l3, Want::Number);
    Ok(Box::new([l1?, l2?, l3?]))
}

/// The plugin a map names: `source`, or `type` as older evcc wrote it.
fn plugin<'a, T: Copy>(
    field: &Field<'a>,
    table: &[(&'static str, T)],
    verb: &str,
) -> Result<(Section<'a>, T), Flaw> {
    let section = field.section().ok_or(Flaw::Reported)?;
    let kind = match section.get_any(&["source", "type"]) {
        Some(kind) => kind,
        None => section.need("source")?,
    };
    let word = kind.text().ok_or(Flaw::Reported)?.to_lowercase();
    if let Some((_, read)) = table.iter().find(|(name, _)| *name == word) {
        return Ok((section, *read));
    }
    let known = || table.iter().map(|(name, _)| *name);
    let names = known().collect::<Vec<_>>().join(", ");
    if let Some((_, instead)) = MISSING.iter().find(|(name, _)| *name == word) {
        return Err(kind.unsupported(format!("source {} is not built: {instead}", quoted(&word))));
    }
    let exists = SOURCES.iter().map(|(name, _)| *name).chain(SINKS.iter().map(|(name, _)| *name));
    if exists.into_iter().any(|name| name == word) {
        let text = format!("source {} cannot be {verb}, what can be: {names}", quoted(&word));
        return Err(kind.unsupported(text));
    }
    let hint = did_you_mean(&word, known());
    let hint = if hint.is_empty() { format!(" (known: {names})") } else { hint };
    kind.error(format!("unknown source {}{hint}", quoted(&word)));
    Err(Flaw::Reported)
}
