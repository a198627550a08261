//! What a restored backup brings, and what of the present it leaves (api.md §3.11).

use std::path::Path;

use chargebus::edges::store::{Protected, Reset, RestoreError};
use chargebus::model::{EnergyGroup, JournalKind, ListedSession};
use chrono::{DateTime, TimeDelta};

use super::*;
use crate::history::kept::{entity, slot};
use crate::sessions::kept::{entry, finish, key, noon, row};

const OWNER: Protected = Protected { prefix: "auth.", unless: "auth.password" };

async fn restore(store: &Store, file: &[u8]) -> Result<(), RestoreError> {
    let mut upload = store.upload().await?;
    for piece in file.chunks(70_000) {
        upload.write(piece).await?;
    }
    soon("the restore", store.restore(upload, OWNER)).await
}

async fn listed(store: &Store) -> Vec<ListedSession> {
    let end = noon() + TimeDelta::days(9999);
    store.sessions(DateTime::UNIX_EPOCH, end).await.unwrap()
}

async fn kwh(store: &Store) -> Vec<f64> {
    listed(store).await.iter().map(|session| session.row.charged.0).collect()
}

fn count(path: &Path, table: &str) -> i64 {
    let connection = Connection::open(path).unwrap();
    connection.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap()
}

/// A session that charges: two entries, and its row so far.
fn begin(store: &Store, created: DateTime<chrono::Utc>, kwh: f64) {
    let key = key(created);
    store.record_entry(entry(&key, 0, JournalKind::Connect), None);
    let open = chargebus::model::SessionRow { finished: None, ..row(created, kwh) };
    store.record_entry(entry(&key, 1, JournalKind::Start), Some(open));
}

#[tokio::test]
async fn sessions_that_run_go_on_over_a_restore() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&path(&dir)).unwrap();
    let hour = TimeDelta::hours(1);
    finish(&store, noon(), 1.0);
    begin(&store, noon() + hour, 2.0);
    let backup = store.backup().await.unwrap();
    let running = listed(&store).await[0].id;

    // The same session runs on and the list goes on; it is not lost, and stands there once.
    finish(&store, noon() + hour * 2, 3.0);
    store.record_entry(
        entry(&key(noon() + hour), 2, JournalKind::Reading),
        Some(row(noon() + hour, 2.5)),
    );
    store.flush().await.unwrap();
    restore(&store, &backup).await.unwrap();
    store.close().await.unwrap();
    let store = Store::open(&path(&dir)).unwrap();
    assert_eq!(kwh(&store).await, [2.5, 1.0]);
    assert_eq!(listed(&store).await[0].id, running);
    assert_eq!(store.load_journal().await.unwrap().len(), 3);

    // Another one runs: that of the backup ended with its last entry.
    store.record_entry(
        entry(&key(noon() + hour), 3, JournalKind::Disconnect),
        Some(row(noon() + hour, 2.6)),
    );
    begin(&store, noon() + hour * 5, 7.0);
    store.flush().await.unwrap();
    restore(&store, &backup).await.unwrap();
    store.close().await.unwrap();
    let store = Store::open(&path(&dir)).unwrap();
    assert_eq!(kwh(&store).await, [7.0, 2.0, 1.0]);
    let sessions = listed(&store).await;
    assert_eq!(sessions[1].row.finished, Some(noon() + hour + TimeDelta::minutes(1)));
    assert_eq!(sessions[0].row.finished, None);
    let ids: Vec<i64> = sessions.iter().map(|session| session.id).collect();
    assert!(ids.iter().all(|id| *id > 0) && ids[0] > ids[1] && ids[1] > ids[2], "{ids:?}");
    let journal = store.load_journal().await.unwrap();
    assert!(journal.iter().all(|entry| entry.session == key(noon() + hour * 5)), "{journal:?}");
    finish(&store, noon() + hour * 9, 9.0);
    assert_eq!(kwh(&store).await, [9.0, 7.0, 2.0, 1.0], "new sessions find a number");
}

#[tokio::test]
async fn the_present_of_the_bus_stays() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&path(&dir)).unwrap();
    store.record_topics(["evcc/old".to_owned()], []);
    store.save_retained([retained("wallbox/enable", b"true"), retained("gone", b"1")]);
    store.record_slot(slot(0, vec![entity(EnergyGroup::Pv, "roof", "Roof", 1.0)]));
    let backup = store.backup().await.unwrap();
    store.record_topics(["evcc/new".to_owned()], ["evcc/old".to_owned()]);
    store.save_retained([retained("wallbox/enable", b"false"), retained("gone", b"")]);
    store.record_slot(slot(1, vec![entity(EnergyGroup::Pv, "roof", "Roof", 2.0)]));
    store.flush().await.unwrap();
    restore(&store, &backup).await.unwrap();

    // What the broker keeps from now on is still true after the new start, a slot is not.
    store.save_retained([retained("tesla/soc", b"41")]);
    store.record_slot(slot(2, vec![entity(EnergyGroup::Pv, "roof", "Roof", 4.0)]));
    store.close().await.unwrap();
    let store = Store::open(&path(&dir)).unwrap();
    let kept = store.load_retained().await.unwrap();
    assert_eq!(kept, [retained("tesla/soc", b"41"), retained("wallbox/enable", b"false")]);
    let topics = store.load_topics().await.unwrap();
    assert_eq!(Vec::from_iter(topics), ["evcc/new", "evcc/old"]);
    store.close().await.unwrap();
    assert_eq!(count(&path(&dir), "meters"), 1);
}

#[tokio::test]
async fn a_backup_of_an_older_release_is_brought_up_to_date() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&path(&dir)).unwrap();
    store.save_settings(vec![set("prioritySoc", "50")]).await.unwrap();
    let backup = store.backup().await.unwrap();
    let old = tempfile::tempdir().unwrap();
    let file = path(&old);
    fs::write(&file, backup).unwrap();
    let connection = Connection::open(&file).unwrap();
    connection
        .execute_batch(
            "PRAGMA journal_mode = DELETE; DROP TABLE journal; DROP TABLE sessions; DROP TABLE running;
             PRAGMA user_version = 3;",
        )
        .unwrap();
    drop(connection);
    store.save_settings(vec![set("prioritySoc", "20")]).await.unwrap();
    restore(&store, &fs::read(file).unwrap()).await.unwrap();
    assert_eq!(settings(&store).await, map(&[("prioritySoc", "50")]));
}

#[tokio::test]
async fn a_locked_database_is_not_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&path(&dir)).unwrap();
    store.save_settings(vec![set("a", "1")]).await.unwrap();
    let backup = store.backup().await.unwrap();
    store.save_settings(vec![set("a", "2")]).await.unwrap();
    let other = hold(&path(&dir));
    let refused = restore(&store, &backup).await;
    assert_eq!(refused, Err(RestoreError::Store(StoreError::Locked)));
    assert_eq!(settings(&store).await, map(&[("a", "2")]));
    drop(other);
    let files = fs::read_dir(dir.path()).unwrap().count();
    assert_eq!(files, 3, "a copy or an upload is left");
    assert!(!store.replaced().is_cancelled());
    restore(&store, &backup).await.unwrap();
    assert_eq!(settings(&store).await, map(&[("a", "1")]));
}

#[tokio::test]
async fn what_an_end_in_the_middle_left_goes_with_the_next_start() {
    let dir = tempfile::tempdir().unwrap();
    let names =
        ["upload", "upload-journal", "upload-wal", "upload-shm", "keeping", "keeping-journal"];
    for name in names {
        fs::write(dir.path().join(format!("chargebus.db.{name}")), "x").unwrap();
    }
    let store = Store::open(&path(&dir)).unwrap();
    store.close().await.unwrap();
    let files: Vec<_> =
        fs::read_dir(dir.path()).unwrap().map(|file| file.unwrap().file_name()).collect();
    assert_eq!(files, ["chargebus.db"]);
}

#[tokio::test]
async fn a_reset_leaves_nothing_of_what_it_names() {
    let secret = "a-value-that-is-not-to-be-found";
    for (what, left) in [
        (Reset { sessions: true, ..Reset::default() }, [2, 0, 0, 1, 1]),
        (Reset { settings: true, ..Reset::default() }, [1, 2, 2, 1, 1]),
        (Reset { metrics: true, ..Reset::default() }, [2, 2, 2, 0, 0]),
        (Reset { sessions: true, settings: true, metrics: true }, [1, 0, 0, 0, 0]),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&path(&dir)).unwrap();
        store.save_settings(vec![set("auth.password", "x"), set("title", secret)]).await.unwrap();
        finish(&store, noon(), 1.0);
        begin(&store, noon() + TimeDelta::hours(2), 2.0);
        store.record_slot(slot(0, vec![entity(EnergyGroup::Pv, "roof", "Roof", 1.0)]));
        store.flush().await.unwrap();
        soon("the reset", store.reset(what, OWNER)).await.unwrap();
        assert!(store.replaced().is_cancelled());
        // The session that runs is still told of; it does not come back.
        store.record_entry(entry(&key(noon()), 7, JournalKind::Reading), Some(row(noon(), 9.0)));
        store.close().await.unwrap();
        let tables = ["settings", "sessions", "journal", "meters", "entities"];
        assert_eq!(tables.map(|table| count(&path(&dir), table)), left, "{what:?}");
        let bytes = fs::read(path(&dir)).unwrap();
        let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
        assert_eq!(found, !what.settings, "{what:?}");
    }
}
