//! The session of a load point and what all sessions come to (api.md §4.3, §4.6).

use std::borrow::Cow;

use crate::api::Value;
use crate::api::field::{Cadence, Field, Kind, View};
use crate::control::Session;
use crate::model::PeriodStatistics;

const SAMPLED: Field = Field { cadence: Cadence::Sampled, ..Field::LOADPOINT };

pub(super) const LOADPOINT: &[Field] = &[
    Field {
        key: "chargedEnergy",
        kind: Kind::Float,
        unit: "Wh",
        doc: "The older twin of `sessionEnergy`.",
        get: |view, ix| Value::float(session(view, ix).energy.0),
        ..SAMPLED
    },
    Field {
        key: "sessionCo2PerKWh",
        kind: Kind::Float,
        unit: "g/kWh",
        doc: "Emission of this session, over the energy of known emission.",
        get: |view, ix| session(view, ix).co2_per_kwh().map_or(Value::Null, Value::float),
        ..SAMPLED
    },
    Field {
        key: "sessionEnergy",
        kind: Kind::Float,
        unit: "Wh",
        doc: "Energy charged in this session.",
        get: |view, ix| Value::float(session(view, ix).energy.0),
        ..SAMPLED
    },
    Field {
        key: "sessionPrice",
        kind: Kind::Float,
        unit: "currency",
        doc: "What the energy of known price in this session costs.",
        get: |view, ix| session(view, ix).price().map_or(Value::Null, Value::float),
        ..SAMPLED
    },
    Field {
        key: "sessionPriceCoverage",
        kind: Kind::Float,
        unit: "%",
        doc: "The part of the energy of this session whose price is known.",
        get: |view, ix| session(view, ix).price_coverage().map_or(Value::Null, Value::float),
        ..SAMPLED
    },
    Field {
        key: "sessionPricePerKWh",
        kind: Kind::Price,
        unit: "currency/kWh",
        doc: "Price per energy of this session, over the energy of known price.",
        get: |view, ix| session(view, ix).price_per_kwh().map_or(Value::Null, Value::price),
        ..SAMPLED
    },
    Field {
        key: "sessionSolarPercentage",
        kind: Kind::Float,
        unit: "%",
        doc: "Green share of the energy of this session.",
        get: |view, ix| Value::float(session(view, ix).solar_percentage().unwrap_or(0.0)),
        ..SAMPLED
    },
];

pub(super) const SITE: &[Field] = &[Field {
    key: "statistics",
    kind: Kind::Object,
    doc: "What the sessions of 30 days, 365 days, this year and all years come to.",
    get: |view, _| {
        let Some(all) = view.control.statistics() else { return Value::Absent };
        let periods = [
            ("30d", all.last_30d),
            ("365d", all.last_365d),
            ("thisYear", all.this_year),
            ("total", all.total),
        ];
        Value::Object(periods.map(|(name, period)| (Cow::Borrowed(name), told(period))).to_vec())
    },
    ..Field::SITE
}];

fn session<'a>(view: &View<'a>, ix: usize) -> &'a Session {
    view.control.loadpoints()[ix].session()
}

fn told(period: PeriodStatistics) -> Value {
    let members = [
        ("avgCo2", Value::float(period.co2_per_kwh)),
        ("avgPrice", Value::price(period.price_per_kwh)),
        ("chargedKWh", Value::float(period.charged.0)),
        ("solarPercentage", Value::float(period.solar_percentage)),
    ];
    Value::Object(members.map(|(name, value)| (Cow::Borrowed(name), value)).to_vec())
}
