//! The sessions on disk: the journal of those that are open, and evcc's table of all
//! (plans-vehicles-devices.md §4.1).
//!
//! Entries are collected like everything that is written soon. The row that a session has become is
//! written in the same transaction as the entry that made it, and with the end of a session its
//! entries go, so that a power cut leaves either the entries or the row, never neither.

use std::time::Duration;

use chrono::{DateTime, Utc};
use rusqlite::types::ToSql;
use rusqlite::{Connection, Row, Statement, Transaction, named_params, params};

use crate::model::{
    JournalEntry, JournalKind, KilowattHours, ListedSession, Noted, Percent, PeriodStatistics,
    SessionEdit, SessionKey, SessionRow, Statistics, WattHours,
};

use super::writer::{Durable, Weight};
use super::{Store, StoreError};

/// Sessions that are listed at once; older ones are left out.
pub const LISTED_MAX: usize = 10_000;
/// Smaller sessions are not listed (plans-vehicles-devices.md §4.2).
const LISTED_MIN_KWH: f64 = 0.05;

/// The names of the columns are evcc's, so that its users' tools work; those after
/// `reference_co2_per_kwh` are ours.
pub(super) const MIGRATION: &str = "
    CREATE TABLE journal (
        loadpoint TEXT NOT NULL, connected_ms INTEGER NOT NULL, number INTEGER NOT NULL,
        at_ms INTEGER NOT NULL, kind TEXT NOT NULL,
        energy_wh REAL NOT NULL, shared_wh REAL NOT NULL, solar_wh REAL NOT NULL,
        priced_wh REAL NOT NULL, price REAL NOT NULL, rated_wh REAL NOT NULL, co2_g REAL NOT NULL,
        charging_ms INTEGER NOT NULL, counter_kwh REAL, reported_wh REAL, soc REAL, range_km REAL,
        odometer_km REAL, title TEXT, vehicle TEXT, identifier TEXT, reference_price REAL,
        reference_co2 REAL,
        PRIMARY KEY (loadpoint, connected_ms, number)
    ) WITHOUT ROWID;
    CREATE TABLE sessions (
        id INTEGER PRIMARY KEY AUTOINCREMENT, created DATETIME NOT NULL, finished DATETIME,
        loadpoint TEXT, identifier TEXT, vehicle TEXT, odometer REAL, meter_start_kwh REAL,
        meter_end_kwh REAL, charged_kwh REAL, charge_duration INTEGER, soc_start REAL, soc_end REAL,
        added_range REAL, solar_percentage REAL, price REAL, price_per_kwh REAL, co2_per_kwh REAL,
        reference_price_per_kwh REAL, reference_co2_per_kwh REAL,
        priced_kwh REAL, loadpoint_name TEXT, connected_ms INTEGER, edited INTEGER NOT NULL DEFAULT 0
    );
    CREATE UNIQUE INDEX sessions_key ON sessions (loadpoint_name, connected_ms);
    CREATE INDEX sessions_created ON sessions (created);
    CREATE INDEX sessions_finished ON sessions (finished);
";

/// What a user has corrected stays as the user wrote it, though the session goes on.
const EDITED_VEHICLE: i64 = 1;
const EDITED_LOADPOINT: i64 = 2;
const EDITED_ODOMETER: i64 = 4;
/// Deleted while it is open: not listed, and removed when it is over.
const EDITED_DELETED: i64 = 8;

/// An entry that is to be written, with the row that the session has become.
pub(super) struct Written {
    entry: JournalEntry,
    row: Option<SessionRow>,
}

impl Written {
    /// What orders it among others.
    pub(super) fn key(&self) -> (SessionKey, u32) {
        (self.entry.session.clone(), self.entry.number)
    }

    /// Whether it must be on disk before anybody hears of it.
    pub(super) fn is_listed(&self) -> bool {
        self.row.is_some()
    }
}

impl Weight for Written {
    fn bytes(&self) -> usize {
        size_of::<JournalEntry>() + size_of::<SessionRow>()
    }
}

impl Store {
    /// Records an entry of the journal. A reading is written soon, what turns at once; whoever must
    /// know that it is written calls [`Store::flush`].
    pub fn record_entry(&self, entry: JournalEntry, row: Option<SessionRow>) {
        let turn = entry.kind != JournalKind::Reading;
        self.later(|pending| {
            pending.entry(Written { entry, row });
            // Rare, and the ground that everything after it stands on.
            pending.urgent |= turn;
        });
    }

    /// The journal of the sessions that are open, in order.
    ///
    /// # Errors
    ///
    /// See [`StoreError`]; so for all of these.
    pub async fn load_journal(&self) -> Result<Vec<JournalEntry>, StoreError> {
        self.load("SELECT * FROM journal ORDER BY loadpoint, connected_ms, number", entry).await
    }

    /// The sessions that were created in `[from, until)`, newest first, at most [`LISTED_MAX`].
    pub async fn sessions(
        &self,
        from: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> Result<Vec<ListedSession>, StoreError> {
        self.read(move |connection| {
            let mut query = connection.prepare(
                "SELECT * FROM sessions WHERE charged_kwh >= ?1 AND edited & ?2 = 0
                 AND created >= ?3 AND created < ?4 ORDER BY created DESC, id DESC LIMIT ?5",
            )?;
            let limits = params![
                LISTED_MIN_KWH,
                EDITED_DELETED,
                text_of(from),
                text_of(until),
                LISTED_MAX as i64
            ];
            let rows = query.query_map(limits, listed)?;
            // A row that another program wrote and nobody can read hides no other.
            rows.filter_map(Result::transpose).collect()
        })
        .await
    }

    /// Corrects a session. Whether there is one.
    pub async fn edit_session(&self, id: i64, edit: SessionEdit) -> Result<bool, StoreError> {
        self.change(move |transaction| {
            let SessionEdit { vehicle, loadpoint, odometer_km } = &edit;
            let mut known = false;
            let columns: [(&str, i64, Option<&dyn ToSql>); 3] = [
                ("vehicle", EDITED_VEHICLE, vehicle.as_ref().map(|title| title as &dyn ToSql)),
                (
                    "loadpoint",
                    EDITED_LOADPOINT,
                    loadpoint.as_ref().map(|title| title as &dyn ToSql),
                ),
                ("odometer", EDITED_ODOMETER, odometer_km.as_ref().map(|km| km as &dyn ToSql)),
            ];
            for (column, bit, value) in columns {
                let Some(value) = value else { continue };
                let sql = format!(
                    "UPDATE sessions SET {column} = ?1, edited = edited | {bit}
                     WHERE id = ?2 AND edited & {EDITED_DELETED} = 0"
                );
                known |= transaction.execute(&sql, params![value, id])? > 0;
            }
            Ok(known)
        })
        .await
    }

    /// Deletes a session. Whether there was one.
    pub async fn delete_session(&self, id: i64) -> Result<bool, StoreError> {
        self.change(move |transaction| {
            let hidden = transaction.execute(
                "UPDATE sessions SET edited = edited | ?1 WHERE id = ?2 AND edited & ?1 = 0 AND EXISTS
                 (SELECT 1 FROM journal WHERE journal.loadpoint = sessions.loadpoint_name
                  AND journal.connected_ms = sessions.connected_ms)",
                params![EDITED_DELETED, id],
            )?;
            let gone = transaction.execute(
                "DELETE FROM sessions WHERE id = ?1 AND edited & ?2 = 0",
                params![id, EDITED_DELETED],
            )?;
            Ok(hidden + gone > 0)
        })
        .await
    }

    /// What the sessions come to that finished since these instants, and all of them.
    pub async fn statistics(
        &self,
        last_30d: DateTime<Utc>,
        last_365d: DateTime<Utc>,
        this_year: DateTime<Utc>,
    ) -> Result<Statistics, StoreError> {
        self.read(move |connection| {
            let since = |at: Option<DateTime<Utc>>| period(connection, at);
            Ok(Statistics {
                last_30d: since(Some(last_30d))?,
                last_365d: since(Some(last_365d))?,
                this_year: since(Some(this_year))?,
                total: since(None)?,
            })
        })
        .await
    }

    /// Returns after the listed sessions have changed.
    pub async fn sessions_changed(&self) {
        self.sessions_changed.notified().await;
    }

    /// One change in a transaction of its own, on the disk when it returns.
    async fn change(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<bool> + Send + 'static,
    ) -> Result<bool, StoreError> {
        if let Some(reason) = &self.missing {
            return Err(StoreError::Failed(reason.to_string()));
        }
        self.work(move |writer| {
            let done = writer.write(Durable::Now, work)?;
            if done {
                writer.tell_sessions_changed();
            }
            Ok(done)
        })
        .await
    }
}

/// Writes entries in order, each with its row.
pub(super) fn write<'a>(
    transaction: &Transaction<'_>,
    mut written: impl Iterator<Item = &'a Written>,
) -> rusqlite::Result<()> {
    let mut insert = transaction.prepare(INSERT)?;
    let mut upsert = transaction.prepare(UPSERT)?;
    let mut over =
        transaction.prepare("DELETE FROM journal WHERE loadpoint = ?1 AND connected_ms = ?2")?;
    let mut hidden = transaction.prepare(
        "DELETE FROM sessions WHERE loadpoint_name = ?1 AND connected_ms = ?2 AND edited & ?3 <> 0",
    )?;
    written.try_for_each(|Written { entry, row }| {
        let SessionKey { loadpoint, connected_ms } = &entry.session;
        add(&mut insert, entry)?;
        if let Some(row) = row {
            put(&mut upsert, &entry.session, row)?;
        }
        if entry.kind == JournalKind::Disconnect {
            over.execute(params![loadpoint, connected_ms])?;
            hidden.execute(params![loadpoint, connected_ms, EDITED_DELETED])?;
        }
        Ok(())
    })
}

/// What is written twice stands there once.
const INSERT: &str =
    "INSERT OR IGNORE INTO journal VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10,
    ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23)";

fn add(insert: &mut Statement<'_>, entry: &JournalEntry) -> rusqlite::Result<()> {
    let noted = &entry.noted;
    insert.execute(params![
        entry.session.loadpoint,
        entry.session.connected_ms,
        entry.number,
        entry.at.timestamp_millis(),
        entry.kind.as_str(),
        noted.energy.0,
        noted.shared.0,
        noted.solar.0,
        noted.priced.0,
        noted.price,
        noted.rated.0,
        noted.co2_g,
        i64::try_from(noted.charging.as_millis()).unwrap_or(i64::MAX),
        noted.counter.map(|counter| counter.0),
        noted.reported.map(|energy| energy.0),
        noted.soc.map(|soc| soc.0),
        noted.range_km,
        noted.odometer_km,
        noted.loadpoint,
        noted.vehicle,
        noted.identifier,
        noted.reference_price,
        noted.reference_co2,
    ])?;
    Ok(())
}

fn entry(row: &Row<'_>) -> rusqlite::Result<JournalEntry> {
    let (at_ms, charging_ms): (i64, i64) = (row.get(3)?, row.get(12)?);
    let kind: String = row.get(4)?;
    let unreadable = |text: String| rusqlite::Error::InvalidColumnName(text);
    Ok(JournalEntry {
        session: SessionKey { loadpoint: row.get(0)?, connected_ms: row.get(1)? },
        number: row.get(2)?,
        at: DateTime::from_timestamp_millis(at_ms).ok_or_else(|| unreadable(at_ms.to_string()))?,
        kind: kind.parse().map_err(|_| unreadable(kind))?,
        noted: Noted {
            energy: WattHours(row.get(5)?),
            shared: WattHours(row.get(6)?),
            solar: WattHours(row.get(7)?),
            priced: WattHours(row.get(8)?),
            price: row.get(9)?,
            rated: WattHours(row.get(10)?),
            co2_g: row.get(11)?,
            charging: Duration::from_millis(u64::try_from(charging_ms).unwrap_or_default()),
            counter: row.get::<_, Option<f64>>(13)?.map(KilowattHours),
            reported: row.get::<_, Option<f64>>(14)?.map(WattHours),
            soc: row.get::<_, Option<f64>>(15)?.map(Percent),
            range_km: row.get(16)?,
            odometer_km: row.get(17)?,
            loadpoint: row.get(18)?,
            vehicle: row.get(19)?,
            identifier: row.get(20)?,
            reference_price: row.get(21)?,
            reference_co2: row.get(22)?,
        },
    })
}

fn put(upsert: &mut Statement<'_>, key: &SessionKey, row: &SessionRow) -> rusqlite::Result<()> {
    let kwh = |energy: Option<KilowattHours>| energy.map(|energy| energy.0);
    upsert.execute(named_params! {
        ":created": text_of(row.created),
        ":finished": row.finished.map(text_of),
        ":loadpoint": row.loadpoint,
        ":identifier": row.identifier,
        ":vehicle": row.vehicle,
        ":odometer": row.odometer_km,
        ":meter_start_kwh": kwh(row.meter_start),
        ":meter_end_kwh": kwh(row.meter_end),
        ":charged_kwh": row.charged.0,
        ":charge_duration": row.charge_duration.and_then(|time| i64::try_from(time.as_nanos()).ok()),
        ":soc_start": row.soc_start.map(|soc| soc.0),
        ":soc_end": row.soc_end.map(|soc| soc.0),
        ":added_range": row.added_range_km,
        ":solar_percentage": row.solar_percentage,
        ":price": row.price,
        ":price_per_kwh": row.price_per_kwh,
        ":co2_per_kwh": row.co2_per_kwh,
        ":reference_price_per_kwh": row.reference_price_per_kwh,
        ":reference_co2_per_kwh": row.reference_co2_per_kwh,
        ":priced_kwh": row.priced.0,
        ":loadpoint_name": key.loadpoint,
        ":connected_ms": key.connected_ms,
    })?;
    Ok(())
}

/// A session has one row, whatever is written of it and however often.
const UPSERT: &str = "
    INSERT INTO sessions (created, finished, loadpoint, identifier, vehicle, odometer,
        meter_start_kwh, meter_end_kwh, charged_kwh, charge_duration, soc_start, soc_end,
        added_range, solar_percentage, price, price_per_kwh, co2_per_kwh, reference_price_per_kwh,
        reference_co2_per_kwh, priced_kwh, loadpoint_name, connected_ms)
    VALUES (:created, :finished, :loadpoint, :identifier, :vehicle, :odometer,
        :meter_start_kwh, :meter_end_kwh, :charged_kwh, :charge_duration, :soc_start, :soc_end,
        :added_range, :solar_percentage, :price, :price_per_kwh, :co2_per_kwh,
        :reference_price_per_kwh, :reference_co2_per_kwh, :priced_kwh, :loadpoint_name,
        :connected_ms)
    ON CONFLICT (loadpoint_name, connected_ms) DO UPDATE SET
        created = excluded.created, finished = excluded.finished,
        vehicle = iif(edited & 1, vehicle, excluded.vehicle),
        loadpoint = iif(edited & 2, loadpoint, excluded.loadpoint),
        odometer = iif(edited & 4, odometer, excluded.odometer),
        identifier = excluded.identifier, meter_start_kwh = excluded.meter_start_kwh,
        meter_end_kwh = excluded.meter_end_kwh, charged_kwh = excluded.charged_kwh,
        charge_duration = excluded.charge_duration, soc_start = excluded.soc_start,
        soc_end = excluded.soc_end, added_range = excluded.added_range,
        solar_percentage = excluded.solar_percentage, price = excluded.price,
        price_per_kwh = excluded.price_per_kwh, co2_per_kwh = excluded.co2_per_kwh,
        reference_price_per_kwh = excluded.reference_price_per_kwh,
        reference_co2_per_kwh = excluded.reference_co2_per_kwh, priced_kwh = excluded.priced_kwh";

/// A row of `sessions`; `None` if its date cannot be read.
fn listed(row: &Row<'_>) -> rusqlite::Result<Option<ListedSession>> {
    let time = |column| row.get::<_, Option<String>>(column).map(|text| text.and_then(time_of));
    let text = |column| row.get::<_, Option<String>>(column).map(Option::unwrap_or_default);
    let kwh = |column| row.get::<_, Option<f64>>(column).map(|energy| energy.map(KilowattHours));
    let soc = |column| row.get::<_, Option<f64>>(column).map(|soc| soc.map(Percent));
    let Some(created) = time("created")? else { return Ok(None) };
    let nanos: Option<i64> = row.get("charge_duration")?;
    Ok(Some(ListedSession {
        id: row.get("id")?,
        row: SessionRow {
            created,
            finished: time("finished")?,
            loadpoint: text("loadpoint")?,
            identifier: text("identifier")?,
            vehicle: text("vehicle")?,
            odometer_km: row.get("odometer")?,
            meter_start: kwh("meter_start_kwh")?,
            meter_end: kwh("meter_end_kwh")?,
            charged: kwh("charged_kwh")?.unwrap_or_default(),
            charge_duration: nanos.and_then(|n| Some(Duration::from_nanos(n.try_into().ok()?))),
            soc_start: soc("soc_start")?,
            soc_end: soc("soc_end")?,
            added_range_km: row.get("added_range")?,
            solar_percentage: row.get("solar_percentage")?,
            price: row.get("price")?,
            price_per_kwh: row.get("price_per_kwh")?,
            co2_per_kwh: row.get("co2_per_kwh")?,
            reference_price_per_kwh: row.get("reference_price_per_kwh")?,
            reference_co2_per_kwh: row.get("reference_co2_per_kwh")?,
            priced: kwh("priced_kwh")?.unwrap_or_default(),
        },
    }))
}

/// Whether everything of a list can be read.
pub(super) fn readable(connection: &Connection) -> rusqlite::Result<()> {
    let mut query = connection.prepare("SELECT * FROM sessions")?;
    query.query_map([], listed)?.try_for_each(|row| row.map(drop))
}

/// Puts the list of an attached database `upload` into the place of ours, except for the sessions that
/// run here: these stay, at their place in the other list if they stand there. What ran there when it
/// was copied has ended with its last entry.
pub(super) fn take_over(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
    let deleted = EDITED_DELETED;
    // Our rows have negative numbers until those of the other list have theirs.
    transaction.execute_batch(&format!(
        "DELETE FROM main.sessions WHERE NOT EXISTS (
             SELECT 1 FROM main.journal AS j
             WHERE j.loadpoint = loadpoint_name AND j.connected_ms = sessions.connected_ms);
         UPDATE main.sessions SET id = -id;
         INSERT INTO main.sessions SELECT * FROM upload.sessions AS u WHERE NOT EXISTS (
             SELECT 1 FROM main.sessions AS ours WHERE ours.loadpoint_name = u.loadpoint_name
             AND ours.connected_ms = u.connected_ms);
         DELETE FROM main.sessions WHERE id > 0 AND edited & {deleted} <> 0;
         UPDATE main.sessions SET finished = last FROM (
             SELECT loadpoint, connected_ms AS ms,
                 strftime('%Y-%m-%d %H:%M:%f+00:00', max(at_ms) / 1000.0, 'unixepoch') AS last
             FROM upload.journal GROUP BY loadpoint, connected_ms)
             AS open WHERE id > 0 AND finished IS NULL
             AND loadpoint_name = open.loadpoint AND connected_ms = open.ms;
         UPDATE main.sessions SET id = ifnull(
             (SELECT u.id FROM upload.sessions AS u
              WHERE u.loadpoint_name = sessions.loadpoint_name
              AND u.connected_ms = sessions.connected_ms),
             (SELECT ifnull(max(id), 0) FROM upload.sessions) - id) WHERE id < 0;"
    ))
}

/// Means are weighted by the energy whose share, price or emission is known; nothing gives 0.
fn period(
    connection: &Connection,
    since: Option<DateTime<Utc>>,
) -> rusqlite::Result<PeriodStatistics> {
    let mut query = connection.prepare(
        "SELECT total(charged_kwh * solar_percentage), total(iif(solar_percentage IS NULL, 0, charged_kwh)),
            total(ifnull(priced_kwh, charged_kwh) * price_per_kwh),
            total(iif(price_per_kwh IS NULL, 0, ifnull(priced_kwh, charged_kwh))),
            total(charged_kwh * co2_per_kwh), total(iif(co2_per_kwh IS NULL, 0, charged_kwh))
         FROM sessions WHERE charged_kwh > 0 AND edited & ?1 = 0 AND (?2 IS NULL OR finished >= ?2)",
    )?;
    query.query_row(params![EDITED_DELETED, since.map(text_of)], |row| {
        let mean = |sum: usize| -> rusqlite::Result<f64> {
            let (sum, energy): (f64, f64) = (row.get(sum)?, row.get(sum + 1)?);
            Ok(if energy > 0.0 { sum / energy } else { 0.0 })
        };
        Ok(PeriodStatistics {
            solar_percentage: mean(0)?,
            charged: KilowattHours(row.get(1)?),
            price_per_kwh: mean(2)?,
            co2_per_kwh: mean(4)?,
        })
    })
}

/// evcc's spelling, always in UTC: the order of the texts is the order of the times.
fn text_of(time: DateTime<Utc>) -> String {
    time.format("%Y-%m-%d %H:%M:%S%.3f+00:00").to_string()
}

/// Also what evcc wrote: any offset, and the year 1 where there is no time.
fn time_of(text: String) -> Option<DateTime<Utc>> {
    let time = DateTime::parse_from_str(&text, "%Y-%m-%d %H:%M:%S%.f%:z").ok()?.to_utc();
    (time.timestamp() > 0).then_some(time)
}
