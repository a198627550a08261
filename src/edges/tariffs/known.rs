//! What is known of a tariff at an instant: from its contract, or from what was heard last.

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;

use super::{Feed, What};
use crate::config::TariffSource;
use crate::control::tariff::fixed::{self, Contract};
use crate::control::tariff::{TariffStatus, price, slots};
use crate::model::{Rate, TariffKind, is_plausible};

/// What was heard stands in this long for a source that is silent.
const BRIDGE: TimeDelta = TimeDelta::hours(36);
/// A price that is known for now is taken to hold this long (plans-vehicles-devices.md §2.6).
const PRICE_AHEAD: TimeDelta = TimeDelta::hours(48);

/// What is known of one tariff.
pub(super) struct Known {
    /// From the slot of now on.
    pub(super) rates: Vec<Rate>,
    /// How far they can be relied upon.
    pub(super) status: TariffStatus,
    /// From here on they are guesses.
    until: DateTime<Utc>,
}

impl Known {
    /// Goes on with another tariff where this one ends; that stands in while this one knows nothing.
    pub(super) fn and_then(self, next: &Self, now: DateTime<Utc>) -> Self {
        let ends = self.until.max(slots::slot_of(now));
        let first = match self.status {
            TariffStatus::Stale => Vec::new(),
            TariffStatus::Fresh | TariffStatus::Cached | TariffStatus::Estimated => self.rates,
        };
        let rates = slots::continued(first, ends, &next.rates);
        let taken_over = ends <= now || self.status == TariffStatus::Stale;
        let second = taken_over && Rate::at(&next.rates, now) == Rate::at(&rates, now);
        Self {
            rates,
            status: if second { next.status } else { self.status },
            until: next.until.max(self.until),
        }
    }
}

impl Feed {
    /// What is known of it now.
    pub(super) fn known(&self, zone: Tz, now: DateTime<Utc>) -> Known {
        let nothing = Known { rates: Vec::new(), status: TariffStatus::Stale, until: now };
        if !is_plausible(now) {
            return nothing;
        }
        let charges = &self.wanted.charges;
        if let TariffSource::Fixed { price, zones } = &self.wanted.source {
            let rates = fixed::rates(&Contract { price: *price, zones, charges }, zone, now);
            let until = rates.last().map_or(now, |rate| rate.end);
            return Known { rates, status: TariffStatus::Fresh, until };
        }
        let Some(heard) = &self.heard else { return nothing };
        // A constant never grows old.
        let at = if self.listener.is_some() { heard.at } else { now };
        let bridged = at + BRIDGE;
        let (mut rates, until) = match &heard.what {
            What::Price(value) if now < bridged => {
                let start = slots::slot_of(now);
                let slot = Rate { start, end: start + PRICE_AHEAD, value: *value };
                (slots::normalised(&[slot], now, false), slot.end)
            }
            What::Price(_) => (Vec::new(), now),
            What::Rates(known) => {
                let from = known.first().map_or(now, |rate| rate.start);
                let until = known.last().map_or(now, |rate| rate.end);
                let shaped = self.wanted.kind == TariffKind::Solar;
                let mut rates = slots::normalised(known, from, shaped);
                slots::extended(&mut rates, bridged);
                rates.retain(|rate| rate.end > slots::slot_of(now));
                (rates, until)
            }
        };
        if self.wanted.average {
            rates = slots::averaged(&rates);
        }
        rates.retain_mut(|rate| {
            let price = price::compose(rate.value, charges, &rate.start.with_timezone(&zone));
            rate.value = price.unwrap_or_default();
            price.is_some()
        });
        let late = TimeDelta::from_std(self.wanted.interval * 2).unwrap_or(BRIDGE);
        let status = match Rate::at(&rates, now) {
            None => TariffStatus::Stale,
            Some(_) if now >= until => TariffStatus::Estimated,
            Some(_) if now - at > late => TariffStatus::Cached,
            Some(_) => TariffStatus::Fresh,
        };
        Known { rates, status, until }
    }
}
