//! What happens to a value before it is written: `const`, `map`, `sequence`, `switch`, `ifelse`,
//! `convert`, `delta`, `valid`, `watchdog`, `ignore`, `sleep`, `random`, `error` (§7.1, §7.4).

use std::time::Duration;

use super::calc::{MAX_PARTS, known_error, values};
use super::{Field, Flaw, Section, Sink, Want};
use crate::config::plugin::{Conversion, SetComposite, Watchdog};
use crate::config::text::{self, did_you_mean, quoted};

/// Longest pause: an `off` that comes meanwhile waits for it.
const SLEEP_MAX: Duration = Duration::from_secs(30);
/// Shortest time after which a device forgets.
const WATCHDOG_MIN: Duration = Duration::from_secs(1);

const CONVERSIONS: &[(&str, Conversion)] = &[
    ("float2int", Conversion::FloatToInt),
    ("int2float", Conversion::IntToFloat),
    ("bool2int", Conversion::BoolToInt),
    // Eight bytes, most significant first: what `encoding: bytes` of a register takes.
    ("int2bytes", Conversion::FloatToInt),
];

fn composite(composite: SetComposite) -> Sink {
    Sink::Composite(Box::new(composite))
}

/// The sink of `key`.
fn inner(section: &Section<'_>, key: &'static str, name: &str) -> Result<Sink, Flaw> {
    section.need(key).and_then(|field| super::sink(&field, name))
}

pub(super) fn constant(section: Section<'_>, name: &str) -> Result<Sink, Flaw> {
    let value = section.text("value").unwrap_or_default();
    if !value.is_empty() && text::number(&value).is_none() && text::flag(&value).is_none() {
        let found = quoted(&value);
        section.error("value", format!("must be a number, true or false, found {found}"));
    }
    let set = inner(&section, "set", name);
    section.finish_strict();
    Ok(composite(SetComposite::Const(value, set?)))
}

pub(super) fn map(section: Section<'_>, name: &str) -> Result<Sink, Flaw> {
    let values = section.need("values").and_then(|field| values(&field));
    let set = inner(&section, "set", name);
    section.finish_strict();
    Ok(composite(SetComposite::Map(values?, set?)))
}

pub(super) fn sequence(section: Section<'_>, name: &str) -> Result<Sink, Flaw> {
    let field = section.need("set");
    section.finish_strict();
    let field = field?;
    let items = field.items();
    if !(1..=MAX_PARTS).contains(&items.len()) {
        field.error(format!("must have 1 to {MAX_PARTS} steps, found {}", items.len()));
        return Err(Flaw::Reported);
    }
    let steps: Vec<_> = items.iter().map(|item| super::sink(item, name)).collect();
    let steps = steps.into_iter().collect::<Result<_, _>>()?;
    Ok(composite(SetComposite::Sequence(steps)))
}

pub(super) fn switch(section: Section<'_>, name: &str) -> Result<Sink, Flaw> {
    let list = section.need("switch");
    let default = section.get("default").map(|field| super::sink(&field, name)).transpose();
    section.finish_strict();
    let list = list?;
    let mut cases: Vec<(i64, Sink)> = Vec::new();
    for item in list.items().into_iter().take(MAX_PARTS) {
        let (case, sink) = case(&item, name)?;
        if cases.iter().any(|(known, _)| *known == case) {
            item.error(format!("the case {case} exists already"));
            return Err(Flaw::Reported);
        }
        cases.push((case, sink));
    }
    Ok(composite(SetComposite::Switch { cases, default: default? }))
}

fn case(item: &Field<'_>, name: &str) -> Result<(i64, Sink), Flaw> {
    let section = item.section().ok_or(Flaw::Reported)?;
    let case = section.need("case").and_then(|field| {
        let word = field.text().ok_or(Flaw::Reported)?;
        // A bool is 1 or 0.
        if let Some(flag) = text::flag(&word).filter(|_| text::whole(&word).is_none()) {
            return Ok(i64::from(flag));
        }
        field.whole_within(i64::MIN, i64::MAX).ok_or(Flaw::Reported)
    });
    let set = inner(&section, "set", name);
    section.finish_strict();
    Ok((case?, set?))
}

pub(super) fn ifelse(section: Section<'_>, name: &str) -> Result<Sink, Flaw> {
    let yes = inner(&section, "if", name);
    let no = inner(&section, "else", name);
    section.finish_strict();
    Ok(composite(SetComposite::IfElse(yes?, no?)))
}

pub(super) fn convert(section: Section<'_>, name: &str) -> Result<Sink, Flaw> {
    let conversion = section.need("convert").and_then(|field| {
        let word = field.text().ok_or(Flaw::Reported)?.to_lowercase();
        let found = CONVERSIONS.iter().find(|(known, _)| *known == word);
        found.map(|(_, conversion)| *conversion).ok_or_else(|| {
            let known = CONVERSIONS.iter().map(|(known, _)| *known);
            let hint = did_you_mean(&word, known.clone());
            let known = known.collect::<Vec<_>>().join(", ");
            field.error(format!("must be one of {known}, found {}{hint}", quoted(&word)));
            Flaw::Reported
        })
    });
    let set = inner(&section, "set", name);
    section.finish_strict();
    Ok(composite(SetComposite::Convert(conversion?, set?)))
}

pub(super) fn delta(section: Section<'_>, name: &str) -> Result<Sink, Flaw> {
    let total = section.get("get").map(|field| super::source(&field, Want::Number)).transpose();
    let set = inner(&section, "set", name);
    section.finish_strict();
    Ok(composite(SetComposite::Delta(total?, set?)))
}

/// A step of ours: what a device refuses now is not written (§8.7).
pub(super) fn valid(section: Section<'_>, name: &str) -> Result<Sink, Flaw> {
    let valid = section.need("valid").and_then(|field| super::source(&field, Want::Flag));
    let set = inner(&section, "set", name);
    section.finish_strict();
    Ok(composite(SetComposite::Valid(valid?, set?)))
}

pub(super) fn watchdog(section: Section<'_>, name: &str) -> Result<Sink, Flaw> {
    let timeout = section.need("timeout").and_then(|field| {
        let timeout = field.duration().ok_or(Flaw::Reported)?;
        if timeout < WATCHDOG_MIN {
            field.error(format!("must be at least {WATCHDOG_MIN:?}"));
        }
        Ok(timeout)
    });
    let reset = section.get("reset").map(|field| {
        let names = field.names().into_iter();
        names.map(|(field, word)| plain(&field, &word)).collect::<Result<Vec<_>, _>>()
    });
    let initial = section.get("initial").map(|field| {
        let word = field.text().ok_or(Flaw::Reported)?;
        plain(&field, &word)
    });
    let defer = section.flag("defer").unwrap_or(false);
    let set = inner(&section, "set", name);
    section.finish_strict();
    let watchdog = Watchdog {
        timeout: timeout?,
        reset: reset.transpose()?.unwrap_or_default(),
        initial: initial.transpose()?,
        defer,
    };
    Ok(composite(SetComposite::Watchdog(watchdog, set?)))
}

/// A number, or a bool as 1 or 0.
fn plain(field: &Field<'_>, word: &str) -> Result<f64, Flaw> {
    let flag = || text::flag(word).map(|flag| f64::from(u8::from(flag)));
    text::number(word).or_else(flag).ok_or_else(|| {
        field.error(format!("must be a number, true or false, found {}", quoted(word)));
        Flaw::Reported
    })
}

pub(super) fn ignore(section: Section<'_>, name: &str) -> Result<Sink, Flaw> {
    let error = section.need("error").and_then(|field| field.text().ok_or(Flaw::Reported));
    let set = inner(&section, "set", name);
    section.finish_strict();
    Ok(composite(SetComposite::Ignore(error?, set?)))
}

pub(super) fn sleep(section: Section<'_>, _name: &str) -> Result<Sink, Flaw> {
    let duration = section.need("duration").and_then(|field| {
        let duration = field.duration().ok_or(Flaw::Reported)?;
        if duration > SLEEP_MAX {
            field.error(format!("must be at most {SLEEP_MAX:?}: an off would wait for it"));
        }
        Ok(duration)
    });
    section.finish_strict();
    Ok(composite(SetComposite::Sleep(duration?)))
}

pub(super) fn random(section: Section<'_>, name: &str) -> Result<Sink, Flaw> {
    let set = inner(&section, "set", name);
    section.finish_strict();
    Ok(composite(SetComposite::Random(set?)))
}

pub(super) fn error(section: Section<'_>, _name: &str) -> Result<Sink, Flaw> {
    known_error(section).map(|error| composite(SetComposite::Never(error)))
}
