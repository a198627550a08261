//! Words of other releases of evcc (api.md §2.5, §3.3, §5.2): those up to 0.131 and those from 0.316 on.

use crate::api::Value;
use crate::api::field::{Field, Kind, Rest, Set, Told, View, Write};
use crate::control::Target;
use crate::model::{AlwaysCharge, KilowattHours, LoadPointIx, Mode, Percent, VehicleIx};

use super::loadpoint_settings::ENERGY;
use super::settings::{PERCENT, member};

pub(super) const LOADPOINT: &[Field] = &[
    Field {
        key: "alwaysCharge",
        kind: Kind::Enum(AlwaysCharge::SPELLINGS),
        told: Told::Nowhere,
        kept: true,
        doc: "From 0.316 on: `on` is mode minpv, `once` until unplugged, `off` makes pv of it.",
        get: |view, ix| Value::word(view.control.always_charge(LoadPointIx(ix)).as_str()),
        write: Some(Write {
            name: "alwaysCharge",
            stored: false,
            rest: Rest::post(&["/loadpoints/{id}/alwayscharge/{value}"]),
            set: Set::Word(|control, now, ix, word| {
                let word = word.and_then(|word| word.parse().ok()).unwrap_or(AlwaysCharge::Off);
                control.set_always_charge(now, LoadPointIx(ix), word)
            }),
            ..Write::SETTING
        }),
        ..Field::LOADPOINT
    },
    Field {
        key: "phases",
        kind: Kind::Int,
        told: Told::Vintage,
        doc: "The old name of `phasesConfigured`.",
        get: |view, ix| {
            Value::Int(i64::from(view.control.loadpoints()[ix].settings.phases_configured))
        },
        ..Field::LOADPOINT
    },
    Field {
        key: "targetEnergy",
        kind: Kind::Float,
        unit: "kWh",
        told: Told::Vintage,
        doc: "Up to 0.122: `limitEnergy`, or the goal of the target time.",
        get: |view, ix| Value::float(target_energy(view, ix).0),
        write: Some(Write {
            name: "targetEnergy",
            range: ENERGY,
            stored: false,
            rest: Rest::post(&["/loadpoints/{id}/target/energy/{value}"]),
            set: Set::Float(|control, now, ix, energy| {
                control.set_target_energy(now, LoadPointIx(ix), KilowattHours(energy))
            }),
            ..Write::SETTING
        }),
        ..Field::LOADPOINT
    },
    Field {
        key: "targetSoc",
        kind: Kind::Int,
        unit: "%",
        told: Told::Vintage,
        doc: "Up to 0.122: `limitSoc`, or the goal of the target time; 100 is no limit.",
        get: |view, ix| Value::int(target_soc(view, ix).0),
        write: Some(Write {
            name: "targetSoc",
            range: PERCENT,
            stored: false,
            rest: Rest::post(&["/loadpoints/{id}/target/soc/{value}"]),
            set: Set::Float(|control, now, ix, soc| {
                control.set_target_soc(now, LoadPointIx(ix), Percent(soc))
            }),
            ..Write::SETTING
        }),
        ..Field::LOADPOINT
    },
    Field {
        key: "targetTime",
        kind: Kind::Time,
        told: Told::Vintage,
        doc: "Up to 0.122: makes, moves or removes the plan of the vehicle or of the load point.",
        get: |view, ix| {
            let target = view.control.target(LoadPointIx(ix));
            target.map_or(Value::Null, |target| Value::time(target.time()))
        },
        write: Some(Write {
            name: "targetTime",
            clears: true,
            stored: false,
            rest: Rest::post(&["/loadpoints/{id}/target/time/{value}"])
                .delete("/loadpoints/{id}/target/time")
                .answering(|view, ix| {
                    let time = view.control.target(LoadPointIx(ix)).map(Target::time);
                    Value::Object(vec![
                        ("soc".into(), Value::int(target_soc(view, ix).0)),
                        ("energy".into(), Value::float(target_energy(view, ix).0)),
                        ("time".into(), time.map_or(Value::NO_TIME, Value::time)),
                    ])
                }),
            set: Set::Time(|control, now, ix, time| {
                control.set_target_time(now, LoadPointIx(ix), time)
            }),
            ..Write::SETTING
        }),
        ..Field::LOADPOINT
    },
];

pub(super) const VEHICLE: &[Field] = &[
    Field {
        key: "alwaysCharge",
        kind: Kind::Enum(SWITCH),
        told: Told::Nowhere,
        doc: "From 0.316 on: `on` is mode minpv, `off` makes pv of it, without either there is no mode.",
        get: |view, ix| Value::word(always(view, ix)),
        write: Some(Write {
            name: "alwaysCharge",
            clears: true,
            stored: false,
            rest: Rest::post(&["/vehicles/{name}/alwayscharge/{value}"])
                .delete("/vehicles/{name}/alwayscharge")
                .answering(|view, ix| member("alwaysCharge", Value::word(always(view, ix)))),
            set: Set::Word(|control, now, ix, word| {
                let word = word.and_then(|word| word.parse().ok());
                control.set_vehicle_always_charge(now, VehicleIx(ix), word)
            }),
            ..Write::SETTING
        }),
        ..Field::VEHICLE
    },
    Field {
        key: "plans",
        kind: Kind::List,
        mirror: true,
        doc: "The old place of `plan`, from 0.124 to 0.131.8: a list of none or one.",
        get: |view, ix| match view.control.vehicles()[ix].settings.plan {
            None => Value::NoList { optional: true },
            Some(plan) => Value::List(vec![Value::Object(vec![
                ("soc".into(), Value::int(plan.soc.0)),
                ("time".into(), Value::time(plan.time)),
            ])]),
        },
        ..Field::VEHICLE
    },
];

/// What a vehicle can be: `once` is a matter of load points.
const SWITCH: &[&str] = &["on", "off"];

/// Whether a vehicle wants to charge without the sun.
fn always(view: &View<'_>, ix: usize) -> &'static str {
    let mode = view.control.vehicles()[ix].settings.mode;
    if mode == Some(Mode::MinPv) { "on" } else { "off" }
}

fn target_soc(view: &View<'_>, ix: usize) -> Percent {
    match view.control.target(LoadPointIx(ix)) {
        Some(Target::Soc(_, plan)) => plan.soc,
        Some(Target::Energy(_)) | None => view.control.loadpoints()[ix].settings.limit_soc,
    }
}

fn target_energy(view: &View<'_>, ix: usize) -> KilowattHours {
    match view.control.target(LoadPointIx(ix)) {
        Some(Target::Energy(plan)) => plan.energy,
        Some(Target::Soc(..)) | None => view.control.loadpoints()[ix].settings.limit_energy,
    }
}
