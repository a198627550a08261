//! The grid operator's limit of the feed-in: what the devices are told, and what is kept of it.

use super::*;

/// A producer and a grid connection that take limits, and a producer that does not.
struct Roof {
    control: Control,
    now: Now,
    told: Vec<(usize, f64)>,
    events: Vec<EventKind>,
    kept: Vec<GridLimit>,
}

impl Rhythm for Roof {
    fn core(&mut self) -> &mut Control {
        &mut self.control
    }

    fn clock(&mut self) -> &mut Now {
        &mut self.now
    }

    fn note(&mut self, effect: Effect) {
        if let Effect::Curtail { meter, percent } = effect {
            self.told.push((meter.0, percent.0));
        } else if let Effect::Event(event) = effect {
            self.events.extend(event.kind.limited_side().map(|_| event.kind));
        } else if let Effect::GridLimit(limit) = effect {
            self.kept.push(limit);
        }
    }
}

impl Roof {
    fn new(fail_safe: Option<f64>, timeout: Option<u64>) -> Self {
        let now = Now { mono: Mono(1_000_000), utc: Utc.timestamp_opt(1_800_000_000, 0).unwrap() };
        let meter = |name: &str, role, curtailable| MeterSetup {
            curtailable,
            ..MeterSetup::new(name, role)
        };
        let feed_in = FeedInSetup {
            nominal: Some(Watts(10_000.0)),
            fail_safe: fail_safe.map(Percent),
            timeout: timeout.map(Duration::from_secs),
        };
        let setup = Setup {
            meters: vec![
                meter("pv", MeterRole::Pv, true),
                meter("old", MeterRole::Pv, false),
                meter("grid", MeterRole::Grid, true),
            ],
            limits: LimitSetup { feed_in: Some(feed_in), ..LimitSetup::default() },
            ..Setup::default()
        };
        let control = Control::new(setup, now);
        let mut roof = Self { control, now, told: vec![], events: vec![], kept: vec![] };
        roof.pass(5);
        roof
    }

    fn pass(&mut self, seconds: u64) {
        let end = self.now.later(Duration::from_secs(seconds));
        self.pass_until(end, 10_000);
    }

    fn hear(&mut self, signal: FeedInSignal) {
        self.fact(Fact::FeedIn { signal, origin: Origin::Live });
    }

    fn fact(&mut self, fact: Fact) {
        self.control.handle(self.now, fact);
        self.pass(1);
    }

    fn share(&mut self, percent: f64) {
        self.hear(FeedInSignal::Share(Percent(percent)));
    }

    fn told(&mut self) -> Vec<(usize, f64)> {
        std::mem::take(&mut self.told)
    }

    fn both(percent: f64) -> Vec<(usize, f64)> {
        vec![(0, percent), (2, percent)]
    }
}

#[test]
fn devices_are_told_a_share_when_it_changes_and_never_before_the_first_word() {
    let mut roof = Roof::new(None, None);
    assert_eq!(roof.told(), [], "nothing is known yet");
    // control.md §31.9: wanted 60, 60, 60, 30, 100; written 60, 30, 100.
    let mut written = Vec::new();
    for wanted in [60.0, 60.0, 60.0, 30.0, 100.0] {
        roof.share(wanted);
        written.extend(roof.told());
    }
    assert_eq!(written, [60.0, 30.0, 100.0].map(Roof::both).concat());
    use EventKind::{FeedInLimit, FeedInLimitEnd};
    assert_eq!(roof.events, [FeedInLimit(60), FeedInLimit(30), FeedInLimitEnd]);
    let limits = roof.kept.iter().map(|limit| match limit {
        GridLimit::Begins { side, limit, .. } => (*side, limit.0),
        GridLimit::Ends { side, .. } => (*side, 0.0),
    });
    let side = LimitedSide::Production;
    assert_eq!(limits.collect::<Vec<_>>(), [6000.0, 3000.0, 0.0].map(|limit| (side, limit)));
    for garbage in [f64::NAN, -1.0, 101.0, f64::INFINITY] {
        roof.share(garbage);
    }
    let signal = OperatorSignal::Limit(Watts(5000.0));
    roof.fact(Fact::Operator { signal, origin: Origin::Live });
    assert_eq!((roof.told(), roof.events.len()), (vec![], 3), "no signal of a feed-in");
}

#[test]
fn the_contacts_of_a_control_box_leave_the_least() {
    use FeedInContact::{S1, S2, W3};
    let mut roof = Roof::new(None, None);
    let mut closed = |contact, closed| {
        roof.hear(FeedInSignal::Contact(contact, closed));
        roof.told().first().map(|(_, percent)| *percent)
    };
    assert_eq!(closed(S1, false), Some(100.0));
    assert_eq!(closed(S1, true), Some(60.0));
    assert_eq!(closed(W3, true), Some(0.0));
    assert_eq!(closed(S2, true), None, "0 % is less");
    assert_eq!(closed(W3, false), Some(30.0));
    assert_eq!(closed(S2, false), Some(60.0));
    assert_eq!(closed(S1, false), Some(100.0));
}

#[test]
fn a_lost_signal_leaves_the_fail_safe_share_or_what_was_heard_last() {
    let mut roof = Roof::new(Some(50.0), Some(30));
    roof.share(100.0);
    assert_eq!(roof.told(), Roof::both(100.0));
    roof.pass(28);
    assert_eq!(roof.told(), []);
    roof.pass(3);
    assert_eq!(roof.told(), Roof::both(50.0));
    assert_eq!(roof.events, [EventKind::FeedInLimitFailSafe(50)]);
    assert!(roof.control.circuits().feed_in.unwrap().lost);
    roof.share(100.0);
    assert_eq!(
        (roof.told(), roof.events.last()),
        (Roof::both(100.0), Some(&EventKind::FeedInLimitEnd))
    );

    let mut roof = Roof::new(None, Some(30));
    roof.share(30.0);
    roof.pass(60);
    assert_eq!(roof.told(), Roof::both(30.0));
    let feed_in = roof.control.circuits().feed_in.unwrap();
    assert_eq!((feed_in.lost, feed_in.limit), (true, Some(Percent(30.0))));
}
