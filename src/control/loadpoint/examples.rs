//! The worked examples of control.md §30 and §31 that concern one load point, run one evaluation per step.

use std::time::Duration;

use chrono::{TimeZone, Utc};
use serde_json::Value;

use super::timer::Timer;
use super::*;
use crate::control::circuit::{Budget, Load, Node};
use crate::model::ChargerSetup;

/// Examples that we differ from on purpose, each with the reason (control.md §32).
const DIFFERENT: &[(&str, &str)] = &[
    ("W17", "Q35: no disable delay runs while the battery supports"),
    ("W27", "Q25: the base is rescaled after 3p to 1p, so the surplus is used at once"),
    ("T03", "Q25"),
    ("W67", "Q11: 0 A is off"),
    ("W68", "Q10: off is always possible"),
    ("W69", "Q09: off comes before a phase switch that fails"),
    ("W70", "Q08: the largest minimum counts"),
];

fn now(seconds: f64) -> Now {
    // Far enough from the origin that ages of a day can be expressed.
    let start =
        Now { mono: Mono(1_000_000_000), utc: Utc.timestamp_opt(1_800_000_000, 0).unwrap() };
    start.later(Duration::from_millis((seconds * 1000.0).round() as u64))
}

fn number(value: &Value, key: &str, default: f64) -> f64 {
    value[key].as_f64().unwrap_or(default)
}

fn integer(value: &Value, key: &str, default: u8) -> u8 {
    value[key].as_u64().map_or(default, |number| u8::try_from(number).unwrap())
}

fn flag(value: &Value, key: &str) -> bool {
    value[key].as_bool().unwrap_or(false)
}

fn text<'a>(value: &'a Value, key: &str, default: &'a str) -> &'a str {
    value[key].as_str().unwrap_or(default)
}

fn amps(value: &Value, key: &str) -> Option<Amps> {
    value[key].as_f64().filter(|amps| *amps > 0.0).map(Amps)
}

fn timer<A>(value: &Value, action: A, now: Now) -> Timer<A> {
    if value == "elapsed" {
        return Timer::Elapsed;
    }
    value.as_f64().map_or(Timer::Idle, |age| Timer::Running {
        action,
        since: now.mono - Duration::from_secs_f64(age),
    })
}

fn boost(word: &str) -> Boost {
    match word {
        "disabled" => Boost::Off,
        "start" => Boost::Start,
        "continue" => Boost::Continue,
        "hold" => Boost::Hold,
        other => panic!("boost {other}"),
    }
}

/// Builds the load point that an example describes (vocabulary in control.md §30).
fn loadpoint(lp: &Value, now: Now) -> (LoadPoint, VehicleView) {
    let positive = |key: &str| Some(integer(lp, key, 0)).filter(|phases| *phases > 0);
    let switchable = flag(lp, "switchable");
    let phases = integer(lp, "phases", 3);
    let setup = LoadPointSetup {
        name: "lp-1".into(),
        title: String::new(),
        default_mode: None,
        priority: 0,
        phases_configured: integer(lp, "phases_configured", if switchable { 0 } else { phases }),
        min_current: Amps(number(lp, "min_current", 6.0)),
        max_current: Amps(number(lp, "max_current", 16.0)),
        thresholds: Thresholds {
            enable: Watts(number(lp, "enable_threshold", 0.0)),
            enable_delay: Duration::from_secs_f64(number(lp, "enable_delay", 60.0)),
            disable: Watts(number(lp, "disable_threshold", 0.0)),
            disable_delay: Duration::from_secs_f64(number(lp, "disable_delay", 180.0)),
        },
        wiring: crate::model::Wiring::default(),
        vehicle: None,
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
    loadpoint.session.energy = crate::model::WattHours(number(lp, "charged_wh", 0.0));
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
fn set_timers(loadpoint: &mut LoadPoint, lp: &Value, now: Now) {
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
fn circuit(circuit: &Value, loadpoint: &LoadPoint, view: &VehicleView, now: Now) -> Cap {
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
fn see(loadpoint: &mut LoadPoint, seen: &Value, now: Now) {
    if loadpoint.status.is_none() || seen["status"].is_string() {
        loadpoint.status = Some(text(seen, "status", "C").parse().unwrap());
    }
    let power = Watts(number(seen, "charge_power", loadpoint.charge_power().0));
    loadpoint.power = Some(Reading::next(None, power, now, Origin::Live));
}

/// One evaluation. The meters have shown every earlier command.
fn evaluate(loadpoint: &mut LoadPoint, view: &VehicleView, input: &Value, now: Now) -> Vec<Value> {
    let voltage = Volts(number(input, "voltage", 230.0));
    loadpoint.in_flight = None;
    loadpoint.refresh(now, Some(now.mono), voltage, 0.0, view);
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

fn spell(command: ChargerCommand) -> Option<Value> {
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

fn timer_word<A: Copy + PartialEq>(timer: &Timer<A>) -> &'static str {
    match timer {
        Timer::Idle => "none",
        Timer::Elapsed => "elapsed",
        Timer::Running { .. } => "running",
    }
}

/// Everything an example expects besides the commands.
fn check(id: &str, loadpoint: &LoadPoint, expected: &Value, now: Now) {
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

fn rows(file: &str) -> Vec<Value> {
    serde_json::from_str(file).unwrap()
}

fn is_different(id: &str) -> bool {
    DIFFERENT.iter().any(|(different, _)| *different == id)
}

#[test]
fn strategy() {
    let mut run = 0;
    for row in rows(include_str!("../../../tests/data/examples/strategy.json")) {
        let id = row["id"].as_str().unwrap();
        if is_different(id) {
            continue;
        }
        let now = now(0.0);
        let (mut loadpoint, view) = loadpoint(&row["lp"], now);
        if !row["lp"]["circuit"].is_null() {
            loadpoint.set_cap(circuit(&row["lp"]["circuit"], &loadpoint, &view, now));
        }
        let mut input = row["in"].clone();
        input["max_discharge"] = row["lp"]["max_discharge"].clone();
        let mut commands = evaluate(&mut loadpoint, &view, &input, now);
        if flag(&row["lp"], "phase_switch_fails") {
            for command in commands.extract_if(.., |command| !command["phases"].is_null()) {
                let phases = u8::try_from(command["phases"].as_u64().unwrap()).unwrap();
                loadpoint.done(
                    now,
                    ChargerCommand::Phases(phases),
                    crate::model::Outcome::NotAvailable,
                );
            }
        }
        assert_eq!(Value::from(commands), row["commands"], "{id}: {}", row["note"]);
        check(id, &loadpoint, &row, now);
        run += 1;
    }
    assert_eq!(run, 65, "examples that were run");
}

#[test]
fn sequences() {
    for row in rows(include_str!("../../../tests/data/examples/sequence.json")) {
        let id = row["id"].as_str().unwrap();
        if is_different(id) {
            continue;
        }
        let (mut loadpoint, view) = loadpoint(&row["lp"], now(0.0));
        for step in row["steps"].as_array().unwrap() {
            let now = now(step["t"].as_f64().unwrap());
            see(&mut loadpoint, step, now);
            let commands = evaluate(&mut loadpoint, &view, step, now);
            assert_eq!(Value::from(commands), step["commands"], "{id} at {} s", step["t"]);
            check(id, &loadpoint, step, now);
        }
    }
}

#[test]
fn hysteresis() {
    for row in rows(include_str!("../../../tests/data/examples/hysteresis.json")) {
        for status in ["B", "C"] {
            let enabled = flag(&row, "enabled");
            let description = serde_json::json!({
                "status": status, "enabled": enabled, "enable_delay": 60, "disable_delay": 60,
                "enable_threshold": row["enable"], "disable_threshold": row["disable"], "milli": true,
            });
            let (mut loadpoint, view) = loadpoint(&description, now(0.0));
            for step in row["series"].as_array().unwrap() {
                // The tables evaluate the rule alone: the charger stays as it was.
                loadpoint.enabled = enabled;
                loadpoint.offered = Amps::ZERO;
                let now = now(step[0].as_f64().unwrap());
                let site = Watts(step[1].as_f64().unwrap());
                let view_of_site = SiteView {
                    voltage: Volts(100.0),
                    grid: GridView::Known { site, site_granted: site },
                    buffered: false,
                    buffer_start: false,
                    battery: BatteryView::default(),
                };
                let wish = loadpoint.pv_current(now, &view_of_site, site, site, &view);
                assert_eq!(
                    wish.current.unwrap().0,
                    step[2].as_f64().unwrap(),
                    "{status} {row} at {step}"
                );
            }
        }
    }
}

#[test]
fn phase_counts() {
    for row in rows(include_str!("../../../tests/data/examples/phases.json")) {
        let count = |index: usize| u8::try_from(row[index].as_u64().unwrap()).unwrap();
        let (switchable, phases) = (row[0].as_bool().unwrap(), count(1));
        let description = serde_json::json!({
            "switchable": switchable, "phases": phases, "vehicle_phases": count(2), "measured": count(3),
        });
        let (loadpoint, view) = loadpoint(&description, now(0.0));
        let counts = [
            loadpoint.active_phases(&view),
            loadpoint.max_phases(&view),
            loadpoint.min_phases(&view),
        ];
        assert_eq!(counts, [count(4), count(5), count(6)], "{row}");
    }
}

#[test]
fn phase_timers() {
    for mut row in rows(include_str!("../../../tests/data/examples/phase_timer.json")) {
        row["switchable"] = true.into();
        row["phase_timer"] = row["timer"].clone();
        row["enable_delay"] = 60.into();
        row["disable_delay"] = 60.into();
        row["enabled"] = flag(&row, "enabled").into();
        let now = now(0.0);
        let (mut loadpoint, view) = loadpoint(&row, now);
        loadpoint.refresh(now, Some(now.mono), Volts(230.0), 0.0, &view);
        let site = Watts(number(&row, "site", 0.0));
        let switched = loadpoint.scale_phases(now, Volts(230.0), site, site, &view);
        let result = if switched { loadpoint.phases } else { 0 };
        assert_eq!(result, integer(&row, "result", 0), "{row}");
    }
}

/// The text of control.md §31.3: switching phases looks at the circuit.
#[test]
fn phase_timers_with_a_circuit() {
    let rows = [
        (1, 5520.0, None, None, 0),
        (1, 5520.0, Some(20.0), None, 3),
        (1, 5520.0, Some(16.0), Some(4000.0), 0),
        (1, 5520.0, Some(2.0), None, 0),
        (3, 11040.0, None, None, 0),
        (3, 11040.0, None, Some(3000.0), 1),
    ];
    for (phases, available, max_current, max_power, expected) in rows {
        let description = serde_json::json!({
            "switchable": true, "phases": phases, "measured": phases, "max_current": 32,
            "enable_delay": 0, "disable_delay": 0, "phase_timer": "elapsed", "vehicle_phases": 3,
        });
        let now = now(0.0);
        let (mut loadpoint, view) = loadpoint(&description, now);
        let limits = serde_json::json!({"max_current": max_current, "max_power": max_power});
        loadpoint.refresh(now, Some(now.mono), Volts(230.0), 0.0, &view);
        loadpoint.set_cap(circuit(&limits, &loadpoint, &view, now));
        let site = Watts(-available);
        let switched = loadpoint.scale_phases(now, Volts(230.0), site, site, &view);
        let result = if switched { loadpoint.phases } else { 0 };
        assert_eq!(result, expected, "{available} W on {phases}p, {limits}");
    }
}

#[test]
fn effective_currents() {
    for row in rows(include_str!("../../../tests/data/examples/effective.json")) {
        let description = serde_json::json!({
            "charger_min": row[0], "charger_max": row[1], "vehicle_min": row[2], "vehicle_max": row[3],
        });
        let (loadpoint, view) = loadpoint(&description, now(0.0));
        let effective = loadpoint.effective_values(&view);
        // Q08: a charger's smaller minimum does not lower the user's.
        let minimum = row[4].as_f64().unwrap().max(6.0);
        assert_eq!(
            [effective.min_current.0, effective.max_current.0],
            [minimum, row[5].as_f64().unwrap()],
            "{row}"
        );
    }
}

#[test]
fn status_events() {
    let misc: Value =
        serde_json::from_str(include_str!("../../../tests/data/examples/misc.json")).unwrap();
    for row in misc["status_events"].as_array().unwrap() {
        let (mut loadpoint, _) = loadpoint(&serde_json::json!({}), now(0.0));
        loadpoint.status = row[0].as_str().unwrap().parse().ok();
        let status = row[1].as_str().unwrap().parse().unwrap();
        let changes = loadpoint.record(now(1.0), ChargerValue::Status(status), Origin::Live, 0.0);
        let changes: Vec<_> =
            changes.iter().map(|change| format!("{change:?}").to_lowercase()).collect();
        if row[0] == "" && row[1] == "A" {
            assert!(changes.is_empty(), "Q07: the first status is a baseline");
            continue;
        }
        assert_eq!(Value::from(changes), row[2], "{row}");
    }
}

#[test]
fn synchronised_currents_and_phases() {
    let misc: Value =
        serde_json::from_str(include_str!("../../../tests/data/examples/misc.json")).unwrap();
    let later = now(1000.0);
    let run = |table: &str, prepare: &dyn Fn(&mut LoadPoint, f64, f64)| {
        for row in misc[table].as_array().unwrap() {
            let value = |index: usize| row[index].as_f64().unwrap();
            let (mut loadpoint, view) =
                loadpoint(&serde_json::json!({"switchable": true}), now(0.0));
            prepare(&mut loadpoint, value(0), value(1));
            loadpoint.synchronise(later, Volts(230.0), &view);
            let result = if table.contains("phases") {
                f64::from(loadpoint.phases)
            } else {
                loadpoint.offered.0
            };
            assert_eq!(result, value(2), "{table} {row}");
        }
    };
    run("sync_current_getter", &|loadpoint, offered, read| {
        loadpoint.offered = Amps(offered);
        loadpoint.reported_current = Some(Amps(read));
    });
    run("sync_current_measured", &|loadpoint, offered, read| {
        loadpoint.offered = Amps(offered);
        loadpoint.currents[0] = Some(Amps(read));
    });
    run("sync_phases_getter", &|loadpoint, expected, read| {
        loadpoint.phases = expected as u8;
        loadpoint.reported_phases = Some(read as u8);
    });
    run("sync_phases_measured", &|loadpoint, expected, read| {
        loadpoint.phases = expected as u8;
        loadpoint.measured_phases = read as u8;
    });
}

#[test]
fn boost_powers() {
    let misc: Value =
        serde_json::from_str(include_str!("../../../tests/data/examples/misc.json")).unwrap();
    for row in misc["boost_power"].as_array().unwrap() {
        let (mut loadpoint, view) = loadpoint(&serde_json::json!({}), now(0.0));
        loadpoint.refresh(now(0.0), None, Volts(230.0), 0.0, &view);
        loadpoint.boost = boost(row[0].as_str().unwrap());
        let battery = BatteryView {
            power: row[1].as_f64().map(Watts),
            max_discharge: row[2].as_f64().filter(|cap| *cap > 0.0).map(Watts),
            ..BatteryView::default()
        };
        let power = loadpoint.boost_power(Volts(230.0), &battery, &view);
        assert_eq!(power.0, row[3].as_f64().unwrap(), "{row}");
        assert_eq!(loadpoint.boost_power(Volts(230.0), &BatteryView::default(), &view).0, 0.0);
    }
}

#[test]
fn differences_are_real() {
    let strategy = rows(include_str!("../../../tests/data/examples/strategy.json"));
    let sequence = rows(include_str!("../../../tests/data/examples/sequence.json"));
    for (id, reason) in DIFFERENT {
        let known = strategy.iter().chain(&sequence).any(|row| row["id"] == *id);
        assert!(known && !reason.is_empty(), "{id} is not an example");
    }
}
