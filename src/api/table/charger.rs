//! What the charger of a load point is (api.md §4.3).

use crate::api::Value;
use crate::api::field::{Cadence, Field, Kind, View};
use crate::model::{ChargeStatus, ChargerFeature, ChargerSetup, StatusReason};

const ONCE: Field = Field { cadence: Cadence::Once, ..Field::LOADPOINT };

/// The row of a feature; getters cannot capture, so each is written out by this.
macro_rules! feature {
    ($key:literal, $feature:ident, $doc:literal) => {
        Field {
            key: $key,
            kind: Kind::Bool,
            doc: $doc,
            get: |view, ix| {
                Value::Bool(charger(view, ix).features.contains(&ChargerFeature::$feature))
            },
            ..ONCE
        }
    };
}

pub(super) const ROWS: &[Field] = &[
    feature!(
        "chargerFeatureAutodetectDisabled",
        AutodetectDisabled,
        "Vehicles are not detected here."
    ),
    feature!("chargerFeatureAverage", Average, "Values are averages."),
    feature!("chargerFeatureCacheable", Cacheable, "Values may be cached."),
    feature!("chargerFeatureClimaterDisabled", ClimaterDisabled, "Climate requests are ignored."),
    feature!("chargerFeatureCoarseCurrent", CoarseCurrent, "Takes whole amperes only."),
    feature!("chargerFeatureContinuous", Continuous, "`Disabled` still means normal operation."),
    feature!("chargerFeatureHeating", Heating, "SoC is a temperature."),
    feature!("chargerFeatureIntegratedDevice", IntegratedDevice, "Always connected, no vehicles."),
    feature!("chargerFeatureOffline", Offline, "Has no telemetry."),
    feature!("chargerFeatureRetryable", Retryable, "Is tried again when it fails at start."),
    feature!("chargerFeatureStreaming", Streaming, "Pushes its values."),
    feature!("chargerFeatureSwitchDevice", SwitchDevice, "On and off only."),
    feature!("chargerFeatureWakeUpDisabled", WakeUpDisabled, "Never wakes the vehicle."),
    feature!(
        "chargerFeatureWelcomeCharge",
        WelcomeCharge,
        "Offers current once after plugging in."
    ),
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
    Field {
        key: "chargerStatusReason",
        kind: Kind::Enum(StatusReason::SPELLINGS),
        doc: "Why the charger does not charge the car that is on it, if it says so.",
        get: |view, ix| {
            let lp = &view.control.loadpoints()[ix];
            // Chargers are asked in state B only (plans-vehicles-devices.md §8.2).
            let waits = lp.status == Some(ChargeStatus::Connected);
            let reason = if waits { lp.status_reason } else { StatusReason::Unknown };
            Value::word(reason.as_str())
        },
        ..Field::LOADPOINT
    },
    Field {
        key: "ui",
        kind: Kind::Object,
        unit: "°C",
        doc: "The range that user interfaces show of a heating device; 0 is no limit.",
        get: |view, ix| {
            let display = charger(view, ix).display;
            Value::Object(vec![
                ("minTemp".into(), Value::float(display.min)),
                ("maxTemp".into(), Value::float(display.max)),
            ])
        },
        ..ONCE
    },
];

fn charger<'a>(view: &View<'a>, ix: usize) -> &'a ChargerSetup {
    &view.control.loadpoints()[ix].setup.charger
}
