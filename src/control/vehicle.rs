//! Vehicles: what they told us and what their owner wants.

use std::collections::BTreeMap;

use crate::model::{
    ChargeStatus, Mode, Mono, Now, Origin, Percent, Telemetry, Trust, VehicleFeature, VehicleSetup,
    VehicleValue,
};

use super::{Goal, Learned, RepeatingPlan, SocPlan, Strategy};

/// One vehicle.
#[derive(Clone, Debug)]
pub struct Vehicle {
    /// What it is.
    pub setup: VehicleSetup,
    /// What its owner wants.
    pub settings: VehicleSettings,
    /// State of charge.
    pub soc: Option<Percent>,
    /// Range in kilometres.
    pub range_km: Option<f64>,
    /// Odometer in kilometres.
    pub odometer_km: Option<f64>,
    /// Limit that is set in the car.
    pub limit_soc: Option<Percent>,
    /// Plug and charge state as the car sees it.
    pub status: Option<ChargeStatus>,
    /// The car heats or cools from the plug; `None` if it cannot tell.
    pub climater: Option<bool>,
    /// Latitude and longitude in degrees.
    pub position: Option<(f64, f64)>,
    /// Name of the place.
    pub geofence: Option<String>,
    /// The source's own word for the car's state.
    pub state: Option<String>,
    /// The source's own word for the charge.
    pub charging_state: Option<String>,
    /// Hours until the car's own limit is reached.
    pub time_to_full_h: Option<f64>,
    /// Whether the source can reach the car; `None` if it does not tell.
    pub healthy: Option<bool>,
    /// Further values under the source's own keys; bounded by the source's table.
    pub telemetry: BTreeMap<&'static str, Telemetry>,
    /// How far the values can be believed.
    pub trust: Trust,
    /// Since when the car has been plugged in, if it was seen to be.
    pub plugged_since: Option<Mono>,
    /// When it was seen to begin (true) or to stop charging.
    pub(super) turned: Option<(bool, Mono)>,
    /// When the source last spoke; `None` while only retained values are known.
    pub updated: Option<Now>,
    /// What its sessions have taught us.
    pub learned: Learned,
    /// The goal for which people were asked to plug it in.
    pub(super) reminded: Option<Goal>,
}

/// What a vehicle's owner wants; stored.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct VehicleSettings {
    /// Mode that is set when the vehicle is assigned.
    pub mode: Option<Mode>,
    /// Charge fast below this SoC; 0 = off.
    pub min_soc: Percent,
    /// Stop at this SoC; 0 = no limit.
    pub limit_soc: Percent,
    /// The plan for one time.
    pub plan: Option<SocPlan>,
    /// Plans for weekdays, in the order of their owner.
    pub repeating: Vec<RepeatingPlan>,
    /// How the plans are carried out.
    pub plan_strategy: Strategy,
}

impl Vehicle {
    /// A vehicle that has told nothing yet.
    pub(super) fn new(setup: VehicleSetup) -> Self {
        Self {
            setup,
            settings: VehicleSettings::default(),
            soc: None,
            range_km: None,
            odometer_km: None,
            limit_soc: None,
            status: None,
            climater: None,
            position: None,
            geofence: None,
            state: None,
            charging_state: None,
            time_to_full_h: None,
            healthy: None,
            telemetry: BTreeMap::new(),
            trust: Trust::Unknown,
            plugged_since: None,
            turned: None,
            updated: None,
            learned: Learned::default(),
            reminded: None,
        }
    }

    /// Records one attribute.
    pub(super) fn record(&mut self, now: Now, value: VehicleValue, origin: Origin) {
        match value {
            VehicleValue::Soc(soc) => self.soc = soc,
            VehicleValue::RangeKm(range) => self.range_km = range,
            VehicleValue::OdometerKm(odometer) => self.odometer_km = odometer,
            VehicleValue::LimitSoc(limit) => self.limit_soc = limit,
            VehicleValue::Status(status) => self.record_status(now, status, origin),
            VehicleValue::Climater(climater) => self.climater = climater,
            VehicleValue::Position(position) => self.position = position,
            VehicleValue::Geofence(geofence) => self.geofence = geofence,
            VehicleValue::State(state) => self.state = state,
            VehicleValue::ChargingState(state) => self.charging_state = state,
            VehicleValue::TimeToFullH(hours) => self.time_to_full_h = hours,
            VehicleValue::Healthy(healthy) => self.healthy = healthy,
            VehicleValue::Telemetry(key, Some(value)) => {
                self.telemetry.insert(key, value);
            }
            VehicleValue::Telemetry(key, None) => {
                self.telemetry.remove(key);
            }
            VehicleValue::Trust(trust) => {
                self.trust = trust;
                return;
            }
        }
        if origin.is_live() {
            self.updated = Some(now);
        }
    }

    fn record_status(&mut self, now: Now, status: Option<ChargeStatus>, origin: Origin) {
        let plugged =
            |status| matches!(status, Some(ChargeStatus::Connected | ChargeStatus::Charging));
        if !plugged(status) {
            self.plugged_since = None;
        } else if !plugged(self.status) && origin.is_live() {
            self.plugged_since = Some(now.mono);
        }
        let charging = |status| status == Some(ChargeStatus::Charging);
        if self.status.is_some() && origin.is_live() && charging(status) != charging(self.status) {
            self.turned = Some((charging(status), now.mono));
        }
        self.status = status;
    }

    /// Whether the vehicle has this feature.
    pub fn has(&self, feature: VehicleFeature) -> bool {
        self.setup.features.contains(&feature)
    }

    /// The age of the data at `now`, if the source has spoken at all.
    pub fn age(&self, now: Mono) -> Option<std::time::Duration> {
        self.updated.map(|updated| now.since(updated.mono))
    }
}
