//! Register encodings (plans-vehicles-devices.md §7.5).

use chargebus::config::{Encoding, Number, Register, RegisterKind};
use chargebus::edges::devices::register::{Write, read, width, write};
use chargebus::edges::devices::{Kind, Value};
use chargebus::model::ChargeStatus;
use proptest::prelude::*;

const NUMBERS: [Number; 8] = [
    Number::Int16,
    Number::Uint16,
    Number::Int32,
    Number::Uint32,
    Number::Int64,
    Number::Uint64,
    Number::Float32,
    Number::Float64,
];

fn register(number: Number, swapped: bool, nan: bool) -> Register {
    Register {
        kind: RegisterKind::WriteMultiple,
        address: 0,
        encoding: Encoding { number, swapped, nan },
        bitmask: 0,
    }
}

fn number(register: &Register, words: &[u16]) -> Option<f64> {
    match read(Kind::Number, register, words, 1.0).expect("enough words") {
        None => None,
        Some(Value::Number(number)) => Some(number),
        Some(other) => panic!("{other:?}"),
    }
}

#[test]
fn not_available_is_unknown_and_never_zero() {
    for (number_type, swapped, nan, words) in [
        // E-91 is 0 in evcc (W-23).
        (Number::Float32, true, true, &[0xFFFF, 0xFF7F][..]),
        (Number::Float32, false, false, &[0x7FC0, 0x0000]),
        (Number::Float32, false, false, &[0x7F80, 0x0000]),
        (Number::Float64, false, false, &[0xFFF0, 0, 0, 0]),
        (Number::Int16, false, true, &[0x8000]),
        (Number::Int16, false, true, &[0x7FFF]),
        (Number::Uint16, false, true, &[0xFFFF]),
        (Number::Int32, false, true, &[0x8000, 0]),
        (Number::Int32, false, true, &[0x7FFF, 0xFFFF]),
        (Number::Uint32, false, true, &[0xFFFF, 0xFFFF]),
        (Number::Uint64, false, true, &[0xFFFF, 0xFFFF, 0xFFFF, 0xFFFF]),
        (Number::Uint64, true, true, &[0xFFFF, 0xFFFF, 0xFFFF, 0xFFFF]),
    ] {
        let register = register(number_type, swapped, nan);
        assert_eq!(number(&register, words), None, "{number_type:?} {words:04X?}");
        let ordinary =
            Register { encoding: Encoding { nan: false, ..register.encoding }, ..register };
        let float = matches!(number_type, Number::Float32 | Number::Float64);
        assert!(float || number(&ordinary, words).is_some(), "only the …nan encodings look for it");
    }
}

#[test]
fn bools_texts_and_statuses() {
    let bool16 = |bitmask| Register { bitmask, ..register(Number::Bool, false, false) };
    for (bitmask, word, expected) in [
        // E-93; its blocks have no subject, every register is read by itself.
        (4, 2, false),
        (6, 2, true),
        (0x8000, 0x8000, true),
        (0, 0x0100, true),
        (0, 0x00FF, false),
        (0, 0xFF00, true),
    ] {
        let value = read(Kind::Bool, &bool16(bitmask), &[word], 1.0);
        assert_eq!(value, Ok(Some(Value::Bool(expected))), "{bitmask} of {word}");
    }
    let text = register(Number::Uint64, false, false);
    let words = [0x0041, 0x4200, 0x2000, 0x0000];
    assert_eq!(read(Kind::Text, &text, &words, 1.0), Ok(Some(Value::Text("AB".to_owned()))));
    let status = register(Number::Uint16, false, false);
    assert_eq!(
        read(Kind::Status, &status, &[0x4331], 1.0),
        Ok(Some(Value::Status(ChargeStatus::Connected)))
    );
    assert!(read(Kind::Status, &status, &[0x0000], 1.0).is_err());
    assert!(read(Kind::Number, &text, &[1, 2, 3], 1.0).is_err());
    let scaled = read(Kind::Number, &status, &[235], 0.1)
        .map(|value| value.map(|value| format!("{value:?}")));
    assert_eq!(scaled, Ok(Some("Number(23.5)".to_owned())));
}

#[test]
fn texts_have_as_many_words_as_is_said() {
    let tag = register(Number::Text(3), false, false);
    let read = |kind, words: &[u16]| read(kind, &tag, words, 1.0);
    let text = |text: &str| Ok(Some(Value::Text(text.to_owned())));
    assert_eq!(read(Kind::Text, &[0x3034, 0x4142, 0x2000]), text("04AB"));
    assert_eq!(read(Kind::Text, &[0, 0, 0]), text(""), "nobody");
    assert_eq!(read(Kind::Number, &[0x3132, 0x2E35, 0]), Ok(Some(Value::Number(12.5))));
    assert_eq!(
        read(Kind::Status, &[0x4220, 0, 0]),
        Ok(Some(Value::Status(ChargeStatus::Connected)))
    );
    assert!(read(Kind::Text, &[0, 0]).is_err());
    assert!(write(&tag, 1.0).is_err());
}

#[test]
fn widths() {
    for (number, words) in
        [(Number::Bool, 1), (Number::Int16, 1), (Number::Float32, 2), (Number::Uint64, 4)]
    {
        assert_eq!(width(number), words);
    }
}

#[test]
fn writes_truncate_and_never_wrap() {
    let of = |kind, number| Register { kind, ..register(number, false, false) };
    let single = of(RegisterKind::WriteSingle, Number::Uint16);
    for (value, expected) in [
        (16.0, Some(16)),
        (16.9, Some(16)),
        (6.1 * 1000.0, Some(6100)),
        (-1.0, Some(0xFFFF)),
        (65535.0, Some(65535)),
        (65536.0, None),
        (-32769.0, None),
        (f64::NAN, None),
        (f64::INFINITY, None),
    ] {
        assert_eq!(write(&single, value).ok(), expected.map(Write::Single), "{value}");
    }
    let coil = of(RegisterKind::WriteCoil, Number::Bool);
    assert_eq!(write(&coil, 1.0), Ok(Write::Coil(true)));
    assert_eq!(write(&coil, 0.0), Ok(Write::Coil(false)));
    let multiple = of(RegisterKind::WriteMultiple, Number::Int32);
    assert_eq!(write(&multiple, -2.0), Ok(Write::Multiple(vec![0xFFFF, 0xFFFE])));
    let float = of(RegisterKind::WriteMultiple, Number::Float32);
    assert_eq!(write(&float, 12_345_678.0), Ok(Write::Multiple(vec![0x4B3C, 0x614E])));
    assert!(write(&float, 1e300).is_err());
    for kind in [RegisterKind::Coil, RegisterKind::Holding, RegisterKind::Input] {
        assert!(write(&of(kind, Number::Uint16), 1.0).is_err());
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(
        number_type in prop::sample::select(NUMBERS.to_vec()),
        swapped: bool,
        seed: i64,
        fraction in 0.0..1.0_f64,
    ) {
        let register = register(number_type, swapped, false);
        let value = match number_type {
            Number::Bool => f64::from(u8::from(seed & 1 == 1)),
            Number::Int16 => f64::from(seed as i16),
            Number::Uint16 => f64::from(seed as u16),
            Number::Int32 => f64::from(seed as i32),
            Number::Uint32 => f64::from(seed as u32),
            Number::Int64 => (seed >> 11) as f64,
            Number::Uint64 => (seed as u64 >> 11) as f64,
            Number::Float32 => f64::from((seed as f32) * (fraction as f32)),
            Number::Float64 => seed as f64 * fraction,
            Number::Text(_) => panic!("texts are not written"),
        };
        let Write::Multiple(words) = write(&register, value).expect("fits") else {
            panic!("function code 16 was asked for");
        };
        prop_assert_eq!(words.len(), usize::from(width(number_type)));
        prop_assert_eq!(number(&register, &words), Some(value));
    }

    #[test]
    fn any_words_are_a_finite_number_or_nothing(
        number_type in prop::sample::select(NUMBERS.to_vec()),
        swapped: bool,
        nan: bool,
        words in prop::collection::vec(any::<u16>(), 0..6),
    ) {
        let register = register(number_type, swapped, nan);
        match read(Kind::Number, &register, &words, 1.0) {
            Ok(Some(Value::Number(number))) => prop_assert!(number.is_finite()),
            Ok(Some(other)) => prop_assert!(false, "{other:?}"),
            Ok(None) => {}
            Err(_) => prop_assert_ne!(words.len(), usize::from(width(number_type))),
        }
    }
}
