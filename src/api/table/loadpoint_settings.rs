//! Settings of load points, with their limits and routes (api.md §2.3, §2.5, §3.3).

use std::time::Duration;

use crate::api::Value;
use crate::api::field::{Field, Kind, Rest, Set, View, Write};
use crate::api::operation::Method;
use crate::control::{Control, LoadPointSettings, Refusal};
use crate::model::{Amps, KilowattHours, LoadPointIx, Mode, Now, Percent, VehicleIx, Watts};

use super::settings::{PERCENT, member, mode};

/// Large enough for every wallbox; the pair rule minimum ≤ maximum is the core's.
const CURRENT: Option<(f64, f64)> = Some((0.0, 80.0));
const THRESHOLD: Option<(f64, f64)> = Some((-50_000.0, 50_000.0));
const DELAY: Option<(f64, f64)> = Some((0.0, 86_400.0));
/// No session of a car comes near this; evcc has no limit.
pub(super) const ENERGY: Option<(f64, f64)> = Some((0.0, 10_000.0));

pub(super) const ROWS: &[Field] = &[
    Field {
        key: "disableDelay",
        kind: Kind::Duration,
        unit: "s",
        doc: "How long the surplus must be missing before solar charging stops.",
        get: |view, ix| Value::duration(wish(view, ix).thresholds.disable_delay),
        write: Some(Write {
            name: "disableDelay",
            range: DELAY,
            rest: Rest::post(&["/loadpoints/{id}/disable/delay/{value}"])
                .answering(|view, ix| nanoseconds(wish(view, ix).thresholds.disable_delay)),
            set: Set::Duration(|control, now, ix, value| {
                control.set_disable_delay(now, LoadPointIx(ix), value)
            }),
            ..Write::SETTING
        }),
        ..Field::LOADPOINT
    },
    Field {
        key: "disableThreshold",
        kind: Kind::Float,
        unit: "W",
        doc: "Grid power from which on solar charging stops; 0 is when the minimum is not covered.",
        get: |view, ix| Value::from(wish(view, ix).thresholds.disable),
        write: Some(Write {
            name: "disableThreshold",
            range: THRESHOLD,
            rest: Rest::post(&["/loadpoints/{id}/disable/threshold/{value}"]),
            set: Set::Float(|control, now, ix, value| {
                control.set_disable_threshold(now, LoadPointIx(ix), Watts(value))
            }),
            ..Write::SETTING
        }),
        ..Field::LOADPOINT
    },
    Field {
        key: "enableDelay",
        kind: Kind::Duration,
        unit: "s",
        doc: "How long the surplus must last before solar charging starts.",
        get: |view, ix| Value::duration(wish(view, ix).thresholds.enable_delay),
        write: Some(Write {
            name: "enableDelay",
            range: DELAY,
            rest: Rest::post(&["/loadpoints/{id}/enable/delay/{value}"])
                .answering(|view, ix| nanoseconds(wish(view, ix).thresholds.enable_delay)),
            set: Set::Duration(|control, now, ix, value| {
                control.set_enable_delay(now, LoadPointIx(ix), value)
            }),
            ..Write::SETTING
        }),
        ..Field::LOADPOINT
    },
    Field {
        key: "enableThreshold",
        kind: Kind::Float,
        unit: "W",
        doc: "Grid power at which solar charging starts; negative is export, 0 is automatic.",
        get: |view, ix| Value::from(wish(view, ix).thresholds.enable),
        write: Some(Write {
            name: "enableThreshold",
            range: THRESHOLD,
            rest: Rest::post(&["/loadpoints/{id}/enable/threshold/{value}"]),
            set: Set::Float(|control, now, ix, value| {
                control.set_enable_threshold(now, LoadPointIx(ix), Watts(value))
            }),
            ..Write::SETTING
        }),
        ..Field::LOADPOINT
    },
    Field {
        key: "limitEnergy",
        kind: Kind::Float,
        unit: "kWh",
        doc: "The session ends after this energy; 0 is no limit; cleared when unplugged.",
        get: |view, ix| Value::float(wish(view, ix).limit_energy.0),
        write: Some(Write {
            name: "limitEnergy",
            range: ENERGY,
            rest: Rest::post(&["/loadpoints/{id}/limitenergy/{value}"]),
            set: Set::Float(|control, now, ix, energy| {
                control.set_limit_energy(now, LoadPointIx(ix), KilowattHours(energy))
            }),
            ..Write::SETTING
        }),
        ..Field::LOADPOINT
    },
    Field {
        key: "limitSoc",
        kind: Kind::Int,
        unit: "%",
        doc: "The session ends at this SoC; 0 is no limit; cleared when unplugged.",
        get: |view, ix| Value::int(wish(view, ix).limit_soc.0),
        write: Some(Write {
            name: "limitSoc",
            range: PERCENT,
            rest: Rest::post(&["/loadpoints/{id}/limitsoc/{value}"]),
            set: Set::Float(|control, now, ix, value| {
                control.set_limit_soc(now, LoadPointIx(ix), Percent(value))
            }),
            ..Write::SETTING
        }),
        ..Field::LOADPOINT
    },
    Field {
        key: "maxCurrent",
        kind: Kind::Float,
        unit: "A",
        doc: "The largest current per phase.",
        get: |view, ix| Value::float(wish(view, ix).max_current.0),
        write: Some(Write {
            name: "maxCurrent",
            range: CURRENT,
            rest: Rest::post(&["/loadpoints/{id}/maxcurrent/{value}"]),
            set: Set::Float(|control, now, ix, value| {
                control.set_max_current(now, LoadPointIx(ix), Amps(value))
            }),
            ..Write::SETTING
        }),
        ..Field::LOADPOINT
    },
    Field {
        key: "minCurrent",
        kind: Kind::Float,
        unit: "A",
        doc: "The smallest current per phase.",
        get: |view, ix| Value::float(wish(view, ix).min_current.0),
        write: Some(Write {
            name: "minCurrent",
            range: CURRENT,
            rest: Rest::post(&["/loadpoints/{id}/mincurrent/{value}"]),
            set: Set::Float(|control, now, ix, value| {
                control.set_min_current(now, LoadPointIx(ix), Amps(value))
            }),
            ..Write::SETTING
        }),
        ..Field::LOADPOINT
    },
    Field {
        key: "minSoc",
        kind: Kind::Int,
        unit: "%",
        doc: "Below this SoC the vehicle is charged fast in the solar modes; 0 is off.",
        get: |view, ix| Value::int(wish(view, ix).min_soc.0),
        write: Some(Write {
            name: "minSoc",
            range: PERCENT,
            rest: Rest::post(&[
                "/loadpoints/{id}/mintemp/{value}",
                "/loadpoints/{id}/minsoc/{value}",
            ]),
            set: Set::Float(|control, now, ix, value| {
                control.set_min_soc(now, LoadPointIx(ix), Percent(value))
            }),
            ..Write::SETTING
        }),
        ..Field::LOADPOINT
    },
    Field {
        key: "mode",
        kind: Kind::Enum(Mode::SPELLINGS),
        doc: "Off, surplus only, at least the minimum, or as fast as possible.",
        get: |view, ix| Value::word(wish(view, ix).mode.as_str()),
        write: Some(Write {
            name: "mode",
            rest: Rest::post(&["/loadpoints/{id}/mode/{value}"]),
            set: Set::Word(|control, now, ix, word| match word.and_then(mode) {
                Some(mode) => control.set_mode(now, LoadPointIx(ix), mode),
                None => Err(not_found(word.unwrap_or_default())),
            }),
            ..Write::SETTING
        }),
        ..Field::LOADPOINT
    },
    Field {
        key: "phasesConfigured",
        kind: Kind::Int,
        doc: "Phases to charge with: 1 or 3, or 0 for automatic.",
        get: |view, ix| Value::Int(i64::from(wish(view, ix).phases_configured)),
        write: Some(Write {
            name: "phasesConfigured",
            was: &["phases"],
            range: Some((0.0, 3.0)),
            rest: Rest::post(&["/loadpoints/{id}/phases/{value}"]),
            set: Set::Int(|control, now, ix, value| {
                control.set_phases_configured(now, LoadPointIx(ix), value)
            }),
            ..Write::SETTING
        }),
        unit: "phases",
        ..Field::LOADPOINT
    },
    Field {
        key: "priority",
        kind: Kind::Int,
        unit: "rank",
        doc: "Load points with a higher priority get the surplus first.",
        get: |view, ix| Value::Int(wish(view, ix).priority),
        write: Some(Write {
            name: "priority",
            range: Some((0.0, 10.0)),
            rest: Rest::post(&["/loadpoints/{id}/priority/{value}"]),
            set: Set::Int(|control, now, ix, value| {
                control.set_priority(now, LoadPointIx(ix), value)
            }),
            ..Write::SETTING
        }),
        ..Field::LOADPOINT
    },
    Field {
        key: "vehicleName",
        doc: "The assigned vehicle, or empty; written as `vehicle` by name or position.",
        get: |view, ix| Value::text(vehicle_of(view, ix).map_or("", |(name, _)| name)),
        write: Some(Write {
            name: "vehicle",
            clears: true,
            rest: Rest {
                method: Method::Post,
                set: &["/loadpoints/{id}/vehicle/{value}"],
                unset: Some("/loadpoints/{id}/vehicle"),
                answer: Some(|view, ix| match vehicle_of(view, ix) {
                    Some((_, title)) => member("vehicle", Value::text(title)),
                    None => Value::Object(Vec::new()),
                }),
            },
            set: Set::Word(set_vehicle),
            ..Write::SETTING
        }),
        ..Field::LOADPOINT
    },
];

fn wish<'a>(view: &View<'a>, ix: usize) -> &'a LoadPointSettings {
    &view.control.loadpoints()[ix].settings
}

/// Name and title of the vehicle of a load point.
fn vehicle_of<'a>(view: &View<'a>, ix: usize) -> Option<(&'a str, &'a str)> {
    let vehicle = view.control.loadpoints()[ix].vehicle?;
    let setup = &view.control.vehicles().get(vehicle.0)?.setup;
    Some((&setup.name, &setup.title))
}

/// By name, or by position from 1 as up to 0.122; a vehicle that is named with digits wins.
fn set_vehicle(
    control: &mut Control,
    now: Now,
    ix: usize,
    name: Option<&str>,
) -> Result<(), Refusal> {
    let Some(name) = name else {
        return control.set_vehicle(now, LoadPointIx(ix), None);
    };
    let vehicles = control.vehicles();
    let named = vehicles.iter().position(|vehicle| vehicle.setup.name == name);
    let vehicle = match (named, name.parse::<i64>()) {
        (Some(named), _) => Some(named),
        (None, Ok(..=0)) => None,
        (None, Ok(position)) => usize::try_from(position - 1)
            .ok()
            .filter(|position| *position < vehicles.len())
            .map(Some)
            .ok_or_else(|| not_found(name))?,
        (None, Err(_)) => return Err(not_found(name)),
    };
    control.set_vehicle(now, LoadPointIx(ix), vehicle.map(VehicleIx))
}

/// evcc takes seconds and answers nanoseconds (api.md §3.3).
fn nanoseconds(duration: Duration) -> Value {
    Value::Int(i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX))
}

fn not_found(name: &str) -> Refusal {
    Refusal::NotFound(name.to_owned())
}
