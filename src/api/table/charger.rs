//! What the charger of a load point is (api.md §4.3).

use crate::api::Value;
use crate::api::field::{Cadence, Field, Kind, View};
use crate::model::{ChargerFeature, ChargerSetup};

const ONCE: Field = Field { cadence: Cadence::Once, ..Field::LOADPOINT };

pub(super) const ROWS: &[Field] = &[
    Field {
        key: "chargerFeatureContinuous",
        kind: Kind::Bool,
        doc: "`Disabled` still means normal operation.",
        get: |view, ix| {
            Value::Bool(charger(view, ix).features.contains(&ChargerFeature::Continuous))
        },
        ..ONCE
    },
    Field {
        key: "chargerFeatureHeating",
        kind: Kind::Bool,
        doc: "SoC is a temperature.",
        get: |view, ix| Value::Bool(charger(view, ix).features.contains(&ChargerFeature::Heating)),
        ..ONCE
    },
    Field {
        key: "chargerFeatureIntegratedDevice",
        kind: Kind::Bool,
        doc: "Always connected, no vehicles.",
        get: |view, ix| {
            Value::Bool(charger(view, ix).features.contains(&ChargerFeature::IntegratedDevice))
        },
        ..ONCE
    },
    Field {
        key: "chargerFeatureSwitchDevice",
        kind: Kind::Bool,
        doc: "On and off only.",
        get: |view, ix| {
            Value::Bool(charger(view, ix).features.contains(&ChargerFeature::SwitchDevice))
        },
        ..ONCE
    },
    Field {
        key: "chargerFeatureWelcomeCharge",
        kind: Kind::Bool,
        doc: "Offers current once after plugging in.",
        get: |view, ix| {
            Value::Bool(charger(view, ix).features.contains(&ChargerFeature::WelcomeCharge))
        },
        ..ONCE
    },
    Field {
        key: "chargerIcon",
        doc: "Icon name for user interfaces; empty is the default.",
        get: |view, ix| Value::text(charger(view, ix).icon.as_deref().unwrap_or_default()),
        ..ONCE
    },
    Field {
        key: "chargerPhases1p3p",
        kind: Kind::Bool,
        doc: "The charger can switch between one and three phases.",
        get: |view, ix| Value::Bool(charger(view, ix).phase_switching),
        ..ONCE
    },
    Field {
        key: "chargerSinglePhase",
        kind: Kind::Bool,
        doc: "The charger has one phase only.",
        get: |view, ix| Value::Bool(charger(view, ix).physical_phases == Some(1)),
        ..ONCE
    },
];

fn charger<'a>(view: &View<'a>, ix: usize) -> &'a ChargerSetup {
    &view.control.loadpoints()[ix].setup.charger
}
