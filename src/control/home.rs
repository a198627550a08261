//! Where home is: said by the user, or learned from a car that charged with us beyond doubt.

use crate::model::{ChargeStatus, Now, Trust};

use super::detection::{same_power, together};
use super::{Control, Refusal, Vehicle, Wake};

/// Positions are this good at best; farther away is elsewhere.
const RADIUS_M: f64 = 300.0;
/// Metres of one degree of latitude.
const DEGREE_M: f64 = 111_320.0;

/// Where home is, as far as it is known; stored.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Home {
    /// Latitude and longitude in degrees.
    pub position: Option<(f64, f64)>,
    /// Its name among the geofences of the cars' source.
    pub geofence: Option<String>,
}

impl Home {
    /// Whether a car is at home; `None` if nobody knows.
    pub(super) fn holds(&self, vehicle: &Vehicle) -> Option<bool> {
        let near =
            self.position.zip(vehicle.position).map(|(home, car)| distance(home, car) <= RADIUS_M);
        let named = self.geofence.as_ref().zip(vehicle.geofence.as_ref());
        near.or(named.map(|(home, place)| home.eq_ignore_ascii_case(place)))
    }
}

impl Control {
    /// Where home is.
    pub fn home(&self) -> &Home {
        &self.home
    }

    /// Says where home is; nothing has it learned anew.
    ///
    /// # Errors
    /// Degrees that are none.
    pub fn set_home(&mut self, now: Now, home: Home) -> Result<(), Refusal> {
        let fits = |(latitude, longitude): (f64, f64)| {
            (-90.0..=90.0).contains(&latitude) && (-180.0..=180.0).contains(&longitude)
        };
        if !home.position.is_none_or(fits) {
            return Err(Refusal::Malformed(
                "expected degrees of latitude and longitude".to_owned(),
            ));
        }
        self.wake(now.mono, Wake::Wish);
        self.home = home;
        Ok(())
    }

    /// Learns where home is from a car whose charging is ours: it began together with the charger's
    /// and has the same power.
    pub(super) fn learn_home(&mut self, now: Now) {
        if self.home != Home::default() {
            return;
        }
        let ours = self.loadpoints.iter().find_map(|loadpoint| {
            let vehicle = self.vehicles.get(loadpoint.vehicle?.0)?;
            let charges = loadpoint.charging() && vehicle.status == Some(ChargeStatus::Charging);
            let sure = vehicle.trust == Trust::Live
                && together(loadpoint, vehicle)
                && same_power(now, loadpoint, vehicle);
            (charges && sure).then_some(vehicle)
        });
        if let Some(vehicle) = ours {
            self.home = Home { position: vehicle.position, geofence: vehicle.geofence.clone() };
        }
    }
}

/// Metres between two positions that are near each other.
fn distance((a_lat, a_lon): (f64, f64), (b_lat, b_lon): (f64, f64)) -> f64 {
    // The date line is crossed by few driveways, but a distance must not be wrong there either.
    let turn = (a_lon - b_lon).rem_euclid(360.0);
    let east = turn.min(360.0 - turn) * a_lat.to_radians().cos();
    (a_lat - b_lat).hypot(east) * DEGREE_M
}
