//! YAML text → a tree whose every node knows its place; anchors, merge keys and budgets end here.

use std::collections::BTreeMap;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, Tag};

use super::finding::{Finding, Place};
use super::text::quoted;

/// Longest file, in bytes. evcc's largest examples have 50 kB.
const MAX_BYTES: usize = 1 << 20;
/// Deepest nesting; evcc needs 6 levels.
const MAX_DEPTH: usize = 32;
/// Most keys in one map.
const MAX_KEYS: usize = 500;
/// Most bytes after aliases are expanded ("billion laughs").
const MAX_WEIGHT: usize = 4 << 20;
/// What a node weighs beside its text.
const NODE_WEIGHT: usize = 64;

/// A value with the place of its key, or of itself in a list.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) place: Place,
    pub(super) value: Value,
}

/// What a node holds.
#[derive(Clone, Debug)]
pub(super) enum Value {
    /// `~`, `null` or nothing.
    Null,
    /// Any scalar; its type depends on who asks.
    Text(String),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// One key with its value.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// As written; compared without case.
    pub(super) key: String,
    pub(super) node: Node,
}

/// Parses one YAML document into the entries of its map; nothing at all is an empty map.
pub(super) fn parse(text: &str) -> Result<Vec<Entry>, Finding> {
    if text.len() > MAX_BYTES {
        return Err(whole_file(format!("is larger than {MAX_BYTES} bytes")));
    }
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut tree = Tree::default();
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| Finding {
            place: place(error.marker()),
            path: String::new(),
            text: format!("is not valid YAML: {}", error.info()),
        })?;
        tree.take(event, place(&span.start))?;
    }
    match tree.root.map(|root| (root.value, root.place)) {
        None | Some((Value::Null, _)) => Ok(Vec::new()),
        Some((Value::Map(entries), _)) => Ok(entries),
        Some((Value::Text(_) | Value::List(_), place)) => {
            Err(at(place, "must be a map of keys and values like \"network:\""))
        }
    }
}

/// The first character of the file.
pub(super) const START: Place = Place::File { line: 1, column: 1 };

fn place(marker: &Marker) -> Place {
    Place::File { line: marker.line(), column: marker.col() + 1 }
}

fn whole_file(text: String) -> Finding {
    Finding { place: START, path: String::new(), text }
}

/// The tree while it grows.
#[derive(Default)]
struct Tree {
    /// Collections that are still open, outermost first.
    open: Vec<Open>,
    /// Finished nodes with an anchor, and their weight.
    anchors: BTreeMap<usize, (Node, usize)>,
    /// Weight so far, aliases expanded.
    weight: usize,
    root: Option<Node>,
}

/// A collection that is still open.
struct Open {
    place: Place,
    anchor: usize,
    /// `Tree::weight` when it was opened.
    weight_before: usize,
    content: Content,
}

enum Content {
    List(Vec<Node>),
    Map {
        entries: Vec<Entry>,
        merged: Vec<Entry>,
        /// The key that waits for its value.
        key: Option<(String, Place)>,
    },
}

impl Tree {
    fn take(&mut self, event: Event<'_>, place: Place) -> Result<(), Finding> {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                refuse_tag(tag.as_deref(), place)?;
                let value = match text.as_ref() {
                    "" | "~" | "null" | "Null" | "NULL" if style == ScalarStyle::Plain => {
                        Value::Null
                    }
                    text => Value::Text(text.to_owned()),
                };
                let weight = NODE_WEIGHT + text.len();
                self.weigh(weight, place)?;
                self.finish(Node { place, value }, anchor, weight)
            }
            Event::SequenceStart(anchor, tag) => {
                refuse_tag(tag.as_deref(), place)?;
                self.open(place, anchor, Content::List(Vec::new()))
            }
            Event::MappingStart(anchor, tag) => {
                refuse_tag(tag.as_deref(), place)?;
                let content = Content::Map { entries: Vec::new(), merged: Vec::new(), key: None };
                self.open(place, anchor, content)
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(),
            Event::Alias(anchor) => self.alias(anchor, place),
            Event::DocumentStart(_) if self.root.is_some() => {
                Err(at(place, "a second document is not read: remove everything from \"---\" on"))
            }
            Event::DocumentStart(_)
            | Event::DocumentEnd
            | Event::StreamStart
            | Event::StreamEnd
            | Event::Nothing => Ok(()),
        }
    }

    fn open(&mut self, place: Place, anchor: usize, content: Content) -> Result<(), Finding> {
        if self.open.len() >= MAX_DEPTH {
            return Err(at(place, format!("is nested deeper than {MAX_DEPTH} levels")));
        }
        let weight_before = self.weight;
        self.weigh(NODE_WEIGHT, place)?;
        self.open.push(Open { place, anchor, weight_before, content });
        Ok(())
    }

    fn close(&mut self) -> Result<(), Finding> {
        let Some(open) = self.open.pop() else {
            return Ok(());
        };
        let value = match open.content {
            Content::List(items) => Value::List(items),
            Content::Map { mut entries, merged, .. } => {
                // Keys of the map win over merged ones, earlier merges over later ones.
                for entry in merged {
                    if !has(&entries, &entry.key) {
                        entries.push(entry);
                    }
                }
                Value::Map(entries)
            }
        };
        let place = open.place;
        let weight = self.weight - open.weight_before;
        self.finish(Node { place, value }, open.anchor, weight)
    }

    fn alias(&mut self, anchor: usize, place: Place) -> Result<(), Finding> {
        // An anchor is known when its node is finished, so that no node can hold itself.
        let Some((node, weight)) = self.anchors.get(&anchor) else {
            return Err(at(place, "this alias refers to the value that contains it"));
        };
        if self.open.len() + depth(node) > MAX_DEPTH {
            return Err(at(place, format!("is nested deeper than {MAX_DEPTH} levels")));
        }
        let weight = *weight;
        self.weight = self.weight.saturating_add(weight);
        check_weight(self.weight, place)?;
        let value = node.value.clone();
        self.finish(Node { place, value }, 0, weight)
    }

    /// Adds to the weight before anything is allocated for it.
    fn weigh(&mut self, weight: usize, place: Place) -> Result<(), Finding> {
        self.weight = self.weight.saturating_add(weight);
        check_weight(self.weight, place)
    }

    /// Puts a finished node into the collection that waits for it.
    fn finish(&mut self, node: Node, anchor: usize, weight: usize) -> Result<(), Finding> {
        if anchor > 0 {
            self.anchors.insert(anchor, (node.clone(), weight));
        }
        let Some(open) = self.open.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        match &mut open.content {
            Content::List(items) => items.push(node),
            Content::Map { entries, merged, key } => match key.take() {
                None => *key = Some(key_of(node)?),
                Some((name, _)) if name == "<<" => merge(merged, node)?,
                Some((name, place)) => {
                    if has(entries, &name) {
                        return Err(at(place, format!("the key {} is given twice", quoted(&name))));
                    }
                    if entries.len() >= MAX_KEYS {
                        return Err(at(place, format!("there are more than {MAX_KEYS} keys")));
                    }
                    let node = Node { place, ..node };
                    entries.push(Entry { key: name, node });
                }
            },
        }
        Ok(())
    }
}

fn check_weight(weight: usize, place: Place) -> Result<(), Finding> {
    if weight > MAX_WEIGHT {
        return Err(at(place, "the file is too large after its aliases are expanded"));
    }
    Ok(())
}

fn key_of(node: Node) -> Result<(String, Place), Finding> {
    match node.value {
        Value::Text(text) => Ok((text, node.place)),
        Value::Null | Value::List(_) | Value::Map(_) => {
            Err(at(node.place, "a key must be a plain word"))
        }
    }
}

/// Takes the entries of a merge key's value: one map or a list of maps.
fn merge(merged: &mut Vec<Entry>, node: Node) -> Result<(), Finding> {
    match node.value {
        Value::Map(entries) => {
            for entry in entries {
                if merged.len() >= MAX_KEYS {
                    return Err(at(node.place, format!("there are more than {MAX_KEYS} keys")));
                }
                if !has(merged, &entry.key) {
                    merged.push(entry);
                }
            }
            Ok(())
        }
        Value::List(items) if items.iter().all(|n| matches!(n.value, Value::Map(_))) => {
            items.into_iter().try_for_each(|item| merge(merged, item))
        }
        Value::Null | Value::Text(_) | Value::List(_) => {
            Err(at(node.place, "the merge key \"<<\" needs a map or a list of maps"))
        }
    }
}

/// Whether the key is there, without regard to case.
fn has(entries: &[Entry], key: &str) -> bool {
    entries.iter().any(|entry| same(&entry.key, key))
}

/// Keys are compared without case.
pub(super) fn same(a: &str, b: &str) -> bool {
    a.eq_ignore_ascii_case(b)
}

fn depth(node: &Node) -> usize {
    match &node.value {
        Value::Null | Value::Text(_) => 0,
        Value::List(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Map(entries) => 1 + entries.iter().map(|e| depth(&e.node)).max().unwrap_or(0),
    }
}

/// Tags of the core schema say nothing new; others (`!secret`) would be lost silently.
fn refuse_tag(tag: Option<&Tag>, place: Place) -> Result<(), Finding> {
    match tag {
        Some(tag) if !tag.is_yaml_core_schema() && !tag.suffix.is_empty() => Err(at(
            place,
            format!(
                "the tag {} is not supported: write the value, or set an EVCC_… environment variable",
                quoted(&tag.to_string())
            ),
        )),
        _ => Ok(()),
    }
}

fn at(place: Place, text: impl Into<String>) -> Finding {
    Finding { place, path: String::new(), text: text.into() }
}
