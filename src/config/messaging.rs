//! `messaging`: what people are told of which event, and over which services
//! (plans-vehicles-devices.md §9.1).

use std::collections::BTreeMap;

use super::device::Sink;
use super::finding::Flaw;
use super::node::same;
use super::reader::{Field, Section};
use super::source;
use super::text::{did_you_mean, quoted};
use super::unsupported::Scope;
use crate::model::{EventKind, Template};

/// Most services with all their recipients.
const SERVICES_MAX: usize = 32;
/// Longest text of an event, in bytes.
const TEXT_MAX: usize = 4096;
/// Where ntfy's messages go without a host.
const NTFY: &str = "https://ntfy.sh";

/// Messages for people.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Messaging {
    /// The texts by the event's wire spelling.
    pub events: BTreeMap<String, EventText>,
    /// Who carries them; one for every recipient.
    pub services: Vec<Service>,
}

/// What people are told of one event.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EventText {
    /// The headline.
    pub title: Template,
    /// The text; nothing is sent while it is blank.
    pub msg: Template,
    /// Whether people want to be left alone.
    pub disabled: bool,
}

/// One way to one recipient.
#[derive(Clone, Debug, PartialEq)]
pub struct Service {
    /// What the user calls it: `telegram`, `ntfy`.
    pub name: &'static str,
    /// How it is reached.
    pub carrier: Carrier,
}

/// What carries a message.
#[derive(Clone, PartialEq)]
pub enum Carrier {
    /// A sink of the user's.
    Custom {
        /// Where the text is written.
        send: Sink,
        /// What the text is.
        encoding: MessageEncoding,
    },
    /// A topic of ntfy.
    Ntfy {
        /// The server.
        server: String,
        /// The topic.
        topic: String,
        /// 1 to 5.
        priority: Option<u8>,
        /// Tags and emojis.
        tags: Vec<String>,
        /// Access token; empty for none.
        token: String,
    },
    /// A user or group of Pushover.
    Pushover {
        /// The application's token.
        app: String,
        /// The user's key.
        recipient: String,
        /// Only these devices; empty for all.
        devices: Vec<String>,
    },
    /// A chat of Telegram.
    Telegram {
        /// The bot's token.
        token: String,
        /// The chat's number.
        chat: i64,
    },
    /// A notify service of Home Assistant.
    HomeAssistant {
        /// The server.
        server: String,
        /// `domain/service`.
        service: String,
        /// Long-lived access token.
        token: String,
        /// Do not verify the certificate.
        insecure: bool,
    },
    /// An application of Gotify.
    Gotify {
        /// The server.
        server: String,
        /// The application's token.
        token: String,
    },
    /// A webhook of Discord.
    Discord {
        /// The webhook's number.
        id: String,
        /// Its token.
        token: String,
    },
    /// Any URL that takes `{title, message}` as JSON.
    Webhook {
        /// The URL.
        uri: String,
    },
}

impl std::fmt::Debug for Carrier {
    /// Leaves tokens and addresses out.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Custom { .. } => "Custom",
            Self::Ntfy { .. } => "Ntfy",
            Self::Pushover { .. } => "Pushover",
            Self::Telegram { .. } => "Telegram",
            Self::HomeAssistant { .. } => "HomeAssistant",
            Self::Gotify { .. } => "Gotify",
            Self::Discord { .. } => "Discord",
            Self::Webhook { .. } => "Webhook",
        })
    }
}

/// What a custom service is sent (§7.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageEncoding {
    /// The text alone.
    Message,
    /// The headline alone.
    Title,
    /// `{"title": …, "msg": …}`.
    Json,
    /// Headline and text with a comma between them.
    Csv,
    /// Headline and text with a tab between them.
    Tsv,
}

type Read = fn(&Section<'_>) -> Result<Vec<Carrier>, Flaw>;

const SERVICES: &[(&str, Read)] = &[
    ("custom", custom),
    ("ntfy", ntfy),
    ("pushover", pushover),
    ("telegram", telegram),
    ("homeassistant", home_assistant),
    ("shout", shout),
    ("email", email),
];

const NO_MAIL: &str = "mail is not sent: let a script send it (type: custom, send: {source: \
    script, …}), or use a service that is reached over HTTP";

/// `messaging`; empty without.
pub(super) fn read(root: &Section<'_>) -> Messaging {
    let mut messaging = Messaging::default();
    let Some(section) = root.section("messaging") else { return messaging };
    if let Some(events) = section.get("events") {
        messaging.events = texts(&events);
    }
    for item in section.get("services").map(|field| field.items()).unwrap_or_default() {
        let Some(entry) = item.section() else { continue };
        match service(&entry) {
            Ok(services) => {
                messaging.services.extend(services);
                entry.finish(Scope::Other);
            }
            Err(Flaw::Reported) => {}
            Err(Flaw::Unsupported(mut finding)) => {
                finding.text.push_str("; the service is left out");
                item.report.notice(finding);
            }
        }
    }
    if messaging.services.len() > SERVICES_MAX {
        section.error("services", format!("are more than {SERVICES_MAX}, with all recipients"));
    }
    if messaging.services.is_empty() && !messaging.events.is_empty() {
        section.notice("services", "none can be used: nobody is told of the events");
    }
    section.finish(Scope::Other);
    messaging
}

fn texts(events: &Field<'_>) -> BTreeMap<String, EventText> {
    let mut texts = BTreeMap::new();
    for (name, field) in events.members() {
        let Some(entry) = field.section() else { continue };
        // evcc takes names without an event; they never fire.
        let Some(known) = EventKind::NAMES.iter().find(|known| same(known, &name)) else {
            let hint = did_you_mean(&name, EventKind::NAMES.iter().copied());
            field.notice(format!("there is no such event, nothing is sent{hint}"));
            continue;
        };
        let text = EventText {
            title: template(&entry, "title"),
            msg: template(&entry, "msg"),
            disabled: entry.flag("disabled").unwrap_or(false),
        };
        entry.finish(Scope::Other);
        texts.insert((*known).to_owned(), text);
    }
    texts
}

fn template(entry: &Section<'_>, key: &'static str) -> Template {
    let text = entry.text(key).unwrap_or_default();
    if text.len() > TEXT_MAX {
        entry.error(key, format!("is longer than {TEXT_MAX} bytes"));
    }
    let (template, flaws) = Template::parse(&text);
    flaws.into_iter().for_each(|flaw| entry.notice(key, flaw));
    template
}

/// The services of an entry: `type: ntfy`, or `type: template` and `template: ntfy`.
fn service(entry: &Section<'_>) -> Result<Vec<Service>, Flaw> {
    let kind = entry.need("type")?;
    let mut word = kind.text().ok_or(Flaw::Reported)?;
    let mut place = kind;
    if word.eq_ignore_ascii_case("template") {
        place = entry.need("template")?;
        word = place.text().ok_or(Flaw::Reported)?;
    }
    let word = word.replace('-', "");
    let Some((name, read)) = SERVICES.iter().find(|(name, _)| name.eq_ignore_ascii_case(&word))
    else {
        let names = || SERVICES.iter().map(|(name, _)| *name);
        let known = names().filter(|name| *name != "email").collect::<Vec<_>>().join(", ");
        let hint = did_you_mean(&word, names());
        return Err(place.unsupported(format!(
            "service {} is not known{hint}: known are {known}; custom reaches any other over a \
             script, HTTP or MQTT",
            quoted(&word)
        )));
    };
    let carriers = read(entry)?;
    Ok(carriers.into_iter().map(|carrier| Service { name, carrier }).collect())
}

fn custom(entry: &Section<'_>) -> Result<Vec<Carrier>, Flaw> {
    let field = entry.need("send")?;
    let send = source::sink(&field, "send")?;
    if !matches!(send, Sink::Mqtt { .. } | Sink::Http(_) | Sink::Script(_)) {
        return Err(field.unsupported("cannot take a text: use source mqtt, http or script"));
    }
    let encoding = match entry.get("encoding").and_then(|field| Some((field.text()?, field))) {
        None => MessageEncoding::Message,
        Some((word, field)) => match word.to_lowercase().as_str() {
            "" | "msg" | "message" => MessageEncoding::Message,
            "title" => MessageEncoding::Title,
            "json" => MessageEncoding::Json,
            "csv" => MessageEncoding::Csv,
            "tsv" => MessageEncoding::Tsv,
            _ => {
                field.error(format!("must be json, csv, tsv or title, found {}", quoted(&word)));
                return Err(Flaw::Reported);
            }
        },
    };
    Ok(vec![Carrier::Custom { send, encoding }])
}

/// `uri: https://host/topic,topic`, or `host` and `topics`.
fn ntfy(entry: &Section<'_>) -> Result<Vec<Carrier>, Flaw> {
    let (server, topics) = match entry.get("uri") {
        Some(field) => {
            let uri = web_address(&field)?;
            let Some((server, topics)) = uri.trim_end_matches('/').rsplit_once('/') else {
                return wrong(&field, "must be like https://ntfy.sh/my_topic");
            };
            if topics.is_empty() || server.ends_with('/') {
                return wrong(&field, "must end with the topic, like https://ntfy.sh/my_topic");
            }
            (server.to_owned(), topics.split(',').map(str::to_owned).collect())
        }
        None => {
            let server = entry.get("host").map(|field| web_address(&field)).transpose()?;
            let topics = entry.need("topics")?.names();
            (server.unwrap_or_else(|| NTFY.to_owned()), texts_of(topics))
        }
    };
    let priority = entry.get("priority").map(|field| ntfy_priority(&field)).transpose()?.flatten();
    let tags = entry.get("tags").map(|field| texts_of(field.names())).unwrap_or_default();
    let token = entry.text("authtoken").unwrap_or_default();
    let carrier = |topic| Carrier::Ntfy {
        server: server.clone(),
        topic,
        priority,
        tags: tags.clone(),
        token: token.clone(),
    };
    Ok(topics.into_iter().map(carrier).collect())
}

fn ntfy_priority(field: &Field<'_>) -> Result<Option<u8>, Flaw> {
    let word = field.text().ok_or(Flaw::Reported)?;
    let names = ["min", "low", "default", "high", "max"];
    let number = names.iter().position(|name| *name == word).map(|at| at + 1);
    let number = number.or_else(|| word.parse().ok().filter(|n| (1..=5).contains(n)));
    match number {
        Some(number) => Ok(u8::try_from(number).ok()),
        None if word.is_empty() => Ok(None),
        None => wrong(field, "must be max, high, default, low or min"),
    }
}

fn pushover(entry: &Section<'_>) -> Result<Vec<Carrier>, Flaw> {
    let app = entry.need("app")?.text().ok_or(Flaw::Reported)?;
    let devices = entry.get("devices").map(|field| texts_of(field.names())).unwrap_or_default();
    let recipients = texts_of(entry.need("recipients")?.names());
    let carrier =
        |recipient| Carrier::Pushover { app: app.clone(), recipient, devices: devices.clone() };
    Ok(recipients.into_iter().map(carrier).collect())
}

fn telegram(entry: &Section<'_>) -> Result<Vec<Carrier>, Flaw> {
    let token = entry.need("token")?.text().ok_or(Flaw::Reported)?;
    let mut carriers = Vec::new();
    for (field, chat) in entry.need("chats")?.names() {
        let Ok(chat) = chat.parse() else {
            return wrong(&field, "must be the chat's number, -210987654 or the like");
        };
        carriers.push(Carrier::Telegram { token: token.clone(), chat });
    }
    Ok(carriers)
}

/// evcc logs in at Home Assistant on its web page; ours takes a long-lived access token as `token`.
fn home_assistant(entry: &Section<'_>) -> Result<Vec<Carrier>, Flaw> {
    let server = web_address(&entry.need("uri")?)?;
    let service = entry.text("notify").filter(|notify| !notify.is_empty());
    let service = service.unwrap_or_else(|| "persistent_notification.create".to_owned());
    let service = service.replacen('.', "/", 1);
    let Some(token) = entry.text("token") else {
        return Err(Flaw::Unsupported(entry.finding(
            "token",
            "is missing: make a long-lived access token in your profile of Home Assistant",
        )));
    };
    let insecure = entry.flag("insecure").unwrap_or(false);
    Ok(vec![Carrier::HomeAssistant { server, service, token, insecure }])
}

/// The services of shoutrrr that take one HTTP request, by their URLs.
fn shout(entry: &Section<'_>) -> Result<Vec<Carrier>, Flaw> {
    let field = entry.need("uri")?;
    let uri = field.text().ok_or(Flaw::Reported)?;
    let (scheme, rest) = uri.split_once("://").unwrap_or(("", &uri));
    let (address, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (user, host) = address.split_once('@').unwrap_or(("", address));
    let (host, path) = host.split_once('/').unwrap_or((host, ""));
    let carrier = match scheme {
        "generic+https" => Carrier::Webhook { uri: format!("https://{rest}") },
        "generic+http" => Carrier::Webhook { uri: format!("http://{rest}") },
        "generic" => Carrier::Webhook { uri: format!("https://{rest}") },
        "ntfy" => Carrier::Ntfy {
            server: if path.is_empty() { NTFY.to_owned() } else { format!("https://{host}") },
            topic: if path.is_empty() { host } else { path }.to_owned(),
            priority: None,
            tags: Vec::new(),
            token: user.trim_start_matches(':').to_owned(),
        },
        "gotify" => Carrier::Gotify { server: format!("https://{host}"), token: path.to_owned() },
        "discord" => Carrier::Discord { id: host.to_owned(), token: user.to_owned() },
        "pushover" => Carrier::Pushover {
            app: user.rsplit(':').next().unwrap_or_default().to_owned(),
            recipient: host.to_owned(),
            devices: Vec::new(),
        },
        "telegram" => return shout_telegram(&field, user, query),
        "smtp" => return Err(field.unsupported(NO_MAIL)),
        _ => {
            return Err(field.unsupported(
                "is none of ntfy://, gotify://, discord://, pushover://, telegram://, \
                 generic+https://: use type custom with send over HTTP",
            ));
        }
    };
    Ok(vec![carrier])
}

/// `telegram://token@telegram?chats=1,2`
fn shout_telegram(field: &Field<'_>, token: &str, query: &str) -> Result<Vec<Carrier>, Flaw> {
    let chats = query.split('&').filter_map(|pair| pair.split_once('='));
    let chats = chats.filter(|(name, _)| ["chats", "channels"].contains(name));
    let numbers: Option<Vec<i64>> =
        chats.flat_map(|(_, chats)| chats.split(',')).map(|chat| chat.parse().ok()).collect();
    match numbers.filter(|numbers| !numbers.is_empty()) {
        Some(numbers) => {
            let carrier = |chat| Carrier::Telegram { token: token.to_owned(), chat };
            Ok(numbers.into_iter().map(carrier).collect())
        }
        None => wrong(field, "must name chats by number: telegram://token@telegram?chats=-123"),
    }
}

fn email(entry: &Section<'_>) -> Result<Vec<Carrier>, Flaw> {
    Err(Flaw::Unsupported(entry.finding("type", NO_MAIL)))
}

/// An address of the web; `https` where no scheme is written.
fn web_address(field: &Field<'_>) -> Result<String, Flaw> {
    let text = field.text().ok_or(Flaw::Reported)?;
    let address = text.trim().trim_end_matches('/');
    let known = address.starts_with("https://") || address.starts_with("http://");
    match address.is_empty() || (address.contains("://") && !known) {
        true => wrong(field, "must be a host or begin with https:// or http://"),
        false if known => Ok(address.to_owned()),
        false => Ok(format!("https://{address}")),
    }
}

/// The value is not repeated: it may hold a token.
fn wrong<T>(field: &Field<'_>, text: &str) -> Result<T, Flaw> {
    field.error(text);
    Err(Flaw::Reported)
}

fn texts_of(names: Vec<(Field<'_>, String)>) -> Vec<String> {
    names.into_iter().map(|(_, name)| name).collect()
}
