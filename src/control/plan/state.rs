//! Whether the plan of a load point is active now (plans-vehicles-devices.md §1.8).

use std::time::Duration;

use chrono::{DateTime, DurationRound, TimeDelta, Utc};

use crate::control::Why;
use crate::model::{ChargeStatus, Mono, Now, Percent, Rate, WattHours, Watts};

use super::{Aim, Goal, Later, Request, Strategy, plan, plan_chain};

/// Less than this is left of a slot or of a pause: too short to start or to stop for it.
const SHORT: TimeDelta = TimeDelta::minutes(14);
/// A rest that is shorter than a slot is charged without a pause.
const SLOT: TimeDelta = TimeDelta::minutes(15);
/// A plan is looked at at once when the power it counts on is so much another one.
const POWER_MOVED: Watts = Watts(100.0);
/// A plan is looked at anew this often while nothing happens: every look can move its slots a
/// little, and everybody is told.
const AGAIN: Duration = Duration::from_secs(10);
/// A plan whose time passed while we were down goes on if that was no longer ago.
const RESUME_MAX: TimeDelta = TimeDelta::hours(24);
/// People are told of a delay from here on; a little is lost whenever a car ramps up.
const OVERRUN_TOLD: TimeDelta = TimeDelta::minutes(1);

/// The plan of one load point.
#[derive(Clone, Debug, Default)]
pub struct PlanState {
    /// The goal that counts.
    pub goal: Option<Goal>,
    /// How it is carried out.
    pub strategy: Strategy,
    /// The plan wants the load point to charge.
    pub active: bool,
    /// When it wants to charge; empty if there is no plan or nothing to do yet.
    pub slots: Vec<Rate>,
    /// When charging will begin and end.
    pub projected: Option<(DateTime<Utc>, DateTime<Utc>)>,
    /// How long charging takes; `None` if nobody knows.
    pub required: Option<Duration>,
    /// The power that is counted on.
    pub power: Watts,
    /// How late the goal will be reached.
    pub overrun: Duration,
    /// The reason while it is active.
    pub(in crate::control) why: Option<Why>,
    /// Energy of the session when the energy plan was set.
    pub(super) offset: WattHours,
    /// The goal that is pursued until it is reached, whatever else comes up.
    pub(super) locked: Option<Goal>,
    /// The end of the slot in which charging takes place.
    slot_end: Option<DateTime<Utc>>,
    /// The goal for which people have been told of the delay.
    told: Option<Goal>,
    /// The goal for which people were asked to plug the car in.
    pub(super) reminded: Option<Goal>,
    seen: Option<Inputs>,
    due: Option<Mono>,
}

/// What a plan depends on, but for rates and time.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Inputs {
    /// `None` before the charger's first word.
    pub(super) status: Option<ChargeStatus>,
    pub(super) goal: Option<Goal>,
    /// Goals that are planned for with it, by time, with the time that charging for them takes.
    pub(super) later: Vec<(Goal, Duration)>,
    pub(super) strategy: Strategy,
    /// How long charging takes; `None` if nobody knows.
    pub(super) required: Option<Duration>,
    /// What is planned beyond that until charging begins.
    pub(super) reserve: Duration,
    pub(super) power: Watts,
    /// The goal is that of an earlier start.
    pub(super) resumed: bool,
}

impl Inputs {
    /// Whether nothing changed for which a plan is looked at at once: the time that is required shrinks all
    /// the while, and what is learned moves a little.
    fn is_like(&self, other: &Self) -> bool {
        let steady = |inputs: &Self| {
            let connected = inputs.status.map(|status| status != ChargeStatus::Disconnected);
            let done = inputs.required.is_some_and(|required| required.is_zero());
            (connected, inputs.goal, inputs.strategy, inputs.resumed, done)
        };
        let later = self.later.iter().map(|(goal, _)| goal);
        steady(self) == steady(other)
            && later.eq(other.later.iter().map(|(goal, _)| goal))
            && (self.power - other.power).abs() < POWER_MOVED
    }
}

/// What follows from an evaluation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Verdict {
    /// The plan is done with or missed.
    pub(super) finished: bool,
    /// People are to be told that it will be late.
    pub(super) late: bool,
}

/// What one look at the plan says.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Look {
    Active(Why),
    Inactive,
    Finished,
}

impl PlanState {
    /// A plan is set or removed: what is charged from now on counts.
    pub(in crate::control) fn begin(&mut self, charged: WattHours) {
        self.offset = charged;
        self.release();
    }

    /// A vehicle was plugged in.
    pub(in crate::control) fn connect(&mut self) {
        self.offset = WattHours::ZERO;
        self.release();
    }

    /// Forgets what was pursued; the plan is looked at anew.
    pub(in crate::control) fn release(&mut self) {
        self.stop();
        self.renew();
    }

    /// Has the plan looked at anew.
    pub(in crate::control) fn renew(&mut self) {
        self.seen = None;
    }

    /// When the plan is to be looked at again.
    pub(in crate::control) fn due(&self) -> Option<Mono> {
        self.due
    }

    /// Looks at the plan, if something changed or it is time to.
    pub(super) fn evaluate(&mut self, now: Now, rates: &[Rate], inputs: &Inputs) -> Verdict {
        let same = self.seen.as_ref().is_some_and(|seen| seen.is_like(inputs));
        if same && self.due.is_none_or(|due| now.mono < due) {
            return Verdict::default();
        }
        self.seen = Some(inputs.clone());
        self.goal = inputs.goal;
        self.strategy = inputs.strategy;
        self.required = inputs.required;
        self.power = inputs.power;
        self.slots = Vec::new();
        self.projected = None;
        self.overrun = Duration::ZERO;
        let mut late = false;
        let look = match (inputs.goal, inputs.status) {
            (Some(goal), Some(ChargeStatus::Connected | ChargeStatus::Charging)) => {
                self.look(now.utc, rates, inputs, goal, &mut late)
            }
            // Whoever left before the goal was reached does not come back to a plan of the past.
            (Some(goal), Some(ChargeStatus::Disconnected)) if goal.time < now.utc => Look::Finished,
            (Some(_) | None, Some(_) | None) => Look::Inactive,
        };
        match look {
            Look::Active(why) => {
                self.active = true;
                self.why = Some(why);
            }
            Look::Inactive | Look::Finished => self.stop(),
        }
        self.due = self.next(now);
        Verdict { finished: look == Look::Finished, late }
    }

    fn stop(&mut self) {
        self.active = false;
        self.why = None;
        self.locked = None;
        self.slot_end = None;
    }

    fn look(
        &mut self,
        utc: DateTime<Utc>,
        rates: &[Rate],
        inputs: &Inputs,
        goal: Goal,
        late: &mut bool,
    ) -> Look {
        let now = utc.duration_trunc(TimeDelta::seconds(1)).unwrap_or(utc);
        let goes_on = inputs.resumed && now - goal.time < RESUME_MAX;
        if goal.time < now && !self.active && !goes_on {
            return Look::Finished;
        }
        let Some(required) = inputs.required.and_then(|time| TimeDelta::from_std(time).ok()) else {
            return Look::Inactive;
        };
        let precondition =
            TimeDelta::from_std(inputs.strategy.precondition).unwrap_or_else(|_| TimeDelta::zero());
        if required.is_zero() {
            // A vehicle that is to be full stays connected to power until it leaves.
            let full = goal.aim == Aim::Soc(Percent(100.0));
            return if self.active && full { Look::Active(Why::Plan) } else { Look::Finished };
        }
        let continuous = inputs.strategy.continuous;
        let reserve = match self.active {
            true => TimeDelta::zero(),
            false => TimeDelta::from_std(inputs.reserve).unwrap_or_else(|_| TimeDelta::zero()),
        };
        let target = goal.time;
        let request =
            Request { now, required: required + reserve, precondition, target, continuous };
        let later: Vec<Later> = inputs.later.iter().filter_map(of_later).collect();
        let Some(mut slots) = plan_chain(&request, &later, rates) else {
            return Look::Inactive;
        };
        // What is charged after the goal is planned for when it is reached.
        let end = target.max(now + request.required);
        slots = slots.iter().filter_map(|slot| slot.within(now, end)).collect();
        let overrun = required - (goal.time - now);
        self.overrun = overrun.to_std().unwrap_or_default();
        if overrun >= OVERRUN_TOLD && self.told != Some(goal) {
            self.told = Some(goal);
            *late = true;
        }
        self.projected =
            slots.first().zip(slots.last()).map(|(first, last)| (first.start, last.end));
        self.slots = slots;
        if let Some(slot) = self.slots.iter().find(|slot| slot.contains(now)).copied() {
            let alone = || plan(&request, rates).unwrap_or_default();
            let ahead = !later.is_empty() && !alone().iter().any(|slot| slot.contains(now));
            return self.inside(now, slot, required, goal, ahead);
        }
        self.outside(now, required, precondition, continuous, goal)
    }

    /// In a slot, one for a later goal if `ahead`. A short rest of it is left out if all can still be
    /// charged later.
    fn inside(
        &mut self,
        now: DateTime<Utc>,
        slot: Rate,
        required: TimeDelta,
        goal: Goal,
        ahead: bool,
    ) -> Look {
        let goes_on = self.slots.iter().any(|next| next.start == slot.end);
        let can_wait = goal.time - slot.end >= required;
        if !self.active && slot.end - now < SHORT && !goes_on && can_wait {
            return Look::Inactive;
        }
        if !self.active && matches!(goal.aim, Aim::Soc(_)) {
            self.locked = Some(goal);
        }
        self.slot_end = Some(slot.end);
        Look::Active(match now > goal.time {
            true => Why::PlanLate,
            false if ahead => Why::PlanAhead,
            false => Why::Plan,
        })
    }

    /// In no slot, but charging may go on all the same.
    fn outside(
        &mut self,
        now: DateTime<Utc>,
        required: TimeDelta,
        precondition: TimeDelta,
        continuous: bool,
        goal: Goal,
    ) -> Look {
        if !self.active {
            return Look::Inactive;
        }
        if now > goal.time {
            return Look::Active(Why::PlanLate);
        }
        let rest = required > precondition;
        let in_slot = self.slot_end.is_some_and(|end| now < end);
        let pause =
            self.slots.iter().map(|slot| slot.start - now).find(|wait| *wait > TimeDelta::zero());
        let nearly_done = rest && (in_slot || required < SLOT);
        if nearly_done || pause.is_some_and(|pause| pause < SHORT) {
            return Look::Active(Why::PlanBridge);
        }
        if continuous && rest {
            self.projected = Some((now, now + required));
            return Look::Active(Why::PlanBridge);
        }
        Look::Inactive
    }

    /// The next edge of the plan on the monotonic clock, or the next look at it.
    fn next(&self, now: Now) -> Option<Mono> {
        let goal = self.goal?;
        let edges = self.slots.iter().flat_map(|slot| [slot.start, slot.end]);
        let again = now.mono + AGAIN;
        let edge = edges.chain(self.slot_end).chain([goal.time]).filter(|at| *at > now.utc).min();
        let wait = edge.and_then(|at| (at - now.utc).to_std().ok());
        Some(wait.map_or(again, |wait| again.min(now.mono + wait)))
    }
}

fn of_later((goal, required): &(Goal, Duration)) -> Option<Later> {
    Some(Later { required: TimeDelta::from_std(*required).ok()?, target: goal.time })
}
