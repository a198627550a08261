//! Programs: one task per script runs it again and again; no shell takes part (§7.1 `script`).

use std::time::Duration;

use tokio::time::sleep;

use super::outlet::Outlet;
use super::pipeline::Getter;
use super::template::{Scalar, Template};
use crate::config::Command;
use crate::edges::backoff::Backoff;
use crate::edges::program::run;
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
