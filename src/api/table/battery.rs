//! Control of the home batteries and the boost from them (api.md §2.2, §2.3, §3.2, §4.1).

use crate::api::Value;
use crate::api::field::{Cadence, Field, Kind, Rest, Set, View, Write};
use crate::control::{LoadPoint, SiteSettings};
use crate::model::{BatteryMode, LoadPointIx, Percent, Watts};

use super::settings::PERCENT;

/// Money per kWh or grams of CO₂ per kWh; evcc has no limit.
const RATE: Option<(f64, f64)> = Some((-100_000.0, 100_000.0));

pub(super) const SITE: &[Field] = &[
    Field {
        key: "batteryDischargeControl",
        kind: Kind::Bool,
        doc: "The home battery is held while cars charge fast.",
        get: |view, _| Value::Bool(wish(view).battery_discharge_control),
        write: Some(Write {
            name: "batteryDischargeControl",
            rest: Rest::post(&["/batterydischargecontrol/{value}"]),
            set: Set::Bool(|control, now, _, on| control.set_battery_discharge_control(now, on)),
            ..Write::SETTING
        }),
        ..Field::SITE
    },
    Field {
        key: "batteryGridChargeActive",
        kind: Kind::Bool,
        doc: "The home battery is charged from the grid.",
        get: |view, _| Value::Bool(view.control.battery().grid_charge_active),
        ..Field::SITE
    },
    Field {
        key: "batteryGridChargeLimit",
        kind: Kind::Float,
        unit: "currency/kWh",
        doc: "The home battery charges from the grid up to this price or emission; empty is never.",
        get: |view, _| wish(view).battery_grid_charge_limit.map_or(Value::Null, Value::float),
        write: Some(Write {
            name: "batteryGridChargeLimit",
            range: RATE,
            clears: true,
            rest: Rest::post(&["/batterygridchargelimit/{value}"])
                .delete("/batterygridchargelimit"),
            set: Set::FloatOrNone(|control, now, _, limit| {
                control.set_battery_grid_charge_limit(now, limit)
            }),
            ..Write::SETTING
        }),
        ..Field::SITE
    },
    Field {
        key: "batteryGridDischarge",
        kind: Kind::Bool,
        doc: "The home battery may feed the grid; advice for an optimizer.",
        get: |view, _| Value::Bool(wish(view).battery_grid_discharge),
        write: Some(Write {
            name: "batteryGridDischarge",
            rest: Rest::post(&["/batterygriddischarge/{value}"]),
            set: Set::Bool(|control, now, _, on| control.set_battery_grid_discharge(now, on)),
            ..Write::SETTING
        }),
        ..Field::SITE
    },
    Field {
        key: "batteryMode",
        kind: Kind::Enum(BatteryMode::SPELLINGS),
        cadence: Cadence::OnChange,
        doc: "What the home battery is told.",
        get: |view, _| Value::word(view.control.battery().mode.as_str()),
        ..Field::SITE
    },
    Field {
        key: "batteryModeExternal",
        kind: Kind::Enum(BatteryMode::SPELLINGS),
        doc: "What others want of the battery: renew within 60 s, or write {value, ttl} with seconds.",
        get: |view, _| {
            let external = view.control.battery().external;
            external.map_or(Value::Absent, |mode| Value::word(mode.as_str()))
        },
        write: Some(Write {
            name: "batteryMode",
            clears: true,
            stored: false,
            rest: Rest::post(&["/batterymode/{value}"])
                .delete("/batterymode")
                .answering(|view, _| number(view.control.battery().external)),
            set: Set::Lease(|control, now, _, word, ttl| {
                let mode = word.and_then(|word| word.parse().ok());
                control.set_battery_mode(now, mode.unwrap_or(BatteryMode::Unknown), ttl)
            }),
            ..Write::SETTING
        }),
        ..Field::SITE
    },
    Field {
        key: "gridExportLimit",
        kind: Kind::Float,
        unit: "W",
        doc: "Limit of the export, 0 is none; advice for an optimizer.",
        get: |view, _| Value::from(wish(view).grid_export_limit),
        write: Some(Write {
            name: "gridExportLimit",
            range: Some((0.0, 1_000_000.0)),
            rest: Rest::post(&["/gridexportlimit/{value}"]),
            set: Set::Float(|control, now, _, power| {
                control.set_grid_export_limit(now, Watts(power))
            }),
            ..Write::SETTING
        }),
        ..Field::SITE
    },
    Field {
        key: "solarAdjusted",
        kind: Kind::Bool,
        doc: "The solar forecast is scaled to today's production; advice.",
        get: |view, _| Value::Bool(wish(view).solar_adjusted),
        write: Some(Write {
            name: "solarAdjusted",
            rest: Rest::post(&["/solaradjusted/{value}"]),
            set: Set::Bool(|control, now, _, on| control.set_solar_adjusted(now, on)),
            ..Write::SETTING
        }),
        ..Field::SITE
    },
];

pub(super) const LOADPOINT: &[Field] = &[
    Field {
        key: "batteryBoost",
        kind: Kind::Bool,
        doc: "The home battery helps to charge fast; in the solar modes, until unplugged.",
        get: |view, ix| Value::Bool(lp(view, ix).boost_requested()),
        write: Some(Write {
            name: "batteryBoost",
            was: &["batteryboost"],
            stored: false,
            rest: Rest::post(&["/loadpoints/{id}/batteryboost/{value}"]),
            set: Set::Bool(|control, now, ix, on| {
                control.set_battery_boost(now, LoadPointIx(ix), on)
            }),
            ..Write::SETTING
        }),
        ..Field::LOADPOINT
    },
    Field {
        key: "batteryBoostLimit",
        kind: Kind::Int,
        unit: "%",
        doc: "The home battery helps down to this SoC; 100 is no limit.",
        get: |view, ix| Value::int(lp(view, ix).settings.battery_boost_limit.0),
        write: Some(Write {
            name: "batteryBoostLimit",
            range: PERCENT,
            rest: Rest::post(&["/loadpoints/{id}/batteryboostlimit/{value}"]),
            set: Set::Float(|control, now, ix, soc| {
                control.set_battery_boost_limit(now, LoadPointIx(ix), Percent(soc))
            }),
            ..Write::SETTING
        }),
        ..Field::LOADPOINT
    },
];

fn wish<'a>(view: &View<'a>) -> &'a SiteSettings {
    &view.control.site().settings
}

fn lp<'a>(view: &View<'a>, ix: usize) -> &'a LoadPoint {
    &view.control.loadpoints()[ix]
}

/// REST tells the mode as its position in the enum (api.md §3.2).
fn number(mode: Option<BatteryMode>) -> Value {
    let position = BatteryMode::ALL.iter().position(|other| Some(*other) == mode);
    Value::Int(position.map_or(0, |position| i64::try_from(position).unwrap_or(0)))
}
