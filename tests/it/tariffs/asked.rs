//! Prices and forecasts over HTTP, and providers that fail (plans-vehicles-devices.md §2.6, W-10).

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use chargebus::edges::fetch::Fetch;
use chargebus::edges::tariffs::Reply;
use tokio::sync::mpsc;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::*;
use crate::support::soon;
use crate::web::{Reply as Page, Web};

/// Hourly prices of a day as a provider writes them.
fn document(from: Now) -> String {
    let hours = (0..24).map(|hour| {
        let start = from.utc + chrono::TimeDelta::hours(hour);
        format!(r#"{{"start":"{}","eur":{}}}"#, start.to_rfc3339(), hour as f64 / 100.0)
    });
    format!(r#"{{"data":[{}]}}"#, hours.collect::<Vec<_>>().join(","))
}

const JQ: &str = "[.data[] | {start: .start, end: ((.start | fromdateiso8601) + 3600 | todate), \
                  value: .eur}] | tostring";

fn forecast(uri: &str) -> String {
    format!(
        "  grid:\n    type: custom\n    interval: 1h\n    forecast:\n      source: http\n      uri: \
         {uri}\n      jq: '{JQ}'\n"
    )
}

/// A site whose providers are asked.
struct Asked {
    site: Site,
    replies: mpsc::Receiver<Reply>,
    _stop: DropGuard,
}

impl Asked {
    fn start(tariffs: &str, now: Now, stored: BTreeMap<String, String>) -> Self {
        let mut site = Site::start(tariffs, now, stored);
        assert_eq!(site.remarks, [""; 0]);
        let (sender, replies) = mpsc::channel(1);
        let stop = CancellationToken::new();
        for provider in site.brain.feeds.providers() {
            let asking = provider.run(Fetch::default(), sender.clone());
            tokio::spawn(stop.clone().run_until_cancelled_owned(asking));
        }
        Self { site, replies, _stop: stop.drop_guard() }
    }

    async fn reply(&mut self) {
        let reply = soon("a reply", self.replies.recv()).await.unwrap();
        let remark = self.site.brain.feeds.reply(self.site.now, reply);
        self.site.remarks.extend(remark);
        self.site.pass(Duration::from_millis(10));
    }
}

/// Whole hours without offset, as `fromdateiso8601` wants them.
fn morning() -> Now {
    at(8, 8, 0, 0)
}

#[tokio::test]
async fn a_forecast_is_asked_for() {
    let page = document(morning()).replace("+00:00", "Z");
    let web = Web::start(move |_| Page::ok(page.clone())).await;
    let mut asked = Asked::start(&forecast(&web.uri("/prices")), morning(), BTreeMap::new());
    assert_eq!(asked.site.status(TariffUse::Grid), TariffStatus::Stale);
    asked.reply().await;
    assert_eq!(asked.site.remarks, [""; 0]);
    asked.site.hours(3);
    assert_eq!(asked.site.value(TariffUse::Grid), Some(0.03));
    // Two intervals without news: what is known is served, and flagged.
    assert_eq!(asked.site.status(TariffUse::Grid), TariffStatus::Cached);
    assert_eq!(web.paths(), ["/prices"]);
}

#[tokio::test]
async fn a_price_is_asked_for() {
    let web = Web::start(|_| Page::ok("29.5")).await;
    let price = format!(
        "  grid: {{type: custom, price: {{source: http, uri: '{}', scale: 0.01}}}}\n",
        web.uri("/")
    );
    let mut asked = Asked::start(&price, morning(), BTreeMap::new());
    asked.reply().await;
    assert_eq!(asked.site.value(TariffUse::Grid), Some(0.295));
    assert_eq!(asked.site.status(TariffUse::Grid), TariffStatus::Fresh);
}

#[tokio::test]
async fn a_provider_that_was_silent_is_heard_again() {
    let count = Arc::new(AtomicUsize::new(0));
    let asked_so_far = Arc::clone(&count);
    let page = document(morning()).replace("+00:00", "Z");
    let web = Web::start(move |_| match asked_so_far.fetch_add(1, Ordering::SeqCst) {
        0..2 => Page::Close,
        _ => Page::ok(page.clone()),
    })
    .await;
    let mut asked = Asked::start(&forecast(&web.uri("/")), morning(), BTreeMap::new());
    for _ in 0..2 {
        asked.reply().await;
        assert_eq!(asked.site.value(TariffUse::Grid), None);
    }
    asked.reply().await;
    assert_eq!(asked.site.value(TariffUse::Grid), Some(0.0));
    assert_eq!(asked.site.remarks.len(), 1, "said once: {:?}", asked.site.remarks);
    assert!(asked.site.remarks[0].ends_with(", what is known stays"));
}

#[tokio::test]
async fn answers_that_cannot_be_used_are_named() {
    for (page, part) in [
        (Page::status(429), "the provider answers 429"),
        (Page::ok("cheap"), "not JSON"),
        (Page::ok("{}"), "jq"),
        (Page::Full(200, String::new(), r#"{"data":[{"start":1}]}"#.to_owned()), "jq"),
        (Page::Endless, "more than 1048576 bytes"),
    ] {
        let web = Web::start(move |_| page.clone()).await;
        let mut asked = Asked::start(&forecast(&web.uri("/?k=s3cret")), morning(), BTreeMap::new());
        asked.reply().await;
        let [remark] = &asked.site.remarks[..] else { panic!("{part}") };
        assert!(remark.starts_with("tariffs.grid: ") && remark.contains(part), "{part}: {remark}");
        assert!(!remark.contains("s3cret"), "{remark}");
    }
}

#[tokio::test]
async fn what_is_young_enough_is_not_asked_for_after_a_restart() {
    let page = document(morning()).replace("+00:00", "Z");
    let web = Web::start(move |_| Page::ok(page.clone())).await;
    let secret = web.uri("/prices?token=s3cret");
    let tariffs = forecast(&secret);
    let mut asked = Asked::start(&tariffs, morning(), BTreeMap::new());
    asked.reply().await;
    let stored: BTreeMap<_, _> =
        asked.site.brain.feeds.unsaved(asked.site.now).into_iter().collect();
    assert!(!stored["tariff.grid"].contains("s3cret"), "{stored:?}");
    let later = morning().later(Duration::from_secs(1800));
    let again = Site::start(&tariffs, later, stored.clone());
    assert_eq!(again.value(TariffUse::Grid), Some(0.0), "served at once");
    // Of another address it says nothing.
    let other = Site::start(&forecast(&web.uri("/other")), later, stored);
    assert_eq!(other.value(TariffUse::Grid), None);
}
