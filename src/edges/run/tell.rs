//! What the world is told: store first, then MQTT, WebSocket and the writers.

use std::time::Duration;

use tracing::{debug, info, warn};

use crate::api::{Changes, Occasion, View};
use crate::edges::brain::Brain;
use crate::edges::bus::Bus;
use crate::edges::door::Told;
use crate::edges::inputs::{Saved, Saving};
use crate::edges::sessions;
use crate::model::{Event, EventKind, Now};

use super::{Held, Run};

/// State is told no more often than this, unless somebody waits for it.
const TELL_SPACING: Duration = Duration::from_millis(100);
/// The slot that is not over is kept so often: a kill loses no more of it, and a memory card lives long.
const KEEP_EVERY: Duration = Duration::from_secs(60);
/// The devices are asked no more often than this how they are.
const HEALTH_SPACING: Duration = Duration::from_secs(5);
/// `<root>/updated` is told no more often than this (api.md §1.2).
const UPDATED_SPACING: Duration = Duration::from_secs(1);

impl Run {
    /// Tells what changed, unless it was just done: store first, then MQTT, then the writers.
    pub(super) fn tell(&mut self, now: Now) -> Option<Saving> {
        let due = !self.waiting.is_empty() || (self.dirty && now.mono >= self.tell_at);
        if !due || self.held.is_some() {
            return None;
        }
        self.dirty = false;
        let Brain { control, system, .. } = &self.brain;
        let state = self.told.next(&View { control, system, now });
        let mut changes = state.changes(&self.told);
        let mut new = std::mem::take(&mut changes.stored);
        new.extend(self.brain.feeds.unsaved(now));
        let stored = self.owed.next(now.mono, new);
        let settings: Vec<_> =
            stored.iter().cloned().map(|(key, text)| (key, Some(text))).collect();
        let held = Held { state, changes, stored, waiting: std::mem::take(&mut self.waiting) };
        let listed = std::mem::take(&mut self.listed);
        if settings.is_empty() && !listed {
            self.conclude(now, held, Ok(()));
            return None;
        }
        self.held = Some(held);
        Some(Box::pin(sessions::save(self.store.clone(), listed, settings)))
    }

    /// The settings are stored, or are not: the state is told either way, and the writers learn which.
    pub(super) fn conclude(&mut self, now: Now, held: Held, saved: Saved) {
        let Held { state, changes, stored, waiting } = held;
        self.told = state;
        self.tell_at = now.mono + TELL_SPACING;
        let told = !changes.published.is_empty();
        self.record(&changes);
        for (topic, payload) in changes.published {
            self.publish(self.below_root(&topic), payload.into_bytes(), true);
        }
        for topic in changes.removed {
            self.publish(self.below_root(&topic), Vec::new(), true);
        }
        if told && now.mono.since(self.updated) >= UPDATED_SPACING {
            self.tell_updated(now);
        }
        self.shared.send_replace(Told { state: self.told.clone(), at: now.mono });
        if let Err(why) = &saved {
            if self.owed.is_empty() {
                warn!("settings are in force and will be stored later, {why}");
            }
            self.owed.add(now.mono, stored);
        }
        for mut writer in waiting {
            if let Err(why) = &saved {
                writer.answer = Box::new(writer.answer.not_stored(why));
            }
            self.answer(writer);
        }
    }

    /// Before the end: what could not be stored so far.
    pub(super) async fn store_owed(&mut self) {
        let settings = self.owed.take().into_iter().map(|(key, text)| (key, Some(text)));
        if let Err(why) = sessions::save(self.store.clone(), false, settings.collect()).await {
            warn!("settings are lost, {why}");
        }
    }

    /// Connected: the broker may have lost everything, so it is told everything, in order. After a
    /// start what is not known yet stays as it was told before, until it is cleaned up.
    pub(super) fn connected(&mut self, session: u64) {
        info!(session, "connected to the broker");
        for (topic, payload) in self.told.topics() {
            if !(self.cleanup_at.is_some() && payload.is_empty()) {
                self.publish(self.below_root(&topic), payload.into_bytes(), true);
            }
        }
        self.devices.bus_up();
    }

    /// Keeps account of the retained topics that are ours to delete one day (design S9).
    fn record(&mut self, changes: &Changes) {
        let (added, removed) = self.ours.record(changes);
        if !added.is_empty() || !removed.is_empty() {
            self.store.record_topics(added, removed);
        }
    }

    /// Deletes what an earlier start published and this one does not.
    fn clean_up(&mut self) {
        let stale = self.ours.take_stale(&self.told);
        for topic in &stale {
            self.publish(self.below_root(topic), Vec::new(), true);
        }
        if !stale.is_empty() {
            info!("deleted {} topics of an earlier configuration", stale.len());
            self.store.record_topics(Vec::new(), stale);
        }
    }

    /// What happens by the clock alone.
    pub(super) fn tick(&mut self, now: Now) {
        if now.mono.since(self.updated) >= self.brain.system.interval {
            self.tell_updated(now);
        }
        let online = self.bus.as_ref().is_some_and(Bus::connected);
        self.figures.turned(online, self.waiting.len());
        if self.cleanup_at.is_some_and(|at| now.mono >= at) && online {
            self.cleanup_at = None;
            self.clean_up();
        }
        if now.mono.since(self.kept) >= KEEP_EVERY {
            self.keep_running(now);
        }
        if now.mono.since(self.asked) >= HEALTH_SPACING {
            self.asked = now.mono;
            self.brain.control.set_faulty(self.devices.faulty());
        }
        self.shared.send_if_modified(|told| {
            told.at = now.mono;
            false
        });
    }

    /// Keeps the slot that is not over, so that a restart goes on from here.
    pub(super) fn keep_running(&mut self, now: Now) {
        self.kept = now.mono;
        // Whoever waits for another service counts nothing.
        if self.hold.is_ours() {
            self.store.record_running(self.brain.control.running_slot(now));
        }
    }

    fn tell_updated(&mut self, now: Now) {
        self.updated = now.mono;
        let seconds = now.utc.timestamp().to_string();
        self.publish(self.below_root("updated"), seconds.into_bytes(), true);
    }

    /// Tells machines and people what happened.
    pub(super) fn tell_event(&self, now: Now, event: &Event) {
        let Brain { control, system, .. } = &self.brain;
        let occasion = Occasion::new(event, &View { control, system, now }, &self.told);
        let json = occasion.json(now);
        info!("{json}");
        self.publish(self.below_root("events"), json.into_bytes(), false);
        self.messenger.tell(event.kind, &occasion);
    }

    /// Another service has the devices: whoever asks is told, and once those who do not.
    pub(super) fn stand_by(&mut self, now: Now, why: String) {
        warn!("not in charge: {why}");
        if self.brain.system.standby.replace(why.clone()).is_some() {
            return;
        }
        let Brain { control, system, .. } = &self.brain;
        let occasion = Occasion::standby(&why, &View { control, system, now }, &self.told);
        if let Some(bus) = &self.bus {
            bus.notice(self.below_root("events"), occasion.json(now).into_bytes());
        }
        self.messenger.tell(EventKind::Standby, &occasion);
    }

    pub(super) fn below_root(&self, topic: &str) -> String {
        format!("{}/{topic}", self.root)
    }

    pub(super) fn publish(&self, topic: String, payload: Vec<u8>, retain: bool) {
        if let Some(bus) = &self.bus {
            debug!(topic, retain, bytes = payload.len(), "publish");
            bus.publish(topic, payload, retain);
        }
    }
}
