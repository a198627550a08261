//! Every key that TeslaMate publishes (plans-vehicles-devices.md §6.4), as data.

/// One key with the values it may take.
pub(super) struct Row {
    /// The last part of the topic.
    pub(super) key: &'static str,
    /// How the payload is read.
    pub(super) kind: Kind,
    /// Passed on as telemetry; the others only feed typed values (`car.rs`).
    pub(super) telemetry: bool,
}

/// How a payload is read.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Kind {
    /// `true` or `false`.
    Flag,
    /// A finite number within these bounds. They are generous: they stop garbage, not outliers.
    Number {
        /// Smallest.
        min: f64,
        /// Largest.
        max: f64,
        /// Unit; empty for none.
        unit: &'static str,
    },
    /// Any short text.
    Text,
    /// ISO 8601 with a zone.
    Time,
    /// A JSON object, kept as text.
    Json,
}

impl Row {
    const fn new(key: &'static str, kind: Kind) -> Self {
        Self { key, kind, telemetry: true }
    }

    /// The key feeds typed values only.
    const fn core(mut self) -> Self {
        self.telemetry = false;
        self
    }
}

const fn flag(key: &'static str) -> Row {
    Row::new(key, Kind::Flag)
}

const fn number(key: &'static str, min: f64, max: f64, unit: &'static str) -> Row {
    Row::new(key, Kind::Number { min, max, unit })
}

const fn text(key: &'static str) -> Row {
    Row::new(key, Kind::Text)
}

const fn time(key: &'static str) -> Row {
    Row::new(key, Kind::Time)
}

const fn json(key: &'static str) -> Row {
    Row::new(key, Kind::Json)
}

/// All keys, sorted.
pub(super) const ROWS: &[Row] = &[
    json("active_route"),
    text("active_route_destination"),
    number("active_route_latitude", -90.0, 90.0, "deg"),
    number("active_route_longitude", -180.0, 180.0, "deg"),
    number("battery_level", 0.0, 100.0, "%"),
    number("center_display_state", 0.0, 1000.0, ""),
    number("charge_current_request", 0.0, 1000.0, "A"),
    number("charge_current_request_max", 0.0, 1000.0, "A"),
    number("charge_energy_added", 0.0, 1000.0, "kWh"),
    number("charge_limit_soc", 0.0, 100.0, "%").core(),
    flag("charge_port_door_open"),
    number("charger_actual_current", 0.0, 1000.0, "A"),
    number("charger_phases", 0.0, 3.0, ""),
    number("charger_power", 0.0, 1000.0, "kW"),
    number("charger_voltage", 0.0, 1000.0, "V"),
    text("charging_state").core(),
    text("climate_keeper_mode"),
    text("display_name").core(),
    flag("doors_open"),
    number("download_perc", 0.0, 100.0, "%"),
    flag("driver_front_door_open"),
    flag("driver_front_window_open"),
    flag("driver_rear_door_open"),
    flag("driver_rear_window_open"),
    number("elevation", -1000.0, 10_000.0, "m"),
    number("est_battery_range_km", 0.0, 2000.0, "km"),
    text("exterior_color"),
    flag("frunk_open"),
    text("geofence").core(),
    number("heading", 0.0, 360.0, "deg"),
    flag("healthy").core(),
    number("ideal_battery_range_km", 0.0, 2000.0, "km"),
    number("inside_temp", -100.0, 200.0, "°C"),
    number("install_perc", 0.0, 100.0, "%"),
    flag("is_climate_on"),
    flag("is_preconditioning").core(),
    flag("is_user_present"),
    number("latitude", -90.0, 90.0, "deg").core(),
    json("location").core(),
    flag("locked"),
    number("longitude", -180.0, 180.0, "deg").core(),
    text("model"),
    number("odometer", 0.0, 10_000_000.0, "km").core(),
    number("outside_temp", -100.0, 100.0, "°C"),
    flag("passenger_front_door_open"),
    flag("passenger_front_window_open"),
    flag("passenger_rear_door_open"),
    flag("passenger_rear_window_open"),
    flag("plugged_in").core(),
    number("power", -1000.0, 1000.0, "kW"),
    number("rated_battery_range_km", 0.0, 2000.0, "km").core(),
    time("scheduled_charging_start_time"),
    flag("sentry_mode"),
    flag("service_mode"),
    text("shift_state"),
    time("since"),
    json("software_update"),
    number("speed", 0.0, 500.0, "km/h"),
    text("spoiler_type"),
    text("state").core(),
    flag("sun_roof_installed"),
    number("sun_roof_percent_open", 0.0, 100.0, "%"),
    text("sun_roof_state"),
    number("time_to_full_charge", -1.0, 1000.0, "h").core(),
    number("tpms_pressure_fl", 0.0, 20.0, "bar"),
    number("tpms_pressure_fr", 0.0, 20.0, "bar"),
    number("tpms_pressure_rl", 0.0, 20.0, "bar"),
    number("tpms_pressure_rr", 0.0, 20.0, "bar"),
    flag("tpms_soft_warning_fl"),
    flag("tpms_soft_warning_fr"),
    flag("tpms_soft_warning_rl"),
    flag("tpms_soft_warning_rr"),
    text("trim_badging"),
    flag("trunk_open"),
    flag("update_available"),
    text("update_version"),
    number("usable_battery_level", 0.0, 100.0, "%").core(),
    text("version"),
    text("wheel_type"),
    flag("windows_open"),
];

/// Positions of the keys that feed typed values; a misspelt key does not compile.
pub(super) mod at {
    use super::position;

    pub(in crate::teslamate) const BATTERY_LEVEL: usize = position("battery_level");
    pub(in crate::teslamate) const CHARGER_CURRENT: usize = position("charger_actual_current");
    pub(in crate::teslamate) const CHARGE_LIMIT_SOC: usize = position("charge_limit_soc");
    pub(in crate::teslamate) const CHARGING_STATE: usize = position("charging_state");
    pub(in crate::teslamate) const DISPLAY_NAME: usize = position("display_name");
    pub(in crate::teslamate) const ESTIMATED_RANGE: usize = position("est_battery_range_km");
    pub(in crate::teslamate) const GEOFENCE: usize = position("geofence");
    pub(in crate::teslamate) const HEALTHY: usize = position("healthy");
    pub(in crate::teslamate) const IDEAL_RANGE: usize = position("ideal_battery_range_km");
    pub(in crate::teslamate) const IS_PRECONDITIONING: usize = position("is_preconditioning");
    pub(in crate::teslamate) const LATITUDE: usize = position("latitude");
    pub(in crate::teslamate) const LOCATION: usize = position("location");
    pub(in crate::teslamate) const LONGITUDE: usize = position("longitude");
    pub(in crate::teslamate) const ODOMETER: usize = position("odometer");
    pub(in crate::teslamate) const PLUGGED_IN: usize = position("plugged_in");
    pub(in crate::teslamate) const RATED_RANGE: usize = position("rated_battery_range_km");
    pub(in crate::teslamate) const SHIFT_STATE: usize = position("shift_state");
    pub(in crate::teslamate) const SPEED: usize = position("speed");
    pub(in crate::teslamate) const STATE: usize = position("state");
    pub(in crate::teslamate) const TIME_TO_FULL_CHARGE: usize = position("time_to_full_charge");
    pub(in crate::teslamate) const USABLE_BATTERY_LEVEL: usize = position("usable_battery_level");
}

/// The row of a key that a topic named.
pub(super) fn find(key: &str) -> Option<usize> {
    ROWS.binary_search_by(|row| row.key.cmp(key)).ok()
}

/// The row of a key that the code names; evaluated by the compiler only.
const fn position(key: &str) -> usize {
    let mut row = 0;
    while row < ROWS.len() {
        if same(ROWS[row].key.as_bytes(), key.as_bytes()) {
            return row;
        }
        row += 1;
    }
    panic!("no such key")
}

const fn same(left: &[u8], right: &[u8]) -> bool {
    if left.len() != right.len() {
        return false;
    }
    let mut byte = 0;
    while byte < left.len() {
        if left[byte] != right[byte] {
            return false;
        }
        byte += 1;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::{Kind, ROWS, find};

    #[test]
    fn rows_are_sorted_unique_and_found() {
        assert!(ROWS.is_sorted_by(|left, right| left.key < right.key));
        assert!(ROWS.iter().enumerate().all(|(at, row)| find(row.key) == Some(at)));
        assert_eq!(find("no_such_key"), None);
    }

    #[test]
    fn bounds_of_numbers_are_ordered() {
        for row in ROWS {
            if let Kind::Number { min, max, .. } = row.kind {
                assert!(min < max, "{}", row.key);
            }
        }
    }
}
