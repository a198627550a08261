//! A year of one household in virtual time: cars that leave on time, cheaply, and twice the same.

use std::time::Duration;

use chargebus::control::tariff::{Tariff, TariffStatus, Tariffs};
use chargebus::control::{Control, RepeatingPlan};
use chargebus::model::*;
use chargebus::sim::{Place, Plan, World};
use chrono::{DateTime, TimeDelta, Timelike, Utc};

/// 2026-01-01 00:00 UTC.
const NEW_YEAR: i64 = 1_767_225_600;
const DAYS: i64 = 365;
/// What feeding in pays, currency/kWh.
const FEED_IN: f64 = 0.08;
/// What the plans of the car want at seven in the morning of a working day.
const GOAL: f64 = 60.0;
/// The car knows its SoC in whole percent.
const WHOLE: f64 = 1.0;

/// What the year came to.
#[derive(Debug, Default, PartialEq)]
struct Account {
    /// kWh at the wallbox.
    charged: f64,
    /// kWh of it that the grid gave: what the import grew by.
    bought: f64,
    /// What it cost at the prices of the time, feed-in that was missed included.
    cost: f64,
    /// What the same energy would have cost from the grid at once whenever the car came home.
    cost_at_once: f64,
    /// Departures on working days, and those at which the goal was missed.
    departures: u32,
    missed: Vec<i64>,
    /// Times on or off, and phases switched.
    switches: u32,
    /// A number that changes with every command and its time.
    digest: u64,
}

struct Year {
    world: World,
    control: Control,
    now: Now,
    prices: Vec<Rate>,
    priced_until: DateTime<Utc>,
    account: Account,
    /// Price and energy since the car came home.
    home: Option<(f64, f64)>,
}

impl Year {
    fn new(seed: u64) -> Self {
        let now =
            Now { mono: Mono(10_000_000), utc: DateTime::from_timestamp(NEW_YEAR, 0).unwrap() };
        let mut plan = Plan {
            hour: 0.0,
            season: Some(0.0),
            tick: Duration::from_secs(180),
            report: Duration::from_secs(60),
            ..Plan::demo(seed)
        };
        plan.places.truncate(1);
        let car = &mut plan.places[0].1;
        // Away on every day from seven to four: 80 km and a break at work.
        (car.away, car.way_km, car.limit_soc) = (vec![(7.0, 16.0)], 40.0, Percent(90.0));
        let world = World::new(plan, now);
        let mut setup = world.setup();
        // Samples of this world are minutes apart.
        setup.meters.iter_mut().for_each(|meter| meter.timeout = Some(Duration::from_secs(3600)));
        setup.priority_soc = Percent(30.0);
        let mut control = Control::new(setup, now);
        control.set_mode(now, LoadPointIx(0), Mode::Pv).unwrap();
        let days = [1, 2, 3, 4, 5];
        let plan = RepeatingPlan::new(&days, "07:00", "UTC", Percent(GOAL), true).unwrap();
        control.set_repeating_plans(now, VehicleIx(0), vec![plan]).unwrap();
        let priced_until = now.utc;
        let (account, home) = (Account::default(), None);
        Self { world, control, now, prices: Vec::new(), priced_until, account, home }
    }

    /// Prices of the next day are known from two in the afternoon on, as at an exchange.
    fn prices(&mut self) {
        let day_ends = self.now.utc + TimeDelta::hours(34);
        if self.priced_until > day_ends - TimeDelta::hours(24) {
            return;
        }
        let now = self.now.utc;
        self.prices.retain(|rate| rate.end > now);
        let midnight = day_ends.timestamp().div_euclid(86_400) * 86_400;
        let until = DateTime::from_timestamp(midnight, 0).unwrap();
        while self.priced_until < until {
            let (start, end) = (self.priced_until, self.priced_until + TimeDelta::minutes(15));
            self.prices.push(Rate { start, end, value: price(start) });
            self.priced_until = end;
        }
        let tariff = |kind, rates: &[Rate]| {
            Some(Tariff { kind, rates: rates.into(), status: TariffStatus::Fresh })
        };
        let flat = Rate { start: now, end: until, value: FEED_IN };
        let tariffs = Tariffs {
            grid: tariff(TariffKind::PriceForecast, &self.prices),
            feed_in: tariff(TariffKind::PriceStatic, &[flat]),
            ..Tariffs::default()
        };
        self.control.set_tariffs(self.now, tariffs);
    }

    /// Minutes matter while the car can charge; otherwise little happens.
    fn step(&self) -> Duration {
        let flows = self.world.flows();
        let busy = flows.charging > Watts::ZERO || flows.pv > Watts(1000.0);
        let minutes = if busy && self.world.cars()[0].is_plugged() { 3 } else { 15 };
        // Slots and habits begin at quarters of an hour.
        let rest = 15 - u64::from(self.now.utc.minute()) % 15;
        Duration::from_secs(60 * minutes.min(rest))
    }

    fn run(&mut self, days: i64) {
        let end = self.now.utc + TimeDelta::days(days);
        while self.now.utc < end {
            self.prices();
            let step = self.step();
            self.leave(step);
            self.now = self.now.later(step);
            self.world.step(self.now);
            for fact in self.world.facts() {
                self.control.handle(self.now, fact);
            }
            self.decide();
            self.book(step);
        }
    }

    /// Decides what is due within the second after a sample.
    fn decide(&mut self) {
        let last = self.now.mono + Duration::from_secs(1);
        for _ in 0..20 {
            let due = self.control.deadline().0.max(self.now.mono);
            if due > last {
                return;
            }
            let at = self.now.later(due.since(self.now.mono));
            self.control.handle_timeout(at);
            while let Some(effect) = self.control.poll() {
                self.world.apply(&effect);
                let Effect::Charger { command, .. } = effect else { continue };
                if matches!(command, ChargerCommand::Enable(_) | ChargerCommand::Phases(_)) {
                    self.account.switches += 1;
                }
                let code = match command {
                    ChargerCommand::MaxCurrent(current) => current.0.to_bits(),
                    ChargerCommand::Enable(on) => u64::from(on) + 1,
                    ChargerCommand::Phases(phases) => u64::from(phases) + 10,
                    ChargerCommand::WakeUp => 20,
                    ChargerCommand::Renew => continue,
                };
                let digest = (self.account.digest ^ code).wrapping_mul(0x0100_0000_01b3);
                self.account.digest = (digest ^ at.mono.0).wrapping_mul(0x0100_0000_01b3);
            }
        }
        panic!("more than 20 decisions within a second at {}", self.now.utc);
    }

    /// The car leaves within the next step.
    fn leave(&mut self, step: Duration) {
        let car = &self.world.cars()[0];
        let seven = self.now.utc.hour() == 7 && self.now.utc.minute() == 0;
        let weekend = self.now.utc.timestamp().div_euclid(86_400) % 7;
        // Day 0 of the epoch was a Thursday: 2 and 3 are Saturday and Sunday.
        if step.is_zero() || !seven || [2, 3].contains(&weekend) {
            return;
        }
        self.account.departures += 1;
        if car.soc.0 < GOAL - WHOLE {
            self.account.missed.push((self.now.utc.timestamp() - NEW_YEAR) / 86_400);
        }
    }

    fn book(&mut self, step: Duration) {
        let hours = step.as_secs_f64() / 3600.0;
        let flows = self.world.flows();
        let kwh = |power: Watts| power.0 / 1000.0 * hours;
        let alone = flows.grid - flows.charging;
        let bought = kwh(flows.grid.max(Watts::ZERO) - alone.max(Watts::ZERO)).max(0.0);
        let charged = kwh(flows.charging);
        let price = price(self.now.utc - TimeDelta::seconds(1));
        self.account.charged += charged;
        self.account.bought += bought;
        self.account.cost += bought * price + (charged - bought) * FEED_IN;
        let home = self.world.cars()[0].place == Place::Home;
        let (came, _) = *self.home.get_or_insert((price, 0.0));
        self.account.cost_at_once += charged * came;
        if !home {
            self.home = None;
        }
    }
}

/// A price with two peaks a day, cheap nights, dearer winters, and a whim.
fn price(at: DateTime<Utc>) -> f64 {
    let hour = f64::from(at.hour()) + f64::from(at.minute()) / 60.0;
    let peak = |around: f64| (-(hour - around) * (hour - around) / 4.0).exp();
    let day = at.timestamp().div_euclid(86_400);
    let winter = (day as f64 / 365.25 * std::f64::consts::TAU).cos();
    let whim = (day.wrapping_mul(2_654_435_761) >> 7).rem_euclid(100) as f64 / 1000.0;
    0.22 + 0.10 * peak(8.0) + 0.14 * peak(19.0) + 0.03 * winter + whim
}

#[test]
fn a_year_is_on_time_cheap_and_twice_the_same() {
    let year = || {
        let mut year = Year::new(7);
        year.run(DAYS);
        year.account
    };
    let other = std::thread::spawn(year);
    let account = year();
    println!("{account:#?}");
    assert_eq!(account.departures, 261, "working days");
    assert_eq!(account.missed, [0_i64; 0], "days on which the goal was missed");
    let Account { charged, bought, cost, cost_at_once, switches, .. } = account;
    assert!((3_500.0..7_000.0).contains(&charged), "{charged} kWh for 29,200 km");
    assert!(bought < 0.8 * charged, "{bought} kWh of {charged} kWh from the grid");
    assert!(cost < 0.8 * cost_at_once, "{cost}, but {cost_at_once} without a plan");
    assert!(switches < 365 * 12, "{switches} times on, off or other phases");
    assert_eq!(account, other.join().unwrap(), "the same year again");
}
