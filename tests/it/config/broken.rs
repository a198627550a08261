//! Wrong files: every error has its place, its path and its remedy.

use super::{SMALL, errors, grid, loadpoint, parse};

#[track_caller]
fn refused(text: &str, expected: &[&str]) {
    assert_eq!(errors(text), expected, "{text}");
}

#[test]
fn text_that_is_not_yaml() {
    refused(
        "network: [1\n",
        &["2:1 is not valid YAML: while parsing a flow sequence, expected ',' or ']'"],
    );
    refused(
        "network:\n\tport: 1\n",
        &["2:2 is not valid YAML: tabs disallowed within this context (block indentation)"],
    );
    refused("- a\n", &["1:1 must be a map of keys and values like \"network:\""]);
    refused(
        "log: a\n---\nlog: b\n",
        &["2:1 a second document is not read: remove everything from \"---\" on"],
    );
    refused("port: 1\nPORT: 2\n", &["2:1 the key \"PORT\" is given twice"]);
    refused("? [1]\n: 2\n", &["1:3 a key must be a plain word"]);
    refused(
        "site: !secret x\n",
        &[
            "1:7 the tag \"!secret\" is not supported: write the value, or set an EVCC_… environment \
           variable",
        ],
    );
}

#[test]
fn the_top_level() {
    refused(
        "network: {port: 70000}",
        &["1:11 network.port: must be between 1 and 65535, found 70000"],
    );
    refused("network: {port: abc}", &["1:11 network.port: must be a whole number, found \"abc\""]);
    refused("mqtt: 5", &["1:1 mqtt: must be a map of keys and values, found \"5\""]);
    refused(
        "interval: 30",
        &["1:1 interval: a number without unit is nanoseconds: write \"30s\" for 30 seconds"],
    );
    refused("interval: -5s", &["1:1 interval: must not be negative, found \"-5s\""]);
    refused("interval: 2h", &["1:1 interval: must be between 100ms and 1h"]);
    refused("database: {type: mysql}", &["1:12 database.type: must be sqlite, found \"mysql\""]);
    refused(
        "tariffs: {currency: Euro}",
        &["1:11 tariffs.currency: must have three letters like EUR, found \"Euro\""],
    );
    refused("broker: maybe", &["1:1 broker: must be true or false, found \"maybe\""]);
    refused(
        "broker: {listen: 'a b'}",
        &["1:10 broker.listen: must be host or host:port, found \"a b\""],
    );
    refused(
        "mqtt: {broker: 'ws://x', topic: 'a/#', clientCert: x}",
        &[
            "1:8 mqtt.broker: must begin with mqtt:// or tls:// or the host, found \"ws\"",
            "1:26 mqtt.topic: must not contain + or # nor begin with $, found \"a/#\"",
            "1:40 mqtt.clientCert: clientCert and clientKey belong together: write both",
        ],
    );
    refused(
        "mqtt: {broker: 'mqtts://me:secret@host'}",
        &["1:8 mqtt.broker: must be without user and password: write them under mqtt.user, \
         mqtt.password"],
    );
}

#[test]
fn names() {
    refused(
        &loadpoint(&["vehicle: x"]).replace("charger: wallbox", "charger: walbox"),
        &[
            "10:5 loadpoints[0].charger: unknown charger \"walbox\" (did you mean \"wallbox\"?)",
            "11:5 loadpoints[0].vehicle: unknown vehicle \"x\": no vehicles are configured",
        ],
    );
    refused(
        &format!("{SMALL}loadpoints: [{{charger: wallbox}}, {{charger: wallbox}}, {{}}]"),
        &[
            "9:35 loadpoints[1].charger: the charger \"wallbox\" already belongs to load point 1",
            "9:54 loadpoints[2].charger: is missing",
        ],
    );
    refused(
        "meters:\n- {name: a}\n- {name: a}\n- {type: custom}\n- nonsense\n",
        &[
            "3:4 meters[1].name: the meter \"a\" exists already, in line 2",
            "4:3 meters[2].name: is missing",
            "5:3 meters[3]: must be a map of keys and values, found \"nonsense\"",
        ],
    );
    refused(
        "vehicles:\n- {name: a b, type: offline}\n- {name: x, type: custom}\n",
        &[
            "2:4 vehicles[0].name: may only have letters, digits and _ . : -, found \"a b\"",
            "3:3 vehicles[1].soc: is missing",
        ],
    );
    refused(
        "broker: 1\nvehicles:\n- {type: teslamate, namespace: a/b}\n- {type: teslamate, id: 0}\n\
         - {type: teslamate}\n- {type: teslamate}\n",
        &[
            "3:21 vehicles[0].namespace: must be one level of a topic, found \"a/b\"",
            "4:21 vehicles[1].id: must be between 1 and 4294967295, found 0",
            "6:3 vehicles[3]: is the same car of TeslaMate as another vehicle: give it its own id",
        ],
    );
}

#[test]
fn load_points() {
    refused(
        &loadpoint(&[
            "maxcurent: 10",
            "minCurrent: 20",
            "phases: 2",
            "mode: eco",
            "defaultMode: pv",
            "enable: {delay: 10}",
            "thresholds: {disable: {delay: x}}",
        ]),
        &[
            "11:5 loadpoints[0].maxcurent: unknown key (did you mean \"maxCurrent\"?)",
            "12:5 loadpoints[0].minCurrent: minCurrent must not be above maxCurrent: 20 A > 16 A",
            "13:5 loadpoints[0].phases: must be 0 (automatic), 1 or 3, found 2",
            "14:5 loadpoints[0].mode: must be one of off, pv, minpv, now, found \"eco\"",
            "15:5 loadpoints[0].defaultMode: says the same as loadpoints[0].mode: keep one",
            "16:5 loadpoints[0].enable: is also given under thresholds: keep one",
            "17:28 loadpoints[0].thresholds.disable.delay: must be a duration like \"10s\" or \
             \"1h30m\", found \"x\"",
        ],
    );
    refused(
        &loadpoint(&["minCurrent: 0"]),
        &["11:5 loadpoints[0].minCurrent: must be above 0, found 0"],
    );
    let charger = "    phases1p3p: {source: mqtt, topic: p}\n    safecurrent: 20\nloadpoints:";
    refused(
        &loadpoint(&[]).replace("loadpoints:", charger),
        &[
            "9:5 chargers[0].phases1p3p: needs \"tos: true\": it confirms that the device pauses \
             charging by itself while it switches phases",
            "12:5 loadpoints[0].charger: its safeCurrent is above maxCurrent: 20 A > 16 A",
        ],
    );
    let payload = "enable, payload: '${maxcurrent}'}";
    refused(
        &loadpoint(&[]).replace("enable}", payload),
        &["7:46 chargers[0].enable.payload: knows only ${enable}, found ${maxcurrent}"],
    );
}

#[test]
fn sites() {
    refused(
        &grid("{source: const, value: 1}").replace(
            "site: {",
            "site:\n  {prioritySoc: 80, bufferSoc: 50, bufferStartSoc: 40, voltage: 400, \
             residualpowr: 4,\n  ",
        ),
        &[
            "7:4 site.prioritySoc: must not be above bufferSoc: 80 % > 50 %",
            "7:21 site.bufferSoc: must not be above bufferStartSoc: 50 % > 40 %",
            "7:56 site.voltage: must be between 90 and 300, found 400",
            "7:70 site.residualpowr: unknown key (did you mean \"residualPower\"?)",
        ],
    );
    refused(
        &grid("{source: const, value: 1}").replace("grid: m", "grid: [m, m], pv: m, aux: grdi"),
        &[
            "6:27 site.meters.grid[1]: there can be only one grid meter",
            "6:31 site.meters.pv: the meter \"m\" is already used as grid",
            "6:38 site.meters.aux: unknown meter \"grdi\" (known: m)",
        ],
    );
}

#[test]
fn sources() {
    refused(
        &grid("{source: mqqt, topic: x}"),
        &["5:11 meters[0].power.source: unknown source \"mqqt\" (did you mean \"mqtt\"?)"],
    );
    refused(
        &grid("{source: mqtt, tpoic: x}"),
        &[
            "5:3 meters[0].power.topic: is missing",
            "5:25 meters[0].power.tpoic: unknown key (did you mean \"topic\"?)",
        ],
    );
    refused(
        &grid("{source: mqtt, topic: a/+/b, scale: 0, timeout: 10}"),
        &[
            "5:25 meters[0].power.topic: must not contain the wildcards + and #, found \"a/+/b\"",
            "5:39 meters[0].power.scale: must not be 0: every value would be 0",
            "5:49 meters[0].power.timeout: a number without unit is nanoseconds: write \"10s\" for 10 \
         seconds",
        ],
    );
    refused(
        &grid("{source: mqtt, topic: a}").replace("broker: true", "log: info"),
        &["5:3 meters[0].power: comes over MQTT, but there is no broker: write mqtt.broker, or \
         broker: true for the embedded one"],
    );
    refused(
        &grid("{source: const, value: abc}"),
        &["5:26 meters[0].power.value: must be a number, found \"abc\""],
    );
    refused(
        &grid("{source: combined}"),
        &["5:11 meters[0].power.source: combined gives a status (A, B, C): use it for status only"],
    );
    refused(&grid("5"), &["5:3 meters[0].power: must be a map of keys and values, found \"5\""]);
    refused(
        &grid("{source: const, value: 1}\n  currents: [{source: const, value: 1}]"),
        &["6:3 meters[0].currents: must be a list of three, found 1"],
    );
    refused(
        &grid(
            "{source: modbus, uri: 'a:0', id: 300, register: {address: 70000, type: writesingle, \
             encoding: int33}}",
        ),
        &[
            "5:27 meters[0].power.uri: must have a port between 1 and 65535, found \"a:0\"",
            "5:39 meters[0].power.id: must be between 0 and 255, found 300",
            "5:59 meters[0].power.register.address: must be between 0 and 65535, found 70000",
            "5:75 meters[0].power.register.type: must be one of holding, input, coil, found \
             \"writesingle\"",
            "5:94 meters[0].power.register.encoding: unknown encoding \"int33\" (did you mean \
             \"int32\"?)",
        ],
    );
    refused(
        &grid(
            "{source: modbus, uri: a, rtu: true, register: {address: 1, type: holding}}\n  \
             soc: {source: modbus, uri: a:502, register: {address: 1, type: coil, encoding: bool16}}",
        ),
        &[
            "5:46 meters[0].power.register.encoding: is missing: write for example int32 or float32s",
            "6:25 meters[0].soc.uri: a:502 is used with and without rtu: one connection speaks one \
             way",
            "6:37 meters[0].soc.register.bitmask: is missing: encoding bool16 needs it",
        ],
    );
}

#[test]
fn what_the_site_needs_must_be_built() {
    refused(
        &grid("{source: sma, uri: x}"),
        &["5:11 meters[0].power.source: source \"sma\" is not built: use modbus: Modbus \
           TCP can be switched on in the device"],
    );
    refused(
        &grid("{source: go}").replace("grid: m", "battery: m"),
        &["5:11 meters[0].power.source: source \"go\" is not built: write the script in \
           JavaScript under js"],
    );
    let said = super::errors(&grid("{source: sequence, set: []}"));
    let expected = "source \"sequence\" cannot be read, what can be: mqtt, modbus";
    assert!(said[0].contains(expected), "{said:?}");
    refused(
        &loadpoint(&[]).replace("wb/status}", "x, broker: other}"),
        &[
            "5:38 chargers[0].status.broker: a broker other than mqtt.broker is not built yet: let the brokers \
         bridge the topic",
        ],
    );
    let template = "meters: [{name: m, type: template, template: shelly-3em, host: x}]\n";
    refused(
        &format!("{template}site: {{meters: {{grid: m}}}}"),
        &[
            "1:36 meters[0].template: template \"shelly-3em\" is not built in: supported are type custom \
         (MQTT, HTTP, Modbus, scripts) and template demo-meter, openwb, solaranzeige",
        ],
    );
}

#[test]
fn the_caller_adds_the_file_name() {
    let errors = parse("site: 5").unwrap_err().errors;
    assert_eq!(
        errors[0].located("evcc.yaml"),
        "evcc.yaml:1:1 site: must be a map of keys and values, found \"5\""
    );
}
