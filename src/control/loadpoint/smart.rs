//! Limits on prices and emissions: when a load point charges from the grid, and when it leaves the
//! sun to the grid (control.md §16, plans-vehicles-devices.md §2.7).

use chrono::{DateTime, Utc};

use super::LoadPoint;
use crate::control::tariff::Tariffs;
use crate::model::{Now, Rate};

/// Whether a limit is met now, and if not, when it will be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SmartLimit {
    /// It is met by the rate of now.
    pub active: bool,
    /// Start of the next slot that meets it; only while it is not met.
    pub next_start: Option<DateTime<Utc>>,
}

impl SmartLimit {
    /// 0 and negative limits are limits; without a limit or a rate nothing is active.
    fn of(
        rates: &[Rate],
        now: DateTime<Utc>,
        limit: Option<f64>,
        met: fn(f64, f64) -> bool,
    ) -> Self {
        let Some(limit) = limit else { return Self::default() };
        let active = Rate::at(rates, now).is_some_and(|rate| met(rate.value, limit));
        let mut ahead = rates.iter().filter(|rate| rate.start > now);
        let next = ahead.find(|rate| met(rate.value, limit)).filter(|_| !active);
        Self { active, next_start: next.map(|rate| rate.start) }
    }
}

impl LoadPoint {
    /// Compares the rates of now with the limits; to be called before a decision.
    pub(in crate::control) fn watch_tariffs(&mut self, now: Now, tariffs: &Tariffs) {
        let cheap = |rate, limit| rate <= limit;
        let dear = |rate, limit| rate >= limit;
        let cost = self.settings.smart_cost_limit;
        let feed_in = self.settings.smart_feed_in_limit;
        self.smart_cost = SmartLimit::of(tariffs.planner_rates(), now.utc, cost, cheap);
        self.smart_feed_in = SmartLimit::of(tariffs.feed_in_rates(), now.utc, feed_in, dear);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn negative_prices_and_the_next_start() {
        let at = |slot: i64| DateTime::from_timestamp(1_800_000_000 + slot * 900, 0).unwrap();
        let rates: Vec<Rate> = (0..)
            .zip([0.1, 0.0, -0.05, -0.06, 0.2])
            .map(|(n, value)| Rate { start: at(n), end: at(n + 1), value })
            .collect();
        let cost = |slot, limit| {
            let smart = SmartLimit::of(&rates, at(slot), limit, |rate, limit| rate <= limit);
            (smart.active, smart.next_start)
        };
        assert_eq!(cost(0, None), (false, None));
        assert_eq!(cost(0, Some(0.0)), (false, Some(at(1))));
        assert_eq!(cost(1, Some(0.0)), (true, None));
        assert_eq!(cost(1, Some(-0.05)), (false, Some(at(2))));
        assert_eq!(cost(2, Some(-0.05)), (true, None));
        assert_eq!(cost(4, Some(0.0)), (false, None), "no cheap slot ahead");
        assert_eq!(cost(9, Some(1.0)), (false, None), "no rate");
        let dear = SmartLimit::of(&rates, at(0), Some(0.2), |rate, limit| rate >= limit);
        assert_eq!((dear.active, dear.next_start), (false, Some(at(4))));
    }
}
