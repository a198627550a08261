//! The grid operator's limit of the feed-in (control.md §23.1, §23.3).

use crate::control::Control;
use crate::model::{
    Effect, Event, EventKind, FeedInContact, FeedInSetup, FeedInSignal, MeterIx, Mono, Now,
    Percent, Watts,
};

const ALL: Percent = Percent(100.0);

/// The grid operator's limit of the feed-in as it was last heard.
#[derive(Clone, Copy, Debug)]
pub struct FeedIn {
    /// What it can do.
    pub setup: FeedInSetup,
    /// How much of what can be produced may be fed in, if that is not all of it.
    pub limit: Option<Percent>,
    /// Nothing is heard of it any more.
    pub lost: bool,
    percent: Option<Percent>,
    contacts: [Option<bool>; FeedInContact::ALL.len()],
    heard: Mono,
    /// What the devices were told.
    told: Option<Percent>,
}

impl FeedIn {
    /// An operator that has said nothing yet.
    pub(super) fn new(setup: FeedInSetup, now: Now) -> Self {
        Self {
            setup,
            limit: None,
            lost: false,
            percent: None,
            contacts: [None; FeedInContact::ALL.len()],
            heard: now.mono,
            told: None,
        }
    }

    /// Records what it says; what is no share is no signal, and the age of the last one goes on.
    pub(in crate::control) fn record(&mut self, now: Now, signal: FeedInSignal) {
        match signal {
            FeedInSignal::Share(percent) if (0.0..=100.0).contains(&percent.0) => {
                self.percent = Some(percent);
            }
            FeedInSignal::Contact(contact, closed) => {
                self.contacts[contact as usize] = Some(closed);
            }
            FeedInSignal::Share(_) => return,
        }
        self.heard = now.mono;
    }

    /// When the signal is lost, if it ever is.
    pub(super) fn lost_at(&self) -> Option<Mono> {
        Some(self.heard + self.setup.timeout?)
    }

    /// The power that may be fed in while it is limited; `None` if nobody said how much there can be.
    pub fn power(&self) -> Option<Watts> {
        Some(self.setup.nominal? * (self.limit?.0 / 100.0))
    }

    /// Brings the limit up to date; comes back with its change, and with what the devices must be told now.
    /// Without a fail-safe limit, what was heard last holds when the signal is lost. Before the first
    /// word nothing is known, and the devices are left alone.
    fn follow(&mut self, now: Now) -> (Option<EventKind>, Option<Percent>) {
        self.lost = self.lost_at().is_some_and(|at| at <= now.mono);
        let fail_safe = self.setup.fail_safe.filter(|_| self.lost);
        let Some(wanted) = fail_safe.or_else(|| self.heard_last()) else {
            return (None, None);
        };
        let limit = Some(wanted).filter(|percent| *percent < ALL);
        // A share has no sign and at most three digits.
        let change =
            (limit != self.limit).then(|| match limit.map(|share| share.0.round() as u8) {
                None => EventKind::FeedInLimitEnd,
                Some(share) if fail_safe.is_some() => EventKind::FeedInLimitFailSafe(share),
                Some(share) => EventKind::FeedInLimit(share),
            });
        self.limit = limit;
        let news = self.told.replace(wanted) != Some(wanted);
        (change, news.then_some(wanted))
    }

    /// The smallest share whose contact is closed, else all; or the share itself.
    fn heard_last(&self) -> Option<Percent> {
        let contacts = FeedInContact::ALL.iter().zip(self.contacts);
        let closed = contacts.filter(|(_, closed)| *closed == Some(true));
        let limited = closed.map(|(contact, _)| contact.percent()).reduce(Percent::min);
        let open = self.contacts.contains(&Some(false)).then_some(ALL);
        limited.or(open).or(self.percent)
    }
}

impl Control {
    /// Tells the devices that can be limited how much may be fed in, when that changes (control.md
    /// §23.3): producers, and what stands at the grid.
    pub(in crate::control) fn curtail(&mut self, now: Now) {
        let Some(feed_in) = &mut self.circuits.feed_in else {
            return;
        };
        let (change, wanted) = feed_in.follow(now);
        if let Some(kind) = change {
            self.keep_grid_limit(now, kind);
            self.effects.push_back(Effect::Event(Event::of_site(kind)));
        }
        let Some(percent) = wanted else {
            return;
        };
        let meters = self.site.meters.iter().enumerate();
        let curtailable = meters.filter(|(_, meter)| meter.setup.curtailable);
        let told = curtailable.map(|(ix, _)| Effect::Curtail { meter: MeterIx(ix), percent });
        self.effects.extend(told);
    }
}
