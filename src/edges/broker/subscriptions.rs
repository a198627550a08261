//! The subscriptions of one session and what they grant.

use std::collections::BTreeMap;

use rumqttc::v5::mqttbytes::QoS;

use super::filter;
use super::message::Message;

/// Filters of one session. Filters without a wildcard are looked up, the others are tried in turn.
#[derive(Default)]
pub(super) struct Subscriptions {
    exact: BTreeMap<String, Subscription>,
    wild: BTreeMap<String, Subscription>,
}

struct Subscription {
    wish: Wish,
    /// Messages up to this number were published before the subscription was made.
    since: u64,
}

/// How a client wants the messages of one subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wish {
    /// The highest QoS.
    pub(super) qos: QoS,
    /// Not what the client itself has published.
    pub(super) no_local: bool,
    /// With the retain flag that the publisher set.
    pub(super) as_published: bool,
    /// A number to be told with every message.
    pub(super) id: Option<usize>,
}

/// How one message is delivered to a client.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Grant {
    pub(super) qos: QoS,
    /// The retain flag that the client sees.
    pub(super) retain: bool,
    /// The numbers of the subscriptions that select the message.
    pub(super) ids: Vec<usize>,
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

    /// Adds a filter, or changes what is wished of it without losing what is on its way.
    pub(super) fn insert(&mut self, filter: String, wish: Wish, since: u64) {
        self.part(&filter)
            .entry(filter)
            .and_modify(|subscription| subscription.wish = wish)
            .or_insert(Subscription { wish, since });
    }

    /// Removes a filter; whether it was there.
    pub(super) fn remove(&mut self, filter: &str) -> bool {
        self.part(filter).remove(filter).is_some()
    }

    /// How to deliver a message to the session `own`: at the lower QoS of its own and the highest
    /// granted by a filter that selects it; `None` when no filter does. One answer means one copy.
    pub(super) fn grant(&self, message: &Message, own: u64) -> Option<Grant> {
        let topic = message.topic();
        let wild = self.wild.iter().filter(|(filter, _)| filter::matches(filter, topic));
        let wishes = self
            .exact
            .get(topic)
            .into_iter()
            .chain(wild.map(|(_, subscription)| subscription))
            .filter(|subscription| message.number() > subscription.since)
            .map(|subscription| &subscription.wish)
            .filter(|wish| !(wish.no_local && message.origin() == own));
        let mut grant: Option<Grant> = None;
        for wish in wishes {
            let Grant { qos, retain, ids } =
                grant.get_or_insert(Grant { qos: wish.qos, retain: false, ids: Vec::new() });
            *qos = higher(*qos, wish.qos);
            *retain |= wish.as_published && message.retain();
            ids.extend(wish.id);
        }
        grant.map(|grant| Grant { qos: lower(grant.qos, message.qos()), ..grant })
    }

    fn part(&mut self, filter: &str) -> &mut BTreeMap<String, Subscription> {
        if filter::is_literal(filter) { &mut self.exact } else { &mut self.wild }
    }
}

fn higher(a: QoS, b: QoS) -> QoS {
    if (a as u8) < b as u8 { b } else { a }
}

/// The lower of two QoS.
pub(super) fn lower(a: QoS, b: QoS) -> QoS {
    if (a as u8) < b as u8 { a } else { b }
}

#[cfg(test)]
mod tests {
    use QoS::{AtLeastOnce, AtMostOnce, ExactlyOnce};

    use super::super::message::Draft;
    use super::*;

    const OWN: u64 = 7;

    fn message(topic: &str, qos: QoS, number: u64) -> Message {
        let draft = Draft {
            topic,
            payload: b"x",
            qos,
            retain: true,
            origin: OWN,
            expires: 0,
            properties: &[],
        };
        let mut message = Message::pack(&draft);
        message.set_number(number);
        message
    }

    fn wish(qos: QoS) -> Wish {
        Wish { qos, no_local: false, as_published: false, id: None }
    }

    #[test]
    fn the_highest_granted_qos_counts_but_never_more_than_published() {
        let mut subscriptions = Subscriptions::default();
        for (filter, qos) in [("a/b", AtMostOnce), ("a/+", ExactlyOnce), ("#", AtLeastOnce)] {
            subscriptions.insert(filter.to_owned(), wish(qos), 0);
        }
        let grant = |topic, qos| {
            let grant = subscriptions.grant(&message(topic, qos, 1), 0)?;
            assert!(!grant.retain && grant.ids.is_empty());
            Some(grant.qos)
        };
        assert_eq!(grant("a/b", ExactlyOnce), Some(ExactlyOnce));
        assert_eq!(grant("a/b", AtMostOnce), Some(AtMostOnce));
        assert_eq!(grant("x", ExactlyOnce), Some(AtLeastOnce));
        assert_eq!(grant("$SYS/x", ExactlyOnce), None);
    }

    #[test]
    fn every_subscription_that_selects_has_its_say() {
        let mut subscriptions = Subscriptions::default();
        let first = Wish { id: Some(1), no_local: true, ..wish(ExactlyOnce) };
        let second = Wish { id: Some(2), as_published: true, ..wish(AtMostOnce) };
        subscriptions.insert("a/#".to_owned(), first, 0);
        subscriptions.insert("a/b".to_owned(), second, 0);
        let message = message("a/b", ExactlyOnce, 1);
        let both = Grant { qos: ExactlyOnce, retain: true, ids: vec![2, 1] };
        assert_eq!(subscriptions.grant(&message, 0), Some(both));
        let other = Grant { qos: AtMostOnce, retain: true, ids: vec![2] };
        assert_eq!(subscriptions.grant(&message, OWN), Some(other));
        assert!(subscriptions.remove("a/b") && !subscriptions.remove("a/b"));
        assert_eq!(subscriptions.grant(&message, OWN), None);
    }

    #[test]
    fn a_subscription_gets_what_comes_after_it() {
        let mut subscriptions = Subscriptions::default();
        subscriptions.insert("a".to_owned(), wish(AtMostOnce), 10);
        let grant = |subscriptions: &Subscriptions, number| {
            Some(subscriptions.grant(&message("a", ExactlyOnce, number), 0)?.qos)
        };
        assert_eq!(grant(&subscriptions, 10), None);
        assert!(grant(&subscriptions, 11).is_some());
        subscriptions.insert("a".to_owned(), wish(ExactlyOnce), 20);
        assert_eq!(grant(&subscriptions, 11), Some(ExactlyOnce));
        subscriptions.remove("a");
        assert_eq!((subscriptions.len(), subscriptions.contains("a")), (0, false));
    }
}
