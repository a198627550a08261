//! What each device told last: `{value, error?}` by the keys of api.md §3.13.

use crate::control::{Circuit, LoadPoint, Meter, Operator, Vehicle};
use crate::model::{ChargeStatus, ChargerFeature, KilowattHours, Now, Percent};

use super::{Member, Value};

/// The device has not said it since we started.
const UNTOLD: &str = "not told yet";
/// It was said too long ago to act upon.
const STALE: &str = "outdated";

pub(super) fn meter(meter: &Meter, now: Now) -> Vec<Member> {
    let setup = &meter.setup;
    let power = match &meter.power {
        Some(power) if power.is_fresh(now, setup.timeout) => good(Value::float(power.value.0)),
        Some(power) => bad(Value::float(power.value.0), STALE),
        None => bad(Value::Null, UNTOLD),
    };
    let soc = meter.soc.as_ref().map(|soc| match soc.is_fresh(now, setup.timeout) {
        true => good(Value::float(soc.value.0)),
        false => bad(Value::float(soc.value.0), STALE),
    });
    known([
        ("power", Some(power)),
        ("energy", energy(meter.energy)),
        ("returnEnergy", energy(meter.return_energy)),
        ("phaseCurrents", phases(meter.currents.map(|amps| amps.map(|amps| amps.0)))),
        ("phasePowers", phases(meter.powers.map(|watts| watts.map(|watts| watts.0)))),
        ("soc", soc),
        ("capacity", energy(setup.capacity)),
        ("controllable", setup.controllable.then(|| good(Value::Bool(true)))),
    ])
}

pub(super) fn charger(lp: &LoadPoint, now: Now) -> Vec<Member> {
    let setup = &lp.setup.charger;
    let has = |feature| setup.features.contains(&feature);
    let flag = |set: bool| set.then(|| good(Value::Bool(true)));
    let power = lp.power.as_ref().map(|power| match power.is_fresh(now, None) {
        true => good(Value::float(power.value.0)),
        false => bad(Value::float(power.value.0), STALE),
    });
    known([
        ("chargeStatus", Some(charge_status(lp.status))),
        ("enabled", lp.status.map(|_| good(Value::Bool(lp.enabled)))),
        ("power", power),
        ("energy", energy(lp.energy)),
        ("phaseCurrents", phases(lp.currents.map(|amps| amps.map(|amps| amps.0)))),
        ("phaseVoltages", phases(lp.voltages.map(|volts| volts.map(|volts| volts.0)))),
        ("soc", percent(lp.charger_soc)),
        (
            if has(ChargerFeature::Heating) { "heaterTempLimit" } else { "vehicleLimitSoc" },
            percent(lp.charger_limit_soc),
        ),
        ("phases1p3p", flag(setup.phase_switching)),
        ("heating", flag(has(ChargerFeature::Heating))),
        ("integratedDevice", flag(has(ChargerFeature::IntegratedDevice))),
        ("switchDevice", flag(has(ChargerFeature::SwitchDevice))),
        ("icon", setup.icon.as_deref().map(|icon| good(Value::text(icon)))),
        ("identifier", lp.identity.as_deref().map(|identity| good(Value::text(identity)))),
    ])
}

pub(super) fn vehicle(vehicle: &Vehicle) -> Vec<Member> {
    let number = |number: Option<f64>| number.map(|number| good(Value::float(number)));
    known([
        ("soc", percent(vehicle.soc)),
        ("capacity", energy(vehicle.setup.capacity)),
        ("range", number(vehicle.range_km)),
        ("odometer", number(vehicle.odometer_km)),
        ("vehicleLimitSoc", percent(vehicle.limit_soc)),
        ("chargeStatus", vehicle.status.map(|status| charge_status(Some(status)))),
    ])
}

pub(super) fn circuit(circuit: &Circuit) -> Vec<Member> {
    let power = match circuit.power {
        Some(power) if circuit.silent => bad(Value::float(power.0), STALE),
        Some(power) => good(Value::float(power.0)),
        None => bad(Value::Null, UNTOLD),
    };
    known([("power", Some(power))])
}

pub(super) fn operator(operator: &Operator) -> Vec<Member> {
    let limit = operator.limit.map(|limit| limit.0);
    let dimmed = good(Value::Bool(limit.is_some()));
    let dimmed = if operator.lost { bad(Value::Bool(true), STALE) } else { dimmed };
    known([("dimmed", Some(dimmed)), ("dimLimit", limit.map(|limit| good(Value::float(limit))))])
}

/// The keys that have a value, in order.
fn known<const N: usize>(entries: [(&'static str, Option<Value>); N]) -> Vec<Member> {
    let told = |(key, value): (&'static str, Option<Value>)| Some((key.into(), value?));
    entries.into_iter().filter_map(told).collect()
}

fn good(value: Value) -> Value {
    Value::Object(vec![("value".into(), value)])
}

fn bad(value: Value, error: &'static str) -> Value {
    Value::Object(vec![("value".into(), value), ("error".into(), Value::word(error))])
}

fn charge_status(status: Option<ChargeStatus>) -> Value {
    match status {
        Some(status) => good(Value::word(status.as_str())),
        None => bad(Value::Null, UNTOLD),
    }
}

fn energy(energy: Option<KilowattHours>) -> Option<Value> {
    energy.map(|energy| good(Value::float(energy.0)))
}

fn percent(percent: Option<Percent>) -> Option<Value> {
    percent.map(|percent| good(Value::float(percent.0)))
}

/// All three or none.
fn phases(phases: [Option<f64>; 3]) -> Option<Value> {
    let all: Option<Vec<Value>> = phases.into_iter().map(|phase| phase.map(Value::float)).collect();
    all.map(|all| good(Value::List(all)))
}
