//! Circuits and the grid operator (api.md §1.5.6, §4.5).

use crate::api::Value;
use crate::api::field::{Cadence, Field, Kind, View};
use crate::control::Circuit;

pub(super) const SITE: &[Field] = &[
    Field {
        key: "circuits",
        kind: Kind::Object,
        cadence: Cadence::Sampled,
        doc: "The circuits by name: what they carry and what they may carry; absent without any.",
        get: circuits,
        ..Field::SITE
    },
    Field {
        key: "hems",
        kind: Kind::Object,
        doc: "Whether the grid operator can limit what is drawn or fed in, and what it allows.",
        get: operator,
        ..Field::SITE
    },
];

pub(super) const LOADPOINT: &[Field] = &[Field {
    key: "dimmed",
    kind: Kind::Bool,
    doc: "The grid operator limits the consumption; absent if it cannot.",
    get: |view, _| {
        let operator = view.control.circuits().operator.as_ref();
        operator.map_or(Value::Absent, |operator| Value::Bool(operator.limit.is_some()))
    },
    ..Field::LOADPOINT
}];

fn circuits(view: &View<'_>, _: usize) -> Value {
    let circuits = &view.control.circuits().circuits;
    if circuits.is_empty() {
        return Value::Absent;
    }
    let member = |circuit: &Circuit| {
        let parent = circuit.setup.parent.and_then(|ix| circuits.get(ix.0));
        (circuit.setup.name.clone().into(), told(circuit, parent))
    };
    Value::Object(circuits.iter().map(member).collect())
}

/// One circuit. `fresh` is an addition of ours: false while its meter is missed.
fn told(circuit: &Circuit, parent: Option<&Circuit>) -> Value {
    let setup = &circuit.setup;
    let text = |text: &str| if text.is_empty() { Value::Absent } else { Value::text(text) };
    let number = Value::float_or_absent;
    let current = circuit.current.filter(|_| setup.max_current.is_some());
    Value::Object(vec![
        ("title".into(), text(&setup.title)),
        ("parent".into(), text(parent.map_or("", |parent| &parent.setup.name))),
        ("power".into(), Value::float(circuit.power.map_or(0.0, |power| power.0))),
        ("current".into(), number(current.map(|current| current.0))),
        ("maxPower".into(), number(setup.max_power.map(|power| power.0))),
        ("maxCurrent".into(), number(setup.max_current.map(|current| current.0))),
        ("fresh".into(), Value::Bool(!circuit.silent)),
    ])
}

/// What control has of the grid operator; `fresh` is an addition of ours: false once the signal is lost.
fn operator(view: &View<'_>, _: usize) -> Value {
    let circuits = view.control.circuits();
    let (operator, feed_in) = (circuits.operator.as_ref(), circuits.feed_in.as_ref());
    let configured = Value::Bool(operator.is_some() || feed_in.is_some());
    let mut members =
        vec![("config".into(), Value::Object(vec![("configured".into(), configured)]))];
    let mut status = Vec::new();
    if let Some(operator) = operator {
        let limit = operator.limit.map(|power| power.0);
        status.push(("dimmed".into(), Value::Bool(limit.is_some())));
        status.push(("maxConsumptionPower".into(), Value::float_or_absent(limit)));
    }
    if let Some(feed_in) = feed_in {
        let share = feed_in.limit.map_or(100.0, |percent| percent.0);
        status.push(("curtailed".into(), Value::int(share)));
        let power = feed_in.power().map(|power| power.0);
        status.push(("maxProductionPower".into(), Value::float_or_absent(power)));
    }
    if !status.is_empty() {
        let lost =
            operator.is_some_and(|known| known.lost) || feed_in.is_some_and(|known| known.lost);
        status.push(("fresh".into(), Value::Bool(!lost)));
        members.push(("status".into(), Value::Object(status)));
    }
    Value::Object(members)
}
