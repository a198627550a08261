//! The configurations that are measured.

use std::fmt::Write as _;

/// The site with which evcc was measured: two load points, four meters, two vehicles; no broker yet.
pub(crate) fn house() -> String {
    include_str!("../../tests/data/reference-site.yaml").replace("  broker: 127.0.0.1:1883\n", "")
}

/// The grid meter of [`park`], in W.
pub(crate) const GRID: &str = "bench/grid/power";

/// A site of load points in mode minpv, three phases, 6 to 16 A, whose chargers are MQTT topics.
pub(crate) fn park(loadpoints: usize) -> String {
    let mut text = "interval: 30s\n\
         meters:\n- {name: grid, type: custom, power: {source: mqtt, topic: bench/grid/power}}\n\
         site: {title: Park, meters: {grid: grid}}\nchargers:\n"
        .to_owned();
    for n in 1..=loadpoints {
        let topic = |what: &str| format!("{{source: mqtt, topic: {}}}", charger(n, what));
        let _ = writeln!(
            text,
            "- {{name: c{n}, type: custom, status: {}, enabled: {}, enable: {}, maxcurrent: {}, power: {}}}",
            topic("status"),
            topic("enabled"),
            topic("enable/set"),
            topic("maxcurrent/set"),
            topic("power"),
        );
    }
    text.push_str("loadpoints:\n");
    for n in 1..=loadpoints {
        let _ = writeln!(text, "- {{title: Place {n}, charger: c{n}, mode: minpv}}");
    }
    text
}

/// The same site on a tree of circuits: twenty load points on each row, ten rows in each hall. Every
/// row is too narrow for all of its chargers.
pub(crate) fn tree(loadpoints: usize) -> String {
    let mut text = park(loadpoints);
    let rows = loadpoints.div_ceil(20);
    for n in 1..=loadpoints {
        let place = format!("- {{title: Place {n}, charger: c{n},");
        let on_row = format!("{place} circuit: row{},", n.div_ceil(20));
        text = text.replacen(&place, &on_row, 1);
    }
    let _ = writeln!(text, "circuits:\n- {{name: main, maxCurrent: {}}}", 12 * loadpoints);
    for hall in 1..=rows.div_ceil(10) {
        let _ = writeln!(text, "- {{name: hall{hall}, parent: main, maxCurrent: 2400}}");
    }
    for row in 1..=rows {
        let hall = row.div_ceil(10);
        let _ = writeln!(text, "- {{name: row{row}, parent: hall{hall}, maxCurrent: 240}}");
    }
    text
}

/// A topic of a charger, counted from 1.
pub(crate) fn charger(n: usize, what: &str) -> String {
    format!("bench/charger/{n}/{what}")
}

/// How many, for the table.
pub(crate) fn places(loadpoints: usize) -> String {
    match loadpoints {
        1 => "1 load point".to_owned(),
        many => format!("{many} load points"),
    }
}
