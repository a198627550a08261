//! The worked examples of control.md §30 and §31 that concern one load point, run one evaluation per step.

mod story;

use serde_json::Value;

use super::*;
use story::*;

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

fn rows(file: &str) -> Vec<Value> {
    serde_json::from_str(file).unwrap()
}

fn is_different(id: &str) -> bool {
    DIFFERENT.iter().any(|(different, _)| *different == id)
}

#[test]
fn strategy() {
    let mut run = 0;
    for row in rows(include_str!("../../../../tests/data/examples/strategy.json")) {
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
    for row in rows(include_str!("../../../../tests/data/examples/sequence.json")) {
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
    for row in rows(include_str!("../../../../tests/data/examples/hysteresis.json")) {
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
    for row in rows(include_str!("../../../../tests/data/examples/phases.json")) {
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
    for mut row in rows(include_str!("../../../../tests/data/examples/phase_timer.json")) {
        row["switchable"] = true.into();
        row["phase_timer"] = row["timer"].clone();
        row["enable_delay"] = 60.into();
        row["disable_delay"] = 60.into();
        row["enabled"] = flag(&row, "enabled").into();
        let now = now(0.0);
        let (mut loadpoint, view) = loadpoint(&row, now);
        loadpoint.refresh(now, Some(now.mono), Volts(230.0), Mix::default(), &view);
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
        loadpoint.refresh(now, Some(now.mono), Volts(230.0), Mix::default(), &view);
        loadpoint.set_cap(circuit(&limits, &loadpoint, &view, now));
        let site = Watts(-available);
        let switched = loadpoint.scale_phases(now, Volts(230.0), site, site, &view);
        let result = if switched { loadpoint.phases } else { 0 };
        assert_eq!(result, expected, "{available} W on {phases}p, {limits}");
    }
}

#[test]
fn effective_currents() {
    for row in rows(include_str!("../../../../tests/data/examples/effective.json")) {
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
        serde_json::from_str(include_str!("../../../../tests/data/examples/misc.json")).unwrap();
    for row in misc["status_events"].as_array().unwrap() {
        let (mut loadpoint, _) = loadpoint(&serde_json::json!({}), now(0.0));
        loadpoint.status = row[0].as_str().unwrap().parse().ok();
        let status = row[1].as_str().unwrap().parse().unwrap();
        let changes =
            loadpoint.record(now(1.0), ChargerValue::Status(status), Origin::Live, Mix::default());
        let changes: Vec<_> =
            changes.iter().map(|change| format!("{change:?}").to_lowercase()).collect();
        if row[0] == "" && row[1] == "A" {
            assert!(changes.is_empty(), "Q07: the first status is a baseline");
            continue;
        }
        assert_eq!(Value::from(changes), row[2], "E-70 {row}");
    }
}

#[test]
fn synchronised_currents_and_phases() {
    let misc: Value =
        serde_json::from_str(include_str!("../../../../tests/data/examples/misc.json")).unwrap();
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
            assert_eq!(result, value(2), "E-71 {table} {row}");
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
        serde_json::from_str(include_str!("../../../../tests/data/examples/misc.json")).unwrap();
    for row in misc["boost_power"].as_array().unwrap() {
        let (mut loadpoint, view) = loadpoint(&serde_json::json!({}), now(0.0));
        loadpoint.refresh(now(0.0), None, Volts(230.0), Mix::default(), &view);
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
    let strategy = rows(include_str!("../../../../tests/data/examples/strategy.json"));
    let sequence = rows(include_str!("../../../../tests/data/examples/sequence.json"));
    for (id, reason) in DIFFERENT {
        let known = strategy.iter().chain(&sequence).any(|row| row["id"] == *id);
        assert!(known && !reason.is_empty(), "{id} is not an example");
    }
}
