//! What waits to be sent to one client: a bounded queue and the window of unacknowledged messages.

use std::collections::VecDeque;

use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{Packet, PubRel, Publish, PublishProperties};

use super::message::Message;
use super::subscriptions::Grant;

/// How much may wait for one client.
#[derive(Clone, Copy, Debug)]
pub(super) struct OutboxLimits {
    /// Messages waiting in the queue.
    pub(super) messages: usize,
    /// Bytes waiting in the queue.
    pub(super) bytes: usize,
    /// Messages sent at QoS 1 or 2 whose handshake is not complete.
    pub(super) window: usize,
}

/// Messages for one client, in the order in which they are sent.
///
/// There is one queue for every QoS, so that the client sees one order; mosquitto lets QoS 0
/// overtake. A full queue drops the newcomer whatever its QoS, as mosquitto does.
pub(super) struct Outbox {
    limits: OutboxLimits,
    queue: VecDeque<Queued>,
    queued_bytes: usize,
    /// Sent and not fully acknowledged, oldest first.
    flights: VecDeque<Flight>,
    /// Flights at the front that a new connection has yet to see again.
    to_resend: usize,
    last_id: u16,
    /// Most flights at a time on this connection.
    window: usize,
    /// Whether this connection's protocol can say more than topic and payload.
    rich: bool,
    /// Not before this is the full queue searched again for what has expired.
    search_at: u64,
}

/// Milliseconds between two searches of a full queue.
const SEARCH_EVERY: u64 = 1000;

struct Queued {
    message: Message,
    grant: Grant,
}

struct Flight {
    id: u16,
    /// The message until the client has taken it; then only PUBREL and PUBCOMP are left.
    unreceived: Option<Queued>,
}

impl Outbox {
    /// An empty outbox.
    pub(super) fn new(limits: OutboxLimits) -> Self {
        Self {
            limits,
            queue: VecDeque::new(),
            queued_bytes: 0,
            flights: VecDeque::new(),
            to_resend: 0,
            last_id: 0,
            window: limits.window,
            rich: false,
            search_at: 0,
        }
    }

    /// Queues a live message; `false` when the queue is full and the message is dropped.
    pub(super) fn offer(&mut self, message: Message, grant: Grant, now: u64) -> bool {
        if !self.fits(&message) && now >= self.search_at {
            self.search_at = now + SEARCH_EVERY;
            self.drop_expired(now);
        }
        if !self.fits(&message) {
            return false;
        }
        self.queued_bytes += message.cost();
        self.queue.push_back(Queued { message, grant });
        true
    }

    /// A single message is always taken, else a large one could never be delivered.
    fn fits(&self, message: &Message) -> bool {
        let bytes = self.queued_bytes + message.cost();
        self.queue.is_empty()
            || self.queue.len() < self.limits.messages && bytes <= self.limits.bytes
    }

    /// Makes room in the queue of a client that is away.
    fn drop_expired(&mut self, now: u64) {
        self.queue.retain(|queued| !queued.message.is_expired(now));
        self.queued_bytes = self.queue.iter().map(|queued| queued.message.cost()).sum();
    }

    /// Messages that a replay may add now, leaving half of the queue to live messages.
    pub(super) fn room_for_replay(&self) -> usize {
        let half = self.limits.messages.div_ceil(2);
        if self.queued_bytes <= self.limits.bytes / 2 {
            half.saturating_sub(self.queue.len())
        } else {
            0
        }
    }

    /// Queues a retained message, for which there was [`Self::room_for_replay`].
    pub(super) fn replay(&mut self, message: Message, grant: Grant) {
        self.queued_bytes += message.cost();
        self.queue.push_back(Queued { message, grant });
    }

    /// The next packet to send, or `None` when there is none or the window is full.
    pub(super) fn next_packet(&mut self, now: u64) -> Option<Packet> {
        if self.to_resend > 0 {
            let flight = self.flights.get(self.flights.len() - self.to_resend)?;
            let open = self.flights.len() - self.to_resend;
            if flight.unreceived.is_some() && open >= self.window {
                return None;
            }
            self.to_resend -= 1;
            return Some(flight.packet(true, self.rich, now));
        }
        loop {
            let head = self.queue.front()?;
            let expired = head.message.is_expired(now);
            let unacknowledged = head.grant.qos != QoS::AtMostOnce;
            if unacknowledged && !expired && self.flights.len() >= self.window {
                return None;
            }
            let queued = self.queue.pop_front()?;
            self.queued_bytes -= queued.message.cost();
            if expired {
                continue;
            }
            if !unacknowledged {
                return Some(queued.packet(0, false, self.rich, now));
            }
            let flight = Flight { id: self.next_id(), unreceived: Some(queued) };
            let packet = flight.packet(false, self.rich, now);
            self.flights.push_back(flight);
            return Some(packet);
        }
    }

    /// Forgets a message that the client cannot take, as if it had taken it (MQTT 5 §3.1.2.11.4).
    pub(super) fn give_up(&mut self, id: u16) {
        self.finish(|flight| flight.id == id);
    }

    /// PUBACK: the client has taken a message of QoS 1. An unknown id is ignored.
    pub(super) fn handle_puback(&mut self, id: u16) {
        let known = |flight: &Flight| {
            let qos = flight.unreceived.as_ref().map(|queued| queued.grant.qos);
            flight.id == id && qos == Some(QoS::AtLeastOnce)
        };
        self.finish(known);
    }

    /// PUBREC: the client has taken a message of QoS 2, or refuses it. Whether the id is known.
    pub(super) fn handle_pubrec(&mut self, id: u16, taken: bool) -> bool {
        let of_qos_2 = |flight: &Flight| {
            let qos = flight.unreceived.as_ref().map(|queued| queued.grant.qos);
            flight.id == id && qos.is_none_or(|qos| qos == QoS::ExactlyOnce)
        };
        if !taken {
            return self.finish(of_qos_2);
        }
        let flight = self.flights.iter_mut().find(|flight| of_qos_2(flight));
        flight.map(|flight| flight.unreceived = None).is_some()
    }

    /// PUBCOMP: a handshake of QoS 2 is complete. An unknown id is ignored.
    pub(super) fn handle_pubcomp(&mut self, id: u16) {
        self.finish(|flight| flight.id == id && flight.unreceived.is_none());
    }

    /// A new connection of the session, whose client takes `window` messages at a time, and
    /// properties if it is `rich`. What is unacknowledged is sent again, in order.
    pub(super) fn begin(&mut self, window: usize, rich: bool) {
        self.window = window.min(self.limits.window);
        self.rich = rich;
        self.to_resend = self.flights.len();
    }

    fn finish(&mut self, known: impl FnMut(&Flight) -> bool) -> bool {
        if let Some(at) = self.flights.iter().position(known) {
            let seen_again = self.flights.len() - self.to_resend;
            if at >= seen_again {
                self.to_resend -= 1;
            }
            self.flights.remove(at);
            return true;
        }
        false
    }

    /// An id that is not in use. There is one, since the window is far smaller than 65,535.
    fn next_id(&mut self) -> u16 {
        loop {
            self.last_id = self.last_id.checked_add(1).unwrap_or(1);
            if self.flights.iter().all(|flight| flight.id != self.last_id) {
                return self.last_id;
            }
        }
    }
}

impl Flight {
    fn packet(&self, dup: bool, rich: bool, now: u64) -> Packet {
        match &self.unreceived {
            Some(queued) => queued.packet(self.id, dup, rich, now),
            None => Packet::PubRel(PubRel::new(self.id, None)),
        }
    }
}

impl Queued {
    fn packet(&self, id: u16, dup: bool, rich: bool, now: u64) -> Packet {
        Packet::Publish(Publish {
            dup,
            qos: self.grant.qos,
            retain: self.grant.retain,
            topic: self.message.topic_bytes(),
            pkid: id,
            payload: self.message.payload(),
            properties: if rich { self.properties(now) } else { None },
        })
    }

    fn properties(&self, now: u64) -> Option<PublishProperties> {
        let properties = self.message.properties(now);
        if self.grant.ids.is_empty() {
            return properties;
        }
        let subscription_identifiers = self.grant.ids.clone();
        Some(PublishProperties { subscription_identifiers, ..properties.unwrap_or_default() })
    }
}

#[cfg(test)]
mod tests {
    use QoS::{AtLeastOnce, AtMostOnce, ExactlyOnce};

    use super::super::message::Draft;
    use super::*;

    const NOW: u64 = 1_000_000;

    fn outbox(messages: usize, bytes: usize, window: usize) -> Outbox {
        Outbox::new(OutboxLimits { messages, bytes, window })
    }

    fn message(payload: &str) -> Message {
        Message::new("t", payload.as_bytes(), ExactlyOnce)
    }

    fn grant(qos: QoS) -> Grant {
        Grant { qos, retain: false, ids: Vec::new() }
    }

    /// The next packet as text: payload and id of a PUBLISH.
    fn next(outbox: &mut Outbox) -> Option<String> {
        let packet = outbox.next_packet(NOW)?;
        if let Packet::PubRel(release) = packet {
            return Some(format!("release {}", release.pkid));
        }
        let Packet::Publish(publish) = packet else { panic!("{packet:?}") };
        let payload = String::from_utf8_lossy(&publish.payload);
        let dup = if publish.dup { " again" } else { "" };
        Some(format!("{payload} {}{dup}", publish.pkid))
    }

    #[test]
    fn a_full_window_stops_the_queue_and_acknowledgements_move_it() {
        let mut outbox = outbox(10, 10_000, 2);
        for (payload, qos) in
            [("a", AtLeastOnce), ("b", ExactlyOnce), ("c", AtMostOnce), ("d", AtLeastOnce)]
        {
            assert!(outbox.offer(message(payload), grant(qos), NOW));
        }
        assert_eq!(next(&mut outbox).as_deref(), Some("a 1"));
        assert_eq!(next(&mut outbox).as_deref(), Some("b 2"));
        assert_eq!(next(&mut outbox).as_deref(), Some("c 0"));
        assert_eq!(next(&mut outbox), None);
        // Acknowledgements that do not fit change nothing.
        outbox.handle_puback(2);
        outbox.handle_pubcomp(2);
        assert!(!outbox.handle_pubrec(1, true));
        outbox.handle_puback(77);
        assert_eq!(next(&mut outbox), None);
        assert!(outbox.handle_pubrec(2, true));
        assert_eq!(next(&mut outbox), None);
        outbox.handle_pubcomp(2);
        assert_eq!(next(&mut outbox).as_deref(), Some("d 3"));
    }

    #[test]
    fn a_full_queue_refuses_but_one_large_message_always_fits() {
        let mut outbox = outbox(2, 1000, 1);
        assert!(outbox.offer(message(&"x".repeat(5000)), grant(AtMostOnce), NOW));
        assert!(!outbox.offer(message("a"), grant(ExactlyOnce), NOW));
        assert!(next(&mut outbox).is_some());
        assert!(outbox.offer(message("a"), grant(AtMostOnce), NOW));
        assert!(outbox.offer(message("b"), grant(AtMostOnce), NOW));
        assert!(!outbox.offer(message("c"), grant(AtMostOnce), NOW));
        assert_eq!(outbox.room_for_replay(), 0);
    }

    #[test]
    fn a_new_connection_gets_what_is_open_before_what_is_new() {
        let mut outbox = outbox(10, 10_000, 4);
        for payload in ["a", "b", "c", "d", "e"] {
            outbox.offer(message(payload), grant(ExactlyOnce), NOW);
        }
        for expected in ["a 1", "b 2", "c 3", "d 4"] {
            assert_eq!(next(&mut outbox).as_deref(), Some(expected));
        }
        assert!(outbox.handle_pubrec(2, true));
        assert!(outbox.handle_pubrec(4, true));
        outbox.begin(4, false);
        assert_eq!(next(&mut outbox).as_deref(), Some("a 1 again"));
        // An acknowledgement in the middle of sending again.
        outbox.handle_pubcomp(2);
        assert_eq!(next(&mut outbox).as_deref(), Some("c 3 again"));
        assert_eq!(next(&mut outbox).as_deref(), Some("release 4"));
        assert_eq!(next(&mut outbox).as_deref(), Some("e 5"));
        assert_eq!(next(&mut outbox), None);
    }

    #[test]
    fn ids_are_used_again_but_never_twice_at_a_time() {
        let mut outbox = outbox(10, 10_000, 2);
        outbox.offer(message("stays"), grant(AtLeastOnce), NOW);
        assert_eq!(next(&mut outbox).as_deref(), Some("stays 1"));
        for _ in 0..70_000 {
            outbox.offer(message("x"), grant(AtLeastOnce), NOW);
            let id = next(&mut outbox).unwrap()[2..].parse().unwrap();
            assert!(id > 1);
            outbox.handle_puback(id);
        }
    }

    #[test]
    fn a_client_with_a_small_window_gets_open_messages_one_by_one() {
        let mut outbox = outbox(10, 10_000, 4);
        for payload in ["a", "b", "c"] {
            outbox.offer(message(payload), grant(AtLeastOnce), NOW);
            next(&mut outbox).unwrap();
        }
        outbox.offer(message("d"), grant(AtLeastOnce), NOW);
        outbox.begin(1, true);
        for (id, expected) in [(1, "a 1 again"), (2, "b 2 again"), (3, "c 3 again"), (4, "d 4")] {
            assert_eq!(next(&mut outbox).as_deref(), Some(expected));
            assert_eq!(next(&mut outbox), None);
            outbox.handle_puback(id);
        }
    }

    #[test]
    fn what_has_expired_is_neither_sent_nor_in_the_way() {
        let mut outbox = outbox(2, 10_000, 4);
        let expiring = |expires| {
            let (topic, payload, qos, properties) = ("t", &b"x"[..], ExactlyOnce, &[][..]);
            let (retain, origin) = (false, 0);
            Message::pack(&Draft { topic, payload, qos, retain, origin, expires, properties })
        };
        assert!(outbox.offer(expiring(NOW), grant(AtLeastOnce), NOW - 1));
        assert!(outbox.offer(expiring(NOW + 1), grant(AtLeastOnce), NOW - 1));
        assert!(!outbox.offer(message("full"), grant(AtLeastOnce), NOW - 1));
        assert!(outbox.offer(message("in"), grant(AtLeastOnce), NOW + SEARCH_EVERY));
        assert_eq!(next(&mut outbox).as_deref(), Some("in 1"));
        assert!(outbox.offer(expiring(NOW), grant(AtMostOnce), NOW - 1));
        assert_eq!(next(&mut outbox), None);
    }

    #[test]
    fn a_refused_message_is_done() {
        let mut outbox = outbox(10, 10_000, 1);
        for payload in ["a", "b", "c"] {
            outbox.offer(message(payload), grant(ExactlyOnce), NOW);
        }
        assert_eq!(next(&mut outbox).as_deref(), Some("a 1"));
        assert!(outbox.handle_pubrec(1, false));
        assert_eq!(next(&mut outbox).as_deref(), Some("b 2"));
        outbox.give_up(2);
        assert_eq!(next(&mut outbox).as_deref(), Some("c 3"));
    }
}
