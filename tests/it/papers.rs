//! README and ARCHITECTURE say what is so: paths, links, limits, tests, commands and examples exist.

use std::collections::BTreeSet;
use std::fs;

use chargebus::config::Config;
use chargebus::edges::command::Arguments;
use chargebus::model::EventKind;
use clap::Parser as _;

use crate::tidy::{root, sources};

const README: &str = include_str!("../../README.md");
const ARCHITECTURE: &str = include_str!("../../ARCHITECTURE.md");

/// A page that is longer is not read.
const LINES_MAX: usize = 250;

/// Where a text between backticks is a path.
const FOLDERS: [&str; 4] = ["src/", "tests/", "docs/", "docker/"];

/// What stands between backticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// The lines of a code block of one language, blocks one after the other.
fn blocks<'a>(text: &'a str, language: &str) -> Vec<&'a str> {
    let start = format!("```{language}\n");
    text.split(&*start).skip(1).map(|rest| rest.split("```").next().unwrap()).collect()
}

/// The cells of a table's row.
fn cells(line: &str) -> Vec<&str> {
    line.trim_matches('|').split('|').map(str::trim).collect()
}

fn section<'a>(text: &'a str, title: &str) -> &'a str {
    let title = format!("\n## {title}\n");
    let (_, rest) = text.split_once(&*title).unwrap_or_else(|| panic!("no section {title}"));
    rest.split("\n## ").next().unwrap()
}

#[test]
fn pages_are_short() {
    for (name, text) in [("README.md", README), ("ARCHITECTURE.md", ARCHITECTURE)] {
        let lines = text.lines().count();
        assert!(lines < LINES_MAX, "{name}: {lines} lines");
    }
}

#[test]
fn every_path_and_link_leads_somewhere() {
    for (name, text) in [("README.md", README), ("ARCHITECTURE.md", ARCHITECTURE)] {
        let links = text.split("](").skip(1).map(|rest| rest.split(')').next().unwrap());
        let own = links.filter(|link| !link.starts_with("http") && !link.starts_with('#'));
        let paths =
            quoted(text).filter(|text| FOLDERS.iter().any(|folder| text.starts_with(folder)));
        for path in own.chain(paths) {
            assert!(root().join(path).exists(), "{name}: {path}");
        }
    }
}

#[test]
fn every_room_and_edge_is_on_the_map() {
    let map = section(ARCHITECTURE, "Code map");
    let listed: BTreeSet<&str> = quoted(map).filter(|path| path.starts_with("src/")).collect();
    // Small helpers whose user is on the map.
    let helpers = [
        "src/edges/backoff.rs",
        "src/edges/door.rs",
        "src/edges/jq.rs",
        "src/edges/reasons.rs",
        "src/edges/mod.rs",
    ];
    for source in sources("src") {
        let path = source.path();
        let covered = listed.iter().any(|listed| path == *listed || path.starts_with(listed));
        let inner = path.starts_with("src/control/") || path.starts_with("src/api/");
        assert!(
            covered || inner || path == "src/lib.rs" || helpers.contains(&path),
            "{path} is not on the map of ARCHITECTURE.md"
        );
    }
}

#[test]
fn every_safety_rule_is_held_by_a_test_that_exists() {
    let code: String = ["src", "tests"]
        .into_iter()
        .flat_map(sources)
        .map(|source| fs::read_to_string(root().join(source.path())).unwrap())
        .collect();
    let rows: Vec<Vec<&str>> = section(ARCHITECTURE, "Safety rules")
        .lines()
        .filter(|line| line.starts_with("| S"))
        .map(cells)
        .collect();
    assert_eq!(rows.len(), 13);
    for (number, row) in (1..).zip(rows) {
        assert!(row[0].starts_with(&format!("S{number} **")), "{}", row[0]);
        let held: Vec<&str> = quoted(row[2]).collect();
        assert!(!held.is_empty(), "S{number} is held by nothing");
        for name in held {
            assert!(code.contains(&format!("fn {name}(")), "S{number}: there is no test {name}");
        }
    }
}

#[test]
fn every_limit_has_the_value_that_is_written() {
    let rows = section(ARCHITECTURE, "Limits").lines().filter(|line| line.starts_with("| `src/"));
    let mut compared = 0;
    for row in rows.map(cells) {
        let code: String =
            quoted(row[0]).map(|path| fs::read_to_string(root().join(path)).unwrap()).collect();
        // `NAME` value, `NAME` value …; also where the policy names a limit.
        for pair in row[1].split(", ").chain(row[2].split(", or after ")) {
            let Some((name, value)) = pair.trim_start_matches('`').split_once("` ") else {
                continue;
            };
            let found = constant(&code, name);
            assert_eq!(found.as_deref(), Some(value), "{name} of {} in ARCHITECTURE.md", row[0]);
            compared += 1;
        }
    }
    assert!(compared > 40, "{compared} limits");
}

/// The value of a constant as the page writes it: `10 s`, `32 MiB`, `1024`.
fn constant(code: &str, name: &str) -> Option<String> {
    let (_, rest) = code.split_once(&format!("const {name}: "))?;
    let value = rest.split_once("= ")?.1.split(';').next()?.replace('_', "");
    let unit = |prefix: &str, suffix: &str, unit: &str| {
        Some(format!("{} {unit}", value.strip_prefix(prefix)?.strip_suffix(suffix)?))
    };
    unit("Duration::fromsecs(", ")", "s")
        .or_else(|| unit("Duration::frommillis(", ")", "ms"))
        .or_else(|| unit("", " << 20", "MiB"))
        .or_else(|| unit("", " * 1024", "KiB"))
        .or(Some(value))
}

#[test]
fn the_readers_commands_exist() {
    let mut compared = 0;
    for line in blocks(README, "sh").into_iter().flat_map(str::lines) {
        let command = line.split('#').next().unwrap().trim();
        let Some(arguments) = command.strip_prefix("target/release/") else { continue };
        let parsed = Arguments::try_parse_from(arguments.split_whitespace());
        assert!(parsed.is_ok(), "{line}");
        compared += 1;
    }
    for row in section(README, "Command line").lines().filter(|line| line.starts_with("| `")) {
        let written = quoted(row).next().unwrap();
        let (minimal, full) =
            (written.split(" [").next().unwrap(), written.replace(['[', ']'], ""));
        for line in [minimal, &full] {
            let parsed = Arguments::try_parse_from(line.split_whitespace());
            assert!(parsed.is_ok(), "{line}: {}", parsed.unwrap_err());
            compared += 1;
        }
    }
    assert!(compared >= 14, "{compared} commands");
    assert!(blocks(README, "sh").contains(&"cargo run --release\n"));
    assert!(blocks(README, "sh").contains(&"cargo test\n"));
}

#[test]
fn the_readers_configuration_is_accepted_without_a_word() {
    let examples = blocks(README, "yaml");
    assert_eq!(examples.len(), 1);
    for example in examples {
        assert_eq!(Config::parse(example, &|_| None).unwrap().notices, []);
    }
}

#[test]
fn the_reader_knows_every_event() {
    let row =
        section(README, "Talking to it").lines().find(|line| line.starts_with("| `evcc/events`"));
    let named: BTreeSet<&str> = quoted(cells(row.unwrap())[1]).collect();
    assert_eq!(named, EventKind::NAMES.iter().copied().collect());
    let spelt = fs::read_to_string(root().join("src/model/command.rs")).unwrap();
    let arms = spelt.split("=> \"").skip(1).map(|rest| rest.split('"').next().unwrap());
    assert_eq!(named, arms.collect(), "EventKind::NAMES has a spelling for every kind");
}

#[test]
fn every_topic_of_the_readme_is_told() {
    let rows = chargebus::api::all().map(|field| field.key).collect::<BTreeSet<_>>();
    let table =
        section(README, "Talking to it").lines().filter(|line| line.starts_with("| `evcc/"));
    let mut compared = 0;
    for row in table.map(cells) {
        for topic in quoted(row[0]) {
            let mut parts = topic.trim_start_matches("evcc/").split('/');
            let Some(key) = parts.find(|part| rows.contains(part)) else {
                assert!(
                    ["evcc/events", "evcc/status"].contains(&topic) || topic.starts_with('…'),
                    "{topic}"
                );
                continue;
            };
            let field =
                chargebus::api::all().find(|field| field.key == key && field.write.is_some());
            assert!(row[2] != "yes" || field.is_some(), "{topic} cannot be written");
            compared += 1;
        }
    }
    assert!(compared >= 10, "{compared} topics");
}
