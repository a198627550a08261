//! Texts with placeholders, as people write them in the configuration (plans-vehicles-devices.md §7.3).
//!
//! Understood are `${name}` and `${name:format}` with the formats `%d`, `%s`, `%v`, `%t`, `%g`,
//! `%f`, `%.1f`, with a width, and with `k` or `m` at the end, which divide and multiply by 1000;
//! `{{.name}}`, `{{round .name 1}}` and `{{timeRound .name "m"}}`. Other expressions of Go's
//! templates (conditions, pipelines, sprig's functions) are not: they stay as they are written.

use std::time::Duration;

/// The widest field and the longest fraction that make sense.
const DIGITS_MAX: usize = 32;
/// What `timeRound` rounds to.
const TIME_UNITS: [(&str, u64); 3] = [("s", 1), ("m", 60), ("h", 3600)];

/// A text taken apart.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Template {
    /// As it is written.
    pub source: String,
    /// In the order of the text.
    pub pieces: Vec<Piece>,
}

/// A part of a [`Template`].
#[derive(Clone, Debug, PartialEq)]
pub enum Piece {
    /// Stays as it is.
    Text(String),
    /// Stands for a value.
    Value {
        /// The name, and below it those of members: `grid.power`; case does not count.
        path: Vec<String>,
        /// How it is shown.
        format: Format,
    },
}

/// How a value is shown.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Format {
    /// In its own words.
    Plain,
    /// As C and Go print it.
    Printf(Printf),
    /// With this many decimals at most.
    Round(usize),
    /// A length of time, rounded to a multiple of this.
    TimeRound(Duration),
}

/// `%[0][width][.precision]verb[m|k]`
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Printf {
    /// Filled with zeros instead of blanks.
    pub zeros: bool,
    /// At least this many characters.
    pub width: usize,
    /// Decimals.
    pub precision: Option<usize>,
    /// What is printed.
    pub verb: Verb,
    /// `m` multiplies and `k` divides by 1000.
    pub factor: f64,
}

/// The verb of a [`Printf`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// `%d`: a bool is 1 or 0, a number loses its fraction.
    Whole,
    /// `%f`: six decimals unless said otherwise.
    Decimal,
    /// `%s`, `%v`, `%t`, `%g`: in its own words.
    Text,
}

impl Template {
    /// Takes a text apart; with it comes what was not understood and stays as it is.
    pub fn parse(text: &str) -> (Self, Vec<String>) {
        let (mut pieces, mut flaws) = (Vec::new(), Vec::new());
        let (mut literal, mut rest) = (String::new(), text);
        while let Some((before, open, close)) = next(rest) {
            literal.push_str(before);
            let from = &rest[before.len()..];
            let Some(end) = from.find(close) else {
                flaws.push(format!("has {open:?} without {close:?}"));
                rest = from;
                break;
            };
            let (inside, whole) = (&from[open.len()..end], &from[..end + close.len()]);
            let piece = if open == "${" { simple(inside) } else { expression(inside) };
            match piece {
                Some(piece) => {
                    if !literal.is_empty() {
                        pieces.push(Piece::Text(std::mem::take(&mut literal)));
                    }
                    pieces.push(piece);
                }
                None => {
                    literal.push_str(whole);
                    flaws.push(format!(
                        "has {whole:?}, which stays as it is: write ${{name}} or ${{name:%.1f}}"
                    ));
                }
            }
            rest = &from[whole.len()..];
        }
        literal.push_str(rest);
        if !literal.is_empty() {
            pieces.push(Piece::Text(literal));
        }
        (Self { source: text.to_owned(), pieces }, flaws)
    }

    /// Whether there is nothing in it.
    pub fn is_blank(&self) -> bool {
        self.pieces.iter().all(|piece| match piece {
            Piece::Text(text) => text.trim().is_empty(),
            Piece::Value { .. } => false,
        })
    }
}

impl Printf {
    /// Reads `%.1fk`; `None` for what is not in the list of this module.
    pub fn parse(text: &str) -> Option<Self> {
        let rest = text.strip_prefix('%')?;
        let zeros = rest.starts_with('0');
        let (width, rest) = digits(rest);
        let (precision, rest) = match rest.strip_prefix('.') {
            Some(rest) => {
                let (precision, rest) = digits(rest);
                (Some(precision.unwrap_or(0)), rest)
            }
            None => (None, rest),
        };
        let (rest, factor) = match (rest.strip_suffix('m'), rest.strip_suffix('k')) {
            (Some(rest), _) => (rest, 1000.0),
            (None, Some(rest)) => (rest, 0.001),
            (None, None) => (rest, 1.0),
        };
        let verb = match rest {
            "d" => Verb::Whole,
            "f" => Verb::Decimal,
            "s" | "v" | "t" | "g" => Verb::Text,
            _ => return None,
        };
        let width = width.unwrap_or(0);
        let sensible = width.max(precision.unwrap_or(0)) <= DIGITS_MAX;
        sensible.then_some(Self { zeros, width, precision, verb, factor })
    }

    /// The text at its width.
    pub fn padded(&self, text: &str) -> String {
        let width = self.width;
        if self.zeros { format!("{text:0>width$}") } else { format!("{text:>width$}") }
    }
}

/// The text before the next placeholder, and how that begins and ends.
fn next(text: &str) -> Option<(&str, &'static str, &'static str)> {
    [("${", "}"), ("{{", "}}")]
        .into_iter()
        .filter_map(|(open, close)| Some((text.find(open)?, open, close)))
        .min()
        .map(|(at, open, close)| (&text[..at], open, close))
}

/// The inside of `${name:format}`.
fn simple(inside: &str) -> Option<Piece> {
    let (name, format) = match inside.split_once(':') {
        Some((name, format)) => (name, Format::Printf(Printf::parse(format)?)),
        None => (inside, Format::Plain),
    };
    Some(Piece::Value { path: path(name)?, format })
}

/// The inside of `{{…}}`.
fn expression(inside: &str) -> Option<Piece> {
    let words: Vec<&str> = inside.trim_matches('-').split_whitespace().collect();
    let (name, format) = match words[..] {
        [name] => (name, Format::Plain),
        ["round", name, digits] => {
            (name, Format::Round(digits.parse().ok().filter(|n| *n <= DIGITS_MAX)?))
        }
        ["timeRound", name, unit] => {
            let unit = unit.trim_matches(['"', '`']);
            let (_, seconds) = TIME_UNITS.iter().find(|(known, _)| *known == unit)?;
            (name, Format::TimeRound(Duration::from_secs(*seconds)))
        }
        _ => return None,
    };
    Some(Piece::Value { path: path(name.strip_prefix('.')?)?, format })
}

fn path(name: &str) -> Option<Vec<String>> {
    let word = |word: &str| {
        let letters = word.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '-');
        (letters && !word.is_empty()).then(|| word.to_owned())
    };
    name.split('.').map(word).collect()
}

/// Leading decimal digits; more than a `usize` holds count as too many.
fn digits(text: &str) -> (Option<usize>, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    let number = (!digits.is_empty()).then(|| digits.parse().unwrap_or(usize::MAX));
    (number, rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_understood_is_said_and_stays() {
        for text in [
            "{{if .charging}}on{{end}}",
            "{{.chargedEnergy | round 1}}",
            "{{round (divf .chargedEnergy 1000) 1}}",
            "${chargedEnergy:%x}",
            "${chargedEnergy:%.99f}",
            "${a b}",
            "${}",
            "{{.}}",
            "{{timeRound .chargeDuration \"d\"}}",
        ] {
            let (template, flaws) = Template::parse(text);
            assert!(!flaws.is_empty(), "{text}");
            assert_eq!(template.pieces, [Piece::Text(text.to_owned())]);
        }
        let (template, flaws) = Template::parse("a ${b");
        assert_eq!(template.pieces, [Piece::Text("a ${b".to_owned())]);
        assert_eq!(flaws, ["has \"${\" without \"}\""]);
    }

    #[test]
    fn texts_are_taken_apart() {
        let (template, flaws) = Template::parse("a ${b.C:%.1fk}{{ .d }}} $x");
        assert_eq!(flaws, [""; 0]);
        let value = |path: &[&str], format| Piece::Value {
            path: path.iter().map(|word| (*word).to_owned()).collect(),
            format,
        };
        let kilo = Printf::parse("%.1fk").unwrap();
        assert_eq!((kilo.precision, kilo.factor), (Some(1), 0.001));
        assert_eq!(
            template.pieces,
            [
                Piece::Text("a ".to_owned()),
                value(&["b", "C"], Format::Printf(kilo)),
                value(&["d"], Format::Plain),
                Piece::Text("} $x".to_owned()),
            ]
        );
        assert!(Template::parse(" \n").0.is_blank() && !template.is_blank());
    }
}
