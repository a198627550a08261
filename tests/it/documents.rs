//! Documents that are made from the code: written again by the test, which fails if they differed.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use chargebus::api::{self, Cadence, Field, Kind, Scope, Told};

use crate::support;

#[test]
fn the_page_of_fields_is_up_to_date() {
    let mut page = String::from(
        "# Fields\n\n\
        This page is made from the field table (`src/api/table/`). All topics are below the root, \
        `evcc` if nothing else is configured, and retained. A field with limits is written at \
        `<topic>/set`, or at the topic that is given; the answer comes at `<topic>/set/result`. \
        REST paths are below `/api`.\n\n\
        Times are Unix seconds on MQTT and RFC 3339 in JSON, durations are seconds, three phases are \
        `/l1`, `/l2`, `/l3` and their sum, lists are a count and `/1`, `/2` …, objects have a topic \
        for each member. An empty payload says that there is no value.\n",
    );
    let sections = [
        (Scope::Site, "Site", "site"),
        (Scope::LoadPoint, "Load points", "loadpoints/<n>"),
        (Scope::Vehicle, "Vehicles", "vehicles/<name>"),
    ];
    for (scope, title, prefix) in sections {
        let rows = || api::rows(scope).iter().filter(|field| !field.mirror);
        write!(page, "\n## {title}\n\n### Settings\n\n").unwrap();
        page.push_str("| Topic | Values | REST | Meaning |\n|---|---|---|---|\n");
        rows()
            .filter(|field| field.write.is_some())
            .for_each(|field| setting(&mut page, prefix, field));
        write!(page, "\n### State\n\n| Topic | Kind | When | Meaning |\n|---|---|---|---|\n")
            .unwrap();
        rows()
            .filter(|field| field.write.is_none())
            .for_each(|field| state(&mut page, prefix, field));
        let mirrors: Vec<_> = api::rows(scope).iter().filter(|field| field.mirror).collect();
        if !mirrors.is_empty() {
            write!(
                page,
                "\n### Old names\n\n| Topic | Kind | When | Meaning |\n|---|---|---|---|\n"
            )
            .unwrap();
            mirrors.into_iter().for_each(|field| state(&mut page, prefix, field));
        }
    }
    page.push_str("\n## Keys of evcc that are not told\n\n| Keys | Why |\n|---|---|\n");
    for group in api::NOT_TOLD {
        let keys: Vec<_> = group.keys.iter().map(|key| format!("`{key}`")).collect();
        writeln!(page, "| {} | {} |", keys.join(" "), group.why).unwrap();
    }
    hold("docs/generated/fields.md", &page);
}

#[test]
fn the_machine_readable_documents_are_up_to_date() {
    for (name, document) in [("openapi", api::openapi()), ("asyncapi", api::asyncapi())] {
        let text = serde_json::to_string_pretty(&document).unwrap();
        hold(&format!("docs/generated/{name}.json"), &format!("{text}\n"));
    }
}

#[test]
fn the_official_validators_find_nothing() {
    let Some((node, folder)) = support::clients() else { return };
    let valid = |openapi: &Path| {
        let generated = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/generated");
        let run = Command::new(&node)
            .arg(folder.join("validate.mjs"))
            .args([openapi, &generated.join("asyncapi.json")])
            .output()
            .unwrap();
        (run.status.success(), String::from_utf8_lossy(&run.stderr).into_owned())
    };
    let openapi = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/generated/openapi.json");
    assert_eq!(valid(&openapi), (true, String::new()));
    let mut broken = api::openapi();
    broken["info"]["title"] = serde_json::json!(1);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("broken.json");
    std::fs::write(&path, broken.to_string()).unwrap();
    assert!(!valid(&path).0, "the validator finds nothing in a broken document");
}

fn setting(page: &mut String, prefix: &str, field: &Field) {
    let write = field.write.unwrap();
    let topic = match field.told {
        Told::Nowhere | Told::Vintage | Told::Config => format!("`{prefix}/{}/set`", write.name),
        Told::Everywhere | Told::JsonOnly | Told::TopicOnly(_) => {
            let mut topic = format!("`{prefix}/{}`", field.key);
            for name in write.names().filter(|name| *name != field.key) {
                write!(topic, "<br>`{prefix}/{name}/set`").unwrap();
            }
            topic
        }
    };
    let mut values = match (field.kind, write.range) {
        (Kind::Enum(words), _) => {
            words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(" ")
        }
        (_, Some((min, max))) => format!("{min} … {max} {}", field.unit),
        (kind, None) => kind_name(kind).to_owned(),
    };
    if write.clears {
        values.push_str(" or `none`");
    }
    let method = write.rest.method.as_str();
    let set = write.rest.set.iter().map(|path| format!("{method} `{path}`"));
    let unset = write.rest.unset.iter().map(|path| format!("DELETE `{path}`"));
    let routes: Vec<_> = set.chain(unset).collect();
    writeln!(page, "| {topic} | {values} | {} | {} |", routes.join("<br>"), field.doc).unwrap();
}

fn state(page: &mut String, prefix: &str, field: &Field) {
    let topic = match (field.told, field.topic()) {
        (Told::Config, _) => format!("`{}` in JSON; with `mqtt.publish_config` on MQTT", field.key),
        (Told::Vintage, _) => format!("`{prefix}/{}` with `compat.v0119`", field.key),
        (_, Some(topic)) => format!("`{prefix}/{topic}`"),
        (_, None) => format!("`{}` in JSON only", field.key),
    };
    let kind = if let Kind::Enum(words) = field.kind {
        words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(" ")
    } else {
        let unit = if field.unit.is_empty() { "" } else { ", " };
        format!("{}{unit}{}", kind_name(field.kind), field.unit)
    };
    let when = match field.cadence {
        Cadence::Once => "at start",
        Cadence::OnChange => "on change",
        Cadence::Sampled => "with samples",
    };
    writeln!(page, "| {topic} | {kind} | {when} | {} |", field.doc).unwrap();
}

fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Bool => "bool",
        Kind::Int => "whole number",
        Kind::Float | Kind::Price => "number",
        Kind::Duration => "duration",
        Kind::Time => "time",
        Kind::Enum(_) => "word",
        Kind::Text => "text",
        Kind::Phases => "three phases",
        Kind::List => "list",
        Kind::Object => "object",
        Kind::Json => "JSON",
    }
}

/// Fails if the file is not what it should be, after making it so.
fn hold(path: &str, content: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    if found != content {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        panic!("{} was out of date and has been written again", path.display());
    }
}
