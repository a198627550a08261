//! The rules of the house that no compiler knows: who may use whom, what must not appear, how long a file is.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Every room with the rooms it may use (`ARCHITECTURE.md`, "Invariants").
const ROOMS: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("control", &["model"]),
    ("teslamate", &["model"]),
    ("api", &["model", "control"]),
    ("config", &["model"]),
    ("sim", &["model"]),
    ("edges", &["model", "control", "teslamate", "api", "config", "sim"]),
];

/// Adapters know the words of the core, but neither its state nor each other: only the loop does.
const ADAPTERS: &[(&str, &[&str])] = &[
    ("edges/broker", &[]),
    ("edges/bus", &["config"]),
    ("edges/devices", &["config", "model"]),
    // What the broker retains is kept in the broker's words, a session in the core's.
    ("edges/store", &["edges/broker", "model"]),
];

/// Rooms without clock, I/O, async and hash order.
const PURE: &[&str] = &["model", "control", "teslamate", "api", "config", "sim"];

/// What must not appear in a pure room, and what stands in for it.
const IMPURE: &[(&str, &str)] = &[
    ("tokio", "the loop in edges awaits"),
    ("async ", "the loop in edges awaits"),
    ("Instant", "model::Mono, handed in"),
    ("SystemTime", "model::Now, handed in"),
    ("Utc::now", "model::Now, handed in"),
    ("Local::now", "model::Now, handed in"),
    ("std::fs", "text, handed in"),
    ("std::env", "a look-up, handed in"),
    ("std::thread", "the loop in edges"),
    ("std::process", "the loop in edges"),
    ("TcpStream", "an adapter in edges"),
    ("TcpListener", "an adapter in edges"),
    ("UdpSocket", "an adapter in edges"),
    ("HashMap", "BTreeMap: its order is the same at every run"),
    ("HashSet", "BTreeSet: its order is the same at every run"),
    ("fastrand", "a seed, handed in"),
];

/// What must not appear anywhere, and what stands in for it.
const BANNED: &[(&str, &str)] = &[
    ("unbounded_channel", "a bounded channel and a policy for when it is full"),
    ("todo!", "an error, or nothing"),
    ("unimplemented!", "an error, or nothing"),
    ("#[ignore", "a test that holds what is true today"),
];

/// Longest file.
const LINES_MAX: usize = 500;

pub(crate) struct Source {
    /// Relative to the repository, with `/`.
    path: String,
    text: String,
}

impl Source {
    /// The lines that are code, with their numbers.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines = (1..).zip(self.text.lines());
        lines.filter(|(_, line)| !line.trim_start().starts_with("//"))
    }

    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// Paths in `include_str!("…")` and `include_bytes!("…")`.
    pub(crate) fn included(&self) -> impl Iterator<Item = &str> {
        let starts = self.text.split("include_str!(\"").skip(1);
        starts
            .chain(self.text.split("include_bytes!(\"").skip(1))
            .filter_map(|rest| Some(rest.split_once('"')?.0))
    }

    /// `src/api/table/site.rs` → `[api, table, site]`.
    fn module(&self) -> Vec<&str> {
        let path = self.path.trim_start_matches("src/").trim_end_matches(".rs");
        path.split('/').filter(|part| !["mod", "lib", "main"].contains(part)).collect()
    }
}

pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All Rust files below a folder, in order.
pub(crate) fn sources(folder: &str) -> Vec<Source> {
    let mut found = Vec::new();
    let mut open: Vec<PathBuf> = vec![root().join(folder)];
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            let path = path.strip_prefix(root()).unwrap().to_str().unwrap().replace('\\', "/");
            found.push(Source { path, text });
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    assert!(!found.is_empty(), "no Rust files below {folder}");
    found
}

/// This file spells out what it forbids.
fn others(folder: &str) -> impl Iterator<Item = Source> {
    sources(folder).into_iter().filter(|source| !source.path.ends_with("/tidy.rs"))
}

/// Fails with every finding at once.
fn none(findings: Vec<String>) {
    assert!(findings.is_empty(), "\n{}\n", findings.join("\n"));
}

/// Modules of this crate that a piece of code names, from the crate's root: `[edges, bus]`.
fn used<'a>(module: &[&'a str], code: &'a str) -> Vec<Vec<&'a str>> {
    let mut paths = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        if at == 0 || !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '$') {
            paths.extend(branches(&[], &code[at + "crate::".len()..]));
        }
    }
    for (at, _) in code.match_indices("super::") {
        if code[..at].ends_with("super::") {
            continue;
        }
        let mut rest = &code[at..];
        let mut base = module.to_vec();
        while let Some(after) = rest.strip_prefix("super::") {
            base.pop();
            rest = after;
        }
        paths.extend(branches(&base, rest));
    }
    paths
}

/// The first name of each branch of `name::…` or `{a::…, b::…}`, and its second if there is one.
fn branches<'a>(base: &[&'a str], text: &'a str) -> Vec<Vec<&'a str>> {
    let mut starts = vec![text];
    if let Some(inner) = text.strip_prefix('{') {
        let mut depth = 0;
        starts = vec![inner];
        for (at, letter) in inner.char_indices() {
            match letter {
                '{' => depth += 1,
                '}' if depth == 0 => break,
                '}' => depth -= 1,
                ',' if depth == 0 => starts.push(&inner[at + 1..]),
                _ => {}
            }
        }
    }
    let names = starts.into_iter().map(|start| {
        let word = |text: &'a str| {
            text.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default()
        };
        let first = word(start.trim_start());
        let second = start.trim_start()[first.len()..].strip_prefix("::").map(word);
        [base, &[first], &second.map_or(Vec::new(), |second| vec![second])].concat()
    });
    names.collect()
}

#[test]
fn rooms_use_only_what_the_table_allows() {
    let rooms: BTreeSet<&str> = ROOMS.iter().map(|(room, _)| *room).collect();
    let adapters: BTreeSet<&str> = ADAPTERS.iter().map(|(adapter, _)| *adapter).collect();
    let mut findings = Vec::new();
    for source in sources("src") {
        let module = source.module();
        let Some(room) = module.first() else { continue };
        let (_, allowed) = ROOMS
            .iter()
            .find(|(known, _)| known == room)
            .unwrap_or_else(|| panic!("{}: the room {room} is not in the table", source.path));
        let adapter = module.iter().take(2).copied().collect::<Vec<_>>().join("/");
        let narrow = ADAPTERS.iter().find(|(known, _)| *known == adapter);
        let code: String = source.code().map(|(_, line)| format!("{line}\n")).collect();
        for path in used(&module, &code) {
            let other = path[0];
            if rooms.contains(other) && other != *room && !allowed.contains(&other) {
                findings.push(format!("{}: {room} must not use {other}", source.path));
            }
            let Some((_, narrow)) = narrow else { continue };
            let place = path.iter().take(2).copied().collect::<Vec<_>>().join("/");
            let foreign_room = rooms.contains(other) && other != *room && !narrow.contains(&other);
            let foreign_adapter =
                adapters.contains(&*place) && place != adapter && !narrow.contains(&&*place);
            if foreign_room || foreign_adapter {
                findings.push(format!("{}: {adapter} must not use {place}", source.path));
            }
        }
    }
    none(findings);
}

#[test]
fn the_reader_of_paths_reads_them() {
    let module = ["edges", "devices", "charger"];
    let code = "use crate::{model::Mono, api};\nuse super::super::bus::Bus;\nsuper::queue::Queue;";
    let expected: [&[&str]; 4] =
        [&["model", "Mono"], &["api"], &["edges", "bus", "Bus"], &["edges", "devices", "queue"]];
    for path in expected {
        let found = used(&module, code);
        assert!(found.iter().any(|found| found.starts_with(path)), "{path:?} in {found:?}");
    }
}

#[test]
fn every_room_is_in_the_table_and_in_the_library() {
    let library = fs::read_to_string(root().join("src/lib.rs")).unwrap();
    let declared: Vec<&str> = library
        .lines()
        .filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'))
        .collect();
    let table: Vec<&str> = ROOMS.iter().map(|(room, _)| *room).collect();
    assert_eq!(declared, table, "src/lib.rs lists the rooms in reading order");
}

#[test]
fn pure_rooms_touch_neither_clock_nor_world() {
    let mut findings = Vec::new();
    for source in others("src") {
        if !source.module().first().is_some_and(|room| PURE.contains(room)) {
            continue;
        }
        for (number, line) in source.code() {
            for (word, instead) in IMPURE {
                if line.contains(word) {
                    findings.push(format!("{}:{number}: {word}: take {instead}", source.path));
                }
            }
        }
    }
    none(findings);
}

#[test]
fn nothing_banned_appears() {
    let mut findings = Vec::new();
    for source in ["src", "tests", "benches"].into_iter().flat_map(others) {
        let in_tests = source.path.starts_with("tests/");
        for (number, line) in source.code() {
            for (word, instead) in BANNED {
                if line.contains(word) {
                    findings.push(format!("{}:{number}: {word}: take {instead}", source.path));
                }
            }
            if in_tests && line.contains("sleep(") {
                let instead = "await an event with a deadline";
                findings.push(format!("{}:{number}: sleep: {instead}", source.path));
            }
        }
    }
    none(findings);
}

#[test]
fn every_file_says_first_what_it_is_for() {
    let files = ["src", "tests", "benches"].into_iter().flat_map(sources);
    let silent = files.filter(|source| !source.text.starts_with("//! "));
    none(silent.map(|source| format!("{}: begin with a //! sentence", source.path)).collect());
}

#[test]
fn no_file_is_too_long() {
    let mut findings = Vec::new();
    for source in ["src", "tests", "benches"].into_iter().flat_map(sources) {
        let lines = source.text.lines().count();
        if lines > LINES_MAX {
            findings.push(format!("{}: {lines} lines, at most {LINES_MAX}: split it", source.path));
        }
    }
    none(findings);
}

#[test]
fn nothing_names_this_machine() {
    let checkout = root().to_str().unwrap();
    let mut findings = Vec::new();
    for source in ["src", "tests", "benches"].into_iter().flat_map(others) {
        for (number, line) in (1..).zip(source.text.lines()) {
            if [checkout, "/root/", "/Users/", "C:\\"].iter().any(|path| line.contains(path)) {
                findings.push(format!("{}:{number}: a path of one machine", source.path));
            }
        }
    }
    none(findings);
}
