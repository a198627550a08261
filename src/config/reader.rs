//! Typed access to the tree: every wrong value is reported with its place, every key that nobody
//! asked for is noticed.

use std::cell::RefCell;
use std::str::FromStr;
use std::time::Duration;

use super::finding::{Finding, Flaw, Place, Report};
use super::node::{self, Entry, Node, Value, same};
use super::text;
use super::unsupported;

/// Keys that bound what flows: a misspelt one is an error, because its default may be too much.
const GUARDS: &[&str] = &[
    "minCurrent",
    "maxCurrent",
    "maxPower",
    "circuit",
    "circuits",
    "hems",
    "phases",
    "phasesConfigured",
    "safeCurrent",
    "residualPower",
    "mode",
];

/// Most names in one list.
const MAX_NAMES: usize = 1000;

/// A map of the file. Remembers which keys were asked for.
pub(super) struct Section<'a> {
    pub(super) report: &'a Report,
    pub(super) path: String,
    pub(super) place: Place,
    pub(super) entries: &'a [Entry],
    pub(super) asked: RefCell<Vec<&'static str>>,
}

/// One value of the file.
#[derive(Clone)]
pub(super) struct Field<'a> {
    pub(super) report: &'a Report,
    pub(super) path: String,
    pub(super) node: &'a Node,
}

impl<'a> Section<'a> {
    /// The whole file.
    pub(super) fn root(entries: &'a [Entry], report: &'a Report) -> Self {
        Self { report, path: String::new(), place: node::START, entries, asked: RefCell::default() }
    }

    /// The value of a key; `None` if it is absent or null.
    pub(super) fn get(&self, key: &'static str) -> Option<Field<'a>> {
        self.asked.borrow_mut().push(key);
        let entry = self.entries.iter().find(|entry| same(&entry.key, key))?;
        if matches!(entry.node.value, Value::Null) {
            return None;
        }
        Some(Field { report: self.report, path: self.path_of(&entry.key), node: &entry.node })
    }

    /// The value of a key that has older spellings; giving two of them is an error.
    pub(super) fn get_any(&self, keys: &[&'static str]) -> Option<Field<'a>> {
        let mut found: Option<Field<'a>> = None;
        for key in keys {
            let Some(field) = self.get(key) else {
                continue;
            };
            match &found {
                None => found = Some(field),
                Some(first) => field.error(format!("says the same as {}: keep one", first.path)),
            }
        }
        found
    }

    /// The value of a key that must be there.
    pub(super) fn need(&self, key: &'static str) -> Result<Field<'a>, Flaw> {
        self.get(key).ok_or_else(|| {
            self.report.error(Finding {
                place: self.place,
                path: self.path_of(key),
                text: "is missing".to_owned(),
            });
            Flaw::Reported
        })
    }

    /// Whether the key is there and not null.
    pub(super) fn has(&self, key: &'static str) -> bool {
        self.get(key).is_some()
    }

    /// All keys with their values, for maps whose keys are the user's own.
    pub(super) fn pairs(&self) -> Vec<(String, Field<'a>)> {
        let pairs = self.entries.iter().map(|entry| {
            let path = self.path_of(&entry.key);
            (entry.key.clone(), Field { report: self.report, path, node: &entry.node })
        });
        pairs.collect()
    }

    pub(super) fn text(&self, key: &'static str) -> Option<String> {
        self.get(key)?.text()
    }

    pub(super) fn number(&self, key: &'static str) -> Option<f64> {
        self.get(key)?.number()
    }

    pub(super) fn flag(&self, key: &'static str) -> Option<bool> {
        self.get(key)?.flag()
    }

    pub(super) fn duration(&self, key: &'static str) -> Option<Duration> {
        self.get(key)?.duration()
    }

    /// A length of time; 0 is none.
    pub(super) fn time(&self, key: &'static str) -> Option<Duration> {
        self.duration(key).filter(|time| !time.is_zero())
    }

    pub(super) fn section(&self, key: &'static str) -> Option<Self> {
        self.get(key)?.section()
    }

    pub(super) fn error(&self, key: &str, text: impl Into<String>) {
        self.report.error(self.finding(key, text));
    }

    pub(super) fn notice(&self, key: &str, text: impl Into<String>) {
        self.report.notice(self.finding(key, text));
    }

    /// A finding about this map or, if the key is not empty, about a key of it.
    pub(super) fn finding(&self, key: &str, text: impl Into<String>) -> Finding {
        let entry = self.entries.iter().find(|entry| same(&entry.key, key));
        Finding {
            place: entry.map_or(self.place, |entry| entry.node.place),
            path: match key {
                "" => self.path.clone(),
                key => self.path_of(entry.map_or(key, |entry| &entry.key)),
            },
            text: text.into(),
        }
    }

    /// Says what happens to every key that nobody asked for.
    pub(super) fn finish(self, scope: unsupported::Scope) {
        for entry in self.unasked() {
            let say = |text: String| Finding {
                place: entry.node.place,
                path: self.path_of(&entry.key),
                text,
            };
            if let Some(instead) = unsupported::instead(scope, &entry.key) {
                self.report.notice(say(instead.to_owned()));
                continue;
            }
            let asked = self.asked.borrow();
            let meant = text::nearest(&entry.key, asked.iter().copied());
            let hint = meant.map_or_else(String::new, |name| format!(" (did you mean {name:?}?)"));
            if meant.is_some_and(|name| GUARDS.contains(&name)) {
                self.report.error(say(format!("unknown key{hint}")));
            } else {
                self.report.notice(say(format!("unknown key, ignored{hint}")));
            }
        }
    }

    /// Unknown keys are errors: a value would mean something else without them.
    pub(super) fn finish_strict(self) {
        for entry in self.unasked() {
            let asked = self.asked.borrow();
            let hint = text::did_you_mean(&entry.key, asked.iter().copied());
            self.report.error(Finding {
                place: entry.node.place,
                path: self.path_of(&entry.key),
                text: format!("unknown key{hint}"),
            });
        }
    }

    /// Keys that begin with `x-` belong to the user, who keeps YAML anchors there.
    fn unasked(&self) -> impl Iterator<Item = &'a Entry> {
        self.entries.iter().filter(|entry| {
            let asked = self.asked.borrow();
            !entry.key.starts_with("x-") && !asked.iter().any(|key| same(&entry.key, key))
        })
    }

    fn path_of(&self, key: &str) -> String {
        match self.path.as_str() {
            "" => key.to_owned(),
            path => format!("{path}.{key}"),
        }
    }
}

impl<'a> Field<'a> {
    pub(super) fn error(&self, text: impl Into<String>) {
        self.report.error(self.finding(text));
    }

    pub(super) fn notice(&self, text: impl Into<String>) {
        self.report.notice(self.finding(text));
    }

    pub(super) fn finding(&self, text: impl Into<String>) -> Finding {
        Finding { place: self.node.place, path: self.path.clone(), text: text.into() }
    }

    /// Right but not built yet.
    pub(super) fn unsupported(&self, text: impl Into<String>) -> Flaw {
        Flaw::Unsupported(self.finding(text))
    }

    /// Any scalar as text.
    pub(super) fn text(&self) -> Option<String> {
        match &self.node.value {
            Value::Text(text) => Some(text.clone()),
            Value::Null | Value::List(_) | Value::Map(_) => self.expected("must be a text"),
        }
    }

    pub(super) fn number(&self) -> Option<f64> {
        self.parsed("must be a number", text::number)
    }

    /// A number within bounds, both included.
    pub(super) fn number_within(&self, low: f64, high: f64) -> Option<f64> {
        let number = self.number()?;
        if (low..=high).contains(&number) {
            return Some(number);
        }
        let what = match high.is_finite() {
            true => format!("must be between {low} and {high}, found {number}"),
            false => format!("must be at least {low}, found {number}"),
        };
        self.error(what);
        None
    }

    /// A whole number within bounds, both included; decimal or `0x…`.
    pub(super) fn whole_within(&self, low: i64, high: i64) -> Option<i64> {
        let whole = self.parsed("must be a whole number", text::whole)?;
        if (low..=high).contains(&whole) {
            return Some(whole);
        }
        self.error(format!("must be between {low} and {high}, found {whole}"));
        None
    }

    pub(super) fn flag(&self) -> Option<bool> {
        self.parsed("must be true or false", text::flag)
    }

    pub(super) fn duration(&self) -> Option<Duration> {
        match text::duration(&self.text()?) {
            Ok(duration) => Some(duration),
            Err(what) => {
                self.error(what);
                None
            }
        }
    }

    /// One of the spellings of a closed enum.
    pub(super) fn spelled<T: FromStr>(&self, spellings: &[&str]) -> Option<T> {
        let word = self.text()?;
        let parsed = word.trim().parse().ok();
        if parsed.is_none() {
            let hint = text::did_you_mean(&word, spellings.iter().copied());
            let known = spellings.join(", ");
            self.error(format!("must be one of {known}, found {}{hint}", text::quoted(&word)));
        }
        parsed
    }

    pub(super) fn section(&self) -> Option<Section<'a>> {
        match &self.node.value {
            Value::Map(entries) => Some(Section {
                report: self.report,
                path: self.path.clone(),
                place: self.node.place,
                entries,
                asked: RefCell::default(),
            }),
            Value::Null | Value::Text(_) | Value::List(_) => {
                self.expected("must be a map of keys and values")
            }
        }
    }

    pub(super) fn is_map(&self) -> bool {
        matches!(self.node.value, Value::Map(_))
    }

    /// The entries of a map, by names of the user.
    pub(super) fn members(&self) -> Vec<(String, Self)> {
        let Value::Map(entries) = &self.node.value else {
            return self.expected("must be a map of keys and values").unwrap_or_default();
        };
        let member = |entry: &'a Entry| {
            let path = format!("{}.{}", self.path, entry.key);
            (entry.key.clone(), Self { report: self.report, path, node: &entry.node })
        };
        entries.iter().map(member).collect()
    }

    /// The items of a list.
    pub(super) fn items(&self) -> Vec<Self> {
        match &self.node.value {
            Value::List(nodes) => (0..).zip(nodes).map(|(ix, node)| self.item(ix, node)).collect(),
            Value::Null | Value::Text(_) | Value::Map(_) => {
                self.expected("must be a list").unwrap_or_default()
            }
        }
    }

    /// Names: a list, or one text with commas. Each comes with the field it stands in.
    pub(super) fn names(&self) -> Vec<(Self, String)> {
        let names: Vec<_> = match &self.node.value {
            Value::Text(text) => text
                .split(',')
                .map(str::trim)
                .filter(|name| !name.is_empty())
                .map(|name| (self.clone(), name.to_owned()))
                .collect(),
            Value::List(_) => self
                .items()
                .into_iter()
                .filter_map(|item| item.text().map(|name| (item, name)))
                .collect(),
            Value::Null | Value::Map(_) => {
                self.expected("must be a name or a list of names").unwrap_or_default()
            }
        };
        if names.len() > MAX_NAMES {
            self.error(format!("has more than {MAX_NAMES} names"));
            return Vec::new();
        }
        names
    }

    fn item(&self, ix: usize, node: &'a Node) -> Self {
        Self { report: self.report, path: format!("{}[{ix}]", self.path), node }
    }

    fn parsed<T>(&self, what: &str, parse: impl Fn(&str) -> Option<T>) -> Option<T> {
        match &self.node.value {
            Value::Text(text) => {
                let parsed = parse(text);
                if parsed.is_none() {
                    self.error(format!("{what}, found {}", text::quoted(text)));
                }
                parsed
            }
            Value::Null | Value::List(_) | Value::Map(_) => self.expected(what),
        }
    }

    fn expected<T>(&self, what: &str) -> Option<T> {
        let found = match &self.node.value {
            Value::Null => "nothing".to_owned(),
            Value::Text(text) => text::quoted(text),
            Value::List(_) => "a list".to_owned(),
            Value::Map(_) => "a map".to_owned(),
        };
        self.error(format!("{what}, found {found}"));
        None
    }
}
