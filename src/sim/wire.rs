//! The world over MQTT, with the topics of the reference site.

use std::fmt::Display;

use crate::model::{Amps, BatteryMode, Mono, Now};

use super::wallbox::{Command, VOLTAGE};
use super::{Message, World};

/// What to subscribe to for commands.
pub const FILTERS: [&str; 2] = ["sim/wb/+/+/set", "sim/battery/mode/set"];

impl World {
    /// What devices and TeslaMates have to say since the last call. Devices repeat all values every
    /// `report` period, because a value that is sent again is fresh; TeslaMate says changes only.
    pub fn messages(&mut self) -> Vec<Message> {
        let mut messages: Vec<_> = self.told.drain(..).collect();
        let due = is_due(self.reported.messages, self.now, self.plan.report);
        if !due {
            return messages;
        }
        self.reported.messages = Some(self.now.mono);
        let mut say = |topic: String, payload: &dyn Display| {
            messages.push(Message { topic, payload: payload.to_string(), retain: false });
        };
        if let Some(grid) = self.grid_meter() {
            say("sim/grid/power".to_owned(), &whole(grid.0));
            for phase in 1..=3 {
                let share = grid.0 / 3.0 / VOLTAGE.0;
                say(format!("sim/grid/l{phase}"), &tenths(share));
            }
        }
        for (nth, power) in (1..).zip(self.pv()) {
            say(format!("sim/pv/{nth}/power"), &whole(power.0));
        }
        if let Some(battery) = &self.battery {
            say("sim/battery/power".to_owned(), &whole(battery.power.0));
            say("sim/battery/soc".to_owned(), &tenths(battery.soc.0));
        }
        for (nth, wallbox) in (1..).zip(&mut self.boxes) {
            let Some(report) = wallbox.report(self.now.mono) else {
                continue;
            };
            say(format!("sim/wb/{nth}/status"), &report.status);
            say(format!("sim/wb/{nth}/enabled"), &report.enabled);
            say(format!("sim/wb/{nth}/power"), &whole(report.power.0));
            say(format!("sim/wb/{nth}/energy"), &((report.energy.0 * 1000.0).round() / 1000.0));
            for (phase, current) in (1..).zip(report.currents) {
                say(format!("sim/wb/{nth}/l{phase}"), &tenths(current.0));
            }
        }
        messages
    }

    /// Takes a command message; false if it is none, or cannot be read.
    pub fn handle(&mut self, topic: &str, payload: &[u8]) -> bool {
        let Ok(payload) = std::str::from_utf8(payload) else {
            return false;
        };
        let payload = payload.trim();
        if topic == "sim/battery/mode/set" {
            let Some((battery, mode)) = self.battery.as_mut().zip(battery_mode(payload)) else {
                return false;
            };
            battery.mode = mode;
            return true;
        }
        let parts = topic.strip_prefix("sim/wb/").and_then(|rest| rest.split_once('/'));
        let Some((nth, what)) = parts else {
            return false;
        };
        let command = match what {
            "enable/set" => payload.parse().map(Command::Enable).ok(),
            "maxcurrent/set" => payload.parse().map(|amps| Command::MaxCurrent(Amps(amps))).ok(),
            "phases/set" => payload.parse().map(Command::Phases).ok(),
            _ => None,
        };
        let place = nth.parse().ok().and_then(|nth: usize| nth.checked_sub(1));
        let wallbox = place.and_then(|place| self.boxes.get_mut(place));
        let Some((wallbox, command)) = wallbox.zip(command) else {
            return false;
        };
        // Over MQTT nobody hears what became of a command.
        let _outcome = wallbox.handle(self.now.mono, command);
        true
    }
}

/// Whether a device that reported at `last` reports again.
pub(super) fn is_due(last: Option<Mono>, now: Now, period: std::time::Duration) -> bool {
    last.is_none_or(|last| now.mono.since(last) >= period)
}

/// evcc writes 1 to 4; words are for people (plans-vehicles-devices.md §7.6).
fn battery_mode(text: &str) -> Option<BatteryMode> {
    match text {
        "1" => Some(BatteryMode::Normal),
        "2" => Some(BatteryMode::Hold),
        "3" => Some(BatteryMode::Charge),
        "4" => Some(BatteryMode::HoldCharge),
        word => word.parse().ok().filter(|mode| *mode != BatteryMode::Unknown),
    }
}

fn whole(value: f64) -> f64 {
    // Adding zero turns -0 into 0.
    value.round() + 0.0
}

fn tenths(value: f64) -> f64 {
    (value * 10.0).round() / 10.0 + 0.0
}
