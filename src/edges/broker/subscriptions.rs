//! The subscriptions of one session and what they grant.

use std::collections::BTreeMap;

use rumqttc::mqttbytes::QoS;

use super::filter;
use super::message::Message;

/// Filters of one session. Filters without a wildcard are looked up, the others are tried in turn.
#[derive(Default)]
pub(super) struct Subscriptions {
    exact: BTreeMap<String, Subscription>,
    wild: BTreeMap<String, Subscription>,
}

#[derive(Clone, Copy)]
struct Subscription {
    qos: QoS,
    /// Messages up to this number were published before the subscription was made.
    since: u64,
}

impl Subscriptions {
    /// Number of filters.
    pub(super) fn len(&self) -> usize {
        self.exact.len() + self.wild.len()
    }

    /// Whether this filter is subscribed.
    pub(super) fn contains(&self, filter: &str) -> bool {
        self.exact.contains_key(filter) || self.wild.contains_key(filter)
    }

    /// All filters.
    pub(super) fn filters(&self) -> impl Iterator<Item = &str> {
        self.exact.keys().chain(self.wild.keys()).map(String::as_str)
    }

    /// Adds a filter, or changes its QoS without losing what is on its way.
    pub(super) fn insert(&mut self, filter: String, qos: QoS, since: u64) {
        self.part(&filter)
            .entry(filter)
            .and_modify(|subscription| subscription.qos = qos)
            .or_insert(Subscription { qos, since });
    }

    /// Removes a filter if it is there.
    pub(super) fn remove(&mut self, filter: &str) {
        self.part(filter).remove(filter);
    }

    /// The QoS to deliver a message at: the lower of its own and the highest granted by a filter
    /// that selects it; `None` when no filter does. One answer means one copy.
    pub(super) fn grant(&self, message: &Message) -> Option<QoS> {
        let topic = message.topic();
        let wild = self.wild.iter().filter(|(filter, _)| filter::matches(filter, topic));
        let granted = self
            .exact
            .get(topic)
            .into_iter()
            .chain(wild.map(|(_, subscription)| subscription))
            .filter(|subscription| message.number() > subscription.since)
            .map(|subscription| subscription.qos)
            .max_by_key(|qos| *qos as u8)?;
        Some(lower(granted, message.qos()))
    }

    fn part(&mut self, filter: &str) -> &mut BTreeMap<String, Subscription> {
        if filter::is_literal(filter) { &mut self.exact } else { &mut self.wild }
    }
}

/// The lower of two QoS.
pub(super) fn lower(a: QoS, b: QoS) -> QoS {
    if (a as u8) < b as u8 { a } else { b }
}

#[cfg(test)]
mod tests {
    use QoS::{AtLeastOnce, AtMostOnce, ExactlyOnce};

    use super::*;

    fn message(topic: &str, qos: QoS, number: u64) -> Message {
        let mut message = Message::new(topic, b"x", qos);
        message.set_number(number);
        message
    }

    #[test]
    fn the_highest_granted_qos_counts_but_never_more_than_published() {
        let mut subscriptions = Subscriptions::default();
        for (filter, qos) in [("a/b", AtMostOnce), ("a/+", ExactlyOnce), ("#", AtLeastOnce)] {
            subscriptions.insert(filter.to_owned(), qos, 0);
        }
        let grant = |topic, qos| subscriptions.grant(&message(topic, qos, 1));
        assert_eq!(grant("a/b", ExactlyOnce), Some(ExactlyOnce));
        assert_eq!(grant("a/b", AtMostOnce), Some(AtMostOnce));
        assert_eq!(grant("x", ExactlyOnce), Some(AtLeastOnce));
        assert_eq!(grant("$SYS/x", ExactlyOnce), None);
    }

    #[test]
    fn a_subscription_gets_what_comes_after_it() {
        let mut subscriptions = Subscriptions::default();
        subscriptions.insert("a".to_owned(), AtMostOnce, 10);
        assert_eq!(subscriptions.grant(&message("a", ExactlyOnce, 10)), None);
        assert!(subscriptions.grant(&message("a", ExactlyOnce, 11)).is_some());
        subscriptions.insert("a".to_owned(), ExactlyOnce, 20);
        assert_eq!(subscriptions.grant(&message("a", ExactlyOnce, 11)), Some(ExactlyOnce));
        subscriptions.remove("a");
        assert_eq!((subscriptions.len(), subscriptions.contains("a")), (0, false));
    }
}
