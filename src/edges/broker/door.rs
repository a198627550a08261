//! The front door: accepts connections, asks who it is, and gives each client its session.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::Context;
use rumqttc::mqttbytes::v4::{ConnAck, Connect, ConnectReturnCode, LastWill, Packet};
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
use super::message::Message;
use super::registry::{Place, Registry};
use super::session::{End, Session};
use super::users::{Entrance, Identity, Users};
use super::wire::{BadConnect, Stream, Turn, Wire};

/// Sockets beyond the limit of connections that may ask and be told that there is no place.
const SPARE_SOCKETS: usize = 32;

/// Pause after a failed accept: the system is out of files, and they come back by themselves.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Time to write the last bytes to a client that is being disconnected.
const FAREWELL: Duration = Duration::from_secs(1);

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
    connect: Connect,
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
        let connect = loop {
            match wire.next_connect() {
                Ok(Some(connect)) => break connect,
                Ok(None) => {}
                Err(BadConnect::Violation(violation)) => anyhow::bail!("{}", violation.0),
                Err(BadConnect::Refused(code)) => return refuse(wire, code).await,
            }
            if wire.turn().await? == Turn::Closed {
                anyhow::bail!("closed before connect");
            }
        };
        if let Some(reason) = wrong_field(&connect) {
            anyhow::bail!("{reason}");
        }
        if connect.client_id.is_empty() && !connect.clean_session {
            return refuse(wire, ConnectReturnCode::BadClientId).await;
        }
        let login = connect.login.clone();
        let Some(identity) = self.users.admit(entrance, login).await else {
            // As mosquitto, which does not say which half of the credentials is wrong.
            return refuse(wire, ConnectReturnCode::NotAuthorized).await;
        };
        let client = match connect.client_id.as_str() {
            "" => format!("auto-{}", made_up_id()),
            given => given.to_owned(),
        };
        Ok(Admitted { wire, connect, identity, client })
    }

    /// Gives a client its session, serves it, and winds up when it has ended.
    async fn host(
        &self,
        admitted: Admitted,
        entrance: Entrance,
        permit: Option<OwnedSemaphorePermit>,
    ) -> anyhow::Result<()> {
        let Admitted { mut wire, connect, identity, client } = admitted;
        let internal = entrance == Entrance::Internal;
        // No client from outside can have an id with NUL, so none can take our own client's place.
        let key = if internal { format!("\0{client}") } else { client.clone() };
        let Ok((place, previous)) = self.registry.enter(&key, internal).await else {
            return refuse(wire, ConnectReturnCode::ServiceUnavailable).await;
        };
        let (mut session, session_present) = match previous {
            Some(mut kept) if !connect.clean_session && kept.identity.user == identity.user => {
                kept.identity = identity;
                (kept, true)
            }
            previous => {
                if let Some(unwanted) = previous {
                    unwanted.close().await;
                }
                let (link, hub) = (self.hub.attach().await?, self.hub.clone());
                let limits = if internal { self.limits.for_our_own_client() } else { self.limits };
                (Box::new(Session::new(client, identity, hub, link, limits)), false)
            }
        };
        let accepted = ConnAck { session_present, code: ConnectReturnCode::Success };
        wire.send(&Packet::ConnAck(accepted));
        let connected = &self.hub.counters.connected;
        connected.fetch_add(1, Ordering::Relaxed);
        let keep_alive = Duration::from_secs(u64::from(connect.keep_alive));
        let end = session.serve(&mut wire, keep_alive, &place.end).await;
        connected.fetch_sub(1, Ordering::Relaxed);
        debug!(client = key, ?end, "connection ended");
        // The session may go on without its socket.
        drop(permit);
        let parting = timeout(FAREWELL, wire.finish());
        let will = connect.last_will.filter(|_| end != End::Goodbye);
        let (_, wound_up) =
            tokio::join!(parting, wind_up(session, place, will, connect.clean_session));
        wound_up
    }
}

/// Publishes the will, then ends the session or keeps it for the client's return.
async fn wind_up(
    mut session: Box<Session>,
    place: Place,
    will: Option<LastWill>,
    clean: bool,
) -> anyhow::Result<()> {
    if let Some(will) = will
        && session.identity.rights.may_write(&will.topic)
    {
        let message = Message::new(&will.topic, &will.message, will.qos);
        session.publish(message, will.retain).await?;
    }
    if clean {
        // The place is given up only now, so that whoever takes over finds everything done.
        session.close().await;
        drop(place);
        return Ok(());
    }
    place.go_offline();
    session.wait_for_client(&place.end).await;
    if let Some(session) = place.leave(session) {
        session.close().await;
    }
    Ok(())
}

/// Tells the client why it is not admitted and closes.
async fn refuse<T>(mut wire: Wire, code: ConnectReturnCode) -> anyhow::Result<T> {
    wire.send(&Packet::ConnAck(ConnAck { session_present: false, code }));
    let _ = timeout(FAREWELL, wire.finish()).await;
    anyhow::bail!("answered {code:?}")
}

/// What is wrong with a CONNECT that the codec could read.
fn wrong_field(connect: &Connect) -> Option<&'static str> {
    let user = connect.login.as_ref().map_or("", |login| login.username.as_str());
    let will = connect.last_will.as_ref();
    if !filter::is_text(&connect.client_id) || !filter::is_text(user) {
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
