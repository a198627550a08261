//! A backup restored over a running service, also when the power goes in the middle of it.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use rusqlite::Connection;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use super::service::{Home, http};
use crate::support::{free_port, soon, until, upload};

const KEY: &str = "owner-key-of-the-configuration";
/// So many rows of the history that a restore takes a while.
const ROWS: i64 = 300_000;

fn with_key(home: &mut Home) {
    home.yaml.push_str(&format!("api:\n  keys:\n    - {{name: p, scope: admin, key: {KEY}}}\n"));
}

/// The whole answer; what came of it if the connection breaks.
async fn exchange(server: SocketAddr, request: &[u8]) -> Vec<u8> {
    let mut answer = Vec::new();
    let exchange = async {
        let mut stream = TcpStream::connect(server).await?;
        stream.write_all(request).await?;
        stream.read_to_end(&mut answer).await
    };
    let _ = soon("an answer", exchange).await;
    answer
}

fn owner() -> String {
    format!("Authorization: Bearer {KEY}\r\n")
}

async fn backup(server: SocketAddr) -> Vec<u8> {
    let owner = owner();
    let request =
        format!("GET /api/db/backup HTTP/1.1\r\nHost: t\r\nConnection: close\r\n{owner}\r\n");
    let answer = exchange(server, request.as_bytes()).await;
    let at = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer[..at]));
    answer[at + 4..].to_vec()
}

async fn post(server: SocketAddr, path: &str, body: &str) -> String {
    let (owner, length) = (owner(), body.len());
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: t\r\nConnection: close\r\n{owner}Content-Length: {length}\r\n\r\n{body}"
    );
    String::from_utf8(exchange(server, request.as_bytes()).await).unwrap()
}

async fn restore(server: SocketAddr, file: &[u8]) -> String {
    let request = upload("/api/db/restore", &owner(), "file", file);
    String::from_utf8(exchange(server, &request).await).unwrap()
}

#[tokio::test]
async fn a_service_goes_on_with_the_backup_that_it_is_given() {
    let mut home = Home::with_embedded_broker();
    with_key(&mut home);
    let service = home.start().await;
    let mut client = service.client().await;
    client.set("site/prioritySoc", "50").await;
    client.set("loadpoints/1/mode", "now").await;
    let backup = backup(service.http()).await;
    client.set("site/prioritySoc", "20").await;
    client.set("loadpoints/1/mode", "off").await;

    let answer = restore(service.http(), b"SQLite format 3\0 and so on").await;
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    client.set("site/prioritySoc", "30").await;
    let answer = restore(service.http(), &backup).await;
    assert!(answer.starts_with("HTTP/1.1 204"), "{answer}");
    soon("the wish for a new start", service.replaced()).await;
    service.stop().await;

    let service = home.start().await;
    let mut client = service.client().await;
    client
        .until("the settings", |seen| {
            seen.says("site/prioritySoc", "50") && seen.says("loadpoints/1/mode", "now")
        })
        .await;

    let answer = post(service.http(), "/api/db/reset", r#"{"settings":true}"#).await;
    assert!(answer.starts_with("HTTP/1.1 204"), "{answer}");
    soon("the wish for a new start", service.replaced()).await;
    service.stop().await;
    let service = home.start().await;
    assert_eq!(service.state().await["prioritySoc"], 0);
    service.stop().await;
}

/// What a restore has come to, and how that is seen.
type Step = (&'static str, fn(&Program) -> bool);

/// The program over a database of its own.
struct Program {
    server: SocketAddr,
    config: PathBuf,
    database: PathBuf,
    child: Child,
}

impl Program {
    async fn start(home: &Home, dir: &Path) -> Self {
        let port = free_port();
        let yaml = home.yaml.replace("port: 7070", &format!("host: 127.0.0.1\n  port: {port}"));
        // Nobody is there; control goes on without a broker.
        let yaml =
            yaml.replace("broker: 127.0.0.1:1883", &format!("broker: 127.0.0.1:{}", free_port()));
        let config = dir.join("evcc.yaml");
        fs::write(&config, yaml).unwrap();
        let server = ([127, 0, 0, 1], port).into();
        let child = run(&config);
        let program = Self { server, config, database: dir.join("site.db"), child };
        program.healthy().await;
        program
    }

    /// Returns when it tells what is set.
    async fn healthy(&self) {
        soon("the program", async {
            while ["", "null"].contains(&&*self.priority().await) {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }

    /// As if the power went, and came back.
    async fn killed(&mut self) {
        self.child.kill().await.unwrap();
        self.child = run(&self.config);
        self.healthy().await;
    }

    /// What is set; nothing while it starts anew.
    async fn priority(&self) -> String {
        let request =
            b"GET /api/state?jq=.prioritySoc HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n";
        let answer = String::from_utf8(exchange(self.server, request).await).unwrap();
        answer.split("\r\n\r\n").nth(1).unwrap_or_default().trim().to_owned()
    }

    fn beside(&self, part: &str) -> Vec<PathBuf> {
        let files = fs::read_dir(self.database.parent().unwrap()).unwrap();
        let files = files.map(|file| file.unwrap().path());
        files.filter(|path| path.to_string_lossy().contains(part)).collect()
    }

    fn rows(&self) -> i64 {
        let connection = Connection::open(&self.database).unwrap();
        let whole: String =
            connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
        assert_eq!(whole, "ok");
        connection.query_row("SELECT count(*) FROM meters", [], |row| row.get(0)).unwrap()
    }

    fn size(&self, end: &str) -> u64 {
        let name = format!("{}{end}", self.database.display());
        fs::metadata(name).map_or(0, |metadata| metadata.len())
    }
}

fn run(config: &Path) -> Child {
    Command::new(env!("CARGO_BIN_EXE_chargebus"))
        .args(["run", "--log", "error", "-c"])
        .arg(config)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

/// A backup with `prioritySoc` 50 and a long history.
async fn long_backup(program: &Program) -> Vec<u8> {
    let (status, body) = http(program.server, "POST /api/prioritysoc/50").await;
    assert_eq!(status, 200, "{body}");
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("long.db");
    fs::write(&path, backup(program.server).await).unwrap();
    let connection = Connection::open(&path).unwrap();
    connection
        .execute_batch(&format!(
            "PRAGMA journal_mode = DELETE;
             INSERT INTO entities (id, \"group\", name, title, counted_to) VALUES (1, 'pv', 'a', 'A', 0);
             WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < {ROWS})
             INSERT INTO meters SELECT 1, n * 900, n, n / 2.0, NULL, 0 FROM n"
        ))
        .unwrap();
    drop(connection);
    let (status, body) = http(program.server, "POST /api/prioritysoc/20").await;
    assert_eq!(status, 200, "{body}");
    fs::read(path).unwrap()
}

#[tokio::test]
async fn a_kill_in_the_middle_of_a_restore_leaves_the_one_or_the_other() {
    let mut home = Home::with_embedded_broker();
    with_key(&mut home);
    let mut program = Program::start(&home, home.dir()).await;
    let file = long_backup(&program).await;
    let request = upload("/api/db/restore", &owner(), "file", &file);
    let server = program.server;

    // While it comes.
    let mut half = TcpStream::connect(server).await.unwrap();
    soon("half of it", half.write_all(&request[..request.len() / 2])).await.unwrap();
    until("the first half", || program.size(".upload") > file.len() as u64 / 4).await;
    program.killed().await;
    drop(half);
    assert_eq!((&*program.priority().await, program.rows()), ("20", 0));
    assert_eq!(program.beside(".upload"), Vec::<PathBuf>::new());

    // While it is checked, while the old one is kept, while its rows are copied.
    let steps: [Step; 3] = [
        ("a copy", |program| !program.beside(".keeping").is_empty()),
        ("a kept database", |program| !program.beside(".before-").is_empty()),
        ("new rows", |program| program.size("-wal") > 3 << 20),
    ];
    for (step, reached) in steps {
        let request = request.clone();
        let sending = tokio::spawn(async move { exchange(server, &request).await });
        until(step, || reached(&program) || sending.is_finished()).await;
        program.killed().await;
        let answer = sending.await.unwrap();
        let rows = program.rows();
        match &*program.priority().await {
            "20" => {
                assert_eq!(rows, 0, "{step}");
                assert!(!answer.starts_with(b"HTTP/1.1 204"), "{step}: said to be done");
            }
            "50" => {
                assert_eq!(rows, ROWS, "{step}");
                let answer = post(server, "/api/db/reset", r#"{"metrics":true}"#).await;
                assert!(answer.starts_with("HTTP/1.1 204"), "{answer}");
                until("nothing", || program.size("-wal") == 0 && program.rows() == 0).await;
                program.killed().await;
                http(server, "POST /api/prioritysoc/20").await;
            }
            other => panic!("{step}: {other}"),
        }
        let kept = program.beside(".before-");
        kept.iter().for_each(|path| fs::remove_file(path).unwrap());
    }

    // In the end it works, within the same process.
    let answer = restore(server, &file).await;
    assert!(answer.starts_with("HTTP/1.1 204"), "{answer}");
    let id = program.child.id();
    soon("the new start", async {
        while program.priority().await != "50" {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!((program.rows(), program.child.id()), (ROWS, id));
    assert_eq!(program.beside(".before-").len(), 1);
    assert!(program.child.try_wait().unwrap().is_none());
}
