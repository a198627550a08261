//! The budgets of the design, measured on this machine: `cargo bench`, or `cargo bench -- wire` for one room.
//!
//! Every time is taken from outside, on sockets and in `/proc`, except in [`core`]. The machine may
//! be shared, so the least, the median and the 99th percentile are printed, never a mean.

#![expect(clippy::print_stdout, reason = "the table is what this program is for")]

mod core;
mod http;
mod mqtt;
mod process;
mod service;
mod site;
mod socket;
mod table;
mod wire;
mod write;

use std::process::ExitCode;
use std::time::Instant;

use table::Table;

/// One room of measurements; it adds rows, or says why it cannot.
type Room = fn(&mut Table) -> anyhow::Result<()>;

const ROOMS: [(&str, Room); 6] = [
    ("core", core::measure),
    ("wire", wire::measure),
    ("write", write::measure),
    ("socket", socket::measure),
    ("start", process::measure_start),
    ("house", process::measure_house),
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if !arguments.iter().any(|argument| argument == "--bench") {
        println!("measures nothing as a test; run `cargo bench`");
        return ExitCode::SUCCESS;
    }
    if !cfg!(target_os = "linux") {
        println!("skipped: the service is measured through /proc, which only Linux has");
        return ExitCode::SUCCESS;
    }
    let wanted: Vec<&String> = arguments.iter().filter(|word| !word.starts_with('-')).collect();
    let started = Instant::now();
    let mut table = Table::default();
    for (name, room) in ROOMS {
        if !wanted.is_empty() && !wanted.iter().any(|word| name.contains(word.as_str())) {
            continue;
        }
        let begun = Instant::now();
        if let Err(error) = room(&mut table) {
            table.note(format!("{name}: not measured: {error:#}"));
        }
        println!("{name}: measured in {:.0} s", begun.elapsed().as_secs_f64());
    }
    println!("\n{table}\nmeasured in {:.0} s", started.elapsed().as_secs_f64());
    println!("again: cargo bench [-- core|wire|write|socket|start|house]");
    ExitCode::SUCCESS
}
