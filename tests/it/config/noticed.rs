//! Keys that are not used as written: each is said, and the rest goes on.

use super::{REFERENCE, grid, loadpoint, notices, parse};

#[track_caller]
fn noticed(text: &str, expected: &[&str]) {
    let mut notices = notices(text);
    notices.retain(|notice| !notice.contains("none are configured"));
    assert_eq!(notices, expected, "{text}");
}

#[test]
fn what_the_site_can_do_without_is_left_out() {
    let read = "source \"sma\" is not built: use modbus: Modbus TCP can be \
                switched on in the device";
    for role in ["pv", "aux", "ext", "consumers"] {
        let text = grid("{source: sma}").replace("grid: m", &format!("{role}: m"));
        let role = role.trim_end_matches('s');
        let checked = parse(&text).unwrap();
        assert!(checked.config.setup.meters.is_empty());
        let left_out = format!("5:11 meters[0].power.source: {read}; the {role} meter is left out");
        assert!(checked.notices.iter().any(|notice| notice.to_string() == left_out));
    }
    noticed(
        &grid("{source: const, value: 1}\n  energy: {source: sma}"),
        &[&format!("6:12 meters[0].energy.source: {read}; energy is left out")],
    );
    noticed(
        "vehicles:\n- {type: template, template: teslamat}\n",
        &["2:20 vehicles[0].template: template \"teslamat\" is not built in (did you mean \
           \"teslamate\"?): supported are type custom (MQTT, HTTP, Modbus, scripts) and template offline, teslamate; \
           the vehicle stays, without telemetry"],
    );
}

#[test]
fn keys_that_are_not_used() {
    noticed(
        "shm: {}\nsponsortoken: abc\ntelemetry: true\nnetwrk: {}\nxyz: 1\nx-mine: {a: 1}\n\
         network: {host: evcc.local, schema: http}\nmqtt: {broker: host, topic: '', caCert: x}\n\
         meters: [{name: unused}]\n",
        &[
            "1:1 shm: not built yet: SMA Sunny Home Manager is not served",
            "2:1 sponsortoken: not used: nothing here needs a sponsor token",
            "3:1 telemetry: not used: nothing is sent to a cloud",
            "4:1 netwrk: unknown key, ignored (did you mean \"network\"?)",
            "5:1 xyz: unknown key, ignored",
            "7:11 network.host: \"evcc.local\" is not an address to listen on: listening on all, \
             write one to narrow it",
            "7:29 network.schema: not used: serve https through a reverse proxy",
            "8:8 mqtt.broker: certificates are not used: write tls:// before the host to encrypt",
            "8:22 mqtt.topic: is empty: \"evcc\" is used",
            "9:10 meters[0]: the meter \"unused\" is not used",
        ],
    );
    noticed(
        &loadpoint(&[
            "guardduration: 5m",
            "soc: {poll: {mode: charging}, estimate: false}",
            "enable: {threshold: 100}",
            "disable: {threshold: -100}",
        ]),
        &[
            "11:5 loadpoints[0].guardduration: not used, as in evcc",
            "12:11 loadpoints[0].soc.poll: not used: values are taken the moment they arrive",
            "13:5 loadpoints[0].enable: its threshold is above that of disable: charging stops and \
             starts in turn",
            "13:14 loadpoints[0].enable.threshold: is above 0: charging starts while power is \
             imported",
        ],
    );
    noticed(
        &grid("{source: const, value: 1}").replace("site: {", "site: {prioritySoc: 50, "),
        &["6:8 site.prioritySoc: has no effect without a battery meter"],
    );
}

/// Every key of the reference site, misspelt in turn: something in its line or about its absence
/// is said, and the misspelt key is named.
#[test]
fn no_misspelt_key_goes_unnoticed() {
    for (n, line) in (1..).zip(REFERENCE.lines()) {
        let Some((key, rest)) = line.split_once(':') else {
            continue;
        };
        let start = key.len() - key.trim_start_matches([' ', '-', '{']).len();
        let (indent, key) = key.split_at(start);
        // Prices are not read, and comments are no keys.
        if key.starts_with('#') || (74..=83).contains(&n) {
            continue;
        }
        let misspelt = format!("q{key}q");
        let wrong = format!("{indent}{misspelt}:{rest}");
        let mut lines: Vec<&str> = REFERENCE.lines().collect();
        lines[n - 1] = &wrong;
        let said = match parse(&lines.join("\n")) {
            Ok(checked) => checked.notices,
            Err(errors) => [errors.errors, errors.notices].concat(),
        };
        assert!(
            said.iter().any(|finding| finding.path.ends_with(&misspelt)
                || finding.path.ends_with(&format!(".{key}")) && finding.text == "is missing"),
            "{wrong}: {said:#?}"
        );
    }
}
