//! The deterministic core: facts and wishes in, commands out, state to look at.
//!
//! Call order: `handle` records facts, `set_…` takes wishes, `handle_timeout` decides when
//! [`Control::deadline`] is due; after each of them drain [`Control::poll`] to `None`.

mod announce;
mod battery;
mod battery_settings;
mod circuit;
mod coordinator;
mod decision;
mod detection;
mod estimator;
mod history;
mod home;
mod kept;
mod learn;
mod ledger;
mod loadpoint;
mod plan;
mod quota;
mod reading;
mod settings;
mod shares;
mod site;
pub mod tariff;
mod vehicle;
mod vintage;
mod watch;

use std::cmp::Reverse;
use std::collections::VecDeque;
use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::model::{
    Effect, Event, EventKind, Fact, LoadPointIx, MeterValue, Mono, Now, Setup, Statistics,
    VehicleIx, VehicleSetup, VehicleValue,
};
use announce::SocSteps;
use circuit::{Budget, Cap};
use loadpoint::{Change, GridView, SiteView, VehicleView};
use shares::Shares;
use site::SitePower;
use tariff::Tariffs;
use watch::Watch;

pub use battery::{Battery, EXTERNAL_TTL};
pub use circuit::{Circuit, Circuits, FeedIn, Operator};
pub use decision::{Decision, Why};
pub use detection::{Candidate, Sign};
pub use estimator::{Estimator, Remaining};
pub use history::{ChargedEnergy, History};
pub use home::Home;
pub use kept::{COLORS_MAX, Kept};
pub use learn::{Learned, Taper};
pub use ledger::Session;
pub use loadpoint::{Effective, LoadPoint, LoadPointSettings, SmartLimit};
pub use plan::{
    Aim, EnergyPlan, Goal, Later, PlanState, Preview, RepeatingPlan, Request, SocPlan, Strategy,
    Wanted, charge_duration, choose, mean_value, missing_energy, plan, plan_chain,
};
pub use reading::Reading;
pub use settings::Refusal;
pub use site::{Balance, Meter, Site, SiteSettings};
pub use vehicle::{Vehicle, VehicleSettings};
pub use vintage::Target;

/// Samples that belong together arrive within this time: it is waited for before deciding.
const GATHER: Duration = Duration::from_millis(5);
/// Decisions follow each other no faster than this, whatever the rate of messages (design §3). A
/// sample of a site meter waits only for the last decision that such a sample asked for: neither a
/// talkative charger nor a timer delays it.
const DECISION_SPACING: Duration = Duration::from_millis(100);
/// After the start a grid meter has this long to speak before its silence counts.
const FIRST_WORD: Duration = Duration::from_secs(10);
/// What is measured is looked at least this often, so that durations and ages move.
const IDLE: Duration = Duration::from_secs(10);

/// The site under control. One task owns it.
#[derive(Clone, Debug)]
pub struct Control {
    setup: Setup,
    site: Site,
    loadpoints: Vec<LoadPoint>,
    vehicles: Vec<Vehicle>,
    battery: Battery,
    tariffs: Tariffs,
    home: Home,
    circuits: Circuits,
    statistics: Option<Statistics>,
    history: History,
    kept: Kept,
    /// Wishes have changed that circuits must know: another decision is due.
    share_again: Option<Mono>,
    effects: VecDeque<Effect>,
    started: Mono,
    /// The wall clock at the start.
    began: DateTime<Utc>,
    /// Wishes come from the store: they were granted before.
    restoring: bool,
    decided: Mono,
    /// When a decision last took a new sample of a site meter into account.
    sampled: Mono,
    /// Whether such a sample has come since.
    new_sample: bool,
    due: (Mono, Wake),
    grid_silent: bool,
    watch: Watch,
}

/// Why the core wants to be woken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wake {
    /// A wish was granted.
    Wish,
    /// A fact asks for a decision.
    Fact,
    /// A delay, a settling window or a lease ends, or an input becomes stale.
    Timer,
    /// Nothing happened for a while.
    Idle,
}

impl Control {
    /// A site that has heard nothing yet.
    pub fn new(setup: Setup, now: Now) -> Self {
        let site = Site::new(&setup);
        let loadpoints =
            setup.loadpoints.iter().map(|lp| LoadPoint::new(lp.clone(), now)).collect();
        let battery = Battery::new(&site);
        let vehicles = setup.vehicles.iter().cloned().map(Vehicle::new).collect();
        Self {
            circuits: Circuits::new(&setup, now),
            statistics: None,
            history: History::new(&setup, now),
            kept: Kept::default(),
            share_again: None,
            setup,
            site,
            loadpoints,
            vehicles,
            battery,
            tariffs: Tariffs::default(),
            home: Home::default(),
            effects: VecDeque::new(),
            started: now.mono,
            began: now.utc,
            restoring: false,
            decided: now.mono,
            sampled: now.mono,
            new_sample: false,
            due: (now.mono + GATHER, Wake::Fact),
            grid_silent: false,
            watch: Watch::default(),
        }
    }

    /// Grants wishes that were granted at an earlier start: a plan may have passed since, and a
    /// vehicle that is put back where it was changes no mode.
    pub fn restore<T>(&mut self, wishes: impl FnOnce(&mut Self) -> T) -> T {
        self.restoring = true;
        let result = wishes(self);
        self.restoring = false;
        result
    }

    /// The site as it was configured.
    pub fn setup(&self) -> &Setup {
        &self.setup
    }

    /// Site-wide settings, meters and the power balance.
    pub fn site(&self) -> &Site {
        &self.site
    }

    /// Load points in configured order.
    pub fn loadpoints(&self) -> &[LoadPoint] {
        &self.loadpoints
    }

    /// Vehicles: configured ones first, then discovered ones. The list only grows.
    pub fn vehicles(&self) -> &[Vehicle] {
        &self.vehicles
    }

    /// Circuits and the grid operator.
    pub fn circuits(&self) -> &Circuits {
        &self.circuits
    }

    /// What is kept for clients and changes nothing here.
    pub fn kept(&self) -> &Kept {
        &self.kept
    }

    /// Whether the grid meter is missed.
    pub fn grid_silent(&self) -> bool {
        self.grid_silent
    }

    /// Adds a discovered vehicle; its position never changes.
    pub fn add_vehicle(&mut self, setup: VehicleSetup) -> VehicleIx {
        self.vehicles.push(Vehicle::new(setup));
        VehicleIx(self.vehicles.len() - 1)
    }

    /// Records a fact; decides nothing. Facts about things that do not exist are ignored.
    pub fn handle(&mut self, now: Now, fact: Fact) {
        let mut last = self.decided;
        match fact {
            Fact::Meter { meter, value, origin } => {
                self.site.record(now, meter.0, value, origin);
                let guards = self.circuits.record(now, meter.0, value, origin);
                if !guards && !matches!(value, MeterValue::Power(_) | MeterValue::Soc(_)) {
                    return;
                }
                self.new_sample = true;
                last = self.sampled;
            }
            Fact::Operator { signal, origin: _ } => {
                let Some(operator) = &mut self.circuits.operator else {
                    return;
                };
                operator.record(now, signal);
            }
            Fact::FeedIn { signal, origin: _ } => {
                let Some(feed_in) = &mut self.circuits.feed_in else {
                    return;
                };
                feed_in.record(now, signal);
            }
            Fact::Charger { lp, value, origin } => {
                if lp.0 >= self.loadpoints.len() {
                    return;
                }
                self.record(now, lp, value, origin);
            }
            Fact::Vehicle { vehicle, value, origin } => {
                let Some(vehicle) = self.vehicles.get_mut(vehicle.0) else {
                    return;
                };
                let decisive = matches!(
                    value,
                    VehicleValue::Soc(_) | VehicleValue::Status(_) | VehicleValue::Climater(_)
                );
                vehicle.record(now, value, origin);
                self.estimate();
                if !decisive {
                    return;
                }
            }
            Fact::Done { lp, command, outcome } => {
                let Some(loadpoint) = self.loadpoints.get_mut(lp.0) else {
                    return;
                };
                loadpoint.done(now, command, outcome);
            }
        }
        self.wake(now.mono.max(last + DECISION_SPACING) + GATHER, Wake::Fact);
    }

    /// Decides if it is time.
    pub fn handle_timeout(&mut self, now: Now) {
        if now.mono < self.due.0 {
            return;
        }
        self.decide(now);
        self.keep_history(now);
        self.decided = now.mono;
        if std::mem::take(&mut self.new_sample) {
            self.sampled = now.mono;
        }
        self.due = (now.mono + IDLE, Wake::Idle);
        let timers = self.loadpoints.iter().filter_map(|lp| lp.next_wake(now.mono));
        let timers = timers.chain(self.battery.next_wake(now.mono));
        let first_word = Some(self.started + FIRST_WORD).filter(|at| *at > now.mono);
        let slot = self.tariffs.next_change(now.utc).map(|at| now.until(at));
        let slot_ends = Some(self.slot_ends(now));
        let others = [self.site.stale_at(now.mono), self.circuits.stale_at(now.mono), slot_ends];
        let reported = (0..self.loadpoints.len()).map(|lp| self.all_reported(LoadPointIx(lp)));
        let reported = reported.flatten().filter(|at| *at > now.mono).min();
        let others =
            others.into_iter().chain([self.share_again, first_word, slot, reported]).flatten();
        if let Some(at) = timers.chain(others).min() {
            self.wake(at.max(now.mono + Duration::from_millis(1)), Wake::Timer);
        }
    }

    /// The next effect, in the order in which it must be carried out.
    pub fn poll(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// When to call [`Self::handle_timeout`] next, and why.
    pub fn deadline(&self) -> (Mono, Wake) {
        self.due
    }

    /// Asks to be woken, unless that happens sooner anyway.
    fn wake(&mut self, at: Mono, why: Wake) {
        self.due = self.due.min((at, why));
    }

    /// What a change of the charger's status brings with it (control.md §6.2). People hear of a
    /// vehicle when it is known which one, or that nobody knows; who leaves before was never there.
    fn follow(&mut self, now: Now, lp: LoadPointIx, change: Change, known: bool) {
        let kind = match change {
            Change::Connect => {
                if known {
                    self.welcome(now, lp);
                }
                let loadpoint = &mut self.loadpoints[lp.0];
                loadpoint.soc_steps = SocSteps::default();
                loadpoint.unannounced = known && loadpoint.detecting_until.is_some();
                (known && !loadpoint.unannounced).then_some(EventKind::Connect)
            }
            Change::Start => Some(EventKind::Start),
            Change::Stop => Some(EventKind::Stop),
            Change::Disconnect => {
                let unannounced = std::mem::take(&mut self.loadpoints[lp.0].unannounced);
                (!unannounced).then_some(EventKind::Disconnect)
            }
        };
        let vehicle = self.loadpoints[lp.0].vehicle;
        let event = kind.map(|kind| Effect::Event(Event { lp: Some(lp), vehicle, kind }));
        self.effects.extend(event);
        if change == Change::Disconnect {
            self.farewell(now, lp);
        }
    }

    /// One decision for every load point, in the order of their priorities (design S5).
    fn decide(&mut self, now: Now) {
        for lp in 0..self.loadpoints.len() {
            self.detect(now, LoadPointIx(lp));
        }
        self.estimate();
        for lp in 0..self.loadpoints.len() {
            self.announce(LoadPointIx(lp));
        }
        let voltage = self.setup.voltage;
        let mix = self.mix(now);
        let grid_at =
            self.site.grid_meter().map(|meter| meter.power.map_or(Mono(0), |power| power.at));
        let views: Vec<_> = (0..self.loadpoints.len()).map(|lp| self.vehicle_view(lp)).collect();
        for (loadpoint, view) in self.loadpoints.iter_mut().zip(&views) {
            loadpoint.refresh(now, grid_at, voltage, mix, view);
        }
        self.learn(now, &views);
        self.learn_home(now);
        self.plan(now, &views);
        let charge = self.loadpoints.iter().map(LoadPoint::charge_power).sum();
        let power = self.site.balance(now, charge);
        self.watch_grid(now, power.is_some());
        self.watch_devices(now);

        let mut order: Vec<usize> = (0..self.loadpoints.len()).collect();
        order.sort_by_key(|lp| Reverse(self.loadpoints[*lp].effective.priority));
        let mut shares = Shares::new(self, grid_at, &views);
        let mut budget = self.budget(now, &views, &order);
        for lp in order {
            let view = &views[lp];
            let site = self.site_view(now, power, &shares, lp);
            let loadpoint = &mut self.loadpoints[lp];
            let before = loadpoint.power_in_flight(grid_at);
            loadpoint.watch_tariffs(now, &self.tariffs);
            loadpoint.set_cap(budget.as_ref().map_or(Cap::NONE, |budget| budget.cap(lp)));
            loadpoint.decide(now, &site, view);
            loadpoint.renew(now);
            let change = loadpoint.power_in_flight(grid_at) - before;
            shares.decided(loadpoint, change, loadpoint.reservation(voltage, view));
            if let Some(budget) = &mut budget {
                budget.decided(lp, loadpoint.granted(voltage, view));
            }
            self.effects.extend(loadpoint.take_effects(LoadPointIx(lp)));
        }
        self.decide_battery(now);
        self.curtail(now);
        for lp in 0..self.loadpoints.len() {
            self.keep_books(now, LoadPointIx(lp));
        }
        // The shares were those of the last wishes: where these have changed, share anew.
        let wishes = self.loadpoints.iter().map(LoadPoint::wish);
        let changed = budget.is_some_and(|budget| budget.is_outdated(wishes));
        self.share_again = changed.then(|| now.mono + DECISION_SPACING);
    }

    /// What the circuits leave for each load point; `None` where nothing limits them.
    fn budget(&mut self, now: Now, views: &[VehicleView], order: &[usize]) -> Option<Budget> {
        if self.circuits.is_empty() {
            return None;
        }
        let volts = self.setup.voltage;
        let lps = || self.loadpoints.iter().zip(views);
        let draws: Vec<_> = lps().map(|(lp, view)| lp.draw(now, volts, view)).collect();
        let claims = lps().zip(&draws).enumerate().map(|(ix, ((lp, view), draw))| {
            lp.claim(now, self.circuits.path(ix), draw, volts, view)
        });
        let claims: Vec<_> = claims.collect();
        let mut events = Vec::new();
        let nodes = self.circuits.nodes(now, volts, &draws, &mut events);
        for kind in events {
            self.keep_grid_limit(now, kind);
            self.effects.push_back(Effect::Event(Event::of_site(kind)));
        }
        Some(Budget::new(volts, nodes, claims, order))
    }

    /// The surplus as one load point sees it.
    fn site_view(
        &self,
        now: Now,
        power: Option<SitePower>,
        shares: &Shares,
        lp: usize,
    ) -> SiteView {
        let heard = self
            .site
            .grid_meter()
            .is_some_and(|meter| meter.power.is_some_and(|power| power.origin.is_live()));
        let grid = match power {
            Some(power) => {
                let loadpoint = &self.loadpoints[lp];
                let own = power.site + loadpoint.boost_adjustment(power.adjustment);
                let (site, site_granted) = shares.of(own, loadpoint);
                GridView::Known { site, site_granted }
            }
            None if heard || now.mono.since(self.started) >= FIRST_WORD => GridView::Silent,
            None => GridView::Awaited,
        };
        SiteView {
            voltage: self.setup.voltage,
            grid,
            buffered: power.is_some_and(|power| power.buffered),
            buffer_start: power.is_some_and(|power| power.buffer_start),
            battery: self.battery_view(now, power),
        }
    }
}
