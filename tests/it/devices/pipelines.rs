//! Text processing and conversions (plans-vehicles-devices.md §7.1, §7.2, §8.1, E-78 to E-80).

use chargebus::config::Pipeline;
use chargebus::edges::devices::{Getter, Kind, Value, convert};
use chargebus::model::ChargeStatus;
use proptest::prelude::*;

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

#[test]
fn pipelines() {
    let table = [
        // E-78, E-79
        (Pipeline { regex: some("([0-9.]+)"), ..Pipeline::default() }, "12.3W", Ok(12.3)),
        (
            Pipeline { regex: some(r"\d+"), default: some("123"), ..Pipeline::default() },
            "xxx",
            Ok(123.0),
        ),
        (Pipeline { regex: some(r"(\d+) W"), ..Pipeline::default() }, "17", Ok(17.0)),
        (
            Pipeline { regex: some(r"(\d+) W"), ..Pipeline::default() },
            "on",
            Err("the regex does not match, and \"on\" is not a number"),
        ),
        // E-80
        (Pipeline { jq: some(".[0][1]"), ..Pipeline::default() }, r#"[["1","2"],[]]"#, Ok(2.0)),
        (
            Pipeline {
                jq: some(r#"if . == "on" then 1 else 0 end"#),
                quote: true,
                ..Pipeline::default()
            },
            "on",
            Ok(1.0),
        ),
        (
            Pipeline { regex: some("=(.*)"), jq: some(".a"), ..Pipeline::default() },
            r#"x={"a":7}"#,
            Ok(7.0),
        ),
    ];
    for (pipeline, payload, expected) in table {
        let getter = Getter::compile(Kind::Number, 1.0, &pipeline).expect("compiles");
        let value = getter.read(payload.as_bytes());
        let expected = expected.map(|n| Some(Value::Number(n))).map_err(str::to_owned);
        assert_eq!(value, expected, "{pipeline:?} {payload}");
    }
}

#[test]
fn null_is_unknown() {
    // W-48
    let pipeline = Pipeline { jq: some(".a"), ..Pipeline::default() };
    let getter = Getter::compile(Kind::Number, 1.0, &pipeline).expect("compiles");
    assert_eq!(getter.read(b"{}"), Ok(None));
}

#[test]
fn statuses_and_bools() {
    use ChargeStatus::{Charging, Connected, Disconnected};
    for (text, expected) in [
        ("A", Some(Disconnected)),
        (" a1 ", Some(Disconnected)),
        ("B", Some(Connected)),
        ("b2\0", Some(Connected)),
        ("C", Some(Charging)),
        ("C2", Some(Charging)),
        ("D", Some(Charging)),
        ("c1", Some(Connected)),
        ("D1", Some(Connected)),
        ("C12", Some(Charging)),
        ("E", None),
        ("F", None),
        ("", None),
        ("1", None),
    ] {
        let status = convert(Kind::Status, text, 1.0).ok();
        assert_eq!(status, expected.map(Value::Status), "{text:?}");
    }
    for (words, expected) in [
        ("1 t T TRUE true True on ON On yes Yes", Some(true)),
        ("0 f F FALSE false False off OFF no No", Some(false)),
        ("2 tRUE fAlse open closed -1 1.0 null", None),
    ] {
        for word in words.split(' ') {
            let truth = convert(Kind::Bool, word, 1.0).ok();
            assert_eq!(truth, expected.map(Value::Bool), "{word}");
        }
    }
}

proptest! {
    #[test]
    fn no_payload_harms(payload in prop::collection::vec(any::<u8>(), 0..200), jq: bool) {
        let program = jq.then(|| "[.. | numbers] | add".to_owned());
        let pipeline = Pipeline { regex: Some("[^x]+".to_owned()), jq: program, ..Pipeline::default() };
        for kind in [Kind::Number, Kind::Bool, Kind::Status, Kind::Text] {
            let getter = Getter::compile(kind, 1.0, &pipeline).expect("compiles");
            if let Ok(Some(Value::Number(number))) = getter.read(&payload) {
                prop_assert!(number.is_finite());
            }
        }
    }
}
