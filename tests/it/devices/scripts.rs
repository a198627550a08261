//! Programs and JavaScript: what they say, and what they must not be able to do (§7.1).

use std::fs;
use std::time::Duration;

use chargebus::model::{
    ChargerAttribute, ChargerCommand, ChargerValue, Fact, LoadPointIx, MeterValue, Outcome,
};
use tokio::time::Instant;

use super::{Rig, charger_site, meter_site, parsed};
use crate::support::until;

async fn power(rig: &mut Rig) -> f64 {
    match rig.fact().await {
        Fact::Meter { value: MeterValue::Power(power), .. } => power.0,
        other => panic!("{other:?}"),
    }
}

async fn failure(attributes: &str) -> String {
    let rig = Rig::start(&meter_site(attributes));
    until("the failure", || rig.devices.health()[0].error.is_some()).await;
    rig.devices.health()[0].error.clone().unwrap()
}

#[tokio::test]
async fn what_a_program_prints_is_a_value() {
    let script = "power: {source: script, cmd: \"sh -c 'echo \\\"p: 5 W\\\"'\", regex: '([0-9]+)', scale: 2}";
    let mut rig = Rig::start(&meter_site(script));
    assert_eq!(power(&mut rig).await, 10.0);
}

#[tokio::test(start_paused = true)]
async fn a_charger_that_does_not_answer_is_lost_once() {
    let start = Instant::now();
    let mut rig = Rig::start(&parsed(
        "broker: true\nchargers:\n- name: wb\n  type: custom\n  \
         status: {source: script, cmd: 'false'}\n  enabled: {source: const, value: true}\n  \
         enable: {source: mqtt, topic: e}\n  maxcurrent: {source: mqtt, topic: a}\n\
         loadpoints: [{charger: wb}]\n",
    ));
    let (mut lost, mut after) = (Vec::new(), 0);
    while after < 60 {
        match rig.fact().await {
            Fact::Charger { value: ChargerValue::Lost(attribute), .. } => {
                lost.push((attribute, start.elapsed().as_secs()));
            }
            Fact::Charger { value: ChargerValue::Enabled(true), .. } => {
                after += usize::from(!lost.is_empty());
            }
            other => panic!("{other:?}"),
        }
    }
    let [(ChargerAttribute::Status, 30..=70)] = lost[..] else { panic!("{lost:?}") };
}

#[tokio::test]
async fn programs_that_misbehave_are_ended() {
    for (cmd, part) in [
        ("sh -c 'exit 3'", "sh ends with exit status: 3"),
        ("no-such-program-anywhere", "cannot run no-such-program-anywhere"),
        ("sh -c 'while :; do echo xxxxxxxxxxxxxxxx; done'", "sh prints more than 65536 bytes"),
        ("sh -c 'cat /dev/zero >/dev/null'", "sh takes longer than 500ms"),
    ] {
        let error =
            failure(&format!("power: {{source: script, cmd: \"{cmd}\", timeout: 500ms}}")).await;
        assert!(error.contains(part), "{cmd}: {error}");
    }
}

#[tokio::test]
async fn what_a_program_has_started_ends_with_it() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("pid");
    let shown = file.display();
    let error = failure(&format!(
        "power: {{source: script, cmd: \"sh -c 'cat /dev/zero >/dev/null & echo $! > {shown}; wait'\", \
         timeout: 500ms}}"
    ))
    .await;
    assert!(error.contains("takes longer"), "{error}");
    let pid = fs::read_to_string(&file).unwrap();
    let stat = format!("/proc/{}/stat", pid.trim());
    // Gone, or dead and not yet buried.
    until("the child to end", || {
        fs::read_to_string(&stat).map_or(true, |stat| stat.contains(") Z "))
    })
    .await;
}

#[tokio::test]
async fn a_value_is_one_argument_whatever_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("out");
    let config = charger_site(&format!(
        "enable: {{source: script, cmd: \"sh -c 'printf %s-%s \\\"$0\\\" \\\"$1\\\" > {}' '${{enable}}; x' \
         $HOME\"}}\nmaxcurrent: {{source: mqtt, topic: x}}",
        file.display()
    ));
    let mut rig = Rig::start(&config);
    rig.devices.command(LoadPointIx(0), ChargerCommand::Enable(true));
    loop {
        if let Fact::Done { outcome, .. } = rig.fact().await {
            assert_eq!(outcome, Outcome::Done);
            break;
        }
    }
    assert_eq!(fs::read_to_string(&file).unwrap(), "true; x-$HOME", "no shell has read it");
}

#[tokio::test]
async fn javascript_makes_values_of_values() {
    let js = "power:\n  source: js\n  script: |\n    let sum = a + b;\n    const text = String(sum);\n    \
              ok ? Number(text) : null\n  in:\n  - {name: a, type: float, config: {source: mqtt, \
              topic: a}}\n  - {name: b, type: int, config: {source: const, value: 5.9}}\n  - {name: ok, \
              type: bool, config: {source: mqtt, topic: ok}}";
    let mut rig = Rig::start(&meter_site(js));
    rig.devices.message("a", b"1.5", false);
    rig.devices.message("ok", b"on", false);
    assert_eq!(power(&mut rig).await, 6.5);
    // `let` and `const` do not stand in the way of the next run.
    rig.devices.message("a", b"2", false);
    let mut next = 6.5;
    while next == 6.5 {
        next = power(&mut rig).await;
    }
    assert_eq!(next, 7.0);
}

#[tokio::test]
async fn scripts_of_a_vm_share_what_it_knows() {
    let yaml = "broker: true\njavascript:\n- vm: shared\n  script: |\n    var base = 40;\n    \
                function twice(x) { return 2 * x; }\nmeters:\n- name: m\n  type: custom\n  power: \
                {source: js, vm: shared, script: base + twice(1)}\nsite: {meters: {grid: m}}\n";
    let mut rig = Rig::start(&parsed(yaml));
    assert_eq!(power(&mut rig).await, 42.0);
}

#[tokio::test]
async fn scripts_that_misbehave_end_and_delay_nobody_else() {
    let scripts = [
        ("while (true) {}", "js: takes longer than 1s"),
        ("var x = []; while (true) x.push(new Array(1000).fill(1))", "js: "),
        ("(function f() { return f() + 1 })()", "js: "),
        ("'x'.repeat(1 << 29)", "js: "),
        ("nonsense(", "js: Error: unexpected"),
        ("missing.value", "missing is not defined"),
        ("throw 'no'", "js: "),
        ("require('fs')", "require is not defined"),
        ("({})", "not a number"),
        ("NaN", "not a number"),
    ];
    let mut yaml = "broker: true\nmeters:\n".to_owned();
    for (n, (script, _)) in scripts.iter().enumerate() {
        yaml += &format!(
            "- name: b{n}\n  type: custom\n  power:\n    source: js\n    script: |\n      {script}\n"
        );
    }
    yaml += "- name: good\n  type: custom\n  power: {source: js, interval: 1s, script: '7'}\n";
    let names: Vec<String> = (0..scripts.len()).map(|n| format!("b{n}")).collect();
    yaml += &format!("site: {{meters: {{grid: good, aux: [{}]}}}}\n", names.join(", "));
    let started = Instant::now();
    let mut rig = Rig::start(&parsed(&yaml));
    assert_eq!(power(&mut rig).await, 7.0);
    assert!(started.elapsed() < Duration::from_secs(5));
    let health = |rig: &Rig, name: &str| {
        let health = rig.devices.health().into_iter().find(|device| device.name == name);
        health.and_then(|device| device.error)
    };
    for (name, (script, part)) in names.iter().zip(scripts) {
        until(script, || health(&rig, name).is_some()).await;
        let error = health(&rig, name).unwrap();
        assert!(error.contains(part), "{script}: {error}");
    }
}
