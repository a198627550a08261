//! The pure core alone, without sockets: one decision, and one look at the state.

use std::hint::black_box;
use std::time::{Duration, Instant};

use anyhow::anyhow;
use chargebus::api::{About, State, System, View};
use chargebus::config::Config;
use chargebus::control::{Control, Later, Request, plan_chain};
use chargebus::model::{
    ChargeStatus, ChargerValue, Fact, LoadPointIx, MeterIx, MeterValue, Mono, Now, Origin, Rate,
    Watts,
};
use chrono::{DateTime, TimeDelta};

use crate::site;
use crate::table::{Budget, Table, Unit};

/// Load points, and how often each is measured.
const SIZES: [(usize, usize); 4] = [(1, 2_000), (10, 2_000), (100, 500), (1000, 100)];
/// How often a plan is made.
const PLANS: usize = 500;
/// What a charger draws at 16 and at 6 A.
const POWERS: [Watts; 2] = [Watts(11_040.0), Watts(4_140.0)];

pub(crate) fn measure(table: &mut Table) -> anyhow::Result<()> {
    for (loadpoints, runs) in SIZES {
        let mut park = Park::new(&site::park(loadpoints))?;
        let decisions = (0..runs).map(|n| park.decide(n)).collect();
        table.add(
            format!("one decision that moves every charger, {loadpoints} load points"),
            Unit::Micros,
            Budget::None,
            decisions,
        );
    }
    let (loadpoints, runs) = SIZES[SIZES.len() - 1];
    let mut park = Park::new(&site::tree(loadpoints))?;
    // The circuits share out what there is: not everybody gets more each time.
    park.least = loadpoints / 5;
    let decisions = (0..runs).map(|n| park.decide(n)).collect();
    table.add(
        format!("one decision, {loadpoints} load points on a tree of circuits"),
        Unit::Micros,
        Budget::P99(10_000.0),
        decisions,
    );
    for (goals, continuous) in [(1, false), (1, true), (3, false), (3, true)] {
        let kind = if continuous { "one block" } else { "cheapest slots" };
        let chain = if goals > 1 { format!(", {goals} goals of one car") } else { String::new() };
        let plans = (0..PLANS).map(|n| plan_days(n, continuous, goals)).collect();
        let what = format!("a plan over 96 h of quarter-hour prices, {kind}{chain}");
        table.add(what, Unit::Micros, Budget::P99(1_000.0), plans);
    }
    let mut park = Park::new(&site::park(loadpoints))?;
    for (what, changes) in [("nothing", 0), ("one thing", 1), ("everything", loadpoints)] {
        let looks = (0..runs).map(|n| park.look(n, changes)).collect::<Vec<_>>();
        table.add(
            format!("next state and its changes, {loadpoints} load points, {what} changed"),
            Unit::Micros,
            Budget::None,
            looks,
        );
    }
    Ok(())
}

/// Microseconds for a plan within four days, every quarter with its own price: six hours by the end, or
/// by that of equal parts of the time for each goal.
fn plan_days(n: usize, continuous: bool, goals: i32) -> f64 {
    let now = DateTime::from_timestamp(1_786_190_400, 0).unwrap_or_default();
    let quarter = |slot: i32| now + TimeDelta::minutes(15) * slot;
    let price = |slot: i32| f64::from((slot * 7919 + n as i32 * 31) % 383) / 1000.0;
    let slots = 0..96 * 4;
    let rates: Vec<Rate> = slots
        .map(|slot| Rate { start: quarter(slot), end: quarter(slot + 1), value: price(slot) })
        .collect();
    let goal = |nth: i32| Later {
        required: TimeDelta::hours(6) * nth,
        target: quarter(96 * 4 * nth / goals),
    };
    let Later { required, target } = goal(1);
    let later: Vec<Later> = (2..=goals).map(goal).collect();
    let precondition = TimeDelta::zero();
    let request = Request { now, required, precondition, target, continuous };
    let begun = Instant::now();
    black_box(plan_chain(black_box(&request), black_box(&later), black_box(&rates)));
    begun.elapsed().as_secs_f64() * 1e6
}

struct Park {
    control: Control,
    system: System,
    state: State,
    now: Now,
    /// Commands that a decision must come to, so that something is measured.
    least: usize,
}

impl Park {
    /// Every charger charges in mode minpv.
    fn new(config: &str) -> anyhow::Result<Self> {
        let utc = DateTime::from_timestamp(1_786_190_400, 0).unwrap_or_default();
        let now = Now { mono: Mono(10_000), utc };
        let checked = Config::parse(config, &broker)
            .map_err(|errors| anyhow!("the configuration is wrong: {:?}", errors.errors))?;
        let system = System {
            version: System::version(),
            anchor: now,
            interval: Duration::from_secs(30),
            currency: "EUR".to_owned(),
            timezone: "UTC +00:00".to_owned(),
            platform: "bench".to_owned(),
            started: true,
            mirrors: true,
            standby: None,
            about: About::default(),
        };
        let mut control = Control::new(checked.config.setup, now);
        for n in 0..control.loadpoints().len() {
            for value in [
                ChargerValue::Enabled(true),
                ChargerValue::Power(POWERS[0]),
                ChargerValue::Status(ChargeStatus::Charging),
            ] {
                control.handle(now, charger(n, value));
            }
        }
        let least = control.loadpoints().len();
        Ok(Self { control, system, state: State::default(), now, least })
    }

    fn pass(&mut self, time: Duration) {
        self.now.mono = self.now.mono + time;
        self.now.utc += time;
    }

    /// Microseconds from a grid sample that moves every charger to the last command.
    fn decide(&mut self, n: usize) -> f64 {
        let loadpoints = self.control.loadpoints().len();
        self.pass(Duration::from_millis(500));
        for ix in 0..loadpoints {
            self.control.handle(self.now, charger(ix, ChargerValue::Power(POWERS[n % 2])));
        }
        self.pass(Duration::from_millis(500));
        self.control.handle_timeout(self.now);
        while self.control.poll().is_some() {}
        self.pass(Duration::from_millis(500));
        let spread = (POWERS[0] - POWERS[1]) * loadpoints as f64 + Watts(1_000.0);
        let grid = if n.is_multiple_of(2) { spread } else { -spread };
        // A jump raises nothing before it is said again (design S3).
        self.control.handle(self.now, grid_sample(grid));
        self.pass(Duration::from_millis(200));
        self.control.handle(self.now, grid_sample(grid));
        self.pass(Duration::from_millis(10));
        let begun = Instant::now();
        self.control.handle_timeout(self.now);
        let mut commands = 0;
        while let Some(effect) = self.control.poll() {
            black_box(effect);
            commands += 1;
        }
        let took = begun.elapsed();
        assert!(
            n == 0 || commands >= self.least,
            "{commands} commands for {loadpoints} load points"
        );
        took.as_secs_f64() * 1e6
    }

    /// Microseconds for the next state and its changes after some charge powers have changed.
    fn look(&mut self, n: usize, changes: usize) -> f64 {
        for ix in 0..changes {
            let power = Watts(4_140.0 + n as f64);
            self.control.handle(self.now, charger(ix, ChargerValue::Power(power)));
        }
        let view = View { control: &self.control, system: &self.system, now: self.now };
        let begun = Instant::now();
        let next = self.state.next(&view);
        black_box(next.changes(&self.state));
        let took = begun.elapsed();
        self.state = next;
        took.as_secs_f64() * 1e6
    }
}

/// The configuration asks for a broker, although nothing connects here.
fn broker(variable: &str) -> Option<String> {
    (variable == "EVCC_MQTT_BROKER").then(|| "localhost".to_owned())
}

fn charger(ix: usize, value: ChargerValue) -> Fact {
    Fact::Charger { lp: LoadPointIx(ix), value, origin: Origin::Live }
}

fn grid_sample(power: Watts) -> Fact {
    Fact::Meter { meter: MeterIx(0), value: MeterValue::Power(power), origin: Origin::Live }
}
