//! Environment variables that override scalar keys, as in evcc: `EVCC_<SECTION>_<KEY>`.

use super::finding::Place;
use super::node::{Entry, Node, Value, same};

/// Variable and path of the key it replaces.
const VARIABLES: &[(&str, &[&str])] = &[
    ("EVCC_BROKER_FILE", &["broker", "file"]),
    ("EVCC_BROKER_LISTEN", &["broker", "listen"]),
    ("EVCC_DATABASE_DSN", &["database", "dsn"]),
    ("EVCC_DATABASE_TYPE", &["database", "type"]),
    ("EVCC_INTERVAL", &["interval"]),
    ("EVCC_LOG", &["log"]),
    ("EVCC_MQTT_BROKER", &["mqtt", "broker"]),
    ("EVCC_MQTT_CACERT", &["mqtt", "caCert"]),
    ("EVCC_MQTT_CLIENTCERT", &["mqtt", "clientCert"]),
    ("EVCC_MQTT_CLIENTID", &["mqtt", "clientID"]),
    ("EVCC_MQTT_CLIENTKEY", &["mqtt", "clientKey"]),
    ("EVCC_MQTT_INSECURE", &["mqtt", "insecure"]),
    ("EVCC_MQTT_PASSWORD", &["mqtt", "password"]),
    ("EVCC_MQTT_TOPIC", &["mqtt", "topic"]),
    ("EVCC_MQTT_USER", &["mqtt", "user"]),
    ("EVCC_NETWORK_HOST", &["network", "host"]),
    ("EVCC_NETWORK_PORT", &["network", "port"]),
    ("EVCC_SITE_RESIDUALPOWER", &["site", "residualPower"]),
    ("EVCC_SITE_TITLE", &["site", "title"]),
    ("EVCC_TARIFFS_CURRENCY", &["tariffs", "currency"]),
    ("EVCC_TESLAMATE_DISCOVER", &["teslamate", "discover"]),
];

/// Puts the values of set variables into the tree; an empty variable counts as not set.
pub(super) fn overlay(root: &mut Vec<Entry>, env: &dyn Fn(&str) -> Option<String>) {
    for (variable, path) in VARIABLES {
        if let Some(text) = env(variable).filter(|text| !text.is_empty()) {
            replace(root, path, Place::Variable(variable), text);
        }
    }
}

fn replace(entries: &mut Vec<Entry>, path: &[&str], place: Place, text: String) {
    let Some((key, rest)) = path.split_first() else {
        return;
    };
    let known = entries.iter().position(|entry| same(&entry.key, key));
    let ix = known.unwrap_or_else(|| {
        entries.push(Entry { key: (*key).to_owned(), node: Node { place, value: Value::Null } });
        entries.len() - 1
    });
    let node = &mut entries[ix].node;
    if rest.is_empty() {
        *node = Node { place, value: Value::Text(text) };
        return;
    }
    // A variable says more than a section that is empty or a plain word (`broker: true`).
    if !matches!(node.value, Value::Map(_)) {
        node.value = Value::Map(Vec::new());
    }
    if let Value::Map(entries) = &mut node.value {
        replace(entries, rest, place, text);
    }
}
