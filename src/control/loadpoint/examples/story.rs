//! An example comes to life: its words become a load point, what it does becomes words again.

use std::time::Duration;

use chrono::{TimeZone, Utc};
use serde_json::Value;

use super::super::timer::Timer;
use super::super::*;
use crate::control::circuit::{Budget, Load, Node};
use crate::model::{ChargerSetup, Thresholds};

pub(super) fn now(seconds: f64) -> Now {
    // Far enough from the origin that ages of a day can be expressed.
    let start =
        Now { mono: Mono(1_000_000_000), utc: Utc.timestamp_opt(1_800_000_000, 0).unwrap() };
    start.later(Duration::from_millis((seconds * 1000.0).round() as u64))
}

pub(super) fn number(value: &Value, key: &str, default: f64) -> f64 {
    value[key].as_f64().unwrap_or(default)
}

pub(super) fn integer(value: &Value, key: &str, default: u8) -> u8 {
    value[key].as_u64().map_or(default, |number| u8::try_from(number).unwrap())
}

pub(super) fn flag(value: &Value, key: &str) -> bool {
    value[key].as_bool().unwrap_or(false)
}

pub(super) fn text<'a>(value: &'a Value, key: &str, default: &'a str) -> &'a str {
    value[key].as_str().unwrap_or(default)
}

pub(super) fn amps(value: &Value, key: &str) -> Option<Amps> {
    value[key].as_f64().filter(|amps| *amps > 0.0).map(Amps)
}

pub(super) fn timer<A>(value: &Value, action: A, now: Now) -> Timer<A> {
    if value == "elapsed" {
        return Timer::Elapsed;
    }
    value.as_f64().map_or(Timer::Idle, |age| Timer::Running {
        action,
        since: now.mono - Duration::from_secs_f64(age),
    })
}

pub(super) fn boost(word: &str) -> Boost {
    match word {
        "disabled" => Boost::Off,
        "start" => Boost::Start,
        "continue" => Boost::Continue,
        "hold" => Boost::Hold,
        other => panic!("boost {other}"),
    }
}

/// Builds the load point that an example describes (vocabulary in control.md §30).
pub(super) fn loadpoint(lp: &Value, now: Now) -> (LoadPoint, VehicleView) {
    let positive = |key: &str| Some(integer(lp, key, 0)).filter(|phases| *phases > 0);
    let switchable = flag(lp, "switchable");
    let phases = integer(lp, "phases", 3);
    let setup = LoadPointSetup {
        name: "lp-1".into(),
        phases_configured: integer(lp, "phases_configured", if switchable { 0 } else { phases }),
        min_current: Amps(number(lp, "min_current", 6.0)),
        max_current: Amps(number(lp, "max_current", 16.0)),
        thresholds: Thresholds {
            enable: Watts(number(lp, "enable_threshold", 0.0)),
            enable_delay: Duration::from_secs_f64(number(lp, "enable_delay", 60.0)),
            disable: Watts(number(lp, "disable_threshold", 0.0)),
            disable_delay: Duration::from_secs_f64(number(lp, "disable_delay", 180.0)),
        },
        charger: ChargerSetup {
            phase_switching: switchable,
            physical_phases: positive("charger_phases"),
            milliamps: flag(lp, "milli"),
            has_power: true,
            min_current: amps(lp, "charger_min"),
            max_current: amps(lp, "charger_max"),
            features: Vec::from_iter(
                flag(lp, "integrated").then_some(ChargerFeature::IntegratedDevice),
            ),
            ..ChargerSetup::default()
        },
        ..LoadPointSetup::default()
    };
    let mut loadpoint = LoadPoint::new(setup, now);
    loadpoint.settings.mode = text(lp, "mode", "pv").parse().unwrap();
    loadpoint.settings.limit_soc = Percent(number(lp, "limit_soc", 0.0));
    loadpoint.settings.min_soc = Percent(number(lp, "min_soc", 0.0));
    loadpoint.settings.limit_energy = KilowattHours(number(lp, "limit_energy", 0.0));
    loadpoint.phases = phases;
    loadpoint.measured_phases = integer(lp, "measured", 0);
    loadpoint.offered = Amps(number(lp, "offered", 0.0));
    loadpoint.taken = loadpoint.offered;
    loadpoint.enabled = lp["enabled"].as_bool().unwrap_or(true);
    loadpoint.enabled_known = true;
    loadpoint.account.live.energy = crate::model::WattHours(number(lp, "charged_wh", 0.0));
    if let Some(currents) = lp["currents"].as_array() {
        for (slot, current) in loadpoint.currents.iter_mut().zip(currents) {
            *slot = current.as_f64().map(Amps);
        }
    }
    if let Some(age) = lp["phase_switch_age"].as_f64() {
        loadpoint.phases_switched = Some(now.mono - Duration::from_secs_f64(age));
    }
    set_timers(&mut loadpoint, lp, now);
    see(&mut loadpoint, lp, now);
    let capacity = lp["capacity"].as_f64().or(flag(lp, "soc_planning").then_some(60.0));
    let view = VehicleView {
        present: capacity.is_some(),
        capacity: capacity.map(KilowattHours),
        phases: integer(lp, "vehicle_phases", 0),
        min_current: amps(lp, "vehicle_min"),
        max_current: amps(lp, "vehicle_max"),
        soc: lp["soc"].as_f64().filter(|soc| *soc > 0.0).map(Percent),
        climate: flag(lp, "climater"),
        ..VehicleView::default()
    };
    (loadpoint, view)
}

/// What was asked for and which delays were running before.
pub(super) fn set_timers(loadpoint: &mut LoadPoint, lp: &Value, now: Now) {
    loadpoint.settings.battery_boost_limit = Percent(number(lp, "boost_limit", 100.0));
    loadpoint.boost = boost(text(lp, "boost", "disabled"));
    if flag(lp, "welcome") {
        loadpoint.welcome_until = Some(now.mono + Duration::from_secs(180));
    }
    let action = if loadpoint.enabled { PvAction::Disable } else { PvAction::Enable };
    loadpoint.pv_timer = timer(&lp["pv_timer"], action, now);
    let action = if loadpoint.phases == 1 { PhaseAction::Scale3p } else { PhaseAction::Scale1p };
    loadpoint.phase_timer = timer(&lp["phase_timer"], action, now);
    loadpoint.smart_cost.active = flag(lp, "smart_cost");
    loadpoint.smart_feed_in.active = flag(lp, "smart_feedin");
}

/// What a circuit, whose meter has just spoken, leaves for the only load point in it.
pub(super) fn circuit(circuit: &Value, loadpoint: &LoadPoint, view: &VehicleView, now: Now) -> Cap {
    let volts = Volts(230.0);
    let limit = |key: &str| circuit[key].as_f64();
    let (most, least) = (Amps(f64::INFINITY), Watts(f64::INFINITY));
    let limit_of = Load::even(
        limit("max_current").map_or(most, Amps),
        limit("max_power").map_or(least, Watts),
    );
    let draw = loadpoint.draw(now, volts, view);
    let measured =
        Load::even(Amps(number(circuit, "current", 0.0)), Watts(number(circuit, "power", 0.0)));
    let rest = measured - draw.least;
    let fuse = Node { limit: limit_of, most: rest, least: rest, operator: false };
    let hems = Load { power: limit("hems").map_or(least, Watts), ..Load::infinite() };
    let operator = Node { limit: hems, operator: true, ..fuse };
    let claim = loadpoint.claim(now, vec![0, 1], &draw, volts, view);
    Budget::new(volts, vec![fuse, operator], vec![claim], &[0]).cap(0)
}

/// What the meters of the load point show; no events, the examples start in the middle.
pub(super) fn see(loadpoint: &mut LoadPoint, seen: &Value, now: Now) {
    if loadpoint.status.is_none() || seen["status"].is_string() {
        loadpoint.status = Some(text(seen, "status", "C").parse().unwrap());
    }
    let power = Watts(number(seen, "charge_power", loadpoint.charge_power().0));
    loadpoint.power = Some(Reading::next(None, power, now, Origin::Live));
}

/// One evaluation. The meters have shown every earlier command.
pub(super) fn evaluate(
    loadpoint: &mut LoadPoint,
    view: &VehicleView,
    input: &Value,
    now: Now,
) -> Vec<Value> {
    let voltage = Volts(number(input, "voltage", 230.0));
    loadpoint.in_flight = None;
    loadpoint.refresh(now, Some(now.mono), voltage, Mix::default(), view);
    let site = Watts(number(input, "site", 0.0));
    let site = SiteView {
        voltage,
        grid: GridView::Known { site, site_granted: site },
        buffered: flag(input, "buffered"),
        buffer_start: flag(input, "start"),
        battery: BatteryView {
            power: Some(Watts(number(input, "bat", 0.0))),
            soc: input["battery_soc"].as_f64().map(Percent),
            max_discharge: input["max_discharge"].as_f64().map(Watts),
            ..BatteryView::default()
        },
    };
    loadpoint.decide(now, &site, view);
    loadpoint.take_commands().into_iter().filter_map(spell).collect()
}

pub(super) fn spell(command: ChargerCommand) -> Option<Value> {
    let whole = |value: f64| {
        if value.fract() == 0.0 { (value as i64).into() } else { Value::from(value) }
    };
    Some(match command {
        ChargerCommand::MaxCurrent(current) => serde_json::json!({"current": whole(current.0)}),
        ChargerCommand::Enable(on) => serde_json::json!({"enable": on}),
        ChargerCommand::Phases(phases) => serde_json::json!({"phases": phases}),
        ChargerCommand::WakeUp | ChargerCommand::Renew => return None,
    })
}

pub(super) fn timer_word<A: Copy + PartialEq>(timer: &Timer<A>) -> &'static str {
    match timer {
        Timer::Idle => "none",
        Timer::Elapsed => "elapsed",
        Timer::Running { .. } => "running",
    }
}

/// Everything an example expects besides the commands.
pub(super) fn check(id: &str, loadpoint: &LoadPoint, expected: &Value, now: Now) {
    if let Some(word) = expected["pv"].as_str() {
        assert_eq!(timer_word(&loadpoint.pv_timer), word, "{id}: pv timer");
    }
    if let Some(word) = expected["phase"].as_str() {
        assert_eq!(timer_word(&loadpoint.phase_timer), word, "{id}: phase timer");
    }
    if let Some(phases) = expected["phases"].as_u64() {
        assert_eq!(u64::from(loadpoint.phases), phases, "{id}: phases");
    }
    if let Some(word) = expected["boost"].as_str() {
        // The ramp is our own first part of it.
        let ramps = matches!(loadpoint.boost, Boost::Ramp { .. });
        let state = if ramps { Boost::Continue } else { loadpoint.boost };
        assert_eq!(state, boost(word), "{id}: boost");
    }
    let remaining = |due: Option<Mono>| due.map_or(0, |due| due.since(now.mono).as_secs());
    let public = [
        ("pvAction", Value::from(loadpoint.pv_action.0.as_str())),
        ("pvRemaining", Value::from(remaining(loadpoint.pv_action.1))),
        ("phaseAction", Value::from(loadpoint.phase_action.0.as_str())),
        ("phaseRemaining", Value::from(remaining(loadpoint.phase_action.1))),
    ];
    for (key, value) in public {
        if !expected["pub"][key].is_null() {
            assert_eq!(value, expected["pub"][key], "{id}: {key}");
        }
    }
}
