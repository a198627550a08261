//! Where the core's tariffs come from: contracts by the clock, prices and forecasts from messages
//! and providers; what was heard last is kept, so that a restart or a silent source costs nothing (users.md 18).

mod ask;
mod known;

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use serde_json::json;

use crate::config::{Config, HttpSource, Source, Tariff as Wanted, TariffSource};
use crate::control::tariff::fixed;
use crate::control::tariff::{Tariff, TariffStatus, Tariffs, forecast, slots, solar};
use crate::model::{Mono, Now, Rate, TariffUse};

use super::devices::{Getter, Kind, Value};
use super::fetch::ANSWER_MAX;

pub use ask::{Provider, Reply, Said};

use known::Known;

/// Rates that are over are kept this long: the day before stands in for a day that is missing.
const KEEP: TimeDelta = TimeDelta::hours(26);
/// Rates are looked at this often, so that a clock that is set does no harm for longer.
const REFRESH: Duration = Duration::from_secs(60);
/// News is put on the disk no more often than this; memory cards wear out.
const SAVE_EVERY: TimeDelta = TimeDelta::minutes(15);
/// Before the use of a tariff in the settings store.
pub const STORED: &str = "tariff.";

/// The tariffs of a site and where their values come from.
pub struct Feeds {
    zone: Tz,
    feeds: Vec<Feed>,
    due: Mono,
}

struct Feed {
    wanted: Wanted,
    /// Key in the settings store.
    key: String,
    listener: Option<Listener>,
    heard: Option<Heard>,
    /// The last payload could not be used and that was said.
    failing: bool,
    unsaved: bool,
    saved: Option<DateTime<Utc>>,
    /// What was heard counts until the next word, and is not to be kept.
    forgotten: bool,
}

/// How news reaches a feed.
enum Listener {
    /// By messages on a topic.
    Topic(String, Getter),
    /// By answers of a provider, until its task has it.
    Provider(String, Option<Box<Provider>>),
}

impl Listener {
    /// By what it is known again after a restart.
    fn name(&self) -> &str {
        let (Self::Topic(name, _) | Self::Provider(name, _)) = self;
        name
    }
}

/// The last words of a source.
struct Heard {
    at: DateTime<Utc>,
    what: What,
}

#[derive(PartialEq)]
enum What {
    Price(f64),
    Rates(Vec<Rate>),
}

impl Feeds {
    /// The configured tariffs with what is known from before the start, which is taken out of
    /// `stored`; what does not work comes back as text for the log.
    pub fn new(
        config: &Config,
        zone: Tz,
        now: Now,
        stored: &mut BTreeMap<String, String>,
    ) -> (Self, Vec<String>) {
        let mut saved = BTreeMap::new();
        stored.retain(|key, text| match key.starts_with(STORED) {
            true => {
                saved.insert(key.clone(), std::mem::take(text));
                false
            }
            false => true,
        });
        let (mut feeds, mut remarks): (Vec<Feed>, _) = (Vec::new(), Vec::new());
        let mut lost = false;
        for wanted in &config.tariffs {
            let before = feeds.iter().filter(|feed| feed.wanted.usage == wanted.usage).count();
            let key = match before {
                0 => format!("{STORED}{}", wanted.usage),
                n => format!("{STORED}{}{}", wanted.usage, n + 1),
            };
            let mut wanted = wanted.clone();
            // Without the one before it, a tariff stands for itself.
            wanted.continues &= !std::mem::take(&mut lost);
            let usage = wanted.usage;
            match Feed::new(wanted, key, feeds.len(), now, &saved) {
                Ok(feed) => feeds.push(feed),
                Err(error) => {
                    lost = true;
                    remarks.push(format!("tariffs.{usage}: {error}"));
                }
            }
        }
        (Self { zone, feeds, due: now.mono }, remarks)
    }

    /// The topics to subscribe to.
    pub fn topics(&self) -> impl Iterator<Item = &str> {
        self.feeds.iter().filter_map(|feed| match feed.listener.as_ref()? {
            Listener::Topic(topic, _) => Some(topic.as_str()),
            Listener::Provider(..) => None,
        })
    }

    /// Who must be asked, for the tasks that ask; each once.
    pub fn providers(&mut self) -> Vec<Provider> {
        let providers = self.feeds.iter_mut().filter_map(|feed| match feed.listener.as_mut()? {
            Listener::Provider(_, provider) => provider.take().map(|provider| *provider),
            Listener::Topic(..) => None,
        });
        providers.collect()
    }

    /// Takes what a provider said; what cannot be used changes nothing and comes back as text for
    /// the log, once.
    pub fn reply(&mut self, now: Now, reply: Reply) -> Option<String> {
        let said = match reply {
            Reply::Said(said) => said,
            Reply::Forget => {
                self.feeds.iter_mut().for_each(Feed::forget);
                return None;
            }
        };
        let feed = self.feeds.get_mut(said.feed)?;
        let remark = feed.news(now, said.what.transpose()?, false)?;
        match remark {
            Ok(()) => {
                self.due = now.mono;
                None
            }
            Err(error) => {
                Some(format!("tariffs.{}: {error}, what is known stays", feed.wanted.usage))
            }
        }
    }

    /// Takes a message; a payload that cannot be used changes nothing and comes back as text for
    /// the log, once.
    pub fn message(
        &mut self,
        now: Now,
        topic: &str,
        payload: &[u8],
        retained: bool,
    ) -> Vec<String> {
        let mut remarks = Vec::new();
        for feed in &mut self.feeds {
            let Some(heard) = feed.hear(topic, payload) else { continue };
            match feed.news(now, heard, retained) {
                Some(Ok(())) => self.due = now.mono,
                Some(Err(error)) => {
                    let usage = feed.wanted.usage;
                    remarks
                        .push(format!("tariffs.{usage} ({topic}): {error}, what is known stays"));
                }
                None => {}
            }
        }
        remarks
    }

    /// What is known now, if it is time to look.
    pub fn due(&mut self, now: Now) -> Option<Tariffs> {
        if self.feeds.is_empty() || now.mono < self.due {
            return None;
        }
        let slot_ends = now.until(slots::slot_of(now.utc) + TimeDelta::minutes(15));
        self.due = slot_ends.min(now.mono + REFRESH).max(now.mono + Duration::from_millis(1));
        Some(self.tariffs(now.utc))
    }

    /// When to call [`Self::due`] next.
    pub fn deadline(&self) -> Option<Mono> {
        (!self.feeds.is_empty()).then_some(self.due)
    }

    /// What must be on the disk to be known after a restart.
    pub fn unsaved(&mut self, now: Now) -> Vec<(String, String)> {
        let due = self.feeds.iter_mut().filter(|feed| {
            feed.unsaved && feed.saved.is_none_or(|saved| (now.utc - saved).abs() >= SAVE_EVERY)
        });
        due.filter_map(|feed| {
            feed.unsaved = false;
            feed.saved = Some(now.utc);
            Some((feed.key.clone(), feed.text()?))
        })
        .collect()
    }

    fn tariffs(&self, now: DateTime<Utc>) -> Tariffs {
        let mut tariffs = Tariffs::default();
        for usage in TariffUse::ALL {
            let feeds = || self.feeds.iter().filter(|feed| feed.wanted.usage == *usage);
            let Some(first) = feeds().next() else { continue };
            let mut known: Vec<Known> = Vec::new();
            for feed in feeds() {
                let own = feed.known(self.zone, now);
                let whole = match known.pop_if(|_| feed.wanted.continues) {
                    Some(first) => first.and_then(&own, now),
                    None => own,
                };
                known.push(whole);
            }
            let status = known.iter().map(|known| known.status).max();
            let rates: Vec<_> = known.into_iter().map(|known| known.rates).collect();
            let rates = match rates.len() {
                1 => rates.into_iter().flatten().collect(),
                _ => slots::combined(&rates),
            };
            *tariffs.slot_mut(*usage) = Some(Tariff {
                kind: first.wanted.kind,
                rates: rates.into(),
                status: status.unwrap_or(TariffStatus::Stale),
            });
        }
        let midnight = |days| fixed::midnight(self.zone, now, days);
        if let (Some(sun), Some(a), Some(b), Some(c)) =
            (&tariffs.solar, midnight(1), midnight(2), midnight(3))
        {
            tariffs.solar_days = solar::days(&sun.rates, slots::slot_of(now), [a, b, c]);
        }
        tariffs
    }
}

impl Feed {
    fn new(
        wanted: Wanted,
        key: String,
        position: usize,
        now: Now,
        saved: &BTreeMap<String, String>,
    ) -> Result<Self, String> {
        let source = match &wanted.source {
            TariffSource::Fixed { .. } => None,
            TariffSource::Price(source) => Some((Kind::Number, source)),
            TariffSource::Forecast(source) => Some((Kind::Text, source)),
        };
        let mut listener = None;
        let mut heard = None;
        match source {
            Some((kind, Source::Mqtt(mqtt))) => {
                let getter = Getter::compile(kind, mqtt.scale, &mqtt.pipeline)?;
                listener = Some(Listener::Topic(mqtt.topic.clone(), getter));
                heard = saved.get(&key).and_then(|text| Heard::restored(text, &mqtt.topic));
            }
            Some((kind, Source::Http(http))) => {
                let HttpSource { request, interval, scale, pipeline } = &**http;
                let name = fingerprint(&request.uri);
                heard = saved.get(&key).and_then(|text| Heard::restored(text, &name));
                let interval = wanted.interval.max(interval.unwrap_or_default());
                let age = heard.as_ref().and_then(|heard| (now.utc - heard.at).to_std().ok());
                let provider = Provider {
                    feed: position,
                    request: request.clone(),
                    getter: Getter::compile(kind, *scale, pipeline)?.reading_up_to(ANSWER_MAX),
                    interval,
                    wait: age.map_or(Duration::ZERO, |age| interval.saturating_sub(age)),
                };
                listener = Some(Listener::Provider(name, Some(Box::new(provider))));
            }
            Some((Kind::Number, Source::Const(text))) => {
                let price = text.trim().parse().map_err(|_| "not a number")?;
                heard = Some(Heard { at: now.utc, what: What::Price(price) });
            }
            Some((_, Source::Const(text))) => {
                let rates = forecast::parse(text)?;
                heard = Some(Heard { at: now.utc, what: What::Rates(rates) });
            }
            Some((
                _,
                Source::Modbus(_)
                | Source::SunSpec(_)
                | Source::Socket(_)
                | Source::Script(_)
                | Source::Js(_)
                | Source::Demo(_)
                | Source::Composite(_),
            )) => {
                return Err("tariffs come from source mqtt, http or const".to_owned());
            }
            None => {}
        }
        let saved = heard.as_ref().map(|heard| heard.at);
        Ok(Self {
            wanted,
            key,
            listener,
            heard,
            failing: false,
            unsaved: false,
            saved,
            forgotten: false,
        })
    }

    /// What a message says to this feed; nothing if it is not for it, or empty.
    fn hear(&self, topic: &str, payload: &[u8]) -> Option<Result<What, String>> {
        match self.listener.as_ref()? {
            Listener::Topic(listened, getter) if listened == topic && !payload.is_empty() => {
                said(getter, payload).transpose()
            }
            Listener::Topic(..) | Listener::Provider(..) => None,
        }
    }

    /// Takes news; an error comes back if the news before was none.
    fn news(
        &mut self,
        now: Now,
        heard: Result<What, String>,
        retained: bool,
    ) -> Option<Result<(), String>> {
        match heard {
            Ok(what) => {
                self.failing = false;
                self.take(now.utc, what, retained);
                Some(Ok(()))
            }
            Err(error) => (!std::mem::replace(&mut self.failing, true)).then_some(Err(error)),
        }
    }

    /// Nothing of what was heard so far reaches the disk any more.
    fn forget(&mut self) {
        self.unsaved = false;
        self.saved = None;
        self.forgotten = true;
    }

    /// A retained message that says what is known is no sign of life.
    fn take(&mut self, now: DateTime<Utc>, what: What, retained: bool) {
        let forgotten = std::mem::take(&mut self.forgotten);
        let what = match (what, &self.heard) {
            (What::Rates(new), Some(Heard { what: What::Rates(old), .. })) if !forgotten => {
                let mut rates = slots::merged(old, &new, now - KEEP);
                rates.truncate(slots::MAX_SLOTS);
                What::Rates(rates)
            }
            (what, _) => what,
        };
        if retained && self.heard.as_ref().is_some_and(|heard| heard.what == what) {
            return;
        }
        self.unsaved = true;
        self.heard = Some(Heard { at: now, what });
    }

    /// As it is stored.
    fn text(&self) -> Option<String> {
        let topic = self.listener.as_ref()?.name();
        let heard = self.heard.as_ref()?;
        let at = heard.at.timestamp();
        Some(match &heard.what {
            What::Price(price) => json!({"topic": topic, "at": at, "price": price}).to_string(),
            What::Rates(rates) => {
                json!({"topic": topic, "at": at, "rates": forecast::compact(rates)}).to_string()
            }
        })
    }
}

impl Heard {
    /// What was stored of this topic; of another one it says nothing.
    fn restored(text: &str, topic: &str) -> Option<Self> {
        let json: serde_json::Value = serde_json::from_str(text).ok()?;
        if json["topic"] != topic {
            return None;
        }
        let at = DateTime::from_timestamp(json["at"].as_i64()?, 0)?;
        let what = match json["price"].as_f64() {
            Some(price) => What::Price(price),
            None => What::Rates(forecast::parse(&json["rates"].to_string()).ok()?),
        };
        Some(Self { at, what })
    }
}

/// What a text says of a price or of rates; nothing if it says that nothing is known.
fn said(getter: &Getter, text: &[u8]) -> Result<Option<What>, String> {
    match getter.read(text)? {
        Some(Value::Number(price)) => Ok(Some(What::Price(price))),
        Some(Value::Text(text)) => forecast::parse(&text).map(|rates| Some(What::Rates(rates))),
        Some(Value::Bool(_) | Value::Status(_)) | None => Ok(None),
    }
}

/// An address without the keys that may stand in it, by which it is known again (FNV-1a).
fn fingerprint(uri: &str) -> String {
    let hash = uri.bytes().fold(0xCBF2_9CE4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3)
    });
    format!("http:{hash:016x}")
}
