//! Opens the database file: says what is wrong with a path, repairs what can be, migrates.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};
use tracing::warn;

use super::{history, sessions};

/// How long a start waits for another program.
const OPEN_BUSY: Duration = Duration::from_millis(500);
/// How long a write waits for another program.
const WRITE_BUSY: Duration = Duration::from_secs(2);
/// Damaged databases that are kept.
const CORRUPT_MAX: u32 = 99;

/// Tells our databases from others (`chbs`).
const APPLICATION: i32 = 0x6368_6273;
const SQLITE_HEADER: &[u8; 16] = b"SQLite format 3\0";

/// `PRAGMA user_version` counts how many of these have run; never change one, add one.
const MIGRATIONS: &[&str] = &[
    "
    CREATE TABLE settings (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
    CREATE TABLE topics (topic TEXT PRIMARY KEY) WITHOUT ROWID;
    CREATE TABLE retained (topic TEXT PRIMARY KEY, payload BLOB NOT NULL, qos INTEGER NOT NULL);
    CREATE TABLE vehicles (name TEXT PRIMARY KEY, value TEXT NOT NULL, saved_at INTEGER NOT NULL);
",
    history::TABLES,
    "
    ALTER TABLE retained ADD COLUMN properties BLOB NOT NULL DEFAULT x'';
    ALTER TABLE retained ADD COLUMN expires INTEGER NOT NULL DEFAULT 0;
",
    sessions::MIGRATION,
    "DROP TABLE IF EXISTS vehicles;",
    history::RUNNING,
];

/// Opens, repairs, migrates.
pub(super) fn open(path: &Path) -> Result<Connection> {
    let name = path.display();
    if let Some(dir) = path.parent().filter(|dir| !dir.as_os_str().is_empty()) {
        ensure!(
            dir.is_dir(),
            "{name}: the directory does not exist: create it or change `database`"
        );
    }
    ensure!(
        path.is_file() || !path.exists(),
        "{name} is not a file: name another one with `database`"
    );
    let opened = if torn(path)? { Ok(None) } else { connect(path) };
    let connection = match opened {
        Ok(Some(connection)) => connection,
        Err(err) if !is_corrupt(&err) => {
            return Err(err).with_context(|| format!("{name}: cannot use the database"));
        }
        Ok(None) | Err(_) => {
            let aside = set_aside(path).with_context(|| {
                format!("{name} is damaged and cannot be renamed: move it away yourself")
            })?;
            warn!(path = %name, kept = %aside.display(), "the database is damaged: a new one begins");
            connect(path)?.with_context(|| format!("{name}: the new database is damaged, too"))?
        }
    };
    connection.busy_timeout(WRITE_BUSY)?;
    Ok(connection)
}

/// A database without a file.
pub(super) fn memory() -> Result<Connection> {
    let mut connection = Connection::open_in_memory()?;
    migrate(&mut connection)?;
    Ok(connection)
}

/// Whether the file begins with zeros, as a power cut leaves it; refuses what never was a database.
fn torn(path: &Path) -> Result<bool> {
    let mut header = Vec::new();
    if path.exists() {
        let file = File::open(path).with_context(|| format!("{}: cannot read", path.display()))?;
        file.take(SQLITE_HEADER.len() as u64).read_to_end(&mut header)?;
    }
    let zeros = !header.is_empty() && header.iter().all(|&byte| byte == 0);
    ensure!(
        header.is_empty() || zeros || header == SQLITE_HEADER,
        "{} is not a database: choose another file with `database`",
        path.display()
    );
    Ok(zeros)
}

/// A checked and migrated connection; `None` when the database is damaged.
fn connect(path: &Path) -> Result<Option<Connection>> {
    let mut connection = Connection::open(path).map_err(explained)?;
    connection.busy_timeout(OPEN_BUSY)?;
    owner(&connection)?;
    let check: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if check != "ok" {
        return Ok(None);
    }
    connection.pragma_update(None, "journal_mode", "WAL").map_err(explained)?;
    migrate(&mut connection)?;
    Ok(Some(connection))
}

/// A connection to a file that somebody gave us and that nobody else has; says whose it is if it is
/// not ours.
pub(super) fn connect_given(path: &Path) -> Result<Connection> {
    let mut header = Vec::new();
    File::open(path)?.take(SQLITE_HEADER.len() as u64).read_to_end(&mut header)?;
    ensure!(!header.is_empty(), "the file is empty");
    ensure!(header == SQLITE_HEADER, "the file is no SQLite database");
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    let application: i32 = connection.query_row("PRAGMA application_id", [], |row| row.get(0))?;
    if application != APPLICATION {
        let evcc = "SELECT count(*) FROM sqlite_master
                    WHERE type = 'table' AND name IN ('settings', 'sessions')";
        let tables: i32 = connection.query_row(evcc, [], |row| row.get(0))?;
        match application == 0 && tables == 2 {
            true => bail!("this is a database of evcc, not of chargebus, and it is not converted"),
            false => bail!("this is a database of another program"),
        }
    }
    // One file, whatever it was.
    connection.pragma_update(None, "journal_mode", "DELETE")?;
    connection.pragma_update(None, "synchronous", "OFF")?;
    Ok(connection)
}

/// Refuses a database of another program: it is neither ours to change nor to rename.
fn owner(connection: &Connection) -> Result<()> {
    let number = |sql| connection.query_row(sql, [], |row| row.get::<_, i32>(0)).map_err(explained);
    let application = number("PRAGMA application_id")?;
    let tables = number("SELECT count(*) FROM sqlite_master")?;
    ensure!(
        application == APPLICATION || application == 0 && tables == 0,
        "it belongs to another program: choose another file with `database`"
    );
    Ok(())
}

pub(super) fn migrate(connection: &mut Connection) -> Result<()> {
    // The transaction is also the proof that we may write.
    let transaction =
        connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(explained)?;
    let done: u32 = transaction.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let done = done as usize;
    if done > MIGRATIONS.len() {
        bail!("it was written by a newer chargebus: update chargebus or choose another file");
    }
    for migration in &MIGRATIONS[done..] {
        transaction.execute_batch(migration)?;
    }
    if done < MIGRATIONS.len() {
        transaction.pragma_update(None, "application_id", APPLICATION)?;
        transaction.pragma_update(None, "user_version", MIGRATIONS.len() as u32)?;
    }
    transaction.commit()?;
    Ok(())
}

/// Adds the remedy to errors that have one; keeps the error for `is_corrupt`.
fn explained(err: rusqlite::Error) -> anyhow::Error {
    let remedy = match err.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            "another program holds it: is chargebus running twice?"
        }
        Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen) => "give the service the right to write",
        _ => return err.into(),
    };
    anyhow::Error::new(err).context(remedy)
}

fn is_corrupt(err: &anyhow::Error) -> bool {
    let Some(err) = err.downcast_ref::<rusqlite::Error>() else {
        return false;
    };
    match err.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => true,
        // A damaged header gets the code of a mistake in SQL.
        _ => err.to_string().contains("unsupported file format"),
    }
}

/// Renames the file, and its write-ahead log so that a specialist can still rescue both.
fn set_aside(path: &Path) -> Result<PathBuf> {
    let aside = (1..=CORRUPT_MAX)
        .map(|n| suffixed(path, &format!(".corrupt-{n}")))
        .find(|aside| !aside.exists())
        .context("too many damaged databases are kept already")?;
    fs::rename(path, &aside)?;
    let log = suffixed(path, "-wal");
    if log.exists() {
        fs::rename(log, suffixed(&aside, "-wal"))?;
    }
    let index = suffixed(path, "-shm");
    if index.exists() {
        fs::remove_file(index)?;
    }
    Ok(aside)
}

pub(super) fn suffixed(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}
