//! Charging plans: goals with a time, and the slots in which they are charged for
//! (plans-vehicles-devices.md §1).

mod chain;
mod duration;
mod evaluation;
mod goal;
mod planner;
mod preview;
mod reminder;
mod repeating;
mod state;
mod wishes;

pub use chain::Later;
pub use duration::{charge_duration, missing_energy};
pub use goal::{Aim, Goal, choose};
pub use planner::{Request, mean_value, plan, plan_chain};
pub use preview::{Preview, Wanted};
pub use repeating::RepeatingPlan;
pub use state::PlanState;
pub use wishes::{EnergyPlan, SocPlan, Strategy};
