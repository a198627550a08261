//! What survives a restart: one SQLite file, one thread that owns it, and nobody who waits for it.
//!
//! Settings are stored before the writer is answered, or the answer says that they are not. What can
//! be learnt again (topics that are ours, the embedded broker's retained messages, the cars' last
//! values) is collected in memory, newest value wins, and written every few seconds, so that an SD
//! card lives long. The store knows keys and values, not what they mean; of the history it knows the
//! tables.

mod file;
mod history;
mod restore;
mod sessions;
mod writer;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rusqlite::Connection;
use tokio::sync::{Notify, Semaphore, oneshot};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::warn;

pub use super::broker::Retained;
pub use history::{EnergyFilter, EnergyReader, EnergyRow};
pub use restore::{Protected, Reset, RestoreError, UPLOAD_MAX, Upload};
pub use sessions::LISTED_MAX;
use writer::{Command, Durable, Pending, Writer};

/// Calls that wait for the thread; a further one is refused with [`StoreError::Busy`].
const QUEUE_MAX: usize = 64;
/// A call that has waited longer is refused by the thread instead of done.
const WAIT_MAX: Duration = Duration::from_secs(5);
/// Longest wait for an answer; only a disk that hangs takes so long.
const ANSWER_MAX: Duration = Duration::from_secs(10);
/// Largest key or value of a setting.
const SETTING_BYTES_MAX: usize = 1 << 20;

/// The way to the database; clones share it.
#[derive(Clone)]
pub struct Store {
    commands: SyncSender<Command>,
    pending: Arc<Mutex<Pending>>,
    /// Told when the listed sessions have changed.
    sessions_changed: Arc<Notify>,
    /// Why there is no file, if there should be one.
    missing: Option<Arc<str>>,
    /// The file, if there is one.
    file: Option<Arc<Path>>,
    /// Who puts another database in its place; one at a time.
    exchange: Arc<Semaphore>,
    replaced: CancellationToken,
}

/// Why something is not stored, or not known to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreError {
    /// Too many calls wait; not stored.
    Busy,
    /// The call waited too long for its turn; not stored.
    Late,
    /// Another program holds the database; not stored.
    Locked,
    /// The database says no (disk full, read-only, damaged …); not stored.
    Failed(String),
    /// The database was replaced and waits for a new start; not stored.
    Replaced,
    /// The store is closed; not stored.
    Closed,
    /// The disk hangs: stored or not, nobody knows.
    NoAnswer,
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::Busy => "not stored: too many writes wait for the database",
            Self::Late => "not stored: the database is too slow",
            Self::Locked => "not stored: another program holds the database",
            Self::Failed(reason) => return write!(f, "not stored: {reason}"),
            Self::Replaced => "not stored: the database was replaced and the service starts anew",
            Self::Closed => "not stored: the database is closed",
            Self::NoAnswer => "perhaps not stored: the database does not answer",
        };
        f.write_str(text)
    }
}

impl std::error::Error for StoreError {}

impl Store {
    /// Opens or creates the file and starts the thread; takes half a second when it is locked.
    ///
    /// A damaged database is renamed to `<name>.corrupt-<n>` and a new one is started.
    ///
    /// # Errors
    ///
    /// The file cannot be used; names the path and the remedy. Control can go on with
    /// [`Store::without_file`].
    pub fn open(path: &Path) -> Result<Self> {
        restore::clean_up(path);
        Ok(Self { file: Some(path.into()), ..Self::start(file::open(path)?)? })
    }

    /// A store that forgets everything at the end, on purpose.
    ///
    /// # Errors
    ///
    /// The system gives no thread or no memory.
    pub fn memory() -> Result<Self> {
        Self::start(file::memory()?)
    }

    /// A store for when the file cannot be used: it forgets everything at the end, and tells
    /// whoever saves a setting that it is not stored, and the reason.
    ///
    /// # Errors
    ///
    /// The system gives no thread or no memory.
    pub fn without_file(reason: &str) -> Result<Self> {
        let missing = Some(reason.into());
        Ok(Self { missing, ..Self::memory()? })
    }

    fn start(connection: Connection) -> Result<Self> {
        let (commands, queue) = sync_channel(QUEUE_MAX);
        let pending = Arc::new(Mutex::new(Pending::default()));
        let sessions_changed = Arc::new(Notify::new());
        let changed = Arc::clone(&sessions_changed);
        let writer = Writer::new(connection, Arc::clone(&pending), changed);
        thread::Builder::new()
            .name("store".into())
            .spawn(move || writer.run(&queue))
            .context("cannot start the store's thread")?;
        Ok(Self {
            commands,
            pending,
            sessions_changed,
            missing: None,
            file: None,
            exchange: Arc::new(Semaphore::new(1)),
            replaced: CancellationToken::new(),
        })
    }

    /// Stores all of these settings or none; `None` deletes. Returns when they are on the disk.
    ///
    /// # Errors
    ///
    /// They are not stored, see [`StoreError`].
    pub async fn save_settings(
        &self,
        entries: Vec<(String, Option<String>)>,
    ) -> Result<(), StoreError> {
        if let Some(reason) = &self.missing {
            return Err(StoreError::Failed(reason.to_string()));
        }
        let bytes = |(key, value): &(String, Option<String>)| {
            key.len().max(value.as_ref().map_or(0, String::len))
        };
        if entries.iter().map(bytes).any(|bytes| bytes > SETTING_BYTES_MAX) {
            return Err(StoreError::Failed("a setting is larger than 1 MiB".into()));
        }
        let due = Instant::now() + WAIT_MAX;
        self.ask(|reply| Command::SaveSettings { entries, due, reply }).await
    }

    /// Deletes what can be learnt again: settings whose keys begin with `prefix`.
    ///
    /// # Errors
    ///
    /// Nothing was deleted, see [`StoreError`].
    pub async fn forget_cached(&self, prefix: &'static str) -> Result<(), StoreError> {
        self.work(move |writer| {
            writer.write(Durable::Now, |transaction| {
                let cached = "DELETE FROM settings WHERE substr(key, 1, length(?1)) = ?1";
                transaction.execute(cached, [prefix])
            })?;
            Ok(())
        })
        .await
    }

    /// All settings.
    ///
    /// # Errors
    ///
    /// See [`StoreError`]; so for every `load_…`.
    pub async fn load_settings(&self) -> Result<BTreeMap<String, String>, StoreError> {
        self.load("SELECT key, value FROM settings", |row| Ok((row.get(0)?, row.get(1)?))).await
    }

    /// Records which retained topics are ours: only those may ever be deleted (S9). Written soon.
    pub fn record_topics(
        &self,
        added: impl IntoIterator<Item = String>,
        removed: impl IntoIterator<Item = String>,
    ) {
        self.later(|pending| {
            for topic in added {
                pending.topic(topic, true);
            }
            for topic in removed {
                pending.topic(topic, false);
            }
        });
    }

    /// The retained topics that are ours.
    ///
    /// # Errors
    ///
    /// See [`StoreError`].
    pub async fn load_topics(&self) -> Result<BTreeSet<String>, StoreError> {
        self.load("SELECT topic FROM topics", |row| row.get(0)).await
    }

    /// Records changes of the embedded broker's retained messages. Written soon.
    pub fn save_retained(&self, messages: impl IntoIterator<Item = Retained>) {
        self.later(|pending| messages.into_iter().for_each(|message| pending.retained(message)));
    }

    /// The embedded broker's retained messages, by topic.
    ///
    /// # Errors
    ///
    /// See [`StoreError`].
    pub async fn load_retained(&self) -> Result<Vec<Retained>, StoreError> {
        let query = "SELECT topic, payload, qos, properties, expires FROM retained ORDER BY topic";
        self.load(query, |row| {
            Ok(Retained {
                topic: row.get(0)?,
                payload: row.get(1)?,
                qos: row.get(2)?,
                properties: row.get(3)?,
                expires: row.get(4)?,
            })
        })
        .await
    }

    /// The whole database as the bytes of a SQLite file.
    ///
    /// # Errors
    ///
    /// It is larger than 256 MiB, or see [`StoreError`].
    pub async fn backup(&self) -> Result<Vec<u8>, StoreError> {
        self.work(Writer::copy).await
    }

    /// Cancelled when the database is another one than the core was started with: start anew.
    pub fn replaced(&self) -> CancellationToken {
        self.replaced.clone()
    }

    /// Writes what is collected, now.
    ///
    /// # Errors
    ///
    /// It is not written and will be tried again, see [`StoreError`].
    pub async fn flush(&self) -> Result<(), StoreError> {
        self.ask(Command::Flush).await
    }

    /// Writes what is collected and ends the thread; later calls get [`StoreError::Closed`].
    ///
    /// # Errors
    ///
    /// Something is not written, see [`StoreError`].
    pub async fn close(&self) -> Result<(), StoreError> {
        let (reply, answer) = oneshot::channel();
        let commands = self.commands.clone();
        // The queue may be full, and this call is not to be refused.
        let asked = tokio::task::spawn_blocking(move || commands.send(Command::Close(reply)));
        let answered = async { asked.await.is_ok_and(|sent| sent.is_ok()).then_some(answer.await) };
        match timeout(ANSWER_MAX, answered).await {
            Ok(Some(Ok(outcome))) => outcome,
            Ok(_) => Err(StoreError::Closed),
            Err(_) => Err(StoreError::NoAnswer),
        }
    }

    /// All rows of a query that can be read.
    async fn load<C, T>(
        &self,
        sql: &'static str,
        read: impl Fn(&rusqlite::Row<'_>) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<C, StoreError>
    where
        C: FromIterator<T> + Send + 'static,
    {
        self.read(move |connection| {
            let mut query = connection.prepare(sql)?;
            let rows = query.query_map([], |row| Ok(read(row)))?;
            // A row that another program wrote and nobody can read hides no other.
            let readable = |row: rusqlite::Result<T>| {
                row.inspect_err(|error| warn!("left out a row of `{sql}`: {error}")).ok()
            };
            rows.filter_map(|row| row.map(readable).transpose()).collect()
        })
        .await
    }

    /// Has the thread look something up, after what is collected is written.
    async fn read<T: Send + 'static>(
        &self,
        look: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.ask(|reply| {
            Command::Load(Box::new(move |connection| {
                // Whoever asked may have gone.
                let _ = reply.send(look(connection).map_err(|err| writer::error(&err)));
            }))
        })
        .await
    }

    /// Changes something in the store's thread, unless nobody waits for it any more.
    async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Writer) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.work_within(ANSWER_MAX, work).await
    }

    /// The same where the work itself may take longer.
    async fn work_within<T: Send + 'static>(
        &self,
        time: Duration,
        work: impl FnOnce(&mut Writer) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let due = Instant::now() + WAIT_MAX;
        self.ask_within(time, |reply| {
            Command::Work(Box::new(move |writer| {
                if !reply.is_closed() {
                    let _ = reply.send(match Instant::now() > due {
                        true => Err(StoreError::Late),
                        false if writer.is_sealed() => Err(StoreError::Replaced),
                        false => work(writer),
                    });
                }
            }))
        })
        .await
    }

    async fn ask<T>(
        &self,
        command: impl FnOnce(oneshot::Sender<Result<T, StoreError>>) -> Command,
    ) -> Result<T, StoreError> {
        self.ask_within(ANSWER_MAX, command).await
    }

    async fn ask_within<T>(
        &self,
        time: Duration,
        command: impl FnOnce(oneshot::Sender<Result<T, StoreError>>) -> Command,
    ) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        self.commands.try_send(command(reply)).map_err(|err| match err {
            TrySendError::Full(_) => StoreError::Busy,
            TrySendError::Disconnected(_) => StoreError::Closed,
        })?;
        match timeout(time, answer).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => Err(StoreError::Closed),
            Err(_) => Err(StoreError::NoAnswer),
        }
    }

    /// Collects; the thread looks by itself after every command, so a full queue does no harm.
    fn later(&self, collect: impl FnOnce(&mut Pending)) {
        let mut pending = writer::lock(&self.pending);
        collect(&mut pending);
        // One is enough, and a queue full of them would have no room for a call.
        if !std::mem::replace(&mut pending.woken, true) {
            pending.woken = self.commands.try_send(Command::Wake).is_ok();
        }
    }
}
