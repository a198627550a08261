//! Which task has which client id, so that a second connection takes the first one's place.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::session::Session;

/// The tasks that hold a session, connected or waiting for their client.
pub(super) struct Registry {
    tasks: Mutex<Tasks>,
    /// Ends every task.
    stop: CancellationToken,
    limits: RegistryLimits,
}

/// How many sessions there may be.
#[derive(Clone, Copy)]
pub(super) struct RegistryLimits {
    /// With a connection.
    pub(super) connected: usize,
    /// Waiting for their client.
    pub(super) offline: usize,
}

#[derive(Default)]
struct Tasks {
    by_client: BTreeMap<String, Task>,
    last_serial: u64,
}

struct Task {
    serial: u64,
    /// Set when the task waits for its client: its turn among those that wait.
    offline_since: Option<u64>,
    end: CancellationToken,
    ended: oneshot::Receiver<Box<Session>>,
}

/// A task's place in the registry. Dropping it gives the place up.
pub(super) struct Place {
    registry: Arc<Registry>,
    client: String,
    serial: u64,
    /// Cancelled when another connection takes over or the broker stops.
    pub(super) end: CancellationToken,
    hand_over: Option<oneshot::Sender<Box<Session>>>,
}

/// All places are taken.
#[derive(Debug)]
pub(super) struct NoPlace;

impl Registry {
    /// An empty registry whose tasks end with `stop`.
    pub(super) fn new(stop: CancellationToken, limits: RegistryLimits) -> Arc<Self> {
        Arc::new(Self { tasks: Mutex::default(), stop, limits })
    }

    /// Takes the place of a client id. If another task had it, that one is ended first, and what
    /// it hands over is returned: its session, unless that was clean. A privileged client is
    /// never refused.
    pub(super) async fn enter(
        self: &Arc<Self>,
        client: &str,
        privileged: bool,
    ) -> Result<(Place, Option<Box<Session>>), NoPlace> {
        let (end, (hand_over, ended)) = (self.stop.child_token(), oneshot::channel());
        let (serial, previous) = {
            let mut tasks = self.tasks();
            let connected = tasks.by_client.values().filter(|task| task.offline_since.is_none());
            let full = connected.count() >= self.limits.connected;
            if full && !privileged && !tasks.by_client.contains_key(client) {
                return Err(NoPlace);
            }
            tasks.last_serial += 1;
            let serial = tasks.last_serial;
            let task = Task { serial, offline_since: None, end: end.clone(), ended };
            (serial, tasks.by_client.insert(client.to_owned(), task))
        };
        let place = Place {
            registry: self.clone(),
            client: client.to_owned(),
            serial,
            end,
            hand_over: Some(hand_over),
        };
        let session = match previous {
            Some(previous) => {
                previous.end.cancel();
                // A task that is gone without a word has no session to hand over.
                previous.ended.await.ok()
            }
            None => None,
        };
        Ok((place, session))
    }

    /// Number of sessions that wait for their client.
    pub(super) fn offline(&self) -> usize {
        self.tasks().by_client.values().filter(|task| task.offline_since.is_some()).count()
    }

    fn tasks(&self) -> MutexGuard<'_, Tasks> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// Marks the session as waiting for its client. The one that has waited longest is ended
    /// when there are too many.
    pub(super) fn go_offline(&self) {
        let mut tasks = self.registry.tasks();
        tasks.last_serial += 1;
        let now = tasks.last_serial;
        if let Some(task) = tasks.by_client.get_mut(&self.client)
            && task.serial == self.serial
        {
            task.offline_since = Some(now);
        }
        let offline = || tasks.by_client.iter().filter(|(_, task)| task.offline_since.is_some());
        if offline().count() > self.registry.limits.offline
            && let Some((oldest, _)) = offline().min_by_key(|(_, task)| task.offline_since)
            && let oldest = oldest.clone()
            && let Some(task) = tasks.by_client.remove(&oldest)
        {
            task.end.cancel();
        }
    }

    /// Ends the task. The session goes to the connection that has taken over; if there is none it
    /// comes back to be closed.
    pub(super) fn leave(mut self, session: Box<Session>) -> Option<Box<Session>> {
        if self.give_up() {
            return Some(session);
        }
        let hand_over = self.hand_over.take()?;
        hand_over.send(session).err()
    }

    /// Removes the entry if it is still ours.
    fn give_up(&self) -> bool {
        let mut tasks = self.registry.tasks();
        let ours = tasks.by_client.get(&self.client).is_some_and(|task| task.serial == self.serial);
        if ours {
            tasks.by_client.remove(&self.client);
        }
        ours
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.give_up();
    }
}
