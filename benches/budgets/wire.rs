//! Meter sample to charger command, from socket to socket (design §9, first row).

use std::collections::BTreeSet;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::Context;

use crate::mqtt::Client;
use crate::service::{Plan, Service, Transport};
use crate::site;
use crate::table::{Budget, Table};

/// The budget of a sample's way, in ms.
const BUDGET: Budget = Budget::P99(20.0);
/// Load points, and how often a sample is sent to them.
const SIZES: [(usize, usize); 4] = [(1, 40), (10, 20), (100, 20), (1000, 20)];
/// The first samples meet cold caches and are not counted.
const WARM_UP: usize = 2;
/// Samples among the words of a busy charger.
const BUSY: usize = 21;
/// Decisions keep 100 ms apart and state is told 100 ms apart: after this silence nothing is due.
const QUIET: Duration = Duration::from_millis(120);
/// A load point's topics are sent, retained and stored after a start within this.
const SETTLING: Duration = Duration::from_millis(8);
/// No charger shows a new current in the millisecond in which it is told.
const REACTION: Duration = Duration::from_millis(5);

/// What the chargers are sent to and fro between, in A.
const HIGH: u32 = 16;
const LOW: u32 = 6;
/// Three phases at 230 V.
const WATTS_PER_AMP: u32 = 690;
/// So much more than needed, in W, that nothing depends on rounding.
const SPARE: i64 = 1_000;

pub(crate) fn measure(table: &mut Table) -> anyhow::Result<()> {
    for transport in Transport::ALL {
        let name = transport.name();
        let sizes = if transport == Transport::StockMosquitto { &SIZES[..1] } else { &SIZES };
        for &(loadpoints, samples) in sizes {
            if let Err(error) = measure_park(table, transport, loadpoints, samples) {
                let places = site::places(loadpoints);
                table.note(format!("wire: {places}, {name}: not measured: {error:#}"));
            }
        }
    }
    measure_busy(table)
}

/// A charger speaks all the time, so that decisions follow each other as fast as they may.
fn measure_busy(table: &mut Table) -> anyhow::Result<()> {
    let plan =
        Plan { transport: Transport::Embedded, config: &site::park(1), database: ":memory:" };
    let service = Service::start(&plan)?;
    let mut park = Park::open(&service, 1)?;
    let mut times = Vec::new();
    for n in 0..BUSY {
        let (from, to) = if n % 2 == 0 { (HIGH, LOW) } else { (LOW, HIGH) };
        // So that samples come at every moment between two decisions.
        for step in 0..7 + n % 7 {
            let drift = u32::from(step % 2 == 1);
            park.every_charger("power", &(watts(from) + drift).to_string())?;
            sleep(Duration::from_millis(13));
        }
        times.push(park.swing(to)?.1);
        park.follow(to)?;
    }
    table.times("sample → command, 1 load point, charger at 77 Hz", BUDGET, &times);
    Ok(())
}

fn measure_park(
    table: &mut Table,
    transport: Transport,
    loadpoints: usize,
    samples: usize,
) -> anyhow::Result<()> {
    let config = site::park(loadpoints);
    let service = Service::start(&Plan { transport, config: &config, database: ":memory:" })?;
    let mut park = Park::open(&service, loadpoints)
        .with_context(|| format!("the log ends with\n{}", service.last_words()))?;
    let (mut first, mut last) = (Vec::new(), Vec::new());
    for n in 0..WARM_UP + samples {
        let to = if n % 2 == 0 { LOW } else { HIGH };
        let (to_first, to_last) = park.swing(to)?;
        if n >= WARM_UP {
            first.push(to_first);
            last.push(to_last);
        }
        park.follow(to)?;
    }
    let name = format!("sample → command, {}, {}", site::places(loadpoints), transport.name());
    if loadpoints > 1 {
        table.times(format!("{name}, first"), BUDGET, &first);
        table.times(format!("{name}, last"), BUDGET, &last);
    } else {
        table.times(name, BUDGET, &last);
    }
    Ok(())
}

/// The grid meter and all chargers, played by hand.
struct Park {
    loadpoints: usize,
    meters: Client,
    commands: Client,
    /// What the service tells about the last load point.
    state: Client,
}

impl Park {
    /// Connects, and has every charger charge with its highest current.
    fn open(service: &Service, loadpoints: usize) -> anyhow::Result<Self> {
        let mut watcher = service.client("watcher")?;
        watcher.subscribe(&["evcc/status", "evcc/loadpoints/+/offeredCurrent"])?;
        // The service says so once its subscriptions are made.
        watcher.until("the service", |message| message.payload == "online")?;
        let mut commands = service.client("commands")?;
        commands.subscribe(&["bench/charger/+/maxcurrent/set"])?;
        let mut state = service.client("state")?;
        state.subscribe(&[&format!("evcc/loadpoints/{loadpoints}/#")])?;
        let meters = service.client("meters")?;
        let mut park = Self { loadpoints, meters, commands, state };
        park.introduce(&mut watcher)?;
        drop(watcher);
        sleep(SETTLING * u32::try_from(loadpoints)?);
        park.quiet()?;
        park.swing(LOW)?;
        park.follow(LOW)?;
        park.swing(HIGH)?;
        park.follow(HIGH)?;
        Ok(park)
    }

    /// Every charger says that it charges with the highest current, until the service repeats it.
    fn introduce(&mut self, watcher: &mut Client) -> anyhow::Result<()> {
        self.meters.publish(site::GRID, "0")?;
        self.every_charger("enabled", "true")?;
        self.every_charger("power", &watts(HIGH).to_string())?;
        self.every_charger("status", "C")?;
        let wanted = HIGH.to_string();
        let mut known = BTreeSet::new();
        while known.len() < self.loadpoints {
            let what = format!("{} of {} chargers", known.len(), self.loadpoints);
            known.insert(watcher.until(&what, |message| message.payload == wanted)?.topic);
        }
        Ok(())
    }

    /// All chargers publish the same, though no thousand of them in one millisecond.
    fn every_charger(&mut self, what: &str, payload: &str) -> anyhow::Result<()> {
        for n in 1..=self.loadpoints {
            self.meters.publish(&site::charger(n, what), payload)?;
            if n % 100 == 0 {
                sleep(Duration::from_millis(2));
            }
        }
        Ok(())
    }

    /// Sends one grid sample that moves every charger; how long the first and the last command took.
    fn swing(&mut self, to: u32) -> anyhow::Result<(Duration, Duration)> {
        let spread = i64::from(watts(HIGH - LOW)) * i64::try_from(self.loadpoints)? + SPARE;
        let grid = if to == HIGH { -spread } else { spread };
        let wanted = to.to_string();
        if to == HIGH {
            // A jump raises nothing before it is said again (design S3).
            self.meters.publish(site::GRID, &grid.to_string())?;
            self.quiet()?;
        }
        let sent = Instant::now();
        self.meters.publish(site::GRID, &grid.to_string())?;
        let (mut first, mut last) = (None, sent);
        for arrived in 0..self.loadpoints {
            let what = format!("{to} A at load point {} of {}", arrived + 1, self.loadpoints);
            let message = self.commands.until(&what, |message| message.payload == wanted)?;
            first = first.or(Some(message.at));
            last = message.at;
        }
        Ok((first.unwrap_or(last) - sent, last - sent))
    }

    /// Lets every charger do as it was told, and waits until the service has taken note.
    fn follow(&mut self, current: u32) -> anyhow::Result<()> {
        sleep(REACTION);
        let power = watts(current).to_string();
        self.every_charger("power", &power)?;
        self.state.until("the charge power", |message| {
            message.topic.ends_with("/chargePower") && message.payload == power
        })?;
        self.quiet()
    }

    fn quiet(&mut self) -> anyhow::Result<()> {
        self.state.until_silent(QUIET)?;
        sleep(Duration::from_millis(10));
        self.commands.until_silent(Duration::from_millis(1))
    }
}

fn watts(current: u32) -> u32 {
    current * WATTS_PER_AMP
}
