//! What happens to a value before it is written (plans-vehicles-devices.md §7.1, §7.4).

use std::time::Duration;

use chargebus::config::Watchdog;
use chargebus::edges::devices::{Repeater, Scalar};
use chargebus::model::{Amps, ChargerCommand, Fact, LoadPointIx, Mono, Outcome};

use super::{DEADLINE, Rig, charger_site};
use crate::support::until;
use crate::web::{Reply, Web};

const PUBLISH: &str = "{source: mqtt, topic: out}";

/// Writes a current through a sink; what is published, in order, and what became of it.
async fn written(sink: &str, current: f64) -> (Vec<String>, Outcome) {
    let config = charger_site(&format!("enable: {{source: mqtt, topic: x}}\nmaxcurrent: {sink}"));
    let mut rig = Rig::start(&config);
    assert_eq!(rig.devices.broken(), [], "{sink}");
    rig.devices.command(LoadPointIx(0), ChargerCommand::MaxCurrent(Amps(current)));
    let outcome = loop {
        if let Fact::Done { outcome, .. } = rig.fact().await {
            break outcome;
        }
    };
    let mut published = Vec::new();
    while let Ok((topic, payload)) = rig.published.try_recv() {
        published.push(format!("{topic} {payload}"));
    }
    (published, outcome)
}

#[tokio::test]
async fn values_take_the_way_that_is_written() {
    let case =
        |n: i64, topic: &str| format!("{{case: {n}, set: {{source: mqtt, topic: {topic}}}}}");
    let switch = format!("{{source: switch, switch: [{}, {}]", case(6, "six"), case(16, "high"));
    for (sink, current, expected) in [
        (format!("{{source: const, value: 3, set: {PUBLISH}}}"), 10.0, &["out 3"][..]),
        (format!("{{source: const, set: {PUBLISH}}}"), 10.0, &["out 0"]),
        (format!("{{source: const, value: true, set: {PUBLISH}}}"), 10.0, &["out 1"]),
        (format!("{{source: map, values: {{10: 1, 16: 2}}, set: {PUBLISH}}}"), 16.0, &["out 2"]),
        (
            format!(
                "{{source: sequence, set: [{PUBLISH}, {{source: sleep, duration: 1ms}}, {PUBLISH}]}}"
            ),
            7.0,
            &["out 7", "out 7"],
        ),
        (format!("{switch}}}"), 16.0, &["high 16"]),
        (format!("{switch}, default: {PUBLISH}}}"), 9.0, &["out 9"]),
        (
            format!("{{source: ifelse, if: {PUBLISH}, else: {{source: mqtt, topic: no}}}}"),
            0.0,
            &["no 0"],
        ),
        (
            "{source: convert, convert: int2float, set: {source: mqtt, topic: f, \
             payload: '${maxcurrent:%.1fm}'}}"
                .to_owned(),
            6.0,
            &["f 6000.0"],
        ),
        (format!("{{source: delta, set: {PUBLISH}}}"), 8.0, &["out 8"]),
        (
            format!("{{source: delta, get: {{source: const, value: 5}}, set: {PUBLISH}}}"),
            8.0,
            &["out 3"],
        ),
        (
            "{source: ignore, error: not available, set: {source: error, error: ErrNotAvailable}}"
                .to_owned(),
            8.0,
            &[],
        ),
        (
            format!(
                "{{source: js, script: 'maxcurrent * k', in: [{{name: k, type: int, config: {{source: const, value: 230}}}}], out: [{{name: p, type: float, config: {PUBLISH}}}]}}"
            ),
            10.0,
            &["out 2300"],
        ),
    ] {
        let (published, outcome) = written(&sink, current).await;
        assert_eq!(
            (published, outcome),
            (expected.iter().map(|s| (*s).to_owned()).collect(), Outcome::Done),
            "{sink}"
        );
    }
}

#[tokio::test]
async fn what_cannot_be_written_fails() {
    for sink in [
        format!("{{source: map, values: {{1: 1}}, set: {PUBLISH}}}"),
        format!("{{source: switch, switch: [{{case: 1, set: {PUBLISH}}}]}}"),
        "{source: error, error: ErrNotAvailable}".to_owned(),
        format!("{{source: sequence, set: [{{source: error, error: ErrAsleep}}, {PUBLISH}]}}"),
        "{source: ignore, error: other, set: {source: error, error: ErrAsleep}}".to_owned(),
        format!(
            "{{source: js, script: 'nonsense(', out: [{{name: p, type: int, config: {PUBLISH}}}]}}"
        ),
        format!("{{source: js, script: 'null', out: [{{name: p, type: int, config: {PUBLISH}}}]}}"),
        format!("{{source: delta, get: {{source: mqtt, topic: silent}}, set: {PUBLISH}}}"),
    ] {
        assert_eq!(written(&sink, 9.0).await, (Vec::new(), Outcome::Failed), "{sink}");
    }
}

#[tokio::test]
async fn a_random_number_is_positive() {
    let (published, _) = written(&format!("{{source: random, set: {PUBLISH}}}"), 9.0).await;
    let number: i64 = published[0].strip_prefix("out ").unwrap().parse().unwrap();
    assert!(number > 0);
}

#[tokio::test]
async fn commands_go_over_http() {
    let web = Web::start(|heard| match heard.path.starts_with("/bad") {
        true => Reply::status(403),
        false => Reply::ok(""),
    })
    .await;
    let uri = web.uri("/set?amp=${maxcurrent}&ma=${maxcurrent:%d}");
    let sink = format!(
        "{{source: http, uri: '{uri}', body: '{{\"a\":${{maxcurrent}}}}', \
         headers: {{content-type: application/json}}, auth: {{type: bearer, token: t}}}}"
    );
    assert_eq!(written(&sink, 13.0).await.1, Outcome::Done);
    let heard = web.heard().remove(0);
    assert_eq!((heard.method.as_str(), heard.path.as_str()), ("POST", "/set?amp=13&ma=13"));
    assert_eq!(heard.body, "{\"a\":13}");
    assert_eq!(heard.header("content-type"), "application/json");
    assert_eq!(heard.header("authorization"), "Bearer t");
    let bad = format!("{{source: http, uri: '{}'}}", web.uri("/bad"));
    assert_eq!(written(&bad, 13.0).await.1, Outcome::Failed);
}

#[tokio::test]
async fn a_hung_wallbox_is_told_off_when_it_answers_again() {
    let web = Web::start(|heard| match heard.body.as_str() {
        "16" => Reply::Silent,
        _ => Reply::ok(""),
    })
    .await;
    let sink = |name: &str| {
        format!("{{source: http, uri: '{}', body: '${{{name}}}', timeout: 300ms}}", web.uri("/"))
    };
    let config =
        charger_site(&format!("enable: {}\nmaxcurrent: {}", sink("enable"), sink("maxcurrent")));
    let mut rig = Rig::start(&config);
    rig.devices.command(LoadPointIx(0), ChargerCommand::MaxCurrent(Amps(16.0)));
    rig.devices.command(LoadPointIx(0), ChargerCommand::Enable(false));
    let done = async {
        loop {
            if let Fact::Done { command: ChargerCommand::Enable(false), outcome, .. } =
                rig.fact().await
            {
                return outcome;
            }
        }
    };
    assert_eq!(tokio::time::timeout(DEADLINE, done).await.unwrap(), Outcome::Done);
}

/// What a repeater writes until a second, as `second value`.
pub(super) fn story(watchdog: Watchdog, wishes: &[(u64, i64)], end: u64) -> Vec<String> {
    let mut repeater = Repeater::new(watchdog, Mono(0));
    let mut written = Vec::new();
    for second in 0..=end {
        let now = Mono(second * 1000);
        for (_, wish) in wishes.iter().filter(|(at, _)| *at == second) {
            if repeater.set(now, Scalar::Int(*wish)) {
                repeater.wrote(now, Scalar::Int(*wish), true);
                written.push(format!("{second} {wish}"));
            }
        }
        while let Some(value) = repeater.due(now) {
            repeater.wrote(now, value, true);
            written.push(format!("{second} {value}"));
        }
        assert!(repeater.deadline().is_none_or(|at| at > now), "nothing is left behind");
    }
    written
}

pub(super) fn watchdog(defer: bool) -> Watchdog {
    Watchdog { timeout: Duration::from_secs(60), reset: vec![1.0], initial: None, defer }
}

#[test]
fn what_was_not_taken_is_written_when_it_is_asked_for_again() {
    let mut repeater = Repeater::new(watchdog(false), Mono(0));
    assert!(repeater.set(Mono(0), Scalar::Int(3)));
    repeater.wrote(Mono(0), Scalar::Int(3), false);
    assert!(repeater.set(Mono(1000), Scalar::Int(3)), "not only after half of the timeout");
    repeater.wrote(Mono(1000), Scalar::Int(3), true);
    assert!(!repeater.set(Mono(2000), Scalar::Int(3)));
}

#[tokio::test]
async fn what_a_device_refuses_now_is_not_written() {
    let config = charger_site(&format!(
        "enable: {PUBLISH}\nmaxcurrent: {{source: valid, valid: {{source: mqtt, topic: free}}, set: \
         {PUBLISH}}}"
    ));
    let mut rig = Rig::start(&config);
    for (free, expected) in
        [(None, Outcome::Failed), (Some("0"), Outcome::Failed), (Some("1"), Outcome::Done)]
    {
        if let Some(free) = free {
            rig.devices.message("free", free.as_bytes(), false);
        }
        rig.devices.command(LoadPointIx(0), ChargerCommand::MaxCurrent(Amps(9.0)));
        let outcome = loop {
            if let Fact::Done { outcome, .. } = rig.fact().await {
                break outcome;
            }
        };
        assert_eq!(outcome, expected, "{free:?}");
    }
    assert_eq!(rig.messages(1).await, ["out 9"]);
}

#[tokio::test]
async fn a_watchdog_writes_at_once_and_at_the_start() {
    let config = charger_site(&format!(
        "enable: {{source: watchdog, timeout: 60s, initial: 1, reset: [false], set: \
         {{source: mqtt, topic: w}}}}\nmaxcurrent: {PUBLISH}"
    ));
    let mut rig = Rig::start(&config);
    assert_eq!(rig.messages(1).await, ["w 1"]);
    rig.devices.command(LoadPointIx(0), ChargerCommand::Enable(true));
    rig.devices.command(LoadPointIx(0), ChargerCommand::Enable(false));
    assert_eq!(rig.messages(1).await, ["w false"]);
}

#[tokio::test]
async fn the_first_value_of_a_watchdog_waits_for_the_broker() {
    let config = charger_site(&format!(
        "enable: {PUBLISH}\nmaxcurrent: {{source: watchdog, timeout: 60s, initial: 0, reset: [0], \
         set: {{source: mqtt, topic: w}}}}"
    ));
    let mut rig = Rig::start(&config);
    rig.connect(false);
    until("the failure", || rig.devices.health()[0].error.is_some()).await;
    rig.connect(true);
    assert_eq!(rig.messages(1).await, ["w 0"]);
}
