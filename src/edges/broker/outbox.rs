//! What waits to be sent to one client: a bounded queue and the window of unacknowledged messages.

use std::collections::VecDeque;

use rumqttc::mqttbytes::QoS;
use rumqttc::mqttbytes::v4::{Packet, PubRel, Publish};

use super::message::Message;

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
}

#[derive(Clone)]
struct Queued {
    message: Message,
    qos: QoS,
    retain: bool,
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
        }
    }

    /// Queues a live message; `false` when the queue is full and the message is dropped.
    pub(super) fn offer(&mut self, message: Message, qos: QoS) -> bool {
        let bytes = self.queued_bytes + message.cost();
        let fits = self.queue.len() < self.limits.messages && bytes <= self.limits.bytes;
        // A single message is always taken, else a large one could never be delivered.
        if fits || self.queue.is_empty() {
            self.queued_bytes = bytes;
            self.queue.push_back(Queued { message, qos, retain: false });
            return true;
        }
        false
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
    pub(super) fn replay(&mut self, message: Message, qos: QoS) {
        self.queued_bytes += message.cost();
        self.queue.push_back(Queued { message, qos, retain: true });
    }

    /// The next packet to send, or `None` when there is none or the window is full.
    pub(super) fn next_packet(&mut self) -> Option<Packet> {
        if self.to_resend > 0 {
            let flight = self.flights.get(self.flights.len() - self.to_resend)?;
            self.to_resend -= 1;
            return Some(flight.packet(true));
        }
        let head = self.queue.front()?;
        if head.qos != QoS::AtMostOnce && self.flights.len() >= self.limits.window {
            return None;
        }
        let queued = self.queue.pop_front()?;
        self.queued_bytes -= queued.message.cost();
        if queued.qos == QoS::AtMostOnce {
            return Some(queued.packet(0, false));
        }
        let flight = Flight { id: self.next_id(), unreceived: Some(queued) };
        let packet = flight.packet(false);
        self.flights.push_back(flight);
        Some(packet)
    }

    /// PUBACK: the client has taken a message of QoS 1. An unknown id is ignored.
    pub(super) fn handle_puback(&mut self, id: u16) {
        let known = |flight: &Flight| {
            let qos = flight.unreceived.as_ref().map(|queued| queued.qos);
            flight.id == id && qos == Some(QoS::AtLeastOnce)
        };
        self.finish(known);
    }

    /// PUBREC: the client has taken a message of QoS 2. PUBREL is due even for an unknown id.
    pub(super) fn handle_pubrec(&mut self, id: u16) {
        if let Some(flight) = self.flights.iter_mut().find(|flight| flight.id == id)
            && flight.unreceived.as_ref().is_some_and(|queued| queued.qos == QoS::ExactlyOnce)
        {
            flight.unreceived = None;
        }
    }

    /// PUBCOMP: a handshake of QoS 2 is complete. An unknown id is ignored.
    pub(super) fn handle_pubcomp(&mut self, id: u16) {
        self.finish(|flight| flight.id == id && flight.unreceived.is_none());
    }

    /// A new connection of the same session: what is unacknowledged is sent again, in order.
    pub(super) fn resend(&mut self) {
        self.to_resend = self.flights.len();
    }

    fn finish(&mut self, known: impl FnMut(&Flight) -> bool) {
        if let Some(at) = self.flights.iter().position(known) {
            let seen_again = self.flights.len() - self.to_resend;
            if at >= seen_again {
                self.to_resend -= 1;
            }
            self.flights.remove(at);
        }
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
    fn packet(&self, dup: bool) -> Packet {
        match &self.unreceived {
            Some(queued) => queued.packet(self.id, dup),
            None => Packet::PubRel(PubRel { pkid: self.id }),
        }
    }
}

impl Queued {
    fn packet(&self, id: u16, dup: bool) -> Packet {
        Packet::Publish(Publish {
            dup,
            qos: self.qos,
            retain: self.retain,
            topic: self.message.topic().to_owned(),
            pkid: id,
            payload: self.message.payload(),
        })
    }
}

#[cfg(test)]
mod tests {
    use QoS::{AtLeastOnce, AtMostOnce, ExactlyOnce};

    use super::*;

    fn outbox(messages: usize, bytes: usize, window: usize) -> Outbox {
        Outbox::new(OutboxLimits { messages, bytes, window })
    }

    fn message(payload: &str) -> Message {
        Message::new("t", payload.as_bytes(), ExactlyOnce)
    }

    /// The next packet as text: payload and id of a PUBLISH.
    fn next(outbox: &mut Outbox) -> Option<String> {
        let packet = outbox.next_packet()?;
        let Packet::Publish(publish) = packet else {
            return Some(format!("{packet:?}"));
        };
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
            assert!(outbox.offer(message(payload), qos));
        }
        assert_eq!(next(&mut outbox).as_deref(), Some("a 1"));
        assert_eq!(next(&mut outbox).as_deref(), Some("b 2"));
        assert_eq!(next(&mut outbox).as_deref(), Some("c 0"));
        assert_eq!(next(&mut outbox), None);
        // Acknowledgements that do not fit change nothing.
        outbox.handle_puback(2);
        outbox.handle_pubcomp(2);
        outbox.handle_pubrec(1);
        outbox.handle_puback(77);
        assert_eq!(next(&mut outbox), None);
        outbox.handle_pubrec(2);
        assert_eq!(next(&mut outbox), None);
        outbox.handle_pubcomp(2);
        assert_eq!(next(&mut outbox).as_deref(), Some("d 3"));
    }

    #[test]
    fn a_full_queue_refuses_but_one_large_message_always_fits() {
        let mut outbox = outbox(2, 1000, 1);
        assert!(outbox.offer(message(&"x".repeat(5000)), AtMostOnce));
        assert!(!outbox.offer(message("a"), ExactlyOnce));
        assert!(next(&mut outbox).is_some());
        assert!(outbox.offer(message("a"), AtMostOnce));
        assert!(outbox.offer(message("b"), AtMostOnce));
        assert!(!outbox.offer(message("c"), AtMostOnce));
        assert_eq!(outbox.room_for_replay(), 0);
    }

    #[test]
    fn a_new_connection_gets_what_is_open_before_what_is_new() {
        let mut outbox = outbox(10, 10_000, 4);
        for payload in ["a", "b", "c", "d", "e"] {
            outbox.offer(message(payload), ExactlyOnce);
        }
        for expected in ["a 1", "b 2", "c 3", "d 4"] {
            assert_eq!(next(&mut outbox).as_deref(), Some(expected));
        }
        outbox.handle_pubrec(2);
        outbox.handle_pubrec(4);
        outbox.resend();
        assert_eq!(next(&mut outbox).as_deref(), Some("a 1 again"));
        // An acknowledgement in the middle of sending again.
        outbox.handle_pubcomp(2);
        assert_eq!(next(&mut outbox).as_deref(), Some("c 3 again"));
        assert_eq!(next(&mut outbox).as_deref(), Some("PubRel(PubRel { pkid: 4 })"));
        assert_eq!(next(&mut outbox).as_deref(), Some("e 5"));
        assert_eq!(next(&mut outbox), None);
    }

    #[test]
    fn ids_are_used_again_but_never_twice_at_a_time() {
        let mut outbox = outbox(10, 10_000, 2);
        outbox.offer(message("stays"), AtLeastOnce);
        assert_eq!(next(&mut outbox).as_deref(), Some("stays 1"));
        for _ in 0..70_000 {
            outbox.offer(message("x"), AtLeastOnce);
            let id = next(&mut outbox).unwrap()[2..].parse().unwrap();
            assert!(id > 1);
            outbox.handle_puback(id);
        }
    }
}
