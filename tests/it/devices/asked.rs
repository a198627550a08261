//! Values that are asked for over HTTP, alone and mixed with others (plans-vehicles-devices.md §7.1, §7.3).

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use chargebus::model::{Fact, MeterIx, MeterValue, Origin};

use super::servers::{Memory, serve};
use super::{Rig, meter_site, parsed};
use crate::support::until;
use crate::web::{Reply, Web};

fn meter_value(fact: &Fact) -> (usize, MeterValue) {
    match fact {
        Fact::Meter { meter, value, .. } => (meter.0, *value),
        other => panic!("{other:?}"),
    }
}

fn power(fact: &Fact) -> f64 {
    match meter_value(fact) {
        (_, MeterValue::Power(power)) => power.0,
        other => panic!("{other:?}"),
    }
}

/// The next power that is not `old`, or the deadline.
async fn power_after(rig: &mut Rig, old: f64) -> f64 {
    for _ in 0..1000 {
        let new = power(&rig.fact().await);
        if new != old {
            return new;
        }
    }
    panic!("{old} for ever");
}

#[tokio::test]
async fn one_answer_feeds_many_attributes() {
    let web = Web::start(|_| Reply::ok(r#"{"p":-5,"i":[1,2,3],"soc":"55 %"}"#)).await;
    let uri = web.uri("/status?k=1");
    let http = |rest: &str| format!("{{source: http, uri: '{uri}', {rest}}}");
    let mut rig = Rig::start(&meter_site(&format!(
        "power: {}\nsoc: {}\ncurrents: [{}, {}, {}]",
        http("jq: .p, scale: 1000"),
        http("jq: .soc, regex: '\"soc\":\"([0-9]+)', default: 1").replace("jq: .soc, ", ""),
        http("jq: '.i[0]'"),
        http("jq: '.i[1]'"),
        http("jq: '.i[2]'"),
    )));
    let mut seen = Vec::new();
    for _ in 0..5 {
        seen.push(format!("{:?}", meter_value(&rig.fact().await).1));
    }
    seen.sort();
    assert_eq!(
        seen,
        [
            "Current(L1, Amps(1.0))",
            "Current(L2, Amps(2.0))",
            "Current(L3, Amps(3.0))",
            "Power(Watts(-5000.0))",
            "Soc(Percent(55.0))",
        ]
    );
    assert_eq!(web.paths(), ["/status?k=1"], "asked once for all");
}

#[tokio::test]
async fn bad_servers_are_reported_and_asked_again() {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let web = Web::start(move |_| match count.fetch_add(1, Ordering::SeqCst) {
        0 => Reply::status(500),
        _ => Reply::ok("7"),
    })
    .await;
    let config = meter_site(&format!("power: {{source: http, uri: '{}'}}", web.uri("/")));
    let mut rig = Rig::start(&config);
    until("the failure", || rig.devices.health()[0].error.is_some()).await;
    let error = rig.devices.health()[0].error.clone().unwrap();
    assert_eq!(error, "power: the server answers 500: no");
    assert_eq!(power(&rig.fact().await), 7.0);
    assert_eq!(rig.devices.health()[0].error, None);
    assert_eq!(asked.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn known_errors_are_no_values() {
    // W-45: whatever the status of the answer is.
    let web = Web::start(|_| Reply::ok("ErrAsleep")).await;
    let rig = Rig::start(&meter_site(&format!("power: {{source: http, uri: '{}'}}", web.uri("/"))));
    until("the failure", || rig.devices.health()[0].error.is_some()).await;
    let error = rig.devices.health()[0].error.clone().unwrap();
    assert_eq!(error, "power: the device says ErrAsleep");
}

#[tokio::test]
async fn prometheus_gives_one_number() {
    for (answer, expected) in [
        (r#""success","data":{"resultType":"scalar","result":[1.5,"42"]}"#, Ok(420.0)),
        (
            r#""success","data":{"resultType":"vector","result":[{"metric":{},"value":[1,"-2.5"]}]}"#,
            Ok(-25.0),
        ),
        (
            r#""success","data":{"resultType":"vector","result":[]}"#,
            Err("not a single number: vector of 0"),
        ),
        (r#""error","error":"parse error""#, Err("parse error")),
        (r#""success","data":{"resultType":"scalar","result":[1,"NaN"]}"#, Err("is not a number")),
    ] {
        let body = format!("{{\"status\":{answer}}}");
        let web = Web::start(move |_| Reply::ok(body.clone())).await;
        let config = meter_site(&format!(
            "power: {{source: prometheus, uri: '{}', query: 'sum(power{{room=\"a b\"}})', scale: 10}}",
            web.uri("/")
        ));
        let mut rig = Rig::start(&config);
        match expected {
            Ok(expected) => assert_eq!(power(&rig.fact().await), expected, "{answer}"),
            Err(part) => {
                until("the failure", || rig.devices.health()[0].error.is_some()).await;
                let error = rig.devices.health()[0].error.clone().unwrap();
                assert!(error.contains(part), "{answer}: {error}");
            }
        }
        assert_eq!(web.paths()[0], "/api/v1/query?query=sum%28power%7Broom%3D%22a%20b%22%7D%29");
    }
}

#[tokio::test]
async fn messages_answers_and_registers_make_one_value() {
    let memory = Memory::default();
    memory.set(7, &[100]);
    let modbus = serve(&memory).await;
    let web = Web::start(|_| Reply::ok("20")).await;
    let mut rig = Rig::start(&meter_site(&format!(
        "power: {{source: calc, add: [{{source: mqtt, topic: a}}, {{source: http, uri: '{}', \
         interval: 1s}}, {{source: modbus, uri: '{modbus}', register: {{address: 7, type: holding, \
         encoding: uint16}}, interval: 100ms}}]}}",
        web.uri("/")
    )));
    rig.devices.message("a", b"3", false);
    assert_eq!(power(&rig.fact().await), 123.0);
    rig.devices.message("a", b"4", false);
    assert_eq!(power_after(&mut rig, 123.0).await, 124.0, "news of a message");
    memory.set(7, &[200]);
    assert_eq!(power_after(&mut rig, 124.0).await, 224.0, "news of a register");
    rig.devices.message("a", b"4", true);
    let mut retained = false;
    for _ in 0..100 {
        let fact = rig.fact().await;
        retained |= matches!(fact, Fact::Meter { origin: Origin::Retained, .. });
        if retained {
            break;
        }
    }
    assert!(retained, "as old as its oldest part");
}

#[tokio::test]
async fn one_hung_server_delays_nobody_else() {
    let mut yaml = "broker: true\nmeters:\n".to_owned();
    let good = Web::start(|_| Reply::ok("700")).await;
    let mut servers = vec![good.uri("/")];
    for reply in [Reply::Silent, Reply::Half, Reply::Endless, Reply::Close, Reply::Garbage] {
        servers.push(Web::start(move |_| reply.clone()).await.uri("/"));
    }
    let looping = Web::start(|_| Reply::redirect(302, "/")).await;
    servers.push(looping.uri("/"));
    for (n, uri) in servers.iter().enumerate() {
        yaml += &format!(
            "- name: m{n}\n  type: custom\n  power: {{source: http, uri: '{uri}', timeout: 500ms, \
             interval: 1s}}\n"
        );
    }
    yaml += "site: {meters: {grid: m0, aux: [m1, m2, m3, m4, m5, m6]}}\n";
    let mut rig = Rig::start(&parsed(&yaml));
    for _ in 0..3 {
        let fact = rig.fact().await;
        assert_eq!((meter_value(&fact).0, power(&fact)), (MeterIx(0).0, 700.0));
    }
    until("all others to fail", || {
        let failing = rig.devices.health().iter().filter(|device| device.error.is_some()).count();
        failing == servers.len() - 1
    })
    .await;
    let silent = rig.devices.health()[1].error.clone().unwrap();
    assert_eq!(silent, format!("power: no answer within {:?}", Duration::from_millis(500)));
}
