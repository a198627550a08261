//! What is done with stored sessions beside the loop: corrections, and what all of them come to.

use std::time::Duration;

use chrono::{Datelike, NaiveDate, TimeDelta};
use chrono_tz::Tz;
use tokio::sync::{mpsc, watch};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::warn;

use crate::api::{self, Code, SessionRequest};
use crate::control::tariff::fixed::day_begins;
use crate::model::Statistics;

use super::answers::{Waiting, Writer};
use super::bus::Message;
use super::clock::{Clock, zone};
use super::inputs::Saved;
use super::store::{Store, StoreError};

/// Sessions leave the window of 30 days by the clock alone.
const STATISTICS_EVERY: Duration = Duration::from_secs(900);

/// Has settings on the disk, and before them the sessions that are listed anew. Those are tried again
/// by the store; settings that fail are told to whoever wrote them.
pub(super) async fn save(
    store: Store,
    listed: bool,
    settings: Vec<(String, Option<String>)>,
) -> Saved {
    if listed && let Err(error) = store.flush().await {
        warn!("sessions will be listed later, {error}");
    }
    if settings.is_empty() {
        return Ok(());
    }
    store.save_settings(settings).await.map_err(|error| error.to_string())
}

/// Carries out what a user wants done with a session. Whether there is one.
pub(super) async fn carry_out(
    store: &Store,
    id: i64,
    request: SessionRequest,
) -> Result<bool, StoreError> {
    match request {
        SessionRequest::Edit(edit) => store.edit_session(id, edit).await,
        SessionRequest::Delete => store.delete_session(id).await,
    }
}

/// Carries out what came over MQTT, and has the loop answer it as it answers every write. The queue of
/// the store bounds how many wait.
pub(super) fn correct(store: &Store, done: &mpsc::Sender<Waiting>, message: &Message, below: &str) {
    let read = api::session_request(below, &message.payload);
    let to = Writer::Mqtt(message.topic.clone(), message.reply.clone());
    let (store, tell) = (store.clone(), done.clone());
    tokio::spawn(async move {
        let answer = match read {
            Err(answer) => answer,
            Ok((id, request, mut done)) => {
                let refused = match carry_out(&store, id, request).await {
                    Ok(true) => None,
                    Ok(false) => Some((Code::UnknownTopic, format!("there is no session {id}"))),
                    Err(error @ StoreError::Busy) => Some((Code::Busy, error.to_string())),
                    Err(error) => Some((Code::NotStored, error.to_string())),
                };
                if let Some((code, message)) = refused {
                    (done.code, done.message) = (code, message);
                }
                done
            }
        };
        // Nobody to answer to is left when the loop has ended.
        let _ = tell.send(Waiting { address: None, answer, to }).await;
    });
}

/// What the sessions come to, kept up to date by a task of its own.
pub(super) fn statistics(
    store: &Store,
    clock: Clock,
    tasks: &TaskTracker,
    stop: &CancellationToken,
) -> watch::Receiver<Option<Statistics>> {
    let (tell, told) = watch::channel(None);
    tasks.spawn(keep_statistics(store.clone(), clock, zone(), tell, stop.clone()));
    told
}

/// Tells what the sessions come to: at the start, when they change, and every quarter of an hour.
async fn keep_statistics(
    store: Store,
    clock: Clock,
    zone: Tz,
    tell: watch::Sender<Option<Statistics>>,
    stop: CancellationToken,
) {
    let mut tick = interval(STATISTICS_EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut failing = false;
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = tick.tick() => {}
            () = store.sessions_changed() => {}
        }
        let now = clock.now().utc;
        let year = NaiveDate::from_ymd_opt(now.with_timezone(&zone).year(), 1, 1);
        let new_year = year.and_then(|date| day_begins(zone, date)).unwrap_or(now);
        let back = |days| now - TimeDelta::days(days);
        match store.statistics(back(30), back(365), new_year).await {
            Ok(statistics) => {
                failing = false;
                tell.send_replace(Some(statistics));
            }
            Err(error) if !failing => {
                failing = true;
                warn!("cannot add up the sessions: {error}");
            }
            Err(_) => {}
        }
    }
}
