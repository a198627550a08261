//! What leaves the house beside MQTT: texts for people, lines for InfluxDB, pages for Prometheus.

mod influx;
mod metrics;
mod settings;
mod texts;

use chargebus::api::{State, View};
use chargebus::control::Control;
use chargebus::model::Now;

use crate::house;

/// The state of a site at an instant.
fn state(control: &Control, now: Now) -> State {
    let system = house::system();
    State::default().next(&View { control, system: &system, now })
}
