//! Programs: one task per script runs it again and again; no shell takes part (§7.1 `script`).

use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::AsyncReadExt;
use tokio::process::Command as Process;
use tokio::time::{sleep, timeout};

use super::outlet::Outlet;
use super::pipeline::{Getter, MAX_TEXT};
use super::template::{Scalar, Template};
use crate::config::Command;
use crate::edges::backoff::Backoff;
use crate::model::Origin;

/// A program that is run again and again for a value.
pub(super) struct Script {
    pub(super) command: Command,
    pub(super) interval: Duration,
    pub(super) getter: Getter,
    pub(super) outlet: Outlet,
}

impl Script {
    /// Runs the program until it is dropped; after failures it waits longer.
    pub(super) async fn run(self) {
        let mut backoff = Backoff::new();
        let Command { words, timeout } = &self.command;
        loop {
            let printed = run(words, *timeout).await;
            let pause = match &printed {
                Ok(_) => {
                    backoff = Backoff::new();
                    self.interval
                }
                Err(_) => backoff.pause().max(self.interval),
            };
            let value = printed.and_then(|printed| self.getter.read(printed.trim_ascii()));
            self.outlet.tell(value, Origin::Live);
            sleep(pause).await;
        }
    }
}

/// A program that is run with a value in its arguments.
pub(super) struct Tool {
    words: Vec<Template>,
    timeout: Duration,
}

impl Tool {
    /// Compiles the arguments for the value called `name`.
    ///
    /// # Errors
    /// Which placeholder or format is not understood.
    pub(super) fn compile(command: &Command, name: &str) -> Result<Self, String> {
        let words = command.words.iter().map(|word| Template::compile(word, name));
        Ok(Self { words: words.collect::<Result<_, _>>()?, timeout: command.timeout })
    }

    pub(super) async fn run(&self, value: Scalar) -> Result<(), String> {
        let words: Vec<_> = self.words.iter().map(|word| word.render(value)).collect();
        run(&words, self.timeout).await.map(|_| ())
    }
}

/// What a program prints; it ends with us, and what it has started ends with it.
async fn run(words: &[String], limit: Duration) -> Result<Vec<u8>, String> {
    let [program, arguments @ ..] = words else {
        return Err("no program to run".to_owned());
    };
    let mut child = Process::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .process_group(0)
        .spawn()
        .map_err(|error| format!("cannot run {program}: {error}"))?;
    let leader = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    let group = Group(leader);
    let finished = async {
        let mut printed = Vec::new();
        if let Some(output) = child.stdout.take() {
            let most = u64::try_from(MAX_TEXT).unwrap_or(u64::MAX) + 1;
            let read = output.take(most).read_to_end(&mut printed).await;
            read.map_err(|error| error.to_string())?;
        }
        if printed.len() > MAX_TEXT {
            return Err(format!("{program} prints more than {MAX_TEXT} bytes"));
        }
        let status = child.wait().await.map_err(|error| error.to_string())?;
        match status.success() {
            true => Ok(printed),
            false => Err(format!("{program} ends with {status}")),
        }
    };
    let result = timeout(limit, finished).await;
    let result = result.unwrap_or_else(|_| Err(format!("{program} takes longer than {limit:?}")));
    if result.is_ok() {
        group.forget();
    }
    result
}

/// A program with everything that it has started.
struct Group(Option<Pid>);

impl Group {
    /// It has ended by itself, and its number may soon be another's.
    fn forget(mut self) {
        self.0 = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(leader) = self.0 {
            // Gone already is as good.
            let _ = kill_process_group(leader, Signal::KILL);
        }
    }
}
