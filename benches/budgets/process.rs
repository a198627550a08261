//! The process as the system sees it: start, memory, processor time, and how it answers meanwhile.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::Path;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::Context;

use crate::http::Http;
use crate::mqtt::Client;
use crate::service::{Mosquitto, PROGRAM, Plan, Service, Transport};
use crate::site;
use crate::table::{Budget, Table, Unit};

const STARTS: usize = 10;
/// Meters speak this often, for so long.
const PERIOD: Duration = Duration::from_secs(1);
const SECONDS: u32 = 20;
/// A house full of MQTT: retained topics that the broker holds, ours included.
const TOPICS: usize = 500;
const REQUESTS: usize = 1_000;
/// As many for states that nobody has asked for before.
const REQUESTS_ANEW: u32 = 60;
/// A state is told within this.
const TOLD: Duration = Duration::from_millis(120);
/// `sysconf(_SC_CLK_TCK)` of every Linux that Rust runs on.
const TICKS_PER_SECOND: f64 = 100.0;
const MIB: f64 = 1_048_576.0;

/// From spawning the process to its first retained value at another client; the database is new.
pub(crate) fn measure_start(table: &mut Table) -> anyhow::Result<()> {
    for transport in Transport::BOTH {
        let mut times = Vec::new();
        for _ in 0..STARTS {
            match start_once(transport) {
                Ok(time) => times.push(time),
                Err(error) => {
                    table.note(format!("start, {}: not measured: {error:#}", transport.name()));
                    break;
                }
            }
        }
        let what = format!("start → first retained state, {}", transport.name());
        table.times(what, Budget::P99(200.0), &times);
    }
    Ok(())
}

fn start_once(transport: Transport) -> anyhow::Result<Duration> {
    let config = site::house();
    let plan = Plan { transport, config: &config, database: "site.db" };
    let state = |client: &mut Client| {
        client.until("state", |message| message.topic.starts_with("evcc/site/"))
    };
    let (service, first) = match transport {
        Transport::Embedded => {
            let service = Service::start(&plan)?;
            let mut watcher = service.client("watcher")?;
            watcher.listen("evcc/#")?;
            (service, state(&mut watcher)?)
        }
        Transport::Mosquitto | Transport::StockMosquitto => {
            let mosquitto = Mosquitto::start("")?;
            let mut watcher = Client::connect(mosquitto.port, "watcher")?;
            watcher.subscribe(&["evcc/#"])?;
            let service = Service::start_beside(&plan, Some(mosquitto))?;
            (service, state(&mut watcher)?)
        }
    };
    Ok(first.at - service.spawned)
}

/// A house with 1 Hz meters and a charging car: memory, processor time, `/api/state`; size of the binary.
pub(crate) fn measure_house(table: &mut Table) -> anyhow::Result<()> {
    let mut houses = Vec::new();
    for transport in Transport::BOTH {
        match House::open(transport) {
            Ok(house) => houses.push(house),
            Err(error) => {
                table.note(format!("house, {}: not measured: {error:#}", transport.name()));
            }
        }
    }
    let mut used = Vec::new();
    for house in &houses {
        used.push(processor_seconds(house.service.pid())?);
    }
    let begun = Instant::now();
    for second in 0..SECONDS {
        for house in &mut houses {
            house.live(second)?;
        }
        sleep((begun + PERIOD * (second + 1)).saturating_duration_since(Instant::now()));
    }
    let elapsed = begun.elapsed().as_secs_f64();
    for (house, before) in houses.iter_mut().zip(used) {
        let name = house.transport.name();
        let percent = (processor_seconds(house.service.pid())? - before) / elapsed * 100.0;
        let what = format!("processor, of one core, 1 Hz meters, {name}");
        table.add(what, Unit::Percent, Budget::P99(0.3), vec![percent]);
        let budget = match house.transport {
            Transport::Embedded => Budget::P99(25.0),
            Transport::Mosquitto | Transport::StockMosquitto => Budget::P99(15.0),
        };
        let resident = status_kib(house.service.pid(), "VmRSS:")? / 1024.0;
        let what = format!("resident memory, {} topics, {name}", house.topics);
        table.add(what, Unit::Mebibytes, budget, vec![resident]);
        let own = status_kib(house.service.pid(), "RssAnon:")? / 1024.0;
        let what = format!("– of it not backed by the binary, {name}");
        table.add(what, Unit::Mebibytes, Budget::None, vec![own]);
        house.ask(table)?;
    }
    measure_binary(table)
}

fn measure_binary(table: &mut Table) -> anyhow::Result<()> {
    let size = |file: &Path| Ok::<_, io::Error>(fs::metadata(file)?.len() as f64 / MIB);
    let built = vec![size(Path::new(PROGRAM))?];
    table.add("release binary with symbols", Unit::Mebibytes, Budget::None, built);
    let dir = tempfile::tempdir()?;
    let stripped = dir.path().join("stripped");
    match Command::new("strip").arg("-o").arg(&stripped).arg(PROGRAM).status() {
        Ok(status) if status.success() => {
            let what = "release binary, stripped";
            table.add(what, Unit::Mebibytes, Budget::P99(15.0), vec![size(&stripped)?]);
        }
        Ok(_) | Err(_) => table.note("binary: skipped: strip is not installed".to_owned()),
    }
    Ok(())
}

/// The reference site with a broker that holds more than its topics.
struct House {
    transport: Transport,
    service: Service,
    devices: Client,
    topics: usize,
}

impl House {
    fn open(transport: Transport) -> anyhow::Result<Self> {
        let config = site::house();
        let plan = Plan { transport, config: &config, database: "site.db" };
        let service = Service::start(&plan)?;
        let mut devices = service.client("devices")?;
        let mut watcher = service.client("watcher")?;
        sleep(PERIOD);
        watcher.listen("#")?;
        let mut topics = BTreeSet::new();
        while let Some(message) = watcher.next(PERIOD / 2)? {
            topics.insert(message.topic);
        }
        for n in topics.len()..TOPICS {
            devices.retain(&format!("house/room/{n}/temperature"), "21.5")?;
        }
        Ok(Self { transport, service, devices, topics: topics.len().max(TOPICS) })
    }

    /// One second of devices whose values move; the car at the first wallbox charges.
    fn live(&mut self, second: u32) -> anyhow::Result<()> {
        let wobble = f64::from(second % 7) * 90.0;
        let values = [
            ("sim/grid/power", -1200.0 + wobble),
            ("sim/grid/l1", -1.5),
            ("sim/grid/l2", -1.6),
            ("sim/grid/l3", -1.7),
            ("sim/pv/1/power", 4000.0 + wobble),
            ("sim/pv/2/power", 2500.0 - wobble),
            ("sim/battery/power", -500.0),
            ("sim/battery/soc", 80.0),
            ("sim/wb/1/power", 4140.0),
            ("sim/wb/1/energy", 1234.0 + f64::from(second) / 1000.0),
            ("sim/wb/1/l1", 6.0),
            ("sim/wb/1/l2", 6.0),
            ("sim/wb/1/l3", 6.0),
            ("sim/wb/2/power", 0.0),
        ];
        for (topic, value) in values {
            self.devices.publish(topic, &value.to_string())?;
        }
        for (topic, text) in [
            ("sim/wb/1/status", "C"),
            ("sim/wb/1/enabled", "true"),
            ("sim/wb/2/status", "A"),
            ("sim/wb/2/enabled", "false"),
        ] {
            self.devices.publish(topic, text)?;
        }
        Ok(())
    }

    /// `/api/state` on one connection: asked for again, and each time after a meter has spoken.
    fn ask(&mut self, table: &mut Table) -> anyhow::Result<()> {
        let mut http = Http::connect(self.service.http)?;
        let (mut again, mut anew) = (Vec::new(), Vec::new());
        let mut size = 0;
        for _ in 0..REQUESTS {
            let sent = Instant::now();
            size = http.get("/api/state")?;
            again.push(sent.elapsed());
        }
        for n in 0..REQUESTS_ANEW {
            self.live(n)?;
            sleep(TOLD);
            let sent = Instant::now();
            http.get("/api/state")?;
            anew.push(sent.elapsed());
        }
        let kib = size as f64 / 1024.0;
        for (how, times) in [("the same again", again), ("of a new state", anew)] {
            let what = format!("/api/state, {kib:.1} KiB, {how}, {}", self.transport.name());
            table.times(what, Budget::Both(0.3, 2.0), &times);
        }
        Ok(())
    }
}

/// User and system time so far.
fn processor_seconds(pid: u32) -> anyhow::Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).context("the service has ended")?;
    // The program's name, which stands in brackets, may hold blanks.
    let after = stat.rsplit_once(')').map_or("", |(_, after)| after);
    let ticks = after.split_whitespace().skip(11).take(2).map(str::parse::<f64>);
    Ok(ticks.sum::<Result<f64, _>>()? / TICKS_PER_SECOND)
}

/// A line of `/proc/<pid>/status`, in KiB.
fn status_kib(pid: u32, key: &str) -> anyhow::Result<f64> {
    let status =
        fs::read_to_string(format!("/proc/{pid}/status")).context("the service has ended")?;
    let line = status.lines().find_map(|line| line.strip_prefix(key)).context("no such line")?;
    Ok(line.trim().trim_end_matches("kB").trim().parse()?)
}
