//! `messaging`, `influx` and `metrics` of the configuration.

use chargebus::config::{Carrier, Config, MessageEncoding, Sink};

fn parse(text: &str) -> (Config, Vec<String>) {
    let checked = Config::parse(text, &|_| None).unwrap_or_else(|errors| panic!("{errors}"));
    let notices = checked.notices.iter().map(ToString::to_string);
    (checked.config, notices.filter(|notice| !notice.contains("none are configured")).collect())
}

fn services(entries: &str) -> (Vec<Carrier>, Vec<String>) {
    let (config, notices) = parse(&format!("broker: true\nmessaging:\n services:\n{entries}"));
    (config.messaging.services.into_iter().map(|service| service.carrier).collect(), notices)
}

fn errors(text: &str) -> Vec<String> {
    let errors = Config::parse(text, &|_| None).unwrap_err();
    errors.errors.iter().map(ToString::to_string).collect()
}

#[test]
fn events_have_a_title_and_a_text() {
    let (config, notices) = parse(
        "messaging:\n events:\n  start: {title: A, msg: 'b ${mode}'}\n  STOP: {msg: c, disabled: \
         true}\n  conect: {msg: x}\n  soc: {msg: '{{if .mode}}x{{end}}'}\n services:\n - {type: \
         ntfy, uri: 'http://host/topic'}\n",
    );
    assert_eq!(
        notices,
        [
            "5:3 messaging.events.conect: there is no such event, nothing is sent (did you mean \
             \"connect\"?)",
            "6:9 messaging.events.soc.msg: has \"{{end}}\", which stays as it is: write ${name} \
             or ${name:%.1f}",
            "6:9 messaging.events.soc.msg: has \"{{if .mode}}\", which stays as it is: write \
             ${name} or ${name:%.1f}",
        ]
    );
    let events = &config.messaging.events;
    assert_eq!(events.keys().collect::<Vec<_>>(), ["soc", "start", "stop"]);
    assert_eq!((&*events["start"].title.source, events["start"].disabled), ("A", false));
    assert!(events["stop"].disabled && events["stop"].title.is_blank());
}

#[test]
fn a_service_is_read_once_per_recipient() {
    let ntfy = |topic: &str| Carrier::Ntfy {
        server: "https://ntfy.sh".into(),
        topic: topic.into(),
        priority: Some(4),
        tags: vec!["car".into(), "zap".into()],
        token: "t".into(),
    };
    let pushover = |recipient: &str| Carrier::Pushover {
        app: "a".into(),
        recipient: recipient.into(),
        devices: vec!["phone".into()],
    };
    let telegram = |chat| Carrier::Telegram { token: "1:x".into(), chat };
    for (entries, expected) in [
        (
            " - {type: ntfy, uri: 'https://ntfy.sh/a,b', priority: high, tags: 'car,zap', \
             authtoken: t}\n",
            vec![ntfy("a"), ntfy("b")],
        ),
        (
            " - {type: template, template: ntfy, topics: [a], priority: 4, tags: [car, zap], \
             authtoken: t}\n",
            vec![ntfy("a")],
        ),
        (
            " - {type: pushover, app: a, recipients: [u, v], devices: phone}\n",
            vec![pushover("u"), pushover("v")],
        ),
        (" - {type: telegram, token: '1:x', chats: [5, -6]}\n", vec![telegram(5), telegram(-6)]),
        (
            " - {type: shout, uri: 'telegram://1:x@telegram?chats=5,-6'}\n",
            vec![telegram(5), telegram(-6)],
        ),
        (
            " - {type: shout, uri: 'gotify://host/tok'}\n - {type: shout, uri: \
             'discord://tok@id'}\n - {type: shout, uri: 'generic+http://host:80/x?y=1'}\n",
            vec![
                Carrier::Gotify { server: "https://host".into(), token: "tok".into() },
                Carrier::Discord { id: "id".into(), token: "tok".into() },
                Carrier::Webhook { uri: "http://host:80/x?y=1".into() },
            ],
        ),
        (
            " - {type: template, template: home-assistant, uri: 'http://ha:8123', notify: \
             notify.phone, token: t}\n",
            vec![Carrier::HomeAssistant {
                server: "http://ha:8123".into(),
                service: "notify/phone".into(),
                token: "t".into(),
                insecure: false,
            }],
        ),
        (
            " - {type: custom, encoding: json, send: {source: mqtt, topic: a/b}}\n",
            vec![Carrier::Custom {
                send: Sink::Mqtt { topic: "a/b".into(), payload: None, retained: false },
                encoding: MessageEncoding::Json,
            }],
        ),
    ] {
        assert_eq!(services(entries), (expected, vec![]), "{entries}");
    }
}

#[test]
fn what_cannot_be_reached_is_left_out_with_its_remedy() {
    for (entry, remedy) in [
        ("{type: email, uri: 'smtp://u:secret@host'}", "let a script send it"),
        ("{type: shout, uri: 'smtp://u:secret@host'}", "let a script send it"),
        ("{type: shout, uri: 'teams://secret@host'}", "use type custom with send over HTTP"),
        (
            "{type: custom, send: {source: modbus, uri: 'h:502', id: 1, register: {type: \
             writesingle, address: 1}}}",
            "cannot take a text: use source mqtt, http or script",
        ),
        ("{type: signal}", "custom reaches any other over a script, HTTP or MQTT"),
        ("{type: telegramm}", "did you mean \"telegram\"?"),
        ("{type: homeassistant, uri: ha}", "make a long-lived access token"),
    ] {
        let (services, notices) = services(&format!(" - {entry}\n"));
        assert_eq!(services, [], "{entry}");
        let [notice] = &*notices else { panic!("{entry}: {notices:?}") };
        assert!(
            notice.contains(remedy) && notice.ends_with("; the service is left out"),
            "{notice}"
        );
        assert!(!notice.contains("secret"), "{notice}");
    }
}

#[test]
fn wrong_values_are_errors() {
    for (text, expected) in [
        (
            "messaging: {services: [{type: telegram, token: x, chats: me}]}",
            "1:51 messaging.services[0].chats: must be the chat's number, -210987654 or the like",
        ),
        ("messaging: {services: [{type: pushover, app: a}]}", "recipients: is missing"),
        (
            "messaging: {services: [{type: ntfy, uri: 'https://ntfy.sh'}]}",
            "must end with the topic, like https://ntfy.sh/my_topic",
        ),
        (
            "influx: {url: 'ftp://x', database: d}",
            "1:10 influx.url: must begin with http:// or https://",
        ),
        ("influx: {url: 'http://u:p@x', database: d}", "write them under user, password"),
        ("influx: {url: x}", "influx.database: must name the database, or the bucket"),
        ("metrics: maybe", "metrics: "),
    ] {
        let errors = errors(text);
        assert!(errors.iter().any(|error| error.contains(expected)), "{text}: {errors:?}");
    }
}

#[test]
fn an_influx_has_an_address_and_a_database() {
    let (config, notices) = parse(
        "influx: {url: 'host:8086/', database: evcc, org: o, user: u, password: secret}\nmetrics: \
         true\n",
    );
    assert_eq!(notices, [""; 0]);
    let influx = config.influx.unwrap();
    assert_eq!((&*influx.url, &*influx.database), ("http://host:8086", "evcc"));
    assert!(config.metrics && !format!("{influx:?}").contains("secret"));
    let (config, notices) = parse("influx: {url: 'https://x', database: d, token: t, user: u}");
    assert_eq!(notices.len(), 1, "{notices:?}");
    assert!(!config.metrics && config.influx.is_some());
}
