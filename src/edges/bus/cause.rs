//! Why there is no session, whatever the protocol: rumqttc's errors in our words.

use rumqttc::v5::mqttbytes::v5::{ConnectReturnCode as Code5, DisconnectReasonCode};
use rumqttc::{ConnectReturnCode as Code4, ConnectionError, StateError, mqttbytes, v5};

use super::trouble::{End, failed};
use crate::config::{Mqtt, MqttVersion};

/// What rumqttc reports.
pub(super) enum Cause {
    /// The broker says no.
    Refused(Refusal),
    /// The broker lacks what we need.
    Unfit(&'static str),
    /// No answer in time.
    Timeout,
    Tls(String),
    NotABroker,
    Io(String),
    /// The broker closed the connection.
    Closed,
    /// Our ping was not answered.
    NoPong,
    /// Acknowledgements in an order that the client cannot follow.
    Unordered,
    /// An incoming packet of so many bytes.
    TooLarge(usize),
    Protocol(String),
    /// The broker ended the connection with a reason.
    Told(DisconnectReasonCode, Option<String>),
}

/// How a broker says no.
pub(super) enum Refusal {
    Credentials,
    ClientId,
    Version,
    NotReady,
    Other(String),
}

impl Cause {
    /// Why there was no CONNACK.
    pub(super) fn without_welcome(self, server: &Mqtt, id: &str) -> End {
        match self {
            Self::Refused(refusal) => refusal.end(server, id),
            Self::Unfit(lacking) => End::refused(lacking),
            Self::Timeout => failed("no answer within 5 s"),
            Self::Closed if server.version == MqttVersion::V5 => failed(
                "the broker closed the connection: remove mqtt.version if it speaks 3.1.1 only",
            ),
            Self::Tls(_)
            | Self::NotABroker
            | Self::Io(_)
            | Self::Closed
            | Self::NoPong
            | Self::Unordered
            | Self::TooLarge(_)
            | Self::Protocol(_)
            | Self::Told(..) => self.lost(),
        }
    }

    /// Why the session is over.
    pub(super) fn lost(self) -> End {
        failed(match self {
            Self::Refused(_) => "the broker refuses us".to_owned(),
            Self::Unfit(lacking) => lacking.to_owned(),
            Self::Timeout => "the broker does not take what we send".to_owned(),
            Self::Tls(error) => {
                format!("TLS: {error} (see mqtt.caCert, mqtt.clientCert, mqtt.insecure)")
            }
            Self::NotABroker => "the answer is not MQTT: is this a broker?".to_owned(),
            Self::Io(error) => error,
            Self::Closed => "the broker closed the connection".to_owned(),
            Self::NoPong => "the broker does not answer any more".to_owned(),
            Self::Unordered => "the broker does not acknowledge in order".to_owned(),
            Self::TooLarge(bytes) => format!(
                "a message of {bytes} bytes is too large to read: remove it from the broker"
            ),
            Self::Protocol(error) => format!("the broker breaks the protocol: {error}"),
            Self::Told(DisconnectReasonCode::SessionTakenOver, _) => {
                "another client connected with our client id: check mqtt.clientID".to_owned()
            }
            Self::Told(reason, text) => {
                let text = text.map(|text| format!(": {text}")).unwrap_or_default();
                format!("the broker ends the connection with {reason:?}{text}")
            }
        })
    }
}

impl Refusal {
    fn end(self, server: &Mqtt, id: &str) -> End {
        End::refused(match self {
            Self::Credentials => match server.user.as_str() {
                "" => "the broker wants a user: set mqtt.user and mqtt.password".to_owned(),
                user => format!("the broker refuses `{user}`: check mqtt.user and mqtt.password"),
            },
            Self::ClientId => {
                format!("the broker refuses the client id `{id}`: check mqtt.clientID")
            }
            Self::Version => match server.version {
                MqttVersion::V3 => "the broker does not speak MQTT 3.1.1".to_owned(),
                MqttVersion::V5 => {
                    "the broker does not speak MQTT 5: remove mqtt.version".to_owned()
                }
            },
            Self::NotReady => return failed("the broker is not ready"),
            Self::Other(code) => format!("the broker refuses with {code}"),
        })
    }
}

impl From<ConnectionError> for Cause {
    fn from(error: ConnectionError) -> Self {
        match error {
            ConnectionError::ConnectionRefused(code) => Self::Refused(match code {
                Code4::BadUserNamePassword | Code4::NotAuthorized => Refusal::Credentials,
                Code4::BadClientId => Refusal::ClientId,
                Code4::RefusedProtocolVersion => Refusal::Version,
                Code4::ServiceUnavailable | Code4::Success => Refusal::NotReady,
            }),
            ConnectionError::NetworkTimeout | ConnectionError::FlushTimeout => Self::Timeout,
            ConnectionError::Tls(error) => Self::Tls(error.to_string()),
            ConnectionError::NotConnAck(_) => Self::NotABroker,
            ConnectionError::Io(error) => Self::Io(error.to_string()),
            ConnectionError::RequestsDone => Self::Io(error.to_string()),
            ConnectionError::MqttState(error) => error.into(),
        }
    }
}

impl From<StateError> for Cause {
    fn from(error: StateError) -> Self {
        match error {
            StateError::ConnectionAborted => Self::Closed,
            StateError::AwaitPingResp => Self::NoPong,
            StateError::CollisionTimeout => Self::Unordered,
            StateError::Deserialization(mqttbytes::Error::PayloadSizeLimitExceeded(bytes)) => {
                Self::TooLarge(bytes)
            }
            StateError::Deserialization(mqttbytes::Error::Io(error)) | StateError::Io(error) => {
                Self::Io(error.to_string())
            }
            StateError::Deserialization(error) => Self::Protocol(error.to_string()),
            StateError::InvalidState
            | StateError::Unsolicited(_)
            | StateError::WrongPacket
            | StateError::EmptySubscription => Self::Protocol(error.to_string()),
        }
    }
}

impl From<v5::ConnectionError> for Cause {
    fn from(error: v5::ConnectionError) -> Self {
        use v5::ConnectionError as Error;
        match error {
            Error::ConnectionRefused(code) => Self::Refused(refusal(code)),
            Error::Timeout(_) => Self::Timeout,
            Error::Tls(error) => Self::Tls(error.to_string()),
            Error::NotConnAck(_) => Self::NotABroker,
            Error::Io(error) => Self::Io(error.to_string()),
            Error::RequestsDone => Self::Io(error.to_string()),
            Error::MqttState(error) => error.into(),
        }
    }
}

fn refusal(code: Code5) -> Refusal {
    let is = |codes: &[Code5]| codes.contains(&code);
    if is(&[Code5::BadUserNamePassword, Code5::NotAuthorized, Code5::BadAuthenticationMethod]) {
        Refusal::Credentials
    } else if is(&[Code5::ClientIdentifierNotValid]) {
        Refusal::ClientId
    } else if is(&[Code5::UnsupportedProtocolVersion]) {
        Refusal::Version
    } else if is(&[Code5::ServerUnavailable, Code5::ServerBusy, Code5::ConnectionRateExceeded]) {
        Refusal::NotReady
    } else {
        Refusal::Other(format!("{code:?}"))
    }
}

impl From<v5::StateError> for Cause {
    fn from(error: v5::StateError) -> Self {
        use v5::StateError as Error;
        use v5::mqttbytes::Error as Codec;
        match error {
            Error::ConnectionAborted => Self::Closed,
            Error::AwaitPingResp => Self::NoPong,
            Error::CollisionTimeout => Self::Unordered,
            Error::ServerDisconnect { reason_code, reason_string } => {
                Self::Told(reason_code, reason_string)
            }
            Error::ConnFail { reason } => Self::Refused(refusal(reason)),
            Error::Deserialization(Codec::PayloadSizeLimitExceeded { pkt_size, .. })
            | Error::IncomingPacketTooLarge { pkt_size, .. } => Self::TooLarge(pkt_size),
            Error::Deserialization(Codec::Io(error)) | Error::Io(error) => {
                Self::Io(error.to_string())
            }
            Error::Deserialization(error) => Self::Protocol(error.to_string()),
            Error::Coversion(_)
            | Error::InvalidState
            | Error::Unsolicited(_)
            | Error::WrongPacket
            | Error::EmptySubscription
            | Error::InvalidAlias { .. }
            | Error::OutgoingPacketTooLarge { .. } => Self::Protocol(error.to_string()),
        }
    }
}
