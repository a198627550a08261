//! Charging plans of load points and vehicles (api.md §2.3, §2.4, §3.3, §3.4, §4.3, §4.4).

use chrono::{DateTime, Utc};

use crate::api::Value;
use crate::api::field::{Field, Kind, Rest, Set, Told, View, Write};
use crate::api::goal::{self, Goal};
use crate::control::{Aim, Control, EnergyPlan, LoadPoint, Refusal, SocPlan, VehicleSettings};
use crate::model::{KilowattHours, LoadPointIx, Now, Percent, VehicleIx};

use super::loadpoint_settings::ENERGY;
use super::settings::PERCENT;

pub(super) const LOADPOINT: &[Field] = &[
    Field {
        key: "effectivePlanId",
        kind: Kind::Int,
        doc: "The plan in force: 0 none, 1 static, 2 and more repeating.",
        get: |view, ix| {
            let id = lp(view, ix).plan.goal.map_or(0, |goal| goal.id);
            Value::Int(i64::try_from(id).unwrap_or(i64::MAX))
        },
        ..Field::LOADPOINT
    },
    Field {
        key: "effectivePlanSoc",
        kind: Kind::Int,
        unit: "%",
        doc: "Goal of the plan in force; 0 without one or with an energy plan.",
        get: |view, ix| match lp(view, ix).plan.goal.map(|goal| goal.aim) {
            Some(Aim::Soc(soc)) => Value::int(soc.0),
            Some(Aim::Energy(_)) | None => Value::Int(0),
        },
        ..Field::LOADPOINT
    },
    Field {
        key: "effectivePlanStrategy",
        kind: Kind::Object,
        doc: "How the plan in force is carried out.",
        get: |view, ix| goal::strategy_value(lp(view, ix).plan.strategy),
        ..Field::LOADPOINT
    },
    Field {
        key: "effectivePlanTime",
        kind: Kind::Time,
        doc: "Time of the plan in force.",
        get: |view, ix| time(lp(view, ix).plan.goal.map(|goal| goal.time)),
        ..Field::LOADPOINT
    },
    Field {
        key: "plan",
        kind: Kind::Json,
        doc: "Slots of the plan: start, end, value.",
        get: |view, ix| goal::slots_value(&lp(view, ix).plan.slots),
        ..Field::LOADPOINT
    },
    Field {
        key: "planActive",
        kind: Kind::Bool,
        doc: "The plan charges now.",
        get: |view, ix| Value::Bool(lp(view, ix).plan.active),
        ..Field::LOADPOINT
    },
    Field {
        key: "planDetails",
        kind: Kind::Object,
        told: Told::Nowhere,
        doc: "The answer to `GET /api/loadpoints/{id}/plan`.",
        get: |view, ix| goal::details_value(&lp(view, ix).plan),
        ..Field::LOADPOINT
    },
    Field {
        key: "planEnergy",
        kind: Kind::Float,
        unit: "kWh",
        doc: "Goal of the energy plan; 0 is none; written with its time.",
        get: |view, ix| Value::float(energy_plan(view, ix).map_or(0.0, |plan| plan.energy.0)),
        write: Some(Write {
            name: "planEnergy",
            was: &["plan/energy"],
            range: ENERGY,
            clears: true,
            rest: Rest::post(&["/loadpoints/{id}/plan/energy/{value}/{time}"])
                .delete("/loadpoints/{id}/plan/energy")
                .answering(|view, ix| {
                    let plan = energy_plan(view, ix);
                    plan_answer("energy", plan.map(|plan| (plan.time, Value::float(plan.energy.0))))
                }),
            set: Set::Json(set_plan_energy),
            ..Write::SETTING
        }),
        ..Field::LOADPOINT
    },
    Field {
        key: "planOverrun",
        kind: Kind::Duration,
        unit: "s",
        doc: "How late the plan will be.",
        get: |view, ix| Value::duration(lp(view, ix).plan.overrun),
        ..Field::LOADPOINT
    },
    Field {
        key: "planProjectedEnd",
        kind: Kind::Time,
        doc: "When the plan will end.",
        get: |view, ix| time(lp(view, ix).plan.projected.map(|(_, end)| end)),
        ..Field::LOADPOINT
    },
    Field {
        key: "planProjectedStart",
        kind: Kind::Time,
        doc: "When the plan will start.",
        get: |view, ix| time(lp(view, ix).plan.projected.map(|(start, _)| start)),
        ..Field::LOADPOINT
    },
    Field {
        key: "planStrategy",
        kind: Kind::Object,
        doc: "How the energy plan is carried out: continuous, precondition (s).",
        get: |view, ix| goal::strategy_value(lp(view, ix).settings.plan_strategy),
        write: Some(Write {
            name: "planStrategy",
            rest: Rest::post(&["/loadpoints/{id}/plan/strategy"]),
            set: Set::Json(|control, now, ix, json| {
                control.set_plan_strategy(now, LoadPointIx(ix), goal::strategy(json)?)
            }),
            ..Write::SETTING
        }),
        ..Field::LOADPOINT
    },
    Field {
        key: "planTime",
        kind: Kind::Time,
        kept: true,
        doc: "Time of the energy plan.",
        get: |view, ix| time(energy_plan(view, ix).map(|plan| plan.time)),
        ..Field::LOADPOINT
    },
];

pub(super) const VEHICLE: &[Field] = &[
    Field {
        key: "plan",
        kind: Kind::Object,
        doc: "The plan for one time: soc (%), time.",
        get: |view, ix| match owner(view, ix).plan {
            None => Value::Absent,
            Some(plan) => Value::Object(vec![
                ("soc".into(), Value::int(plan.soc.0)),
                ("time".into(), Value::time(plan.time)),
            ]),
        },
        ..Field::VEHICLE
    },
    Field {
        key: "planSoc",
        kind: Kind::Int,
        unit: "%",
        told: Told::Nowhere,
        doc: "Goal of the plan for one time; 0 is none; written with its time, told in `plan`.",
        get: |view, ix| Value::int(owner(view, ix).plan.map_or(0.0, |plan| plan.soc.0)),
        write: Some(Write {
            name: "planSoc",
            range: PERCENT,
            clears: true,
            rest: Rest::post(&["/vehicles/{name}/plan/soc/{value}/{time}"])
                .delete("/vehicles/{name}/plan/soc")
                .answering(|view, ix| {
                    let plan = owner(view, ix).plan;
                    plan_answer("soc", plan.map(|plan| (plan.time, Value::int(plan.soc.0))))
                }),
            set: Set::Json(set_plan_soc),
            ..Write::SETTING
        }),
        ..Field::VEHICLE
    },
    Field {
        key: "planStrategy",
        kind: Kind::Object,
        doc: "How the plans are carried out: continuous, precondition (s).",
        get: |view, ix| goal::strategy_value(owner(view, ix).plan_strategy),
        write: Some(Write {
            name: "planStrategy",
            rest: Rest::post(&["/vehicles/{name}/plan/strategy"]),
            set: Set::Json(|control, now, ix, json| {
                control.set_vehicle_plan_strategy(now, VehicleIx(ix), goal::strategy(json)?)
            }),
            ..Write::SETTING
        }),
        ..Field::VEHICLE
    },
    Field {
        key: "planTime",
        kind: Kind::Time,
        told: Told::Nowhere,
        kept: true,
        doc: "Time of the plan for one time, told in `plan`.",
        get: |view, ix| time(owner(view, ix).plan.map(|plan| plan.time)),
        ..Field::VEHICLE
    },
    Field {
        key: "repeatingPlans",
        kind: Kind::List,
        doc: "Plans by weekday (0 is Sunday): weekdays, time, tz, soc, active.",
        get: |view, ix| goal::repeating_value(&owner(view, ix).repeating),
        write: Some(Write {
            name: "repeatingPlans",
            clears: true,
            rest: Rest::post(&["/vehicles/{name}/plan/repeating"])
                .answering(|view, ix| goal::repeating_list(&owner(view, ix).repeating)),
            set: Set::Json(|control, now, ix, json| {
                control.set_repeating_plans(now, VehicleIx(ix), goal::repeating(json)?)
            }),
            ..Write::SETTING
        }),
        ..Field::VEHICLE
    },
];

fn lp<'a>(view: &View<'a>, ix: usize) -> &'a LoadPoint {
    &view.control.loadpoints()[ix]
}

fn energy_plan(view: &View<'_>, ix: usize) -> Option<EnergyPlan> {
    lp(view, ix).settings.plan
}

fn owner<'a>(view: &View<'a>, ix: usize) -> &'a VehicleSettings {
    &view.control.vehicles()[ix].settings
}

fn time(time: Option<DateTime<Utc>>) -> Value {
    time.map_or(Value::Null, Value::time)
}

/// `{"soc": …, "time": …}`, or `{}` without a plan.
fn plan_answer(name: &'static str, plan: Option<(DateTime<Utc>, Value)>) -> Value {
    Value::Object(match plan {
        None => Vec::new(),
        Some((time, value)) => vec![(name.into(), value), ("time".into(), Value::time(time))],
    })
}

fn set_plan_energy(
    control: &mut Control,
    now: Now,
    ix: usize,
    json: &serde_json::Value,
) -> Result<(), Refusal> {
    let settings = control.loadpoints().get(ix).map(|lp| &lp.settings);
    let before = settings.and_then(|settings| settings.plan);
    let present = settings.map(|settings| settings.plan_strategy).unwrap_or_default();
    let strategy = goal::strategy_beside(json, present)?;
    let plan = match goal::goal(json)? {
        Goal::Removed => None,
        Goal::Set(energy, time) => {
            let time = time.or(before.map(|plan| plan.time)).ok_or_else(without_time)?;
            Some(EnergyPlan { time, energy: KilowattHours(energy) })
        }
    };
    control.set_plan_energy(now, LoadPointIx(ix), plan)?;
    strategy.map_or(Ok(()), |strategy| control.set_plan_strategy(now, LoadPointIx(ix), strategy))
}

fn set_plan_soc(
    control: &mut Control,
    now: Now,
    ix: usize,
    json: &serde_json::Value,
) -> Result<(), Refusal> {
    let settings = control.vehicles().get(ix).map(|vehicle| &vehicle.settings);
    let before = settings.and_then(|settings| settings.plan);
    let present = settings.map(|settings| settings.plan_strategy).unwrap_or_default();
    let strategy = goal::strategy_beside(json, present)?;
    let plan = match goal::goal(json)? {
        Goal::Removed => None,
        Goal::Set(soc, time) => {
            let time = time.or(before.map(|plan| plan.time)).ok_or_else(without_time)?;
            Some(SocPlan { time, soc: Percent(soc.round()) })
        }
    };
    control.set_plan_soc(now, VehicleIx(ix), plan)?;
    strategy
        .map_or(Ok(()), |strategy| control.set_vehicle_plan_strategy(now, VehicleIx(ix), strategy))
}

fn without_time() -> Refusal {
    Refusal::Malformed("a new plan needs a time".to_owned())
}
