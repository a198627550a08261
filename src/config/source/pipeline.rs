//! What happens to the text of a value before it becomes one (§7.2), the same for every source of texts.

use super::{Field, Flaw, Section, modbus};
use crate::config::plugin::{Encoding, Number, Pipeline};
use crate::config::text::quoted;

/// `scale` and the pipeline.
pub(super) fn read(section: &Section<'_>) -> Result<(f64, Pipeline), Flaw> {
    let scale = scale(section);
    let unpack = section.get("unpack").map(|field| unpack(&field)).transpose();
    let decode = section.get("decode").map(|field| decode(&field)).transpose();
    let pipeline = Pipeline {
        regex: section.text("regex"),
        default: section.text("default"),
        jq: section.text("jq"),
        quote: section.flag("quote").unwrap_or(false),
        allow_empty: section.flag("allowEmpty").unwrap_or(false),
        unpack_hex: unpack?.is_some(),
        decode: decode?,
    };
    Ok((scale, pipeline))
}

fn unpack(field: &Field<'_>) -> Result<(), Flaw> {
    let word = field.text().ok_or(Flaw::Reported)?;
    if word.eq_ignore_ascii_case("hex") {
        return Ok(());
    }
    field.error(format!("must be hex, found {}", quoted(&word)));
    Err(Flaw::Reported)
}

/// The encodings of registers, as far as they are numbers.
fn decode(field: &Field<'_>) -> Result<Encoding, Flaw> {
    let encoding = modbus::encoding(field)?;
    if encoding.number == Number::Bool {
        field.error("must be a number: write for example uint16");
        return Err(Flaw::Reported);
    }
    Ok(encoding)
}

/// These belong to reading; evcc takes them where values are written, too.
pub(super) fn unused(section: &Section<'_>) {
    for unused in ["scale", "regex", "default", "jq", "quote", "allowEmpty", "unpack", "decode"] {
        section.has(unused);
    }
}

/// Multiplies numbers; 1 by default.
pub(super) fn scale(section: &Section<'_>) -> f64 {
    let Some(field) = section.get("scale") else {
        return 1.0;
    };
    let scale = field.number().unwrap_or(1.0);
    if scale == 0.0 {
        field.error("must not be 0: every value would be 0");
    }
    scale
}
