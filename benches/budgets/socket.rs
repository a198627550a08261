//! Fan-out: one write, and the WebSocket clients that are told of it.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use futures_util::StreamExt as _;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};
use tokio_tungstenite::connect_async;

use crate::mqtt::PATIENCE;
use crate::service::{Plan, Service, Transport};
use crate::site;
use crate::table::{Budget, Table};

const SET: &str = "evcc/loadpoints/1/minCurrent/set";
const CLIENTS: [usize; 2] = [1, 200];
const WRITES: u32 = 30;
/// Longer than changes are collected, so that every write has a frame of its own.
const PAUSE: Duration = Duration::from_millis(400);

pub(crate) fn measure(table: &mut Table) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    for clients in CLIENTS {
        let (first, last) = runtime.block_on(fan_out(clients))?;
        if clients > 1 {
            let name = format!("set → first of {clients} WebSocket clients");
            table.times(name, Budget::None, &first);
        }
        let name = format!("set → last of {clients} WebSocket clients");
        table.times(name, Budget::None, &last);
    }
    Ok(())
}

/// How long each write took to the first and to the last client.
async fn fan_out(clients: usize) -> anyhow::Result<(Vec<Duration>, Vec<Duration>)> {
    let config = site::house();
    let plan = Plan { transport: Transport::Embedded, config: &config, database: ":memory:" };
    let service = Service::start(&plan)?;
    let mut writer = service.client("writer")?;
    let (tell, mut told) = mpsc::channel(clients * 2);
    for _ in 0..clients {
        listen(service.http, tell.clone()).await?;
    }
    let (mut first, mut last) = (Vec::new(), Vec::new());
    // What the start changes is told by then.
    sleep(Duration::from_secs(2)).await;
    for write in 0..WRITES {
        let value = if write % 2 == 0 { 7 } else { 6 };
        let sent = Instant::now();
        writer.publish(SET, &value.to_string())?;
        let mut times = Vec::with_capacity(clients);
        while times.len() < clients {
            let (seen, at) = timeout(PATIENCE, told.recv())
                .await
                .with_context(|| format!("{} of {clients} were told", times.len()))?
                .context("all clients are gone")?;
            ensure!(seen == value, "a client was told {seen} after {value}");
            times.push(at - sent);
        }
        first.extend(times.first());
        last.extend(times.iter().max());
        sleep(PAUSE).await;
    }
    Ok((first, last))
}

/// A client that reports each value of the field with the time at which it was told.
async fn listen(port: u16, tell: mpsc::Sender<(u32, Instant)>) -> anyhow::Result<()> {
    let until = Instant::now() + PATIENCE;
    let mut socket = loop {
        match connect_async(format!("ws://127.0.0.1:{port}/ws")).await {
            Ok((socket, _)) => break socket,
            Err(error) if Instant::now() > until => return Err(error.into()),
            Err(_) => sleep(Duration::from_millis(5)).await,
        }
    };
    let whole = socket.next().await.context("no first frame")??;
    ensure!(whole.to_text()?.len() > 100, "the first frame is not whole");
    tokio::spawn(async move {
        while let Some(Ok(frame)) = socket.next().await {
            let text = frame.to_text().unwrap_or_default();
            let Some((_, rest)) = text.split_once(r#""loadpoints.0.minCurrent":"#) else {
                continue;
            };
            let digits = rest.split([',', '}']).next().unwrap_or_default();
            let Ok(value) = digits.parse() else { continue };
            if tell.send((value, Instant::now())).await.is_err() {
                return;
            }
        }
    });
    Ok(())
}
