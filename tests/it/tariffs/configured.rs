//! Contracts: from the file to the decision.

use chargebus::config::{Tariff, TariffSource};
use chargebus::model::{Charges, TariffKind, Zone};

use super::*;

const NIGHT: &str =
    "  grid: {type: fixed, price: 0.3, zones: [{days: mon-sun, hours: 0-5, price: 0.2}]}
  feedin: {type: fixed, price: 0.08}\n";

#[track_caller]
fn said(tariffs: &str, errors: &[&str], notices: &[&str]) {
    let text = format!("broker: true\ntariffs:\n{tariffs}");
    let strip = |findings: &[chargebus::config::Finding]| -> Vec<String> {
        let said = findings.iter().map(ToString::to_string);
        said.filter(|text| !text.contains("none are configured")).collect()
    };
    match Config::parse(&text, &|_| None) {
        Ok(checked) => {
            assert_eq!((vec![], strip(&checked.notices)), (errors.to_vec(), owned(notices)))
        }
        Err(found) => assert_eq!(
            (strip(&found.errors), strip(&found.notices)),
            (owned(errors), owned(notices))
        ),
    }
}

fn owned(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

#[test]
fn a_contract_is_read() {
    let text = "  grid:
    type: fixed
    price: 0.3
    charges: 0.1
    tax: 0.19
    chargesZones: [{hours: 10-12, charges: -0.05}]
    zones:
    - {days: 'Sa,So', months: Jan-Mar, hours: '22-0, 0-5:30', price: 0.2}\n";
    let tariffs = config(text).tariffs;
    let mut days = [false; 7];
    (days[0], days[6]) = (true, true);
    let mut months = [false; 12];
    months[..3].fill(true);
    let zone = |from, to| Zone { value: 0.2, days, months, from, to };
    let charge = Zone { value: -0.05, from: 600, to: 720, ..Zone::ALWAYS };
    let expected = Tariff {
        usage: TariffUse::Grid,
        kind: TariffKind::PriceForecast,
        source: TariffSource::Fixed { price: 0.3, zones: vec![zone(1320, 1440), zone(0, 330)] },
        charges: Charges { charge: 0.1, zones: vec![charge], tax: 0.19, formula: None },
        average: false,
        interval: Duration::from_secs(3600),
        continues: false,
    };
    assert_eq!(tariffs, [expected]);
}

#[test]
fn what_is_wrong_is_said_with_its_place() {
    said("  grid: {type: fixed}\n", &["3:3 tariffs.grid.price: is missing"], &[]);
    said("  grid: {price: 1}\n", &["3:3 tariffs.grid.type: is missing"], &[]);
    said(
        "  grid: {type: fixed, price: 1, zones: [{hours: 10-8, price: 1}, {days: '8', price: x}]}\n",
        &[
            "3:42 tariffs.grid.zones[0].hours: must be hours like \"0-5:30,22-0\" with the earlier \
             one first, found \"10-8\"",
            "3:67 tariffs.grid.zones[1].days: must be days like \"mon-fri\", found \"8\"",
            "3:78 tariffs.grid.zones[1].price: must be a number, found \"x\"",
        ],
        &[],
    );
    said("  grid: {type: custom}\n", &["3:3 tariffs.grid: needs price or forecast"], &[]);
    said(
        "  co2: {type: custom, price: {source: const, value: 1}, forecast: {source: const}}\n",
        &["3:23 tariffs.co2.price: says the same as forecast: keep one"],
        &[],
    );
}

#[test]
fn a_formula_makes_the_price_and_its_faults_are_said() {
    let formula = "math.Max((price + charges) * (1 + tax), 0) + ts.Hour() / 1000";
    let text = format!(
        "  grid: {{type: fixed, price: 0.1, charges: 0.1, tax: 0.5, formula: '{formula}'}}\n\
         \x20 feedin: {{type: fixed, price: 0.1, formula: price / (tax - tax)}}\n"
    );
    let site = Site::start(&text, at(8, 8, 12, 0), BTreeMap::new());
    assert_eq!(site.topic("site/tariffGrid").as_deref(), Some("0.312"));
    assert_eq!(site.topic("site/smartCostType").as_deref(), Some("priceforecast"));
    assert_eq!(site.value(TariffUse::FeedIn), None, "no number is no price (W-07)");
    said(
        "  grid: {type: fixed, price: 1, formula: price * (2}\n",
        &["3:33 tariffs.grid.formula: has the end where ')' is expected"],
        &[],
    );
}

#[test]
fn hours_are_averaged_and_temperatures_told() {
    let slot = |minute: i64, value: f64| {
        let start = at(8, 8, 12, 0).utc + chrono::TimeDelta::minutes(minute);
        let end = start + chrono::TimeDelta::minutes(15);
        let [start, end] = [start, end].map(|at| at.to_rfc3339());
        serde_json::json!({"start": start, "end": end, "value": value})
    };
    let rates = serde_json::json!([slot(0, 1.0), slot(15, 2.0), slot(30, 3.0), slot(45, 4.0)]);
    let text = format!(
        "  grid: {{type: custom, features: [average], forecast: {{source: const, value: '{rates}'}}}}\n\
         \x20 temperature: {{type: custom, forecast: {{source: const, value: '{rates}'}}}}\n"
    );
    let site = Site::start(&text, at(8, 8, 12, 0), BTreeMap::new());
    assert_eq!(site.topic("site/tariffGrid").as_deref(), Some("2.5"), "E-57");
    assert_eq!(site.topic("site/tariffTemperature").as_deref(), Some("1"));
    assert!(
        site.topic("site/forecast/temperature").is_some_and(|told| told.contains("\"value\":4"))
    );
}

#[test]
fn what_is_not_built_yet_is_left_out_and_said() {
    let instead = "describe it as type custom with a price or a forecast over MQTT or HTTP; \
                   the tariff is left out";
    said(
        "  grid: {type: template, template: tibber, token: x}\n",
        &[],
        &[&format!("3:10 tariffs.grid.type: the template \"tibber\" is not built yet: {instead}")],
    );
    said(
        "  co2: {type: electricitymaps}\n",
        &[],
        &[&format!("3:9 tariffs.co2.type: type \"electricitymaps\" is not built yet: {instead}")],
    );
    said(
        "  grid: {type: fixed, price: 1, zones: [{hours: 2-4, price: 2}, {hours: 0-6, price: 3}]}\n",
        &[],
        &["3:65 tariffs.grid.zones[1]: overlaps an earlier zone: the last one in the list wins"],
    );
}

#[test]
fn cheap_hours_begin_and_end_at_the_minute() {
    let mut site = Site::start(NIGHT, at(8, 8, 23, 0), BTreeMap::new());
    site.hear("status", "B");
    site.hear("enabled", "false");
    site.set("loadpoints/1/smartCostLimit/set", "0.2");
    let midnight = at(8, 9, 0, 0).utc.timestamp().to_string();
    assert_eq!(site.topic("loadpoints/1/smartCostNextStart"), Some(midnight));
    assert_ne!(site.why(), Why::SmartCost);
    let long = Duration::from_secs(3600) - Duration::from_millis(100);
    site.pass(long);
    assert_ne!(site.why(), Why::SmartCost);
    site.pass(Duration::from_millis(100));
    let active = || Some("true".to_owned());
    assert_eq!(site.topic("loadpoints/1/smartCostActive"), active());
    assert_eq!(site.topic("loadpoints/1/smartCostNextStart"), Some(String::new()));
    site.pass(Duration::from_secs(2));
    assert_eq!(site.brain.control.loadpoints()[0].offered.0, 16.0, "as fast as possible");
    site.pass(Duration::from_secs(5 * 3600 - 3));
    assert_eq!(site.topic("loadpoints/1/smartCostActive"), active());
    site.pass(Duration::from_secs(2));
    assert_eq!(site.topic("loadpoints/1/smartCostActive"), Some("false".to_owned()));
    assert_eq!(site.remarks, [""; 0]);
}

#[test]
fn the_current_values_are_told() {
    let site = Site::start(NIGHT, at(11, 22, 10, 0), BTreeMap::new());
    let told = [
        ("site/tariffGrid", "0.3"),
        ("site/tariffFeedIn", "0.08"),
        ("site/smartCostType", "priceforecast"),
        ("site/smartCostAvailable", "true"),
        ("site/smartFeedInPriorityAvailable", "false"),
        ("site/tariffStatus/grid", "fresh"),
        ("site/smartCostLimit", ""),
    ];
    for (topic, payload) in told {
        assert_eq!(site.topic(topic).as_deref(), Some(payload), "{topic}");
    }
    assert_eq!(site.topic("site/tariffCo2"), None, "not configured");
    let forecast: serde_json::Value =
        serde_json::from_str(&site.topic("site/forecast/grid").unwrap()).unwrap();
    // Fourteen hours of today and six more days.
    assert_eq!(forecast.as_array().unwrap().len(), 56 + 6 * 96);
    assert_eq!(forecast[0]["start"], "2026-11-22T09:00:00Z");
    let names = ["feedIn", "feedin", "planner"];
    assert!(names.iter().all(|name| site.topic(&format!("site/forecast/{name}")).is_some()));
}

#[test]
fn a_forecast_is_told_again_only_when_it_has_changed() {
    let mut site = Site::start(NIGHT, at(11, 22, 10, 0), BTreeMap::new());
    let before = site.state();
    let forecasts = |site: &Site| {
        let changes = site.state().changes(&before);
        let told = changes.published.into_iter().map(|(topic, _)| topic);
        told.filter(|topic| topic.contains("forecast")).count()
    };
    site.pass(Duration::from_secs(14 * 60));
    assert_eq!(forecasts(&site), 0);
    site.pass(Duration::from_secs(60));
    assert_eq!(forecasts(&site), 4, "the first slot is over");
}

#[test]
fn no_price_is_computed_before_the_clock_is_set() {
    let mut site =
        Site::start(NIGHT, Now { utc: Default::default(), ..at(1, 1, 0, 0) }, BTreeMap::new());
    assert_eq!((site.value(TariffUse::Grid), site.topic("site/tariffGrid")), (None, None));
    site.now.utc = at(8, 8, 12, 0).utc;
    site.pass(Duration::from_secs(61));
    assert_eq!(site.value(TariffUse::Grid), Some(0.3));
}

#[test]
fn merged_tariffs_are_read_and_their_faults_said() {
    let one = "{type: custom, forecast: {source: mqtt, topic: a}}";
    let two = "{type: fixed, price: 0.3}";
    for kind in ["type: merged", "type: template, template: merged"] {
        let text = format!("  grid: {{{kind}, primary: {one}, secondary: {two}}}\n");
        let tariffs = config(&text).tariffs;
        let told = tariffs.iter().map(|tariff| (tariff.kind, tariff.continues));
        let forecast = TariffKind::PriceForecast;
        assert_eq!(told.collect::<Vec<_>>(), [(forecast, false), (forecast, true)]);
    }
    let said = |tariff: &str, errors: &[&str], notices: &[&str]| {
        said(&format!("  grid: {{type: merged, {tariff}}}\n"), errors, notices);
    };
    said(&format!("primary: {two}"), &["3:3 tariffs.grid.secondary: is missing"], &[]);
    said(
        "primary: x, secondary: y",
        &[
            "3:24 tariffs.grid.primary: must be a map of keys and values, found \"x\"",
            "3:36 tariffs.grid.secondary: must be a map of keys and values, found \"y\"",
        ],
        &[],
    );
    let emission = "{type: custom, tariff: co2, price: {source: const, value: 1}}";
    said(
        &format!("primary: {two}, secondary: {emission}"),
        &[
            "3:60 tariffs.grid.secondary: gives co2, the primary one gives pricestatic: both must be \
           of one kind",
        ],
        &[],
    );
    let nested = (0..4).fold(two.to_owned(), |inner, _| {
        format!("{{type: merged, primary: {two}, secondary: {inner}}}")
    });
    said(
        &format!("primary: {two}, secondary: {nested}"),
        &[
            "3:246 tariffs.grid.secondary.secondary.secondary.secondary: is one tariff too many: at \
           most 4 can be merged",
        ],
        &[],
    );
    let missing = "{type: template, template: tibber}";
    let text = format!("  grid: {{type: merged, primary: {missing}, secondary: {two}}}\n");
    let tariffs = config(&text).tariffs;
    let told = tariffs.iter().map(|tariff| (tariff.kind, tariff.continues)).collect::<Vec<_>>();
    assert_eq!(told, [(TariffKind::PriceStatic, false)], "the other one is left");
}

#[test]
fn the_sun_makes_a_kilowatt_hour_cheaper() {
    let text = "  grid: {type: fixed, price: 0.3}\n  feedin: {type: fixed, price: 0.08}\n";
    let site = Site::start(text, at(8, 8, 12, 0), BTreeMap::new());
    let tariffs = site.brain.control.tariffs();
    let price = |green| tariffs.effective_price(site.now.utc, green).unwrap();
    assert!((price(0.6) - 0.168).abs() < 1e-12, "D-01");
    assert_eq!((price(0.0), price(1.0)), (0.3, 0.08));
}
