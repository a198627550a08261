//! Programs of the user's: no shell takes part, and a time limit ends whatever they have started.

use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::AsyncReadExt;
use tokio::process::Command as Process;
use tokio::time::timeout;

/// Longest text that a program may print.
const PRINTED_MAX: usize = 64 * 1024;

/// What a program prints; it ends with us, and what it has started ends with it.
///
/// # Errors
/// It cannot be started, takes longer than `limit`, prints too much or ends with an error.
pub(super) async fn run(words: &[String], limit: Duration) -> Result<Vec<u8>, String> {
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
            let most = u64::try_from(PRINTED_MAX).unwrap_or(u64::MAX) + 1;
            let read = output.take(most).read_to_end(&mut printed).await;
            read.map_err(|error| error.to_string())?;
        }
        if printed.len() > PRINTED_MAX {
            return Err(format!("{program} prints more than {PRINTED_MAX} bytes"));
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
