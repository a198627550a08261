//! Somebody on the bus who sees and remembers everything.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use rumqttc::{AsyncClient, Event, MqttOptions, NetworkOptions, Packet, QoS};
use serde_json::Value as Json;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::support::{DEADLINE, soon};

/// For what must happen within two seconds; the rest is for a busy machine.
pub(super) const AT_ONCE: Duration = Duration::from_secs(3);

/// What passed on the bus since the client came.
#[derive(Default)]
pub(super) struct Seen {
    /// The newest payload of every topic; an empty one is no value.
    pub(super) now: BTreeMap<String, String>,
    /// Everything in order.
    pub(super) log: Vec<Message>,
    /// Why there will be no more.
    broke: Option<String>,
}

/// One message.
#[derive(Clone, Debug)]
pub(super) struct Message {
    pub(super) topic: String,
    pub(super) payload: String,
    pub(super) retain: bool,
}

impl Seen {
    /// Whether a topic below `evcc/` has this value.
    pub(super) fn says(&self, topic: &str, payload: &str) -> bool {
        self.value(topic) == Some(payload)
    }

    /// The value of a topic below `evcc/`.
    pub(super) fn value(&self, topic: &str) -> Option<&str> {
        self.now.get(&format!("evcc/{topic}")).map(String::as_str)
    }

    /// The newest number on a topic of a device.
    pub(super) fn number(&self, topic: &str) -> Option<f64> {
        self.now.get(topic)?.parse().ok()
    }

    /// The payloads of a topic from a point of the log on.
    pub(super) fn since(&self, mark: usize, topic: &str) -> Vec<&str> {
        let news = self.log[mark..].iter().filter(|message| message.topic == topic);
        news.map(|message| message.payload.as_str()).collect()
    }
}

/// A client that is subscribed to `#`.
pub(super) struct Client {
    mqtt: AsyncClient,
    seen: watch::Receiver<Seen>,
}

impl Client {
    /// Connects; returns when everything retained has arrived.
    pub(super) async fn connect(port: u16) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let id = format!("watcher-{}", COUNT.fetch_add(1, Ordering::Relaxed));
        let mut options = MqttOptions::new(&id, "127.0.0.1", port);
        options.set_max_packet_size(16 << 20, 16 << 20);
        let (mqtt, mut events) = AsyncClient::new(options, 1000);
        let mut network = NetworkOptions::new();
        network.set_tcp_nodelay(true);
        events.set_network_options(network);
        let (tell, seen) = watch::channel(Seen::default());
        let mark = format!("mark/{id}");
        tokio::spawn(async move {
            loop {
                let message = match events.poll().await {
                    Ok(Event::Incoming(Packet::Publish(message))) => message,
                    Ok(_) => continue,
                    Err(error) => {
                        return tell.send_modify(|seen| seen.broke = Some(error.to_string()));
                    }
                };
                tell.send_modify(|seen| {
                    let topic = message.topic;
                    let payload = String::from_utf8_lossy(&message.payload).into_owned();
                    match payload.is_empty() {
                        true => seen.now.remove(&topic),
                        false => seen.now.insert(topic.clone(), payload.clone()),
                    };
                    seen.log.push(Message { topic, payload, retain: message.retain });
                });
            }
        });
        mqtt.subscribe("#", QoS::AtLeastOnce).await.unwrap();
        let mut client = Self { mqtt, seen };
        // Retained messages arrive before anything that is published after the subscription.
        client.publish(&mark, "here", false).await;
        client.until("the mark", |seen| seen.now.contains_key(&mark)).await;
        client
    }

    /// Publishes with QoS 1.
    pub(super) async fn publish(&self, topic: &str, payload: impl Into<Vec<u8>>, retain: bool) {
        let sent = self.mqtt.publish(topic, QoS::AtLeastOnce, retain, payload);
        soon("room to publish", sent).await.unwrap();
    }

    /// What was seen so far.
    pub(super) fn seen(&self) -> watch::Ref<'_, Seen> {
        self.seen.borrow()
    }

    /// Waits for what must come.
    pub(super) async fn until(&mut self, what: &str, condition: impl FnMut(&Seen) -> bool) {
        self.within(DEADLINE, what, condition).await;
    }

    /// Waits for what must come within a time.
    pub(super) async fn within(
        &mut self,
        time: Duration,
        what: &str,
        condition: impl FnMut(&Seen) -> bool,
    ) {
        match timeout(time, self.seen.wait_for(condition)).await.map(|seen| seen.map(drop)) {
            Ok(Ok(())) => {}
            Ok(Err(_)) => panic!("waited for {what}: {:?}", self.seen().broke),
            Err(_) => panic!("waited {time:?} for {what}"),
        }
    }

    /// Waits for a message on a topic from a point of the log on.
    pub(super) async fn answers(&mut self, topic: &str, mark: usize) {
        let _ = self.seen.wait_for(|seen| !seen.since(mark, topic).is_empty()).await;
    }

    /// Writes a field below `evcc/` and waits for the answer.
    pub(super) async fn write(&mut self, field: &str, payload: impl Into<Vec<u8>>) -> Json {
        let set = format!("evcc/{field}/set");
        let mark = self.seen().log.len();
        self.publish(&set, payload, false).await;
        let result = format!("{set}/result");
        self.until(&result, |seen| !seen.since(mark, &result).is_empty()).await;
        serde_json::from_str(self.seen().since(mark, &result)[0]).unwrap()
    }

    /// Writes a value that must be accepted.
    pub(super) async fn set(&mut self, field: &str, payload: &str) {
        let answer = self.write(field, payload).await;
        assert_eq!(answer["ok"], true, "{field} {payload}: {answer}");
    }
}

/// What a newcomer is told: everything that is retained.
pub(super) async fn retained(port: u16) -> BTreeMap<String, String> {
    let client = Client::connect(port).await;
    let seen = client.seen();
    let kept = seen.log.iter().filter(|message| message.retain);
    kept.map(|message| (message.topic.clone(), message.payload.clone())).collect()
}

/// Retained values that do not depend on the clock.
pub(super) fn lasting(tree: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let moving = ["updated", "Duration", "/decision", "Remaining", "/events", "/error", "/result"];
    let stays = |topic: &String| {
        topic.starts_with("evcc/") && !moving.iter().any(|part| topic.contains(part))
    };
    tree.iter()
        .filter(|(topic, _)| stays(topic))
        .map(|(topic, value)| (topic.clone(), value.clone()))
        .collect()
}

/// What is not the same.
pub(super) fn differing(
    after: &BTreeMap<String, String>,
    before: &BTreeMap<String, String>,
) -> Vec<String> {
    let topics: BTreeSet<&String> = after.keys().chain(before.keys()).collect();
    let differ = topics.into_iter().filter(|topic| after.get(*topic) != before.get(*topic));
    differ
        .map(|topic| format!("{topic}: {:?}, was {:?}", after.get(topic), before.get(topic)))
        .collect()
}
