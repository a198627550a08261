//! The front door: accepts connections, asks who it is, and gives each client its session.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::Context;
use rumqttc::v5::mqttbytes::v5::{
    ConnAck, ConnAckProperties, ConnectReturnCode, Disconnect, DisconnectProperties,
    DisconnectReasonCode as Reason, Packet,
};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, info, warn};

use super::config::Limits;
use super::filter;
use super::hub::Hub;
use super::registry::{Place, Registry};
use super::session::{End, MAX_UNRELEASED, Session, Terms};
use super::users::{Entrance, Identity, Users};
use super::wire::{ALIASES_MAX, BadConnect, Greeting, Stream, Turn, Version, Will, Wire};

/// Sockets beyond the limit of connections that may ask and be told that there is no place.
const SPARE_SOCKETS: usize = 32;

/// Pause after a failed accept: the system is out of files, and they come back by themselves.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Time to write the last bytes to a client that is being disconnected.
const FAREWELL: Duration = Duration::from_secs(1);

/// Characters of the text that tells a client why its connection ends.
const REASON_MAX: usize = 200;

/// Length of a client id that the broker makes up.
const MADE_UP_ID: usize = 20;

/// Everything a connection needs.
pub(super) struct Door {
    pub(super) hub: Arc<Hub>,
    pub(super) users: Users,
    pub(super) registry: Arc<Registry>,
    pub(super) limits: Limits,
    pub(super) stop: CancellationToken,
    pub(super) tasks: TaskTracker,
    sockets: Arc<Semaphore>,
}

/// A client that has been accepted.
struct Admitted {
    wire: Wire,
    greeting: Greeting,
    identity: Identity,
    /// The client id, made up if the client gave none.
    client: String,
}

impl Door {
    /// A door to the hub.
    pub(super) fn new(
        hub: Arc<Hub>,
        users: Users,
        registry: Arc<Registry>,
        limits: Limits,
        stop: CancellationToken,
    ) -> Arc<Self> {
        let sockets = Arc::new(Semaphore::new(limits.connections + SPARE_SOCKETS));
        Arc::new(Self { hub, users, registry, limits, stop, tasks: TaskTracker::new(), sockets })
    }

    /// Accepts connections until the broker stops. No connection ever holds up another one.
    pub(super) async fn listen(
        self: Arc<Self>,
        listener: TcpListener,
        tls: Option<TlsAcceptor>,
        entrance: Entrance,
    ) {
        loop {
            let accepted = tokio::select! {
                () = self.stop.cancelled() => return,
                accepted = listener.accept() => accepted,
            };
            let (socket, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            let permit = match (entrance, self.sockets.clone().try_acquire_owned()) {
                (_, Ok(permit)) => Some(permit),
                (Entrance::Internal, Err(_)) => None,
                (Entrance::Trusting | Entrance::Guarded, Err(_)) => {
                    debug!(%peer, "too many connections, closed at once");
                    continue;
                }
            };
            let (door, tls) = (self.clone(), tls.clone());
            self.tasks.spawn(door.receive(socket, peer, tls, entrance, permit));
        }
    }

    async fn receive(
        self: Arc<Self>,
        socket: TcpStream,
        peer: SocketAddr,
        tls: Option<TlsAcceptor>,
        entrance: Entrance,
        permit: Option<OwnedSemaphorePermit>,
    ) {
        let patience = Duration::from_secs(self.limits.connect_timeout_s);
        let admitted = tokio::select! {
            () = self.stop.cancelled() => return,
            admitted = timeout(patience, self.admit(socket, tls, entrance)) => admitted,
        };
        let admitted = admitted.context("no MQTT connect in time").flatten();
        match admitted {
            Ok(admitted) => {
                let client = admitted.client.clone();
                debug!(client, %peer, "client admitted");
                if let Err(error) = self.host(admitted, entrance, permit).await {
                    warn!(client, %peer, "{error:#}");
                }
            }
            Err(error) => info!(%peer, "connection refused: {error:#}"),
        }
    }

    /// TLS, CONNECT and credentials.
    async fn admit(
        &self,
        socket: TcpStream,
        tls: Option<TlsAcceptor>,
        entrance: Entrance,
    ) -> anyhow::Result<Admitted> {
        // Small packets are to leave at once. A socket that refuses this works as well.
        let _ = socket.set_nodelay(true);
        let stream: Box<dyn Stream> = match tls {
            Some(tls) => Box::new(tls.accept(socket).await.context("TLS handshake failed")?),
            None => Box::new(socket),
        };
        let mut wire = Wire::new(stream, self.limits.packet_bytes);
        let greeting = loop {
            match wire.next_connect() {
                Ok(Some(greeting)) => break greeting,
                Ok(None) => {}
                Err(BadConnect::Violation(violation)) => anyhow::bail!("{}", violation.text),
                Err(BadConnect::Refused(code)) => return refuse(wire, code).await,
            }
            if wire.turn().await? == Turn::Closed {
                anyhow::bail!("closed before connect");
            }
        };
        if let Some(reason) = wrong_field(&greeting) {
            anyhow::bail!("{reason}");
        }
        if greeting.authenticates {
            return refuse(wire, ConnectReturnCode::BadAuthenticationMethod).await;
        }
        let old = greeting.version == Version::V4;
        if greeting.client_id.is_empty() && old && !greeting.clean_start {
            return refuse(wire, ConnectReturnCode::ClientIdentifierNotValid).await;
        }
        let login = greeting.login.clone();
        let Some(identity) = self.users.admit(entrance, login).await else {
            // As mosquitto, which does not say which half of the credentials is wrong.
            return refuse(wire, ConnectReturnCode::NotAuthorized).await;
        };
        let client = match greeting.client_id.as_str() {
            "" => format!("auto-{}", made_up_id()),
            given => given.to_owned(),
        };
        Ok(Admitted { wire, greeting, identity, client })
    }

    /// Gives a client its session, serves it, and winds up when it has ended.
    async fn host(
        &self,
        admitted: Admitted,
        entrance: Entrance,
        permit: Option<OwnedSemaphorePermit>,
    ) -> anyhow::Result<()> {
        let Admitted { mut wire, greeting, identity, client } = admitted;
        let internal = entrance == Entrance::Internal;
        // No client from outside can have an id with NUL, so none can take our own client's place.
        let key = if internal { format!("\0{client}") } else { client.clone() };
        let Ok((place, previous)) = self.registry.enter(&key, internal).await else {
            return refuse(wire, ConnectReturnCode::ServerUnavailable).await;
        };
        let assigned = greeting.client_id.is_empty().then(|| client.clone());
        let (mut session, session_present) = match previous {
            Some(mut kept)
                if !greeting.clean_start
                    && !kept.is_over
                    && kept.identity.user == identity.user =>
            {
                kept.identity = identity;
                (kept, true)
            }
            previous => {
                if let Some(mut unwanted) = previous {
                    unwanted.publish_will().await?;
                    unwanted.close().await;
                }
                let (link, hub) = (self.hub.attach().await?, self.hub.clone());
                let limits = if internal { self.limits.for_our_own_client() } else { self.limits };
                (Box::new(Session::new(client, identity, hub, link, limits)), false)
            }
        };
        session.expiry = greeting.session_expiry;
        let code = ConnectReturnCode::Success;
        let properties = Some(self.offer(assigned));
        wire.send(&Packet::ConnAck(ConnAck { session_present, code, properties }));
        let connected = &self.hub.counters.connected;
        connected.fetch_add(1, Ordering::Relaxed);
        let keep_alive = Duration::from_secs(u64::from(greeting.keep_alive));
        let terms = Terms { keep_alive, receive_max: greeting.receive_max };
        let end = session.serve(&mut wire, terms, &place.end).await;
        connected.fetch_sub(1, Ordering::Relaxed);
        debug!(client = key, ?end, "connection ended");
        self.tell_end(&mut wire, &end);
        // The session may go on without its socket.
        drop(permit);
        let parting = timeout(FAREWELL, wire.finish());
        let will = greeting.will.filter(|_| end != End::Goodbye);
        let (_, wound_up) = tokio::join!(parting, wind_up(session, place, will));
        wound_up
    }

    /// What a client of MQTT 5 is told at the door: whatever differs from the standard's defaults.
    fn offer(&self, assigned_client_identifier: Option<String>) -> ConnAckProperties {
        ConnAckProperties {
            session_expiry_interval: None,
            receive_max: Some(MAX_UNRELEASED),
            max_qos: None,
            retain_available: None,
            max_packet_size: u32::try_from(self.limits.packet_bytes).ok(),
            assigned_client_identifier,
            topic_alias_max: Some(ALIASES_MAX),
            reason_string: None,
            user_properties: Vec::new(),
            wildcard_subscription_available: None,
            subscription_identifiers_available: None,
            shared_subscription_available: Some(0),
            server_keep_alive: None,
            response_information: None,
            server_reference: None,
            authentication_method: None,
            authentication_data: None,
        }
    }

    /// Says why the connection ends; a client of 3.1.1 only sees that it does.
    fn tell_end(&self, wire: &mut Wire, end: &End) {
        let (reason_code, text) = match end {
            End::Broken { reason: Some(reason), text } => (*reason, text.as_str()),
            End::Replaced if self.stop.is_cancelled() => {
                (Reason::ServerShuttingDown, "the broker stops")
            }
            End::Replaced => (Reason::SessionTakenOver, "another connection has this client id"),
            End::Goodbye | End::Farewell | End::Broken { reason: None, .. } => return,
        };
        let properties = DisconnectProperties {
            session_expiry_interval: None,
            reason_string: Some(text.chars().take(REASON_MAX).collect()),
            user_properties: Vec::new(),
            server_reference: None,
        };
        let told = Packet::Disconnect(Disconnect { reason_code, properties: Some(properties) });
        match wire.takes(&told) {
            true => wire.send(&told),
            false => wire.send(&Packet::Disconnect(Disconnect::new(reason_code))),
        }
    }
}

/// Publishes the will, then ends the session or keeps it for the client's return.
async fn wind_up(
    mut session: Box<Session>,
    place: Place,
    will: Option<Will>,
) -> anyhow::Result<()> {
    if let Some(will) = will {
        session.leave_will(will).await?;
    }
    if session.expiry == 0 {
        // The place is given up only now, so that whoever takes over finds everything done.
        session.close().await;
        drop(place);
        return Ok(());
    }
    place.go_offline();
    session.wait_for_client(&place.end).await;
    if let Some(mut session) = place.leave(session) {
        let published = session.publish_will().await;
        session.close().await;
        published?;
    }
    Ok(())
}

/// Tells the client why it is not admitted and closes.
async fn refuse<T>(mut wire: Wire, code: ConnectReturnCode) -> anyhow::Result<T> {
    wire.send(&Packet::ConnAck(ConnAck { session_present: false, code, properties: None }));
    let _ = timeout(FAREWELL, wire.finish()).await;
    anyhow::bail!("answered {code:?}")
}

/// What is wrong with a CONNECT that the codec could read.
fn wrong_field(greeting: &Greeting) -> Option<&'static str> {
    let user = greeting.login.as_ref().map_or("", |login| login.username.as_str());
    let will = greeting.will.as_ref();
    if !filter::is_text(&greeting.client_id) || !filter::is_text(user) {
        Some("forbidden character in client id or user name")
    } else if will.is_some_and(|will| !filter::is_topic(&will.topic)) {
        Some("the will's topic is not a topic")
    } else {
        None
    }
}

fn made_up_id() -> String {
    std::iter::repeat_with(fastrand::alphanumeric).take(MADE_UP_ID).collect()
}
