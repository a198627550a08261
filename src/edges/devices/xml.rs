//! XML as JSON, for jq (plans-vehicles-devices.md §7.2): attributes are members `attr<Name>`, elements of one
//! name are a list, all values are texts.

use roxmltree::{Document, Node, ParsingOptions};
use serde_json::{Map, Value as Json};

/// Elements, attributes and texts of one document.
const NODES_MAX: u32 = 20_000;
/// Elements within each other.
const DEPTH_MAX: usize = 64;

/// The document as JSON.
///
/// # Errors
/// It is not XML, has a DTD, or is too large or too deep.
pub(super) fn json(text: &str) -> Result<String, String> {
    let options = ParsingOptions { nodes_limit: NODES_MAX, ..ParsingOptions::default() };
    let document =
        Document::parse_with_options(text, options).map_err(|error| error.to_string())?;
    let root = document.root_element();
    let mut whole = Map::new();
    whole.insert(root.tag_name().name().to_owned(), element(root, 1)?);
    Ok(Json::Object(whole).to_string())
}

fn element(node: Node<'_, '_>, depth: usize) -> Result<Json, String> {
    if depth > DEPTH_MAX {
        return Err(format!("nested deeper than {DEPTH_MAX} elements"));
    }
    let mut members = Map::new();
    for attribute in node.attributes() {
        members.insert(format!("attr{}", attribute.name()), attribute.value().into());
    }
    let mut content = String::new();
    for child in node.children() {
        if child.is_element() {
            let value = element(child, depth + 1)?;
            match members.get_mut(child.tag_name().name()) {
                Some(Json::Array(list)) => list.push(value),
                Some(first) => *first = Json::Array(vec![first.take(), value]),
                None => {
                    members.insert(child.tag_name().name().to_owned(), value);
                }
            }
        } else if child.is_text() {
            content.push_str(child.text().unwrap_or_default());
        }
    }
    let content = content.trim();
    if members.is_empty() {
        return Ok(content.into());
    }
    if !content.is_empty() {
        members.insert("#content".to_owned(), content.into());
    }
    Ok(Json::Object(members))
}
