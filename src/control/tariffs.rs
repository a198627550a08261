//! What power costs and will cost, as the core is told.

use crate::model::{Now, Rate};

use super::{Control, Wake};

/// Rates beyond this number are not looked at: five weeks of quarter hours.
const RATES_MAX: usize = 3_360;

/// Known rates by what they are for; empty where nothing is known.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tariffs {
    /// What plans go by: cheaper is better. Sorted by start, without overlaps.
    pub planner: Vec<Rate>,
}

impl Control {
    /// Replaces the known rates; plans follow at once.
    pub fn set_tariffs(&mut self, now: Now, mut tariffs: Tariffs) {
        tariffs.planner.retain(|rate| rate.value.is_finite() && rate.start < rate.end);
        tariffs.planner.sort_by_key(|rate| rate.start);
        tariffs.planner.truncate(RATES_MAX);
        self.tariffs = tariffs;
        for loadpoint in &mut self.loadpoints {
            loadpoint.plan.renew();
        }
        self.wake(now.mono, Wake::Wish);
    }

    /// The rates that are known.
    pub fn tariffs(&self) -> &Tariffs {
        &self.tariffs
    }
}
