//! What a device attribute can be, and which fact it becomes.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use super::tree::{Known, Tree};
use crate::model::{
    ChargeStatus, ChargerAttribute, ChargerValue, Fact, FeedInSignal, LoadPointIx, MeterIx,
    MeterValue, Mono, OperatorSignal, Origin, Phase, VehicleIx, VehicleValue,
};

/// Time between two requests of a meter or charger.
pub(super) const OFTEN: Duration = Duration::from_secs(5);
/// Time between two requests of a vehicle.
pub(super) const SELDOM: Duration = Duration::from_secs(300);

/// The types of attributes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A finite number.
    Number,
    /// A truth value.
    Bool,
    /// A charge status.
    Status,
    /// Any text.
    Text,
}

/// One typed value of a device.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A finite number in the unit of the attribute.
    Number(f64),
    /// A truth value.
    Bool(bool),
    /// A charge status.
    Status(ChargeStatus),
    /// Any text.
    Text(String),
}

/// How a value becomes one attribute of a meter or charger.
#[derive(Clone)]
pub(super) enum Make<X> {
    Number(fn(f64) -> X),
    /// A register that never goes back; exactly 0 says nothing (§7.6).
    Counter(fn(f64) -> X),
    Phase(Phase, fn(Phase, f64) -> X),
    Bool(fn(bool) -> X),
    Status(fn(ChargeStatus) -> X),
    Text(fn(String) -> X),
}

impl<X> Make<X> {
    fn kind(&self) -> Kind {
        match self {
            Self::Number(_) | Self::Counter(_) | Self::Phase(..) => Kind::Number,
            Self::Bool(_) => Kind::Bool,
            Self::Status(_) => Kind::Status,
            Self::Text(_) => Kind::Text,
        }
    }

    fn apply(&self, value: Value) -> Option<X> {
        match (self, value) {
            (Self::Number(make), Value::Number(number)) => Some(make(number)),
            (Self::Counter(make), Value::Number(number)) => (number != 0.0).then(|| make(number)),
            (Self::Phase(phase, make), Value::Number(number)) => Some(make(*phase, number)),
            (Self::Bool(make), Value::Bool(truth)) => Some(make(truth)),
            (Self::Status(make), Value::Status(status)) => Some(make(status)),
            (Self::Text(make), Value::Text(text)) => Some(make(text)),
            (_, Value::Number(_) | Value::Bool(_) | Value::Status(_) | Value::Text(_)) => None,
        }
    }
}

/// How a value becomes one attribute of a vehicle; `None` withdraws the attribute.
#[derive(Clone, Copy)]
pub(super) enum MakeVehicle {
    Number(fn(Option<f64>) -> VehicleValue),
    Bool(fn(Option<bool>) -> VehicleValue),
    Status(fn(Option<ChargeStatus>) -> VehicleValue),
}

impl MakeVehicle {
    fn kind(self) -> Kind {
        match self {
            Self::Number(_) => Kind::Number,
            Self::Bool(_) => Kind::Bool,
            Self::Status(_) => Kind::Status,
        }
    }

    fn apply(self, value: Option<Value>) -> Option<VehicleValue> {
        match (self, value) {
            (Self::Number(make), None) => Some(make(None)),
            (Self::Number(make), Some(Value::Number(number))) => Some(make(Some(number))),
            (Self::Bool(make), None) => Some(make(None)),
            (Self::Bool(make), Some(Value::Bool(truth))) => Some(make(Some(truth))),
            (Self::Status(make), None) => Some(make(None)),
            (Self::Status(make), Some(Value::Status(status))) => Some(make(Some(status))),
            (_, Some(Value::Number(_) | Value::Bool(_) | Value::Status(_) | Value::Text(_))) => {
                None
            }
        }
    }
}

/// The attribute that a value belongs to.
#[derive(Clone)]
pub(super) enum Target {
    Meter(MeterIx, Make<MeterValue>),
    Charger(LoadPointIx, Make<ChargerValue>),
    Vehicle(VehicleIx, MakeVehicle),
    Operator(Make<OperatorSignal>),
    FeedIn(Make<FeedInSignal>),
    /// Read by a script or a setter.
    Cell(Kind, usize, Arc<Board>),
}

impl Target {
    pub(super) fn kind(&self) -> Kind {
        match self {
            Self::Meter(_, make) => make.kind(),
            Self::Charger(_, make) => make.kind(),
            Self::Vehicle(_, make) => make.kind(),
            Self::Operator(make) => make.kind(),
            Self::FeedIn(make) => make.kind(),
            Self::Cell(kind, ..) => *kind,
        }
    }

    /// How often the value is asked for where nothing is said: cars are behind slow clouds, and
    /// what guards a fuse is not.
    pub(super) fn usual_interval(&self) -> Duration {
        match self {
            Self::Vehicle(..) => SELDOM,
            Self::Meter(..)
            | Self::Charger(..)
            | Self::Operator(_)
            | Self::FeedIn(_)
            | Self::Cell(..) => OFTEN,
        }
    }

    /// The fact of a value. A withdrawn value (`None`) is news of vehicles only: what a meter or
    /// charger does not say any more grows stale by itself.
    fn fact(&self, now: Mono, value: Option<Value>, origin: Origin) -> Option<Fact> {
        Some(match self {
            Self::Cell(_, cell, board) => {
                board.put(*cell, value.map(|value| Known::new(now, value, origin)));
                return None;
            }
            Self::Meter(meter, make) => {
                let value = make.apply(value?)?;
                Fact::Meter { meter: *meter, value, origin }
            }
            Self::Charger(lp, make) => {
                let value = make.apply(value?)?;
                Fact::Charger { lp: *lp, value, origin }
            }
            Self::Vehicle(vehicle, make) => {
                let value = make.apply(value)?;
                Fact::Vehicle { vehicle: *vehicle, value, origin }
            }
            Self::Operator(make) => Fact::Operator { signal: make.apply(value?)?, origin },
            Self::FeedIn(make) => Fact::FeedIn { signal: make.apply(value?)?, origin },
        })
    }
}

/// Where a value that was read goes.
#[derive(Clone)]
pub(super) enum Delivery {
    /// It is the attribute.
    Whole(Target),
    /// It is a leaf of a tree, by its position.
    Part(Kind, usize, Arc<Mutex<Tree>>, Target),
}

impl Delivery {
    /// The kind of value that is to be read.
    pub(super) fn kind(&self) -> Kind {
        match self {
            Self::Whole(target) => target.kind(),
            Self::Part(kind, ..) => *kind,
        }
    }

    /// What the value is for in the end.
    pub(super) fn target(&self) -> &Target {
        let (Self::Whole(target) | Self::Part(_, _, _, target)) = self;
        target
    }

    /// The fact that the value of an attribute is lost; meters grow stale by themselves.
    pub(super) fn lost(&self, now: Mono, attribute: &str) -> Option<Fact> {
        match self.target() {
            Target::Vehicle(..) => self.deliver(now, None, Origin::Live).ok().flatten(),
            Target::Charger(lp, make) => {
                let value = ChargerValue::Lost(lost(attribute, make)?);
                Some(Fact::Charger { lp: *lp, value, origin: Origin::Live })
            }
            Target::Meter(..) | Target::Operator(_) | Target::FeedIn(_) | Target::Cell(..) => None,
        }
    }

    /// The fact that follows from a value, if any does; `None` = the source has withdrawn its value.
    ///
    /// # Errors
    /// Why nothing can be made of the value.
    pub(super) fn deliver(
        &self,
        now: Mono,
        value: Option<Value>,
        origin: Origin,
    ) -> Result<Option<Fact>, String> {
        match self {
            Self::Whole(target) => Ok(target.fact(now, value, origin)),
            Self::Part(_, leaf, tree, target) => {
                let withdrawn = value.is_none();
                let mut tree = tree.lock().unwrap_or_else(PoisonError::into_inner);
                let whole = tree.hear(now, *leaf, value, origin);
                drop(tree);
                Ok(match whole? {
                    Some(known) => {
                        let origin = known.origin(now);
                        target.fact(now, Some(known.value), origin)
                    }
                    None if withdrawn => target.fact(now, None, origin),
                    None => None,
                })
            }
        }
    }
}

/// What a charger does not say any more; counters and identifiers stay what they were.
fn lost(attribute: &str, make: &Make<ChargerValue>) -> Option<ChargerAttribute> {
    match (attribute.split(['[', '.']).next()?, make) {
        ("status", _) => Some(ChargerAttribute::Status),
        ("enabled", _) => Some(ChargerAttribute::Enabled),
        ("power", _) => Some(ChargerAttribute::Power),
        ("currents", Make::Phase(phase, _)) => Some(ChargerAttribute::Current(*phase)),
        ("voltages", Make::Phase(phase, _)) => Some(ChargerAttribute::Voltage(*phase)),
        ("soc", _) => Some(ChargerAttribute::Soc),
        ("limitsoc", _) => Some(ChargerAttribute::LimitSoc),
        _ => None,
    }
}

/// The newest values of what a script or a setter reads first.
#[derive(Default)]
pub(super) struct Board {
    cells: Mutex<BTreeMap<usize, Known>>,
    changed: Notify,
}

impl Board {
    fn put(&self, cell: usize, known: Option<Known>) {
        let mut cells = self.cells.lock().unwrap_or_else(PoisonError::into_inner);
        match known {
            Some(known) => cells.insert(cell, known),
            None => cells.remove(&cell),
        };
        drop(cells);
        self.changed.notify_one();
    }

    /// Waits for news of any cell; for one who waits.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// What is known of a cell.
    pub(super) fn get(&self, cell: usize) -> Option<Known> {
        self.cells.lock().unwrap_or_else(PoisonError::into_inner).get(&cell).cloned()
    }
}
