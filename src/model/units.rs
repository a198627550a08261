//! Physical quantities as types, so that watts and amperes cannot be mixed up.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Div, Mul, Neg, Sub, SubAssign};

/// Declares a quantity: an `f64` in one unit with the arithmetic that keeps the unit.
macro_rules! quantity {
    ($(#[$doc:meta])* $name:ident, $unit:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd)]
        pub struct $name(pub f64);

        impl $name {
            /// The zero of this quantity.
            pub const ZERO: Self = Self(0.0);

            /// The larger of two quantities.
            pub fn max(self, other: Self) -> Self {
                Self(self.0.max(other.0))
            }

            /// The smaller of two quantities.
            pub fn min(self, other: Self) -> Self {
                Self(self.0.min(other.0))
            }

            /// The magnitude.
            pub fn abs(self) -> Self {
                Self(self.0.abs())
            }
        }

        impl Add for $name {
            type Output = Self;
            fn add(self, other: Self) -> Self {
                Self(self.0 + other.0)
            }
        }

        impl Sub for $name {
            type Output = Self;
            fn sub(self, other: Self) -> Self {
                Self(self.0 - other.0)
            }
        }

        impl AddAssign for $name {
            fn add_assign(&mut self, other: Self) {
                self.0 += other.0;
            }
        }

        impl SubAssign for $name {
            fn sub_assign(&mut self, other: Self) {
                self.0 -= other.0;
            }
        }

        impl Neg for $name {
            type Output = Self;
            fn neg(self) -> Self {
                Self(-self.0)
            }
        }

        impl Mul<f64> for $name {
            type Output = Self;
            fn mul(self, factor: f64) -> Self {
                Self(self.0 * factor)
            }
        }

        impl Div<f64> for $name {
            type Output = Self;
            fn div(self, divisor: f64) -> Self {
                Self(self.0 / divisor)
            }
        }

        impl Sum for $name {
            fn sum<I: Iterator<Item = Self>>(items: I) -> Self {
                Self(items.map(|item| item.0).sum())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                // Two decimals are what a person reads; the wire has its own rules in `api`.
                write!(f, "{} {}", (self.0 * 100.0).round() / 100.0, $unit)
            }
        }
    };
}

quantity!(
    /// Power. Signs: grid + import, PV + production, battery + discharge, load point + charging.
    Watts, "W"
);
quantity!(
    /// Current per phase.
    Amps, "A"
);
quantity!(
    /// Voltage between phase and neutral.
    Volts, "V"
);
quantity!(
    /// Energy of a session or a day.
    WattHours, "Wh"
);
quantity!(
    /// Energy of a meter register, a limit or a battery.
    KilowattHours, "kWh"
);
quantity!(
    /// State of charge, 0 to 100; degrees Celsius for heating devices.
    Percent, "%"
);

impl Amps {
    /// The power of this current on `phases` phases: `P = I·n·V` (control.md §0).
    pub fn power(self, volts: Volts, phases: u8) -> Watts {
        Watts(self.0 * f64::from(phases) * volts.0)
    }
}

impl Watts {
    /// The current per phase of this power: `I = P/(n·V)` (control.md §0).
    pub fn current(self, volts: Volts, phases: u8) -> Amps {
        Amps(self.0 / (f64::from(phases) * volts.0))
    }
}

impl KilowattHours {
    /// The same energy in watt-hours.
    pub fn watt_hours(self) -> WattHours {
        WattHours(self.0 * 1000.0)
    }
}

impl WattHours {
    /// The same energy in kilowatt-hours.
    pub fn kilowatt_hours(self) -> KilowattHours {
        KilowattHours(self.0 / 1000.0)
    }
}
