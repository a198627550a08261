//! The page for Prometheus, read by the rules of its text format.

use std::collections::{BTreeMap, BTreeSet};

use chargebus::api::metrics::{CONTENT_TYPE, Figure, page};

use super::state;
use crate::house;

/// Samples by name and labels, after a check of every rule of the format.
fn parsed(page: &str) -> BTreeMap<String, f64> {
    let mut samples = BTreeMap::new();
    let mut families = BTreeSet::new();
    let mut family = (String::new(), false);
    assert!(page.ends_with('\n'));
    for line in page.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, text) = help.split_once(' ').unwrap();
            assert!(!text.is_empty() && families.insert(name.to_owned()), "{line}");
            family = (name.to_owned(), false);
        } else if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (name, kind) = kind.split_once(' ').unwrap();
            assert!(name == family.0 && !family.1, "{line}");
            assert!(["gauge", "counter"].contains(&kind), "{line}");
            assert_eq!(kind == "counter", name.ends_with("_total"), "{line}");
            family.1 = true;
        } else {
            let (series, value) = line.rsplit_once(' ').unwrap();
            let name = series.split('{').next().unwrap();
            assert!(family.1 && name == family.0, "{line} stands apart from its family");
            assert!(is_name(name), "{line}");
            if let Some(labels) = series.strip_prefix(name).filter(|labels| !labels.is_empty()) {
                check_labels(labels);
            }
            assert!(samples.insert(series.to_owned(), value.parse().unwrap()).is_none(), "{line}");
        }
    }
    samples
}

fn is_name(name: &str) -> bool {
    name.starts_with("chargebus_")
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        && !name.contains("__")
}

/// `{name="value",…}` with `\\`, `\"` and `\n` in values.
fn check_labels(labels: &str) {
    let mut rest = labels.strip_prefix('{').unwrap().strip_suffix('}').unwrap();
    let mut names = BTreeSet::new();
    while !rest.is_empty() {
        let (name, tail) = rest.split_once("=\"").unwrap();
        assert!(names.insert(name), "{labels}");
        assert!(name.chars().all(|c| c.is_ascii_alphabetic() || c == '_'), "{labels}");
        let mut escaped = false;
        let end = tail.find(|c| match (escaped, c) {
            (true, c) => {
                assert!(['\\', '"', 'n'].contains(&c), "{labels}");
                escaped = false;
                false
            }
            (false, '\\') => {
                escaped = true;
                false
            }
            (false, c) => c == '"',
        });
        let tail = &tail[end.unwrap() + 1..];
        assert!(tail.is_empty() || tail.starts_with(','), "{labels}");
        rest = tail.strip_prefix(',').unwrap_or(tail);
    }
}

#[test]
fn the_page_keeps_the_format_and_tells_the_site() {
    let figures = [
        Figure { name: "turns_total", help: "Turns.", counter: true, label: None, value: 1e9 },
        Figure {
            name: "waiting",
            help: "a\\b\nc",
            counter: false,
            label: Some(("service", "a \"b\" \\ \n".to_owned())),
            value: 0.5,
        },
    ];
    let mut control = house::fed();
    control.add_vehicle(chargebus::model::VehicleSetup {
        name: "x\"y".to_owned(),
        ..chargebus::model::VehicleSetup::default()
    });
    let page = page(&state(&control, house::noon()), &figures);
    let samples = parsed(&page);
    let carport = r#"loadpoint="1",title="Carport""#;
    for (series, value) in [
        ("chargebus_site_grid_power_watts".to_owned(), -3000.0),
        (r#"chargebus_site_grid_currents_amperes{phase="l3"}"#.to_owned(), -5.0),
        ("chargebus_site_pv_power_watts".to_owned(), 4000.0),
        (r#"chargebus_site_pv_device_power_watts{id="2",name="pv2"}"#.to_owned(), 1500.0),
        (r#"chargebus_site_battery_device_soc_percent{id="1",name="bat"}"#.to_owned(), 55.0),
        ("chargebus_site_tariff_grid_per_kilowatthour".to_owned(), 0.3),
        (format!("chargebus_loadpoint_charge_power_watts{{{carport}}}"), 0.0),
        (format!("chargebus_loadpoint_connected{{{carport}}}"), 1.0),
        (format!("chargebus_loadpoint_charging{{{carport}}}"), 0.0),
        (format!(r#"chargebus_loadpoint_mode{{{carport},state="pv"}}"#), 1.0),
        (format!(r#"chargebus_loadpoint_mode{{{carport},state="now"}}"#), 0.0),
        (format!("chargebus_loadpoint_vehicle_soc_percent{{{carport}}}"), 41.0),
        (format!("chargebus_loadpoint_charge_duration_seconds{{{carport}}}"), 0.0),
        (r#"chargebus_vehicle_soc_percent{vehicle="tesla",title="Blauer Tesla"}"#.to_owned(), 41.0),
        ("chargebus_turns_total".to_owned(), 1e9),
        (r#"chargebus_waiting{service="a \"b\" \\ \n"}"#.to_owned(), 0.5),
    ] {
        assert_eq!(samples.get(&series), Some(&value), "{series}:\n{page}");
    }
    assert!(!page.contains(r#"vehicle_soc_percent{loadpoint="2""#), "unknown is left out");
    assert!(page.contains("# HELP chargebus_loadpoint_charge_power_watts Charge power.\n"));
    assert!(page.contains(r"# HELP chargebus_waiting a\\b\nc"));
    assert!(CONTENT_TYPE.starts_with("text/plain; version=0.0.4"));
}
