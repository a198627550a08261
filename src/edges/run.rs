//! The loop: one task owns the core, everything else talks to it through bounded queues.
//!
//! A turn takes one input, lets the core decide what is due, hands its commands to the devices and
//! tells what changed: store first, then MQTT and WebSocket, then the writer (design §3).

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use crate::api::{self, Address, Answer, Changes, Code, Occasion, State, View};
use crate::model::{ChargerCommand, Effect, Event, Fact, GridLimit, Mono, Now, Statistics};

use super::answers::{self, Waiting, Writer};
use super::brain::Brain;
use super::bus::{Bus, Inbox, Incoming, Message};
use super::clock::Clock;
use super::devices::Devices;
use super::door::{Question, Told, WriteRequest};
use super::figures::Figures;
use super::hold::Hold;
use super::inputs::{Input, Inputs, Saved, Saving};
use super::messenger::Messenger;
use super::ours::Ours;
use super::reasons::Reasons;
use super::sessions;
use super::store::Store;
use super::tariffs::Reply;

/// State is told no more often than this, unless somebody waits for it.
const TELL_SPACING: Duration = Duration::from_millis(100);
/// `<root>/updated` is told no more often than this (api.md §1.2).
const UPDATED_SPACING: Duration = Duration::from_secs(1);
/// Topics of an earlier start that have not come back after this are ours to delete (design S9).
const CLEANUP_AFTER: Duration = Duration::from_secs(60);
/// Inputs that are taken before the world is told again.
const INPUTS_PER_TURN: usize = 64;
/// Writes that may wait for the store; more are refused (design S10).
const WAITING_MAX: usize = 256;

/// Everything the loop is connected to.
pub(super) struct Wires {
    pub(super) bus: Option<(Bus, Inbox)>,
    pub(super) facts: mpsc::Receiver<Fact>,
    pub(super) writes: mpsc::Receiver<WriteRequest>,
    pub(super) questions: mpsc::Receiver<Question>,
    pub(super) statistics: watch::Receiver<Option<Statistics>>,
    pub(super) replies: mpsc::Receiver<Reply>,
    pub(super) told: watch::Sender<Told>,
    pub(super) devices: Devices,
    pub(super) store: Store,
    pub(super) figures: Figures,
    pub(super) messenger: Messenger,
    /// Cancelled when another service has taken our root.
    pub(super) superseded: CancellationToken,
}

/// One site in operation.
pub(super) struct Run {
    brain: Brain,
    clock: Clock,
    root: String,
    bus: Option<Bus>,
    devices: Devices,
    hold: Hold,
    superseded: CancellationToken,
    store: Store,
    figures: Figures,
    messenger: Messenger,
    /// What MQTT and the store have been told.
    told: State,
    shared: watch::Sender<Told>,
    /// Topics below the root that are recorded as ours.
    ours: Ours,
    cleanup_at: Option<Mono>,
    /// Something may have changed since the world was told.
    dirty: bool,
    tell_at: Mono,
    updated: Mono,
    /// Writes that are in force and not stored yet.
    waiting: Vec<Waiting>,
    held: Option<Held>,
    /// A session has become a row that is not on disk yet: it is stored before anything is told.
    listed: bool,
    reasons: Reasons,
}

/// What is told when its settings are on disk.
struct Held {
    state: State,
    changes: Changes,
    waiting: Vec<Waiting>,
}

impl Run {
    pub(super) fn new(
        brain: Brain,
        clock: Clock,
        root: String,
        ours: BTreeSet<String>,
        wires: Wires,
    ) -> (Self, Inputs) {
        let now = clock.now();
        let Wires {
            bus,
            facts,
            writes,
            questions,
            statistics,
            replies,
            told,
            devices,
            store,
            figures,
            messenger,
            superseded,
        } = wires;
        let (bus, inbox) = bus.unzip();
        let reasons = Reasons::new(&brain.control);
        let run = Self {
            brain,
            clock,
            root,
            hold: Hold::new(bus.is_some()),
            bus,
            superseded,
            devices,
            store,
            figures,
            messenger,
            told: State::default(),
            shared: told,
            ours: Ours(ours),
            cleanup_at: Some(now.mono + CLEANUP_AFTER),
            dirty: true,
            tell_at: now.mono,
            updated: Mono(0),
            waiting: Vec::new(),
            held: None,
            listed: false,
            reasons,
        };
        (run, Inputs { inbox, facts, writes, questions, replies, statistics, saving: None })
    }

    /// Runs until `stop`; then says goodbye to the broker and leaves the chargers as they are.
    pub(super) async fn run(mut self, mut inputs: Inputs, stop: CancellationToken) {
        inputs.saving = self.turn(self.clock.now());
        loop {
            let wake = self.clock.at(self.wake_at());
            let input = inputs.next(wake, &stop).await;
            let now = self.clock.now();
            if matches!(input, Input::Stop) {
                break;
            }
            self.handle(now, input);
            for _ in 1..INPUTS_PER_TURN {
                let Some(input) = inputs.ready() else { break };
                self.handle(now, input);
            }
            let saving = self.turn(now);
            inputs.saving = inputs.saving.take().or(saving);
        }
        if let Some(saving) = inputs.saving.take() {
            let result = saving.await;
            self.handle(self.clock.now(), Input::Stored(result));
        }
        let now = self.clock.now();
        self.brain.control.close_books(now);
        while let Some(effect) = self.brain.control.poll() {
            self.carry_out(now, effect);
        }
        // Nobody sees how long a limit holds from here on.
        self.store.record_grid_limit(GridLimit::Ends { at: self.clock.now().utc });
        if let Some(bus) = self.bus.take() {
            bus.close().await;
        }
    }

    /// When the loop must turn without being told anything.
    fn wake_at(&self) -> Mono {
        let mut at = Mono(u64::MAX);
        if self.hold.is_ours() {
            at = self.brain.deadline();
        }
        if self.dirty && self.held.is_none() {
            at = at.min(self.tell_at);
        }
        at.min(self.updated + self.brain.system.interval)
    }

    fn handle(&mut self, now: Now, input: Input) {
        self.dirty |= !matches!(input, Input::Question(_));
        if let Input::Bus(Some(incoming)) = &input
            && self.hold.hear(incoming)
        {
            self.superseded.cancel();
        }
        match input {
            Input::Bus(Some(Incoming::Message(message))) => self.message(now, &message),
            Input::Bus(Some(Incoming::Up { session })) => self.connected(session),
            Input::Bus(Some(Incoming::Taken { reason })) => warn!("not in charge: {reason}"),
            Input::Bus(Some(Incoming::Down { reason })) => {
                warn!("no connection to the broker: {reason}")
            }
            Input::Bus(Some(Incoming::Refused { filter })) => {
                warn!(
                    "the broker refuses the subscription to {filter}: check the rights of our user"
                );
            }
            Input::Bus(Some(Incoming::Busy { topic, refused })) => {
                let answer = Answer::refusal(
                    Code::Busy,
                    format!("{refused} writes were dropped, try again"),
                );
                self.answer(Waiting { address: None, answer, to: Writer::Mqtt(topic, None) });
            }
            Input::Bus(None) => self.bus = None,
            Input::Fact(fact) => self.brain.fact(now, fact),
            Input::Write(request) => {
                let WriteRequest { address, raw, answer } = request;
                let to = Writer::Rest(answer);
                let answer =
                    api::write(&mut self.brain.control, &self.brain.system, now, &address, &raw);
                self.wait(Waiting { address: Some(address), answer, to });
            }
            Input::Question(question) => {
                let Brain { control, system, .. } = &self.brain;
                question.answer(&View { control, system, now });
            }
            Input::Tariff(reply) => {
                if let Some(remark) = self.brain.feeds.reply(now, reply) {
                    warn!("{remark}");
                }
            }
            Input::Stored(result) => {
                if let Some(held) = self.held.take() {
                    self.conclude(now, held, result);
                }
            }
            Input::Statistics(statistics) => self.brain.control.set_statistics(statistics),
            Input::Timer | Input::Stop => {}
        }
    }

    /// Decides, commands, tells; comes back with settings that must be saved first.
    fn turn(&mut self, now: Now) -> Option<Saving> {
        if self.hold.is_ours() && now.mono >= self.brain.deadline() {
            for remark in self.brain.handle_timeout(now) {
                info!("{remark}");
            }
            self.dirty = true;
        }
        while let Some(effect) = self.brain.control.poll() {
            self.carry_out(now, effect);
        }
        self.reasons.log(&self.brain.control);
        let saving = self.tell(now);
        self.tick(now);
        saving
    }

    fn carry_out(&mut self, now: Now, effect: Effect) {
        match effect {
            Effect::Charger { .. } | Effect::Battery { .. } if !self.hold.is_ours() => {}
            Effect::Charger { lp, command } => {
                if command != ChargerCommand::Renew {
                    let why = self.brain.control.loadpoints()[lp.0].decision.why.code();
                    info!(loadpoint = lp.0 + 1, why, "{command:?}");
                }
                self.devices.command(lp, command);
            }
            Effect::Battery { meter, mode } => {
                info!(battery = meter.0, "{mode}");
                self.devices.battery(meter, mode);
            }
            Effect::WakeVehicle { vehicle } => {
                info!(vehicle = vehicle.0 + 1, "wake up");
                self.devices.wake(vehicle);
            }
            Effect::Event(event) => self.tell_event(now, &event),
            Effect::Journal { entry, row } => {
                self.listed |= row.is_some();
                self.store.record_entry(*entry, row.map(|row| *row));
            }
            Effect::Slot(record) => self.store.record_slot(*record),
            Effect::GridLimit(limit) => self.store.record_grid_limit(limit),
        }
    }

    /// A message is a write, or news of a device or a car.
    fn message(&mut self, now: Now, message: &Message) {
        let Message { topic, payload, retain, reply } = message;
        let ours = topic.strip_prefix(&self.root).and_then(|rest| rest.strip_prefix('/'));
        match ours.filter(|rest| rest.ends_with("/set")) {
            Some(below) if *retain => self.discard(message, below),
            Some(below) if api::is_session_topic(below) => {
                let Some(bus) = &self.bus else { return };
                sessions::correct(&self.store, bus, &self.root, message, below);
            }
            Some(below) => {
                let Brain { control, system, .. } = &mut self.brain;
                let Some(answer) = api::write_topic(control, system, now, below, payload) else {
                    return;
                };
                // Clients that retain their commands rely on this (api.md §2.1).
                self.publish(topic.clone(), Vec::new(), true);
                let address = Address::of_topic(below).ok();
                let to = Writer::Mqtt(topic.clone(), reply.clone());
                self.wait(Waiting { address, answer, to });
            }
            None => {
                self.devices.message(topic, payload, *retain);
                if let Some(remark) = self.brain.message(now, topic, payload, *retain) {
                    warn!("{remark}");
                }
            }
        }
    }

    /// A command of unknown age is deleted, not executed (api.md §1.4).
    fn discard(&mut self, message: &Message, below: &str) {
        let Message { topic, payload, reply, .. } = message;
        if payload.is_empty() {
            return;
        }
        warn!("deleted a retained command on {below}: commands must not be retained");
        self.publish(topic.clone(), Vec::new(), true);
        let why = "retained commands of unknown age are deleted, send it again without retain";
        let answer = Answer::refusal(Code::Refused, why);
        let to = Writer::Mqtt(topic.clone(), reply.clone());
        self.answer(Waiting { address: None, answer, to });
    }

    /// Queues a writer until its value is stored and told.
    fn wait(&mut self, mut waiting: Waiting) {
        if !waiting.answer.ok() {
            self.figures.refused();
            if let Writer::Mqtt(topic, _) = &waiting.to {
                info!("refused {topic}: {}", waiting.answer.message);
            }
        }
        if self.waiting.len() >= WAITING_MAX {
            waiting.answer =
                Box::new(waiting.answer.not_stored("not stored: too many writes are waiting"));
            return self.answer(waiting);
        }
        self.waiting.push(waiting);
    }

    /// Tells what changed, unless it was just done: store first, then MQTT, then the writers.
    fn tell(&mut self, now: Now) -> Option<Saving> {
        let due = !self.waiting.is_empty() || (self.dirty && now.mono >= self.tell_at);
        if !due || self.held.is_some() {
            return None;
        }
        self.dirty = false;
        let Brain { control, system, .. } = &self.brain;
        let state = self.told.next(&View { control, system, now });
        let changes = state.changes(&self.told);
        let mut stored = changes.stored.clone();
        stored.extend(self.brain.feeds.unsaved(now));
        let held = Held { state, changes, waiting: std::mem::take(&mut self.waiting) };
        let listed = std::mem::take(&mut self.listed);
        if stored.is_empty() && !listed {
            self.conclude(now, held, Ok(()));
            return None;
        }
        self.held = Some(held);
        let settings = stored.into_iter().map(|(key, text)| (key, Some(text))).collect();
        Some(Box::pin(sessions::save(self.store.clone(), listed, settings)))
    }

    /// The settings are stored, or are not: the state is told either way, and the writers learn which.
    fn conclude(&mut self, now: Now, held: Held, stored: Saved) {
        let Held { state, changes, waiting } = held;
        self.told = state;
        self.tell_at = now.mono + TELL_SPACING;
        let told = !changes.published.is_empty();
        self.record(&changes);
        for (topic, payload) in changes.published {
            self.publish(self.below_root(&topic), payload.into_bytes(), true);
        }
        for topic in changes.removed {
            self.publish(self.below_root(&topic), Vec::new(), true);
        }
        if told && now.mono.since(self.updated) >= UPDATED_SPACING {
            self.tell_updated(now);
        }
        self.shared.send_replace(Told { state: self.told.clone(), at: now.mono });
        if let Err(why) = &stored {
            warn!("settings are in force until the next restart, {why}");
        }
        for mut writer in waiting {
            if let Err(why) = &stored {
                writer.answer = Box::new(writer.answer.not_stored(why));
            }
            self.answer(writer);
        }
    }

    /// Confirms the value that is in force, then answers.
    fn answer(&mut self, waiting: Waiting) {
        let Waiting { address, answer, to } = waiting;
        match to {
            Writer::Mqtt(topic, reply) => {
                if let Some(address) = address.filter(|_| answer.ok()) {
                    for (topic, payload) in self.told.topics_of(&address) {
                        self.publish(self.below_root(&topic), payload.into_bytes(), true);
                    }
                }
                if let Some(bus) = &self.bus {
                    answers::complain(bus, &self.root, &topic, &answer, self.clock.now());
                    answers::answer(bus, &self.root, &topic, reply, &answer);
                }
            }
            Writer::Rest(sender) => drop(sender.send(answer)),
        }
    }

    /// Connected: the broker may have lost everything, so it is told everything, in order. After a
    /// start what is not known yet stays as it was told before, until it is cleaned up.
    fn connected(&mut self, session: u64) {
        info!(session, "connected to the broker");
        for (topic, payload) in self.told.topics() {
            if !(self.cleanup_at.is_some() && payload.is_empty()) {
                self.publish(self.below_root(&topic), payload.into_bytes(), true);
            }
        }
        self.devices.bus_up();
    }

    /// Keeps account of the retained topics that are ours to delete one day (design S9).
    fn record(&mut self, changes: &Changes) {
        let (added, removed) = self.ours.record(changes);
        if !added.is_empty() || !removed.is_empty() {
            self.store.record_topics(added, removed);
        }
    }

    /// Deletes what an earlier start published and this one does not.
    fn clean_up(&mut self) {
        let stale = self.ours.take_stale(&self.told);
        for topic in &stale {
            self.publish(self.below_root(topic), Vec::new(), true);
        }
        if !stale.is_empty() {
            info!("deleted {} topics of an earlier configuration", stale.len());
            self.store.record_topics(Vec::new(), stale);
        }
    }

    /// What happens by the clock alone.
    fn tick(&mut self, now: Now) {
        if now.mono.since(self.updated) >= self.brain.system.interval {
            self.tell_updated(now);
        }
        let online = self.bus.as_ref().is_some_and(Bus::connected);
        self.figures.turned(online, self.waiting.len());
        if self.cleanup_at.is_some_and(|at| now.mono >= at) && online {
            self.cleanup_at = None;
            self.clean_up();
        }
        self.shared.send_if_modified(|told| {
            told.at = now.mono;
            false
        });
    }

    fn tell_updated(&mut self, now: Now) {
        self.updated = now.mono;
        let seconds = now.utc.timestamp().to_string();
        self.publish(self.below_root("updated"), seconds.into_bytes(), true);
    }

    /// Tells machines and people what happened.
    fn tell_event(&self, now: Now, event: &Event) {
        let Brain { control, system, .. } = &self.brain;
        let occasion = Occasion::new(event, &View { control, system, now }, &self.told);
        let json = occasion.json(now);
        info!("{json}");
        self.publish(self.below_root("events"), json.into_bytes(), false);
        self.messenger.tell(event.kind, &occasion);
    }

    fn below_root(&self, topic: &str) -> String {
        format!("{}/{topic}", self.root)
    }

    fn publish(&self, topic: String, payload: Vec<u8>, retain: bool) {
        if let Some(bus) = &self.bus {
            debug!(topic, retain, bytes = payload.len(), "publish");
            bus.publish(topic, payload, retain);
        }
    }
}
