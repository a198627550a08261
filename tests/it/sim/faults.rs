//! Devices that misbehave.

use std::time::Duration;

use chargebus::model::{Amps, ChargerCommand, Fact, MeterIx, Outcome, Watts};
use chargebus::sim::Fault;

use super::{charging, command, run, said, seconds, text};

#[test]
fn a_wallbox_that_ignores_commands_says_done_and_does_nothing() {
    let mut world = charging();
    world.set_fault(0, Some(Fault::IgnoresCommands));
    assert_eq!(command(&mut world, ChargerCommand::Enable(false)), Outcome::Done);
    run(&mut world, 60, 120);
    assert_eq!(world.flows().charging, Watts(11_040.0));
    world.set_fault(0, None);
    assert_eq!(command(&mut world, ChargerCommand::Enable(false)), Outcome::Done);
    run(&mut world, 120, 125);
    assert_eq!(world.flows().charging, Watts::ZERO);
}

#[test]
fn a_late_wallbox_reports_the_past() {
    let mut world = charging();
    world.set_fault(0, Some(Fault::ReportsLate(Duration::from_secs(20))));
    text(&mut world, "sim/wb/1/enable/set", "false");
    let mut seen = Vec::new();
    for second in 61..=120 {
        world.step(seconds(second));
        let power = said(&world.messages(), "sim/wb/1/power").map(str::to_owned);
        seen.push((second, power));
    }
    let first_zero = seen.iter().find(|(_, power)| power.as_deref() == Some("0")).unwrap().0;
    assert_eq!(first_zero, 81);
    assert!(seen.iter().take(20).all(|(_, power)| power.is_none()), "{seen:?}");
}

#[test]
fn a_wallbox_can_refuse_phases_or_only_claim_to_switch() {
    let mut world = charging();
    world.set_fault(0, Some(Fault::RefusesPhases));
    assert_eq!(command(&mut world, ChargerCommand::Phases(1)), Outcome::NotAvailable);
    world.set_fault(0, Some(Fault::StuckRelay));
    assert_eq!(command(&mut world, ChargerCommand::Phases(1)), Outcome::Done);
    run(&mut world, 60, 90);
    assert_eq!(
        (world.wallboxes()[0].active_phases(), world.flows().charging),
        (3, Watts(11_040.0))
    );
    assert_eq!(command(&mut world, ChargerCommand::MaxCurrent(Amps(8.0))), Outcome::Done);
    run(&mut world, 90, 120);
    assert_eq!(world.wallboxes()[0].current(), Amps(8.0), "other commands are obeyed");
    assert_eq!(command(&mut world, ChargerCommand::Phases(2)), Outcome::Failed);
}

#[test]
fn a_silent_wallbox_goes_on_and_disturbs_nobody() {
    let mut world = charging();
    world.set_fault(0, Some(Fault::Silent));
    run(&mut world, 60, 61);
    let messages = world.messages();
    assert!(!messages.iter().any(|message| message.topic.starts_with("sim/wb/1/")));
    assert!(
        said(&messages, "sim/wb/2/status").is_some() && said(&messages, "sim/grid/power").is_some()
    );
    assert_eq!(command(&mut world, ChargerCommand::Enable(false)), Outcome::Failed);
    run(&mut world, 61, 100);
    assert_eq!(world.flows().charging, Watts(11_040.0));
}

#[test]
fn a_silent_grid_meter_says_nothing() {
    let mut world = charging();
    world.set_grid_silent(true);
    run(&mut world, 60, 61);
    assert_eq!(said(&world.messages(), "sim/grid/power"), None);
    let grid = |fact: &Fact| matches!(fact, Fact::Meter { meter: MeterIx(0), .. });
    assert!(!world.facts().iter().any(grid));
    world.set_grid_silent(false);
    run(&mut world, 61, 62);
    assert!(world.facts().iter().any(grid));
}
