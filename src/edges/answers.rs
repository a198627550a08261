//! Writers that wait until their value is stored and told, and the ways back to them.

use chrono::SecondsFormat;
use tokio::sync::oneshot;

use crate::api::{Address, Answer};
use crate::model::Now;

use super::bus::{Bus, Reply};

/// A writer that waits for its answer.
pub(super) struct Waiting {
    /// What was written, to be confirmed on its topics.
    pub(super) address: Option<Address>,
    pub(super) answer: Box<Answer>,
    pub(super) to: Writer,
}

/// Who waits.
pub(super) enum Writer {
    /// The set topic, complete, and where else an answer is expected.
    Mqtt(String, Option<Reply>),
    Rest(oneshot::Sender<Box<Answer>>),
}

/// Answers a write over MQTT: on `<set topic>/result`, and where its sender wants it (MQTT 5). A
/// `firm` answer does not give way to newer ones when too many wait.
pub(super) fn answer(
    bus: &Bus,
    root: &str,
    topic: &str,
    reply: Option<Reply>,
    answer: &Answer,
    firm: bool,
) {
    let (result, json) = (format!("{topic}/result"), answer.json().into_bytes());
    let reply = reply.filter(|reply| may_answer(root, reply));
    if reply.as_ref().is_none_or(|reply| reply.topic != result) {
        bus.answer(Reply { topic: result, correlation: None }, json.clone(), firm);
    }
    if let Some(reply) = reply {
        bus.answer(reply, json, firm);
    }
}

/// Tells a refusal on `<root>/error`, for people who do not know which topic to watch (api.md §2.1).
pub(super) fn complain(bus: &Bus, root: &str, topic: &str, answer: &Answer, now: Now) {
    if answer.ok() {
        return;
    }
    let json = serde_json::json!({
        "topic": topic,
        "payload": answer.requested,
        "error": answer.message,
        "time": now.utc.to_rfc3339_opts(SecondsFormat::Secs, true),
    });
    bus.publish(format!("{root}/error"), json.to_string().into_bytes(), false);
}

/// Whether an answer may go where the writer wants it: not to topics that command or tell something
/// of ours, since the writer may have fewer rights than we.
pub(super) fn may_answer(root: &str, reply: &Reply) -> bool {
    let topic = &reply.topic;
    let below =
        topic.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    !(topic.starts_with('$') || topic.ends_with("/set") || below && !topic.ends_with("/result"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_go_nowhere_where_they_would_mean_something() {
        let may = |topic: &str| {
            let topic = topic.to_owned();
            may_answer("evcc", &Reply { topic, correlation: None })
        };
        assert!(may("node-red/answers") && may("evcc2/x") && may("evcc/site/x/set/result"));
        for topic in ["evcc", "evcc/site/power", "wallbox/current/set", "$SYS/x"] {
            assert!(!may(topic), "{topic}");
        }
    }
}
