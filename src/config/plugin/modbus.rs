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
