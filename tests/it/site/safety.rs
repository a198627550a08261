//! What must hold whatever breaks (design §5), on the wire.

use std::time::Duration;

use rusqlite::Connection;
use tokio::time::timeout;

use super::client::{AT_ONCE, Client, Seen, differing, lasting, retained};
use super::house::{self, House};
use super::service::{Home, Service, http};
use crate::support::{DEADLINE, until};

/// For what must happen within ten seconds after a meter fell silent.
const SILENT: Duration = Duration::from_secs(12);

const ENABLE: &str = "sim/wb/1/enable/set";
const CURRENT: &str = "sim/wb/1/maxcurrent/set";

/// A car charges from the sun, 13 A on three phases.
async fn charging(home: &Home) -> (Service, Client, House) {
    let service = home.start().await;
    let mut client = service.client().await;
    client.set("loadpoints/1/enableDelay", "0").await;
    client.set("loadpoints/1/phasesConfigured", "3").await;
    let house = House::obedient(service.port, -9100.0);
    client.until("a charge", |seen| seen.number(CURRENT) == Some(13.0)).await;
    client.until("its power", |seen| seen.says("loadpoints/1/chargePower", "8970")).await;
    (service, client, house)
}

#[tokio::test]
async fn a_silent_meter_lowers_the_current_and_blocks_nothing() {
    let (service, mut client, house) = charging(&Home::with_embedded_broker()).await;
    house.silence("sim/grid/power");
    let lowered = |seen: &Seen| seen.number(CURRENT) == Some(6.0);
    client.within(SILENT, "the lowest current", lowered).await;
    let why = |seen: &Seen| seen.says("loadpoints/1/decision/code", "meter_silent");
    client.until("the reason", why).await;
    client.set("loadpoints/1/mode", "now").await;
    client.within(AT_ONCE, "now", |seen| seen.number(CURRENT) == Some(16.0)).await;
    client.set("loadpoints/1/mode", "pv").await;
    client.within(AT_ONCE, "the lowest current", lowered).await;

    // It speaks again, and all is as before without a restart.
    house.say("sim/grid/power", "0");
    client.until("the old current", |seen| seen.number(CURRENT) > Some(10.0)).await;
    client.set("loadpoints/1/mode", "off").await;
    client.within(AT_ONCE, "off", |seen| seen.now[ENABLE] == "false").await;
    service.stop().await;
}

#[tokio::test]
async fn off_reaches_the_box_though_every_meter_is_dead() {
    let (service, mut client, house) = charging(&Home::with_embedded_broker()).await;
    for topic in house::recorded().keys() {
        house.silence(topic);
    }
    client.set("loadpoints/1/mode", "off").await;
    client.within(AT_ONCE, "off", |seen| seen.now[ENABLE] == "false").await;
    service.stop().await;
}

#[tokio::test]
async fn a_broker_that_lost_everything_is_told_everything() {
    let Some(mut home) = Home::with_mosquitto().await else { return };
    let service = home.start().await;
    let _house = House::recorded(service.port);
    let mut client = service.client().await;
    client.until("the car", |seen| seen.says("vehicles/tesla/trust", "live")).await;
    client.set("loadpoints/1/mode", "off").await;
    let before = lasting(&retained(service.port).await);

    home.mosquitto.as_mut().unwrap().restart().await;
    let mut client = service.client().await;
    let mut missing = Vec::new();
    let whole = client.until("the whole state", |seen| {
        missing = differing(&lasting(&seen.now), &before);
        missing.is_empty()
    });
    if timeout(DEADLINE / 2, whole).await.is_err() {
        panic!("the state is not whole:\n{}", missing.join("\n"));
    }
    client.set("loadpoints/1/mode", "now").await;
    client.within(AT_ONCE, "the wallbox", |seen| seen.now.contains_key(ENABLE)).await;
    client.until("its state", |seen| seen.says("loadpoints/1/mode", "now")).await;
    let state = service.state().await;
    assert_eq!(state["loadpoints"][0]["mode"], "now");
    service.stop().await;
}

#[tokio::test]
async fn a_broker_may_come_later() {
    let Some(mut home) = Home::with_absent_mosquitto() else { return };
    let service = home.start().await;
    assert_eq!(http(service.http(), "GET /api/health").await, (200, "OK\n".to_owned()));
    let (status, _) = http(service.http(), "POST /api/loadpoints/1/mode/now").await;
    assert_eq!(status, 200);
    home.mosquitto.as_mut().unwrap().restart().await;
    let mut client = service.client().await;
    client.until("the state", |seen| seen.says("loadpoints/1/mode", "now")).await;
    client.until("the status", |seen| seen.says("status", "online")).await;
    client.set("loadpoints/1/mode", "off").await;
    service.stop().await;
}

#[tokio::test]
async fn without_a_database_the_service_runs_and_says_so() {
    let mut home = Home::with_embedded_broker();
    // Nobody can write here, not even root.
    home.database = "/proc/site.db".into();
    let service = home.start().await;
    let mut client = service.client().await;
    let answer = client.write("loadpoints/1/mode", "now").await;
    assert_eq!(
        (answer["ok"].as_bool(), answer["code"].as_str()),
        (Some(false), Some("not_stored"))
    );
    assert_eq!(answer["applied"], "now");
    assert!(client.seen().says("loadpoints/1/mode", "now"));
    let (status, body) = http(service.http(), "POST /api/loadpoints/1/mode/off").await;
    assert_eq!(status, 500, "{body}");
    assert!(body.contains("not stored"), "{body}");
    service.stop().await;
}

/// A database that another program holds for a while costs nobody a setting.
#[tokio::test]
async fn what_cannot_be_stored_is_stored_later() {
    let home = Home::with_embedded_broker();
    let service = home.start().await;
    let mut client = service.client().await;
    let other = Connection::open(&home.database).unwrap();
    let mut write_while_held = async |value: &str| {
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
        let answer = client.write("loadpoints/1/limitEnergy", value).await;
        assert_eq!(answer["code"], "not_stored", "{answer}");
        other.execute_batch("ROLLBACK").unwrap();
    };
    write_while_held("12.25").await;
    let stored = || {
        let query = "SELECT count(*) FROM settings WHERE value = '12.25'";
        other.query_row(query, [], |row| row.get::<_, i64>(0)).unwrap() == 1
    };
    until("the setting on the disk", stored).await;
    // The last chance is the end.
    write_while_held("13.25").await;
    service.stop().await;
    let service = home.start().await;
    let mut client = service.client().await;
    client.until("the limit", |seen| seen.says("loadpoints/1/limitEnergy", "13.25")).await;
    service.stop().await;
}

/// What no device should say.
fn garbage() -> Vec<Vec<u8>> {
    let texts = [
        "NaN",
        "-NaN",
        "inf",
        "-Infinity",
        "1e309",
        "-1e309",
        "1e400",
        "null",
        "undefined",
        "{}",
        "{\"value\":5}",
        "[1,2]",
        "\"",
        "5 V",
        "0x10",
        "1,5",
        "--5",
        "\u{0}",
        " ",
        "\n",
        "yes!",
        "\u{1f50c}",
    ];
    let mut garbage: Vec<Vec<u8>> = texts.iter().map(|text| text.as_bytes().to_vec()).collect();
    garbage.push(vec![0xFF, 0xFE, 0x31]);
    garbage.push(vec![b'9'; 300_000]);
    garbage.push(vec![0; 300_000]);
    garbage
}

#[tokio::test]
async fn garbage_from_devices_changes_nothing() {
    let service = Home::with_embedded_broker().start().await;
    let house = House::recorded(service.port);
    let mut client = service.client().await;
    client.until("the wallbox", |seen| seen.says("loadpoints/1/chargeTotalImport", "123.4")).await;
    client.until("the car", |seen| seen.says("vehicles/tesla/trust", "live")).await;
    client.until("both off", |seen| seen.says("loadpoints/2/enabled", "false")).await;
    drop(house);
    client.set("loadpoints/1/mode", "off").await;
    let before = lasting(&client.seen().now);
    let mark = client.seen().log.len();
    for payload in garbage() {
        for topic in house::recorded().keys() {
            client.publish(topic, payload.clone(), false).await;
        }
        // Newer readings would take the place of these; the answer shows that they were read.
        client.write("site/nothing", "x").await;
    }
    // Nothing of a device is withdrawn by an empty payload; a car's source may take back its word.
    for topic in house::recorded().keys().filter(|topic| topic.starts_with("sim/wb")) {
        client.publish(topic, "", false).await;
    }
    // What is sound is still taken.
    for odometer in ["50000.1", "45678.9"] {
        client.publish("teslamate/cars/1/odometer", odometer, false).await;
        let told = |seen: &Seen| seen.says("vehicles/tesla/odometer", odometer);
        client.until("the last", told).await;
    }
    let after = lasting(&client.seen().now);
    assert_eq!(differing(&after, &before), Vec::<String>::new());
    let commands = client.seen().log[mark..]
        .iter()
        .filter(|message| message.topic.starts_with("sim/") && message.topic.ends_with("/set"))
        .count();
    assert_eq!(commands, 0);
    service.stop().await;
}

#[tokio::test]
async fn garbage_from_writers_is_answered_once_and_changes_nothing() {
    let service = Home::with_embedded_broker().start().await;
    let mut client = service.client().await;
    client.until("both off", |seen| seen.says("loadpoints/2/enabled", "false")).await;
    client.set("loadpoints/1/mode", "off").await;
    let before = lasting(&client.seen().now);
    let fields = [
        "loadpoints/1/mode",
        "loadpoints/1/limitSoc",
        "loadpoints/1/maxCurrent",
        "loadpoints/1/enableDelay",
        "loadpoints/1/vehicle",
        "site/residualPower",
        "site/bufferSoc",
        "vehicles/tesla/limitSoc",
        "vehicles/tesla/mode",
        "loadpoints/1/chargePower",
        "site/nothing",
        "loadpoints/99999999999999999999/mode",
        "loadpoints//mode",
        "vehicles/\u{1f50c}/mode",
    ];
    let mut writes = 0;
    for field in fields {
        for payload in garbage() {
            // These are values: no vehicle, no mode, no limit.
            let text = String::from_utf8_lossy(&payload);
            if matches!(&*text, "null" | "{\"value\":5}") {
                continue;
            }
            let answer = client.write(field, payload).await;
            assert_eq!(answer["ok"], false, "{field}: {answer}");
            assert!(answer.to_string().len() < 2000, "{field}");
            writes += 1;
        }
    }
    client.set("site/residualPower", "0").await;
    let after = lasting(&client.seen().now);
    assert_eq!(differing(&after, &before), Vec::<String>::new());
    let seen = client.seen();
    let answers = seen.log.iter().filter(|message| message.topic.ends_with("/result")).count();
    assert_eq!(answers, writes + 2);
    drop(seen);
    service.stop().await;
}

#[tokio::test]
async fn a_command_that_was_retained_is_deleted_unexecuted() {
    let Some(home) = Home::with_mosquitto().await else { return };
    let port = home.mosquitto.as_ref().unwrap().port;
    let mut client = Client::connect(port).await;
    client.publish("evcc/loadpoints/1/mode/set", "now", true).await;
    let service = home.start().await;
    let result = "evcc/loadpoints/1/mode/set/result";
    client.until("the answer", |seen| !seen.since(0, result).is_empty()).await;
    assert!(client.seen().since(0, result)[0].contains("\"code\":\"refused\""));
    client.set("site/residualPower", "0").await;
    assert!(client.seen().says("loadpoints/1/mode", "pv"));
    assert_eq!(retained(port).await.get("evcc/loadpoints/1/mode/set"), None);
    service.stop().await;
}

#[tokio::test]
async fn foreign_topics_survive_start_and_stop() {
    let Some(home) = Home::with_mosquitto().await else { return };
    let port = home.mosquitto.as_ref().unwrap().port;
    let mut client = Client::connect(port).await;
    let foreign = ["evcc/tasmota/POWER", "evcc/loadpoints/7/title", "evcc/site", "other/thing"];
    for topic in foreign {
        client.publish(topic, "theirs", true).await;
    }
    let service = home.start().await;
    client.until("the state", |seen| seen.says("loadpoints/1/title", "Carport")).await;
    client.set("loadpoints/1/mode", "off").await;
    service.stop().await;
    let after = retained(port).await;
    for topic in foreign {
        assert_eq!(after.get(topic).map(String::as_str), Some("theirs"), "{topic}");
    }
    // Nothing is wiped at the end, and everybody knows that nobody is there.
    assert_eq!(after["evcc/loadpoints/1/mode"], "off");
    assert_eq!(after["evcc/status"], "offline");
}

#[tokio::test]
async fn topics_of_an_earlier_configuration_are_deleted_later() {
    let Some(mut home) = Home::with_mosquitto().await else { return };
    let port = home.mosquitto.as_ref().unwrap().port;
    let mut client = Client::connect(port).await;
    client.publish("evcc/vehicles/zoe/note", "theirs", true).await;
    let service = home.start().await;
    client.until("the car", |seen| seen.says("vehicles/zoe/title", "Zoe")).await;
    client.until("all", |seen| seen.says("vehicles/zoe/capacity", "52")).await;
    service.stop().await;

    home.edit("  - name: zoe\n    type: template\n    template: offline\n    title: Zoe\n    capacity: 52\n", "");
    let service = home.start().await;
    client.until("the state", |seen| seen.says("vehicles", "1")).await;
    assert_eq!(retained(port).await["evcc/vehicles/zoe/title"], "Zoe");
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(61)).await;
    tokio::time::resume();
    let gone = |seen: &Seen| !seen.now.contains_key("evcc/vehicles/zoe/title");
    client.until("the end of the old topics", gone).await;
    client.set("site/residualPower", "0").await;
    let after = retained(port).await;
    let left: Vec<&String> =
        after.keys().filter(|topic| topic.starts_with("evcc/vehicles/zoe")).collect();
    assert_eq!(left, ["evcc/vehicles/zoe/note"]);
    assert_eq!(after["evcc/vehicles/tesla/title"], "Blauer Tesla");
    service.stop().await;
}
