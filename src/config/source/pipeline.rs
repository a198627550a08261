//! What happens to the text of a value before it becomes one (§7.2), the same for every source of texts.

use super::{Flaw, Section};
use crate::config::plugin::Pipeline;

/// `scale` and the pipeline.
pub(super) fn read(section: &Section<'_>) -> Result<(f64, Pipeline), Flaw> {
    let scale = scale(section);
    let pipeline = Pipeline {
        regex: section.text("regex"),
        default: section.text("default"),
        jq: section.text("jq"),
        quote: section.flag("quote").unwrap_or(false),
    };
    section.has("allowEmpty");
    match ["unpack", "decode"].iter().find_map(|key| section.get(key)) {
        Some(field) => Err(field.unsupported("binary payloads are not built yet")),
        None => Ok((scale, pipeline)),
    }
}

/// These belong to reading; evcc takes them where values are written, too.
pub(super) fn unused(section: &Section<'_>) {
    for unused in ["scale", "regex", "default", "jq", "quote", "allowEmpty"] {
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
