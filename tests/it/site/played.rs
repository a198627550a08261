//! Devices that a test plays, with a connection of their own: they obey, and say all they know four times
//! a second.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chargebus::config::Mqtt;
use chargebus::edges::bus::{Bus, Inbox, Incoming, Message, Options};
use tokio::time::interval;
use tokio_util::sync::{CancellationToken, DropGuard};

const PERIOD: Duration = Duration::from_millis(250);

/// What is played.
pub(super) trait Devices: Send + 'static {
    /// Who they are, and what they listen to.
    const ID: &'static str;
    const COMMANDS: &'static str;
    /// Whether what they say is kept.
    const RETAINED: bool;

    fn obey(&mut self, message: &Message, payload: &str);

    /// What is said now, by topic.
    fn news(&mut self) -> BTreeMap<String, String>;
}

/// Devices on the bus; they fall silent when this is dropped.
pub(super) struct Played<D> {
    devices: Arc<Mutex<D>>,
    _stop: DropGuard,
}

impl<D: Devices> Played<D> {
    pub(super) fn start(port: u16, devices: D) -> Self {
        let devices = Arc::new(Mutex::new(devices));
        let stop = CancellationToken::new();
        let (host, client_id) = ("127.0.0.1".into(), Some(D::ID.into()));
        let server = Mqtt { host, port, client_id, ..Mqtt::default() };
        let filters = vec![D::COMMANDS.to_owned()];
        let options = Options { server, root: String::new(), filters, urgent: None };
        let (bus, inbox) = Bus::start(options, stop.clone());
        tokio::spawn(live(Arc::clone(&devices), bus, inbox));
        Self { devices, _stop: stop.drop_guard() }
    }

    /// Looks at the devices, or changes them.
    pub(super) fn with<T>(&self, look: impl FnOnce(&mut D) -> T) -> T {
        look(&mut self.devices.lock().unwrap())
    }
}

async fn live<D: Devices>(devices: Arc<Mutex<D>>, bus: Bus, mut inbox: Inbox) {
    let mut tick = interval(PERIOD);
    loop {
        tokio::select! {
            incoming = inbox.next() => match incoming {
                Some(Incoming::Message(message)) => {
                    let payload = String::from_utf8_lossy(&message.payload).into_owned();
                    devices.lock().unwrap().obey(&message, &payload);
                }
                Some(_) => {}
                None => return,
            },
            _ = tick.tick() => {
                for (topic, payload) in devices.lock().unwrap().news() {
                    bus.publish(topic, payload.into_bytes(), D::RETAINED);
                }
            }
        }
    }
}
