//! A broken automation that writes a thousand times a second (users.md F35).

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rumqttc::QoS;
use tokio::sync::Mutex;
use tokio::task::JoinSet;
use tokio::time::{Instant, interval, timeout};

use super::client::{AT_ONCE, Client, Seen};
use super::house::House;
use super::service::{Home, http};
use crate::support::{Observer, until};

/// Writes per tick and the tick: a thousand a second.
const BURST: usize = 20;
const TICK: Duration = Duration::from_millis(20);

/// Writes these values in turn, a thousand times a second.
async fn storm(port: u16, topic: &str, values: &[&str], writes: usize) {
    let client = Client::connect(port).await;
    let mut tick = interval(TICK);
    for n in 0..writes {
        if n % BURST == 0 {
            tick.tick().await;
        }
        client.publish(topic, values[n % values.len()], false).await;
    }
}

#[tokio::test]
async fn a_storm_of_writes_is_survived() {
    let service = Home::with_embedded_broker().start().await;
    let mut client = service.client().await;
    let topic = "evcc/loadpoints/1/limitEnergy/set";
    storm(service.port, topic, &["101", "102", "turbo"], 3000).await;
    // What waits is done, or answered with `busy`; then everything is as before.
    let mine = |seen: &Seen| {
        seen.now.get(&format!("{topic}/result")).is_some_and(|answer| answer.contains("mine"))
    };
    let mut answered = false;
    for _ in 0..10 {
        client.publish(topic, r#"{"value":77,"id":"mine"}"#, false).await;
        answered = timeout(AT_ONCE, client.until("our answer", mine)).await.is_ok();
        if answered {
            break;
        }
    }
    assert!(answered);
    client.until("our value", |seen| seen.says("loadpoints/1/limitEnergy", "77")).await;
    assert!(client.seen().says("status", "online"));
    service.stop().await;
}

/// A loop that switches on and off does not wear out a contactor.
#[tokio::test]
async fn a_storm_of_modes_does_not_wear_out_the_contactor() {
    let service = Home::with_embedded_broker().start().await;
    let mut client = service.client().await;
    let house = House::obedient(service.port, -6000.0);
    client.set("loadpoints/1/mode", "now").await;
    client.until("the charge", |seen| seen.number("sim/wb/1/power") > Some(1000.0)).await;
    let mark = client.seen().log.len();
    let writes = 3000;
    storm(service.port, "evcc/loadpoints/1/mode/set", &["off", "now"], writes).await;
    client.set("loadpoints/1/mode", "off").await;
    client.within(AT_ONCE, "off", |seen| seen.number("sim/wb/1/power") == Some(0.0)).await;
    let switched = client.seen().since(mark, "sim/wb/1/enable/set").len();
    // Ten times on, ten times off, and the first time before.
    assert!(switched <= 21, "{switched} commands for {writes} writes");
    // However few of them the storm has closed it for, the tenth time is the last one for a while.
    let rests = |seen: &Seen| seen.says("loadpoints/1/decision/code", "contactor_rests");
    let off = |seen: &Seen| {
        seen.number("sim/wb/1/power") == Some(0.0)
            && seen.says("loadpoints/1/decision/code", "mode_off")
    };
    for _ in 0..=10 {
        client.until("the end", off).await;
        client.set("loadpoints/1/mode", "now").await;
        let charges = |seen: &Seen| seen.number("sim/wb/1/power") > Some(1000.0);
        client.until("the charge or the rest", |seen| charges(seen) || rests(seen)).await;
        if rests(&client.seen()) {
            break;
        }
        client.set("loadpoints/1/mode", "off").await;
    }
    client.until("the reason", rests).await;
    drop(house);
    service.stop().await;
}

/// Clients over REST, and how often each of them writes at the most.
const REST_CLIENTS: usize = 80;
const REST_TICK: Duration = Duration::from_millis(500);
/// A machine that is busy with two storms is busy with nothing else.
static ONE_AT_A_TIME: Mutex<()> = Mutex::const_new(());

/// Writes of everybody else until it is dropped: over MQTT a thousand a second and a burst now and
/// then that no queue holds, over REST more at a time than may wait.
struct Storm {
    _tasks: JoinSet<()>,
    written: Arc<AtomicUsize>,
    since: Instant,
}

impl Storm {
    fn rise(port: u16, server: SocketAddr) -> Self {
        let written = Arc::new(AtomicUsize::new(0));
        let mut tasks = JoinSet::new();
        for (topic, values, burst, pause) in [
            ("evcc/loadpoints/1/limitEnergy/set", ["101", "102", "turbo"], BURST, TICK),
            ("evcc/loadpoints/2/mode/set", ["off", "now", "pv"], 600, Duration::from_secs(2)),
        ] {
            let written = Arc::clone(&written);
            tasks.spawn(async move {
                let client = Observer::subscribe(port, "nothing").await;
                let mut tick = interval(pause);
                loop {
                    tick.tick().await;
                    for n in 0..burst {
                        let value = values[n % values.len()];
                        let sent = client.client.publish(topic, QoS::AtMostOnce, false, value);
                        sent.await.unwrap();
                    }
                    written.fetch_add(burst, Ordering::Relaxed);
                }
            });
        }
        for n in 0..REST_CLIENTS {
            let written = Arc::clone(&written);
            tasks.spawn(async move {
                let request = format!("POST /api/loadpoints/{}/limitenergy/{}", n % 2 + 1, 100 + n);
                let mut tick = interval(REST_TICK);
                loop {
                    tick.tick().await;
                    let (status, body) = http(server, &request).await;
                    // Done, done and not stored, refused.
                    assert!([200, 500, 503].contains(&status), "{status} {body}");
                    written.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        Self { _tasks: tasks, written, since: Instant::now() }
    }

    fn per_second(&self) -> f64 {
        self.written.load(Ordering::Relaxed) as f64 / self.since.elapsed().as_secs_f64()
    }
}

const MODE: &str = "evcc/loadpoints/1/mode/set";
const ENABLE: &str = "sim/wb/1/enable/set";

/// Reads on until the payload is one of these.
async fn says(observer: &mut Observer, is: impl Fn(&str) -> bool) {
    while !is(&observer.next().await.1) {}
}

/// Asks for `now` until it is granted, since in a storm any wish but `off` may be refused; nothing
/// of it waits any more when the wallbox is on.
async fn charge(wallbox: &mut Observer, answers: &mut Observer) {
    for _ in 0..100 {
        answers.publish(MODE, "now", false).await;
        let answer = timeout(AT_ONCE, answers.next()).await;
        // Of such a wish even the answer may be lost.
        if answer.is_err() || answer.is_ok_and(|(_, answer, _)| answer.contains(r#""ok":true"#)) {
            let on = says(wallbox, |payload| payload == "true");
            if timeout(AT_ONCE, on).await.is_ok() {
                return;
            }
        }
    }
    panic!("now is never granted");
}

/// An `off` among all that reaches the wallbox at once, and who sent it learns that it is in force.
async fn off_gets_through(home: Home) {
    let _turn = ONE_AT_A_TIME.lock().await;
    let service = home.start().await;
    // Nobody here listens to all that is told: that would be the hardest work of all.
    let mut wallbox = Observer::subscribe(service.port, ENABLE).await;
    let mut answers = Observer::subscribe(service.port, &format!("{MODE}/result")).await;
    let house = House::obedient(service.port, -6000.0);
    let storm = Storm::rise(service.port, service.http());
    until("a storm", || storm.written.load(Ordering::Relaxed) >= 2000).await;
    for n in 0..3 {
        charge(&mut wallbox, &mut answers).await;
        let id = format!(r#""id":"off {n}""#);
        let off = format!(r#"{{"value":"off",{id}}}"#);
        answers.publish(MODE, off, false).await;
        let sent = Instant::now();
        let reached = timeout(AT_ONCE, says(&mut wallbox, |payload| payload == "false")).await;
        assert!(reached.is_ok(), "over MQTT it does not reach the wallbox");
        println!("reached {:?} {:.0}/s", sent.elapsed(), storm.per_second());
        let answered = |payload: &str| payload.contains(&id) && payload.contains(r#""ok":true"#);
        let answered = timeout(AT_ONCE, says(&mut answers, answered)).await;
        assert!(answered.is_ok(), "no answer within {:?}", sent.elapsed());

        charge(&mut wallbox, &mut answers).await;
        let off = http(service.http(), "POST /api/loadpoints/1/mode/off");
        let (status, body) = timeout(AT_ONCE, off).await.expect("an answer");
        assert_eq!((status, &*body), (200, "\"off\"\n"));
        let reached = timeout(AT_ONCE, says(&mut wallbox, |payload| payload == "false")).await;
        assert!(reached.is_ok(), "over REST it does not reach the wallbox");
    }
    let rate = storm.per_second();
    println!("{rate:.0} writes per second");
    assert!(rate >= 1000.0, "{rate} writes per second are no storm");
    drop((storm, house));
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn off_gets_through_a_storm_on_the_embedded_broker() {
    off_gets_through(Home::with_embedded_broker()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn off_gets_through_a_storm_beside_mosquitto() {
    let Some(home) = Home::with_mosquitto().await else { return };
    off_gets_through(home).await;
}
