//! What a client says on an accepted connection, and the answers.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;

use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{
    Disconnect, DisconnectReasonCode as Reason, Filter, Packet, PingResp, PubAck, PubAckReason,
    PubComp, PubCompReason, PubRec, PubRecReason, PubRel, PubRelReason, Publish, RetainForwardRule,
    SubAck, Subscribe, SubscribeReasonCode, UnsubAck, UnsubAckReason, Unsubscribe,
};
use tracing::{debug, warn};

use super::super::filter;
use super::super::message::{self, Draft, Message};
use super::super::subscriptions::Wish;
use super::super::wire::Wire;
use super::{End, MAX_UNRELEASED, Replay, Session};
use crate::edges::broker::router::Link;

impl Session {
    pub(super) async fn handle(&mut self, wire: &mut Wire, packet: Packet) -> Result<(), End> {
        match packet {
            Packet::Publish(publish) => self.handle_publish(wire, publish).await?,
            Packet::PubAck(ack) => self.outbox.handle_puback(ack.pkid),
            Packet::PubRec(ack) => self.handle_pubrec(wire, &ack),
            Packet::PubRel(PubRel { pkid, .. }) => {
                let known = self.unreleased.remove(&pkid);
                let reason = match known {
                    true => PubCompReason::Success,
                    false => PubCompReason::PacketIdentifierNotFound,
                };
                wire.send(&Packet::PubComp(PubComp { pkid, reason, properties: None }));
            }
            Packet::PubComp(ack) => self.outbox.handle_pubcomp(ack.pkid),
            Packet::Subscribe(subscribe) => self.handle_subscribe(wire, subscribe).await?,
            Packet::Unsubscribe(unsubscribe) => self.handle_unsubscribe(wire, unsubscribe).await?,
            Packet::PingReq(_) => wire.send(&Packet::PingResp(PingResp)),
            Packet::Disconnect(disconnect) => return Err(self.handle_disconnect(&disconnect)),
            Packet::Connect(..) => {
                return Err(End::breach(Reason::ProtocolError, "second connect"));
            }
            Packet::Auth(_)
            | Packet::ConnAck(_)
            | Packet::SubAck(_)
            | Packet::UnsubAck(_)
            | Packet::PingResp(_) => {
                return Err(End::breach(Reason::ProtocolError, "packet that only a broker sends"));
            }
        }
        Ok(())
    }

    fn handle_pubrec(&mut self, wire: &mut Wire, ack: &PubRec) {
        let taken =
            matches!(ack.reason, PubRecReason::Success | PubRecReason::NoMatchingSubscribers);
        let known = self.outbox.handle_pubrec(ack.pkid, taken);
        if taken {
            let reason = match known {
                true => PubRelReason::Success,
                false => PubRelReason::PacketIdentifierNotFound,
            };
            wire.send(&Packet::PubRel(PubRel { pkid: ack.pkid, reason, properties: None }));
        }
    }

    async fn handle_publish(&mut self, wire: &mut Wire, publish: Publish) -> Result<(), End> {
        let Publish { qos, retain, topic, pkid, payload, properties, .. } = publish;
        let topic = std::str::from_utf8(&topic)
            .map_err(|_| End::breach(Reason::MalformedPacket, "a topic that is not UTF-8"))?;
        if !filter::is_topic(topic) {
            let text = format!("publishes to the topic {topic:?}");
            return Err(End::breach(Reason::TopicNameInvalid, text));
        }
        let answers_to = properties.as_ref().and_then(|said| said.response_topic.as_deref());
        if answers_to.is_some_and(|topic| !filter::is_topic(topic)) {
            let text = format!("wants an answer on the topic {answers_to:?}");
            return Err(End::breach(Reason::ProtocolError, text));
        }
        self.hub.counters.received.fetch_add(1, Ordering::Relaxed);
        let may_write = self.identity.rights.may_write(topic);
        // A message of QoS 2 is published at once and its id kept until PUBREL, so that no
        // payload waits for it (MQTT §4.3.3 leaves that to the receiver).
        let again = qos == QoS::ExactlyOnce && self.unreleased.contains(&pkid);
        if qos == QoS::ExactlyOnce && !again && may_write {
            if self.unreleased.len() >= usize::from(MAX_UNRELEASED) {
                let text = "never releases its messages";
                return Err(End::breach(Reason::ReceiveMaximumExceeded, text));
            }
            self.unreleased.insert(pkid);
        }
        if may_write && !again {
            let interval = properties.as_ref().and_then(|said| said.message_expiry_interval);
            let properties = message::encode(properties);
            let message = Message::pack(&Draft {
                topic,
                payload: &payload,
                qos,
                retain,
                origin: self.serial,
                expires: message::expiry(interval),
                properties: &properties,
            });
            self.publish(message, retain).await?;
        } else if !again && !self.told_refused_topic {
            // MQTT 3.1.1 has no way to tell the client, so the message is acknowledged and lost.
            self.told_refused_topic = true;
            let user = self.identity.user.as_deref().unwrap_or("anonymous");
            warn!(client = self.client, user, topic, "publishes to a topic it may not write");
        }
        acknowledge(wire, qos, pkid, may_write || again);
        Ok(())
    }

    async fn handle_subscribe(&mut self, wire: &mut Wire, subscribe: Subscribe) -> Result<(), End> {
        let Subscribe { pkid, filters, properties } = subscribe;
        check_request(pkid, filters.iter().map(|filter| filter.path.as_str()))?;
        let id = properties.and_then(|properties| properties.id);
        let mut accepted: Vec<(Filter, bool)> = Vec::new();
        let mut return_codes = Vec::new();
        let mut new = BTreeSet::new();
        for wanted in filters {
            let known = self.subscriptions.contains(&wanted.path) || new.contains(&wanted.path);
            let fits = known || self.subscriptions.len() + new.len() < self.limits.filters;
            // A packet may name a filter again and again, but not for ever.
            let fits = fits && accepted.len() < 2 * self.limits.filters;
            if let Some(refusal) = refusal(&wanted.path, fits) {
                debug!(client = self.client, filter = wanted.path, "subscription refused");
                return_codes.push(refusal);
                continue;
            }
            if !known {
                new.insert(wanted.path.clone());
            }
            return_codes.push(SubscribeReasonCode::Success(wanted.qos));
            accepted.push((wanted, known));
        }
        let added = accepted.iter().map(|(filter, _)| filter.path.as_str());
        self.link.follow(self.subscriptions.filters().chain(added)).await?;
        let since = self.hub.last_number();
        wire.send(&Packet::SubAck(SubAck { pkid, return_codes, properties: None }));
        for (Filter { path, qos, nolocal, preserve_retain, retain_forward_rule }, known) in accepted
        {
            let wish = Wish { qos, no_local: nolocal, as_published: preserve_retain, id };
            let replays = match retain_forward_rule {
                RetainForwardRule::OnEverySubscribe => true,
                RetainForwardRule::OnNewSubscribe => !known,
                RetainForwardRule::Never => false,
            };
            if replays {
                self.replays.retain(|replay| replay.filter != path);
                let replay = Replay { filter: path.clone(), wish, after: None, up_to: since };
                self.replays.push_back(replay);
            }
            self.subscriptions.insert(path, wish, since);
        }
        Ok(())
    }

    async fn handle_unsubscribe(
        &mut self,
        wire: &mut Wire,
        unsubscribe: Unsubscribe,
    ) -> Result<(), End> {
        let Unsubscribe { pkid, filters, .. } = unsubscribe;
        check_request(pkid, filters.iter().map(String::as_str))?;
        if filters.is_empty() || filters.iter().any(|filter| !filter::is_filter(filter)) {
            let text = "unsubscribes from what cannot be a filter";
            return Err(End::breach(Reason::MalformedPacket, text));
        }
        let mut reasons = Vec::new();
        for filter in &filters {
            reasons.push(match self.subscriptions.remove(filter) {
                true => UnsubAckReason::Success,
                false => UnsubAckReason::NoSubscriptionExisted,
            });
        }
        let gone: BTreeSet<&String> = filters.iter().collect();
        self.replays.retain(|replay| !gone.contains(&replay.filter));
        self.link.follow(self.subscriptions.filters()).await?;
        wire.send(&Packet::UnsubAck(UnsubAck { pkid, reasons, properties: None }));
        Ok(())
    }

    /// The client leaves and may say how long its session is kept.
    fn handle_disconnect(&mut self, disconnect: &Disconnect) -> End {
        let said = disconnect.properties.as_ref();
        if let Some(expiry) = said.and_then(|said| said.session_expiry_interval) {
            if self.expiry == 0 && expiry != 0 {
                return End::breach(Reason::ProtocolError, "wants to keep a session that ends");
            }
            self.expiry = expiry;
        }
        if disconnect.reason_code == Reason::NormalDisconnection {
            End::Goodbye
        } else {
            End::Farewell
        }
    }
}

fn acknowledge(wire: &mut Wire, qos: QoS, pkid: u16, taken: bool) {
    let properties = None;
    match qos {
        QoS::AtMostOnce => {}
        QoS::AtLeastOnce => {
            let reason = if taken { PubAckReason::Success } else { PubAckReason::NotAuthorized };
            wire.send(&Packet::PubAck(PubAck { pkid, reason, properties }));
        }
        QoS::ExactlyOnce => {
            let reason = if taken { PubRecReason::Success } else { PubRecReason::NotAuthorized };
            wire.send(&Packet::PubRec(PubRec { pkid, reason, properties: None }));
        }
    }
}

fn refusal(filter: &str, fits: bool) -> Option<SubscribeReasonCode> {
    if !filter::is_filter(filter) {
        Some(SubscribeReasonCode::TopicFilterInvalid)
    } else if filter == "$share" || filter.starts_with("$share/") {
        Some(SubscribeReasonCode::SharedSubscriptionsNotSupported)
    } else {
        (!fits).then_some(SubscribeReasonCode::QuotaExceeded)
    }
}

fn check_request<'a>(id: u16, mut filters: impl Iterator<Item = &'a str>) -> Result<(), End> {
    if id == 0 {
        return Err(End::breach(Reason::ProtocolError, "packet id zero"));
    }
    match filters.find(|filter| !filter::is_text(filter)) {
        Some(filter) => {
            let text = format!("forbidden character in the filter {filter:?}");
            Err(End::breach(Reason::MalformedPacket, text))
        }
        None => Ok(()),
    }
}
