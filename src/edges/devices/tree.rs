//! Values made of others (plans-vehicles-devices.md §7.1): news of a part makes the whole anew, and
//! the whole is as old as its oldest part. Pure, with time as an argument.

use std::collections::BTreeMap;
use std::time::Duration;

use super::inbox::constant;
use super::pipeline::convert;
use super::template::whole;
use super::value::{Kind, Value};
use crate::config::{Calc, Composite, Source};
use crate::model::{ChargeStatus, Mono, Origin};

/// A value with its age.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Known {
    pub(super) value: Value,
    /// When its oldest part arrived; `None` = it never grows old.
    pub(super) at: Option<Mono>,
    /// The age of a part of it is not known.
    pub(super) retained: bool,
}

impl Known {
    pub(super) fn new(now: Mono, value: Value, origin: Origin) -> Self {
        Self { value, at: Some(now - origin.age()), retained: !origin.is_live() }
    }

    /// How the value is to be told.
    pub(super) fn origin(&self, now: Mono) -> Origin {
        match self.at {
            _ if self.retained => Origin::Retained,
            Some(at) if at < now => Origin::Aged(now.since(at)),
            Some(_) | None => Origin::Live,
        }
    }

    /// Another value that is as old as this one.
    fn becomes(self, value: Value) -> Self {
        Self { value, ..self }
    }

    /// Another value that is as old as the older of the two.
    pub(super) fn with(self, other: &Self, value: Value) -> Self {
        let at = [self.at, other.at].into_iter().flatten().min();
        Self { value, at, retained: self.retained || other.retained }
    }
}

/// A value and what it is made of.
#[derive(Debug)]
pub(super) struct Tree {
    root: Node,
    inputs: Vec<Option<Known>>,
}

/// A part that is heard or read: its kind, its name below the attribute, its source.
pub(super) type Leaf<'a> = (Kind, String, &'a Source);

#[derive(Debug)]
enum Node {
    Input(usize),
    Constant(Value),
    Combined(Box<[Self; 2]>),
    Calc(Calc, Vec<Self>, Kind),
    Map(BTreeMap<i64, i64>, Box<Self>),
    Valid(Box<[Self; 2]>),
    Alive(Duration, Box<[Self; 2]>),
    Cached(Duration, Box<Self>, Option<(Mono, Known)>),
    Never(String),
}

/// A value, nothing because a part is not known, or why there is none.
type Result<T> = std::result::Result<Option<T>, String>;

impl Tree {
    /// The tree of a source and its leaves, by whose positions [`Self::hear`] is told.
    ///
    /// # Errors
    /// The source does not make values of this kind, or a constant is none.
    pub(super) fn new<'a>(
        kind: Kind,
        source: &'a Source,
    ) -> std::result::Result<(Self, Vec<Leaf<'a>>), String> {
        let mut leaves = Vec::new();
        let root = Node::new(kind, source, String::new(), &mut leaves)?;
        let inputs = vec![None; leaves.len()];
        Ok((Self { root, inputs }, leaves))
    }

    /// Takes news of a leaf, `None` being that it has no value any more; returns the whole.
    pub(super) fn hear(
        &mut self,
        now: Mono,
        leaf: usize,
        value: Option<Value>,
        origin: Origin,
    ) -> Result<Known> {
        if let Some(input) = self.inputs.get_mut(leaf) {
            *input = value.map(|value| Known::new(now, value, origin));
        }
        self.value(now)
    }

    /// The whole as it is known now.
    pub(super) fn value(&mut self, now: Mono) -> Result<Known> {
        self.root.value(now, &self.inputs)
    }
}

impl Node {
    fn new<'a>(
        kind: Kind,
        source: &'a Source,
        name: String,
        leaves: &mut Vec<Leaf<'a>>,
    ) -> std::result::Result<Self, String> {
        let composite = match source {
            Source::Composite(composite) => &**composite,
            Source::Const(text) => return constant(kind, text).map(Self::Constant),
            Source::Mqtt(_)
            | Source::Modbus(_)
            | Source::SunSpec(_)
            | Source::Http(_)
            | Source::Socket(_)
            | Source::Script(_)
            | Source::Js(_)
            | Source::Demo(_) => {
                leaves.push((kind, name, source));
                return Ok(Self::Input(leaves.len() - 1));
            }
        };
        let mut part =
            |kind, source, word: &str| Self::new(kind, source, format!("{name}.{word}"), leaves);
        Ok(match composite {
            Composite::Combined { .. } if kind != Kind::Status => {
                return Err("combined makes a status".to_owned());
            }
            Composite::Combined { plugged, charging } => Self::Combined(Box::new([
                part(Kind::Bool, plugged, "plugged")?,
                part(Kind::Bool, charging, "charging")?,
            ])),
            Composite::Calc(calc, sources) => {
                let nodes = sources.iter().map(|source| part(Kind::Number, source, calc.word()));
                Self::Calc(*calc, nodes.collect::<std::result::Result<_, _>>()?, kind)
            }
            Composite::Map(values, source) => {
                Self::Map(values.clone(), Box::new(part(Kind::Number, source, "get")?))
            }
            Composite::Valid { valid, value } => Self::Valid(Box::new([
                part(Kind::Bool, valid, "valid")?,
                part(kind, value, "value")?,
            ])),
            Composite::Alive { sign, timeout, value } => {
                let parts = [part(Kind::Text, sign, "sign")?, part(kind, value, "value")?];
                Self::Alive(*timeout, Box::new(parts))
            }
            Composite::Cached(time, source) => {
                Self::Cached(*time, Box::new(part(kind, source, "value")?), None)
            }
            Composite::Never(error) => Self::Never(error.clone()),
        })
    }

    fn value(&mut self, now: Mono, inputs: &[Option<Known>]) -> Result<Known> {
        match self {
            Self::Input(leaf) => Ok(inputs.get(*leaf).cloned().flatten()),
            Self::Constant(value) => {
                Ok(Some(Known { value: value.clone(), at: None, retained: false }))
            }
            Self::Combined(parts) => {
                let [plugged, charging] = &mut **parts;
                let Some(charging) = charging.value(now, inputs)? else { return Ok(None) };
                let Some(plugged) = plugged.value(now, inputs)? else { return Ok(None) };
                let status = match (&charging.value, &plugged.value) {
                    (Value::Bool(true), _) => ChargeStatus::Charging,
                    (_, Value::Bool(true)) => ChargeStatus::Connected,
                    (_, _) => ChargeStatus::Disconnected,
                };
                Ok(Some(charging.with(&plugged, Value::Status(status))))
            }
            Self::Calc(calc, nodes, kind) => {
                let mut all: Vec<Known> = Vec::new();
                for node in nodes {
                    let Some(known) = node.value(now, inputs)? else { return Ok(None) };
                    all.push(known);
                }
                let numbers: Vec<f64> = all.iter().map(|known| number(&known.value)).collect();
                let value = result(calc.of(&numbers), *kind)?;
                let oldest = all.into_iter().reduce(|one, other| {
                    let value = one.value.clone();
                    one.with(&other, value)
                });
                Ok(oldest.map(|known| known.becomes(value)))
            }
            Self::Map(values, node) => {
                let Some(known) = node.value(now, inputs)? else { return Ok(None) };
                let from = whole(number(&known.value)) as i64;
                let to = values.get(&from).ok_or_else(|| format!("map has no value for {from}"))?;
                Ok(Some(known.becomes(Value::Number(*to as f64))))
            }
            Self::Valid(parts) => {
                let [valid, value] = &mut **parts;
                let Some(valid) = valid.value(now, inputs)? else { return Ok(None) };
                if valid.value != Value::Bool(true) {
                    return Err("is not valid now".to_owned());
                }
                let Some(known) = value.value(now, inputs)? else { return Ok(None) };
                let value = known.value.clone();
                Ok(Some(known.with(&valid, value)))
            }
            Self::Alive(timeout, parts) => {
                let [sign, value] = &mut **parts;
                let Some(sign) = sign.value(now, inputs)? else { return Ok(None) };
                if sign.at.is_some_and(|at| now >= at + *timeout) {
                    return Ok(None);
                }
                Ok(value.value(now, inputs)?.map(|known| sign.becomes(known.value)))
            }
            Self::Cached(time, node, kept) => {
                if let Some((since, known)) = kept
                    && now < *since + *time
                {
                    return Ok(Some(known.clone()));
                }
                let known = node.value(now, inputs)?;
                *kept = known.clone().map(|known| (now, known));
                Ok(known)
            }
            Self::Never(error) => Err(error.clone()),
        }
    }
}

fn number(value: &Value) -> f64 {
    match value {
        Value::Number(number) => *number,
        Value::Bool(truth) => f64::from(u8::from(*truth)),
        Value::Status(_) | Value::Text(_) => 0.0,
    }
}

/// A number as it is, or as the character with that code.
fn result(number: f64, kind: Kind) -> std::result::Result<Value, String> {
    if !number.is_finite() {
        return Err("the result is not a finite number".to_owned());
    }
    match kind {
        Kind::Number => Ok(Value::Number(number)),
        Kind::Bool => Err("calc gives a number".to_owned()),
        Kind::Status | Kind::Text => {
            let letter = Some(whole(number)).filter(|code| (0.0..=1_114_111.0).contains(code));
            let letter = letter.and_then(|code| char::from_u32(code as u32));
            let letter = letter.ok_or_else(|| format!("{number} is not a character"))?;
            convert(kind, &letter.to_string(), 1.0)
        }
    }
}

impl Calc {
    /// The key in the configuration.
    fn word(self) -> &'static str {
        match self {
            Self::Add => "add",
            Self::Mul => "mul",
            Self::Div => "div",
            Self::Min => "min",
            Self::Max => "max",
            Self::Abs => "abs",
            Self::Sign => "sign",
        }
    }

    fn of(self, numbers: &[f64]) -> f64 {
        let [first, rest @ ..] = numbers else { return 0.0 };
        let fold = |with: fn(f64, f64) -> f64| rest.iter().copied().fold(*first, with);
        match self {
            Self::Add => fold(|sum, next| sum + next),
            Self::Mul => fold(|product, next| product * next),
            // A dividend of 0 is 0 already; a divisor of 0 makes the whole 0 (§7.1).
            Self::Div => fold(|left, next| if next == 0.0 { 0.0 } else { left / next }),
            Self::Min => fold(f64::min),
            Self::Max => fold(f64::max),
            Self::Abs => first.abs(),
            Self::Sign => {
                if *first < 0.0 {
                    -1.0
                } else {
                    1.0
                }
            }
        }
    }
}
