//! Payload templates of setters: `${name[:format]}` with the common printf verbs (plans-vehicles-devices.md §7.3).

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
    pub(super) fn number(self) -> f64 {
        match self {
            Self::Bool(truth) => f64::from(u8::from(truth)),
            Self::Int(int) => int as f64,
            Self::Float(float) => float,
        }
    }

    /// A number as the same type; whole where that is.
    pub(super) fn like(self, number: f64) -> Self {
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
    Value(Option<Format>),
}

/// `%[0][width][.precision]verb[m|k]`
#[derive(Clone, Copy, Debug, PartialEq)]
struct Format {
    zeros: bool,
    width: usize,
    precision: Option<usize>,
    verb: Verb,
    /// `m` multiplies and `k` divides floats by 1000.
    factor: f64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Verb {
    /// `%d`: a bool is 1 or 0, a float loses its fraction.
    Decimal,
    /// `%f`: six decimals unless said otherwise.
    Float,
    /// `%s`, `%v`, `%t`, `%g`: the default text.
    Text,
}

/// The widest field and the longest fraction that make sense.
const MAX_DIGITS: usize = 32;

impl Template {
    /// Compiles a payload for the value called `name`; names are compared without case.
    ///
    /// # Errors
    /// Which placeholder or format is not understood.
    pub fn compile(payload: &str, name: &str) -> Result<Self, String> {
        if payload.contains("{{") {
            return Err(format!("payload: write ${{{name}}}, {{{{…}}}} is not supported"));
        }
        let mut pieces = Vec::new();
        let mut rest = payload;
        while let Some((literal, tail)) = rest.split_once("${") {
            let (inside, tail) = tail
                .split_once('}')
                .ok_or_else(|| format!("payload: `${{` without `}}` in {payload:?}"))?;
            let (found, format) = match inside.split_once(':') {
                Some((found, format)) => (found, Some(Format::parse(format)?)),
                None => (inside, None),
            };
            if !found.eq_ignore_ascii_case(name) {
                return Err(format!("payload: unknown ${{{found}}}, expected ${{{name}}}"));
            }
            pieces.push(Piece::Literal(literal.to_owned()));
            pieces.push(Piece::Value(format));
            rest = tail;
        }
        pieces.push(Piece::Literal(rest.to_owned()));
        Ok(Self(pieces))
    }

    /// The payload for a value.
    pub fn render(&self, value: Scalar) -> String {
        self.0
            .iter()
            .map(|piece| match piece {
                Piece::Literal(text) => text.clone(),
                Piece::Value(None) => value.to_string(),
                Piece::Value(Some(format)) => format.render(value),
            })
            .collect()
    }
}

impl Format {
    fn parse(text: &str) -> Result<Self, String> {
        let bad =
            || format!("payload: format {text:?} is not one of %d, %s, %v, %.1f, %.1fm, %.1fk");
        let rest = text.strip_prefix('%').ok_or_else(bad)?;
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
            "d" => Verb::Decimal,
            "f" => Verb::Float,
            "s" | "v" | "t" | "g" => Verb::Text,
            _ => return Err(bad()),
        };
        let width = width.unwrap_or(0);
        if width.max(precision.unwrap_or(0)) > MAX_DIGITS {
            return Err(bad());
        }
        Ok(Self { zeros, width, precision, verb, factor })
    }

    fn render(&self, value: Scalar) -> String {
        let value = match value {
            Scalar::Float(float) => Scalar::Float(scaled(float, self.factor)),
            Scalar::Bool(_) | Scalar::Int(_) => value,
        };
        let text = match (self.verb, self.precision) {
            (Verb::Decimal, _) => format!("{}", whole(value.number())),
            (Verb::Float, precision) => format!("{:.*}", precision.unwrap_or(6), value.number()),
            (Verb::Text, _) => value.to_string(),
        };
        let width = self.width;
        if self.zeros { format!("{text:0>width$}") } else { format!("{text:>width$}") }
    }
}

/// Leading decimal digits; more than a `usize` holds count as too many.
fn digits(text: &str) -> (Option<usize>, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    let number = (!digits.is_empty()).then(|| digits.parse().unwrap_or(usize::MAX));
    (number, rest)
}

/// A product without the noise of binary fractions, so that 6.1 A are 6100 mA and not 6099.
pub(super) fn scaled(value: f64, factor: f64) -> f64 {
    let product = value * factor;
    if product.abs() < 1e9 { (product * 1e6).round() / 1e6 } else { product }
}

/// The whole part; a set-point is never rounded up.
pub(super) fn whole(value: f64) -> f64 {
    scaled(value, 1.0).trunc()
}
