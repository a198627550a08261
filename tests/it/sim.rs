//! The simulator: it adds up, it misbehaves on demand, and one seed tells one story.

// Helpers of tests may panic, and need not name every variant.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::wildcard_enum_match_arm)]

mod devices;
mod faults;
mod property;
mod teslamate;
mod wire;

use std::time::Duration;

use chargebus::model::{
    ChargeStatus, ChargerCommand, Effect, Fact, LoadPointIx, Mono, Now, Outcome, Trust,
    VehicleValue, Watts,
};
use chargebus::sim::{Message, World};
use chargebus::teslamate::{Heard, Mirror};
use chrono::DateTime;

fn start() -> Now {
    Now { mono: Mono(5_000), utc: DateTime::from_timestamp(1_773_759_600, 0).unwrap() }
}

fn seconds(seconds: u64) -> Now {
    start().later(Duration::from_secs(seconds))
}

fn world() -> World {
    World::demo(7, 1.0, start())
}

/// Steps second by second from one second of the story to another.
fn run(world: &mut World, from: u64, to: u64) {
    for second in from + 1..=to {
        world.step(seconds(second));
    }
}

fn text(world: &mut World, topic: &str, payload: &str) {
    assert!(world.handle(topic, payload.as_bytes()), "{topic}");
}

fn said<'a>(messages: &'a [Message], topic: &str) -> Option<&'a str> {
    let message = messages.iter().find(|message| message.topic == topic)?;
    Some(&message.payload)
}

fn adds_up(world: &World) {
    let flows = world.flows();
    let sum = flows.load + flows.charging - flows.pv - flows.battery;
    assert!((flows.grid - sum).abs() < Watts(1e-6), "{flows:?}");
}

/// A world whose first car charges with 16 A on three phases for a minute.
fn charging() -> World {
    let mut world = world();
    text(&mut world, "sim/wb/1/maxcurrent/set", "16");
    text(&mut world, "sim/wb/1/enable/set", "true");
    run(&mut world, 0, 60);
    assert_eq!(world.flows().charging, Watts(11_040.0));
    let _fetched = (world.messages(), world.facts());
    world
}

fn command(world: &mut World, command: ChargerCommand) -> Outcome {
    let lp = LoadPointIx(0);
    world.apply(&Effect::Charger { lp, command });
    let outcome = world.facts().into_iter().find_map(|fact| match fact {
        Fact::Done { lp: LoadPointIx(0), command: done, outcome } => {
            assert_eq!(done, command);
            Some(outcome)
        }
        _ => None,
    });
    outcome.expect("every command has an outcome")
}

/// Steps a world and lets a mirror hear what its TeslaMate says.
struct Watched {
    world: World,
    mirror: Mirror,
    second: u64,
    soc: Vec<f64>,
    status: Vec<ChargeStatus>,
    trust: Vec<Trust>,
    state: Vec<String>,
}

impl Watched {
    fn new(speed: f64) -> Self {
        Self {
            world: World::demo(7, speed, start()),
            mirror: Mirror::new(),
            second: 0,
            soc: Vec::new(),
            status: Vec::new(),
            trust: Vec::new(),
            state: Vec::new(),
        }
    }

    fn run(&mut self, duration: u64) {
        for _ in 0..duration {
            self.second += 1;
            let now = seconds(self.second);
            self.world.step(now);
            for message in self.world.messages() {
                let payload = message.payload.as_bytes();
                let heard = self.mirror.handle(now, &message.topic, payload, false);
                let ours = message.topic.starts_with("teslamate/");
                assert_eq!(heard, ours.then_some(Heard::Recorded), "{}", message.topic);
            }
            self.mirror.handle_timeout(now);
            while let Some((_, value, _)) = self.mirror.poll() {
                match value {
                    VehicleValue::Soc(Some(soc)) => self.soc.push(soc.0),
                    VehicleValue::Status(Some(status)) => self.status.push(status),
                    VehicleValue::Trust(trust) => self.trust.push(trust),
                    VehicleValue::State(Some(state)) => self.state.push(state),
                    _ => {}
                }
            }
        }
    }
}
