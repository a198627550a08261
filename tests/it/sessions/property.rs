//! The law of the ledger: all sessions together are what the meter counted, whatever is killed when.

use std::collections::BTreeMap;
use std::time::Duration;

use chargebus::control::Control;
use chargebus::model::{
    ChargeStatus, ChargerValue, Effect, Fact, JournalEntry, JournalKind, KilowattHours,
    LoadPointIx, Mono, Now, Origin, SessionKey, SessionRow,
};
use proptest::prelude::*;

use crate::house;
use crate::rhythm::Rhythm;

/// What a charge adds to the counter in ten seconds.
const DRAWN: f64 = 0.03;
/// More since the last entry is not believed after a start (`STEP_AFTER_RESTART`).
const UNHEARD_MAX: f64 = 190.0;

#[derive(Clone, Debug)]
enum Step {
    Status(ChargeStatus),
    /// It charges for so many times ten seconds; the meter tells all but the last with `late`.
    Draw(u32, bool),
    Pass(u64),
    /// The program is killed and is away for so many seconds; what charges charges on, or the car
    /// leaves. Then either the status or the meter speaks first.
    Kill {
        away: u64,
        leaves: bool,
        meter_first: bool,
    },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => prop::sample::select(ChargeStatus::ALL).prop_map(Step::Status),
        5 => (1..60_u32, any::<bool>()).prop_map(|(n, late)| Step::Draw(n, late)),
        2 => (1..60_000_u64).prop_map(Step::Pass),
        2 => (0..30_000_u64, any::<bool>(), any::<bool>())
            .prop_map(|(away, leaves, meter_first)| Step::Kill { away, leaves, meter_first }),
    ]
}

struct World {
    control: Control,
    now: Now,
    status: ChargeStatus,
    counter: f64,
    /// Drawn in kills one right after the other.
    unheard: f64,
    journal: Vec<JournalEntry>,
    rows: BTreeMap<SessionKey, SessionRow>,
}

impl Rhythm for World {
    fn core(&mut self) -> &mut Control {
        &mut self.control
    }

    fn clock(&mut self) -> &mut Now {
        &mut self.now
    }

    fn note(&mut self, effect: Effect) {
        if let Effect::Journal { entry, row } = effect {
            self.keep(*entry, row.map(|row| *row));
        }
    }
}

impl World {
    fn new() -> Self {
        let now = house::noon();
        let mut world = Self {
            control: Control::new(house::setup(), now),
            now,
            status: ChargeStatus::Disconnected,
            counter: 1000.0,
            unheard: 0.0,
            journal: Vec::new(),
            rows: BTreeMap::new(),
        };
        world.tell_status();
        world.tell_meter();
        world
    }

    /// The disk: an entry with its row, or the end of the entries.
    fn keep(&mut self, entry: JournalEntry, row: Option<SessionRow>) {
        let key = entry.session.clone();
        assert!(row.as_ref().is_none_or(|row| row.finished.is_some()), "{row:?}");
        self.rows.extend(row.map(|row| (key.clone(), row)));
        if entry.kind == JournalKind::Disconnect {
            self.journal.retain(|old| old.session != key);
        } else {
            let last = self.journal.iter().rfind(|old| old.session == key);
            assert!(last.is_none_or(|last| last.number < entry.number), "{entry:?}");
            self.journal.push(entry);
        }
    }

    fn tell(&mut self, value: ChargerValue) {
        let fact = Fact::Charger { lp: LoadPointIx(0), value, origin: Origin::Live };
        self.control.handle(self.now, fact);
        self.drain();
    }

    fn tell_status(&mut self) {
        self.tell(ChargerValue::Status(self.status));
    }

    fn tell_meter(&mut self) {
        self.tell(ChargerValue::Energy(KilowattHours(self.counter)));
    }

    fn pass(&mut self, duration: Duration) {
        let end = self.now.later(duration);
        self.pass_until(end, 100_000);
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Status(status) => {
                self.status = status;
                self.tell_status();
                // If it was still to speak, now it does.
                self.tell_meter();
            }
            Step::Draw(times, late) if self.status == ChargeStatus::Charging => {
                for n in 1..=times {
                    self.counter += DRAWN;
                    self.pass(Duration::from_secs(10));
                    if n < times || !late {
                        self.tell_meter();
                    }
                }
            }
            Step::Draw(..) => {}
            Step::Pass(millis) => self.pass(Duration::from_millis(millis)),
            Step::Kill { away, leaves, meter_first } => self.kill(away, leaves, meter_first),
        }
    }

    fn kill(&mut self, away: u64, leaves: bool, meter_first: bool) {
        if self.status == ChargeStatus::Charging {
            let drawn = DRAWN * (away as f64 / 10.0);
            if self.unheard + drawn > UNHEARD_MAX {
                self.pass(Duration::from_secs(61));
                self.tell_meter();
                self.pass(Duration::from_secs(61));
                self.unheard = 0.0;
            }
            self.unheard += drawn;
            self.counter += drawn;
        }
        if leaves {
            self.status = ChargeStatus::Disconnected;
        }
        let utc = self.now.later(Duration::from_secs(away)).utc;
        self.now = Now { mono: Mono(86_400_000), utc };
        self.control = Control::new(house::setup(), self.now);
        self.control.restore_journal(self.now, self.journal.clone());
        self.drain();
        if meter_first {
            self.tell_meter();
            self.tell_status();
        } else {
            self.tell_status();
            self.tell_meter();
        }
    }

    /// The car leaves; what all sessions come to.
    fn end(&mut self) -> f64 {
        self.step(&Step::Status(ChargeStatus::Disconnected));
        self.pass(Duration::from_secs(30));
        assert_eq!(self.journal, [], "nothing is open");
        self.rows.values().map(|row| row.charged.0).sum()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_sessions_are_what_the_meter_counted(steps in prop::collection::vec(step(), 1..60)) {
        let mut world = World::new();
        let begin = world.counter;
        for step in &steps {
            world.step(step);
        }
        let charged = world.end();
        let metered = world.counter - begin;
        prop_assert!((charged - metered).abs() < 0.01, "{} kWh are not {} kWh", charged, metered);
        for row in world.rows.values() {
            let (start, end) = (row.meter_start.unwrap().0, row.meter_end.unwrap().0);
            prop_assert!(row.charged.0 <= end - start + 1e-6, "{row:?}");
        }
    }

    /// Whoever is killed after every entry has the same sessions as whoever is never killed.
    #[test]
    fn kills_of_no_length_change_nothing(steps in prop::collection::vec(step(), 1..25)) {
        let story: Vec<Step> =
            steps.into_iter().filter(|step| !matches!(step, Step::Kill { .. })).collect();
        let (mut calm, mut killed) = (World::new(), World::new());
        for step in &story {
            for world in [&mut calm, &mut killed] {
                world.step(step);
                // Enough for everything to be written.
                world.pass(Duration::from_secs(11));
            }
            killed.step(&Step::Kill { away: 0, leaves: false, meter_first: true });
        }
        prop_assert!((calm.end() - killed.end()).abs() < 1e-6);
        prop_assert_eq!(calm.rows.len(), killed.rows.len());
        for (a, b) in calm.rows.values().zip(killed.rows.values()) {
            prop_assert_eq!((a.created, a.finished, &a.vehicle), (b.created, b.finished, &b.vehicle));
        }
    }
}
