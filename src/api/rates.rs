//! The spellings of a tariff's slots: MQTT, JSON state and `GET /api/tariff` (api.md §1.5.4, §3.2, §4.7).

use std::fmt::Write as _;
use std::sync::{Arc, OnceLock};

use crate::model::{ForecastForm, Rate};

use super::value::{PRICE_DECIMALS, rfc3339, write_comma, write_decimals};

/// Slots of a tariff, shared, and how the JSON state spells them; MQTT has one spelling for all.
#[derive(Clone, Debug)]
pub struct Slots {
    /// The slots, in order.
    pub rates: Arc<[Rate]>,
    form: ForecastForm,
    /// Without ends: the series of a solar forecast.
    series: bool,
    /// Their spelling in the JSON state, once it was asked for: there are thousands of them, and they
    /// stay the same from one state to the next.
    json: Arc<OnceLock<Box<str>>>,
}

impl PartialEq for Slots {
    fn eq(&self, other: &Self) -> bool {
        self.rates == other.rates && self.form == other.form && self.series == other.series
    }
}

impl Slots {
    /// Starts, ends and values.
    pub fn new(rates: Arc<[Rate]>, form: ForecastForm) -> Self {
        Self { rates, form, series: false, json: Arc::default() }
    }

    /// Starts with their values.
    pub(super) fn series(rates: Arc<[Rate]>, form: ForecastForm) -> Self {
        Self { series: true, ..Self::new(rates, form) }
    }

    /// As MQTT carries them.
    pub(super) fn mqtt_text(&self) -> String {
        if self.series { points(&self.rates) } else { objects(&self.rates) }
    }

    /// As the JSON state has them.
    pub(super) fn json(&self) -> &str {
        self.json.get_or_init(|| {
            let text = match (self.form, self.series) {
                (ForecastForm::Compact, false) => triples(&self.rates),
                (ForecastForm::Compact, true) => pairs(&self.rates),
                (ForecastForm::Objects, false) => objects(&self.rates),
                (ForecastForm::Objects, true) => points(&self.rates),
            };
            text.into_boxed_str()
        })
    }
}

/// `[{"start":…,"end":…,"value":…}]`: MQTT and REST.
pub(super) fn objects(rates: &[Rate]) -> String {
    list(rates, |rate, out| {
        let (start, end) = (rfc3339(rate.start), rfc3339(rate.end));
        let _ = write!(out, r#"{{"start":"{start}","end":"{end}","value":"#);
        write_decimals(rate.value, PRICE_DECIMALS, out);
        out.push('}');
    })
}

/// `[{"ts":…,"val":…}]`: the series of a solar forecast on MQTT.
fn points(rates: &[Rate]) -> String {
    list(rates, |rate, out| {
        let _ = write!(out, r#"{{"ts":"{}","val":"#, rfc3339(rate.start));
        write_decimals(rate.value, PRICE_DECIMALS, out);
        out.push('}');
    })
}

/// `[[start,end,value]]` with Unix times.
fn triples(rates: &[Rate]) -> String {
    list(rates, |rate, out| {
        let _ = write!(out, "[{},{},", rate.start.timestamp(), rate.end.timestamp());
        write_decimals(rate.value, PRICE_DECIMALS, out);
        out.push(']');
    })
}

/// `[[start,value]]`.
fn pairs(rates: &[Rate]) -> String {
    list(rates, |rate, out| {
        let _ = write!(out, "[{},", rate.start.timestamp());
        write_decimals(rate.value, PRICE_DECIMALS, out);
        out.push(']');
    })
}

fn list(rates: &[Rate], write: impl Fn(&Rate, &mut String)) -> String {
    let mut out = String::from("[");
    for (n, rate) in rates.iter().enumerate() {
        write_comma(n, &mut out);
        write(rate, &mut out);
    }
    out.push(']');
    out
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
        assert_eq!(
            triples(&rates),
            "[[1735689600,1735693200,0.25],[1735693200,1735696800,-0.1]]",
            "E-60"
        );
        let sun = [Rate { value: 1000.0, ..rates[0] }, Rate { value: 0.0, ..rates[1] }];
        assert_eq!(pairs(&sun), "[[1735689600,1000],[1735693200,0]]", "E-60");
        assert_eq!(
            objects(&rates[..1]),
            r#"[{"start":"2025-01-01T00:00:00Z","end":"2025-01-01T01:00:00Z","value":0.25}]"#
        );
        assert_eq!(points(&rates[..1]), r#"[{"ts":"2025-01-01T00:00:00Z","val":0.25}]"#);
    }
}
