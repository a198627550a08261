//! The deterministic core: facts and wishes in, commands out, state to look at.
//!
//! Call order: `handle` records facts, `set_…` takes wishes, `handle_timeout` decides when
//! [`Control::deadline`] is due; after each of them drain [`Control::poll`] to `None`.

mod decision;
mod loadpoint;
mod reading;
mod settings;
mod site;
mod vehicle;

use std::collections::VecDeque;

use crate::model::{Effect, Fact, Mono, Now, Setup, VehicleIx, VehicleSetup};

pub use decision::{Decision, Why};
pub use loadpoint::{Effective, LoadPoint, LoadPointSettings, Session};
pub use reading::Reading;
pub use settings::Refusal;
pub use site::{Balance, Meter, Site, SiteSettings};
pub use vehicle::{Vehicle, VehicleSettings};

/// The site under control. One task owns it.
#[derive(Clone, Debug)]
pub struct Control {
    setup: Setup,
    site: Site,
    loadpoints: Vec<LoadPoint>,
    vehicles: Vec<Vehicle>,
    effects: VecDeque<Effect>,
    due: Option<(Mono, Wake)>,
}

/// Why the core wants to be woken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wake {
    /// A new sample or a wish asks for a decision.
    Decide,
    /// A delay or a settling window ends.
    Delay,
    /// An input becomes stale.
    Stale,
    /// A lease must be renewed.
    Renew,
}

impl Control {
    /// A site that has heard nothing yet.
    pub fn new(setup: Setup, now: Now) -> Self {
        let site = Site::new(&setup);
        let loadpoints = setup
            .loadpoints
            .iter()
            .map(|lp| LoadPoint::new(lp.clone(), now))
            .collect();
        let vehicles = setup.vehicles.iter().cloned().map(Vehicle::new).collect();
        Self {
            setup,
            site,
            loadpoints,
            vehicles,
            effects: VecDeque::new(),
            due: Some((now.mono, Wake::Decide)),
        }
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

    /// Adds a discovered vehicle; its position never changes.
    pub fn add_vehicle(&mut self, setup: VehicleSetup) -> VehicleIx {
        self.vehicles.push(Vehicle::new(setup));
        VehicleIx(self.vehicles.len() - 1)
    }

    /// Records a fact; decides nothing.
    pub fn handle(&mut self, now: Now, fact: Fact) {
        let _ = (now, fact);
    }

    /// Decides what is due at `now`.
    pub fn handle_timeout(&mut self, now: Now) {
        let _ = now;
    }

    /// The next effect, in the order in which it must be carried out.
    pub fn poll(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// When to call [`Self::handle_timeout`] next, and why.
    pub fn deadline(&self) -> Option<(Mono, Wake)> {
        self.due
    }
}
