//! What is told of the program's start and of its configuration (api.md §4.2). Secrets end here.

use std::net::SocketAddr;

use crate::api::{About, Value, setup};
use crate::config::{Config, EventText, Mqtt};

use super::app::{Database, Place};
use super::auth::Mode;
use super::embedded::Embedded;

/// Stands for a secret that there is.
const MASKED: &str = "***";

/// What the start found beside the configuration.
pub(super) struct Found<'a> {
    pub(super) http: SocketAddr,
    pub(super) broker: Option<&'a Embedded>,
    /// Why nothing is kept, if it should be.
    pub(super) no_database: Option<String>,
}

/// What is told of the start.
pub(super) fn about(config: &Config, place: &Place, found: Found<'_>) -> About {
    let file = place.config.as_ref();
    let mut sections = vec![
        ("mqtt", mqtt(config, found.broker)),
        ("network", network(config, found.http)),
        (
            "sponsor",
            object(&[("status", object(&[("name", word("")), ("expiresAt", Value::NO_TIME)]))]),
        ),
    ];
    sections.extend(exports(config));
    if !config.tariffs.is_empty() {
        sections.push(("tariffs", object(&[("yamlSource", word("file"))])));
    }
    let database = match (&place.database, &found.no_database) {
        (Database::File(path), None) => path.display().to_string(),
        (Database::File(_), Some(_)) | (Database::Memory, _) => String::new(),
    };
    About {
        config: file.map(|path| path.display().to_string()).unwrap_or_default(),
        database,
        sections,
        fatal: found.no_database.map(|why| (why, "database")).into_iter().collect(),
        demo: place.auth == Mode::Demo,
        auth_disabled: place.auth == Mode::Disabled,
        publish_config: config.extras.config,
        vintage: config.extras.vintage,
        forecast: config.api.forecast,
    }
}

fn mqtt(config: &Config, embedded: Option<&Embedded>) -> Value {
    let server = config.mqtt.as_ref();
    let broker = match server {
        Some(Mqtt { host, port, tls, .. }) => {
            format!("{}{host}:{port}", if *tls { "tls://" } else { "" })
        }
        None => {
            let address = embedded.and_then(|broker| broker.addresses().first());
            address.map(SocketAddr::to_string).unwrap_or_default()
        }
    };
    let text = |of: fn(&Mqtt) -> Option<&str>| server.and_then(of).unwrap_or_default();
    // A path tells where a key is, a text is the key itself.
    let secret = |of| word(if text(of).is_empty() { "" } else { MASKED });
    object(&[
        ("broker", Value::text(broker)),
        ("topic", Value::text(&config.root)),
        ("user", Value::text(text(|mqtt| Some(&mqtt.user)))),
        ("password", secret(|mqtt| Some(&mqtt.password))),
        ("clientID", Value::text(text(|mqtt| mqtt.client_id.as_deref()))),
        ("insecure", Value::Bool(server.is_some_and(|mqtt| mqtt.insecure))),
        ("caCert", secret(|mqtt| mqtt.ca_cert.as_deref())),
        ("clientCert", secret(|mqtt| mqtt.client_cert.as_deref())),
        ("clientKey", secret(|mqtt| mqtt.client_key.as_deref())),
    ])
}

/// Without links: ours are relative, and what others call this machine we do not know.
fn network(config: &Config, http: SocketAddr) -> Value {
    let all = http.ip().is_unspecified();
    let host = if all { "" } else { &config.network.host };
    object(&[("host", Value::text(host)), ("port", Value::Int(i64::from(http.port())))])
}

fn word(word: &'static str) -> Value {
    Value::word(word)
}

fn object(members: &[(&'static str, Value)]) -> Value {
    Value::Object(members.iter().map(|(name, value)| ((*name).into(), value.clone())).collect())
}

/// Where values and messages go.
fn exports(config: &Config) -> Vec<(&'static str, Value)> {
    let text = |text: &str| Value::text(text);
    let secret = |text: &str| word(if text.is_empty() { "" } else { MASKED });
    let mut parts = Vec::new();
    if let Some(influx) = &config.influx {
        let members = vec![
            ("url".into(), text(&influx.url)),
            ("database".into(), text(&influx.database)),
            ("org".into(), text(&influx.org)),
            ("token".into(), secret(&influx.token)),
            ("user".into(), text(&influx.user)),
            ("password".into(), secret(&influx.password)),
            ("insecure".into(), Value::Bool(influx.insecure)),
        ];
        parts.push(("influx", Value::Object(members)));
    }
    let messaging = &config.messaging;
    if !messaging.services.is_empty() {
        let source = vec![("yamlSource".into(), Value::word("file"))];
        parts.push(("messaging", Value::Object(source)));
        let names = messaging.services.iter().map(|service| setup::device(service.name, "", None));
        parts.push(("messengers", Value::List(names.collect())));
    }
    let event = |(name, event): (&String, &EventText)| {
        let members = vec![
            ("title".into(), text(&event.title.source)),
            ("msg".into(), text(&event.msg.source)),
            ("disabled".into(), Value::Bool(event.disabled)),
        ];
        (name.clone().into(), Value::Object(members))
    };
    if !messaging.events.is_empty() {
        let events = messaging.events.iter().map(event).collect();
        parts.push(("messagingEvents", Value::Object(events)));
    }
    parts
}
