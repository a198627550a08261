//! A forecast as others publish it: a JSON array of rates (plans-vehicles-devices.md §2.1, §2.6).

use chrono::{DateTime, Datelike as _, Utc};
use serde_json::Value;

use crate::model::Rate;

use super::slots::{MAX_SLOTS, ordered};

/// Reads `[{"start":…,"end":…,"value":…}]`, with RFC 3339 or Unix times and `price` as older releases
/// have it, or `[[start, end, value]]`. The rates come back in order and without overlaps.
///
/// # Errors
/// What is wrong, with the position; an empty array is no forecast (F28).
pub fn parse(text: &str) -> Result<Vec<Rate>, String> {
    let json: Value = serde_json::from_str(text).map_err(|error| format!("not JSON: {error}"))?;
    let items = json.as_array().ok_or("not a JSON array of rates")?;
    if items.len() > MAX_SLOTS {
        return Err(format!("{} rates are more than {MAX_SLOTS}", items.len()));
    }
    let rates: Result<Vec<_>, _> =
        items.iter().enumerate().map(|(n, item)| read(item).ok_or(n)).collect();
    let rates = rates.map_err(|n| format!("rate {} is not {{start, end, value}}", n + 1))?;
    let rates = ordered(rates);
    if rates.is_empty() { Err("there are no rates in it".to_owned()) } else { Ok(rates) }
}

/// Writes rates so that [`parse`] reads them: `[[start, end, value]]`.
pub fn compact(rates: &[Rate]) -> Value {
    let triple = |rate: &Rate| -> Value {
        vec![rate.start.timestamp().into(), rate.end.timestamp().into(), Value::from(rate.value)]
            .into()
    };
    rates.iter().map(triple).collect()
}

fn read(item: &Value) -> Option<Rate> {
    let (start, end, value) = match item.as_array() {
        Some(parts) => (parts.first()?, parts.get(1)?, parts.get(2)?),
        None => (item.get("start")?, item.get("end")?, item.get("value").or(item.get("price"))?),
    };
    Some(Rate { start: time(start)?, end: time(end)?, value: value.as_f64()? })
}

/// Seconds may have come out of a division; a year has four digits, so that no slot beside it is
/// beyond the calendar.
fn time(value: &Value) -> Option<DateTime<Utc>> {
    let time = match value.as_str() {
        Some(text) => DateTime::parse_from_rfc3339(text).ok()?.to_utc(),
        None => DateTime::from_timestamp(value.as_f64()?.round() as i64, 0)?,
    };
    (0..=9999).contains(&time.year()).then_some(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_known_form_is_read() {
        let forms = [
            r#"[{"start":"2025-01-01T00:00:00Z","end":"2025-01-01T01:00:00Z","value":0.25},
                {"start":"2025-01-01T02:00:00+01:00","end":"2025-01-01T03:00:00+01:00","value":-0.1}]"#,
            r#"[{"start":1735693200,"end":1735696800,"price":-0.1},
                {"start":1735689600,"end":1735693200,"price":0.25}]"#,
            "[[1735689600,1735693200,0.25],[1735693200,1735696800,-0.1]]",
            "[[1735689600.0,1735693200.0,0.25],[1735693200.0,1735696800.0,-0.1]]",
        ];
        for form in forms {
            let rates = parse(form).unwrap();
            let compact = compact(&rates).to_string();
            assert_eq!(compact, forms[2], "E-60");
        }
    }

    #[test]
    fn garbage_is_refused() {
        let cases = [
            ("", "not JSON"),
            ("{}", "not a JSON array"),
            ("0.3", "not a JSON array"),
            ("[]", "no rates"),
            ("[[1,2]]", "rate 1 is not"),
            ("[[1735689600,1735693200,0.25],{}]", "rate 2 is not"),
            (r#"[{"start":"tomorrow","end":"later","value":1}]"#, "rate 1 is not"),
            (r#"[{"start":1,"end":2,"value":"cheap"}]"#, "rate 1 is not"),
            ("[[2,1,0.5]]", "no rates"),
            ("[[1,99999999999999999,1]]", "rate 1 is not"),
            ("[[8210266876000,8210266876799,1]]", "rate 1 is not"), // the last second there is
        ];
        for (text, why) in cases {
            let error = parse(text).unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
        let many = format!("[{}[1,2,3]]", "[1,2,3],".repeat(MAX_SLOTS));
        assert!(parse(&many).unwrap_err().contains("more than"));
    }
}
