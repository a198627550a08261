//! None of the specification's worked examples is forgotten: each is data, is named by a test, or has no
//! subject here and says why.

use std::collections::BTreeSet;

use serde_json::Value as Json;

use crate::tidy::{root, sources};

/// Examples of plans-vehicles-devices.md §10 without a subject.
const NO_SUBJECT: &[(&str, &str)] = &[
    ("E-63", "no row is ever left open: a session is a function of its journal (W-43)"),
    (
        "E-65",
        "nothing is polled by the charger's status: a car tells, or its source has an interval",
    ),
    ("E-66", "as E-65"),
];

/// Tables of control.md §31.8 that no test reads, and where the same is checked.
const SAID_ELSEWHERE: &[(&str, &str)] = &[
    ("metrics", "E-64 in sessions.json"),
    ("soc_poll", "E-65, E-66: no subject"),
    ("solar_wh", "E-61 in src/control/tariff/solar.rs"),
    ("vehicle_id", "E-67 in tests/it/control/vehicles.rs"),
    ("vehicle_status", "E-69 in tests/it/control/vehicles.rs"),
];

/// All ids of §10.
fn all() -> BTreeSet<String> {
    let reference = (1..=96).map(|n| format!("E-{n:02}"));
    let derived = (1..=4).map(|n| format!("D-{n:02}"));
    reference.chain(derived).chain(["E-52b".to_owned()]).collect()
}

/// The data of the examples, by file.
fn data() -> Vec<(String, String)> {
    let folder = root().join("tests/data/examples");
    let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    let read = |path: std::path::PathBuf| {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        (name, std::fs::read_to_string(path).unwrap())
    };
    files.map(read).collect()
}

/// What tests say: code without what only explains it.
fn said() -> String {
    let files = sources("src").into_iter().chain(sources("tests/it"));
    let others = files.filter(|file| file.path() != "tests/it/examples.rs");
    let texts = others.map(|file| std::fs::read_to_string(root().join(file.path())).unwrap());
    let explains = |line: &&str| ["//!", "///"].iter().any(|mark| line.trim().starts_with(mark));
    let lines = |text: String| -> String {
        text.lines().filter(|line| !explains(line)).flat_map(|line| [line, "\n"]).collect()
    };
    texts.map(lines).collect()
}

/// The ids of §10 in a text; `E-01a` is a row of E-01.
fn ids(text: &str) -> BTreeSet<String> {
    let begins = text.match_indices("E-").chain(text.match_indices("D-"));
    let id = |(at, _): (usize, &str)| {
        let digits = text.get(at + 2..at + 4)?;
        let all_digits = digits.bytes().all(|byte| byte.is_ascii_digit());
        let second = text[at..].starts_with("E-52b");
        let end = if second { at + 5 } else { at + 4 };
        all_digits.then(|| text[at..end].to_owned())
    };
    begins.filter_map(id).collect()
}

#[test]
fn every_worked_example_has_its_place() {
    let mut known = ids(&said());
    data().iter().for_each(|(_, text)| known.extend(ids(text)));
    let without: BTreeSet<_> = NO_SUBJECT.iter().map(|(id, _)| (*id).to_owned()).collect();
    let forgotten: Vec<_> = all().difference(&known).cloned().collect();
    let forgotten: Vec<_> = forgotten.iter().filter(|id| !without.contains(*id)).collect();
    assert!(forgotten.is_empty(), "nothing checks {forgotten:?}");
    let unknown: Vec<_> = known.iter().filter(|id| !all().contains(*id)).collect();
    assert!(unknown.is_empty(), "there are no examples {unknown:?}");
    let superfluous: Vec<_> = without.intersection(&known).collect();
    assert!(superfluous.is_empty(), "checked all the same: {superfluous:?}");
}

#[test]
fn every_worked_example_of_control_is_data() {
    let rows: BTreeSet<String> = data()
        .iter()
        .filter_map(|(_, text)| serde_json::from_str::<Vec<Json>>(text).ok())
        .flatten()
        .filter_map(|row| Some(row.get("id")?.as_str()?.to_owned()))
        .collect();
    let ids = [('W', 71), ('S', 12), ('T', 3)];
    let ids = ids.iter().flat_map(|(kind, last)| (1..=*last).map(move |n| format!("{kind}{n:02}")));
    let missing: Vec<_> = ids.filter(|id| !rows.contains(id)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn every_file_and_table_of_examples_is_read() {
    let said = said();
    for (name, text) in data() {
        assert!(said.contains(&name), "no test reads {name}");
        let Json::Object(tables) = serde_json::from_str(&text).unwrap() else { continue };
        for table in tables.keys() {
            let elsewhere = SAID_ELSEWHERE.iter().any(|(known, _)| known == table);
            let ways = [format!("[\"{table}\"]"), format!("(\"{table}\"")];
            let read = ways.iter().any(|way| said.contains(way));
            assert!(read || elsewhere, "nothing reads {table} of {name}");
        }
    }
}
