//! The account of one load point: turns what happens into entries of the journal, not too many.

use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::model::{
    JournalEntry, JournalKind, KilowattHours, Mono, Noted, Now, Percent, SessionKey, SessionRow,
    WattHours, Watts,
};

use super::Session;
use super::register::Register;
use crate::control::Reading;

/// So much energy is written at once.
const WRITE_ENERGY: WattHours = WattHours(100.0);
/// Whatever is new is written after this: a memory card lives long, and a kill loses no more.
const WRITE_EVERY: Duration = Duration::from_secs(60);
/// A session with this many entries is written every [`WRITE_LONG`] only.
const ENTRIES_MAX: u32 = 10_000;
/// See [`ENTRIES_MAX`].
const WRITE_LONG: Duration = Duration::from_secs(900);
/// Starts, stops and names are written no more often than this in the long run, however a charger
/// flutters.
const TURN_SPACING: Duration = Duration::from_secs(5);
/// So much sooner they may be written for a while: six at once.
const TURN_CREDIT: Duration = Duration::from_secs(30);
/// What a meter says so long after a stop belongs to the charge before it (E-62).
const SETTLE: Duration = Duration::from_secs(60);
/// A vehicle that is gone for less was never unplugged (users.md F22).
const GLITCH: Duration = Duration::from_secs(10);
/// Power is not integrated over a longer silence than this; what flowed in between is unknown.
const GAP_MAX: Duration = Duration::from_secs(120);

/// What a kilowatt-hour is made of and worth now; `None` = unknown (§2.8).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Mix {
    /// Green share, 0 to 1.
    pub(crate) green: Option<f64>,
    /// Currency/kWh.
    pub(crate) price: Option<f64>,
    /// g/kWh.
    pub(crate) co2: Option<f64>,
}

/// What is known around a session; `None` = no news.
#[derive(Clone, Debug, Default)]
pub(super) struct Words {
    pub(super) loadpoint: String,
    pub(super) vehicle: Option<String>,
    pub(super) identifier: Option<String>,
    pub(super) soc: Option<Percent>,
    pub(super) range_km: Option<f64>,
    pub(super) odometer_km: Option<f64>,
}

/// An entry for the journal, and the row that the session has become with it.
type Written = (JournalEntry, Option<SessionRow>);

/// The current or last session of one load point.
#[derive(Clone, Debug, Default)]
pub(crate) struct Account {
    /// The session as it is now.
    pub(crate) live: Session,
    /// When the vehicle was plugged in, by the clock of this run.
    pub(crate) connected_at: Option<Now>,
    /// The session as it is written.
    booked: Session,
    /// The session that is open.
    key: Option<SessionKey>,
    /// Number of the next entry.
    number: u32,
    /// What is not written yet.
    pending: Noted,
    counter: Register,
    reported: Register,
    /// Up to here charging time is counted.
    timed: Mono,
    /// When it last started or stopped.
    turned: Option<Now>,
    /// Up to here [`TURN_SPACING`] is used up, by what was written of that.
    turns_until: Mono,
    /// When anything was last written.
    written: Mono,
    /// When the vehicle was unplugged, until the session is closed.
    left: Option<Now>,
    /// The session is from before the start, and its vehicle is still to be found.
    continued: bool,
    /// Its meter is still to speak.
    catching_up: bool,
    /// Its charger is still to speak.
    awaiting: bool,
    entries: Vec<Written>,
}

impl Account {
    /// Goes on with the session of a journal. It stays open until the charger says what is.
    pub(super) fn resume(&mut self, now: Now, entries: &[JournalEntry]) {
        let Some(last) = entries.last() else { return };
        let mut session = Session::default();
        entries.iter().for_each(|entry| session.apply(entry));
        let past = last.session.connected().and_then(|at| (now.utc - at).to_std().ok());
        let connected_at = last
            .session
            .connected()
            .map(|utc| Now { mono: now.mono - past.unwrap_or_default(), utc });
        *self = Self {
            connected_at,
            key: Some(last.session.clone()),
            number: last.number.saturating_add(1),
            counter: Register::resumed(session.counter.map(KilowattHours::watt_hours), now.mono),
            reported: Register::resumed(session.reported, now.mono),
            timed: now.mono,
            written: now.mono,
            // Perhaps it stopped just before the kill, and its meter is still to speak.
            turned: Some(now).filter(|now| (now.utc - last.at).to_std().is_ok_and(|t| t < SETTLE)),
            continued: true,
            catching_up: true,
            awaiting: true,
            booked: session.clone(),
            live: session,
            ..Self::default()
        };
    }

    /// A vehicle was plugged in at the load point of this name, or is found plugged in after the
    /// start (`witnessed` = false). Whether a session begins with it.
    pub(crate) fn connect(&mut self, now: Now, name: &str, witnessed: bool) -> bool {
        self.close_if_over(now);
        self.left = None;
        if self.key.is_some() {
            return false;
        }
        self.open(now, name);
        if witnessed {
            self.reported.begin(now.mono);
        }
        true
    }

    /// The vehicle draws.
    pub(crate) fn start(&mut self, now: Now) {
        if self.live.charging && self.awaiting {
            // Killed while it charged, and it still does: it is taken to have charged all the time.
            let away = self.booked.last.and_then(|last| (now.utc - last).to_std().ok());
            self.note(Noted { charging: away.unwrap_or_default(), ..Noted::default() });
        } else if !self.live.charging {
            self.turned = Some(now);
            self.live.start(now.utc);
            let counter = self.counter.value().map(WattHours::kilowatt_hours);
            self.note(Noted { counter, ..Noted::default() });
        }
        self.awaiting = false;
        self.timed = now.mono;
    }

    /// The vehicle draws no more.
    pub(crate) fn stop(&mut self, now: Now) {
        if self.live.charging {
            self.count_time(now.mono);
            self.turned = Some(now);
            self.live.stop(now.utc);
        }
    }

    /// The charger's first word after the start, and it does not charge: what did when the program
    /// was killed has stopped meanwhile, after the last entry.
    pub(crate) fn stopped_meanwhile(&mut self, now: Now) {
        let awaiting = std::mem::take(&mut self.awaiting);
        if let Some(last) = self.booked.last.filter(|_| awaiting && self.live.charging) {
            self.turned = Some(Now { mono: now.mono, utc: last });
            self.live.stop(last);
        }
    }

    /// The vehicle was unplugged.
    pub(crate) fn leave(&mut self, now: Now) {
        if self.key.is_some() {
            self.left = Some(now);
        }
    }

    /// The counter moved; it is the truth where it exists.
    pub(crate) fn counter(&mut self, now: Mono, counter: KilowattHours, mix: Mix) {
        let counting = self.is_counting(now);
        let Some(added) = self.counter.advance(counter.watt_hours(), now) else { return };
        let mix = if std::mem::take(&mut self.catching_up) { Mix::default() } else { mix };
        let noted = Noted { counter: Some(counter), ..Noted::default() };
        let idle = self.live.counter.map(|known| (counter - known).watt_hours());
        if counting && (added > WattHours::ZERO || idle.is_none()) {
            self.add(added, mix, noted);
        } else if self.key.is_some() && idle.is_some_and(|idle| idle >= WRITE_ENERGY) {
            // After a restart this must not be taken for charged.
            self.note(noted);
        }
    }

    /// Integrates the power that flowed since the last reading, for chargers without a counter.
    pub(crate) fn integrate(&mut self, last: Reading<Watts>, now: Mono, mix: Mix) {
        let gap = now.since(last.at).min(GAP_MAX);
        let energy = WattHours(last.value.0.max(0.0) * gap.as_secs_f64() / 3600.0);
        self.add(energy, mix, Noted::default());
    }

    /// The charger's own session energy, for chargers without a counter.
    pub(crate) fn reported(&mut self, now: Mono, energy: WattHours, mix: Mix) {
        let Some(added) = self.reported.advance(energy, now) else { return };
        let mix = if std::mem::take(&mut self.catching_up) { Mix::default() } else { mix };
        if self.key.is_some() && (added > WattHours::ZERO || self.live.reported.is_none()) {
            self.add(added, mix, Noted { reported: Some(energy), ..Noted::default() });
        }
    }

    /// Time spent charging up to `now`.
    pub(crate) fn charge_duration(&self, now: Mono) -> Duration {
        let counts = self.live.charging && !self.awaiting;
        let running = if counts { now.since(self.timed) } else { Duration::ZERO };
        self.live.duration + running
    }

    /// Whether a session is open.
    pub(super) fn is_open(&self) -> bool {
        self.key.is_some()
    }

    /// Whether the session has just begun: what its energy is compared with is still to be noted.
    pub(super) fn begins(&self) -> bool {
        self.key.is_some() && self.number == 0
    }

    /// Whether it is known since before the start who stands here, and not seen again yet.
    pub(super) fn continued(&self) -> bool {
        self.continued
    }

    /// Notes what the energy of a session is compared with.
    pub(super) fn compare(&mut self, price: Option<f64>, co2: Option<f64>) {
        let noted = Noted { reference_price: price, reference_co2: co2, ..Noted::default() };
        self.note(noted);
    }

    /// Notes what is new of what is known around the session. SoC and range count while it charges
    /// and shortly after: what a car loses while it stands was charged nevertheless.
    pub(super) fn learn(&mut self, now: Now, words: Words) {
        // Whoever is assigned after it left was not here.
        if self.key.is_none() || self.left.is_some() {
            return;
        }
        self.continued &= words.vehicle.is_none();
        let counting = self.is_counting(now.mono);
        let live = &self.live;
        let text = |news: Option<String>, known: &str| news.filter(|news| *news != known);
        let noted = Noted {
            loadpoint: text(Some(words.loadpoint), &live.loadpoint),
            vehicle: text(words.vehicle, &live.vehicle),
            identifier: text(words.identifier, &live.identifier),
            soc: words.soc.filter(|soc| counting && live.soc != Some(*soc)),
            range_km: words.range_km.filter(|range| counting && live.range_km != Some(*range)),
            odometer_km: words.odometer_km.filter(|odometer| live.odometer_km != Some(*odometer)),
            ..Noted::default()
        };
        if noted != Noted::default() {
            self.note(noted);
        }
    }

    /// Writes what is due.
    pub(super) fn write(&mut self, now: Now) {
        self.count_time(now.mono);
        if self.key.is_none() {
            return;
        }
        let before = self.number;
        if self.number == 0 {
            let at = self.connected_at.map_or(now.utc, |at| at.utc);
            self.book(now.mono, JournalKind::Connect, at);
        }
        if self.turn_is_due(now.mono) {
            self.book_turn(now);
        } else if self.reading_is_due(now.mono) {
            self.book(now.mono, JournalKind::Reading, now.utc);
        }
        self.close_if_over(now);
        if self.number != before && self.live.charging == self.booked.charging {
            self.live.clone_from(&self.booked);
            self.live.learn(&self.pending);
        }
    }

    /// Writes everything, due or not: the program ends.
    pub(super) fn write_all(&mut self, now: Now) {
        self.write(now);
        if self.key.is_some() && self.live.charging != self.booked.charging {
            self.book_turn(now);
        }
        if self.key.is_some() && self.pending != Noted::default() {
            self.book(now.mono, JournalKind::Reading, now.utc);
        }
    }

    /// Ends the session and begins another one with the same vehicle (control.md §21.5).
    pub(super) fn begin_anew(&mut self, now: Now) {
        let Some(key) = self.key.clone() else { return };
        let charging = self.live.charging;
        self.stop(now);
        self.close(now, now);
        self.open(now, &key.loadpoint);
        if charging {
            self.start(now);
        }
    }

    /// What was written, in order.
    pub(super) fn take_entries(&mut self) -> Vec<Written> {
        std::mem::take(&mut self.entries)
    }

    /// When there is something to write without being told anything.
    pub(crate) fn due(&self) -> Option<Mono> {
        let left = self.left.map(|left| left.mono + GLITCH);
        let turned = self.key.is_some() && self.live.charging != self.booked.charging;
        let turn = turned.then(|| self.turns_until - TURN_CREDIT);
        left.into_iter().chain(turn).min()
    }

    fn open(&mut self, now: Now, name: &str) {
        let connected_ms = now.utc.timestamp_millis();
        let loadpoint = name.to_owned();
        *self = Self {
            connected_at: Some(now),
            key: Some(SessionKey { loadpoint, connected_ms }),
            counter: self.counter,
            reported: self.reported,
            turns_until: self.turns_until,
            timed: now.mono,
            written: now.mono,
            entries: std::mem::take(&mut self.entries),
            ..Self::default()
        };
        let counter = self.counter.value().map(WattHours::kilowatt_hours);
        self.note(Noted { counter, reported: self.reported.value(), ..Noted::default() });
    }

    fn close_if_over(&mut self, now: Now) {
        if let Some(left) = self.left.filter(|left| now.mono.since(left.mono) >= GLITCH) {
            self.close(now, left);
        }
    }

    pub(super) fn close(&mut self, now: Now, left: Now) {
        if self.live.charging != self.booked.charging {
            self.book_turn(now);
        }
        self.book(now.mono, JournalKind::Disconnect, left.utc);
        self.live.clone_from(&self.booked);
        self.key = None;
        self.left = None;
    }

    fn book_turn(&mut self, now: Now) {
        let kind = if self.live.charging { JournalKind::Start } else { JournalKind::Stop };
        self.turns_until = self.turns_until.max(now.mono) + TURN_SPACING;
        self.book(now.mono, kind, self.turned.map_or(now.utc, |turned| turned.utc));
    }

    fn book(&mut self, now: Mono, kind: JournalKind, at: DateTime<Utc>) {
        let Some(session) = self.key.clone() else { return };
        let noted = std::mem::take(&mut self.pending);
        let entry = JournalEntry { session, number: self.number, at, kind, noted };
        self.number = self.number.saturating_add(1);
        self.written = now;
        self.booked.apply(&entry);
        // While it charges its row is not right, and evcc's clients expect none.
        let row = if self.booked.charging { None } else { self.booked.row() };
        self.entries.push((entry, row));
    }

    fn turn_is_due(&self, now: Mono) -> bool {
        let spaced = self.turns_until <= now + TURN_CREDIT;
        self.live.charging != self.booked.charging && spaced
    }

    fn reading_is_due(&self, now: Mono) -> bool {
        let since = now.since(self.written);
        if self.number >= ENTRIES_MAX {
            return self.pending != Noted::default() && since >= WRITE_LONG;
        }
        let named = self.pending.vehicle.is_some() || self.pending.identifier.is_some();
        self.pending.energy >= WRITE_ENERGY
            || (named && since >= TURN_SPACING)
            || (self.pending != Noted::default() && since >= WRITE_EVERY)
    }

    /// Whether what the counter says was charged; between two charges it is the box's own need.
    fn is_counting(&self, now: Mono) -> bool {
        let settling = self.turned.is_some_and(|stopped| now.since(stopped.mono) < SETTLE);
        self.key.is_some() && (self.live.charging || settling || self.catching_up)
    }

    fn count_time(&mut self, now: Mono) {
        if self.live.charging && !self.awaiting && now > self.timed {
            self.note(Noted { charging: now.since(self.timed), ..Noted::default() });
        }
        self.timed = now;
    }

    fn add(&mut self, energy: WattHours, mix: Mix, mut noted: Noted) {
        let kwh = energy.kilowatt_hours().0;
        noted.energy = energy;
        if let Some(green) = mix.green {
            (noted.shared, noted.solar) = (energy, energy * green);
        }
        if let Some(price) = mix.price {
            (noted.priced, noted.price) = (energy, price * kwh);
        }
        if let Some(co2) = mix.co2 {
            (noted.rated, noted.co2_g) = (energy, co2 * kwh);
        }
        self.note(noted);
    }

    fn note(&mut self, noted: Noted) {
        self.live.learn(&noted);
        self.pending.merge(noted);
    }
}
