//! Where set-points are written: a topic, a register, a web server, a program, or through steps
//! to others.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::modbus::WriteRequest;
use super::register;
use super::script::Tool;
use super::setter::Setter;
use super::template::{Scalar, Template, scaled};
use super::web::Order;
use crate::config::{ModbusLink, Register};

/// Longest time from the start of a write to its outcome.
const WRITE_DEADLINE: Duration = Duration::from_secs(5);

/// The way to the MQTT broker, as the devices need it.
pub trait Publish: Send + Sync {
    /// Hands a message to the bus without waiting; `retain` asks the broker to keep it.
    ///
    /// Returns whether the bus took it: false while there is no connection or its queue is full.
    fn publish(&self, topic: &str, payload: &str, retain: bool) -> bool;
}

/// A compiled sink.
pub(super) enum Writer {
    Bus {
        bus: Arc<dyn Publish>,
        topic: String,
        /// `None` writes the bare value.
        template: Option<Template>,
        retain: bool,
    },
    Modbus {
        queue: mpsc::Sender<WriteRequest>,
        link: ModbusLink,
        register: Register,
        scale: f64,
    },
    Web(Box<Order>),
    Script(Tool),
    Steps(Box<Setter>),
    /// Did not compile; every write fails with the reason.
    Broken(String),
}

impl Writer {
    /// Whether what was written may be lost with the connection to the broker.
    pub(super) fn is_bus(&self) -> bool {
        match self {
            Self::Bus { .. } => true,
            Self::Steps(setter) => setter.is_bus(),
            Self::Modbus { .. } | Self::Web(_) | Self::Script(_) | Self::Broken(_) => false,
        }
    }

    /// Writes a value and waits until it is taken: at most [`WRITE_DEADLINE`], or as long as the
    /// configuration of a web server, a program or a pause says.
    ///
    /// # Errors
    /// Why it is unknown whether, or known not, to be taken.
    pub(super) async fn write(&self, value: Scalar) -> Result<(), String> {
        match self {
            Self::Bus { bus, topic, template, retain } => {
                let payload = match template {
                    Some(template) => template.render(value),
                    None => value.to_string(),
                };
                if bus.publish(topic, &payload, *retain) {
                    Ok(())
                } else {
                    Err("not connected to the broker".to_owned())
                }
            }
            Self::Modbus { queue, link, register, scale } => {
                let write = register::write(register, scaled(value.number(), *scale))?;
                let (reply, answer) = oneshot::channel();
                let address = register.address;
                queue
                    .try_send(WriteRequest { link: link.clone(), address, write, reply })
                    .map_err(|_| format!("too many writes wait for {}", link.uri))?;
                match timeout(WRITE_DEADLINE, answer).await {
                    Ok(Ok(result)) => result,
                    Ok(Err(_)) => Err("the link is closed".to_owned()),
                    Err(_) => Err(format!("not taken within {WRITE_DEADLINE:?}")),
                }
            }
            Self::Web(order) => order.send(value).await,
            Self::Script(tool) => tool.run(value).await,
            Self::Steps(setter) => setter.write(value).await,
            Self::Broken(error) => Err(error.clone()),
        }
    }
}
