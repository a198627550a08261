//! What people are told of a car that stands at a load point (plans-vehicles-devices.md §9.1).

use crate::model::{Effect, Event, EventKind, LoadPointIx, Percent};

use super::Control;

/// The SoC is told when it reaches or passes the next multiple of this, in per cent.
const STEP: f64 = 10.0;

/// Counts the steps of the SoC while a vehicle stands at a load point.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct SocSteps {
    /// The next SoC to tell; `None` before the first known value.
    next: Option<f64>,
}

impl SocSteps {
    /// Whether the next step is reached (E-94). The first known value says what is, and is no news
    /// (W-29).
    fn reached(&mut self, soc: Percent) -> bool {
        let reached = self.next.is_some_and(|next| soc.0 >= next);
        if reached || self.next.is_none() {
            self.next = Some((soc.0 / STEP).floor() * STEP + STEP);
        }
        reached
    }
}

impl Control {
    /// Tells who came, as soon as it is clear who, and how far the charge is.
    pub(super) fn announce(&mut self, lp: LoadPointIx) {
        let soc = self.soc(lp);
        let loadpoint = &mut self.loadpoints[lp.0];
        let mut kinds = Vec::new();
        if loadpoint.unannounced && loadpoint.detecting_until.is_none() {
            loadpoint.unannounced = false;
            kinds.push(EventKind::Connect);
        }
        if std::mem::take(&mut loadpoint.detection_failed) {
            kinds.push(EventKind::Guest);
        }
        if let Some(soc) = soc.filter(|_| loadpoint.connected())
            && loadpoint.soc_steps.reached(soc)
        {
            // A percentage; the conversion saturates.
            kinds.push(EventKind::Soc(soc.0.round() as u8));
        }
        let vehicle = loadpoint.vehicle;
        let event = |kind| Effect::Event(Event { lp: Some(lp), vehicle, kind });
        self.effects.extend(kinds.into_iter().map(event));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn the_soc_is_told_in_steps() {
        let examples = include_str!("../../tests/data/examples/exports.json");
        let examples: Value = serde_json::from_str(examples).unwrap();
        let row = &examples["soc_events"];
        let mut steps = SocSteps::default();
        let values = row["values"].as_array().unwrap();
        let reached = |soc: &Value| soc.as_f64().is_some_and(|soc| steps.reached(Percent(soc)));
        assert_eq!(Value::from_iter(values.iter().map(reached)), row["reached"]);
    }
}
