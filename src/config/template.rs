//! Texts that a value is put into: `${name[:format]}` with the common printf verbs, and of Go's
//! templates `{{.name}}`, `{{printf "%d" .name}}` and `{{if .name}}…{{else}}…{{end}}`
//! (plans-vehicles-devices.md §7.3, W-49).

use crate::model::{Printf, Verb};

/// What a setter writes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Scalar {
    /// enable, wakeup.
    Bool(bool),
    /// maxcurrent, phases, batterymode.
    Int(i64),
    /// maxcurrentmillis.
    Float(f64),
}

impl Scalar {
    /// As a number; true is 1.
    pub fn number(self) -> f64 {
        match self {
            Self::Bool(truth) => f64::from(u8::from(truth)),
            Self::Int(int) => int as f64,
            Self::Float(float) => float,
        }
    }

    /// A number as the same type; whole where that is.
    pub fn like(self, number: f64) -> Self {
        match self {
            Self::Bool(_) => Self::Bool(number != 0.0),
            Self::Int(_) => Self::Int(whole(number) as i64),
            Self::Float(_) => Self::Float(number),
        }
    }
}

impl std::fmt::Display for Scalar {
    /// true, false, the integer, or the shortest decimal.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Bool(truth) => truth.fmt(f),
            Self::Int(int) => int.fmt(f),
            Self::Float(float) => float.fmt(f),
        }
    }
}

/// A compiled payload.
#[derive(Clone, Debug, PartialEq)]
pub struct Template(Vec<Piece>);

#[derive(Clone, Debug, PartialEq)]
enum Piece {
    Literal(String),
    Value(Option<Printf>),
    /// By truth; a number is true unless it is 0.
    Choice(Vec<Self>, Vec<Self>),
}

/// What ends a part of a template.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Until {
    Text,
    Else,
    End,
}

/// How much of what is not understood is repeated.
const EXCERPT: usize = 32;

impl Template {
    /// Compiles a text for the value called `name`; names are compared without case.
    ///
    /// # Errors
    /// Which placeholder or format is not understood.
    pub fn compile(text: &str, name: &str) -> Result<Self, String> {
        let mut rest = text;
        let (pieces, end) = pieces(&mut rest, name, false)?;
        match end {
            Until::Text => Ok(Self(pieces)),
            Until::Else | Until::End => Err("has {{else}} or {{end}} without {{if}}".to_owned()),
        }
    }

    /// The text for a value.
    pub fn render(&self, value: Scalar) -> String {
        rendered(&self.0, value)
    }
}

fn rendered(pieces: &[Piece], value: Scalar) -> String {
    pieces
        .iter()
        .map(|piece| match piece {
            Piece::Literal(text) => text.clone(),
            Piece::Value(None) => value.to_string(),
            Piece::Value(Some(format)) => render(*format, value),
            Piece::Choice(yes, no) => rendered(if value.number() != 0.0 { yes } else { no }, value),
        })
        .collect()
}

/// The pieces up to the end of the text, or of the branch of a choice.
fn pieces(rest: &mut &str, name: &str, inside: bool) -> Result<(Vec<Piece>, Until), String> {
    let mut pieces = Vec::new();
    loop {
        let Some(start) = [rest.find("${"), rest.find("{{")].into_iter().flatten().min() else {
            pieces.push(Piece::Literal(std::mem::take(rest).to_owned()));
            return Ok((pieces, Until::Text));
        };
        let (literal, tail) = rest.split_at(start);
        pieces.push(Piece::Literal(literal.to_owned()));
        let (open, close) = if tail.starts_with("${") { ("${", "}") } else { ("{{", "}}") };
        let (word, after) = tail[open.len()..]
            .split_once(close)
            .ok_or_else(|| format!("has a \"{open}\" without \"{close}\""))?;
        *rest = after;
        if open == "${" {
            pieces.push(placeholder(word, name)?);
            continue;
        }
        let word = word.trim_matches(|c: char| c == '-' || c.is_whitespace());
        match word {
            "else" => return Ok((pieces, Until::Else)),
            "end" => return Ok((pieces, Until::End)),
            _ => {}
        }
        pieces.push(match word.strip_prefix("if ") {
            Some(_) if inside => return Err("has an {{if}} in an {{if}}".to_owned()),
            Some(condition) => {
                variable(condition, name)?;
                choice(rest, name)?
            }
            None => action(word, name)?,
        });
    }
}

/// What stands between `{{if .name}}` and its `{{end}}`.
fn choice(rest: &mut &str, name: &str) -> Result<Piece, String> {
    let unended = || "has an {{if}} without {{end}}".to_owned();
    let (yes, end) = pieces(rest, name, true)?;
    let no = match end {
        Until::End => Vec::new(),
        Until::Text => return Err(unended()),
        Until::Else => {
            let (no, end) = pieces(rest, name, true)?;
            if end != Until::End {
                return Err(unended());
            }
            no
        }
    };
    Ok(Piece::Choice(yes, no))
}

/// `name[:format]`
fn placeholder(word: &str, name: &str) -> Result<Piece, String> {
    let (found, format) = match word.split_once(':') {
        Some((found, format)) => (found, Some(printf(format)?)),
        None => (word, None),
    };
    if !found.eq_ignore_ascii_case(name) {
        return Err(format!("knows only ${{{name}}}, found ${{{found}}}"));
    }
    Ok(Piece::Value(format))
}

/// `.name` or `printf "format" .name`
fn action(word: &str, name: &str) -> Result<Piece, String> {
    let Some(call) = word.strip_prefix("printf ") else {
        return variable(word, name).map(|()| Piece::Value(None));
    };
    let quoted = call.trim_start().strip_prefix('"').and_then(|rest| rest.split_once('"'));
    let (format, argument) = quoted.ok_or_else(|| not_understood(word, name))?;
    variable(argument, name)?;
    printf(format).map(|format| Piece::Value(Some(format)))
}

fn variable(word: &str, name: &str) -> Result<(), String> {
    let found = word.trim().strip_prefix('.');
    match found.is_some_and(|found| found.eq_ignore_ascii_case(name)) {
        true => Ok(()),
        false => Err(not_understood(word, name)),
    }
}

fn not_understood(word: &str, name: &str) -> String {
    let short: String = word.chars().take(EXCERPT).collect();
    format!(
        "does not understand {{{{{short}}}}}: write ${{{name}}}, {{{{.{name}}}}}, \
         {{{{printf \"%d\" .{name}}}}} or {{{{if .{name}}}}}…{{{{else}}}}…{{{{end}}}}"
    )
}

/// A format, or what is one.
fn printf(text: &str) -> Result<Printf, String> {
    Printf::parse(text)
        .ok_or_else(|| format!("format {text:?} is not one of %d, %s, %v, %.1f, %.1fm, %.1fk"))
}

fn render(format: Printf, value: Scalar) -> String {
    let value = match value {
        Scalar::Float(float) => Scalar::Float(scaled(float, format.factor)),
        Scalar::Bool(_) | Scalar::Int(_) => value,
    };
    let text = match (format.verb, format.precision) {
        (Verb::Whole, _) => format!("{}", whole(value.number())),
        (Verb::Decimal, precision) => format!("{:.*}", precision.unwrap_or(6), value.number()),
        (Verb::Text, _) => value.to_string(),
    };
    format.padded(&text)
}

/// A product without the noise of binary fractions, so that 6.1 A are 6100 mA and not 6099.
pub fn scaled(value: f64, factor: f64) -> f64 {
    let product = value * factor;
    if product.abs() < 1e9 { (product * 1e6).round() / 1e6 } else { product }
}

/// The whole part; a set-point is never rounded up.
pub fn whole(value: f64) -> f64 {
    scaled(value, 1.0).trunc()
}
