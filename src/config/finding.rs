//! What is said about a configuration: errors and notices, each with its place, path and remedy.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;

use super::address::BrokerAddress;

/// At most this many errors and this many notices are kept; the last one says that there are more.
const MAX_FINDINGS: usize = 100;

/// Where something was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// An environment variable.
    Variable(&'static str),
    /// A position in the file, both 1-based.
    File {
        /// Line.
        line: usize,
        /// Column in characters.
        column: usize,
    },
}

/// One error or notice: place, path of the key, what is wrong, the remedy.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// Where it was written.
    pub place: Place,
    /// Path of the key, `loadpoints[1].charger`; empty for the whole file.
    pub path: String,
    /// What is wrong and what to do.
    pub text: String,
}

impl Finding {
    /// The finding with the file's name before its position: `evcc.yaml:41:5 path: text`.
    pub fn located(&self, file: &str) -> String {
        match self.place {
            Place::File { .. } => format!("{file}:{self}"),
            Place::Variable(_) => self.to_string(),
        }
    }
}

impl fmt::Display for Finding {
    /// `41:5 loadpoints[1].charger: text`, or `EVCC_MQTT_BROKER mqtt.broker: text`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.place {
            Place::File { line, column } => write!(f, "{line}:{column} ")?,
            Place::Variable(name) => write!(f, "{name} ")?,
        }
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.text)
    }
}

/// Everything that is wrong with a configuration, in the order of the file; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Errors {
    /// What must be corrected.
    pub errors: Vec<Finding>,
    /// What would have been done differently from what is written.
    pub notices: Vec<Finding>,
}

impl fmt::Display for Errors {
    /// One error per line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, error) in self.errors.iter().enumerate() {
            let newline = if n > 0 { "\n" } else { "" };
            write!(f, "{newline}{error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Errors {}

/// Why a device or one of its values could not be taken from the file.
#[derive(Debug)]
pub(super) enum Flaw {
    /// It is wrong, and the error is already in the report.
    Reported,
    /// It is right but not built yet; the reader decides whether the site can do without it.
    Unsupported(Finding),
}

/// Collects findings and the few facts that only the whole file can judge.
#[derive(Debug, Default)]
pub(super) struct Report {
    errors: RefCell<Vec<Finding>>,
    notices: RefCell<Vec<Finding>>,
    /// The first value that comes over MQTT, as the error it is if there is no broker.
    broker: RefCell<Option<Finding>>,
    /// The site's own broker, for devices that name it again.
    pub(super) main_broker: RefCell<Option<BrokerAddress>>,
    /// Framing of every Modbus address: devices that share one share its connection.
    pub(super) modbus_rtu: RefCell<BTreeMap<String, bool>>,
}

impl Report {
    /// Something that must be corrected.
    pub(super) fn error(&self, finding: Finding) {
        push(&self.errors, finding);
    }

    /// Something that is done differently from what is written.
    pub(super) fn notice(&self, finding: Finding) {
        push(&self.notices, finding);
    }

    /// Remembers that something comes over MQTT.
    pub(super) fn needs_broker(&self, path: &str, place: Place) {
        self.broker.borrow_mut().get_or_insert_with(|| Finding {
            place,
            path: path.to_owned(),
            text: "comes over MQTT, but there is no broker: write mqtt.broker, or broker: true \
                   for the embedded one"
                .to_owned(),
        });
    }

    /// There is no broker: an error if one is needed.
    pub(super) fn no_broker(&self) {
        if let Some(finding) = self.broker.take() {
            self.error(finding);
        }
    }

    /// Notices if nothing is wrong, otherwise everything.
    pub(super) fn close(self) -> Result<Vec<Finding>, Errors> {
        let errors = in_order(self.errors.into_inner());
        let notices = in_order(self.notices.into_inner());
        if errors.is_empty() { Ok(notices) } else { Err(Errors { errors, notices }) }
    }
}

/// One more than is kept tells that there are more.
fn push(list: &RefCell<Vec<Finding>>, finding: Finding) {
    let mut list = list.borrow_mut();
    if list.len() <= MAX_FINDINGS {
        list.push(finding);
    }
}

/// In the order of the file; a device that is used twice is read twice, and said once.
fn in_order(mut list: Vec<Finding>) -> Vec<Finding> {
    list.sort();
    list.dedup();
    if list.len() > MAX_FINDINGS
        && let Some(last) = list.last_mut()
    {
        last.path.clear();
        last.text = "and more: correct these first".to_owned();
    }
    list
}
