//! What happens to a value on its way to where it is written (plans-vehicles-devices.md §7.1).

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::sleep;

use super::js::Through;
use super::sink::Writer;
use super::template::{Scalar, whole};
use super::value::{Board, Value};
use super::watchdog::Wish;
use crate::config::Conversion;

/// A write on its way; setters may stand in setters.
pub(super) type Writing<'a> = Pin<Box<dyn Future<Output = Result<(), String>> + Send + 'a>>;

/// A compiled step.
pub(super) enum Setter {
    /// True is 1.
    Const(f64, Writer),
    Map(BTreeMap<i64, i64>, Writer),
    Sequence(Vec<Writer>),
    Switch(Vec<(i64, Writer)>, Option<Writer>),
    IfElse(Writer, Writer),
    Convert(Conversion, Writer),
    Delta(Delta, Writer),
    /// Only while the first cell of the board is true.
    Valid(Arc<Board>, Writer),
    Watchdog {
        wishes: mpsc::Sender<Wish>,
        is_bus: bool,
    },
    Ignore(String, Writer),
    Random(Writer),
    Js(Through),
    Sleep(Duration),
    Never(String),
}

/// What a value is compared with.
pub(super) enum Delta {
    /// The value before; 0 at the start.
    Last(Mutex<f64>),
    /// What is read, the first cell of a board.
    Read(Arc<Board>),
}

impl Setter {
    pub(super) fn write(&self, value: Scalar) -> Writing<'_> {
        Box::pin(async move {
            match self {
                Self::Const(number, sink) => sink.write(value.like(*number)).await,
                Self::Map(values, sink) => {
                    let from = int(value);
                    let to = values.get(&from).ok_or_else(|| format!("map has no {from}"))?;
                    sink.write(Scalar::Int(*to)).await
                }
                Self::Sequence(sinks) => {
                    for sink in sinks {
                        sink.write(value).await?;
                    }
                    Ok(())
                }
                Self::Switch(cases, default) => {
                    let case = int(value);
                    let found = cases.iter().find(|(known, _)| *known == case);
                    let sink = found.map(|(_, sink)| sink).or(default.as_ref());
                    sink.ok_or_else(|| format!("switch has no case {case}"))?.write(value).await
                }
                Self::IfElse(yes, no) => {
                    if value.number() > 0.0 { yes } else { no }.write(value).await
                }
                Self::Convert(conversion, sink) => sink.write(converted(*conversion, value)).await,
                Self::Delta(delta, sink) => {
                    let new = value.number();
                    sink.write(value.like(new - delta.before(new)?)).await
                }
                Self::Valid(board, sink) => match board.get(0).map(|known| known.value) {
                    Some(Value::Bool(true)) => sink.write(value).await,
                    Some(Value::Bool(_) | Value::Number(_) | Value::Status(_) | Value::Text(_))
                    | None => Err("the device does not take it now".to_owned()),
                },
                Self::Watchdog { wishes, .. } => {
                    let (reply, answer) = oneshot::channel();
                    let busy = |_| "too many values wait for the watchdog".to_owned();
                    wishes.try_send((value, reply)).map_err(busy)?;
                    answer.await.unwrap_or_else(|_| Err("the watchdog has ended".to_owned()))
                }
                Self::Ignore(text, sink) => match sink.write(value).await {
                    Err(error) if error.starts_with(text.as_str()) => Ok(()),
                    result => result,
                },
                Self::Random(sink) => {
                    sink.write(Scalar::Int(fastrand::i64(1..i64::from(i32::MAX)))).await
                }
                Self::Sleep(duration) => {
                    sleep(*duration).await;
                    Ok(())
                }
                Self::Js(script) => script.write(value).await,
                Self::Never(error) => Err(error.clone()),
            }
        })
    }

    /// Whether what it writes may be lost with the connection to the broker.
    pub(super) fn is_bus(&self) -> bool {
        match self {
            Self::Const(_, sink)
            | Self::Map(_, sink)
            | Self::Convert(_, sink)
            | Self::Delta(_, sink)
            | Self::Valid(_, sink)
            | Self::Ignore(_, sink)
            | Self::Random(sink) => sink.is_bus(),
            Self::Sequence(sinks) => sinks.iter().any(Writer::is_bus),
            Self::Switch(cases, default) => {
                cases.iter().map(|(_, sink)| sink).chain(default).any(Writer::is_bus)
            }
            Self::IfElse(yes, no) => yes.is_bus() || no.is_bus(),
            Self::Watchdog { is_bus, .. } => *is_bus,
            Self::Js(script) => script.outputs.iter().any(|(_, sink)| sink.is_bus()),
            Self::Sleep(_) | Self::Never(_) => false,
        }
    }
}

impl Delta {
    /// What the new value is compared with; the next one is compared with it.
    fn before(&self, new: f64) -> Result<f64, String> {
        match self {
            Self::Last(last) => {
                let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
                Ok(std::mem::replace(&mut *last, new))
            }
            Self::Read(board) => match board.get(0).map(|known| known.value) {
                Some(Value::Number(number)) => Ok(number),
                Some(Value::Bool(_) | Value::Status(_) | Value::Text(_)) | None => {
                    Err("what it is compared with is not known yet".to_owned())
                }
            },
        }
    }
}

fn int(value: Scalar) -> i64 {
    whole(value.number()) as i64
}

fn converted(conversion: Conversion, value: Scalar) -> Scalar {
    match conversion {
        Conversion::FloatToInt | Conversion::BoolToInt => Scalar::Int(int(value)),
        Conversion::IntToFloat => Scalar::Float(value.number()),
    }
}
