//! What can be published and subscribed at all.

/// MQTT's length field of a topic or a filter has 16 bits.
const TOPIC_MAX: usize = u16::MAX as usize;

/// Whether something can be published there.
pub(super) fn valid_topic(topic: &str) -> bool {
    !topic.is_empty()
        && topic.len() <= TOPIC_MAX
        && !topic.contains('\0')
        && rumqttc::valid_topic(topic)
}

/// Whether something can be subscribed there.
pub(super) fn valid_filter(filter: &str) -> bool {
    filter.len() <= TOPIC_MAX && !filter.contains('\0') && rumqttc::valid_filter(filter)
}
