//! The grid operator's limit of the consumption (control.md §23, §14a EnWG).

use crate::model::{EventKind, Mono, Now, OperatorSetup, OperatorSignal, Watts};

use super::budget::{Load, Node};

/// The law grants every site this much, whatever the signal says (§14a EnWG).
const LEAST: Watts = Watts(4200.0);

/// The grid operator as it was last heard.
#[derive(Clone, Copy, Debug)]
pub struct Operator {
    /// What it can do.
    pub setup: OperatorSetup,
    /// The limit in force, if one is.
    pub limit: Option<Watts>,
    /// Nothing is heard of it: the limit is the fail-safe one.
    pub lost: bool,
    signal: Option<OperatorSignal>,
    heard: Mono,
}

impl Operator {
    /// An operator that has said nothing yet.
    pub(super) fn new(setup: OperatorSetup, now: Now) -> Self {
        Self { setup, limit: None, lost: false, signal: None, heard: now.mono }
    }

    /// Records what it says. A retained signal counts: it is what the operator wants until it says
    /// otherwise.
    pub(in crate::control) fn record(&mut self, now: Now, signal: OperatorSignal) {
        if let OperatorSignal::Limit(power) = signal
            && !(power.0.is_finite() && power >= Watts::ZERO)
        {
            return; // garbage is no signal, and the age of the last one goes on
        }
        self.signal = Some(signal);
        self.heard = now.mono;
    }

    /// When the signal is lost, if it ever is.
    pub(super) fn lost_at(&self) -> Option<Mono> {
        Some(self.heard + self.setup.timeout?)
    }

    /// The limit, beside what the root carries that is not ours. Where that is unknown, or where
    /// there are no circuits, the load points alone are compared with the limit.
    pub(super) fn node(
        &mut self,
        now: Now,
        root: Option<Node>,
        events: &mut Vec<EventKind>,
    ) -> Node {
        self.follow(now, events);
        let limit = Load { power: self.limit.unwrap_or(Watts(f64::INFINITY)), ..Load::infinite() };
        let known = |load: Load| if load.power.0.is_finite() { load } else { Load::ZERO };
        let (most, least) =
            root.map_or((Load::ZERO, Load::ZERO), |root| (known(root.most), known(root.least)));
        Node { limit, most, least, operator: true }
    }

    /// Brings the limit up to date; every change of it is told.
    fn follow(&mut self, now: Now, events: &mut Vec<EventKind>) {
        self.lost = self.lost_at().is_some_and(|at| at <= now.mono);
        let wanted = match self.signal {
            _ if self.lost => Some(self.setup.fail_safe),
            None | Some(OperatorSignal::Closed(false)) => None,
            Some(OperatorSignal::Closed(true)) => Some(self.setup.max_power),
            Some(OperatorSignal::Limit(power)) => Some(power).filter(|power| *power > Watts::ZERO),
        };
        let limit = wanted.map(|power| power.max(LEAST));
        if limit == self.limit {
            return;
        }
        self.limit = limit;
        // The conversion saturates; no limit is that large.
        events.push(match limit.map(|power| power.0.round() as u32) {
            None => EventKind::GridLimitEnd,
            Some(watts) if self.lost => EventKind::GridLimitFailSafe(watts),
            Some(watts) => EventKind::GridLimit(watts),
        });
    }
}
