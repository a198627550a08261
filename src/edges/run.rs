//! The loop: one task owns the core, everything else talks to it through bounded queues.
//!
//! A turn takes one input, lets the core decide what is due, hands its commands to the devices and
//! tells what changed: store first, then MQTT and WebSocket, then the writer (design §3).

mod owed;
mod refusals;
mod tell;
mod writes;

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::api::{self, Answer, Changes, Code, State, View};
use crate::model::{ChargerCommand, Effect, Fact, GridLimit, LimitedSide, Mono, Now, Statistics};

use super::answers::{Waiting, Writer};
use super::brain::Brain;
use super::bus::{Bus, Inbox, Incoming};
use super::clock::Clock;
use super::devices::Devices;
use super::door::{Question, Told, WriteRequest};
use super::figures::Figures;
use super::hold::Hold;
use super::inputs::{Input, Inputs, Saving};
use super::messenger::Messenger;
use super::ours::Ours;
use super::reasons::Reasons;
use super::store::Store;
use super::tariffs::Reply;
use owed::Owed;
use refusals::Refusals;

/// Topics of an earlier start that have not come back after this are ours to delete (design S9).
const CLEANUP_AFTER: Duration = Duration::from_secs(60);
/// Corrections of sessions that are carried out and wait to be answered; then their tasks wait.
const CORRECTIONS_MAX: usize = 64;
/// Inputs that are taken before the world is told again.
const INPUTS_PER_TURN: usize = 64;

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
    /// Settings that are in force and could not be stored.
    owed: Owed,
    /// A session has become a row that is not on disk yet: it is stored before anything is told.
    listed: bool,
    reasons: Reasons,
    refusals: Refusals,
    corrections: mpsc::Sender<Waiting>,
    /// When the devices were last asked how they are.
    asked: Mono,
    /// When the slot that is not over was last kept.
    kept: Mono,
}

/// What is told when its settings are on disk.
struct Held {
    state: State,
    changes: Changes,
    /// Keys and texts that go to the disk.
    stored: Vec<(String, String)>,
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
        let (corrections, corrected) = mpsc::channel(CORRECTIONS_MAX);
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
            owed: Owed::default(),
            listed: false,
            reasons,
            refusals: Refusals::default(),
            corrections,
            asked: now.mono,
            kept: now.mono,
        };
        let (saving, turn) = (None, 0);
        let inputs = Inputs {
            inbox,
            facts,
            writes,
            questions,
            replies,
            statistics,
            corrected,
            saving,
            turn,
        };
        (run, inputs)
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
            if let Some(question) = inputs.question() {
                self.handle(now, question);
            }
            let saving = self.turn(now);
            inputs.saving = inputs.saving.take().or(saving);
        }
        if let Some(saving) = inputs.saving.take() {
            let result = saving.await;
            self.handle(self.clock.now(), Input::Stored(result));
        }
        self.store_owed().await;
        let now = self.clock.now();
        self.keep_running(now);
        self.brain.control.close_books(now);
        while let Some(effect) = self.brain.control.poll() {
            self.carry_out(now, effect);
        }
        // Nobody sees how long a limit holds from here on.
        let at = self.clock.now().utc;
        for side in LimitedSide::ALL {
            self.store.record_grid_limit(GridLimit::Ends { at, side });
        }
        // A slow client of REST may keep the program from closing the database, and a slow disk
        // is no reason not to say goodbye.
        let bus = self.bus.take();
        let books = async {
            if let Err(error) = self.store.flush().await {
                warn!("the books are not on disk yet: {error}");
            }
        };
        let goodbye = async {
            if let Some(bus) = bus {
                bus.close().await;
            }
        };
        tokio::join!(books, goodbye);
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
            Input::Bus(Some(Incoming::Up { session })) => {
                self.brain.system.standby = None;
                self.connected(session);
            }
            Input::Bus(Some(Incoming::Taken { reason })) => self.stand_by(now, reason),
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
            Input::Corrected(waiting) => self.answer(waiting),
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
            Effect::Charger { .. } | Effect::Battery { .. } | Effect::Curtail { .. }
                if !self.hold.is_ours() => {}
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
            Effect::Curtail { meter, percent } => {
                info!(meter = meter.0, "feed in at most {} %", percent.0);
                self.devices.curtail(meter, percent);
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
}
