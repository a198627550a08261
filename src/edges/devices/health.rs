//! How the devices are: when each last answered, and what is wrong now.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// How one device is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceHealth {
    /// Name of the device.
    pub name: String,
    /// Time since it last answered or took a command; `None` = never.
    pub last_ok: Option<Duration>,
    /// What does not work now, `attribute: reason`; `None` = everything works.
    pub error: Option<String>,
}

/// The health of all devices that we speak to ourselves.
#[derive(Default)]
pub(super) struct HealthBook(Mutex<BTreeMap<String, Entry>>);

#[derive(Default)]
struct Entry {
    last_ok: Option<Instant>,
    /// By attribute, as one register may fail while the others work.
    errors: BTreeMap<String, String>,
}

impl HealthBook {
    /// Records that an attribute of a device works; says so in the log if it did not.
    pub(super) fn good(&self, device: &str, attribute: &str) {
        let recovered = self.change(device, |entry| {
            entry.last_ok = Some(Instant::now());
            entry.errors.remove(attribute)
        });
        if recovered.is_some() {
            tracing::info!(device, attribute, "works again");
        }
    }

    /// Records what is wrong with an attribute of a device; logged when it worked before.
    pub(super) fn bad(&self, device: &str, attribute: &str, error: &str) {
        let before = self
            .change(device, |entry| entry.errors.insert(attribute.to_owned(), error.to_owned()));
        if before.is_none() {
            tracing::warn!(device, attribute, error, "does not work");
        }
    }

    /// All devices in the order of their names.
    pub(super) fn list(&self) -> Vec<DeviceHealth> {
        let now = Instant::now();
        let entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        entries
            .iter()
            .map(|(name, entry)| DeviceHealth {
                name: name.clone(),
                last_ok: entry.last_ok.map(|at| now.saturating_duration_since(at)),
                error: entry.errors.iter().next().map(|(what, why)| format!("{what}: {why}")),
            })
            .collect()
    }

    /// Lists a device before anything is known of it.
    pub(super) fn expect(&self, device: &str) {
        self.change(device, |_| ());
    }

    fn change<T>(&self, device: &str, change: impl FnOnce(&mut Entry) -> T) -> T {
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        change(entries.entry(device.to_owned()).or_default())
    }
}
