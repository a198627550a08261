//! Registers of Modbus devices (plans-vehicles-devices.md §7.5).

use std::time::Duration;

/// One Modbus value (§7.5).
#[derive(Clone, Debug, PartialEq)]
pub struct ModbusSource {
    /// Where the device is.
    pub link: ModbusLink,
    /// Which register.
    pub register: Register,
    /// Multiplies numbers.
    pub scale: f64,
    /// Time between two readings.
    pub interval: Duration,
}

/// A Modbus TCP device. Devices with the same `uri` share one connection.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ModbusLink {
    /// `host:port`.
    pub uri: String,
    /// Unit id.
    pub id: u8,
    /// RTU framing over TCP.
    pub rtu: bool,
    /// Longest wait for an answer.
    pub timeout: Duration,
    /// Pause before every request.
    pub delay: Duration,
}

/// A register with its decoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Register {
    /// Function code.
    pub kind: RegisterKind,
    /// Address, 0-based as on the wire.
    pub address: u16,
    /// How the words become a value.
    pub encoding: Encoding,
    /// For `bool16`.
    pub bitmask: u16,
}

/// Register types and their function codes (§7.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RegisterKind {
    /// 1: read coils.
    Coil,
    /// 3: read holding registers.
    Holding,
    /// 4: read input registers.
    Input,
    /// 5: write a coil.
    WriteCoil,
    /// 6: write one register.
    WriteSingle,
    /// 16: write registers.
    WriteMultiple,
}

/// How register words become a value (§7.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Encoding {
    /// The number type.
    pub number: Number,
    /// Least significant word first.
    pub swapped: bool,
    /// The type's "not available" pattern is recognised. Ours: it yields no value, not 0 (W-23).
    pub nan: bool,
}

/// Number types of registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Number {
    /// First byte ≠ 0, or masked word ≠ 0.
    Bool,
    /// Two's complement, 1 word.
    Int16,
    /// 1 word.
    Uint16,
    /// Two's complement, 2 words.
    Int32,
    /// 2 words.
    Uint32,
    /// Two's complement, 4 words.
    Int64,
    /// 4 words.
    Uint64,
    /// IEEE 754, 2 words.
    Float32,
    /// IEEE 754, 4 words.
    Float64,
    /// A text of so many words, for reading.
    Text(u16),
}

/// One value of a SunSpec device (§7.1).
#[derive(Clone, Debug, PartialEq)]
pub struct SunSpecSource {
    /// Where the device is.
    pub link: ModbusLink,
    /// The first point that the device has counts.
    pub points: Vec<SunSpecPoint>,
    /// For bools: whether one of these bits is set.
    pub bitmask: Option<u32>,
    /// Multiplies numbers.
    pub scale: f64,
    /// Time between two readings.
    pub interval: Duration,
}

/// A point of a SunSpec model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SunSpecPoint {
    /// As it is written, `103:W`.
    pub name: String,
    /// Id of the model.
    pub model: u16,
    /// First register, from the model's ID on.
    pub offset: u16,
    /// How the words become a value.
    pub encoding: Encoding,
    /// 0 says that there is no value.
    pub accumulates: bool,
    /// What it is multiplied with.
    pub factor: SunSpecFactor,
}

/// The scale factor of a point, a power of ten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SunSpecFactor {
    /// Always the same.
    Fixed(i8),
    /// In this register, from the model's ID on.
    At(u16),
}
