//! Figures of the program itself for `GET /metrics`: counted by the loop, or asked of whoever knows.

use std::fmt;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::api::metrics::Figure;

/// Tells figures that only it knows.
pub(super) type Source = Box<dyn Fn() -> Vec<Figure> + Send + Sync>;

/// What is counted and asked; clones share it.
#[derive(Clone, Default)]
pub struct Figures {
    counted: Arc<Counted>,
    sources: Arc<Vec<Source>>,
}

#[derive(Default)]
struct Counted {
    turns: AtomicU64,
    refused: AtomicU64,
    waiting: AtomicU64,
    connected: AtomicBool,
}

impl fmt::Debug for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Figures")
    }
}

impl Figures {
    pub(super) fn new(sources: Vec<Source>) -> Self {
        Self { sources: Arc::new(sources), ..Self::default() }
    }

    /// The loop has turned.
    pub(super) fn turned(&self, connected: bool, waiting: usize) {
        // The figures need not be of the same instant.
        self.counted.turns.fetch_add(1, Ordering::Relaxed);
        self.counted.connected.store(connected, Ordering::Relaxed);
        self.counted.waiting.store(waiting.try_into().unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// A write was refused.
    pub(super) fn refused(&self) {
        self.counted.refused.fetch_add(1, Ordering::Relaxed);
    }

    /// All figures now.
    pub(super) fn list(&self) -> Vec<Figure> {
        let Counted { turns, refused, waiting, connected } = &*self.counted;
        let number = |number: &AtomicU64| number.load(Ordering::Relaxed) as f64;
        let mut figures = vec![
            Figure {
                name: "info",
                help: "Always 1; the label says which version runs.",
                counter: false,
                label: Some(("version", env!("CARGO_PKG_VERSION").to_owned())),
                value: 1.0,
            },
            Figure {
                name: "loop_turns_total",
                help: "Turns of the loop that decides.",
                counter: true,
                label: None,
                value: number(turns),
            },
            Figure {
                name: "writes_refused_total",
                help: "Writes over MQTT and REST that were refused.",
                counter: true,
                label: None,
                value: number(refused),
            },
            Figure {
                name: "writes_waiting",
                help: "Writes that wait until they are stored.",
                counter: false,
                label: None,
                value: number(waiting),
            },
            Figure {
                name: "broker_connected",
                help: "There is a connection to the MQTT broker.",
                counter: false,
                label: None,
                value: f64::from(u8::from(connected.load(Ordering::Relaxed))),
            },
        ];
        figures.extend(resident_bytes().map(|value| Figure {
            name: "resident_memory_bytes",
            help: "Memory that the process holds.",
            counter: false,
            label: None,
            value,
        }));
        figures.extend(self.sources.iter().flat_map(|source| source()));
        figures
    }
}

/// What Linux says; `None` elsewhere.
fn resident_bytes() -> Option<f64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: f64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    Some(kib * 1024.0)
}
