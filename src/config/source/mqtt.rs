//! `source: mqtt`: the last message on a topic, or a message per command (§7.2, §7.3).

use super::{Field, Flaw, Section, Sink, Source, Want, pipeline, template};
use crate::config::address;
use crate::config::plugin::MqttSource;
use crate::config::text::quoted;

/// Longest topic that MQTT can carry, in bytes.
const MAX_TOPIC: usize = 65_535;

/// Keys that go with a broker of its own; evcc does not look at them without `broker`.
const WITH_BROKER: &[&str] =
    &["user", "password", "clientID", "insecure", "caCert", "clientCert", "clientKey"];

pub(super) fn source(section: Section<'_>, _want: Want) -> Result<Source, Flaw> {
    section.report.needs_broker(&section.path, section.place);
    let topic = section.need("topic").and_then(|field| topic(&field));
    let timeout = section.time("timeout");
    let pipeline = pipeline::read(&section);
    // These belong to writing; evcc takes them here too.
    for unused in ["payload", "retained"] {
        section.has(unused);
    }
    let supported = same_broker(&section);
    section.finish_strict();
    supported?;
    let (scale, pipeline) = pipeline?;
    Ok(Source::Mqtt(MqttSource { topic: topic?, timeout, scale, pipeline }))
}

pub(super) fn sink(section: Section<'_>, name: &str) -> Result<Sink, Flaw> {
    section.report.needs_broker(&section.path, section.place);
    let topic = section.need("topic").and_then(|field| topic(&field));
    let payload = section.get("payload").map(|field| template(&field, name)).transpose();
    let retained = section.flag("retained").unwrap_or(false);
    // These belong to reading; evcc takes them here too.
    pipeline::unused(&section);
    for unused in ["timeout", "insecure"] {
        section.has(unused);
    }
    let supported = same_broker(&section);
    section.finish_strict();
    supported?;
    Ok(Sink::Mqtt { topic: topic?, payload: payload?, retained })
}

/// A topic that one device can be read from or written to.
fn topic(field: &Field<'_>) -> Result<String, Flaw> {
    let topic = field.text().ok_or(Flaw::Reported)?;
    let wrong = if topic.is_empty() {
        "must not be empty"
    } else if topic.contains(['+', '#']) {
        "must not contain the wildcards + and #"
    } else if topic.contains('\0') || topic.len() > MAX_TOPIC {
        "is not a topic that MQTT can carry"
    } else {
        return Ok(topic);
    };
    field.error(format!("{wrong}, found {}", quoted(&topic)));
    Err(Flaw::Reported)
}

/// The site's broker may be named again; another one is not built yet.
fn same_broker(section: &Section<'_>) -> Result<(), Flaw> {
    for key in WITH_BROKER {
        section.has(key);
    }
    let Some(field) = section.get("broker") else {
        return Ok(());
    };
    let written = field.text().ok_or(Flaw::Reported)?;
    let own = address::broker(&written).map_err(|what| {
        field.error(what);
        Flaw::Reported
    })?;
    let main = field.report.main_broker.borrow();
    if main.as_ref().is_some_and(|main| main.same_host(&own)) {
        return Ok(());
    }
    let text = "a broker other than mqtt.broker is not built yet: let the brokers bridge the topic";
    Err(field.unsupported(text))
}
