//! `source: const`: the same value always (§7.1).

use super::{Field, Flaw, Section, Source, Want};
use crate::config::text;

pub(super) fn source(section: Section<'_>, want: Want) -> Result<Source, Flaw> {
    let field = section.need("value");
    section.finish_strict();
    let field = field?;
    let value = field.text().ok_or(Flaw::Reported)?;
    check(&field, &value, want)?;
    Ok(Source::Const(value))
}

/// A constant that can never be understood is better refused now.
fn check(field: &Field<'_>, value: &str, want: Want) -> Result<(), Flaw> {
    let (fits, what) = match want {
        Want::Number => (text::number(value).is_some(), "must be a number"),
        Want::Flag => (text::flag(value).is_some(), "must be true or false"),
        Want::Status => (is_status(value), "must be A, B or C"),
        Want::Text => (true, ""),
    };
    if fits {
        return Ok(());
    }
    field.error(format!("{what}, found {}", text::quoted(value)));
    Err(Flaw::Reported)
}

/// Status texts begin with A, B, C or D (§8.1).
fn is_status(value: &str) -> bool {
    let first = value.trim().chars().next();
    first.is_some_and(|letter| matches!(letter.to_ascii_uppercase(), 'A'..='D'))
}
