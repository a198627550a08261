//! `source: sunspec`: points of SunSpec models over Modbus (§7.1). Which models a device has, and where,
//! is found when it is asked.

use super::modbus::{interval, link};
use super::pipeline::scale;
use super::{Field, Flaw, Section, Source, Want};
use crate::config::plugin::{Encoding, Number, SunSpecFactor, SunSpecPoint, SunSpecSource};
use crate::config::text::{did_you_mean, quoted};

/// The points of the usual models of inverters, meters, batteries and storage.
const POINTS: &str = include_str!("sunspec.txt");
/// Most points of which the first one that answers counts.
const MAX_POINTS: usize = 16;
/// Most blocks that repeat.
const MAX_BLOCK: u16 = 255;

pub(super) fn source(section: Section<'_>, want: Want) -> Result<Source, Flaw> {
    if matches!(want, Want::Status | Want::Text) {
        section.error("source", "sunspec gives numbers: it cannot be used here");
        return Err(Flaw::Reported);
    }
    let link = link(&section);
    let points = section.need("value").and_then(|field| points(&field));
    let scale = scale(&section);
    let bitmask = section.get("bitmask").and_then(|field| field.whole_within(1, 0xFFFF_FFFF));
    let interval = interval(&section);
    section.finish_strict();
    let bitmask = bitmask.and_then(|mask| u32::try_from(mask).ok());
    let (link, points) = (link?, points?);
    Ok(Source::SunSpec(Box::new(SunSpecSource { link, points, bitmask, scale, interval })))
}

/// One `model:point` or a list of them.
fn points(field: &Field<'_>) -> Result<Vec<SunSpecPoint>, Flaw> {
    let names = field.names();
    if !(1..=MAX_POINTS).contains(&names.len()) {
        field.error(format!("must have 1 to {MAX_POINTS} points like 103:W"));
        return Err(Flaw::Reported);
    }
    names.iter().map(|(field, text)| point(field, text)).collect()
}

/// `model:point`, or `model:block:point` with blocks that count from 1.
fn point(field: &Field<'_>, text: &str) -> Result<SunSpecPoint, Flaw> {
    let refuse = |why: String| {
        field.error(why);
        Flaw::Reported
    };
    let parts: Vec<&str> = text.split(':').map(str::trim).collect();
    let (model, block, name) = match parts[..] {
        [model, name] => (model, Some(0), name),
        [model, block, name] => (model, block.parse().ok(), name),
        _ => (text, None, text),
    };
    let (Ok(model), Some(block @ 0..=MAX_BLOCK)) = (model.parse::<u16>(), block) else {
        let found = quoted(text);
        return Err(refuse(format!("must be model:point or model:block:point, found {found}")));
    };
    let rows = rows(model);
    if rows.is_empty() {
        return Err(refuse(format!("model {model} is not known: use modbus with its register")));
    }
    let row = rows.iter().find(|row| row.name == name && row.repeats.is_some() == (block > 0));
    let Some(row) = row else {
        let other = rows.iter().find(|row| row.name == name).map(|row| match row.repeats {
            Some(_) => format!(": it repeats, write {model}:1:{name}"),
            None => ": it does not repeat".to_owned(),
        });
        let hint = other.unwrap_or_else(|| did_you_mean(name, rows.iter().map(|row| row.name)));
        return Err(refuse(format!("model {model} has no point {}{hint}", quoted(text))));
    };
    row.point(model, block, &rows, text)
        .ok_or_else(|| refuse(format!("{} cannot be read as a number", quoted(text))))
}

/// A line of the table.
struct Row {
    name: &'static str,
    /// From the model's ID on.
    offset: u16,
    /// Length of the block, if it repeats.
    repeats: Option<u16>,
    kind: &'static str,
    factor: &'static str,
}

/// The points of a model; none of an unknown one.
fn rows(model: u16) -> Vec<Row> {
    let mut here = false;
    let mut rows = Vec::new();
    for line in POINTS.lines() {
        if let Some(models) = line.strip_prefix('@') {
            here = models.split(' ').any(|known| known.parse() == Ok(model));
        } else if here {
            rows.extend(row(line));
        }
    }
    rows
}

fn row(line: &'static str) -> Option<Row> {
    let mut words = line.split(' ');
    let (name, at) = (words.next()?, words.next()?);
    let (offset, repeats) = match at.split_once('+') {
        Some((offset, length)) => (offset, Some(length.parse().ok()?)),
        None => (at, None),
    };
    let offset = offset.parse().ok()?;
    Some(Row { name, offset, repeats, kind: words.next()?, factor: words.next()? })
}

impl Row {
    fn point(&self, model: u16, block: u16, rows: &[Self], text: &str) -> Option<SunSpecPoint> {
        let shift = |row: &Self| {
            let blocks = row.repeats.unwrap_or(0).checked_mul(block.saturating_sub(1))?;
            row.offset.checked_add(blocks)
        };
        let factor = match self.factor {
            "-" => SunSpecFactor::Fixed(0),
            word => match word.parse() {
                Ok(fixed) => SunSpecFactor::Fixed(fixed),
                // A block's own factor comes before that of the model.
                Err(_) => {
                    let named = |row: &&Self| row.name == word && row.kind == "sunssf";
                    let own = rows.iter().filter(named).find(|row| row.repeats == self.repeats);
                    let factor = own.or_else(|| rows.iter().find(named))?;
                    SunSpecFactor::At(shift(factor)?)
                }
            },
        };
        let (number, accumulates) = number(self.kind)?;
        Some(SunSpecPoint {
            name: text.to_owned(),
            model,
            offset: shift(self)?,
            encoding: Encoding { number, swapped: false, nan: true },
            accumulates,
            factor,
        })
    }
}

/// The number of a type, and whether 0 is its "not available".
fn number(kind: &str) -> Option<(Number, bool)> {
    Some(match kind {
        "int16" | "sunssf" => (Number::Int16, false),
        "uint16" | "enum16" | "bitfield16" => (Number::Uint16, false),
        "acc16" => (Number::Uint16, true),
        "int32" => (Number::Int32, false),
        "uint32" | "enum32" | "bitfield32" => (Number::Uint32, false),
        "acc32" => (Number::Uint32, true),
        "int64" => (Number::Int64, false),
        "uint64" => (Number::Uint64, false),
        "acc64" => (Number::Uint64, true),
        "float32" => (Number::Float32, false),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_table_is_a_point() {
        let models = POINTS.lines().filter_map(|line| line.strip_prefix('@'));
        for model in models.flat_map(|line| line.split(' ')) {
            let model = model.parse().unwrap();
            let rows = rows(model);
            for row in &rows {
                let block = u16::from(row.repeats.is_some());
                assert!(row.point(model, block, &rows, "x").is_some(), "{model}:{}", row.name);
            }
        }
        let points = POINTS.lines().filter(|line| !line.starts_with(['#', '@']));
        assert_eq!(points.clone().filter_map(row).count(), points.count());
    }
}
