//! The core from outside: facts in, commands out, on a clock of its own.

mod battery;
mod devices;
mod events;
mod vehicles;
mod wakeup;

use std::time::Duration;

use chargebus::control::{Control, Refusal, Why};
use chargebus::model::*;
use chrono::{TimeZone, Utc};

use crate::rhythm::Rhythm;

/// A site under test with its clock and everything it was told to do.
struct Bench {
    control: Control,
    now: Now,
    commands: Vec<(u64, usize, ChargerCommand)>,
    events: Vec<EventKind>,
    batteries: Vec<BatteryMode>,
    /// How often a vehicle was woken through its own channel.
    wakes: usize,
}

fn start() -> Now {
    Now { mono: Mono(1_000_000), utc: Utc.timestamp_opt(1_800_000_000, 0).unwrap() }
}

fn loadpoint(name: &str) -> LoadPointSetup {
    LoadPointSetup {
        name: name.into(),
        title: name.into(),
        phases_configured: 3,
        charger: ChargerSetup { has_power: true, ..ChargerSetup::default() },
        ..LoadPointSetup::default()
    }
}

fn setup(loadpoints: Vec<LoadPointSetup>) -> Setup {
    Setup {
        meters: vec![
            MeterSetup::new("grid", MeterRole::Grid),
            MeterSetup::new("pv", MeterRole::Pv),
        ],
        loadpoints,
        ..Setup::default()
    }
}

impl Rhythm for Bench {
    fn core(&mut self) -> &mut Control {
        &mut self.control
    }

    fn clock(&mut self) -> &mut Now {
        &mut self.now
    }

    fn note(&mut self, effect: Effect) {
        match effect {
            Effect::Charger { lp, command } if command != ChargerCommand::Renew => {
                let at = self.now.mono.since(start().mono).as_millis() as u64;
                self.commands.push((at, lp.0, command));
            }
            Effect::Event(event) => self.events.push(event.kind),
            Effect::Battery { mode, .. } => self.batteries.push(mode),
            Effect::WakeVehicle { .. } => self.wakes += 1,
            Effect::Charger { .. }
            | Effect::Journal { .. }
            | Effect::Slot(_)
            | Effect::Curtail { .. }
            | Effect::GridLimit(_) => {}
        }
    }
}

impl Bench {
    fn new(setup: Setup) -> Self {
        let now = start();
        Self {
            control: Control::new(setup, now),
            now,
            commands: vec![],
            events: vec![],
            batteries: vec![],
            wakes: 0,
        }
    }

    fn fact(&mut self, fact: Fact) {
        self.control.handle(self.now, fact);
        self.drain();
    }

    fn grid(&mut self, watts: f64) {
        let value = MeterValue::Power(Watts(watts));
        self.fact(Fact::Meter { meter: MeterIx(0), value, origin: Origin::Live });
    }

    fn charger(&mut self, lp: usize, value: ChargerValue) {
        self.fact(Fact::Charger { lp: LoadPointIx(lp), value, origin: Origin::Live });
    }

    /// Lets time pass; the core is woken exactly when it asked to be.
    fn pass(&mut self, duration: Duration) {
        let end = self.now.later(duration);
        self.pass_until(end, 1_000_000);
    }

    fn seconds(&mut self, seconds: u64) {
        self.pass(Duration::from_secs(seconds));
    }

    fn set_mode(&mut self, lp: usize, mode: Mode) {
        self.control.set_mode(self.now, LoadPointIx(lp), mode).unwrap();
        self.drain();
    }

    /// A house with `surplus` before charging; the cars draw what they are offered, metered at 1 Hz.
    fn live(&mut self, seconds: u64, surplus: f64) {
        for _ in 0..seconds {
            let mut total = 0.0;
            for lp in 0..self.control.loadpoints().len() {
                let state = &self.control.loadpoints()[lp];
                let draws = state.enabled && state.connected();
                let power = if draws { state.offered.power(Volts(230.0), 3).0 } else { 0.0 };
                let status = match (state.connected(), draws) {
                    (false, _) => None,
                    (true, true) => Some(ChargeStatus::Charging),
                    (true, false) => Some(ChargeStatus::Connected),
                };
                let enabled = state.enabled;
                total += power;
                self.charger(lp, ChargerValue::Enabled(enabled));
                self.charger(lp, ChargerValue::Power(Watts(power)));
                if let Some(status) = status {
                    self.charger(lp, ChargerValue::Status(status));
                }
            }
            self.grid(total - surplus);
            self.seconds(1);
        }
    }

    fn offered(&self, lp: usize) -> f64 {
        self.control.loadpoints()[lp].offered.0
    }

    fn why(&self, lp: usize) -> Why {
        self.control.loadpoints()[lp].decision.why
    }
}

fn connected(mode: Mode, loadpoints: Vec<LoadPointSetup>) -> Bench {
    let count = loadpoints.len();
    let mut bench = Bench::new(setup(loadpoints));
    for lp in 0..count {
        bench.charger(lp, ChargerValue::Status(ChargeStatus::Connected));
        bench.charger(lp, ChargerValue::Enabled(false));
        bench.set_mode(lp, mode);
    }
    bench
}

#[test]
fn charges_from_the_sun() {
    let mut bench = connected(Mode::Pv, vec![loadpoint("a")]);
    bench.live(59, 5000.0);
    assert!(bench.commands.is_empty(), "the enable delay is still running: {:?}", bench.commands);
    assert_eq!(bench.why(0), Why::WaitingToStart);
    bench.live(10, 5000.0);
    assert_eq!(
        bench.commands[0].2,
        ChargerCommand::MaxCurrent(Amps(6.0)),
        "current precedes enable"
    );
    assert_eq!(bench.commands[1].2, ChargerCommand::Enable(true));
    assert_eq!(bench.offered(0), 7.0, "5000 W are 7.2 A on three phases");
    bench.live(60, 9000.0);
    assert_eq!(bench.offered(0), 13.0);
    bench.live(60, 6000.0);
    assert_eq!(bench.offered(0), 8.0);
}

#[test]
fn a_cloud_reduces_at_once_and_stops_after_the_delay() {
    let mut bench = connected(Mode::Pv, vec![loadpoint("a")]);
    bench.live(90, 9000.0);
    assert_eq!(bench.offered(0), 13.0);
    bench.live(1, 1000.0);
    assert_eq!(bench.offered(0), 6.0, "down to the minimum with the first sample");
    bench.live(170, 1000.0);
    assert_eq!(bench.why(0), Why::WaitingToStop);
    bench.live(12, 1000.0);
    assert_eq!(bench.why(0), Why::NoSurplus);
    assert_eq!(bench.commands.last().unwrap().2, ChargerCommand::Enable(false));
}

#[test]
fn steady_surplus_is_a_quiet_charger() {
    let mut bench = connected(Mode::Pv, vec![loadpoint("a")]);
    bench.live(120, 8000.0);
    let before = bench.commands.len();
    bench.live(600, 8000.0);
    assert_eq!(bench.commands.len(), before, "nothing changes, nothing is sent");
}

#[test]
fn a_silent_grid_meter_lowers_within_ten_seconds_and_never_blocks_off() {
    let mut bench = connected(Mode::Pv, vec![loadpoint("a")]);
    bench.live(90, 12000.0);
    assert_eq!(bench.offered(0), 16.0);
    let last_sample = bench.now.mono - Duration::from_secs(1);
    bench.seconds(12);
    let (at, _, command) = *bench.commands.last().unwrap();
    assert_eq!(command, ChargerCommand::MaxCurrent(Amps(6.0)));
    let after = Mono(start().mono.0 + at).since(last_sample);
    assert!(after <= Duration::from_secs(10), "lowered {after:?} after the last sample");
    assert!(bench.events.contains(&EventKind::MeterSilent));
    assert_eq!(bench.why(0), Why::MeterSilent);

    bench.set_mode(0, Mode::Off);
    bench.seconds(1);
    assert_eq!(
        bench.commands.last().unwrap().2,
        ChargerCommand::Enable(false),
        "off needs no meter"
    );

    bench.set_mode(0, Mode::Now);
    bench.seconds(1);
    assert_eq!(bench.offered(0), 16.0, "now needs no meter either");
}

#[test]
fn a_silent_meter_stops_pv_after_the_delay_and_recovers_alone() {
    let mut bench = connected(Mode::Pv, vec![loadpoint("a")]);
    bench.live(90, 12000.0);
    bench.seconds(180);
    assert!(bench.control.loadpoints()[0].enabled, "the disable delay is not over");
    bench.seconds(20);
    assert!(!bench.control.loadpoints()[0].enabled);
    bench.live(70, 12000.0);
    assert!(bench.control.loadpoints()[0].enabled, "the meter is back, nobody restarted anything");
    assert_eq!(bench.events.iter().filter(|kind| **kind == EventKind::MeterBack).count(), 1);
}

#[test]
fn the_same_value_sent_again_is_fresh() {
    let mut bench = connected(Mode::Pv, vec![loadpoint("a")]);
    bench.live(90, 5000.0);
    for _ in 0..120 {
        bench.grid(-850.0);
        bench.seconds(1);
    }
    assert!(!bench.control.grid_silent());
}

#[test]
fn a_retained_sample_starts_nothing() {
    let mut bench = connected(Mode::Pv, vec![loadpoint("a")]);
    let value = MeterValue::Power(Watts(-9000.0));
    bench.fact(Fact::Meter { meter: MeterIx(0), value, origin: Origin::Retained });
    bench.seconds(300);
    assert!(bench.commands.is_empty(), "{:?}", bench.commands);
}

#[test]
fn two_load_points_never_take_the_same_surplus() {
    let mut bench = connected(Mode::Pv, vec![loadpoint("a"), loadpoint("b")]);
    bench.live(61, 5000.0);
    let started = bench.control.loadpoints().iter().filter(|lp| lp.enabled).count();
    assert_eq!(started, 1, "5000 W carry one car");
    bench.live(180, 18000.0);
    assert!(bench.control.loadpoints().iter().all(|lp| lp.enabled), "18 kW carry both");
    let total: f64 = (0..2).map(|lp| bench.offered(lp) * 690.0).sum();
    assert!(total <= 18000.0 && total > 18000.0 - 2.0 * 690.0, "{total} W of 18000 W are used");
}

#[test]
fn the_higher_priority_is_served_first() {
    let mut low = loadpoint("low");
    low.priority = 0;
    let mut high = loadpoint("high");
    high.priority = 5;
    let mut bench = connected(Mode::Pv, vec![low, high]);
    bench.set_mode(1, Mode::Off);
    bench.live(120, 6000.0);
    assert!(bench.control.loadpoints()[0].enabled);
    bench.set_mode(1, Mode::Pv);
    bench.live(300, 6000.0);
    assert!(bench.control.loadpoints()[1].enabled, "the higher priority takes the surplus");
    assert!(!bench.control.loadpoints()[0].enabled, "the lower one retreats");
}

#[test]
fn min_pv_charges_without_sun() {
    let mut bench = connected(Mode::MinPv, vec![loadpoint("a")]);
    bench.live(3, 0.0);
    assert_eq!(bench.offered(0), 6.0);
    assert_eq!(bench.why(0), Why::Minimum);
}

#[test]
fn switches_up_to_three_phases_and_down_again() {
    let mut setup = loadpoint("a");
    setup.phases_configured = 0;
    setup.charger.phase_switching = true;
    setup.charger.has_currents = true;
    let mut bench = connected(Mode::Pv, vec![setup]);
    // One-phase start: 2 kW.
    bench.live(70, 2000.0);
    assert_eq!(bench.commands[0].2, ChargerCommand::Phases(1));
    assert!(bench.control.loadpoints()[0].enabled);
}

#[test]
fn a_failed_off_is_asked_for_again_every_second() {
    let mut bench = connected(Mode::Now, vec![loadpoint("a")]);
    bench.live(5, 0.0);
    bench.control.set_mode(bench.now, LoadPointIx(0), Mode::Off).unwrap();
    let mut offs = 0;
    for _ in 0..30 {
        bench.now = bench.now.later(Duration::from_millis(500));
        bench.control.handle_timeout(bench.now);
        while let Some(effect) = bench.control.poll() {
            if let Effect::Charger { lp, command: command @ ChargerCommand::Enable(false) } = effect
            {
                offs += 1;
                let fact = Fact::Done { lp, command, outcome: Outcome::Failed };
                bench.control.handle(bench.now, fact);
            }
        }
    }
    assert!((10..=16).contains(&offs), "{offs} attempts in 15 s");
}

#[test]
fn limits_end_with_the_session() {
    let mut bench = connected(Mode::Now, vec![loadpoint("a")]);
    bench.control.set_limit_soc(bench.now, LoadPointIx(0), Percent(80.0)).unwrap();
    bench.control.set_limit_energy(bench.now, LoadPointIx(0), KilowattHours(10.0)).unwrap();
    bench.charger(0, ChargerValue::Status(ChargeStatus::Disconnected));
    let settings = bench.control.loadpoints()[0].settings;
    assert_eq!((settings.limit_soc, settings.limit_energy), (Percent(0.0), KilowattHours(0.0)));
    assert_eq!(settings.mode, Mode::Now, "without a default mode the mode stays");
}

#[test]
fn the_energy_limit_stops_now() {
    let mut bench = connected(Mode::Now, vec![loadpoint("a")]);
    bench.control.set_limit_energy(bench.now, LoadPointIx(0), KilowattHours(1.0)).unwrap();
    bench.live(300, 0.0);
    assert!(bench.control.loadpoints()[0].enabled);
    bench.live(40, 0.0);
    assert_eq!(bench.why(0), Why::EnergyLimit);
    let energy = bench.control.loadpoints()[0].session().energy.0;
    assert!((1000.0..1010.0).contains(&energy), "{energy} Wh at 11 kW, metered each second");
}

#[test]
fn a_restart_adopts_a_running_charge() {
    let mut bench = Bench::new(setup(vec![loadpoint("a")]));
    bench.charger(0, ChargerValue::Status(ChargeStatus::Charging));
    bench.charger(0, ChargerValue::Enabled(true));
    bench.charger(0, ChargerValue::Power(Watts(11040.0)));
    bench.set_mode(0, Mode::Pv);
    bench.seconds(5);
    assert!(
        bench.commands.is_empty(),
        "nothing is throttled before the meter speaks: {:?}",
        bench.commands
    );
    bench.grid(0.0);
    bench.seconds(1);
    assert_eq!(bench.offered(0), 16.0);
}

#[test]
fn refusals_name_the_reason() {
    let mut bench = connected(Mode::Pv, vec![loadpoint("a")]);
    let (now, lp) = (bench.now, LoadPointIx(0));
    let control = &mut bench.control;
    assert_eq!(control.set_min_current(now, lp, Amps(20.0)), Err(Refusal::MinAboveMax));
    assert_eq!(control.set_max_current(now, lp, Amps(5.0)), Err(Refusal::MaxBelowMin));
    assert_eq!(control.set_phases_configured(now, lp, 2), Err(Refusal::InvalidPhases(2)));
    assert_eq!(control.set_phases_configured(now, lp, 0), Err(Refusal::NoPhaseSwitching));
    assert_eq!(control.set_priority_soc(now, Percent(50.0)), Err(Refusal::NoBattery));
    assert!(control.set_mode(now, LoadPointIx(7), Mode::Off).is_err());
    assert!(control.set_vehicle(now, lp, Some(VehicleIx(3))).is_err());
}

#[test]
fn one_wild_sample_raises_nothing() {
    let mut bench = connected(Mode::Pv, vec![loadpoint("a")]);
    bench.live(90, 5000.0);
    assert_eq!(bench.offered(0), 7.0);
    let before = bench.commands.len();
    bench.live(1, 50_000.0);
    bench.live(20, 5000.0);
    assert_eq!(
        bench.commands.len(),
        before,
        "a jump of the meter must be confirmed: {:?}",
        bench.commands
    );
}

#[test]
fn a_car_that_does_not_draw_is_named() {
    let mut bench = connected(Mode::Now, vec![loadpoint("a")]);
    bench.seconds(1);
    bench.charger(0, ChargerValue::Enabled(true));
    bench.seconds(90);
    assert_eq!(bench.why(0), Why::NotDrawing);
    bench.charger(0, ChargerValue::Status(ChargeStatus::Charging));
    bench.seconds(1);
    assert_eq!(bench.why(0), Why::ModeNow);
}

#[test]
fn what_the_charger_said_before_a_switch_is_no_answer_to_it() {
    let mut setup = loadpoint("a");
    setup.phases_configured = 0;
    setup.charger.phase_switching = true;
    let mut bench = connected(Mode::Now, vec![setup]);
    bench.seconds(30);
    let enables = |bench: &Bench| {
        bench
            .commands
            .iter()
            .filter(|(_, _, command)| *command == ChargerCommand::Enable(true))
            .count()
    };
    assert_eq!(enables(&bench), 1, "{:?}", bench.commands);
    bench.charger(0, ChargerValue::Enabled(false));
    bench.seconds(20);
    assert_eq!(enables(&bench), 2, "switched off by itself while switching phases: on again, once");
}

#[test]
fn a_step_of_the_wall_clock_changes_nothing() {
    let story = |step_days: i64| {
        let mut bench = connected(Mode::Pv, vec![loadpoint("a")]);
        bench.live(30, 9000.0);
        bench.now.utc += chrono::TimeDelta::days(step_days);
        bench.live(60, 9000.0);
        bench.live(200, 0.0);
        bench.commands
    };
    assert_eq!(story(0), story(-400));
    assert_eq!(story(0), story(400));
    assert!(story(0).len() >= 4, "the story must have something to tell");
}
