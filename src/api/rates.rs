//! The spellings of a tariff's slots: MQTT, JSON state and `GET /api/tariff` (api.md §1.5.4, §3.2, §4.7).

use std::fmt::Write as _;
use std::sync::Arc;

use crate::model::{ForecastForm, Rate};

use super::value::{PRICE_DECIMALS, rfc3339, write_comma, write_decimals};

/// Slots of a tariff, shared, and how the JSON state spells them.
#[derive(Clone, Debug, PartialEq)]
pub struct Slots {
    /// The slots, in order.
    pub rates: Arc<[Rate]>,
    /// Their spelling in the JSON state; MQTT has one for all.
    pub form: ForecastForm,
}

impl Slots {
    /// Appends the slots as the JSON state has them.
    pub(super) fn write_json(&self, out: &mut String) {
        match self.form {
            ForecastForm::Compact => write_triples(&self.rates, out),
            ForecastForm::Objects => out.push_str(&objects(&self.rates)),
        }
    }

    /// Appends the starts with their values: the series of a solar forecast.
    pub(super) fn write_series(&self, out: &mut String) {
        match self.form {
            ForecastForm::Compact => write_pairs(&self.rates, out),
            ForecastForm::Objects => out.push_str(&points(&self.rates)),
        }
    }
}

/// `[{"start":…,"end":…,"value":…}]`: MQTT and REST.
pub(super) fn objects(rates: &[Rate]) -> String {
    let mut out = String::new();
    write_list(rates, &mut out, |rate, out| {
        let (start, end) = (rfc3339(rate.start), rfc3339(rate.end));
        let _ = write!(out, r#"{{"start":"{start}","end":"{end}","value":"#);
        write_decimals(rate.value, PRICE_DECIMALS, out);
        out.push('}');
    });
    out
}

/// `[{"ts":…,"val":…}]`: the series of a solar forecast on MQTT.
pub(super) fn points(rates: &[Rate]) -> String {
    let mut out = String::new();
    write_list(rates, &mut out, |rate, out| {
        let _ = write!(out, r#"{{"ts":"{}","val":"#, rfc3339(rate.start));
        write_decimals(rate.value, PRICE_DECIMALS, out);
        out.push('}');
    });
    out
}

/// Appends `[[start,end,value]]` with Unix times.
fn write_triples(rates: &[Rate], out: &mut String) {
    write_list(rates, out, |rate, out| {
        let _ = write!(out, "[{},{},", rate.start.timestamp(), rate.end.timestamp());
        write_decimals(rate.value, PRICE_DECIMALS, out);
        out.push(']');
    });
}

/// Appends `[[start,value]]`.
fn write_pairs(rates: &[Rate], out: &mut String) {
    write_list(rates, out, |rate, out| {
        let _ = write!(out, "[{},", rate.start.timestamp());
        write_decimals(rate.value, PRICE_DECIMALS, out);
        out.push(']');
    });
}

fn write_list(rates: &[Rate], out: &mut String, write: impl Fn(&Rate, &mut String)) {
    out.push('[');
    for (n, rate) in rates.iter().enumerate() {
        write_comma(n, out);
        write(rate, out);
    }
    out.push(']');
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;

    #[test]
    fn worked_example() {
        let at = |hour: i64| DateTime::from_timestamp(1_735_689_600 + hour * 3600, 0).unwrap();
        let rates = [(0, 0.25), (1, -0.1)].map(|(hour, value)| Rate {
            start: at(hour),
            end: at(hour + 1),
            value,
        });
        let mut out = String::new();
        write_triples(&rates, &mut out);
        assert_eq!(out, "[[1735689600,1735693200,0.25],[1735693200,1735696800,-0.1]]", "E-60");
        let mut out = String::new();
        write_pairs(
            &[Rate { value: 1000.0, ..rates[0] }, Rate { value: 0.0, ..rates[1] }],
            &mut out,
        );
        assert_eq!(out, "[[1735689600,1000],[1735693200,0]]", "E-60");
        assert_eq!(
            objects(&rates[..1]),
            r#"[{"start":"2025-01-01T00:00:00Z","end":"2025-01-01T01:00:00Z","value":0.25}]"#
        );
        assert_eq!(points(&rates[..1]), r#"[{"ts":"2025-01-01T00:00:00Z","val":0.25}]"#);
    }
}
