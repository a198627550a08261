//! AsyncAPI 3.0: every topic that is told, and every topic that is obeyed with its answer.

use serde_json::{Map, Value as Json, json};

use crate::api::all;
use crate::api::field::{Field, Scope, Write};
use crate::api::operation::{OPERATIONS, OnMqtt};

use super::schema;

/// Topics that are no fields: below the root, whether it is retained, what it says.
const OTHERS: &[(&str, bool, &str)] = &[
    (
        "events",
        false,
        "Something happened: JSON with `event`, `loadpoint`, `vehicle`, `time` and what the event knows.",
    ),
    ("loadpoints", true, "The number of load points."),
    ("status", true, "`online`, or `offline` as the last will."),
    ("updated", true, "Unix seconds of the last sign of life."),
    ("vehicles", true, "The number of vehicles."),
];

/// The description of MQTT as `/api/asyncapi.json` tells it.
pub fn asyncapi() -> Json {
    let mut document = Document::default();
    for (topic, retained, doc) in OTHERS {
        let payload = json!({"type": "string"});
        document.told(topic, topic, payload, *retained, doc);
    }
    for field in all() {
        if let Some(topic) = field.topic() {
            let id = format!("{}.{}", prefix(field.scope), topic.replace('/', "."));
            let address = format!("{}/{topic}", place(field.scope));
            document.told(&id, &address, schema::payload(field), true, &schema::described(field));
        }
        if let Some(write) = field.write {
            document.setters(field, &write);
        }
    }
    for row in OPERATIONS {
        if let OnMqtt::Request(topic) = row.mqtt {
            let id = topic.replace('/', ".").replace(['{', '}'], "");
            document.obeyed(&id, topic, json!({}), row.doc);
        }
    }
    json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "chargebus",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "The MQTT API of evcc with answers. Values are retained text, published \
                            on change and again after every reconnect; commands are not retained. \
                            Made from the field table and the table of operations.",
            "license": {"name": "MIT"},
        },
        "defaultContentType": "text/plain",
        "channels": document.channels,
        "operations": document.operations,
        "components": {"schemas": {"Result": result()}},
    })
}

#[derive(Default)]
struct Document {
    channels: Map<String, Json>,
    operations: Map<String, Json>,
}

impl Document {
    /// A topic that we publish.
    fn told(&mut self, id: &str, address: &str, payload: Json, retained: bool, doc: &str) {
        let mut channel = channel(address, payload, doc);
        channel["bindings"] = json!({"mqtt": {}});
        self.channels.insert(id.to_owned(), channel);
        let operation = json!({
            "action": "send",
            "channel": {"$ref": format!("#/channels/{id}")},
            "bindings": {"mqtt": {"qos": 1, "retain": retained}},
        });
        self.operations.insert(format!("tell.{id}"), operation);
    }

    /// Every topic at which a field is written.
    fn setters(&mut self, field: &Field, write: &Write) {
        for name in write.names() {
            let id = format!("{}.{}.set", prefix(field.scope), name.replace('/', "."));
            let address = format!("{}/{name}/set", place(field.scope));
            self.obeyed(&id, &address, schema::taken(field, write), field.doc);
        }
    }

    /// A topic that we obey, and the one on which we answer.
    fn obeyed(&mut self, id: &str, address: &str, payload: Json, doc: &str) {
        let result = format!("{id}.result");
        let said = json!({"$ref": "#/components/schemas/Result"});
        let answer = "What became of it, not retained.";
        self.channels.insert(id.to_owned(), channel(address, payload, doc));
        self.channels.insert(result.clone(), channel(&format!("{address}/result"), said, answer));
        let operation = json!({
            "action": "receive",
            "channel": {"$ref": format!("#/channels/{id}")},
            "reply": {"channel": {"$ref": format!("#/channels/{result}")}},
            "bindings": {"mqtt": {"qos": 1, "retain": false}},
        });
        self.operations.insert(format!("obey.{id}"), operation);
    }
}

fn channel(address: &str, payload: Json, doc: &str) -> Json {
    let mut parameters = Map::new();
    let root = json!({"default": "evcc", "description": "The root topic of the configuration."});
    parameters.insert("root".to_owned(), root);
    for name in schema::names(address) {
        let description = schema::parameter(name)["description"].clone();
        parameters.insert(name.to_owned(), json!({"description": description}));
    }
    json!({
        "address": format!("{{root}}/{address}"),
        "description": doc,
        "parameters": parameters,
        "messages": {"value": {"payload": payload}},
    })
}

/// The answer to a write (design §6).
fn result() -> Json {
    json!({
        "type": "object",
        "properties": {
            "ok": {"type": "boolean"},
            "code": {"type": "string"},
            "message": {"type": "string", "description": "what is wrong and how to mend it"},
            "requested": {"type": "string"},
            "applied": {"description": "the value that is in force now"},
            "id": {"description": "the mark of the writer, if the payload had one"},
        },
        "required": ["ok", "code", "message", "requested", "applied", "id"],
    })
}

fn prefix(scope: Scope) -> &'static str {
    match scope {
        Scope::Site => "site",
        Scope::LoadPoint => "loadpoint",
        Scope::Vehicle => "vehicle",
    }
}

fn place(scope: Scope) -> &'static str {
    match scope {
        Scope::Site => "site",
        Scope::LoadPoint => "loadpoints/{id}",
        Scope::Vehicle => "vehicles/{name}",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_topic_and_every_setter_is_described() {
        let document = asyncapi();
        let channels = document["channels"].as_object().unwrap();
        let addresses: Vec<_> =
            channels.values().map(|it| it["address"].as_str().unwrap()).collect();
        for field in all() {
            let below = |topic: &str| format!("{{root}}/{}/{topic}", place(field.scope));
            if let Some(topic) = field.topic() {
                assert!(addresses.contains(&&*below(topic)), "{topic}");
            }
            for name in field.write.iter().flat_map(Write::names) {
                let set = below(&format!("{name}/set"));
                assert!(addresses.contains(&&*set), "{set}");
                assert!(addresses.contains(&&*format!("{set}/result")), "{set}/result");
            }
        }
        let mut distinct = addresses.clone();
        distinct.sort_unstable();
        distinct.dedup();
        assert_eq!(distinct.len(), addresses.len(), "a topic stands twice");
    }
}
