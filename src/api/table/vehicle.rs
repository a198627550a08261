//! What a vehicle is and what it tells, plugged in or not (api.md §4.4, design §6).
//!
//! `minSoc`, `limitSoc` and `mode` are its owner's settings. The limit that is set in the car has
//! the name that it has at load points, `vehicleLimitSoc`, and cannot be taken for a setting.

use crate::api::Value;
use crate::api::field::{Cadence, Field, Kind, View};
use crate::control::Vehicle;
use crate::model::{ChargeStatus, Trust, VehicleFeature};

const ONCE: Field = Field { cadence: Cadence::Once, ..Field::VEHICLE };
const SAMPLED: Field = Field { cadence: Cadence::Sampled, ..Field::VEHICLE };

pub(super) const ROWS: &[Field] = &[
    Field {
        key: "capacity",
        kind: Kind::Float,
        unit: "kWh",
        doc: "Capacity of the battery.",
        get: |view, ix| {
            Value::float_or_absent(vehicle(view, ix).setup.capacity.map(|capacity| capacity.0))
        },
        ..ONCE
    },
    Field {
        key: "charging",
        kind: Kind::Bool,
        doc: "The car says that it charges, here or elsewhere.",
        get: |view, ix| status(view, ix, |status| status == ChargeStatus::Charging),
        ..SAMPLED
    },
    Field {
        key: "chargingState",
        doc: "The source's own word for the charge.",
        get: |view, ix| text(vehicle(view, ix).charging_state.as_ref()),
        ..SAMPLED
    },
    Field {
        key: "climater",
        kind: Kind::Bool,
        doc: "The car heats or cools.",
        get: |view, ix| vehicle(view, ix).climater.map_or(Value::Absent, Value::Bool),
        ..SAMPLED
    },
    Field {
        key: "connected",
        kind: Kind::Bool,
        doc: "The car says that it is plugged in, here or elsewhere.",
        get: |view, ix| status(view, ix, |status| status != ChargeStatus::Disconnected),
        ..SAMPLED
    },
    Field {
        key: "features",
        kind: Kind::List,
        doc: "Features of the vehicle.",
        get: |view, ix| {
            let features = &vehicle(view, ix).setup.features;
            match features.is_empty() {
                true => Value::NoList { optional: true },
                false => Value::List(features.iter().map(|f| Value::word(feature(*f))).collect()),
            }
        },
        ..ONCE
    },
    Field {
        key: "geofence",
        doc: "Name of the place where the car is.",
        get: |view, ix| text(vehicle(view, ix).geofence.as_ref()),
        ..SAMPLED
    },
    Field {
        key: "icon",
        doc: "Icon name for user interfaces.",
        get: |view, ix| text(vehicle(view, ix).setup.icon.as_ref()),
        ..ONCE
    },
    Field {
        key: "loadpoint",
        kind: Kind::Int,
        doc: "The load point to which the vehicle is assigned, from 1.",
        get: |view, ix| {
            let mut loadpoints = view.control.loadpoints().iter();
            let here = loadpoints.position(|lp| lp.vehicle.is_some_and(|vehicle| vehicle.0 == ix));
            here.and_then(|here| i64::try_from(here + 1).ok()).map_or(Value::Absent, Value::Int)
        },
        ..Field::VEHICLE
    },
    Field {
        key: "maxCurrent",
        kind: Kind::Float,
        unit: "A",
        doc: "The largest current of the vehicle.",
        get: |view, ix| {
            let max = vehicle(view, ix).setup.on_identify.max_current;
            Value::float_or_absent(max.map(|max| max.0))
        },
        ..ONCE
    },
    Field {
        key: "minCurrent",
        kind: Kind::Float,
        unit: "A",
        doc: "The smallest current of the vehicle.",
        get: |view, ix| {
            let min = vehicle(view, ix).setup.on_identify.min_current;
            Value::float_or_absent(min.map(|min| min.0))
        },
        ..ONCE
    },
    Field {
        key: "odometer",
        kind: Kind::Float,
        unit: "km",
        doc: "Odometer.",
        get: |view, ix| Value::float_or_absent(vehicle(view, ix).odometer_km),
        ..SAMPLED
    },
    Field {
        key: "phases",
        kind: Kind::Int,
        doc: "Phases of the on-board charger.",
        get: |view, ix| {
            let phases = vehicle(view, ix).setup.phases;
            phases.map_or(Value::Absent, |phases| Value::Int(i64::from(phases)))
        },
        ..ONCE
    },
    Field {
        key: "position",
        kind: Kind::Object,
        doc: "Where the car is: latitude and longitude in degrees.",
        get: |view, ix| match vehicle(view, ix).position {
            None => Value::Absent,
            Some((latitude, longitude)) => Value::Object(vec![
                ("latitude".into(), degrees(latitude)),
                ("longitude".into(), degrees(longitude)),
            ]),
        },
        ..SAMPLED
    },
    Field {
        key: "priority",
        kind: Kind::Int,
        doc: "The priority that the vehicle lends to its load point.",
        get: |view, ix| {
            let priority = vehicle(view, ix).setup.on_identify.priority;
            priority.map_or(Value::Absent, Value::Int)
        },
        ..ONCE
    },
    Field {
        key: "range",
        kind: Kind::Float,
        unit: "km",
        doc: "Range.",
        get: |view, ix| Value::float_or_absent(vehicle(view, ix).range_km),
        ..SAMPLED
    },
    Field {
        key: "soc",
        kind: Kind::Float,
        unit: "%",
        doc: "State of charge as the car last told it.",
        get: |view, ix| Value::float_or_absent(vehicle(view, ix).soc.map(|soc| soc.0)),
        ..SAMPLED
    },
    Field {
        key: "state",
        doc: "The source's own word for the car's state.",
        get: |view, ix| text(vehicle(view, ix).state.as_ref()),
        ..SAMPLED
    },
    Field {
        key: "timeToFull",
        kind: Kind::Duration,
        unit: "s",
        doc: "Time until the limit that is set in the car is reached.",
        get: |view, ix| {
            let hours = vehicle(view, ix).time_to_full_h;
            let seconds = hours.map(|hours| Value::int(hours.max(0.0) * 3600.0));
            seconds.unwrap_or(Value::Absent)
        },
        ..SAMPLED
    },
    Field {
        key: "title",
        cadence: Cadence::Once,
        doc: "The title of the vehicle.",
        get: |view, ix| Value::text(&vehicle(view, ix).setup.title),
        ..Field::VEHICLE
    },
    Field {
        key: "trust",
        kind: Kind::Enum(Trust::SPELLINGS),
        doc: "How far the values of the car can be believed.",
        get: |view, ix| Value::word(vehicle(view, ix).trust.as_str()),
        ..SAMPLED
    },
    Field {
        key: "updated",
        kind: Kind::Time,
        doc: "When the source last spoke; absent while only retained values are known.",
        get: |view, ix| {
            let updated = vehicle(view, ix).updated;
            updated.map_or(Value::Absent, |updated| Value::time(updated.utc))
        },
        ..SAMPLED
    },
    Field {
        key: "vehicleLimitSoc",
        kind: Kind::Float,
        unit: "%",
        doc: "The limit that is set in the car.",
        get: |view, ix| Value::float_or_absent(vehicle(view, ix).limit_soc.map(|soc| soc.0)),
        ..SAMPLED
    },
];

fn vehicle<'a>(view: &View<'a>, ix: usize) -> &'a Vehicle {
    &view.control.vehicles()[ix]
}

fn status(view: &View<'_>, ix: usize, says: fn(ChargeStatus) -> bool) -> Value {
    vehicle(view, ix).status.map_or(Value::Absent, |status| Value::Bool(says(status)))
}

fn text(text: Option<&String>) -> Value {
    text.map_or(Value::Absent, Value::text)
}

/// Three decimals would blur a position by a hundred metres; five are a metre. As text, because
/// every number has three.
fn degrees(degrees: f64) -> Value {
    match degrees.is_finite() {
        true => Value::Json(serde_json::json!((degrees * 1e5).round() / 1e5)),
        false => Value::Null,
    }
}

/// evcc's words (api.md §4.4).
fn feature(feature: VehicleFeature) -> &'static str {
    match feature {
        VehicleFeature::Offline => "Offline",
        VehicleFeature::CoarseCurrent => "CoarseCurrent",
        VehicleFeature::Streaming => "Streaming",
        VehicleFeature::WelcomeCharge => "WelcomeCharge",
        VehicleFeature::ClimaterDisabled => "ClimaterDisabled",
        VehicleFeature::AutodetectDisabled => "AutodetectDisabled",
        VehicleFeature::WakeUpDisabled => "WakeUpDisabled",
    }
}
