//! Text processing and conversions (plans-vehicles-devices.md §7.1, §7.2, §8.1).

use chargebus::config::{Encoding, Number, Pipeline};
use chargebus::edges::devices::{Getter, Kind, Value, convert};
use chargebus::model::ChargeStatus;
use proptest::prelude::*;

#[test]
fn null_is_unknown() {
    // W-48
    let pipeline = Pipeline { jq: Some(".a".to_owned()), ..Pipeline::default() };
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
    fn no_payload_harms(
        mut payload in prop::collection::vec(any::<u8>(), 0..200),
        jq: bool,
        xml: bool,
        unpack_hex: bool,
        decode: bool,
    ) {
        if xml {
            payload.splice(0..0, *b"<?xml version='1.0'?><a>");
        }
        let program = jq.then(|| "[.. | numbers] | add".to_owned());
        let decode =
            decode.then_some(Encoding { number: Number::Float64, swapped: true, nan: false });
        let regex = (!xml).then(|| "[^x]+".to_owned());
        let pipeline = Pipeline { regex, jq: program, unpack_hex, decode, ..Pipeline::default() };
        for kind in [Kind::Number, Kind::Bool, Kind::Status, Kind::Text] {
            let getter = Getter::compile(kind, 1.0, &pipeline).expect("compiles");
            if let Ok(Some(Value::Number(number))) = getter.read(&payload) {
                prop_assert!(number.is_finite());
            }
        }
    }
}
