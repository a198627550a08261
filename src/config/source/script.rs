//! `source: script`: what a program prints, or a run per command (§7.1). No shell takes part: a
//! value is part of one argument and can never become two, or a command.

use std::time::Duration;

use super::{Field, Flaw, Section, Sink, Source, Want, http, pipeline, template};
use crate::config::plugin::{Command, ScriptSource};

/// A program is killed after this where nothing is said.
const TIMEOUT: Duration = Duration::from_secs(10);

pub(super) fn source(section: Section<'_>, _want: Want) -> Result<Source, Flaw> {
    let command = command(&section, |field| field.text().ok_or(Flaw::Reported));
    let interval = http::interval(&section);
    let pipeline = pipeline::read(&section);
    section.finish_strict();
    let (command, (scale, pipeline)) = (command?, pipeline?);
    Ok(Source::Script(Box::new(ScriptSource { command, interval, scale, pipeline })))
}

pub(super) fn sink(section: Section<'_>, name: &str) -> Result<Sink, Flaw> {
    let command = command(&section, |field| template(field, name));
    pipeline::unused(&section);
    for unused in ["cache", "interval"] {
        section.has(unused);
    }
    section.finish_strict();
    Ok(Sink::Script(command?))
}

fn command(
    section: &Section<'_>,
    text: impl FnOnce(&Field<'_>) -> Result<String, Flaw>,
) -> Result<Command, Flaw> {
    let timeout = section.time("timeout");
    let field = section.need("cmd")?;
    let line = text(&field)?;
    match shlex::split(&line) {
        Some(words) if !words.is_empty() => {
            Ok(Command { words, timeout: timeout.unwrap_or(TIMEOUT) })
        }
        Some(_) => {
            field.error("must not be empty");
            Err(Flaw::Reported)
        }
        None => {
            field.error("has a quotation mark without its partner");
            Err(Flaw::Reported)
        }
    }
}
