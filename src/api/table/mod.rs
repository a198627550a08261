//! The table itself: rows by scope. Whatever is told or can be written stands here once.

mod battery;
mod charger;
mod circuit;
mod configured;
mod detection;
mod history;
mod kept;
mod loadpoint;
mod loadpoint_settings;
mod none;
mod plan;
mod session;
mod settings;
mod site;
mod system;
mod tariff;
mod vehicle;
mod vintage;

use std::sync::LazyLock;

use super::field::{Field, Scope};

pub use none::{NOT_TOLD, NotTold};

pub(super) use tariff::{FORECAST_KEY, forecast_key};

/// The tables as they are written, each sorted by key.
pub const TABLES: &[&[Field]] = &[
    site::ROWS,
    site::MIRRORS,
    system::ROWS,
    settings::SITE,
    battery::SITE,
    battery::LOADPOINT,
    loadpoint_settings::ROWS,
    settings::VEHICLE,
    tariff::SITE,
    tariff::FORECASTS,
    tariff::LIMITS,
    tariff::LOADPOINT,
    history::SITE,
    history::LOADPOINT,
    loadpoint::ROWS,
    loadpoint::MIRRORS,
    session::LOADPOINT,
    session::SITE,
    charger::ROWS,
    vehicle::ROWS,
    plan::LOADPOINT,
    plan::VEHICLE,
    circuit::SITE,
    detection::SITE,
    detection::LOADPOINT,
    detection::VEHICLE,
    circuit::LOADPOINT,
    configured::SITE,
    kept::SITE,
    kept::LOADPOINT,
    vintage::LOADPOINT,
    vintage::VEHICLE,
    none::SITE,
    none::LOADPOINT,
];

/// The rows of a scope, sorted by key. A row is known by its position in this list.
pub fn rows(scope: Scope) -> &'static [&'static Field] {
    static SITE: LazyLock<Vec<&'static Field>> = LazyLock::new(|| sorted(Scope::Site));
    static LOADPOINT: LazyLock<Vec<&'static Field>> = LazyLock::new(|| sorted(Scope::LoadPoint));
    static VEHICLE: LazyLock<Vec<&'static Field>> = LazyLock::new(|| sorted(Scope::Vehicle));
    match scope {
        Scope::Site => &SITE,
        Scope::LoadPoint => &LOADPOINT,
        Scope::Vehicle => &VEHICLE,
    }
}

/// All rows, scope by scope.
pub fn all() -> impl Iterator<Item = &'static Field> {
    [Scope::Site, Scope::LoadPoint, Scope::Vehicle]
        .into_iter()
        .flat_map(|scope| rows(scope).iter().copied())
}

fn sorted(scope: Scope) -> Vec<&'static Field> {
    let mut rows: Vec<_> =
        TABLES.iter().copied().flatten().filter(|field| field.scope == scope).collect();
    rows.sort_by_key(|field| field.key);
    rows
}
