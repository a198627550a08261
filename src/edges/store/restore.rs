//! Another database in the place of ours, and a part of ours emptied (api.md §3.11).
//!
//! An uploaded file never becomes the database. It is checked beside it, and then its rows replace
//! ours in one transaction of the connection that is open: whatever ends us leaves the one state or
//! the other, no write-ahead log of one file meets the pages of another, and what else may stand in a
//! stranger's file (triggers, views) is never carried out. What is replaced is kept as a file of its
//! own before.
//!
//! Settings, the list of sessions and the history come from the file. What is true of the present
//! stays: which topics are ours, what the embedded broker retains (an old command must reach no
//! wallbox), and the sessions that run. A file without a password does not take ours away.
//!
//! Once the rows are replaced, what the core still knows must not reach the disk any more: the store
//! refuses it and [`Store::replaced`] asks for a new start. That start happens within the process, as
//! a clean exit would be the end wherever nobody starts us again (a terminal, `Restart=on-failure`).

use std::fmt;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use chrono::Local;
use rusqlite::{Connection, Transaction};
use tokio::fs as files;
use tokio::io::AsyncWriteExt as _;
use tokio::sync::{OwnedSemaphorePermit, TryAcquireError};
use tracing::{info, warn};

use super::file::{self, suffixed};
use super::writer::{self, BACKUP_MAX, Durable, Writer};
use super::{Store, StoreError, sessions};

/// A larger file is refused: we hand out none.
pub const UPLOAD_MAX: u64 = BACKUP_MAX.unsigned_abs();
/// Databases that were replaced and are kept; the oldest goes.
const KEPT_MAX: usize = 3;
/// Longest wait for the thread to keep the old rows and to take the new ones; shorter than a silent
/// connection is kept, so that whoever asked gets an answer.
const REPLACE_WITHIN: Duration = Duration::from_secs(100);
/// Ends of names beside the database: an upload, a copy that is not whole yet, a copy that is kept.
const UPLOAD: &str = ".upload";
const DRAFT: &str = ".keeping";
const KEPT: &str = ".before-";
/// Tables of the history, those that others refer to first.
const HISTORY: [&str; 4] = ["entities", "meters", "tariffs", "grid_sessions"];

/// Settings that a file or a reset may not take away.
#[derive(Clone, Copy, Debug)]
pub struct Protected {
    /// How their keys begin.
    pub prefix: &'static str,
    /// A file that has this one brings its own.
    pub unless: &'static str,
}

/// What is to be emptied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reset {
    /// The list of sessions, and those that run: what they charge from then on is a session of its own.
    pub sessions: bool,
    /// What users have set and what was learned; the configuration counts again.
    pub settings: bool,
    /// Energy, prices and limits of the past.
    pub metrics: bool,
}

/// Why a database is not replaced; everything is as it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RestoreError {
    /// There is no file, for this reason.
    NoFile(String),
    /// Somebody else is at it.
    Busy,
    /// It is larger than what we hand out.
    TooLarge,
    /// What is wrong with the file.
    Unfit(String),
    /// The file cannot be kept beside ours.
    NotKept(String),
    /// The store refuses.
    Store(StoreError),
}

impl fmt::Display for RestoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoFile(reason) => write!(f, "there is no database file to restore: {reason}"),
            Self::Busy => f.write_str("another restore is under way, try again"),
            Self::TooLarge => write!(f, "the file is larger than {} MiB", UPLOAD_MAX >> 20),
            Self::Unfit(what) => write!(f, "nothing was changed: {what}"),
            Self::NotKept(reason) => write!(f, "nothing was changed: {reason}"),
            Self::Store(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for RestoreError {}

/// A file on its way to us, beside the database. It goes when this is dropped.
pub struct Upload {
    path: PathBuf,
    file: files::File,
    bytes: u64,
    _seat: OwnedSemaphorePermit,
}

impl Upload {
    /// Takes the next piece.
    ///
    /// # Errors
    ///
    /// It is too large, or the disk is full.
    pub async fn write(&mut self, piece: &[u8]) -> Result<(), RestoreError> {
        self.bytes += piece.len() as u64;
        if self.bytes > UPLOAD_MAX {
            return Err(RestoreError::TooLarge);
        }
        self.file.write_all(piece).await.map_err(|error| not_kept(&error))
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        remove(&self.path);
    }
}

impl Store {
    /// Begins to take a file that is to replace the database; one at a time.
    ///
    /// # Errors
    ///
    /// There is no file to replace, somebody else is at it, or the disk is full.
    pub async fn upload(&self) -> Result<Upload, RestoreError> {
        let Some(database) = &self.file else {
            let memory = "nothing is kept over a restart, give `database` a file";
            let reason = self.missing.as_deref().unwrap_or(memory);
            return Err(RestoreError::NoFile(reason.to_owned()));
        };
        let seat = Arc::clone(&self.exchange).try_acquire_owned().map_err(|error| match error {
            TryAcquireError::NoPermits | TryAcquireError::Closed => RestoreError::Busy,
        })?;
        let path = suffixed(database, UPLOAD);
        remove(&path);
        let file = files::File::create(&path).await.map_err(|error| not_kept(&error))?;
        Ok(Upload { path, file, bytes: 0, _seat: seat })
    }

    /// Puts the rows of a file into the place of ours, and asks for a new start. The database before
    /// is kept beside it as `<name>.before-<date>`, at most three of them.
    ///
    /// # Errors
    ///
    /// The file is not a whole database of ours, or the store refuses; nothing was changed.
    pub async fn restore(
        &self,
        mut upload: Upload,
        protected: Protected,
    ) -> Result<(), RestoreError> {
        upload.file.flush().await.map_err(|error| not_kept(&error))?;
        let checked = tokio::task::spawn_blocking(move || check(&upload.path).map(|()| upload));
        let upload = checked
            .await
            .map_err(|_| RestoreError::Store(StoreError::Closed))?
            .map_err(|error| RestoreError::Unfit(format!("{error:#}")))?;
        let Some(database) = self.file.clone() else {
            return Err(RestoreError::Store(StoreError::Closed));
        };
        let replaced = self.replaced();
        let replace = self.work_within(REPLACE_WITHIN, move |writer| {
            let kept = keep(writer, &database)?;
            if let Err(error) = replace(writer, &upload.path, protected) {
                remove(&kept);
                return Err(error);
            }
            writer.seal();
            forget_oldest(&database);
            info!(kept = %kept.display(), "the database was replaced, the service starts anew");
            replaced.cancel();
            Ok(())
        });
        replace.await.map_err(RestoreError::Store)
    }

    /// Empties a part of the database for good, and asks for a new start. Who may do what stays, so
    /// that nobody becomes the owner by coming first.
    ///
    /// # Errors
    ///
    /// Nothing was changed, see [`StoreError`].
    pub async fn reset(&self, what: Reset, protected: Protected) -> Result<(), StoreError> {
        if let Some(reason) = &self.missing {
            return Err(StoreError::Failed(reason.to_string()));
        }
        let replaced = self.replaced();
        self.work_within(REPLACE_WITHIN, move |writer| {
            writer.write(Durable::Now, |transaction| empty(transaction, what, protected))?;
            writer.seal();
            // What was deleted is not to be found in the file either.
            if let Err(error) = writer.connection.execute_batch("VACUUM") {
                warn!("what was deleted still takes room: {error}");
            }
            info!(?what, "the database was emptied, the service starts anew");
            replaced.cancel();
            Ok(())
        })
        .await
    }
}

/// What an end in the middle left beside the database.
pub(super) fn clean_up(database: &Path) {
    remove(&suffixed(database, UPLOAD));
    remove(&suffixed(database, DRAFT));
}

/// Removes a database file and what SQLite puts beside one.
fn remove(path: &Path) {
    for end in ["", "-journal", "-wal", "-shm"] {
        let path = suffixed(path, end);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                warn!(path = %path.display(), "cannot be removed: {error}");
            }
            Ok(()) | Err(_) => {}
        }
    }
}

fn not_kept(error: &io::Error) -> RestoreError {
    RestoreError::NotKept(format!("the file cannot be kept beside the database: {error}"))
}

/// Whether a file is a whole database of ours; one of an older release becomes one of this.
fn check(path: &Path) -> anyhow::Result<()> {
    let mut connection = file::connect_given(path)?;
    let whole: String = connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
    ensure!(whole == "ok", "the file is damaged: {whole}");
    file::migrate(&mut connection)?;
    let ours = file::memory()?;
    for (table, columns) in tables(&ours)? {
        let found = tables(&connection)?.into_iter().find(|(found, _)| *found == table);
        match found {
            Some((_, found)) if found == columns => {}
            Some(_) => bail!("the table {table} has other columns than ours"),
            None => bail!("the table {table} is missing"),
        }
    }
    readable(&connection).context("it holds what we cannot read")
}

/// What is read at every start must be readable, or the next start would be without it.
fn readable(connection: &Connection) -> rusqlite::Result<()> {
    let texts = [
        "SELECT key, value FROM settings",
        "SELECT topic FROM topics",
        r#"SELECT "group", name, title FROM entities"#,
    ];
    for query in texts {
        let mut query = connection.prepare(query)?;
        let columns = query.column_count();
        let mut rows = query.query([])?;
        while let Some(row) = rows.next()? {
            (0..columns).try_for_each(|column| row.get::<_, String>(column).map(drop))?;
        }
    }
    sessions::readable(connection)
}

/// The tables of a database, no views, each with its columns in order.
fn tables(connection: &Connection) -> rusqlite::Result<Vec<(String, Vec<String>)>> {
    let mut query = connection.prepare(
        "SELECT t.name, c.name FROM pragma_table_list t, pragma_table_info(t.name) c
         WHERE t.schema = 'main' AND t.type = 'table' AND t.name NOT LIKE 'sqlite_%'
         ORDER BY t.name, c.cid",
    )?;
    let rows =
        query.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))?;
    let mut tables: Vec<(String, Vec<String>)> = Vec::new();
    for row in rows {
        let (table, column) = row?;
        match tables.last_mut().filter(|(last, _)| *last == table) {
            Some((_, columns)) => columns.push(column),
            None => tables.push((table, vec![column])),
        }
    }
    Ok(tables)
}

/// Copies the database as it is now into a file of its own, whole or not at all.
fn keep(writer: &Writer, database: &Path) -> Result<PathBuf, StoreError> {
    let draft = suffixed(database, DRAFT);
    let kept = suffixed(database, &format!("{KEPT}{}", Local::now().format("%Y%m%d-%H%M%S%.3f")));
    let failed = |error: &dyn fmt::Display| {
        remove(&draft);
        StoreError::Failed(format!("the database cannot be kept beside itself: {error}"))
    };
    remove(&draft);
    if kept.exists() {
        return Err(failed(&"one of this moment is there already"));
    }
    let copied = writer.connection.execute("VACUUM INTO ?1", [draft.to_string_lossy()]);
    copied.map_err(|error| failed(&error))?;
    // SQLite does not wait for the disk here.
    let named = File::open(&draft)
        .and_then(|file| file.sync_all())
        .and_then(|()| fs::rename(&draft, &kept))
        .and_then(|()| folder(database).map_or(Ok(()), |folder| File::open(folder)?.sync_all()));
    named.map_err(|error| failed(&error))?;
    Ok(kept)
}

fn folder(database: &Path) -> Option<&Path> {
    let folder = database.parent()?;
    Some(if folder.as_os_str().is_empty() { Path::new(".") } else { folder })
}

/// Removes what is too old to be kept; the dates in the names are in order.
fn forget_oldest(database: &Path) {
    let Some((folder, name)) = folder(database).zip(database.file_name()) else { return };
    let Ok(entries) = fs::read_dir(folder) else { return };
    let start = format!("{}{KEPT}", name.to_string_lossy());
    let mut kept: Vec<PathBuf> = entries
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(&start))
        .map(|entry| entry.path())
        .collect();
    kept.sort();
    let many = kept.len().saturating_sub(KEPT_MAX);
    kept.iter().take(many).for_each(|path| remove(path));
}

/// One transaction: the rows of the file stand where ours stood.
fn replace(writer: &mut Writer, upload: &Path, protected: Protected) -> Result<(), StoreError> {
    let path = upload.to_string_lossy().into_owned();
    let attached = writer.connection.execute("ATTACH ?1 AS upload", [path]);
    attached.map_err(|error| writer::error(&error))?;
    let outcome = writer.write(Durable::Now, |transaction| take_over(transaction, protected));
    if let Err(error) = writer.connection.execute_batch("DETACH upload") {
        warn!("the uploaded file stays open until the end: {error}");
    }
    outcome
}

fn take_over(transaction: &Transaction<'_>, protected: Protected) -> rusqlite::Result<()> {
    let Protected { prefix, unless } = protected;
    let brings = "SELECT count(*) > 0 FROM upload.settings WHERE key = ?1";
    let brings: bool = transaction.query_row(brings, [unless], |row| row.get(0))?;
    let stays = if brings { "" } else { prefix };
    transaction.execute(&format!("DELETE FROM main.settings WHERE {OTHERS}"), [stays])?;
    let settings =
        format!("INSERT INTO main.settings SELECT * FROM upload.settings WHERE {OTHERS}");
    transaction.execute(&settings, [stays])?;
    transaction
        .execute_batch("INSERT OR IGNORE INTO main.topics SELECT topic FROM upload.topics")?;
    forget_history(transaction)?;
    for table in HISTORY {
        let copy = format!("INSERT INTO main.{table} SELECT * FROM upload.{table}");
        transaction.execute_batch(&copy)?;
    }
    sessions::take_over(transaction)
}

fn forget_history(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
    let mut tables = HISTORY.iter().rev();
    tables.try_for_each(|table| transaction.execute_batch(&format!("DELETE FROM main.{table}")))
}

/// Keys that do not begin with a prefix; none is protected by an empty one.
const OTHERS: &str = "(?1 = '' OR substr(key, 1, length(?1)) <> ?1)";

fn empty(transaction: &Transaction<'_>, what: Reset, protected: Protected) -> rusqlite::Result<()> {
    let Reset { sessions, settings, metrics } = what;
    if sessions {
        transaction.execute_batch("DELETE FROM sessions; DELETE FROM journal;")?;
    }
    if settings {
        let delete = format!("DELETE FROM settings WHERE {OTHERS}");
        transaction.execute(&delete, [protected.prefix])?;
    }
    if metrics {
        forget_history(transaction)?;
    }
    Ok(())
}
