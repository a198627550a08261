//! A write on MQTT: until the state is published, and until it is answered.

use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::ensure;

use crate::service::{Plan, Service, Transport};
use crate::site;
use crate::table::{Budget, Table};

const SET: &str = "evcc/loadpoints/1/minCurrent/set";
const STATE: &str = "evcc/loadpoints/1/minCurrent";
const RESULT: &str = "evcc/loadpoints/1/minCurrent/set/result";
const WRITES: usize = 60;
/// People and programs do not write in one burst; TCP has acknowledged everything after this.
const PAUSE: Duration = Duration::from_millis(60);

pub(crate) fn measure(table: &mut Table) -> anyhow::Result<()> {
    for transport in Transport::BOTH {
        for (database, stored) in [("site.db", "on disk"), (":memory:", "in memory")] {
            let name = format!("{}, settings {stored}", transport.name());
            match measure_one(transport, database) {
                Ok((state, result)) => {
                    table.times(format!("set → state, {name}"), Budget::Both(1.0, 5.0), &state);
                    table.times(format!("set → result, {name}"), Budget::None, &result);
                }
                Err(error) => table.note(format!("write: {name}: not measured: {error:#}")),
            }
        }
    }
    Ok(())
}

fn measure_one(
    transport: Transport,
    database: &str,
) -> anyhow::Result<(Vec<Duration>, Vec<Duration>)> {
    let service = Service::start(&Plan { transport, config: &site::house(), database })?;
    let mut watcher = service.client("watcher")?;
    watcher.subscribe(&[STATE, RESULT])?;
    let mut writer = service.client("writer")?;
    // The first write may come before the service has subscribed.
    loop {
        writer.publish(SET, "6")?;
        if let Some(message) = watcher.next(Duration::from_millis(200))?
            && message.topic == RESULT
        {
            break;
        }
        ensure!(service.spawned.elapsed() < Duration::from_secs(20), "no answer to a write");
    }
    watcher.until_silent(Duration::from_millis(500))?;
    let (mut states, mut results) = (Vec::new(), Vec::new());
    for n in 0..WRITES {
        let value = if n % 2 == 0 { "7" } else { "6" };
        let sent = Instant::now();
        writer.publish(SET, value)?;
        let state =
            watcher.until("state", |message| message.topic == STATE && message.payload == value)?;
        let result = watcher.until("an answer", |message| message.topic == RESULT)?;
        ensure!(result.payload.contains(r#""ok":true"#), "refused: {}", result.payload);
        states.push(state.at - sent);
        results.push(result.at - sent);
        sleep(PAUSE);
        watcher.until_silent(Duration::from_millis(1))?;
    }
    Ok((states, results))
}
