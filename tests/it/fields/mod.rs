//! The field table holds its own rules, and what is derived from it does what the specification says.

mod fuzz;
mod parity;
mod recorded;
mod rules;
mod surfaces;
mod told;
mod vintage;
mod writes;

use std::collections::{BTreeMap, BTreeSet};

use chargebus::api::{
    self, Address, Answer, Code, Field, Kind, Method, Scope, Set, State, Told, Value, View,
};
use chargebus::control::Control;
use chargebus::model::{Mode, VehicleSetup};
use proptest::prelude::*;
use serde_json::Value as Json;

use crate::house;

fn full_state(control: &Control) -> State {
    let system = house::system();
    State::default().next(&View { control, system: &system, now: house::noon() })
}

fn set(control: &mut Control, topic: &str, payload: &str) -> Box<Answer> {
    let system = house::system();
    api::write_topic(control, &system, house::noon(), topic, payload.as_bytes()).unwrap()
}

fn payload_of(control: &Control, topic: &str) -> Option<String> {
    full_state(control).topics().into_iter().find(|(t, _)| t == topic).map(|(_, payload)| payload)
}
