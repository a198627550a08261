//! Whether the devices are ours to command: a second service on our root has them, too (api.md §1.4).
//!
//! Two services command the same chargers even where they share no broker topic, over Modbus. So
//! nothing is decided before the broker has answered or is missing, nor while another service is
//! online on our root.

use super::bus::Incoming;

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
}
