//! The store against kills, locks, full queues and files that are not what they should be.

mod restore;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process;

use chargebus::edges::broker::Retained;
use chargebus::edges::store::{Store, StoreError};
use rusqlite::Connection;
use tempfile::TempDir;
use tokio::task::JoinSet;

use crate::support::soon;

fn path(dir: &TempDir) -> PathBuf {
    dir.path().join("chargebus.db")
}

fn set(key: &str, value: &str) -> (String, Option<String>) {
    (key.to_owned(), Some(value.to_owned()))
}

async fn settings(store: &Store) -> BTreeMap<String, String> {
    soon("the settings", store.load_settings()).await.unwrap()
}

fn map(entries: &[(&str, &str)]) -> BTreeMap<String, String> {
    entries.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())).collect()
}

fn retained(topic: &str, payload: &[u8]) -> Retained {
    let (topic, payload) = (topic.to_owned(), payload.to_vec());
    Retained { topic, payload, qos: 1, properties: vec![1, 2], expires: 7 }
}

/// What a power cut leaves: the files as they are, without any good-bye.
fn cut(dir: &TempDir) -> TempDir {
    let after = tempfile::tempdir().unwrap();
    for name in ["chargebus.db", "chargebus.db-wal"] {
        fs::copy(dir.path().join(name), after.path().join(name)).unwrap();
    }
    after
}

fn error(path: &Path) -> String {
    match Store::open(path) {
        Ok(_) => panic!("{} could be opened", path.display()),
        Err(err) => format!("{err:#}"),
    }
}

/// Another program that holds the database.
fn hold(path: &Path) -> Connection {
    let other = Connection::open(path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    other
}

#[tokio::test]
async fn settings_survive_a_kill() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&path(&dir)).unwrap();
    assert_eq!(settings(&store).await, map(&[]));
    store.save_settings(vec![set("lp1.mode", "pv"), set("prioritySoc", "50")]).await.unwrap();
    store.save_settings(vec![set("lp1.mode", "now"), ("prioritySoc".into(), None)]).await.unwrap();
    store.save_settings(vec![("never.was".into(), None)]).await.unwrap();
    let expected = map(&[("lp1.mode", "now")]);
    assert_eq!(settings(&store).await, expected);

    let after = cut(&dir);
    drop(store);
    assert_eq!(settings(&Store::open(&path(&after)).unwrap()).await, expected);
    assert_eq!(settings(&Store::open(&path(&dir)).unwrap()).await, expected);
}

#[tokio::test]
async fn what_is_collected_is_there_after_a_close() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&path(&dir)).unwrap();
    let topics = |list: &[&str]| list.iter().map(|&t| t.to_owned()).collect::<Vec<_>>();
    store.record_topics(topics(&["evcc/a", "evcc/b", "evcc/c"]), []);
    store.record_topics([], topics(&["evcc/b", "evcc/never"]));
    store.save_retained([retained("t/1", b"old"), retained("t/2", b"x"), retained("t/3", b"x")]);
    store.save_retained([retained("t/1", b"\0\xff"), retained("t/2", b"")]);
    store.close().await.unwrap();
    assert_eq!(store.close().await, Err(StoreError::Closed));
    assert_eq!(store.load_settings().await, Err(StoreError::Closed));
    store.record_topics(topics(&["evcc/late"]), []);

    let store = Store::open(&path(&dir)).unwrap();
    assert_eq!(Vec::from_iter(store.load_topics().await.unwrap()), topics(&["evcc/a", "evcc/c"]));
    assert_eq!(
        store.load_retained().await.unwrap(),
        [retained("t/1", b"\0\xff"), retained("t/3", b"x")]
    );
}

#[tokio::test]
async fn what_is_collected_can_be_read_at_once_and_is_written_when_nobody_is_left() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&path(&dir)).unwrap();
    store.save_retained([retained("t", b"1")]);
    assert_eq!(store.load_retained().await.unwrap(), [retained("t", b"1")]);
    store.save_retained([retained("t", b"2")]);
    drop(store);
    // The new store waits while the old thread still writes.
    let store = Store::open(&path(&dir)).unwrap();
    soon("the last words of the old thread", async {
        while store.load_retained().await.unwrap() != [retained("t", b"2")] {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_locked_database_is_an_answer_and_it_recovers() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&path(&dir)).unwrap();
    let other = hold(&path(&dir));
    store.record_topics(["evcc/a".to_owned()], []);
    let refused = soon("a refusal", store.save_settings(vec![set("a", "1")])).await;
    assert_eq!(refused, Err(StoreError::Locked));
    assert_eq!(store.flush().await, Err(StoreError::Locked));
    store.record_topics(["evcc/b".to_owned()], ["evcc/a".to_owned()]);
    drop(other);
    store.save_settings(vec![set("b", "2")]).await.unwrap();
    assert_eq!(settings(&store).await, map(&[("b", "2")]));
    assert_eq!(Vec::from_iter(store.load_topics().await.unwrap()), ["evcc/b"]);
}

#[tokio::test]
async fn a_full_queue_refuses_and_loses_nothing_it_took() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&path(&dir)).unwrap();
    let other = hold(&path(&dir));
    let mut writes = JoinSet::new();
    for n in 0..200 {
        let store = store.clone();
        writes.spawn(async move {
            let key = format!("key{n}");
            (key.clone(), store.save_settings(vec![set(&key, "1")]).await)
        });
    }
    let mut refused = 0;
    let mut stored = Vec::new();
    let mut other = Some(other);
    while let Some(answer) = soon("an answer", writes.join_next()).await {
        match answer.unwrap() {
            (key, Ok(())) => stored.push((key, "1".to_owned())),
            (_, Err(err)) => {
                assert_eq!(err, StoreError::Busy);
                refused += 1;
            }
        }
        // All have asked: 64 of them wait, and the thread has one in its hands at most.
        if refused >= 200 - 65 {
            other.take();
        }
    }
    assert!((135..=136).contains(&refused), "{refused} refused");
    assert_eq!(settings(&store).await, stored.into_iter().collect());
}

#[tokio::test]
async fn a_damaged_database_is_kept_aside_and_a_new_one_begins() {
    let dir = tempfile::tempdir().unwrap();
    let path = path(&dir);
    let damages: [fn(&mut Vec<u8>); 4] = [
        |bytes| bytes.truncate(5_000),
        |bytes| bytes[30..].fill(0xa5),
        |bytes| bytes[4_096..].fill(0x5a),
        |bytes| bytes.fill(0),
    ];
    for (n, damage) in damages.into_iter().enumerate() {
        let store = Store::open(&path).unwrap();
        assert_eq!(settings(&store).await, map(&[]));
        let large = "x".repeat(20_000);
        store.save_settings(vec![set("a", &large)]).await.unwrap();
        store.close().await.unwrap();
        let mut bytes = fs::read(&path).unwrap();
        damage(&mut bytes);
        fs::write(&path, &bytes).unwrap();

        let store = Store::open(&path).unwrap();
        assert_eq!(settings(&store).await, map(&[]));
        store.save_settings(vec![set("new", "1"), ("new".into(), None)]).await.unwrap();
        store.close().await.unwrap();
        let kept = dir.path().join(format!("chargebus.db.corrupt-{}", n + 1));
        assert_eq!(fs::read(kept).unwrap(), bytes);
    }
}

#[tokio::test]
async fn any_damage_ends_in_a_store_or_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&path(&dir)).unwrap();
    store.save_settings((0..500).map(|n| set(&format!("k{n}"), "v")).collect()).await.unwrap();
    store.close().await.unwrap();
    let whole = fs::read(path(&dir)).unwrap();
    let mut random = fastrand::Rng::with_seed(11);
    for _ in 0..60 {
        let dir = tempfile::tempdir().unwrap();
        let mut bytes = whole.clone();
        for _ in 0..random.usize(1..40) {
            let end = if random.bool() { 200 } else { bytes.len() };
            let at = random.usize(..end);
            bytes[at] = random.u8(..);
        }
        fs::write(path(&dir), bytes).unwrap();
        match Store::open(&path(&dir)) {
            Ok(store) => {
                let _ = store.save_settings(vec![set("a", "1")]).await;
                let _ = soon("settings or an error", store.load_settings()).await;
            }
            Err(err) => assert!(format!("{err:#}").contains("chargebus.db"), "{err:#}"),
        }
    }
}

#[test]
fn files_of_others_are_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let yaml = dir.path().join("evcc.yaml");
    fs::write(&yaml, "site:\n  title: Home\n").unwrap();
    assert!(error(&yaml).contains("is not a database"), "{}", error(&yaml));
    assert_eq!(fs::read(&yaml).unwrap(), b"site:\n  title: Home\n");

    let foreign = dir.path().join("evcc.db");
    Connection::open(&foreign).unwrap().execute_batch("CREATE TABLE settings (k)").unwrap();
    let before = fs::read(&foreign).unwrap();
    assert!(error(&foreign).contains("another program"), "{}", error(&foreign));
    assert_eq!(fs::read(&foreign).unwrap(), before);

    let newer = path(&dir);
    drop(Store::open(&newer).unwrap());
    Connection::open(&newer).unwrap().pragma_update(None, "user_version", 99).unwrap();
    assert!(error(&newer).contains("newer chargebus"), "{}", error(&newer));
    assert_eq!(fs::read_dir(dir.path()).unwrap().filter(corrupt).count(), 0);
}

fn corrupt(file: &std::io::Result<fs::DirEntry>) -> bool {
    file.as_ref().unwrap().file_name().to_string_lossy().contains("corrupt")
}

#[test]
fn places_that_cannot_be_written_are_named_with_a_remedy() {
    let dir = tempfile::tempdir().unwrap();
    let missing = dir.path().join("no/such/chargebus.db");
    assert!(error(&missing).contains("no/such/chargebus.db: the directory does not exist"));
    assert!(error(dir.path()).contains("is not a file"), "{}", error(dir.path()));

    let locked = path(&dir);
    drop(Store::open(&locked).unwrap());
    let other = hold(&locked);
    assert!(error(&locked).contains("running twice"), "{}", error(&locked));
    drop(other);

    if cfg!(target_os = "linux") {
        // Nobody, not even root, may create a file there.
        let read_only = PathBuf::from(format!("/proc/{}/chargebus.db", process::id()));
        let error = error(&read_only);
        assert!(error.contains("/proc/") && error.contains("right to write"), "{error}");
    }
}

#[tokio::test]
async fn without_a_file_everything_works_until_the_end() {
    let store = Store::memory().unwrap();
    store.save_settings(vec![set("a", "1")]).await.unwrap();
    store.record_topics(["evcc/a".to_owned()], []);
    assert_eq!(settings(&store).await, map(&[("a", "1")]));
    assert_eq!(store.load_topics().await.unwrap().len(), 1);
    let huge = "x".repeat((1 << 20) + 1);
    let refused = store.save_settings(vec![set("b", "2"), set("a", &huge)]).await;
    assert!(matches!(refused, Err(StoreError::Failed(_))), "{refused:?}");
    assert_eq!(settings(&store).await, map(&[("a", "1")]));
    store.close().await.unwrap();
}
