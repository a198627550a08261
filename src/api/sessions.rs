//! Sessions as they are listed, exported and corrected (api.md §3.5, plans-vehicles-devices.md §4.4).

use std::borrow::Cow;
use std::time::Duration;

use chrono::{DateTime, NaiveDate, SecondsFormat, Utc};
use chrono_tz::Tz;

use crate::control::tariff::fixed::day_begins;
use crate::model::{ListedSession, SessionEdit, SessionRow};

use super::Value;
use super::export::{Language, Table, local_text};
use super::payload::{echo, is_null_word};
use super::value::rounded_text;
use super::write::{Answer, Code, MAX_PAYLOAD};

/// Below the root: `sessions/<id>/set`.
const TOPIC: &str = "sessions/";

/// One column of the list: a member in JSON, a column in a table.
struct Column {
    key: &'static str,
    en: &'static str,
    de: &'static str,
    get: fn(&SessionRow) -> Cell<'_>,
}

/// What stands in a column.
enum Cell<'a> {
    Time(Option<DateTime<Utc>>),
    Text(&'a str),
    Number(Option<f64>),
    Price(Option<f64>),
    /// A table tells no decimals.
    Whole(Option<f64>),
    Duration(Option<Duration>),
}

/// The order is that of evcc's files.
const COLUMNS: [Column; 19] = [
    column("created", "Created", "Startzeit", |row| Cell::Time(Some(row.created))),
    column("finished", "Finished", "Endzeit", |row| Cell::Time(row.finished)),
    column("loadpoint", "Charging point", "Ladepunkt", |row| Cell::Text(&row.loadpoint)),
    column("identifier", "Identifier", "Kennung", |row| Cell::Text(&row.identifier)),
    column("vehicle", "Vehicle", "Fahrzeug", |row| Cell::Text(&row.vehicle)),
    column("odometer", "Mileage (km)", "Kilometerstand (km)", |row| {
        Cell::Whole(row.odometer_km.map(|km| (km * 10.0).round() / 10.0))
    }),
    column("meterStart", "Meter start (kWh)", "Anfangszählerstand (kWh)", |row| {
        Cell::Number(row.meter_start.map(|energy| energy.0))
    }),
    column("meterStop", "Meter stop (kWh)", "Endzählerstand (kWh)", |row| {
        Cell::Number(row.meter_end.map(|energy| energy.0))
    }),
    column("chargedEnergy", "Energy (kWh)", "Energie (kWh)", |row| {
        Cell::Number(Some(row.charged.0))
    }),
    column("chargeDuration", "Duration", "Ladedauer", |row| Cell::Duration(row.charge_duration)),
    column("socStart", "SoC start (%)", "Ladestand Start (%)", |row| {
        Cell::Whole(row.soc_start.map(|soc| soc.0))
    }),
    column("socEnd", "SoC end (%)", "Ladestand Ende (%)", |row| {
        Cell::Whole(row.soc_end.map(|soc| soc.0))
    }),
    column("addedRange", "Added range (km)", "Geladene Reichweite (km)", |row| {
        Cell::Whole(row.added_range_km)
    }),
    column("solarPercentage", "Solar (%)", "Sonne (%)", |row| Cell::Number(row.solar_percentage)),
    column("price", "Cost", "Kosten", |row| Cell::Price(row.price)),
    column("pricePerKWh", "Price/kWh", "Preis/kWh", |row| Cell::Price(row.price_per_kwh)),
    column("co2PerKWh", "CO₂/kWh", "CO₂/kWh", |row| Cell::Number(row.co2_per_kwh)),
    // evcc does not translate the captions of the last two.
    column("referencePricePerKWh", "Reference Price/kWh", "Reference Price/kWh", |row| {
        Cell::Price(row.reference_price_per_kwh)
    }),
    column(
        "referenceCo2PerKWh",
        "Reference CO2/kWh (gCO2eq)",
        "Reference CO2/kWh (gCO2eq)",
        |row| Cell::Number(row.reference_co2_per_kwh),
    ),
];

const fn column(
    key: &'static str,
    en: &'static str,
    de: &'static str,
    get: fn(&SessionRow) -> Cell<'_>,
) -> Column {
    Column { key, en, de, get }
}

/// A part of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Period {
    /// First instant.
    pub from: DateTime<Utc>,
    /// First instant after it.
    pub until: DateTime<Utc>,
    /// Name of a file with it, without extension.
    pub file: String,
}

/// The sessions of a year or a month of local time; all without a year.
///
/// # Errors
/// Not a year or not a month, in words.
pub fn period(year: Option<&str>, month: Option<&str>, zone: Tz) -> Result<Period, String> {
    let Some(year) = year.filter(|year| !year.is_empty()) else {
        let until = DateTime::from_timestamp(LAST_S, 0).unwrap_or(DateTime::UNIX_EPOCH);
        return Ok(Period { from: DateTime::UNIX_EPOCH, until, file: "session".to_owned() });
    };
    let number: i32 = year
        .parse()
        .ok()
        .filter(|number| (1970..9999).contains(number))
        .ok_or_else(|| format!("invalid year: {year} (expected 1970 to 9998)"))?;
    let begin = |year, month| {
        let date = NaiveDate::from_ymd_opt(year, month, 1)?;
        day_begins(zone, date)
    };
    let (from, until, file) = match month.filter(|month| !month.is_empty()) {
        None => (begin(number, 1), begin(number + 1, 1), format!("session-{number}")),
        Some(month) => {
            let month: u32 = month
                .parse()
                .ok()
                .filter(|number| (1..=12).contains(number))
                .ok_or_else(|| format!("invalid month: {month} (expected 1 to 12)"))?;
            let next = if month == 12 { begin(number + 1, 1) } else { begin(number, month + 1) };
            (begin(number, month), next, format!("session-{number}-{month:02}"))
        }
    };
    let (Some(from), Some(until)) = (from, until) else {
        return Err(format!("invalid year: {year} (no such time)"));
    };
    Ok(Period { from, until, file })
}

/// The end of the year 9998.
const LAST_S: i64 = 253_370_764_800;

/// The list as JSON, times in local time.
pub fn sessions_json(sessions: &[ListedSession], zone: Tz) -> String {
    let objects = sessions.iter().map(|ListedSession { id, row }| {
        let mut members = vec![(Cow::Borrowed("id"), Value::Int(*id))];
        members.extend(
            COLUMNS.iter().map(|column| (Cow::Borrowed(column.key), (column.get)(row).value(zone))),
        );
        members.push((Cow::Borrowed("pricedEnergy"), Value::float(row.priced.0)));
        Value::Object(members)
    });
    Value::List(objects.collect()).json()
}

/// The list as a table, times in local time.
pub fn sessions_csv(sessions: &[ListedSession], zone: Tz, language: Language) -> String {
    let captions = COLUMNS.each_ref().map(|column| match language {
        Language::English => column.en,
        Language::German => column.de,
    });
    let mut table = Table::new(&captions);
    for session in sessions {
        table.row(&COLUMNS.each_ref().map(|column| (column.get)(&session.row).text(zone)));
    }
    table.finish()
}

impl Cell<'_> {
    fn value(&self, zone: Tz) -> Value {
        let number = |number: Option<f64>| number.map_or(Value::Null, Value::float);
        match self {
            Self::Time(None) => Value::Null,
            Self::Time(Some(time)) => {
                Value::text(time.with_timezone(&zone).to_rfc3339_opts(SecondsFormat::Secs, true))
            }
            Self::Text(text) => Value::text(*text),
            Self::Number(value) | Self::Whole(value) => number(*value),
            Self::Price(price) => price.map_or(Value::Null, Value::price),
            // Nanoseconds, as evcc's clients expect it (api.md §9, 8).
            Self::Duration(time) => time.map_or(Value::Null, |time| {
                Value::Int(i64::try_from(time.as_nanos()).unwrap_or(i64::MAX))
            }),
        }
    }

    fn text(&self, zone: Tz) -> String {
        let number = |value: Option<f64>, decimals| {
            value.map_or_else(String::new, |value| rounded_text(value, decimals))
        };
        match self {
            Self::Time(time) => time.map_or_else(String::new, |time| local_text(zone, time)),
            Self::Text(text) => (*text).to_owned(),
            Self::Number(value) | Self::Price(value) => number(*value, 4),
            Self::Whole(value) => number(*value, 0),
            Self::Duration(time) => time.map_or_else(String::new, duration_text),
        }
    }
}

/// `2h41m20s`, as evcc prints it.
fn duration_text(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, seconds) => format!("{seconds}s"),
        (0, minutes, seconds) => format!("{minutes}m{seconds}s"),
        (hours, minutes, seconds) => format!("{hours}h{minutes}m{seconds}s"),
    }
}

/// What a user wants done with a session.
#[derive(Clone, Debug, PartialEq)]
pub enum SessionRequest {
    /// Correct it.
    Edit(SessionEdit),
    /// Remove it from the list.
    Delete,
}

/// Reads a correction: `vehicle`, `loadpoint` and `odometer` of a JSON object; null clears.
///
/// # Errors
/// Nothing that can be corrected, or not in its form, in words.
pub fn session_edit(json: &serde_json::Value) -> Result<SessionEdit, String> {
    let title = |key: &str| match json.get(key) {
        None => Ok(None),
        Some(serde_json::Value::Null) => Ok(Some(String::new())),
        Some(serde_json::Value::String(title)) => Ok(Some(title.clone())),
        Some(_) => Err(format!("{key} must be text or null")),
    };
    let odometer_km = match json.get("odometer") {
        None => None,
        Some(serde_json::Value::Null) => Some(None),
        Some(number) => {
            let km = number.as_f64().filter(|km| (0.0..=ODOMETER_MAX_KM).contains(km));
            Some(Some(km.ok_or("odometer must be 0 to 10000000 km or null")?))
        }
    };
    let edit =
        SessionEdit { vehicle: title("vehicle")?, loadpoint: title("loadpoint")?, odometer_km };
    if edit == SessionEdit::default() { Err("nothing to update".to_owned()) } else { Ok(edit) }
}

/// No car comes near this.
const ODOMETER_MAX_KM: f64 = 1e7;

/// Whether a set topic below the root names a session.
pub fn is_session_topic(topic: &str) -> bool {
    topic.starts_with(TOPIC)
}

/// Reads `sessions/<id>/set`: JSON corrects, a null word deletes. Comes back with the id, what is to
/// be done, and the answer if that succeeds; or with the answer that it is not done.
///
/// # Errors
/// The answer, if nothing can be done.
pub fn session_request(
    topic: &str,
    payload: &[u8],
) -> Result<(i64, SessionRequest, Box<Answer>), Box<Answer>> {
    let id = topic.strip_prefix(TOPIC).and_then(|rest| rest.strip_suffix("/set")?.parse().ok());
    let text = match std::str::from_utf8(payload) {
        _ if payload.len() > MAX_PAYLOAD => {
            let message = format!("{} bytes are more than {MAX_PAYLOAD}", payload.len());
            return Err(Answer::refusal(Code::TooLarge, message));
        }
        Err(_) => return Err(Answer::refusal(Code::InvalidType, "the payload is not UTF-8")),
        Ok(text) => text.trim(),
    };
    let json: serde_json::Value = serde_json::from_str(text).unwrap_or_default();
    let answer = |code, message: String| {
        let mut answer = Answer::refusal(code, message);
        answer.requested = echo(text);
        answer.id = json.get("id").cloned();
        answer
    };
    let Some(id) = id else {
        return Err(answer(Code::UnknownTopic, "a session is named by its number".to_owned()));
    };
    let mut done = answer(Code::Ok, String::new());
    let request = match is_null_word(text) {
        true => SessionRequest::Delete,
        false => {
            let edit = session_edit(&json).map_err(|why| answer(Code::InvalidType, why))?;
            done.applied = Value::Json(json.clone());
            SessionRequest::Edit(edit)
        }
    };
    Ok((id, request, done))
}
