//! `api` and `network.base_path`: what REST asks, and where a proxy shows it.

use chargebus::model::{Dialect, ForecastForm, KeyScope};

use super::{SMALL, errors, good, notices};

fn small(more: &str) -> String {
    format!("{SMALL}loadpoints:\n  - charger: wallbox\n{more}\n")
}

#[test]
fn nothing_is_protected_unless_it_is_said() {
    let api = good(&small("")).api;
    assert!(!api.protect_reads && !api.protect_writes && api.keys.is_empty());
    let text = small(
        "api:\n  protect_writes: true\n  protect_reads: yes\n  keys:\n  \
         - {name: grafana, key: 0123456789abcdefghij}\n  \
         - {name: node-red, scope: Write, key: abcdefghij0123456789}",
    );
    assert_eq!(notices(&text), [""; 0]);
    let api = good(&text).api;
    assert!(api.protect_reads && api.protect_writes);
    let keys: Vec<_> = api.keys.iter().map(|key| (&*key.name, key.scope)).collect();
    assert_eq!(keys, [("grafana", KeyScope::Read), ("node-red", KeyScope::Write)]);
    assert!(!format!("{api:?}").contains("0123456789"), "a key is shown");
}

#[test]
fn how_it_speaks_can_be_chosen() {
    let api = good(&small("")).api;
    assert_eq!((api.dialect, api.forecast), (Dialect::Bare, ForecastForm::Compact));
    let text = small("api: {dialect: 0.130, forecast: objects}");
    assert_eq!(notices(&text), [""; 0]);
    let api = good(&text).api;
    assert_eq!((api.dialect, api.forecast), (Dialect::Wrapped, ForecastForm::Objects));
    let said = errors(&small("api: {dialect: 0.12, forecast: lists}")).join("\n");
    assert!(said.contains("api.dialect: must be one of 0.313, 0.130, found \"0.12\""), "{said}");
    assert!(said.contains("api.forecast: must be one of compact, objects"), "{said}");
}

#[test]
fn wrong_keys_are_named_and_not_repeated() {
    let text = small(
        "api:\n  keys:\n  - {name: a, key: secret}\n  - {scope: all, key: 0123456789abcdefghij}\n  \
         - {name: b, key: 0123456789abcdefghij}\n  - {name: b, key: 0123456789abcdefghij}",
    );
    let said = errors(&text).join("\n");
    for part in [
        "api.keys[0].key: must have 20 to 200 letters",
        "scope: must be one of read",
        "two keys named \"b\"",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert!(!said.contains("secret") && !said.contains("0123456789"), "{said}");
}

#[test]
fn a_base_path_has_one_form() {
    for (written, path) in [
        ("charge", "/charge"),
        ("/charge/", "/charge"),
        ("a//b_c/", "/a/b_c"),
        ("/", ""),
        ("''", ""),
    ] {
        let text = small(&format!("network: {{base_path: {written}}}"));
        assert_eq!(good(&text).network.base_path, path, "{written}");
    }
    for written in ["/a b", "/../x", "/a?b", "/{id}"] {
        let said = errors(&small(&format!("network: {{base_path: '{written}'}}"))).join("\n");
        assert!(said.contains("must be a path like /charge"), "{said}");
    }
}
