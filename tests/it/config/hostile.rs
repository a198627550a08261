//! Whatever the text is, there is an answer, and it is no panic.

use proptest::prelude::*;

use super::{REFERENCE, errors, parse};

#[test]
fn deep_nesting_is_refused() {
    for (open, close) in [("[", "]"), ("{a: ", "}"), ("- ", ""), ("? ", "")] {
        for depth in [100, 50_000] {
            let text = format!("x: \n  {}1{}", open.repeat(depth), close.repeat(depth));
            assert!(parse(&text).is_err(), "{open} {depth}");
        }
    }
    let text = (0..100).map(|n| format!("{}a:\n", " ".repeat(n))).collect::<String>();
    assert_eq!(errors(&text), ["33:33 is nested deeper than 32 levels"]);
}

#[test]
fn alias_bombs_are_refused() {
    let mut wide = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for n in 1..12 {
        let alias = format!("*a{}", n - 1);
        wide.push_str(&format!("a{n}: &a{n} [{}]\n", [alias.as_str(); 10].join(", ")));
    }
    assert_eq!(errors(&wide), ["5:30 the file is too large after its aliases are expanded"]);

    let long = format!("a: &a {}\nb: [{}]\n", "x".repeat(100_000), "*a, ".repeat(1000));
    assert_eq!(errors(&long), ["2:165 the file is too large after its aliases are expanded"]);

    let mut deep = "a0: &a0 [x]\n".to_owned();
    for n in 1..60 {
        deep.push_str(&format!("a{n}: &a{n} [*a{}]\n", n - 1));
    }
    assert_eq!(errors(&deep), ["32:12 is nested deeper than 32 levels"]);

    let merged = format!("{wide}\nb: {{<<: *a11}}\n");
    assert!(parse(&merged).is_err());
    assert_eq!(errors("a: &a {b: *a}"), ["1:11 this alias refers to the value that contains it"]);
}

#[test]
fn size_is_bounded() {
    let large = format!("# {}\n", "x".repeat(1 << 20));
    assert_eq!(errors(&large), ["1:1 is larger than 1048576 bytes"]);
    let keys: String = (0..10_000).map(|n| format!("k{n}: 1\n")).collect();
    assert_eq!(errors(&keys), ["501:1 there are more than 500 keys"]);
    let names = format!("site: {{meters: {{pv: [{}]}}}}", "x, ".repeat(20_000));
    assert_eq!(errors(&names), ["1:17 site.meters.pv: has more than 1000 names"]);
}

#[test]
fn the_list_of_errors_is_bounded() {
    let meters: String = (0..500).map(|_| "- {type: custom}\n".to_owned()).collect();
    let errors = errors(&format!("meters:\n{meters}"));
    assert_eq!(errors.len(), 101);
    assert_eq!(errors[100], "102:3 and more: correct these first");
}

/// Characters that mean something in YAML, and some that mean nothing.
fn yamlish() -> impl Strategy<Value = String> {
    let any = prop::sample::select(
        "{}[]:,-?&*!|>'\"%@`#\n\n   \t\r~<ab0é\u{feff}\u{85}\\.\0".chars().collect::<Vec<_>>(),
    );
    prop::collection::vec(any, 0..80).prop_map(String::from_iter)
}

/// The reference site after some edits of single characters, lines and values.
fn mutated() -> impl Strategy<Value = String> {
    let edit = (0..REFERENCE.len(), 0..6_u8, "[ -~\n]{0,3}");
    prop::collection::vec(edit, 1..8).prop_map(|edits| {
        let mut text = REFERENCE.to_owned();
        for (at, kind, insert) in edits {
            let at = (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at));
            let at = at.unwrap_or(0);
            let end = text[at..].find('\n').map_or(text.len(), |end| at + end);
            match kind {
                0 => text.insert_str(at, &insert),
                1 => text.replace_range(at..end, &insert),
                2 => text = format!("{}{}", &text[..end], &text[at..]),
                3 => text.truncate(at.max(20)),
                4 => text.insert_str(at, "*a"),
                _ => text.insert_str(at, "&a "),
            }
        }
        text
    })
}

/// Errors are not empty, and every place lies inside the text.
fn answer(text: &str) -> Result<(), TestCaseError> {
    let said = match parse(text) {
        Ok(checked) => {
            let config = checked.config;
            prop_assert_eq!(config.devices.chargers.len(), config.setup.loadpoints.len());
            prop_assert_eq!(config.devices.meters.len(), config.setup.meters.len());
            prop_assert_eq!(config.devices.vehicles.len(), config.setup.vehicles.len());
            for lp in &config.setup.loadpoints {
                prop_assert!(lp.min_current.0 > 0.0 && lp.min_current <= lp.max_current);
                prop_assert!(lp.vehicle.is_none_or(|ix| ix.0 < config.setup.vehicles.len()));
            }
            checked.notices
        }
        Err(errors) => {
            prop_assert!(!errors.errors.is_empty());
            [errors.errors, errors.notices].concat()
        }
    };
    let lines = text.split(['\n', '\r']).count();
    for finding in said {
        let chargebus::config::Place::File { line, column } = finding.place else {
            return Err(TestCaseError::fail("no variable is set"));
        };
        prop_assert!(line >= 1 && line <= lines + 1 && column >= 1, "{finding}");
        prop_assert!(!finding.text.is_empty());
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_text_gets_an_answer(text in yamlish()) {
        answer(&text)?;
    }

    #[test]
    fn random_bytes_get_an_answer(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        answer(&String::from_utf8_lossy(&bytes))?;
    }

    #[test]
    fn a_mutated_site_gets_an_answer(text in mutated()) {
        answer(&text)?;
    }
}
