//! Scripts: a thread per machine, so that one that loops or eats memory delays nobody else (§7.1 `js`).

#![cfg_attr(not(feature = "js"), allow(dead_code, reason = "only the engine looks at them"))]

#[cfg(feature = "js")]
mod engine;

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::{sleep, timeout};

use super::outlet::{Desk, Outlet};
use super::pipeline::convert;
use super::sink::Writer;
use super::template::{Scalar, whole};
use super::tree::Known;
use super::value::{Board, Kind, Value};
use crate::config::JsKind;
use crate::edges::backoff::Backoff;
use crate::model::Origin;

/// A script that runs longer is ended.
pub const TIME_MAX: Duration = Duration::from_secs(1);
/// Memory of one machine; a script that wants more is ended.
pub const MEMORY_MAX: usize = 16 << 20;
/// Machines of one site.
pub(super) const MACHINES_MAX: usize = 64;
/// Runs that wait for a machine; a further one is refused.
const QUEUE: usize = 8;
/// Stack of a machine's thread; the engine is told to use less.
const STACK: usize = 1 << 20;

/// A value of a script.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Said {
    /// null or undefined.
    Nothing,
    Bool(bool),
    Number(f64),
    Text(String),
}

/// The way to a machine; it ends with the last of them.
#[derive(Clone)]
pub(super) struct Machine(mpsc::Sender<Job>);

/// One run of a script.
struct Job {
    script: Arc<str>,
    variables: Vec<(String, Said)>,
    reply: oneshot::Sender<Result<Said, String>>,
}

impl Machine {
    /// Starts a machine that has run `library` before anything else.
    ///
    /// # Errors
    /// There is no thread for it.
    pub(super) fn start(library: Vec<String>) -> Result<Self, String> {
        let (sender, jobs) = mpsc::channel(QUEUE);
        thread::Builder::new()
            .name("js".to_owned())
            .stack_size(STACK)
            .spawn(move || serve(&library, jobs))
            .map_err(|error| format!("no thread for scripts: {error}"))?;
        Ok(Self(sender))
    }

    async fn run(&self, script: &Arc<str>, variables: Vec<(String, Said)>) -> Result<Said, String> {
        let (reply, answer) = oneshot::channel();
        let job = Job { script: Arc::clone(script), variables, reply };
        self.0.try_send(job).map_err(|_| "js: too many runs wait for the machine".to_owned())?;
        // Others may share the machine and run before.
        let most = TIME_MAX * 2 * (QUEUE as u32 + 1);
        match timeout(most, answer).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err("js: the machine has ended".to_owned()),
            Err(_) => Err(format!("js: no answer within {most:?}")),
        }
    }
}

#[cfg(feature = "js")]
fn serve(library: &[String], mut jobs: mpsc::Receiver<Job>) {
    let engine = engine::Engine::new(library);
    while let Some(Job { script, variables, reply }) = jobs.blocking_recv() {
        let result = match &engine {
            Ok(engine) => engine.run(&script, &variables),
            Err(error) => Err(error.clone()),
        };
        // Whoever asked may have given up.
        let _ = reply.send(result);
    }
}

#[cfg(not(feature = "js"))]
fn serve(_library: &[String], mut jobs: mpsc::Receiver<Job>) {
    while let Some(job) = jobs.blocking_recv() {
        let _ = job.reply.send(Err("this program is built without scripts".to_owned()));
    }
}

/// A script with what it reads first.
pub(super) struct Program {
    pub(super) script: Arc<str>,
    pub(super) machine: Machine,
    /// Names and types of its variables, in the order of the board's cells.
    pub(super) inputs: Vec<(String, JsKind)>,
    pub(super) board: Arc<Board>,
}

impl Program {
    /// What it says; nothing before all that it reads is known.
    async fn run(
        &self,
        extra: Option<(String, Said)>,
    ) -> Result<Option<(Said, Option<Known>)>, String> {
        let mut variables = Vec::new();
        let mut oldest: Option<Known> = None;
        for (cell, (name, kind)) in self.inputs.iter().enumerate() {
            let Some(known) = self.board.get(cell) else { return Ok(None) };
            variables.push((name.clone(), said(*kind, &known.value)));
            oldest = Some(match oldest {
                Some(oldest) => {
                    let value = oldest.value.clone();
                    oldest.with(&known, value)
                }
                None => known,
            });
        }
        variables.extend(extra);
        let said = self.machine.run(&self.script, variables).await?;
        Ok(Some((said, oldest)))
    }
}

/// A script whose last expression is a value.
pub(super) struct Script {
    pub(super) program: Program,
    /// Between two runs of a script that reads nothing.
    pub(super) interval: Duration,
    pub(super) outlet: Outlet,
}

impl Script {
    /// Runs the script with every news of what it reads, until it is dropped.
    pub(super) async fn run(self) {
        let Self { program, interval, outlet } = &self;
        let mut backoff = Backoff::new();
        loop {
            let result = program.run(None).await;
            let failed = result.is_err();
            match result {
                Ok(None) => {}
                Ok(Some((said, oldest))) => {
                    let now = Desk::now(&outlet.desk);
                    let origin = oldest.map_or(Origin::Live, |known| known.origin(now));
                    outlet.tell(value(outlet.delivery.kind(), said), origin);
                }
                Err(error) => outlet.tell(Err(error), Origin::Live),
            }
            if !program.inputs.is_empty() {
                program.board.changed().await;
            } else if failed {
                sleep(backoff.pause().max(*interval)).await;
            } else {
                backoff = Backoff::new();
                sleep(*interval).await;
            }
        }
    }
}

/// A script that a value goes through before it is written.
pub(super) struct Through {
    pub(super) program: Program,
    /// The variable that has the value.
    pub(super) name: String,
    pub(super) outputs: Vec<(JsKind, Writer)>,
}

impl Through {
    pub(super) async fn write(&self, value: Scalar) -> Result<(), String> {
        let given = match value {
            Scalar::Bool(truth) => Said::Bool(truth),
            Scalar::Int(int) => Said::Number(int as f64),
            Scalar::Float(float) => Said::Number(float),
        };
        let result = self.program.run(Some((self.name.clone(), given))).await?;
        let (said, _) = result.ok_or("js: what the script reads is not known yet")?;
        for (kind, sink) in &self.outputs {
            sink.write(scalar(*kind, said.clone())?).await?;
        }
        Ok(())
    }
}

/// A value as a variable.
fn said(kind: JsKind, value: &Value) -> Said {
    match value {
        Value::Number(number) if kind == JsKind::Int => Said::Number(whole(*number)),
        Value::Number(number) => Said::Number(*number),
        Value::Bool(truth) => Said::Bool(*truth),
        Value::Text(text) => Said::Text(text.clone()),
        Value::Status(status) => Said::Text(status.to_string()),
    }
}

/// What a script says as a value of a kind. Ours: texts are read like any other text, so that
/// "false" is not true, as it is in the language.
fn value(kind: Kind, said: Said) -> Result<Option<Value>, String> {
    let value = match (kind, said) {
        (_, Said::Nothing) => return Ok(None),
        (Kind::Number, Said::Bool(truth)) => Value::Number(f64::from(u8::from(truth))),
        (Kind::Bool, Said::Bool(truth)) => Value::Bool(truth),
        (Kind::Bool, Said::Number(number)) => Value::Bool(number != 0.0 && !number.is_nan()),
        (_, Said::Number(number)) => convert(kind, &number.to_string(), 1.0)?,
        (_, Said::Bool(truth)) => convert(kind, &truth.to_string(), 1.0)?,
        (_, Said::Text(text)) => convert(kind, &text, 1.0)?,
    };
    Ok(Some(value))
}

/// What a script says as a value that is written.
fn scalar(kind: JsKind, said: Said) -> Result<Scalar, String> {
    let wanted = if kind == JsKind::Bool { Kind::Bool } else { Kind::Number };
    match value(wanted, said)? {
        Some(Value::Bool(truth)) => Ok(Scalar::Bool(truth)),
        Some(Value::Number(number)) if kind == JsKind::Int => Ok(Scalar::Int(whole(number) as i64)),
        Some(Value::Number(number)) => Ok(Scalar::Float(number)),
        Some(Value::Status(_) | Value::Text(_)) | None => {
            Err("js: the script says nothing that can be written".to_owned())
        }
    }
}
