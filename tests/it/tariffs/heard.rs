//! Prices and forecasts over MQTT, and what happens when they stop.

use chargebus::edges::tariffs::Reply;

use super::*;

const FORECAST: &str = "  grid:
    type: custom
    forecast: {source: mqtt, topic: prices}
    charges: 0.1
    tax: 0.2\n";

const PRICE: &str = "  grid: {type: custom, price: {source: mqtt, topic: price, scale: 0.01}}
  feedin: {type: custom, price: {source: mqtt, topic: paid}}\n";

/// A day of hourly prices from an instant on: the hour counted from there, in cents.
fn day(from: Now) -> String {
    let hours = (0..24).map(|hour| {
        let start = from.utc.timestamp() + hour * 3600;
        format!("[{start},{},{}]", start + 3600, hour as f64 / 100.0)
    });
    format!("[{}]", hours.collect::<Vec<_>>().join(","))
}

/// The price of an hour of [`day`] with charges and tax.
fn composed(hour: f64) -> Option<f64> {
    Some((hour / 100.0 + 0.1) * 1.2)
}

#[test]
fn a_forecast_is_heard_and_garbage_changes_nothing() {
    let mut site = Site::start(FORECAST, at(8, 8, 0, 0), BTreeMap::new());
    assert_eq!(site.status(TariffUse::Grid), TariffStatus::Stale, "nothing heard");
    assert_eq!(site.topic("site/smartCostAvailable").as_deref(), Some("true"));
    assert_eq!(site.state().tariff(TariffUse::Grid), None, "404");
    assert!(site.brain.filters().contains(&"prices".to_owned()));
    site.hear("prices", &day(site.now));
    site.hours(3);
    assert_eq!(site.value(TariffUse::Grid), composed(3.0));
    for garbage in ["", "cheap", "[]", "[[1,2]]", "{}", "[[1,2,\"x\"]]"] {
        site.hear("prices", garbage);
    }
    site.hear("prices", &"[".repeat(70_000));
    assert_eq!(site.value(TariffUse::Grid), composed(3.0));
    assert_eq!(site.remarks.len(), 1, "said once: {:?}", site.remarks);
    assert!(site.remarks[0].starts_with("tariffs.grid (prices): not JSON"));
    site.hear("prices", &day(site.now));
    assert_eq!(site.value(TariffUse::Grid), composed(0.0), "the newer word");
    site.hear("prices", "[]");
    assert_eq!(site.remarks.len(), 2, "readable in between");
}

#[test]
fn what_is_forgotten_counts_until_the_next_word_and_is_not_kept() {
    let mut site = Site::start(FORECAST, at(8, 8, 0, 0), BTreeMap::new());
    site.hear("prices", &day(site.now));
    assert_eq!(site.brain.feeds.reply(site.now, Reply::Forget), None);
    assert_eq!(site.brain.feeds.unsaved(site.now), []);
    site.hours(1);
    assert_eq!(site.value(TariffUse::Grid), composed(1.0), "nothing is decided without a price");
    let start = site.now.utc.timestamp();
    site.hear("prices", &format!("[[{start},{},0.5]]", start + 3600));
    assert_eq!(site.value(TariffUse::Grid), composed(50.0));
    let saved = site.brain.feeds.unsaved(site.now);
    let saved: serde_json::Value = serde_json::from_str(&saved[0].1).unwrap();
    assert_eq!(saved["rates"], serde_json::json!([[start, start + 3600, 0.5]]));
    site.hours(1);
    assert_eq!(site.value(TariffUse::Grid), None, "the new word stands alone");
}

#[test]
fn an_outage_of_36_hours_with_a_restart_is_bridged() {
    let begin = at(8, 8, 0, 0);
    let mut site = Site::start(FORECAST, begin, BTreeMap::new());
    site.hear("prices", &day(begin));
    let saved: BTreeMap<_, _> = site.brain.feeds.unsaved(site.now).into_iter().collect();
    assert_eq!(saved.keys().collect::<Vec<_>>(), ["tariff.grid"]);
    assert_eq!(site.brain.feeds.unsaved(site.now), [], "once");

    let later = begin.later(Duration::from_secs(20 * 3600));
    let mut site = Site::start(FORECAST, later, saved.clone());
    assert_eq!(site.remarks, [""; 0]);
    assert_eq!(
        (site.value(TariffUse::Grid), site.status(TariffUse::Grid)),
        (composed(20.0), TariffStatus::Cached)
    );
    assert_eq!(site.topic("site/tariffStatus/grid").as_deref(), Some("cached"));
    site.hours(15);
    assert_eq!(
        (site.value(TariffUse::Grid), site.status(TariffUse::Grid)),
        (composed(11.0), TariffStatus::Estimated)
    );
    site.hours(2);
    assert_eq!(
        (site.value(TariffUse::Grid), site.status(TariffUse::Grid)),
        (None, TariffStatus::Stale)
    );
    assert_eq!(site.topic("site/tariffGrid"), None);
    site.hear("prices", &day(site.now));
    assert_eq!(site.status(TariffUse::Grid), TariffStatus::Fresh, "recovers alone");

    // What belongs to another topic says nothing.
    let other = FORECAST.replace("topic: prices", "topic: other");
    let site = Site::start(&other, later, saved);
    assert_eq!(site.status(TariffUse::Grid), TariffStatus::Stale);
}

#[test]
fn a_retained_repetition_is_no_sign_of_life() {
    let begin = at(8, 8, 0, 0);
    let mut site = Site::start(FORECAST, begin, BTreeMap::new());
    let forecast = day(begin);
    site.hear("prices", &forecast);
    site.hours(20);
    site.brain.message(site.now, "prices", forecast.as_bytes(), true);
    site.hours(17);
    assert_eq!(site.status(TariffUse::Grid), TariffStatus::Stale);
}

#[test]
fn negative_prices_and_feed_in_limits_are_acted_upon_at_once() {
    let mut site = Site::start(PRICE, at(8, 8, 12, 0), BTreeMap::new());
    site.hear("status", "B");
    site.hear("enabled", "false");
    site.hear("price", "30");
    site.hear("paid", "0.05");
    assert_eq!(site.topic("site/smartCostType").as_deref(), Some("pricedynamic"));
    site.set("site/smartCostLimit/set", "-0.05");
    site.set("site/smartFeedInPriorityLimit/set", "0.1");
    let told = |site: &mut Site, price: &str, paid: &str| {
        site.hear("price", price);
        site.hear("paid", paid);
        site.pass(Duration::from_millis(300));
        site.why()
    };
    assert!(!matches!(told(&mut site, "0", "0.09"), Why::SmartCost | Why::FeedIn));
    assert_eq!(told(&mut site, "0", "0.1"), Why::FeedIn);
    assert_eq!(told(&mut site, "-5", "0.1"), Why::SmartCost, "cost beats feed-in");
    assert_eq!(site.brain.control.loadpoints()[0].offered.0, 16.0);
    assert_eq!(site.topic("site/tariffGrid").as_deref(), Some("-0.05"));
    site.set("site/smartCostLimit/set", "none");
    site.set("site/smartFeedInPriorityLimit/set", "none");
    site.pass(Duration::from_millis(300));
    assert!(!matches!(site.why(), Why::SmartCost | Why::FeedIn));
    // A price holds for 36 hours without news.
    site.hours(35);
    assert_eq!(site.value(TariffUse::Grid), Some(-0.05));
    site.hours(2);
    assert_eq!(site.value(TariffUse::Grid), None);
}

#[test]
fn emissions_are_the_planners_choice_before_a_price_of_now() {
    let text = format!("{PRICE}  co2: {{type: custom, forecast: {{source: mqtt, topic: co2}}}}\n");
    let mut site = Site::start(&text, at(8, 8, 12, 0), BTreeMap::new());
    site.hear("price", "30");
    site.hear("co2", &day(site.now).replace(",0.0]", ",420]").replace(",0]", ",420]"));
    assert_eq!(site.topic("site/smartCostType").as_deref(), Some("co2"));
    assert_eq!(site.topic("site/tariffCo2").as_deref(), Some("420"));
    site.set("loadpoints/1/smartCostLimit/set", "200");
    assert!(site.topic("loadpoints/1/smartCostNextStart").is_some_and(|next| !next.is_empty()));
}

#[test]
fn the_sun_of_several_roofs_is_added_up() {
    let text = "  solar:
  - {type: custom, forecast: {source: mqtt, topic: east}}
  - {type: custom, forecast: {source: mqtt, topic: west}}\n";
    let begin = at(8, 8, 12, 0);
    let mut site = Site::start(text, begin, BTreeMap::new());
    let flat = |power: f64| {
        let slots = (0..49).map(|hour| {
            let start = begin.utc.timestamp() + hour * 3600;
            format!("[{start},{},{power}]", start + 3600)
        });
        format!("[{}]", slots.collect::<Vec<_>>().join(","))
    };
    site.hear("east", &flat(1000.0));
    site.hear("west", &flat(500.0));
    assert_eq!(site.topic("site/tariffSolar").as_deref(), Some("1500"));
    assert_eq!(site.topic("site/forecast/solar/today/yield").as_deref(), Some("18000"));
    assert_eq!(site.topic("site/forecast/solar/tomorrow/complete").as_deref(), Some("true"));
    assert_eq!(site.topic("site/forecast/solar/scale").as_deref(), Some("1"));
    let whole: serde_json::Value =
        serde_json::from_str(&site.topic("site/forecast/solar").unwrap()).unwrap();
    assert_eq!(whole["today"]["energy"], 18_000);
    assert_eq!(whole["timeseries"][0][1], 1500);
    assert!(site.state().tariff(TariffUse::Solar).unwrap().starts_with("{\"rates\":[{\"start\""));
}

#[test]
fn a_merged_tariff_goes_on_where_its_first_source_ends() {
    let merged = "  grid:
    type: merged
    primary: {type: custom, forecast: {source: mqtt, topic: market}}
    secondary: {type: custom, forecast: {source: mqtt, topic: foreseen}}\n";
    let start = at(8, 8, 12, 0);
    let mut site = Site::start(merged, start, BTreeMap::new());
    let rates = |hours: std::ops::Range<i64>, value: f64| {
        let rate = |hour: i64| {
            let [from, to] = [hour, hour + 1]
                .map(|hour| (start.utc + chrono::TimeDelta::hours(hour)).to_rfc3339());
            serde_json::json!({"start": from, "end": to, "value": value})
        };
        serde_json::Value::Array(hours.map(rate).collect()).to_string()
    };
    site.hear("foreseen", &rates(-1..30, 0.4));
    assert_eq!(site.value(TariffUse::Grid), Some(0.4), "it stands in for the first one (E-59)");
    site.hear("market", &rates(0..12, 0.2));
    assert_eq!(site.value(TariffUse::Grid), Some(0.2));
    let known: Vec<f64> = {
        let grid = site.brain.control.tariffs().grid.as_ref().unwrap();
        (0..20)
            .map(|hour| start.utc + chrono::TimeDelta::hours(hour))
            .filter_map(|hour| chargebus::model::Rate::at(&grid.rates, hour).map(|rate| rate.value))
            .collect()
    };
    assert_eq!(known, [vec![0.2; 12], vec![0.4; 8]].concat());
    site.hours(13);
    assert_eq!(site.value(TariffUse::Grid), Some(0.4));
    site.hours(20);
    assert_eq!(site.status(TariffUse::Grid), TariffStatus::Estimated);
    // Two of them are kept under keys of their own.
    let kept = site.brain.feeds.unsaved(site.now);
    let keys: Vec<_> = kept.iter().map(|(key, _)| key.as_str()).collect();
    assert_eq!(keys, ["tariff.grid", "tariff.grid2"]);
}
