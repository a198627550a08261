//! Backups that are uploaded, and what must not be taken for one (api.md §3.11).

use std::fs;
use std::path::PathBuf;

use rusqlite::Connection;
use tempfile::TempDir;

use chargebus::edges::store::{StoreError, UPLOAD_MAX};

use super::*;
use crate::support::upload;

const KEY: &str = "owner-key-of-the-configuration";
const RESTORE: &str = "/api/db/restore";

/// A facade over a database of its own.
struct Home {
    facade: Facade,
    store: Store,
    dir: TempDir,
}

impl Home {
    async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("chargebus.db")).unwrap();
        let keys = vec![chargebus::config::ApiKey {
            name: "owner".to_owned(),
            scope: chargebus::model::KeyScope::Admin,
            key: KEY.to_owned(),
        }];
        let api = Api { keys, ..Api::default() };
        let stored = &mut BTreeMap::new();
        let auth = Auth::new(Mode::Guarded, &api, stored, store.clone(), Clock::start());
        let facade = Facade::with(Settings { auth, ..open() }, store.clone()).await;
        Self { facade, store, dir }
    }

    async fn set(&self, key: &str, value: &str) -> Result<(), StoreError> {
        self.store.save_settings(vec![(key.to_owned(), Some(value.to_owned()))]).await
    }

    async fn setting(&self, key: &str) -> Option<String> {
        self.store.load_settings().await.unwrap().remove(key)
    }

    /// Status and text of an upload by the owner.
    async fn restore(&self, part: &str, file: &[u8]) -> (u16, String) {
        let owner = format!("Authorization: Bearer {KEY}\r\n");
        self.exchange(&upload(RESTORE, &owner, part, file)).await
    }

    async fn exchange(&self, request: &[u8]) -> (u16, String) {
        let answer = self.facade.raw(request).await;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
    }

    async fn reset(&self, body: &str) -> (u16, String) {
        let owner = [("Authorization", &*format!("Bearer {KEY}"))];
        let (status, _, text) = self.facade.send("POST", "/api/db/reset", &owner, body).await;
        (status, text)
    }

    /// Names of the files beside the database.
    fn beside(&self) -> Vec<String> {
        let files = fs::read_dir(self.dir.path()).unwrap();
        let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> = names
            .filter(|name| !["", "-wal", "-shm"].contains(&&name["chargebus.db".len()..]))
            .collect();
        names.sort();
        names
    }

    fn replaced(&self) -> bool {
        self.store.replaced().is_cancelled()
    }
}

/// What another program made of these statements.
fn made(statements: &str) -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    let path: PathBuf = dir.path().join("other.db");
    Connection::open(&path).unwrap().execute_batch(statements).unwrap();
    fs::read(path).unwrap()
}

/// A backup that was changed with these statements.
fn changed(backup: &[u8], statements: &str) -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("changed.db");
    fs::write(&path, backup).unwrap();
    let connection = Connection::open(&path).unwrap();
    connection.execute_batch("PRAGMA journal_mode = DELETE; PRAGMA foreign_keys = OFF").unwrap();
    connection.execute_batch(statements).unwrap();
    drop(connection);
    fs::read(path).unwrap()
}

#[tokio::test]
async fn a_backup_takes_the_place_of_the_database() {
    let home = Home::start().await;
    home.set("prioritySoc", "50").await.unwrap();
    let backup = home.store.backup().await.unwrap();
    home.set("prioritySoc", "20").await.unwrap();
    home.set("bufferSoc", "80").await.unwrap();
    assert_eq!(home.restore("file", &backup).await, (204, String::new()));
    assert!(home.replaced(), "nobody asked for a new start");
    assert_eq!(home.setting("prioritySoc").await.as_deref(), Some("50"));
    assert_eq!(home.setting("bufferSoc").await, None);

    // What the core still remembers is of another life.
    assert_eq!(home.set("prioritySoc", "20").await, Err(StoreError::Replaced));
    assert_eq!(home.store.delete_session(1).await, Err(StoreError::Replaced));
    let (status, text) = home.restore("file", &backup).await;
    assert_eq!((status, text.contains("starts anew")), (503, true), "{text}");
    home.store.close().await.unwrap();

    let kept = home.beside();
    assert_eq!(kept.len(), 1, "{kept:?}");
    assert!(kept[0].starts_with("chargebus.db.before-2"), "{kept:?}");
    let before = Store::open(&home.dir.path().join(&kept[0])).unwrap();
    let before = before.load_settings().await.unwrap();
    assert_eq!(before.get("bufferSoc").map(String::as_str), Some("80"));
}

#[tokio::test]
async fn only_so_many_databases_are_kept() {
    let home = Home::start().await;
    let backup = home.store.backup().await.unwrap();
    for year in 2001..2005 {
        fs::write(home.dir.path().join(format!("chargebus.db.before-{year}0101-000000")), "x")
            .unwrap();
    }
    assert_eq!(home.restore("file", &backup).await.0, 204);
    let kept = home.beside();
    assert_eq!(kept.len(), 3, "{kept:?}");
    assert!(kept[0].contains("before-2003") && kept[1].contains("before-2004"), "{kept:?}");
}

#[tokio::test]
async fn files_that_are_no_backups_change_nothing() {
    let home = Home::start().await;
    let large = "x".repeat(20_000);
    home.set("prioritySoc", "50").await.unwrap();
    home.set("large", &large).await.unwrap();
    let backup = home.store.backup().await.unwrap();
    home.set("prioritySoc", "20").await.unwrap();
    let mut torn = backup.clone();
    torn.truncate(9_000);
    let mut holed = backup.clone();
    holed[4096..12_288].fill(0x5a);
    let evcc = "CREATE TABLE settings (key TEXT, value TEXT); CREATE TABLE sessions (id INTEGER);";
    for (what, file, reason) in [
        ("empty", Vec::new(), "the file is empty"),
        ("text", b"site:\n  title: Home\n  and so on and on\n".to_vec(), "no SQLite database"),
        ("zeros", vec![0; 8192], "no SQLite database"),
        ("evcc", made(evcc), "a database of evcc, not of chargebus, and it is not converted"),
        ("foreign", made("CREATE TABLE t (a)"), "another program"),
        ("torn", torn, "malformed"),
        ("holed", holed, "nothing was changed: "),
        ("newer", changed(&backup, "PRAGMA user_version = 99"), "newer chargebus"),
        ("less", changed(&backup, "DROP TABLE sessions"), "sessions"),
        (
            "view",
            changed(&backup, "DROP TABLE tariffs; CREATE VIEW tariffs AS SELECT 1 AS ts"),
            "tariffs",
        ),
        ("columns", changed(&backup, "ALTER TABLE meters ADD COLUMN x"), "meters"),
        ("blobs", changed(&backup, "UPDATE settings SET value = x'ff'"), "cannot read"),
        ("topics", changed(&backup, "INSERT INTO topics VALUES (x'ff')"), "cannot read"),
    ] {
        let (status, text) = home.restore("file", &file).await;
        assert_eq!(status, 400, "{what}: {text}");
        assert!(text.contains(reason), "{what}: {text}");
        assert!(!home.replaced(), "{what}");
        assert_eq!(home.setting("prioritySoc").await.as_deref(), Some("20"), "{what}");
        assert_eq!(home.beside(), Vec::<String>::new(), "{what}");
    }
    // And the store still takes writes.
    home.set("prioritySoc", "30").await.unwrap();
}

#[tokio::test]
async fn uploads_that_are_none_are_refused_in_evccs_words() {
    let home = Home::start().await;
    let missing = (400, "Missing file\n".to_owned());
    assert_eq!(home.restore("attachment", b"x").await, missing);
    let owner = [("Authorization", &*format!("Bearer {KEY}"))];
    for body in ["", "x", "{}"] {
        let (status, _, text) = home.facade.send("POST", RESTORE, &owner, body).await;
        assert_eq!((status, text), missing, "{body}");
    }
    let bearer = format!("Authorization: Bearer {KEY}\r\n");
    let whole = upload(RESTORE, &bearer, "file", b"0123456789");
    let text = String::from_utf8(whole).unwrap();
    // The form has no end.
    let endless = text.replace("--line--", "--lime--");
    assert_eq!(home.exchange(endless.as_bytes()).await, (400, "Upload failed\n".to_owned()));
    let length = text.split("Content-Length: ").nth(1).unwrap().split("\r\n").next().unwrap();
    let large = text.replace(
        &format!("Content-Length: {length}"),
        &format!("Content-Length: {}", UPLOAD_MAX + (1 << 20)),
    );
    assert_eq!(
        home.exchange(large.as_bytes()).await,
        (413, "the file is larger than 256 MiB\n".to_owned())
    );
    assert!(!home.replaced());
    assert_eq!(home.beside(), Vec::<String>::new());

    let memory = Store::memory().unwrap();
    let auth = Auth::new(
        Mode::Disabled,
        &Api::default(),
        &mut BTreeMap::new(),
        memory.clone(),
        Clock::start(),
    );
    let facade = Facade::with(Settings { auth, ..open() }, memory).await;
    let answer = facade.raw(&upload(RESTORE, "", "file", b"x")).await;
    assert!(answer.starts_with("HTTP/1.1 409") && answer.contains("no database file"), "{answer}");
}

#[tokio::test]
async fn one_restore_at_a_time() {
    let home = Home::start().await;
    let backup = home.store.backup().await.unwrap();
    let first = home.store.upload().await.unwrap();
    let (status, text) = home.restore("file", &backup).await;
    assert_eq!((status, text.contains("under way")), (503, true), "{text}");
    drop(first);
    assert_eq!(home.restore("file", &backup).await.0, 204);
}

#[tokio::test]
async fn a_file_without_an_owner_does_not_take_ours_away() {
    let home = Home::start().await;
    let without = home.store.backup().await.unwrap();
    home.set("auth.password", "ours").await.unwrap();
    home.set("auth.keys", "ours").await.unwrap();
    assert_eq!(home.restore("file", &without).await.0, 204);
    assert_eq!(home.setting("auth.password").await.as_deref(), Some("ours"));
    assert_eq!(home.setting("auth.keys").await.as_deref(), Some("ours"));

    let home = Home::start().await;
    home.set("auth.password", "of the file").await.unwrap();
    let with = home.store.backup().await.unwrap();
    home.set("auth.password", "ours").await.unwrap();
    home.set("auth.keys", "ours").await.unwrap();
    assert_eq!(home.restore("file", &with).await.0, 204);
    assert_eq!(home.setting("auth.password").await.as_deref(), Some("of the file"));
    assert_eq!(home.setting("auth.keys").await, None);
}

#[tokio::test]
async fn a_reset_deletes_what_it_names_and_keeps_the_owner() {
    let home = Home::start().await;
    home.set("auth.password", "ours").await.unwrap();
    home.set("prioritySoc", "50").await.unwrap();
    for (body, reason) in [
        ("", "EOF"),
        ("{}", "sessions, settings or metrics"),
        (r#"{"sessions":false}"#, "sessions, settings or metrics"),
        (r#"{"sessions":1}"#, "boolean"),
        (r#"{"settings":true,"sesions":true}"#, "`sessions`, `settings`, `metrics`"),
    ] {
        let (status, text) = home.reset(body).await;
        assert_eq!((status, text.contains(reason)), (400, true), "{body}: {text}");
    }
    assert!(!home.replaced());
    assert_eq!(home.reset(r#"{"sessions":false,"settings":true}"#).await, (204, String::new()));
    assert!(home.replaced());
    let left = home.store.load_settings().await.unwrap();
    assert_eq!(
        left.into_iter().collect::<Vec<_>>(),
        [("auth.password".to_owned(), "ours".to_owned())]
    );
    assert_eq!(home.set("prioritySoc", "50").await, Err(StoreError::Replaced));
    assert_eq!(home.beside(), Vec::<String>::new(), "what was deleted is deleted");
}

/// api.md §3.10: a key of the owner, or a session and the password once more.
#[tokio::test]
async fn the_database_is_for_the_owner_who_says_so_twice() {
    let home = Home::start().await;
    let set = r#"{"current":"","new":"correct horse"}"#;
    let (_, head, _) = home.facade.send("PUT", "/api/auth/password", &[], set).await;
    assert!(head.contains("set-cookie"), "{head}");
    let login = home
        .facade
        .raw(
            b"POST /api/auth/login HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\
              Content-Length: 28\r\n\r\n{\"password\":\"correct horse\"}",
        )
        .await;
    let cookie = login.split("set-cookie: ").nth(1).unwrap().split(';').next().unwrap().to_owned();
    let backup = home.store.backup().await.unwrap();
    let rows: Vec<_> =
        api::OPERATIONS.iter().filter(|row| row.path.starts_with("/api/db/")).collect();
    assert!(rows.len() >= 3, "{rows:?}");
    for row in rows {
        let reads = row.path.ends_with("backup");
        let call = async |headers: &str| {
            let request = match row.path {
                RESTORE => upload(RESTORE, headers, "other", &backup),
                path => format!(
                    "{} {path} HTTP/1.1\r\nHost: t\r\nConnection: close\r\n{headers}Content-Length: 0\r\n\r\n",
                    row.method.as_str()
                )
                .into_bytes(),
            };
            let answer = home.facade.bytes(&request).await;
            String::from_utf8_lossy(&answer[9..12]).parse::<u16>().unwrap()
        };
        let session = format!("Cookie: {cookie}\r\n");
        for (headers, allowed) in [
            (String::new(), false),
            (session.clone(), false),
            ("X-Admin-Password: correct horse\r\n".to_owned(), false),
            ("Authorization: Bearer nobody\r\n".to_owned(), false),
            (format!("{session}X-Admin-Password: wrong\r\n"), false),
            (format!("{session}X-Admin-Password: correct horse\r\n"), true),
            (format!("Authorization: Bearer {KEY}\r\n"), true),
        ] {
            let expected = match allowed {
                false => 401,
                true if reads => 200,
                // Nothing is named in these calls.
                true => 400,
            };
            assert_eq!(call(&headers).await, expected, "{} {headers}", row.path);
        }
    }
    assert!(!home.replaced());
}

#[tokio::test]
async fn a_part_of_the_history_is_deleted() {
    use chargebus::model::{EnergyGroup, Prices, SlotRecord};

    use crate::history::kept::{at, entity, slot};

    let home = Home::start().await;
    for n in 0..4 {
        let roof = entity(EnergyGroup::Pv, "roof", "Roof", 1.0);
        let record = slot(n, vec![roof, entity(EnergyGroup::Grid, "grid", "", 2.0)]);
        let co2 = (n < 2).then_some(300.0);
        home.store.record_slot(SlotRecord { prices: Prices { co2, ..record.prices }, ..record });
    }
    let time = |n| at(n).format("%Y-%m-%dT%H:%M:%SZ").to_string();
    let span = |from, to| format!("from={}&to={}", time(from), time(to));
    let owner = [("Authorization", &*format!("Bearer {KEY}"))];
    let delete = async |path: &str, query: &str| {
        let path = format!("/api/db/metrics/{path}?{query}");
        let (status, _, body) = home.facade.send("DELETE", &path, &owner, "").await;
        (status, body.trim().to_owned())
    };
    for (path, query, reason) in [
        ("energy", String::new(), "from: name a time"),
        ("energy", format!("from={}", time(0)), "to: name a time"),
        ("energy", "from=x&to=y".to_owned(), "invalid time"),
        ("tariffs", String::new(), "from: name a time"),
        ("tariffs", span(0, 9) + "&usage=gas", "usage: one of grid, feedin, co2, temperature"),
    ] {
        let (status, text) = delete(path, &query).await;
        assert_eq!((status, text.contains(reason)), (400, true), "{path} {query}: {text}");
    }
    let rows = |n: usize| (200, format!("{{\"deleted\":{n}}}"));
    assert_eq!(delete("energy", &(span(0, 2) + "&group=battery")).await, rows(0));
    assert_eq!(delete("energy", &(span(0, 2) + "&group=pv&title=Roof")).await, rows(2));
    assert_eq!(delete("energy", &span(3, 4)).await, rows(2));
    let left = home.facade.get(&format!("/api/history/energy?{}", span(0, 9))).await.1;
    let left: serde_json::Value = serde_json::from_str(&left).unwrap();
    let counts: Vec<_> = left
        .as_array()
        .unwrap()
        .iter()
        .map(|series| (series["group"].as_str().unwrap(), series["data"].as_array().unwrap().len()))
        .collect();
    assert_eq!(counts.iter().filter(|(group, n)| *group == "pv" && *n == 1).count(), 1, "{left}");
    assert_eq!(counts.iter().filter(|(group, n)| *group == "grid" && *n == 3).count(), 1, "{left}");

    // Records are named by the end of their slot.
    assert_eq!(delete("tariffs", &(span(0, 2) + "&usage=co2")).await, rows(1));
    assert_eq!(delete("tariffs", &(span(0, 9) + "&usage=co2")).await, rows(1));
    assert_eq!(delete("tariffs", &(span(0, 2) + "&usage=grid")).await, rows(1));
    assert_eq!(delete("tariffs", &span(0, 9)).await, rows(3), "one had nothing left");
    assert!(!home.replaced());
}
