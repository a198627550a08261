//! Plugins in the file: what they become, and errors with their place and remedy
//! (plans-vehicles-devices.md §7.1, §7.3, §7.4).

use std::time::Duration;

use chargebus::config::{
    Command, Composite, HttpAuth, HttpRequest, HttpSource, JsKind, Library, Pipeline, SetComposite,
    Sink, Source, Watchdog,
};

use super::{SMALL, errors, good, grid, notices};

#[track_caller]
fn refused(text: &str, expected: &[&str]) {
    assert_eq!(errors(text), expected, "{text}");
}

fn power(source: &str) -> Option<Source> {
    good(&grid(source)).devices.meters.remove(0).power
}

/// The small site's `maxcurrent` as this sink, which stands in line 8.
fn amps(sink: &str) -> String {
    format!("{SMALL}loadpoints:\n  - charger: wallbox\n")
        .replace("{source: mqtt, topic: wb/amps}", sink)
}

fn sink(sink: &str) -> Option<Sink> {
    good(&amps(sink)).devices.chargers.remove(0).max_current
}

#[test]
fn http_is_read_with_all_its_keys() {
    let login = || ("me".to_owned(), "secret".to_owned());
    for (auth, expected) in [
        ("", HttpAuth::None),
        (
            ", auth: {type: basic, user: me, password: secret}",
            HttpAuth::Basic { user: login().0, password: login().1 },
        ),
        (
            ", auth: {type: Digest, user: me, password: secret}",
            HttpAuth::Digest { user: login().0, password: login().1 },
        ),
        (", auth: {type: bearer, token: t}", HttpAuth::Bearer("t".to_owned())),
    ] {
        let source = format!(
            "{{source: http, uri: 'https://h/a?b=1', method: put, headers: {{X-A: b}}, body: x, \
             insecure: true, timeout: 3s, cache: 1m, interval: 2s, scale: -1, jq: .a, quote: true\
             {auth}}}"
        );
        let request = HttpRequest {
            method: "PUT".to_owned(),
            headers: vec![("X-A".to_owned(), "b".to_owned())],
            body: "x".to_owned(),
            auth: expected,
            insecure: true,
            timeout: Duration::from_secs(3),
            ..HttpRequest::get("https://h/a?b=1")
        };
        let pipeline = Pipeline { jq: Some(".a".to_owned()), quote: true, ..Pipeline::default() };
        let interval = Some(Duration::from_secs(60));
        let http = HttpSource { request, interval, scale: -1.0, pipeline };
        assert_eq!(power(&source), Some(Source::Http(Box::new(http))));
    }
    // A body turns GET into POST.
    let Some(Sink::Http(request)) = sink("{source: http, uri: h, body: '${maxcurrent}'}") else {
        panic!("http")
    };
    assert_eq!(request.method, "POST");
}

#[test]
fn a_wrong_request_has_its_place() {
    refused(
        &grid("{source: http, uri: h, method: 'G T'}"),
        &["5:33 meters[0].power.method: must be a method like GET or POST, found \"G T\""],
    );
}

#[test]
fn wrong_requests_are_named() {
    let text = |line: String| line.split_once(' ').unwrap().1.to_owned();
    for (source, said) in [
        ("{source: http}", "meters[0].power.uri: is missing"),
        ("{source: http, uri: ''}", "meters[0].power.uri: must not be empty, found \"\""),
        (
            "{source: http, uri: 'ftp://h'}",
            "meters[0].power.uri: must begin with http:// or https://, found \"ftp://h\"",
        ),
        (
            "{source: http, uri: 'h/a b'}",
            "meters[0].power.uri: must not have blanks: write %20, found \"h/a b\"",
        ),
        (
            "{source: http, uri: h, method: 'G T'}",
            "meters[0].power.method: must be a method like GET or POST, found \"G T\"",
        ),
        (
            "{source: http, uri: h, headers: {'a b': c}}",
            "meters[0].power.headers.a b: is not the name of a header",
        ),
        ("{source: http, uri: h, interval: 10ms}", "meters[0].power.interval: must be at least 1s"),
        (
            "{source: http, uri: h, auth: {type: basik, user: x}}",
            "meters[0].power.auth.type: must be one of basic, bearer, digest, found \"basik\" \
             (did you mean \"basic\"?)",
        ),
        ("{source: http, uri: h, auth: {type: bearer}}", "meters[0].power.auth.token: is missing"),
        ("{source: http, uri: h, tpic: x}", "meters[0].power.tpic: unknown key"),
    ] {
        let found: Vec<_> = errors(&grid(source)).into_iter().map(text).collect();
        assert_eq!(found, [said], "{source}");
    }
}

#[test]
fn wrong_parts_are_named() {
    let text = |line: String| line.split_once(' ').unwrap().1.to_owned();
    for (source, said) in [
        ("{source: calc}", "meters[0].power: needs one of add, mul, div, min, max, abs, sign"),
        (
            "{source: calc, add: [{source: const, value: 1}]}",
            "meters[0].power.add: must be a list of 2 to 64 sources, found 1",
        ),
        (
            "{source: calc, abs: {source: const, value: 1}, sign: {source: const, value: 1}}",
            "meters[0].power.sign: cannot stand beside abs: keep one",
        ),
        (
            "{source: calc, add: [{source: const, value: 1}, {source: const, value: x}]}",
            "meters[0].power.add[1].value: must be a number, found \"x\"",
        ),
        (
            "{source: map, get: {source: const, value: 1}, values: {a: 1}}",
            "meters[0].power.values.a: stands for \"a\", which is no whole number",
        ),
        (
            "{source: map, get: {source: const, value: 1}, values: {}}",
            "meters[0].power.values: must have 1 to 64 values, found 0",
        ),
        (
            "{source: cached, cache: 0, value: {source: const, value: 1}}",
            "meters[0].power.cache: must not be 0",
        ),
        (
            "{source: error, error: ErrAsleeep}",
            "meters[0].power.error: must be one of ErrNotAvailable, ErrMustRetry, ErrAsleep, \
             ErrTimeout, ErrOutdated, ErrMissingCredentials, ErrLoginRequired, ErrSponsorRequired, \
             found \"ErrAsleeep\" (did you mean \"ErrAsleep\"?)",
        ),
        (
            "{source: script, cmd: 'a \"b'}",
            "meters[0].power.cmd: has a quotation mark without its partner",
        ),
        ("{source: script, cmd: ' '}", "meters[0].power.cmd: must not be empty"),
        (
            "{source: js, script: x, in: [{name: 1a, type: int, config: {source: const, value: 1}}]}",
            "meters[0].power.in[0].name: must be the name of a variable, found \"1a\"",
        ),
        (
            "{source: js, script: x, in: [{name: a, type: text, config: {source: const, value: 1}}]}",
            "meters[0].power.in[0].type: must be one of string, float, int, bool, found \"text\"",
        ),
        (
            "{source: valid, valid: {source: calc, abs: {source: const, value: 1}}, value: \
             {source: const, value: 1}}",
            "meters[0].power.valid.source: calc gives a number: it cannot be used as true or false",
        ),
    ] {
        let found: Vec<_> = errors(&grid(source)).into_iter().map(text).collect();
        assert_eq!(found, [said], "{source}");
    }
}

#[test]
fn wrong_setters_are_named() {
    let text = |line: String| line.split_once(' ').unwrap().1.to_owned();
    let out = "{source: mqtt, topic: o}";
    for (sink, said) in [
        (
            format!("{{source: const, value: on top, set: {out}}}"),
            "value: must be a number, true or false, found \"on top\"",
        ),
        ("{source: sequence, set: []}".to_owned(), "set: must have 1 to 64 steps, found 0"),
        (
            format!(
                "{{source: switch, switch: [{{case: 1, set: {out}}}, {{case: 1, set: {out}}}]}}"
            ),
            "switch[1]: the case 1 exists already",
        ),
        (
            format!("{{source: convert, convert: float2it, set: {out}}}"),
            "convert: must be one of float2int, int2float, bool2int, int2bytes, found \"float2it\" (did you \
             mean \"float2int\"?)",
        ),
        (
            format!("{{source: watchdog, timeout: 10ms, set: {out}}}"),
            "timeout: must be at least 1s",
        ),
        (
            format!("{{source: watchdog, timeout: 10s, reset: [x], set: {out}}}"),
            "reset[0]: must be a number, true or false, found \"x\"",
        ),
        (
            "{source: sleep, duration: 1h}".to_owned(),
            "duration: must be at most 30s: an off would wait for it",
        ),
        (format!("{{source: ifelse, if: {out}}}"), "else: is missing"),
        (
            "{source: http, uri: 'h/${amps}'}".to_owned(),
            "uri: knows only ${maxcurrent}, found ${amps}",
        ),
    ] {
        let found: Vec<_> = errors(&amps(&sink)).into_iter().map(text).collect();
        assert_eq!(found, [format!("chargers[0].maxcurrent.{said}")], "{sink}");
    }
}

#[test]
fn setters_are_read_with_all_their_keys() {
    let out = "{source: mqtt, topic: o}";
    let plain = || super::publish("o");
    let watchdog = format!(
        "{{source: watchdog, timeout: 1m, reset: [0, true], initial: 2, defer: true, set: {out}}}"
    );
    let wanted = Watchdog {
        timeout: Duration::from_secs(60),
        reset: vec![0.0, 1.0],
        initial: Some(2.0),
        defer: true,
    };
    let composite = |composite| Some(Sink::Composite(Box::new(composite)));
    assert_eq!(sink(&watchdog), composite(SetComposite::Watchdog(wanted, plain())));
    let script = "{source: script, cmd: \"/bin/x 'a b' ${maxcurrent}\", timeout: 2s}";
    let words = ["/bin/x", "a b", "${maxcurrent}"].map(str::to_owned).to_vec();
    let command = Command { words, timeout: Duration::from_secs(2) };
    assert_eq!(sink(script), Some(Sink::Script(command)));
    let js =
        format!("{{source: js, vm: v, script: x, out: [{{name: o, type: bool, config: {out}}}]}}");
    let Some(Sink::Composite(js)) = sink(&js) else { panic!("js") };
    let SetComposite::Js { script, name, outputs } = *js else { panic!("js") };
    assert_eq!((script.vm.as_deref(), name.as_str()), (Some("v"), "maxcurrent"));
    assert_eq!(outputs, [(JsKind::Bool, plain())]);
}

#[test]
fn what_is_cached_is_asked_for_no_more_often() {
    let source = "{source: cached, cache: 1h, value: {source: calc, add: [{source: http, uri: h, \
                  interval: 2h}, {source: http, uri: h, interval: 1s}, {source: http, uri: h}]}}";
    let Some(Source::Composite(cached)) = power(source) else { panic!("cached") };
    let Composite::Cached(_, calc) = *cached else { panic!("cached") };
    let intervals = calc.parts().into_iter().map(|part| {
        let Source::Http(http) = part else { panic!("{part:?}") };
        http.interval.map(|interval| interval.as_secs())
    });
    assert_eq!(intervals.collect::<Vec<_>>(), [Some(7200), Some(3600), Some(3600)]);
}

#[test]
fn the_cache_of_a_vehicle_is_the_pause_between_its_requests() {
    let text = "vehicles:\n- {name: v, type: custom, cache: 15m, soc: {source: http, uri: h}}\n";
    let device = good(text).devices.vehicles.remove(0);
    let Some(Source::Http(http)) = device.soc else { panic!("http") };
    assert_eq!(http.interval, Some(Duration::from_secs(900)));
}

#[test]
fn libraries_of_scripts_are_read() {
    let text = "javascript:\n- {vm: v, script: var a = 1}\n";
    let library = Library { vm: "v".to_owned(), script: "var a = 1".to_owned() };
    assert_eq!(good(text).libraries, [library]);
    assert!(notices(text).iter().all(|notice| !notice.contains("javascript")));
    refused("javascript:\n- {vm: v}\n", &["2:3 javascript[0].script: is missing"]);
}

#[test]
fn sockets_are_read_with_all_their_keys() {
    let keys = "headers: {X-A: b}, auth: {type: basic, user: me, password: secret}, insecure: true, \
                timeout: 30s, scale: -1, jq: .a";
    for (uri, expected) in [
        ("wss://h:9/a?b=1", "https://h:9/a?b=1"),
        ("ws://h", "http://h"),
        ("h/live", "http://h/live"),
        ("https://h", "https://h"),
    ] {
        let Some(Source::Socket(socket)) = power(&format!("{{source: ws, uri: '{uri}', {keys}}}"))
        else {
            panic!("{uri}")
        };
        assert_eq!(socket.request.uri, expected);
        assert_eq!(socket.request.headers, [("X-A".to_owned(), "b".to_owned())]);
        assert!(socket.request.insecure && matches!(socket.request.auth, HttpAuth::Basic { .. }));
        assert_eq!((socket.timeout, socket.scale), (Some(Duration::from_secs(30)), -1.0));
        assert!(!format!("{socket:?}").contains("secret"));
    }
    refused(
        &grid("{source: ws, uri: 'ftp://x', method: GET}"),
        &[
            "5:23 meters[0].power.uri: must begin with ws:// or wss://, found \"ftp://x\"",
            "5:39 meters[0].power.method: unknown key",
        ],
    );
}

#[test]
fn devices_within_devices_give_one_value() {
    let meter = "{type: template, template: openwb, usage: pv}";
    let source = power(&format!("{{source: meter, config: {meter}, method: Power}}"));
    let Some(Source::Composite(alive)) = source else { panic!("{source:?}") };
    assert!(matches!(*alive, Composite::Alive { .. }));
    let source = power(&format!("{{source: meter, config: {meter}, method: power, scale: -1}}"));
    let Some(Source::Composite(scaled)) = source else { panic!("{source:?}") };
    assert!(matches!(*scaled, Composite::Calc(chargebus::config::Calc::Mul, _)));
    let box_ = "{type: template, template: go-e-mqtt, topic: box}";
    let text = format!("{SMALL}loadpoints:\n  - charger: wallbox\n")
        .replace(
            "{source: mqtt, topic: wb/enabled}",
            &format!("{{source: charger, config: {box_}}}"),
        )
        .replace(
            "{source: mqtt, topic: wb/enable}",
            &format!("{{source: charger, config: {box_}}}"),
        );
    let device = good(&text).devices.chargers.remove(0);
    assert!(matches!(device.enabled, Some(Source::Mqtt(mqtt)) if mqtt.topic == "box/frc"));
    assert!(matches!(device.enable, Some(Sink::Mqtt { topic, .. }) if topic == "box/frc/set"));
    for (source, said) in [
        (format!("{{source: meter, config: {meter}}}"), "method: is missing"),
        (
            format!("{{source: meter, config: {meter}, method: currents}}"),
            "method: must be one of power, energy, returnenergy, soc, found \"currents\"",
        ),
        (
            format!("{{source: meter, config: {meter}, method: soc}}"),
            "method: the meter has no soc: write it in config",
        ),
        (
            "{source: meter, config: {type: template, template: openwb}, method: soc}".to_owned(),
            "config.usage: is missing",
        ),
        (format!("{{source: charger, config: {box_}, x: 1}}"), "x: unknown key"),
        (
            "{source: charger, config: {type: template, template: openwb}}".to_owned(),
            "config: the charger does not say whether it is enabled",
        ),
    ] {
        let found = errors(&grid(&source));
        let expected = format!("meters[0].power.{said}");
        assert!(found.iter().any(|error| error.ends_with(&expected)), "{source}: {found:?}");
    }
}

#[test]
fn bytes_are_read_and_written() {
    for (keys, said) in [
        ("unpack: base64", "unpack: must be hex, found \"base64\""),
        ("decode: float16", "decode: unknown encoding \"float16\""),
        ("decode: bool16", "decode: must be a number: write for example uint16"),
    ] {
        let found = errors(&grid(&format!("{{source: mqtt, topic: x, {keys}}}")));
        assert!(found[0].contains(said), "{found:?}");
    }
    let bytes = "{source: convert, convert: int2bytes, set: {source: modbus, uri: a, register: \
                 {address: 1, type: writemultiple, encoding: bytes}}}";
    let Some(Sink::Composite(convert)) = sink(bytes) else { panic!("convert") };
    let SetComposite::Convert(_, Sink::Modbus { register, .. }) = *convert else {
        panic!("modbus")
    };
    assert_eq!(
        chargebus::edges::devices::register::write(&register, 258.0),
        Ok(chargebus::edges::devices::register::Write::Multiple(vec![0, 0, 0, 258]))
    );
}

#[test]
fn points_of_sunspec_models_are_checked() {
    for (value, said) in [
        ("103", "must be model:point or model:block:point, found \"103\""),
        ("a:W", "must be model:point or model:block:point, found \"a:W\""),
        ("'103:-1:W'", "must be model:point or model:block:point, found \"103:-1:W\""),
        ("9:W", "model 9 is not known: use modbus with its register"),
        ("103:w", "model 103 has no point \"103:w\" (did you mean \"W\"?)"),
        ("160:DCW", "model 160 has no point \"160:DCW\": it repeats, write 160:1:DCW"),
        ("'103:1:W'", "model 103 has no point \"103:1:W\": it does not repeat"),
        ("[]", "must have 1 to 16 points like 103:W"),
    ] {
        let found = errors(&grid(&format!("{{source: sunspec, uri: a, value: {value}}}")));
        assert!(found[0].ends_with(said), "{value}: {found:?}");
    }
    refused(
        &grid("{source: sunspec, uri: a, value: 103:W, register: {address: 1}}"),
        &["5:50 meters[0].power.register: unknown key"],
    );
    let said = errors(&grid("{source: modbus, uri: a, value: Power}"));
    assert!(said[0].ends_with("write register, or for SunSpec source sunspec"), "{said:?}");
}
