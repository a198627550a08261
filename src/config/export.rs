//! Where values go besides MQTT: `influx` and `metrics` (plans-vehicles-devices.md §9.2).

use super::reader::Section;
use super::unsupported::Scope;

/// The InfluxDB to write to, version 1.8 or newer, or whoever speaks like it.
#[derive(Clone, PartialEq, Eq)]
pub struct Influx {
    /// Its address.
    pub url: String,
    /// Database, or bucket.
    pub database: String,
    /// Organisation; empty before version 2.
    pub org: String,
    /// Access token; empty where user and password count.
    pub token: String,
    /// User; empty for none.
    pub user: String,
    /// Password.
    pub password: String,
    /// Do not verify the certificate.
    pub insecure: bool,
}

impl std::fmt::Debug for Influx {
    /// Leaves the secrets out.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Influx").field("database", &self.database).finish_non_exhaustive()
    }
}

/// `influx`, if it is there and complete.
pub(super) fn influx(root: &Section<'_>) -> Option<Influx> {
    let section = root.section("influx")?;
    let text = |key| section.text(key).unwrap_or_default();
    let mut influx = Influx {
        url: String::new(),
        database: text("database"),
        org: text("org"),
        token: text("token"),
        user: text("user"),
        password: text("password"),
        insecure: section.flag("insecure").unwrap_or(false),
    };
    let url = section.get("url").and_then(|field| field.text()).unwrap_or_default();
    let url = url.trim().trim_end_matches('/');
    if url.contains('@') {
        section.error("url", "must be without user and password: write them under user, password");
    } else if url.is_empty() {
        section.error("url", "must be the address of InfluxDB, like http://localhost:8086");
    } else if !url.contains("://") {
        influx.url = format!("http://{url}");
    } else if url.starts_with("http://") || url.starts_with("https://") {
        influx.url = url.to_owned();
    } else {
        section.error("url", "must begin with http:// or https://");
    }
    if influx.database.is_empty() {
        section.error("database", "must name the database, or the bucket");
    }
    if !influx.token.is_empty() && !influx.user.is_empty() {
        section.notice("user", "is not used beside token");
    }
    section.finish(Scope::Other);
    (!influx.url.is_empty()).then_some(influx)
}

/// `metrics: true` serves `GET /metrics` for Prometheus.
pub(super) fn metrics(root: &Section<'_>) -> bool {
    root.flag("metrics").unwrap_or(false)
}
