//! Tables of the history: energy by quarters of an hour, prices, limits of the grid operator
//! (plans-vehicles-devices.md §2.9, §4.4, §4.5).
//!
//! Nothing is ever deleted: a quarter of an hour of one entity takes about 40 bytes, an entity some
//! 1.4 MB a year. Rows are ordered by time first, so that a quarter of an hour is one place of the
//! file and an SD card writes few pages. What is asked for is read in pieces, and settings are
//! stored in between.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use rusqlite::{Connection, Row, Transaction, params};

use super::writer::{Command, Durable, Writer};
use super::{Store, StoreError};
use crate::model::{
    Counters, EnergyGroup, Entity, EntityRecord, GridLimit, GridSession, KilowattHours, Past,
    PastEnergy, Percent, Prices, RunningEnergy, RunningSlot, SlotEnergy, SlotRecord, Watts,
};

/// Migration to these tables.
pub(super) const TABLES: &str = r#"
    CREATE TABLE entities (
        id INTEGER PRIMARY KEY, "group" TEXT NOT NULL, name TEXT NOT NULL, title TEXT NOT NULL,
        is_temp INTEGER NOT NULL DEFAULT 0, energy_meter REAL, return_energy_meter REAL,
        counted_to INTEGER NOT NULL, UNIQUE ("group", name)
    );
    CREATE TABLE meters (
        meter INTEGER NOT NULL REFERENCES entities (id), ts INTEGER NOT NULL,
        energy REAL NOT NULL, return_energy REAL NOT NULL, soc_temp REAL,
        recovered INTEGER NOT NULL, PRIMARY KEY (ts, meter)
    ) WITHOUT ROWID;
    CREATE TABLE tariffs (
        ts INTEGER PRIMARY KEY, grid REAL, feedin REAL, co2 REAL, temperature REAL
    );
    CREATE TABLE grid_sessions (
        id INTEGER PRIMARY KEY AUTOINCREMENT, created INTEGER NOT NULL, finished INTEGER,
        type TEXT NOT NULL, grid_power REAL, limit_power REAL NOT NULL
    );
"#;

/// Migration to the table of the slot that is not over; it has the rows of one slot.
pub(super) const RUNNING: &str = r#"
    CREATE TABLE running (
        "group" TEXT NOT NULL, name TEXT NOT NULL, ts INTEGER NOT NULL, energy REAL NOT NULL,
        return_energy REAL NOT NULL, known_ms INTEGER NOT NULL, whole INTEGER NOT NULL, soc REAL,
        PRIMARY KEY ("group", name)
    ) WITHOUT ROWID;
"#;

/// Rows that one piece of an answer has about, so that no write waits long for a reader.
const PIECE_ROWS: i32 = 32_768;
/// Grid sessions that are told, the newest first.
const GRID_SESSIONS_MAX: i64 = 10_000;
const SLOT: TimeDelta = TimeDelta::minutes(15);
const WEEK: TimeDelta = TimeDelta::days(7);

/// Which energies are asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EnergyFilter {
    /// Slots that begin at or after this; `None` = from the first one on.
    pub from: Option<DateTime<Utc>>,
    /// Slots that begin before this.
    pub to: DateTime<Utc>,
    /// Of this group only.
    pub group: Option<String>,
    /// Of this name only.
    pub name: Option<String>,
    /// Of this title only.
    pub title: Option<String>,
}

/// One slot of one entity.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EnergyRow {
    /// Key in [`EnergyReader::entities`].
    pub entity: i64,
    /// When the slot began.
    pub start: DateTime<Utc>,
    /// What flowed.
    pub energy: SlotEnergy,
}

/// Reads energies piece by piece.
pub struct EnergyReader {
    store: Store,
    /// Those that match, by key.
    pub entities: BTreeMap<i64, Entity>,
    from: DateTime<Utc>,
    to: DateTime<Utc>,
    step: TimeDelta,
}

impl Store {
    /// Records a slot that is over. Written soon.
    pub fn record_slot(&self, record: SlotRecord) {
        self.later(|pending| pending.slot(record));
    }

    /// Keeps the slot that is not over, in place of the one kept before. Written soon, with what is
    /// collected; when too much is asked of the store already, the next one will do.
    pub fn record_running(&self, running: RunningSlot) {
        let work = move |writer: &mut Writer| {
            if !writer.is_sealed() {
                // Its trouble is logged there.
                let _ =
                    writer.write(Durable::Soon, |transaction| write_running(transaction, &running));
            }
        };
        let _ = self.commands.try_send(Command::Work(Box::new(work)));
    }

    /// Records that a limit of the grid operator begins or ends. Written soon.
    pub fn record_grid_limit(&self, limit: GridLimit) {
        self.later(|pending| pending.limit(limit));
    }

    /// What the core must know of the week before `now`.
    ///
    /// # Errors
    ///
    /// See [`StoreError`]; so for everything that reads.
    pub async fn load_past(&self, now: DateTime<Utc>) -> Result<Past, StoreError> {
        self.read(move |connection| past(connection, now - WEEK)).await
    }

    /// Ends the limit that an unclean stop left in force: at the last sign of life, because nobody
    /// knows how long it lasted, but not after `now`.
    ///
    /// # Errors
    ///
    /// It stays in force until the next one begins, see [`StoreError`].
    pub async fn repair_grid_sessions(&self, now: DateTime<Utc>) -> Result<(), StoreError> {
        self.read(move |connection| {
            connection.execute(
                "UPDATE grid_sessions SET finished = max(
                     created, (SELECT min(ifnull(max(counted_to), 0), ?1) FROM entities)
                 ) WHERE finished IS NULL",
                [now.timestamp()],
            )
        })
        .await
        .map(drop)
    }

    /// Times of limits, the newest first; at most 10,000.
    ///
    /// # Errors
    ///
    /// See [`StoreError`].
    pub async fn load_grid_sessions(&self) -> Result<Vec<GridSession>, StoreError> {
        self.read(|connection| {
            let mut query = connection.prepare(
                "SELECT id, created, finished, type, grid_power, limit_power
                 FROM grid_sessions ORDER BY created DESC, id DESC LIMIT ?1",
            )?;
            query.query_map([GRID_SESSIONS_MAX], grid_session)?.collect()
        })
        .await
    }

    /// Deletes the energies that a filter lets through; answers how many. What the core knows of the
    /// last days stays until the next start.
    ///
    /// # Errors
    ///
    /// Nothing was deleted, see [`StoreError`].
    pub async fn delete_energies(&self, filter: EnergyFilter) -> Result<usize, StoreError> {
        let EnergyFilter { from, to, group, name, title } = filter;
        let from = from.map(|from| from.timestamp());
        self.delete(move |transaction| {
            transaction.execute(
                r#"DELETE FROM meters WHERE (?1 IS NULL OR ts >= ?1) AND ts < ?2 AND meter IN (
                       SELECT id FROM entities WHERE (?3 IS NULL OR "group" = ?3)
                       AND (?4 IS NULL OR name = ?4) AND (?5 IS NULL OR title = ?5))"#,
                params![from, to.timestamp(), group, name, title],
            )
        })
        .await
    }

    /// Deletes what tariffs were in `[from, to)`, all of them or one of [`Prices::NAMES`]; a record that
    /// says nothing any more goes. Answers how many records were changed.
    ///
    /// # Errors
    ///
    /// Nothing was deleted, see [`StoreError`].
    pub async fn delete_prices(
        &self,
        from: DateTime<Utc>,
        to: DateTime<Utc>,
        usage: Option<&'static str>,
    ) -> Result<usize, StoreError> {
        let span = [from.timestamp(), to.timestamp()];
        self.delete(move |transaction| {
            let Some(usage) = usage else {
                return transaction.execute("DELETE FROM tariffs WHERE ts >= ?1 AND ts < ?2", span);
            };
            let clear = format!(
                "UPDATE tariffs SET {usage} = NULL
                 WHERE ts >= ?1 AND ts < ?2 AND {usage} IS NOT NULL"
            );
            let cleared = transaction.execute(&clear, span)?;
            let empty = format!(
                "DELETE FROM tariffs WHERE ts >= ?1 AND ts < ?2 AND coalesce({}) IS NULL",
                Prices::NAMES.join(", ")
            );
            transaction.execute(&empty, span)?;
            Ok(cleared)
        })
        .await
    }

    async fn delete(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<usize> + Send + 'static,
    ) -> Result<usize, StoreError> {
        self.work(move |writer| writer.write(Durable::Now, work)).await
    }

    /// Begins to read energies.
    ///
    /// # Errors
    ///
    /// See [`StoreError`].
    pub async fn read_energies(&self, filter: EnergyFilter) -> Result<EnergyReader, StoreError> {
        let EnergyFilter { from, to, group, name, title } = filter;
        let (entities, count, first, last) = self
            .read(move |connection| {
                let mut query = connection.prepare(
                    r#"SELECT id, "group", name, title FROM entities
                       WHERE (?1 IS NULL OR "group" = ?1) AND (?2 IS NULL OR name = ?2)
                       AND (?3 IS NULL OR title = ?3)"#,
                )?;
                let rows = query.query_map(params![group, name, title], entity)?;
                let entities = rows.filter_map(Result::transpose).collect::<Result<_, _>>()?;
                let ends = "SELECT (SELECT count(*) FROM entities), min(ts), max(ts) FROM meters";
                let ends = connection.query_row(ends, [], |row| {
                    Ok((row.get::<_, i32>(0)?, optional(row, 1)?, optional(row, 2)?))
                });
                ends.map(|(count, first, last)| (entities, count, first, last))
            })
            .await?;
        // Rows of all entities are read over, also of those that are not asked for.
        let step = SLOT * (PIECE_ROWS / count.max(1)).max(1);
        let first = first.map_or(to, instant);
        let last = last.map_or(first, |last| instant(last) + SLOT);
        let from = from.unwrap_or(first).max(first);
        Ok(EnergyReader { store: self.clone(), entities, from, to: to.min(last), step })
    }
}

impl EnergyReader {
    /// The next piece, in the order of time; `None` after the last one.
    ///
    /// # Errors
    ///
    /// See [`StoreError`].
    pub async fn next(&mut self) -> Result<Option<Vec<EnergyRow>>, StoreError> {
        let from = self.from;
        if from >= self.to || self.entities.is_empty() {
            return Ok(None);
        }
        let to = (from + self.step).min(self.to);
        self.from = to;
        let wanted = self.entities.keys().copied().collect::<Vec<_>>();
        let rows = self.store.read(move |connection| {
            let mut query = connection.prepare(
                "SELECT meter, ts, energy, return_energy, soc_temp, recovered FROM meters
                 WHERE ts >= ?1 AND ts < ?2 ORDER BY ts, meter",
            )?;
            let rows = query.query_map([from.timestamp(), to.timestamp()], energy_row)?;
            let wanted = |row: &rusqlite::Result<EnergyRow>| {
                row.as_ref().map_or(true, |row| wanted.binary_search(&row.entity).is_ok())
            };
            rows.filter(wanted).collect()
        });
        rows.await.map(Some)
    }
}

/// Writes slots and limits that are over or begin.
pub(super) fn write<'a>(
    transaction: &Transaction<'_>,
    slots: impl Iterator<Item = &'a SlotRecord>,
    limits: impl Iterator<Item = &'a GridLimit>,
) -> rusqlite::Result<()> {
    for slot in slots {
        write_slot(transaction, slot)?;
    }
    let mut end = transaction
        .prepare("UPDATE grid_sessions SET finished = ?1 WHERE finished IS NULL AND type = ?2")?;
    let mut begin = transaction.prepare(
        "INSERT INTO grid_sessions (created, type, grid_power, limit_power) VALUES (?1, ?2, ?3, ?4)",
    )?;
    for limit in limits {
        let (GridLimit::Begins { at, side, .. } | GridLimit::Ends { at, side }) = limit;
        let side = side.as_str();
        end.execute(params![at.timestamp(), side])?;
        if let GridLimit::Begins { limit, grid, .. } = limit {
            let grid = grid.map(|power| power.0);
            begin.execute(params![at.timestamp(), side, grid, limit.0])?;
        }
    }
    Ok(())
}

fn write_running(transaction: &Transaction<'_>, running: &RunningSlot) -> rusqlite::Result<()> {
    transaction.execute("DELETE FROM running", [])?;
    let mut add =
        transaction.prepare("INSERT INTO running VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)")?;
    let start = running.start.timestamp();
    for RunningEnergy { group, name, energy, return_energy, known, whole, soc } in &running.entities
    {
        let known = i64::try_from(known.as_millis()).unwrap_or(i64::MAX);
        let soc = soc.map(|soc| soc.0);
        let group = group.as_str();
        add.execute(params![group, name, start, energy.0, return_energy.0, known, whole, soc])?;
    }
    Ok(())
}

fn running(connection: &Connection) -> rusqlite::Result<Option<RunningSlot>> {
    let mut query = connection.prepare(
        r#"SELECT "group", name, ts, energy, return_energy, known_ms, whole, soc FROM running"#,
    )?;
    let mut rows = query.query([])?;
    let mut running: Option<RunningSlot> = None;
    while let Some(row) = rows.next()? {
        let Some(group) = group(row, 0)? else { continue };
        let known = u64::try_from(row.get::<_, i64>(5)?).unwrap_or(0);
        let energy = RunningEnergy {
            group,
            name: row.get(1)?,
            energy: KilowattHours(row.get(3)?),
            return_energy: KilowattHours(row.get(4)?),
            known: Duration::from_millis(known),
            whole: row.get(6)?,
            soc: row.get::<_, Option<f64>>(7)?.map(Percent),
        };
        let start = instant(row.get(2)?);
        let slot = running.get_or_insert(RunningSlot { start, entities: Vec::new() });
        slot.entities.push(energy);
    }
    Ok(running)
}

fn write_slot(transaction: &Transaction<'_>, slot: &SlotRecord) -> rusqlite::Result<()> {
    let (start, end) = (slot.start.timestamp(), slot.end.timestamp());
    let mut count = transaction.prepare(
        r#"INSERT INTO entities ("group", name, title, energy_meter, return_energy_meter, counted_to)
           VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT ("group", name) DO UPDATE
           SET title = excluded.title, energy_meter = excluded.energy_meter,
               return_energy_meter = excluded.return_energy_meter, counted_to = excluded.counted_to
           RETURNING id"#,
    )?;
    // A slot that comes twice, because the clock was set back, holds what flowed in both.
    let mut add = transaction.prepare(
        "INSERT INTO meters (meter, ts, energy, return_energy, soc_temp, recovered)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO UPDATE
         SET energy = energy + excluded.energy, recovered = 1,
             return_energy = return_energy + excluded.return_energy",
    )?;
    for EntityRecord { entity, counters, energy } in &slot.entities {
        let kwh = |energy: Option<KilowattHours>| energy.map(|energy| energy.0);
        let (own, opposite) = (kwh(counters.energy), kwh(counters.return_energy));
        let Entity { group, name, title } = entity;
        let id: i64 = count
            .query_row(params![group.as_str(), name, title, own, opposite, end], |row| {
                row.get(0)
            })?;
        if let Some(SlotEnergy { energy, return_energy, soc, recovered }) = energy {
            let soc = soc.map(|soc| soc.0);
            add.execute(params![id, start, energy.0, return_energy.0, soc, recovered])?;
        }
    }
    let prices = &slot.prices;
    if !prices.is_empty() {
        let mut keep =
            transaction.prepare("INSERT OR IGNORE INTO tariffs VALUES (?1, ?2, ?3, ?4, ?5)")?;
        let (grid, feed_in) = (prices.grid, prices.feed_in);
        keep.execute(params![end, grid, feed_in, prices.co2, prices.temperature])?;
    }
    Ok(())
}

fn past(connection: &Connection, since: DateTime<Utc>) -> rusqlite::Result<Past> {
    let mut past = Past { running: running(connection)?, ..Past::default() };
    let mut query = connection.prepare(
        r#"SELECT "group", name, energy_meter, return_energy_meter, counted_to FROM entities"#,
    )?;
    let mut rows = query.query([])?;
    while let Some(row) = rows.next()? {
        // A group that is not known is of a newer release.
        let Some(group) = group(row, 0)? else { continue };
        let kwh = |energy: Option<f64>| energy.map(KilowattHours);
        let counters = Counters { energy: kwh(row.get(2)?), return_energy: kwh(row.get(3)?) };
        past.counters.push((group, row.get(1)?, counters, instant(row.get(4)?)));
    }
    let mut query = connection.prepare(
        r#"SELECT "group", name, ts, energy, recovered
           FROM meters JOIN entities ON entities.id = meter
           WHERE ts >= ?1 AND "group" IN ('loadpoint', 'pv', 'forecast')
           AND (energy > 0 OR "group" <> 'loadpoint') ORDER BY ts"#,
    )?;
    let mut rows = query.query([since.timestamp()])?;
    while let Some(row) = rows.next()? {
        let Some(group) = group(row, 0)? else { continue };
        let (name, start) = (row.get(1)?, instant(row.get(2)?));
        let energy = KilowattHours(row.get(3)?);
        past.energies.push(PastEnergy { group, name, start, energy, recovered: row.get(4)? });
    }
    Ok(past)
}

fn group(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<EnergyGroup>> {
    Ok(row.get::<_, String>(column)?.parse().ok())
}

fn entity(row: &Row<'_>) -> rusqlite::Result<Option<(i64, Entity)>> {
    let Some(group) = group(row, 1)? else { return Ok(None) };
    Ok(Some((row.get(0)?, Entity { group, name: row.get(2)?, title: row.get(3)? })))
}

fn energy_row(row: &Row<'_>) -> rusqlite::Result<EnergyRow> {
    let energy = SlotEnergy {
        energy: KilowattHours(row.get(2)?),
        return_energy: KilowattHours(row.get(3)?),
        soc: row.get::<_, Option<f64>>(4)?.map(Percent),
        recovered: row.get(5)?,
    };
    Ok(EnergyRow { entity: row.get(0)?, start: instant(row.get(1)?), energy })
}

fn grid_session(row: &Row<'_>) -> rusqlite::Result<GridSession> {
    Ok(GridSession {
        id: row.get(0)?,
        created: instant(row.get(1)?),
        finished: row.get::<_, Option<i64>>(2)?.map(instant),
        kind: row.get(3)?,
        grid: row.get::<_, Option<f64>>(4)?.map(Watts),
        limit: Watts(row.get(5)?),
    })
}

fn optional(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<i64>> {
    row.get(column)
}

/// What no calendar knows was not written by us.
fn instant(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(seconds, 0).unwrap_or_default()
}
