//! The operations table keeps its own rules.

use std::collections::BTreeSet;

use chargebus::api::{self, Content, Method, OPERATIONS, OnMqtt, PATH_PARAMETERS, SCHEMAS};
use serde_json::Value as Json;

/// What stands between `{}` in a path.
fn parameters(path: &str) -> impl Iterator<Item = &str> {
    path.split('{').skip(1).filter_map(|rest| Some(rest.split_once('}')?.0))
}

fn fields() -> impl Iterator<Item = (Method, String)> {
    api::all()
        .filter_map(|field| field.write)
        .flat_map(|write| write.rest.routes().map(|(method, path)| (method, format!("/api{path}"))))
}

#[test]
fn operations_are_sorted_and_no_route_stands_twice() {
    assert!(OPERATIONS.is_sorted_by_key(|row| (row.path, row.method)), "by path and method");
    let mut routes: BTreeSet<(Method, String)> = fields().collect();
    for row in OPERATIONS {
        assert!(routes.insert((row.method, row.path.to_owned())), "{}", row.path);
    }
    let keys: BTreeSet<_> = OPERATIONS.iter().map(|row| row.op).collect();
    assert_eq!(keys.len(), OPERATIONS.len(), "an Op has two rows");
}

#[test]
fn every_parameter_is_described() {
    let paths = OPERATIONS.iter().map(|row| row.path.to_owned());
    for path in paths.chain(fields().map(|(_, path)| path)) {
        assert!(path.starts_with('/') && !path.ends_with('/'), "{path}");
        for name in parameters(&path) {
            assert!(PATH_PARAMETERS.iter().any(|known| known.name == name), "{path}: {name}");
        }
    }
    assert!(PATH_PARAMETERS.is_sorted_by_key(|parameter| parameter.name));
}

#[test]
fn every_operation_is_a_sentence_and_says_how_mqtt_does_it() {
    let query = OPERATIONS.iter().flat_map(|row| row.query).map(|parameter| parameter.doc);
    let path = PATH_PARAMETERS.iter().map(|parameter| parameter.doc);
    for doc in OPERATIONS.iter().map(|row| row.doc).chain(query).chain(path) {
        assert!(doc.ends_with('.') && doc.chars().count() <= 100, "{doc}");
        assert!(!doc.starts_with(|c: char| c.is_lowercase() && !doc.starts_with("jq")), "{doc}");
    }
    let mut topics = BTreeSet::new();
    for row in OPERATIONS {
        match row.mqtt {
            OnMqtt::Request(topic) => assert!(topics.insert(topic), "{topic}"),
            OnMqtt::No(reason) => assert!(!reason.is_empty(), "{}: no reason", row.path),
        }
    }
}

#[test]
fn schemas_are_json_and_refer_to_what_there_is() {
    let of = |content| match content {
        Content::Json(schema) => Some(schema),
        Content::Nothing | Content::Media(_) | Content::Frames => None,
    };
    let rows = OPERATIONS.iter().flat_map(|row| [of(row.body), of(row.answer)]).flatten();
    for schema in rows.chain(SCHEMAS.iter().map(|(_, schema)| *schema)) {
        let parsed: Json = serde_json::from_str(schema).unwrap_or_else(|e| panic!("{e}: {schema}"));
        assert!(parsed.is_object(), "{schema}");
        for reference in schema.split("#/components/schemas/").skip(1) {
            let name = reference.split('"').next().unwrap();
            let known = SCHEMAS.iter().map(|(known, _)| *known).chain(["Error", "State"]);
            assert!(known.into_iter().any(|known| known == name), "no schema {name}");
        }
    }
}
