//! `broker.toml`: what the embedded broker listens on, whom it admits and what it may use.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use serde::Deserialize;

use super::Internal;
use super::filter;
use crate::edges::password::is_hash;

/// The checked-in file, which is the built-in default too.
const BUILT_IN: &str = include_str!("../../../broker.toml");

/// Keys of rumqttd's router section that apply here.
const ROUTER_KEYS: [&str; 4] =
    ["max_connections", "max_outgoing_packet_count", "max_segment_size", "max_segment_count"];

/// rumqttd panics below this segment size.
const MIN_SEGMENT_SIZE: usize = 1024;

/// Segments that the flow control needs: one being written, one being dropped, one being read.
const MIN_SEGMENTS: usize = 3;

/// Most bytes that all logs of the router may take.
const MAX_LOG_BYTES: usize = 1 << 30;

/// Links of the router beside those of sessions: the publishing one, and some on their way out.
const SPARE_LINKS: usize = 16;

/// Most sessions of either kind; the router reserves memory for each.
const MAX_SESSIONS: usize = 100_000;

/// Longest timeout: a day.
const MAX_TIMEOUT_S: usize = 86_400;

/// Smallest packet limit: MQTT needs room for a topic and a few bytes.
const MIN_PACKET_BYTES: usize = 1024;

/// Largest packet limit: what MQTT's length field can say.
const MAX_PACKET_BYTES: usize = 268_435_455;

/// Most unacknowledged messages per client; packet ids are 16 bits and searched in turn.
const MAX_INFLIGHT: usize = 1000;

/// What our own client may at least use: enough for a thousand chargers with a dozen topics each.
const OWN_FILTERS: usize = 16_384;
const OWN_QUEUE: usize = 16_384;

/// The embedded broker's checked configuration.
#[derive(Clone, Debug)]
pub struct BrokerConfig {
    pub(super) listeners: Vec<ListenerConfig>,
    pub(super) insecure: bool,
    pub(super) anonymous: Option<AnonymousConfig>,
    pub(super) users: Vec<UserConfig>,
    pub(super) limits: Limits,
    pub(super) router: rumqttd::RouterConfig,
    /// Where our own client is expected; `None` = a new place and password.
    pub(super) internal: Option<Internal>,
}

/// One address to listen on.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ListenerConfig {
    pub(super) address: SocketAddr,
    pub(super) tls: Option<TlsConfig>,
}

/// Certificate chain and private key in PEM files.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TlsConfig {
    pub(super) certificate: PathBuf,
    pub(super) key: PathBuf,
}

/// Rights of clients without a user.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AnonymousConfig {
    #[serde(default)]
    pub(super) read: Vec<String>,
    #[serde(default)]
    pub(super) write: Vec<String>,
}

/// One user with its rights.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct UserConfig {
    pub(super) name: String,
    pub(super) hash: String,
    #[serde(default)]
    pub(super) read: Vec<String>,
    #[serde(default)]
    pub(super) write: Vec<String>,
}

/// What the broker and one client may use; the defaults and their meaning stand in `broker.toml`.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Limits {
    pub(super) connections: usize,
    pub(super) offline_sessions: usize,
    pub(super) filters: usize,
    pub(super) packet_bytes: usize,
    pub(super) queue_messages: usize,
    pub(super) queue_bytes: usize,
    pub(super) inflight: usize,
    pub(super) retained_topics: usize,
    pub(super) retained_bytes: usize,
    pub(super) connect_timeout_s: u64,
    pub(super) write_timeout_s: u64,
}

impl Limits {
    /// Our own client follows every device of the site, and must not lose what they say at once.
    pub(super) fn for_our_own_client(self) -> Self {
        Self {
            filters: self.filters.max(OWN_FILTERS),
            queue_messages: self.queue_messages.max(OWN_QUEUE),
            ..self
        }
    }
}

/// The file as written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    listeners: Vec<ListenerConfig>,
    #[serde(default)]
    insecure: bool,
    anonymous: Option<AnonymousConfig>,
    #[serde(default)]
    users: Vec<UserConfig>,
    limits: Limits,
    router: toml::Table,
}

impl BrokerConfig {
    /// Lets our own client find the next broker where it found the last one.
    pub fn keep_internal(&mut self, internal: Internal) {
        self.internal = Some(internal);
    }

    /// Moves the first listener to `host:port`.
    ///
    /// # Errors
    /// When the text is no address, or the rules for listening beyond loopback are not met.
    pub fn listen_on(&mut self, address: &str) -> anyhow::Result<()> {
        let address = address
            .parse()
            .with_context(|| format!("broker.listen {address:?} is no host:port"))?;
        check_exposure("broker.listen", address, self.insecure, &self.users)?;
        let first = self.listeners.first_mut().context("broker.toml has no listener to move")?;
        first.address = address;
        Ok(())
    }

    /// The built-in default: 127.0.0.1:1883, open to everybody on this machine.
    ///
    /// # Errors
    /// Never for the file that is checked in; a test holds that.
    pub fn built_in() -> anyhow::Result<Self> {
        Self::parse(BUILT_IN, Path::new(""))
    }

    /// Reads a `broker.toml`.
    ///
    /// # Errors
    /// When the file cannot be read or is not accepted; the text names file, place and remedy.
    pub fn load(path: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("{}: cannot be read", path.display()))?;
        let dir = path.parent().unwrap_or(Path::new(""));
        Self::parse(&text, dir).with_context(|| path.display().to_string())
    }

    /// Parses the text of a `broker.toml`; certificate paths are relative to `dir`.
    ///
    /// # Errors
    /// When it is not accepted; the text names place and remedy.
    pub fn parse(text: &str, dir: &Path) -> anyhow::Result<Self> {
        // Parsed once as it is, because these errors name line and column.
        let own: toml::Table = toml::from_str(text)?;
        let mut merged: toml::Table = toml::from_str(BUILT_IN)?;
        if own.contains_key("users") {
            // Whoever lists users wants the others to be listed, too.
            merged.remove("anonymous");
        }
        for (key, value) in own {
            match (merged.get_mut(&key), value) {
                (Some(toml::Value::Table(defaults)), toml::Value::Table(own))
                    if key == "limits" || key == "router" =>
                {
                    defaults.extend(own);
                }
                (_, value) => {
                    merged.insert(key, value);
                }
            }
        }
        let file: File = merged.try_into()?;
        Self::check(file, dir)
    }

    fn check(file: File, dir: &Path) -> anyhow::Result<Self> {
        let mut listeners = file.listeners;
        ensure!(!listeners.is_empty(), "listeners: at least one [[listeners]] section is needed");
        for (at, listener) in listeners.iter_mut().enumerate() {
            let place = format!("listeners[{at}].address");
            check_exposure(&place, listener.address, file.insecure, &file.users)?;
            if let Some(tls) = &mut listener.tls {
                tls.certificate = dir.join(&tls.certificate);
                tls.key = dir.join(&tls.key);
            }
        }
        if let Some(anonymous) = &file.anonymous {
            check_filters("anonymous.read", &anonymous.read)?;
            check_filters("anonymous.write", &anonymous.write)?;
        }
        check_users(&file.users)?;
        check_limits(&file.limits)?;
        Ok(Self {
            listeners,
            insecure: file.insecure,
            anonymous: file.anonymous,
            users: file.users,
            router: router_config(file.router, &file.limits)?,
            limits: file.limits,
            internal: None,
        })
    }
}

/// Beyond loopback everybody needs a user, unless that is spelled out as not wanted.
fn check_exposure(
    place: &str,
    address: SocketAddr,
    insecure: bool,
    users: &[UserConfig],
) -> anyhow::Result<()> {
    ensure!(
        address.ip().is_loopback() || insecure || !users.is_empty(),
        "{place}: {address} can be reached from the network but there are no [[users]]; add users, \
         listen on 127.0.0.1, or write `insecure = true` to let everybody in"
    );
    Ok(())
}

fn check_users(users: &[UserConfig]) -> anyhow::Result<()> {
    let mut names = BTreeSet::new();
    for (at, user) in users.iter().enumerate() {
        ensure!(!user.name.is_empty(), "users[{at}].name: must not be empty");
        ensure!(names.insert(&user.name), "users[{at}].name: {:?} is there twice", user.name);
        ensure!(
            is_hash(&user.hash),
            "users[{at}].hash: not a password hash; `chargebus hash` prints one"
        );
        check_filters(&format!("users[{at}].read"), &user.read)?;
        check_filters(&format!("users[{at}].write"), &user.write)?;
    }
    Ok(())
}

fn check_filters(place: &str, filters: &[String]) -> anyhow::Result<()> {
    for (at, wrong) in filters.iter().enumerate() {
        ensure!(
            filter::is_filter(wrong),
            "{place}[{at}]: {wrong:?} is not a topic filter; + and # must fill a whole level, \
             # the last one"
        );
    }
    Ok(())
}

fn check_limits(limits: &Limits) -> anyhow::Result<()> {
    let timeout = |seconds: u64| usize::try_from(seconds).unwrap_or(usize::MAX);
    let ranges = [
        ("connections", limits.connections, 1..=MAX_SESSIONS),
        ("offline_sessions", limits.offline_sessions, 0..=MAX_SESSIONS),
        ("filters", limits.filters, 1..=usize::MAX),
        ("packet_bytes", limits.packet_bytes, MIN_PACKET_BYTES..=MAX_PACKET_BYTES),
        ("queue_messages", limits.queue_messages, 1..=usize::MAX),
        ("inflight", limits.inflight, 1..=MAX_INFLIGHT),
        ("connect_timeout_s", timeout(limits.connect_timeout_s), 1..=MAX_TIMEOUT_S),
        ("write_timeout_s", timeout(limits.write_timeout_s), 1..=MAX_TIMEOUT_S),
    ];
    for (key, value, range) in ranges {
        let (least, most) = (range.start(), range.end());
        ensure!(*least <= value, "limits.{key}: must be at least {least}");
        ensure!(value <= *most, "limits.{key}: must be at most {most}");
    }
    Ok(())
}

/// rumqttd's section, with as many links as the sessions can need: our own limit on connections
/// is the one that answers clients.
fn router_config(
    mut section: toml::Table,
    limits: &Limits,
) -> anyhow::Result<rumqttd::RouterConfig> {
    if let Some(key) = section.keys().find(|key| !ROUTER_KEYS.contains(&key.as_str())) {
        bail!("router.{key}: has no effect here; remove it (known: {})", ROUTER_KEYS.join(", "));
    }
    section.entry("max_connections").or_insert(toml::Value::Integer(0));
    let mut router: rumqttd::RouterConfig =
        toml::Value::Table(section).try_into().context("router")?;
    let links = limits.connections + limits.offline_sessions + SPARE_LINKS;
    router.max_connections = router.max_connections.clamp(links, 2 * MAX_SESSIONS + SPARE_LINKS);
    ensure!(router.max_outgoing_packet_count >= 1, "router.max_outgoing_packet_count: at least 1");
    ensure!(
        router.max_segment_size >= MIN_SEGMENT_SIZE,
        "router.max_segment_size: must be at least {MIN_SEGMENT_SIZE} bytes"
    );
    ensure!(
        router.max_segment_count >= MIN_SEGMENTS,
        "router.max_segment_count: must be at least {MIN_SEGMENTS}"
    );
    ensure!(
        router.max_segment_size.saturating_mul(router.max_segment_count) <= MAX_LOG_BYTES,
        "router.max_segment_size: times max_segment_count must not exceed {MAX_LOG_BYTES} bytes"
    );
    Ok(router)
}
