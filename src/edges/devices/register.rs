//! Modbus registers: words to values and back (plans-vehicles-devices.md §7.5).

use super::pipeline::{convert, trimmed};
use super::template::whole;
use super::value::{Kind, Value};
use crate::config::{Number, Register, RegisterKind};

/// What is written on the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Write {
    /// Function code 5.
    Coil(bool),
    /// Function code 6.
    Single(u16),
    /// Function code 16.
    Multiple(Vec<u16>),
}

/// How many words a number takes.
pub fn width(number: Number) -> u16 {
    match number {
        Number::Bool | Number::Int16 | Number::Uint16 => 1,
        Number::Int32 | Number::Uint32 | Number::Float32 => 2,
        Number::Int64 | Number::Uint64 | Number::Float64 => 4,
        Number::Text(words) => words,
    }
}

/// The value of a register; `None` when the device says that it has none (W-23: NaN, infinities
/// and the "not available" patterns are unknown, not 0). A coil is the word `0xFF00` or 0.
///
/// # Errors
/// The number of words is not the register's, or a text is no value of the kind.
pub fn read(
    kind: Kind,
    register: &Register,
    words: &[u16],
    scale: f64,
) -> Result<Option<Value>, String> {
    let width = width(register.encoding.number);
    if words.len() != usize::from(width) {
        return Err(format!("expected {width} words, got {}", words.len()));
    }
    let text = || {
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
        let text = String::from_utf8_lossy(&bytes);
        convert(kind, trimmed(&text), scale).map(Some)
    };
    match kind {
        _ if matches!(register.encoding.number, Number::Text(_)) => text(),
        Kind::Number => {
            let number = decode(register, words).map(|number| number * scale);
            Ok(number.filter(|number| number.is_finite()).map(Value::Number))
        }
        Kind::Bool => Ok(decode(register, words).map(|number| Value::Bool(number != 0.0))),
        Kind::Status | Kind::Text => text(),
    }
}

/// The words of a value that is already scaled.
///
/// # Errors
/// The register cannot be written, or the value does not fit: a set-point is never wrapped around.
pub fn write(register: &Register, value: f64) -> Result<Write, String> {
    if !value.is_finite() {
        return Err(format!("{value} cannot be written"));
    }
    match register.kind {
        RegisterKind::WriteCoil => Ok(Write::Coil(value != 0.0)),
        RegisterKind::WriteSingle => {
            let bits = integer(value, -0x8000, 0xFFFF)?;
            Ok(Write::Single(bits as u16))
        }
        RegisterKind::WriteMultiple => encode(register, value).map(Write::Multiple),
        RegisterKind::Coil | RegisterKind::Holding | RegisterKind::Input => {
            Err("the register type is for reading".to_owned())
        }
    }
}

/// The number in the words, without its scale; finite.
fn decode(register: &Register, words: &[u16]) -> Option<f64> {
    let encoding = register.encoding;
    let bits = join(words, encoding.swapped);
    if encoding.nan && not_available(encoding.number, bits) {
        return None;
    }
    let number = match encoding.number {
        Number::Bool => {
            let mask = if register.bitmask == 0 { 0xFF00 } else { register.bitmask };
            f64::from(u8::from(bits as u16 & mask != 0))
        }
        Number::Int16 => f64::from(bits as i16),
        Number::Uint16 => f64::from(bits as u16),
        Number::Int32 => f64::from(bits as i32),
        Number::Uint32 => f64::from(bits as u32),
        // A counter beyond 2^53 loses its last digits.
        Number::Int64 => bits as i64 as f64,
        Number::Uint64 => bits as f64,
        Number::Float32 => f64::from(f32::from_bits(bits as u32)),
        Number::Float64 => f64::from_bits(bits),
        Number::Text(_) => return None,
    };
    number.is_finite().then_some(number)
}

fn encode(register: &Register, value: f64) -> Result<Vec<u16>, String> {
    let number = register.encoding.number;
    let bits = match number {
        Number::Bool => u64::from(value != 0.0),
        Number::Int16 => integer(value, i16::MIN.into(), i16::MAX.into())? as u64,
        Number::Uint16 => integer(value, 0, u16::MAX.into())? as u64,
        Number::Int32 => integer(value, i32::MIN.into(), i32::MAX.into())? as u64,
        Number::Uint32 => integer(value, 0, u32::MAX.into())? as u64,
        Number::Int64 => integer(value, i64::MIN.into(), i64::MAX.into())? as u64,
        Number::Uint64 => integer(value, 0, u64::MAX.into())? as u64,
        Number::Float32 => {
            let float = value as f32;
            if !float.is_finite() {
                return Err(format!("{value} does not fit into the register"));
            }
            float.to_bits().into()
        }
        Number::Float64 => value.to_bits(),
        Number::Text(_) => return Err("texts cannot be written".to_owned()),
    };
    let width = usize::from(width(number));
    let words = (0..width).map(|word| (bits >> (16 * word)) as u16);
    Ok(if register.encoding.swapped { words.collect() } else { words.rev().collect() })
}

/// The whole part of a value if it lies in the range.
fn integer(value: f64, min: i128, max: i128) -> Result<i128, String> {
    let integer = whole(value) as i128;
    if (min..=max).contains(&integer) {
        Ok(integer)
    } else {
        Err(format!("{value} does not fit into the register"))
    }
}

/// The words as one number, most significant word first unless swapped.
fn join(words: &[u16], swapped: bool) -> u64 {
    let join = |bits: u64, word: &u16| bits << 16 | u64::from(*word);
    if swapped { words.iter().rev().fold(0, join) } else { words.iter().fold(0, join) }
}

/// The "not available" patterns of the encodings `…nan`; floats have NaN itself besides.
fn not_available(number: Number, bits: u64) -> bool {
    match number {
        Number::Int16 => matches!(bits, 0x8000 | 0x7FFF),
        Number::Uint16 => bits == 0xFFFF,
        Number::Int32 => matches!(bits, 0x8000_0000 | 0x7FFF_FFFF),
        Number::Uint32 => bits == 0xFFFF_FFFF,
        Number::Int64 => matches!(bits, 0x8000_0000_0000_0000 | 0x7FFF_FFFF_FFFF_FFFF),
        Number::Uint64 => bits == u64::MAX,
        // The bytes FF FF FF 7F of `float32nans`, which are the lowest number.
        Number::Float32 => bits == 0xFF7F_FFFF,
        Number::Bool | Number::Float64 | Number::Text(_) => false,
    }
}
