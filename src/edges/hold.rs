//! Whether the devices are ours to command: a second service on our root has them, too (api.md §1.4).
//!
//! Two services command the same chargers even where they share no broker topic, over Modbus. So
//! nothing is decided before the broker has answered or is missing, nor while another service is
//! online on our root.

use super::bus::{Incoming, Reply};

/// Who has the devices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hold {
    /// The broker has not been asked yet.
    Unasked,
    /// Another service is online on our root.
    Other,
    /// We.
    Ours,
}

impl Hold {
    /// Without a broker nobody else can be seen.
    pub(super) fn new(has_bus: bool) -> Self {
        if has_bus { Self::Unasked } else { Self::Ours }
    }

    /// Whether devices may be commanded.
    pub(super) fn is_ours(self) -> bool {
        self == Self::Ours
    }

    /// Learns from the bus; `true` when the devices were ours and are lost to another service.
    ///
    /// A broker that is lost while another service has the devices changes nothing: it may be there
    /// still.
    pub(super) fn hear(&mut self, incoming: &Incoming) -> bool {
        let before = *self;
        *self = match incoming {
            Incoming::Up { .. } => Self::Ours,
            Incoming::Taken { .. } => Self::Other,
            Incoming::Down { .. } if before == Self::Unasked => Self::Ours,
            Incoming::Down { .. }
            | Incoming::Message(_)
            | Incoming::Refused { .. }
            | Incoming::Busy { .. } => before,
        };
        before == Self::Ours && *self == Self::Other
    }
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

    fn taken() -> Incoming {
        Incoming::Taken { reason: String::new() }
    }

    fn down() -> Incoming {
        Incoming::Down { reason: String::new() }
    }

    #[test]
    fn devices_are_ours_when_nobody_else_was_seen() {
        let mut hold = Hold::new(true);
        assert!(!hold.is_ours() && Hold::new(false).is_ours());
        assert!(!hold.hear(&down()) && hold.is_ours());
        let mut hold = Hold::new(true);
        assert!(!hold.hear(&taken()) && !hold.is_ours());
        assert!(!hold.hear(&down()) && !hold.is_ours(), "the other may be there still");
        assert!(!hold.hear(&Incoming::Up { session: 1 }) && hold.is_ours());
        assert!(hold.hear(&taken()) && !hold.is_ours());
    }

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
