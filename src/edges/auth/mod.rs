//! Who may do what over REST: a password with sessions, and keys with scopes (api.md §3.10).
//!
//! Secrets are in the store only, the password and the keys as hashes. They are no fields, so
//! nothing publishes them, and nothing here is logged but that something changed.

mod brake;
mod keys;
mod session;

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;
use tracing::info;

use crate::api::Access;
use crate::config;
use crate::model::KeyScope;

use super::clock::Clock;
use super::password;
use super::store::Store;

use brake::Brake;
pub use keys::Key;
pub use session::Session;

/// A longer password is none.
const PASSWORD_MAX: usize = 1024;
/// Keys at a time; more are refused.
const KEYS_MAX: usize = 32;
/// A longer name of a key is refused.
const NAME_MAX: usize = 64;
/// The name of the key that evcc knows.
const API_KEY: &str = "apikey";

/// Where the secrets are stored.
pub const PREFIX: &str = "auth.";
/// Whoever knows this one is the owner.
pub const PASSWORD: &str = "auth.password";
const SECRET: &str = "auth.secret";
const KEYS: &str = "auth.keys";

/// How much is asked of whoever comes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// What the configuration says.
    #[default]
    Guarded,
    /// Nothing (`--disable-auth`).
    Disabled,
    /// The demo has no owner: what needs one is forbidden.
    Demo,
    /// The stored password could not be read: as if it were lost, and none can be set.
    Locked,
}

/// What somebody shows: both are secret.
#[derive(Clone, Copy, Default)]
pub struct Shown<'a> {
    /// The token of a session.
    pub session: Option<&'a str>,
    /// A key.
    pub key: Option<&'a str>,
}

/// Why somebody is turned away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Denied {
    /// The demo has no owner.
    Demo,
    /// No password was set yet.
    NoPassword,
    /// It is another password.
    Wrong,
    /// Too many wrong passwords; try again after this time.
    Wait(Duration),
    /// What is wanted cannot be; the text names the remedy.
    Unfit(String),
    /// It could not be done.
    Failed(String),
}

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Demo => f.write_str("Forbidden in demo mode"),
            Self::NoPassword => f.write_str("Not implemented"),
            Self::Wrong => f.write_str("Invalid password"),
            Self::Wait(time) => write!(f, "Too many attempts, wait {} s", time.as_secs() + 1),
            Self::Unfit(text) | Self::Failed(text) => f.write_str(text),
        }
    }
}

/// The guard; clones share it.
#[derive(Clone)]
pub struct Auth(Arc<Inner>);

struct Inner {
    mode: Mode,
    /// What needs nothing to be shown.
    anybody: Access,
    kept: Mutex<Kept>,
    brake: Mutex<Brake>,
    /// One hash takes 19 MiB, so they are computed one at a time; changes keep their order.
    turn: Semaphore,
    store: Store,
    clock: Clock,
}

#[derive(Clone, Default)]
struct Kept {
    password: Option<String>,
    /// What sessions are signed with; a new password ends them all.
    secret: Option<String>,
    keys: Vec<Key>,
}

impl Auth {
    /// Takes what is its own out of the stored settings.
    pub fn new(
        mode: Mode,
        config: &config::Api,
        stored: &mut BTreeMap<String, String>,
        store: Store,
        clock: Clock,
    ) -> Self {
        let mut keys: Vec<Key> = config.keys.iter().map(Key::configured).collect();
        let made = stored.remove(KEYS).map(|text| keys::restored(&text)).unwrap_or_default();
        keys.extend(made.into_iter().take(KEYS_MAX));
        let kept = Kept { password: stored.remove(PASSWORD), secret: stored.remove(SECRET), keys };
        let anybody = match (mode, config.protect_reads, config.protect_writes) {
            (Mode::Disabled, _, _) => Access::Confirmed,
            (_, true, _) => Access::Open,
            (_, false, true) => Access::Read,
            (_, false, false) => Access::Write,
        };
        Self(Arc::new(Inner {
            mode,
            anybody,
            kept: Mutex::new(kept),
            brake: Mutex::default(),
            turn: Semaphore::new(1),
            store,
            clock,
        }))
    }

    /// How much is asked of whoever comes.
    pub fn mode(&self) -> Mode {
        self.0.mode
    }

    /// What somebody may do with what is shown.
    pub fn granted(&self, shown: Shown<'_>) -> Access {
        let kept = self.kept();
        let now = self.0.clock.now().utc;
        let owner = shown.session.zip(kept.secret.as_deref());
        let owner = owner.filter(|(token, secret)| session::is_valid(secret, now, token));
        let key = shown.key.and_then(|key| keys::granted(&kept.keys, key));
        let session = owner.map(|_| Access::Admin);
        [key, session].into_iter().flatten().fold(self.0.anybody, Access::max)
    }

    /// Whether this is the owner; an error while there is none.
    ///
    /// # Errors
    /// [`Denied::Demo`], [`Denied::NoPassword`], [`Denied::Failed`].
    pub fn is_owner(&self, shown: Shown<'_>) -> Result<bool, Denied> {
        self.admits()?;
        if self.0.mode != Mode::Disabled && self.kept().password.is_none() {
            return Err(Denied::NoPassword);
        }
        Ok(self.granted(shown) >= Access::Admin)
    }

    /// Whether this is the owner's password.
    ///
    /// # Errors
    /// It is not, or `from` has to wait.
    pub async fn confirm(&self, from: IpAddr, password: &str) -> Result<(), Denied> {
        self.admits()?;
        if self.0.mode == Mode::Disabled {
            return Ok(());
        }
        let hash = self.kept().password.clone().ok_or(Denied::Wrong)?;
        let now = self.0.clock.now().mono;
        lock(&self.0.brake).enter(from, now).map_err(Denied::Wait)?;
        let password = password.to_owned();
        let verify = move || password.len() <= PASSWORD_MAX && password::verify(&hash, &password);
        if !self.slowly(verify).await? {
            info!("a wrong password came from {from}");
            return Err(Denied::Wrong);
        }
        lock(&self.0.brake).forgive(from);
        Ok(())
    }

    /// A new session for whoever knows the password.
    ///
    /// # Errors
    /// As [`Self::confirm`].
    pub async fn login(&self, from: IpAddr, password: &str) -> Result<Session, Denied> {
        self.confirm(from, password).await?;
        let secret = self.kept().secret.clone();
        match secret {
            Some(secret) => Ok(self.session(&secret)),
            // Somebody removed it from the store, or there is no password and nobody asks for one.
            None => {
                let secret = keys::random().ok_or_else(no_chance)?;
                let session = self.session(&secret);
                self.change(|kept| kept.secret = Some(secret)).await?;
                Ok(session)
            }
        }
    }

    /// Sets the first password, or another one, which ends all sessions. Answers whether it was the
    /// first, and with a new session.
    ///
    /// # Errors
    /// As [`Self::confirm`] for `current`, or the new one is unfit or not stored.
    pub async fn set_password(
        &self,
        from: IpAddr,
        current: &str,
        new: &str,
    ) -> Result<(bool, Session), Denied> {
        self.admits()?;
        if new.is_empty() || new.len() > PASSWORD_MAX {
            let text = format!("a password has 1 to {PASSWORD_MAX} bytes");
            return Err(Denied::Unfit(text));
        }
        let before = self.kept().password.clone();
        if before.is_some() {
            self.confirm(from, current).await?;
        }
        let new = new.to_owned();
        let hashed = self.slowly(move || password::hash(&new)).await?;
        let hash = hashed.map_err(|error| Denied::Failed(format!("{error:#}")))?;
        let secret = keys::random().ok_or_else(no_chance)?;
        let session = self.session(&secret);
        let _turn = self.turn().await?;
        // Two who set the first password at a time: only one of them is the owner.
        if self.kept().password != before {
            return Err(Denied::Wrong);
        }
        let kept = Kept { password: Some(hash), secret: Some(secret), ..self.kept().clone() };
        self.keep(kept).await?;
        info!("the password was {}", if before.is_none() { "set" } else { "changed" });
        Ok((before.is_none(), session))
    }

    /// Whether there is a key of the name that evcc knows.
    pub fn has_api_key(&self) -> bool {
        self.kept().keys.iter().any(|key| key.name == API_KEY)
    }

    /// Makes the key that evcc knows, in place of the one before; whoever has it is the owner.
    ///
    /// # Errors
    /// As [`Self::confirm`], or the key is not stored.
    pub async fn new_api_key(&self, from: IpAddr, password: &str) -> Result<String, Denied> {
        self.confirm(from, password).await?;
        let key = keys::make().ok_or_else(no_chance)?;
        let made = Key::new(API_KEY, KeyScope::Admin, &key);
        self.change(|kept| {
            kept.keys.retain(|key| key.name != API_KEY);
            kept.keys.push(made);
        })
        .await?;
        info!("a new API key was made");
        Ok(key)
    }

    /// All keys.
    pub fn keys(&self) -> Vec<Key> {
        self.kept().keys.clone()
    }

    /// Makes a key, which is shown once.
    ///
    /// # Errors
    /// The name is unfit or taken, there are too many, or the key is not stored.
    pub async fn new_key(&self, name: &str, scope: KeyScope) -> Result<String, Denied> {
        self.admits()?;
        let fit = |c: char| c.is_ascii_alphanumeric() || "_.:-".contains(c);
        if name.is_empty() || name.len() > NAME_MAX || !name.chars().all(fit) || name == API_KEY {
            let text = format!("name: 1 to {NAME_MAX} letters, digits, and _.:-, not {API_KEY}");
            return Err(Denied::Unfit(text));
        }
        let key = keys::make().ok_or_else(no_chance)?;
        let made = Key::new(name, scope, &key);
        let _turn = self.turn().await?;
        let mut kept = self.kept().clone();
        if kept.keys.iter().any(|key| key.name == name) {
            return Err(Denied::Unfit("there is a key of this name: remove it first".to_owned()));
        }
        if kept.keys.len() >= KEYS_MAX {
            return Err(Denied::Unfit(format!("there are {KEYS_MAX} keys: remove one first")));
        }
        kept.keys.push(made);
        self.keep(kept).await?;
        info!("a key {name} was made, scope {scope}");
        Ok(key)
    }

    /// Removes a key; answers whether there was one.
    ///
    /// # Errors
    /// It stands in the configuration, or the change is not stored.
    pub async fn remove_key(&self, name: &str) -> Result<bool, Denied> {
        self.admits()?;
        let keys = self.keys();
        let Some(key) = keys.iter().find(|key| key.name == name) else {
            return Ok(false);
        };
        if key.configured {
            return Err(Denied::Unfit("the key stands in the configuration".to_owned()));
        }
        self.change(|kept| kept.keys.retain(|key| key.name != name)).await?;
        info!("the key {name} was removed");
        Ok(true)
    }

    fn admits(&self) -> Result<(), Denied> {
        match self.0.mode {
            Mode::Guarded | Mode::Disabled => Ok(()),
            Mode::Demo => Err(Denied::Demo),
            Mode::Locked => {
                let text = "the stored password could not be read: mend the database and restart";
                Err(Denied::Failed(text.to_owned()))
            }
        }
    }

    fn session(&self, secret: &str) -> Session {
        session::issue(secret, self.0.clock.now().utc)
    }

    async fn change(&self, change: impl FnOnce(&mut Kept)) -> Result<(), Denied> {
        let _turn = self.turn().await?;
        let mut kept = self.kept().clone();
        change(&mut kept);
        self.keep(kept).await
    }

    /// Stored first, then in force.
    async fn keep(&self, kept: Kept) -> Result<(), Denied> {
        let settings = vec![
            (PASSWORD.to_owned(), kept.password.clone()),
            (SECRET.to_owned(), kept.secret.clone()),
            (KEYS.to_owned(), Some(keys::stored(&kept.keys))),
        ];
        let stored = self.0.store.save_settings(settings).await;
        stored.map_err(|error| Denied::Failed(error.to_string()))?;
        *self.kept() = kept;
        Ok(())
    }

    /// Does what takes long and much memory, one at a time and beside the runtime.
    async fn slowly<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Denied> {
        let _turn = self.turn().await?;
        let done = tokio::task::spawn_blocking(work).await;
        done.map_err(|_| Denied::Failed("the service is stopping".to_owned()))
    }

    async fn turn(&self) -> Result<tokio::sync::SemaphorePermit<'_>, Denied> {
        let turn = self.0.turn.acquire().await;
        turn.map_err(|_| Denied::Failed("the service is stopping".to_owned()))
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        lock(&self.0.kept)
    }
}

fn no_chance() -> Denied {
    Denied::Failed("the system has no random numbers".to_owned())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
