//! What a load point does and measures (api.md §4.3), and the old names of it.

use std::time::Duration;

use crate::api::Value;
use crate::api::field::{Cadence, Field, Kind, Rest, Set, View, Write};
use crate::api::operation::Method;
use crate::control::{LoadPoint, Vehicle};
use crate::model::{LoadPointIx, Mono, PhaseAction, PvAction, Watts};

const ONCE: Field = Field { cadence: Cadence::Once, ..Field::LOADPOINT };
const SAMPLED: Field = Field { cadence: Cadence::Sampled, ..Field::LOADPOINT };
const MIRROR: Field = Field { mirror: true, ..Field::LOADPOINT };

pub(super) const ROWS: &[Field] = &[
    Field {
        key: "chargeCurrents",
        kind: Kind::Phases,
        unit: "A",
        doc: "Currents per phase; absent without a meter that tells them.",
        get: |view, ix| Value::phases(lp(view, ix).currents.map(|amps| amps.map(|amps| amps.0))),
        ..SAMPLED
    },
    Field {
        key: "chargeDuration",
        kind: Kind::Duration,
        unit: "s",
        doc: "Time spent charging in this session.",
        get: |view, ix| {
            let lp = lp(view, ix);
            let duration = lp.charge_duration(view.now.mono);
            if lp.charging() { in_steps(view, duration) } else { Value::duration(duration) }
        },
        ..SAMPLED
    },
    Field {
        key: "chargePower",
        kind: Kind::Float,
        unit: "W",
        doc: "Charge power.",
        get: |view, ix| Value::from(lp(view, ix).charge_power()),
        ..SAMPLED
    },
    Field {
        key: "chargeRemainingDuration",
        kind: Kind::Duration,
        unit: "s",
        doc: "Time until the limit is reached at the present power; 0 when unknown.",
        get: |view, ix| {
            let remaining = view.control.remaining(LoadPointIx(ix)).duration;
            in_steps(view, remaining.unwrap_or_default())
        },
        ..SAMPLED
    },
    Field {
        key: "chargeRemainingEnergy",
        kind: Kind::Float,
        unit: "Wh",
        doc: "Energy that is missing to the limit; 0 when unknown.",
        get: |view, ix| {
            let remaining = view.control.remaining(LoadPointIx(ix)).energy;
            Value::float(remaining.map_or(0.0, |energy| (energy.0 / 10.0).round() * 10.0))
        },
        ..SAMPLED
    },
    Field {
        key: "chargeTotalImport",
        kind: Kind::Float,
        unit: "kWh",
        doc: "Counter of charged energy.",
        get: |view, ix| {
            let energy = lp(view, ix).energy.filter(|energy| energy.0 > 0.0);
            Value::float_or_absent(energy.map(|energy| energy.0))
        },
        ..SAMPLED
    },
    Field {
        key: "chargeVoltages",
        kind: Kind::Phases,
        unit: "V",
        doc: "Voltages per phase; absent without a meter that tells them.",
        get: |view, ix| {
            Value::phases(lp(view, ix).voltages.map(|volts| volts.map(|volts| volts.0)))
        },
        ..SAMPLED
    },
    Field {
        key: "charging",
        kind: Kind::Bool,
        doc: "The vehicle draws current.",
        get: |view, ix| Value::Bool(lp(view, ix).charging()),
        ..Field::LOADPOINT
    },
    Field {
        key: "connected",
        kind: Kind::Bool,
        doc: "A vehicle is plugged in.",
        get: |view, ix| Value::Bool(lp(view, ix).connected()),
        ..Field::LOADPOINT
    },
    Field {
        key: "connectedDuration",
        kind: Kind::Duration,
        unit: "s",
        doc: "Time since the vehicle was plugged in.",
        get: |view, ix| {
            let lp = lp(view, ix);
            match lp.connected_at().filter(|_| lp.connected()) {
                Some(at) => in_steps(view, view.now.mono.since(at.mono)),
                None => Value::Duration(Duration::ZERO),
            }
        },
        ..SAMPLED
    },
    Field {
        key: "decision",
        kind: Kind::Object,
        doc: "Why the load point does what it does: code, text, target (A), surplus (W), since.",
        get: |view, ix| {
            let decision = &lp(view, ix).decision;
            Value::Object(vec![
                ("code".into(), Value::word(decision.why.code())),
                ("text".into(), Value::word(decision.why.sentence())),
                ("target".into(), Value::float(decision.target.0)),
                ("surplus".into(), decision.surplus.map_or(Value::Absent, in_tens)),
                ("since".into(), Value::time(view.system.wall(decision.since))),
            ])
        },
        ..SAMPLED
    },
    Field {
        key: "effectiveLimitSoc",
        kind: Kind::Int,
        unit: "%",
        doc: "The SoC at which charging stops; 100 without a limit.",
        get: |view, ix| Value::int(lp(view, ix).effective.limit_soc.0),
        ..Field::LOADPOINT
    },
    Field {
        key: "effectiveMaxCurrent",
        kind: Kind::Float,
        unit: "A",
        doc: "The largest current of load point, vehicle and charger together.",
        get: |view, ix| Value::float(lp(view, ix).effective.max_current.0),
        ..Field::LOADPOINT
    },
    Field {
        key: "effectiveMinCurrent",
        kind: Kind::Float,
        unit: "A",
        doc: "The smallest current of load point, vehicle and charger together.",
        get: |view, ix| Value::float(lp(view, ix).effective.min_current.0),
        ..Field::LOADPOINT
    },
    Field {
        key: "effectiveMinSoc",
        kind: Kind::Int,
        unit: "%",
        doc: "The SoC below which the vehicle is charged fast.",
        get: |view, ix| Value::int(lp(view, ix).effective.min_soc.0),
        ..Field::LOADPOINT
    },
    Field {
        key: "effectivePriority",
        kind: Kind::Int,
        doc: "The priority, raised by the vehicle.",
        get: |view, ix| Value::Int(lp(view, ix).effective.priority),
        ..Field::LOADPOINT
    },
    Field {
        key: "enabled",
        kind: Kind::Bool,
        doc: "The charger offers current.",
        get: |view, ix| Value::Bool(lp(view, ix).enabled),
        ..Field::LOADPOINT
    },
    Field {
        key: "minSocNotReached",
        kind: Kind::Bool,
        doc: "The vehicle is below its minimum SoC and is charged fast.",
        get: |view, ix| Value::Bool(lp(view, ix).min_soc_not_reached),
        ..Field::LOADPOINT
    },
    Field {
        key: "name",
        doc: "The name of the load point in the configuration.",
        get: |view, ix| Value::text(&lp(view, ix).setup.name),
        ..ONCE
    },
    Field {
        key: "offeredCurrent",
        kind: Kind::Float,
        unit: "A",
        doc: "The current that is offered per phase; 0 while disabled.",
        get: |view, ix| Value::float(lp(view, ix).offered.0),
        ..Field::LOADPOINT
    },
    Field {
        key: "phaseAction",
        kind: Kind::Enum(PhaseAction::SPELLINGS),
        doc: "What happens to the phases when the running delay ends.",
        get: |view, ix| Value::word(lp(view, ix).phase_action.0.as_str()),
        ..Field::LOADPOINT
    },
    Field {
        key: "phaseRemaining",
        kind: Kind::Duration,
        unit: "s",
        doc: "The rest of the delay of `phaseAction`.",
        get: |view, ix| remaining(view, lp(view, ix).phase_action.1),
        ..SAMPLED
    },
    Field {
        key: "phasesActive",
        kind: Kind::Int,
        doc: "Phases that carry or would carry current.",
        get: |view, ix| Value::Int(i64::from(lp(view, ix).effective.phases_active)),
        ..Field::LOADPOINT
    },
    Field {
        key: "pvAction",
        kind: Kind::Enum(PvAction::SPELLINGS),
        doc: "What happens when the running start or stop delay ends.",
        get: |view, ix| Value::word(lp(view, ix).pv_action.0.as_str()),
        ..Field::LOADPOINT
    },
    Field {
        key: "pvRemaining",
        kind: Kind::Duration,
        unit: "s",
        doc: "The rest of the delay of `pvAction`.",
        get: |view, ix| remaining(view, lp(view, ix).pv_action.1),
        ..SAMPLED
    },
    Field {
        key: "title",
        doc: "The title of the load point.",
        get: |view, ix| Value::text(&lp(view, ix).setup.title),
        ..ONCE
    },
    Field {
        key: "vehicleClimaterActive",
        kind: Kind::Bool,
        doc: "The vehicle heats or cools; null if it cannot tell.",
        get: |view, ix| {
            let climater = vehicle(view, ix).and_then(|vehicle| vehicle.climater);
            climater.map_or(Value::Null, Value::Bool)
        },
        ..SAMPLED
    },
    Field {
        key: "vehicleDetectionActive",
        kind: Kind::Bool,
        doc: "The vehicle is being looked for; written as `vehicleDetect` to begin or to end that.",
        get: |view, ix| {
            let until = lp(view, ix).detecting_until;
            Value::Bool(until.is_some_and(|until| view.now.mono < until))
        },
        write: Some(Write {
            name: "vehicleDetect",
            stored: false,
            rest: Rest::with(Method::Patch, &["/loadpoints/{id}/vehicle"])
                .answering(|_, _| Value::Object(Vec::new())),
            set: Set::Bool(|control, now, ix, on| control.set_detection(now, LoadPointIx(ix), on)),
            ..Write::SETTING
        }),
        ..Field::LOADPOINT
    },
    Field {
        key: "vehicleIdentity",
        doc: "Who identified themselves at the charger.",
        get: |view, ix| {
            let identity = lp(view, ix).identity.as_deref();
            Value::text(identity.unwrap_or_default())
        },
        ..Field::LOADPOINT
    },
    Field {
        key: "vehicleLimitSoc",
        kind: Kind::Float,
        unit: "%",
        doc: "The limit that is set in the car; 0 when unknown.",
        get: |view, ix| {
            let of_vehicle = || vehicle(view, ix).and_then(|vehicle| vehicle.limit_soc);
            let limit = lp(view, ix).charger_limit_soc.or_else(of_vehicle);
            Value::float(limit.map_or(0.0, |limit| limit.0))
        },
        ..SAMPLED
    },
    Field {
        key: "vehicleOdometer",
        kind: Kind::Float,
        unit: "km",
        doc: "Odometer of the vehicle; 0 when unknown.",
        get: |view, ix| {
            let odometer = vehicle(view, ix).and_then(|vehicle| vehicle.odometer_km);
            Value::float(odometer.unwrap_or(0.0))
        },
        ..SAMPLED
    },
    Field {
        key: "vehicleRange",
        kind: Kind::Int,
        unit: "km",
        doc: "Range of the vehicle; 0 when unknown.",
        get: |view, ix| {
            let range = vehicle(view, ix).and_then(|vehicle| vehicle.range_km);
            Value::int(range.unwrap_or(0.0).floor())
        },
        ..SAMPLED
    },
    Field {
        key: "vehicleSoc",
        kind: Kind::Float,
        unit: "%",
        doc: "SoC of the vehicle, estimated between its words; 0 when unknown; a temperature for heating.",
        get: |view, ix| {
            // An estimate is not news with every watt-hour.
            let soc = view.control.soc(LoadPointIx(ix));
            Value::float(soc.map_or(0.0, |soc| (soc.0 * 10.0).round() / 10.0))
        },
        ..SAMPLED
    },
    Field {
        key: "vehicleTitle",
        doc: "The title of the assigned vehicle, or empty.",
        get: |view, ix| {
            Value::text(vehicle(view, ix).map_or("", |vehicle| vehicle.setup.title.as_str()))
        },
        ..Field::LOADPOINT
    },
    Field {
        key: "vehicleWelcomeActive",
        kind: Kind::Bool,
        doc: "Current is offered for a while to wake the vehicle.",
        get: |view, ix| Value::Bool(lp(view, ix).welcoming()),
        ..Field::LOADPOINT
    },
];

/// Names of evcc before 0.203 and 0.200 that clients still read.
pub(super) const MIRRORS: &[Field] = &[
    Field {
        key: "chargeCurrent",
        kind: Kind::Float,
        unit: "A",
        doc: "The old name of `offeredCurrent`.",
        get: |view, ix| Value::float(lp(view, ix).offered.0),
        ..MIRROR
    },
    Field {
        key: "phasesEnabled",
        kind: Kind::Int,
        doc: "Phases that the charger is switched to; 0 unknown.",
        get: |view, ix| Value::Int(i64::from(lp(view, ix).phases)),
        ..MIRROR
    },
];

fn lp<'a>(view: &View<'a>, ix: usize) -> &'a LoadPoint {
    &view.control.loadpoints()[ix]
}

fn vehicle<'a>(view: &View<'a>, ix: usize) -> Option<&'a Vehicle> {
    view.control.vehicles().get(lp(view, ix).vehicle?.0)
}

/// A duration that only grows, in steps of the interval: a quiet site is a quiet bus.
fn in_steps(view: &View<'_>, duration: Duration) -> Value {
    let step = view.system.interval.as_secs().max(1);
    Value::Duration(Duration::from_secs(duration.as_secs() / step * step))
}

/// Power in steps of 10 W: every load point tells it, and noise is no news.
fn in_tens(power: Watts) -> Value {
    Value::float((power.0 / 10.0).round() * 10.0)
}

/// The rest of a delay, rounded up so that it ends with 0.
fn remaining(view: &View<'_>, due: Option<Mono>) -> Value {
    let rest = due.map_or(Duration::ZERO, |due| due.since(view.now.mono));
    Value::duration(rest + Duration::from_millis(999))
}
