//! The thread that owns the connection: settings at once, everything else a few seconds later.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::mem;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode, Transaction, TransactionBehavior, params};
use tokio::sync::{Notify, oneshot};
use tracing::{info, warn};

use super::sessions::{self, Written};
use super::{Retained, StoreError, history};
use crate::model::{EntityRecord, GridLimit, LimitedSide, SessionKey, SlotRecord};

/// What is collected is written so long after the first change.
const FLUSH_EVERY: Duration = Duration::from_secs(10);
/// Rows and bytes that are collected; a further row is dropped (it is learnt again). A site of a
/// thousand load points has some 80,000 topics, each recorded as ours and retained.
const PENDING_ROWS: usize = 262_144;
const PENDING_BYTES: usize = 32 << 20;
/// A larger database is not handed out in one piece.
pub(super) const BACKUP_MAX: i64 = 256 << 20;

type Reply<T> = oneshot::Sender<Result<T, StoreError>>;

/// What the thread is asked.
pub(super) enum Command {
    SaveSettings {
        entries: Vec<(String, Option<String>)>,
        due: Instant,
        reply: Reply<()>,
    },
    Load(Box<dyn FnOnce(&Connection) + Send>),
    Work(Box<dyn FnOnce(&mut Writer) + Send>),
    Flush(Reply<()>),
    Close(Reply<()>),
    /// There is something to collect.
    Wake,
}

/// What is written with the next flush: the newest value of each row.
#[derive(Default)]
pub(super) struct Pending {
    topics: BTreeMap<String, bool>,
    retained: BTreeMap<String, Retained>,
    /// In order: the store takes nothing twice.
    journal: BTreeMap<(SessionKey, u32), Written>,
    /// Something among it is not to wait.
    pub(super) urgent: bool,
    /// The thread has been told that there is something.
    pub(super) woken: bool,
    /// By the end of the slot, one after the other where the clock was set back.
    slots: BTreeMap<(i64, usize), SlotRecord>,
    /// By millisecond and side.
    limits: BTreeMap<(i64, LimitedSide), GridLimit>,
    bytes: usize,
    dropped: u64,
}

/// What a row weighs.
pub(super) trait Weight {
    fn bytes(&self) -> usize;
}

impl Weight for String {
    fn bytes(&self) -> usize {
        self.len()
    }
}

impl Weight for i64 {
    fn bytes(&self) -> usize {
        size_of::<Self>()
    }
}

impl Weight for (i64, usize) {
    fn bytes(&self) -> usize {
        size_of::<Self>()
    }
}

impl Weight for SlotRecord {
    fn bytes(&self) -> usize {
        self.entities.len() * size_of::<EntityRecord>()
    }
}

impl Weight for GridLimit {
    fn bytes(&self) -> usize {
        size_of::<Self>()
    }
}

impl Weight for (i64, LimitedSide) {
    fn bytes(&self) -> usize {
        size_of::<Self>()
    }
}

impl Weight for (SessionKey, u32) {
    fn bytes(&self) -> usize {
        size_of::<Self>() + self.0.loadpoint.len()
    }
}

impl Weight for bool {
    fn bytes(&self) -> usize {
        0
    }
}

impl Weight for Retained {
    fn bytes(&self) -> usize {
        self.payload.len() + self.properties.len()
    }
}

impl Pending {
    /// A topic is ours, or is no longer.
    pub(super) fn topic(&mut self, topic: String, ours: bool) {
        self.put(|pending| &mut pending.topics, topic, ours);
    }

    /// A retained message of the embedded broker changed.
    pub(super) fn retained(&mut self, message: Retained) {
        self.put(|pending| &mut pending.retained, message.topic.clone(), message);
    }

    /// An entry of the sessions' journal.
    pub(super) fn entry(&mut self, written: Written) {
        let key = written.key();
        self.put(|pending| &mut pending.journal, key, written);
    }

    /// A slot of the history is over.
    pub(super) fn slot(&mut self, record: SlotRecord) {
        let end = record.end.timestamp();
        let same = self.slots.range((end, 0)..=(end, usize::MAX)).count();
        self.put(|pending| &mut pending.slots, (end, same), record);
    }

    /// A limit of the grid operator begins or ends.
    pub(super) fn limit(&mut self, limit: GridLimit) {
        let (GridLimit::Begins { at, side, .. } | GridLimit::Ends { at, side }) = limit;
        self.put(|pending| &mut pending.limits, (at.timestamp_millis(), side), limit);
    }

    fn rows(&self) -> usize {
        self.topics.len()
            + self.retained.len()
            + self.slots.len()
            + self.limits.len()
            + self.journal.len()
    }

    fn put<K: Weight + Ord, V: Weight>(
        &mut self,
        table: impl Fn(&mut Self) -> &mut BTreeMap<K, V>,
        key: K,
        value: V,
    ) {
        let (key_bytes, value_bytes) = (key.bytes(), value.bytes());
        if self.rows() >= PENDING_ROWS || self.bytes + key_bytes + value_bytes > PENDING_BYTES {
            self.dropped += 1;
            return;
        }
        self.bytes += key_bytes + value_bytes;
        if let Some(replaced) = table(self).insert(key, value) {
            self.bytes -= key_bytes + replaced.bytes();
        }
    }

    /// Puts back what could not be written, except where something newer came.
    fn put_back(&mut self, older: Self) {
        fn fill<K: Weight + Ord, V: Weight>(
            newer: &mut BTreeMap<K, V>,
            older: BTreeMap<K, V>,
        ) -> usize {
            let mut bytes = 0;
            for (key, value) in older {
                if let Entry::Vacant(vacant) = newer.entry(key) {
                    bytes += vacant.key().bytes() + value.bytes();
                    vacant.insert(value);
                }
            }
            bytes
        }
        self.bytes += fill(&mut self.topics, older.topics)
            + fill(&mut self.retained, older.retained)
            + fill(&mut self.slots, older.slots)
            + fill(&mut self.limits, older.limits)
            + fill(&mut self.journal, older.journal);
    }
}

/// Whoever panicked, the maps are whole.
pub(super) fn lock(pending: &Mutex<Pending>) -> MutexGuard<'_, Pending> {
    pending.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a caller learns of a database error.
pub(super) fn error(err: &rusqlite::Error) -> StoreError {
    match err.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => StoreError::Locked,
        _ => StoreError::Failed(err.to_string()),
    }
}

/// How sure a commit is when the power goes.
#[derive(Clone, Copy)]
pub(super) enum Durable {
    /// On the disk.
    Now,
    /// With the next checkpoint; the file is whole in any case.
    Soon,
}

/// See the module.
pub(super) struct Writer {
    pub(super) connection: Connection,
    pending: Arc<Mutex<Pending>>,
    sessions_changed: Arc<Notify>,
    /// The trouble that was logged.
    told: Option<StoreError>,
    /// The rows are of another life than the core's.
    sealed: bool,
}

impl Writer {
    /// The whole database as the bytes of a file.
    pub(super) fn copy(&mut self) -> Result<Vec<u8>, StoreError> {
        let pragma = |name| self.connection.pragma_query_value(None, name, |row| row.get(0));
        let size = |count: i64, size: i64| count.saturating_mul(size);
        let bytes = pragma("page_count").and_then(|count| Ok(size(count, pragma("page_size")?)));
        if bytes.map_err(|err| error(&err))? > BACKUP_MAX {
            return Err(StoreError::Failed("the database is larger than 256 MiB".to_owned()));
        }
        let copy = self.connection.serialize("main").map(|data| data.to_vec());
        copy.map_err(|err| error(&err))
    }

    /// Takes the connection over.
    pub(super) fn new(
        connection: Connection,
        pending: Arc<Mutex<Pending>>,
        sessions_changed: Arc<Notify>,
    ) -> Self {
        Self { connection, pending, sessions_changed, told: None, sealed: false }
    }

    /// From here on only what is true of the present is written, whatever the core remembers.
    pub(super) fn seal(&mut self) {
        self.sealed = true;
    }

    /// Whether the core is to start anew before it writes again.
    pub(super) fn is_sealed(&self) -> bool {
        self.sealed
    }

    /// The listed sessions are not what they were.
    pub(super) fn tell_sessions_changed(&self) {
        self.sessions_changed.notify_one();
    }

    /// Until it is closed or nobody is left who could ask.
    pub(super) fn run(mut self, queue: &Receiver<Command>) {
        let mut flush_at: Option<Instant> = None;
        loop {
            if flush_at.is_some_and(|at| at <= Instant::now()) {
                // What failed stays collected and gets a new date below.
                let _ = self.flush();
                flush_at = None;
            }
            let (rows, bytes, urgent) = {
                let mut pending = lock(&self.pending);
                pending.woken = false;
                (pending.rows(), pending.bytes, std::mem::take(&mut pending.urgent))
            };
            if urgent {
                let _ = self.flush();
            }
            if rows > 0 {
                flush_at = flush_at.or(Some(Instant::now() + FLUSH_EVERY));
            }
            let crowded = rows > PENDING_ROWS / 2 || bytes > PENDING_BYTES / 2;
            if crowded && self.told.is_none() {
                let _ = self.flush();
            }
            let command = match flush_at {
                Some(at) => queue.recv_timeout(at.saturating_duration_since(Instant::now())),
                None => queue.recv().map_err(|_| RecvTimeoutError::Disconnected),
            };
            match command {
                Ok(Command::Wake) | Err(RecvTimeoutError::Timeout) => {}
                Ok(Command::SaveSettings { entries, due, reply }) => {
                    if !reply.is_closed() {
                        let _ = reply.send(self.save_settings(&entries, due));
                    }
                }
                Ok(Command::Load(load)) => {
                    // What cannot be written is at least readable as it was.
                    let _ = self.flush();
                    load(&self.connection);
                }
                Ok(Command::Work(work)) => {
                    let _ = self.flush();
                    work(&mut self);
                }
                Ok(Command::Flush(reply)) => drop(reply.send(self.flush())),
                Ok(Command::Close(reply)) => {
                    let outcome = self.flush();
                    drop(self);
                    let _ = reply.send(outcome);
                    return;
                }
                Err(RecvTimeoutError::Disconnected) => {
                    let _ = self.flush();
                    return;
                }
            }
        }
    }

    fn save_settings(
        &mut self,
        entries: &[(String, Option<String>)],
        due: Instant,
    ) -> Result<(), StoreError> {
        if Instant::now() > due {
            return Err(StoreError::Late);
        }
        if self.sealed {
            return Err(StoreError::Replaced);
        }
        self.write(Durable::Now, |transaction| {
            let mut save = transaction.prepare(
                "INSERT INTO settings VALUES (?1, ?2) ON CONFLICT DO UPDATE
                 SET value = excluded.value WHERE value IS NOT excluded.value",
            )?;
            let mut delete = transaction.prepare("DELETE FROM settings WHERE key = ?1")?;
            for (key, value) in entries {
                match value {
                    Some(value) => save.execute(params![key, value])?,
                    None => delete.execute(params![key])?,
                };
            }
            Ok(())
        })
    }

    /// Writes what is collected; what fails stays collected.
    fn flush(&mut self) -> Result<(), StoreError> {
        let mut pending = mem::take(&mut *lock(&self.pending));
        if self.sealed {
            let Pending { topics, retained, .. } = pending;
            pending = Pending { topics, retained, ..Pending::default() };
        }
        if pending.dropped > 0 {
            warn!(rows = pending.dropped, "more changed than the database could take");
        }
        if pending.rows() == 0 {
            return Ok(());
        }
        // A session that is listed is on the disk before anybody hears of it.
        let listed = pending.journal.values().any(Written::is_listed);
        let durable = if listed { Durable::Now } else { Durable::Soon };
        let outcome = self.write(durable, |transaction| write_rows(transaction, &pending));
        match &outcome {
            Ok(()) if listed => self.tell_sessions_changed(),
            Ok(()) => {}
            Err(_) => lock(&self.pending).put_back(pending),
        }
        outcome
    }

    /// One transaction, with what it comes to; each trouble is logged once, and its end.
    pub(super) fn write<T>(
        &mut self,
        durable: Durable,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        let outcome = transact(&mut self.connection, durable, work).map_err(|err| error(&err));
        match &outcome {
            Ok(_) if self.told.take().is_some() => info!("the database takes writes again"),
            Ok(_) => {}
            Err(err) if self.told.as_ref() != Some(err) => {
                warn!("{err}");
                self.told = Some(err.clone());
            }
            Err(_) => {}
        }
        outcome
    }
}

fn transact<T>(
    connection: &mut Connection,
    durable: Durable,
    work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<T> {
    let level = match durable {
        Durable::Now => "FULL",
        Durable::Soon => "NORMAL",
    };
    connection.pragma_update(None, "synchronous", level)?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let outcome = work(&transaction)?;
    transaction.commit()?;
    Ok(outcome)
}

fn write_rows(transaction: &Transaction<'_>, pending: &Pending) -> rusqlite::Result<()> {
    let mut ours = transaction.prepare("INSERT OR IGNORE INTO topics VALUES (?1)")?;
    let mut not_ours = transaction.prepare("DELETE FROM topics WHERE topic = ?1")?;
    for (topic, is_ours) in &pending.topics {
        let query = if *is_ours { &mut ours } else { &mut not_ours };
        query.execute(params![topic])?;
    }
    let mut keep = transaction.prepare(
        "INSERT INTO retained VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO UPDATE
         SET payload = excluded.payload, qos = excluded.qos,
             properties = excluded.properties, expires = excluded.expires
         WHERE payload IS NOT excluded.payload OR qos IS NOT excluded.qos
            OR properties IS NOT excluded.properties OR expires IS NOT excluded.expires",
    )?;
    let mut clear = transaction.prepare("DELETE FROM retained WHERE topic = ?1")?;
    for Retained { topic, payload, qos, properties, expires } in pending.retained.values() {
        match payload.is_empty() {
            true => clear.execute(params![topic])?,
            false => keep.execute(params![topic, payload, qos, properties, expires])?,
        };
    }
    history::write(transaction, pending.slots.values(), pending.limits.values())?;
    sessions::write(transaction, pending.journal.values())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(topic: &str, bytes: usize) -> Retained {
        let topic = topic.to_owned();
        Retained { topic, payload: vec![1; bytes], ..Retained::default() }
    }

    #[test]
    fn what_is_put_back_does_not_replace_what_is_newer() {
        let mut older = Pending::default();
        older.retained(message("a", 10));
        older.retained(message("a", 7));
        older.retained(message("b", 5));
        older.topic("t".into(), true);
        assert_eq!((older.rows(), older.bytes), (3, 8 + 6 + 1));
        let mut newer = Pending::default();
        newer.retained(message("a", 100));
        newer.put_back(older);
        assert_eq!((newer.rows(), newer.bytes), (3, 101 + 6 + 1));
        assert_eq!(newer.retained["a"].payload.len(), 100);
    }

    #[test]
    fn what_is_collected_is_bounded() {
        let mut pending = Pending::default();
        for n in 0..=PENDING_ROWS {
            pending.topic(n.to_string(), true);
        }
        assert_eq!((pending.rows(), pending.dropped), (PENDING_ROWS, 1));
        let mut pending = Pending::default();
        for n in 0..40 {
            pending.retained(message(&n.to_string(), 1 << 20));
        }
        assert!(pending.bytes <= PENDING_BYTES && pending.dropped > 0);
    }
}
