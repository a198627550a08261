//! The binary: command line in, exit code out.

use std::process::ExitCode;

use chargebus::edges::command::Arguments;
use clap::Parser;

#[expect(clippy::print_stderr, reason = "the last word to a person at a terminal")]
fn main() -> ExitCode {
    match Arguments::parse().run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("chargebus: {error:#}");
            ExitCode::FAILURE
        }
    }
}
