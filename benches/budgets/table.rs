//! Samples become rows, rows become one Markdown table.

use std::fmt;
use std::time::Duration;

/// What a sample counts; its text and its scale.
#[derive(Clone, Copy)]
pub(crate) enum Unit {
    Micros,
    Millis,
    Mebibytes,
    Percent,
}

/// The budget of a row, in its unit.
#[derive(Clone, Copy)]
pub(crate) enum Budget {
    /// For orientation: the design promises nothing.
    None,
    /// The 99th percentile stays at or below this.
    P99(f64),
    /// Median and 99th percentile.
    Both(f64, f64),
}

/// One line of the table.
struct Row {
    what: String,
    unit: Unit,
    budget: Budget,
    /// Ascending.
    samples: Vec<f64>,
}

/// The rows in the order of measuring, and remarks.
#[derive(Default)]
pub(crate) struct Table {
    rows: Vec<Row>,
    notes: Vec<String>,
}

impl Table {
    /// Adds a row; without samples it says that nothing was measured.
    pub(crate) fn add(
        &mut self,
        what: impl Into<String>,
        unit: Unit,
        budget: Budget,
        mut samples: Vec<f64>,
    ) {
        samples.sort_by(f64::total_cmp);
        self.rows.push(Row { what: what.into(), unit, budget, samples });
    }

    /// Adds a row of times in milliseconds.
    pub(crate) fn times(&mut self, what: impl Into<String>, budget: Budget, samples: &[Duration]) {
        let millis = samples.iter().map(|time| time.as_secs_f64() * 1e3).collect();
        self.add(what, Unit::Millis, budget, millis);
    }

    /// Adds a remark below the table.
    pub(crate) fn note(&mut self, text: String) {
        self.notes.push(text);
    }
}

impl Row {
    /// The sample below which this part of all samples lies.
    fn at(&self, part: f64) -> f64 {
        let last = self.samples.len().saturating_sub(1);
        let rank = (part * self.samples.len() as f64).ceil() as usize;
        self.samples.get(rank.saturating_sub(1).min(last)).copied().unwrap_or(f64::NAN)
    }

    fn verdict(&self) -> &'static str {
        let within = match self.budget {
            Budget::None => return "",
            Budget::P99(limit) => self.at(0.99) <= limit,
            Budget::Both(p50, p99) => self.at(0.5) <= p50 && self.at(0.99) <= p99,
        };
        if within { "kept" } else { "MISSED" }
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (unit, digits) = match self.unit {
            Unit::Micros => ("µs", 1),
            Unit::Millis => ("ms", 2),
            Unit::Mebibytes => ("MiB", 1),
            Unit::Percent => ("%", 2),
        };
        let budget = match self.budget {
            Budget::None => String::new(),
            Budget::P99(limit) => format!("{limit} {unit}"),
            Budget::Both(p50, p99) => format!("{p50} / {p99} {unit}"),
        };
        write!(f, "| {} | {unit} | {budget} |", self.what)?;
        for value in [self.at(0.0), self.at(0.5), self.at(0.99), self.at(1.0)] {
            write!(f, " {value:.digits$} |")?;
        }
        write!(f, " {} | {} |", self.samples.len(), self.verdict())
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "| what | unit | budget | min | p50 | p99 | max | runs | verdict |")?;
        writeln!(f, "|---|---|---|---:|---:|---:|---:|---:|---|")?;
        for row in &self.rows {
            writeln!(f, "{row}")?;
        }
        for note in &self.notes {
            writeln!(f, "\n{note}")?;
        }
        Ok(())
    }
}
