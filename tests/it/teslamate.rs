//! The mirror of TeslaMate's cars, with a clock that the test winds.

// Helpers of tests may panic, and need not name every variant.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::wildcard_enum_match_arm)]

mod day;
mod property;
mod trust;
mod values;

use std::time::Duration;

use chargebus::model::{
    ChargeStatus, Mono, Now, Origin, Telemetry, TeslaMateCar, Trust, VehicleValue,
};
use chargebus::teslamate::{Heard, Mirror};
use chrono::DateTime;

/// A mirror with a clock; remembers all that it told.
struct Bench {
    mirror: Mirror,
    start: Now,
    now: Now,
    told: Vec<(f64, TeslaMateCar, VehicleValue, Origin)>,
}

impl Bench {
    fn new() -> Self {
        let start =
            Now { mono: Mono(1_000_000), utc: DateTime::from_timestamp(1_773_759_600, 0).unwrap() };
        Self { mirror: Mirror::new(), start, now: start, told: Vec::new() }
    }

    /// Lets time pass, waking the mirror exactly when it asks for it.
    fn until(&mut self, seconds: f64) {
        let end = self.start.later(Duration::from_secs_f64(seconds));
        for _ in 0..100_000 {
            let due = self.mirror.deadline().filter(|due| *due <= end.mono);
            let Some(due) = due else { break };
            assert!(due >= self.now.mono, "a deadline in the past spins the loop");
            self.now = self.now.later(due.since(self.now.mono));
            self.look();
            assert!(self.mirror.deadline() > Some(due) || self.mirror.deadline().is_none());
        }
        self.now = end;
    }

    fn look(&mut self) {
        self.mirror.handle_timeout(self.now);
        let t = self.now.mono.since(self.start.mono).as_secs_f64();
        while let Some((car, value, origin)) = self.mirror.poll() {
            self.told.push((t, car, value, origin));
        }
    }

    fn elapsed(&self) -> f64 {
        self.now.mono.since(self.start.mono).as_secs_f64()
    }

    fn pass(&mut self, seconds: f64) {
        self.until(self.elapsed() + seconds);
    }

    fn hear(&mut self, key: &str, payload: &str) -> Option<Heard> {
        let topic = format!("teslamate/cars/1/{key}");
        self.mirror.handle(self.now, &topic, payload.as_bytes(), false)
    }

    /// One poll of TeslaMate: values in one burst, then it is looked at.
    fn summary(&mut self, values: &[(&str, &str)]) {
        for (key, payload) in values {
            assert_eq!(self.hear(key, payload), Some(Heard::Recorded), "{key}");
        }
        assert_eq!(self.hear("healthy", "true"), Some(Heard::Recorded));
        self.pass(1.0);
    }

    fn last<T>(&self, pick: impl Fn(&VehicleValue) -> Option<T>) -> Option<T> {
        self.told.iter().rev().find_map(|(_, _, value, _)| pick(value))
    }

    fn soc(&self) -> Option<f64> {
        self.last(|value| match value {
            VehicleValue::Soc(soc) => Some(soc.map(|soc| soc.0)),
            _ => None,
        })
        .flatten()
    }

    fn status(&self) -> Option<ChargeStatus> {
        self.last(|value| match value {
            VehicleValue::Status(status) => Some(*status),
            _ => None,
        })
        .flatten()
    }

    fn range(&self) -> Option<f64> {
        self.last(|value| match value {
            VehicleValue::RangeKm(range) => Some(*range),
            _ => None,
        })
        .flatten()
    }

    fn trust(&self) -> Option<Trust> {
        self.last(|value| match value {
            VehicleValue::Trust(trust) => Some(*trust),
            _ => None,
        })
    }

    fn telemetry(&self, wanted: &str) -> Option<Telemetry> {
        self.last(|value| match value {
            VehicleValue::Telemetry(key, value) if *key == wanted => Some(value.clone()),
            _ => None,
        })
        .flatten()
    }
}

/// An online, parked car that has been polled twice.
fn parked(soc: &str) -> Bench {
    let mut bench = Bench::new();
    bench.summary(&[
        ("state", "online"),
        ("usable_battery_level", soc),
        ("rated_battery_range_km", "300.5"),
        ("odometer", "1000.0"),
        ("charging_state", "Disconnected"),
    ]);
    bench.summary(&[]);
    assert_eq!(bench.trust(), Some(Trust::Live));
    bench
}
