//! Topic names and topic filters: what is valid, what matches, and which lane a topic travels in.
//!
//! MQTT 3.1.1 §4.7. What the standard leaves open is decided as mosquitto does.

/// A topic name that may be published to: not empty, no wildcard, no forbidden character.
pub(super) fn is_topic(topic: &str) -> bool {
    !topic.is_empty() && !topic.contains(['+', '#']) && is_text(topic)
}

/// A filter that may be subscribed to: wildcards fill whole levels, `#` only the last one.
pub(super) fn is_filter(filter: &str) -> bool {
    let mut levels = filter.split('/').peekable();
    while let Some(level) = levels.next() {
        let sound = match level {
            "+" => true,
            "#" => levels.peek().is_none(),
            text => !text.contains(['+', '#']),
        };
        if !sound {
            return false;
        }
    }
    !filter.is_empty()
}

/// Text as mosquitto accepts it on the wire: no control characters, no Unicode non-characters.
pub(super) fn is_text(text: &str) -> bool {
    text.chars().all(|c| {
        let code = u32::from(c);
        !c.is_control() && !(0xfdd0..=0xfdef).contains(&code) && code & 0xfffe != 0xfffe
    })
}

/// Whether `filter` selects `topic`. Wildcards in the first level never select a `$` topic.
pub(super) fn matches(filter: &str, topic: &str) -> bool {
    let hidden = topic.starts_with('$') && filter.starts_with(['+', '#']);
    !hidden && covers(filter, topic)
}

/// Like [`matches`], but a right to `#` is a right to everything, `$` topics too.
pub(super) fn covers(filter: &str, topic: &str) -> bool {
    let mut levels = topic.split('/');
    for wanted in filter.split('/') {
        if wanted == "#" {
            return true;
        }
        match levels.next() {
            Some(level) if wanted == "+" || wanted == level => {}
            // `sport/#` also selects `sport`, so only the `#` above may outlive the topic.
            Some(_) | None => return false,
        }
    }
    levels.next().is_none()
}

/// The leading part of a filter that every topic it selects starts with.
pub(super) fn literal_prefix(filter: &str) -> &str {
    match filter.find(['+', '#']) {
        // The `/` before a `#` is optional in the topic.
        Some(at) => filter[..at].strip_suffix('/').unwrap_or(&filter[..at]),
        None => filter,
    }
}

/// Whether a filter has no wildcard, so that it selects exactly one topic.
pub(super) fn is_literal(filter: &str) -> bool {
    !filter.contains(['+', '#'])
}

/// Number of lanes that the topics are spread over by their first level.
pub(super) const LANES: usize = 8;

/// The lane that carries a topic: one topic always travels in one lane, so its order is kept.
pub(super) fn lane(topic: &str) -> usize {
    let first = topic.split('/').next().unwrap_or_default();
    // FNV-1a, because the choice must be the same in every process for benches to be comparable.
    let hash = first.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    (hash % LANES as u64) as usize
}

/// The lanes in which a topic selected by `filter` can travel.
pub(super) fn lanes(filter: &str) -> [bool; LANES] {
    if filter.starts_with(['+', '#']) {
        return [true; LANES];
    }
    let mut lanes = [false; LANES];
    lanes[lane(filter)] = true;
    lanes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_are_checked() {
        for good in ["a", "/", "a//b", "ä/x", "Öl/Stand", "$SYS/x", "a b", "€"] {
            assert!(is_topic(good), "{good:?}");
        }
        for bad in ["", "a/#", "+", "a\0b", "a\u{7}b", "\u{7f}", "\u{fffe}", "\u{1ffff}"] {
            assert!(!is_topic(bad), "{bad:?}");
        }
    }

    #[test]
    fn filters_are_checked() {
        for good in ["a", "#", "+", "a/#", "+/+/#", "/", "/+", "a//#", "$SYS/#", "ä/+"] {
            assert!(is_filter(good), "{good:?}");
        }
        for bad in ["", "a#", "#/a", "a/#/b", "a+", "+a", "a/b+/c", "##", "++"] {
            assert!(!is_filter(bad), "{bad:?}");
        }
    }

    #[test]
    fn filters_select_topics() {
        let yes = [
            ("#", "a/b"),
            ("a/#", "a"),
            ("a/#", "a/b/c"),
            ("+", "a"),
            ("+/+", "/a"),
            ("/+", "/a"),
            ("a/+/c", "a//c"),
            ("$SYS/#", "$SYS/broker"),
            ("$SYS/+", "$SYS/x"),
            ("ä/#", "ä/x"),
        ];
        for (filter, topic) in yes {
            assert!(matches(filter, topic), "{filter} should select {topic}");
        }
        let no = [
            ("a", "a/b"),
            ("a/b", "a"),
            ("+", "/a"),
            ("+", "a/b"),
            ("#", "$SYS/x"),
            ("+/x", "$SYS/x"),
            ("a/+", "a"),
            ("a/#", "ab"),
            ("A", "a"),
            ("a/+/c", "a/b/d"),
        ];
        for (filter, topic) in no {
            assert!(!matches(filter, topic), "{filter} should not select {topic}");
        }
    }

    #[test]
    fn every_selected_topic_shares_the_prefix_and_a_lane() {
        for (filter, topic) in [("a/#", "a"), ("a/+/c", "a/b/c"), ("#", "x"), ("ab/c", "ab/c")] {
            assert!(matches(filter, topic));
            assert!(topic.starts_with(literal_prefix(filter)), "{filter} {topic}");
            assert!(lanes(filter)[lane(topic)], "{filter} {topic}");
        }
    }
}
