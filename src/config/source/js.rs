//! `source: js`: what a piece of JavaScript makes of other values (§7.1).

use super::{Field, Flaw, Section, Sink, Source, Want, http};
use crate::config::plugin::{JsInput, JsKind, JsSource, SetComposite};
use crate::config::text::quoted;

const KINDS: &[(&str, JsKind)] = &[
    ("string", JsKind::Text),
    ("float", JsKind::Float),
    ("int", JsKind::Int),
    ("bool", JsKind::Bool),
];

pub(super) fn source(section: Section<'_>, _want: Want) -> Result<Source, Flaw> {
    let script = script(&section)?;
    section.finish_strict();
    Ok(Source::Js(Box::new(script)))
}

pub(super) fn sink(section: Section<'_>, name: &str) -> Result<Sink, Flaw> {
    let script = script(&section);
    let mut outputs = Ok(Vec::new());
    for item in section.get("out").iter().flat_map(Field::items) {
        let output = variable(&item).and_then(|(section, _, kind)| {
            let sink = section.need("config").and_then(|field| super::sink(&field, name));
            section.finish_strict();
            if kind == JsKind::Text {
                section_error(&item, "texts cannot be written yet: use float, int or bool")?;
            }
            Ok((kind, sink?))
        });
        outputs = outputs.and_then(|mut outputs: Vec<_>| {
            outputs.push(output?);
            Ok(outputs)
        });
    }
    section.finish_strict();
    let (script, name) = (script?, name.to_owned());
    Ok(Sink::Composite(Box::new(SetComposite::Js { script, name, outputs: outputs? })))
}

fn section_error(item: &Field<'_>, text: &str) -> Result<(), Flaw> {
    item.error(text);
    Err(Flaw::Reported)
}

fn script(section: &Section<'_>) -> Result<JsSource, Flaw> {
    let script = section.need("script").and_then(|field| field.text().ok_or(Flaw::Reported));
    let vm = section.text("vm").filter(|vm| !vm.is_empty());
    let interval = http::interval(section);
    let items = section.get("in").map(|field| field.items()).unwrap_or_default();
    let inputs: Vec<_> = items.iter().map(input).collect();
    let inputs = inputs.into_iter().collect::<Result<_, _>>();
    Ok(JsSource { script: script?, vm, inputs: inputs?, interval })
}

fn input(item: &Field<'_>) -> Result<JsInput, Flaw> {
    let (section, name, kind) = variable(item)?;
    let want = match kind {
        JsKind::Text => Want::Text,
        JsKind::Float | JsKind::Int => Want::Number,
        JsKind::Bool => Want::Flag,
    };
    let source = section.need("config").and_then(|field| super::source(&field, want));
    section.finish_strict();
    Ok(JsInput { name, kind, source: source? })
}

/// `name` and `type` of an entry of `in` or `out`.
fn variable<'a>(item: &Field<'a>) -> Result<(Section<'a>, String, JsKind), Flaw> {
    let section = item.section().ok_or(Flaw::Reported)?;
    let field = section.need("name")?;
    let name = field.text().ok_or(Flaw::Reported)?;
    let letter = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '$';
    if name.starts_with(|c: char| !letter(c) || c.is_ascii_digit()) || !name.chars().all(letter) {
        field.error(format!("must be the name of a variable, found {}", quoted(&name)));
        return Err(Flaw::Reported);
    }
    let field = section.need("type")?;
    let word = field.text().ok_or(Flaw::Reported)?.to_lowercase();
    let Some((_, kind)) = KINDS.iter().find(|(known, _)| *known == word) else {
        field.error(format!("must be one of string, float, int, bool, found {}", quoted(&word)));
        return Err(Flaw::Reported);
    };
    Ok((section, name, *kind))
}
