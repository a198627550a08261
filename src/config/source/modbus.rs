//! `source: modbus`: registers of a Modbus TCP device (§7.5).

use std::time::Duration;

use super::pipeline::scale;
use super::{Field, Flaw, Section, Sink, Source, Want};
use crate::config::plugin::{Encoding, ModbusLink, ModbusSource, Number, Register, RegisterKind};
use crate::config::text::{did_you_mean, quoted};

/// Port of a device without one.
const PORT: u16 = 502;
/// Unit id of a device without one.
const UNIT: u8 = 1;
/// Longest wait for an answer.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Time between two readings: fast enough to guard a fuse.
const INTERVAL: Duration = Duration::from_secs(1);
/// Shortest time between two readings.
const MIN_INTERVAL: Duration = Duration::from_millis(100);

/// Most registers of one request.
const TEXT_MAX: i64 = 125;
/// Encodings of texts.
const TEXTS: [&str; 2] = ["string", "bytes"];

const READ: &[(&str, RegisterKind)] = &[
    ("holding", RegisterKind::Holding),
    ("input", RegisterKind::Input),
    ("coil", RegisterKind::Coil),
];

const WRITE: &[(&str, RegisterKind)] = &[
    ("writesingle", RegisterKind::WriteSingle),
    ("writeholding", RegisterKind::WriteSingle),
    ("writemultiple", RegisterKind::WriteMultiple),
    ("writeholdings", RegisterKind::WriteMultiple),
    ("writecoil", RegisterKind::WriteCoil),
];

const NUMBERS: &[(&str, Number)] = &[
    ("int16", Number::Int16),
    ("uint16", Number::Uint16),
    ("int32", Number::Int32),
    ("uint32", Number::Uint32),
    ("int64", Number::Int64),
    ("uint64", Number::Uint64),
    ("float32", Number::Float32),
    ("ieee754", Number::Float32),
    ("float64", Number::Float64),
];

pub(super) fn source(section: Section<'_>, want: Want) -> Result<Source, Flaw> {
    measurement(&section)?;
    let link = link(&section);
    let register = section.need("register").and_then(|field| register(&field, READ));
    let scale = scale(&section);
    let interval = interval(&section);
    let text = "registers give numbers: use source combined with plugged and charging, or for \
                texts encoding: string";
    let numbers = section.finding("source", text);
    section.finish_strict();
    let (link, register) = (link?, register?);
    let is_text = matches!(register.encoding.number, Number::Text(_));
    if matches!(want, Want::Status | Want::Text) && !is_text {
        return Err(Flaw::Unsupported(numbers));
    }
    Ok(Source::Modbus(ModbusSource { link, register, scale, interval }))
}

pub(super) fn sink(section: Section<'_>, _name: &str) -> Result<Sink, Flaw> {
    measurement(&section)?;
    let link = link(&section);
    let register = section.need("register").and_then(|field| register(&field, WRITE));
    let scale = scale(&section);
    section.finish_strict();
    Ok(Sink::Modbus { link: link?, register: register?, scale })
}

/// Time between two readings.
pub(super) fn interval(section: &Section<'_>) -> Duration {
    match section.get("interval").map(|field| (field.duration(), field)) {
        None | Some((None, _)) => INTERVAL,
        Some((Some(interval), field)) => {
            if interval < MIN_INTERVAL {
                field.error("must be at least 100ms");
            }
            interval
        }
    }
}

/// Names of measurements instead of registers.
fn measurement(section: &Section<'_>) -> Result<(), Flaw> {
    match ["model", "value"].iter().find_map(|key| section.get(key)) {
        Some(field) => {
            let text = "measurements of known models are not built yet: write register, or for \
                        SunSpec source sunspec";
            Err(field.unsupported(text))
        }
        None => Ok(()),
    }
}

/// Where a device is.
pub(super) fn link(section: &Section<'_>) -> Result<ModbusLink, Flaw> {
    for unused in ["connectdelay", "block"] {
        if section.has(unused) {
            section.notice(unused, "not used: every register is read by itself");
        }
    }
    for serial in ["device", "baudrate", "comset"] {
        if let Some(field) = section.get(serial) {
            return Err(field.unsupported("serial lines are not built yet: use a gateway and uri"));
        }
    }
    if let Some(field) = section.get("subdevice") {
        return Err(field.unsupported("devices within devices are not built yet: write their id"));
    }
    if section.flag("udp").unwrap_or(false) {
        let finding = section.finding("udp", "Modbus over UDP is not built yet: use TCP");
        return Err(Flaw::Unsupported(finding));
    }
    let uri_field = section.need("uri");
    let id = section.get("id").map(|field| field.whole_within(0, 255));
    let rtu = section.flag("rtu").unwrap_or(false);
    let timeout = section.time("timeout");
    let delay = section.duration("delay").unwrap_or_default();
    let uri_field = uri_field?;
    let uri = uri(&uri_field)?;
    same_framing(&uri_field, &uri, rtu)?;
    Ok(ModbusLink {
        uri,
        id: id.flatten().and_then(|id| u8::try_from(id).ok()).unwrap_or(UNIT),
        rtu,
        timeout: timeout.unwrap_or(TIMEOUT),
        delay,
    })
}

/// `host[:port]` with the default port filled in, so that one device has one spelling.
fn uri(field: &Field<'_>) -> Result<String, Flaw> {
    let written = field.text().ok_or(Flaw::Reported)?;
    let address = written.strip_prefix("tcp://").unwrap_or(&written);
    match crate::config::address::split(address, PORT) {
        Ok((host, port)) => Ok(crate::config::address::join(&host, port)),
        Err(what) => {
            field.error(format!("{what}, found {}", quoted(&written)));
            Err(Flaw::Reported)
        }
    }
}

/// Devices that share an address share its connection and must speak alike.
fn same_framing(field: &Field<'_>, uri: &str, rtu: bool) -> Result<(), Flaw> {
    let mut seen = field.report.modbus_rtu.borrow_mut();
    if *seen.entry(uri.to_owned()).or_insert(rtu) != rtu {
        field.error(format!("{uri} is used with and without rtu: one connection speaks one way"));
        return Err(Flaw::Reported);
    }
    Ok(())
}

fn register(field: &Field<'_>, kinds: &[(&str, RegisterKind)]) -> Result<Register, Flaw> {
    let section = field.section().ok_or(Flaw::Reported)?;
    let address = section
        .need("address")
        .and_then(|field| field.whole_within(0, 0xFFFF).ok_or(Flaw::Reported));
    let kind = section.need("type").and_then(|field| kind(&field, kinds));
    let bitmask = section.get("bitmask").map(|field| field.whole_within(1, 0xFFFF));
    let name = section.get_any(&["encoding", "decode"]);
    let length = section.get("length").and_then(|field| field.whole_within(1, TEXT_MAX));
    let encoding = match &name {
        Some(name) if is_text(name) => text(&section, length, kind.as_ref().ok()),
        Some(name) => encoding(name),
        None => kind
            .as_ref()
            .map_err(|_| Flaw::Reported)
            .and_then(|kind| usual_encoding(&section, *kind)),
    };
    let masked = name.and_then(|name| name.text());
    if masked.is_some_and(|name| name.eq_ignore_ascii_case("bool16")) && bitmask.is_none() {
        section.error("bitmask", "is missing: encoding bool16 needs it");
    }
    section.finish_strict();
    let bitmask = bitmask.flatten().and_then(|mask| u16::try_from(mask).ok());
    Ok(Register {
        kind: kind?,
        address: u16::try_from(address?).map_err(|_| Flaw::Reported)?,
        encoding: encoding?,
        bitmask: bitmask.unwrap_or(0),
    })
}

fn kind(field: &Field<'_>, kinds: &[(&str, RegisterKind)]) -> Result<RegisterKind, Flaw> {
    let word = field.text().ok_or(Flaw::Reported)?.to_lowercase();
    if let Some((_, kind)) = kinds.iter().find(|(name, _)| *name == word) {
        return Ok(*kind);
    }
    let names = kinds.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
    field.error(format!("must be one of {names}, found {}", quoted(&word)));
    Err(Flaw::Reported)
}

fn is_text(name: &Field<'_>) -> bool {
    let word = name.text().unwrap_or_default();
    TEXTS.iter().any(|text| word.eq_ignore_ascii_case(text))
}

/// A text of `length` registers, which is a key of ours.
fn text(
    section: &Section<'_>,
    length: Option<i64>,
    kind: Option<&RegisterKind>,
) -> Result<Encoding, Flaw> {
    if kind == Some(&RegisterKind::WriteMultiple) {
        // Only `convert: int2bytes` makes bytes, eight of them.
        return Ok(Encoding { number: Number::Int64, swapped: false, nan: false });
    }
    if kind.is_some_and(|kind| !matches!(kind, RegisterKind::Holding | RegisterKind::Input)) {
        return Err(Flaw::Unsupported(
            section.finding("encoding", "texts are read from holding and input registers only"),
        ));
    }
    let Some(length) = length.and_then(|length| u16::try_from(length).ok()) else {
        section.error("length", "is missing: write how many registers the text has");
        return Err(Flaw::Reported);
    };
    Ok(Encoding { number: Number::Text(length), swapped: false, nan: false })
}

/// `<number>`, then `s` for least significant word first and `nan` in any order.
pub(super) fn encoding(field: &Field<'_>) -> Result<Encoding, Flaw> {
    let word = field.text().ok_or(Flaw::Reported)?.to_lowercase();
    let plain = |number| Encoding { number, swapped: false, nan: false };
    if matches!(word.as_str(), "bool8" | "bool16") {
        return Ok(plain(Number::Bool));
    }
    for (name, number) in NUMBERS {
        let (swapped, nan) = match word.strip_prefix(name) {
            Some("") => (false, false),
            Some("s") => (true, false),
            Some("nan") => (false, true),
            Some("nans" | "snan") => (true, true),
            Some(_) | None => continue,
        };
        if swapped && matches!(number, Number::Int16 | Number::Uint16) {
            break;
        }
        return Ok(Encoding { swapped, nan, ..plain(*number) });
    }
    let hint = did_you_mean(&word, NUMBERS.iter().map(|(name, _)| *name));
    field.error(format!("unknown encoding {}{hint}", quoted(&word)));
    Err(Flaw::Reported)
}

/// Coils hold bits and a single register is written as one word; the rest must be said.
fn usual_encoding(section: &Section<'_>, kind: RegisterKind) -> Result<Encoding, Flaw> {
    let number = match kind {
        RegisterKind::Coil | RegisterKind::WriteCoil => Number::Bool,
        RegisterKind::WriteSingle => Number::Uint16,
        RegisterKind::Holding | RegisterKind::Input | RegisterKind::WriteMultiple => {
            section.error("encoding", "is missing: write for example int32 or float32s");
            return Err(Flaw::Reported);
        }
    };
    Ok(Encoding { number, swapped: false, nan: false })
}
