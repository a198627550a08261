//! Who may connect, and which topics a client may read and write.

use std::collections::BTreeMap;
use std::sync::Arc;

use rumqttc::mqttbytes::v4::Login;
use tokio::sync::Semaphore;

use crate::edges::password::{equal, verify};

use super::config::{AnonymousConfig, UserConfig};
use super::filter;

/// Topics that a client may read and write.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Rights {
    read: Vec<String>,
    write: Vec<String>,
}

impl Rights {
    /// Everything.
    pub(super) fn full() -> Self {
        let all = || vec!["#".to_owned(), "$SYS/#".to_owned()];
        Self { read: all(), write: all() }
    }

    /// Whether a message of this topic may be delivered to the client.
    pub(super) fn may_read(&self, topic: &str) -> bool {
        self.read.iter().any(|filter| filter::covers(filter, topic))
    }

    /// Whether the client may publish to this topic. `$SYS` belongs to the broker.
    pub(super) fn may_write(&self, topic: &str) -> bool {
        let ours = topic == "$SYS" || topic.starts_with("$SYS/");
        !ours && self.write.iter().any(|filter| filter::covers(filter, topic))
    }
}

/// An accepted client.
#[derive(Clone, Debug)]
pub(super) struct Identity {
    /// User name; `None` for an anonymous client.
    pub(super) user: Option<String>,
    pub(super) rights: Arc<Rights>,
}

/// Which door a client came through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Entrance {
    /// A listener on loopback, or one whose lack of protection was spelled out.
    Trusting,
    /// A listener that the network can reach.
    Guarded,
    /// The listener of our own client.
    Internal,
}

/// Everyone who may connect.
pub(super) struct Users {
    users: BTreeMap<String, User>,
    anonymous: Option<Arc<Rights>>,
    internal: (String, String),
    /// One hash takes 19 MiB, so they are computed one at a time.
    hashing: Semaphore,
}

struct User {
    hash: String,
    rights: Arc<Rights>,
}

impl Users {
    /// The configured users, and the credentials of our own client.
    pub(super) fn new(
        users: &[UserConfig],
        anonymous: Option<&AnonymousConfig>,
        internal: (String, String),
    ) -> Self {
        let rights = |read: &[String], write: &[String]| {
            Arc::new(Rights { read: read.to_vec(), write: write.to_vec() })
        };
        let user = |user: &UserConfig| {
            let rights = rights(&user.read, &user.write);
            (user.name.clone(), User { hash: user.hash.clone(), rights })
        };
        Self {
            users: users.iter().map(user).collect(),
            anonymous: anonymous.map(|anonymous| rights(&anonymous.read, &anonymous.write)),
            internal,
            hashing: Semaphore::new(1),
        }
    }

    /// Who this is, or `None` when it may not connect.
    pub(super) async fn admit(&self, entrance: Entrance, login: Option<Login>) -> Option<Identity> {
        let anonymous = || {
            let rights = self.anonymous.clone()?;
            (entrance == Entrance::Trusting).then_some(Identity { user: None, rights })
        };
        let Some(login) = login else {
            return anonymous();
        };
        if entrance == Entrance::Internal {
            let (user, password) = &self.internal;
            let ours =
                login.username == *user && equal(login.password.as_bytes(), password.as_bytes());
            let rights = Arc::new(Rights::full());
            return ours.then_some(Identity { user: Some(login.username), rights });
        }
        if self.users.is_empty() {
            // As mosquitto without a password file: a name that nobody checks does no harm.
            return anonymous();
        }
        let user = self.users.get(&login.username)?;
        let one_at_a_time = self.hashing.acquire().await.ok()?;
        let (hash, password) = (user.hash.clone(), login.password);
        let verified = tokio::task::spawn_blocking(move || verify(&hash, &password)).await;
        drop(one_at_a_time);
        let rights = user.rights.clone();
        matches!(verified, Ok(true)).then(|| Identity { user: Some(login.username), rights })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn nobody_is_anonymous_at_a_listener_that_the_network_reaches() {
        let anonymous = AnonymousConfig { read: vec!["#".to_owned()], write: Vec::new() };
        let users = Users::new(&[], Some(&anonymous), ("own".to_owned(), "secret".to_owned()));
        let login = || Some(Login::new("anybody", "anything"));
        for login in [None, login()] {
            assert!(users.admit(Entrance::Trusting, login.clone()).await.is_some());
            assert!(users.admit(Entrance::Guarded, login.clone()).await.is_none());
            assert!(users.admit(Entrance::Internal, login).await.is_none());
        }
        let own = Some(Login::new("own", "secret"));
        assert!(users.admit(Entrance::Internal, own).await.is_some());
    }

    #[test]
    fn the_brokers_own_topics_cannot_be_written() {
        let rights = Rights::full();
        assert!(rights.may_write("a") && rights.may_write("$foo/x") && rights.may_write("$SYSTEM"));
        assert!(!rights.may_write("$SYS") && !rights.may_write("$SYS/broker/version"));
        assert!(rights.may_read("$SYS/broker/version"));
    }
}
