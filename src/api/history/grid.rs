//! Times in which the grid operator limited what is drawn or fed in (api.md §3.5).

use chrono_tz::Tz;

use crate::api::Value;
use crate::api::export::{Language, Table, local_text};
use crate::model::{GridSession, Watts};

/// The bare answer.
pub fn grid_sessions_json(sessions: &[GridSession]) -> String {
    let session = |session: &GridSession| {
        Value::Object(vec![
            ("id".into(), Value::Int(session.id)),
            ("created".into(), Value::time(session.created)),
            ("finished".into(), session.finished.map_or(Value::Absent, Value::time)),
            ("type".into(), Value::text(session.kind.clone())),
            ("grid".into(), session.grid.map_or(Value::Absent, Value::from)),
            ("limit".into(), Value::from(session.limit)),
        ])
    };
    Value::List(sessions.iter().map(session).collect()).json()
}

/// As a table. Powers are in kW, as the captions say; evcc's are in W below the same captions (W-13).
pub fn grid_sessions_csv(sessions: &[GridSession], zone: Tz, language: Language) -> String {
    let captions = match language {
        Language::English => ["Created", "Finished", "Type", "Grid Power (kW)", "Limit (kW)"],
        Language::German => ["Startzeit", "Endzeit", "Typ", "Netzbezug (kW)", "Limit (kW)"],
    };
    let kilowatts = |power: Watts| Value::float(power.0 / 1000.0).mqtt_text();
    let mut table = Table::new(&captions);
    for session in sessions {
        table.row(&[
            local_text(zone, session.created),
            session.finished.map_or_else(String::new, |time| local_text(zone, time)),
            session.kind.clone(),
            session.grid.map_or_else(String::new, kilowatts),
            kilowatts(session.limit),
        ]);
    }
    table.finish()
}
