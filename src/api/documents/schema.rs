//! JSON Schemas of values, of payloads and of what the tables name.

use serde_json::{Value as Json, json};

use crate::api::field::{Field, Kind, Write};
use crate::api::operation::{Content, PATH_PARAMETERS, Parameter};
use crate::api::rows;
use crate::api::{SCHEMAS, Scope};

/// The value of a field in JSON: as documented, or null while there is none.
pub(super) fn told(field: &Field) -> Json {
    let mut schema = match field.kind {
        Kind::Bool => json!({"type": ["boolean", "null"]}),
        Kind::Int | Kind::Duration => json!({"type": ["integer", "null"]}),
        Kind::Float | Kind::Price => json!({"type": ["number", "null"]}),
        Kind::Time => json!({"type": ["string", "null"], "format": "date-time"}),
        Kind::Enum(_) | Kind::Text => json!({"type": ["string", "null"]}),
        Kind::Phases => json!({
            "type": ["array", "null"], "items": {"type": "number"}, "minItems": 3, "maxItems": 3,
        }),
        Kind::List => json!({"type": ["array", "null"]}),
        Kind::Object => json!({"type": ["object", "null"]}),
        Kind::Json => json!({}),
    };
    schema["description"] = json!(described(field));
    schema
}

/// What a field takes: one value in the spelling of its kind.
pub(super) fn taken(field: &Field, write: &Write) -> Json {
    let mut schema = of_kind(field.kind);
    if let Some((min, max)) = write.range {
        if schema["type"] == "integer" {
            // Limits of whole numbers are whole.
            schema["minimum"] = json!(min as i64);
            schema["maximum"] = json!(max as i64);
        } else if schema["type"] == "number" {
            schema["minimum"] = json!(min);
            schema["maximum"] = json!(max);
        }
    }
    schema["description"] = json!(described(field));
    schema
}

/// The text of a field on MQTT (api.md §1.3).
pub(super) fn payload(field: &Field) -> Json {
    let text = match field.kind {
        Kind::Bool => json!({"type": "boolean"}),
        Kind::Int => json!({"type": "integer"}),
        Kind::Float | Kind::Price => json!({"type": "number"}),
        Kind::Duration => json!({"type": "integer", "description": "seconds"}),
        Kind::Time => json!({"type": "integer", "description": "Unix seconds"}),
        Kind::Enum(words) => json!({"type": "string", "enum": words}),
        Kind::Text => json!({"type": "string"}),
        Kind::Phases => json!({"type": "number", "description": "sum; /l1, /l2, /l3 below it"}),
        Kind::List => json!({"type": "integer", "description": "count; /1, /2 … below it"}),
        Kind::Object => json!({"type": "null", "description": "a topic for each member below it"}),
        Kind::Json => json!({"description": "one JSON text"}),
    };
    json!({"anyOf": [text, {"const": "", "description": "there is no value"}]})
}

/// What stands between `{}` in a path or a topic.
pub(super) fn names(path: &str) -> impl Iterator<Item = &str> {
    path.split('{').skip(1).filter_map(|rest| Some(rest.split_once('}')?.0))
}

/// A parameter of the path; `{value}` is that of the field.
pub(super) fn parameter(name: &str) -> Json {
    let known = PATH_PARAMETERS.iter().find(|parameter| parameter.name == name);
    json!({
        "name": name,
        "in": "path",
        "required": true,
        "description": known.map_or("", |parameter| parameter.doc),
        "schema": known.map_or_else(|| json!({}), |parameter| of_kind(parameter.kind)),
    })
}

/// A parameter of the query.
pub(super) fn query(parameter: &Parameter) -> Json {
    json!({
        "name": parameter.name,
        "in": "query",
        "required": false,
        "description": parameter.doc,
        "schema": of_kind(parameter.kind),
    })
}

/// The media types of a body with their schemas; `None` for nothing.
pub(super) fn content(content: Content) -> Option<Json> {
    match content {
        Content::Nothing | Content::Frames => None,
        Content::Json(schema) => Some(json!({"application/json": {"schema": parsed(schema)}})),
        Content::Media(types) => {
            let body = |kind: &&str| ((*kind).to_owned(), json!({"schema": {"type": "string"}}));
            Some(Json::Object(types.iter().map(body).collect()))
        }
    }
}

/// Schemas that others refer to by name.
pub(super) fn components() -> Json {
    let mut schemas = serde_json::Map::new();
    for (name, schema) in SCHEMAS {
        schemas.insert((*name).to_owned(), parsed(schema));
    }
    schemas.insert(
        "Error".to_owned(),
        json!({"type": "object", "properties": {"error": {"type": "string"}}, "required": ["error"]}),
    );
    for (name, scope) in
        [("Site", Scope::Site), ("LoadPoint", Scope::LoadPoint), ("Vehicle", Scope::Vehicle)]
    {
        let told = rows(scope).iter().filter(|field| field.in_json());
        let members = told.map(|field| (field.key.to_owned(), told_member(field)));
        let mut properties: serde_json::Map<String, Json> = members.collect();
        if scope == Scope::Site {
            let list = json!({"type": "array", "items": {"$ref": reference("LoadPoint")}});
            properties.insert("loadpoints".to_owned(), list);
            let map = json!({
                "type": "object", "additionalProperties": {"$ref": reference("Vehicle")},
            });
            properties.insert("vehicles".to_owned(), map);
        }
        schemas.insert(name.to_owned(), json!({"type": "object", "properties": properties}));
    }
    Json::Object(schemas)
}

/// Where a named schema stands.
pub(super) fn reference(name: &str) -> String {
    format!("#/components/schemas/{name}")
}

fn told_member(field: &Field) -> Json {
    let mut schema = told(field);
    if field.mirror {
        schema["deprecated"] = json!(true);
    }
    schema
}

fn of_kind(kind: Kind) -> Json {
    match kind {
        Kind::Bool => json!({"type": "boolean"}),
        Kind::Int => json!({"type": "integer"}),
        Kind::Float | Kind::Price => json!({"type": "number"}),
        Kind::Duration => json!({"type": "integer", "minimum": 0}),
        Kind::Time => json!({"type": "string", "format": "date-time"}),
        Kind::Enum(words) => json!({"type": "string", "enum": words}),
        Kind::Text => json!({"type": "string"}),
        Kind::Phases | Kind::List => json!({"type": "array"}),
        Kind::Object => json!({"type": "object"}),
        Kind::Json => json!({}),
    }
}

/// A schema of the table; a test holds that they are JSON.
fn parsed(schema: &str) -> Json {
    serde_json::from_str(schema).unwrap_or_default()
}

/// The sentence of a field with its unit.
pub(super) fn described(field: &Field) -> String {
    match field.unit {
        "" => field.doc.to_owned(),
        unit => format!("{} Unit: {unit}.", field.doc),
    }
}
