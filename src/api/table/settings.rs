//! Settings of the site and of vehicles, with their limits and routes (api.md §2.2, §2.4, §3.2, §3.4).

use crate::api::Value;
use crate::api::field::{Field, Kind, Rest, Set, View, Write};
use crate::api::operation::Method;
use crate::control::VehicleSettings;
use crate::model::{Mode, Percent, VehicleIx, Watts};

pub(super) const PERCENT: Option<(f64, f64)> = Some((0.0, 100.0));

pub(super) const SITE: &[Field] = &[
    Field {
        key: "bufferSoc",
        kind: Kind::Float,
        unit: "%",
        doc: "Above this SoC the home battery keeps a running solar charge alive; 0 is off.",
        get: |view, _| Value::float(view.control.site().settings.buffer_soc.0),
        write: Some(Write {
            name: "bufferSoc",
            range: PERCENT,
            rest: Rest::post(&["/buffersoc/{value}"]),
            set: Set::Float(|control, now, _, value| control.set_buffer_soc(now, Percent(value))),
            ..Write::SETTING
        }),
        ..Field::SITE
    },
    Field {
        key: "bufferStartSoc",
        kind: Kind::Float,
        unit: "%",
        doc: "From this SoC of the home battery solar charging starts without surplus; 0 is off.",
        get: |view, _| Value::float(view.control.site().settings.buffer_start_soc.0),
        write: Some(Write {
            name: "bufferStartSoc",
            range: PERCENT,
            rest: Rest::post(&["/bufferstartsoc/{value}"]),
            set: Set::Float(|control, now, _, value| {
                control.set_buffer_start_soc(now, Percent(value))
            }),
            ..Write::SETTING
        }),
        ..Field::SITE
    },
    Field {
        key: "prioritySoc",
        kind: Kind::Float,
        unit: "%",
        doc: "Below this SoC the home battery is charged before the cars; 0 is off.",
        get: |view, _| Value::float(view.control.site().settings.priority_soc.0),
        write: Some(Write {
            name: "prioritySoc",
            range: PERCENT,
            rest: Rest::post(&["/prioritysoc/{value}"]),
            set: Set::Float(|control, now, _, value| control.set_priority_soc(now, Percent(value))),
            ..Write::SETTING
        }),
        ..Field::SITE
    },
    Field {
        key: "residualPower",
        kind: Kind::Float,
        unit: "W",
        doc: "Margin at the grid connection; above 0 keeps that much export.",
        get: |view, _| Value::from(view.control.site().settings.residual_power),
        write: Some(Write {
            name: "residualPower",
            range: Some((-20_000.0, 20_000.0)),
            rest: Rest::post(&["/residualpower/{value}"]),
            set: Set::Float(|control, now, _, value| control.set_residual_power(now, Watts(value))),
            ..Write::SETTING
        }),
        ..Field::SITE
    },
];

pub(super) const VEHICLE: &[Field] = &[
    Field {
        key: "limitSoc",
        kind: Kind::Int,
        unit: "%",
        doc: "Stop charging this vehicle at this SoC; empty is no limit.",
        get: |view, ix| unless_zero(owner(view, ix).limit_soc),
        write: Some(Write {
            name: "limitSoc",
            range: PERCENT,
            rest: Rest::post(&["/vehicles/{name}/limitsoc/{value}"])
                .answering(|view, ix| member("soc", Value::int(owner(view, ix).limit_soc.0))),
            set: Set::Float(|control, now, ix, value| {
                control.set_vehicle_limit_soc(now, VehicleIx(ix), Percent(value))
            }),
            ..Write::SETTING
        }),
        ..Field::VEHICLE
    },
    Field {
        key: "minSoc",
        kind: Kind::Int,
        unit: "%",
        doc: "Below this SoC this vehicle is charged fast in the solar modes; empty is off.",
        get: |view, ix| unless_zero(owner(view, ix).min_soc),
        write: Some(Write {
            name: "minSoc",
            range: PERCENT,
            rest: Rest::post(&["/vehicles/{name}/minsoc/{value}"])
                .answering(|view, ix| member("soc", Value::int(owner(view, ix).min_soc.0))),
            set: Set::Float(|control, now, ix, value| {
                control.set_vehicle_min_soc(now, VehicleIx(ix), Percent(value))
            }),
            ..Write::SETTING
        }),
        ..Field::VEHICLE
    },
    Field {
        key: "mode",
        kind: Kind::Enum(Mode::SPELLINGS),
        doc: "The mode that is set when this vehicle is plugged in; empty leaves it.",
        get: |view, ix| {
            owner(view, ix).mode.map_or(Value::Absent, |mode| Value::word(mode.as_str()))
        },
        write: Some(Write {
            name: "mode",
            clears: true,
            rest: Rest {
                method: Method::Post,
                set: &["/vehicles/{name}/mode/{value}"],
                unset: Some("/vehicles/{name}/mode"),
                answer: Some(|view, ix| {
                    let mode = owner(view, ix).mode.map_or("", Mode::as_str);
                    member("mode", Value::word(mode))
                }),
            },
            set: Set::Word(|control, now, ix, word| {
                control.set_vehicle_mode(now, VehicleIx(ix), word.and_then(mode))
            }),
            ..Write::SETTING
        }),
        ..Field::VEHICLE
    },
];

fn owner<'a>(view: &View<'a>, ix: usize) -> &'a VehicleSettings {
    &view.control.vehicles()[ix].settings
}

/// Zero counts as unset (api.md §4.4).
fn unless_zero(soc: Percent) -> Value {
    let value = Value::int(soc.0);
    if value == Value::Int(0) { Value::Absent } else { value }
}

pub(super) fn member(name: &'static str, value: Value) -> Value {
    Value::Object(vec![(name.into(), value)])
}

pub(super) fn mode(word: &str) -> Option<Mode> {
    word.parse().ok()
}
