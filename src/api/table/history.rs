//! What the history adds up to (api.md §4.1, §4.3).

use crate::api::Value;
use crate::api::field::{Cadence, Field, Kind};
use crate::model::WattHours;

pub(super) const SITE: &[Field] = &[Field {
    key: "historyUpdated",
    kind: Kind::Time,
    doc: "The start of the quarter of an hour that was recorded last.",
    get: |view, _| view.control.history().recorded().map_or(Value::Absent, Value::time),
    ..Field::SITE
}];

const ENERGY: Field =
    Field { kind: Kind::Float, unit: "Wh", cadence: Cadence::Sampled, ..Field::LOADPOINT };

pub(super) const LOADPOINT: &[Field] = &[
    Field {
        key: "last24hEnergy",
        doc: "Charged in the 24 hours before the running quarter of an hour.",
        get: |view, ix| whole(view.control.history().charged(ix).last_24h),
        ..ENERGY
    },
    Field {
        key: "last7dEnergy",
        doc: "Charged in the seven days before the running quarter of an hour.",
        get: |view, ix| whole(view.control.history().charged(ix).last_7d),
        ..ENERGY
    },
    Field {
        key: "todayEnergy",
        doc: "Charged since local midnight.",
        get: |view, ix| whole(view.control.history().charged(ix).today),
        ..ENERGY
    },
];

fn whole(energy: WattHours) -> Value {
    Value::int(energy.0)
}
