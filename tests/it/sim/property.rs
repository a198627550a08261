//! Laws of the world that hold in every story.

use std::time::Duration;

use chargebus::model::{Amps, Watts};
use chargebus::sim::{Fault, World};
use proptest::prelude::*;

use super::{adds_up, seconds, start, world};

/// A story: what happens after how many milliseconds.
fn story() -> impl Strategy<Value = Vec<(u64, u8, u8, f64)>> {
    prop::collection::vec((0..20_000_u64, 0..12_u8, 0..3_u8, -5.0..40.0_f64), 1..60)
}

fn happen(world: &mut World, what: u8, place: u8, number: f64) {
    let nth = place + 1;
    let place = usize::from(place);
    match what {
        0 | 1 => drop(world.handle(&format!("sim/wb/{nth}/enable/set"), b"true")),
        2 => drop(world.handle(&format!("sim/wb/{nth}/enable/set"), b"false")),
        3 | 4 => drop(
            world.handle(&format!("sim/wb/{nth}/maxcurrent/set"), number.to_string().as_bytes()),
        ),
        5 => drop(world.handle(&format!("sim/wb/{nth}/phases/set"), b"1")),
        6 => drop(world.handle(&format!("sim/wb/{nth}/phases/set"), b"3")),
        7 => drop(world.handle("sim/battery/mode/set", &[b'1' + nth])),
        8 => world.set_fault(place, Some(Fault::ReportsLate(Duration::from_secs(3)))),
        9 => world.set_fault(place, Some(Fault::IgnoresCommands)),
        10 => world.set_fault(place, None),
        _ => {
            if let Some(car) = world.car_mut(place) {
                car.plug = Some(number > 0.0);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    /// Energy is neither made nor lost, and nothing leaves its bounds.
    #[test]
    fn the_world_keeps_its_books(seed: u64, speed in 1.0..600.0_f64, story in story()) {
        let mut world = World::demo(seed, speed, start());
        let mut now = start();
        for (pause, what, place, number) in story {
            happen(&mut world, what, place, number);
            let before = world.clone();
            now = now.later(Duration::from_millis(pause));
            world.step(now);
            adds_up(&world);
            for (place, car) in world.cars().iter().enumerate() {
                let wallbox = &world.wallboxes()[place];
                prop_assert!((0.0..=100.0).contains(&car.soc.0));
                prop_assert!(wallbox.current() <= Amps(16.0) && wallbox.current() >= Amps::ZERO);
                prop_assert!(wallbox.power() >= Watts::ZERO);
                prop_assert!(wallbox.active_phases() <= car.plan.phases);
                let counted = wallbox.energy() - before.wallboxes()[place].energy();
                prop_assert!(counted.0 >= 0.0, "counters never fall");
                let driven = car.odometer_km - before.cars()[place].odometer_km;
                let stored = (car.soc - before.cars()[place].soc).0 / 100.0 * car.plan.capacity.0;
                if driven == 0.0 {
                    prop_assert!((stored - counted.0 * 0.92).abs() < 1e-6, "{stored} of {counted}");
                }
            }
            if let (Some(battery), Some(before)) = (world.battery(), before.battery()) {
                prop_assert!((0.0..=100.0).contains(&battery.soc.0));
                prop_assert!(battery.power.abs() <= Watts(3000.0 + 1e-6));
                let moved = (battery.soc - before.soc).abs().0 / 100.0 * battery.capacity.0;
                let hours = pause as f64 / 3.6e6 * speed;
                prop_assert!(moved <= 3.0 / battery.efficiency * hours + 1e-6, "no faster than its limit");
            }
        }
    }

    /// One seed, one story: every message and every fact is the same.
    #[test]
    fn the_same_seed_tells_the_same_story(seed: u64, story in story()) {
        let tell = || {
            let mut world = World::demo(seed, 30.0, start());
            let mut now = start();
            let mut told = Vec::new();
            for (pause, what, place, number) in &story {
                happen(&mut world, *what, *place, *number);
                now = now.later(Duration::from_millis(*pause));
                world.step(now);
                told.push((world.messages(), world.facts()));
            }
            told
        };
        prop_assert_eq!(tell(), tell());
    }

    /// Whatever arrives on command topics, nothing panics and the books stay in order.
    #[test]
    fn any_command_is_survived(topic in "sim/(wb|battery)/.{0,20}", payload: Vec<u8>, raw in ".*") {
        let mut world = world();
        world.handle(&topic, &payload);
        world.handle(&raw, &payload);
        world.handle("sim/wb/1/maxcurrent/set", &payload);
        world.handle("sim/wb/1/enable/set", b"true");
        world.step(seconds(30));
        adds_up(&world);
    }
}
