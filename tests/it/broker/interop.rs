//! Clients that other people wrote, speaking MQTT 5 with our broker.

use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;
use tokio::time::timeout;

use super::client::SOON;
use super::targets::{OPEN, Ours};
use crate::support::{clients, program};

/// Runs mosquitto's publisher to its end.
async fn publish(ours: &Ours, arguments: &[&str]) {
    let port = ours.addr().port().to_string();
    let run = Command::new(program("mosquitto_pub").unwrap())
        .args(["-V", "5", "-p", &port])
        .args(arguments)
        .kill_on_drop(true)
        .status();
    assert!(timeout(SOON, run).await.unwrap().unwrap().success(), "{arguments:?}");
}

/// What mosquitto's subscriber prints until it has got `-C` messages or `-W` seconds are over.
async fn subscribe(ours: &Ours, arguments: &[&str]) -> String {
    let port = ours.addr().port().to_string();
    let run = Command::new(program("mosquitto_sub").unwrap())
        .args(["-V", "5", "-p", &port])
        .args(arguments)
        .kill_on_drop(true)
        .output();
    String::from_utf8(timeout(SOON, run).await.unwrap().unwrap().stdout).unwrap()
}

#[tokio::test]
async fn mosquittos_clients_use_what_mqtt_5_offers() {
    if program("mosquitto_pub").is_none() || program("mosquitto_sub").is_none() {
        return;
    }
    let ours = Ours::start(OPEN).await;
    let properties = [
        ["-D", "publish", "content-type", "text/plain"].as_slice(),
        &["-D", "publish", "user-property", "who", "me"],
        &["-D", "publish", "response-topic", "answer"],
        &["-D", "publish", "correlation-data", "c1"],
        &["-D", "publish", "message-expiry-interval", "1000"],
    ];
    let mut retained = vec!["-t", "i/x", "-m", "1", "-q", "1", "-r"];
    retained.extend(properties.concat());
    publish(&ours, &retained).await;
    let shown = subscribe(&ours, &["-t", "i/#", "-C", "1", "-F", "%C %R %D %P %r %p"]).await;
    assert_eq!(shown.trim(), "text/plain answer c1 who:me 1 1");
    let nothing = ["-t", "i/#", "-W", "1", "--retain-handling", "never"];
    assert_eq!(subscribe(&ours, &nothing).await, "");
    // A session that is kept for a time gets what it missed.
    let kept = ["-i", "kept", "-c", "-x", "600", "-q", "1", "-t", "k/#"];
    subscribe(&ours, &[&kept[..], &["-E"]].concat()).await;
    publish(&ours, &["-t", "k/x", "-m", "missed", "-q", "1"]).await;
    let missed = subscribe(&ours, &[&kept[..], &["-C", "1"]].concat()).await;
    assert_eq!(missed.trim(), "missed");
    // Aliases, and QoS 2 from one process.
    let port = ours.addr().port().to_string();
    let mut reader = Command::new(program("mosquitto_sub").unwrap())
        .args(["-V", "5", "-p", &port, "-t", "q/#", "-q", "2", "-C", "2", "-v"])
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(reader.stdout.take().unwrap());
    let mut tick = tokio::time::interval(Duration::from_millis(50));
    let feed = async {
        loop {
            tick.tick().await;
            let alias = ["-D", "publish", "topic-alias", "1"];
            publish(&ours, &[&["-t", "q/x", "-m", "2", "-q", "2"], &alias[..]].concat()).await;
        }
    };
    let read = async {
        let mut line = String::new();
        lines.read_line(&mut line).await.unwrap();
        line
    };
    let first = async {
        tokio::select! {
            line = read => line,
            () = feed => String::new(),
        }
    };
    assert_eq!(timeout(SOON, first).await.unwrap().trim(), "q/x 2");
}

/// MQTT.js in version 5, as Node-RED, Homebridge and web pages use it.
const SCRIPT: &str = r#"
const client = require("mqtt").connect(process.argv[1], {
    protocolVersion: 5, clean: true, clientId: "js",
    properties: { topicAliasMaximum: 5, receiveMaximum: 3, sessionExpiryInterval: 10 },
});
client.on("error", error => { console.log("error " + error); process.exit(1) });
client.on("message", (topic, payload, packet) => {
    const said = packet.properties;
    console.log([topic, payload, said.userProperties.who, said.responseTopic].join(" "));
    client.end(false, { reasonCode: 0 }, () => process.exit(0));
});
client.subscribe("js/#", { qos: 2, nl: false, rap: true, rh: 1 }, error => {
    if (error) throw error;
    client.publish("js/x", "hello", { qos: 2, properties: {
        userProperties: { who: "me" }, responseTopic: "answer", correlationData: Buffer.from("1"),
        messageExpiryInterval: 60, contentType: "text/plain", topicAlias: 1,
    } });
});
"#;

#[tokio::test]
async fn mqtt_js_is_served() {
    let Some((node, folder)) = clients() else {
        return;
    };
    let ours = Ours::start(OPEN).await;
    let url = format!("mqtt://{}", ours.addr());
    let run = Command::new(node)
        .args(["-e", SCRIPT, &url])
        .current_dir(folder)
        .kill_on_drop(true)
        .output();
    let said = timeout(SOON, run).await.unwrap().unwrap();
    assert_eq!(String::from_utf8_lossy(&said.stdout).trim(), "js/x hello me answer", "{said:?}");
}
