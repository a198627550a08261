//! `source: calc`, `map`, `valid`, `alive`, `cached`, `error`: values made of others (§7.1).

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Field, Flaw, Section, Source, Want};
use crate::config::plugin::{Calc, Composite};
use crate::config::text::{self, quoted};

/// Most operands, most entries of a map, most steps of a sequence.
pub(super) const MAX_PARTS: usize = 64;

/// Key, what it does, how many operands it needs at least; 1 takes no list.
const CALC: &[(&str, Calc, usize)] = &[
    ("add", Calc::Add, 2),
    ("mul", Calc::Mul, 2),
    ("div", Calc::Div, 2),
    ("min", Calc::Min, 2),
    ("max", Calc::Max, 2),
    ("abs", Calc::Abs, 1),
    ("sign", Calc::Sign, 1),
];

/// What the known errors of `source: error` mean.
const ERRORS: &[(&str, &str)] = &[
    ("ErrNotAvailable", "not available"),
    ("ErrMustRetry", "must be asked again"),
    ("ErrAsleep", "asleep"),
    ("ErrTimeout", "timeout"),
    ("ErrOutdated", "outdated"),
    ("ErrMissingCredentials", "credentials are missing"),
    ("ErrLoginRequired", "a login is required"),
    ("ErrSponsorRequired", "needs a sponsor token at evcc"),
];

fn composite(composite: Composite) -> Source {
    Source::Composite(Box::new(composite))
}

pub(super) fn calc(section: Section<'_>, want: Want) -> Result<Source, Flaw> {
    if want == Want::Flag {
        section.error("source", "calc gives a number: it cannot be used as true or false");
        return Err(Flaw::Reported);
    }
    let given: Vec<_> = CALC.iter().filter_map(|row| Some((row, section.get(row.0)?))).collect();
    let [((_, calc, least), field)] = given.as_slice() else {
        match given.as_slice() {
            [((first, ..), _), (_, second), ..] => {
                second.error(format!("cannot stand beside {first}: keep one"));
            }
            _ => section.error("", "needs one of add, mul, div, min, max, abs, sign"),
        }
        return Err(Flaw::Reported);
    };
    section.finish_strict();
    let operands: Vec<_> = match least {
        1 => vec![super::source(field, Want::Number)],
        _ => field.items().iter().map(|item| super::source(item, Want::Number)).collect(),
    };
    if !(*least..=MAX_PARTS).contains(&operands.len()) {
        let found = operands.len();
        field.error(format!("must be a list of {least} to {MAX_PARTS} sources, found {found}"));
        return Err(Flaw::Reported);
    }
    let operands = operands.into_iter().collect::<Result<_, _>>()?;
    Ok(composite(Composite::Calc(*calc, operands)))
}

pub(super) fn map(section: Section<'_>, _want: Want) -> Result<Source, Flaw> {
    let values = section.need("values").and_then(|field| values(&field));
    let get = section.need("get").and_then(|field| super::source(&field, Want::Number));
    section.finish_strict();
    Ok(composite(Composite::Map(values?, get?)))
}

pub(super) fn valid(section: Section<'_>, want: Want) -> Result<Source, Flaw> {
    let valid = section.need("valid").and_then(|field| super::source(&field, Want::Flag));
    let value = section.need("value").and_then(|field| super::source(&field, want));
    section.finish_strict();
    Ok(composite(Composite::Valid { valid: valid?, value: value? }))
}

/// A source of ours (W-44): the age of a value that is told only when it changes.
pub(super) fn alive(section: Section<'_>, want: Want) -> Result<Source, Flaw> {
    let sign = section.need("sign").and_then(|field| {
        let sign = super::source(&field, Want::Text)?;
        let timeout = sign.timeout().filter(|_| matches!(sign, Source::Mqtt(_)));
        timeout.map(|timeout| (sign, timeout)).ok_or_else(|| {
            field.error("must be source mqtt with a timeout: its silence ends the value");
            Flaw::Reported
        })
    });
    let value = section.need("value").and_then(|field| super::source(&field, want));
    section.finish_strict();
    let (sign, timeout) = sign?;
    Ok(composite(Composite::Alive { sign, timeout, value: value? }))
}

pub(super) fn cached(section: Section<'_>, want: Want) -> Result<Source, Flaw> {
    let cache = section.need("cache").and_then(|field| match field.duration() {
        Some(Duration::ZERO) => {
            field.error("must not be 0");
            Err(Flaw::Reported)
        }
        Some(cache) => Ok(cache),
        None => Err(Flaw::Reported),
    });
    let value = section.need("value").and_then(|field| super::source(&field, want));
    section.finish_strict();
    let (cache, mut value) = (cache?, value?);
    value.ask_seldom(cache);
    Ok(composite(Composite::Cached(cache, value)))
}

pub(super) fn error(section: Section<'_>, _want: Want) -> Result<Source, Flaw> {
    known_error(section).map(|error| composite(Composite::Never(error)))
}

/// The text of one of the errors that evcc knows.
pub(super) fn known_error(section: Section<'_>) -> Result<String, Flaw> {
    let field = section.need("error");
    section.finish_strict();
    let field = field?;
    let word = field.text().ok_or(Flaw::Reported)?;
    match ERRORS.iter().find(|(name, _)| name.eq_ignore_ascii_case(&word)) {
        Some((_, meaning)) => Ok((*meaning).to_owned()),
        None => {
            let hint = text::did_you_mean(&word, ERRORS.iter().map(|(name, _)| *name));
            let known = ERRORS.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
            field.error(format!("must be one of {known}, found {}{hint}", quoted(&word)));
            Err(Flaw::Reported)
        }
    }
}

/// `{1: 3, 2: 1}`.
pub(super) fn values(field: &Field<'_>) -> Result<BTreeMap<i64, i64>, Flaw> {
    let section = field.section().ok_or(Flaw::Reported)?;
    let mut values = BTreeMap::new();
    for (key, to) in section.pairs() {
        let Some(from) = text::whole(&key) else {
            to.error(format!("stands for {}, which is no whole number", quoted(&key)));
            return Err(Flaw::Reported);
        };
        let to = to.whole_within(i64::MIN, i64::MAX).ok_or(Flaw::Reported)?;
        values.insert(from, to);
    }
    if values.is_empty() || values.len() > MAX_PARTS {
        field.error(format!("must have 1 to {MAX_PARTS} values, found {}", values.len()));
        return Err(Flaw::Reported);
    }
    Ok(values)
}
