//! Puts the tasks of all devices together and starts them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::charger::{Charger, Inbox, Sinks, State};
use super::inbox::listener;
use super::input::{Input, List, inputs, read_first};
use super::js;
use super::modbus::{Link, MAX_WRITES, Poll, What, WriteRequest};
use super::number::{Number, Written};
use super::outlet::{Desk, Heard, Outlet};
use super::pipeline::Getter;
use super::register;
use super::script::{Script, Tool};
use super::setter::{Delta, Setter};
use super::sink::{Publish, Writer};
use super::socket::{Line, MESSAGE_MAX};
use super::template::Template;
use super::value::{Board, Kind, Target};
use super::vehicle::{self, Vehicle};
use super::watchdog::{self, Task};
use super::web::{Order, Question};
use super::{Broken, Devices, Numbers, repeat};
use crate::config::{
    ChargerDevice, Config, HttpRequest, HttpSource, JsInput, JsKind, JsSource, Library, ModbusLink,
    ScriptSource, SetComposite, Sink, SocketSource, Source,
};
use crate::edges::fetch::{ANSWER_MAX, Fetch};
use crate::model::{Fact, LoadPointIx};

/// What is put together while starting.
pub(super) struct Start {
    publisher: Arc<dyn Publish>,
    fetch: Fetch,
    bus: watch::Sender<u64>,
    desk: Desk,
    broken: Vec<Broken>,
    constants: Vec<(usize, Fact)>,
    /// By topic.
    ears: BTreeMap<String, Vec<(Getter, Outlet)>>,
    /// By address and framing.
    links: BTreeMap<(String, bool), LinkParts>,
    questions: BTreeMap<HttpRequest, Question>,
    lines: BTreeMap<HttpRequest, Line>,
    /// Machines for scripts by name.
    machines: BTreeMap<String, js::Machine>,
    machine_count: usize,
    libraries: Vec<Library>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

struct LinkParts {
    polls: Vec<Poll>,
    sender: mpsc::Sender<WriteRequest>,
    receiver: mpsc::Receiver<WriteRequest>,
}

/// Whose value is written.
#[derive(Clone, Copy)]
struct Attribute<'a> {
    device: &'a str,
    /// Name in the configuration and in payload templates.
    name: &'a str,
}

impl Start {
    pub(super) fn new(publisher: Arc<dyn Publish>, fetch: Fetch, stop: CancellationToken) -> Self {
        Self {
            publisher,
            fetch,
            bus: watch::Sender::new(0),
            desk: Desk::new(),
            broken: Vec::new(),
            constants: Vec::new(),
            ears: BTreeMap::new(),
            links: BTreeMap::new(),
            questions: BTreeMap::new(),
            lines: BTreeMap::new(),
            machines: BTreeMap::new(),
            machine_count: 0,
            libraries: Vec::new(),
            tasks: TaskTracker::new(),
            stop,
        }
    }

    /// Starts what all parts have been handed to.
    pub(super) fn finish(
        mut self,
        chargers: Vec<Arc<Inbox>>,
        [batteries, curtailers]: [Numbers; 2],
        vehicles: Vec<Option<watch::Sender<u64>>>,
        facts: mpsc::Sender<Fact>,
    ) -> Devices {
        for (_, LinkParts { polls, receiver, .. }) in std::mem::take(&mut self.links) {
            self.spawn(Link::new(polls, receiver).run());
        }
        for (_, question) in std::mem::take(&mut self.questions) {
            self.spawn(question.run(self.fetch.clone()));
        }
        for (_, line) in std::mem::take(&mut self.lines) {
            self.spawn(line.run(self.fetch.clone()));
        }
        let outbox = Arc::clone(&self.desk.outbox);
        self.spawn(async move { outbox.forward(facts).await });
        let constants = std::mem::take(&mut self.constants);
        if !constants.is_empty() {
            let outbox = Arc::clone(&self.desk.outbox);
            self.spawn(async move { repeat(constants, &outbox).await });
        }
        self.tasks.close();
        let Self { bus, desk, broken, ears, tasks, .. } = self;
        Devices {
            chargers,
            batteries,
            curtailers,
            vehicles,
            bus,
            ears,
            health: desk.health,
            broken,
            tasks,
        }
    }

    /// Runs a task until `stop`.
    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let stop = self.stop.clone();
        self.tasks.spawn(async move {
            stop.run_until_cancelled(task).await;
        });
    }

    fn link(&mut self, link: &ModbusLink) -> &mut LinkParts {
        self.links.entry((link.uri.clone(), link.rtu)).or_insert_with(|| {
            let (sender, receiver) = mpsc::channel(MAX_WRITES);
            LinkParts { polls: Vec::new(), sender, receiver }
        })
    }

    /// Hands everything that is read to whoever reads it; what is only heard is the decoder's.
    pub(super) fn inputs(&mut self, config: &Config) {
        let List { inputs, constants, .. } = inputs(config);
        self.constants = constants;
        self.libraries = config.libraries.clone();
        inputs.into_iter().for_each(|input| self.input(&input));
    }

    fn input(&mut self, input: &Input<'_>) {
        if !input.asked {
            return;
        }
        self.desk.health.expect(input.device);
        if let Err(error) = self.place(input) {
            self.desk.health.bad(input.device, &input.attribute, &error);
            self.broken.push(input.broken(error));
        }
    }

    fn place(&mut self, input: &Input<'_>) -> Result<(), String> {
        let outlet = Outlet {
            slot: input.slot,
            device: input.device.to_owned(),
            attribute: input.attribute.clone(),
            delivery: input.delivery.clone(),
            desk: self.desk.clone(),
            heard: Heard::default(),
        };
        let kind = input.delivery.kind();
        let usual = input.delivery.target().usual_interval();
        match input.source {
            Source::Modbus(source) => {
                let what = What::Register(source.clone());
                self.link(&source.link).polls.push(Poll { what, outlet });
            }
            Source::SunSpec(source) => {
                let what = What::SunSpec(source.clone());
                self.link(&source.link).polls.push(Poll { what, outlet });
            }
            Source::Http(source) => self.question(source, kind, usual, outlet)?,
            Source::Socket(source) => self.line(source, kind, outlet)?,
            Source::Script(source) => {
                let ScriptSource { command, interval, scale, pipeline } = &**source;
                let getter = Getter::compile(kind, *scale, pipeline)?;
                let (command, interval) = (command.clone(), interval.unwrap_or(usual));
                self.spawn(Script { command, interval, getter, outlet }.run());
            }
            Source::Js(source) => {
                let interval = source.interval.unwrap_or(usual);
                let attribute = Attribute { device: input.device, name: &input.attribute };
                let program = self.program(attribute, source)?;
                self.spawn(js::Script { program, interval, outlet }.run());
            }
            Source::Mqtt(_) | Source::Demo(_) => {
                if let Some((topic, getter)) = listener(input)? {
                    self.ears.entry(topic.to_owned()).or_default().push((getter, outlet));
                }
            }
            Source::Const(_) | Source::Composite(_) => {}
        }
        Ok(())
    }

    fn question(
        &mut self,
        source: &HttpSource,
        kind: Kind,
        usual: Duration,
        outlet: Outlet,
    ) -> Result<(), String> {
        let HttpSource { request, interval, scale, pipeline } = source;
        let getter = Getter::compile(kind, *scale, pipeline)?.reading_up_to(ANSWER_MAX);
        let interval = interval.unwrap_or(usual);
        let question = self.questions.entry(request.clone()).or_insert_with(|| Question {
            request: request.clone(),
            interval,
            readers: Vec::new(),
        });
        question.interval = question.interval.min(interval);
        question.readers.push((getter, outlet));
        Ok(())
    }

    fn line(&mut self, source: &SocketSource, kind: Kind, outlet: Outlet) -> Result<(), String> {
        let SocketSource { request, timeout, scale, pipeline } = source;
        let getter = Getter::compile(kind, *scale, pipeline)?.reading_up_to(MESSAGE_MAX);
        let line = self.lines.entry(request.clone()).or_insert_with(|| Line {
            request: request.clone(),
            timeout: None,
            readers: Vec::new(),
        });
        line.timeout = [line.timeout, *timeout].into_iter().flatten().min();
        line.readers.push((getter, outlet));
        Ok(())
    }

    pub(super) fn chargers(&mut self, config: &Config) -> Vec<Arc<Inbox>> {
        let mut inboxes = Vec::new();
        let pairs = config.setup.loadpoints.iter().zip(&config.devices.chargers);
        for (ix, (setup, device)) in pairs.enumerate() {
            let name = setup.charger_name().to_owned();
            self.desk.health.expect(&name);
            let charger = Charger {
                lp: LoadPointIx(ix),
                sinks: self.sinks(&name, device),
                name,
                safe_current: device.safe_current,
                outbox: Arc::clone(&self.desk.outbox),
                health: Arc::clone(&self.desk.health),
                state: State::default(),
            };
            let inbox = Arc::new(Inbox::default());
            self.spawn(charger.run(Arc::clone(&inbox), self.bus.subscribe()));
            inboxes.push(inbox);
        }
        inboxes
    }

    fn sinks(&mut self, device: &str, charger: &ChargerDevice) -> Sinks {
        let mut writer = |name, sink| self.writer(Attribute { device, name }, sink);
        Sinks {
            enable: writer("enable", &charger.enable),
            max_current: writer("maxcurrent", &charger.max_current),
            max_current_millis: writer("maxcurrentmillis", &charger.max_current_millis),
            phases: writer("phases", &charger.phases),
            wakeup: writer("wakeup", &charger.wakeup),
        }
    }

    pub(super) fn numbers(&mut self, config: &Config, (attribute, sink): Written) -> Numbers {
        let pairs = config.setup.meters.iter().zip(&config.devices.meters);
        pairs
            .map(|(setup, device)| {
                let name = Attribute { device: &setup.name, name: attribute };
                let sink = self.writer(name, sink(device))?;
                self.desk.health.expect(&setup.name);
                let health = Arc::clone(&self.desk.health);
                let task = Number { name: setup.name.clone(), attribute, sink, health };
                let numbers = watch::Sender::new(None);
                self.spawn(task.run(numbers.subscribe(), self.bus.subscribe()));
                Some(numbers)
            })
            .collect()
    }

    pub(super) fn vehicles(&mut self, config: &Config) -> Vec<Option<watch::Sender<u64>>> {
        let pairs = config.setup.vehicles.iter().zip(&config.devices.vehicles);
        pairs
            .map(|(setup, device)| {
                let attribute = Attribute { device: &setup.name, name: vehicle::ATTRIBUTE };
                let sink = self.writer(attribute, &device.wakeup)?;
                self.desk.health.expect(&setup.name);
                let health = Arc::clone(&self.desk.health);
                let calls = watch::Sender::new(0);
                let vehicle = Vehicle { name: setup.name.clone(), sink, health };
                self.spawn(vehicle.run(calls.subscribe()));
                Some(calls)
            })
            .collect()
    }

    /// The way to write an attribute; what cannot work is reported and fails with every write.
    fn writer(&mut self, attribute: Attribute<'_>, sink: &Option<Sink>) -> Option<Writer> {
        let sink = sink.as_ref()?;
        Some(self.compiled(attribute, sink).unwrap_or_else(|error| {
            let Attribute { device, name } = attribute;
            self.broken.push(Broken {
                device: device.to_owned(),
                attribute: name.to_owned(),
                error: error.clone(),
            });
            Writer::Broken(error)
        }))
    }

    fn compiled(&mut self, attribute: Attribute<'_>, sink: &Sink) -> Result<Writer, String> {
        let name = attribute.name;
        Ok(match sink {
            Sink::Mqtt { topic, payload, retained } => Writer::Bus {
                bus: Arc::clone(&self.publisher),
                topic: topic.clone(),
                template: payload
                    .as_deref()
                    .map(|payload| Template::compile(payload, name))
                    .transpose()?,
                retain: *retained,
            },
            Sink::Demo(topic) => Writer::Bus {
                bus: Arc::clone(&self.publisher),
                topic: topic.clone(),
                template: None,
                retain: false,
            },
            Sink::Modbus { link, register, scale } => {
                register::write(register, 0.0)?;
                Writer::Modbus {
                    queue: self.link(link).sender.clone(),
                    link: link.clone(),
                    register: *register,
                    scale: *scale,
                }
            }
            Sink::Http(request) => {
                Writer::Web(Box::new(Order::compile(request, name, &self.fetch)?))
            }
            Sink::Script(command) => Writer::Script(Tool::compile(command, name)?),
            Sink::Composite(composite) => {
                Writer::Steps(Box::new(self.setter(attribute, composite)?))
            }
        })
    }

    fn setter(
        &mut self,
        attribute: Attribute<'_>,
        composite: &SetComposite,
    ) -> Result<Setter, String> {
        let mut inner = |sink| self.compiled(attribute, sink);
        Ok(match composite {
            SetComposite::Const(text, sink) => Setter::Const(number(text)?, inner(sink)?),
            SetComposite::Map(values, sink) => Setter::Map(values.clone(), inner(sink)?),
            SetComposite::Sequence(sinks) => {
                Setter::Sequence(sinks.iter().map(inner).collect::<Result<_, _>>()?)
            }
            SetComposite::Switch { cases, default } => {
                let default = default.as_ref().map(&mut inner).transpose()?;
                let cases = cases.iter().map(|(case, sink)| Ok((*case, inner(sink)?)));
                Setter::Switch(cases.collect::<Result<_, String>>()?, default)
            }
            SetComposite::IfElse(yes, no) => Setter::IfElse(inner(yes)?, inner(no)?),
            SetComposite::Convert(conversion, sink) => Setter::Convert(*conversion, inner(sink)?),
            SetComposite::Ignore(text, sink) => Setter::Ignore(text.clone(), inner(sink)?),
            SetComposite::Random(sink) => Setter::Random(inner(sink)?),
            SetComposite::Sleep(duration) => Setter::Sleep(*duration),
            SetComposite::Never(error) => Setter::Never(error.clone()),
            SetComposite::Delta(total, sink) => {
                let sink = inner(sink)?;
                Setter::Delta(self.delta(attribute, total.as_ref()), sink)
            }
            SetComposite::Valid(valid, sink) => {
                let sink = inner(sink)?;
                Setter::Valid(self.board(attribute, "valid", Kind::Bool, valid), sink)
            }
            SetComposite::Watchdog(wanted, sink) => {
                let sink = inner(sink)?;
                let (wishes, queue) = mpsc::channel(watchdog::QUEUE);
                let is_bus = sink.is_bus();
                let task = Task {
                    watchdog: wanted.clone(),
                    sink,
                    device: attribute.device.to_owned(),
                    attribute: attribute.name.to_owned(),
                    desk: self.desk.clone(),
                };
                self.spawn(task.run(queue));
                Setter::Watchdog { wishes, is_bus }
            }
            SetComposite::Js { script, name, outputs } => {
                let outputs = outputs.iter().map(|(kind, sink)| Ok((*kind, inner(sink)?)));
                let outputs = outputs.collect::<Result<_, String>>()?;
                let (program, name) = (self.program(attribute, script)?, name.clone());
                Setter::Js(js::Through { program, name, outputs })
            }
        })
    }

    /// What a value that is written is compared with.
    fn delta(&mut self, attribute: Attribute<'_>, total: Option<&Source>) -> Delta {
        let Some(total) = total else { return Delta::Last(Mutex::new(0.0)) };
        Delta::Read(self.board(attribute, "get", Kind::Number, total))
    }

    /// A board whose only cell is a value that a setter reads first.
    fn board(
        &mut self,
        attribute: Attribute<'_>,
        word: &str,
        kind: Kind,
        source: &Source,
    ) -> Arc<Board> {
        let board = Arc::new(Board::default());
        let target = Target::Cell(kind, 0, Arc::clone(&board));
        self.read_first(attribute, word, source, target);
        board
    }

    /// A script with its machine and what it reads.
    fn program(
        &mut self,
        attribute: Attribute<'_>,
        source: &JsSource,
    ) -> Result<js::Program, String> {
        let machine = self.machine(source.vm.as_deref())?;
        let board = Arc::new(Board::default());
        let mut inputs = Vec::new();
        for (cell, JsInput { name, kind, source }) in source.inputs.iter().enumerate() {
            let read_as = match kind {
                JsKind::Text => Kind::Text,
                JsKind::Float | JsKind::Int => Kind::Number,
                JsKind::Bool => Kind::Bool,
            };
            let target = Target::Cell(read_as, cell, Arc::clone(&board));
            self.read_first(attribute, name, source, target);
            inputs.push((name.clone(), *kind));
        }
        Ok(js::Program { script: source.script.as_str().into(), machine, inputs, board })
    }

    /// The machine of a name, or a new one without a name.
    fn machine(&mut self, vm: Option<&str>) -> Result<js::Machine, String> {
        if let Some(machine) = vm.and_then(|vm| self.machines.get(vm)) {
            return Ok(machine.clone());
        }
        if self.machine_count >= js::MACHINES_MAX {
            let most = js::MACHINES_MAX;
            return Err(format!("more than {most} scripts: let some share a vm"));
        }
        self.machine_count += 1;
        let own = |script: &&Library| vm == Some(script.vm.as_str());
        let library = self.libraries.iter().filter(own).map(|library| library.script.clone());
        let machine = js::Machine::start(library.collect())?;
        if let Some(vm) = vm {
            self.machines.insert(vm.to_owned(), machine.clone());
        }
        Ok(machine)
    }

    /// Hands what a script or a setter reads to whoever reads it.
    fn read_first(
        &mut self,
        attribute: Attribute<'_>,
        word: &str,
        source: &Source,
        target: Target,
    ) {
        let Attribute { device, name } = attribute;
        let list = read_first(device, format!("{name}.{word}"), source, target);
        list.inputs.iter().for_each(|input| self.input(input));
        self.broken.extend(list.broken.into_iter().map(|(_, broken)| broken));
    }
}

/// The value of `const` where it is written: true is 1, nothing is 0.
fn number(text: &str) -> Result<f64, String> {
    match text.trim() {
        "" => Ok(0.0),
        text => text.parse().or_else(|_| {
            let truth = super::convert(Kind::Bool, text, 1.0);
            truth.map(|truth| f64::from(u8::from(truth == super::Value::Bool(true))))
        }),
    }
}
