//! OpenAPI 3.1: every operation and every write of a field.

use serde_json::{Map, Value as Json, json};

use crate::api::all;
use crate::api::field::{Field, Scope, Write};
use crate::api::operation::{Access, Method, OPERATIONS, Operation};

use super::schema;

/// The description of REST as `/api/openapi.json` tells it.
pub fn openapi() -> Json {
    let mut paths: Map<String, Json> = Map::new();
    let mut add = |path: String, method: Method, operation: Json| {
        let item = paths.entry(path).or_insert_with(|| json!({}));
        item[method.as_str().to_lowercase()] = operation;
    };
    for row in OPERATIONS {
        add(row.path.to_owned(), row.method, of_operation(row));
    }
    for field in all() {
        let Some(write) = field.write else { continue };
        for (nth, (method, path)) in write.rest.routes().enumerate() {
            add(format!("/api{path}"), method, of_write(field, &write, nth, method, path));
        }
    }
    paths.sort_keys();
    let mut schemas = schema::components();
    schemas["State"] = json!({"$ref": schema::reference("Site")});
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "chargebus",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "The REST API of evcc with answers. Made from the field table and the \
                            table of operations.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/", "description": "this service"}],
        "tags": [
            {"name": "operations", "description": "What is not the value of a field."},
            {"name": "site", "description": "Settings of the site."},
            {"name": "loadpoints", "description": "Settings of load points."},
            {"name": "vehicles", "description": "Settings of vehicles."},
        ],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "cookie": {"type": "apiKey", "in": "cookie", "name": "auth"},
                "bearer": {"type": "http", "scheme": "bearer"},
            },
        },
    })
}

fn of_operation(row: &Operation) -> Json {
    let query = row.query.iter().map(schema::query);
    let parameters: Vec<Json> =
        schema::names(row.path).map(schema::parameter).chain(query).collect();
    let mut success = json!({"description": "all is well"});
    if let Some(content) = schema::content(row.answer) {
        success["content"] = content;
    }
    let status = row.status.to_string();
    let mut operation = json!({
        "operationId": id(row.method, row.path),
        "tags": ["operations"],
        "summary": row.doc,
        "parameters": parameters,
        "responses": {(status): success, "default": problem()},
    });
    if let Some(content) = schema::content(row.body) {
        operation["requestBody"] = json!({"required": true, "content": content});
    }
    if row.access >= Access::Admin {
        operation["security"] = json!([{"cookie": []}, {"bearer": []}]);
    }
    operation
}

fn of_write(field: &Field, write: &Write, nth: usize, method: Method, path: &str) -> Json {
    let clears = method == Method::Delete;
    let parameters: Vec<Json> = schema::names(path)
        .map(|name| {
            let mut parameter = schema::parameter(name);
            if name == "value" {
                parameter["schema"] = schema::taken(field, write);
            }
            parameter
        })
        .collect();
    let answer = match write.rest.answer {
        Some(_) => json!({}),
        None => schema::told(field),
    };
    let mut operation = json!({
        "operationId": id(method, &format!("/api{path}")),
        "tags": [tag(field.scope)],
        "summary": if clears { format!("Clears: {}", field.doc) } else { field.doc.to_owned() },
        "parameters": parameters,
        "responses": {
            "200": {
                "description": "in force and stored; the value that applies",
                "content": {"application/json": {"schema": answer}},
            },
            "default": problem(),
        },
    });
    if !clears && !path.contains("{value}") {
        operation["requestBody"] = json!({
            "required": true,
            "content": {"application/json": {"schema": schema::taken(field, write)}},
        });
    }
    // The first path is the current one, what clears it is as current.
    if nth > 0 && !clears {
        operation["deprecated"] = json!(true);
    }
    operation
}

fn problem() -> Json {
    json!({
        "description": "nothing was changed; says why",
        "content": {"application/json": {"schema": {"$ref": schema::reference("Error")}}},
    })
}

fn tag(scope: Scope) -> &'static str {
    match scope {
        Scope::Site => "site",
        Scope::LoadPoint => "loadpoints",
        Scope::Vehicle => "vehicles",
    }
}

/// `post_loadpoints_id_mode_value`: unique because a route is.
fn id(method: Method, path: &str) -> String {
    let path =
        path.trim_start_matches("/api").replace(['/', '.', '-'], "_").replace(['{', '}'], "");
    format!("{}{path}", method.as_str().to_lowercase())
}

#[cfg(test)]
mod tests {
    use crate::api::field::Rest;
    use crate::api::rows;

    use super::*;

    #[test]
    fn every_route_of_both_tables_is_described() {
        let document = openapi();
        let fields = all().filter_map(|field| field.write).map(|write| write.rest);
        let routes = fields.flat_map(Rest::routes).map(|(m, path)| (m, format!("/api{path}")));
        let operations = OPERATIONS.iter().map(|row| (row.method, row.path.to_owned()));
        for (method, path) in routes.chain(operations) {
            let operation = &document["paths"][&path][method.as_str().to_lowercase()];
            assert!(operation["summary"].is_string(), "{path}");
        }
        let told = rows(Scope::LoadPoint).iter().filter(|field| field.in_json()).count();
        let schema = &document["components"]["schemas"]["LoadPoint"]["properties"];
        assert_eq!(schema.as_object().map(Map::len), Some(told));
    }
}
