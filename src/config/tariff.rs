//! `tariffs:`: currency, contracts with zones, and forecasts that come from elsewhere
//! (plans-vehicles-devices.md §2.3–§2.6).

use std::time::Duration;

use super::device::Source;
use super::finding::Flaw;
use super::reader::{Field, Section};
use super::source::{Want, source};
use super::text::quoted;
use super::unsupported::Scope;
use super::zone;
use crate::model::{Charges, Formula, TariffKind, TariffUse, Zone};

const CURRENCY: &str = "EUR";
/// How often a forecast is expected where nothing is said.
const INTERVAL: Duration = Duration::from_secs(3600);
/// How often a price is asked for where nothing is said (`cache`).
const PRICE_INTERVAL: Duration = Duration::from_secs(900);
/// Most solar forecasts that are added up.
const MAX_SOLAR: usize = 10;
/// Most tariffs that continue each other.
const MAX_MERGED: usize = 4;
/// evcc's providers come later.
const CUSTOM: &str = "describe it as type custom with a price or a forecast over MQTT or HTTP";

/// One tariff of the site.
#[derive(Clone, Debug, PartialEq)]
pub struct Tariff {
    /// What it is used for; several tariffs for `Solar` are added up.
    pub usage: TariffUse,
    /// What its values are.
    pub kind: TariffKind,
    /// Where they come from.
    pub source: TariffSource,
    /// What comes on top of them.
    pub charges: Charges,
    /// Every value counts as the mean of its hour.
    pub average: bool,
    /// How often news is expected.
    pub interval: Duration,
    /// It goes on where the one before it ends (`type: merged`).
    pub continues: bool,
}

/// Where the values of a tariff come from.
#[derive(Clone, Debug, PartialEq)]
pub enum TariffSource {
    /// A contract.
    Fixed {
        /// Currency/kWh where no zone matches.
        price: f64,
        /// Prices of certain times; the last one that matches wins.
        zones: Vec<Zone>,
    },
    /// The price of now: `Mqtt`, `Http` or `Const`.
    Price(Source),
    /// A JSON array of rates: `Mqtt`, `Http` or `Const`.
    Forecast(Source),
}

/// The currency and the tariffs.
pub(super) fn read(root: &Section<'_>) -> (String, Vec<Tariff>) {
    let Some(section) = root.section("tariffs") else {
        return (CURRENCY.to_owned(), Vec::new());
    };
    let currency = currency(&section);
    let mut tariffs = Vec::new();
    for usage in TariffUse::ALL {
        let Some(field) = section.get(usage.as_str()) else { continue };
        let fields = match (usage, field.is_map()) {
            (TariffUse::Solar, false) => field.items(),
            _ => vec![field.clone()],
        };
        if fields.len() > MAX_SOLAR {
            field.error(format!("has more than {MAX_SOLAR} forecasts"));
        }
        for field in fields {
            tariffs.extend(one_of(&field, *usage, MAX_MERGED));
        }
    }
    section.finish(Scope::Other);
    (currency, tariffs)
}

fn currency(section: &Section<'_>) -> String {
    let field = section.get("currency");
    let Some((code, field)) = field.and_then(|field| Some((field.text()?, field))) else {
        return CURRENCY.to_owned();
    };
    if code.len() != 3 || !code.bytes().all(|letter| letter.is_ascii_alphabetic()) {
        field.error(format!("must have three letters like EUR, found {}", quoted(&code)));
    }
    code.to_ascii_uppercase()
}

/// A tariff, or none if it cannot be used; one with those that continue it, at most `parts` in all.
fn one_of(field: &Field<'_>, usage: TariffUse, parts: usize) -> Vec<Tariff> {
    match tariff(field, usage, parts) {
        Ok(tariffs) => tariffs,
        Err(Flaw::Reported) => Vec::new(),
        Err(Flaw::Unsupported(mut finding)) => {
            finding.text.push_str("; the tariff is left out");
            field.report.notice(finding);
            Vec::new()
        }
    }
}

fn tariff(field: &Field<'_>, usage: TariffUse, parts: usize) -> Result<Vec<Tariff>, Flaw> {
    let section = field.section().ok_or(Flaw::Reported)?;
    let kind = section.need("type")?;
    let word = kind.text().ok_or(Flaw::Reported)?;
    match word.to_lowercase().as_str() {
        "fixed" => Ok(vec![fixed(section, usage)?]),
        "custom" => Ok(vec![custom(section, usage)?]),
        "merged" => merged(section, usage, parts),
        "template" => {
            let template = section.text("template").unwrap_or_default();
            if template == "merged" {
                return merged(section, usage, parts);
            }
            let name = quoted(&template);
            Err(kind.unsupported(format!("the template {name} is not built yet: {CUSTOM}")))
        }
        _ => Err(kind.unsupported(format!("type {} is not built yet: {CUSTOM}", quoted(&word)))),
    }
}

/// The first tariff, and the second one from where it ends (§2.6). What cannot be used of them is left
/// out, as it is when it fails later on.
fn merged(section: Section<'_>, usage: TariffUse, parts: usize) -> Result<Vec<Tariff>, Flaw> {
    let (primary, secondary) = (section.need("primary"), section.need("secondary"));
    section.finish(Scope::Other);
    let (primary, secondary) = (primary?, secondary?);
    if parts < 2 {
        secondary.error(format!("is one tariff too many: at most {MAX_MERGED} can be merged"));
        return Err(Flaw::Reported);
    }
    let mut tariffs = one_of(&primary, usage, parts - 1);
    let mut after = one_of(&secondary, usage, parts - tariffs.len().max(1));
    if let (Some(first), Some(second)) = (tariffs.first(), after.first()) {
        let kind = match (first.kind, second.kind) {
            (first, second) if first == second => first,
            (first, second) if first.is_price() && second.is_price() => TariffKind::PriceForecast,
            (first, second) => {
                secondary.error(format!(
                    "gives {second}, the primary one gives {first}: both must be of one kind"
                ));
                return Err(Flaw::Reported);
            }
        };
        after[0].continues = true;
        tariffs.extend(after);
        tariffs.iter_mut().for_each(|tariff| tariff.kind = kind);
        return Ok(tariffs);
    }
    tariffs.extend(after);
    Ok(tariffs)
}

fn fixed(section: Section<'_>, usage: TariffUse) -> Result<Tariff, Flaw> {
    let price = section.need("price").and_then(|field| field.number().ok_or(Flaw::Reported));
    let zones = section.get("zones").map(|field| zone::read(&field, "price")).unwrap_or_default();
    let charges = charges(&section);
    // evcc takes this from every tariff; a contract needs no news.
    section.has("interval");
    section.finish(Scope::Other);
    let (price, charges) = (price?, charges?);
    let formula = charges.formula.as_ref().is_some_and(Formula::varies);
    let varies = formula || !zones.is_empty() || !charges.zones.is_empty();
    let kind = if varies { TariffKind::PriceForecast } else { TariffKind::PriceStatic };
    let source = TariffSource::Fixed { price, zones };
    let (average, continues) = (false, false);
    Ok(Tariff { usage, kind, source, charges, average, interval: INTERVAL, continues })
}

fn custom(section: Section<'_>, usage: TariffUse) -> Result<Tariff, Flaw> {
    let price = section.get("price");
    let forecast = section.get("forecast");
    let (field, is_price) = match (price, forecast) {
        (Some(price), None) => (price, true),
        (None, Some(forecast)) => (forecast, false),
        (Some(price), Some(_)) => {
            price.error("says the same as forecast: keep one");
            return Err(Flaw::Reported);
        }
        (None, None) => {
            section.error("", "needs price or forecast");
            return Err(Flaw::Reported);
        }
    };
    let kind = match section.get("tariff") {
        Some(field) => field.spelled(TariffKind::SPELLINGS),
        None => Some(natural_kind(usage, is_price)),
    };
    let charges = charges(&section);
    let average = average(&section);
    let interval = section.get("interval").and_then(|field| {
        let interval = field.duration()?;
        if interval.is_zero() {
            field.error("must not be 0");
        }
        Some(interval)
    });
    // A message is looked at when it arrives; only what must be asked for has an interval of its own.
    let cache = section.duration("cache").filter(|cache| !cache.is_zero());
    section.finish(Scope::Other);
    let values = values(&field, if is_price { Want::Number } else { Want::Text })?;
    let source = match is_price {
        true => TariffSource::Price(values),
        false => TariffSource::Forecast(values),
    };
    let usual = match &source {
        TariffSource::Price(Source::Http(_)) => cache.unwrap_or(PRICE_INTERVAL),
        TariffSource::Price(_) | TariffSource::Forecast(_) | TariffSource::Fixed { .. } => INTERVAL,
    };
    let interval = interval.unwrap_or(usual);
    let (kind, charges) = (kind.ok_or(Flaw::Reported)?, charges?);
    Ok(Tariff { usage, kind, source, charges, average, interval, continues: false })
}

/// What the values are unless `tariff` says otherwise.
fn natural_kind(usage: TariffUse, is_price: bool) -> TariffKind {
    match usage {
        TariffUse::Co2 => TariffKind::Co2,
        TariffUse::Solar => TariffKind::Solar,
        TariffUse::Temperature => TariffKind::Temperature,
        TariffUse::Grid | TariffUse::FeedIn | TariffUse::Planner if is_price => {
            TariffKind::PriceDynamic
        }
        TariffUse::Grid | TariffUse::FeedIn | TariffUse::Planner => TariffKind::PriceForecast,
    }
}

fn values(field: &Field<'_>, want: Want) -> Result<Source, Flaw> {
    match source(field, want)? {
        values @ (Source::Mqtt(_) | Source::Const(_) | Source::Http(_)) => Ok(values),
        Source::Modbus(_)
        | Source::SunSpec(_)
        | Source::Socket(_)
        | Source::Script(_)
        | Source::Js(_)
        | Source::Demo(_)
        | Source::Composite(_) => {
            Err(field.unsupported("tariffs come from source mqtt, http or const"))
        }
    }
}

/// `features: [average]`; `cacheable` is what every forecast is here.
fn average(section: &Section<'_>) -> bool {
    let Some(features) = section.get("features") else { return false };
    let mut average = false;
    for feature in features.items() {
        match feature.text().map(|word| word.to_lowercase()).as_deref() {
            Some("average") => average = true,
            Some("cacheable") | None => {}
            Some(word) => feature.notice(format!("unknown feature {}, ignored", quoted(word))),
        }
    }
    average
}

/// `charges`, `chargesZones`, `tax` and `formula`.
fn charges(section: &Section<'_>) -> Result<Charges, Flaw> {
    let charge = section.number("charges").unwrap_or(0.0);
    let zones = section.get("chargesZones").map(|field| zone::read(&field, "charges"));
    let tax = section.get("tax").and_then(|field| field.number_within(0.0, 10.0));
    let formula = section.get("formula").map(|field| {
        let text = field.text().ok_or(Flaw::Reported)?;
        Formula::parse(&text).map_err(|error| {
            field.error(error);
            Flaw::Reported
        })
    });
    Ok(Charges {
        charge,
        zones: zones.unwrap_or_default(),
        tax: tax.unwrap_or(0.0),
        formula: formula.transpose()?,
    })
}
