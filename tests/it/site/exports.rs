//! Messages, lines and figures of the whole service, with peers that answer late, wrongly or not at all.

use serde_json::Value as Json;

use super::client::retained;
use super::service::{Home, Service, http};
use crate::support::until;
use crate::web::{Heard, Reply, Web};

/// The reference site with more sections.
fn home(more: &str) -> Home {
    let mut home = Home::with_embedded_broker();
    home.yaml.push_str(more);
    home
}

/// What a request carries.
fn json(heard: &Heard) -> Json {
    serde_json::from_str(&heard.body).unwrap()
}

/// A sample of the page for Prometheus.
async fn figure(service: &Service, name: &str) -> Option<f64> {
    let (status, page) = http(service.http(), "GET /metrics").await;
    assert_eq!(status, 200, "{page}");
    page.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
}

#[tokio::test]
async fn people_are_told_once_and_a_dead_service_delays_nobody() {
    let hung = Web::start(|_| Reply::Silent).await;
    let failed = std::sync::atomic::AtomicBool::new(false);
    let phone = Web::start(move |_| {
        let before = failed.swap(true, std::sync::atomic::Ordering::Relaxed);
        if before { Reply::ok("{}") } else { Reply::status(500) }
    })
    .await;
    let service = home(&format!(
        "messaging:\n  events:\n    start: {{title: 'Start ${{loadpoint}}', msg: '${{title}} \
         ${{nonsense}}, {{{{.mode}}}}'}}\n    stop: {{msg: '${{chargedEnergy:%.1fk}} kWh'}}\n    \
         disconnect: {{msg: gone, disabled: true}}\n  services:\n    - {{type: shout, uri: \
         'generic+http://127.0.0.1:{}/x'}}\n    - {{type: ntfy, uri: '{}', priority: high}}\n    \
         - {{type: custom, encoding: csv, send: {{source: mqtt, topic: phone/inbox}}}}\nmetrics: \
         true\n",
        hung.port,
        phone.uri("/cars"),
    ))
    .start()
    .await;
    let mut client = service.client().await;
    client.publish("sim/wb/1/status", "C", false).await;
    let start = "Start 1,\"Carport –, pv\"";
    client
        .until("the start", |seen| seen.now.get("phone/inbox").is_some_and(|text| text == start))
        .await;
    // The same word again is no news, nor is it to a dashboard that comes back.
    client.publish("sim/wb/1/status", "C", false).await;
    client.publish("sim/wb/1/status", "B", false).await;
    client
        .until("the stop", |seen| {
            seen.now.get("phone/inbox").is_some_and(|text| text == ",0.0 kWh")
        })
        .await;
    until("three messages", || phone.heard().len() >= 3).await;
    let heard: Vec<Json> = phone.heard().iter().map(json).collect();
    let first = serde_json::json!({
        "topic": "cars", "title": "Start 1", "message": "Carport –, pv", "priority": 4,
    });
    let second = serde_json::json!({ "topic": "cars", "message": "0.0 kWh", "priority": 4 });
    assert_eq!(heard, [first.clone(), first, second], "sent again after the failure, in order");
    assert_eq!(hung.heard().len(), 1, "it is still being waited for");
    assert_eq!(
        figure(&service, "chargebus_messages_waiting{service=\"1 shout\"}").await,
        Some(1.0)
    );
    client.publish("sim/wb/1/status", "A", false).await;
    client.until("the end", |seen| seen.says("loadpoints/1/connected", "false")).await;
    let events: Vec<String> =
        client.seen().since(0, "evcc/events").into_iter().map(str::to_owned).collect();
    let kinds: Vec<Json> = events
        .iter()
        .map(|event| serde_json::from_str::<Json>(event).unwrap()["event"].clone())
        .collect();
    assert_eq!(kinds, ["start", "stop", "disconnect"]);
    assert_eq!(client.seen().since(0, "phone/inbox").len(), 2, "what is disabled is not sent");
    service.stop().await;
}

/// What a shell would take for commands stays a text, and a script that hangs is killed with all
/// that it has started.
#[tokio::test]
async fn scripts_are_told_in_one_argument() {
    let hook = Web::start(|_| Reply::ok("")).await;
    let mut home = home("");
    let dir = home.dir().display().to_string();
    let write = |name: &str, text: &str| std::fs::write(format!("{dir}/{name}"), text).unwrap();
    write("tell", "printf '%s|' \"$#\" \"$@\" >> \"$0.out\"\n");
    write("hang", "tail -f /dev/null &\necho $$ $! >> \"$0.pids\"\nwait\n");
    home.yaml.push_str(&format!(
        "messaging:\n  events:\n    start: {{title: T, msg: 'a \"b\" $(touch {dir}/x) `id`; ''c'' \
         ${{mode}}'}}\n  services:\n    - {{type: custom, send: {{source: script, cmd: '/bin/sh \
         {dir}/hang', timeout: 500ms}}}}\n    - {{type: custom, send: {{source: script, cmd: \
         '/bin/sh {dir}/tell -m \"${{send}}\"'}}}}\n    - {{type: custom, encoding: json, send: \
         {{source: http, uri: '{}', body: '${{send}}'}}}}\n",
        hook.uri("/hook?m=${send}")
    ));
    let service = home.start().await;
    let client = service.client().await;
    client.publish("sim/wb/1/status", "C", false).await;
    let read = |name: &str| std::fs::read_to_string(format!("{dir}/{name}")).unwrap_or_default();
    let text = format!("a \"b\" $(touch {dir}/x) `id`; 'c' pv");
    until("the script", || read("tell.out").ends_with("pv|")).await;
    assert_eq!(read("tell.out"), format!("2|-m|{text}|"));
    assert!(!home.dir().join("x").exists(), "no shell has read it");
    until("the hook", || !hook.heard().is_empty()).await;
    let heard = &hook.heard()[0];
    assert_eq!(json(heard), serde_json::json!({ "title": "T", "msg": text }));
    assert!(heard.path.starts_with("/hook?m=%7B%22title%22") && heard.method == "POST");
    until("the script that hangs to be tried again", || read("hang.pids").lines().count() >= 2)
        .await;
    let pids = read("hang.pids");
    let first: Vec<&str> = pids.lines().next().unwrap().split(' ').collect();
    assert_eq!(first.len(), 2);
    let lives = |pid: &str| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        // Whoever has ended may wait to be buried.
        stat.rsplit(") ").next().is_some_and(|rest| !rest.is_empty() && !rest.starts_with('Z'))
    };
    until("its end", || !first.iter().any(|pid| lives(pid))).await;
    service.stop().await;
}

#[tokio::test]
async fn lines_wait_for_a_database_that_is_away() {
    let asked = std::sync::atomic::AtomicUsize::new(0);
    let influx =
        Web::start(move |_| match asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed) {
            0 => Reply::status(503),
            1 => Reply::Close,
            2 => Reply::Full(204, String::new(), String::new()),
            3 => Reply::Full(400, String::new(), "field type conflict".to_owned()),
            _ => Reply::Full(204, String::new(), String::new()),
        })
        .await;
    let mut home = home(&format!(
        "influx: {{url: '{}', database: 'my db', user: me, password: s3cr3t}}\n",
        influx.uri("")
    ));
    home.edit("interval: 30s", "interval: 1s");
    let service = home.start().await;
    let client = service.client().await;
    client.publish("sim/grid/power", "123.5", false).await;
    until("six requests", || influx.heard().len() >= 6).await;
    let heard = influx.heard();
    for request in &heard {
        assert_eq!(request.method, "POST");
        assert_eq!(request.path, "/api/v2/write?org=&bucket=my%20db&precision=s");
        assert_eq!(request.header("authorization"), "Token me:s3cr3t");
        assert!(request.body.ends_with('\n') && request.body.contains("prioritySoc value="));
    }
    let body = |n: usize| &heard[n].body;
    assert!(body(0) == body(1) && body(1) == body(2), "nothing is lost while it is away");
    assert_ne!(body(3), body(4), "what is refused is not sent again");
    let times = |n: usize| -> Vec<i64> {
        let mut times: Vec<i64> =
            body(n).lines().map(|line| line.rsplit(' ').next().unwrap().parse().unwrap()).collect();
        times.dedup();
        times
    };
    let all: Vec<i64> = [2, 3, 4, 5].into_iter().flat_map(times).collect();
    assert!(all.is_sorted_by(|a, b| a < b), "oldest first, each second once: {all:?}");
    until("the sample", || {
        influx.heard().iter().any(|heard| heard.body.contains("gridPower value=123.5"))
    })
    .await;
    service.stop().await;
}

#[tokio::test]
async fn the_last_lines_are_sent_at_the_end() {
    use std::sync::atomic::{AtomicBool, Ordering};
    let open = std::sync::Arc::new(AtomicBool::new(false));
    let is_open = std::sync::Arc::clone(&open);
    let influx = Web::start(move |_| {
        let status = if is_open.load(Ordering::Relaxed) { 204 } else { 503 };
        Reply::Full(status, String::new(), String::new())
    })
    .await;
    let mut home = home(&format!("influx: {{url: '{}', database: site}}\n", influx.uri("")));
    home.edit("interval: 30s", "interval: 1s");
    let service = home.start().await;
    until("three refusals", || influx.heard().len() >= 3).await;
    // It is back when nobody would ask for another second.
    open.store(true, Ordering::Relaxed);
    let refused = influx.heard()[0].body.clone();
    service.stop().await;
    let last = influx.heard().pop().unwrap();
    assert!(last.body.starts_with(&refused), "what was on its way comes first");
    assert!(last.body.len() > refused.len(), "and what waited behind it");
}

#[tokio::test]
async fn figures_are_served_where_they_are_asked_for() {
    let service = home("metrics: true\n").start().await;
    let mut client = service.client().await;
    assert_eq!(figure(&service, "chargebus_broker_connected").await, Some(1.0));
    assert_eq!(figure(&service, "chargebus_writes_refused_total").await, Some(0.0));
    let answer = client.write("loadpoints/1/mode", "turbo").await;
    assert_eq!(answer["ok"], false);
    assert_eq!(figure(&service, "chargebus_writes_refused_total").await, Some(1.0));
    assert!(figure(&service, "chargebus_loop_turns_total").await.unwrap() > 1.0);
    assert!(figure(&service, "chargebus_resident_memory_bytes").await.unwrap() > 1e6);
    service.stop().await;

    let service = Home::with_embedded_broker().start().await;
    let (status, body) = http(service.http(), "GET /metrics").await;
    assert_eq!((status, &*body), (404, "404 page not found\n"));
    service.stop().await;
}

#[tokio::test]
async fn secrets_of_exports_are_told_nobody() {
    let service = home(
        "influx: {url: 'http://127.0.0.1:9', database: d, token: s3cr3t, password: s3cr3t}\n\
         messaging:\n  events:\n    soc: {title: T, msg: '${vehicleSoc}'}\n  services:\n    \
         - {type: telegram, token: s3cr3t, chats: 1}\nmetrics: true\n",
    )
    .start()
    .await;
    let client = service.client().await;
    let state = service.state().await;
    assert_eq!(state["influx"]["token"], "***");
    assert_eq!(state["influx"]["database"], "d");
    assert_eq!(state["messaging"], serde_json::json!({ "yamlSource": "file" }));
    let event = serde_json::json!({ "title": "T", "msg": "${vehicleSoc}", "disabled": false });
    assert_eq!(state["messagingEvents"]["soc"], event);
    let (_, page) = http(service.http(), "GET /metrics").await;
    let kept = retained(service.port).await;
    assert!(!kept.keys().any(|topic| topic.contains("influx") || topic.contains("messaging")));
    for text in [state.to_string(), page, format!("{kept:?}")] {
        assert!(!text.contains("s3cr3t"), "{text}");
    }
    drop(client);
    service.stop().await;
}
