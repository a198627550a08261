//! The site as the core sees it: what exists and what it can do, without how it is reached.

use std::time::Duration;

use super::{
    Amps, KilowattHours, LimitSetup, MeterRole, Mode, Percent, VehicleIx, Volts, Watts, Wiring,
};

/// The whole site; built by `config`, which guarantees that references are valid.
#[derive(Clone, Debug, PartialEq)]
pub struct Setup {
    /// Title for people; may be empty.
    pub title: String,
    /// Voltage between phase and neutral (default 230 V).
    pub voltage: Volts,
    /// Grid set-point margin: > 0 keeps that much export (control.md §2.3).
    pub residual_power: Watts,
    /// Home battery is charged first below this SoC; 0 = off.
    pub priority_soc: Percent,
    /// Above this SoC a running PV charge is held from the battery; 0 = off.
    pub buffer_soc: Percent,
    /// From this SoC on PV charging starts without surplus; 0 = off.
    pub buffer_start_soc: Percent,
    /// Site meters, all roles, at most one with role grid.
    pub meters: Vec<MeterSetup>,
    /// Load points in configured order.
    pub loadpoints: Vec<LoadPointSetup>,
    /// Circuits and the grid operator.
    pub limits: LimitSetup,
    /// Configured vehicles in order.
    pub vehicles: Vec<VehicleSetup>,
}

impl Default for Setup {
    /// Nothing at all on 230 V.
    fn default() -> Self {
        Self {
            title: String::new(),
            voltage: Volts(230.0),
            residual_power: Watts::ZERO,
            priority_soc: Percent::ZERO,
            buffer_soc: Percent::ZERO,
            buffer_start_soc: Percent::ZERO,
            meters: Vec::new(),
            loadpoints: Vec::new(),
            limits: LimitSetup::default(),
            vehicles: Vec::new(),
        }
    }
}

/// One site meter.
#[derive(Clone, Debug, PartialEq)]
pub struct MeterSetup {
    /// Device name of the configuration.
    pub name: String,
    /// Title for people; may be empty.
    pub title: String,
    /// What it measures.
    pub role: MeterRole,
    /// Capacity of a battery.
    pub capacity: Option<KilowattHours>,
    /// AC limit of a hybrid inverter; more PV than this can only reach the battery.
    pub max_ac_power: Option<Watts>,
    /// Discharge limit of a battery.
    pub max_discharge_power: Option<Watts>,
    /// A battery is not charged from the grid beyond this SoC.
    pub max_soc: Option<Percent>,
    /// Whether the battery takes commands.
    pub controllable: bool,
    /// Whether its device takes limits of the feed-in.
    pub curtailable: bool,
    /// Value stays valid this long after its last message, if the user said so.
    pub timeout: Option<Duration>,
}

impl MeterSetup {
    /// A meter of which nothing more is known.
    pub fn new(name: impl Into<String>, role: MeterRole) -> Self {
        Self {
            name: name.into(),
            title: String::new(),
            role,
            capacity: None,
            max_ac_power: None,
            max_discharge_power: None,
            max_soc: None,
            controllable: false,
            curtailable: false,
            timeout: None,
        }
    }
}

/// One load point.
#[derive(Clone, Debug, PartialEq)]
pub struct LoadPointSetup {
    /// Immutable name (`lp-1` …).
    pub name: String,
    /// Title for people; may be empty.
    pub title: String,
    /// Mode at first start and after disconnect, if the user said so.
    pub default_mode: Option<Mode>,
    /// Higher wins.
    pub priority: i64,
    /// 0 = automatic, 1 or 3 = fixed.
    pub phases_configured: u8,
    /// Smallest current.
    pub min_current: Amps,
    /// Largest current.
    pub max_current: Amps,
    /// When PV charging starts and stops.
    pub thresholds: Thresholds,
    /// How it is connected.
    pub wiring: Wiring,
    /// The SoC is estimated between two words of the car (`soc.estimate`, default true).
    pub estimate: bool,
    /// The default vehicle.
    pub vehicle: Option<VehicleIx>,
    /// What the charger can do.
    pub charger: ChargerSetup,
}

impl LoadPointSetup {
    /// The name by which people know the charger.
    pub fn charger_name(&self) -> &str {
        if self.charger.name.is_empty() { &self.name } else { &self.charger.name }
    }
}

impl Default for LoadPointSetup {
    /// 6 to 16 A on any number of phases (control.md §28).
    fn default() -> Self {
        Self {
            name: String::new(),
            title: String::new(),
            default_mode: None,
            priority: 0,
            phases_configured: 0,
            min_current: Amps(6.0),
            max_current: Amps(16.0),
            thresholds: Thresholds::default(),
            wiring: Wiring::default(),
            estimate: true,
            vehicle: None,
            charger: ChargerSetup::default(),
        }
    }
}

/// The range in which user interfaces show a temperature, in °C; 0 is no limit (api.md §4.3 `ui`).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct DisplayRange {
    /// The lower end.
    pub min: f64,
    /// The upper end.
    pub max: f64,
}

/// When PV charging starts and stops (control.md §11).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Thresholds {
    /// Grid power at which charging starts; 0 = as soon as the minimum is covered.
    pub enable: Watts,
    /// How long the start condition must hold.
    pub enable_delay: Duration,
    /// Grid power at which charging stops.
    pub disable: Watts,
    /// How long the stop condition must hold.
    pub disable_delay: Duration,
}

impl Default for Thresholds {
    /// 0 W after 60 s, 0 W after 180 s (control.md §28).
    fn default() -> Self {
        Self {
            enable: Watts::ZERO,
            enable_delay: Duration::from_secs(60),
            disable: Watts::ZERO,
            disable_delay: Duration::from_secs(180),
        }
    }
}

/// What a charger can do (control.md §4.1).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ChargerSetup {
    /// Device name of the configuration.
    pub name: String,
    /// Icon name for user interfaces.
    pub icon: Option<String>,
    /// What user interfaces show of a heating device.
    pub display: DisplayRange,
    /// Can switch between one and three phases.
    pub phase_switching: bool,
    /// Physical phase count, if known.
    pub physical_phases: Option<u8>,
    /// Takes currents finer than whole amperes.
    pub milliamps: bool,
    /// Reports charge power.
    pub has_power: bool,
    /// Reports an energy counter.
    pub has_energy: bool,
    /// Reports phase currents.
    pub has_currents: bool,
    /// Reports phase voltages.
    pub has_voltages: bool,
    /// Can wake the vehicle.
    pub can_wake: bool,
    /// The charger's own smallest current.
    pub min_current: Option<Amps>,
    /// The charger's own largest current.
    pub max_current: Option<Amps>,
    /// What kind of device it is.
    pub features: Vec<ChargerFeature>,
}

/// Kinds of chargers, in the words of evcc (control.md §4.2). Control treats the first five
/// differently; clients are told of the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ChargerFeature {
    /// Always connected, no vehicles.
    IntegratedDevice,
    /// On and off only.
    SwitchDevice,
    /// SoC is a temperature.
    Heating,
    /// "Disabled" still means normal operation.
    Continuous,
    /// Offer current once after plugging in.
    WelcomeCharge,
    /// Vehicles are not detected here.
    AutodetectDisabled,
    /// Values are averages.
    Average,
    /// Values may be cached.
    Cacheable,
    /// Climate requests are ignored.
    ClimaterDisabled,
    /// Takes whole amperes only.
    CoarseCurrent,
    /// Has no telemetry.
    Offline,
    /// Is tried again when it fails at start.
    Retryable,
    /// Pushes its values.
    Streaming,
    /// Never wakes the vehicle.
    WakeUpDisabled,
}

/// One vehicle.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct VehicleSetup {
    /// Immutable name; part of topics.
    pub name: String,
    /// Title for people.
    pub title: String,
    /// Icon name for user interfaces.
    pub icon: Option<String>,
    /// Battery capacity; `None` if unknown.
    pub capacity: Option<KilowattHours>,
    /// Phases of its on-board charger.
    pub phases: Option<u8>,
    /// RFID and the like.
    pub identifiers: Vec<String>,
    /// What happens when it is assigned.
    pub on_identify: OnIdentify,
    /// It has a channel of its own through which it can be woken.
    pub can_wake: bool,
    /// Features of the vehicle.
    pub features: Vec<VehicleFeature>,
}

/// What happens when a vehicle is assigned to a load point (plans-vehicles-devices.md §5.4).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OnIdentify {
    /// Switch to this mode.
    pub mode: Option<Mode>,
    /// Replaces the load point's priority when > 0.
    pub priority: Option<i64>,
    /// Smallest current of the vehicle.
    pub min_current: Option<Amps>,
    /// Largest current of the vehicle.
    pub max_current: Option<Amps>,
    /// Largest power of the vehicle.
    pub max_power: Option<Watts>,
}

/// Features of vehicles (plans-vehicles-devices.md §5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum VehicleFeature {
    /// Has no telemetry.
    Offline,
    /// Takes whole amperes only.
    CoarseCurrent,
    /// Its SoC may be read at any time.
    Streaming,
    /// Wants current once after plugging in.
    WelcomeCharge,
    /// Ignore its climate requests.
    ClimaterDisabled,
    /// Never a candidate for detection.
    AutodetectDisabled,
    /// Never wake it.
    WakeUpDisabled,
}
