//! Tables for people and their spreadsheets (plans-vehicles-devices.md §4.4).

use chrono::{DateTime, Utc};
use chrono_tz::Tz;

/// Tells a spreadsheet that the text is UTF-8.
const BOM: char = '\u{feff}';

/// The language of captions; values are the same in all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// English.
    English,
    /// German.
    German,
}

impl Language {
    /// What is asked for by name, else the first of `Accept-Language`, else English.
    pub fn chosen(lang: Option<&str>, accepted: Option<&str>) -> Self {
        let german = |tag: &str| {
            let tag = tag.trim().split(['-', '_', ',', ';']).next();
            tag.is_some_and(|tag| tag.eq_ignore_ascii_case("de"))
        };
        match lang.filter(|lang| !lang.is_empty()).or(accepted).is_some_and(german) {
            true => Self::German,
            false => Self::English,
        }
    }
}

/// A table in the making: UTF-8 with its mark, commas, line feeds.
pub(super) struct Table {
    out: String,
}

impl Table {
    /// Begins with the captions.
    pub(super) fn new(captions: &[impl AsRef<str>]) -> Self {
        let mut table = Self { out: BOM.to_string() };
        table.row(captions);
        table
    }

    /// Adds a row.
    pub(super) fn row(&mut self, cells: &[impl AsRef<str>]) {
        for (n, cell) in cells.iter().enumerate() {
            if n > 0 {
                self.out.push(',');
            }
            let cell = cell.as_ref();
            if cell.contains(['"', ',', '\n', '\r']) {
                self.out.push('"');
                self.out.push_str(&cell.replace('"', "\"\""));
                self.out.push('"');
            } else {
                self.out.push_str(cell);
            }
        }
        self.out.push('\n');
    }

    /// The text.
    pub(super) fn finish(self) -> String {
        self.out
    }
}

/// A local time for people.
pub(super) fn local_text(zone: Tz, time: DateTime<Utc>) -> String {
    time.with_timezone(&zone).format("%Y-%m-%d %H:%M:%S").to_string()
}
