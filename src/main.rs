//! The command line.

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    match (args.next().as_deref(), args.next()) {
        (Some("jq"), Some(program)) => chargebus::edges::jq::main(&program),
        (Some(_) | None, _) => ExitCode::SUCCESS,
    }
}
