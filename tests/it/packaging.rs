//! Containers: what docker-compose.yml, Dockerfile and their files promise each other and the program.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use chargebus::config::{Config, Mqtt};
use chargebus::edges::broker::BrokerConfig;
use chargebus::edges::command::Arguments;
use chargebus::edges::password;
use clap::Parser as _;
use saphyr_parser::{Event, Parser};
use serde_json::{Map, Value, json};

use crate::tidy::root;

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// A YAML file as JSON; scalars stay text. Anchors and merge keys are resolved.
fn yaml(path: &str) -> Value {
    /// Keys of the map win over merged ones.
    fn map(items: Vec<Value>) -> Value {
        let (mut own, mut merged) = (Map::new(), Map::new());
        for pair in items.chunks(2) {
            match (pair[0].as_str().unwrap(), pair[1].clone()) {
                ("<<", Value::Object(map)) => merged.extend(map),
                (key, value) => drop(own.insert(key.to_owned(), value)),
            }
        }
        merged.extend(own);
        Value::Object(merged)
    }
    let mut open: Vec<(usize, Vec<Value>)> = vec![(0, Vec::new())];
    let mut anchors = BTreeMap::new();
    for event in Parser::new_from_str(&read(path)) {
        let (anchor, value) = match event.unwrap_or_else(|error| panic!("{path}: {error}")).0 {
            Event::Scalar(text, _, anchor, _) => (anchor, json!(text)),
            Event::Alias(anchor) => (0, Value::clone(&anchors[&anchor])),
            Event::SequenceStart(anchor, _) | Event::MappingStart(anchor, _) => {
                open.push((anchor, Vec::new()));
                continue;
            }
            Event::SequenceEnd => {
                let (anchor, items) = open.pop().unwrap();
                (anchor, Value::Array(items))
            }
            Event::MappingEnd => {
                let (anchor, items) = open.pop().unwrap();
                (anchor, map(items))
            }
            Event::DocumentStart(_)
            | Event::DocumentEnd
            | Event::StreamStart
            | Event::StreamEnd
            | Event::Nothing => continue,
        };
        anchors.insert(anchor, value.clone());
        open.last_mut().unwrap().1.push(value);
    }
    open.remove(0).1.remove(0)
}

fn words(value: &Value) -> Vec<&str> {
    value.as_array().into_iter().flatten().map(|word| word.as_str().unwrap()).collect()
}

/// The services that run with a profile, by name.
fn services(profile: &str) -> BTreeMap<String, Value> {
    let compose = yaml("docker-compose.yml");
    let all = compose["services"].as_object().unwrap().clone().into_iter();
    all.filter(|(_, service)| {
        let profiles = words(&service["profiles"]);
        profiles.is_empty() || profiles.contains(&profile)
    })
    .collect()
}

/// `environment`, written as a map or as a list; `None` hands the variable on as it is outside.
fn environment(service: &Value) -> BTreeMap<String, Option<String>> {
    let environment = &service["environment"];
    if let Some(map) = environment.as_object() {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        return map.iter().map(|(name, value)| (name.clone(), text(value))).collect();
    }
    let pair = |line: &str| match line.split_once('=') {
        Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
        None => (line.to_owned(), None),
    };
    words(environment).into_iter().map(pair).collect()
}

/// The arguments of a Dockerfile's instructions of one kind.
fn instructions(kind: &str) -> Vec<String> {
    let text = read("Dockerfile").replace("\\\n", " ");
    let prefix = format!("{kind} ");
    text.lines().filter_map(|line| line.strip_prefix(&prefix)).map(str::to_owned).collect()
}

fn json_form(instruction: &str) -> Vec<String> {
    let list = &instruction[instruction.find('[').unwrap()..];
    serde_json::from_str(list).unwrap()
}

/// The broker that chargebus connects to in a service, with evcc.yaml as the example has it.
fn configured(service: &Value) -> Config {
    let environment = environment(service);
    let look_up = |name: &str| environment.get(name).cloned().flatten();
    Config::parse(Config::example(), &look_up).unwrap().config
}

#[test]
fn a_profile_chooses_the_broker() {
    let names = |profile| services(profile).into_keys().collect::<Vec<_>>();
    assert_eq!(names("mosquitto"), ["chargebus", "database", "grafana", "mosquitto", "teslamate"]);
    assert_eq!(names("embedded"), ["chargebus-embedded", "database", "grafana", "teslamate"]);

    for (profile, broker) in [("mosquitto", "mosquitto"), ("embedded", "chargebus-embedded")] {
        let services = services(profile);
        let host = environment(&services["teslamate"])["MQTT_HOST"].clone().unwrap();
        let answers =
            |service: &Value| words(&service["networks"]["default"]["aliases"]).contains(&&*host);
        let brokers: Vec<_> = services.iter().filter(|(_, service)| answers(service)).collect();
        assert_eq!(brokers.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), [broker]);
    }
    assert!(read("docker/env.example").contains("\nCOMPOSE_PROFILES=mosquitto\n"));
}

#[test]
fn chargebus_finds_its_broker_in_either_profile() {
    let host_and_port =
        |mqtt: Option<Mqtt>| mqtt.map(|mqtt| format!("{}:{}", mqtt.host, mqtt.port));
    let config = configured(&services("mosquitto")["chargebus"]);
    assert_eq!(host_and_port(config.mqtt).as_deref(), Some("mosquitto:1883"));

    let config = configured(&services("embedded")["chargebus-embedded"]);
    let own = host_and_port(config.mqtt).unwrap();
    assert!(own.starts_with("127.0.0.1:"), "{own}: nobody else may use the door without password");
    assert!(read("docker/broker.toml").contains(&format!("\naddress = \"{own}\"\n")));
}

#[test]
fn the_example_is_accepted_without_a_word() {
    let checked = Config::parse(Config::example(), &|_| None).unwrap();
    assert_eq!(checked.notices, []);
}

#[test]
fn the_containers_are_closed_boxes() {
    for (profile, name) in [("mosquitto", "chargebus"), ("embedded", "chargebus-embedded")] {
        let service = &services(profile)[name];
        assert_eq!(service["read_only"], "true");
        assert_eq!(words(&service["cap_drop"]), ["all"]);

        let config = configured(service);
        assert_eq!((config.network.host.as_str(), config.network.port), ("0.0.0.0", 7070));
        let database = config.database.unwrap();
        let folder = Path::new(&database).parent().unwrap().to_str().unwrap();
        let volume = words_or_maps(&service["volumes"]).find(|(_, target)| target == folder);
        assert!(volume.is_some(), "{folder} is no volume, and the rest cannot be written");
        assert_eq!(instructions("VOLUME"), [folder]);
        assert_eq!(instructions("ENV"), [format!("EVCC_DATABASE_DSN={database}")]);
    }
    let user = instructions("USER").pop().unwrap();
    let id: u32 = user.split(':').next().unwrap().parse().unwrap();
    assert!(id > 0, "root");
}

/// Source and target of every mount.
fn words_or_maps(volumes: &Value) -> impl Iterator<Item = (String, String)> {
    volumes.as_array().into_iter().flatten().map(|volume| match volume.as_str() {
        Some(short) => {
            let mut parts = short.split(':').map(str::to_owned);
            (parts.next().unwrap(), parts.next().unwrap())
        }
        None => {
            let part = |key: &str| volume[key].as_str().unwrap().to_owned();
            (part("source"), part("target"))
        }
    })
}

#[test]
fn everything_that_is_mounted_exists() {
    // Made by the user from an example; made by Compose.
    let made = BTreeMap::from([("./evcc.yaml", "evcc.example.yaml"), ("./import", "")]);
    let compose = yaml("docker-compose.yml");
    let volumes = compose["volumes"].as_object().unwrap();
    let mut used = BTreeSet::new();
    let arguments = instructions("CMD")[0].clone()
        + &compose["services"]["chargebus-embedded"]["command"].to_string();
    for (name, service) in compose["services"].as_object().unwrap() {
        for (source, target) in words_or_maps(&service["volumes"]) {
            if source.starts_with('.') {
                let file = made.get(&*source).copied().unwrap_or(&source);
                assert!(root().join(file).exists(), "{name}: {source}");
                let read = !target.starts_with("/etc/") || arguments.contains(&target);
                assert!(read, "{name}: nobody reads {target}");
            } else {
                assert!(volumes.contains_key(&source), "{name}: {source}");
                used.insert(source);
            }
        }
    }
    assert_eq!(used, volumes.keys().cloned().collect());
}

#[test]
fn no_secret_and_no_open_door_by_default() {
    let compose = yaml("docker-compose.yml");
    for (name, service) in compose["services"].as_object().unwrap() {
        for (variable, value) in environment(service) {
            let secret = ["PASS", "KEY"].iter().any(|word| variable.contains(word));
            if let Some(value) = value.filter(|_| secret) {
                assert!(
                    value.starts_with("${") && value.contains(":?"),
                    "{name}: {variable}={value}"
                );
            }
        }
        for port in words(&service["ports"]) {
            assert!(port.starts_with("${LISTEN:-127.0.0.1}:"), "{name}: {port}");
        }
    }
    let refused = BrokerConfig::parse(&read("docker/broker.toml"), Path::new("")).unwrap_err();
    assert!(format!("{refused:#}").contains("there are no [[users]]"), "{refused:#}");
}

#[test]
fn the_environment_example_names_every_variable() {
    let example = read("docker/env.example");
    let offered: BTreeSet<&str> = example
        .lines()
        .filter_map(|line| line.trim_start_matches('#').split_once('='))
        .map(|(name, _)| name)
        .filter(|name| name.chars().all(|letter| letter.is_ascii_uppercase() || letter == '_'))
        .collect();
    let text = read("docker-compose.yml");
    let interpolated = text.split("${").skip(1).map(|rest| rest.split([':', '}']).next().unwrap());
    let compose = yaml("docker-compose.yml");
    let handed_on: Vec<String> = compose["services"]
        .as_object()
        .unwrap()
        .values()
        .flat_map(environment)
        .filter_map(|(name, value)| value.is_none().then_some(name))
        .collect();
    let needed: BTreeSet<&str> = interpolated.chain(handed_on.iter().map(String::as_str)).collect();
    assert_eq!(offered, needed);
    for line in example.lines().filter(|line| line.contains("KEY=") || line.contains("PASSWORD=")) {
        assert!(line.ends_with('='), "{line}: a secret that everybody knows");
    }
}

#[test]
fn the_brokers_users_are_accepted_once_they_have_passwords() {
    let hash = password::hash("a password of the test").unwrap();
    let mut text = String::new();
    let mut users = 0;
    for line in read("docker/broker.toml").lines() {
        let key = ["[[users]]", "name = ", "hash = ", "read = ", "write = "]
            .iter()
            .any(|start| line.strip_prefix("# ").is_some_and(|line| line.starts_with(start)));
        users += usize::from(line == "# [[users]]");
        text += match line.strip_prefix("# ").filter(|_| key) {
            Some(line) if line.starts_with("hash") => format!("hash = \"{hash}\"\n"),
            Some(line) => format!("{line}\n"),
            None => format!("{line}\n"),
        }
        .as_str();
    }
    assert_eq!(users, 3);
    BrokerConfig::parse(&text, Path::new("")).unwrap();
}

#[test]
fn every_command_of_a_container_exists() {
    let health = json_form(&instructions("HEALTHCHECK")[0]);
    assert_eq!(health, ["chargebus", "health"]);
    let entry = json_form(&instructions("ENTRYPOINT")[0]);
    let mut lines =
        vec![health.clone(), [entry.clone(), json_form(&instructions("CMD")[0])].concat()];
    for (profile, name) in [("mosquitto", "chargebus"), ("embedded", "chargebus-embedded")] {
        let service = &services(profile)[name];
        let test = words(&service["healthcheck"]["test"]);
        assert_eq!(
            (test[0], &test[1..]),
            ("CMD", &*health.iter().map(String::as_str).collect::<Vec<_>>())
        );
        let command = words(&service["command"]).into_iter().map(str::to_owned).collect();
        lines.push([entry.clone(), command].concat());
    }
    for line in lines {
        let parsed = Arguments::try_parse_from(&line);
        assert!(parsed.is_ok(), "{line:?}: {}", parsed.unwrap_err());
    }
}

#[test]
fn the_image_is_built_from_what_it_needs() {
    let copies: Vec<String> =
        instructions("COPY").into_iter().filter(|line| !line.starts_with("--from")).collect();
    let copied: BTreeSet<&str> = copies
        .iter()
        .flat_map(|line| line.split_whitespace().rev().skip(1).collect::<Vec<_>>())
        .collect();
    let ignore = read(".dockerignore");
    let let_through: BTreeSet<&str> =
        ignore.lines().filter_map(|line| line.strip_prefix('!')).collect();
    assert_eq!(copied, let_through, "Dockerfile and .dockerignore");

    // Files outside src/ that become part of the program.
    for source in crate::tidy::sources("src") {
        let folder = Path::new(source.path()).parent().unwrap().to_owned();
        for included in source.included() {
            let mut path = folder.clone();
            for part in Path::new(included).components() {
                match part.as_os_str().to_str().unwrap() {
                    ".." => drop(path.pop()),
                    part => path.push(part),
                }
            }
            let top = path.components().next().unwrap().as_os_str().to_str().unwrap().to_owned();
            assert!(top == "tests" || copied.contains(&*top), "{}: {included}", source.path());
        }
    }

    // The manifest refuses to be read when a file that it names is missing.
    let manifest: toml::Table = read("Cargo.toml").parse().unwrap();
    let run = instructions("RUN").join(" ");
    for kind in ["test", "bench", "example"] {
        for target in manifest.get(kind).and_then(|list| list.as_array()).into_iter().flatten() {
            let path = target["path"].as_str().unwrap();
            assert!(run.contains(path), "{path} is neither copied nor touched");
        }
    }
    let rust = manifest["package"]["rust-version"].as_str().unwrap();
    assert!(instructions("FROM")[0].starts_with(&format!("rust:{rust}-slim-")));
}
