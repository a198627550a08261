//! `source: combined`, older `openwb`: a status from two bools (§7.1).

use crate::config::plugin::Composite;

use super::{Flaw, Section, Source, Want};

pub(super) fn source(section: Section<'_>, want: Want) -> Result<Source, Flaw> {
    if matches!(want, Want::Number | Want::Flag) {
        section.error("source", "combined gives a status (A, B, C): use it for status only");
        return Err(Flaw::Reported);
    }
    let plugged = section.need("plugged").and_then(|field| super::source(&field, Want::Flag));
    let charging = section.need("charging").and_then(|field| super::source(&field, Want::Flag));
    section.finish_strict();
    let combined = Composite::Combined { plugged: plugged?, charging: charging? };
    Ok(Source::Composite(Box::new(combined)))
}
