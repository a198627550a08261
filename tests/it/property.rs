//! Laws of the core (control.md §33.3), checked on random sites, readings, wishes and outcomes.

use std::time::Duration;

use chargebus::control::{Control, Why};
use chargebus::model::*;
use chrono::{TimeZone, Utc};
use proptest::prelude::*;

use crate::rhythm::Rhythm;

/// One thing that may happen.
#[derive(Clone, Debug)]
enum Step {
    Grid(f64),
    Pv(f64),
    Battery(f64, f64),
    Status(usize, ChargeStatus),
    Enabled(usize, bool),
    Power(usize, f64),
    Current(usize, f64),
    Mode(usize, Mode),
    Phases(usize, i64),
    MinCurrent(usize, f64),
    MaxCurrent(usize, f64),
    Priority(usize, i64),
    Soc(f64),
    LimitSoc(usize, f64),
    Boost(usize, bool),
    BoostLimit(usize, f64),
    TakeOver(BatteryMode),
    Pass(u64),
    /// The next commands fail.
    Fail(bool),
}

fn step() -> impl Strategy<Value = Step> {
    let lp = 0..3_usize;
    prop_oneof![
        4 => (-15000.0..15000.0).prop_map(Step::Grid),
        1 => (-100.0..12000.0).prop_map(Step::Pv),
        1 => (-5000.0..5000.0, 0.0..100.0).prop_map(|(power, soc)| Step::Battery(power, soc)),
        2 => (lp.clone(), prop::sample::select(ChargeStatus::ALL)).prop_map(|(lp, status)| Step::Status(lp, status)),
        1 => (lp.clone(), any::<bool>()).prop_map(|(lp, on)| Step::Enabled(lp, on)),
        2 => (lp.clone(), 0.0..12000.0).prop_map(|(lp, power)| Step::Power(lp, power)),
        1 => (lp.clone(), 0.0..17.0).prop_map(|(lp, current)| Step::Current(lp, current)),
        2 => (lp.clone(), prop::sample::select(Mode::ALL)).prop_map(|(lp, mode)| Step::Mode(lp, mode)),
        1 => (lp.clone(), prop::sample::select(vec![0_i64, 1, 3])).prop_map(|(lp, n)| Step::Phases(lp, n)),
        1 => (lp.clone(), 1.0..20.0).prop_map(|(lp, current)| Step::MinCurrent(lp, current)),
        1 => (lp.clone(), 6.0..32.0).prop_map(|(lp, current)| Step::MaxCurrent(lp, current)),
        1 => (lp.clone(), 0..5_i64).prop_map(|(lp, priority)| Step::Priority(lp, priority)),
        1 => (0.0..100.0).prop_map(Step::Soc),
        1 => (lp.clone(), 0.0..100.0).prop_map(|(lp, soc)| Step::LimitSoc(lp, soc)),
        1 => (lp.clone(), any::<bool>()).prop_map(|(lp, on)| Step::Boost(lp, on)),
        1 => (lp, 0.0..100.0).prop_map(|(lp, soc)| Step::BoostLimit(lp, soc)),
        1 => prop::sample::select(BatteryMode::ALL).prop_map(Step::TakeOver),
        4 => (1..200_000_u64).prop_map(Step::Pass),
        1 => any::<bool>().prop_map(Step::Fail),
    ]
}

fn site() -> Setup {
    let loadpoint = |index: usize| LoadPointSetup {
        name: format!("lp-{}", index + 1),
        default_mode: (index == 2).then_some(Mode::Pv),
        phases_configured: if index == 0 { 0 } else { 3 },
        vehicle: (index == 0).then_some(VehicleIx(0)),
        charger: ChargerSetup {
            phase_switching: index == 0,
            has_power: index != 1,
            has_currents: index == 0,
            milliamps: index == 0,
            can_wake: true,
            ..ChargerSetup::default()
        },
        ..LoadPointSetup::default()
    };
    Setup {
        residual_power: Watts(100.0),
        priority_soc: Percent(20.0),
        buffer_soc: Percent(60.0),
        buffer_start_soc: Percent(90.0),
        meters: vec![
            MeterSetup::new("grid", MeterRole::Grid),
            MeterSetup::new("pv", MeterRole::Pv),
            MeterSetup { controllable: true, ..MeterSetup::new("bat", MeterRole::Battery) },
        ],
        loadpoints: (0..3).map(loadpoint).collect(),
        vehicles: vec![VehicleSetup { name: "car".into(), ..VehicleSetup::default() }],
        ..Setup::default()
    }
}

/// Runs the core and watches what it commands.
struct Watch {
    control: Control,
    now: Now,
    fail: bool,
    log: String,
    /// Per load point: the last current that was commanded, and when phases were last switched.
    current: [Option<Amps>; 3],
    switched: [Option<Mono>; 3],
}

impl Rhythm for Watch {
    fn core(&mut self) -> &mut Control {
        &mut self.control
    }

    fn clock(&mut self) -> &mut Now {
        &mut self.now
    }

    fn note(&mut self, effect: Effect) {
        self.log += &format!("{} {effect:?}\n", self.now.mono.0);
        if let Effect::Charger { lp, command } = effect {
            self.check(lp.0, command);
        }
    }

    fn outcome(&self) -> Outcome {
        if self.fail { Outcome::Failed } else { Outcome::Done }
    }
}

impl Watch {
    fn new() -> Self {
        let now = Now { mono: Mono(10_000_000), utc: Utc.timestamp_opt(1_800_000_000, 0).unwrap() };
        Self {
            control: Control::new(site(), now),
            now,
            fail: false,
            log: String::new(),
            current: [None; 3],
            switched: [None; 3],
        }
    }

    fn step(&mut self, step: &Step) {
        let now = self.now;
        let origin = Origin::Live;
        let meter = |meter, value| Fact::Meter { meter: MeterIx(meter), value, origin };
        let charger = |lp, value| Fact::Charger { lp: LoadPointIx(lp), value, origin };
        let control = &mut self.control;
        match step.clone() {
            Step::Grid(power) => control.handle(now, meter(0, MeterValue::Power(Watts(power)))),
            Step::Pv(power) => control.handle(now, meter(1, MeterValue::Power(Watts(power)))),
            Step::Battery(power, soc) => {
                control.handle(now, meter(2, MeterValue::Power(Watts(power))));
                control.handle(now, meter(2, MeterValue::Soc(Percent(soc))));
            }
            Step::Status(lp, status) => {
                control.handle(now, charger(lp, ChargerValue::Status(status)))
            }
            Step::Enabled(lp, on) => control.handle(now, charger(lp, ChargerValue::Enabled(on))),
            Step::Power(lp, power) => {
                control.handle(now, charger(lp, ChargerValue::Power(Watts(power))))
            }
            Step::Current(lp, current) => {
                control.handle(now, charger(lp, ChargerValue::Current(Phase::L1, Amps(current))));
            }
            Step::Mode(lp, mode) => control.set_mode(now, LoadPointIx(lp), mode).unwrap(),
            Step::Phases(lp, phases) => {
                let _ = control.set_phases_configured(now, LoadPointIx(lp), phases);
            }
            Step::MinCurrent(lp, current) => {
                let _ = control.set_min_current(now, LoadPointIx(lp), Amps(current));
            }
            Step::MaxCurrent(lp, current) => {
                let _ = control.set_max_current(now, LoadPointIx(lp), Amps(current));
            }
            Step::Priority(lp, priority) => {
                control.set_priority(now, LoadPointIx(lp), priority).unwrap()
            }
            Step::Soc(soc) => {
                let value = VehicleValue::Soc(Some(Percent(soc)));
                control.handle(now, Fact::Vehicle { vehicle: VehicleIx(0), value, origin });
            }
            Step::LimitSoc(lp, soc) => {
                control.set_limit_soc(now, LoadPointIx(lp), Percent(soc)).unwrap()
            }
            Step::Boost(lp, on) => {
                let _ = control.set_battery_boost(now, LoadPointIx(lp), on);
            }
            Step::BoostLimit(lp, soc) => {
                control.set_battery_boost_limit(now, LoadPointIx(lp), Percent(soc)).unwrap();
            }
            Step::TakeOver(mode) => control.set_battery_mode(now, mode, None).unwrap(),
            Step::Pass(millis) => self.pass(Duration::from_millis(millis)),
            Step::Fail(fail) => self.fail = fail,
        }
        self.drain();
    }

    fn pass(&mut self, duration: Duration) {
        let end = self.now.later(duration);
        self.pass_until(end, 100_000);
    }

    fn check(&mut self, lp: usize, command: ChargerCommand) {
        let state = &self.control.loadpoints()[lp];
        if command != ChargerCommand::Renew {
            assert_ne!(state.decision.why, Why::ChargerUnknown, "{command:?} without a reason");
        }
        match command {
            ChargerCommand::MaxCurrent(current) => {
                let (min, max) = (state.effective.min_current, state.effective.max_current);
                assert!(current >= min && current <= max, "{current} outside {min} to {max}");
                self.current[lp] = Some(current);
            }
            ChargerCommand::Enable(true) => {
                assert!(self.current[lp].is_some(), "enabled before any current was commanded");
                assert_ne!(state.settings.mode, Mode::Off, "enabled in mode off");
            }
            ChargerCommand::Phases(phases) => {
                assert!(phases == 1 || phases == 3);
                self.switched[lp] = Some(self.now.mono);
            }
            ChargerCommand::WakeUp => {
                assert!(state.enabled && state.connected(), "wakes nobody");
            }
            ChargerCommand::Enable(false) | ChargerCommand::Renew => {}
        }
    }

    /// Off and disconnected are off within one evaluation, whatever else fails; published delays run.
    fn invariants(&self) {
        for lp in self.control.loadpoints() {
            if lp.settings.mode == Mode::Off && !self.fail && lp.status.is_some() {
                assert!(!lp.enabled, "{} is enabled in mode off", lp.setup.name);
            }
            let solar = matches!(lp.settings.mode, Mode::Pv | Mode::MinPv);
            assert!(solar || !lp.boost_requested(), "boost in another mode");
            if !lp.enabled {
                assert_eq!(
                    lp.offered,
                    Amps(0.0),
                    "{} offers current while disabled",
                    lp.setup.name
                );
            }
            for due in [lp.pv_action.1, lp.phase_action.1].into_iter().flatten() {
                assert!(
                    due.since(self.now.mono) <= Duration::from_secs(180),
                    "a delay longer than configured"
                );
            }
            let session = lp.session();
            assert!(session.solar.0 <= session.energy.0 + 1e-6, "more solar than energy");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn laws_hold_whatever_happens(steps in prop::collection::vec(step(), 1..80)) {
        let mut watch = Watch::new();
        for step in &steps {
            watch.step(step);
        }
        // Every wish is decided upon at once.
        watch.fail = false;
        watch.step(&Step::Pass(2_000));
        watch.invariants();
    }

    #[test]
    fn the_same_story_ends_the_same(steps in prop::collection::vec(step(), 1..60)) {
        let run = || {
            let mut watch = Watch::new();
            steps.iter().for_each(|step| watch.step(step));
            watch.log
        };
        prop_assert_eq!(run(), run());
    }

    #[test]
    fn more_surplus_never_means_less_current(low in 0.0..12000.0_f64, more in 0.0..6000.0_f64) {
        let offered = |surplus: f64| {
            let mut watch = Watch::new();
            let lp = 1;
            for step in [
                Step::Status(lp, ChargeStatus::Connected),
                Step::Enabled(lp, false),
                Step::Mode(lp, Mode::Pv),
            ] {
                watch.step(&step);
            }
            for _ in 0..62 {
                watch.step(&Step::Grid(-surplus));
                watch.step(&Step::Pass(1_000));
            }
            let enabled = watch.control.loadpoints()[lp].enabled;
            if enabled { 1 } else { 0 }
        };
        prop_assert!(offered(low + more) >= offered(low));
    }
}
