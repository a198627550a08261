//! What a device attribute can be, and which fact it becomes.

use std::sync::{Arc, Mutex, PoisonError};

use crate::model::{
    ChargeStatus, ChargerAttribute, ChargerValue, Fact, LoadPointIx, MeterIx, MeterValue,
    OperatorSignal, Origin, Phase, VehicleIx, VehicleValue,
};

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
}

impl Target {
    pub(super) fn kind(&self) -> Kind {
        match self {
            Self::Meter(_, make) => make.kind(),
            Self::Charger(_, make) => make.kind(),
            Self::Vehicle(_, make) => make.kind(),
            Self::Operator(make) => make.kind(),
        }
    }

    /// The fact of a value. A withdrawn value (`None`) is news of vehicles only: what a meter or
    /// charger does not say any more grows stale by itself.
    fn fact(&self, value: Option<Value>, origin: Origin) -> Option<Fact> {
        Some(match self {
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
        })
    }
}

/// Where a value that was read goes.
#[derive(Clone)]
pub(super) enum Delivery {
    /// It is the attribute.
    Whole(Target),
    /// It is one input of a combined status.
    Part(Part, Arc<Mutex<Combined>>, Target),
}

impl Delivery {
    /// The kind of value that is to be read.
    pub(super) fn kind(&self) -> Kind {
        match self {
            Self::Whole(target) => target.kind(),
            Self::Part(..) => Kind::Bool,
        }
    }

    /// The fact that the value of an attribute is lost; meters grow stale by themselves.
    pub(super) fn lost(&self, attribute: &str) -> Option<Fact> {
        let (Self::Whole(target) | Self::Part(_, _, target)) = self;
        match target {
            Target::Vehicle(..) => self.deliver(None, Origin::Live),
            Target::Charger(lp, make) => {
                let value = ChargerValue::Lost(lost(attribute, make)?);
                Some(Fact::Charger { lp: *lp, value, origin: Origin::Live })
            }
            Target::Meter(..) | Target::Operator(_) => None,
        }
    }

    /// The fact that follows from a value, if any does; `None` = the source has withdrawn its value.
    pub(super) fn deliver(&self, value: Option<Value>, origin: Origin) -> Option<Fact> {
        match self {
            Self::Whole(target) => target.fact(value, origin),
            Self::Part(part, state, target) => {
                let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
                let input = match value {
                    Some(Value::Bool(truth)) => Some((truth, origin)),
                    None | Some(Value::Number(_) | Value::Status(_) | Value::Text(_)) => None,
                };
                match part {
                    Part::Plugged => state.plugged = input,
                    Part::Charging => state.charging = input,
                }
                if input.is_none() {
                    return target.fact(None, origin);
                }
                let (status, origin) = state.status()?;
                target.fact(Some(Value::Status(status)), origin)
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

/// The inputs of a combined status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Plugged,
    Charging,
}

/// What is known of the inputs of a combined status (§7.1 `combined`).
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Combined {
    plugged: Option<(bool, Origin)>,
    charging: Option<(bool, Origin)>,
}

impl Combined {
    /// Charging → C, else plugged → B, else A; nothing before both are known. As old as the older.
    fn status(self) -> Option<(ChargeStatus, Origin)> {
        let (plugged, plugged_origin) = self.plugged?;
        let (charging, charging_origin) = self.charging?;
        let status = match (charging, plugged) {
            (true, _) => ChargeStatus::Charging,
            (false, true) => ChargeStatus::Connected,
            (false, false) => ChargeStatus::Disconnected,
        };
        let origin = match (plugged_origin, charging_origin) {
            (Origin::Live, Origin::Live) => Origin::Live,
            (Origin::Retained, _) | (_, Origin::Retained) => Origin::Retained,
        };
        Some((status, origin))
    }
}
