//! The top level of the file: network, broker, database and the lists of devices.

use std::net::IpAddr;
use std::time::Duration;

use super::device::Devices;
use super::devices::{Catalog, vehicle};
use super::loadpoint::{self, Catalogs};
use super::plugin::Library;
use super::reader::{Field, Section};
use super::text::quoted;
use super::unsupported::Scope;
use super::{
    Broker, Config, Extras, Mqtt, MqttVersion, Network, Takeover, address, api, circuit, export,
    hems, messaging, site, tariff,
};
use crate::model::{LimitSetup, Setup};

/// evcc's control interval where nothing is said.
const INTERVAL: Duration = Duration::from_secs(30);
/// Bounds of the interval.
const MIN_INTERVAL: Duration = Duration::from_millis(100);
const MAX_INTERVAL: Duration = Duration::from_secs(3600);
/// Where REST, WebSocket and web page listen.
const PORT: u16 = 7070;
const ANY_HOST: &str = "0.0.0.0";
/// Root topic.
const ROOT: &str = "evcc";

/// Reads the whole file. The result counts only if the report has no errors.
pub(super) fn read(root: Section<'_>) -> Config {
    let meters = Catalog::read(&root, "meters", "meter", None);
    let chargers = Catalog::read(&root, "chargers", "charger", None);
    let vehicles = Catalog::read(&root, "vehicles", "vehicle", Some("vehicle-"));
    let (mqtt, topic, publish_config) = mqtt(&root);
    let (currency, tariffs) = tariff::read(&root);
    let (setup, devices) = site_and_devices(&root, &meters, &chargers, &vehicles);
    let config = Config {
        setup,
        devices,
        interval: interval(&root),
        network: network(&root),
        api: api::read(&root),
        mqtt,
        root: topic,
        broker: broker(&root),
        database: database(&root),
        log: root.text("log"),
        currency,
        tariffs,
        extras: Extras { config: publish_config, vintage: vintage(&root) },
        libraries: libraries(&root),
        discover_cars: discover_cars(&root),
        messaging: messaging::read(&root),
        influx: export::influx(&root),
        metrics: export::metrics(&root),
    };
    meters.notice_unused();
    chargers.notice_unused();
    if config.mqtt.is_none() && config.broker.is_none() {
        root.report.no_broker();
    }
    root.finish(Scope::File);
    config
}

fn site_and_devices(
    root: &Section<'_>,
    meters: &Catalog<'_>,
    chargers: &Catalog<'_>,
    vehicles: &Catalog<'_>,
) -> (Setup, Devices) {
    let mut devices = Devices::default();
    let mut setups = Vec::new();
    for entry in &vehicles.devices {
        let Some(vehicle) = vehicle(entry) else {
            continue;
        };
        let car = &vehicle.device.teslamate;
        if car.is_some() && devices.vehicles.iter().any(|known| known.teslamate == *car) {
            entry.error("is the same car of TeslaMate as another vehicle: give it its own id");
        }
        setups.push(vehicle.setup);
        devices.vehicles.push(vehicle.device);
    }
    let mut site = site::read(root, meters);
    let circuits = circuit::read(root, meters, &mut site);
    devices.meters = site.devices;
    let hems = hems::read(root);
    let (operator, feed_in);
    (operator, devices.operator) = hems.consumption.unzip();
    (feed_in, devices.feed_in) = hems.feed_in.unzip();
    let catalogs = Catalogs { meters, chargers, vehicles, circuits: &circuits };
    let (loadpoints, charger_devices) = loadpoint::read(root, &catalogs);
    devices.chargers = charger_devices;
    let limits = LimitSetup { circuits: circuits.setups, operator, feed_in };
    let setup = Setup { limits, loadpoints, vehicles: setups, ..site.setup };
    (setup, devices)
}

fn interval(root: &Section<'_>) -> Duration {
    let Some((interval, field)) = root.get("interval").map(|field| (field.duration(), field))
    else {
        return INTERVAL;
    };
    let interval = interval.unwrap_or(INTERVAL);
    if !(MIN_INTERVAL..=MAX_INTERVAL).contains(&interval) {
        field.error("must be between 100ms and 1h");
    }
    interval
}

fn network(root: &Section<'_>) -> Network {
    let mut network = Network { host: ANY_HOST.to_owned(), port: PORT, ..Network::default() };
    let Some(section) = root.section("network") else {
        return network;
    };
    if let Some(field) = section.get("host")
        && let Some(host) = field.text()
    {
        // evcc's host is the name in links, and often one that nothing can be bound to.
        if host == "localhost" {
            network.host = "127.0.0.1".to_owned();
        } else if host.parse::<IpAddr>().is_ok() {
            network.host = host;
        } else {
            field.notice(format!(
                "{} is not an address to listen on: listening on all, write one to narrow it",
                quoted(&host)
            ));
        }
    }
    let port = section.get("port").and_then(|field| field.whole_within(1, 0xFFFF));
    network.port = port.and_then(|port| u16::try_from(port).ok()).unwrap_or(PORT);
    network.base_path = section.get("base_path").map(|field| base_path(&field)).unwrap_or_default();
    network.ui = section.text("ui");
    section.finish(Scope::Network);
    network
}

/// A path below which a proxy shows us.
fn base_path(field: &Field<'_>) -> String {
    let written = field.text().unwrap_or_default();
    let parts: Vec<_> = written.split('/').filter(|part| !part.is_empty()).collect();
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.~".contains(c);
    if parts.iter().any(|part| !part.chars().all(plain) || part.starts_with('.')) {
        field.error(format!("must be a path like /charge, found {}", quoted(&written)));
    }
    parts.iter().map(|part| format!("/{part}")).collect()
}

/// The broker to connect to, the root topic, and whether the configuration is told there.
fn mqtt(root: &Section<'_>) -> (Option<Mqtt>, String, bool) {
    let Some(section) = root.section("mqtt") else {
        return (None, ROOT.to_owned(), false);
    };
    let publish_config = section.flag("publish_config").unwrap_or(false);
    let topic = section.get("topic").map(|field| root_topic(&field));
    let secret = |key| section.text(key).unwrap_or_default();
    let mut mqtt = Mqtt {
        version: section.get("version").map(|field| mqtt_version(&field)).unwrap_or_default(),
        takeover: match section.flag("takeover") {
            Some(true) => Takeover::Once,
            Some(false) | None => Takeover::Never,
        },
        user: secret("user"),
        password: secret("password"),
        client_id: section.text("clientID"),
        insecure: section.flag("insecure").unwrap_or(false),
        ca_cert: section.text("caCert"),
        client_cert: section.text("clientCert"),
        client_key: section.text("clientKey"),
        ..Mqtt::default()
    };
    if mqtt.client_cert.is_some() != mqtt.client_key.is_some() {
        section.error("clientCert", "clientCert and clientKey belong together: write both");
    }
    let broker = section.get("broker");
    if let Some(field) = &broker {
        match field.text().map(|written| address::broker(&written)) {
            Some(Ok(broker)) => {
                mqtt.tls = broker.tls;
                mqtt.host = broker.host.clone();
                mqtt.port = broker.port;
                root.report.main_broker.replace(Some(broker));
            }
            Some(Err(what)) => field.error(what),
            None => {}
        }
        let only_tls = [&mqtt.ca_cert, &mqtt.client_cert].into_iter().any(Option::is_some);
        if !mqtt.tls && (only_tls || mqtt.insecure) {
            field.notice("certificates are not used: write tls:// before the host to encrypt");
        }
    }
    section.finish(Scope::Mqtt);
    (broker.map(|_| mqtt), topic.unwrap_or_else(|| ROOT.to_owned()), publish_config)
}

fn mqtt_version(field: &Field<'_>) -> MqttVersion {
    match field.text().as_deref() {
        Some("3.1.1" | "4") | None => MqttVersion::V3,
        Some("5" | "5.0") => MqttVersion::V5,
        Some(_) => {
            field.error("must be 3.1.1 or 5");
            MqttVersion::V3
        }
    }
}

fn root_topic(field: &Field<'_>) -> String {
    let written = field.text().unwrap_or_else(|| ROOT.to_owned());
    let topic = written.trim_matches('/');
    if topic.contains(['+', '#', '\0']) || topic.starts_with('$') {
        field
            .error(format!("must not contain + or # nor begin with $, found {}", quoted(&written)));
    }
    if topic.is_empty() {
        field.notice(format!("is empty: {ROOT:?} is used"));
        return ROOT.to_owned();
    }
    topic.to_owned()
}

/// `broker: true`, or `{file, listen}`.
fn broker(root: &Section<'_>) -> Option<Broker> {
    let field = root.get("broker")?;
    if !field.is_map() {
        return field.flag()?.then_some(Broker { file: None, listen: None });
    }
    let section = field.section()?;
    let listen = section.get("listen").and_then(|field| {
        let written = field.text()?;
        // `:1883` means every address, as in Go.
        let address = match written.strip_prefix(':') {
            Some(port) => format!("{ANY_HOST}:{port}"),
            None => written,
        };
        match address::split(&address, address::MQTT_PORT) {
            Ok((host, port)) => Some(address::join(&host, port)),
            Err(what) => {
                field.error(format!("{what}, found {}", quoted(&address)));
                None
            }
        }
    });
    let broker = Broker { file: section.text("file"), listen };
    section.finish(Scope::Other);
    Some(broker)
}

fn database(root: &Section<'_>) -> Option<String> {
    let section = root.section("database")?;
    if let Some(field) = section.get("type")
        && let Some(kind) = field.text()
        && !kind.eq_ignore_ascii_case("sqlite")
    {
        field.error(format!("must be sqlite, found {}", quoted(&kind)));
    }
    let dsn = section.text("dsn").filter(|dsn| !dsn.is_empty());
    section.finish(Scope::Database);
    dsn
}

/// `compat: {v0119: true}`: old names are told on MQTT.
fn vintage(root: &Section<'_>) -> bool {
    let Some(section) = root.section("compat") else {
        return false;
    };
    let vintage = section.flag("v0119").unwrap_or(false);
    section.finish(Scope::Other);
    vintage
}

/// `javascript: [{vm, script}]`.
fn libraries(root: &Section<'_>) -> Vec<Library> {
    let items = root.get("javascript").map(|field| field.items()).unwrap_or_default();
    let read = |item: Field<'_>| {
        let section = item.section()?;
        let text = |key| section.need(key).ok().and_then(|field| field.text());
        let library = Some(Library { vm: text("vm")?, script: text("script")? });
        section.finish(Scope::Other);
        library
    };
    items.into_iter().filter_map(read).collect()
}

/// `teslamate: {discover: false}`, or just `teslamate: false`.
fn discover_cars(root: &Section<'_>) -> bool {
    let Some(field) = root.get("teslamate") else {
        return true;
    };
    if !field.is_map() {
        return field.flag().unwrap_or(true);
    }
    let Some(section) = field.section() else {
        return true;
    };
    let discover = section.flag("discover").unwrap_or(true);
    section.finish(Scope::Other);
    discover
}
