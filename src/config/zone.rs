//! Zones of a tariff: days of the week, months and hours (plans-vehicles-devices.md §2.5).

use super::reader::Field;
use super::text::quoted;
use super::unsupported::Scope;
use crate::model::Zone;

/// Most zones of one tariff; every day of the week by the hour.
const MAX_ZONES: usize = 168;
const MIDNIGHT: u16 = 24 * 60;

/// Days from Sunday, months from January: full, three-letter and German names.
const DAYS: [[&str; 3]; 7] = [
    ["sunday", "sun", "so"],
    ["monday", "mon", "mo"],
    ["tuesday", "tue", "di"],
    ["wednesday", "wed", "mi"],
    ["thursday", "thu", "do"],
    ["friday", "fri", "fr"],
    ["saturday", "sat", "sa"],
];
const MONTHS: [[&str; 3]; 12] = [
    ["january", "jan", "jan"],
    ["february", "feb", "feb"],
    ["march", "mar", "mär"],
    ["april", "apr", "apr"],
    ["may", "may", "mai"],
    ["june", "jun", "jun"],
    ["july", "jul", "jul"],
    ["august", "aug", "aug"],
    ["september", "sep", "sep"],
    ["october", "oct", "okt"],
    ["november", "nov", "nov"],
    ["december", "dec", "dez"],
];

/// A list of zones; the value of each stands under `key`. Several hours make several zones.
pub(super) fn read(field: &Field<'_>, key: &'static str) -> Vec<Zone> {
    let mut zones: Vec<Zone> = Vec::new();
    for item in field.items() {
        let Some(section) = item.section() else { continue };
        let text = |key| {
            let field = section.get(key)?;
            Some((field.text()?, field))
        };
        let value = section.need(key).ok().and_then(|field| field.number()).unwrap_or(0.0);
        let days = parsed(text("days"), days).unwrap_or(Zone::ALWAYS.days);
        let months = parsed(text("months"), months).unwrap_or(Zone::ALWAYS.months);
        let hours = parsed(text("hours"), hours).unwrap_or_else(|| vec![(0, MIDNIGHT)]);
        section.finish(Scope::Other);
        let new: Vec<_> =
            hours.into_iter().map(|(from, to)| Zone { value, days, months, from, to }).collect();
        if zones.iter().any(|zone| new.iter().any(|new| reordered(zone, new))) {
            item.notice("overlaps an earlier zone: the last one in the list wins");
        }
        zones.extend(new);
        if zones.len() > MAX_ZONES {
            item.error(format!("makes more than {MAX_ZONES} zones"));
            break;
        }
    }
    zones
}

/// Whether evcc would prefer the earlier of two zones that overlap, because it sorts them (W-08).
fn reordered(earlier: &Zone, later: &Zone) -> bool {
    let common = |a: &[bool], b: &[bool]| a.iter().zip(b).any(|(a, b)| *a && *b);
    let overlap = common(&earlier.days, &later.days)
        && common(&earlier.months, &later.months)
        && earlier.from < later.to
        && later.from < earlier.to;
    // There the later start wins, and of the same start the shorter one, but the whole day before all.
    let rank = |zone: &Zone| {
        let length = if zone.to == MIDNIGHT { 0 } else { zone.to };
        (zone.from, u16::MAX - length)
    };
    overlap && earlier.value != later.value && rank(earlier) > rank(later)
}

/// The parsed text, unless it is empty or wrong; the latter is reported.
fn parsed<T>(
    written: Option<(String, Field<'_>)>,
    parse: fn(&str) -> Result<T, String>,
) -> Option<T> {
    let (text, field) = written.filter(|(text, _)| !text.trim().is_empty())?;
    match parse(&text) {
        Ok(parsed) => Some(parsed),
        Err(what) => {
            field.error(format!("{what}, found {}", quoted(&text)));
            None
        }
    }
}

/// `mon-fri, so`; 0 and 7 are Sunday.
fn days(text: &str) -> Result<[bool; 7], String> {
    let number = |word: &str| match name(word, &DAYS) {
        Some(day) => Ok(day),
        None => word.parse().ok().filter(|day| *day <= 7).ok_or("must be days like \"mon-fri\""),
    };
    let mut set = [false; 7];
    for (from, to) in ranges(text, number)? {
        // Seven is Sunday at the end of a range, and zero at its beginning.
        let from = if from > to { from % 7 } else { from };
        let span = if from <= to { to - from } else { to + 7 - from };
        if span >= 7 {
            return Err("names a day twice".to_owned());
        }
        for day in from..=from + span {
            mark(&mut set, day % 7).ok_or("names a day twice")?;
        }
    }
    Ok(set)
}

/// `jan-mar, 10-12`.
fn months(text: &str) -> Result<[bool; 12], String> {
    let number = |word: &str| match name(word, &MONTHS) {
        Some(month) => Ok(month),
        None => {
            let number = word.parse().ok().filter(|month| (1..=12).contains(month));
            number.map(|month: usize| month - 1).ok_or("must be months like \"oct-mar\"")
        }
    };
    let mut set = [false; 12];
    for (from, to) in ranges(text, number)? {
        let span = if from <= to { to - from } else { to + 12 - from };
        for month in from..=from + span {
            mark(&mut set, month % 12).ok_or("names a month twice")?;
        }
    }
    Ok(set)
}

/// `0-5:30, 22-0` as minutes of the day; `to` 0 is midnight.
fn hours(text: &str) -> Result<Vec<(u16, u16)>, String> {
    let wrong = "must be hours like \"0-5:30,22-0\" with the earlier one first";
    let mut ranges = Vec::new();
    for range in text.split(',') {
        let (from, to) = range.split_once('-').ok_or(wrong)?;
        let from = minute(from).ok_or(wrong)?;
        let to = minute(to).ok_or(wrong)?;
        let to = if to == 0 { MIDNIGHT } else { to };
        if from >= to {
            return Err(wrong.to_owned());
        }
        ranges.push((from, to));
    }
    Ok(ranges)
}

/// `H`, `HH` or `HH:MM`.
fn minute(text: &str) -> Option<u16> {
    let (hours, minutes) = text.trim().split_once(':').unwrap_or((text.trim(), "0"));
    let digits = |text: &str| {
        let plain = (1..=2).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
        text.parse::<u16>().ok().filter(|_| plain)
    };
    let minute = digits(hours)? * 60 + digits(minutes).filter(|minute| *minute < 60)?;
    (minute <= MIDNIGHT).then_some(minute)
}

/// A comma list of words and of ranges `a-b`.
fn ranges(
    text: &str,
    number: impl Fn(&str) -> Result<usize, &'static str>,
) -> Result<Vec<(usize, usize)>, String> {
    let parsed = text.split(',').map(|part| {
        let (from, to) = part.split_once('-').unwrap_or((part, part));
        Ok((number(from.trim())?, number(to.trim())?))
    });
    parsed.collect()
}

fn name(word: &str, names: &[[&str; 3]]) -> Option<usize> {
    let word = word.to_lowercase();
    names.iter().position(|known| known.contains(&word.as_str()))
}

/// Sets a flag; `None` if it was set.
fn mark(set: &mut [bool], ix: usize) -> Option<()> {
    let flag = set.get_mut(ix)?;
    (!std::mem::replace(flag, true)).then_some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_of_the_week() {
        let named = |text| {
            days(text).map(|set| (0..7).filter(|day| set[*day]).map(|day| DAYS[day][2]).collect())
        };
        let named = |text| named(text).map(|days: Vec<_>| days.join(" ")).unwrap_or_default();
        for sunday in ["sunday", "sun", "so", "0", "7", "Sunday"] {
            assert_eq!(named(sunday), "so", "E-53 {sunday}");
        }
        assert_eq!(named("6-7"), "so sa", "E-53");
        assert_eq!(named("1- 7"), "so mo di mi do fr sa", "E-53");
        assert_eq!(named("1, 3-7"), "so mo mi do fr sa", "E-53");
        assert_eq!(named("Fri-mo"), "so mo fr sa");
        assert_eq!(named("Mon-Sun"), "so mo di mi do fr sa");
        for wrong in ["8", "-1", "1, 1", "0,1,2,3,4,5,6,7", "0-7", "someday", "mon-"] {
            assert!(days(wrong).is_err(), "E-53 {wrong}");
        }
    }

    #[test]
    fn hours_of_the_day() {
        assert_eq!(hours(" 7:00 - 12:30 "), Ok(vec![(420, 750)]), "E-54");
        assert_eq!(hours("8-10"), Ok(vec![(480, 600)]), "E-54");
        assert_eq!(hours("8-0"), Ok(vec![(480, 1440)]), "E-54");
        assert_eq!(hours("22-0,0-6"), Ok(vec![(1320, 1440), (0, 360)]));
        for wrong in ["8-25", "10-8", "-1-10", "8", "8:60-9", "8-8", "a-b", "24:01-0"] {
            assert!(hours(wrong).is_err(), "E-54 {wrong}");
        }
    }

    #[test]
    fn months_of_the_year() {
        let set = months("Jan-Mar,Okt-12").unwrap();
        let marked: Vec<_> = (1..=12).filter(|month| set[month - 1]).collect();
        assert_eq!(marked, [1, 2, 3, 10, 11, 12]);
        assert_eq!(months("nov-feb").unwrap().iter().filter(|set| **set).count(), 4);
        for wrong in ["0", "13", "mrz", "1,jan"] {
            assert!(months(wrong).is_err(), "{wrong}");
        }
    }
}
