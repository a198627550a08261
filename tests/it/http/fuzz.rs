//! Whatever comes, every route gives one answer, and a refusal changes nothing.

use chargebus::api;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use super::*;

/// Any path is answered exactly once, and a refusal changes nothing.
#[test]
fn any_path_is_answered_once() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let facade = runtime.block_on(Facade::start());
    let path = prop_oneof![
        "/[ -~]{0,40}",
        "/api/(loadpoints/[0-9x]{1,3}|vehicles/(tesla|zoe|%[0-9A-F]{2}))/[a-z]{1,12}(/[ -~]{0,12}){0,2}",
        "/api/(prioritysoc|buffersoc|residualpower|loadpoints/1/(mode|limitsoc|mincurrent|phases|vehicle))/[!-~]{1,12}",
    ];
    let method = prop_oneof!["GET", "POST", "DELETE", "PUT", "PATCH", "OPTIONS", "[A-Z]{1,9}"];
    let config = ProptestConfig { cases: 200, ..ProptestConfig::default() };
    let outcome = TestRunner::new(config).run(&(method, path), |(method, path)| {
        // A jq program starts a process; it has tests of its own.
        prop_assume!(!path.contains("jq="));
        let request =
            format!("{method} {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
        let before = facade.told.borrow().state.json();
        let answer = runtime.block_on(facade.raw(request.as_bytes()));
        prop_assert!(answer.starts_with("HTTP/1.1 "), "{answer}");
        prop_assert_eq!(answer.matches("HTTP/1.1 ").count(), 1);
        if !answer.starts_with("HTTP/1.1 200") {
            prop_assert_eq!(facade.told.borrow().state.json(), before);
        }
        Ok(())
    });
    outcome.unwrap();
}

/// Method and path of every route of both tables.
fn routes() -> Vec<(&'static str, String)> {
    let fields = api::all().filter_map(|field| field.write).flat_map(|write| {
        let routes = write.rest.routes();
        routes.map(|(method, path)| (method.as_str(), format!("/api{path}")))
    });
    let operations = api::OPERATIONS.iter().map(|row| (row.method.as_str(), row.path.to_owned()));
    fields.chain(operations).collect()
}

/// A path with something between every pair of braces.
fn filled(template: &str, values: &[String]) -> String {
    let mut values = values.iter().cycle();
    let parts = template.split('/').map(|part| match part.starts_with('{') {
        true => values.next().map_or(part, |value| value),
        false => part,
    });
    parts.collect::<Vec<_>>().join("/")
}

#[test]
fn no_route_of_the_tables_is_shaken_by_bad_input() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let facade = runtime.block_on(Facade::start());
    let value = || {
        prop_oneof![
            "[!-\"$-.0->@-~]{1,12}",
            "-?[0-9]{1,20}(\\.[0-9]{1,20})?(e[0-9]{1,4})?",
            Just("NaN".to_owned()),
            Just("%00%FF".to_owned()),
            Just("1".to_owned()),
            Just("tesla".to_owned()),
            Just("2031-01-01T06:00:00+99:00".to_owned()),
            Just("9".repeat(300)),
        ]
    };
    let body = prop_oneof![
        "[ -~]{0,40}",
        r#"\{"(value|time|soc|energy|continuous|password|name)":(null|-?[0-9]{1,5}|"[a-z]{0,5}"|\[\])\}"#,
        Just("[".repeat(3000)),
        Just("x".repeat(5000)),
    ];
    let query = prop_oneof![Just(String::new()), "\\?(jq|year|from|format)=[!-~]{0,12}"];
    let story = (prop::sample::select(routes()), prop::array::uniform3(value()), body, query);
    let config = ProptestConfig { cases: 600, ..ProptestConfig::default() };
    let outcome = TestRunner::new(config).run(&story, |((method, template), values, body, query)| {
        // A jq program starts a process; it has tests of its own.
        prop_assume!(!query.contains("jq=") || template != "/api/state");
        let path = filled(&template, &values);
        let before = facade.told.borrow().state.json();
        let request = format!(
            "{method} {path}{query} HTTP/1.1\r\nHost: test\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
            body.len(),
        );
        let answer = runtime.block_on(facade.raw(request.as_bytes()));
        prop_assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{} {}: {}", method, path, answer);
        if !answer.starts_with("HTTP/1.1 200") {
            prop_assert_eq!(facade.told.borrow().state.json(), before, "{} {}", method, path);
        }
        Ok(())
    });
    outcome.unwrap();
    assert_eq!(runtime.block_on(facade.get("/api/health")).0, 200);
}
