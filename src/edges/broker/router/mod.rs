//! What the broker asks of a router, so that another crate can take rumqttd's place.
//!
//! A router carries messages from [`Router::try_publish`] to every [`Link`] that follows a filter
//! selecting them. It owes each link every such message, once, in the order of publishing per
//! topic. It may deliver more than was asked for: the session behind the link picks by its exact
//! filters. Retained messages, wills, QoS, acknowledgements and rights are not its business.

mod rumqttd;

use std::future::Future;

use tokio::sync::futures::Notified;

pub(super) use self::rumqttd::{RumqttdLink, RumqttdRouter};
use super::message::Message;

/// The router in use. To change it, implement [`Router`] and [`Link`] and name it here.
pub(super) type ActiveRouter = RumqttdRouter;

/// The link of [`ActiveRouter`].
pub(super) type ActiveLink = RumqttdLink;

/// Carries messages to links.
pub(super) trait Router: Send + Sync {
    /// The receiving end given to a session.
    type Link: Link;

    /// Attaches one more link, which follows nothing yet.
    ///
    /// # Errors
    /// When the router is full or gone.
    fn attach(&self) -> impl Future<Output = anyhow::Result<Self::Link>> + Send;

    /// Hands a numbered message in, without waiting.
    ///
    /// # Errors
    /// [`Refused::Busy`] when a link is too far behind; wait for [`Router::room`] and try again.
    fn try_publish(&self, message: &Message) -> Result<(), Refused>;

    /// Completes when a link has caught up after this call was made.
    fn room(&self) -> Notified<'_>;
}

/// Why a message was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    /// Some link has not yet read what was published before.
    Busy,
    /// The router is gone; the broker has to be started anew.
    Gone,
}

/// The receiving end of one session.
pub(super) trait Link: Send {
    /// Follows exactly the lanes of these filters from now on. When it returns, every message
    /// published later that one of them selects will arrive.
    ///
    /// # Errors
    /// When the router is gone.
    fn follow<'a>(
        &mut self,
        filters: impl Iterator<Item = &'a str> + Send,
    ) -> impl Future<Output = anyhow::Result<()>> + Send;

    /// The next message. Dropping the future loses nothing.
    ///
    /// # Errors
    /// When the router is gone.
    fn recv(&mut self) -> impl Future<Output = anyhow::Result<Message>> + Send;

    /// Leaves the router.
    fn detach(self) -> impl Future<Output = ()> + Send;
}
