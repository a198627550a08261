//! Weakly typed text: what a scalar of the file means as a number, a bool, a duration or a name.

use std::time::Duration;

/// Longest word that is compared with known names.
const MAX_WORD: usize = 64;
/// Longest piece of the file that is repeated in a message.
const MAX_QUOTE: usize = 60;
/// A plain number is nanoseconds; below a millisecond it is a forgotten unit.
const MIN_PLAIN_NANOS: u64 = 1_000_000;
/// Go's durations, in nanoseconds per unit.
const UNITS: &[(&str, f64)] = &[
    ("ns", 1.0),
    ("us", 1e3),
    ("µs", 1e3),
    ("μs", 1e3),
    ("ms", 1e6),
    ("s", 1e9),
    ("m", 60e9),
    ("h", 3600e9),
];

/// A text as a part of an address.
pub fn encoded(text: &str) -> String {
    let letter = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
            char::from(byte).to_string()
        }
        byte => format!("%{byte:02X}"),
    };
    text.bytes().map(letter).collect()
}

/// A finite decimal number.
pub(super) fn number(text: &str) -> Option<f64> {
    let number: f64 = text.trim().parse().ok()?;
    number.is_finite().then_some(number)
}

/// A whole number, decimal or `0x…`; `3.0` counts as whole.
pub(super) fn whole(text: &str) -> Option<i64> {
    let text = text.trim();
    if let Some(hex) = text.strip_prefix("0x").or(text.strip_prefix("0X")) {
        return i64::from_str_radix(hex, 16).ok();
    }
    if let Ok(whole) = text.parse() {
        return Some(whole);
    }
    // Beyond 2^53 a float is no longer exact, and nothing in a configuration is that large.
    number(text).filter(|n| n.fract() == 0.0 && n.abs() < 9e15).map(|n| n as i64)
}

/// A bool in any spelling that YAML 1.1, YAML 1.2 or Go understands.
pub(super) fn flag(text: &str) -> Option<bool> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "t" | "yes" | "y" | "on" | "1" => Some(true),
        "false" | "f" | "no" | "n" | "off" | "0" => Some(false),
        _ => None,
    }
}

/// A Go duration (`10s`, `1h30m`) or plain nanoseconds; the error says what to write instead.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let text = text.trim();
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    if let Ok(nanos) = text.parse::<u64>() {
        return match nanos {
            0..MIN_PLAIN_NANOS => Err(format!(
                "a number without unit is nanoseconds: write \"{nanos}s\" for {nanos} seconds"
            )),
            _ => Ok(Duration::from_nanos(nanos)),
        };
    }
    if text.starts_with('-') {
        return Err(format!("must not be negative, found {}", quoted(text)));
    }
    go_duration(text).ok_or_else(|| {
        format!("must be a duration like \"10s\" or \"1h30m\", found {}", quoted(text))
    })
}

fn go_duration(text: &str) -> Option<Duration> {
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    let mut nanos = 0.0;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (value, tail) = rest.split_at(digits);
        let unit = tail.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit);
        let (_, factor) = UNITS.iter().find(|(name, _)| *name == unit)?;
        nanos += value.parse::<f64>().ok()? * factor;
        rest = tail;
    }
    // Go counts nanoseconds in 63 bits.
    (nanos < i64::MAX as f64).then(|| Duration::from_nanos(nanos.round() as u64))
}

/// Text in quotes as a message repeats it, shortened.
pub(super) fn quoted(text: &str) -> String {
    match text.char_indices().nth(MAX_QUOTE) {
        Some((end, _)) => format!("{:?}…", &text[..end]),
        None => format!("{text:?}"),
    }
}

/// The known name that `word` most likely means, if one is close enough.
pub(super) fn nearest<'n>(word: &str, known: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    let word = word.to_lowercase();
    known
        .into_iter()
        .map(|name| (name, (name.len() / 3).max(1)))
        .filter(|(name, most)| name.len() <= MAX_WORD && name.len().abs_diff(word.len()) <= *most)
        .map(|(name, most)| (distance(&word, &name.to_lowercase()), most, name))
        .filter(|(distance, most, _)| distance <= most)
        .min_by_key(|(distance, ..)| *distance)
        .map(|(.., name)| name)
}

/// `(did you mean "x"?)` with a leading blank, or nothing.
pub(super) fn did_you_mean<'n>(word: &str, known: impl IntoIterator<Item = &'n str>) -> String {
    nearest(word, known).map_or_else(String::new, |name| format!(" (did you mean {name:?}?)"))
}

/// Edits between two words: insert, delete, replace, swap of neighbours.
fn distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.chars().collect();
    let b: Vec<char> = b.chars().collect();
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let replaced = above[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = replaced.min(above[j] + 1).min(row[j - 1] + 1);
            let swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
            if swapped {
                best = best.min(before[j - 2] + 1);
            }
            row.push(best);
        }
        before = above;
        above = row;
    }
    above[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_written_as_in_go() {
        let seconds = |text| duration(text).map(|d| d.as_secs_f64());
        assert_eq!(seconds("10s"), Ok(10.0));
        assert_eq!(seconds("1h30m"), Ok(5400.0));
        assert_eq!(seconds("1.5m"), Ok(90.0));
        assert_eq!(seconds("100ms"), Ok(0.1));
        assert_eq!(seconds("0"), Ok(0.0));
        assert_eq!(seconds("60000000000"), Ok(60.0));
        for wrong in ["", "s", "10", "10x", "1h30", "-1s", ".s", "1..s", "9999999999h", "ss"] {
            assert!(duration(wrong).is_err(), "{wrong:?}");
        }
        assert_eq!(
            duration("30").unwrap_err(),
            "a number without unit is nanoseconds: write \"30s\" for 30 seconds"
        );
    }

    #[test]
    fn numbers_are_finite() {
        assert_eq!(number(" 1.5 "), Some(1.5));
        assert_eq!(number("1e3"), Some(1000.0));
        assert_eq!(number("nan"), None);
        assert_eq!(number("inf"), None);
        assert_eq!(whole("0x1F"), Some(31));
        assert_eq!(whole("3.0"), Some(3));
        assert_eq!(whole("3.5"), None);
        assert_eq!(whole("1e300"), None);
    }

    #[test]
    fn the_nearest_name_is_close() {
        assert_eq!(nearest("walbox", ["garage", "wallbox"]), Some("wallbox"));
        assert_eq!(nearest("MAXCURENT", ["maxCurrent", "minCurrent"]), Some("maxCurrent"));
        assert_eq!(nearest("tpoic", ["topic", "timeout"]), Some("topic"));
        assert_eq!(nearest("abc", ["topic"]), None);
        assert_eq!(nearest(&"x".repeat(1000), ["topic"]), None);
    }
}
