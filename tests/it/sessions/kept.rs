//! The store: entries that go with the row, evcc's columns, corrections that stay.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use chargebus::edges::store::{LISTED_MAX, Store, StoreError};
use chargebus::model::{
    JournalEntry, JournalKind, KilowattHours, ListedSession, Noted, Percent, SessionEdit,
    SessionKey, SessionRow, WattHours,
};
use chrono::{DateTime, TimeDelta, Utc};
use rusqlite::Connection;
use tempfile::TempDir;

const HOUR: TimeDelta = TimeDelta::hours(1);

/// 2026-08-08 12:00 UTC.
pub(crate) fn noon() -> DateTime<Utc> {
    DateTime::from_timestamp(1_786_190_400, 0).unwrap()
}

pub(crate) fn key(at: DateTime<Utc>) -> SessionKey {
    SessionKey { loadpoint: "lp-1".into(), connected_ms: at.timestamp_millis() }
}

pub(crate) fn entry(session: &SessionKey, number: u32, kind: JournalKind) -> JournalEntry {
    let at = session.connected().unwrap() + TimeDelta::minutes(number.into());
    JournalEntry { session: session.clone(), number, at, kind, noted: Noted::default() }
}

pub(crate) fn row(created: DateTime<Utc>, kwh: f64) -> SessionRow {
    SessionRow {
        created,
        finished: Some(created + HOUR),
        loadpoint: "Carport".into(),
        identifier: "04:AB".into(),
        vehicle: "Blauer, \"schneller\" Tesla".into(),
        odometer_km: Some(45678.94),
        meter_start: Some(KilowattHours(100.0)),
        meter_end: Some(KilowattHours(100.0 + kwh)),
        charged: KilowattHours(kwh),
        charge_duration: Some(Duration::from_secs(9680)),
        soc_start: Some(Percent(41.0)),
        soc_end: Some(Percent(79.5)),
        added_range_km: Some(194.5),
        solar_percentage: Some(50.0),
        price: Some(0.15 * kwh),
        price_per_kwh: Some(0.15),
        co2_per_kwh: None,
        reference_price_per_kwh: Some(0.312_345_678),
        reference_co2_per_kwh: None,
        priced: KilowattHours(kwh),
    }
}

/// Has a session in the list that is over.
pub(crate) fn finish(store: &Store, created: DateTime<Utc>, kwh: f64) {
    let key = key(created);
    store.record_entry(entry(&key, 0, JournalKind::Connect), None);
    store.record_entry(entry(&key, 1, JournalKind::Disconnect), Some(row(created, kwh)));
}

async fn all(store: &Store) -> Vec<ListedSession> {
    store.sessions(DateTime::UNIX_EPOCH, noon() + TimeDelta::days(9999)).await.unwrap()
}

fn open(dir: &TempDir) -> (Store, PathBuf) {
    let path = dir.path().join("chargebus.db");
    (Store::open(&path).unwrap(), path)
}

/// What a power cut leaves.
fn cut(dir: &TempDir) -> TempDir {
    let after = tempfile::tempdir().unwrap();
    for name in ["chargebus.db", "chargebus.db-wal"] {
        fs::copy(dir.path().join(name), after.path().join(name)).unwrap();
    }
    after
}

#[tokio::test]
async fn entries_survive_a_kill_and_count_once() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = open(&dir);
    let key = key(noon());
    let noted = Noted {
        energy: WattHours(123.4),
        shared: WattHours(100.0),
        solar: WattHours(50.5),
        priced: WattHours(99.0),
        price: 0.03,
        rated: WattHours(98.0),
        co2_g: 12.5,
        charging: Duration::from_millis(61_250),
        counter: Some(KilowattHours(9157.3)),
        reported: Some(WattHours(700.0)),
        soc: Some(Percent(41.5)),
        range_km: Some(210.5),
        odometer_km: Some(45678.9),
        loadpoint: Some("Carport".into()),
        vehicle: Some(String::new()),
        identifier: Some("04:AB".into()),
        reference_price: Some(0.3),
        reference_co2: Some(350.0),
    };
    let entries = [
        entry(&key, 0, JournalKind::Connect),
        JournalEntry { noted, ..entry(&key, 1, JournalKind::Start) },
        entry(&key, 2, JournalKind::Reading),
    ];
    // The last one first, and one twice: numbers are what counts.
    for n in [2, 0, 1, 1] {
        store.record_entry(entries[n].clone(), None);
    }
    store.flush().await.unwrap();
    store.record_entry(entries[1].clone(), None);
    assert_eq!(store.load_journal().await.unwrap(), entries);
    let after = cut(&dir);
    drop(store);
    assert_eq!(open(&after).0.load_journal().await.unwrap(), entries);
}

#[tokio::test]
async fn a_finished_session_is_a_row_and_its_entries_are_gone() {
    let dir = tempfile::tempdir().unwrap();
    let (store, path) = open(&dir);
    let (first, second) = (key(noon()), key(noon() + HOUR * 9));
    for n in 0..5 {
        store.record_entry(entry(&first, n, JournalKind::Reading), None);
    }
    store.record_entry(entry(&first, 5, JournalKind::Stop), Some(row(noon(), 3.0)));
    store.record_entry(entry(&second, 0, JournalKind::Connect), None);
    store.flush().await.unwrap();
    assert_eq!(store.load_journal().await.unwrap().len(), 7, "it may go on");
    let corrected = row(noon(), 3.1);
    let end = entry(&first, 6, JournalKind::Disconnect);
    store.record_entry(end, Some(corrected.clone()));
    store.flush().await.unwrap();

    let after = cut(&dir);
    let (store, _) = open(&after);
    assert_eq!(store.load_journal().await.unwrap(), [entry(&second, 0, JournalKind::Connect)]);
    assert_eq!(all(&store).await, [ListedSession { id: 1, row: corrected }]);

    // The columns are those that evcc's users know.
    let other = Connection::open(&path).unwrap();
    let sql = "SELECT created, finished, loadpoint, identifier, vehicle, odometer, meter_start_kwh,
        meter_end_kwh, charged_kwh, charge_duration, soc_start, soc_end, added_range,
        solar_percentage, price, price_per_kwh, co2_per_kwh, reference_price_per_kwh,
        reference_co2_per_kwh FROM sessions";
    let found: (String, String, i64, Option<f64>) = other
        .query_row(sql, [], |row| Ok((row.get(0)?, row.get(4)?, row.get(9)?, row.get(16)?)))
        .unwrap();
    let expected = ("2026-08-08 12:00:00.000+00:00", "Blauer, \"schneller\" Tesla", None);
    assert_eq!((&*found.0, &*found.1, found.3), expected);
    assert_eq!(found.2, 9_680_000_000_000, "nanoseconds");
}

#[tokio::test]
async fn the_list_has_what_is_worth_listing_newest_first() {
    let dir = tempfile::tempdir().unwrap();
    let (store, path) = open(&dir);
    for (hours, kwh) in [(0, 1.0), (48, 0.049), (24, 0.05), (72, 2.0)] {
        finish(&store, noon() + HOUR * hours, kwh);
    }
    let energies = |list: &[ListedSession]| {
        list.iter().map(|session| session.row.charged.0).collect::<Vec<_>>()
    };
    assert_eq!(energies(&all(&store).await), [2.0, 0.05, 1.0]);
    let part = store.sessions(noon() + HOUR, noon() + HOUR * 72).await.unwrap();
    assert_eq!(energies(&part), [0.05], "from the first instant up to before the last");

    // Another program may have written what evcc writes.
    let other = Connection::open(&path).unwrap();
    other
        .execute_batch(
            "WITH RECURSIVE n(i) AS (SELECT 10 UNION ALL SELECT i + 1 FROM n WHERE i < 10009)
             INSERT INTO sessions (created, finished, loadpoint, charged_kwh)
             SELECT '2026-09-01 00:00:00.' || i || '+02:00', '0001-01-01 00:00:00+00:00', 'x', 1
             FROM n",
        )
        .unwrap();
    let list = all(&store).await;
    assert_eq!(list.len(), LISTED_MAX);
    assert!(list.iter().all(|session| session.row.loadpoint == "x"), "the newest");
    assert_eq!(list[0].row.created.timestamp(), 1_788_213_600);
    assert_eq!((list[0].row.finished, list[0].row.priced), (None, KilowattHours(0.0)));
}

#[tokio::test]
async fn what_a_user_corrects_stays_though_the_session_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = open(&dir);
    let open_one = key(noon());
    store.record_entry(entry(&open_one, 0, JournalKind::Stop), Some(row(noon(), 3.0)));
    store.flush().await.unwrap();
    finish(&store, noon() - HOUR * 24, 5.0);
    let edit =
        SessionEdit { vehicle: Some("Zoe".into()), loadpoint: None, odometer_km: Some(None) };
    assert_eq!(store.edit_session(1, edit.clone()).await, Ok(true));
    assert_eq!(store.edit_session(77, edit).await, Ok(false));
    store.record_entry(entry(&open_one, 1, JournalKind::Stop), Some(row(noon(), 4.0)));
    let listed = all(&store).await;
    let corrected = SessionRow { vehicle: "Zoe".into(), odometer_km: None, ..row(noon(), 4.0) };
    assert_eq!(listed[0], ListedSession { id: 1, row: corrected });

    assert_eq!(store.delete_session(1).await, Ok(true));
    assert_eq!(store.delete_session(1).await, Ok(false), "once");
    assert_eq!(store.delete_session(2).await, Ok(true));
    assert_eq!(all(&store).await, []);
    store.record_entry(entry(&open_one, 2, JournalKind::Stop), Some(row(noon(), 6.0)));
    assert_eq!(all(&store).await, [], "it does not come back with the next charge");
    store.record_entry(entry(&open_one, 3, JournalKind::Disconnect), Some(row(noon(), 6.0)));
    assert_eq!(all(&store).await, []);
    store.close().await.unwrap();
    let other = Connection::open(dir.path().join("chargebus.db")).unwrap();
    let count = |table: &str| -> i64 {
        other.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap()
    };
    assert_eq!((count("sessions"), count("journal")), (0, 0));
}

#[tokio::test]
async fn an_entry_that_nobody_can_read_hides_no_other() {
    let dir = tempfile::tempdir().unwrap();
    let (store, path) = open(&dir);
    let key = key(noon());
    for n in 0..3 {
        store.record_entry(entry(&key, n, JournalKind::Reading), None);
    }
    store.flush().await.unwrap();
    let other = Connection::open(&path).unwrap();
    other.execute("UPDATE journal SET kind = 'lunch' WHERE number = 1", []).unwrap();
    let left = [0, 2].map(|n| entry(&key, n, JournalKind::Reading));
    assert_eq!(store.load_journal().await.unwrap(), left);
}

#[tokio::test]
async fn a_locked_database_loses_no_entry() {
    let dir = tempfile::tempdir().unwrap();
    let (store, path) = open(&dir);
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let key = key(noon());
    store.record_entry(entry(&key, 0, JournalKind::Connect), None);
    assert_eq!(store.flush().await, Err(StoreError::Locked));
    store.record_entry(entry(&key, 1, JournalKind::Stop), Some(row(noon(), 3.0)));
    other.execute_batch("ROLLBACK").unwrap();
    store.flush().await.unwrap();
    assert_eq!(store.load_journal().await.unwrap().len(), 2);
    assert_eq!(all(&store).await.len(), 1);
}

#[tokio::test]
async fn sums_are_weighted_by_energy_of_known_worth() {
    let store = Store::memory().unwrap();
    let none = store.statistics(noon(), noon(), noon()).await.unwrap();
    assert_eq!(none, chargebus::model::Statistics::default());
    let known = SessionRow { co2_per_kwh: Some(100.0), ..row(noon() - HOUR * 24, 10.0) };
    let half_priced = SessionRow {
        solar_percentage: Some(20.0),
        price_per_kwh: Some(0.45),
        priced: KilowattHours(5.0),
        ..row(noon() - HOUR * 24 * 100, 20.0)
    };
    let unknown = SessionRow {
        solar_percentage: None,
        price_per_kwh: None,
        ..row(noon() - HOUR * 24 * 200, 40.0)
    };
    for (n, row) in [known, half_priced, unknown].into_iter().enumerate() {
        let key = key(noon() - HOUR * n as i32);
        store.record_entry(entry(&key, 0, JournalKind::Disconnect), Some(row));
    }
    let back = |days| noon() - TimeDelta::days(days);
    let sums = store.statistics(back(30), back(365), back(150)).await.unwrap();
    assert_eq!(sums.last_30d.charged, KilowattHours(10.0));
    assert_eq!((sums.last_30d.solar_percentage, sums.last_30d.co2_per_kwh), (50.0, 100.0));
    assert!((sums.last_30d.price_per_kwh - 0.15).abs() < 1e-9);
    assert_eq!(sums.this_year.charged, KilowattHours(30.0), "with a known share");
    assert!((sums.this_year.solar_percentage - 30.0).abs() < 1e-9);
    assert!((sums.this_year.price_per_kwh - 0.25).abs() < 1e-9, "{:?}", sums.this_year);
    assert_eq!(sums.this_year.co2_per_kwh, 100.0);
    assert_eq!((sums.total, sums.last_365d), (sums.last_365d, sums.total));
}

#[tokio::test]
async fn whoever_adds_up_is_told_of_every_change_of_the_list() {
    let store = Store::memory().unwrap();
    let told = || crate::support::soon("the news", store.sessions_changed());
    finish(&store, noon(), 1.0);
    store.flush().await.unwrap();
    told().await;
    let edit = SessionEdit { vehicle: Some("Zoe".into()), ..SessionEdit::default() };
    store.edit_session(1, edit).await.unwrap();
    told().await;
    store.delete_session(1).await.unwrap();
    told().await;
}
