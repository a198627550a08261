//! A price formula: Go's arithmetic over price, charges, tax and local time (plans-vehicles-devices.md §2.4).
//!
//! Understood are numbers, `+ - * / %`, brackets, `price`, `charges`, `tax`, the parts of `ts` (the
//! local start of the slot) and the functions of Go's `math` that prices need. All numbers are
//! floating point, so that `float64(…)` is allowed and changes nothing.

use chrono::{DateTime, Datelike, TimeZone, Timelike};

/// A longer formula is refused.
const MAX_BYTES: usize = 1000;
/// Brackets, signs and calls within each other.
const MAX_DEPTH: usize = 32;

/// A formula that can be computed.
#[derive(Clone, Debug, PartialEq)]
pub struct Formula(Term);

#[derive(Clone, Debug, PartialEq)]
enum Term {
    Number(f64),
    Input(Input),
    Negative(Box<Term>),
    Binary(char, Box<Term>, Box<Term>),
    Call(Function, Vec<Term>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Input {
    Price,
    Charges,
    Tax,
    Year,
    Month,
    Day,
    YearDay,
    Weekday,
    Hour,
    Minute,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Function {
    Max,
    Min,
    Abs,
    Floor,
    Ceil,
    Round,
    Trunc,
    Pow,
    Sqrt,
    Same,
}

/// Spellings of the inputs; those of time are Go's methods.
const INPUTS: &[(&str, Input)] = &[
    ("price", Input::Price),
    ("charges", Input::Charges),
    ("tax", Input::Tax),
    ("ts.Year()", Input::Year),
    ("ts.Month()", Input::Month),
    ("ts.Day()", Input::Day),
    ("ts.YearDay()", Input::YearDay),
    ("ts.Weekday()", Input::Weekday),
    ("ts.Hour()", Input::Hour),
    ("ts.Minute()", Input::Minute),
];

/// Spelling and number of arguments.
const FUNCTIONS: &[(&str, usize, Function)] = &[
    ("math.Max", 2, Function::Max),
    ("math.Min", 2, Function::Min),
    ("max", 2, Function::Max),
    ("min", 2, Function::Min),
    ("math.Abs", 1, Function::Abs),
    ("math.Floor", 1, Function::Floor),
    ("math.Ceil", 1, Function::Ceil),
    ("math.Round", 1, Function::Round),
    ("math.Trunc", 1, Function::Trunc),
    ("math.Pow", 2, Function::Pow),
    ("math.Sqrt", 1, Function::Sqrt),
    ("float64", 1, Function::Same),
    ("int", 1, Function::Trunc),
];

impl Formula {
    /// Reads a formula.
    ///
    /// # Errors
    /// What is not understood, where, and what is.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.len() > MAX_BYTES {
            return Err(format!("is longer than {MAX_BYTES} bytes"));
        }
        let mut parser = Parser { text, at: 0, depth: 0 };
        let term = parser.sum()?;
        match parser.peek() {
            None => Ok(Self(term)),
            Some(_) => Err(parser.unexpected("an operator")),
        }
    }

    /// Whether the price depends on the time of the slot itself.
    pub fn varies(&self) -> bool {
        self.0.varies()
    }

    /// The price of a slot; `charges` in currency/kWh, `tax` as a fraction, `ts` in local time.
    /// `None` where it is no number: such a slot is unknown, not free (W-07).
    pub fn price<T: TimeZone>(
        &self,
        price: f64,
        charges: f64,
        tax: f64,
        ts: &DateTime<T>,
    ) -> Option<f64> {
        let input = |input| match input {
            Input::Price => price,
            Input::Charges => charges,
            Input::Tax => tax,
            Input::Year => f64::from(ts.year()),
            Input::Month => f64::from(ts.month()),
            Input::Day => f64::from(ts.day()),
            Input::YearDay => f64::from(ts.ordinal()),
            Input::Weekday => f64::from(ts.weekday().num_days_from_sunday()),
            Input::Hour => f64::from(ts.hour()),
            Input::Minute => f64::from(ts.minute()),
        };
        Some(self.0.value(&input)).filter(|price| price.is_finite())
    }
}

impl Term {
    fn varies(&self) -> bool {
        match self {
            Self::Number(_) | Self::Input(Input::Price | Input::Charges | Input::Tax) => false,
            Self::Input(_) => true,
            Self::Negative(term) => term.varies(),
            Self::Binary(_, left, right) => left.varies() || right.varies(),
            Self::Call(_, terms) => terms.iter().any(Self::varies),
        }
    }

    fn value(&self, input: &impl Fn(Input) -> f64) -> f64 {
        match self {
            Self::Number(number) => *number,
            Self::Input(name) => input(*name),
            Self::Negative(term) => -term.value(input),
            Self::Binary(operator, left, right) => {
                let (left, right) = (left.value(input), right.value(input));
                match operator {
                    '+' => left + right,
                    '-' => left - right,
                    '*' => left * right,
                    '/' => left / right,
                    _ => left % right,
                }
            }
            Self::Call(function, terms) => {
                let value = |n: usize| terms.get(n).map_or(f64::NAN, |term| term.value(input));
                match function {
                    Function::Max => value(0).max(value(1)),
                    Function::Min => value(0).min(value(1)),
                    Function::Abs => value(0).abs(),
                    Function::Floor => value(0).floor(),
                    Function::Ceil => value(0).ceil(),
                    Function::Round => value(0).round(),
                    Function::Trunc => value(0).trunc(),
                    Function::Pow => value(0).powf(value(1)),
                    Function::Sqrt => value(0).sqrt(),
                    Function::Same => value(0),
                }
            }
        }
    }
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
}

impl<'a> Parser<'a> {
    fn sum(&mut self) -> Result<Term, String> {
        self.chain(&['+', '-'], Self::product)
    }

    fn product(&mut self) -> Result<Term, String> {
        self.chain(&['*', '/', '%'], Self::factor)
    }

    /// Operands of one rank, from left to right.
    fn chain(
        &mut self,
        operators: &[char],
        operand: fn(&mut Self) -> Result<Term, String>,
    ) -> Result<Term, String> {
        let mut left = operand(self)?;
        while let Some(operator) = self.peek().filter(|sign| operators.contains(sign)) {
            self.at += operator.len_utf8();
            left = Term::Binary(operator, Box::new(left), Box::new(operand(self)?));
        }
        Ok(left)
    }

    fn factor(&mut self) -> Result<Term, String> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(format!("is nested deeper than {MAX_DEPTH} levels"));
        }
        let term = match self.peek() {
            Some('-') => {
                self.at += 1;
                Term::Negative(Box::new(self.factor()?))
            }
            Some('+') => {
                self.at += 1;
                self.factor()?
            }
            Some('(') => {
                self.at += 1;
                let term = self.sum()?;
                self.expect(')')?;
                term
            }
            Some(digit) if digit.is_ascii_digit() || digit == '.' => self.number()?,
            Some(letter) if letter.is_ascii_alphabetic() => self.name()?,
            Some(_) | None => return Err(self.unexpected("a number, a name or a bracket")),
        };
        self.depth -= 1;
        Ok(term)
    }

    fn number(&mut self) -> Result<Term, String> {
        let digits = self.take(|sign| sign.is_ascii_digit() || sign == '.');
        let number = digits.parse().map_err(|_| format!("has no number at {digits:?}"))?;
        Ok(Term::Number(number))
    }

    fn name(&mut self) -> Result<Term, String> {
        let name = self.take(|sign| sign.is_ascii_alphanumeric() || sign == '.' || sign == '_');
        let method = format!("{name}()");
        let input = INPUTS.iter().find(|(spelling, _)| *spelling == name || *spelling == method);
        if let Some((spelling, input)) = input {
            if spelling.ends_with("()") {
                self.expect('(')?;
                self.expect(')')?;
            }
            return Ok(Term::Input(*input));
        }
        let Some((_, arguments, function)) = FUNCTIONS.iter().find(|(word, ..)| *word == name)
        else {
            return Err(format!("does not know {name:?}: {}", understood()));
        };
        self.expect('(')?;
        let mut terms = vec![self.sum()?];
        while terms.len() < *arguments {
            self.expect(',')?;
            terms.push(self.sum()?);
        }
        self.expect(')')?;
        Ok(Term::Call(*function, terms))
    }

    fn expect(&mut self, sign: char) -> Result<(), String> {
        match self.peek() {
            Some(next) if next == sign => {
                self.at += sign.len_utf8();
                Ok(())
            }
            Some(_) | None => Err(self.unexpected(&format!("{sign:?}"))),
        }
    }

    /// The next sign after blanks, which are passed over.
    fn peek(&mut self) -> Option<char> {
        self.take(char::is_whitespace);
        self.rest().chars().next()
    }

    fn take(&mut self, wanted: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let length = rest.find(|sign| !wanted(sign)).unwrap_or(rest.len());
        self.at += length;
        &rest[..length]
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn unexpected(&self, expected: &str) -> String {
        let found: String = self.rest().chars().take(20).collect();
        let found = if found.is_empty() { "the end".to_owned() } else { format!("{found:?}") };
        format!("has {found} where {expected} is expected")
    }
}

fn understood() -> String {
    let inputs = INPUTS.iter().map(|(word, _)| *word);
    let words: Vec<&str> = inputs.chain(FUNCTIONS.iter().map(|(word, ..)| *word)).collect();
    format!("write {}", words.join(", "))
}

#[cfg(test)]
mod tests {
    use chrono::Utc;

    use super::*;

    fn price(text: &str) -> Option<f64> {
        // A Saturday.
        let ts = Utc.with_ymd_and_hms(2026, 8, 8, 14, 30, 0).unwrap();
        Formula::parse(text).unwrap().price(0.2, 0.1, 0.19, &ts)
    }

    #[test]
    fn arithmetic_is_that_of_go() {
        for (text, expected) in [
            ("(price + charges) * 2", 0.6), // E-52b at 14:00
            ("price + charges * 2", 0.4),
            ("1 - 2 - 3", -4.0),
            ("12 / 2 / 3", 2.0),
            ("-price + +1", 0.8),
            ("7 % 4", 3.0),
            ("math.Max((price + charges) * (1 + tax), 0.5)", 0.5),
            ("math.Round(price*100)/100", 0.2),
            ("math.Pow(2, math.Min(3, 4))", 8.0),
            ("float64(ts.Hour()) + ts.Minute()/60", 14.5),
            ("ts.Month() * 100 + ts.Day()", 808.0),
            ("ts.Weekday()", 6.0),
        ] {
            let found = price(text).unwrap();
            assert!((found - expected).abs() < 1e-9, "{text}: {found}");
        }
    }

    #[test]
    fn a_formula_of_the_time_varies() {
        let varies = |text| Formula::parse(text).unwrap().varies();
        assert!(varies("price + math.Max(0, -ts.Hour())"));
        assert!(!varies("(price + charges) * (1 + tax)"));
    }

    #[test]
    fn what_is_no_number_is_unknown() {
        assert_eq!(price("price / (charges - charges)"), None, "W-07");
        assert_eq!(price("math.Sqrt(0 - 1)"), None);
    }

    #[test]
    fn what_is_not_understood_is_said() {
        for (text, expected) in [
            ("", "has the end where a number, a name or a bracket is expected"),
            ("price +", "has the end where a number, a name or a bracket is expected"),
            ("price charges", "has \"charges\" where an operator is expected"),
            ("(price", "has the end where ')' is expected"),
            ("math.Max(1)", "has \")\" where ',' is expected"),
            ("1.2.3", "has no number at \"1.2.3\""),
            ("ts.Hour", "has the end where '(' is expected"),
            ("prize", "does not know \"prize\": write price, charges, tax"),
        ] {
            let error = Formula::parse(text).unwrap_err();
            assert!(error.starts_with(expected), "{text}: {error}");
        }
        let deep = format!("{}1{}", "(".repeat(40), ")".repeat(40));
        assert_eq!(Formula::parse(&deep).unwrap_err(), "is nested deeper than 32 levels");
        assert_eq!(Formula::parse(&"1+".repeat(600)).unwrap_err(), "is longer than 1000 bytes");
    }
}
