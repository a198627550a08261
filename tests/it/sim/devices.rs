//! Sun, battery, wallboxes and cars that behave.

use chargebus::model::{Amps, Percent, Watts};
use chargebus::sim::{Place, Plan, World};

use super::{adds_up, charging, run, said, seconds, start, text, world};

#[test]
fn a_wallbox_follows_its_commands_with_delay_and_ramp() {
    let mut world = world();
    run(&mut world, 0, 5);
    text(&mut world, "sim/wb/1/maxcurrent/set", "16");
    text(&mut world, "sim/wb/1/enable/set", "true");
    assert_eq!(world.wallboxes()[0].offer(), Amps::ZERO, "nothing reacts at once");
    run(&mut world, 5, 6);
    assert_eq!(world.wallboxes()[0].offer(), Amps(16.0));
    assert_eq!(world.flows().charging, Watts::ZERO, "the car takes its time");
    run(&mut world, 6, 9);
    let soft = world.wallboxes()[0].current();
    assert!(soft >= Amps(6.0) && soft < Amps(16.0), "{soft}");
    run(&mut world, 9, 20);
    assert_eq!(world.flows().charging, Watts(11_040.0));
    adds_up(&world);
    text(&mut world, "sim/wb/1/enable/set", "false");
    run(&mut world, 20, 21);
    assert_eq!(world.flows().charging, Watts::ZERO);
}

#[test]
fn switching_phases_opens_the_contactor() {
    let mut world = world();
    text(&mut world, "sim/wb/1/maxcurrent/set", "16");
    text(&mut world, "sim/wb/1/enable/set", "true");
    run(&mut world, 0, 30);
    assert_eq!(world.wallboxes()[0].active_phases(), 3);
    text(&mut world, "sim/wb/1/phases/set", "1");
    run(&mut world, 30, 32);
    assert_eq!(world.flows().charging, Watts::ZERO, "no switching under load");
    run(&mut world, 32, 60);
    assert_eq!(world.wallboxes()[0].active_phases(), 1);
    assert_eq!(world.flows().charging, Watts(3680.0));
    assert_eq!(said(&world.messages(), "sim/wb/1/l2"), Some("0"));
}

#[test]
fn the_car_sleeps_wakes_tapers_and_stops_at_its_limit() {
    let mut world = World::demo(7, 60.0, start());
    run(&mut world, 0, 60);
    assert!(world.cars()[0].asleep, "an idle hour makes it sleep");
    text(&mut world, "sim/wb/1/maxcurrent/set", "16");
    text(&mut world, "sim/wb/1/enable/set", "true");
    run(&mut world, 60, 70);
    assert_eq!(world.flows().charging, Watts::ZERO, "waking takes a while");
    run(&mut world, 70, 90);
    assert!(world.flows().charging > Watts(10_000.0));
    run(&mut world, 90, 300);
    let car = &world.cars()[0];
    assert!((80.0..81.0).contains(&car.soc.0) && car.complete, "{}", car.soc);
    assert_eq!(world.flows().charging, Watts::ZERO);
    if let Some(car) = world.car_mut(0) {
        car.limit_soc.0 = 100.0;
    }
    run(&mut world, 300, 330);
    let power = world.flows().charging;
    assert!(power > Watts::ZERO && power < Watts(11_040.0), "{power}");
}

#[test]
fn a_refusing_or_unplugged_car_draws_nothing() {
    let mut world = world();
    if let Some(car) = world.car_mut(0) {
        car.refuses = true;
    }
    text(&mut world, "sim/wb/1/maxcurrent/set", "16");
    text(&mut world, "sim/wb/1/enable/set", "true");
    run(&mut world, 0, 120);
    assert_eq!(said(&world.messages(), "sim/wb/1/status"), Some("B"));
    if let Some(car) = world.car_mut(0) {
        car.refuses = false;
    }
    run(&mut world, 120, 130);
    assert_eq!(said(&world.messages(), "sim/wb/1/status"), Some("C"));
    if let Some(car) = world.car_mut(0) {
        car.plug = Some(false);
    }
    run(&mut world, 130, 131);
    assert_eq!(said(&world.messages(), "sim/wb/1/status"), Some("A"));
    assert_eq!(world.flows().charging, Watts::ZERO);
}

#[test]
fn the_battery_takes_the_surplus_and_obeys_its_mode() {
    let mut world = world();
    run(&mut world, 0, 120);
    let flows = world.flows();
    assert!(flows.pv > flows.load, "{flows:?}");
    assert!(flows.battery < Watts(-100.0), "{flows:?}");
    text(&mut world, "sim/battery/mode/set", "holdcharge");
    run(&mut world, 120, 130);
    assert_eq!(world.flows().battery, Watts::ZERO);
    text(&mut world, "sim/battery/mode/set", "3");
    run(&mut world, 130, 140);
    assert_eq!(world.flows().battery, Watts(-3000.0));
    text(&mut world, "sim/wb/1/maxcurrent/set", "16");
    text(&mut world, "sim/wb/1/enable/set", "true");
    text(&mut world, "sim/battery/mode/set", "1");
    run(&mut world, 140, 200);
    assert!(world.flows().battery > Watts::ZERO, "it helps the car");
    text(&mut world, "sim/battery/mode/set", "2");
    run(&mut world, 200, 210);
    assert_eq!(world.flows().battery, Watts::ZERO, "no discharge");
}

#[test]
fn sun_and_habits_follow_the_day() {
    let plan = Plan { hour: 0.0, speed: 600.0, ..Plan::demo(3) };
    let mut world = World::new(plan, start());
    let mut seen = Vec::new();
    for second in 1..=144 {
        world.step(seconds(second));
        adds_up(&world);
        seen.push((world.hour(), world.flows().pv, world.cars()[1].place, world.flows().load));
    }
    let night = |hour: f64| !(6.0..20.0).contains(&hour);
    assert!(seen.iter().filter(|(hour, ..)| night(*hour)).all(|(_, pv, ..)| *pv == Watts::ZERO));
    assert!(seen.iter().any(|(_, pv, ..)| *pv > Watts(5000.0)));
    for place in [Place::Home, Place::Road, Place::Away] {
        assert!(seen.iter().any(|(_, _, at, _)| *at == place), "{place:?}");
    }
    assert!(seen.iter().any(|(.., load)| *load > Watts(2000.0)), "somebody cooks");
    assert!(seen.iter().all(|(.., load)| *load > Watts(200.0)));
    assert!((world.hour() - 24.0).abs() < 1e-9);
}

#[test]
fn a_clock_that_stands_or_goes_back_changes_nothing() {
    let mut world = charging();
    let before = world.clone();
    world.step(seconds(60));
    world.step(seconds(10));
    assert_eq!((world.flows(), world.hour()), (before.flows(), before.hour()));
    // A year is computed in a bounded number of ticks.
    world.step(seconds(365 * 24 * 3600));
    adds_up(&world);
}

#[test]
fn another_seed_tells_another_story() {
    let pv = |seed| {
        let mut world = World::demo(seed, 60.0, start());
        world.step(seconds(60));
        world.flows().pv
    };
    assert!((0..8).any(|seed| pv(seed) != pv(seed + 1)));
}

#[test]
fn a_full_or_empty_battery_takes_or_gives_nothing() {
    let mut world = World::demo(7, 600.0, start());
    run(&mut world, 0, 24);
    let flows = world.flows();
    let soc = world.battery().map(|battery| battery.soc.0);
    assert!(soc > Some(99.9) && flows.pv > flows.load, "{soc:?} {flows:?}");
    assert!(flows.battery > Watts(-1.0), "{flows:?}");
    let mut plan = Plan { hour: 22.0, ..Plan::demo(7) };
    if let Some(battery) = &mut plan.battery {
        battery.soc = Percent(5.2);
    }
    let mut world = World::new(plan, start());
    run(&mut world, 0, 10);
    assert!(world.flows().battery > Watts(100.0));
    run(&mut world, 10, 600);
    assert!(world.flows().battery < Watts(1.0));
    let soc = world.battery().map(|battery| battery.soc);
    assert!(soc > Some(Percent(4.99)), "{soc:?}");
}
