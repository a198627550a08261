//! Simulated days in the closed loop of core and house: stable, frugal, obedient, and twice the same.

use std::time::Duration;

use chargebus::control::Control;
use chargebus::model::*;
use chargebus::sim::{Fault, Plan, World};
use chrono::{TimeZone, Utc};

const STEP: Duration = Duration::from_millis(500);

/// What a day came to.
#[derive(Debug, Default, PartialEq)]
struct Account {
    /// Charged at all load points.
    charged_kwh: f64,
    /// Imported while the house alone would not have imported, and a load point in mode pv was on.
    blamed_kwh: f64,
    commands: usize,
    enables: usize,
    phase_switches: usize,
    /// Everything that was commanded, with its time.
    log: String,
}

struct Day {
    world: World,
    control: Control,
    now: Now,
    account: Account,
}

impl Day {
    fn new(plan: Plan) -> Self {
        let now = Now { mono: Mono(10_000_000), utc: Utc.timestamp_opt(1_800_000_000, 0).unwrap() };
        let world = World::new(plan, now);
        let control = Control::new(world.setup(), now);
        Self { world, control, now, account: Account::default() }
    }

    fn mode(&mut self, lp: usize, mode: Mode) {
        self.control.set_mode(self.now, LoadPointIx(lp), mode).unwrap();
    }

    fn run(&mut self, duration: Duration) {
        let end = self.now.later(duration).mono;
        let before = self.charged();
        while self.now.mono < end {
            self.now = self.now.later(STEP);
            self.world.step(self.now);
            for fact in self.world.facts() {
                self.control.handle(self.now, fact);
            }
            while self.control.deadline().0 <= self.now.mono + STEP {
                let due = self.control.deadline().0.max(self.now.mono);
                let at = self.now.later(due.since(self.now.mono));
                self.control.handle_timeout(at);
                self.drain(at);
            }
            self.book();
        }
        self.account.charged_kwh += self.charged() - before;
    }

    fn drain(&mut self, at: Now) {
        while let Some(effect) = self.control.poll() {
            self.world.apply(&effect);
            let Effect::Charger { command, .. } = effect else { continue };
            if command == ChargerCommand::Renew {
                continue;
            }
            self.account.commands += 1;
            match command {
                ChargerCommand::Enable(_) => self.account.enables += 1,
                ChargerCommand::Phases(_) => self.account.phase_switches += 1,
                ChargerCommand::MaxCurrent(_) | ChargerCommand::WakeUp | ChargerCommand::Renew => {}
            }
            self.account.log += &format!("{} {effect:?}\n", at.mono.0);
        }
    }

    fn book(&mut self) {
        let flows = self.world.flows();
        let alone = flows.grid - flows.charging;
        let blamed = flows.grid.max(Watts::ZERO) - alone.max(Watts::ZERO);
        self.account.blamed_kwh += blamed.0.max(0.0) * STEP.as_secs_f64() / 3.6e6;
    }

    fn charged(&self) -> f64 {
        self.world.wallboxes().iter().map(|wallbox| wallbox.energy().0).sum()
    }
}

fn hours(hours: u64) -> Duration {
    Duration::from_secs(hours * 3600)
}

#[test]
fn a_cloudy_day_is_charged_from_the_sun_without_hunting() {
    let mut day = Day::new(Plan::demo(3));
    day.mode(0, Mode::Pv);
    day.mode(1, Mode::Off);
    day.run(hours(5));
    let Account { charged_kwh, blamed_kwh, commands, enables, phase_switches, .. } = &day.account;
    assert!(*charged_kwh > 8.0, "{charged_kwh} kWh from 9.8 kWp in five hours around noon");
    assert!(*blamed_kwh < 0.1 * charged_kwh, "{blamed_kwh} kWh of {charged_kwh} kWh from the grid");
    assert!(*commands < 5 * 60, "{commands} commands in five hours");
    assert!(*enables <= 5 * 4, "{enables} times on or off in five hours");
    assert!(*phase_switches <= 5 * 6, "{phase_switches} phase switches in five hours");
}

#[test]
fn the_same_day_twice_is_the_same() {
    let run = || {
        let mut day = Day::new(Plan::demo(11));
        day.mode(0, Mode::Pv);
        day.mode(1, Mode::MinPv);
        day.run(hours(1));
        day.account
    };
    let account = run();
    assert!(account.commands > 0);
    assert_eq!(account, run());
}

#[test]
fn faults_never_raise_and_the_day_goes_on_after_them() {
    let mut day = Day::new(Plan::demo(5));
    day.mode(0, Mode::Pv);
    day.mode(1, Mode::MinPv);
    day.run(hours(1));
    let offered = |day: &Day| day.control.loadpoints()[0].offered;

    let before = offered(&day);
    day.world.set_grid_silent(true);
    day.run(Duration::from_secs(60));
    assert!(offered(&day) <= before, "a silent meter raised {before} to {}", offered(&day));
    day.mode(0, Mode::Off);
    day.run(Duration::from_secs(2));
    assert!(!day.control.loadpoints()[0].enabled, "off needs no meter");
    day.world.set_grid_silent(false);
    day.mode(0, Mode::Pv);
    day.run(Duration::from_secs(300));

    day.world.set_fault(0, Some(Fault::IgnoresCommands));
    day.run(Duration::from_secs(300));
    day.world.set_fault(0, None);
    day.world.set_fault(1, Some(Fault::ReportsLate(Duration::from_secs(20))));
    day.run(Duration::from_secs(600));
    day.world.set_fault(1, None);
    day.run(Duration::from_secs(900));
    let charged = day.charged();
    day.run(hours(1));
    assert!(day.charged() > charged, "faults are over and nothing charges");
}
